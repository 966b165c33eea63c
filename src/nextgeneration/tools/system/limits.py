"""``system.limits``: how much the kernel lets a process and the machine have."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from nextgeneration.kernel.findings import Finding, Severity
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.tools import ToolContext, ToolSpec
from nextgeneration.tools.system.base import TOUCHES, Facts, NoArgs, SystemTool
from nextgeneration.tools.system.findings import Rule, finding
from nextgeneration.tools.system.host import Host

NOFILE = Rule(
    "system.open-files-low",
    Severity.LOW,
    Texts("A process may open only {soft} files", "Un processus ne peut ouvrir que {soft} fichiers"),
    Texts(
        "The soft limit of open files is {soft} (hard {hard}); servers and file watchers commonly need 1024 or more.",
        "La limite souple de fichiers ouverts est {soft} (dure {hard}) ; serveurs et surveillances de fichiers "
        "en demandent couramment 1024 ou plus.",
    ),
    Texts("In the shell: ulimit -n 4096", "Dans le shell : ulimit -n 4096"),
)
FILES_USED = Rule(
    "system.open-files-exhausted",
    Severity.HIGH,
    Texts("The machine is nearly out of open files", "La machine n'a presque plus de fichiers ouvrables"),
    Texts(
        "{used} of {maximum} file handles are in use.",
        "{used} descripteurs de fichiers sur {maximum} sont utilisés.",
    ),
    Texts("Run: sudo sysctl fs.file-max={more}", "Lancez : sudo sysctl fs.file-max={more}"),
)
WATCHES = Rule(
    "system.inotify-watches-low",
    Severity.LOW,
    Texts("Few files can be watched ({watches})", "Peu de fichiers peuvent être surveillés ({watches})"),
    Texts(
        "fs.inotify.max_user_watches is {watches}: editors and hot reload run out of it in larger projects.",
        "fs.inotify.max_user_watches vaut {watches} : éditeurs et rechargement à chaud l'épuisent sur de gros projets.",
    ),
    Texts(
        "Run: sudo sysctl fs.inotify.max_user_watches=524288", "Lancez : sudo sysctl fs.inotify.max_user_watches=524288"
    ),
)
_NAMES = ("NOFILE", "NPROC", "STACK", "CORE", "AS", "FSIZE", "MEMLOCK")


class Limit(BaseModel):
    """One limit of a process; ``None`` means unlimited."""

    soft: int | None
    hard: int | None


class Limits(BaseModel):
    """Limits of this process, and what the machine has and uses; ``None`` where it cannot be read."""

    process: dict[str, Limit]
    open_files: int | None
    machine_files: int | None
    machine_files_max: int | None
    inotify_watches: int | None
    inotify_instances: int | None
    pid_max: int | None


def _process_limits() -> dict[str, Limit]:
    if sys.platform == "win32":
        return {}
    import resource

    def of(name: str) -> Limit:
        soft, hard = resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))
        infinite = resource.RLIM_INFINITY
        return Limit(soft=None if soft == infinite else soft, hard=None if hard == infinite else hard)

    return {name.lower(): of(name) for name in _NAMES if hasattr(resource, f"RLIMIT_{name}")}


def _count(text: str) -> int | None:
    return int(text) if text.isdigit() else None


def read_limits(host: Host) -> Limits:
    """The limits of this process and of the machine."""
    handles = host.read("/proc/sys/fs/file-nr").split()
    try:
        open_files: int | None = sum(1 for _ in Path("/proc/self/fd").iterdir())
    except OSError:
        open_files = None
    return Limits(
        process=_process_limits(),
        open_files=open_files,
        machine_files=_count(handles[0]) if len(handles) == 3 else None,
        machine_files_max=_count(handles[2]) if len(handles) == 3 else None,
        inotify_watches=_count(host.read("/proc/sys/fs/inotify/max_user_watches")),
        inotify_instances=_count(host.read("/proc/sys/fs/inotify/max_user_instances")),
        pid_max=_count(host.read("/proc/sys/kernel/pid_max")),
    )


def limit_findings(limits: Limits, lang: Lang) -> Iterator[Finding]:
    """Limits that are below what ordinary work needs."""
    tool = "system.limits"
    files = limits.process.get("nofile")
    if files and files.soft is not None and files.soft < 1024:
        excerpt = f"RLIMIT_NOFILE soft={files.soft} hard={files.hard}"
        cause = "open-files-low"
        yield finding(NOFILE, tool=tool, lang=lang, cause=cause, excerpt=excerpt, soft=files.soft, hard=files.hard)
    used, maximum = limits.machine_files, limits.machine_files_max
    if used and maximum and used > 0.9 * maximum:
        excerpt = f"/proc/sys/fs/file-nr: {used} of {maximum}"
        values: dict[str, Any] = {"used": used, "maximum": maximum, "more": maximum * 2}
        yield finding(FILES_USED, tool=tool, lang=lang, cause="open-files-exhausted", excerpt=excerpt, **values)
    if limits.inotify_watches is not None and limits.inotify_watches <= 8192:
        excerpt = f"fs.inotify.max_user_watches={limits.inotify_watches}"
        watches = limits.inotify_watches
        cause = "inotify-watches-low"
        yield finding(WATCHES, tool=tool, lang=lang, cause=cause, excerpt=excerpt, watches=watches)


class SystemLimits(SystemTool):
    """Limits of processes, open files and watches."""

    spec = ToolSpec(
        name="system.limits",
        summary=Texts(
            "Limits of open files, processes, memory and file watches.",
            "Les limites de fichiers ouverts, de processus, de mémoire et de surveillance de fichiers.",
        ),
        args=NoArgs,
        result=Limits,
        touches=TOUCHES,
        seconds=15,
    )

    async def facts(self, context: ToolContext) -> Facts:
        """The limits and the findings over them."""
        limits = read_limits(self.host)
        words = {name: limit.soft if limit.soft is not None else "∞" for name, limit in limits.process.items()}
        text = ", ".join(f"{name} {value}" for name, value in words.items())
        return Facts(limits, tuple(limit_findings(limits, context.lang)), text)
