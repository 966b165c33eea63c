"""What a double saw and what it billed: the far side of every exchange, in neutral words."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nextgeneration.testing.wire.script import Usage


@dataclass(frozen=True)
class Offered:
    """A tool the request offers, by its name on the wire."""

    name: str
    description: str
    schema: Mapping[str, Any]


@dataclass(frozen=True)
class Made:
    """A call the model made earlier, as the request repeats it."""

    id: str
    name: str
    args: Any


@dataclass(frozen=True)
class Result:
    """What a tool answered."""

    id: str
    text: str
    failed: bool = False


@dataclass(frozen=True)
class Picture:
    """An image, by its media type and base64 text, or its address."""

    media: str
    data: str


@dataclass(frozen=True)
class Turn:
    """One message of the conversation."""

    role: str
    text: str = ""
    calls: tuple[Made, ...] = ()
    results: tuple[Result, ...] = ()
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True)
class Seen:
    """A request as it arrived, and read."""

    number: int
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    model: str = ""
    stream: bool = False
    system: str = ""
    turns: tuple[Turn, ...] = ()
    tools: tuple[Offered, ...] = ()
    max_tokens: int | None = None
    query: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """All words of the request, from first to last."""
        words = [self.system]
        for turn in self.turns:
            words += [turn.text, *(result.text for result in turn.results)]
        return "\n".join(word for word in words if word)

    @property
    def last(self) -> str:
        """The words of the last message, or the tools' last answers."""
        return self.turns[-1].text or "\n".join(result.text for result in self.turns[-1].results) if self.turns else ""

    @property
    def answered(self) -> int:
        """How often the model spoke in this conversation: 0 for a first turn."""
        return sum(turn.role == "assistant" for turn in self.turns)

    @property
    def results(self) -> tuple[Result, ...]:
        """All answers of tools, in order."""
        return tuple(result for turn in self.turns for result in turn.results)

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """All images, in order."""
        return tuple(picture for turn in self.turns for picture in turn.pictures)

    def tool(self, name: str) -> str | None:
        """The wire name of a tool: ``name`` itself, or the offered one with the same letters and digits."""
        names = [tool.name for tool in self.tools]
        if name in names:
            return name
        wanted = bare(name)
        return next((offered for offered in names if bare(offered) == wanted), None)

    @property
    def tokens(self) -> int:
        """A count of the prompt: a token for each four characters of what was sent."""
        return max(1, len(json.dumps(self.body, ensure_ascii=False)) // 4)


@dataclass(frozen=True)
class Bill:
    """One entry of the provider's own log."""

    number: int
    model: str
    usage: Usage
    complete: bool


def bare(name: str) -> str:
    """A tool's name without what providers forbid in names."""
    return re.sub(r"[^a-z0-9]", "", name.lower())
