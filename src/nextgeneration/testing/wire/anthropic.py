"""Anthropic's messages."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from nextgeneration.testing.wire import anthropic_rules
from nextgeneration.testing.wire.answer import Answer, Frame, ToolUse, pieces, tokens
from nextgeneration.testing.wire.base import Refusal, sse, words
from nextgeneration.testing.wire.http import Request
from nextgeneration.testing.wire.script import Usage
from nextgeneration.testing.wire.seen import Made, Offered, Picture, Result, Seen, Turn

STOP = {
    "end": "end_turn",
    "tools": "tool_use",
    "length": "max_tokens",
    "refusal": "refusal",
    "filter": "refusal",
    "malformed": "tool_use",
}
KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
MESSAGES = {401: "invalid x-api-key", 404: "Not found", 500: "Internal server error", 529: "Overloaded"}


class Anthropic:
    """``POST /v1/messages``."""

    name: ClassVar[str] = "anthropic"
    streaming: ClassVar[str] = "text/event-stream; charset=utf-8"
    retry_header: ClassVar[str] = "retry-after"
    models: ClassVar[tuple[str, ...]] = ("claude-opus-4-8", "claude-sonnet-5", "claude-haiku-4-5")
    lacking: ClassVar[Mapping[str, str]] = {
        "tools": "'{model}' does not support tools.",
        "vision": "'{model}' does not support image input.",
    }

    def base(self, root: str) -> str:
        """Clients add ``/v1`` themselves."""
        return root

    def key(self, request: Request) -> str:
        """``x-api-key``, or a bearer."""
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
        return request.headers.get("x-api-key") or bearer

    def listed(self, request: Request, models: Sequence[str], lacks: Collection[str]) -> dict[str, Any] | None:
        """``GET /v1/models`` and ``/v1/models/{id}``, ``POST /v1/messages/count_tokens``."""
        if request.method == "POST" and request.path == "/v1/messages/count_tokens":
            return {"input_tokens": max(1, len(request.body) // 4)}
        if request.method != "GET" or not request.path.startswith("/v1/models"):
            return None
        entries = [
            {"type": "model", "id": name, "display_name": name.replace("-", " "), "created_at": "2025-10-01T00:00:00Z"}
            for name in models
        ]
        wanted = request.path.removeprefix("/v1/models").strip("/")
        if not wanted:
            return {"data": entries, "has_more": False, "first_id": models[0], "last_id": models[-1]}
        for entry in entries:
            if entry["id"] == wanted:
                return entry
        raise self.unknown(wanted)

    def read(self, request: Request, number: int) -> Seen | None:
        """Messages as turns; a user message with tool results is a tool's turn."""
        if request.method != "POST" or request.path != "/v1/messages":
            return None
        body = anthropic_rules.body_of(request)
        messages = body.get("messages")
        limit = body.get("max_tokens")
        return Seen(
            number=number,
            path=request.path,
            headers=request.headers,
            query=request.query,
            body=body,
            model=str(body.get("model", "")),
            stream=body.get("stream") is True,
            system=words(body.get("system"), "\n"),
            turns=tuple(_turn(m) for m in (messages if isinstance(messages, list) else ()) if isinstance(m, dict)),
            tools=tuple(
                Offered(str(tool.get("name")), str(tool.get("description", "")), tool.get("input_schema") or {})
                for tool in body.get("tools") or ()
                if isinstance(tool, dict)
            ),
            max_tokens=limit if isinstance(limit, int) else None,
        )

    def judge(self, seen: Seen) -> None:
        """Anthropic's rules."""
        anthropic_rules.judge(seen.body, seen.headers)

    def whole(self, answer: Answer, seen: Seen) -> dict[str, Any]:
        """A ``message``."""
        content: list[dict[str, Any]] = []
        if answer.thinking:
            content.append({"type": "thinking", "thinking": answer.thinking, "signature": _signature(answer)})
        text = answer.text or (answer.refusal if answer.stop == "refusal" else "")
        if text:
            content.append({"type": "text", "text": text})
        content += [self._use(use) | {"input": _input(use, answer)} for use in answer.calls]
        body = self._message(answer, seen) | {"content": content, "stop_reason": STOP[answer.stop]}
        return body if answer.usage.told == "missing" else body | {"usage": _usage(answer.usage)}

    def frames(self, answer: Answer, seen: Seen) -> Iterator[Frame]:
        """The events of one message."""
        told = answer.usage.told
        message = self._message(answer, seen)
        if told != "missing":
            begun = Usage() if told == "late" else answer.usage
            message["usage"] = _usage(begun) | {"output_tokens": 0 if told == "late" else 1}
        yield _event("message_start", message=message)
        for index, (block, deltas) in enumerate(self._blocks(answer)):
            yield _event("content_block_start", index=index, content_block=block)
            if index == 0:
                yield _event("ping")
            for delta, spent in deltas:
                yield _event("content_block_delta", spent, index=index, delta=delta)
            yield _event("content_block_stop", index=index)
        delta = {"stop_reason": STOP[answer.stop], "stop_sequence": None}
        fields: dict[str, Any] = {"delta": delta}
        if told != "missing":
            fields["usage"] = _tokens(answer.usage)
        yield _event("message_delta", late=told == "late", **fields)
        yield _event("message_stop")

    def error(self, refusal: Refusal, request_id: str) -> dict[str, Any]:
        """Anthropic's error object."""
        kind = refusal.kind or KINDS.get(refusal.status, "api_error")
        message = refusal.message or MESSAGES.get(refusal.status, "Internal server error")
        return {"type": "error", "error": {"type": kind, "message": message}, "request_id": f"req_{request_id}"}

    def broken(self, refusal: Refusal, request_id: str) -> bytes:
        """An ``error`` event."""
        return sse(self.error(refusal, request_id), "error")

    def limited(self, retry_after: float | None, *, quota: bool) -> Refusal:
        """Too many tokens per minute, or no credit (a 400)."""
        if quota:
            text = "Your credit balance is too low to access the Anthropic API. Please go to Plans &"
            text += " Billing to upgrade or purchase credits."
            return Refusal(400, text)
        text = "This request would exceed your organization's rate limit of 50 requests per minute."
        extra = {"anthropic-ratelimit-requests-limit": "50", "anthropic-ratelimit-requests-remaining": "0"}
        return Refusal(429, text, retry_after=retry_after, headers=extra)

    def overflow(self, limit: int, asked: int) -> Refusal:
        """More tokens than the context holds."""
        return Refusal(400, f"prompt is too long: {asked} tokens > {limit} maximum")

    def denied(self) -> Refusal:
        """401."""
        return Refusal(401, "invalid x-api-key")

    def unknown(self, model: str) -> Refusal:
        """404."""
        return Refusal(404, f"model: {model}")

    def headers(self, request_id: str) -> dict[str, str]:
        """Ids."""
        return {"request-id": f"req_{request_id}", "anthropic-organization-id": "00000000-0000-4000-8000-000000000000"}

    # --- inside

    @staticmethod
    def _message(answer: Answer, seen: Seen) -> dict[str, Any]:
        return {
            "id": answer.id("msg_01", 22),
            "type": "message",
            "role": "assistant",
            "model": seen.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
        }

    @staticmethod
    def _use(use: ToolUse) -> dict[str, Any]:
        return {"type": "tool_use", "id": f"toolu_01{use.id[:22]}", "name": use.name, "input": {}}

    def _blocks(self, answer: Answer) -> Iterator[tuple[dict[str, Any], Iterator[tuple[dict[str, Any], int]]]]:
        if answer.thinking:
            yield {"type": "thinking", "thinking": "", "signature": ""}, _thought(answer)
        text = answer.text or (answer.refusal if answer.stop == "refusal" else "")
        if text:
            yield (
                {"type": "text", "text": ""},
                (({"type": "text_delta", "text": piece}, tokens(piece)) for piece in pieces(text)),
            )
        for use in answer.calls:
            yield self._use(use), _arguments(use)


