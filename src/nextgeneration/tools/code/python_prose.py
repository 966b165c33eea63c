"""Where Python code only talks: its comments, and the strings that stand alone as documentation."""

from __future__ import annotations

import io
import token
import tokenize
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

_LAYOUT = frozenset({tokenize.COMMENT, tokenize.NL})
_BEFORE = frozenset({token.NEWLINE, token.INDENT, token.DEDENT})


class Prose(NamedTuple):
    """A comment or a string for readers, from ``start`` to ``end``."""

    start: int
    end: int
    comment: bool


def prose(text: str) -> Iterator[Prose]:
    """Comments and documentation strings, in order; of a text that is no Python, as far as it can be read."""
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)

    def offset(place: tuple[int, int]) -> int:
        return starts[place[0] - 1] + place[1]

    alone, waiting = True, None
    with suppress(tokenize.TokenError, SyntaxError):
        for found in tokenize.generate_tokens(io.StringIO(text).readline):
            if found.type == tokenize.COMMENT:
                yield Prose(offset(found.start), offset(found.end), comment=True)
            if found.type in _LAYOUT:
                continue
            if waiting is not None and found.type in (token.NEWLINE, token.ENDMARKER):
                yield waiting
            stands = found.type == token.STRING and alone
            waiting = Prose(offset(found.start), offset(found.end), comment=False) if stands else None
            alone = found.type in _BEFORE
