"""``system.disks``, ``system.memory``, ``system.cpu`` and ``system.gpu``."""

from __future__ import annotations

import asyncio
import os
import platform
from collections.abc import Iterator
from typing import Any

import psutil
from pydantic import BaseModel

from nextgeneration.kernel.findings import Finding, Severity
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.tools import ToolContext, ToolSpec
from nextgeneration.tools.system.base import TOUCHES, Facts, NoArgs, SystemTool
from nextgeneration.tools.system.findings import Rule, finding
from nextgeneration.tools.system.host import Host

GIB = 1 << 30
_NEVER_FREE = frozenset({"squashfs", "iso9660", "udf", "erofs", "cramfs"})
_REMOTE = frozenset({"nfs", "nfs4", "cifs", "smbfs", "smb3", "fuse.sshfs", "9p", "afs", "ceph", "davfs"})
_UNLIMITED = 1 << 60

DISK_FULL = Rule(
    "system.disk-full",
    Severity.HIGH,
    Texts("The disk at {mount} is nearly full ({percent} %)", "Le disque {mount} est presque plein ({percent} %)"),
    Texts(
        "{free} GiB of {total} GiB are free at {mount}: writes will soon fail.",
        "Il reste {free} Gio sur {total} Gio sur {mount} : les écritures échoueront bientôt.",
    ),
    Texts(
        "See what fills it: du -xh --max-depth=2 {mount} | sort -h | tail",
        "Voyez ce qui le remplit : du -xh --max-depth=2 {mount} | sort -h | tail",
    ),
)
DISK_TIGHT = DISK_FULL._replace(id="system.disk-tight", severity=Severity.MEDIUM)
INODES = Rule(
    "system.inodes-exhausted",
    Severity.HIGH,
    Texts("The disk at {mount} is nearly out of inodes", "Le disque {mount} n'a presque plus d'inodes"),
    Texts(
        "{percent} % of the inodes of {mount} are used: no new file can be made although space is left.",
        "{percent} % des inodes de {mount} sont pris : aucun fichier ne pourra être créé, même s'il reste de la place.",
    ),
    Texts(
        "Delete many small files, such as old caches.", "Supprimez de nombreux petits fichiers, tels de vieux caches."
    ),
)
MEMORY_LOW = Rule(
    "system.memory-low",
    Severity.HIGH,
    Texts("Memory is nearly used up", "La mémoire est presque épuisée"),
    Texts(
        "Only {available} MiB of {total} MiB can still be had: processes may be killed.",
        "Seuls {available} Mio sur {total} Mio sont encore disponibles : des processus peuvent être tués.",
    ),
    Texts("Stop what uses most: ps aux --sort=-rss | head", "Arrêtez le plus gourmand : ps aux --sort=-rss | head"),
)
MEMORY_PRESSURE = Rule(
    "system.memory-pressure",
    Severity.MEDIUM,
    Texts("Processes are waiting for memory", "Des processus attendent de la mémoire"),
    Texts(
        "In the last minute some process stood still for memory {percent} % of the time.",
        "Dans la dernière minute, un processus au moins a attendu de la mémoire {percent} % du temps.",
    ),
)
CPU_BUSY = Rule(
    "system.cpu-overloaded",
    Severity.MEDIUM,
    Texts("The processors are overloaded", "Les processeurs sont surchargés"),
    Texts(
        "The load has averaged {load} over 15 minutes on {cores} usable processors.",
        "La charge moyenne est de {load} sur 15 minutes pour {cores} processeurs utilisables.",
    ),
)


class Disk(BaseModel):
    """One mounted file system. Sizes are in bytes; ``measured`` is false where asking could hang."""

    mount: str
    device: str
    kind: str
    read_only: bool
    measured: bool = True
    total: int = 0
    free: int = 0
    percent: float = 0.0
    inodes_percent: float | None = None


class Disks(BaseModel):
    """The mounted file systems."""

    disks: list[Disk]


class Memory(BaseModel):
    """Memory in bytes; ``limit`` is the control group's, when it is below the machine's."""

    total: int
    available: int
    swap_total: int
    swap_used: int
    limit: int | None
    limit_used: int | None
    pressure: float | None


class Cpu(BaseModel):
    """Processors; ``usable`` counts what affinity and the control group's quota leave."""

    model: str
    architecture: str
    logical: int
    physical: int | None
    usable: float
    load: list[float]


class Gpu(BaseModel):
    """One graphics processor and where it was seen."""

    name: str
    source: str
    memory_mib: int | None = None
    driver: str = ""


class Gpus(BaseModel):
    """The graphics processors seen; an empty list means none was seen, not that there is none."""

    gpus: list[Gpu]
    looked_at: list[str]


def read_disks() -> Disks:
    """The mounted file systems of real devices, each device once."""
    disks: dict[str, Disk] = {}
    for part in psutil.disk_partitions(all=False):
        if part.device in disks:
            continue
        options = part.opts.split(",")
        disk = Disk(mount=part.mountpoint, device=part.device, kind=part.fstype, read_only="ro" in options)
        disks[part.device] = _measured(disk)
    if not any(disk.mount == "/" for disk in disks.values()) and os.name == "posix":
        disks["/"] = _measured(Disk(mount="/", device="", kind="overlay", read_only=not os.access("/", os.W_OK)))
    return Disks(disks=list(disks.values()))


