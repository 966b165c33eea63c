"""Reaching files beneath a folder by descriptors, so that the kernel and not a text check confines a path.

Each segment is opened relative to the folder before it with ``O_NOFOLLOW``. A link is read and its
target walked the same way, ``..`` going back along the descriptors already held; a target that is
absolute or climbs above the root is refused. What is checked is what is opened, so swapping a
segment for a link meanwhile changes nothing. (Linux has ``openat2(RESOLVE_BENEATH)`` for this,
which Python does not offer and other systems lack.)
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from nextgeneration.kernel.language import Texts
from nextgeneration.tools.errors_paths import FileMissing, FileTooLarge, PathRefused

MAX_PATH_BYTES = 4_096
MAX_NAME_BYTES = 255
MAX_LINKS = 40

DESCRIPTORS = os.open in os.supports_dir_fd and os.stat in os.supports_dir_fd
"""False on Windows, where paths are resolved by name and checked against the root instead."""

_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_CLOEXEC = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_FOLDER = os.O_RDONLY | _NOFOLLOW | _CLOEXEC | getattr(os, "O_DIRECTORY", 0)
_FILE = os.O_RDONLY | _NOFOLLOW | _CLOEXEC | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_DRIVE = re.compile(r"[A-Za-z]:")


_ESCAPES = Texts("a link leads out of the workspace", "un lien mène hors de l'espace de travail")
_LINKED = Texts("it is or passes through a link", "c'est un lien, ou il passe par un lien")
_NO_FOLDER = Texts("it passes through a file", "il passe par un fichier")
_UNREADABLE = Texts("it cannot be opened", "il ne peut pas être ouvert")
_NOT_UNICODE = Texts("not valid Unicode", "Unicode non valide")
_CONTROL = Texts("control characters", "caractères de contrôle")
_NOT_POSIX = Texts("not a POSIX path", "pas un chemin POSIX")
_NOT_RELATIVE = Texts("not relative to the workspace", "pas relatif à l'espace de travail")
_CLIMBS = Texts("it contains `..`", "il contient `..`")
_TOO_LONG = Texts("too long", "trop long")
_KINDS = {
    stat.S_IFDIR: Texts("a folder, not a file", "un dossier, pas un fichier"),
    stat.S_IFLNK: _LINKED,
    stat.S_IFIFO: Texts("a FIFO, not a regular file", "une FIFO, pas un fichier ordinaire"),
    stat.S_IFSOCK: Texts("a socket, not a regular file", "un socket, pas un fichier ordinaire"),
}
_DEVICE = Texts("a device, not a regular file", "un périphérique, pas un fichier ordinaire")


class Place(NamedTuple):
    """Where a path ends: the descriptor of its folder (None: go by name), and its name in it."""

    folder: int | None
    name: str


def parts_of(path: str) -> tuple[str, ...]:
    """The segments of a relative POSIX path; ``.`` and doubled slashes vanish.

    Raises:
        PathRefused: absolute, ``..``, NUL, backslash, drive letter, not encodable, or too long.
    """
    why = _complaint(path)
    if why:
        raise PathRefused(path=path, why=why)
    return tuple(part for part in path.split("/") if part not in ("", "."))


def _complaint(path: str) -> Texts | None:
    try:
        raw = os.fsencode(path)
    except UnicodeEncodeError:
        return _NOT_UNICODE
    segments = path.split("/")
    wrong = {
        _CONTROL: any(ord(character) < 32 or character == "\x7f" for character in path),
        _NOT_POSIX: "\\" in path or bool(_DRIVE.match(path)) or (os.name == "nt" and ":" in path),
        _NOT_RELATIVE: path.startswith(("/", "~")),
        _CLIMBS: ".." in segments,
        _TOO_LONG: len(raw) > MAX_PATH_BYTES or any(len(os.fsencode(name)) > MAX_NAME_BYTES for name in segments),
    }
    return next((why for why, holds in wrong.items() if holds), None)


@contextmanager
def place(root: Path, path: str, *, links: bool = True, create: bool = False) -> Iterator[Place]:
    """The folder and name where ``path`` really is, held open meanwhile; ``.`` names the folder itself.

    Args:
        root: the resolved folder that may not be left.
        path: relative to it.
        links: follow links that stay beneath the root; otherwise any link is refused.
        create: make the missing folders on the way.

    Raises:
        PathRefused: the path leaves the root, or passes through something that is not a folder.
        FileMissing: a folder on the way, or the root, does not exist.
    """
    parts = parts_of(path)
    if not DESCRIPTORS:
        yield _by_name(root, path, parts, links=links, create=create)
        return
    stack: list[int] = []
    try:
        yield _walk(root, path, parts, stack, links=links, create=create)
    finally:
        for descriptor in stack:
            os.close(descriptor)


def _walk(root: Path, path: str, parts: tuple[str, ...], stack: list[int], *, links: bool, create: bool) -> Place:
    try:
        stack.append(os.open(root, _FOLDER))
    except OSError:
        raise FileMissing(path=str(root)) from None
    pending, followed = list(reversed(parts)), 0
    while pending:
        name = pending.pop()
        if name == "..":
            if len(stack) == 1:
                raise PathRefused(path=path, why=_ESCAPES)
            os.close(stack.pop())
            continue
        if pending and (folder := _enter(stack[-1], name, path, create=create)) is not None:
            stack.append(folder)
            continue
        target = _target(stack[-1], name)
        if target is None:
            if pending:
                raise PathRefused(path=path, why=_NO_FOLDER) if create else FileMissing(path=path)
            return Place(stack[-1], name)
        followed += 1
        if not links or followed > MAX_LINKS or target.startswith("/") or len(target) > MAX_PATH_BYTES:
            raise PathRefused(path=path, why=_ESCAPES if target.startswith("/") else _LINKED)
        pending.extend(part for part in reversed(target.split("/")) if part not in ("", "."))
    return Place(stack[-1], ".")


def _enter(folder: int, name: str, path: str, *, create: bool) -> int | None:
    """The descriptor of the folder ``name``; None when it is a link or no folder."""
    try:
        if create:
            with suppress(FileExistsError):
                os.mkdir(name, dir_fd=folder)
        return os.open(name, _FOLDER, dir_fd=folder)
    except FileNotFoundError:
        raise FileMissing(path=path) from None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EMLINK):
            return None
        raise PathRefused(path=path, why=_UNREADABLE) from None


def _target(folder: int, name: str) -> str | None:
    try:
        return os.readlink(name, dir_fd=folder)
    except OSError:
        return None


def _by_name(root: Path, path: str, parts: tuple[str, ...], *, links: bool, create: bool) -> Place:
    given = root.joinpath(*parts)
    folder = given.parent.resolve() if parts else root
    if create and folder.is_relative_to(root):
        folder.mkdir(parents=True, exist_ok=True)
    real = given.resolve()
    if not real.is_relative_to(root) or not folder.is_relative_to(root):
        raise PathRefused(path=path, why=_ESCAPES)
    if not links and real != given:
        raise PathRefused(path=path, why=_LINKED)
    return Place(None, str(real))


def open_file(where: Place, path: str) -> tuple[int, os.stat_result]:
    """A descriptor of the regular file at ``where`` for reading, and its state; the caller closes it.

    Raises:
        FileMissing: there is nothing.
        PathRefused: it is a folder, device, FIFO, socket or link, or not readable.
    """
    try:
        # Looked at before it is opened: opening a device can have consequences of its own.
        _expect_file(os.stat(where.name, dir_fd=where.folder, follow_symlinks=False), path)
        descriptor = os.open(where.name, _FILE, dir_fd=where.folder)
    except FileNotFoundError:
        raise FileMissing(path=path) from None
    except OSError:
        raise PathRefused(path=path, why=_UNREADABLE) from None
    try:
        state = os.fstat(descriptor)
        _expect_file(state, path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, state


def _expect_file(state: os.stat_result, path: str) -> None:
    if not stat.S_ISREG(state.st_mode):
        raise PathRefused(path=path, why=_KINDS.get(stat.S_IFMT(state.st_mode), _DEVICE))


def read(descriptor: int, limit: int, path: str) -> bytes:
    """All of an open file, which may hold at most ``limit`` bytes however it grows meanwhile.

    Raises:
        FileTooLarge: it is larger.
    """
    chunks, size = [], 0
    while chunk := os.read(descriptor, min(1 << 20, limit + 1 - size)):
        chunks.append(chunk)
        size += len(chunk)
        if size > limit:
            raise FileTooLarge(path=path, size=max(os.fstat(descriptor).st_size, size), limit=limit)
    return b"".join(chunks)


def open_folder(where: Place, path: str) -> int:
    """A descriptor of the folder at ``where``; the caller closes it. Not for systems without descriptors."""
    try:
        return os.open(where.name, _FOLDER, dir_fd=where.folder)
    except FileNotFoundError:
        raise FileMissing(path=path) from None
    except OSError:
        raise PathRefused(path=path, why=_UNREADABLE) from None
