"""Keeping a shelf up to date from many threads: one lock, a mark for refreshes, a watcher, news for subscribers."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock, RLock

from nextgeneration.kernel.clock import Clock
from nextgeneration.observability.metrics import Timing
from nextgeneration.security.validator import TemplateSecurityValidator
from nextgeneration.templates.entries import Entry, LibraryChange, Tally
from nextgeneration.templates.folders import UNSETTLED, SearchPath, Signature, signature_of
from nextgeneration.templates.shelf import Shelf
from nextgeneration.templates.trust import Trust
from nextgeneration.templates.watch import Watch

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.25
"""How old a scan may be when somebody asks what there is and the folders themselves have not changed."""

_RETRY_SECONDS = 0.02


class Upkeep:
    """The shelf, and everything that changes it.

    ``entries`` and ``epoch`` may be read without the lock. ``epoch`` is replaced by every refresh: an
    entry with another one must be read again before it is served.
    """

    def __init__(
        self,
        folders: tuple[Path | str, ...],
        *,
        builtin: bool,
        ttl: float,
        size: int,
        hot_reload: bool,
        check_seconds: float,
        validator: TemplateSecurityValidator,
        trust: Trust,
        clock: Clock,
    ) -> None:
        self.hot_reload = hot_reload
        self.clock = clock
        self.hits, self.misses = Tally(), Tally()
        self.timing = Timing()
        self.epoch = object()
        self.subscribers: list[Callable[[LibraryChange], None]] = []
        self._ttl = ttl
        self._size = size
        self._check = check_seconds
        self._validator = validator
        self._trust = trust
        self._trusted = trust.signature()
        self._builtin = builtin
        self._folders = folders
        self._lock = RLock()
        self._news: deque[LibraryChange] = deque()
        self._telling = Lock()
        self._versions_before = 0
        self._synced: tuple[float, object, list[Signature | None]] = (float("-inf"), None, [])
        self.shelf = self._new_shelf()
        self.entries = self.shelf.entries
        self.watch = Watch(lambda: self.shelf.path.folders, self.look)

    @property
    def version(self) -> int:
        """Rises with every change, also when the folders move."""
        return self._versions_before + self.shelf.generation

    @contextmanager
    def held(self) -> Iterator[Shelf]:
        """The shelf under the lock, with the folders looked at lately; subscribers are told on leaving."""
        with self._lock:
            self._sync_when_due()
            yield self.shelf
        self._tell()

    def entry(self, name: str) -> Entry | None:
        """The entry to serve for ``name``, brought up to date if need be; ``None`` when there is no such file."""
        entry = self._checked(name)
        for _ in range(4):
            if entry is None or entry.revision or not entry.is_doubtful:
                break
            # Its first reading met a writer at work; half a file is no answer yet.
            time.sleep(_RETRY_SECONDS)
            entry = self._checked(name)
        return entry

    def fresh(self, name: str) -> Entry | None:
        """The entry of ``name``, loaded when something says it is out of date; for callers that hold the shelf."""
        epoch, now = self.epoch, self.clock.monotonic()
        entry = self.entries.get(name)
        if entry and (not self.hot_reload or self.shelf.current(entry, now, epoch)) and self._lives(entry, now, epoch):
            self.hits.add()
        elif entry and entry.revision and self._lives(entry, now, epoch) and self.shelf.is_being_written(entry, now):
            self.hits.add()
            entry.fresh_until = now + _RETRY_SECONDS
            return entry
        else:
            self.misses.add()
            entry = self.shelf.load(name, epoch)
        if entry and entry.revision:
            entry.used = now
            entry.fresh_until = min(now + self._check, entry.expires) if self.hot_reload else entry.expires
        return entry

    def reload(self, name: str) -> Entry | None:
        """Read one file again, whatever its signature, and resolve its children anew."""
        entry = self._reloaded(name)
        for _ in range(4):
            if entry is None or not entry.is_doubtful:
                break
            time.sleep(_RETRY_SECONDS)
            entry = self._reloaded(name)
        return entry

    def refresh(self) -> None:
        """Leave the mark that everything must be read again. Takes no lock, so a signal handler may call it."""
        self.epoch = object()
        if self.watch.running:
            self.watch.wake()

    def look(self) -> None:
        """Compare the folders with what is known, now."""
        with self._lock:
            self._sync()
        self._tell()

    def move(self, folders: tuple[Path | str, ...]) -> None:
        """Start anew over other folders."""
        with self._lock:
            before = self.shelf
            self._versions_before += before.generation + 1
            self._folders = folders
            self.shelf = self._new_shelf()
            self.entries = self.shelf.entries
            self.epoch = object()
            self._sync()
            was, now = before.known or {}, self.shelf.known or {}
            self._news += [LibraryChange("removed", name) for name in sorted(was.keys() - now.keys())]
            self._news += [LibraryChange("added", name) for name in sorted(now.keys() - was.keys())]
            both = sorted(was.keys() & now.keys())
            self._news += [LibraryChange("changed", name) for name in both if was[name] != now[name]]
        if self.watch.running:
            self.watch.wake()
        self._tell()

    def _new_shelf(self) -> Shelf:
        return Shelf(
            SearchPath.of(self._folders, builtin=self._builtin),
            validator=self._validator,
            trust=self._trust,
            clock=self.clock,
            ttl=self._ttl,
            size=self._size,
            timing=self.timing,
            tell=self._news.append,
        )

    def _checked(self, name: str) -> Entry | None:
        if not self._lock.acquire(blocking=False):
            # Somebody is loading. What is live stays live meanwhile, unless a refresh forbids it.
            entry = self.entries.get(name)
            if entry and entry.revision and entry.epoch is self.epoch:
                self.hits.add()
                return entry
            self._lock.acquire()
        try:
            self._heed_trust()
            entry = self.fresh(name)
        finally:
            self._lock.release()
        self._tell()
        return entry

    def _reloaded(self, name: str) -> Entry | None:
        with self._lock:
            entry = self.shelf.load(name, self.epoch, force=True)
            for child in self.shelf.descendants([name]):
                if child in self.entries:
                    self.shelf.load(child, self.epoch)
            if entry:
                entry.fresh_until = float("-inf")
        self._tell()
        return entry

    def _lives(self, entry: Entry, now: float, epoch: object) -> bool:
        return entry.epoch is epoch and now < entry.expires

    def _heed_trust(self) -> None:
        """Have everything read again after a human trusted a template, or no longer does."""
        signature = self._trust.signature()
        if signature != self._trusted:
            self._trusted = signature
            self.epoch = object()

    def _sync_when_due(self) -> None:
        self._heed_trust()
        at, epoch, folders = self._synced
        age = self.clock.monotonic() - at
        moved = self.hot_reload and folders != [signature_of(folder) for folder in self.shelf.path.folders]
        if moved or epoch is not self.epoch or age >= (LOOK_SECONDS if self.hot_reload else self._ttl):
            self._sync()

    def _sync(self) -> None:
        self._heed_trust()
        # A folder changes when a file in it is made, renamed or deleted; one that changed just now may do so again
        # without showing it, and is looked at next time too.
        found = [signature_of(folder) for folder in self.shelf.path.folders]
        folders = [UNSETTLED if each and self.shelf.is_unsettled(each[2]) else each for each in found]
        epoch = self.epoch
        self._synced = (self.clock.monotonic(), epoch, folders)
        if not self.shelf.sync(epoch) and self.watch.running:
            self.watch.wake()

    def _tell(self) -> None:
        """Hand out the news in order, outside the lock; whoever is at it also takes what others add."""
        while self._news and self._telling.acquire(blocking=False):
            try:
                while self._news:
                    change = self._news.popleft()
                    for callback in tuple(self.subscribers):
                        try:
                            callback(change)
                        except Exception:
                            logger.exception("a subscriber of template changes failed on %s", change.name)
            finally:
                self._telling.release()
