"""A mission's report on a terminal: a screenful, worst first, with what to do next; and as files."""

from __future__ import annotations

import json
import os
import tempfile
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from nextgeneration import __version__
from nextgeneration.agents.errors_llm import ModelMissing
from nextgeneration.cli.errors import ReportNotWritten
from nextgeneration.cli.voice import Voice
from nextgeneration.credits.units import shown
from nextgeneration.kernel.errors import CATALOGUE
from nextgeneration.kernel.findings import Severity
from nextgeneration.kernel.language import Counted, Lang, Texts
from nextgeneration.kernel.reports import ReportStatus
from nextgeneration.kernel.show import brief, escaped
from nextgeneration.missions.errors import OverBudget
from nextgeneration.supervisor.outcome import (
    ActionOutcome,
    ActionStatus,
    MergedFinding,
    MissionReport,
    Sentence,
    TaskOutcome,
)
from nextgeneration.supervisor.render.markdown import markdown
from nextgeneration.supervisor.render.sarif import sarif
from nextgeneration.supervisor.render.words import (
    SEVERITY,
    STATUS,
    action_status,
    gist,
    headline,
    not_fixed,
    open_findings,
    seconds_between,
)

_NOTHING = {ReportStatus.FAILED, ReportStatus.SKIPPED}

SHOWN = 8
OFFERED = 3
QUOTED = 15

_MISSION = Texts("Mission {id}: {status}{took}", "Mission {id} : {status}{took}")
_TOOK = Texts(" in {seconds:.1f} s", " en {seconds:.1f} s")
_MORE = Texts("… and {n} more in the report", "… et {n} de plus dans le rapport")
_ALIKE = Texts("+{n} of this kind", "+{n} de ce genre")
_LINES = Counted(Texts("more line", "ligne de plus"), Texts("more lines", "lignes de plus"))
_CUT = Texts("… and {lines} in the report", "… et {lines} dans le rapport")
_AGREE = Texts(
    "{n} of them were found by two agents or more.", "{n} d'entre eux ont été trouvés par deux agents ou plus."
)
_AGREE_ONE = Texts("One of them was found by two agents or more.", "L'un d'eux a été trouvé par deux agents ou plus.")
_CAN_BE_DONE = Texts("Can be done next", "Peut être fait ensuite")
_DONE = Texts("Actions", "Actions")
_GONE = Texts("gone: {titles}", "disparu : {titles}")
_AND = Texts(" and {n} more", " et {n} de plus")
_MISSING = Texts("Not covered", "Non couvert")
_REPORT = Texts("Report: {path} (+ .json, .sarif)", "Rapport : {path} (+ .json, .sarif)")
_AGENTS = Texts("{n} agents", "{n} agents")
_AGENT = Texts("1 agent", "1 agent")
_CALLS = Texts("{n} tool calls", "{n} appels d'outils")
_CREDITS = Texts("{credits} credits", "{credits} crédits")
_CALL = Texts("1 tool call", "1 appel d'outil")
_THOUGHT = Texts("{n} model calls ({tokens:,} tokens)", "{n} appels de modèles ({tokens:,} jetons)")
_THOUGHT_ONCE = Texts("1 model call ({tokens:,} tokens)", "1 appel de modèle ({tokens:,} jetons)")


def write_files(report: MissionReport, folder: Path) -> Path:
    """Write ``report.md``, ``report.json`` and ``report.sarif``, each in one step and readable by the user alone.

    Returns:
        The Markdown's path.

    Raises:
        ReportNotWritten: the system refused.
    """
    texts = {
        "report.json": json.dumps(report.model_dump(mode="json"), ensure_ascii=False, indent=2) + "\n",
        "report.sarif": json.dumps(sarif(report, __version__), ensure_ascii=False, indent=2) + "\n",
        "report.md": markdown(report),
    }
    try:
        _make_private(folder)
        for name, text in texts.items():
            _replace(folder / name, text)
    except OSError as error:
        detail = error.strerror or str(error)
        raise ReportNotWritten(mission=report.mission, folder=str(folder), detail=detail) from None
    return folder / "report.md"


def _make_private(folder: Path) -> None:
    """Make a folder and those above it that are missing, all for the user alone."""
    if not folder.parent.exists():
        _make_private(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)


def _replace(path: Path, text: str) -> None:
    number, part = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(text)
        Path(part).replace(path)
    except OSError:
        with suppress(OSError):
            Path(part).unlink()
        raise


