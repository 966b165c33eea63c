"""Approval cards on a terminal: exactly what will happen, and one question."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import textwrap
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from nextgeneration.cli.editing import editable
from nextgeneration.cli.voice import Voice
from nextgeneration.credits.units import shown
from nextgeneration.kernel.language import Counted, Texts
from nextgeneration.kernel.risk import risk_said
from nextgeneration.kernel.show import brief, escaped

if TYPE_CHECKING:
    from nextgeneration.missions.schema import Approval

RULE = "─" * 72
STRONG = {"destructive", "privileged", "unknown"}
POLL_SECONDS = 0.5
MAX_ASKED = 300
"""Characters of what a task had asked for, on a card whose call was edited."""

MAX_SHOWN = 200
"""Lines of one call's preview on a card that asks; what is more is said to be more."""

_HEAD = Texts("Approval needed · risk: {label}", "Accord demandé · risque : {label}")
_DOUBT = Texts("In doubt · risk: {label}", "Doute · risque : {label}")
_AGENT = Texts("{agent} asks: {why}", "{agent} demande : {why}")
_REASONS = Texts("why this risk: {reasons}", "pourquoi ce risque : {reasons}")
_CONDITIONS = Texts("as long as: {conditions}", "à condition que : {conditions}")
_PRICE = Texts("costs {credits} credits", "coûte {credits} crédits")
_ONE = Texts("call {number} of {count}, risk: {label}", "appel {number} sur {count}, risque : {label}")
_MORE = Texts(
    "… {lines}, covered too: nextgen approvals show {id}",
    "… {lines} aussi : nextgen approvals show {id}",
)
_LINES = Counted(Texts("more line", "ligne de plus, couverte"), Texts("more lines", "lignes de plus, couvertes"))
_UNTIL = Texts("valid once, until {at}; {id}", "vaut une fois, jusqu'au {at} ; {id}")
_ASK = Texts("[a]pprove once  [r]eject  [l]ater > ", "[a]ccepter une fois  [r]efuser  [p]lus tard > ")
_ASK_EDIT = Texts(
    "[a]pprove once  [e]dit  [r]eject  [l]ater > ", "[a]ccepter une fois  [m]odifier  [r]efuser  [p]lus tard > "
)
_ASK_DOUBT = Texts(
    "Did it happen before the stop?  [r]un again  [d]one, go on  [f]ailed  [l]ater > ",
    "Est-ce arrivé avant l'arrêt ?  [r]elancer  [d]éjà fait  é[c]hec  [p]lus tard > ",
)
_REASON = Texts("Why? (Enter: no reason) > ", "Pourquoi ? (Entrée : sans raison) > ")
_EDITED = Texts("edited by {by}; what was asked for: {asked}", "modifié par {by} ; ce qui était demandé : {asked}")
_ELSEWHERE = Texts("Answered elsewhere: {status} ({by}).", "Répondu ailleurs : {status} ({by}).")
_ANSWERS: dict[str, dict[str, str]] = {
    "en": {"a": "approved", "approve": "approved", "y": "approved", "yes": "approved",
           "r": "rejected", "reject": "rejected", "n": "rejected", "no": "rejected", "l": "", "later": ""},
    "fr": {"a": "approved", "accepter": "approved", "o": "approved", "oui": "approved",
           "r": "rejected", "refuser": "rejected", "n": "rejected", "non": "rejected", "p": "", "plus tard": ""},
}  # fmt: skip
_DOUBTS: dict[str, dict[str, str]] = {
    "en": {"r": "retry", "run again": "retry", "d": "done", "done": "done", "f": "fail", "failed": "fail",
           "l": "", "later": ""},
    "fr": {"r": "retry", "relancer": "retry", "d": "done", "déjà fait": "done", "c": "fail", "échec": "fail",
           "p": "", "plus tard": ""},
}  # fmt: skip


_EDIT: dict[str, set[str]] = {"en": {"e", "edit"}, "fr": {"m", "modifier"}}


