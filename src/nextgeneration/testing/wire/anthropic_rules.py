"""What Anthropic turns away with a 400, in its words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nextgeneration.testing.wire.base import PICTURES, Refusal, names
from nextgeneration.testing.wire.http import Request
from nextgeneration.testing.wire.pictures import decoded, media_of

KNOWN = names(
    "model messages max_tokens container context_management inference_geo mcp_servers metadata output_config"
    " output_format service_tier stop_sequences stream system temperature thinking tool_choice tools top_k"
    " top_p cache_control betas speed"
)
NAME = r"[a-zA-Z0-9_-]{1,64}"
SETTLED = re.compile(r"claude-(opus-4-[78]|opus-5|fable-5|sonnet-5-5)")
UNFORCED = re.compile(r"claude-(fable-5-1|opus-5-5|sonnet-5-5)")
NO_PREFILL = re.compile(r"claude-(opus|sonnet|haiku|fable|mythos)-(4-[6-9]|5).*")


def body_of(request: Request) -> dict[str, Any]:
    """The body as an object.

    Raises:
        Refusal: it is not JSON, or no object.
    """
    try:
        body = json.loads(request.body)
    except ValueError as error:
        raise Refusal(400, f"The request body is not valid JSON: {error}") from None
    if not isinstance(body, dict):
        raise Refusal(400, "Input should be a valid dictionary")
    return body


def judge(body: Mapping[str, Any], headers: Mapping[str, str]) -> None:
    """Hold a request to the rules."""
    if "anthropic-version" not in headers:
        raise Refusal(400, "anthropic-version: header is required")
    for name in ("model", "messages", "max_tokens"):
        if body.get(name) is None:
            raise Refusal(400, f"{name}: Field required")
    for name in body:
        if name not in KNOWN:
            raise Refusal(400, f"{name}: Extra inputs are not permitted")
    _figures(body)
    _tools(body)
    messages = body["messages"]
    if not isinstance(messages, list) or not messages:
        raise Refusal(400, "messages: at least one message is required")
    _system(body.get("system"))
    for index, message in enumerate(messages):
        _message(f"messages.{index}", message, last=index == len(messages) - 1)
    if messages[0]["role"] != "user":
        raise Refusal(400, 'messages: first message must use the "user" role')
    _answers(messages)
    if not body.get("tools") and any(blocks(message, "tool_use", "tool_result") for message in messages):
        raise Refusal(400, "Requests which include `tool_use` or `tool_result` blocks must define `tools`")
    _end(body, messages[-1])
    marked = json.dumps(body).count('"cache_control": {')
    if marked > 4:
        raise Refusal(400, f"A maximum of 4 blocks with cache_control may be provided. Found {marked}.")


def blocks(message: Mapping[str, Any], *kinds: str) -> list[dict[str, Any]]:
    """A message's blocks of these kinds."""
    content = message.get("content")
    parts = content if isinstance(content, list) else []
    return [part for part in parts if isinstance(part, dict) and part.get("type") in kinds]


