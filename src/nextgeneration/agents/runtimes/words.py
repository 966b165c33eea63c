"""The report of a playbook in words: only counts and titles of what was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from nextgeneration.kernel.findings import Finding, Severity
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.reports import ReportStatus

_STATUS = {
    ReportStatus.DONE: Texts("{agent} finished: {found}.", "{agent} a terminé : {found}."),
    ReportStatus.PARTIAL: Texts(
        "{agent} did part of its work: {found}.", "{agent} a fait une partie du travail : {found}."
    ),
    ReportStatus.FAILED: Texts("{agent} failed: {found}.", "{agent} a échoué : {found}."),
    ReportStatus.SKIPPED: Texts("{agent} was skipped.", "{agent} n'a pas été lancé."),
    ReportStatus.OVER_BUDGET: Texts(
        "{agent} stopped at its budget: {found}.", "{agent} s'est arrêté à son budget : {found}."
    ),
}
_NOTHING = Texts("nothing to report", "rien à signaler")
_COUNT = Texts("{count} {severity}", "{count} {severity}")
SEVERITIES: dict[Severity, Texts] = {
    Severity.CRITICAL: Texts("critical", "critique"),
    Severity.HIGH: Texts("high", "élevé"),
    Severity.MEDIUM: Texts("medium", "moyen"),
    Severity.LOW: Texts("low", "faible"),
    Severity.INFO: Texts("info", "info"),
}
_TOP = Texts("First: {titles}.", "D'abord : {titles}.")
_MISSING = Texts("Not done: {what}.", "Non fait : {what}.")


def counts(findings: Sequence[Finding], lang: Lang) -> str:
    """``2 critical, 5 high`` in the order of severity; words for none."""
    tally = Counter(finding.severity for finding in findings if finding.holds)
    parts = [
        _COUNT.say(lang, count=tally[severity], severity=SEVERITIES[severity].say(lang))
        for severity in sorted(tally, key=lambda s: -s.rank)
    ]
    return ", ".join(parts) or _NOTHING.say(lang)


def analysis(
    agent: str,
    status: ReportStatus,
    findings: Sequence[Finding],
    texts: Sequence[str],
    missing: Sequence[str],
    lang: Lang,
) -> str:
    """The report in words: status and counts, the three worst titles, the tools' own texts, what is missing."""
    lines = [_STATUS[status].say(lang, agent=agent, found=counts(findings, lang))]
    worst = sorted((f for f in findings if f.holds), key=lambda f: (-f.severity.rank, -f.confidence))[:3]
    if worst:
        titles = "; ".join(f"{f.title} ({f.location})" if f.location else f.title for f in worst)
        lines.append(_TOP.say(lang, titles=titles))
    lines.extend(texts)
    if missing:
        lines.append(_MISSING.say(lang, what="; ".join(missing)))
    return "\n".join(lines)
