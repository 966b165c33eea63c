"""Unified diffs, written for ``fs.patch`` and read from other programs."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

_HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")


def unified(path: str, before: str, after: str) -> str:
    """The unified diff that turns ``before`` into ``after``, ``""`` when they are equal.

    A missing line end at the end of the file is marked as in Git. Line ends stay, but for files that
    are CRLF throughout: see :func:`fitted`.
    """
    pieces = difflib.unified_diff(lines_of(before), lines_of(after), f"a/{path}", f"b/{path}", lineterm="\n")
    diff = "".join(p if p.endswith("\n") else p + "\n\\ No newline at end of file\n" for p in pieces)
    return fitted(diff, before)


def fitted(diff: str, before: str) -> str:
    """``diff`` as ``fs.patch`` reads it: a file that is CRLF throughout is compared and changed as LF."""
    crlf = "\r\n" in before and before.endswith("\r\n") and before.count("\r\n") == before.count("\n")
    return diff.replace("\r\n", "\n") if crlf else diff


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
            old, new = (int(count or 1) for count in hunk.groups())
            kept.append(line)
        elif line.startswith("\\") and kept:
            kept.append(line)
    if path:
        yield path, "".join(kept)
