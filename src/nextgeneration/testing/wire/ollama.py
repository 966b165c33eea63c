"""Ollama's chat."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from nextgeneration.testing.wire.answer import Answer, Frame, ToolUse, pieces, tokens
from nextgeneration.testing.wire.base import Refusal, dumps, words
from nextgeneration.testing.wire.http import Request
from nextgeneration.testing.wire.pictures import decoded, media_of
from nextgeneration.testing.wire.seen import Made, Offered, Picture, Result, Seen, Turn

AT = "2026-01-01T00:00:00.000000Z"
MESSAGES = {
    401: "unauthorized",
    404: "404 page not found",
    503: "server busy, please try again. maximum pending requests exceeded",
}


class Ollama:
    """``POST /api/chat``: streams unless told not to."""

    name: ClassVar[str] = "ollama"
    streaming: ClassVar[str] = "application/x-ndjson"
    retry_header: ClassVar[str] = "retry-after"
    models: ClassVar[tuple[str, ...]] = ("llama3.2:latest", "qwen3:8b")
    lacking: ClassVar[Mapping[str, str]] = {
        "tools": "registry.ollama.ai/library/{model} does not support tools",
        "vision": "this model is missing data required for image input",
    }

    def base(self, root: str) -> str:
        """Clients add the route."""
        return root

    def key(self, request: Request) -> str:
        """A bearer, where a proxy stands before it."""
        return request.headers.get("authorization", "").removeprefix("Bearer ").strip()

    def listed(self, request: Request, models: Sequence[str], lacks: Collection[str]) -> dict[str, Any] | None:
        """``/api/tags``, ``/api/ps``, ``/api/version``, ``/api/show``; a chat without messages loads the model."""
        route = (request.method, request.path)
        if route == ("GET", "/api/version"):
            return {"version": "0.13.0"}
        if route == ("GET", "/api/tags"):
            return {"models": [_tag(name) for name in models]}
        if route == ("GET", "/api/ps"):
            return {"models": []}
        if route == ("POST", "/api/show"):
            body = _body(request)
            name = str(body.get("model") or body.get("name") or "")
            if name not in models and f"{name}:latest" not in models:
                raise self.unknown(name)
            return _show(name, lacks)
        if route == ("POST", "/api/chat"):
            body = _body(request)
            if not body.get("messages") and body.get("model"):
                return _line(str(body["model"]), {"role": "assistant", "content": ""}) | _done("load")
        return None

    def read(self, request: Request, number: int) -> Seen | None:
        """Messages as turns."""
        if request.method != "POST" or request.path != "/api/chat":
            return None
        body = _body(request)
        messages = [message for message in body.get("messages") or () if isinstance(message, dict)]
        limit = (body.get("options") or {}).get("num_predict")
        return Seen(
            number=number,
            path=request.path,
            headers=request.headers,
            query=request.query,
            body=body,
            model=str(body.get("model", "")),
            stream=body.get("stream") is not False,
            system="\n".join(words(message.get("content")) for message in messages if message.get("role") == "system"),
            turns=tuple(_turns(messages)),
            tools=tuple(_offered(body.get("tools") or ())),
            max_tokens=limit if isinstance(limit, int) else None,
        )

    def judge(self, seen: Seen) -> None:
        """Ollama takes nearly everything: a model, roles it knows, images that are some."""
        if not seen.model:
            raise Refusal(400, "model is required")
        for message in seen.body.get("messages") or ():
            role = message.get("role")
            if role not in ("system", "user", "assistant", "tool"):
                raise Refusal(400, f'invalid role: {role}, must be one of "system", "user", "assistant" or "tool"')
            if not isinstance(message.get("content", ""), str):
                kind = "array" if isinstance(message["content"], list) else "object"
                text = f"json: cannot unmarshal {kind} into Go struct field ChatRequest.messages.content of type string"
                raise Refusal(400, text)
            for call in message.get("tool_calls") or ():
                if not isinstance((call.get("function") or {}).get("arguments"), dict):
                    text = "json: cannot unmarshal string into Go struct field .messages.tool_calls.function.arguments"
                    raise Refusal(400, f"{text} of type api.ToolCallFunctionArguments")
            for image in message.get("images") or ():
                data = decoded(str(image))
                if data is None:
                    raise Refusal(400, "illegal base64 data at input byte 0")
                if media_of(data) not in ("image/png", "image/jpeg", "image/webp"):
                    raise Refusal(500, "Failed to load image or audio file")

    def whole(self, answer: Answer, seen: Seen) -> dict[str, Any]:
        """One object."""
        message: dict[str, Any] = {"role": "assistant", "content": answer.text or answer.refusal}
        if answer.thinking:
            message["thinking"] = answer.thinking
        calls = _calls(answer)
        if calls:
            message["tool_calls"] = calls
        return _line(seen.model, message) | _end(answer)

    def frames(self, answer: Answer, seen: Seen) -> Iterator[Frame]:
        """An object a line; the last one carries the counts."""
        calls = _calls(answer)
        for piece in pieces(answer.thinking):
            yield _frame(seen, {"role": "assistant", "content": "", "thinking": piece}, tokens(piece))
        for piece in pieces(answer.text or answer.refusal):
            yield _frame(seen, {"role": "assistant", "content": piece}, tokens(piece))
        for call, use in zip(calls, answer.calls, strict=False):
            message = {"role": "assistant", "content": "", "tool_calls": [call]}
            yield _frame(seen, message, tokens(use.name) + tokens(use.args) + 4)
        last = _line(seen.model, {"role": "assistant", "content": ""}) | _end(answer)
        yield Frame(f"{dumps(last)}\n".encode(), late=answer.usage.told == "late")

    def error(self, refusal: Refusal, request_id: str) -> dict[str, Any]:
        """A text."""
        return {
            "error": refusal.message
            or MESSAGES.get(refusal.status, "llama runner process has terminated: exit status 2")
        }

    def broken(self, refusal: Refusal, request_id: str) -> bytes:
        """An error for a line."""
        return f"{dumps(self.error(refusal, request_id))}\n".encode()

    def limited(self, retry_after: float | None, *, quota: bool) -> Refusal:
        """Only the hosted one does this."""
        text = "you have reached your usage limit, please upgrade to continue" if quota else "too many requests"
        return Refusal(429, text, retry_after=retry_after)

    def overflow(self, limit: int, asked: int) -> Refusal:
        """Asked not to cut what does not fit, it says so; otherwise it cuts in silence."""
        return Refusal(400, "the input length exceeds the context length")

    def denied(self) -> Refusal:
        """401."""
        return Refusal(401, "unauthorized")

    def unknown(self, model: str) -> Refusal:
        """404."""
        return Refusal(404, f"model '{model}' not found")

    def headers(self, request_id: str) -> dict[str, str]:
        """None of its own."""
        return {}


def _body(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(request.body)
    except ValueError:
        raise Refusal(400, "invalid character in request body") from None
    if not isinstance(body, dict):
        raise Refusal(400, "json: cannot unmarshal into Go value of type api.ChatRequest")
    return body


def _line(model: str, message: Mapping[str, Any]) -> dict[str, Any]:
    return {"model": model, "created_at": AT, "message": dict(message), "done": False}


def _frame(seen: Seen, message: Mapping[str, Any], spent: int) -> Frame:
    return Frame(f"{dumps(_line(seen.model, message))}\n".encode(), spent)


def _done(reason: str) -> dict[str, Any]:
    return {"done": True, "done_reason": reason}


def _end(answer: Answer) -> dict[str, Any]:
    end = _done("length" if answer.stop == "length" else "stop")
    end |= {"total_duration": 5_000_000, "load_duration": 1_000_000}
    if answer.usage.told == "missing":
        return end
    return end | {
        "prompt_eval_count": answer.usage.input,
        "prompt_eval_duration": 1_000_000,
        "eval_count": answer.usage.output,
        "eval_duration": 3_000_000,
    }


def _calls(answer: Answer) -> list[dict[str, Any]]:
    """Calls are objects here, so arguments that are none become an error of the server, and cut ones vanish."""
    if answer.stop == "malformed":
        raw = answer.calls[0].args
        raise Refusal(500, f"error parsing tool call: raw='{raw}', err=unexpected end of JSON input")
    return [_call(index, use) for index, use in enumerate(answer.calls) if use.parsed() is not None]


def _call(index: int, use: ToolUse) -> dict[str, Any]:
    function = {"index": index, "name": use.name, "arguments": use.parsed()}
    return {"id": f"call_{use.id[:8].lower()}", "function": function}


def _tag(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "model": name,
        "modified_at": AT,
        "size": 2_019_393_189,
        "digest": "a" * 64,
        "details": _details(name),
    }


def _details(name: str) -> dict[str, Any]:
    family = name.split(":")[0].rstrip("0123456789.")
    shape = {"parameter_size": "3.2B", "quantization_level": "Q4_K_M"}
    return {"parent_model": "", "format": "gguf", "family": family, "families": [family], **shape}


def _show(name: str, lacks: Collection[str]) -> dict[str, Any]:
    family = name.split(":")[0].rstrip("0123456789.")
    info = {
        "general.architecture": family,
        "general.parameter_count": 3_212_749_888,
        f"{family}.context_length": 131_072,
    }
    return {
        "modelfile": "",
        "parameters": "",
        "template": "{{ .Prompt }}",
        "details": _details(name),
        "model_info": info,
        "capabilities": [able for able in ("completion", "tools", "vision") if able not in lacks],
        "modified_at": AT,
    }


def _turns(messages: Sequence[Mapping[str, Any]]) -> Iterator[Turn]:
    results: list[Result] = []
    for message in messages:
        role, content = message.get("role"), str(message.get("content") or "")
        if role == "tool":
            results.append(Result(str(message.get("tool_call_id") or message.get("tool_name") or ""), content))
            continue
        if results:
            yield Turn("tool", results=tuple(results))
            results = []
        if role in ("user", "assistant"):
            made = [(call.get("id"), call.get("function") or {}) for call in message.get("tool_calls") or ()]
            yield Turn(
                str(role),
                content,
                tuple(Made(str(own or ""), str(call.get("name")), call.get("arguments")) for own, call in made),
                pictures=tuple(_picture(str(image)) for image in message.get("images") or ()),
            )
    if results:
        yield Turn("tool", results=tuple(results))


def _picture(data: str) -> Picture:
    return Picture(media_of(decoded(data) or b"") or "", data)


def _offered(tools: Sequence[Mapping[str, Any]]) -> Iterator[Offered]:
    for tool in tools:
        function = tool.get("function") or {}
        yield Offered(str(function.get("name")), str(function.get("description", "")), function.get("parameters") or {})
