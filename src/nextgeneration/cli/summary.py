"""A mission's report on a terminal: short, worst first, with what to do next."""

from __future__ import annotations

import json
from pathlib import Path

from nextgeneration import __version__
from nextgeneration.cli.voice import Voice
from nextgeneration.kernel.findings import Severity
from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.reports import ReportStatus
from nextgeneration.kernel.show import escaped, shortened
from nextgeneration.supervisor.outcome import ActionStatus, MissionReport
from nextgeneration.supervisor.render.markdown import ACTION, SEVERITY, STATUS
from nextgeneration.supervisor.render.sarif import sarif

SHOWN = 8

_MISSION = Texts("Mission {id}: {status}", "Mission {id} : {status}")
_FINDINGS = Texts("Findings ({n})", "Constats ({n})")
_MORE = Texts("… and {n} more in the report", "… et {n} de plus dans le rapport")
_ACTIONS = Texts("Actions", "Actions")
_MISSING = Texts("Missing", "Manque")
_REPORT = Texts("Report: {path} (+ .json, .sarif)", "Rapport : {path} (+ .json, .sarif)")
_COST = Texts("Cost: {calls} tool calls, {credits} credits", "Coût : {calls} appels d'outils, {credits} crédits")
_OTHERS = Texts("also {agents}", "aussi {agents}")
_FIXED = Texts("fixed", "corrigé")


def write_files(report: MissionReport, folder: Path) -> Path:
    """Write ``report.md``, ``report.json`` and ``report.sarif`` into ``folder`` (0700); the Markdown's path."""
    from nextgeneration.supervisor.render.markdown import markdown

    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    texts = {
        "report.json": json.dumps(report.model_dump(mode="json"), ensure_ascii=False, indent=2) + "\n",
        "report.sarif": json.dumps(sarif(report, __version__), ensure_ascii=False, indent=2) + "\n",
        "report.md": markdown(report),
    }
    for name, text in texts.items():
        part = folder / f".{name}.part"
        part.write_text(text, encoding="utf-8")
        part.chmod(0o600)
        part.replace(folder / name)
    return folder / "report.md"


def lines(report: MissionReport, voice: Voice, path: Path | None) -> list[str]:
    """The report in a screenful."""
    lang = voice.lang
    status = STATUS.get(report.status, Texts(report.status, report.status)).say(lang)
    found = [""]
    found.append(voice.paint(_MISSION.say(lang, id=report.mission, status=status), "bold"))
    if not report.tasks:
        found += [escaped(sentence.text) for sentence in report.answer]
    found += _findings(report, voice)
    found += _actions(report, voice)
    if report.missing:
        found.append(voice.paint(_MISSING.say(lang), "bold"))
        found += [f"  - {escaped(shortened(line, 200), newlines=False)}" for line in report.missing[:6]]
    spent = report.cost.credits // 1_000_000
    found.append(voice.paint(_COST.say(lang, calls=report.cost.tool_calls, credits=spent), "dim"))
    if path is not None:
        found.append(_REPORT.say(lang, path=path))
    return found


def _findings(report: MissionReport, voice: Voice) -> list[str]:
    entries = [entry for entry in report.findings if entry.finding.holds]
    if not entries:
        return []
    # What is left to do first; within it the worst. Information only when there is nothing worse.
    serious = [e for e in entries if e.finding.severity is not Severity.INFO] or entries
    shown = serious[:SHOWN]
    found = [voice.paint(_FINDINGS.say(voice.lang, n=len(entries)), "bold")]
    for entry in shown:
        finding = entry.finding
        word = SEVERITY[finding.severity].say(voice.lang)
        where = f"  {voice.paint(escaped(str(finding.location)), 'dim')}" if finding.location else ""
        others = f"  ({_OTHERS.say(voice.lang, agents=', '.join(entry.agents[1:]))})" if entry.corroborated else ""
        fixed = f"  ✓ {_FIXED.say(voice.lang)}" if entry.resolved else ""
        label = voice.paint(f"{word:<9}", finding.severity.value)
        found.append(f"  {label} {escaped(shortened(finding.title, 100), newlines=False)}{where}{others}{fixed}")
    if len(entries) > len(shown):
        found.append("  " + voice.paint(_MORE.say(voice.lang, n=len(entries) - len(shown)), "dim"))
    return found


def _actions(report: MissionReport, voice: Voice) -> list[str]:
    shown = [o for o in report.actions if o.status is not ActionStatus.OFFERED] or list(report.actions[:3])
    if not shown:
        return []
    found = [voice.paint(_ACTIONS.say(voice.lang), "bold")]
    good = {ActionStatus.VERIFIED, ActionStatus.DONE}
    for outcome in shown:
        mark = "✓" if outcome.status in good else "✗" if outcome.status is ActionStatus.FAILED else "·"
        status = ACTION[outcome.status].say(voice.lang)
        detail = f" — {escaped(shortened(outcome.detail, 160), newlines=False)}" if outcome.detail else ""
        found.append(f"  {mark} {escaped(shortened(outcome.action.reason, 140), newlines=False)}: {status}{detail}")
    return found


def exit_code(report: MissionReport, fail_on: Severity | None) -> int:
    """The command-line contract for an ended or waiting mission; of several codes the most telling one.

    0 ok, 1 failed, 6 budget exhausted, 4 approval pending or refused, 3 findings at or above ``fail_on``.
    """
    if report.status in {"failed", "cancelled", "parked"}:
        return 1
    if any(task.status is ReportStatus.OVER_BUDGET for task in report.tasks):
        return 6
    if report.status == "waiting" or any(
        o.status in {ActionStatus.REJECTED, ActionStatus.PENDING} for o in report.actions
    ):
        return 4
    worst = report.worst()
    if fail_on is not None and worst is not None and worst.rank >= fail_on.rank:
        return 3
    return 0
