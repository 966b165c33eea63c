"""Who holds a lease, and whether they are still alive.

A holder is ``host:boot:pid:start``. On the machine that asks, in the same boot and the same space of process ids, a
holder whose process is gone is dead at once, so that a laptop goes on right after ``kill -9``. Elsewhere only time
tells.
"""

from __future__ import annotations

import os
import platform
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import psutil


class Holder(NamedTuple):
    """The parts of a holder's name."""

    host: str
    boot: str
    pid: int
    start: str

    def __str__(self) -> str:
        return f"{self.host}:{self.boot}:{self.pid}:{self.start}"

    @classmethod
    def parse(cls, text: str) -> Holder | None:
        """The parts of a name; ``None`` when it is not one."""
        parts = text.rsplit(":", 3)
        if len(parts) != 4 or not parts[2].isdigit():
            return None
        return cls(parts[0], parts[1], int(parts[2]), parts[3])


@lru_cache(maxsize=4)
def _this(pid: int) -> Holder:
    return Holder(_host(), _boot(), pid, _start(pid) or "0")


def this_process() -> str:
    """The name of this process; another one after a fork."""
    return str(_this(os.getpid()))


def is_dead(text: str) -> bool:
    """Whether it is certain that this holder's process no longer exists."""
    holder = Holder.parse(text)
    here = _this(os.getpid())
    # Another boot is no proof: two machines may share a name. After a restart the lease has run out anyway.
    if holder is None or (holder.host, holder.boot) != (here.host, here.boot):
        return False
    return _start(holder.pid) != holder.start


def is_alive(text: str) -> bool:
    """Whether it is certain that this holder's process exists."""
    holder = Holder.parse(text)
    here = _this(os.getpid())
    return holder is not None and (holder.host, holder.boot) == (here.host, here.boot) and not is_dead(text)


def _host() -> str:
    """The machine, and its space of process ids: containers may share a name and a boot, never both with a space."""
    try:
        space = str(Path("/proc/self/ns/pid").readlink()).strip("pid:[]")
    except OSError:
        space = "0"
    return f"{platform.node() or 'localhost'}.{space}"


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return str(round(psutil.boot_time()))


def _start(pid: int) -> str | None:
    """When a process started, in a form no change of the clock touches where the system has one; ``None``: gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return None
        try:
            process = psutil.Process(pid)
            return None if process.status() == psutil.STATUS_ZOMBIE else str(process.create_time())
        except psutil.Error:
            return None
    except OSError:
        return None
    # The name may hold spaces and parentheses: the fields after it are counted from the last one.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]