def _measured(disk: Disk) -> Disk:
    if disk.kind in _REMOTE:
        return disk.model_copy(update={"measured": False})
    try:
        usage = psutil.disk_usage(disk.mount)
        stats = os.statvfs(disk.mount) if hasattr(os, "statvfs") else None
    except OSError:
        return disk.model_copy(update={"measured": False})
    inodes = round(100 * (1 - stats.f_favail / stats.f_files), 1) if stats and stats.f_files else None
    changes = {"total": usage.total, "free": usage.free, "percent": usage.percent, "inodes_percent": inodes}
    return disk.model_copy(update=changes)


def disk_findings(disks: Disks, lang: Lang) -> Iterator[Finding]:
    """Disks that are full or will be soon. What can never have free space is left out."""
    for disk in disks.disks:
        if not disk.measured or disk.read_only or disk.kind in _NEVER_FREE or not disk.total:
            continue
        excerpt = f"{disk.device or 'rootfs'} {disk.mount} {disk.percent}% used, {disk.free} bytes free"
        values: dict[str, Any] = {
            "mount": disk.mount,
            "percent": round(disk.percent),
            "free": round(disk.free / GIB, 1),
            "total": round(disk.total / GIB, 1),
        }
        rule = DISK_FULL if disk.percent >= 97 and disk.free < 5 * GIB else None
        if rule is None and disk.percent >= 90 and disk.free < 10 * GIB:
            rule = DISK_TIGHT
        if rule:
            cause = f"disk-full:{disk.mount}"
            yield finding(rule, tool="system.disks", lang=lang, cause=cause, excerpt=excerpt, **values)
        if disk.inodes_percent is not None and disk.inodes_percent >= 95:
            excerpt = f"{disk.mount}: {disk.inodes_percent}% of inodes used"
            cause = f"inodes-exhausted:{disk.mount}"
            values["percent"] = round(disk.inodes_percent)
            yield finding(INODES, tool="system.disks", lang=lang, cause=cause, excerpt=excerpt, **values)


def _number(text: str) -> int | None:
    return int(text) if text.isdigit() and int(text) < _UNLIMITED else None


