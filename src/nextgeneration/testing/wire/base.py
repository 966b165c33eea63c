"""What a wire format is: reading its requests, holding them to its rules, and writing answers as it writes them."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from nextgeneration.testing.wire.answer import Answer, Frame
from nextgeneration.testing.wire.http import Request
from nextgeneration.testing.wire.seen import Seen

TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")


@dataclass(frozen=True)
class Refusal(Exception):
    """A request the provider turns away: status, words, and the names its error body carries."""

    status: int
    message: str
    param: str | None = None
    code: str | None = None
    kind: str | None = None
    retry_after: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Format(Protocol):
    """One provider's wire format. Stateless: one instance serves every request."""

    name: ClassVar[str]
    streaming: ClassVar[str]
    """The content type of its streams."""
    retry_header: ClassVar[str]
    """The header that says when to come back; empty where the provider has none."""
    models: ClassVar[tuple[str, ...]]
    """What it lists when a test says nothing else."""
    lacking: ClassVar[Mapping[str, str]]
    """What it says when a model lacks ``tools`` or ``vision``."""

    def base(self, root: str) -> str:
        """The address a client of this provider is given."""
        ...

    def key(self, request: Request) -> str:
        """The key the request carries; empty without one."""
        ...

    def listed(self, request: Request, models: Sequence[str], lacks: Collection[str]) -> dict[str, Any] | None:
        """The answer to a question about models; ``None`` when the request asks something else."""
        ...

    def read(self, request: Request, number: int) -> Seen | None:
        """The request read; ``None`` when it is for another route.

        Raises:
            Refusal: the body is not what the provider reads.
        """
        ...

    def judge(self, seen: Seen) -> None:
        """Hold the request to the provider's rules.

        Raises:
            Refusal: it breaks one.
        """
        ...

    def whole(self, answer: Answer, seen: Seen) -> dict[str, Any]:
        """The answer in one body."""
        ...

    def frames(self, answer: Answer, seen: Seen) -> Iterator[Frame]:
        """The answer as events."""
        ...

    def error(self, refusal: Refusal, request_id: str) -> dict[str, Any]:
        """An error's body."""
        ...

    def broken(self, refusal: Refusal, request_id: str) -> bytes:
        """An error in the middle of a stream."""
        ...

    def limited(self, retry_after: float | None, *, quota: bool) -> Refusal:
        """What it says to too many requests."""
        ...

    def overflow(self, limit: int, asked: int) -> Refusal:
        """What it says to a prompt that does not fit."""
        ...

    def denied(self) -> Refusal:
        """What it says to a wrong key."""
        ...

    def unknown(self, model: str) -> Refusal:
        """What it says to a model it does not have."""
        ...

    def headers(self, request_id: str) -> dict[str, str]:
        """The headers of every answer."""
        ...


def names(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


def dumps(value: object) -> str:
    """JSON as it goes over the wire: letters as they are, escaped where UTF-8 has no bytes for them."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":"))
    return text


def sse(value: object, event: str = "") -> bytes:
    """One server-sent event."""
    head = f"event: {event}\n" if event else ""
    return f"{head}data: {dumps(value)}\n\n".encode()


def words(content: object, joiner: str = "") -> str:
    """The text of a content that is a text or a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return joiner.join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return ""


def parsed(text: object) -> Any:
    """JSON where it is, the text itself where it is not."""
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text
