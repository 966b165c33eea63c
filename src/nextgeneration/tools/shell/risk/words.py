"""Words as bash reads them: quotes removed, expansions kept apart, braces expanded.

A :class:`Word` is what stands in the line, an :class:`Arg` what a program would get. Text is handled
as Latin-1 of the line's UTF-8 bytes, so that positions are byte offsets in every reader;
:func:`natural` turns it back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, NamedTuple

from nextgeneration.kernel.show import escaped, shortened
from nextgeneration.tools.shell.risk.listed import listed

BLANKS = " \t"
METACHARACTERS = " \t\n|&;()<>"

_RUN = re.compile(r"[^ \t\n|&;()<>'\"\\`$]+")
_IN_QUOTES = re.compile(r"[^\"\\`$]+")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9?#$!@*-]")
_BRACED = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*|[0-9]+|[?#$!@*-])\}")
_SIMPLE = re.compile(r"[A-Za-z0-9_./,:@%+=^-]+")
_ESCAPE = re.compile(
    r"\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{1,4})|U([0-9A-Fa-f]{1,8})|c(.)|(.))", re.DOTALL
)
_LETTERS = {"a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_SEQUENCE = re.compile(r"(?:-?\d{1,6}\.\.-?\d{1,6}|[A-Za-z]\.\.[A-Za-z])(?:\.\.-?\d{1,6})?")
_NUMBERS = {"?", "#", "$"}
_WELL_KNOWN = listed(
    "HOME PATH PWD OLDPWD USER LOGNAME SHELL LANG TERM HOSTNAME RANDOM SECONDS LINENO BASH_VERSION UID EUID PPID "
    "TMPDIR IFS ! 0 1 2 3 4 5 6 7 8 9 @ * -"
)
MAX_EXPANSIONS = 200


class NotPlain(Exception):
    """The text uses something our own reader does not model; ``construct`` is shown to people."""

    def __init__(self, construct: str) -> None:
        super().__init__(construct)
        self.construct = construct


class Part(NamedTuple):
    """A piece of a word: literal text, a variable's name, or something only running it would tell."""

    kind: Literal["text", "variable", "dark"]
    text: str
    quoted: bool


@dataclass(frozen=True, slots=True)
class Word:
    """One word of the line, from ``start`` to ``end`` in bytes."""

    start: int
    end: int
    raw: str
    parts: tuple[Part, ...]

    @property
    def literal(self) -> bool:
        """Whether nothing in it is expanded from a variable or a command."""
        return all(part.kind == "text" for part in self.parts)


@dataclass(frozen=True, slots=True)
class Arg:
    """One argument as a program would get it.

    Attributes:
        text: its value; a guess when it is not ``clear``; unquoted wildcards stand as written.
        clear: whether ``text`` is what the program gets.
        glob: it holds an unquoted wildcard.
        head: its first character is an unquoted wildcard, so that it may become an option.
        tilde: it begins with an unquoted ``~``.
        loose: not clear and not quoted, so that it may vanish or become several arguments.
        expanded: its text came out of an expansion.
        private: it holds a variable of the environment, which may be a secret.
        raw: what stood in the line.
    """

    text: str
    clear: bool = True
    glob: bool = False
    head: bool = False
    tilde: bool = False
    loose: bool = False
    expanded: bool = False
    private: bool = False
    raw: str = ""

    @property
    def shown(self) -> str:
        """For people: hidden and foreign characters as codes, bounded."""
        return shown(self.text if self.clear else self.raw or self.text)


def natural(text: str) -> str:
    """Latin-1 text over UTF-8 bytes turned back into what was written."""
    return text if text.isascii() else text.encode("latin-1").decode("utf-8", "surrogatepass")


def shown(text: str, limit: int = 120) -> str:
    """``text`` fit for a reason: nothing hidden in it, on one line, bounded."""
    return shortened(visible(text), limit)


