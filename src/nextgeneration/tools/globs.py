"""Glob patterns over POSIX paths, matched segment by segment in time that no pattern can blow up."""

from __future__ import annotations

import re
from fnmatch import translate
from functools import lru_cache

MAX_ALTERNATIVES = 64
"""Most patterns that the braces of one pattern may stand for."""


@lru_cache(maxsize=4096)
def segment(pattern: str) -> re.Pattern[str]:
    """The expression for one path segment: ``*``, ``?``, ``[…]`` and backslash escapes, never ``/``.

    ``fnmatch`` makes each star an atomic group, so that matching is linear.
    """
    plain = re.sub(r"\\(.)", lambda found: f"[{found[1]}]" if found[1] in "*?[" else found[1], pattern)
    return re.compile(translate(plain.replace("[^", "[!")))


def matches(pattern: tuple[str, ...], path: tuple[str, ...]) -> bool:
    """Whether ``pattern`` matches the whole of ``path``; ``**`` stands for any number of segments."""
    reached = {0}
    for part in pattern:
        if part == "**":
            reached = set(range(min(reached), len(path) + 1))
        else:
            expression = segment(part)
            reached = {at + 1 for at in reached if at < len(path) and expression.match(path[at])}
        if not reached:
            return False
    return len(path) in reached


def expanded(pattern: str) -> list[str]:
    """``pattern`` with its braces written out: ``*.{ts,tsx}`` becomes ``*.ts`` and ``*.tsx``."""
    pending, found = [pattern], list[str]()
    while pending and len(found) < MAX_ALTERNATIVES:
        text = pending.pop()
        group = re.search(r"\{([^{}]*,[^{}]*)\}", text)
        if group is None:
            found.append(text)
            continue
        head, tail = text[: group.start()], text[group.end() :]
        pending.extend(head + option + tail for option in reversed(group[1].split(",")[:MAX_ALTERNATIVES]))
    return found


class Glob:
    """A pattern of files: without a slash it matches a name at any depth, as in ``.gitignore``."""

    def __init__(self, pattern: str) -> None:
        self._patterns = [
            tuple(part for part in (text if "/" in text else f"**/{text}").split("/") if part not in ("", "."))
            for text in expanded(pattern)
        ]

    def matches(self, path: str) -> bool:
        """Whether the relative POSIX ``path`` fits."""
        parts = tuple(path.split("/"))
        return any(matches(pattern, parts) for pattern in self._patterns)
