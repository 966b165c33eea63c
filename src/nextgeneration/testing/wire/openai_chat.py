"""OpenAI's chat completions, and whatever speaks it."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from nextgeneration.testing.wire import openai_rules
from nextgeneration.testing.wire.answer import Answer, Frame, ToolUse, pieces, tokens
from nextgeneration.testing.wire.base import Refusal, dumps, parsed, sse, words
from nextgeneration.testing.wire.http import Request
from nextgeneration.testing.wire.script import Usage
from nextgeneration.testing.wire.seen import Made, Offered, Picture, Result, Seen, Turn

CREATED = 1_790_000_000
FINISH = {
    "end": "stop",
    "tools": "tool_calls",
    "length": "length",
    "refusal": "stop",
    "filter": "content_filter",
    "malformed": "tool_calls",
}


class OpenAIErrors:
    """What both of OpenAI's formats share: addresses, keys, models, errors."""

    streaming: ClassVar[str] = "text/event-stream; charset=utf-8"
    retry_header: ClassVar[str] = "retry-after"
    models: ClassVar[tuple[str, ...]] = ("gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-5", "gpt-5-mini")
    lacking: ClassVar[Mapping[str, str]] = {
        "tools": "tools is not supported in this model.",
        "vision": "Invalid content type. image_url is only supported by certain models.",
    }

    def base(self, root: str) -> str:
        """Clients add the route to ``/v1``."""
        return f"{root}/v1"

    def key(self, request: Request) -> str:
        """The bearer."""
        return request.headers.get("authorization", "").removeprefix("Bearer ").strip()

    def listed(self, request: Request, models: Sequence[str], lacks: Collection[str]) -> dict[str, Any] | None:
        """``GET /v1/models`` and ``/v1/models/{id}``."""
        if request.method != "GET" or not request.path.startswith("/v1/models"):
            return None
        entries = [{"id": name, "object": "model", "created": CREATED, "owned_by": "system"} for name in models]
        wanted = request.path.removeprefix("/v1/models").strip("/")
        if not wanted:
            return {"object": "list", "data": entries}
        for entry in entries:
            if entry["id"] == wanted:
                return entry
        raise self.unknown(wanted)

    def error(self, refusal: Refusal, request_id: str) -> dict[str, Any]:
        """OpenAI's error object."""
        kind = refusal.kind or ("server_error" if refusal.status >= 500 else "invalid_request_error")
        message = refusal.message or default_message(refusal.status)
        return {"error": {"message": message, "type": kind, "param": refusal.param, "code": refusal.code}}

    def limited(self, retry_after: float | None, *, quota: bool) -> Refusal:
        """Too many tokens per minute, or an empty account."""
        if quota:
            text = "You exceeded your current quota, please check your plan and billing details."
            return Refusal(429, text, code="insufficient_quota", kind="insufficient_quota")
        wait = f" Please try again in {retry_after:g}s." if retry_after is not None else ""
        text = f"Rate limit reached for requests per min (RPM): Limit 500, Used 500, Requested 1.{wait}"
        extra = {"x-ratelimit-limit-requests": "500", "x-ratelimit-remaining-requests": "0"}
        return Refusal(429, text, code="rate_limit_exceeded", kind="requests", retry_after=retry_after, headers=extra)

    def overflow(self, limit: int, asked: int) -> Refusal:
        """More tokens than the context holds."""
        text = (
            f"This model's maximum context length is {limit} tokens. However, your messages resulted in {asked} tokens."
        )
        text += " Please reduce the length of the messages."
        return Refusal(400, text, "messages", "context_length_exceeded")

    def denied(self) -> Refusal:
        """401."""
        text = "Incorrect API key provided. You can find your API key at https://platform.openai.com/account/api-keys."
        return Refusal(401, text, code="invalid_api_key")

    def unknown(self, model: str) -> Refusal:
        """404."""
        text = f"The model `{model}` does not exist or you do not have access to it."
        return Refusal(404, text, code="model_not_found")

    def headers(self, request_id: str) -> dict[str, str]:
        """Ids and versions."""
        return {"x-request-id": f"req_{request_id}", "openai-version": "2020-10-01", "openai-processing-ms": "12"}


