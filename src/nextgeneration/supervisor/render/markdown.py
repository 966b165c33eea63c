"""A mission's report as Markdown, for people and for version control."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nextgeneration.kernel.findings import Severity
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.reports import ReportStatus
from nextgeneration.kernel.show import escaped
from nextgeneration.supervisor.outcome import ActionOutcome, ActionStatus, MergedFinding, MissionReport, TaskOutcome

STATUS = {
    "done": Texts("done", "terminée"),
    "partial": Texts("partly done", "faite en partie"),
    "failed": Texts("failed", "en échec"),
    "waiting": Texts("waits for a decision", "attend une décision"),
    "cancelled": Texts("cancelled", "annulée"),
    "parked": Texts("parked", "mise de côté"),
}
TASK = {
    ReportStatus.DONE: Texts("done", "terminé"),
    ReportStatus.PARTIAL: Texts("partial", "partiel"),
    ReportStatus.FAILED: Texts("failed", "échec"),
    ReportStatus.SKIPPED: Texts("skipped", "non lancé"),
    ReportStatus.OVER_BUDGET: Texts("over budget", "budget épuisé"),
}
ACTION = {
    ActionStatus.OFFERED: Texts("proposed", "proposée"),
    ActionStatus.PENDING: Texts("waits for a decision", "attend une décision"),
    ActionStatus.REJECTED: Texts("refused", "refusée"),
    ActionStatus.FAILED: Texts("failed", "échec"),
    ActionStatus.DONE: Texts("done, not verified", "faite, non vérifiée"),
    ActionStatus.VERIFIED: Texts("done and verified", "faite et vérifiée"),
}
SEVERITY = {
    Severity.CRITICAL: Texts("critical", "critique"),
    Severity.HIGH: Texts("high", "élevé"),
    Severity.MEDIUM: Texts("medium", "moyen"),
    Severity.LOW: Texts("low", "faible"),
    Severity.INFO: Texts("info", "info"),
}

_HEAD = Texts("Mission report", "Rapport de mission")
_GOAL = Texts("Goal", "But")
_STATUS = Texts("Status", "État")
_COST = Texts("Cost", "Coût")
_COST_LINE = Texts(
    "{calls} tool calls, {models} model calls, {seconds:.1f} s of agents' time, {credits} credits",
    "{calls} appels d'outils, {models} appels de modèles, {seconds:.1f} s d'agents, {credits} crédits",
)
_ANSWER = Texts("Answer", "Réponse")
_FINDINGS = Texts("Findings", "Constats")
_FIXED = Texts("fixed and verified", "corrigé et vérifié")
_FOUND_BY = Texts("Found by", "Trouvé par")
_CONFIDENCE = Texts("confidence", "confiance")
_RULE = Texts("rule", "règle")
_EVIDENCE = Texts("Evidence", "Preuve")
_FIX = Texts("Fix", "Correction")
_DISPUTED = Texts("Disputed by", "Contredit par")
_ACTIONS = Texts("Actions", "Actions")
_DECIDED = Texts("decided by {by}", "décidée par {by}")
_TEAM = Texts("Agents", "Agents")
_WHY = Texts("Why these agents", "Pourquoi ces agents")
_MISSING = Texts("What is missing", "Ce qui manque")
_CHECKED = Texts("Checked with", "Vérifié avec")
_MARKS = re.compile(r"([\\`*_\[\]<>|])")


def markdown(report: MissionReport) -> str:
    """The whole report. Text from outside is escaped: it can neither format nor link."""
    return "\n".join(_lines(report)).rstrip() + "\n"


def _lines(report: MissionReport) -> Iterator[str]:
    lang = report.lang
    cost = report.cost
    yield f"# {_HEAD.say(lang)} `{report.mission}`\n"
    yield f"- {_GOAL.say(lang)}: {_plain(report.goal)}"
    yield f"- {_STATUS.say(lang)}: {STATUS.get(report.status, Texts(report.status, report.status)).say(lang)}"
    said = _COST_LINE.say(
        lang, calls=cost.tool_calls, models=cost.model_calls, seconds=cost.seconds, credits=cost.credits // 1_000_000
    )
    yield f"- {_COST.say(lang)}: {said}"
    if report.ended_at:
        yield f"- {report.created_at} – {report.ended_at}"
    yield f"\n## {_ANSWER.say(lang)}\n"
    for sentence in report.answer:
        sources = ", ".join((*sentence.findings[:8], *sentence.tasks, *sentence.actions))
        yield f"- {_plain(sentence.text)}" + (f" <sub>[{sources}]</sub>" if sources else "")
    if report.findings:
        yield f"\n## {_FINDINGS.say(lang)}\n"
        for entry in report.findings:
            yield from _finding(entry, lang)
    if report.actions:
        yield f"\n## {_ACTIONS.say(lang)}\n"
        for outcome in report.actions:
            yield from _action(outcome, lang)
    if report.missing:
        yield f"\n## {_MISSING.say(lang)}\n"
        yield from (f"- {_plain(line)}" for line in report.missing)
    if report.tasks:
        yield f"\n## {_TEAM.say(lang)}\n"
        yield from (_task(task, lang) for task in report.tasks)
    if report.plan and report.tasks:
        yield f"\n## {_WHY.say(lang)}\n"
        yield from (f"- {_plain(line)}" for line in report.plan.splitlines())


def _finding(entry: MergedFinding, lang: Lang) -> Iterator[str]:
    finding = entry.finding
    where = f" — `{_code(str(finding.location))}`" if finding.location else ""
    fixed = f" — **{_FIXED.say(lang)}**" if entry.resolved else ""
    yield f"### {SEVERITY[finding.severity].say(lang)}: {_plain(finding.title)}{where}{fixed}\n"
    if finding.message:
        yield _plain(finding.message) + "\n"
    if finding.fix:
        yield f"{_FIX.say(lang)}: {_plain(finding.fix)}\n"
    for evidence in finding.evidence[:3]:
        at = f", `{_code(str(evidence.location))}`" if evidence.location else ""
        yield f"{_EVIDENCE.say(lang)} (`{_code(evidence.source)}`{at}):\n"
        yield from _fenced(evidence.excerpt)
    if entry.disputed_by:
        yield f"{_DISPUTED.say(lang)}: {', '.join(entry.disputed_by)}\n"
    yield (
        f"<sub>{entry.id} · {_RULE.say(lang)} {', '.join(entry.rules)} · "
        f"{_CONFIDENCE.say(lang)} {entry.confidence:.2f} · {_FOUND_BY.say(lang)} {', '.join(entry.agents)}</sub>\n"
    )


def _action(outcome: ActionOutcome, lang: Lang) -> Iterator[str]:
    by = f", {_DECIDED.say(lang, by=outcome.decided_by)}" if outcome.decided_by else ""
    label = f" [{outcome.label}]" if outcome.label else ""
    yield f"### {_plain(outcome.action.reason)}{label} — {ACTION[outcome.status].say(lang)}{by}\n"
    body = outcome.preview or str(outcome.action.args.get("patch") or outcome.action.args)
    yield from _fenced(body[:20_000], "diff" if outcome.kind == "diff" or "patch" in outcome.action.args else "")
    if outcome.detail:
        yield _plain(outcome.detail) + "\n"
    for check in outcome.checks:
        mark = "✓" if check.passed else "✗"
        yield f"- {mark} {_CHECKED.say(lang)} `{_code(check.tool)}` {_plain(check.detail)}"
    if outcome.checks:
        yield ""


def _task(task: TaskOutcome, lang: Lang) -> str:
    revision = task.revision.removeprefix("sha256:")[:12]
    return f"- **{_plain(task.agent)}** ({task.template}@{revision}): {TASK[task.status].say(lang)}"


def _plain(text: str) -> str:
    """Text from outside as Markdown that shows exactly its characters, on one line."""
    return _MARKS.sub(r"\\\1", escaped(" ".join(text.split()), newlines=False))


def _code(text: str) -> str:
    return escaped(text, newlines=False).replace("`", "'")


def _fenced(text: str, kind: str = "") -> Iterator[str]:
    """A fence longer than any run of backticks in ``text``."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    yield f"{fence}{kind}\n{escaped(text).rstrip()}\n{fence}\n"
