"""HTML taken apart in one pass.

The standard library's parser takes quadratic time on hostile pages (``<!--`` or ``<a`` repeated):
2 MB keep it busy for minutes. This scanner never looks at a character twice: what is not closed by
the end of the page ends the scan.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import NamedTuple

_NAME = re.compile(r"/?[a-zA-Z][a-zA-Z0-9:-]{0,40}", re.ASCII)
_MARK = re.compile(r"[>\"']")
_ATTRIBUTE = re.compile(r"([a-zA-Z][a-zA-Z0-9:-]{0,40})\s*=\s*(\"[^\"]*\"|'[^']*'|[^\s\"'>]+)", re.ASCII)
_RAW = frozenset({"script", "style", "noscript", "template", "svg", "iframe", "object", "math", "textarea", "select"})
_DRAWINGS = frozenset({"svg", "math"})
_CLOSERS = {name: re.compile(rf"</{name}[\s/>]", re.IGNORECASE | re.ASCII) for name in _RAW}
_LONG_NUMBER = re.compile(r"&#[xX]?[0-9a-fA-F]{8,}")
ATTRIBUTES_LIMIT = 4_096


class Token(NamedTuple):
    """A piece of a page: ``text``, or an element that opens or closes. ``value`` is its text or name."""

    kind: str
    value: str
    attributes: dict[str, str]


def tokens(page: str) -> Iterator[Token]:
    """The pieces of ``page`` in order; the content of scripts, styles and drawings is left out."""
    position, end = 0, len(page)
    while position < end:
        start = page.find("<", position)
        if start < 0:
            yield Token("text", unescaped(page[position:]), {})
            return
        if start > position:
            yield Token("text", unescaped(page[position:start]), {})
        match = _NAME.match(page, start + 1)
        if match is None:
            position = _after_oddity(page, start)
            if position == start + 1:
                yield Token("text", "<", {})
            elif position == 0:
                return
            continue
        close = _tag_end(page, match.end())
        if close < 0:
            return
        name = match[0].lower()
        if name.startswith("/"):
            yield Token("close", name[1:], {})
        else:
            yield Token("open", name, attributes(page[match.end() : min(close, match.end() + ATTRIBUTES_LIMIT)]))
        position = close + 1
        if name in _RAW and not (name in _DRAWINGS and page[close - 1] == "/"):
            closer = _CLOSERS[name].search(page, position)
            if closer is None:
                return
            position = closer.start()


def _after_oddity(page: str, start: int) -> int:
    """Where to go on after a ``<`` that opens no element; 0 when nothing follows it."""
    if page.startswith("<!--", start):
        close = page.find("-->", start + 4)
        return close + 3 if close >= 0 else 0
    if page.startswith(("<!", "<?", "</"), start):
        close = page.find(">", start)
        return close + 1 if close >= 0 else 0
    return start + 1


def _tag_end(page: str, position: int) -> int:
    """The ``>`` that closes a tag, quotes respected; -1 when there is none."""
    while True:
        mark = _MARK.search(page, position)
        if mark is None:
            return -1
        if mark[0] == ">":
            return mark.start()
        position = page.find(mark[0], mark.end()) + 1
        if position == 0:
            return -1


def attributes(text: str) -> dict[str, str]:
    """The attributes with a value in the inside of a tag; of a repeated one the first."""
    found: dict[str, str] = {}
    for match in _ATTRIBUTE.finditer(text):
        value = match[2]
        found.setdefault(match[1].lower(), unescaped(value[1:-1] if value[0] in "\"'" else value))
    return found


def unescaped(text: str) -> str:
    """``text`` with character references resolved; absurdly long numbers become a replacement mark."""
    return html.unescape(_LONG_NUMBER.sub("\ufffd", text)) if "&" in text else text
