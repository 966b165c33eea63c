"""What the process inherited, read once and handed to whoever needs it."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Self


@dataclass(frozen=True, slots=True)
class Environment:
    """A snapshot of the environment variables, the home folder and the kind of system.

    Attributes:
        variables: all variables; never shown as a whole, since some are secrets.
        home: the user's home folder.
        system: ``Linux``, ``Darwin`` or ``Windows``, as :func:`platform.system` says.
    """

    variables: Mapping[str, str] = field(repr=False)
    home: Path
    system: str = "Linux"

    @classmethod
    def current(cls) -> Self:
        """The environment of this process, now."""
        try:
            home = Path.home()
        except RuntimeError:
            home = Path("/")
        return cls(variables=MappingProxyType(dict(os.environ)), home=home, system=platform.system())

    def get(self, name: str, default: str = "") -> str:
        """One variable, or ``default`` when it is not set."""
        return self.variables.get(name, default)

    def chosen(self, names: Iterable[str]) -> dict[str, str]:
        """Those of ``names`` that are set, with their values."""
        return {name: self.variables[name] for name in names if name in self.variables}

    @property
    def path(self) -> tuple[str, ...]:
        """The entries of ``PATH`` in order, as written; none when it is unset or empty."""
        text = self.get("PATH") or self.get("Path")
        return tuple(text.split(";" if self.system == "Windows" else ":")) if text else ()

    def program(self, name: str) -> str | None:
        """Where ``name`` is among the absolute entries of ``PATH``.

        Relative and empty entries mean the current folder, which may be a stranger's repository: what we start by
        ourselves is never taken from there.
        """
        folders = [entry for entry in self.path if entry.startswith("/") or (self.system == "Windows" and ":" in entry)]
        return shutil.which(name, path=os.pathsep.join(folders)) if folders else None

    @property
    def shell(self) -> str:
        """The user's shell: ``SHELL``, on Windows ``COMSPEC``; empty when neither is set."""
        return self.get("SHELL") or self.get("COMSPEC") or self.get("ComSpec")

    @property
    def locale(self) -> str:
        """The locale of messages, by the POSIX order of variables."""
        return self.get("LC_ALL") or self.get("LC_MESSAGES") or self.get("LANG")

    @property
    def display(self) -> str:
        """The graphical display, when there is one."""
        return self.get("WAYLAND_DISPLAY") or self.get("DISPLAY")

    @property
    def powershell(self) -> bool:
        """Whether a PowerShell started this process, as far as ``PSModulePath`` tells."""
        return bool(self.get("PSModulePath"))
