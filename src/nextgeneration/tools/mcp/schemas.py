"""The JSON Schema of a remote tool: what of it a model is shown, and what of it we check arguments against.

The schema is the server's. A regular expression in it can take years, references can multiply, and every text
in it is read by a model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nextgeneration.kernel.canonical import canonical
from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.show import escaped, shortened

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

MAX_BYTES = 16_000
MAX_PARTS = 2_000
MAX_DEPTH = 24
MAX_TEXT = 500
MAX_PROBLEMS = 5
ARGUMENT = re.compile(r"[A-Za-z0-9_.$@-]{1,64}")
_SLOW = frozenset({"pattern", "patternProperties", "$ref", "$dynamicRef", "$recursiveRef", "uniqueItems"})
_NAMED = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependentRequired"})
_LEFT_OUT = frozenset({"$comment", "$id", "$schema", "$anchor", "$vocabulary", "examples"})
_VARIATION = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")


class Unfit(Exception):
    """A schema that no model is shown; the message says why."""


def shown_text(text: str, limit: int) -> str:
    """A text of a server as a model is shown it: nothing hidden, no tags, bounded."""
    plain = escaped(_VARIATION.sub("", shortened(text, limit)))
    return plain.replace("<", "‹").replace(">", "›")


def shown_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """What a model is shown of ``schema``: references written out where that is possible, texts cleaned.

    Raises:
        Unfit: it is no schema of an object, too large, or names arguments in a way nobody could read.
    """
    if schema.get("type", "object") != "object":
        raise Unfit("its arguments are no object")
    try:
        size = len(canonical(dict(schema)))
    except NGError as error:
        raise Unfit(str(error)) from None
    if size > MAX_BYTES:
        raise Unfit(f"a schema of {size} bytes; at most {MAX_BYTES}")
    shown = _cleaned({"type": "object", **_inlined(schema)}, 0)
    if "properties" not in shown:
        shown["properties"] = {}
    _valid(shown)
    return dict(shown)


def _valid(schema: Mapping[str, Any]) -> None:
    from jsonschema import Draft202012Validator, SchemaError  # 40 ms that most runs do not need

    try:
        Draft202012Validator.check_schema(dict(schema))
    except (SchemaError, RecursionError, ValueError, TypeError) as error:
        raise Unfit(f"no valid JSON Schema: {shortened(str(error).splitlines()[0], 200)}") from None


def _inlined(schema: Mapping[str, Any]) -> dict[str, Any]:
    """``schema`` with local references replaced by what they name; as it was when that does not end soon."""
    left = MAX_PARTS

    def inline(part: Any, above: tuple[str, ...]) -> Any:
        nonlocal left
        left -= 1
        if left < 0 or len(above) > MAX_DEPTH:
            raise Unfit("")
        if isinstance(part, list):
            return [inline(item, above) for item in part]
        if not isinstance(part, Mapping):
            return part
        reference = part.get("$ref")
        if isinstance(reference, str):
            if reference in above:
                raise Unfit("")
            beside = {key: inline(value, above) for key, value in part.items() if key != "$ref"}
            return {**inline(_named(schema, reference), (*above, reference)), **beside}
        return {key: inline(value, above) for key, value in part.items()}

    try:
        top = {key: value for key, value in schema.items() if key not in ("$defs", "definitions")}
        return dict(inline(top, ()))
    except (Unfit, RecursionError):
        return dict(schema)


def _named(schema: Mapping[str, Any], reference: str) -> Mapping[str, Any]:
    part: Any = schema
    if not reference.startswith("#/"):
        raise Unfit("")
    for step in reference[2:].split("/"):
        part = part.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(part, Mapping) else None
    if not isinstance(part, Mapping):
        raise Unfit("")
    return part


def _cleaned(part: Any, depth: int, *, named: bool = False) -> Any:
    """A part without what a model does not need, its texts cleaned, its arguments' names readable."""
    if depth > MAX_DEPTH:
        raise Unfit(f"a schema nested deeper than {MAX_DEPTH}")
    if isinstance(part, str):
        return shown_text(part, MAX_TEXT)
    if isinstance(part, list):
        return [_cleaned(item, depth + 1) for item in part]
    if not isinstance(part, Mapping):
        return part
    cleaned: dict[str, Any] = {}
    for key, value in part.items():
        if named and not ARGUMENT.fullmatch(key):
            raise Unfit(f"an argument named {shortened(escaped(key, newlines=False), 80)}")
        if named or key not in _LEFT_OUT:
            kept = key in ("enum", "const", "required", "default", "pattern", "$ref") and not named
            cleaned[shown_text(key, 64)] = (
                _plain(value) if kept else _cleaned(value, depth + 1, named=not named and key in _NAMED)
            )
    return cleaned


def _plain(value: Any) -> Any:
    """A value that must stay as it is to mean the same; one that hides something is refused."""
    texts = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    for text in texts:
        if isinstance(text, str) and (escaped(text) != text or len(text) > MAX_TEXT):
            raise Unfit("a value with hidden characters, or too long")
    return value


class Checker:
    """Checks arguments against what of a schema is quick to check. The server checks the rest."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = _quick(_inlined(schema))
        self._validator: Validator | None = None

    def misfits(self, arguments: Mapping[str, Any]) -> list[str]:
        """What does not fit, each with the argument's name; at most ``MAX_PROBLEMS``."""
        if self._validator is None:
            from jsonschema import Draft202012Validator
            from referencing import Registry

            # An empty registry: the library's own would fetch what a reference names.
            self._validator = Draft202012Validator(self._schema, registry=Registry())
        found: list[str] = []
        try:
            for error in self._validator.iter_errors(dict(arguments)):
                where = error.json_path.removeprefix("$").removeprefix(".") or "(all)"
                found.append(f"{shortened(where, 100)}: {shortened(error.message, 200)}")
                if len(found) >= MAX_PROBLEMS:
                    break
        except (RecursionError, ArithmeticError, ValueError, TypeError) as error:
            found.append(f"(all): {shortened(str(error), 200)}")
        return found


def _quick(schema: Mapping[str, Any]) -> dict[str, Any]:
    """``schema`` when nothing in it is slow; otherwise its required arguments, and those that are quick to check."""
    if not _is_slow(schema):
        return dict(schema)
    properties = schema.get("properties")
    known = properties if isinstance(properties, Mapping) else {}
    quick: dict[str, Any] = {
        "type": "object",
        "properties": {name: {} if _is_slow(part) else part for name, part in known.items()},
    }
    kept = ("required", "additionalProperties") if "patternProperties" not in schema else ("required",)
    return quick | {key: schema[key] for key in kept if key in schema and not _is_slow(schema[key])}


def _is_slow(part: Any) -> bool:
    if isinstance(part, Mapping):
        return not _SLOW.isdisjoint(part) or any(map(_is_slow, part.values()))
    return isinstance(part, list) and any(map(_is_slow, part))
