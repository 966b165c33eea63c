"""Text from outside made fit to be shown: nothing hidden, nothing that moves the cursor."""

from __future__ import annotations

import unicodedata

_KEPT = {"\n", "\t"}
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def escaped(text: str, *, newlines: bool = True) -> str:
    r"""``text`` with control, format, bidirectional and unassigned characters as ``\xNN`` or ``\uNNNN``.

    What stays is what a reader sees; newline and tab stay unless ``newlines`` is false. Lone
    surrogates are escaped too, so that the result always encodes.
    """
    if text.isascii() and text.isprintable():
        return text
    kept = _KEPT if newlines else frozenset()
    return "".join(c if c in kept or unicodedata.category(c) not in _HIDDEN else _code(c) for c in text)


def _code(character: str) -> str:
    number = ord(character)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def clean(text: str) -> str:
    """``text`` without lone surrogates and NUL, so that it can be stored as UTF-8 anywhere."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        text = text.encode("utf-8", "replace").decode("utf-8")
    return text


def shortened(text: str, limit: int) -> str:
    """``text`` of at most ``limit`` characters; a cut is marked with an ellipsis."""
    return text if len(text) <= limit else text[: max(limit - 1, 0)] + "…"


def brief(text: str, limit: int) -> str:
    """``text`` on one line of at most ``limit`` characters, cut between words; a cut is marked with an ellipsis."""
    line = " ".join(text.split())
    if len(line) <= limit:
        return line
    head = line[: max(limit - 1, 0)]
    if line[len(head)] != " " and head.rfind(" ") > limit // 2:  # a long path would be lost whole
        head = head[: head.rindex(" ")]
    return head.rstrip(" ,;:.–—-(") + "…"
