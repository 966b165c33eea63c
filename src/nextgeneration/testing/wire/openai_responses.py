"""OpenAI's responses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from nextgeneration.testing.wire import openai_rules
from nextgeneration.testing.wire.answer import Answer, Frame, ToolUse, pieces, tokens
from nextgeneration.testing.wire.base import Refusal, parsed, sse, words
from nextgeneration.testing.wire.http import Request
from nextgeneration.testing.wire.openai_chat import CREATED, OpenAIErrors, picture
from nextgeneration.testing.wire.script import Usage
from nextgeneration.testing.wire.seen import Made, Offered, Picture, Result, Seen, Turn

WHY = {"length": "max_output_tokens", "filter": "content_filter"}
Event = tuple[str, int, dict[str, Any]]


class OpenAIResponses(OpenAIErrors):
    """``POST /v1/responses``. Nothing is stored: a ``previous_response_id`` is accepted and not looked up."""

    name: ClassVar[str] = "openai-responses"

    def read(self, request: Request, number: int) -> Seen | None:
        """Items as turns."""
        if request.method != "POST" or request.path not in ("/v1/responses", "/responses"):
            return None
        body = openai_rules.body_of(request)
        given = body.get("input")
        items = [{"role": "user", "content": given}] if isinstance(given, str) else given
        listed = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
        system = [str(body["instructions"])] if body.get("instructions") else []
        system += [words(item.get("content")) for item in listed if item.get("role") in ("system", "developer")]
        limit = body.get("max_output_tokens")
        return Seen(
            number=number,
            path=request.path,
            headers=request.headers,
            query=request.query,
            body=body,
            model=str(body.get("model", "")),
            stream=body.get("stream") is True,
            system="\n".join(system),
            turns=tuple(_turns(listed)),
            tools=tuple(
                Offered(str(tool.get("name")), str(tool.get("description", "")), tool.get("parameters") or {})
                for tool in body.get("tools") or ()
                if isinstance(tool, dict) and tool.get("type") == "function"
            ),
            max_tokens=limit if isinstance(limit, int) else None,
        )

    def judge(self, seen: Seen) -> None:
        """OpenAI's rules."""
        openai_rules.judge_responses(seen.body)

    def whole(self, answer: Answer, seen: Seen) -> dict[str, Any]:
        """A ``response``."""
        return self._response(answer, seen, _items(answer, seen))

    def frames(self, answer: Answer, seen: Seen) -> Iterator[Frame]:
        """Typed events, numbered; the last one carries the whole response."""
        begun = self._response(answer, seen, []) | {"status": "in_progress", "usage": None, "incomplete_details": None}
        done = self._response(answer, seen, _items(answer, seen))
        last = "response.completed" if done["status"] == "completed" else "response.incomplete"
        events: list[Event] = [
            ("response.created", 0, {"response": begun}),
            ("response.in_progress", 0, {"response": begun}),
            *(event for index, item in enumerate(_items(answer, seen)) for event in _item(index, item)),
            (last, 0, {"response": done}),
        ]
        for number, (kind, spent, fields) in enumerate(events):
            late = kind == last and answer.usage.told == "late"
            yield Frame(sse({"type": kind, "sequence_number": number, **fields}, kind), spent, late)

    def broken(self, refusal: Refusal, request_id: str) -> bytes:
        """An ``error`` event."""
        error = self.error(refusal, request_id)["error"]
        fields = {"code": error["code"] or error["type"], "message": error["message"], "param": None}
        return sse({"type": "error", **fields, "sequence_number": 99}, "error")

    @staticmethod
    def _response(answer: Answer, seen: Seen, output: list[dict[str, Any]]) -> dict[str, Any]:
        body, why = seen.body, WHY.get(answer.stop)
        return {
            "id": answer.id("resp_", 48),
            "object": "response",
            "created_at": CREATED + seen.number,
            "status": "incomplete" if why else "completed",
            "background": False,
            "error": None,
            "incomplete_details": {"reason": why} if why else None,
            "instructions": body.get("instructions"),
            "max_output_tokens": body.get("max_output_tokens"),
            "model": seen.model,
            "output": output,
            "parallel_tool_calls": body.get("parallel_tool_calls", True),
            "previous_response_id": body.get("previous_response_id"),
            "reasoning": body.get("reasoning") or {"effort": None, "summary": None},
            "service_tier": "default",
            "store": body.get("store", True),
            "temperature": body.get("temperature", 1.0),
            "text": body.get("text") or {"format": {"type": "text"}, "verbosity": "medium"},
            "tool_choice": body.get("tool_choice", "auto"),
            "tools": body.get("tools") or [],
            "top_logprobs": 0,
            "top_p": body.get("top_p", 1.0),
            "truncation": "disabled",
            "usage": None if answer.usage.told == "missing" else _figures(answer.usage),
            "user": None,
            "metadata": body.get("metadata") or {},
        }


def _figures(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.total,
    }


