"""A thread that notices when template folders change.

It does not trust its messenger: besides the file system's events it looks by itself every half
second, so that a folder made later, a network mount, or a full event queue cost delay, not truth.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent, FileSystemEventHandler
    from watchdog.observers.api import BaseObserver, ObservedWatch

logger = logging.getLogger(__name__)

_QUIET = frozenset({"opened", "closed_no_write"})
_STOP, _EVENT = "stop", "event"


class Watch:
    """Calls ``look`` in its own thread soon after something changes in one of the folders.

    Args:
        folders: asked again each time, so that the watch follows when they move.
        look: finds out what changed.
        debounce: quiet seconds awaited after an event, so that a burst of writes is one change.
        poll: seconds after which it looks without an event.
    """

    def __init__(
        self,
        folders: Callable[[], Sequence[Path]],
        look: Callable[[], None],
        *,
        debounce: float = 0.1,
        poll: float = 0.5,
    ) -> None:
        self._folders = folders
        self._look = look
        self._debounce = debounce
        self._poll = poll
        # SimpleQueue.put is reentrant: it may be called from a signal handler.
        self._inbox: SimpleQueue[str] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._observer: BaseObserver | None = None
        self._armed: dict[Path, tuple[int, ObservedWatch]] = {}

    @property
    def running(self) -> bool:
        """Whether the thread is there."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Start the thread, unless it runs. Returns when the folders are watched."""
        if self.running:
            return
        ready = threading.Event()
        self._inbox = SimpleQueue()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="template-watch", daemon=True)
        self._thread.start()
        ready.wait(5)

    def stop(self) -> None:
        """End the thread and wait for it."""
        thread, self._thread = self._thread, None
        if thread is None or thread is threading.current_thread():
            return
        self._inbox.put(_STOP)
        thread.join(5)

    def wake(self) -> None:
        """Look soon. Safe in a signal handler."""
        self._inbox.put(_EVENT)

    def _run(self, ready: threading.Event) -> None:
        inbox = self._inbox
        try:
            self._observer = _observer()
            self._arm()
            ready.set()
            while self._next(inbox) != _STOP:
                self._arm()
                try:
                    self._look()
                except Exception:
                    logger.exception("looking at the template folders failed")
        finally:
            ready.set()
            self._disarm()

    def _next(self, inbox: SimpleQueue[str]) -> str:
        """Wait for an event and the quiet after it, or for the time to look anyway."""
        try:
            message = inbox.get(timeout=self._poll)
        except Empty:
            return _EVENT
        patience = monotonic() + 5 * self._debounce
        while message != _STOP and monotonic() < patience:
            try:
                message = inbox.get(timeout=self._debounce)
            except Empty:
                break
        return message

    def _arm(self) -> None:
        """Watch the folders as they are now; one that was removed and made again is watched anew."""
        if self._observer is None:
            return
        wanted = {folder: _inode(folder) for folder in self._folders()}
        for folder, (inode, watch) in list(self._armed.items()):
            if wanted.get(folder) != inode:
                del self._armed[folder]
                try:
                    self._observer.unschedule(watch)
                except (KeyError, OSError):
                    logger.debug("the watch of %s was gone", folder)
        for folder, current in wanted.items():
            if current is None or folder in self._armed:
                continue
            try:
                self._armed[folder] = (current, self._observer.schedule(_handler(self.wake), str(folder)))
            except OSError as error:
                logger.info("%s is looked at every %s s: %s", folder, self._poll, error)
                return

    def _disarm(self) -> None:
        observer, self._observer = self._observer, None
        self._armed.clear()
        if observer is not None:
            observer.stop()
            observer.join(5)


def _inode(folder: Path) -> int | None:
    try:
        return folder.stat().st_ino if folder.is_dir() else None
    except OSError:
        return None


def _observer() -> BaseObserver | None:
    # Loaded here: programs that only read templates need not pay for it.
    from watchdog.observers import Observer

    try:
        observer = Observer()
        observer.daemon = True
        observer.start()
    except OSError as error:
        logger.info("no file system events, polling instead: %s", error)
        return None
    return observer


def _handler(wake: Callable[[], None]) -> FileSystemEventHandler:
    from watchdog.events import FileSystemEventHandler

    class Handler(FileSystemEventHandler):
        """Passes on every event but those that our own reading makes."""

        def on_any_event(self, event: FileSystemEvent) -> None:
            if event.event_type not in _QUIET:
                wake()

    return Handler()