def _figures(body: Mapping[str, Any]) -> None:
    limit = body["max_tokens"]
    if not isinstance(limit, int) or isinstance(limit, bool):
        raise Refusal(400, "max_tokens: Input should be a valid integer")
    if limit < 1:
        raise Refusal(400, "max_tokens: Input should be greater than or equal to 1")
    if limit > 128_000:
        text = f"max_tokens: {limit} > 128000, which is the maximum allowed number of output tokens for {body['model']}"
        raise Refusal(400, text)
    heat = body.get("temperature")
    _newer(body, str(body["model"]))
    if heat is not None and not 0 <= heat <= 1:
        raise Refusal(400, "temperature: range: 0..1")
    thinking = body.get("thinking") or {}
    if thinking.get("type") == "enabled":
        budget = thinking.get("budget_tokens", 0)
        if budget < 1024:
            raise Refusal(400, "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
        if budget >= limit:
            raise Refusal(400, "`max_tokens` must be greater than `thinking.budget_tokens`.")
        if heat not in (None, 1, 1.0):
            raise Refusal(400, "`temperature` may only be set to 1 when thinking is enabled.")
    for index, stop in enumerate(body.get("stop_sequences") or ()):
        if not str(stop).strip():
            raise Refusal(400, f"stop_sequences.{index}: each stop sequence must contain non-whitespace")


def _newer(body: Mapping[str, Any], model: str) -> None:
    """Newer models take no sampling, no budget of thinking, and some no forced tool."""
    kind = (body.get("thinking") or {}).get("type")
    if SETTLED.match(model):
        for name in ("temperature", "top_p", "top_k"):
            if body.get(name) not in (None, 1, 1.0):
                raise Refusal(400, f"`{name}` is not supported for {model} at non-default values.")
        if kind == "enabled":
            raise Refusal(400, '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive".')
    if UNFORCED.match(model) and (body.get("tool_choice") or {}).get("type") in ("any", "tool"):
        raise Refusal(400, "tool_choice: forced tool use is not supported for this model")


def _tools(body: Mapping[str, Any]) -> None:
    names: list[str] = []
    for index, tool in enumerate(body.get("tools") or ()):
        where = f"tools.{index}.custom"
        names.append(str(tool.get("name")))
        if tool.get("type", "custom") != "custom":
            continue
        if not re.fullmatch(NAME, str(tool.get("name", ""))):
            raise Refusal(400, f"{where}.name: String should match pattern '^{NAME}$'")
        schema = tool.get("input_schema")
        if not isinstance(schema, dict):
            raise Refusal(400, f"{where}.input_schema: Field required")
        if schema.get("type") != "object":
            said = "Field required" if "type" not in schema else "Input should be 'object'"
            raise Refusal(400, f"{where}.input_schema.type: {said}")
        if any(word in schema for word in ("oneOf", "allOf", "anyOf")):
            text = "input_schema does not support oneOf, allOf, or anyOf at the top level"
            raise Refusal(400, f"{where}.input_schema: {text}")
    if len(set(names)) != len(names):
        raise Refusal(400, "tools: Tool names must be unique.")
    _choice(body, names)


def _choice(body: Mapping[str, Any], names: Sequence[str]) -> None:
    choice = body.get("tool_choice")
    if isinstance(choice, dict):
        if choice.get("type") not in ("auto", "any", "tool", "none"):
            raise Refusal(
                400, "tool_choice: Input tag does not match any of the expected tags: 'auto', 'any', 'tool', 'none'"
            )
        if not names:
            raise Refusal(400, "tool_choice may only be specified while providing tools")
        if choice["type"] == "tool" and choice.get("name") not in names:
            raise Refusal(400, f"Tool '{choice.get('name')}' not found in provided tools")
        if choice["type"] in ("any", "tool") and (body.get("thinking") or {}).get("type") == "enabled":
            raise Refusal(400, "Thinking may not be enabled when tool_choice forces tool use.")


def _system(system: object) -> None:
    for index, part in enumerate(system if isinstance(system, list) else ()):
        if part.get("type") != "text":
            raise Refusal(400, f"system.{index}.type: Input should be 'text'")
        if not part.get("text"):
            raise Refusal(400, "system: text content blocks must be non-empty")


def _message(where: str, message: object, *, last: bool) -> None:
    if not isinstance(message, dict):
        raise Refusal(400, f"{where}: Input should be a valid dictionary")
    role = message.get("role")
    if role == "system":
        text = 'messages: Unexpected role "system". The Messages API accepts a top-level `system`'
        text += ' parameter, not "system" as an input message role.'
        raise Refusal(400, text)
    if role not in ("user", "assistant"):
        raise Refusal(400, f"{where}.role: Input should be 'user' or 'assistant'")
    content = message.get("content")
    if content is None:
        raise Refusal(400, f"{where}.content: Field required")
    if not content and not (last and role == "assistant"):
        text = "all messages must have non-empty content except for the optional final assistant message"
        raise Refusal(400, f"{where}: {text}")
    for index, part in enumerate(content if isinstance(content, list) else ()):
        _part(f"{where}.content.{index}", part, role)


def _part(where: str, part: Mapping[str, Any], role: str) -> None:
    kind = part.get("type")
    if kind == "text":
        if not part.get("text"):
            raise Refusal(400, "messages: text content blocks must be non-empty")
        if not str(part["text"]).strip():
            raise Refusal(400, "messages: text content blocks must contain non-whitespace text")
    elif kind == "image":
        _image(f"{where}.image.source", part.get("source") or {})
    elif kind == "tool_use":
        if role != "assistant":
            raise Refusal(400, f"{where}: `tool_use` blocks can only be in `assistant` messages")
        _made(f"{where}.tool_use", part)
    elif kind == "tool_result":
        if role != "user":
            raise Refusal(400, f"{where}: `tool_result` blocks can only be in `user` messages")
        inner = part.get("content")
        for index, item in enumerate(inner if isinstance(inner, list) else ()):
            _part(f"{where}.tool_result.content.{index}", item, "user")
    elif kind not in ("thinking", "redacted_thinking", "document", "search_result", "server_tool_use"):
        tags = (
            "'document', 'image', 'redacted_thinking', 'search_result', 'text', 'thinking', 'tool_result', 'tool_use'"
        )
        raise Refusal(
            400, f"{where}: Input tag '{kind}' found using 'type' does not match any of the expected tags: {tags}"
        )


def _made(where: str, part: Mapping[str, Any]) -> None:
    if not re.fullmatch(r"[a-zA-Z0-9_-]+", str(part.get("id", ""))):
        raise Refusal(400, f"{where}.id: String should match pattern '^[a-zA-Z0-9_-]+$'")
    if not re.fullmatch(NAME, str(part.get("name", ""))):
        raise Refusal(400, f"{where}.name: String should match pattern '^{NAME}$'")
    if not isinstance(part.get("input"), dict):
        raise Refusal(400, f"{where}.input: Input should be a valid dictionary")


def _image(where: str, source: Mapping[str, Any]) -> None:
    if source.get("type") in ("url", "file"):
        return
    media = source.get("media_type")
    if media not in PICTURES:
        raise Refusal(
            400, f"{where}.base64.media_type: Input should be 'image/jpeg', 'image/png', 'image/gif' or 'image/webp'"
        )
    data = decoded(str(source.get("data", "")))
    if data is None:
        raise Refusal(400, f"{where}.base64: invalid base64 data")
    found = media_of(data)
    if found is None:
        raise Refusal(400, "Could not process image")
    if found != media:
        text = f"The image was specified using the {media} media type, but the image appears to be a {found} image"
        raise Refusal(400, f"{where.removesuffix('.source')}.source.base64.data: {text}")


def _answers(messages: Sequence[Mapping[str, Any]]) -> None:
    """Every call is answered in the next message, and nothing else is."""
    made: list[str] = []
    for index, group in _turns(messages):
        results = [part for message in group for part in blocks(message, "tool_result")]
        answered = [str(part.get("tool_use_id")) for part in results]
        strays = [given for given in answered if given not in made]
        if strays:
            text = f"messages.{index}.content.0: unexpected `tool_use_id` found in `tool_result` blocks: {strays[0]}."
            text += " Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
            raise Refusal(400, text)
        missing = [given for given in made if given not in answered]
        if missing:
            raise _unanswered(index - 1, missing)
        if len(set(answered)) != len(answered):
            text = f"messages.{index}: each tool_use must have a single result."
            raise Refusal(400, f"{text} Found multiple `tool_result` blocks with id: {answered[0]}")
        made = [str(part.get("id")) for message in group for part in blocks(message, "tool_use")]
        if len(set(made)) != len(made):
            raise Refusal(400, "messages: `tool_use` ids must be unique")
    if made:
        raise _unanswered(len(messages) - 1, made)


def _turns(messages: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, list[Mapping[str, Any]]]]:
    """Consecutive messages of one role are one turn."""
    group: list[Mapping[str, Any]] = []
    for index, message in enumerate(messages):
        if group and group[0]["role"] != message["role"]:
            yield index - len(group), group
            group = []
        group.append(message)
    yield len(messages) - len(group), group


def _unanswered(index: int, ids: Sequence[str]) -> Refusal:
    text = (
        f"messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after: {', '.join(ids)}."
    )
    text += " Each `tool_use` block must have a corresponding `tool_result` block in the next message."
    return Refusal(400, text)


def _end(body: Mapping[str, Any], last: Mapping[str, Any]) -> None:
    if last["role"] != "assistant":
        return
    if NO_PREFILL.fullmatch(str(body["model"])):
        text = "This model does not support assistant message prefill. The conversation must end with a user message."
        raise Refusal(400, text)
    content = last.get("content")
    texts = blocks(last, "text")
    said = content if isinstance(content, str) else str(texts[-1]["text"]) if texts else ""
    if said != said.rstrip():
        raise Refusal(400, "messages: final assistant content cannot end with trailing whitespace")
