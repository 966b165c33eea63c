"""What OpenAI turns away with a 400, in its words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nextgeneration.testing.wire.base import PICTURES, Refusal, names
from nextgeneration.testing.wire.http import Request

PATTERN = "^[a-zA-Z0-9_-]+$"
KNOWN = names(
    "audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens"
    " messages metadata modalities model moderation n parallel_tool_calls prediction presence_penalty"
    " prompt_cache_key prompt_cache_options prompt_cache_retention reasoning_effort response_format"
    " safety_identifier seed service_tier stop store stream stream_options temperature tool_choice tools"
    " top_logprobs top_p user verbosity web_search_options"
)
ROLES = ("system", "assistant", "user", "function", "tool", "developer")
REASONING = re.compile(r"(o[134]|gpt-5)(-(mini|nano|pro))?(-\d{4}-\d\d-\d\d)?")


def body_of(request: Request) -> dict[str, Any]:
    """The body as an object.

    Raises:
        Refusal: it is not JSON, or no object.
    """
    try:
        body = json.loads(request.body)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        hint = "(HINT: This likely means you aren't using your HTTP library correctly.)"
        raise Refusal(400, f"We could not parse the JSON body of your request. {hint}")
    return body


def judge_chat(body: Mapping[str, Any]) -> None:
    """Hold a chat completions request to the rules."""
    for name in body:
        if name not in KNOWN:
            raise Refusal(400, f"Unrecognized request argument supplied: {name}")
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise Refusal(400, "you must provide a model parameter")
    reasoning(body, model, "max_tokens", "max_completion_tokens")
    if body.get("stream_options") is not None and not body.get("stream"):
        raise Refusal(400, "The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options")
    limit = body.get("max_completion_tokens", body.get("max_tokens"))
    if isinstance(limit, int) and limit < 1:
        name = "max_completion_tokens" if "max_completion_tokens" in body else "max_tokens"
        raise below(name, limit, 1)
    _chat_tools(body)
    messages = body.get("messages")
    if not isinstance(messages, list):
        raise Refusal(400, "Missing required parameter: 'messages'.", "messages", "missing_required_parameter")
    if not messages:
        raise empty("messages")
    for index, message in enumerate(messages):
        _message(f"messages[{index}]", message)
    _answers(messages)
    _form(body, messages)


def reasoning(body: Mapping[str, Any], model: str, limit: str, instead: str) -> None:
    """Reasoning models take no sampling parameters, and another name for the limit."""
    if not REASONING.fullmatch(model):
        return
    if body.get(limit) is not None:
        text = f"Unsupported parameter: '{limit}' is not supported with this model. Use '{instead}' instead."
        raise Refusal(400, text, limit, "unsupported_parameter")
    if body.get("temperature") not in (None, 1, 1.0):
        text = f"Unsupported value: 'temperature' does not support {body['temperature']} with this model."
        raise Refusal(400, f"{text} Only the default (1) value is supported.", "temperature", "unsupported_value")


def below(name: str, value: int, least: int) -> Refusal:
    """An integer under its minimum."""
    text = f"Invalid '{name}': integer below minimum value. Expected a value >= {least}, but got {value} instead."
    return Refusal(400, text, name, "integer_below_min_value")


def empty(name: str) -> Refusal:
    """An array without entries."""
    text = f"Invalid '{name}': empty array. Expected an array with minimum length 1, but got an empty array instead."
    return Refusal(400, text, name, "empty_array")


def tool_name(where: str, name: object) -> None:
    """The pattern and length of names."""
    if not isinstance(name, str):
        raise Refusal(400, f"Missing required parameter: '{where}'.", where, "missing_required_parameter")
    if not name:
        text = f"Invalid '{where}': empty string. Expected a string with minimum length 1, but got an empty"
        text += " string instead."
        raise Refusal(400, text, where, "empty_string")
    if not re.fullmatch(r"[a-zA-Z0-9_-]+", name):
        text = (
            f"Invalid '{where}': string does not match pattern. Expected a string that matches the pattern '{PATTERN}'."
        )
        raise Refusal(400, text, where, "invalid_value")
    if len(name) > 64:
        text = f"Invalid '{where}': string too long. Expected a string with maximum length 64, but got a"
        text += f" string with length {len(name)} instead."
        raise Refusal(400, text, where, "string_above_max_length")


def schema(where: str, name: str, parameters: object, *, strict: bool) -> None:
    """A tool's parameters are an object's schema; a strict one closes every object and requires every property."""
    if parameters is None:
        return
    kind = parameters.get("type") if isinstance(parameters, dict) else None
    if kind != "object":
        text = f"Invalid schema for function '{name}': schema must be a JSON Schema of 'type: \"object\"',"
        text += f" got 'type: \"{kind}\"'."
        raise Refusal(400, text, where, "invalid_function_parameters")
    if not strict:
        return
    for path, part in objects(parameters, ()):
        context = "(" + ", ".join(f"'{step}'" for step in path) + ("," if len(path) == 1 else "") + ")"
        head = f"Invalid schema for function '{name}': In context={context}, "
        if part.get("additionalProperties") is not False:
            text = f"{head}'additionalProperties' is required to be supplied and to be false."
            raise Refusal(400, text, where, "invalid_function_parameters")
        missing = [key for key in part.get("properties", {}) if key not in part.get("required", ())]
        if missing:
            text = f"{head}'required' is required to be supplied and to be an array including every key in"
            text += f" properties. Missing '{missing[0]}'."
            raise Refusal(400, text, where, "invalid_function_parameters")


def objects(part: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """Every object schema within a schema, with its path."""
    if not isinstance(part, dict):
        return
    if part.get("type") == "object":
        yield path, part
    for group in ("properties", "$defs"):
        for key, value in (part.get(group) or {}).items():
            yield from objects(value, (*path, group, key))
    yield from objects(part.get("items"), (*path, "items"))
    for index, value in enumerate(part.get("anyOf") or ()):
        yield from objects(value, (*path, "anyOf", str(index)))


def _chat_tools(body: Mapping[str, Any]) -> None:
    tools = body.get("tools")
    if tools is None:
        for name in ("tool_choice", "parallel_tool_calls"):
            if body.get(name) is not None:
                text = f"Invalid value for '{name}': '{name}' is only allowed when 'tools' are specified."
                raise Refusal(400, text, name)
        return
    if not isinstance(tools, list) or not tools:
        raise empty("tools")
    names = set()
    for index, tool in enumerate(tools):
        where = f"tools[{index}].function"
        function = tool.get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict):
            if isinstance(tool, dict) and tool.get("type") == "custom":
                continue
            raise Refusal(400, f"Missing required parameter: '{where}'.", where, "missing_required_parameter")
        tool_name(f"{where}.name", function.get("name"))
        names.add(function["name"])
        schema(
            f"{where}.parameters", function["name"], function.get("parameters"), strict=function.get("strict") is True
        )
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and (choice.get("function") or {}).get("name") not in names and "function" in choice:
        text = f"Tool choice '{choice['function'].get('name')}' not found in 'tools' parameter."
        raise Refusal(400, text, "tool_choice")


def _message(where: str, message: object) -> None:
    role = message.get("role") if isinstance(message, dict) else None
    if not isinstance(message, dict) or role not in ROLES:
        listed = ", ".join(f"'{name}'" for name in ROLES[:-1])
        text = f"Invalid value: '{role}'. Supported values are: {listed}, and 'developer'."
        raise Refusal(400, text, f"{where}.role", "invalid_value")
    content, calls = message.get("content"), message.get("tool_calls")
    if calls is not None and not calls:
        raise empty(f"{where}.tool_calls")
    if content is None and not (
        role == "assistant" and (calls or message.get("refusal") or message.get("function_call"))
    ):
        raise Refusal(400, "Invalid value for 'content': expected a string, got null.", f"{where}.content")
    for index, call in enumerate(calls or ()):
        tool_name(f"{where}.tool_calls[{index}].function.name", (call.get("function") or {}).get("name"))
        if not isinstance(call["function"].get("arguments"), str):
            text = f"Invalid type for '{where}.tool_calls[{index}].function.arguments': expected a string,"
            text += " but got an object instead."
            raise Refusal(400, text, f"{where}.tool_calls[{index}].function.arguments", "invalid_type")
    if isinstance(content, list):
        _parts(where, str(role), content)


def _parts(where: str, role: str, parts: Sequence[Any]) -> None:
    if not parts:
        raise empty(f"{where}.content")
    for index, part in enumerate(parts):
        kind = part.get("type") if isinstance(part, dict) else None
        allowed = ("text", "image_url", "input_audio", "file") if role == "user" else ("text", "refusal")
        if kind not in allowed:
            text = f"Invalid value: '{kind}'. Supported values are: " + ", ".join(f"'{name}'" for name in allowed) + "."
            raise Refusal(400, text, f"{where}.content[{index}].type", "invalid_value")
        if kind == "image_url":
            given = part.get("image_url")
            if not isinstance(given, dict):
                text = f"Invalid type for '{where}.content[{index}].image_url': expected an object, but got"
                text += " a string instead."
                raise Refusal(400, text, f"{where}.content[{index}].image_url", "invalid_type")
            image(str(given.get("url")), f"{where}.content[{index}].image_url.url")


def image(url: str, where: str) -> None:
    """An image is an address, or base64 of one of four formats."""
    if re.match(r"https?://", url):
        return
    found = re.match(r"data:([^;,]+);base64,[A-Za-z0-9+/\r\n]+=*$", url)
    if found is None:
        text = f"Invalid '{where}'. Expected a valid URL, but got a value with an invalid format."
        raise Refusal(400, text, where, "invalid_value")
    if found[1] not in PICTURES:
        text = "You uploaded an unsupported image. Please make sure your image has of one the following"
        text += " formats: ['png', 'jpeg', 'gif', 'webp']."
        raise Refusal(400, text, None, "invalid_image_format")


def _answers(messages: Sequence[Mapping[str, Any]]) -> None:
    """Every tool message answers a call just made, and every call is answered."""
    open_calls: list[str] = []
    for index, message in enumerate(messages):
        if message["role"] == "tool":
            given = message.get("tool_call_id")
            if given is None:
                where = f"messages[{index}].tool_call_id"
                raise Refusal(400, f"Missing required parameter: '{where}'.", where, "missing_required_parameter")
            if given not in open_calls:
                text = "Invalid parameter: messages with role 'tool' must be a response to a preceeding"
                text += " message with 'tool_calls'."
                raise Refusal(400, text, f"messages.[{index}].role")
            open_calls.remove(str(given))
            continue
        _unanswered(open_calls, index)
        if message["role"] == "assistant":
            open_calls = [str(call.get("id")) for call in message.get("tool_calls") or ()]
    _unanswered(open_calls, len(messages))


def _unanswered(calls: Sequence[str], index: int) -> None:
    if calls:
        text = "An assistant message with 'tool_calls' must be followed by tool messages responding to each"
        text += " 'tool_call_id'."
        text += f" The following tool_call_ids did not have response messages: {', '.join(calls)}"
        raise Refusal(400, text, f"messages.[{index}].role")


def _form(body: Mapping[str, Any], messages: Sequence[Mapping[str, Any]]) -> None:
    form = body.get("response_format")
    if not isinstance(form, dict):
        return
    if form.get("type") == "json_object" and "json" not in json.dumps(messages).lower():
        text = "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
        raise Refusal(400, text, "messages")
    if form.get("type") == "json_schema":
        given = form.get("json_schema") or {}
        tool_name("response_format.json_schema.name", given.get("name"))
        if given.get("strict"):
            schema("response_format", str(given["name"]), given.get("schema"), strict=True)


# --- responses

KNOWN_RESPONSES = names(
    "background context_management conversation include input instructions max_output_tokens max_tool_calls"
    " metadata model moderation parallel_tool_calls previous_response_id prompt prompt_cache_key"
    " prompt_cache_options prompt_cache_retention reasoning safety_identifier service_tier store stream"
    " stream_options temperature text tool_choice tools top_logprobs top_p truncation user"
)
ITEMS = ("message", "function_call", "function_call_output", "reasoning", "item_reference", "compaction")
PARTS = {"assistant": ("output_text", "refusal")}
ASKED = ("input_text", "input_image", "input_file")


def judge_responses(body: Mapping[str, Any]) -> None:
    """Hold a responses request to the rules."""
    for name in body:
        if name not in KNOWN_RESPONSES:
            raise Refusal(400, f"Unknown parameter: '{name}'.", name, "unknown_parameter")
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise missing("model")
    reasoning(body, model, "max_tokens", "max_output_tokens")
    limit = body.get("max_output_tokens")
    if isinstance(limit, int) and limit < 16:
        raise below("max_output_tokens", limit, 16)
    for index, tool in enumerate(body.get("tools") or ()):
        if tool.get("type") == "function":
            tool_name(f"tools[{index}].name", tool.get("name"))
            strict = tool.get("strict") is True
            schema(f"tools[{index}].parameters", tool["name"], tool.get("parameters"), strict=strict)
    given = body.get("input")
    if isinstance(given, str):
        return
    if not isinstance(given, list):
        raise missing("input")
    if not given:
        raise empty("input")
    for index, item in enumerate(given):
        _item(f"input[{index}]", item)
    if not body.get("previous_response_id") and not body.get("conversation"):
        _outputs(given)


def missing(name: str) -> Refusal:
    """A parameter that is not there."""
    return Refusal(400, f"Missing required parameter: '{name}'.", name, "missing_required_parameter")


def _item(where: str, item: Mapping[str, Any]) -> None:
    kind = item.get("type", "message")
    if kind not in ITEMS:
        text = f"Invalid value: '{kind}'. Supported values are: " + ", ".join(f"'{name}'" for name in ITEMS) + "."
        raise Refusal(400, text, where, "invalid_value")
    if kind == "message":
        _said(where, item)
    for name in {"function_call": ("call_id", "name", "arguments"), "function_call_output": ("call_id", "output")}.get(
        str(kind), ()
    ):
        if item.get(name) is None:
            raise missing(f"{where}.{name}")
    if kind == "function_call":
        tool_name(f"{where}.name", item["name"])
        own = item.get("id")
        if own is not None and not str(own).startswith("fc"):
            text = f"Invalid '{where}.id': '{own}'. Expected an ID that begins with 'fc'."
            raise Refusal(400, text, f"{where}.id", "invalid_value")


def _said(where: str, item: Mapping[str, Any]) -> None:
    role, content = item.get("role"), item.get("content")
    if role not in ("assistant", "system", "developer", "user"):
        text = f"Invalid value: '{role}'. Supported values are: 'assistant', 'system', 'developer', and 'user'."
        raise Refusal(400, text, f"{where}.role", "invalid_value")
    if content is None:
        raise missing(f"{where}.content")
    for index, part in enumerate(content if isinstance(content, list) else ()):
        allowed = PARTS.get(str(role), ASKED)
        kind = part.get("type")
        if kind not in allowed:
            listed = ", ".join(f"'{name}'" for name in allowed)
            text = f"Invalid value: '{kind}'. Supported values are: {listed}."
            raise Refusal(400, text, f"{where}.content[{index}]", "invalid_value")
        if kind == "input_image" and part.get("image_url") is not None:
            image(str(part["image_url"]), f"{where}.content[{index}].image_url")


def _outputs(items: Sequence[Mapping[str, Any]]) -> None:
    made = [str(item["call_id"]) for item in items if item.get("type") == "function_call"]
    answered = [str(item["call_id"]) for item in items if item.get("type") == "function_call_output"]
    for given in answered:
        if given not in made:
            raise Refusal(400, f"No tool call found for function call output with call_id {given}.", "input")
    for given in made:
        if given not in answered:
            raise Refusal(400, f"No tool output found for function call {given}.", "input")