class OpenAIChat(OpenAIErrors):
    """``POST /v1/chat/completions``."""

    name: ClassVar[str] = "openai"

    def read(self, request: Request, number: int) -> Seen | None:
        """Messages as turns; consecutive tool messages become one."""
        if request.method != "POST" or request.path not in ("/v1/chat/completions", "/chat/completions"):
            return None
        body = openai_rules.body_of(request)
        messages = body.get("messages")
        listed = [m for m in messages if isinstance(m, dict)] if isinstance(messages, list) else []
        system = "\n".join(words(m.get("content")) for m in listed if m.get("role") in ("system", "developer"))
        limit = body.get("max_completion_tokens", body.get("max_tokens"))
        return Seen(
            number=number,
            path=request.path,
            headers=request.headers,
            query=request.query,
            body=body,
            model=str(body.get("model", "")),
            stream=body.get("stream") is True,
            system=system,
            turns=tuple(turns(listed)),
            tools=tuple(_offered(body.get("tools"))),
            max_tokens=limit if isinstance(limit, int) else None,
        )

    def judge(self, seen: Seen) -> None:
        """OpenAI's rules."""
        openai_rules.judge_chat(seen.body)

    def whole(self, answer: Answer, seen: Seen) -> dict[str, Any]:
        """A ``chat.completion``."""
        message: dict[str, Any] = {
            "role": "assistant",
            "content": answer.text if answer.text or not (answer.calls or answer.refusal) else None,
            "refusal": answer.refusal or None,
            "annotations": [],
        }
        if answer.calls:
            message["tool_calls"] = [_call(use) for use in answer.calls]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": FINISH[answer.stop]}
        body = self._frame(answer, seen, "chat.completion") | {"choices": [choice]}
        return body if answer.usage.told == "missing" else body | {"usage": figures(answer.usage)}

    def frames(self, answer: Answer, seen: Seen) -> Iterator[Frame]:
        """Chunks, the usage where it was asked for, ``[DONE]``."""
        asked = bool((seen.body.get("stream_options") or {}).get("include_usage"))
        base = self._frame(answer, seen, "chat.completion.chunk")
        if asked:
            base["usage"] = None
        for delta, finish, spent in _deltas(answer):
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
            yield Frame(sse(base | {"choices": [choice]}), spent)
        if asked and answer.usage.told != "missing":
            yield Frame(sse(base | {"choices": [], "usage": figures(answer.usage)}), late=answer.usage.told == "late")
        yield Frame(b"data: [DONE]\n\n")

    def broken(self, refusal: Refusal, request_id: str) -> bytes:
        """An error in place of a chunk."""
        return sse(self.error(refusal, request_id))

    @staticmethod
    def _frame(answer: Answer, seen: Seen, kind: str) -> dict[str, Any]:
        return {
            "id": answer.id("chatcmpl-", 29),
            "object": kind,
            "created": CREATED + seen.number,
            "model": seen.model,
            "service_tier": "default",
            "system_fingerprint": "fp_" + answer.id("", 10, "fp").lower(),
        }


def _call(use: ToolUse) -> dict[str, Any]:
    return {"id": f"call_{use.id}", "type": "function", "function": {"name": use.name, "arguments": use.args}}


def _deltas(answer: Answer) -> Iterator[tuple[dict[str, Any], str | None, int]]:
    first: dict[str, Any] = {"role": "assistant", "content": "" if not answer.calls or answer.text else None}
    yield first | {"refusal": None}, None, 0
    for piece in pieces(answer.text):
        yield {"content": piece}, None, tokens(piece)
    for piece in pieces(answer.refusal):
        yield {"refusal": piece}, None, tokens(piece)
    for index, use in enumerate(answer.calls):
        start = {"index": index, **_call(ToolUse(use.id, use.name, ""))}
        yield {"tool_calls": [start]}, None, tokens(use.name)
        for piece in pieces(use.args):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}, None, tokens(piece)
    yield {}, FINISH[answer.stop], 0


