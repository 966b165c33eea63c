"""Which files a call looks at, and reading each of them once, within limits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath

from nextgeneration.kernel.clock import Clock
from nextgeneration.kernel.findings import Severity
from nextgeneration.kernel.language import Texts
from nextgeneration.tools.code.languages import (
    LOCK_FILES,
    is_binary_name,
    is_generated,
    is_minified,
    is_test,
    is_vendored,
    language_of_path,
    language_of_shebang,
)
from nextgeneration.tools.code.notes import Notes
from nextgeneration.tools.errors import ToolError
from nextgeneration.tools.errors_paths import NameUnshown
from nextgeneration.tools.nouns import FILES
from nextgeneration.tools.workspace import Workspace

MAX_FILES = 20_000
MAX_BYTES = 2_000_000


_UNSHOWN = Texts(
    "{n} names cannot be shown, and nothing under them was looked at: {names}",
    "{n} noms ne peuvent être affichés, et rien sous eux n'a été examiné : {names}",
)
_UNSHOWN_WHY = Texts(
    "Control characters, special spaces and invisible marks in a name can hide a file from readers and tools.",
    "Des caractères de contrôle, espaces spéciales et marques invisibles peuvent cacher un fichier.",
)


@dataclass
class Deadline:
    """A moment after which a run starts nothing new; ``stop`` brings it forward to now."""

    clock: Clock
    seconds: float
    stopped: bool = False
    _end: float = field(init=False)

    def __post_init__(self) -> None:
        self._end = self.clock.monotonic() + self.seconds

    @property
    def over(self) -> bool:
        """Whether time is up."""
        return self.stopped or self.clock.monotonic() >= self._end

    @property
    def left(self) -> float:
        """Seconds left, at least 0.1."""
        return max(self._end - self.clock.monotonic(), 0.1)

    def stop(self) -> None:
        """End the run at its next look."""
        self.stopped = True


@dataclass(frozen=True)
class Source:
    """One text file, read. What is known about it is found on first use."""

    path: str
    text: str

    @cached_property
    def language(self) -> str:
        """The language by the file's name or first line, ``""`` when unknown."""
        return language_of_path(self.path) or language_of_shebang(self.text)

    @cached_property
    def name(self) -> str:
        """The file's name without folders."""
        return PurePosixPath(self.path).name

    @cached_property
    def lines(self) -> list[str]:
        """The lines without their ends."""
        return self.text.split("\n")

    @cached_property
    def line_count(self) -> int:
        """How many lines there are; an empty last one does not count."""
        return self.text.count("\n") + (not self.text.endswith("\n") and bool(self.text))

    @cached_property
    def minified(self) -> bool:
        """Whether it is made for machines."""
        return is_minified(self.path, self.text)

    @cached_property
    def written(self) -> bool:
        """Whether people wrote it: neither minified, generated nor a lock file."""
        return not self.minified and self.name.lower() not in LOCK_FILES and not is_generated(self.text)

    @cached_property
    def test(self) -> bool:
        """Whether it is a test or data of one."""
        return is_test(self.path)

    def line_of(self, offset: int) -> int:
        """The line, from 1, of the character at ``offset``."""
        return self.text.count("\n", 0, offset) + 1


def select(workspace: Workspace, paths: Sequence[str], notes: Notes) -> list[str]:
    """The files of ``workspace`` below ``paths`` (all without any), third-party folders left out.

    A file or folder that is named explicitly is looked at wherever it lies.

    Raises:
        PathRefused: a path leads out of the workspace.
        FileMissing: nothing is there.
    """
    found = workspace.files(limit=MAX_FILES)
    _note_unshown(workspace.unshown, paths, notes)
    if len(found) >= MAX_FILES:
        notes.skip(
            "…",
            Texts("only the first {n} files are looked at", "seuls les {n} premiers fichiers sont vus"),
            n=MAX_FILES,
        )
    wanted = [PurePosixPath(path).as_posix() for path in paths]
    if not wanted or "." in wanted:
        own = [path for path in found if not is_vendored(path)]
        if len(own) < len(found):
            reason = Texts("third-party code", "code de tiers")
            notes.skip(notes.say(FILES.of(len(found) - len(own))), reason)
        return own
    chosen: dict[str, None] = {}
    for path in wanted:
        below = [p for p in found if p == path or p.startswith(path + "/")]
        if not below:
            workspace.read_bytes(path, limit=MAX_BYTES)
            below = [path]
        named_as_vendored = is_vendored(path + "/x")
        chosen.update(dict.fromkeys(p for p in below if named_as_vendored or p == path or not is_vendored(p)))
    return list(chosen)


def _note_unshown(unshown: Sequence[str], paths: Sequence[str], notes: Notes) -> None:
    """Say what nobody looks at: a name must not be enough to hide a file from an audit."""
    wanted = [PurePosixPath(path).as_posix() for path in paths]
    below = [n for n in unshown if not wanted or any(p == "." or n.startswith(p + "/") for p in wanted)]
    own = [name for name in below if not is_vendored(name)]
    if not own:
        return
    names = ", ".join(own)
    notes.add(
        "files.unshown-name",
        notes.say(_UNSHOWN, n=len(own), names=names),
        message=notes.say(_UNSHOWN_WHY),
        severity=Severity.LOW,
        excerpt=names,
        cause=f"unshown:{names}",
        fix=NameUnshown.mend.say(notes.lang),
    )


def read(workspace: Workspace, path: str, notes: Notes) -> Source | None:
    """The file as text; ``None``, with a note where it matters, for what is not one."""
    if is_binary_name(path):
        return None
    try:
        data = workspace.read_bytes(path, limit=MAX_BYTES)
    except ToolError as error:
        notes.skip(path, error.message(notes.lang))
        return None
    if b"\0" in data[:8_000]:
        return None
    return Source(path, data.decode("utf-8", "replace"))


def read_all(workspace: Workspace, paths: Sequence[str], notes: Notes, deadline: Deadline) -> Iterator[Source]:
    """Each text file of ``paths``, read when its turn comes; what time does not allow is noted."""
    for index, path in enumerate(paths):
        if deadline.over:
            reason = Texts("the time limit of {seconds:g} s was reached", "la limite de {seconds:g} s est atteinte")
            rest = Texts("{files} from {path} on", "{files} à partir de {path}")
            notes.skip(notes.say(rest, files=FILES.of(len(paths) - index), path=path), reason, seconds=deadline.seconds)
            return
        source = read(workspace, path, notes)
        if source is not None:
            yield source
