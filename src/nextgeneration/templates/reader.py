"""Reading a template's file without trusting it.

A file is opened once, must be a regular file inside its folder, is bounded before it is read and
before it is decompressed, and is parsed by the C reader with every liberty of Python's JSON taken
away. When anything is wrong, :class:`Scan` finds out where.
"""

from __future__ import annotations

import io
import json
import os
import re
import stat
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import zstandard

from nextgeneration.kernel.language import Texts
from nextgeneration.templates.errors import (
    DuplicateKey,
    NotCompressed,
    NotJson,
    NotUnicode,
    NumberRefused,
    Problem,
    TemplateInvalid,
    TemplatePathRefused,
    TemplateTooDeep,
    TemplateTooLarge,
)
from nextgeneration.templates.positions import MAX_DEPTH, MAX_INTEGER, FaultKind, Scan

MAX_BYTES = 1_000_000
SUFFIXES = (".json", ".json.zst")

_MAX_WINDOW = 8 * 1024 * 1024
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?+'
_COMMENT = re.compile(_STRING + r"|(//[^\r\n]*+|/\*(?:[^*]|\*(?!/))*+\*/)", re.DOTALL)
_BRACKET = re.compile(_STRING + r"|([{\[])|([}\]])", re.DOTALL)
_ODD_ESCAPE = re.compile(r"\\u(?:[dD][89a-fA-F]|0000)")
_LONGEST_SAFE_INTEGER = 15

_ERRORS: dict[FaultKind, type[TemplateInvalid]] = {
    "syntax": NotJson,
    "duplicate": DuplicateKey,
    "number": NumberRefused,
    "depth": TemplateTooDeep,
    "unicode": NotUnicode,
}


@dataclass(frozen=True)
class Document:
    """A JSON text that was read: its data, and where each value stands.

    Attributes:
        path: the file, or a word such as ``(memory)``.
        text: what the file says, decompressed; empty for a template that was made in memory.
        data: the parsed value; not yet checked to be a template.
    """

    path: str
    text: str
    data: Any

    @cached_property
    def scan(self) -> Scan:
        """Positions, computed on first use: only errors and lint need them."""
        return Scan(self.text)

    def line_of(self, pointer: str) -> int | None:
        """The line of the value at ``pointer``; ``None`` when there is no text."""
        return self.scan.line_of(pointer) if self.text else None


def read(path: Path, *, folder: Path | None = None, limit: int = MAX_BYTES) -> Document:
    """Read a ``.json`` or ``.json.zst`` file.

    Args:
        path: the file. A symbolic link is followed only to a file inside ``folder``.
        folder: the templates folder; ``path.parent`` when not given.
        limit: largest size in bytes, as stored and as decompressed.

    Raises:
        TemplateInvalid: one of its subclasses, with file, line, pointer and fix.
        FileNotFoundError: there is no such file.
    """
    raw = _bytes(path, folder or path.parent, limit)
    if path.name.endswith(".zst"):
        raw = _decompressed(raw, str(path), limit)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        what = Texts(f"byte {error.start} is not UTF-8.", f"l'octet {error.start} n'est pas de l'UTF-8.")
        fix = Texts("Save the file as UTF-8.", "Enregistrez le fichier en UTF-8.")
        raise NotUnicode.at(str(path), [Problem("", what, fix, line)]) from None
    return parse(text, str(path))


def parse(text: str, path: str = "(memory)") -> Document:
    """Parse JSON with comments, strictly.

    Raises:
        TemplateInvalid: one of its subclasses, with line, pointer and fix.
    """
    plain = _COMMENT.sub(_without_comment, text) if "/" in text else text
    if plain.count("{") + plain.count("[") > MAX_DEPTH and _too_deep(plain):
        _explain(text, path)
    try:
        data = _decode(plain)
    except (ValueError, RecursionError):
        _explain(text, path)
    if _ODD_ESCAPE.search(plain) and Scan(text).fault:
        _explain(text, path)
    return Document(path, text, data)


def _without_comment(match: re.Match[str]) -> str:
    return " " if match.group(1) else match.group()


def _too_deep(text: str) -> bool:
    """Whether brackets nest beyond the limit; looked at before any recursive parser sees the text."""
    depth = 0
    for match in _BRACKET.finditer(text):
        if match.lastindex == 1:
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif match.lastindex == 2:
            depth -= 1
    return False