def _thought(answer: Answer) -> Iterator[tuple[dict[str, Any], int]]:
    for piece in pieces(answer.thinking):
        yield {"type": "thinking_delta", "thinking": piece}, tokens(piece)
    yield {"type": "signature_delta", "signature": _signature(answer)}, 0


def _arguments(use: ToolUse) -> Iterator[tuple[dict[str, Any], int]]:
    yield {"type": "input_json_delta", "partial_json": ""}, tokens(use.name)
    for piece in pieces("" if use.args == "{}" else use.args):
        yield {"type": "input_json_delta", "partial_json": piece}, tokens(piece)


def _signature(answer: Answer) -> str:
    return answer.id("Eu", 62, "signature")


def _input(use: ToolUse, answer: Answer) -> dict[str, Any]:
    found = use.parsed()
    if found is not None:
        return found
    return {} if answer.stop == "length" else {"INVALID_JSON": use.args}


def _event(kind: str, spent: int = 0, *, late: bool = False, **fields: Any) -> Frame:
    return Frame(sse({"type": kind, **fields}, kind), spent, late)


def _tokens(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input - usage.cached - usage.written,
        "cache_creation_input_tokens": usage.written,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": usage.output,
    }


def _usage(usage: Usage) -> dict[str, Any]:
    """Usage in Anthropic's words: ``input_tokens`` leaves out what the cache gave or took."""
    lives = {"ephemeral_5m_input_tokens": usage.written, "ephemeral_1h_input_tokens": 0}
    return _tokens(usage) | {"cache_creation": lives, "service_tier": "standard"}


def _turn(message: Mapping[str, Any]) -> Turn:
    content = message.get("content")
    parts = [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    results = tuple(
        Result(str(part.get("tool_use_id")), words(part.get("content")), part.get("is_error") is True)
        for part in parts
        if part.get("type") == "tool_result"
    )
    calls = tuple(
        Made(str(part.get("id")), str(part.get("name")), part.get("input"))
        for part in parts
        if part.get("type") == "tool_use"
    )
    role = "tool" if results else str(message.get("role"))
    text = content if isinstance(content, str) else words([part for part in parts if part.get("type") == "text"])
    return Turn(role, text, calls, results, tuple(_pictures(parts)))


def _pictures(parts: Sequence[Mapping[str, Any]]) -> Iterator[Picture]:
    for part in parts:
        if part.get("type") == "image":
            source = part.get("source") or {}
            yield Picture(str(source.get("media_type", "")), str(source.get("data") or source.get("url") or ""))
        inner = part.get("content")
        if part.get("type") == "tool_result" and isinstance(inner, list):
            yield from _pictures([item for item in inner if isinstance(item, dict)])
