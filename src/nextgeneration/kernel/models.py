"""What crosses between an agent and a language model, whichever provider answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, Protocol

from pydantic_core import to_json

from nextgeneration.kernel.canonical import canonical, digest, digest_bytes

Role = Literal["system", "user", "assistant", "tool"]


_json = json.JSONEncoder(ensure_ascii=False, default=str).encode


def size_of_json(value: Mapping[str, Any]) -> int:
    """Bytes of ``value`` as JSON."""
    return size_of_text(_json(value))


def size_of_text(text: str) -> int:
    """Bytes of ``text`` in UTF-8."""
    return len(text if text.isascii() else text.encode("utf-8", "surrogatepass"))


class Finish(StrEnum):
    """Why a model stopped."""

    STOP = "stop"
    CALLS = "calls"
    LENGTH = "length"
    REFUSED = "refused"


_FINISHES: dict[str, Finish] = {finish: finish for finish in Finish}
"""By what is recorded."""


@dataclass(frozen=True, slots=True)
class ToolSchema:
    """A tool as a model is shown it: ``parameters`` is a JSON Schema of an object."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    _digest: str = field(default="", init=False, repr=False, compare=False)
    _size: int = field(default=0, init=False, repr=False, compare=False)

    def digest(self) -> str:
        """By what it is recognised; made once, because every turn shows the same tools."""
        if not self._digest:
            data = [self.name, self.description, dict(self.parameters)]
            object.__setattr__(self, "_digest", digest(data))
        return self._digest

    def size(self) -> int:
        """Bytes a model reads of it; counted once, for the same reason."""
        if not self._size:
            size = size_of_text(self.name) + size_of_text(self.description) + size_of_json(self.parameters)
            object.__setattr__(self, "_size", size)
        return self._size


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call as a model wrote it.

    Attributes:
        args: the arguments; ``None`` when what the model wrote is no JSON object.
        raw: the arguments word for word, kept when ``args`` is ``None``.
    """

    id: str
    name: str
    args: dict[str, Any] | None
    raw: str = ""
    _written: bytes = field(default=b"", init=False, repr=False, compare=False)

    def arguments(self) -> bytes:
        """The arguments in canonical form; made once, because a call is compared with others, then sent every turn.

        Raises:
            NotCanonical: they are not plain JSON.
        """
        if not self._written:
            object.__setattr__(self, "_written", canonical(self.args))
        return self._written


@dataclass(frozen=True, slots=True)
class Image:
    """A picture for a model: ``data`` is base64."""

    media_type: str
    data: str


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation.

    Attributes:
        calls: what the assistant asked for.
        call: the id of the call a ``tool`` message answers; ``failed`` when it answers with an error.
        extra: what a provider wants back word for word, such as signed reasoning; by provider name.
    """

    role: Role
    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    call: str = ""
    failed: bool = False
    images: tuple[Image, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    _digest: str = field(default="", init=False, repr=False, compare=False)
    _size: int = field(default=-1, init=False, repr=False, compare=False)

    def size(self) -> int:
        """Bytes a model reads of it but pictures; counted once, because every later turn sends it again."""
        if self._size < 0:
            size = size_of_text(self.text) + len(self.call)
            for call in self.calls:
                size += len(call.id) + size_of_text(call.name) + size_of_text(call.raw)
                size += size_of_json(call.args) if call.args else 2
            if self.extra:
                size += size_of_json(self.extra)
            object.__setattr__(self, "_size", size)
        return self._size

    def digest(self) -> str:
        """By what it is recognised; made once, because every later turn sends it again."""
        if not self._digest:
            try:
                written = self._canonical()
            except ValueError:
                written = canonical(self.as_data())  # says what is wrong
            object.__setattr__(self, "_digest", digest_bytes(written))
        return self._digest

    def _canonical(self) -> bytes:
        """The canonical form of :meth:`as_data`, put together from that of its parts: a call has its own already.

        Raises:
            ValueError: there is none, or it has to be made by the standard's own library.
        """
        if self.images or self.extra:
            return canonical(self.as_data())
        call = b'"call":%b,' % to_json(self.call) if self.call else b""
        calls = b'"calls":[%b],' % b",".join(map(_call_canonical, self.calls)) if self.calls else b""
        failed = b'"failed":true,' if self.failed else b""
        text = b',"text":%b' % to_json(self.text) if self.text else b""
        return b'{%b%b%b"role":"%b"%b}' % (call, calls, failed, self.role.encode(), text)

    def as_data(self) -> dict[str, Any]:
        """Plain JSON, without what is empty."""
        data: dict[str, Any] = {"role": self.role}
        if self.text:
            data["text"] = self.text
        if self.calls:
            data["calls"] = [_call_data(call) for call in self.calls]
        if self.call:
            data["call"] = self.call
        if self.failed:
            data["failed"] = True
        if self.images:
            data["images"] = [[image.media_type, image.data] for image in self.images]
        if self.extra:
            data["extra"] = dict(self.extra)
        return data


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """What is asked of a model, without saying which.

    Attributes:
        max_output: most tokens of the answer; always sent, because the worst case of the cost rests on it.
        schema: a JSON Schema the answer's text must follow.
        required: whether the answer must be a tool call.
        stable: how many leading messages later requests repeat word for word, for the provider's prompt cache.
    """

    messages: tuple[Message, ...]
    tools: tuple[ToolSchema, ...] = ()
    max_output: int = 4096
    schema: Mapping[str, Any] | None = None
    required: bool = False
    temperature: float | None = None
    stable: int = 0

    def digest(self) -> str:
        """By what the request is recognised at a replay; the model that answers is no part of it.

        Over the digests of its messages and tools, so that a turn costs what is new in it.
        """
        messages = " ".join(map(Message.digest, self.messages))
        tools = " ".join(map(ToolSchema.digest, self.tools))
        schema = None if self.schema is None else _digest_of_schema(self.schema)
        temperature = None if self.temperature is None else float(self.temperature)
        text = f"{messages}|{tools}|{self.max_output}|{schema}|{self.required}|{temperature}"
        return digest_bytes(text.encode())


_MOST_SCHEMAS = 256
_schemas: dict[int, tuple[Mapping[str, Any], str]] = {}


def _digest_of_schema(schema: Mapping[str, Any]) -> str:
    """Made once for each object: the schemas of a program are few and are never changed."""
    known = _schemas.get(id(schema))
    if known is None or known[0] is not schema:
        if len(_schemas) >= _MOST_SCHEMAS:
            _schemas.clear()
        known = _schemas[id(schema)] = (schema, digest(dict(schema)))
    return known[1]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call.

    Attributes:
        input: all tokens of the prompt, cached ones included.
        output: all tokens of the answer, reasoning included.
        cached: tokens of the prompt read from the provider's cache; ``cache_written``: put into it.
        estimated: the provider did not say; these are ours, estimated high.
    """

    input: int = 0
    output: int = 0
    cached: int = 0
    cache_written: int = 0
    reasoning: int = 0
    estimated: bool = False

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input + other.input,
            self.output + other.output,
            self.cached + other.cached,
            self.cache_written + other.cache_written,
            self.reasoning + other.reasoning,
            self.estimated or other.estimated,
        )

    def as_data(self) -> dict[str, Any]:
        """Plain JSON, without what is zero."""
        data: dict[str, Any] = {}
        if self.input:
            data["input"] = self.input
        if self.output:
            data["output"] = self.output
        if self.cached:
            data["cached"] = self.cached
        if self.cache_written:
            data["cache_written"] = self.cache_written
        if self.reasoning:
            data["reasoning"] = self.reasoning
        if self.estimated:
            data["estimated"] = True
        return data


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """What a model answered. ``model`` is ``provider:model``; ``extra`` goes back in ``Message.extra``."""

    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    finish: Finish = Finish.STOP
    usage: Usage = Usage()
    model: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    def message(self) -> Message:
        """The answer as it stands in the conversation."""
        return Message("assistant", self.text, self.calls, extra=self.extra)

    def as_data(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "text": self.text,
            "calls": [_call_data(call) for call in self.calls] if self.calls else [],
            "finish": str(self.finish),
            "usage": self.usage.as_data(),
            "model": self.model,
            "extra": dict(self.extra),
        }

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> ModelAnswer:
        """An answer from its plain JSON."""
        return cls(
            data["text"],
            tuple([ToolCall(**call) for call in data["calls"]]) if data["calls"] else (),
            _FINISHES[data["finish"]],
            Usage(**data["usage"]),
            data["model"],
            data["extra"],
        )


def _call_data(call: ToolCall) -> dict[str, Any]:
    data: dict[str, Any] = {"id": call.id, "name": call.name, "args": call.args}
    if call.raw:
        data["raw"] = call.raw
    return data


def _call_canonical(call: ToolCall) -> bytes:
    raw = b',"raw":%b' % to_json(call.raw) if call.raw else b""
    return b'{"args":%b,"id":%b,"name":%b%b}' % (call.arguments(), to_json(call.id), to_json(call.name), raw)


@dataclass(frozen=True, slots=True)
class Wish:
    """Which model somebody would like.

    Attributes:
        prefer: ``provider:model`` names, the best first; empty: the router's choice.
        needs: what it must be able to do: ``tools``, ``vision``, ``structured``, ``reasoning``.
        purpose: ``plan``, ``work``, ``synthesise`` or ``compact``.
    """

    prefer: tuple[str, ...] = ()
    needs: frozenset[str] = frozenset()
    purpose: str = "work"


class ModelClient(Protocol):
    """One model at one provider. Made once and shared."""

    @property
    def name(self) -> str:
        """``provider:model``."""
        ...

    async def answer(self, request: ModelRequest, listen: Callable[[str], None] | None = None) -> ModelAnswer:
        """Ask the model once; nothing is tried again here.

        Args:
            request: what is asked.
            listen: called with each piece of text as it arrives.

        Raises:
            ModelFailure: one of its kinds (``nextgeneration.models.errors``), which says what may have been billed.
        """
        ...
