"""All templates of a search path: found, checked, resolved, cached, and kept up to date.

Readers never wait for the disk while what they ask for is fresh, and never see anything but whole
revisions: an entry is made completely, then put into its place in one step. What cannot be used
leaves the last good revision where it is.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from nextgeneration.kernel.clock import Clock, SystemClock
from nextgeneration.kernel.errors import InternalError
from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.show import escaped, shortened
from nextgeneration.observability.metrics import Timing
from nextgeneration.security.validator import TemplateSecurityValidator, security_validator
from nextgeneration.templates.entries import Entry, LibraryChange, TemplateSummary
from nextgeneration.templates.errors import ParentsTooDeep, TemplateInvalid, TemplateUnknown
from nextgeneration.templates.folders import Found, is_name
from nextgeneration.templates.inherit import MAX_PARENTS, adopt, resolve
from nextgeneration.templates.lineage import Child, too_deep
from nextgeneration.templates.reader import Document
from nextgeneration.templates.revision import Revision
from nextgeneration.templates.trust import Trust
from nextgeneration.templates.upkeep import Upkeep
from nextgeneration.templates.validation import check

IN_MEMORY = "(memory)"


class TemplateLibrary:
    """Templates by name. Every method may be called from any thread, with or without an event loop.

    Args:
        folders: where templates are looked for, in order; the built-in ones come last.
        builtin: whether the built-in templates are there at all.
        ttl_seconds: a cached file is read again after this, whatever its signature says.
        cache_size: revisions kept; the least recently used leave first.
        hot_reload: whether changes on disk are noticed before the time to live is over.
        check_seconds: how long a revision is served without a look at its file's signature.
        validator: passes every template before anything else looks at it.
        trust: whose allow rules count; by default no workspace's.
        clock: tells the time.
    """

    def __init__(
        self,
        *folders: Path | str,
        builtin: bool = True,
        ttl_seconds: float = 300.0,
        cache_size: int = 1000,
        hot_reload: bool = True,
        check_seconds: float = 0.05,
        validator: TemplateSecurityValidator = security_validator,
        trust: Trust | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._folders: tuple[Path | str, ...] = folders
        self.validator = validator
        self.trust = trust or Trust()
        clock = clock or SystemClock()
        self._upkeep = Upkeep(
            folders,
            builtin=builtin,
            ttl=ttl_seconds,
            size=cache_size,
            hot_reload=hot_reload,
            check_seconds=check_seconds,
            validator=validator,
            trust=self.trust,
            clock=clock,
        )
        self._now = clock.monotonic
        self._hit = self._upkeep.hits.add
        self._usable: tuple[int, Mapping[str, Revision]] = (-1, {})

    @property
    def folders(self) -> tuple[Path, ...]:
        """The search path, the built-in templates last."""
        return self._upkeep.shelf.path.folders

    def get(self, name: str) -> Revision:
        """The template's revision as it stands now, or its last good one when its file is broken.

        Raises:
            TemplateUnknown: there is no such file.
            TemplateInvalid: it cannot be used and never could since the library was made.
        """
        upkeep = self._upkeep
        entry = upkeep.entries.get(name)
        now = self._now()
        if entry is not None and now < entry.fresh_until and entry.epoch is upkeep.epoch and entry.revision:
            entry.used = now
            self._hit()
            return entry.revision
        entry = upkeep.entry(name) if is_name(name) else None
        if entry is None:
            raise self._unknown(name)
        if entry.revision is None:
            raise _problem(entry)
        return entry.revision

    def names(self) -> list[str]:
        """The names of all files on the search path, also of those that cannot be used."""
        with self._upkeep.held() as shelf:
            return sorted(shelf.known or ())

    def summaries(self) -> list[TemplateSummary]:
        """Every template in short, sorted by name; loads those that are not loaded."""
        with self._upkeep.held() as shelf:
            made = [shelf.summary(name, self._upkeep.epoch) for name in sorted(shelf.known or ())]
        return [summary for summary in made if summary is not None]

    def revisions(self) -> Mapping[str, Revision]:
        """Every usable revision by name; the same object until something changes."""
        upkeep = self._upkeep
        with upkeep.held() as shelf:
            if self._usable[0] != upkeep.version:
                entries = [upkeep.fresh(name) for name in sorted(shelf.known or ())]
                usable = {entry.name: entry.revision for entry in entries if entry and entry.revision}
                self._usable = (upkeep.version, usable)
            return self._usable[1]

    def version(self) -> int:
        """A number that rises whenever a template was added, removed, changed, broken or mended."""
        with self._upkeep.held():
            return self._upkeep.version

    def path(self, name: str) -> Path:
        """The file a template is read from; for one that does not exist, where it would be looked for first.

        Raises:
            TemplateUnknown: no template may have this name.
        """
        if not is_name(name):
            raise self._unknown(name)
        found = self._upkeep.shelf.path.find(name)
        return found.path if found else self.folders[0] / f"{name}.json"

    def found(self) -> dict[str, Found]:
        """Every template's file and what it shadows, as they are on disk now."""
        return self._upkeep.shelf.path.scan()

    def misnamed(self) -> list[Path]:
        """Files that would be templates if their names could be a template's."""
        return self._upkeep.shelf.path.misnamed()

    def reload(self, name: str) -> Revision:
        """Read a template's file again now, and its children with it.

        Raises:
            TemplateUnknown: it is gone.
            TemplateInvalid: it cannot be used; the last good revision stays live for :meth:`get`.
        """
        entry = self._upkeep.reload(name) if is_name(name) else None
        if entry is None:
            raise self._unknown(name)
        if entry.problem or entry.revision is None:
            raise _problem(entry)
        return entry.revision

    def refresh(self) -> None:
        """Make everything be read again: at once by the watcher, at the latest by whoever asks next.

        It only leaves a mark, takes no lock, and may be called in a signal handler.
        """
        self._upkeep.refresh()

    def resolve(self, data: dict[str, Any]) -> Revision:
        """The revision of a template that is in no file; nothing is cached.

        Raises:
            TemplateInvalid: it cannot be used.
        """
        return self.resolve_document(Document(IN_MEMORY, "", data))

    def resolve_document(self, document: Document) -> Revision:
        """The revision of a text that was read from anywhere; nothing is cached.

        Raises:
            TemplateInvalid: it cannot be used.
        """
        data = deepcopy(check(document, self.validator))
        child = Child(data, document.path, lambda: document.line_of("/parent"), self._upkeep.shelf.path.scan)
        if not child.wants:
            return resolve(data, None, document.path)
        parent: Revision | None = None
        problem: TemplateInvalid | None = None
        try:
            parent = self.get(child.wants)
        except TemplateInvalid as error:
            problem = error
        except TemplateUnknown:
            pass  # what the child makes of this is said below
        return resolve(data, child.check(parent, problem), document.path)

    def inherit(self, child: Revision, parent: Revision) -> Revision:
        """``child`` with ``parent`` laid under it and everything it was built from.

        Raises:
            TemplateInvalid: the two are of one lineage, or it would be too deep.
        """
        Child({"name": child.name, "parent": parent.name}, IN_MEMORY, lambda: None).check(parent, None)
        made = adopt(child, parent)
        if len(made.parents) > MAX_PARENTS:
            raise ParentsTooDeep.at(IN_MEMORY, [too_deep()])
        return made

    def subscribe(self, callback: Callable[[LibraryChange], None]) -> Callable[[], None]:
        """Have ``callback`` hear of every change, in the thread that noticed it; returns what ends this."""
        subscribers = self._upkeep.subscribers
        subscribers.append(callback)

        def unsubscribe() -> None:
            if callback in subscribers:
                subscribers.remove(callback)

        return unsubscribe

    def metrics(self) -> dict[str, Any]:
        """Figures since the library was made."""
        upkeep = self._upkeep
        hits, misses = upkeep.hits.value(), upkeep.misses.value()
        return {
            "templates_loaded": upkeep.timing.count,
            "cache_hits": hits,
            "cache_misses": misses,
            "cache_size": len(upkeep.entries),
            "cache_hit_rate": hits / (hits + misses) if hits + misses else 0.0,
            "load": upkeep.timing.as_dict(),
        }

    @property
    def load_timing(self) -> Timing:
        """How often files were read and checked, and how long it took."""
        return self._upkeep.timing

    @property
    def watching(self) -> bool:
        """Whether the watcher's thread runs."""
        return self._upkeep.watch.running

    def start_watching(self) -> None:
        """Notice changes in a thread of its own, also while the caller's event loop is blocked."""
        self._upkeep.hot_reload = True
        self._upkeep.look()
        self._upkeep.watch.start()

    def stop_watching(self) -> None:
        """End the watcher's thread; changes are noticed when the time to live is over, or by a refresh."""
        self._upkeep.watch.stop()
        self._upkeep.hot_reload = False

    def move(self, *folders: Path | str) -> None:
        """Look for templates in other folders instead of the first ones; the watch moves along."""
        self._folders = (*folders, *self._folders[len(folders) :])
        self._upkeep.move(self._folders)

    def _unknown(self, name: object) -> TemplateUnknown:
        text = shortened(escaped(str(name), newlines=False), 80)
        close = difflib.get_close_matches(text, self._upkeep.shelf.path.scan(), 1)
        hint = Texts(f"; did you mean {close[0]}?", f" ; vouliez-vous dire {close[0]} ?") if close else ""
        return TemplateUnknown(name=text, hint=hint)


def _problem(entry: Entry) -> TemplateInvalid:
    if entry.problem is None:
        raise InternalError(kind="Entry", detail=entry.name)
    return entry.problem.again()