def _items(answer: Answer, seen: Seen) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    status = "incomplete" if answer.stop in WHY else "completed"
    if answer.thinking:
        summary = [{"type": "summary_text", "text": answer.thinking}]
        thought: dict[str, Any] = {"id": answer.id("rs_", 48, "rs"), "type": "reasoning", "summary": summary}
        if "reasoning.encrypted_content" in (seen.body.get("include") or ()):
            thought["encrypted_content"] = answer.id("gAAAAAB", 180, "thought")
        items.append(thought)
    if answer.text or answer.refusal or not answer.calls:
        part = (
            {"type": "refusal", "refusal": answer.refusal}
            if answer.refusal
            else {"type": "output_text", "annotations": [], "logprobs": [], "text": answer.text}
        )
        message = {"id": answer.id("msg_", 48, "msg"), "type": "message", "status": status, "role": "assistant"}
        items.append(message | {"content": [part]})
    items += [_call(use, answer, index, status) for index, use in enumerate(answer.calls)]
    return items


def _call(use: ToolUse, answer: Answer, index: int, status: str) -> dict[str, Any]:
    return {
        "id": answer.id("fc_", 48, f"fc{index}"),
        "type": "function_call",
        "status": status,
        "arguments": use.args,
        "call_id": f"call_{use.id}",
        "name": use.name,
    }


def _item(index: int, item: Mapping[str, Any]) -> Iterator[Event]:
    """The events of one output item: it is added empty, grows, and is done."""
    place: dict[str, Any] = {"item_id": item["id"], "output_index": index}
    empty: dict[str, Any] = {**item} if item["type"] == "reasoning" else {**item, "status": "in_progress"}
    empty |= {name: value for name, value in (("content", []), ("summary", []), ("arguments", "")) if name in item}
    yield "response.output_item.added", 0, {"output_index": index, "item": empty}
    if item["type"] == "function_call":
        for piece in pieces(item["arguments"]):
            yield "response.function_call_arguments.delta", tokens(piece), {**place, "delta": piece}
        done = {**place, "name": item["name"], "arguments": item["arguments"]}
        yield "response.function_call_arguments.done", tokens(item["name"]), done
    elif item["type"] == "reasoning":
        yield from _summary(place, item["summary"][0])
    else:
        yield from _content(place, item["content"][0])
    yield "response.output_item.done", 0, {"output_index": index, "item": item}


def _summary(place: Mapping[str, Any], part: Mapping[str, Any]) -> Iterator[Event]:
    where = {**place, "summary_index": 0}
    head = "response.reasoning_summary"
    yield f"{head}_part.added", 0, {**where, "part": {**part, "text": ""}}
    for piece in pieces(part["text"]):
        yield f"{head}_text.delta", tokens(piece), {**where, "delta": piece}
    yield f"{head}_text.done", 0, {**where, "text": part["text"]}
    yield f"{head}_part.done", 0, {**where, "part": part}


def _content(place: Mapping[str, Any], part: Mapping[str, Any]) -> Iterator[Event]:
    where = {**place, "content_index": 0}
    field = "refusal" if part["type"] == "refusal" else "text"
    kind = f"response.{part['type']}"
    more: dict[str, Any] = {} if field == "refusal" else {"logprobs": []}
    yield "response.content_part.added", 0, {**where, "part": {**part, field: ""}}
    for piece in pieces(part[field]):
        yield f"{kind}.delta", tokens(piece), {**where, "delta": piece, **more}
    yield f"{kind}.done", 0, {**where, field: part[field], **more}
    yield "response.content_part.done", 0, {**where, "part": part}


def _turns(items: list[dict[str, Any]]) -> Iterator[Turn]:
    """Items in neutral words: what the model did in a row is one turn, and so are the results in a row."""
    group: list[Turn] = []
    for item in items:
        turn = _read(item)
        if turn is None:
            continue
        if group and (turn.role == "user" or group[0].role != turn.role):
            yield _joined(group)
            group = []
        group.append(turn)
    if group:
        yield _joined(group)


def _read(item: Mapping[str, Any]) -> Turn | None:
    kind = item.get("type", "message")
    if kind == "function_call":
        made = Made(str(item.get("call_id")), str(item.get("name")), parsed(item.get("arguments")))
        return Turn("assistant", calls=(made,))
    if kind == "function_call_output":
        return Turn("tool", results=(Result(str(item.get("call_id")), words(item.get("output"))),))
    if kind == "message" and item.get("role") in ("user", "assistant"):
        content = item.get("content")
        return Turn(str(item["role"]), words(content), pictures=tuple(_pictures(content)))
    return None


def _joined(group: list[Turn]) -> Turn:
    return Turn(
        group[0].role,
        "".join(turn.text for turn in group),
        tuple(call for turn in group for call in turn.calls),
        tuple(result for turn in group for result in turn.results),
        tuple(shown for turn in group for shown in turn.pictures),
    )


def _pictures(content: object) -> Iterator[Picture]:
    for part in content if isinstance(content, list) else ():
        if isinstance(part, dict) and part.get("type") == "input_image":
            yield picture(str(part.get("image_url")))
