"""The words of a report: states, severities, counts, and the one line that sums it up."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from nextgeneration.kernel.clock import from_iso
from nextgeneration.kernel.findings import Severity
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.reports import ReportStatus
from nextgeneration.kernel.show import brief
from nextgeneration.supervisor.outcome import ActionOutcome, ActionStatus, MergedFinding, MissionReport

STATUS = {
    "queued": Texts("waits to be run", "attend d'être lancée"),
    "running": Texts("under way", "en cours"),
    "done": Texts("done", "terminée"),
    "partial": Texts("partly done", "faite en partie"),
    "failed": Texts("failed", "en échec"),
    "waiting": Texts("waits for a decision", "attend une décision"),
    "cancelled": Texts("cancelled", "annulée"),
    "parked": Texts("set aside", "mise de côté"),
}
TASK = {
    ReportStatus.DONE: Texts("done", "terminé"),
    ReportStatus.PARTIAL: Texts("partly done", "en partie"),
    ReportStatus.FAILED: Texts("failed", "échec"),
    ReportStatus.SKIPPED: Texts("not started", "non lancé"),
    ReportStatus.OVER_BUDGET: Texts("over budget", "budget épuisé"),
}
SEVERITY = {
    Severity.CRITICAL: Texts("critical", "critique"),
    Severity.HIGH: Texts("high", "élevé"),
    Severity.MEDIUM: Texts("medium", "moyen"),
    Severity.LOW: Texts("low", "faible"),
    Severity.INFO: Texts("info", "info"),
}
_ACTION = {
    ActionStatus.OFFERED: Texts("proposed", "proposée"),
    ActionStatus.PENDING: Texts("waits for a decision", "attend une décision"),
    ActionStatus.REJECTED: Texts("refused, nothing was done", "refusée, rien n'a été fait"),
    ActionStatus.APPROVED: Texts("approved, under way", "acceptée, en cours"),
    ActionStatus.CANCELLED: Texts("cancelled, nothing was done", "annulée, rien n'a été fait"),
    ActionStatus.CUT_OFF: Texts("cut off while under way", "interrompue en cours"),
    ActionStatus.FAILED: Texts("failed", "échec"),
    ActionStatus.DONE: Texts("done, not verified", "faite, non vérifiée"),
    ActionStatus.VERIFIED: Texts("done and verified", "faite et vérifiée"),
}
_NO_WORK = {ReportStatus.FAILED, ReportStatus.SKIPPED}
_NOT_FIXED = Texts("done, but the problem is still there", "faite, mais le problème demeure")

_CLAUSE = re.compile(r"(?<=[.;:])\s| [:;] ")

_NOTHING = Texts("No problem was found.", "Aucun problème n'a été trouvé.")
_REMAIN = Texts("{n} findings remain: {counts}.", "Il reste {n} constats : {counts}.")
_REMAINS = Texts("One finding remains: {counts}.", "Il reste un constat : {counts}.")
_ALL_FIXED = Texts("Nothing remains.", "Il ne reste rien.")
_FIXED = Texts("{n} were fixed and verified.", "{n} ont été corrigés et vérifiés.")
_FIXED_ONE = Texts("One was fixed and verified.", "Un a été corrigé et vérifié.")


def open_findings(report: MissionReport) -> list[MergedFinding]:
    """What holds and was not fixed, in the report's order: worst first."""
    return [entry for entry in report.findings if entry.finding.holds and not entry.resolved]


def fixed_findings(report: MissionReport) -> list[MergedFinding]:
    """What a verified action made go away."""
    return [entry for entry in report.findings if entry.finding.holds and entry.resolved]


def counts(entries: Iterable[MergedFinding], lang: Lang) -> str:
    """``2 critical, 6 high``: how many of each severity, worst first."""
    tally = Counter(entry.finding.severity for entry in entries)
    return ", ".join(
        f"{tally[severity]} {SEVERITY[severity].say(lang)}{'s' if lang == 'fr' and tally[severity] > 1 else ''}"
        for severity in sorted(tally, key=lambda s: -s.rank)
    )


def headline(report: MissionReport, lang: Lang) -> str:
    """What remains and what was fixed, in a line.

    Empty where "no problem" would say too much: nobody could look, facts were asked for, or something is yet to be
    decided.
    """
    left, fixed = open_findings(report), fixed_findings(report)
    if not left and not fixed:
        worked = any(task.status not in _NO_WORK for task in report.tasks)
        more = report.actions or any(sentence.quote for sentence in report.answer)
        return _NOTHING.say(lang) if worked and not more else ""
    said = _ALL_FIXED.say(lang)
    if left:
        said = (_REMAINS if len(left) == 1 else _REMAIN).say(lang, n=len(left), counts=counts(left, lang))
    if fixed:
        said += " " + (_FIXED_ONE if len(fixed) == 1 else _FIXED).say(lang, n=len(fixed))
    return said


def not_fixed(outcome: ActionOutcome) -> bool:
    """Whether an action was carried out and its checks still find the problem."""
    return outcome.status is ActionStatus.DONE and not all(check.passed for check in outcome.checks)


def action_status(outcome: ActionOutcome, lang: Lang) -> str:
    """What became of an action, in words."""
    return (_NOT_FIXED if not_fixed(outcome) else _ACTION[outcome.status]).say(lang)


def gist(text: str, limit: int) -> str:
    """``text`` in at most ``limit`` characters: its first clause when that says enough, else cut between words."""
    line = " ".join(text.split())
    head = _CLAUSE.split(line)[0].rstrip(" .:;")
    return head if len(line) > limit and 12 <= len(head) <= limit else brief(line, limit)


def seconds_between(start: str, end: str) -> float | None:
    """Seconds from one ISO 8601 time to another; ``None`` when one is missing."""
    if not start or not end:
        return None
    return max((from_iso(end) - from_iso(start)).total_seconds(), 0.0)
