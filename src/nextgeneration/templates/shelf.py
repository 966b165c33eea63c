"""The library's inner state: entries by name, and how one is brought up to date.

Nothing here locks: the library calls every method with its lock held. Entries are replaced whole, so
readers without the lock see the old or the new one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Any, NamedTuple

from nextgeneration.kernel.clock import Clock
from nextgeneration.observability.metrics import Timing
from nextgeneration.security.validator import TemplateSecurityValidator
from nextgeneration.templates.entries import (
    Entry,
    LibraryChange,
    TemplateSummary,
    change_of,
    summary_of,
)
from nextgeneration.templates.errors import TemplateInvalid
from nextgeneration.templates.folders import Found, SearchPath, signature_of
from nextgeneration.templates.inherit import MAX_PARENTS, resolve
from nextgeneration.templates.lineage import Child
from nextgeneration.templates.reader import read
from nextgeneration.templates.revision import Revision
from nextgeneration.templates.trust import Trust
from nextgeneration.templates.validation import check, check_stem
from nextgeneration.templates.versions import parent_reference

logger = logging.getLogger(__name__)

SETTLE_SECONDS = 0.05
"""A file that changed less than this ago may still be half written."""

_MISSING, _INVALID, _CYCLE = "missing", "invalid", "cycle"


class Content(NamedTuple):
    """What a file says, before its parent comes into it."""

    found: Found
    data: dict[str, Any] | None
    problem: TemplateInvalid | None
    is_new: bool

    @property
    def parent(self) -> str | None:
        """The parent's name, when the file is good and names one."""
        reference: str = self.data.get("parent", "") if self.data else ""
        return parent_reference(reference)[0] if reference else None


