"""The folder a mission works in: files by relative path, never outside it, never half written."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from nextgeneration.kernel.canonical import digest_bytes
from nextgeneration.kernel.language import Texts
from nextgeneration.tools import beneath
from nextgeneration.tools.beneath import Place, parts_of, place
from nextgeneration.tools.control_files import control_file
from nextgeneration.tools.errors_paths import (
    ControlFileRefused,
    FileChanged,
    FileMissing,
    FileTooLarge,
    PathRefused,
    WorkspaceRefused,
    WriteFailed,
)
from nextgeneration.tools.ignored import SKIPPED_FOLDERS, IgnoreRules

READ_LIMIT = 2_000_000
WRITE_LIMIT = 20_000_000
MAX_DEPTH = 64
_MAX_SCANNED = 200_000
_IGNORE_LIMIT = 200_000
_SYSTEM = ("/proc", "/sys", "/dev")

_WHOLE_SYSTEM = Texts("it is a system folder", "c'est un dossier du système")
_NO_FOLDER = Texts("it is not a folder", "ce n'est pas un dossier")
_HARD_LINK = Texts("the file has another name outside the workspace", "le fichier a un autre nom hors de l'espace")
_NO_NAME = Texts("it names a folder", "il désigne un dossier")


class Workspace:
    """A mission's folder, reached only through the kernel beneath its root.

    Links are followed for reading while they stay beneath the root, and refused for writing. A file
    with a second name (hard link) is read only when all its names are in the workspace; writing
    replaces the name and so never changes a file outside.

    Args:
        root: an existing folder; links in it are resolved once, here.

    Attributes:
        unshown: files and folders left out by the last :meth:`files` for their names, escaped; a folder ends in ``/``.

    Raises:
        WorkspaceRefused: it is no folder, or belongs to the system.
    """

    unshown: tuple[str, ...] = ()

    def __init__(self, root: Path) -> None:
        real = root.resolve()
        if not real.is_dir():
            raise WorkspaceRefused(path=str(root), why=_NO_FOLDER)
        system = any(real.is_relative_to(folder) for folder in _SYSTEM) and not real.is_relative_to("/dev/shm/")  # noqa: S108
        if system or real == Path(real.anchor):
            raise WorkspaceRefused(path=str(root), why=_WHOLE_SYSTEM)
        self.root = real

    @contextmanager
    def opened(self, path: str) -> Iterator[tuple[int, os.stat_result]]:
        """A descriptor of the regular file ``path`` for reading, with its state.

        Raises:
            PathRefused: it leads out of the workspace or is no plain file.
            FileMissing: there is no such file.
        """
        with place(self.root, path) as where:
            descriptor, state = beneath.open_file(where, path)
        try:
            if state.st_nlink > 1 and not self._all_names_inside(state):
                raise PathRefused(path=path, why=_HARD_LINK)
            yield descriptor, state
        finally:
            os.close(descriptor)

    def read_bytes(self, path: str, limit: int = READ_LIMIT) -> bytes:
        """The content of ``path``.

        Raises:
            PathRefused: it leads out of the workspace or is no plain file.
            FileMissing: there is no such file.
            FileTooLarge: it has more than ``limit`` bytes.
        """
        with self.opened(path) as (descriptor, state):
            if state.st_size > limit:
                raise FileTooLarge(path=path, size=state.st_size, limit=limit)
            return beneath.read(descriptor, limit, path)

    def read_text(self, path: str, limit: int = READ_LIMIT) -> str:
        """The content of ``path`` as UTF-8; what is not valid becomes U+FFFD. Raises as ``read_bytes``."""
        return self.read_bytes(path, limit).decode("utf-8", "replace")

    def digest(self, path: str) -> str:
        """The digest of a file's content, ``""`` when there is no such file. Raises as ``read_bytes``."""
        try:
            return digest_bytes(self.read_bytes(path, WRITE_LIMIT))
        except FileMissing:
            return ""

    def entries(self, path: str = ".") -> list[tuple[str, os.stat_result]]:
        """What a folder holds, sorted by name, links not followed.

        Raises:
            PathRefused: it leads out of the workspace or is no folder.
            FileMissing: there is no such folder.
        """
        with _folder(self.root, path) as folder, os.scandir(folder) as found:
            return sorted(((entry.name, entry.stat(follow_symlinks=False)) for entry in found), key=lambda e: e[0])

    def files(self, *, limit: int = 20_000) -> list[str]:
        """Relative POSIX paths of the project's regular files, sorted; at most ``limit``.

        Left out are tool folders and caches (``SKIPPED_FOLDERS``) and what ``.gitignore`` names.
        Links are never followed. What has a name that cannot be shown is left out too, and stands in ``unshown``.
        """
        found: list[str] = []
        unshown: list[str] = []

        def walk(folder: int | str, prefix: str, rules: tuple[tuple[str, IgnoreRules], ...]) -> None:
            own = _ignore_rules(folder)
            rules = (*rules, (prefix, own)) if own else rules
            with os.scandir(folder) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
            for entry in entries:
                if len(found) >= limit:
                    return
                path, is_folder = prefix + entry.name, entry.is_dir(follow_symlinks=False)
                if (is_folder and entry.name in SKIPPED_FOLDERS) or _ignored(path, is_folder, rules):
                    continue
                if not _storable(entry.name):
                    if is_folder or entry.is_file(follow_symlinks=False):
                        unshown.append(_escaped(path) + "/" * is_folder)
                elif entry.is_file(follow_symlinks=False):
                    found.append(path)
                elif is_folder and path.count("/") < MAX_DEPTH:
                    _into(folder, entry, partial(walk, prefix=path + "/", rules=rules))

        with _folder(self.root, ".") as top:
            walk(top, "", ())
        self.unshown = tuple(sorted(unshown))
        return sorted(found)

    def write_bytes(self, path: str, data: bytes, *, expected: str | None = None) -> None:
        """Put ``data`` at ``path`` in one step: a reader sees the old content or the new, never a part.

        The file keeps its mode; missing folders are made.

        Args:
            path: relative; neither it nor a folder on the way may be a link.
            data: the whole new content.
            expected: digest of the content it replaces, ``""`` for a new file; checked right before.

        Raises:
            PathRefused: the path leads out of the workspace or is no plain file.
            ControlFileRefused: it decides what other programs run.
            FileTooLarge: ``data`` has more than 20 MB.
            FileChanged: the content is not the ``expected`` one.
            WriteFailed: the system refused.
        """
        check_writable(path)
        if len(data) > WRITE_LIMIT:
            raise FileTooLarge(path=path, size=len(data), limit=WRITE_LIMIT)
        try:
            with place(self.root, path, links=False, create=True) as where:
                _replace(where, path, data, expected)
        except OSError as error:
            raise WriteFailed(path=path, detail=error.strerror or type(error).__name__) from None

    def remove(self, path: str, *, expected: str | None = None) -> None:
        """Remove the file ``path``. Arguments and errors as for ``write_bytes``.

        Raises:
            FileMissing: there is no such file.
        """
        check_writable(path)
        try:
            with place(self.root, path, links=False) as where:
                _check(where, path, expected)
                os.unlink(where.name, dir_fd=where.folder)
        except FileNotFoundError:
            raise FileMissing(path=path) from None
        except OSError as error:
            raise WriteFailed(path=path, detail=error.strerror or type(error).__name__) from None

    def has_folder(self, path: str) -> bool:
        """Whether ``path`` is a folder beneath the root, reached without links."""
        try:
            with place(self.root, path, links=False) as where:
                return stat.S_ISDIR(os.stat(where.name, dir_fd=where.folder, follow_symlinks=False).st_mode)
        except (OSError, FileMissing, PathRefused):
            return False

    def remove_empty_folder(self, path: str) -> bool:
        """Remove the folder ``path`` if it holds nothing; whether it did."""
        try:
            with place(self.root, path, links=False) as where:
                os.rmdir(where.name, dir_fd=where.folder)
        except (OSError, FileMissing, PathRefused):
            return False
        return True

    def _all_names_inside(self, state: os.stat_result) -> bool:
        """Whether a file with several names has all of them in the workspace (copies made by ``cp -al``, pnpm)."""
        names = scanned = 0
        for folder, _, files in os.walk(self.root, followlinks=False):
            for name in files:
                with suppress(OSError):
                    other = Path(folder, name).lstat()
                    names += (other.st_dev, other.st_ino) == (state.st_dev, state.st_ino)
            scanned += len(files)
            if names >= state.st_nlink or scanned > _MAX_SCANNED:
                break
        return names >= state.st_nlink


