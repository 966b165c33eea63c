"""How commands speak: data on stdout, progress on stderr, in the user's language, as text or JSON."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from nextgeneration.cli.errors import OutputRefused
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.show import brief, escaped
from nextgeneration.settings.language import terminal_wish, user_language

if TYPE_CHECKING:
    from nextgeneration.kernel.errors import NGError

STYLES = {
    "critical": "1;31", "high": "31", "medium": "33", "low": "36", "info": "2",
    "good": "32", "bad": "31", "dim": "2", "bold": "1", "place": "36",
}  # fmt: skip
"""ANSI codes by what is said, never colour alone: the word stands there too."""

WIDE = 200
"""Columns taken for granted where there is no terminal: nothing is cut that a program might want."""

LAST = 20
"""Least columns of a table's last one."""

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
        deaf: nobody reads stdout any more (`| head`): what is said there is dropped.
        terminated: the process was asked to end by SIGTERM, not by a person at the terminal.
        heard: the last event of each mission that was written to stdout with ``--jsonl``.
    """

    lang: Lang = field(default_factory=user_language)
    json: bool = False
    jsonl: bool = False
    no_input: bool = False
    debug: bool = False
    out: TextIO = field(default_factory=lambda: sys.stdout)
    err: TextIO = field(default_factory=lambda: sys.stderr)
    into: TextIO = field(default_factory=lambda: sys.stdin)
    deaf: bool = False
    terminated: bool = False
    heard: dict[str, int] = field(default_factory=dict)

    @property
    def machine(self) -> bool:
        """Whether stdout is for a program."""
        return self.json or self.jsonl

    @property
    def can_ask(self) -> bool:
        """Whether there is a person at a terminal to answer."""
        return not self.no_input and not self.machine and self.into.isatty() and self.err.isatty()

    @property
    def live(self) -> bool:
        """Whether progress can be drawn in place."""
        return self.err.isatty() and not self.jsonl and not terminal_wish()[1]

    @property
    def columns(self) -> int:
        """Width of what a line of stdout may have."""
        return shutil.get_terminal_size().columns if self.out.isatty() else WIDE

    def colour(self, stream: TextIO) -> bool:
        """Whether ``stream`` takes colours."""
        return stream.isatty() and not any(terminal_wish())

    def paint(self, text: str, style: str, stream: TextIO | None = None) -> str:
        """``text`` in a style of :data:`STYLES` when the stream takes colours."""
        if not text or not self.colour(stream or self.out):
            return text
        return f"\x1b[{STYLES[style]}m{text}\x1b[0m"

    def say(self, text: Texts, **values: object) -> None:
        """A line of progress on stderr; whatever is named in it is escaped."""
        said = {
            name: escaped(str(v), newlines=False) if isinstance(v, (str, Path)) else v for name, v in values.items()
        }
        self.note(text.say(self.lang, **said))

    def note(self, line: str) -> None:
        """A ready line of progress on stderr. When that is closed there is nobody to tell."""
        with suppress(OSError, ValueError):
            self.err.write(line + "\n")
            self.err.flush()

    def folded(self, line: str, indent: int = 0) -> list[str]:
        """A line of stdout as lines that fit the terminal, broken between words; whole where there is none.

        Args:
            line: without colours.
            indent: columns left free before each line but the first.
        """
        if not self.out.isatty():
            return [line]
        import textwrap

        width, after = max(self.columns, indent + LAST), " " * indent
        kept = textwrap.wrap(line, width, subsequent_indent=after, break_long_words=False, break_on_hyphens=False)
        return kept or [""]

    def data(self, text: str) -> None:
        """Lines of the answer on stdout.

        Raises:
            OutputRefused: they could not be written. A reader that went away is no error.
        """
        if self.deaf:
            return
        try:
            self.out.write(text if text.endswith("\n") else text + "\n")
            self.out.flush()
        except BrokenPipeError:
            self._hang_up()
        except OSError as error:
            self._hang_up()
            raise OutputRefused(detail=error.strerror or str(error)) from None

    def _hang_up(self) -> None:
        """Give what is left in the buffer to nobody, or the interpreter would fail on it when it ends."""
        self.deaf = True
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.out.fileno())
            os.close(nowhere)

    def document(self, value: Any) -> None:
        """One JSON document on stdout, on one line with ``--jsonl``."""
        import json

        self.data(json.dumps(value, ensure_ascii=False, indent=None if self.jsonl else 2))

    def table(
        self, heads: Sequence[Texts], rows: Iterable[Sequence[tuple[str, str]]], spare: Iterable[int] = ()
    ) -> None:
        """Rows of (text, style) in columns; on a terminal with heads, and cut to its width.

        The last column takes what is left of the line. Columns of ``spare`` are left out, in this order, as long as
        that is too little.
        """
        cells = [[(escaped(text, newlines=False), style) for text, style in row] for row in rows]
        if not cells:
            return
        if self.out.isatty():
            cells.insert(0, [(head.say(self.lang), "dim") for head in heads])
        widths = [max(len(row[n][0]) for row in cells) for n in range(len(heads) - 1)]
        out: set[int] = set()
        for n in spare:
            if self.columns - sum(width + 2 for m, width in enumerate(widths) if m not in out) >= LAST:
                break
            out.add(n)
        cells = [[cell for n, cell in enumerate(row) if n not in out] for row in cells]
        widths = [width for n, width in enumerate(widths) if n not in out]
        room = max(self.columns - sum(widths) - 2 * len(widths), LAST)
        for row in cells:
            parts = [
                self.paint(text, style) + " " * (width - len(text))
                for (text, style), width in zip(row[:-1], widths, strict=True)
            ]
            text, style = row[-1]
            parts.append(self.paint(brief(text, room), style))
            self.data("  ".join(parts).rstrip())

    def error(self, error: NGError) -> None:
        """An error: what, how to mend it, its code. With ``--json`` also as a document on stdout."""
        if self.machine:
            self.document({"error": error.problem(self.lang)})
        self.note(self.paint(escaped(error.message(self.lang)), "bad", self.err))
        self.note(_HINT.say(self.lang, hint=escaped(error.hint(self.lang))))
        if error.code:
            self.note(self.paint(_CODE.say(self.lang, code=error.code), "dim", self.err))