class Shelf:
    """Entries of one search path.

    Args:
        path: where templates are looked for.
        validator: passes every file before it is parsed any further.
        trust: whose allow rules count.
        clock: tells ages.
        ttl: seconds after which a file is read again whatever its signature.
        size: most entries kept; those whose file is broken do not leave, their last good revision would be lost.
        timing: how long each load took.
        tell: hears of every change.
    """

    def __init__(
        self,
        path: SearchPath,
        *,
        validator: TemplateSecurityValidator,
        trust: Trust,
        clock: Clock,
        ttl: float,
        size: int,
        timing: Timing,
        tell: Callable[[LibraryChange], None],
    ) -> None:
        self.path = path
        self.entries: dict[str, Entry] = {}
        self.known: dict[str, Found] | None = None
        self.generation = 0
        self._validator = validator
        self._trust = trust
        self._clock = clock
        self._ttl = ttl
        self._size = size
        self._timing = timing
        self._tell = tell
        self._parents: dict[str, str] = {}
        self._summaries: dict[str, TemplateSummary] = {}
        self._noted: dict[str, tuple[str | None, str]] = {}

    def current(self, entry: Entry, now: float, epoch: object) -> bool:
        """Whether nothing on disk says that an entry, or one it was built from, is out of date."""
        for _ in range(MAX_PARENTS + 1):
            if entry.is_doubtful or not self._stands(entry, self.path.find(entry.name), now, epoch):
                return False
            if entry.parent is None:
                return True
            parent = self.entries.get(entry.parent)
            if parent is None:
                return entry.parent_state == _MISSING and self.path.find(entry.parent) is None
            if _state(parent) != entry.parent_state:
                return False
            entry = parent
        return True

    def is_being_written(self, entry: Entry, now: float) -> bool:
        """Whether the file of a good entry is gone or changed since a moment only: the writer may not be done."""
        signature = signature_of(entry.found.path)
        if signature is None:
            if entry.missing_since is None:
                entry.missing_since = now
            folder = signature_of(entry.found.folder)
            lately = folder is not None and self.is_unsettled(folder[2])
            return lately and now - entry.missing_since < SETTLE_SECONDS
        entry.missing_since = None
        return signature != entry.found.signature and self.is_unsettled(signature[2])

    def load(self, name: str, epoch: object, *, force: bool = False) -> Entry | None:
        """Bring a template and its ancestors up to date; ``None`` when there is no file of this name."""
        chain: list[tuple[str, Content | None]] = []
        seen: dict[str, int] = {}
        wanted: str | None = name
        while wanted is not None and wanted not in seen:
            seen[wanted] = len(chain)
            content = self._content(wanted, epoch, force and wanted == name)
            chain.append((wanted, content))
            wanted = content.parent if content else None
        in_circle = {member for member, _ in chain[seen[wanted] :]} if wanted else set()
        for member, content in reversed(chain):
            if content is None:
                self._remove(member)
            else:
                self._place(member, content, epoch, member in in_circle)
        self._evict({member for member, _ in chain})
        return self.entries.get(name)

    def sync(self, epoch: object) -> bool:
        """Compare the folders with what is known and load what changed, and its children.

        Returns:
            Whether everything is up to date: ``False`` when a file is still being written.
        """
        scanned = self.path.scan()
        known, self.known = self.known, scanned
        now = self._clock.monotonic()
        if known is None:
            return True
        touched = {name for name in scanned.keys() | known.keys() if scanned.get(name) != known.get(name)}
        touched |= {
            name for name, entry in self.entries.items() if self._is_behind(entry, scanned.get(name), now, epoch)
        }
        waiting = {
            name
            for name in touched
            if (entry := self.entries.get(name)) and entry.revision and self.is_being_written(entry, now)
        }
        for name in waiting:
            self.known.pop(name, None)
            if name in known:
                self.known[name] = known[name]
        if scanned.keys() != known.keys():
            self.generation += 1
        for name in sorted(touched - waiting):
            self._summaries.pop(name, None)
            if name not in scanned:
                self._remove(name)
                continue
            entry = self.load(name, epoch)
            if entry and entry.revision and not entry.problem and name not in known:
                self._say(LibraryChange("added", name, entry.revision.digest))
        for name in self.descendants(touched - waiting):
            if name in self.entries:
                self.load(name, epoch)
        return not waiting

    def summary(self, name: str, epoch: object) -> TemplateSummary | None:
        """The summary of a known template."""
        made = self._summaries.get(name)
        found = (self.known or {}).get(name)
        if made is None and found is not None:
            entry = self.entries.get(name) or self.load(name, epoch)
            if entry is not None:
                made = self._summaries[name] = summary_of(entry, found.shadows)
        return made

    def descendants(self, names: Iterable[str]) -> list[str]:
        """Children of ``names``, their children, and so on; parents come first."""
        children: dict[str, list[str]] = {}
        for child, parent in self._parents.items():
            children.setdefault(parent, []).append(child)
        ordered: dict[str, None] = {}
        waiting = list(names)
        while waiting:
            for child in children.get(waiting.pop(), ()):
                if child not in ordered:
                    ordered[child] = None
                    waiting.append(child)
        return list(ordered)

    def _stands(self, entry: Entry, found: Found | None, now: float, epoch: object) -> bool:
        """Whether an entry's own file needs no reading: it is the same one, and not due for other reasons."""
        due = entry.epoch is not epoch or now >= entry.expires or now >= entry.recheck_at
        return not due and found is not None and found[:3] == entry.found[:3]

    def _is_behind(self, entry: Entry, found: Found | None, now: float, epoch: object) -> bool:
        changed = found is None or found[:3] != entry.found[:3]
        return changed or entry.epoch is not epoch or now >= entry.recheck_at

    def _content(self, name: str, epoch: object, force: bool) -> Content | None:
        """A template's file, read again only when it may have changed."""
        before = self.entries.get(name)
        found = self.path.find(name)
        if found is None:
            return None
        if before and not force and self._stands(before, found, self._clock.monotonic(), epoch):
            return Content(found, before.data, None if before.data else before.problem, is_new=False)
        started = perf_counter()
        data: dict[str, Any] | None = None
        problem = None
        try:
            document = read(found.path, folder=found.folder)
            data = check(document, self._validator)
            check_stem(document, data)
        except FileNotFoundError:
            return None
        except TemplateInvalid as error:
            data, problem = None, error
        self._timing.add(perf_counter() - started)
        logger.debug("read %s: %s", found.source, problem.code if problem else "good")
        return Content(found, data, problem, is_new=True)

    def _place(self, name: str, content: Content, epoch: object, in_circle: bool) -> None:
        """Resolve a file over its parent and publish the entry, unless it would be the one that is there."""
        before = self.entries.get(name)
        unsettled = self.is_unsettled(content.found.signature[2])
        if content.is_new and content.problem and unsettled and before and before.revision:
            before.epoch, before.half_written = epoch, True
            return
        parent = self.entries.get(content.parent) if content.parent else None
        state = _CYCLE if in_circle else _state(parent) if content.parent else None
        if before and not content.is_new and not in_circle and before.parent_state == state:
            return
        revision, problem = before.revision if before else None, content.problem
        foreign = self._trust.is_foreign(content.found.folder) or bool(parent and parent.foreign)
        if content.data is not None:
            try:
                checked = _checked_parent(content, parent, in_circle, lambda: self.known or self.path.scan())
                made = resolve(content.data, checked, content.found.source)
                revision = _kept(revision, self._trust.judged(made) if foreign else made)
            except TemplateInvalid as error:
                problem = error
        now = self._clock.monotonic()
        expires = now + self._ttl
        entry = Entry(name, content.found, content.data, revision, problem, content.parent, state, epoch, expires)
        entry.used = before.used if before else now
        entry.foreign = foreign
        if unsettled and content.is_new:
            entry.recheck_at = now + SETTLE_SECONDS
        elif before and not content.is_new:
            entry.recheck_at = before.recheck_at
        self._publish(before, entry)

    def _publish(self, before: Entry | None, entry: Entry) -> None:
        self.entries[entry.name] = entry
        if entry.parent:
            self._parents[entry.name] = entry.parent
        elif entry.data is not None:
            self._parents.pop(entry.name, None)
        self._note(entry.name, (revision.digest if (revision := entry.revision) else None, str(entry.problem)))
        change = change_of(before, entry)
        if change:
            self._say(change)

    def _remove(self, name: str) -> None:
        before = self.entries.pop(name, None)
        self._parents.pop(name, None)
        if self.known:
            self.known.pop(name, None)
        if self._noted.pop(name, None):
            self._summaries.pop(name, None)
            self.generation += 1
            self._say(
                LibraryChange("removed", name, None, before.revision.digest if before and before.revision else None)
            )

    def _note(self, name: str, state: tuple[str | None, str]) -> None:
        """Remember what was last made of a template, also after it left the cache."""
        if self._noted.get(name) != state:
            self._noted[name] = state
            self._summaries.pop(name, None)
            self.generation += 1

    def _say(self, change: LibraryChange) -> None:
        if change.problem:
            kept = "the last good revision stays live" if change.digest else "it has no good revision"
            logger.error("template %s is broken, %s: %s", change.name, kept, change.problem)
        else:
            logger.info("template %s %s", change.name, change.kind)
        self._tell(change)

    def is_unsettled(self, modified: int) -> bool:
        """Whether a time of modification, in nanoseconds, is so recent that another change could share it."""
        return 0 <= self._clock.now().timestamp() - modified / 1e9 < SETTLE_SECONDS

    def _evict(self, kept: set[str]) -> None:
        """Let the least recently used tenth go when there are too many."""
        excess = len(self.entries) - self._size
        if excess <= 0:
            return
        leaving = [
            entry for name, entry in self.entries.items() if name not in kept and not (entry.problem and entry.revision)
        ]
        leaving.sort(key=lambda entry: entry.used)
        for entry in leaving[: excess + self._size // 10]:
            del self.entries[entry.name]


def _checked_parent(
    content: Content, parent: Entry | None, in_circle: bool, known: Callable[[], Iterable[str]]
) -> Revision | None:
    """The parent's revision, once it is known to be one this template may build on."""
    if content.data is None or content.parent is None:
        return None
    found = content.found
    child = Child(content.data, str(found.path), lambda: _line_of_parent(found), known)
    if in_circle:
        raise child.circle()
    return child.check(parent.revision if parent else None, parent.problem if parent else None)


def _line_of_parent(found: Found) -> int | None:
    # Nobody keeps the text of a good file; it is read once more to say where its fault is.
    try:
        return read(found.path, folder=found.folder).line_of("/parent")
    except (TemplateInvalid, OSError):
        return None


def _state(parent: Entry | None) -> str:
    if parent is None:
        return _MISSING
    return parent.revision.digest if parent.revision else _INVALID


def _kept(before: Revision | None, made: Revision) -> Revision:
    """The object that is already in use, when the new one says the same."""
    if before == made and before is not None and before.source == made.source and before.metadata == made.metadata:
        return before
    return made