def lines(report: MissionReport, voice: Voice, path: Path | None) -> list[str]:
    """The report in a screenful."""
    lang = voice.lang
    status = STATUS.get(report.status, Texts(report.status, report.status)).say(lang)
    # A person's pause is no measure of the mission.
    timed = report.status in {"done", "partial", "failed"} and all(_unasked(o) for o in report.actions)
    seconds = seconds_between(report.created_at, report.ended_at) if timed else None
    took = "" if seconds is None else _TOOK.say(lang, seconds=seconds)
    found = ["", voice.paint(_MISSION.say(lang, id=report.mission, status=status, took=took), "bold")]
    if report.tasks:
        found += [part for line in (headline(report, lang),) if line for part in voice.folded(line)]
        if report.prose:
            said = " ".join(escaped(sentence.text, newlines=False) for sentence in report.prose)
            found += ["", *textwrap.wrap(said, max(voice.columns - 1, 20))]
        # What was asked for stands before the first finding in the answer, what was looked at after the last.
        first = next((n for n, sentence in enumerate(report.answer) if sentence.findings), len(report.answer))
        found += _said(report.answer[:first], voice)
        found += _findings(report, voice)
        found += _said(report.answer[first:], voice)
    else:
        found += [escaped(sentence.text) for sentence in report.answer]
    found += _actions(report, voice)
    if report.missing:
        found += ["", voice.paint(_MISSING.say(lang), "bold")]
        found += [f"  – {escaped(brief(line, voice.columns - 4), newlines=False)}" for line in report.missing[:SHOWN]]
        found += _more(len(report.missing) - SHOWN, voice)
    found.append("")
    if report.tasks:
        found.append(voice.paint(", ".join(_spent(report, lang)), "dim"))
    if path is not None:
        found.append(_REPORT.say(lang, path=path))
    return found


def _unasked(outcome: ActionOutcome) -> bool:
    """Whether nobody was waited for: nothing was asked, or a rule answered."""
    return outcome.status is ActionStatus.OFFERED or outcome.decided_by.startswith("rule:")


def _said(answer: Sequence[Sentence], voice: Voice) -> Iterator[str]:
    """What tools said that belongs into the answer, word for word."""
    for sentence in (sentence for sentence in answer if sentence.quote):
        yield ""
        yield voice.paint(escaped(sentence.text, newlines=False), "bold")
        lines = escaped(sentence.quote).splitlines()
        for line in lines[:QUOTED]:
            yield from (f"  {part}" for part in textwrap.wrap(line, max(voice.columns - 4, 40)) or [""])
        yield from _more_lines(len(lines) - QUOTED, voice)


def _more_lines(count: int, voice: Voice) -> list[str]:
    return ["  " + voice.paint(_CUT.say(voice.lang, lines=_LINES.of(count)), "dim")] if count > 0 else []


def _findings(report: MissionReport, voice: Voice) -> Iterator[str]:
    """What is left to do, worst first, a line for each kind; information only when there is nothing worse."""
    open_ = open_findings(report)
    worth = [e for e in open_ if e.asked or e.finding.severity is not Severity.INFO] or open_
    kinds: dict[tuple[str, Severity], list[MergedFinding]] = {}
    for entry in worth:
        kinds.setdefault((entry.finding.rule, entry.finding.severity), []).append(entry)
    shown = list(kinds.values())[:SHOWN]
    if not shown:
        return
    yield ""
    words = {severity: SEVERITY[severity].say(voice.lang) for severity in Severity}
    column = max(len(word) for word in words.values())
    for entry, *alike in shown:
        severity = entry.finding.severity
        place = escaped(str(entry.finding.location), newlines=False) if entry.finding.location else ""
        more = _ALIKE.say(voice.lang, n=len(alike)) if alike else ""
        room = max(voice.columns - column - len(place) - len(more) - 8, 30)
        title = escaped(brief(entry.finding.title, min(room, 110)), newlines=False)
        said = voice.paint(f"{words[severity]:<{column}}", severity.value)
        rest = "  ".join(voice.paint(part, style) for part, style in ((place, "place"), (more, "dim")) if part)
        yield f"  {said}  {title}  {rest}".rstrip()
    yield from _more(len(open_) - sum(map(len, shown)), voice)
    agreed = sum(entry.corroborated for entry in open_)
    if agreed:
        text = (_AGREE_ONE if agreed == 1 else _AGREE).say(voice.lang, n=agreed)
        yield "  " + voice.paint(text, "dim")


def _spent(report: MissionReport, lang: Lang) -> Iterator[str]:
    """Who worked, with how many calls, and what it cost."""
    cost, count = report.cost, len(report.tasks)
    yield (_AGENT if count == 1 else _AGENTS).say(lang, n=count)
    yield (_CALL if cost.tool_calls == 1 else _CALLS).say(lang, n=cost.tool_calls)
    if cost.model_calls:
        thought = _THOUGHT_ONCE if cost.model_calls == 1 else _THOUGHT
        said = thought.say(lang, n=cost.model_calls, tokens=cost.input_tokens + cost.output_tokens)
        yield said if lang == "en" else said.replace(",", "\u202f")
    yield _CREDITS.say(lang, credits=shown(cost.credits))


