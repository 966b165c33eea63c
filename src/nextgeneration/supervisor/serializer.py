"""The serializer of checkpoints: JSON that can build plain values, ``Send``, ``Interrupt`` and bytes, and nothing else.

LangGraph's own serializer imports and calls what a stored row names, so that whoever can write one row runs
code. Here an unknown tag is an error, and so is whatever would not come back as it went in: tuples, sets,
keys that are no strings, numbers that are not finite or wider than 64 bits.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable
from typing import Any

from langgraph.types import Interrupt, Send

from nextgeneration.supervisor.errors import CheckpointRefused

TAG = "__ng__"
KIND = "json"
MAX_INTEGER = 2**63


class StrictSerializer:
    """Turns checkpoint values into typed JSON bytes and back.

    Raises:
        CheckpointRefused: on a value or a stored row outside of what is allowed; nothing is built from it.
    """

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        """The type tag and the bytes for ``obj``."""
        try:
            text = json.dumps(_plain(obj), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
            return KIND, text.encode("utf-8")
        except (UnicodeEncodeError, RecursionError) as error:
            raise _refused(str(error) or type(error).__name__) from None

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """The value of a tag and bytes written by :meth:`dumps_typed`."""
        kind, raw = data
        if kind != KIND:
            raise _refused(f"type {str(kind)[:40]!r}")
        try:
            return _built(json.loads(raw, parse_constant=_no_constant))
        except (ValueError, RecursionError, UnicodeDecodeError) as error:
            raise _refused(str(error)[:200] or type(error).__name__) from None


def _refused(detail: str) -> CheckpointRefused:
    return CheckpointRefused(thread="a mission", detail=detail)


def _no_constant(name: str) -> None:
    raise _refused(f"the number {name}")


def _plain(value: Any) -> Any:
    kind = type(value)
    if value is None or kind is bool or kind is str:
        return value
    if kind is int:
        if not -MAX_INTEGER <= value < MAX_INTEGER:
            raise _refused("an integer wider than 64 bits")
        return value
    if kind is float:
        if not math.isfinite(value):
            raise _refused("a number that is not finite")
        return value
    if kind is dict:
        return _object(value)
    if kind is list:
        return [_plain(item) for item in value]
    return _special(value)


def _object(value: dict[Any, Any]) -> dict[str, Any]:
    for key in value:
        if type(key) is not str or key == TAG:
            raise _refused(f"the key {str(key)[:40]!r}")
    return {key: _plain(item) for key, item in value.items()}


def _special(value: Any) -> dict[str, Any]:
    if type(value) is bytes:
        return {TAG: "bytes", "data": base64.b64encode(value).decode()}
    if isinstance(value, Send):
        return {TAG: "send", "node": value.node, "arg": _plain(value.arg)}
    if isinstance(value, Interrupt):
        return {TAG: "interrupt", "id": value.id, "value": _plain(value.value)}
    if type(value) is tuple and value and all(isinstance(item, Interrupt) for item in value):
        # LangGraph hands over a node's interrupts as a tuple and expects one back.
        return {TAG: "interrupts", "items": [_special(item) for item in value]}
    raise _refused(f"a value of type {type(value).__name__}")


def _built(value: Any) -> Any:
    if isinstance(value, list):
        return [_built(item) for item in value]
    if not isinstance(value, dict):
        return value
    if TAG not in value:
        return {key: _built(item) for key, item in value.items()}
    build = _BUILDERS.get(value[TAG]) if isinstance(value[TAG], str) else None
    if build is None:
        raise _refused(f"the tag {str(value[TAG])[:40]!r}")
    try:
        return build(value)
    except (KeyError, TypeError, binascii.Error) as error:
        raise _refused(f"a damaged {value[TAG]}: {error}") from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("text expected")
    return value


_BUILDERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "bytes": lambda value: base64.b64decode(_text(value["data"]), validate=True),
    "send": lambda value: Send(_text(value["node"]), _built(value["arg"])),
    "interrupt": lambda value: Interrupt(value=_built(value["value"]), id=_text(value["id"])),
    "interrupts": lambda value: tuple(_built(item) for item in value["items"]),
}