def check_writable(path: str) -> None:
    """Refuse a path that may never be written by a tool.

    Raises:
        PathRefused: it names no file beneath the workspace.
        ControlFileRefused: it decides what other programs run.
    """
    parts = parts_of(path)
    if not parts:
        raise PathRefused(path=path, why=_NO_NAME)
    control = control_file("/".join(parts))
    if control and control.refused:
        raise ControlFileRefused(path=path, why=control.why)


def _replace(where: Place, path: str, data: bytes, expected: str | None) -> None:
    state = _check(where, path, expected)
    # Beside the target, so that the rename stays within one file system.
    temporary = f".{secrets.token_hex(8)}.nextgen-tmp"
    if where.folder is None:
        temporary = str(Path(where.name).with_name(temporary))
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    # A new file gets the mode the user's umask gives; a replaced one is private until it gets the old mode.
    descriptor = os.open(temporary, flags, 0o600 if state else 0o666, dir_fd=where.folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if state and hasattr(os, "fchmod"):
                os.fchmod(file.fileno(), stat.S_IMODE(state.st_mode) & 0o777)
            os.fsync(file.fileno())
        _check(where, path, expected)
        if expected == "" and _link(temporary, where, path):
            os.unlink(temporary, dir_fd=where.folder)
        else:
            os.replace(temporary, where.name, src_dir_fd=where.folder, dst_dir_fd=where.folder)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=where.folder)
        raise
    if where.folder is not None:
        os.fsync(where.folder)


