"""Unified diffs: read, placed on a text, applied or recognised as applied. No files are touched here."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import unified_diff

from unidiff.errors import UnidiffParseError
from unidiff.patch import PatchedFile, PatchSet

from nextgeneration.kernel.language import Texts
from nextgeneration.tools.fs.errors import PatchMisfit, PatchUnusable

MAX_OFFSET = 400
"""How many lines a hunk may lie away from where it says."""

MAX_FILES = 200

_NULL = "/dev/null"
_NOT_PARSED = Texts("it cannot be read ({detail})", "il ne peut pas être lu ({detail})")
_EMPTY = Texts("it changes no file", "il ne modifie aucun fichier")
_BINARY = Texts("{path} is binary", "{path} est binaire")
_NOTHING = Texts("it says nothing about the content of {path}", "il ne dit rien du contenu de {path}")
_TWICE = Texts("it names {path} twice", "il nomme {path} deux fois")
_MANY = Texts("it changes more than 200 files", "il modifie plus de 200 fichiers")
_OTHER_LINES = Texts("the lines it expects are not there", "les lignes attendues n'y sont pas")
_NO_CONTEXT = Texts(
    "it inserts lines without showing any beside them", "il insère des lignes sans en montrer aucune à côté"
)
_AMBIGUOUS = Texts("it fits in two places equally well", "il correspond aussi bien à deux endroits")
_ESCAPE = re.compile(r"\\([0-7]{3}|.)")
_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}


def lines_of(text: str) -> list[str]:
    """``text`` in lines with their ends; only a newline ends a line."""
    return list(io.StringIO(text))


def difference(old: str, new: str, source: str, target: str) -> str:
    """The unified diff from ``old`` to ``new``; ``source`` and ``target`` are its two file names."""
    lines = unified_diff(lines_of(old), lines_of(new), source, target)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


@dataclass(frozen=True, slots=True)
class Hunk:
    """One block: at ``start`` (from 0) the ``old`` lines become the ``new`` ones.

    ``before`` and ``after`` are the numbers of unchanged lines at its edges.
    """

    start: int
    new_start: int
    old: tuple[str, ...]
    new: tuple[str, ...]
    before: int
    after: int

    def reversed(self) -> Hunk:
        """The block that undoes this one."""
        return Hunk(self.new_start, self.start, self.new, self.old, self.before, self.after)


@dataclass(frozen=True, slots=True)
class FilePatch:
    """What a patch does to one file. ``source`` None: it is new; ``target`` None: it goes away."""

    source: str | None
    target: str | None
    hunks: tuple[Hunk, ...]
    added: int = 0
    removed: int = 0

    @property
    def path(self) -> str:
        """The path people know it by."""
        return self.target or self.source or ""

    def reversed(self) -> FilePatch:
        """The patch that undoes this one."""
        hunks = tuple(hunk.reversed() for hunk in self.hunks)
        return FilePatch(self.target, self.source, hunks, self.removed, self.added)


def parse(text: str) -> list[FilePatch]:
    """The files a unified diff is for.

    Raises:
        PatchUnusable: it is no diff, changes nothing, is binary, or names a file twice.
    """
    try:
        patch = PatchSet(io.StringIO(text if text.endswith("\n") else text + "\n"))
    except UnidiffParseError as error:
        raise PatchUnusable(why=_filled(_NOT_PARSED, detail=str(error)[:200])) from None
    files = [_file(found) for found in patch]
    if not files:
        raise PatchUnusable(why=_EMPTY)
    if len(files) > MAX_FILES:
        raise PatchUnusable(why=_MANY)
    named = [name for file in files for name in {file.source, file.target} if name]
    for name in named:
        if named.count(name) > 1:
            raise PatchUnusable(why=_filled(_TWICE, path=name))
    return files


def _filled(texts: Texts, **values: str) -> Texts:
    return Texts(texts.en.format(**values), texts.fr.format(**values))


def _file(found: PatchedFile) -> FilePatch:
    source, target = _path(found.source_file, "a/"), _path(found.target_file, "b/")
    name = target or source or "?"
    if found.is_binary_file:
        raise PatchUnusable(why=_filled(_BINARY, path=name))
    hunks = tuple(_hunk(hunk) for hunk in found)
    if not hunks and source == target:
        raise PatchUnusable(why=_filled(_NOTHING, path=name))
    return FilePatch(source, target, hunks, found.added, found.removed)


def _path(name: str, prefix: str) -> str | None:
    if name == _NULL:
        return None
    if name.startswith('"') and name.endswith('"'):
        name = _unquoted(name[1:-1])
    return name.removeprefix(prefix)


def _unquoted(text: str) -> str:
    """A path that git wrote in quotes: octal escapes are bytes of UTF-8."""
    out = bytearray()
    at = 0
    for found in _ESCAPE.finditer(text):
        out += text[at : found.start()].encode("utf-8", "surrogateescape")
        code = found[1]
        out += bytes([int(code, 8) & 255]) if len(code) == 3 else _ESCAPES.get(code, code).encode()
        at = found.end()
    out += text[at:].encode("utf-8", "surrogateescape")
    return out.decode("utf-8", "surrogateescape")


def _hunk(found: Sequence[object]) -> Hunk:
    old: list[str] = []
    new: list[str] = []
    kinds: list[str] = []
    for line in found:
        kind, value = line.line_type, line.value  # type: ignore[attr-defined]
        if kind == "\\":
            for side, counted in ((old, " -"), (new, " +")):
                if kinds and kinds[-1] in counted:
                    side[-1] = side[-1].removesuffix("\n")
            continue
        kinds.append(kind)
        if kind in " -":
            old.append(value)
        if kind in " +":
            new.append(value)
    before = next((at for at, kind in enumerate(kinds) if kind != " "), len(kinds))
    after = next((at for at, kind in enumerate(reversed(kinds)) if kind != " "), 0)
    start, length = found.source_start, found.source_length  # type: ignore[attr-defined]
    new_start, new_length = found.target_start, found.target_length  # type: ignore[attr-defined]
    return Hunk(_from_zero(start, length), _from_zero(new_start, new_length), tuple(old), tuple(new), before, after)


def _from_zero(start: int, length: int) -> int:
    # A side without lines says after which line it stands, not at which.
    return start if length == 0 else max(start - 1, 0)


def applied(patch: FilePatch, text: str) -> str:
    """``text`` with every hunk of ``patch`` applied at its exact place, or nearby.

    Raises:
        PatchMisfit: a hunk fits nowhere, or in two places equally well.
    """
    exact = _exactly(patch, text)
    return exact if exact is not None else _nearby(patch, text)


def outcome(patch: FilePatch, text: str) -> tuple[str, bool]:
    """The text after ``patch``, and whether it had been applied before.

    An exact fit decides, forward before backward; only then are places nearby tried. What a diff's
    edges say about the beginning and end of the file counts for an exact fit: it is what tells
    an appended line from the same line appended already.

    Raises:
        PatchMisfit: it neither applies nor has been applied.
    """
    exact = _exactly(patch, text)
    if exact is not None:
        return exact, False
    if _exactly(patch.reversed(), text) is not None:
        return text, True
    try:
        return _nearby(patch, text), False
    except PatchMisfit:
        try:
            _nearby(patch.reversed(), text)
        except PatchMisfit:
            pass
        else:
            return text, True
        raise


def _exactly(patch: FilePatch, text: str) -> str | None:
    lines, crlf = _lines(text)
    # A hunk with less context than the others had no more to show: it stands at an edge of the file.
    context = max((max(hunk.before, hunk.after, 1) for hunk in patch.hunks), default=0)
    out: list[str] = []
    at = 0
    for hunk in patch.hunks:
        end = hunk.start + len(hunk.old)
        fits = hunk.start >= at and tuple(lines[hunk.start : end]) == hunk.old
        at_edges = (hunk.before >= context or hunk.start == 0) and (hunk.after >= context or end == len(lines))
        if not fits or not at_edges:
            return None
        out += lines[at : hunk.start]
        out += hunk.new
        at = end
    return _joined(out + lines[at:], crlf)


def _nearby(patch: FilePatch, text: str) -> str:
    lines, crlf = _lines(text)
    out: list[str] = []
    at = shift = 0
    for number, hunk in enumerate(patch.hunks, 1):
        place = _place(hunk, lines, at, hunk.start + shift)
        if isinstance(place, Texts):
            raise PatchMisfit(path=patch.path, hunk=number, why=place)
        shift = place - hunk.start
        out += lines[at:place]
        out += hunk.new
        at = place + len(hunk.old)
    return _joined(out + lines[at:], crlf)


def _place(hunk: Hunk, lines: list[str], least: int, wanted: int) -> int | Texts:
    def fits(at: int) -> bool:
        return at >= least and tuple(lines[at : at + len(hunk.old)]) == hunk.old

    if not hunk.old:
        return _NO_CONTEXT
    for distance in range(MAX_OFFSET + 1):
        places = sorted({at for at in (wanted - distance, wanted + distance) if fits(at)})
        if len(places) > 1:
            return _AMBIGUOUS
        if places:
            return places[0]
    return _OTHER_LINES


def _lines(text: str) -> tuple[list[str], bool]:
    """The lines, and whether all of them end in CRLF: then they are compared and changed as LF."""
    lines = lines_of(text)
    crlf = bool(lines) and all(line.endswith("\r\n") for line in lines)
    return ([line[:-2] + "\n" for line in lines] if crlf else lines), crlf


def _joined(lines: list[str], crlf: bool) -> str:
    text = "".join(lines)
    return text.replace("\n", "\r\n") if crlf else text
