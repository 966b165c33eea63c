"""Identifiers that sort by the time they were made."""

from __future__ import annotations

import uuid_utils

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id(prefix: str) -> str:
    """A new id such as ``mis_01k9f3…``: a prefix and a UUIDv7 in Crockford base 32 (26 characters).

    Ids of one process sort in the order they were made (to the millisecond, then at random).
    """
    number = uuid_utils.uuid7().int
    return prefix + "_" + "".join([_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5)])