def visible(text: str) -> str:
    """``text`` on one line with nothing hidden in it; blanks that only look like a space are codes too."""
    text = escaped(text, newlines=False)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def scan_word(source: str, start: int, inner: Callable[[int], int]) -> Word:
    """The word that begins at ``start``.

    Args:
        inner: called with the position after ``$(``; returns the position after its ``)``.

    Raises:
        NotPlain: at a construct this reader does not model.
    """
    parts: list[Part] = []
    at, size = start, len(source)
    while at < size:
        character = source[at]
        if character in METACHARACTERS:
            break
        if character == "'":
            end = source.find("'", at + 1)
            if end < 0:
                raise NotPlain("'")
            parts.append(Part("text", natural(source[at + 1 : end]), True))
            at = end + 1
        elif character == '"':
            at = _scan_quoted(source, at + 1, parts, inner)
        elif character == "\\":
            if at + 1 >= size:
                raise NotPlain("\\")
            if source[at + 1] != "\n":
                end = _character_end(source, at + 1)
                parts.append(Part("text", natural(source[at + 1 : end]), True))
                at = end
            else:
                at += 2
        elif character == "`":
            raise NotPlain("`…`")
        elif character == "$":
            at = _scan_dollar(source, at, parts, False, inner)
        else:
            match = _RUN.match(source, at)
            assert match is not None  # noqa: S101  every other character was handled above
            parts.append(Part("text", natural(match[0]), False))
            at = match.end()
    return Word(start, at, natural(source[start:at]), tuple(parts))


def _character_end(source: str, at: int) -> int:
    """The end of the UTF-8 character at ``at``."""
    end = at + 1
    while end < len(source) and "\x80" <= source[end] <= "\xbf" and source[at] >= "\xc0":
        end += 1
    return end


def _scan_quoted(source: str, at: int, parts: list[Part], inner: Callable[[int], int]) -> int:
    """The inside of double quotes; returns the position after the closing one."""
    size = len(source)
    parts.append(Part("text", "", True))
    while at < size:
        character = source[at]
        if character == '"':
            return at + 1
        if character == "\\" and at + 1 < size:
            following = source[at + 1]
            if following != "\n":
                parts.append(Part("text", following if following in '$`"\\' else "\\", True))
            at += 2 if following in '$`"\\\n' else 1
        elif character == "`":
            raise NotPlain("`…`")
        elif character == "$":
            at = _scan_dollar(source, at, parts, True, inner)
        else:
            match = _IN_QUOTES.match(source, at)
            text = match[0] if match else character
            parts.append(Part("text", natural(text), True))
            at += len(text)
    raise NotPlain('"')


def _scan_dollar(source: str, at: int, parts: list[Part], quoted: bool, inner: Callable[[int], int]) -> int:
    """An expansion, or a lone dollar sign; returns the position after it."""
    following = source[at + 1 : at + 2]
    if following == "'" and not quoted:
        end = at + 2
        while end < len(source) and source[end] != "'":
            end += 2 if source[end] == "\\" else 1
        if end >= len(source):
            raise NotPlain("$'")
        parts.append(ansi_c(source[at + 2 : end]))
        return end + 1
    if following == '"' and not quoted:
        raise NotPlain('$"…"')
    if following == "(":
        if source[at + 2 : at + 3] == "(":
            raise NotPlain("$((…))")
        end = inner(at + 2)
        parts.append(Part("dark", natural(source[at:end]), quoted))
        return end
    if following == "[":
        raise NotPlain("$[…]")
    match = (_BRACED if following == "{" else _NAME).match(source, at + 1)
    if match:
        parts.append(Part("variable", match[1] if following == "{" else match[0], quoted))
        return match.end()
    if following == "{":
        raise NotPlain("${…}")
    parts.append(Part("text", "$", quoted))
    return at + 1


def ansi_c(text: str) -> Part:
    r"""The value of ``$'text'``; dark where bash would make bytes that are no text (``\0``, ``\xff``, ``\cé``)."""
    dark = False

    def decode(match: re.Match[str]) -> str:
        nonlocal dark
        octal, small, four, eight, control, letter = match.groups()
        if control and control.isascii() and control != "\\":
            return chr(ord(control.upper()) ^ 64)
        if letter:
            return _LETTERS.get(letter, letter if letter in "\\'\"?" else "\\" + letter)
        number = int(octal, 8) & 255 if octal else int(small or four or eight or "0", 16)
        if number == 0 or number > 0x10FFFF or (number > 127 and (octal or small)):
            dark = True
            return ""
        return chr(number)

    value = _ESCAPE.sub(decode, natural(text))
    return Part("dark" if dark else "text", value, True)


