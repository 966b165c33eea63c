"""One dependency manifest while it is read, and the findings all kinds of manifests share."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from nextgeneration.kernel.findings import Severity
from nextgeneration.kernel.language import Texts
from nextgeneration.tools.code.notes import Notes
from nextgeneration.tools.code.secrets import masked
from nextgeneration.tools.code.sources import Source

_SHOWN = 8


@dataclass(frozen=True)
class Manifest:
    """A manifest file, where its findings go, and which files the project has."""

    source: Source
    notes: Notes
    present: Collection[str]

    @property
    def path(self) -> str:
        """The manifest's path."""
        return self.source.path

    def line_with(self, needle: str) -> int | None:
        """The first line that holds ``needle``."""
        at = self.source.text.find(needle)
        return self.source.line_of(at) if at >= 0 else None

    def beside_or_above(self, names: Collection[str]) -> bool:
        """Whether one of ``names`` lies in the manifest's folder or in one above (a workspace's lock)."""
        folder = PurePosixPath(self.path).parent
        return any((place / name).as_posix() in self.present for place in (folder, *folder.parents) for name in names)

    def add(
        self, rule: str, title: Texts, *, severity: Severity, line: int | None = None, cause: str, **values: Any
    ) -> None:
        """Note a finding about the manifest; ``values`` fill the title's fields, with ``path``."""
        text = self.source.lines[line - 1].strip() if line and line <= len(self.source.lines) else ""
        self.notes.add(
            f"code.dependency.{rule}",
            masked(self.notes.say(title, path=self.path, **values)),
            severity=severity,
            path=self.path,
            line=line,
            excerpt=masked(text),
            cause=f"dependency:{cause}",
        )

    def unpinned(self, names: Sequence[str], line: int | None, severity: Severity) -> None:
        """Note dependencies that any version satisfies, all in one finding."""
        if names:
            title = Texts("{path}: no version is set for {names}", "{path} : aucune version fixée pour {names}")
            self.add("unpinned", title, severity=severity, line=line, cause="unpinned", names=listed(names))

    def any_version(self, names: Sequence[str], line: int | None) -> None:
        """Note dependencies that take whatever is newest (``*``, ``latest``)."""
        if names:
            title = Texts(
                "{path}: any version is accepted of {names}", "{path} : toute version est acceptée de {names}"
            )
            self.add(
                "any-version", title, severity=Severity.MEDIUM, line=line, cause="any-version", names=listed(names)
            )

    def no_lock(self, names: str, severity: Severity = Severity.LOW) -> None:
        """Note that nothing says which versions were tested."""
        title = Texts("{path} has no lock file ({names})", "{path} n'a pas de fichier de verrouillage ({names})")
        self.add("no-lock", title, severity=severity, line=1, cause="no-lock", names=names)

    def odd_source(self, name: str, address: str, line: int | None) -> None:
        """Note a dependency that comes over plain HTTP, or from a repository without a fixed commit."""
        if re.search(r"(?<![\w+])http://(?!localhost|127\.)", address):
            title = Texts(
                "{path}: {name} is fetched over plain HTTP", "{path} : {name} est pris par HTTP sans chiffrement"
            )
            self.add("plain-http", title, severity=Severity.HIGH, line=line, cause=f"plain-http:{name}", name=name)
        elif not re.search(r"(?:@|#|rev=|\b)[0-9a-f]{40}\b", address):
            title = Texts(
                "{path}: {name} comes from a repository without a fixed commit",
                "{path} : {name} vient d'un dépôt sans commit fixé",
            )
            self.add("moving-source", title, severity=Severity.LOW, line=line, cause=f"moving-source:{name}", name=name)


def listed(names: Sequence[str]) -> str:
    """The first names and how many more there are."""
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} … (+{len(names) - _SHOWN})"