class Answer(NamedTuple):
    """What a person said.

    ``verdict`` is empty for "later", for what was answered elsewhere meanwhile, and where they want to edit it first.
    """

    verdict: str = ""
    reason: str = ""
    elsewhere: bool = False
    edit: bool = False


def card_lines(approval: Approval, voice: Voice, stream: TextIO, limit: int | None = MAX_SHOWN) -> list[str]:
    """The card as lines for ``stream``, with every call it covers; everything from outside is escaped.

    Args:
        approval: what is asked, with its card.
        voice: whose language and colours.
        stream: where the lines go.
        limit: lines of each call's preview at most; a cut is said. ``None`` shows all.
    """
    card: dict[str, Any] = approval.card
    label = str(card["label"])
    head = (_DOUBT if card.get("kind") == "in_doubt" else _HEAD).say(voice.lang, label=risk_said(label, voice.lang))
    why = _AGENT.say(voice.lang, agent=_plain(card["agent"]), why=_plain(card["why"]))
    calls = card["calls"]
    lines = [
        voice.paint(f"── {head} {RULE}"[:72], "bad" if label in STRONG else "bold", stream),
        *_wrapped([why], stream),
    ]
    for number, call in enumerate(calls, 1):
        if len(calls) > 1:
            own = str(call.get("label", label))
            said = _ONE.say(voice.lang, number=number, count=len(calls), label=risk_said(own, voice.lang))
            lines += ["", voice.paint(said, "bad" if own in STRONG else "bold", stream)]
        lines += [*_wrapped(_risk(call, voice), stream), "", *_shown(call, voice, stream)[: _end(limit)]]
        cut = 0 if limit is None else len(call["preview"]["body"].splitlines()) - limit
        if cut > 0:
            lines.append(
                voice.paint("  " + _MORE.say(voice.lang, lines=_LINES.of(cut), id=approval.id), "medium", stream)
            )
    lines.append("")
    until = _UNTIL.say(voice.lang, at=approval.expires_at[:16].replace("T", " ") + " UTC", id=approval.id)
    return [*lines, voice.paint(until, "dim", stream), voice.paint(RULE, "dim", stream)]


def _end(limit: int | None) -> int | None:
    """Where the lines of a call end: its name comes before those of its preview."""
    return None if limit is None else limit + 1


def _folded(line: str, width: int) -> list[str]:
    kept = textwrap.wrap(line, width, subsequent_indent="  ", break_on_hyphens=False, break_long_words=False)
    return kept or [""]


def _wrapped(lines: list[str], stream: TextIO) -> list[str]:
    width = min(shutil.get_terminal_size().columns, 100) if stream.isatty() else 100
    return [part for line in lines for part in _folded(line, width)]


def _risk(call: dict[str, Any], voice: Voice) -> list[str]:
    lines = []
    reasons = "; ".join(_plain(reason) for reason in call.get("reasons", ()))
    if reasons:
        lines.append(_REASONS.say(voice.lang, reasons=reasons))
    conditions = ", ".join(
        f"{_plain(name)} = {_plain(brief(str(value), 20))}" for name, value in call.get("conditions", {}).items()
    )
    if conditions:
        lines.append(_CONDITIONS.say(voice.lang, conditions=conditions))
    if "credits" in call:
        lines.append(_PRICE.say(voice.lang, credits=shown(call["credits"])))
    if "asked" in call:
        asked = _plain(brief(json.dumps(call["asked"], ensure_ascii=False), MAX_ASKED))
        lines.append(_EDITED.say(voice.lang, by=_plain(call["edited_by"]), asked=asked))
    return lines


def _shown(call: dict[str, Any], voice: Voice, stream: TextIO) -> list[str]:
    """The call as it would be made; a plain one that is given nothing is its name alone, without its defaults."""
    preview = call["preview"]
    if preview["kind"] == "text" and not call["args"]:
        return [_named(call)]
    return [
        _named(call),
        *(f"  {_painted(line, preview['kind'], voice, stream)}" for line in preview["body"].splitlines()),
    ]


