"""A unified diff whose context never shows a secret."""

from __future__ import annotations

import io
from collections.abc import Collection
from difflib import SequenceMatcher
from typing import NamedTuple

CONTEXT = 3


class _Hunk(NamedTuple):
    """Changed lines: from ``old_start`` to ``old_end`` of the old text, written anew as ``body``."""

    old_start: int
    old_end: int
    new_start: int
    new_end: int
    body: list[str]


def unified(path: str, old: str, new: str, secret_lines: Collection[int]) -> str | None:
    """The change of ``path`` as a patch; None when a changed line holds a secret.

    Context stops before a line of ``secret_lines`` (counted from 1), so that a patch can be shown and
    recorded. Where a smaller context keeps clear of them everywhere, all hunks have that one.
    """
    if not path.isprintable() or path.startswith('"'):
        return None
    before, after = _lines(old), _lines(new)
    if before and after and all(line.endswith("\r\n") for line in (*before, *after)):
        before, after = ([line[:-2] + "\n" for line in lines] for lines in (before, after))
    changes = _changes(before, after)
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
        lines += _written(hunk, before, (floor, ceiling), context, secret_lines)
    return "".join(lines)


def _lines(text: str) -> list[str]:
    return list(io.StringIO(text, newline="\n"))


def _changes(before: list[str], after: list[str]) -> list[_Hunk]:
    return [
        _Hunk(i1, i2, j1, j2, ["-" + line for line in before[i1:i2]] + ["+" + line for line in after[j1:j2]])
        for tag, i1, i2, j1, j2 in SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
        if tag != "equal"
    ]


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
