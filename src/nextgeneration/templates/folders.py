"""The folders templates come from, in order: the first that has a name wins, and shadows the others."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from nextgeneration.templates.reader import SUFFIXES
from nextgeneration.templates.validation import stem_of

BUILTIN = Path(__file__).resolve().parent / "builtin"
"""The templates that come with the package."""

Signature = tuple[int, int, int, int]
"""What tells that a file changed without reading it: inode, size, and both times in nanoseconds."""

UNSETTLED: Signature = (-1, -1, -1, -1)
"""Stands for the signature of what was looked at so soon after a change that another could hide in it."""


class Found(NamedTuple):
    """A template's file, and those of the same name that it shadows."""

    path: Path
    folder: Path
    signature: Signature
    shadows: tuple[Path, ...] = ()

    @property
    def source(self) -> str:
        """How the place is shown."""
        return f"builtin:{self.path.name}" if self.folder == BUILTIN else str(self.path)


@dataclass(frozen=True, slots=True)
class SearchPath:
    """Folders in order of precedence. A folder that does not exist is empty."""

    folders: tuple[Path, ...]

    @classmethod
    def of(cls, folders: Sequence[Path | str], *, builtin: bool = True) -> SearchPath:
        """The absolute form of ``folders``, then the built-in templates."""
        given = [Path(folder).expanduser().absolute() for folder in folders]
        return cls(tuple(dict.fromkeys([*given, BUILTIN] if builtin else given)))

    def find(self, name: str) -> Found | None:
        """The file of one template: a few ``stat`` calls."""
        found = [
            (folder, file_name, signature)
            for folder in self.folders
            for suffix in SUFFIXES
            if (signature := signature_of(f"{folder}/{(file_name := name + suffix)}"))
        ]
        if not found:
            return None
        paths = [folder / file_name for folder, file_name, _ in found]
        return Found(paths[0], found[0][0], found[0][2], tuple(paths[1:]))

    def scan(self) -> dict[str, Found]:
        """Every template's file by name, whatever is in it; names that no template may have are left out."""
        all_found: dict[str, list[tuple[Path, Path, Signature]]] = {}
        for folder in self.folders:
            for name, path, signature in sorted(_listed(folder)):
                if is_name(name):
                    all_found.setdefault(name, []).append((path, folder, signature))
        return {name: Found(*files[0], tuple(path for path, _, _ in files[1:])) for name, files in all_found.items()}

    def misnamed(self) -> list[Path]:
        """Files that :meth:`scan` leaves out for their names."""
        return sorted(path for folder in self.folders for name, path, _ in _listed(folder) if not is_name(name))


def signature_of(path: Path | str) -> Signature | None:
    """The signature of a file, or ``None`` when there is none. A symbolic link has its target's."""
    try:
        found = os.stat(path)  # noqa: PTH116 - this runs on every check of a cached template
    except FileNotFoundError:
        return None
    except OSError:
        # A link in a circle or a folder we may not enter: something is there, and reading it will say what.
        return (0, 0, 0, 0) if os.path.lexists(path) else None
    return _signature(found)


def _signature(found: os.stat_result) -> Signature:
    return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _listed(folder: Path) -> list[tuple[str, Path, Signature]]:
    """Name, path and signature of every file in ``folder`` that could be a template's, whatever its name."""
    listed: list[tuple[str, Path, Signature]] = []
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            name = stem_of(entry.name)
            if name is None:
                continue
            try:
                signature = _signature(entry.stat())
            except OSError:
                signature = (0, 0, 0, 0)
            listed.append((name, folder / entry.name, signature))
    return listed


def is_name(name: object) -> bool:
    """Whether a template may be called so; what is not a name never becomes part of a path."""
    if not isinstance(name, str) or not 1 <= len(name) <= 64 or not name.isascii() or not name[0].isalpha():
        return False
    return name == name.lower() and name.replace("_", "").replace("-", "").isalnum()
