"""Names kept occupied while confined commands run, so that absent control files cannot be made.

A name can only be denied inside a writable folder by a mount on it, and a mount needs something to
stand on. An empty folder is the closest thing to nothing: programs that look for a *file* of that
name find none, git does not list it, and ``rmdir`` can never remove content. Its mode tells it
from everybody else's folders, so that no record of it is needed, even after a power loss.

Who makes them is the launcher of a command (:mod:`~nextgeneration.tools.shell.containment`), once
somebody is there to remove them: no instant is left in which a kill would leave them behind.

Commands of several processes may share a workspace: each holds a shared lock on the workspace's
folder while it runs, and whoever gets the lock alone afterwards removes what is left. Run as a
program (standard library only), this module is the clean-up after our own process was killed.
"""

from __future__ import annotations

import os
import signal
import stat
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

try:
    import fcntl
except ImportError:  # Windows has no confinement, and so no placeholders
    fcntl = None  # type: ignore[assignment]

MODE = 0o1555
"""Sticky, and writable for nobody: no program makes such a folder."""

_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)


@contextmanager
def swept(root: str, names: Iterable[str]) -> Iterator[None]:
    """Afterwards the placeholders among ``names`` (relative to ``root``) are gone.

    Unless another command still needs them; then that one removes them.

    Raises:
        OSError: the folder cannot be locked.
    """
    lock = os.open(root, _FOLDER)
    try:
        _share(lock)
        try:
            yield
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)
            _sweep(lock, list(names))
    finally:
        os.close(lock)


def _share(lock: int) -> None:
    """Take the shared lock; somebody else holds it alone only while removing a few empty folders."""
    for attempt in range(100):
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            if attempt == 99:
                raise
            time.sleep(0.005)
        else:
            return


def is_placeholder(folder: int | None, name: str) -> bool:
    """Whether ``name`` in the open ``folder`` is one of ours, whatever the umask made of its mode."""
    with suppress(OSError):
        mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
        return stat.S_ISDIR(mode) and mode & 0o1222 == stat.S_ISVTX
    return False


def sweep(root: str, names: Iterable[str]) -> bool:
    """Remove the placeholders a killed process left; false when a running command still needs them."""
    with suppress(OSError):
        lock = os.open(root, _FOLDER)
        try:
            return _sweep(lock, list(names))
        finally:
            os.close(lock)
    return True


def _sweep(lock: int, names: list[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    for name in names:
        if is_placeholder(lock, name):
            with suppress(OSError):
                os.rmdir(name, dir_fd=lock)
    return True


def _end_group(group: int) -> None:
    """Kill what is left of the killed launcher's process group, from outside of it."""
    with suppress(OSError):
        os.setpgid(0, 0)
        os.killpg(group, signal.SIGKILL)


def end_marked(mark: str) -> None:
    """Kill every other process that has ``mark`` among its arguments, until there is none.

    Once the one that starts them is killed no new one comes; a killed one shows no arguments.
    """
    for _ in range(50):
        found = _marked(os.fsencode(mark))
        if not found:
            return
        for pid in found:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.002)


def _marked(mark: bytes) -> list[int]:
    with os.scandir("/proc") as entries:
        others = [int(entry.name) for entry in entries if entry.name.isdecimal()]
    found = []
    for pid in others:
        with suppress(OSError), os.fdopen(os.open(f"/proc/{pid}/cmdline", os.O_RDONLY), "rb") as arguments:
            if mark in arguments.read().split(b"\0") and pid != os.getpid():
                found.append(pid)
    return found


if __name__ == "__main__":
    _end_group(int(sys.argv[1]))
    end_marked(sys.argv[2])
    time.sleep(0.01)  # for a process that was just making one
    # The killed process's lock goes with the last of its descriptors, a moment after it.
    for _ in range(20):
        if sweep(sys.argv[3], sys.argv[4:]):
            break
        time.sleep(0.05)