def _named(call: dict[str, Any]) -> str:
    """The call in a line: its tool, and what it says of itself when that is more than the name."""
    tool, title = _plain(call["tool"]), _plain(call["preview"]["title"])
    return tool if title in {"", tool} else f"{tool}: {title}"


def _plain(text: object) -> str:
    return escaped(str(text), newlines=False)


def _painted(line: str, kind: str, voice: Voice, stream: TextIO) -> str:
    line = escaped(line)
    if kind == "command":
        return voice.paint(line, "bold", stream)
    if kind != "diff":
        return line
    if line.startswith(("+++", "---")):
        return voice.paint(line, "bold", stream)
    style = {"+": "good", "-": "bad", "@": "place"}.get(line[:1])
    return voice.paint(line, style, stream) if style else line


async def ask(approval: Approval, voice: Voice, current: Callable[[], Awaitable[Approval]]) -> Answer:
    """Show the card and ask until there is an answer.

    Args:
        approval: what is asked, with its card.
        voice: where; what was typed before the card was shown does not count.
        current: the approval as it stands now: an answer given elsewhere ends the question.

    Returns:
        The answer; no answer (end of input) is "later": the question stays open, and nothing is done before somebody
        answers it.
    """
    for line in card_lines(approval, voice, voice.err):
        voice.note(line)
    doubt, edit = approval.card.get("kind") == "in_doubt", editable(approval)
    answers = (_DOUBTS if doubt else _ANSWERS)[voice.lang]
    _forget_typed(voice.into)
    while True:
        question = _ASK_DOUBT if doubt else _ASK_EDIT if edit else _ASK
        said = await _line(question.say(voice.lang), voice, current)
        if said is None:
            return Answer()
        if not isinstance(said, str):
            voice.note("")
            voice.say(_ELSEWHERE, status=said.status.value, by=_plain(said.decided_by or ""))
            return Answer(elsewhere=True)
        if edit and said.strip().lower() in _EDIT[voice.lang]:
            return Answer(edit=True)
        verdict = answers.get(said.strip().lower())
        if verdict == "rejected":
            reason = await _line(_REASON.say(voice.lang), voice, None)
            return Answer(verdict, reason.strip() if isinstance(reason, str) else "")
        if verdict is not None:
            return Answer(verdict)


async def typed(question: str, voice: Voice) -> str | None:
    """One line that a person types at the terminal; ``None`` at the end of input."""
    said = await _line(question, voice, None)
    return said if isinstance(said, str) else None


async def _line(
    question: str, voice: Voice, current: Callable[[], Awaitable[Approval]] | None
) -> str | Approval | None:
    """One line from the terminal, the approval once it was answered elsewhere, or ``None`` at the end of input."""
    voice.err.write(question)
    voice.err.flush()
    typed = asyncio.ensure_future(_typed(voice.into))
    try:
        while True:
            done, _ = await asyncio.wait({typed}, timeout=POLL_SECONDS if current else None)
            if done:
                return typed.result()
            found = await current() if current else None
            if found is not None and found.status != "pending":
                return found
    except asyncio.CancelledError:
        voice.note("")  # Ctrl-C leaves the cursor behind the question
        raise
    finally:
        typed.cancel()


async def _typed(stream: TextIO) -> str | None:
    """The next line of a terminal, read in the loop, so that Ctrl-C and other work go on meanwhile."""
    loop = asyncio.get_running_loop()
    number = stream.fileno()
    future: asyncio.Future[bytes] = loop.create_future()

    def ready() -> None:
        if not future.done():
            try:
                future.set_result(os.read(number, 4096))
            except OSError:  # the terminal is gone
                future.set_result(b"")

    try:
        loop.add_reader(number, ready)
    except NotImplementedError:  # Windows' loop watches no terminal
        return await asyncio.to_thread(stream.readline) or None
    try:
        data = await future
    finally:
        loop.remove_reader(number)
    return data.decode(errors="replace") if data else None


def _forget_typed(stream: TextIO) -> None:
    """Drop what was typed ahead: an answer is to what was read."""
    with suppress(ImportError, OSError, ValueError):
        import termios

        termios.tcflush(stream.fileno(), termios.TCIFLUSH)
