"""The language of the user, read without loading any settings library."""

from __future__ import annotations

import os

from nextgeneration.kernel.language import Lang, language_of

VARIABLES = {
    "NG_LANG": "language of messages, `en` or `fr`; without it the locale decides",
    "NO_COLOR": "no colours on the terminal, whatever its value",
    "VISUAL": "editor in which a person changes what an approval asks for; without it `EDITOR`",
    "EDITOR": "the same, where `VISUAL` is not set",
}
"""What this module reads, for the reference of settings."""


def user_language() -> Lang:
    """``NG_LANG`` when it is set, else the locale's language (``LC_ALL``, ``LC_MESSAGES``, ``LANG``)."""
    for name in ("NG_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name)
        if value:
            return language_of(value)
    return "en"


def terminal_wish() -> tuple[bool, bool]:
    """Whether colour is unwanted (``NO_COLOR``), and whether the terminal is a dumb one."""
    return bool(os.environ.get("NO_COLOR")), os.environ.get("TERM", "") in {"", "dumb"}


def editor() -> str:
    """The person's editor as a command (``VISUAL``, else ``EDITOR``); empty where none is set."""
    return os.environ.get("VISUAL", "").strip() or os.environ.get("EDITOR", "").strip()