def _more(count: int, voice: Voice) -> list[str]:
    return ["  " + voice.paint(_MORE.say(voice.lang, n=count), "dim")] if count > 0 else []


def _actions(report: MissionReport, voice: Voice) -> Iterator[str]:
    taken = [outcome for outcome in report.actions if outcome.status is not ActionStatus.OFFERED]
    offered = [outcome for outcome in report.actions if outcome.status is ActionStatus.OFFERED]
    if taken:
        yield ""
        yield voice.paint(_DONE.say(voice.lang), "bold")
    for outcome in taken:
        yield from _taken(outcome, report, voice)
    if offered:
        yield ""
        yield voice.paint(_CAN_BE_DONE.say(voice.lang), "bold")
    for outcome in offered[:OFFERED]:
        yield f"  · {escaped(gist(outcome.action.reason, min(voice.columns - 4, 110)), newlines=False)}"
    yield from _more(len(offered) - OFFERED, voice)


def _taken(outcome: ActionOutcome, report: MissionReport, voice: Voice) -> Iterator[str]:
    mark, style = {
        ActionStatus.VERIFIED: ("✓", "good"),
        ActionStatus.DONE: ("✗", "bad") if not_fixed(outcome) else ("✓", "medium"),
        ActionStatus.PENDING: ("?", "medium"),
        ActionStatus.APPROVED: ("?", "medium"),
        ActionStatus.CANCELLED: ("✗", "medium"),
        ActionStatus.REJECTED: ("✗", "medium"),
    }.get(outcome.status, ("✗", "bad"))
    status = action_status(outcome, voice.lang)
    reason = escaped(gist(outcome.action.reason, 90), newlines=False).removesuffix(".")
    yield (
        f"  {voice.paint(mark, style)} {reason}: {status}"
        if voice.lang == "en"
        else (f"  {voice.paint(mark, style)} {reason} : {status}")
    )
    if outcome.detail:
        yield f"    {escaped(brief(outcome.detail, min(voice.columns - 4, 200)), newlines=False)}"
    gone = [entry for entry in report.findings if entry.resolved and _fixes(outcome, entry)]
    if gone:
        titles = "; ".join(escaped(entry.finding.title, newlines=False) for entry in gone[:2])
        rest = _AND.say(voice.lang, n=len(gone) - 2) if len(gone) > 2 else ""
        said = voice.folded(f"    {_GONE.say(voice.lang, titles=titles)}{rest}", 6)
        yield from (voice.paint(part, "dim") for part in said)


def _fixes(outcome: ActionOutcome, entry: MergedFinding) -> bool:
    return bool({entry.id, *(finding.id for finding in entry.others)} & set(outcome.action.fixes))


def exit_code(report: MissionReport, fail_on: Severity | None) -> int:
    """The command-line contract for an ended or waiting mission; of several codes the most telling one.

    0 ok, 1 failed, 7 no model where one is required, 6 budget exhausted, 4 approval pending or refused, 3 findings at
    or above ``fail_on``. A mission that failed for want of a model or of credits says so instead of 1.
    """
    reasons = {_reason(task) for task in _counted(report)} - {0}
    broken = any(outcome.status is ActionStatus.FAILED or not_fixed(outcome) for outcome in report.actions)
    codes = [1] if broken or report.status in {"cancelled", "parked"} else []
    if report.status == "failed":
        codes += reasons or {1}
    else:
        codes += reasons - {1}
    undecided = {ActionStatus.REJECTED, ActionStatus.PENDING}
    if report.status == "waiting" or any(outcome.status in undecided for outcome in report.actions):
        codes.append(4)
    worst = report.worst()
    if fail_on is not None and worst is not None and worst.rank >= fail_on.rank:
        codes.append(3)
    return most_telling(codes)


def _counted(report: MissionReport) -> list[TaskOutcome]:
    """The tasks whose outcome counts: one that another took over does not."""
    replaced = {task.replaces for task in report.tasks if task.status not in _NOTHING}
    return [task for task in report.tasks if task.id not in replaced]


def _reason(task: TaskOutcome) -> int:
    """The exit code a task's end stands for."""
    if task.status is ReportStatus.OVER_BUDGET:
        return OverBudget.exit_code
    if task.status is not ReportStatus.FAILED:
        return 0
    known = {CATALOGUE[code].exit_code for code in _codes(task) if code in CATALOGUE}
    return next((code for code in (ModelMissing.exit_code, OverBudget.exit_code) if code in known), 1)


def _codes(task: TaskOutcome) -> set[str]:
    return {str(problem.get("code", "")) for problem in task.problems}


def most_telling(codes: list[int]) -> int:
    """Of the exit codes of several missions the one that stands for all."""
    found = Counter(codes)
    return next((code for code in (130, 1, 5, 7, 6, 4, 3) if code in found), 0)
