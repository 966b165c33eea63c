"""Google's generateContent and streamGenerateContent (Gemini API)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from nextgeneration.testing.wire import gemini_rules
from nextgeneration.testing.wire.answer import Answer, Frame, ToolUse, pieces, tokens
from nextgeneration.testing.wire.base import Refusal, dumps
from nextgeneration.testing.wire.http import Request
from nextgeneration.testing.wire.script import Usage
from nextgeneration.testing.wire.seen import Made, Offered, Picture, Result, Seen, Turn

STOP = {
    "end": "STOP",
    "tools": "STOP",
    "length": "MAX_TOKENS",
    "refusal": "SAFETY",
    "filter": "SAFETY",
    "malformed": "MALFORMED_FUNCTION_CALL",
}
STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
MESSAGES = {
    404: "Requested entity was not found.",
    500: "An internal error has occurred. Please retry or report in https://developers.generativeai.google/guide/troubleshooting",
    503: "The model is overloaded. Please try again later.",
    504: "The request timed out. Please try again.",
}
ROUTE = re.compile(r"/v1(?:beta|alpha)?/models/([^/:]+):(\w+)")


class Gemini:
    """``POST /v1beta/models/{model}:generateContent`` and ``:streamGenerateContent?alt=sse``."""

    name: ClassVar[str] = "gemini"
    streaming: ClassVar[str] = "text/event-stream"
    retry_header: ClassVar[str] = ""
    models: ClassVar[tuple[str, ...]] = ("gemini-2.5-flash", "gemini-2.5-pro", "gemini-3-pro-preview")
    lacking: ClassVar[Mapping[str, str]] = {
        "tools": "Function calling is not enabled for models/{model}",
        "vision": "Image input modality is not enabled for models/{model}",
    }

    def base(self, root: str) -> str:
        """Clients add version and route."""
        return root

    def key(self, request: Request) -> str:
        """The header, or the ``key`` of the query."""
        return request.headers.get("x-goog-api-key") or request.query.get("key", "")

    def listed(self, request: Request, models: Sequence[str], lacks: Collection[str]) -> dict[str, Any] | None:
        """``GET /v1beta/models`` and ``/v1beta/models/{id}``, ``POST …:countTokens``."""
        found = ROUTE.fullmatch(request.path)
        if found is not None and found[2] == "countTokens":
            count = max(1, len(request.body) // 4)
            return {"totalTokens": count, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": count}]}
        prefix = re.fullmatch(r"/v1(?:beta|alpha)?/models(?:/(.+))?", request.path)
        if request.method != "GET" or prefix is None:
            return None
        entries = [_model(name) for name in models]
        if prefix[1] is None:
            return {"models": entries}
        for entry in entries:
            if entry["name"] == f"models/{prefix[1]}":
                return entry
        raise self.unknown(prefix[1])

    def read(self, request: Request, number: int) -> Seen | None:
        """Contents as turns; the model and whether to stream stand in the path."""
        found = ROUTE.fullmatch(request.path)
        if request.method != "POST" or found is None or found[2] not in ("generateContent", "streamGenerateContent"):
            return None
        body = gemini_rules.body_of(request)
        config = body.get("generationConfig") or {}
        declared = [tool.get("functionDeclarations") or () for tool in body.get("tools") or ()]
        return Seen(
            number=number,
            path=request.path,
            headers=request.headers,
            query=request.query,
            body=body,
            model=found[1],
            stream=found[2] == "streamGenerateContent",
            system=_text((body.get("systemInstruction") or {}).get("parts") or ()),
            turns=tuple(_turn(content) for content in body.get("contents") or () if isinstance(content, dict)),
            tools=tuple(
                Offered(
                    str(tool.get("name")),
                    str(tool.get("description", "")),
                    tool.get("parameters") or tool.get("parametersJsonSchema") or {},
                )
                for group in declared
                for tool in group
            ),
            max_tokens=config.get("maxOutputTokens"),
        )

    def judge(self, seen: Seen) -> None:
        """Google's rules."""
        gemini_rules.judge(seen.body, seen.model)

    def whole(self, answer: Answer, seen: Seen) -> dict[str, Any]:
        """A ``GenerateContentResponse``."""
        if answer.stop == "filter":
            return self._blocked(answer, seen)
        parts = [part for part, _ in _parts(answer, seen, cut=False)]
        return self._response(answer, seen, parts, answer.usage, last=True)

    def frames(self, answer: Answer, seen: Seen) -> Iterator[Frame]:
        """Responses that add up, each with the usage so far, the last with the reason."""
        told = answer.usage.told
        if answer.stop == "filter":
            yield self._event(self._blocked(answer, seen))
            return
        spent = 0
        for part, cost in _parts(answer, seen, cut=True):
            spent += cost
            usage = Usage(answer.usage.input, min(spent, answer.usage.output), answer.usage.cached)
            told_now = None if told == "late" else usage
            yield self._event(self._response(answer, seen, [part], told_now, last=False), cost)
        yield self._event(self._response(answer, seen, [], answer.usage, last=True), late=told == "late")

    def error(self, refusal: Refusal, request_id: str) -> dict[str, Any]:
        """Google's error object; when to come back stands in its details."""
        status = refusal.status
        message = refusal.message or MESSAGES.get(status, "The service is currently unavailable.")
        name = STATUS.get(status, "UNAVAILABLE" if status > 500 else "UNKNOWN")
        error: dict[str, Any] = {"code": status, "message": message, "status": name}
        if refusal.retry_after is not None:
            delay = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{refusal.retry_after:g}s"}
            error["details"] = [delay]
        return {"error": error}

    def broken(self, refusal: Refusal, request_id: str) -> bytes:
        """An error in place of a response."""
        return f"data: {dumps(self.error(refusal, request_id))}\r\n\r\n".encode()

    def limited(self, retry_after: float | None, *, quota: bool) -> Refusal:
        """Per minute, or per day."""
        text = "You exceeded your current quota, please check your plan and billing details."
        if quota:
            text += " Quota exceeded for metric: generate_content_free_tier_requests, limit: 0"
        elif retry_after is not None:
            text += f" Please retry in {retry_after:g}s."
        return Refusal(429, text, retry_after=retry_after)

    def overflow(self, limit: int, asked: int) -> Refusal:
        """More tokens than the context holds."""
        text = f"The input token count ({asked}) exceeds the maximum number of tokens allowed ({limit})."
        return Refusal(400, text)

    def denied(self) -> Refusal:
        """A wrong key is a 400 here."""
        return Refusal(400, "API key not valid. Please pass a valid API key.")

    def unknown(self, model: str) -> Refusal:
        """404."""
        text = f"models/{model} is not found for API version v1beta, or is not supported for generateContent."
        return Refusal(404, f"{text} Call ListModels to see the list of available models and their supported methods.")

    def headers(self, request_id: str) -> dict[str, str]:
        """What Google's front end adds."""
        return {"server-timing": "gfet4t7; dur=12", "vary": "Origin, X-Origin, Referer"}

    # --- inside

    @staticmethod
    def _event(response: Mapping[str, Any], spent: int = 0, *, late: bool = False) -> Frame:
        return Frame(f"data: {dumps(response)}\r\n\r\n".encode(), spent, late)

    @staticmethod
    def _response(
        answer: Answer, seen: Seen, parts: list[dict[str, Any]], usage: Usage | None, *, last: bool
    ) -> dict[str, Any]:
        content: dict[str, Any] = {"parts": parts, "role": "model"} if parts else {"role": "model"}
        if last and not parts and seen.stream:
            content = {"parts": [{"text": ""}], "role": "model"}
        candidate: dict[str, Any] = {"content": content, "index": 0}
        if last:
            candidate["finishReason"] = STOP[answer.stop]
        if last and answer.stop == "malformed":
            use = answer.calls[0]
            candidate |= {"content": {}, "finishMessage": f"Malformed function call: {use.name}{use.args}"}
        body: dict[str, Any] = {"candidates": [candidate]}
        if usage is not None and answer.usage.told != "missing":
            body["usageMetadata"] = _figures(usage)
        return body | {"modelVersion": seen.model, "responseId": answer.id("", 22)}

    @staticmethod
    def _blocked(answer: Answer, seen: Seen) -> dict[str, Any]:
        body: dict[str, Any] = {"promptFeedback": {"blockReason": "SAFETY"}}
        if answer.usage.told != "missing":
            count = answer.usage.input
            body["usageMetadata"] = {"promptTokenCount": count, "totalTokenCount": count}
        return body | {"modelVersion": seen.model, "responseId": answer.id("", 22)}