def figures(usage: Usage) -> dict[str, Any]:
    """Usage in OpenAI's words."""
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.total,
        "prompt_tokens_details": {"cached_tokens": usage.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def told(usage: Mapping[str, Any] | None) -> Usage:
    """OpenAI's words as usage; nothing told is ``missing``."""
    if not usage:
        return Usage(told="missing")
    prompt = usage.get("prompt_tokens_details") or {}
    answer = usage.get("completion_tokens_details") or {}
    return Usage(
        usage["prompt_tokens"],
        usage["completion_tokens"],
        cached=prompt.get("cached_tokens") or 0,
        reasoning=answer.get("reasoning_tokens") or 0,
    )


def turns(messages: Sequence[Mapping[str, Any]]) -> Iterator[Turn]:
    """Chat messages in neutral words."""
    results: list[Result] = []
    for message in messages:
        role = message.get("role")
        if role == "tool":
            results.append(Result(str(message.get("tool_call_id")), words(message.get("content"))))
            continue
        if results:
            yield Turn("tool", results=tuple(results))
            results = []
        if role in ("user", "assistant"):
            content = message.get("content")
            calls = [c for c in message.get("tool_calls") or () if isinstance(c, dict)]
            yield Turn(str(role), words(content), tuple(_made(c) for c in calls), pictures=tuple(_pictures(content)))
    if results:
        yield Turn("tool", results=tuple(results))


def _made(call: Mapping[str, Any]) -> Made:
    function = call.get("function") or {}
    return Made(str(call.get("id")), str(function.get("name")), parsed(function.get("arguments")))


def _pictures(content: object) -> Iterator[Picture]:
    for part in content if isinstance(content, list) else ():
        if isinstance(part, dict) and part.get("type") == "image_url":
            given = part.get("image_url")
            yield picture(str(given.get("url") if isinstance(given, dict) else given))


def picture(url: str) -> Picture:
    """An address, or the media type and data of a ``data:`` address."""
    found = re.fullmatch(r"data:([^;,]*);base64,(.*)", url, re.DOTALL)
    return Picture(found[1], found[2]) if found else Picture("", url)


def _offered(tools: object) -> Iterator[Offered]:
    for tool in tools if isinstance(tools, list) else ():
        function = tool.get("function") if isinstance(tool, dict) else None
        if isinstance(function, dict):
            yield Offered(
                str(function.get("name")), str(function.get("description", "")), function.get("parameters") or {}
            )


def default_message(status: int) -> str:
    """What OpenAI says with a status."""
    return {
        401: "You didn't provide an API key.",
        403: "You are not allowed to sample from this model.",
        404: "Invalid URL",
        500: "The server had an error while processing your request. Sorry about that!",
        503: "The engine is currently overloaded, please try again later.",
    }.get(status, "The server had an error processing your request.")


# --- recordings


def collected(stream: str) -> dict[str, Any]:
    """The ``chat.completion`` a recorded stream adds up to."""
    chunks = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: {")]
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    calls: dict[int, dict[str, Any]] = {}
    finish, usage = None, None
    for chunk in chunks:
        usage = chunk.get("usage") or usage
        for choice in chunk["choices"]:
            finish = choice.get("finish_reason") or finish
            delta = choice["delta"]
            for field in ("content", "refusal"):
                if delta.get(field) is not None:
                    message[field] = (message[field] or "") + delta[field]
            for part in delta.get("tool_calls") or ():
                _gather(calls, part)
    if calls:
        message["tool_calls"] = [calls[index] for index in sorted(calls)]
    first = {name: chunks[0].get(name) for name in ("id", "created", "model", "service_tier", "system_fingerprint")}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    return first | {"object": "chat.completion", "choices": [choice], "usage": usage}


def _gather(calls: dict[int, dict[str, Any]], part: Mapping[str, Any]) -> None:
    empty = {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
    call = calls.setdefault(part["index"], empty)
    call["id"] = part.get("id") or call["id"]
    function = part.get("function") or {}
    call["function"]["name"] += function.get("name") or ""
    call["function"]["arguments"] += function.get("arguments") or ""


def streamed(body: Mapping[str, Any]) -> Iterator[Frame]:
    """A recorded ``chat.completion`` as the stream it would have been; ids, reasons and usage as recorded."""
    names = ("id", "created", "model", "service_tier", "system_fingerprint")
    base = {name: body.get(name) for name in names} | {"object": "chat.completion.chunk", "usage": None}
    for choice in body["choices"]:
        message = choice["message"]
        uses = tuple(
            ToolUse(call["id"].removeprefix("call_"), call["function"]["name"], call["function"]["arguments"])
            for call in message.get("tool_calls") or ()
        )
        said = Answer("", message.get("content") or "", calls=uses, refusal=message.get("refusal") or "")
        for delta, finish, spent in _deltas(said):
            ends = choice["finish_reason"] if finish else None
            part = {"index": choice["index"], "delta": delta, "logprobs": None, "finish_reason": ends}
            yield Frame(sse(base | {"choices": [part]}), spent)
    yield Frame(sse(base | {"choices": [], "usage": body.get("usage")}))
    yield Frame(b"data: [DONE]\n\n")


def recorded_usage(exchange: Mapping[str, Any]) -> Usage:
    """What a recorded exchange was billed."""
    response = exchange["response"]
    if exchange["status"] != 200:
        return Usage()
    return told((collected(response) if isinstance(response, str) else response).get("usage"))


def replayed(exchange: Mapping[str, Any], *, stream: bool) -> tuple[str, list[bytes]]:
    """Content type and body of a recorded exchange, in the asked form."""
    response = exchange["response"]
    if exchange["status"] != 200 or isinstance(response, str) is stream:
        text = response if isinstance(response, str) else dumps(response)
        kind = str(exchange["content_type"])
        return kind, [part.encode("utf-8") for part in re.split(r"(?<=\n\n)", text) if part]
    if stream:
        return OpenAIErrors.streaming, [frame.data for frame in streamed(response)]
    return "application/json", [dumps(collected(response)).encode()]
