"""What the library knows of one template, and what it tells others about it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any, Literal

from nextgeneration.kernel.language import Texts
from nextgeneration.templates.errors import TemplateInvalid
from nextgeneration.templates.folders import Found
from nextgeneration.templates.revision import Revision, Route
from nextgeneration.templates.trust import set_aside

NEVER = float("-inf")


@dataclass(slots=True, eq=False)
class Entry:
    """One template as it was last read.

    The fields from ``fresh_until`` on change after an entry is published, the others never in a way readers see.

    Attributes:
        data: the checked content of the file; ``None`` when that is broken now.
        revision: the last good one. It stays when the file breaks.
        problem: what is wrong with the file, or with its parents, now.
        parent: the name of the parent the file asks for.
        parent_state: the digest of the parent this one was resolved over, or why there was none.
        epoch: the refresh after which it was read.
        expires: when it is read again whatever the file's signature says.
        recheck_at: when a file that was read right after a change is read once more: a second change within the
            clock's tick would not show in its signature.
        foreign: whether its file, or one it is built on, came with a workspace.
        fresh_until: until when it may be served without looking at the disk.
    """

    name: str
    found: Found
    data: dict[str, Any] | None
    revision: Revision | None
    problem: TemplateInvalid | None
    parent: str | None
    parent_state: str | None
    epoch: object
    expires: float
    recheck_at: float = float("inf")
    fresh_until: float = NEVER
    used: float = NEVER
    missing_since: float | None = None
    half_written: bool = False
    foreign: bool = False

    @property
    def is_doubtful(self) -> bool:
        """Whether its file could not be read, but so soon after a change that the writer may not be done."""
        return self.half_written or (self.problem is not None and self.recheck_at != float("inf"))


@dataclass(frozen=True, slots=True)
class LibraryChange:
    """One thing that changed.

    ``broken`` says that a file cannot be used; ``digest`` is then the last good revision, which stays
    live, or ``None``. ``mended`` says that it can be used again.
    """

    kind: Literal["added", "changed", "removed", "broken", "mended"]
    name: str
    digest: str | None = None
    previous: str | None = None
    problem: TemplateInvalid | None = None


@dataclass(frozen=True, slots=True)
class TemplateSummary:
    """One line of ``templates list``. With ``broken`` set the rest is the last good revision's, if there is one."""

    name: str
    role: str
    domain: str
    version: str
    description: Texts
    route: Route
    digest: str
    source: str
    shadows: tuple[Path, ...]
    broken: TemplateInvalid | None
    untrusted: tuple[str, ...] = ()
    """Its own allow rules that do not count, because nobody trusted them."""


def summary_of(entry: Entry, shadows: tuple[Path, ...]) -> TemplateSummary:
    """The summary of an entry."""
    revision = entry.revision
    if revision is None:
        nothing = Texts("", "")
        return TemplateSummary(
            entry.name, "", "", "", nothing, Route(""), "", entry.found.source, shadows, entry.problem
        )
    return TemplateSummary(
        entry.name,
        revision.role,
        revision.domain,
        revision.version,
        revision.description,
        revision.route,
        revision.digest,
        revision.source,
        shadows,
        entry.problem,
        set_aside(revision),
    )


def change_of(before: Entry | None, after: Entry) -> LibraryChange | None:
    """What to tell about an entry that took another's place; ``None`` when nothing differs for users."""
    old = before.revision.digest if before and before.revision else None
    new = after.revision.digest if after.revision else None
    was = before.problem if before else None
    if after.problem:
        same = was is not None and was.message() == after.problem.message()
        return None if same else LibraryChange("broken", after.name, new, old, after.problem)
    if was:
        return LibraryChange("mended", after.name, new, old)
    return LibraryChange("changed", after.name, new, old) if before and old != new else None


class Tally:
    """A count that many threads raise without a lock: ``itertools.count`` steps atomically."""

    __slots__ = ("_lock", "_looked", "add")

    def __init__(self) -> None:
        self.add = count().__next__
        self._looked = 0
        self._lock = Lock()

    def value(self) -> int:
        """How often ``add`` was called."""
        with self._lock:
            total = self.add() - self._looked
            self._looked += 1
            return total
