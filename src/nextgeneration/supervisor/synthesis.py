"""Many reports become one answer, without a model and without inventing anything.

Findings with one cause in one place are merged: found by several agents they corroborate each other, saying
opposite things they are shown as a contradiction. Each sentence names the findings, tasks or actions it rests on.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from nextgeneration.kernel.findings import Finding, Severity
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.reports import Report, ReportStatus
from nextgeneration.kernel.risk import risk_said
from nextgeneration.supervisor.asking import Quoted, asked_in
from nextgeneration.supervisor.outcome import ActionOutcome, ActionStatus, MergedFinding, Sentence, TaskOutcome

SHOWN, SHOWN_SEVERE = 5, 8
"""Kinds of findings that get a sentence of their own, more when they are severe; the list has them all."""

PLACES = 3

_NOTHING_RAN = Texts("No agent could do its work.", "Aucun agent n'a pu faire son travail.")
_NONE = Texts(
    "{agents} worked on this and found no problem.", "{agents} y ont travaillé et n'ont trouvé aucun problème."
)
_NONE_ONE = Texts(
    "{agents} worked on this and found no problem.", "{agents} y a travaillé et n'a trouvé aucun problème."
)
_TOTAL = Texts("{agents} reported {counts}.", "{agents} ont relevé {counts}.")
_TOTAL_ONE = Texts("{agents} reported {counts}.", "{agents} a relevé {counts}.")
_AGENTS = Texts("{n} agents", "{n} agents")
_AGENT = Texts("One agent", "Un agent")
_FINDINGS = Texts("{n} findings: {tally}", "{n} constats : {tally}")
_ALIKE = Texts("{n} findings, all {kind}", "{n} constats, tous {kind}")
_FINDING = Texts("one finding, {kind}", "un constat, {kind}")
_FIXED = Texts(" Of these, {n} are fixed and verified.", " Parmi eux, {n} sont corrigés et vérifiés.")
_FIXED_ONE = Texts(" One of them is fixed and verified.", " L'un d'eux est corrigé et vérifié.")
_FIXED_ALL = Texts(" All are fixed and verified.", " Tout est corrigé et vérifié.")
_COUNT = {
    Severity.CRITICAL: (Texts("{n} critical", "{n} critique"), Texts("{n} critical", "{n} critiques")),
    Severity.HIGH: (Texts("{n} high", "{n} élevé"), Texts("{n} high", "{n} élevés")),
    Severity.MEDIUM: (Texts("{n} medium", "{n} moyen"), Texts("{n} medium", "{n} moyens")),
    Severity.LOW: (Texts("{n} low", "{n} faible"), Texts("{n} low", "{n} faibles")),
    Severity.INFO: (Texts("{n} for information", "{n} pour information"),) * 2,
}
_AND = Texts("{first} and {last}", "{first} et {last}")
_LINE = Texts("line {line}", "ligne {line}")
_MORE_PLACES = Texts("{n} more places", "{n} autres endroits")
_ONE_MORE_PLACE = Texts("one more place", "un autre endroit")
_ALSO = Texts(" The same in {places}.", " De même : {places}.")
_INDEPENDENT = Texts(" Found independently by {agents}.", " Trouvé indépendamment par {agents}.")
_SEEN_BY = Texts(" Seen by {agents}.", " Vu par {agents}.")
_UNSURE = Texts(" (confidence {confidence:.0%})", " (confiance {confidence:.0%})")
_REST = Texts(
    "{n} further findings are in the list, {worst} at worst.",
    "{n} autres constats sont dans la liste, au pire {worst}.",
)
_REST_ONE = Texts("One further finding is in the list, {worst}.", "Un autre constat est dans la liste, {worst}.")
_WORST = {
    Severity.CRITICAL: Texts("critical", "critique"),
    Severity.HIGH: Texts("high", "élevé"),
    Severity.MEDIUM: Texts("medium", "moyen"),
    Severity.LOW: Texts("low", "faible"),
    Severity.INFO: Texts("for information", "pour information"),
}
_SAYS = Texts("{tool} says:", "{tool} dit :")
_DISPUTED = Texts(
    "Contradiction: {a} says “{left}”, {b} says “{right}”. Both are shown with their evidence.",
    "Contradiction : {a} dit « {left} », {b} dit « {right} ». Les deux sont montrés avec leurs preuves.",
)
_TASK = {
    ReportStatus.FAILED: Texts("{agent} gave no result: {why}", "{agent} n'a rien donné : {why}"),
    ReportStatus.SKIPPED: Texts("{agent} was not started: {why}", "{agent} n'a pas été lancé : {why}"),
    ReportStatus.PARTIAL: Texts(
        "{agent} did only part of its work: {why}", "{agent} n'a fait qu'une partie du travail : {why}"
    ),
    ReportStatus.OVER_BUDGET: Texts(
        "{agent} stopped at its budget, and what it had found until then counts: {why}",
        "{agent} s'est arrêté à son budget, et ce qu'il avait trouvé jusque-là compte : {why}",
    ),
}
_TAKEN_OVER = Texts(" {other} took over.", " {other} a pris la suite.")
_ACTION = {
    ActionStatus.VERIFIED: Texts("Done and verified: {what}", "Fait et vérifié : {what}"),
    ActionStatus.DONE: Texts("Done: {what}", "Fait : {what}"),
    ActionStatus.FAILED: Texts("Approved but failed: {what}", "Approuvé mais en échec : {what}"),
    ActionStatus.REJECTED: Texts("Refused, nothing was done: {what}", "Refusé, rien n'a été fait : {what}"),
    ActionStatus.PENDING: Texts("Waits for your decision{risk}: {what}", "Attend votre décision{risk} : {what}"),
    ActionStatus.APPROVED: Texts("Approved, under way: {what}", "Accepté, en cours : {what}"),
    ActionStatus.CANCELLED: Texts("Cancelled, nothing was done: {what}", "Annulé, rien n'a été fait : {what}"),
    ActionStatus.CUT_OFF: Texts(
        "Cut off while it was under way; check what it left behind: {what}",
        "Interrompu en cours ; vérifiez ce qui en reste : {what}",
    ),
    ActionStatus.OFFERED: Texts("Proposed: {what}", "Proposé : {what}"),
}
_NOT_FIXED = Texts("Done, but the problem is still there: {what}", "Fait, mais le problème demeure : {what}")
_EDITED = Texts(" As changed by {by}.", " Tel que modifié par {by}.")
_RISK = Texts(" (risk: {label})", " (risque : {label})")


# -- findings --------------------------------------------------------------------------------------------------------


def merged(reports: Mapping[str, Report], fixed: Iterable[str] = (), goal: str = "") -> tuple[MergedFinding, ...]:
    """The findings of all reports, one entry a fact, what was asked for first, then the worst and surest.

    Findings are one fact when they have the same id, or the same stated cause in the same file and both hold or both
    do not. ``fixed`` are ids of findings whose verified action made them go away. ``goal`` is what was asked for.
    """
    gone = set(fixed)
    asked = asked_in(goal).about([finding for report in reports.values() for finding in report.findings])
    groups: dict[tuple[str, str, bool], list[tuple[str, Finding]]] = defaultdict(list)
    for task in sorted(reports):
        report = reports[task]
        for finding in report.findings:
            groups[(finding.cause or finding.id, _path(finding), finding.holds)].append((report.agent, finding))
    entries = [_entry(members, gone, asked) for members in groups.values()]
    return tuple(sorted(_with_disputes(entries), key=lambda m: (*m.rank, *_place(m.finding), m.id)))


def _entry(members: Sequence[tuple[str, Finding]], gone: set[str], asked: Callable[[Finding], bool]) -> MergedFinding:
    if len(members) == 1:
        # Most findings are nobody else's.
        agent, finding = members[0]
        return MergedFinding(
            id=finding.id,
            finding=finding,
            agents=(agent,),
            rules=(finding.rule,),
            confidence=round(1 - (1 - finding.confidence), 4),
            resolved=finding.id in gone,
            asked=asked(finding),
        )
    findings = [finding for _, finding in members]
    best = max(findings, key=lambda f: (f.severity.rank, f.confidence))
    surest: dict[str, float] = {}
    for finding in findings:
        surest[finding.rule] = max(surest.get(finding.rule, 0.0), finding.confidence)
    doubt = 1.0
    for confidence in surest.values():
        doubt *= 1 - confidence
    by_id = {finding.id: finding for finding in findings}
    name = best.id
    return MergedFinding(
        id=name,
        finding=best,
        agents=tuple(dict.fromkeys([agent for agent, _ in members])),
        rules=tuple(sorted(surest)),
        others=tuple([finding for key, finding in by_id.items() if key != name]),
        confidence=round(1 - doubt, 4),
        resolved=not gone.isdisjoint(by_id),
        asked=any(map(asked, findings)),
    )


def _place(finding: Finding) -> tuple[str, str, int]:
    """Sorts what is equally bad: kinds together, in the order of files and lines."""
    return (finding.rule, _path(finding), (finding.location.line or 0) if finding.location else 0)


def _path(finding: Finding) -> str:
    return finding.location.path if finding.location else ""


def _with_disputes(entries: Sequence[MergedFinding]) -> list[MergedFinding]:
    """Each entry with those that say the opposite of the same cause; a claim about no file is about all of them."""
    if len({entry.finding.holds for entry in entries}) < 2:
        return list(entries)
    by_cause: dict[str, list[MergedFinding]] = defaultdict(list)
    for entry in entries:
        if entry.finding.cause:
            by_cause[entry.finding.cause].append(entry)
    shown = []
    for entry in entries:
        rivals = tuple(o.id for o in by_cause.get(entry.finding.cause, ()) if _opposed(entry.finding, o.finding))
        shown.append(entry.model_copy(update={"disputed_by": rivals}) if rivals else entry)
    return shown


def _opposed(one: Finding, other: Finding) -> bool:
    left, right = _path(one), _path(other)
    return one.holds != other.holds and (left == right or not left or not right)


# -- the answer ------------------------------------------------------------------------------------------------------


def answer(
    findings: Sequence[MergedFinding],
    tasks: Sequence[TaskOutcome],
    actions: Sequence[ActionOutcome],
    lang: Lang,
    note: str = "",
    quotes: Sequence[Quoted] = (),
) -> tuple[Sentence, ...]:
    """The answer, sentence by sentence.

    Args:
        findings: all of them, merged.
        tasks: what every agent came to.
        actions: what became of each action.
        lang: the language of the mission.
        note: the planner's words, the answer when nobody could serve the goal.
        quotes: what tools said that belongs into the answer; what was asked for comes first.
    """
    if not tasks:
        return (Sentence(text=note),)
    open_ = [m for m in findings if m.finding.holds and not m.resolved]
    return (
        *(_quote(one, lang) for one in quotes if one.asked),
        *_overview(findings, tasks, actions, quotes, lang),
        *_problems(open_, lang),
        *(_quote(one, lang) for one in quotes if not one.asked),
        *_contradictions(findings, lang),
        *_about_tasks(tasks, lang),
        *(_about_action(outcome, lang) for outcome in actions if outcome.status is not ActionStatus.OFFERED),
    )


def _quote(one: Quoted, lang: Lang) -> Sentence:
    lead = _SAYS.say(lang, tool=one.statement.tool)
    return Sentence(text=lead, quote=one.statement.text, tasks=(one.task,))


def _overview(
    findings: Sequence[MergedFinding],
    tasks: Sequence[TaskOutcome],
    actions: Sequence[ActionOutcome],
    quotes: Sequence[Quoted],
    lang: Lang,
) -> list[Sentence]:
    """How much was found by how many. "No problem" is said only when looking for one was all there was to do."""
    holding = [m for m in findings if m.finding.holds]
    worked = [t for t in tasks if t.status not in {ReportStatus.FAILED, ReportStatus.SKIPPED}]
    if holding:
        return [_tally(holding, lang)]
    if not worked:
        return [Sentence(text=_NOTHING_RAN.say(lang), tasks=tuple(task.id for task in tasks))]
    if any(quote.asked for quote in quotes) or any(o.status is not ActionStatus.OFFERED for o in actions):
        return []
    agents = (_AGENTS if len(worked) > 1 else _AGENT).say(lang, n=len(worked))
    text = (_NONE if len(worked) > 1 else _NONE_ONE).say(lang, agents=agents)
    return [Sentence(text=text, tasks=tuple(task.id for task in worked))]


def _tally(holding: Sequence[MergedFinding], lang: Lang) -> Sentence:
    count = len({agent for m in holding for agent in m.agents})
    agents = (_AGENTS if count > 1 else _AGENT).say(lang, n=count)
    tally = Counter(m.finding.severity for m in holding)
    parts = [_COUNT[s][tally[s] > 1].say(lang, n=tally[s]) for s in sorted(tally, key=lambda s: -s.rank)]
    kind = parts[0].removeprefix(f"{len(holding)} ")
    form = _FINDINGS if len(tally) > 1 else _ALIKE if len(holding) > 1 else _FINDING
    counts = form.say(lang, n=len(holding), tally=_listed(parts, lang), kind=kind)
    text = (_TOTAL if count > 1 else _TOTAL_ONE).say(lang, agents=agents, counts=counts)
    fixed = sum(m.resolved for m in holding)
    if fixed:
        which = _FIXED_ALL if fixed == len(holding) else _FIXED if fixed > 1 else _FIXED_ONE
        text += which.say(lang, n=fixed)
    return Sentence(text=text, findings=tuple(m.id for m in holding))


def _listed(parts: Sequence[str], lang: Lang) -> str:
    """``a, b and c``."""
    if len(parts) < 2:
        return "".join(parts)
    return _AND.say(lang, first=", ".join(parts[:-1]), last=parts[-1])


def _problems(open_: Sequence[MergedFinding], lang: Lang) -> list[Sentence]:
    """A sentence for each of the worst kinds, and one that counts what is left. Information only when it is all."""
    worth = [m for m in open_ if m.asked or m.finding.severity is not Severity.INFO] or list(open_)
    kinds: dict[str, list[MergedFinding]] = {}
    for entry in worth:
        kinds.setdefault(entry.finding.rule, []).append(entry)
    severe = sum(kind[0].finding.severity.rank >= Severity.HIGH.rank for kind in kinds.values())
    told = list(kinds.values())[: min(max(SHOWN, severe), SHOWN_SEVERE)]
    sentences = [_about(kind, lang) for kind in told]
    said = {entry.id for kind in told for entry in kind}
    rest = [entry for entry in open_ if entry.id not in said]
    if rest:
        worst = max((entry.finding.severity for entry in rest), key=lambda s: s.rank)
        text = (_REST if len(rest) > 1 else _REST_ONE).say(lang, n=len(rest), worst=_WORST[worst].say(lang))
        sentences.append(Sentence(text=text, findings=tuple(entry.id for entry in rest)))
    return sentences


def _about(kind: Sequence[MergedFinding], lang: Lang) -> Sentence:
    """What one rule found, told by its worst case; further places are named and counted."""
    entry = kind[0]
    finding = entry.finding
    text = _ended(finding.title + _where(finding, lang))
    if finding.message:
        text += " " + _ended(finding.message)
    if entry.confidence < 0.6:
        text += _UNSURE.say(lang, confidence=entry.confidence)
    if len(entry.agents) > 1:
        agreed = _INDEPENDENT if len(entry.rules) > 1 else _SEEN_BY
        text += agreed.say(lang, agents=_listed(entry.agents, lang))
    if len(kind) > 1:
        text += _ALSO.say(lang, places=_places(kind[1:], lang))
    return Sentence(text=text, findings=tuple(dict.fromkeys(i for one in kind for i in one.ids)))


def _where(finding: Finding, lang: Lang) -> str:
    place = finding.location
    if place is None:
        return ""
    if place.path not in finding.title:
        return f" ({place})"
    return f" ({_LINE.say(lang, line=place.line)})" if place.line and place.line > 1 else ""


def _places(others: Sequence[MergedFinding], lang: Lang) -> str:
    """Where else: the first few, then how many more."""
    named = [str(one.finding.location) if one.finding.location else one.finding.title for one in others]
    places = list(dict.fromkeys(named))
    left = len(places) - PLACES
    if left == 1:
        places.append(_ONE_MORE_PLACE.say(lang))
    elif left > 1:
        places.append(_MORE_PLACES.say(lang, n=left))
    return _listed(places if left <= 0 else [*places[:PLACES], places[-1]], lang)


def _ended(text: str) -> str:
    """``text`` with a full stop, unless it has an end of its own."""
    return text if text.endswith((".", "!", "?", "…", ":")) else f"{text}."


def _contradictions(findings: Sequence[MergedFinding], lang: Lang) -> list[Sentence]:
    by_id = {m.id: m for m in findings}
    found = []
    for entry in findings:
        for rival in (by_id[i] for i in entry.disputed_by if entry.finding.holds):
            text = _DISPUTED.say(
                lang,
                a=_listed(entry.agents, lang),
                left=entry.finding.title,
                b=_listed(rival.agents, lang),
                right=rival.finding.title,
            )
            found.append(Sentence(text=text, findings=(entry.id, rival.id)))
    return found


def _about_tasks(tasks: Sequence[TaskOutcome], lang: Lang) -> list[Sentence]:
    """What did not come through, why, and who took over."""
    heirs = {task.replaces: task for task in tasks if task.replaces}
    said = []
    for task in tasks:
        if task.status is ReportStatus.DONE:
            continue
        reasons = task.missing or tuple(str(problem.get("message", "")) for problem in task.problems)
        text = _ended(_TASK[task.status].say(lang, agent=task.agent, why="; ".join(reasons) or task.status.value))
        heir = heirs.get(task.id)
        if heir is not None:
            text += _TAKEN_OVER.say(lang, other=heir.agent)
        said.append(Sentence(text=text, tasks=(task.id, heir.id) if heir else (task.id,)))
    return said


def _about_action(outcome: ActionOutcome, lang: Lang) -> Sentence:
    failed_check = outcome.status is ActionStatus.DONE and not all(check.passed for check in outcome.checks)
    risk = _RISK.say(lang, label=risk_said(outcome.label, lang)) if outcome.label else ""
    text = _NOT_FIXED if failed_check else _ACTION[outcome.status]
    said = _ended(text.say(lang, what=outcome.action.reason, risk=risk))
    if outcome.edited_by:
        said += _EDITED.say(lang, by=outcome.edited_by)
    if outcome.detail:
        said += " " + _ended(outcome.detail)
    # What nothing checks afterwards was done for its result: the tests' outcome, a program's output.
    wanted = outcome.status is ActionStatus.DONE and not outcome.checks
    quote = str(outcome.output.get("text", "")).strip() if wanted else ""
    return Sentence(text=said, quote=quote, findings=outcome.action.fixes, actions=(outcome.action.id,))


def missing_parts(tasks: Sequence[TaskOutcome], replaced: Iterable[str] = ()) -> tuple[str, ...]:
    """What the answer does not cover, a line each, with the agents that should have."""
    done = set(replaced)
    lacking: dict[str, list[str]] = {}
    for task in tasks:
        if task.id in done:
            continue
        parts = list(task.missing)
        if not task.missing and task.status in {ReportStatus.FAILED, ReportStatus.SKIPPED}:
            parts += [str(problem.get("message", "")) for problem in task.problems]
        for part in parts:
            lacking.setdefault(part, []).append(task.agent)
    return tuple(f"{', '.join(dict.fromkeys(agents))}: {part}" for part, agents in lacking.items())
