"""A step made concrete for one request: what is said, how it ends, what it costs, and how it is delivered."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from nextgeneration.testing.wire import script
from nextgeneration.testing.wire.script import Call, Step, Usage
from nextgeneration.testing.wire.seen import Seen

Stop = Literal["end", "tools", "length", "refusal", "filter", "malformed"]


class ScriptMistake(Exception):
    """The script does not fit the request; the double answers 400 and the test fails at its end."""


@dataclass(frozen=True)
class ToolUse:
    """A call with its wire name and the exact text of its arguments."""

    id: str
    name: str
    args: str

    def parsed(self) -> dict[str, object] | None:
        """The arguments as an object; ``None`` when the text is not one."""
        try:
            value = json.loads(self.args)
        except ValueError:
            return None
        return value if isinstance(value, dict) else None


@dataclass(frozen=True)
class Answer:
    """What the model says in this turn."""

    key: str
    text: str = ""
    thinking: str = ""
    calls: tuple[ToolUse, ...] = ()
    refusal: str = ""
    stop: Stop = "end"
    usage: Usage = field(default_factory=Usage)

    def id(self, prefix: str, length: int = 24, salt: str = "") -> str:
        """An id as providers make them: the same for the same server, request and salt."""
        return prefix + letters(f"{self.key}/{salt}", length)


@dataclass(frozen=True)
class Frame:
    """One event of a stream, the tokens it spends, and whether it is what a ``late`` usage pauses before."""

    data: bytes
    tokens: int = 0
    late: bool = False
    pause: float = 0.0


@dataclass(frozen=True)
class Delivery:
    """How an answer travels."""

    wait: float = 0.0
    pace: float = 0.0
    size: int | None = None
    reset: script.Resets | None = None
    stall: script.Stalls | None = None
    fail: script.Fails | None = None
    does: script.Does | None = None


ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def letters(seed: str, length: int) -> str:
    """Letters and digits that look random and are not."""
    found = ""
    count = 0
    while len(found) < length:
        found += "".join(ALPHABET[byte % 62] for byte in hashlib.sha256(f"{seed}#{count}".encode()).digest())
        count += 1
    return found[:length]


def pieces(text: str, most: int = 400) -> Iterator[str]:
    """A text as a model streams it: about a word at a time, larger pieces for a long one."""
    size = max(1, len(text) // (most * 6))
    words = re.findall(r"\s*\S{1,12}|\s+", text)
    for start in range(0, len(words), size):
        yield "".join(words[start : start + size])


def tokens(text: str) -> int:
    """A count of an answer's tokens: one for each piece of a word."""
    return len(re.findall(r"\s*\S{1,4}|\s+", text))


def parcel(step: Step, delivery: Delivery) -> tuple[Step, Delivery]:
    """Take the wrappers off a step: what is inside, and how it is delivered."""
    if isinstance(step, script.Waits):
        return parcel(step.of, replace(delivery, wait=step.seconds))
    if isinstance(step, script.Drip):
        return parcel(step.of, replace(delivery, pace=step.pace, size=step.size))
    if isinstance(step, script.Resets):
        return parcel(step.of, replace(delivery, reset=step))
    if isinstance(step, script.Stalls):
        return parcel(step.of, replace(delivery, stall=step))
    if isinstance(step, script.Does):
        return parcel(step.of, replace(delivery, does=step))
    if isinstance(step, script.Fails) and step.during is not None:
        return parcel(step.during, replace(delivery, fail=step))
    return step, delivery


def resolve(step: Step, seen: Seen, key: str) -> Answer:
    """The answer a step gives to a request.

    Raises:
        ScriptMistake: the step calls a tool the request does not offer, or is no answer.
    """
    answer, given = _said(step, seen, key)
    spoken = tokens(answer.text) + tokens(answer.refusal) + tokens(answer.thinking)
    spoken += sum(tokens(call.args) + tokens(call.name) + 4 for call in answer.calls)
    counted = Usage(seen.tokens, max(1, spoken), reasoning=tokens(answer.thinking))
    return replace(answer, usage=script.usage_of(given, counted))


def _said(step: Step, seen: Seen, key: str) -> tuple[Answer, script.UsageLike]:
    match step:
        case script.Say():
            return Answer(key, step.text, step.thinking), step.usage
        case script.Call():
            return Answer(key, step.text, calls=(_use(step, seen, key, 0),), stop="tools"), step.usage
        case script.Calls():
            uses = tuple(_use(call, seen, key, index) for index, call in enumerate(step.calls))
            return Answer(key, step.text, step.thinking, uses, stop="tools"), step.usage
        case script.BadArguments():
            name = step.tool or (seen.tools[0].name if seen.tools else "")
            stop: Stop = "malformed"
            return Answer(key, calls=(_use(Call(name, step.args), seen, key, 0),), stop=stop), step.usage
        case script.Refuses():
            stop = "filter" if step.filtered else "refusal"
            return Answer(key, refusal=step.text, stop=stop), step.usage
        case script.Truncated(of=str() as text):
            return Answer(key, text, stop="length"), step.usage
        case script.Truncated(of=Call() as call):
            return Answer(key, call.text, calls=(_use(call, seen, key, 0),), stop="length"), step.usage
    raise ScriptMistake(f"{step!r} is no answer")


def _use(call: Call, seen: Seen, key: str, index: int) -> ToolUse:
    name = seen.tool(call.name) if call.offered else call.name
    if name is None:
        offered = ", ".join(tool.name for tool in seen.tools) or "none"
        raise ScriptMistake(f"the script calls {call.name!r}, the request offers {offered}")
    args = call.args if isinstance(call.args, str) else json.dumps(call.args, ensure_ascii=False, separators=(",", ":"))
    return ToolUse(call.id or letters(f"{key}/call/{index}", 24), name, args)


Render = Callable[[Answer, Seen], Iterator[Frame]]
