"""Where things stand in a JSON text, and what is wrong with one that cannot be read.

The fast reader is the C one of the standard library. This scanner runs only to explain: it never
recurses, stops at the first fault, and knows the line of every value.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from nextgeneration.kernel.language import Texts
from nextgeneration.templates.errors import nearest, pointer_of

MAX_DEPTH = 64
MAX_INTEGER = 2**53 - 1
_MOST_POINTER_CHARACTERS = 2_000_000

FaultKind = Literal["syntax", "duplicate", "number", "depth", "unicode"]

_TOKEN = re.compile(
    r"""
    (?P<space>[ \t\r\n]++ | //[^\r\n]*+ | /\*(?:[^*]|\*(?!/))*+\*/)
  | (?P<mark>[{}\[\],:])
  | (?P<string>"[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+")
  | (?P<number>-?+(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?+[0-9]++)?+(?![0-9A-Za-z.]))
  | (?P<word>-?[A-Za-z_][A-Za-z0-9_]*+)
    """,
    re.VERBOSE,
)
_CONSTANTS = {"true", "false", "null"}
_NOT_NUMBERS = {"NaN", "Infinity", "-Infinity", "-NaN"}


class Fault(NamedTuple):
    """The first thing that keeps a text from being a template's JSON."""

    kind: FaultKind
    offset: int
    pointer: str
    what: Texts
    fix: Texts


@dataclass(slots=True)
class _Frame:
    """An object or list that is still open. ``key`` is the current key or index."""

    is_object: bool
    key: str | int | None
    seen: set[str] = field(default_factory=set)


class Scan:
    """The places of a text's values, and its first fault if it has one.

    Args:
        text: JSON, comments allowed.
    """

    def __init__(self, text: str) -> None:
        self.fault: Fault | None = None
        self._text = text
        self._places: dict[str, int] = {"": 0}
        self._room = _MOST_POINTER_CHARACTERS
        self._frames: list[_Frame] = []
        self._expected = "value"
        self._lines = [0, *(match.end() for match in re.finditer(r"\r\n|\n|\r", text))]
        self._run()

    def line_at(self, offset: int) -> int:
        """The line of a character, from 1."""
        return bisect_right(self._lines, offset)

    def line_of(self, pointer: str) -> int:
        """The line where the value at ``pointer`` stands, or the closest thing around it."""
        return self.line_at(nearest(pointer, self._places) or 0)

    def _run(self) -> None:
        text, position, end = self._text, 0, len(self._text)
        while position < end:
            match = _TOKEN.match(text, position)
            if match is None:
                self._unreadable(position)
                return
            if match.lastgroup != "space":
                self._take(match.lastgroup or "", match.group(), position)
                if self.fault:
                    return
            position = match.end()
        if self._expected != "end":
            self._syntax(end, Texts("the text ends too early.", "le texte finit trop tôt."), _CLOSE)

    def _take(self, kind: str, piece: str, offset: int) -> None:
        """One step of the grammar."""
        expected = self._expected
        if expected == "end":
            self._syntax(offset, _EXTRA, Texts("Keep one object in the file.", "Gardez un seul objet dans le fichier."))
        elif expected == "colon":
            self._after_key(piece, offset)
        elif expected in {"key", "key or }"}:
            self._key(kind, piece, offset)
        elif expected == "comma":
            self._after_value(piece, offset)
        elif piece == "]" and expected == "value or ]":
            self._close()
        else:
            self._value(kind, piece, offset)

    def _after_key(self, piece: str, offset: int) -> None:
        if piece == ":":
            self._expected = "value"
        else:
            what = Texts("a colon is missing after the key.", "il manque deux-points après la clé.")
            self._syntax(offset, what, Texts("Write `:` here.", "Écrivez `:` ici."))

    def _after_value(self, piece: str, offset: int) -> None:
        frame = self._frames[-1]
        closing = "}" if frame.is_object else "]"
        if piece == closing:
            self._close()
        elif piece == ",":
            self._expected = "key" if frame.is_object else "value"
            if isinstance(frame.key, int):
                frame.key += 1
        else:
            what = Texts(
                f"a comma or `{closing}` is missing before this.", f"il manque une virgule ou `{closing}` avant ceci."
            )
            self._syntax(offset, what, Texts("Put it in.", "Ajoutez-la."))

    def _key(self, kind: str, piece: str, offset: int) -> None:
        frame = self._frames[-1]
        if piece == "}" and self._expected == "key or }":
            self._close()
        elif piece == "}":
            self._syntax(offset, _TRAILING, _NO_TRAILING)
        elif kind != "string":
            what = Texts("a key in double quotes is missing here.", "il manque ici une clé entre guillemets doubles.")
            self._syntax(offset, what, Texts('Write the key as "key".', 'Écrivez la clé sous la forme "clé".'))
        else:
            self._string(piece, offset)
            name = json.loads(piece)
            frame.key = name
            if name in frame.seen and not self.fault:
                what = Texts("this key stands twice in one object.", "cette clé est deux fois dans le même objet.")
                self.fault = Fault(
                    "duplicate", offset, self._here(), what, Texts("Keep one of them.", "Gardez-en une seule.")
                )
            frame.seen.add(name)
            self._remember(offset)
            self._expected = "colon"

    def _value(self, kind: str, piece: str, offset: int) -> None:
        frame = self._frames[-1] if self._frames else None
        if frame is None or not frame.is_object:
            self._remember(offset)
        if piece in {"{", "["}:
            self._open(piece == "{", offset)
            return
        if kind == "string":
            self._string(piece, offset)
        elif kind == "number":
            self._number(piece, offset)
        elif piece in _NOT_NUMBERS:
            self._refuse_number(offset, Texts("JSON has no NaN or Infinity.", "JSON n'a ni NaN ni Infinity."))
        elif piece in {"]", "}"}:
            self._syntax(offset, _TRAILING, _NO_TRAILING)
        elif piece not in _CONSTANTS:
            what = Texts("this is not a JSON value.", "ceci n'est pas une valeur JSON.")
            self._syntax(offset, what, Texts("Put text in double quotes.", "Mettez le texte entre guillemets doubles."))
        self._expected = "comma" if self._frames else "end"

    def _open(self, is_object: bool, offset: int) -> None:
        if len(self._frames) >= MAX_DEPTH:
            what = Texts(f"the limit is {MAX_DEPTH} levels.", f"la limite est de {MAX_DEPTH} niveaux.")
            self.fault = Fault("depth", offset, "", what, Texts("Flatten the data.", "Aplatissez les données."))
            return
        self._frames.append(_Frame(is_object, None if is_object else 0))
        self._expected = "key or }" if is_object else "value or ]"

    def _close(self) -> None:
        self._frames.pop()
        self._expected = "comma" if self._frames else "end"

    def _string(self, piece: str, offset: int) -> None:
        if "\\u" not in piece:
            return
        value = json.loads(piece)
        if "\0" in value:
            what = Texts("a text holds the character NUL.", "un texte contient le caractère NUL.")
            self.fault = Fault("unicode", offset, self._here(), what, Texts("Remove \\u0000.", "Retirez \\u0000."))
        elif any("\ud800" <= character <= "\udfff" for character in value):
            what = Texts("an escape is half of a surrogate pair.", "un échappement est la moitié d'une paire.")
            fix = Texts("Write the character itself in UTF-8.", "Écrivez le caractère lui-même en UTF-8.")
            self.fault = Fault("unicode", offset, self._here(), what, fix)

    def _number(self, piece: str, offset: int) -> None:
        if piece.lstrip("-").isdigit():
            if len(piece) > 17 or abs(int(piece)) > MAX_INTEGER:
                what = Texts("this integer is beyond 2^53 - 1.", "cet entier dépasse 2^53 - 1.")
                self._refuse_number(offset, what)
        elif float(piece) in (float("inf"), float("-inf")):
            what = Texts("this number is too large for a double.", "ce nombre est trop grand pour un double.")
            self._refuse_number(offset, what)

    def _refuse_number(self, offset: int, what: Texts) -> None:
        fix = Texts("Write a smaller number, or a text.", "Écrivez un nombre plus petit, ou un texte.")
        self.fault = Fault("number", offset, self._here(), what, fix)

    def _unreadable(self, offset: int) -> None:
        character = self._text[offset]
        if character == '"':
            what = Texts(
                "this text has no closing quote on its line, or a bad escape or control character in it.",
                "ce texte n'a pas de guillemet fermant sur sa ligne, ou contient un échappement ou caractère interdit.",
            )
            fix = Texts("Close it; write line breaks as \\n.", "Fermez-le ; écrivez les sauts de ligne \\n.")
        elif character == "/":
            what = Texts("this comment is not closed.", "ce commentaire n'est pas fermé.")
            fix = Texts("Comments are `// …` and `/* … */`.", "Les commentaires sont `// …` et `/* … */`.")
        elif character == "'":
            what = Texts("JSON has no single quotes.", "JSON n'a pas d'apostrophes.")
            fix = Texts("Use double quotes.", "Utilisez des guillemets doubles.")
        else:
            what = Texts("this character cannot stand here.", "ce caractère ne peut pas être ici.")
            fix = Texts("Remove it.", "Retirez-le.")
        self._syntax(offset, what, fix)

    def _syntax(self, offset: int, what: Texts, fix: Texts) -> None:
        self.fault = Fault("syntax", offset, self._here(), what, fix)

    def _here(self) -> str:
        return pointer_of(frame.key for frame in self._frames if frame.key is not None)

    def _remember(self, offset: int) -> None:
        # A long key above many values would make the pointers far larger than the text.
        if self._room > 0:
            pointer = self._here()
            self._room -= len(pointer) + 1
            self._places[pointer] = offset


_EXTRA = Texts("something stands after the end of the value.", "quelque chose suit la fin de la valeur.")
_CLOSE = Texts("Close what is open.", "Fermez ce qui est ouvert.")
_TRAILING = Texts(
    "there is a comma too many, or a value is missing.", "il y a une virgule en trop, ou il manque une valeur."
)
_NO_TRAILING = Texts(
    "Remove the comma, or add what should follow it.", "Retirez la virgule, ou ajoutez ce qui devait suivre."
)
