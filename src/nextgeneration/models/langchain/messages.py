"""Our requests as LangChain's messages and parameters."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from nextgeneration.kernel.models import Image, Message, ModelRequest, ToolCall, ToolSchema
from nextgeneration.models.estimating import OF_RESULTS
from nextgeneration.models.facts import Facts
from nextgeneration.models.naming import ToolNames
from nextgeneration.models.sources import Source

NOTHING = "…"
"""Stands for an empty text: providers refuse messages without any."""
_CACHED = {"type": "ephemeral"}
_UNKNOWN_TO_GOOGLE = frozenset({"additionalProperties", "unevaluatedProperties", "$schema", "$id", "title"})
"""The library would drop these too, with a line in the log for each at every call."""
_BY_CALL = "Answer by calling a tool, and with nothing else."
_BY_SCHEMA = "Answer with one JSON value that follows this JSON Schema, and with nothing else:\n{schema}"


@dataclass(frozen=True)
class Outgoing:
    """A request as a provider's library takes it."""

    messages: list[BaseMessage]
    parameters: dict[str, Any]
    names: ToolNames
    forced: bool = False


class Writer:
    """Turns requests into what one model's library takes. Tool schemas are converted once and kept.

    Args:
        source: the provider.
        model: the model's name there.
        facts: what it can do.
        dialect: the format spoken with this model.
    """

    def __init__(self, source: Source, model: str, facts: Facts, dialect: str) -> None:
        self._source = source
        self._model = model
        self._facts = facts
        self._dialect = dialect
        self._bound: dict[int, tuple[Sequence[ToolSchema], ToolNames, list[dict[str, Any]]]] = {}

    def outgoing(self, request: ModelRequest) -> Outgoing:
        """The request as messages and parameters."""
        names, tools = self._tools(request)
        native = self._schema_natively(request)
        forced = request.required and bool(request.tools) and self.forces
        parameters: dict[str, Any] = {}
        if tools:
            parameters["tools"] = tools
        if request.schema is not None and native:
            parameters.update(self._schema(request.schema))
        instructed = request.schema if request.schema is not None and not native else None
        words = [_BY_SCHEMA.format(schema=json.dumps(instructed, ensure_ascii=False))] if instructed is not None else []
        if request.required and request.tools and not self.forces:
            words.append(_BY_CALL)
        return Outgoing(self._messages(request, names, words), parameters, names, forced)

    @property
    def forces(self) -> bool:
        """Whether the model can be made to call a tool; one that thinks first, or has no such switch, is told to."""
        return self._dialect != "ollama" and not (self._dialect == "anthropic" and self._facts.reasoning)

    def _tools(self, request: ModelRequest) -> tuple[ToolNames, list[dict[str, Any]]]:
        # Earlier calls of tools that are offered no more need a name too; the tools' own names come first.
        called = {call.name for message in request.messages for call in message.calls}
        offered = {tool.name for tool in request.tools}
        if not called <= offered:
            names = ToolNames([*(tool.name for tool in request.tools), *sorted(called - offered)])
            return names, _formatted(request.tools, names, self._dialect)
        key = id(request.tools)
        kept = self._bound.get(key)
        if kept is None or kept[0] is not request.tools:
            if len(self._bound) > 64:
                self._bound.clear()
            names = ToolNames(tool.name for tool in request.tools)
            kept = self._bound[key] = (request.tools, names, _formatted(request.tools, names, self._dialect))
        return kept[1], kept[2]

    def _schema_natively(self, request: ModelRequest) -> bool:
        if not self._facts.structured:
            return self._dialect == "ollama" and not request.tools
        return self._dialect not in {"google", "ollama", "langchain"} or not request.tools

    def _schema(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        named = {"name": "answer", "schema": dict(schema)}
        match self._dialect:
            case "openai":
                # Not as `response_format`: the library would parse the answer and raise on one that was cut.
                return {"extra_body": {"response_format": {"type": "json_schema", "json_schema": named}}}
            case "openai-responses":
                return {"text": {"format": {"type": "json_schema", **named}}}
            case "anthropic":
                return {"response_format": {"type": "json_schema", "json_schema": named}}
            case "google":
                return {"response_mime_type": "application/json", "response_json_schema": dict(schema)}
            case "ollama":
                return {"format": dict(schema)}
        return {}

    def _messages(self, request: ModelRequest, names: ToolNames, words: Sequence[str]) -> list[BaseMessage]:
        leading = 0
        while leading < len(request.messages) and request.messages[leading].role == "system":
            leading += 1
        system = [clean(message.text) for message in request.messages[:leading] if message.text]
        system.extend(words)
        made: list[BaseMessage] = []
        if system:
            text = "\n\n".join(system)
            made.append(SystemMessage(content=[_text(text, cached=True)] if self._marks else text))
        mark = self._marked(request) if self._marks else -1
        pictures: list[Image] = []
        for place, message in enumerate(request.messages[leading:], leading):
            if pictures and message.role != "tool":
                made.append(HumanMessage(content=_blocks(OF_RESULTS, pictures)))
                pictures = []
            made.append(self._message(message, names, cached=place == mark))
            if message.role == "tool" and self._facts.vision:
                pictures.extend(message.images)
        if pictures:
            made.append(HumanMessage(content=_blocks(OF_RESULTS, pictures)))
        return made

    @property
    def _marks(self) -> bool:
        """Whether the provider caches only what is marked."""
        return self._dialect == "anthropic"

    def _marked(self, request: ModelRequest) -> int:
        """The last message of the stable prefix that can carry a mark."""
        for place in range(min(request.stable, len(request.messages)) - 1, -1, -1):
            if request.messages[place].role in {"user", "tool"}:
                return place
        return -1

    def _message(self, message: Message, names: ToolNames, *, cached: bool) -> BaseMessage:
        text = clean(message.text)
        if message.role == "tool":
            return ToolMessage(
                content=[_text(text or NOTHING, cached=True)] if cached else text or NOTHING,
                tool_call_id=self._id(message.call),
                status="error" if message.failed else "success",
            )
        if message.role == "assistant":
            return self._assistant(message, text, names)
        # A system message in the middle of a conversation is refused by half of the providers.
        if message.images or cached:
            return HumanMessage(content=_blocks(text, message.images, cached=cached))
        return HumanMessage(content=text or NOTHING)

    def _assistant(self, message: Message, text: str, names: ToolNames) -> AIMessage:
        calls = [
            {"type": "tool_call", "id": self._id(call.id), "name": names.out(call.name), "args": _args(call)}
            for call in message.calls
        ]
        content: Any = text or ("" if calls else NOTHING)
        extra = self._own_extra(message)
        if blocks := extra.get("blocks"):
            content = [self._renamed(block, message, names) for block in blocks]
        made = AIMessage(content=content, tool_calls=calls, additional_kwargs=dict(extra.get("kwargs") or {}))
        if self._dialect == "google":
            # By this LangChain tells whose signatures these are.
            made.response_metadata["model_provider"] = "google_genai"
        elif self._dialect == "openai-responses" and blocks:
            made.response_metadata["model_provider"] = "openai"
        return made

    def _own_extra(self, message: Message) -> Mapping[str, Any]:
        """What this very model wants back; signatures mean nothing to another one."""
        extra = message.extra.get(self._source.name)
        return extra if isinstance(extra, Mapping) and extra.get("model") == self._model else {}

    def _renamed(self, block: Any, message: Message, names: ToolNames) -> Any:
        """A kept block with its call as it stands now: tools may have been renamed by a collision."""
        if not isinstance(block, Mapping) or block.get("type") not in {"tool_use", "function_call"}:
            return block
        wanted = block.get("call_id") or block.get("id")
        call = next((call for call in message.calls if call.id == wanted), None)
        if call is None:
            return block
        if block["type"] == "tool_use":
            return {**block, "name": names.out(call.name), "input": _args(call)}
        return {**block, "name": names.out(call.name)}

    def _id(self, identifier: str) -> str:
        # Mistral takes ids of exactly nine letters and digits; those of other providers are longer.
        if self._source.name == "mistral" and not (len(identifier) == 9 and identifier.isalnum()):
            return hashlib.sha256(identifier.encode("utf-8", "surrogatepass")).hexdigest()[:9]
        return clean(identifier)


def clean(text: str) -> str:
    """Text that can be sent and stored: half surrogate pairs become the replacement character."""
    if text.isascii():
        return text
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _args(call: ToolCall) -> dict[str, Any]:
    return call.args if call.args is not None else {}


def _text(text: str, *, cached: bool = False) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "text", "text": text}
    if cached:
        block["cache_control"] = _CACHED
    return block