def _link(temporary: str, where: Place, path: str) -> bool:
    """Give a new file its name only if nobody took it meanwhile; False where links do not exist."""
    try:
        os.link(temporary, where.name, src_dir_fd=where.folder, dst_dir_fd=where.folder, follow_symlinks=False)
    except FileExistsError:
        raise FileChanged(path=path) from None
    except (OSError, NotImplementedError):
        return False
    return True


def _check(where: Place, path: str, expected: str | None) -> os.stat_result | None:
    """The state of the file to replace, None for a new one, after comparing its content with ``expected``."""
    try:
        descriptor, state = beneath.open_file(where, path)
    except FileMissing:
        if expected:
            raise FileChanged(path=path) from None
        return None
    try:
        if expected is not None and (
            not expected or digest_bytes(beneath.read(descriptor, WRITE_LIMIT, path)) != expected
        ):
            raise FileChanged(path=path)
    finally:
        os.close(descriptor)
    return state


@contextmanager
def _folder(root: Path, path: str) -> Iterator[int | str]:
    """A folder to scan: its descriptor, or its path where there are none."""
    with place(root, path) as where:
        if where.folder is None:
            if not Path(where.name).is_dir():
                raise FileMissing(path=path)
            yield where.name
            return
        descriptor = beneath.open_folder(where, path)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def _into(folder: int | str, entry: os.DirEntry[str], visit: Callable[[int | str], None]) -> None:
    """Visit a subfolder; one that vanished, became a link or is not readable is passed over."""
    if isinstance(folder, str):
        with suppress(OSError):
            visit(entry.path)
        return
    with suppress(PathRefused, FileMissing):
        descriptor = beneath.open_folder(Place(folder, entry.name), entry.name)
        try:
            visit(descriptor)
        finally:
            os.close(descriptor)


def _ignore_rules(folder: int | str) -> IgnoreRules | None:
    where = Place(None, str(Path(folder, ".gitignore"))) if isinstance(folder, str) else Place(folder, ".gitignore")
    try:
        descriptor, _ = beneath.open_file(where, ".gitignore")
    except (FileMissing, PathRefused):
        return None
    try:
        return IgnoreRules(beneath.read(descriptor, _IGNORE_LIMIT, ".gitignore").decode("utf-8", "replace"))
    except (FileTooLarge, OSError):
        return None
    finally:
        os.close(descriptor)


def _ignored(path: str, folder: bool, rules: tuple[tuple[str, IgnoreRules], ...]) -> bool:
    for prefix, own in reversed(rules):
        verdict = own.verdict(path[len(prefix) :], folder)
        if verdict is not None:
            return verdict
    return False


def _storable(path: str) -> bool:
    """Whether a name found on disk can be handed out: valid Unicode without control characters."""
    return path.isprintable()


def _escaped(path: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in path)
