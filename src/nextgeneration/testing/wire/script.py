"""What a double is told to do: one neutral language for every wire format."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

Told = Literal["normal", "missing", "late"]
Moment = Literal["before", "during", "after"]


@dataclass(frozen=True)
class Usage:
    """Tokens, the way the bill counts them.

    Attributes:
        input: All tokens of the prompt, those read from or written to a cache included.
        output: All tokens of the answer, those spent on reasoning included.
        cached: Of ``input``, read from the provider's cache.
        written: Of ``input``, written to the cache (only Anthropic tells).
        reasoning: Of ``output``, spent on reasoning.
        told: ``normal`` as the provider does, ``missing`` billed but never told, ``late`` told only in the stream's
            very last event, after a pause.
    """

    input: int = 0
    output: int = 0
    cached: int = 0
    written: int = 0
    reasoning: int = 0
    told: Told = "normal"

    @property
    def total(self) -> int:
        """Input and output."""
        return self.input + self.output

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input + other.input,
            self.output + other.output,
            self.cached + other.cached,
            self.written + other.written,
            self.reasoning + other.reasoning,
        )


UsageLike: TypeAlias = Usage | Literal["missing", "late"] | None
"""Exact figures, or how counted figures are told, or ``None``: counted and told as the provider does."""


class Step:
    """One answer of the double."""


@dataclass(frozen=True)
class Call(Step):
    """The model calls one tool.

    ``name`` is matched to a tool of the request, exactly or by its letters and digits alone, so that ``fs.read`` finds
    whatever name the request had to give it. ``args`` as text goes out as it stands.
    """

    name: str
    args: Mapping[str, Any] | str = field(default_factory=dict)
    usage: UsageLike = None
    text: str = ""
    id: str = ""
    offered: bool = True


def UnknownTool(name: str, args: Mapping[str, Any] | str = "{}", *, usage: UsageLike = None) -> Call:  # noqa: N802 - reads as a step
    """The model calls a tool nobody offered."""
    return Call(name, args, usage, offered=False)


@dataclass(frozen=True)
class Calls(Step):
    """The model calls several tools in one turn."""

    calls: Sequence[Call]
    usage: UsageLike = None
    text: str = ""
    thinking: str = ""


@dataclass(frozen=True)
class BadArguments(Step):
    """The model calls a tool (``tool``, or the first one offered) with arguments that are not JSON."""

    args: str
    tool: str = ""
    usage: UsageLike = None


@dataclass(frozen=True)
class Say(Step):
    """The model answers in words."""

    text: str
    usage: UsageLike = None
    thinking: str = ""


@dataclass(frozen=True)
class Refuses(Step):
    """The model declines, each provider in its own form; ``filtered`` when a filter beside the model cut it off."""

    text: str = "I'm sorry, but I can't help with that."
    usage: UsageLike = None
    filtered: bool = False


@dataclass(frozen=True)
class Truncated(Step):
    """The answer ends at the token limit: in the middle of words, or of the arguments of a call (given as text)."""

    of: str | Call
    usage: UsageLike = None


@dataclass(frozen=True)
class RateLimited(Step):
    """429, with or without saying when to come back; ``quota``: the account is empty, so waiting will not help."""

    retry_after: float | None = None
    quota: bool = False


@dataclass(frozen=True)
class Overflows(Step):
    """The prompt does not fit the model's context."""

    limit: int = 8192


@dataclass(frozen=True)
class Fails(Step):
    """An error of the provider: before the answer (nothing billed), or in the middle of ``during`` (billed so far)."""

    status: int = 500
    message: str = ""
    during: Step | None = None
    retry_after: float | None = None
    body: str | None = None


@dataclass(frozen=True)
class Resets(Step):
    """The connection dies before, during or after the answer ``of``.

    ``bills``: whether the provider bills it all the same; by default ``during`` (what was sent) and ``after`` do.
    ``clean``: the connection is closed in order instead, with the answer cut off, as a proxy does.
    """

    when: Moment = "before"
    of: Step = field(default_factory=lambda: Say("one two three four five six seven eight"))
    bills: bool | None = None
    clean: bool = False


@dataclass(frozen=True)
class Endless(Step):
    """An answer that never ends: a word every ``pace`` seconds until the caller hangs up."""

    word: str = "and so on "
    pace: float = 0.001


@dataclass(frozen=True)
class Stalls(Step):
    """Goes silent for good ``before`` the first byte or ``during`` the answer."""

    when: Literal["before", "during"] = "during"
    of: Step = field(default_factory=lambda: Say("one two three four five six seven eight"))


@dataclass(frozen=True)
class Drip(Step):
    """The answer ``of``, slowly: ``pace`` seconds before each event, or each ``size`` bytes, wherever they cut."""

    pace: float
    of: Step = field(default_factory=lambda: Say("drop by drop"))
    size: int | None = None


@dataclass(frozen=True)
class Waits(Step):
    """The answer ``of`` after ``seconds`` of thinking."""

    seconds: float
    of: Step


@dataclass(frozen=True)
class Does(Step):
    """Runs ``action`` in the test's process before, during or after the answer ``of``: to kill whoever asked, say."""

    when: Moment
    action: Callable[[], object]
    of: Step


@dataclass(frozen=True)
class Recorded(Step):
    """A recorded exchange, served as it was.

    Where the request asks for a stream and the recording is whole, or the other way round, the same answer is given
    in the asked form (chat completions).
    """

    exchange: Mapping[str, Any]

    @classmethod
    def load(cls, path: Path) -> list[Self]:
        """Every exchange of a JSON Lines file."""
        import json

        return [cls(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def usage_of(given: UsageLike, counted: Usage) -> Usage:
    """The figures of a step: what it gives, or what was counted."""
    if isinstance(given, Usage):
        return given
    return counted if given is None else replace(counted, told=given)
