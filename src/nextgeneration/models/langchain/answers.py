"""What LangChain hands back, as our answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage

from nextgeneration.kernel.models import Finish, ToolCall, Usage
from nextgeneration.models.langchain.messages import clean
from nextgeneration.models.naming import ToolNames

_SIGNATURES = "__gemini_function_call_thought_signatures__"
_STOPPED = frozenset({"stop", "end_turn", "stop_sequence", "completed", "eos", "load", "unload", "eos_token"})
_CUT = frozenset({"length", "max_tokens", "max_output_tokens", "model_context_window_exceeded", "model_length"})
_CALLED = frozenset({"tool_calls", "tool_use", "function_call", "tool_call"})
_UNREADABLE = frozenset(
    {"malformed_function_call", "malformed_response", "unexpected_tool_call", "too_many_tool_calls"}
)
"""Google's words for an answer of the model that it could not read itself, and does not hand on."""
_INVALID = "INVALID_JSON"
"""Under this one name Anthropic hands on arguments that are no JSON."""
_REFUSED = frozenset(
    {
        "content_filter",
        "refusal",
        "safety",
        "recitation",
        "blocklist",
        "prohibited_content",
        "spii",
        "language",
        "image_safety",
        "blocked",
        "prompt_blocked",
    }
)


def text_of(message: BaseMessage) -> str:
    """The words of a message, without reasoning."""
    content = message.content
    if isinstance(content, str):
        return content
    parts: list[str] = []
    for block in content:
        if isinstance(block, str):
            parts.append(block)
        elif block.get("type") in {"text", "output_text"}:
            parts.append(str(block.get("text") or ""))
    return "".join(parts)


def refusal_of(message: BaseMessage) -> str:
    """What the model said instead of an answer, where the provider keeps that apart."""
    said = message.additional_kwargs.get("refusal")
    if isinstance(said, str) and said:
        return said
    if isinstance(message.content, list):
        return "".join(
            str(block.get("refusal") or "")
            for block in message.content
            if isinstance(block, dict) and block.get("type") == "refusal"
        )
    return ""


def finish_of(metadata: Mapping[str, Any]) -> str:
    """The provider's own word for why it stopped, in small letters; empty when it said nothing."""
    for key in ("finish_reason", "stop_reason", "done_reason"):
        if value := metadata.get(key):
            return str(value).lower()
    if metadata.get("status") == "incomplete":
        details = metadata.get("incomplete_details")
        return str(details.get("reason") or "max_output_tokens").lower() if isinstance(details, Mapping) else "length"
    if metadata.get("status") == "completed":
        return "completed"
    feedback = metadata.get("prompt_feedback")
    if isinstance(feedback, Mapping) and feedback.get("block_reason"):
        return "prompt_blocked"
    return ""


def finish(said: str, *, calls: bool, refusal: bool) -> Finish:
    """Why the model stopped, in our words."""
    if said in _CUT:
        return Finish.LENGTH
    if said in _REFUSED or refusal:
        return Finish.REFUSED
    if calls or said in _CALLED:
        return Finish.CALLS if calls else Finish.STOP
    return Finish.STOP


def unreadable(said: str) -> bool:
    """Whether the provider itself could not read what the model wrote."""
    return said in _UNREADABLE


def usage_of(message: BaseMessage) -> Usage | None:
    """The tokens the provider counted, or ``None`` when it did not say."""
    told = getattr(message, "usage_metadata", None)
    if not told:
        return None
    read = _details(told, "input_token_details")
    written = _details(told, "output_token_details")
    cached = _sum(read, "cache_read")
    stored = max(_sum(read, "cache_creation"), _sum(read, "ephemeral"))
    prompt, answer = int(told.get("input_tokens") or 0), int(told.get("output_tokens") or 0)
    if prompt <= 0 and answer <= 0:
        return None
    return Usage(max(prompt, cached + stored), answer, cached, stored, _sum(written, "reasoning"))