def _explain(text: str, path: str) -> NoReturn:
    fault = (scan := Scan(text)).fault
    if fault is None:
        what = Texts("the text could not be parsed.", "le texte n'a pas pu être analysé.")
        raise NotJson.at(path, [Problem("", what, Texts("Check its syntax.", "Vérifiez sa syntaxe."), 1)])
    problem = Problem(fault.pointer, fault.what, fault.fix, scan.line_at(fault.offset))
    raise _ERRORS[fault.kind].at(path, [problem]) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("duplicate key")
    return made


def _integer(text: str) -> int:
    if len(text) <= _LONGEST_SAFE_INTEGER:
        return int(text)
    if len(text) > _LONGEST_SAFE_INTEGER + 2 or abs(int(text)) > MAX_INTEGER:
        raise ValueError("integer out of range")
    return int(text)


def _float(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError("number out of range")
    return number


def _constant(name: str) -> NoReturn:
    raise ValueError(name)


_decode = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant
).decode


def _bytes(path: Path, folder: Path, limit: int) -> bytes:
    """The content of a regular file inside ``folder`` of at most ``limit`` bytes."""
    found = os.lstat(path)
    if stat.S_ISLNK(found.st_mode):
        path = _target(path, folder)
        found = os.lstat(path)
    _must_be_file(found, path)
    try:
        descriptor = os.open(path, _OPEN_FLAGS)
    except FileNotFoundError:
        raise
    except OSError as error:
        what = Texts(f"it cannot be opened ({error.strerror}).", f"il ne peut pas être ouvert ({error.strerror}).")
        raise _refused(path, what, _READABLE) from None
    with os.fdopen(descriptor, "rb") as file:
        # Checked again on the open file: the path may have been swapped in between.
        opened = os.fstat(descriptor)
        _must_be_file(opened, path)
        if opened.st_size > limit:
            raise _too_large(str(path), limit)
        raw = file.read(limit + 1)
    if len(raw) > limit:
        raise _too_large(str(path), limit)
    return raw


def _target(path: Path, folder: Path) -> Path:
    """Where a symbolic link inside ``folder`` leads; the target must be inside it too."""
    try:
        target = path.resolve(strict=True)
    except (FileNotFoundError, RuntimeError, OSError):
        what = Texts("it is a symbolic link that leads nowhere.", "c'est un lien symbolique qui ne mène nulle part.")
        raise _refused(path, what, _NO_LINK) from None
    if not target.is_relative_to(folder.resolve()):
        what = Texts("it is a symbolic link out of the folder.", "c'est un lien symbolique qui sort du dossier.")
        raise _refused(path, what, _NO_LINK)
    return target


def _must_be_file(found: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(found.st_mode):
        what = Texts("it is not a regular file.", "ce n'est pas un fichier ordinaire.")
        raise _refused(path, what, Texts("Remove it from the folder.", "Retirez-le du dossier."))


def _refused(path: Path, what: Texts, fix: Texts) -> TemplatePathRefused:
    return TemplatePathRefused.at(str(path), [Problem("", what, fix)])


def _too_large(path: str, limit: int) -> TemplateTooLarge:
    what = Texts(f"the limit is {limit} bytes.", f"la limite est de {limit} octets.")
    fix = Texts("Move large texts into files that a tool reads.", "Mettez les grands textes dans des fichiers à lire.")
    return TemplateTooLarge.at(path, [Problem("", what, fix)])


def _decompressed(raw: bytes, path: str, limit: int) -> bytes:
    try:
        with zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW).stream_reader(
            io.BytesIO(raw), read_across_frames=True
        ) as stream:
            text = stream.read(limit + 1)
    except (zstandard.ZstdError, MemoryError):
        what = Texts("it cannot be decompressed.", "il ne peut pas être décompressé.")
        fix = Texts("Compress it again with `zstd`.", "Compressez-le de nouveau avec `zstd`.")
        raise NotCompressed.at(path, [Problem("", what, fix)]) from None
    if len(text) > limit:
        raise _too_large(path, limit)
    return bytes(text)


_NO_LINK = Texts("Copy the file into the folder instead.", "Copiez plutôt le fichier dans le dossier.")
_READABLE = Texts("Make it readable for this user.", "Rendez-le lisible pour cet utilisateur.")
