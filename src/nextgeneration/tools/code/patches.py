"""Unified diffs, written for ``fs.patch`` and read from other programs."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from nextgeneration.tools.code.secrets import find

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


def unified(path: str, before: str, after: str) -> str:
    """The unified diff that turns ``before`` into ``after``, ``""`` when they are equal.

    A missing line end at the end of the file is marked as in Git. Line ends and context are those of
    :func:`fitted`.
    """
    pieces = difflib.unified_diff(lines_of(before), lines_of(after), f"a/{path}", f"b/{path}", lineterm="\n")
    diff = "".join(p if p.endswith("\n") else p + "\n\\ No newline at end of file\n" for p in pieces)
    return fitted(diff, before)


def fitted(diff: str, before: str) -> str:
    """The diff of one file as ``fs.patch`` reads it, and as it may be shown and recorded.

    A file that is CRLF throughout is compared and changed as LF. Context stops before a line that holds
    a secret; ``""`` when a changed line holds one, or stands right beside one.
    """
    crlf = "\r\n" in before and before.endswith("\r\n") and before.count("\r\n") == before.count("\n")
    diff = diff.replace("\r\n", "\n") if crlf else diff
    hidden = _secret_lines(before)
    if not hidden:
        return diff
    head, hunks = _read(diff)
    for size in (len(before), 2, 1):
        cut = [part for hunk in hunks for part in hunk.cut(size)]
        if hidden.isdisjoint(number for hunk in cut for number in hunk.shown()):
            return head + "".join(map(str, cut))
    return ""


def _secret_lines(text: str) -> set[int]:
    """The lines of ``text``, counted from 1, on which a secret stands."""
    lines: set[int] = set()
    for secret in find("", text, bare=True):
        first = text.count("\n", 0, secret.start) + 1
        lines.update(range(first, first + text.count("\n", secret.start, secret.end) + 1))
    return lines


@dataclass
class _Hunk:
    """One block of a diff. ``old`` and ``new`` are the numbers of its first line, or where that would stand."""

    old: int
    new: int
    lines: list[str] = field(default_factory=list)

    def shown(self) -> Iterator[int]:
        """The numbers of the old file's lines that can be read in it."""
        number = self.old
        for line in self.lines:
            if line[0] != "+":
                yield number
                number += 1

    def cut(self, size: int) -> list[_Hunk]:
        """The same with at most ``size`` lines of context around each change: one block, or several."""
        changed = [at for at, line in enumerate(self.lines) if line[0] != " "]
        parts: list[_Hunk] = []
        old, new, last = self.old, self.new, -1
        for at, line in enumerate(self.lines):
            if any(abs(at - change) <= size for change in changed):
                if last != at - 1 or not parts:
                    parts.append(_Hunk(old, new))
                parts[-1].lines.append(line)
                last = at
            old += line[0] != "+"
            new += line[0] != "-"
        return parts

    def __str__(self) -> str:
        counts = [sum(line[0] != other for line in self.lines) for other in "+-"]
        old, new = (
            f"{first - (count == 0)},{count}" for first, count in zip((self.old, self.new), counts, strict=True)
        )
        return f"@@ -{old} +{new} @@\n" + "".join(self.lines)


def _read(diff: str) -> tuple[str, list[_Hunk]]:
    """The lines before the first hunk, and the hunks, of the diff of one file."""
    head, hunks = "", list[_Hunk]()
    for line in lines_of(diff):
        if found := _HUNK.match(line):
            (old, olds, new, news) = (int(number or 1) for number in found.groups())
            hunks.append(_Hunk(old + (olds == 0), new + (news == 0)))
        elif not hunks:
            head += line
        elif line.startswith("\\"):
            hunks[-1].lines[-1] += line
        else:
            hunks[-1].lines.append(line)
    return head, hunks


def lines_of(text: str) -> list[str]:
    """Lines with their ends, split at ``\\n`` only: form feeds and Unicode separators stay inside a line."""
    lines = text.split("\n")
    last = lines.pop()
    return [line + "\n" for line in lines] + ([last] if last else [])


def split_by_file(diff: str) -> Iterator[tuple[str, str]]:
    """Each file's path and its own diff with ``a/`` and ``b/`` prefixes, from a diff without prefixes.

    Hunks are followed by the counts in their headers, so that a removed line that starts with ``--``
    is never taken for the next file.
    """
    path, kept, old, new = "", list[str](), 0, 0
    for line in lines_of(diff):
        inside = old > 0 or new > 0
        if inside and line[:1] in {" ", "-", "+"}:
            old -= line[0] != "+"
            new -= line[0] != "-"
            kept.append(line)
        elif line.startswith("--- "):
            if path:
                yield path, "".join(kept)
            path = line[4:].rstrip("\n").removeprefix("./")
            kept = [f"--- a/{path}\n"]
        elif line.startswith("+++ ") and len(kept) == 1:
            kept.append(f"+++ b/{path}\n")
        elif hunk := _HUNK.match(line):
            old, new = (int(count or 1) for count in hunk.group(2, 4))
            kept.append(line)
        elif line.startswith("\\") and kept:
            kept.append(line)
    if path:
        yield path, "".join(kept)