def arguments(word: Word, values: Mapping[str, Arg]) -> list[Arg]:
    """What ``word`` becomes with the variables of ``values`` put in: braces make several arguments."""
    parts = word.parts
    if len(parts) == 1 and parts[0].kind == "text" and not parts[0].quoted and _SIMPLE.fullmatch(parts[0].text):
        return [Arg(parts[0].text, raw=word.raw)]
    alternatives = (
        _braced(parts) if any(p.kind == "text" and not p.quoted and "{" in p.text for p in parts) else [parts]
    )
    if len(alternatives) == 1:
        arg = _argument(alternatives[0], values, word.raw)
        return [arg if alternatives[0] == parts else replace(arg, expanded=True)]
    return [replace(_argument(parts, values, word.raw), expanded=True) for parts in alternatives]


def _argument(parts: tuple[Part, ...], values: Mapping[str, Arg], raw: str) -> Arg:
    """One alternative as an argument."""
    text: list[str] = []
    clear, glob, head, tilde, loose, expanded, private = True, False, False, False, False, False, False
    quoted_anywhere = False
    for part in parts:
        first = not "".join(text)
        quoted_anywhere |= part.quoted
        if part.kind == "text":
            text.append(part.text)
            if not part.quoted and part.text:
                here = any(c in part.text for c in "*?[") and raw != "["
                glob |= here
                head |= here and first and part.text[0] in "*?["
                tilde |= (first and part.text[0] == "~") or ":~" in part.text or "=~" in part.text
            continue
        expanded = True
        value = values.get(part.text) if part.kind == "variable" else None
        if part.kind == "variable" and part.text in _NUMBERS:
            # A number, which is all that matters; shown as it stands.
            value = Arg("$" + part.text)
        text.append(value.text if value else " " if part.text == "IFS" and part.kind == "variable" else "")
        certain = value is not None and value.clear and not value.tilde
        splits = not part.quoted and (value is None or value.glob or not re.fullmatch(r"[^\s*?\[]+", value.text))
        if value is None or not certain or splits:
            clear = False
            private |= part.kind == "variable" and value is None and part.text not in _WELL_KNOWN
            loose |= not part.quoted or part.text in ("@", "*")
        else:
            glob |= value.glob
            head |= first and value.head
    joined = "".join(text)
    if clear and not joined and not quoted_anywhere:
        clear, loose = False, True
    return Arg(joined, clear, glob, head, tilde, loose, expanded, private, raw)


def _braced(parts: tuple[Part, ...]) -> list[tuple[Part, ...]]:
    """Brace expansion, which bash does before all others; at most ``MAX_EXPANSIONS`` alternatives."""
    atoms: list[Part] = []
    for part in parts:
        if part.kind == "text" and not part.quoted:
            atoms.extend(Part("text", character, False) for character in part.text)
        else:
            atoms.append(part)
    done: list[tuple[Part, ...]] = []
    waiting = [atoms]
    while waiting:
        if len(waiting) + len(done) > MAX_EXPANSIONS:
            return [(Part("dark", "{…}", False), *parts)]
        current = waiting.pop(0)
        split = _first_brace(current)
        if split is None:
            done.append(tuple(_joined(current)))
            continue
        before, choices, after = split
        waiting[:0] = [before + choice + after for choice in choices]
    return done


def _first_brace(atoms: list[Part]) -> tuple[list[Part], list[list[Part]], list[Part]] | None:
    """The first brace group that expands: what stands before it, its choices, what stands after it."""
    for start, atom in enumerate(atoms):
        if atom != ("text", "{", False):
            continue
        depth, commas = 0, [start]
        for end in range(start, len(atoms)):
            character = atoms[end].text if atoms[end].kind == "text" and not atoms[end].quoted else ""
            depth += (character == "{") - (character == "}")
            if character == "," and depth == 1:
                commas.append(end)
            if depth == 0:
                bounds = [*commas, end]
                choices = [atoms[a + 1 : b] for a, b in pairwise(bounds)]
                if len(choices) > 1:
                    return atoms[:start], choices, atoms[end + 1 :]
                if _SEQUENCE.fullmatch("".join(a.text for a in choices[0])):
                    # A sequence makes numbers or letters only: where it stands its value is not needed exactly.
                    return atoms[:start], [[Part("dark", "{..}", True)]], atoms[end + 1 :]
                break
    return None


def _joined(atoms: list[Part]) -> list[Part]:
    """Single characters put together again."""
    result: list[Part] = []
    for atom in atoms:
        last = result[-1] if result else None
        if last and atom.kind == last.kind == "text" and not atom.quoted and not last.quoted:
            result[-1] = Part("text", last.text + atom.text, False)
        else:
            result.append(atom)
    return result
