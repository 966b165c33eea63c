"""How commands speak: data on stdout, progress on stderr, in the user's language, as text or JSON."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from typing import Any, TextIO

from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.show import escaped
from nextgeneration.settings.language import terminal_wish, user_language

STYLES = {
    "critical": "1;31", "high": "31", "medium": "33", "low": "36", "info": "2",
    "good": "32", "bad": "31", "dim": "2", "bold": "1",
}  # fmt: skip
"""ANSI codes by what is said, never colour alone: the word stands there too."""

_HINT = Texts("To mend it: {hint}", "Pour corriger : {hint}")
_CODE = Texts("({code}; `nextgen explain {code}`)", "({code} ; `nextgen explain {code}`)")


@dataclass
class Voice:
    """Where and how one command speaks.

    Attributes:
        json: one JSON document on stdout instead of text.
        jsonl: journal events on stdout, one JSON object a line.
        no_input: never ask.
        debug: show the trace of an error.
    """

    lang: Lang = field(default_factory=user_language)
    json: bool = False
    jsonl: bool = False
    no_input: bool = False
    debug: bool = False
    out: TextIO = field(default_factory=lambda: sys.stdout)
    err: TextIO = field(default_factory=lambda: sys.stderr)

    @property
    def machine(self) -> bool:
        """Whether stdout is for a program."""
        return self.json or self.jsonl

    @property
    def can_ask(self) -> bool:
        """Whether there is a person at a terminal to answer."""
        return not self.no_input and not self.machine and sys.stdin.isatty() and self.err.isatty()

    @property
    def live(self) -> bool:
        """Whether progress can be drawn in place."""
        return self.err.isatty() and not self.machine and not terminal_wish()[1]

    def colour(self, stream: TextIO) -> bool:
        """Whether ``stream`` takes colours."""
        return stream.isatty() and not any(terminal_wish())

    def paint(self, text: str, style: str, stream: TextIO | None = None) -> str:
        """``text`` in a style of :data:`STYLES` when the stream takes colours."""
        if not self.colour(stream or self.out):
            return text
        return f"\x1b[{STYLES[style]}m{text}\x1b[0m"

    def say(self, text: Texts, **values: object) -> None:
        """A line of progress on stderr."""
        self.err.write(text.say(self.lang, **values) + "\n")
        self.err.flush()

    def note(self, line: str) -> None:
        """A ready line of progress on stderr."""
        self.err.write(line + "\n")
        self.err.flush()

    def data(self, text: str) -> None:
        """Lines of the answer on stdout."""
        self.out.write(text if text.endswith("\n") else text + "\n")
        self.out.flush()

    def document(self, value: Any) -> None:
        """One JSON document on stdout."""
        self.data(json.dumps(value, ensure_ascii=False, indent=None if self.jsonl else 2))

    def error(self, error: NGError) -> None:
        """An error: what, how to mend it, its code. In JSON mode also as a document on stdout."""
        if self.machine:
            self.document({"error": error.problem(self.lang)})
        message = escaped(error.message(self.lang))
        self.note(self.paint(message, "bad", self.err))
        self.note(_HINT.say(self.lang, hint=escaped(error.hint(self.lang))))
        if error.code:
            self.note(self.paint(_CODE.say(self.lang, code=error.code), "dim", self.err))
