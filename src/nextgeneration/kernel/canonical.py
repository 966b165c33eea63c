"""Canonical JSON (RFC 8785) and digests over it."""

from __future__ import annotations

import hashlib
from typing import Any

import rfc8785
from pydantic_core import PydanticSerializationError, to_json

from nextgeneration.kernel.errors import NotCanonical

_SAFE = 2**53


class _Different(Exception):
    """The fast writer would write a value in another way than RFC 8785 does."""


def canonical(value: Any) -> bytes:
    """The one byte string for a JSON value, as RFC 8785 defines it.

    Raises:
        NotCanonical: the value is not plain JSON (non-finite number, huge integer, other type,
            lone surrogate, nesting deeper than the interpreter can follow).
    """
    try:
        return to_json(_ordered(value))
    except (_Different, PydanticSerializationError, TypeError, ValueError, RecursionError):
        return _slowly(value)


def _slowly(value: Any) -> bytes:
    """The same by the standard's own library, which says what is wrong with a value."""
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeError, RecursionError, TypeError) as error:
        raise NotCanonical(detail=str(error) or type(error).__name__) from error


def _ordered(value: Any) -> Any:
    """A copy of ``value`` with its keys in order, which a compiled writer writes as RFC 8785 does, but several times
    faster.

    It does for everything but numbers with a fraction and keys beyond ASCII, which the two write or sort differently.

    Raises:
        _Different: there is one of these in it.
    """
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return value
    # Written out: this looks at every value of every prompt.
    if kind is dict:
        made = {}
        for key in sorted(value):
            if type(key) is not str or not key.isascii():
                raise _Different
            part = value[key]
            made[key] = part if type(part) is str else _ordered(part)
        return made
    if kind is list:
        return [part if type(part) is str else _ordered(part) for part in value]
    if kind is int and -_SAFE < value < _SAFE:
        return value
    raise _Different


def digest(value: Any) -> str:
    """``sha256:`` and the hexadecimal SHA-256 of the canonical form of ``value``."""
    return "sha256:" + hashlib.sha256(canonical(value)).hexdigest()


def digest_bytes(data: bytes) -> str:
    """``sha256:`` and the hexadecimal SHA-256 of raw bytes, such as a file's content."""
    return "sha256:" + hashlib.sha256(data).hexdigest()