def calls_of(message: BaseMessage, written: Sequence[Mapping[str, Any]], names: ToolNames) -> tuple[ToolCall, ...]:
    """The calls the model wrote, in its order, each read strictly.

    Args:
        message: the whole answer.
        written: the calls as the provider sent them, where LangChain would have read them for us.
        names: the names the request gave the tools.
    """
    if written:
        return tuple(_function(call, names) for call in written)
    if isinstance(message, AIMessageChunk) and message.tool_call_chunks:
        return tuple(
            call(names, chunk.get("id"), chunk.get("name"), chunk.get("args"))
            for chunk in message.tool_call_chunks
            if chunk.get("name") or chunk.get("args")
        )
    if not isinstance(message, AIMessage):
        return ()
    read = [call(names, made.get("id"), made["name"], made["args"]) for made in message.tool_calls]
    return (
        *read,
        *(call(names, bad.get("id"), bad.get("name"), bad.get("args")) for bad in message.invalid_tool_calls),
    )


def call(names: ToolNames, identifier: str | None, name: str | None, args: Any) -> ToolCall:
    """One call. What is no JSON object keeps its text and has no arguments."""
    known = clean(identifier or f"call_{uuid4().hex[:24]}")
    meant = names.back(clean(name or ""))
    if isinstance(args, Mapping):
        if set(args) == {_INVALID} and isinstance(args[_INVALID], str):
            return ToolCall(known, meant, None, clean(args[_INVALID]))
        try:
            json.dumps(args, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            return ToolCall(known, meant, None, clean(json.dumps(args, default=str)))
        return ToolCall(known, meant, _cleaned(dict(args)))
    text = args if isinstance(args, str) else "" if args is None else json.dumps(args)
    if not text.strip():
        return ToolCall(known, meant, {})
    try:
        value = json.loads(text, strict=False, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return ToolCall(known, meant, None, clean(text))
    if not isinstance(value, dict):
        return ToolCall(known, meant, None, clean(text))
    return ToolCall(known, meant, _cleaned(value))


def extra_of(message: BaseMessage, dialect: str, provider: str, model: str) -> dict[str, Any]:
    """What this model wants back word for word: signed reasoning, encrypted items, signatures of thoughts."""
    content = message.content
    kept: dict[str, Any] = {}
    if isinstance(content, list):
        blocks = [block for block in content if isinstance(block, dict)]
        kinds = {block.get("type") for block in blocks}
        signed = any((block.get("extras") or {}).get("signature") for block in blocks)
        if kinds & {"thinking", "redacted_thinking", "reasoning", "compaction"} or signed:
            kept["blocks"] = [_whole(block, dialect) for block in blocks]
    if signatures := message.additional_kwargs.get(_SIGNATURES):
        kept["kwargs"] = {_SIGNATURES: dict(signatures)}
    return {provider: {"model": model, **_plain(kept)}} if kept else {}


def _whole(block: Mapping[str, Any], dialect: str) -> dict[str, Any]:
    """A block without what only numbered its pieces."""
    dropped = {"index", "partial_json"} if dialect == "anthropic" else {"index"}
    return {key: value for key, value in block.items() if key not in dropped and value is not None}


def _function(written: Mapping[str, Any], names: ToolNames) -> ToolCall:
    function = written.get("function") or {}
    return call(names, written.get("id"), function.get("name"), function.get("arguments"))


def _details(told: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    details = told.get(key)
    return details if isinstance(details, Mapping) else {}


def _sum(details: Mapping[str, Any], word: str) -> int:
    """Tokens of one kind; a service tier stands before the word, a cache's lifetime after it."""
    return sum(int(value) for key, value in details.items() if word in key and isinstance(value, int))


def _no_number(text: str) -> None:
    raise ValueError(text)


def _plain(value: Any) -> Any:
    """What can be stored: JSON, with bytes left out and text that can be encoded."""
    return _cleaned(json.loads(json.dumps(value, default=str)))


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(str(key)): _cleaned(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    return value