def _blocks(text: str, images: Iterable[Image], *, cached: bool = False) -> list[str | dict[str, Any]]:
    blocks: list[str | dict[str, Any]] = [
        {"type": "image_url", "image_url": {"url": f"data:{image.media_type};base64,{image.data}"}} for image in images
    ]
    if text or not blocks:
        blocks.append(_text(text or NOTHING, cached=cached))
    return blocks


def _without(schema: Any, unknown: frozenset[str]) -> Any:
    """A schema without keywords a provider does not know. What is named like one, such as a property, stays."""
    if isinstance(schema, list):
        return [_without(item, unknown) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    return {
        key: {name: _without(item, unknown) for name, item in value.items()}
        if key in {"properties", "$defs", "definitions"} and isinstance(value, Mapping)
        else _without(value, unknown)
        for key, value in schema.items()
        if key not in unknown
    }


def _formatted(tools: Sequence[ToolSchema], names: ToolNames, dialect: str) -> list[dict[str, Any]]:
    unknown = _UNKNOWN_TO_GOOGLE if dialect == "google" else frozenset()
    return [
        {
            "type": "function",
            "function": {
                "name": names.out(tool.name),
                "description": clean(tool.description),
                "parameters": _without(tool.parameters, unknown) or {"type": "object", "properties": {}},
            },
        }
        for tool in tools
    ]
