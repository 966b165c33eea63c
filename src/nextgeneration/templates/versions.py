"""SemVer versions and the ranges a child may ask of its parent."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from semver import Version

from nextgeneration.templates.errors import BadRange

DEFAULT_VERSION = "1.0.0"

_TERM = re.compile(
    r"(?P<sign>\^|~|>=|<=|>|<|=)?\s*v?"
    r"(?P<major>\d{1,9}|[xX*])(?:\.(?P<minor>\d{1,9}|[xX*]))?(?:\.(?P<patch>\d{1,9}|[xX*]))?"
    r"(?P<tail>(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?)"
)
_COMPARE: dict[str, Callable[[Version, Version], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


class Range(NamedTuple):
    """Bounds that a version must all meet."""

    text: str
    bounds: tuple[tuple[str, Version], ...]

    def holds(self, version: str) -> bool:
        """Whether ``version`` is inside."""
        found = parse_version(version)
        return all(_COMPARE[sign](found, bound) for sign, bound in self.bounds)


def parse_version(text: str) -> Version:
    """A full SemVer version.

    Raises:
        BadRange: it is not one.
    """
    try:
        return Version.parse(text)
    except (ValueError, TypeError):
        raise BadRange(text=text[:80]) from None


@lru_cache(maxsize=512)
def parse_range(text: str) -> Range:
    """A range such as ``^1.0``, ``~1.2.3``, ``>=1.0 <2.0``, ``1.x`` or ``1.2.0``; parts may be separated by commas.

    An upper bound also keeps out its own pre-releases: ``2.0.0-alpha`` is neither in ``^1.0`` nor in
    ``<2.0``.

    Raises:
        BadRange: it cannot be read.
    """
    bounds: list[tuple[str, Version]] = []
    rest = text.strip()
    while rest and len(text) <= 200:
        match = _TERM.match(rest)
        if match is None:
            break
        bounds += _bounds(match, text)
        rest = rest[match.end() :].lstrip(" ,")
    if rest or not text.strip():
        raise BadRange(text=text[:80])
    return Range(text, tuple(bounds))


def _bounds(match: re.Match[str], text: str) -> list[tuple[str, Version]]:
    given = [part for part in match.group("major", "minor", "patch") if part and part not in "xX*"]
    numbers = [int(part) for part in given] + [0] * (3 - len(given))
    low = parse_version(".".join(map(str, numbers)) + match["tail"]) if given else Version(0, 0, 0, "0")
    sign = match["sign"] or "="
    if len(given) < 3 and match["tail"]:
        raise BadRange(text=text[:80])
    if sign == "<":
        return [("<", low if low.prerelease else low.replace(prerelease="0"))]
    if sign == ">=":
        return [(">=", low)]
    if sign == "^":
        kept = next((i for i, number in enumerate(numbers[: len(given)]) if number), max(len(given) - 1, 0))
    else:
        kept = min(1, len(given) - 1) if sign == "~" else len(given) - 1
    if sign in (">", "<=") and len(given) == 3:
        return [(sign, low)]
    if sign == "=" and len(given) == 3:
        return [(">=", low), ("<=", low)]
    above = _after(numbers, kept)
    if sign == ">":
        return [(">=", above)] if given else [("<", low)]
    if sign == "<=":
        return [("<", above)] if given else [(">=", low)]
    return [(">=", low), ("<", above)] if given else [(">=", low)]


def _after(numbers: list[int], kept: int) -> Version:
    """The lowest version whose first ``kept + 1`` numbers are beyond ``numbers``."""
    major, minor, patch = [*numbers[:kept], numbers[kept] + 1, 0, 0][:3] if kept >= 0 else (0, 0, 0)
    return Version(major, minor, patch, "0")


def parent_reference(text: str) -> tuple[str, Range | None]:
    """``name`` or ``name@range`` in its two parts.

    Raises:
        BadRange: what stands after ``@`` is not a range.
    """
    name, at, wanted = text.partition("@")
    return name.strip(), parse_range(wanted) if at else None
