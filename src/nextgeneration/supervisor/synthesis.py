"""Many reports become one answer, without a model and without inventing anything.

Findings with one cause are merged: found by several agents they corroborate each other, saying
opposite things they are shown as a contradiction. Each sentence names the findings or tasks it rests on.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from nextgeneration.kernel.findings import Finding, Severity
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.reports import Report, ReportStatus
from nextgeneration.supervisor.outcome import ActionOutcome, ActionStatus, MergedFinding, Sentence, TaskOutcome

SHOWN = 5
"""Findings that get a sentence of their own; the list below the answer has them all."""

_NONE = Texts("No problem was found.", "Aucun problème n'a été trouvé.")
_TOTAL = Texts("{agents} agents found {counts}.", "{agents} agents ont trouvé : {counts}.")
_TOTAL_ONE = Texts("One agent found {counts}.", "Un agent a trouvé : {counts}.")
_COUNT = {
    Severity.CRITICAL: Texts("{n} critical", "{n} critique(s)"),
    Severity.HIGH: Texts("{n} high", "{n} élevé(s)"),
    Severity.MEDIUM: Texts("{n} medium", "{n} moyen(s)"),
    Severity.LOW: Texts("{n} low", "{n} faible(s)"),
    Severity.INFO: Texts("{n} for information", "{n} pour information"),
}
_SEEN_BY = Texts("{title}{where}: {message}", "{title}{where} : {message}")
_CORROBORATED = Texts(" Corroborated by {agents}.", " Corroboré par {agents}.")
_DISPUTED = Texts(
    "Contradiction: {a} says “{left}”, {b} says “{right}”.", "Contradiction : {a} dit « {left} », {b} dit « {right} »."
)
_TASK_FAILED = Texts("{agent} gave no result: {why}", "{agent} n'a rien donné : {why}")
_TASK_PART = Texts("{agent} did only part of its work: {why}", "{agent} n'a fait qu'une partie du travail : {why}")
_TASK_BUDGET = Texts("{agent} stopped at its budget: {why}", "{agent} s'est arrêté à son budget : {why}")
_ACTION = {
    ActionStatus.VERIFIED: Texts("Done and verified: {what}", "Fait et vérifié : {what}"),
    ActionStatus.DONE: Texts("Done, not verified: {what}", "Fait, non vérifié : {what}"),
    ActionStatus.FAILED: Texts("Approved but failed: {what} {detail}", "Approuvé mais en échec : {what} {detail}"),
    ActionStatus.REJECTED: Texts("Refused, not done: {what}", "Refusé, non fait : {what}"),
    ActionStatus.PENDING: Texts("Waits for a decision: {what}", "Attend une décision : {what}"),
    ActionStatus.OFFERED: Texts("Proposed: {what}", "Proposé : {what}"),
}


def merged(reports: Mapping[str, Report], fixed: Iterable[str] = (), goal: str = "") -> tuple[MergedFinding, ...]:
    """The findings of all reports, one entry a fact, worst and surest first.

    Findings are one fact when they have the same id, or the same stated cause and both hold or both do not. ``fixed``
    are ids of findings whose verified action made them go away. ``goal`` is what was asked for.
    """
    gone, asked = set(fixed), goal.casefold()
    groups: dict[str, list[tuple[str, Finding]]] = defaultdict(list)
    for task in sorted(reports):
        report = reports[task]
        for finding in report.findings:
            key = f"{finding.cause}\0{finding.holds}" if finding.cause else finding.id
            groups[key].append((report.agent, finding))
    entries = [_entry(members, gone, asked) for members in groups.values()]
    return tuple(sorted(_with_disputes(entries), key=lambda m: (*m.rank, m.finding.title, m.id)))


def _entry(members: Sequence[tuple[str, Finding]], gone: set[str], goal: str) -> MergedFinding:
    best = max((finding for _, finding in members), key=lambda f: (f.severity.rank, f.confidence))
    surest: dict[str, float] = {}
    for _, finding in members:
        surest[finding.rule] = max(surest.get(finding.rule, 0.0), finding.confidence)
    doubt = 1.0
    for confidence in surest.values():
        doubt *= 1 - confidence
    others = {f.id: f for _, f in members if f.id != best.id}
    return MergedFinding(
        id=best.id,
        finding=best,
        agents=tuple(dict.fromkeys(agent for agent, _ in members)),
        rules=tuple(sorted(surest)),
        others=tuple(others.values()),
        confidence=round(1 - doubt, 4),
        resolved=any(f.id in gone for _, f in members),
        asked=_names(goal, best.cause),
    )


def _names(goal: str, cause: str) -> bool:
    """Whether ``goal`` names the subject of a cause such as ``command-missing:docker-compose``."""
    subject = cause.partition(":")[2].casefold()
    return bool(subject) and re.search(rf"(?<![\w-]){re.escape(subject)}(?![\w-])", goal) is not None


def _with_disputes(entries: Sequence[MergedFinding]) -> list[MergedFinding]:
    by_cause: dict[str, list[MergedFinding]] = defaultdict(list)
    for entry in entries:
        if entry.finding.cause:
            by_cause[entry.finding.cause].append(entry)
    shown = []
    for entry in entries:
        rivals = [o.id for o in by_cause.get(entry.finding.cause, ()) if o.finding.holds != entry.finding.holds]
        shown.append(entry.model_copy(update={"disputed_by": tuple(rivals)}) if rivals else entry)
    return shown


def answer(
    findings: Sequence[MergedFinding],
    tasks: Sequence[TaskOutcome],
    actions: Sequence[ActionOutcome],
    lang: Lang,
    note: str = "",
) -> tuple[Sentence, ...]:
    """The answer, sentence by sentence; ``note`` is the planner's when nobody could serve the goal."""
    if not tasks:
        return (Sentence(text=note),)
    problems = [m for m in findings if m.finding.holds and not m.resolved]
    return (
        _overview(findings, tasks, lang),
        *(_about(m, lang) for m in problems[:SHOWN]),
        *_contradictions(findings, lang),
        *(_about_task(task, lang) for task in tasks if task.status is not ReportStatus.DONE),
        *(_about_action(outcome, lang) for outcome in actions if outcome.status is not ActionStatus.OFFERED),
    )


