"""JSON as it is stored: one serializer, plain types only, with a checksum that shows a flipped byte.

A sealed text is eight hexadecimal digits of CRC-32 followed by compact JSON, so that ``substr(x, 9)`` is the JSON.
The checksum finds accidents; it is no protection against somebody who may write the database.
"""

from __future__ import annotations

import math
from typing import Any
from zlib import crc32

from pydantic_core import PydanticSerializationError, from_json, to_json

from nextgeneration.kernel.show import clean
from nextgeneration.storage.errors import NotStorable, RecordDamaged

MAX_DEPTH = 190
_SHALLOW = 2 * MAX_DEPTH
"""Bytes of JSON that cannot be nested deeper: each level opens and closes."""

_BACKSLASH = ord("\\")
"""Looked for first: most records have none, and one byte is found many times faster than six."""

_AS_THEY_ARE = frozenset({int, bool, type(None)})


def seal(value: Any) -> str:
    """``value`` as sealed JSON. Lone surrogates become ``?``, NUL U+FFFD, non-finite numbers ``null``.

    Raises:
        NotStorable: it holds something JSON has no form for, or is nested deeper than :data:`MAX_DEPTH`.
    """
    data = encoded(value)
    return f"{crc32(data):08x}{data.decode()}"


def encoded(value: Any) -> bytes:
    """Compact JSON of ``value``, cleaned where that is needed.

    Raises:
        NotStorable: as :func:`seal`.
    """
    try:
        data = to_json(value, inf_nan_mode="null")
    except (PydanticSerializationError, ValueError, RecursionError):
        data = b""
    if not data or (_BACKSLASH in data and b"\\u0000" in data):
        return to_json(plain(value))
    if len(data) > _SHALLOW and data.count(b"[") + data.count(b"{") > MAX_DEPTH:
        _refuse_too_deep(data)
    return data


def _refuse_too_deep(data: bytes) -> None:
    """What could be written but not read again is refused when it is written."""
    try:
        from_json(data)
    except ValueError:
        raise NotStorable(detail=f"nested deeper than {MAX_DEPTH}") from None


def seal_json(data: bytes) -> str:
    """Compact JSON that is already encoded, sealed."""
    return f"{crc32(data):08x}{data.decode()}"


def unseal(text: str, table: str, key: str) -> Any:
    """The value that was sealed.

    Raises:
        RecordDamaged: naming ``table`` and ``key``, when the bytes are not those that were written.
    """
    try:
        return from_json(unsealed(text, table, key), allow_inf_nan=False)
    except ValueError as error:
        raise RecordDamaged(table=table, id=key, detail=str(error)) from None


def unsealed(text: str, table: str, key: str) -> str:
    """The JSON text that was sealed, its checksum verified.

    Raises:
        RecordDamaged: naming ``table`` and ``key``, when it is not what was written: SQLite keeps values of any type
            in any column.
    """
    if not isinstance(text, str):
        raise RecordDamaged(table=table, id=key, detail=f"{type(text).__name__} instead of text")
    body = text[8:]
    try:
        right = text[:8] == f"{crc32(body.encode()):08x}"
    except UnicodeEncodeError:
        right = False
    if not right:
        raise RecordDamaged(table=table, id=key, detail="checksum")
    return body


def plain(value: Any, depth: int = 0) -> Any:
    """A copy of ``value`` in plain JSON types, cleaned; what JSON cannot say is an error.

    Raises:
        NotStorable: naming the type that has no JSON form, or the depth.
    """
    kind = type(value)
    if kind is str:
        return value if value.isascii() and "\0" not in value else clean(value)
    if kind in _AS_THEY_ARE:
        return value
    if depth >= MAX_DEPTH and isinstance(value, (dict, list, tuple)):
        raise NotStorable(detail=f"nested deeper than {MAX_DEPTH}")
    if kind is dict or isinstance(value, dict):
        found = {}
        # Written out: this looks at every answer of a model and every argument of a call.
        for key, part in value.items():
            name = key if type(key) is str and key.isascii() and "\0" not in key else _key(key)
            kind = type(part)
            if kind is str:
                found[name] = part if part.isascii() and "\0" not in part else clean(part)
            elif kind in _AS_THEY_ARE:
                found[name] = part
            else:
                found[name] = {} if kind is dict and not part else plain(part, depth + 1)
        return found
    if kind is list or isinstance(value, (list, tuple)):
        return [plain(item, depth + 1) for item in value] if value else []
    return _scalar(value)


def _scalar(value: Any) -> Any:
    if isinstance(value, str):
        return clean(str(value))
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    raise NotStorable(detail=type(value).__name__)


def _key(key: Any) -> str:
    if isinstance(key, str):
        return clean(str(key))
    if isinstance(key, (int, float)) and not isinstance(key, bool):
        return str(key)
    raise NotStorable(detail=f"a key of type {type(key).__name__}")
