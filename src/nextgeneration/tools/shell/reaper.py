"""Starts a command that runs without confinement, and ends everything it started.

Run as a program by :mod:`nextgeneration.tools.shell.containment` and :mod:`nextgeneration.tools.mcp.stdio`:
argv is the memory limit in MB (0: none), the descriptor of the life line, then the command. When the life
line closes, because the caller wants the end or was killed, all processes are ended. Where it is standard
input the command has none; another one leaves standard input to the command. On Linux orphans are adopted,
so that neither ``setsid`` nor a double fork leaves its sight; elsewhere it follows parents to children.
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
    if sys.platform == "win32" or not memory_mb:
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


def _let_go(*descriptors: int) -> None:
    """Hold nothing of the command's pipes, so that whoever talks to it hears when it closes them."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in descriptors:
        os.dup2(nothing, descriptor)
    os.close(nothing)


def main(arguments: list[str]) -> int:
    """Run the command; its exit code, 128 and the signal's number when a signal ended it."""
    _adopt_orphans()
    _limit(int(arguments[0]))
    life_line, argv = int(arguments[1]), arguments[2:]
    os.set_inheritable(life_line, False)
    try:
        command = subprocess.Popen(argv, stdin=None if life_line else subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        sys.stderr.write(f"{argv[0]}: {error.strerror}\n")
        return _NOT_STARTED
    if life_line:
        _let_go(0, 1)

    def follow_life_line() -> None:
        while os.read(life_line, 4096):
            pass
        _end_all()

    threading.Thread(target=follow_life_line, daemon=True).start()
    code = command.wait()
    _end_all()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
