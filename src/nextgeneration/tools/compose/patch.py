"""A unified diff whose context never shows a secret."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Collection
from itertools import accumulate
from typing import NamedTuple

from nextgeneration.tools.compose.edits import Edit, applied

CONTEXT = 3


class _Hunk(NamedTuple):
    """Changed lines: from ``old_start`` to ``old_end`` of the old text, written anew as ``body``."""

    old_start: int
    old_end: int
    new_start: int
    new_end: int
    body: list[str]


def unified(path: str, text: str, edits: Collection[Edit], secret_lines: Collection[int]) -> str | None:
    """The edits of ``path`` as a patch; None when they touch each other or a line that holds a secret.

    Context stops before a line of ``secret_lines`` (counted from 1), so that a patch can be shown and
    recorded. Where a smaller context keeps clear of them everywhere, all hunks have that one.
    """
    if not path.isprintable() or path.startswith('"'):
        return None
    before = _lines(text)
    changes = _changes(text, before, sorted(set(edits)))
    if not changes or any(n + 1 in secret_lines for hunk in changes for n in range(hunk.old_start, hunk.old_end)):
        return None
    context = next(
        (size for size in range(CONTEXT, 0, -1) if _clear(changes, size, len(before), secret_lines)), CONTEXT
    )
    hunks = _joined(changes, before, context, secret_lines)
    lines = [f"--- a/{path}\n", f"+++ b/{path}\n"]
    for number, hunk in enumerate(hunks):
        floor = hunks[number - 1].old_end if number else 0
        ceiling = hunks[number + 1].old_start if number + 1 < len(hunks) else len(before)
        written = _written(hunk, before, (floor, ceiling), context, secret_lines)
        # Lines put between two secrets would show nothing that says where they belong.
        if before and not any(line.startswith((" ", "-")) for line in written):
            return None
        lines += written
    if before and all(line.endswith("\r\n") for line in before):
        lines = [line[:-2] + "\n" if line.endswith("\r\n") else line for line in lines]
    return "".join(lines)


def _lines(text: str) -> list[str]:
    return list(io.StringIO(text, newline="\n"))


def _changes(text: str, before: list[str], edits: list[Edit]) -> list[_Hunk]:
    """The lines that edits change, taken from the edits themselves: a diff of two texts would search for them."""
    starts = list(accumulate(map(len, before), initial=0))
    groups: list[tuple[int, int, list[Edit]]] = []
    for edit in edits:
        first, last = _touched(text, starts, edit)
        if groups and first <= groups[-1][1]:
            first, previous, together = groups.pop()
            groups.append((first, max(last, previous), [*together, edit]))
        else:
            groups.append((first, last, [edit]))
    hunks: list[_Hunk] = []
    shift = 0
    for first, last, together in groups:
        origin = starts[first]
        moved = [edit._replace(start=edit.start - origin, end=edit.end - origin) for edit in together]
        new = applied(text[origin : starts[last]], moved)
        if new is None:
            return []
        old_lines, new_lines = before[first:last], _lines(new)
        while old_lines and new_lines and old_lines[0] == new_lines[0]:
            del old_lines[0], new_lines[0]
            first += 1
        while old_lines and new_lines and old_lines[-1] == new_lines[-1]:
            del old_lines[-1], new_lines[-1]
        body = ["-" + line for line in old_lines] + ["+" + line for line in new_lines]
        if body:
            start = first + shift
            hunks.append(_Hunk(first, first + len(old_lines), start, start + len(new_lines), body))
        shift += len(new_lines) - len(old_lines)
    return hunks


def _touched(text: str, starts: list[int], edit: Edit) -> tuple[int, int]:
    """The lines an edit changes: from the first to the one after the last; none for whole lines put in."""
    first = bisect_right(starts, edit.start, hi=len(starts) - 1) - 1
    last = bisect_right(starts, edit.end, hi=len(starts) - 1) - 1
    if edit.start == len(text) and (not text or text.endswith("\n")):
        return len(starts) - 1, len(starts) - 1
    if starts[first] == edit.start and starts[last] == edit.end and (not edit.text or edit.text.endswith("\n")):
        return first, last
    return first, min(last + 1, len(starts) - 1)


def _clear(changes: list[_Hunk], context: int, length: int, secret_lines: Collection[int]) -> bool:
    """Whether no secret is within ``context`` lines of a change."""
    return not any(
        n + 1 in secret_lines
        for hunk in changes
        for n in range(max(hunk.old_start - context, 0), min(hunk.old_end + context, length))
    )


def _joined(changes: list[_Hunk], before: list[str], context: int, secret_lines: Collection[int]) -> list[_Hunk]:
    """Changes that lie close together as one hunk, unless a secret lies between them."""
    hunks: list[_Hunk] = []
    for change in changes:
        last = hunks[-1] if hunks else None
        gap = range(last.old_end, change.old_start) if last else range(0)
        if last and len(gap) <= 2 * context and not any(n + 1 in secret_lines for n in gap):
            body = [*last.body, *(" " + before[n] for n in gap), *change.body]
            hunks[-1] = _Hunk(last.old_start, change.old_end, last.new_start, change.new_end, body)
        else:
            hunks.append(change)
    return hunks


def _written(
    hunk: _Hunk, before: list[str], bounds: tuple[int, int], context: int, secret_lines: Collection[int]
) -> list[str]:
    first, last = hunk.old_start, hunk.old_end
    while first > bounds[0] and hunk.old_start - first < context and first not in secret_lines:
        first -= 1
    while last < bounds[1] and last - hunk.old_end < context and last + 1 not in secret_lines:
        last += 1
    lead, trail = hunk.old_start - first, last - hunk.old_end
    old_count, new_count = last - first, hunk.new_end - hunk.new_start + lead + trail
    # By convention a side without lines names the line before it.
    old_line = first + 1 if old_count else first
    new_line = hunk.new_start - lead + 1 if new_count else hunk.new_start - lead
    body = [
        *(" " + line for line in before[first : hunk.old_start]),
        *hunk.body,
        *(" " + line for line in before[hunk.old_end : last]),
    ]
    marked = [line if line.endswith("\n") else line + "\n\\ No newline at end of file\n" for line in body]
    return [f"@@ -{old_line},{old_count} +{new_line},{new_count} @@\n", *marked]
