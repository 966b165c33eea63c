"""Starts a command that runs without confinement, and ends everything it started.

Run as a program by :mod:`nextgeneration.tools.shell.containment`: argv is the memory limit in MB,
then the command. Its standard input is a life line: when that closes, because the caller wants
the end or was killed, all processes are ended. On Linux it adopts orphans, so that neither
``setsid`` nor a double fork leaves its sight; elsewhere it follows parents to children.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import sys
import threading

import psutil

_PR_SET_CHILD_SUBREAPER = 36
_NOT_STARTED = 127


def _adopt_orphans() -> None:
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _limit(memory_mb: int) -> None:
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (memory_mb << 20, memory_mb << 20))


def _end_all() -> None:
    """Kill every descendant until there is none: while they are killed they may still fork."""
    for _ in range(200):
        children = psutil.Process().children(recursive=True)
        if not children:
            return
        for child in children:
            with contextlib.suppress(psutil.Error):
                child.kill()
        psutil.wait_procs(children, timeout=0.05)


def main(arguments: list[str]) -> int:
    """Run the command; its exit code, 128 and the signal's number when a signal ended it."""
    _adopt_orphans()
    _limit(int(arguments[0]))
    try:
        command = subprocess.Popen(arguments[1:], stdin=subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        sys.stderr.write(f"{arguments[1]}: {error.strerror}\n")
        return _NOT_STARTED

    def follow_life_line() -> None:
        while os.read(0, 4096):
            pass
        _end_all()

    threading.Thread(target=follow_life_line, daemon=True).start()
    code = command.wait()
    _end_all()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