def _overview(findings: Sequence[MergedFinding], tasks: Sequence[TaskOutcome], lang: Lang) -> Sentence:
    ids = tuple(m.id for m in findings if m.finding.holds)
    tally = Counter(m.finding.severity for m in findings if m.finding.holds)
    if not tally:
        return Sentence(text=_NONE.say(lang), tasks=tuple(task.id for task in tasks))
    counts = ", ".join(_COUNT[s].say(lang, n=tally[s]) for s in sorted(tally, key=lambda s: -s.rank))
    finders = {agent for m in findings for agent in m.agents}
    text = _TOTAL if len(finders) > 1 else _TOTAL_ONE
    return Sentence(text=text.say(lang, agents=len(finders), counts=counts), findings=ids)


def _about(entry: MergedFinding, lang: Lang) -> Sentence:
    finding = entry.finding
    where = f" ({finding.location})" if finding.location else ""
    message = finding.message or finding.fix or finding.rule
    text = _SEEN_BY.say(lang, title=finding.title, where=where, message=message)
    if entry.corroborated:
        text += _CORROBORATED.say(lang, agents=", ".join(entry.agents))
    return Sentence(text=text, findings=(entry.id, *(f.id for f in entry.others)))


def _contradictions(findings: Sequence[MergedFinding], lang: Lang) -> list[Sentence]:
    by_id = {m.id: m for m in findings}
    found = []
    for entry in findings:
        for rival in (by_id[i] for i in entry.disputed_by if entry.finding.holds):
            text = _DISPUTED.say(
                lang,
                a=", ".join(entry.agents),
                left=entry.finding.title,
                b=", ".join(rival.agents),
                right=rival.finding.title,
            )
            found.append(Sentence(text=text, findings=(entry.id, rival.id)))
    return found


def _about_task(task: TaskOutcome, lang: Lang) -> Sentence:
    texts = {ReportStatus.PARTIAL: _TASK_PART, ReportStatus.OVER_BUDGET: _TASK_BUDGET}
    why = "; ".join(task.missing) or "; ".join(str(p.get("message", "")) for p in task.problems) or task.status
    return Sentence(text=texts.get(task.status, _TASK_FAILED).say(lang, agent=task.agent, why=why), tasks=(task.id,))


def _about_action(outcome: ActionOutcome, lang: Lang) -> Sentence:
    text = _ACTION[outcome.status].say(lang, what=outcome.action.reason, detail=outcome.detail).strip()
    return Sentence(text=text, findings=outcome.action.fixes, actions=(outcome.action.id,))


def missing_parts(tasks: Sequence[TaskOutcome], replaced: Iterable[str] = ()) -> tuple[str, ...]:
    """What the answer does not cover, a line each, with the agent that should have."""
    done = set(replaced)
    lines = []
    for task in tasks:
        if task.id in done:
            continue
        lines += [f"{task.agent}: {part}" for part in task.missing]
        if not task.missing and task.status in {ReportStatus.FAILED, ReportStatus.SKIPPED}:
            lines += [f"{task.agent}: {problem.get('message', '')}" for problem in task.problems]
    return tuple(dict.fromkeys(lines))