def read_memory(host: Host) -> Memory:
    """Memory of the machine, and of the control group when that is tighter."""
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    limit = _number(host.read("/sys/fs/cgroup/memory.max"))
    used = _number(host.read("/sys/fs/cgroup/memory.current"))
    if limit is None:
        limit = _number(host.read("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
        used = _number(host.read("/sys/fs/cgroup/memory/memory.usage_in_bytes"))
    if limit is None or limit >= memory.total:
        limit = used = None
    return Memory(
        total=memory.total,
        available=memory.available,
        swap_total=swap.total,
        swap_used=swap.used,
        limit=limit,
        limit_used=used,
        pressure=_pressure(host.read("/proc/pressure/memory")),
    )


def _pressure(text: str) -> float | None:
    """The share of the last minute, in percent, in which some task waited for memory (kernel PSI)."""
    for line in text.splitlines():
        if line.startswith("some "):
            fields = dict(word.split("=", 1) for word in line.split()[1:] if "=" in word)
            try:
                return float(fields.get("avg60", ""))
            except ValueError:
                return None
    return None


def memory_findings(memory: Memory, lang: Lang) -> Iterator[Finding]:
    """Memory that is used up or waited for."""
    tool, total, available = "system.memory", memory.total, memory.available
    if total and available / total < 0.05:
        yield finding(
            MEMORY_LOW,
            tool=tool,
            lang=lang,
            cause="memory-low",
            excerpt=f"available {available} of {total} bytes",
            available=available >> 20,
            total=total >> 20,
        )
    if memory.pressure is not None and memory.pressure >= 10:
        yield finding(
            MEMORY_PRESSURE,
            tool=tool,
            lang=lang,
            cause="memory-pressure",
            excerpt=f"/proc/pressure/memory: some avg60={memory.pressure}",
            percent=memory.pressure,
        )


def read_cpu(host: Host) -> Cpu:
    """Processors and load."""
    logical = psutil.cpu_count() or 1
    usable = float(len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else float(logical)
    quota = host.read("/sys/fs/cgroup/cpu.max").split()
    if len(quota) == 2 and quota[0].isdigit() and quota[1].isdigit() and int(quota[1]):
        usable = min(usable, round(int(quota[0]) / int(quota[1]), 2))
    models = [
        line.partition(":")[2].strip() for line in host.read("/proc/cpuinfo").splitlines() if "model name" in line
    ]
    return Cpu(
        model=models[0] if models else platform.processor(),
        architecture=platform.machine(),
        logical=logical,
        physical=psutil.cpu_count(logical=False),
        usable=usable,
        load=[round(value, 2) for value in psutil.getloadavg()],
    )


def cpu_findings(cpu: Cpu, lang: Lang) -> Iterator[Finding]:
    """A load that has long been more than twice what the processors can do."""
    if cpu.load[2] > 2 * cpu.logical and cpu.load[0] > cpu.logical:
        yield finding(
            CPU_BUSY,
            tool="system.cpu",
            lang=lang,
            cause="cpu-overloaded",
            excerpt=f"load average {cpu.load}, {cpu.logical} processors",
            load=cpu.load[2],
            cores=cpu.logical,
        )


async def read_gpus(host: Host, context: ToolContext) -> Gpus:
    """What ``nvidia-smi`` says, else what the kernel shows in ``/sys`` and ``/dev``."""
    gpus: list[Gpu] = []
    ran = await host.run(
        ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits"],
        avoid=context.workspace,
    )
    if ran.ok:
        for line in ran.lines:
            name, memory, driver = (*(part.strip() for part in line.split(",")), "", "")[:3]
            gpus.append(Gpu(name=name, source="nvidia-smi", memory_mib=_number(memory), driver=driver))
    vendors = {"0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel", "0x1af4": "virtio", "0x15ad": "VMware"}
    for card in sorted(host.at("/sys/class/drm").glob("card[0-9]*/device/vendor")):
        relative = "/" + str(card.relative_to(host.root))
        vendor = host.read(relative)
        driver = (card.parent / "driver").resolve().name if (card.parent / "driver").exists() else ""
        if not (vendor == "0x10de" and gpus):
            gpus.append(Gpu(name=vendors.get(vendor, vendor or "?"), source=relative, driver=driver))
    if not gpus:
        nodes = [*sorted(host.at("/dev").glob("nvidia[0-9]*")), *sorted(host.at("/dev/dri").glob("renderD*"))]
        gpus = [Gpu(name=node.name, source="/" + str(node.relative_to(host.root))) for node in nodes]
    return Gpus(gpus=gpus, looked_at=["nvidia-smi", "/sys/class/drm", "/dev/dri", "/dev/nvidia*"])


class SystemDisks(SystemTool):
    """Mounted file systems and how full they are."""

    spec = ToolSpec(
        name="system.disks",
        summary=Texts("Disks: size, free space, inodes.", "Les disques : taille, place libre, inodes."),
        args=NoArgs,
        result=Disks,
        touches=TOUCHES,
        seconds=15,
    )

    async def facts(self, context: ToolContext) -> Facts:
        """Asked in a thread: a sick device can keep the answer waiting."""
        disks = await asyncio.to_thread(read_disks)
        text = "\n".join(
            f"{d.mount}: {d.percent:.0f} %, {d.free / GIB:.1f}/{d.total / GIB:.1f} GiB" for d in disks.disks
        )
        return Facts(disks, tuple(disk_findings(disks, context.lang)), text)


class SystemMemory(SystemTool):
    """Memory and swap."""

    spec = ToolSpec(
        name="system.memory",
        summary=Texts("Memory, swap, limits and pressure.", "La mémoire, le swap, les limites et la pression."),
        args=NoArgs,
        result=Memory,
        touches=TOUCHES,
        seconds=15,
    )

    async def facts(self, context: ToolContext) -> Facts:
        """The figures and the findings over them."""
        memory = read_memory(self.host)
        text = f"{memory.available >> 20}/{memory.total >> 20} MiB, swap {memory.swap_used >> 20} MiB"
        return Facts(memory, tuple(memory_findings(memory, context.lang)), text)


class SystemCpu(SystemTool):
    """Processors and load."""

    spec = ToolSpec(
        name="system.cpu",
        summary=Texts("Processors, usable share and load.", "Les processeurs, la part utilisable et la charge."),
        args=NoArgs,
        result=Cpu,
        touches=TOUCHES,
        seconds=15,
    )

    async def facts(self, context: ToolContext) -> Facts:
        """The figures and the findings over them."""
        cpu = read_cpu(self.host)
        load = " ".join(map(str, cpu.load))
        text = f"{cpu.model or cpu.architecture}: {cpu.logical} CPU ({cpu.usable:g}), load {load}"
        return Facts(cpu, tuple(cpu_findings(cpu, context.lang)), text)


class SystemGpu(SystemTool):
    """Graphics processors."""

    spec = ToolSpec(
        name="system.gpu",
        summary=Texts(
            "Graphics processors seen by the driver or the kernel.",
            "Les processeurs graphiques vus par le pilote ou le noyau.",
        ),
        args=NoArgs,
        result=Gpus,
        touches=TOUCHES,
        seconds=15,
    )

    async def facts(self, context: ToolContext) -> Facts:
        """What was seen; having none is not a fault."""
        gpus = await read_gpus(self.host, context)
        seen = ", ".join(f"{gpu.name} ({gpu.source})" for gpu in gpus.gpus)
        none = Texts("No graphics processor was seen.", "Aucun processeur graphique n'a été vu.").say(context.lang)
        return Facts(gpus, (), seen or none)
