"""Approval cards on a terminal: exactly what will happen, and one question."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

from nextgeneration.cli.voice import Voice
from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.show import escaped

if TYPE_CHECKING:
    from nextgeneration.missions.schema import Approval

_HEAD = Texts("Approval needed (risk: {label})", "Accord demandé (risque : {label})")
_AGENT = Texts("asked by {agent}: {why}", "demandé par {agent} : {why}")
_THEN = Texts("verified afterwards with:", "vérifié ensuite avec :")
_ASK = Texts("[a]pprove once  [r]eject  [l]ater > ", "[a]ccepter une fois  [r]efuser  [p]lus tard > ")
_ASK_DOUBT = Texts(
    "It may have happened before the crash. [r]un again  [d]one, go on  [f]ailed  [l]ater > ",
    "C'est peut-être arrivé avant l'arrêt. [r]elancer  [d]éjà fait  é[c]hec  [p]lus tard > ",
)
_ANSWERS: dict[str, dict[str, str]] = {
    "en": {"a": "approved", "approve": "approved", "r": "rejected", "reject": "rejected", "l": "", "later": ""},
    "fr": {"a": "approved", "accepter": "approved", "r": "rejected", "refuser": "rejected", "p": "", "plus tard": ""},
}
_DOUBTS: dict[str, dict[str, str]] = {
    "en": {"r": "retry", "d": "done", "f": "fail", "l": ""},
    "fr": {"r": "retry", "d": "done", "c": "fail", "p": ""},
}
_REASONS = Texts("why this risk: {reasons}", "pourquoi ce risque : {reasons}")


def card_lines(approval: Approval, voice: Voice) -> list[str]:
    """The card as lines; everything from outside is escaped."""
    card: dict[str, Any] = approval.card
    style = "bad" if card["label"] in {"destructive", "privileged", "unknown"} else "bold"
    head = voice.paint(_HEAD.say(voice.lang, label=card["label"]), style, voice.err)
    why = _AGENT.say(voice.lang, agent=escaped(card["agent"]), why=escaped(card["why"], newlines=False))
    lines = [f"{head}  {voice.paint(approval.id, 'dim', voice.err)}", why]
    first, *others = card["calls"]
    reasons = "; ".join(escaped(reason, newlines=False) for reason in first.get("reasons", ()))
    if reasons:
        lines.append(_REASONS.say(voice.lang, reasons=reasons))
    lines += [f"  {_painted(line, first['preview']['kind'], voice)}" for line in first["preview"]["body"].splitlines()]
    if others:
        lines.append(_THEN.say(voice.lang))
        for call in others:
            lines.append(f"  {call['tool']}: {escaped(call['preview']['title'], newlines=False)}")
            if call["preview"]["kind"] == "command":
                lines += [f"    {escaped(line)}" for line in call["preview"]["body"].splitlines()]
    return lines


def _painted(line: str, kind: str, voice: Voice) -> str:
    line = escaped(line)
    if kind == "diff" and line.startswith("+"):
        return voice.paint(line, "good", voice.err)
    if kind == "diff" and line.startswith("-"):
        return voice.paint(line, "bad", voice.err)
    return line


def ask(approval: Approval, voice: Voice) -> str:
    """Show the card and ask until there is an answer.

    Returns:
        ``approved``, ``rejected``, ``retry``, ``done`` or ``fail``; empty for "later". No answer
        (end of input) is "later", which is a no for now.
    """
    for line in card_lines(approval, voice):
        voice.note(line)
    doubt = approval.card.get("kind") == "in_doubt"
    question = (_ASK_DOUBT if doubt else _ASK).say(voice.lang)
    answers = (_DOUBTS if doubt else _ANSWERS)[voice.lang]
    while True:
        voice.err.write(question)
        voice.err.flush()
        line = _read()
        if line is None:
            return ""
        verdict = answers.get(line.strip().lower())
        if verdict is not None:
            return verdict


def _read() -> str | None:
    """One line from the terminal. Ctrl-C must end the question at once, so asyncio's handler steps aside."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return input()
    except EOFError:
        return None
    finally:
        signal.signal(signal.SIGINT, before)
