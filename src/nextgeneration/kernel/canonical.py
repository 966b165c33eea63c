"""Canonical JSON (RFC 8785) and digests over it."""

from __future__ import annotations

import hashlib
from typing import Any

import rfc8785

from nextgeneration.kernel.errors import NotCanonical


def canonical(value: Any) -> bytes:
    """The one byte string for a JSON value, as RFC 8785 defines it.

    Raises:
        NotCanonical: the value is not plain JSON (non-finite number, huge integer, other type,
            lone surrogate, nesting deeper than the interpreter can follow).
    """
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeError, RecursionError, TypeError) as error:
        raise NotCanonical(detail=str(error) or type(error).__name__) from error


def digest(value: Any) -> str:
    """``sha256:`` and the hexadecimal SHA-256 of the canonical form of ``value``."""
    return "sha256:" + hashlib.sha256(canonical(value)).hexdigest()


def digest_bytes(data: bytes) -> str:
    """``sha256:`` and the hexadecimal SHA-256 of raw bytes, such as a file's content."""
    return "sha256:" + hashlib.sha256(data).hexdigest()
