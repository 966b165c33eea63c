"""What Google turns away with a 400, in its words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nextgeneration.testing.wire.base import Refusal, names
from nextgeneration.testing.wire.http import Request
from nextgeneration.testing.wire.pictures import decoded, media_of

KNOWN = names(
    "model contents systemInstruction tools toolConfig generationConfig safetySettings cachedContent labels"
    " store serviceTier"
)
SCHEMA = names(
    "type format title description nullable enum maxItems minItems properties required minProperties"
    " maxProperties minLength maxLength pattern example anyOf propertyOrdering default items minimum maximum"
)
NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}")
SEEN = ("image/png", "image/jpeg", "image/webp", "image/heic", "image/heif")


def signs(model: str) -> bool:
    """Whether the model signs its calls and wants the signatures back."""
    return model.startswith("gemini-3")


def body_of(request: Request) -> dict[str, Any]:
    """The body as an object, its fields in camel case: proto's JSON accepts both.

    Raises:
        Refusal: it is not JSON, or no object.
    """
    try:
        body = json.loads(request.body)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refusal(400, "Invalid JSON payload received. Expected an object.")
    found: dict[str, Any] = camel(body)
    return found


def camel(value: Any, name: str = "") -> Any:
    """Proto's field names; what users name (arguments, schemas of theirs, answers of tools) stays."""
    if isinstance(value, list):
        return [camel(item, name) for item in value]
    if not isinstance(value, dict):
        return value
    if name in ("args", "response", "properties", "parametersJsonSchema", "responseJsonSchema", "labels"):
        return {key: camel(item, "") if name == "properties" else item for key, item in value.items()}
    names = {key: re.sub(r"_([a-z])", lambda found: found[1].upper(), key) for key in value}
    return {names[key]: camel(item, names[key]) for key, item in value.items()}


def judge(body: Mapping[str, Any], model: str) -> None:
    """Hold a request to the rules."""
    for name in body:
        if name not in KNOWN:
            raise Refusal(400, f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.')
    contents = body.get("contents")
    if not isinstance(contents, list) or not contents:
        raise Refusal(400, "* GenerateContentRequest.contents: contents is not specified\n")
    _tools(body.get("tools") or ())
    for index, content in enumerate(contents):
        _content(f"contents[{index}]", content)
    if len(contents) == 1 and contents[0].get("role", "user") != "user":
        text = "Please ensure that single turn requests end with a user role or the role field is empty."
        raise Refusal(400, text)
    _order(contents)
    if signs(model):
        _signed(contents)


def parts_of(content: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    """The parts of a content that hold this kind of data."""
    return [part for part in content.get("parts") or () if kind in part]


def _tools(tools: Sequence[Mapping[str, Any]]) -> None:
    names: set[str] = set()
    for index, tool in enumerate(tools):
        for place, function in enumerate(tool.get("functionDeclarations") or ()):
            where = f"tools[{index}].function_declarations[{place}]"
            name = str(function.get("name", ""))
            if not NAME.fullmatch(name):
                text = f"* GenerateContentRequest.{where}.name: Invalid function name. Must start with a letter or an"
                text += " underscore. Must be alphanumeric (a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), or"
                text += " dashes (-), with a maximum length of 64.\n"
                raise Refusal(400, text)
            if name in names:
                raise Refusal(400, f"Duplicate function declaration found: {name}")
            names.add(name)
            if function.get("parameters") is not None:
                _schema(f"{where}.parameters", function["parameters"])
                if not function["parameters"].get("properties"):
                    text = f"* GenerateContentRequest.{where}.parameters.properties: should be non-empty for"
                    text += " OBJECT type\n"
                    raise Refusal(400, text)


def _schema(where: str, schema: Any) -> None:
    for path, part in _schemas(where, schema):
        for name in part:
            if name not in SCHEMA:
                text = f"Invalid JSON payload received. Unknown name \"{name}\" at '{path}': Cannot find field."
                raise Refusal(400, text)


def _schemas(where: str, schema: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if not isinstance(schema, dict):
        return
    yield where, schema
    for index, (_, value) in enumerate((schema.get("properties") or {}).items()):
        yield from _schemas(f"{where}.properties[{index}].value", value)
    yield from _schemas(f"{where}.items", schema.get("items"))
    for index, value in enumerate(schema.get("anyOf") or ()):
        yield from _schemas(f"{where}.any_of[{index}]", value)


def _content(where: str, content: Mapping[str, Any]) -> None:
    if content.get("role", "user") not in ("user", "model", "function"):
        raise Refusal(400, "Please use a valid role: user, model.")
    parts = content.get("parts")
    if not parts:
        raise Refusal(400, f"* GenerateContentRequest.{where}.parts: contents.parts must not be empty.\n")
    for index, part in enumerate(parts):
        kinds = ("text", "inlineData", "fileData", "functionCall", "functionResponse", "thoughtSignature")
        if not any(kind in part for kind in kinds):
            text = "required oneof field 'data' must have one initialized field"
            raise Refusal(400, f"* GenerateContentRequest.{where}.parts[{index}].data: {text}\n")
        if "inlineData" in part:
            _image(part["inlineData"])


def _image(data: Mapping[str, Any]) -> None:
    media = str(data.get("mimeType", ""))
    if not media.startswith("image/"):
        return
    if media not in SEEN:
        raise Refusal(400, f"Unsupported MIME type: {media}")
    found = decoded(str(data.get("data", "")).replace("-", "+").replace("_", "/"))
    if found is None or (media_of(found) is None and media in SEEN[:3]):
        raise Refusal(
            400,
            "Unable to process input image. Please retry or report in https://developers.generativeai.google/guide/troubleshooting",
        )


def _order(contents: Sequence[Mapping[str, Any]]) -> None:
    """A turn of calls follows the user or an answer, and is followed by as many answers."""
    for index, content in enumerate(contents):
        before = contents[index - 1] if index else {}
        calls = len(parts_of(content, "functionCall"))
        answers = len(parts_of(content, "functionResponse"))
        if calls and (index == 0 or before.get("role", "user") == "model"):
            text = "Please ensure that function call turn comes immediately after a user turn or after a"
            text += " function response turn."
            raise Refusal(400, text)
        if answers and not parts_of(before, "functionCall"):
            text = "Please ensure that function response turn comes immediately after a function call turn."
            raise Refusal(400, text)
        asked = len(parts_of(before, "functionCall"))
        if asked != answers and (asked or answers):
            text = "Please ensure that the number of function response parts is equal to the number of"
            text += " function call parts of the function call turn."
            raise Refusal(400, text)


def _signed(contents: Sequence[Mapping[str, Any]]) -> None:
    """In the current turn, the first call of each of the model's contents carries its signature."""
    asked = [
        index
        for index, content in enumerate(contents)
        if content.get("role", "user") == "user" and parts_of(content, "text")
    ]
    for content in contents[asked[-1] if asked else 0 :]:
        calls = parts_of(content, "functionCall")
        if calls and not calls[0].get("thoughtSignature"):
            name = calls[0]["functionCall"].get("name")
            text = "Function call is missing a thought_signature in functionCall parts. This is required"
            text += " for tools to work"
            text += f" correctly. Additional data, function call `default_api:{name}`, position 1."
            raise Refusal(400, text)
