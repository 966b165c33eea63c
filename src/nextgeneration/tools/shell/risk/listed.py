"""Tables are written as text, one name after the other."""

from __future__ import annotations


def listed(text: str) -> frozenset[str]:
    """The names in ``text``."""
    return frozenset(text.split())