def _model(name: str) -> dict[str, Any]:
    return {
        "name": f"models/{name}",
        "version": "001",
        "displayName": name.replace("-", " ").title(),
        "description": "A model of the double.",
        "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536,
        "supportedGenerationMethods": ["generateContent", "countTokens"],
    }


def _parts(answer: Answer, seen: Seen, *, cut: bool) -> Iterator[tuple[dict[str, Any], int]]:
    """Parts and the tokens each costs; calls are never cut, and cut calls are never sent."""
    for text, more in ((answer.thinking, {"thought": True}), (answer.text or answer.refusal, {})):
        for piece in pieces(text) if cut else [text] if text else []:
            yield {"text": piece, **more}, tokens(piece)
    if answer.stop != "tools":
        return
    for index, use in enumerate(answer.calls):
        part: dict[str, Any] = {"functionCall": {"name": use.name, "args": _args(use)}}
        if index == 0 and gemini_rules.signs(seen.model):
            part["thoughtSignature"] = answer.id("", 64, "signature")
        yield part, tokens(use.name) + tokens(use.args) + 4


def _args(use: ToolUse) -> dict[str, object]:
    return use.parsed() or {}


def _figures(usage: Usage) -> dict[str, Any]:
    """Usage in Google's words: what was thought is not counted among the candidates' tokens."""
    figures: dict[str, Any] = {
        "promptTokenCount": usage.input,
        "candidatesTokenCount": usage.output - usage.reasoning,
        "totalTokenCount": usage.total,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": usage.input}],
    }
    if usage.cached:
        figures["cachedContentTokenCount"] = usage.cached
        figures["cacheTokensDetails"] = [{"modality": "TEXT", "tokenCount": usage.cached}]
    if usage.reasoning:
        figures["thoughtsTokenCount"] = usage.reasoning
    return figures


def _text(parts: Sequence[Mapping[str, Any]]) -> str:
    return "".join(str(part["text"]) for part in parts if "text" in part and not part.get("thought"))


def _turn(content: Mapping[str, Any]) -> Turn:
    parts = [part for part in content.get("parts") or () if isinstance(part, dict)]
    calls = [part["functionCall"] for part in parts if "functionCall" in part]
    answers = [part["functionResponse"] for part in parts if "functionResponse" in part]
    shown = [part["inlineData"] for part in parts if "inlineData" in part]
    role = "tool" if answers else "assistant" if content.get("role") == "model" else "user"
    return Turn(
        role,
        _text(parts),
        tuple(Made(str(call.get("id", "")), str(call.get("name")), call.get("args") or {}) for call in calls),
        tuple(Result(str(item.get("id") or item.get("name")), _result(item.get("response"))) for item in answers),
        tuple(Picture(str(item.get("mimeType")), str(item.get("data"))) for item in shown),
    )


def _result(response: object) -> str:
    """A tool's words: libraries wrap them in an object of one field."""
    if isinstance(response, dict) and len(response) == 1:
        value = next(iter(response.values()))
        return value if isinstance(value, str) else dumps(value)
    return dumps(response)
