"""``system.clock``: the time, the zone, and whether something keeps the clock right."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from nextgeneration.kernel.clock import iso
from nextgeneration.kernel.findings import Finding, Severity
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.tools import ToolContext, ToolSpec
from nextgeneration.tools.system.base import TOUCHES, Facts, NoArgs, SystemTool
from nextgeneration.tools.system.findings import Rule, finding
from nextgeneration.tools.system.host import Host

UNSYNCHRONISED = Rule(
    "system.clock-unsynchronised",
    Severity.LOW,
    Texts("The clock is not synchronised", "L'horloge n'est pas synchronisée"),
    Texts(
        "{source} says that no time server keeps this clock right: certificates and logs may seem wrong.",
        "{source} indique qu'aucun serveur de temps ne règle l'horloge : certificats et journaux peuvent sembler faux.",
    ),
    Texts("Run: sudo timedatectl set-ntp true", "Lancez : sudo timedatectl set-ntp true"),
)
BEHIND = Rule(
    "system.clock-behind",
    Severity.HIGH,
    Texts("The clock is wrong: it is behind", "L'horloge est fausse : elle retarde"),
    Texts(
        "It reads {now}, but the installed file {file} was written at {written}.",
        "Elle indique {now}, mais le fichier installé {file} a été écrit à {written}.",
    ),
    Texts("Set the clock, best from a time server.", "Réglez l'horloge, de préférence depuis un serveur de temps."),
)
DRIFT = Rule(
    "system.clock-drift",
    Severity.LOW,
    Texts(
        "System and hardware clock differ by {seconds} s",
        "L'horloge système et l'horloge matérielle diffèrent de {seconds} s",
    ),
    Texts(
        "The hardware clock is used at the next start: the time will jump then.",
        "L'horloge matérielle sert au prochain démarrage : l'heure sautera alors.",
    ),
    Texts("Run: sudo hwclock --systohc", "Lancez : sudo hwclock --systohc"),
    confidence=0.8,
)


class ClockFacts(BaseModel):
    """The time. ``synchronised`` and ``drift_seconds`` are ``None`` when nothing tells."""

    now: str
    zone: str
    offset: str
    synchronised: bool | None
    source: str
    drift_seconds: float | None


def zone_of(host: Host) -> str:
    """The name of the time zone, as the system has it set."""
    if host.environment.get("TZ"):
        return host.environment.get("TZ").lstrip(":")
    link = host.at("/etc/localtime")
    target = str(link.readlink()) if link.is_symlink() else ""
    if "zoneinfo/" in target:
        return target.split("zoneinfo/", 1)[1]
    return host.read("/etc/timezone") or time.tzname[0]


async def _synchronised(host: Host, context: ToolContext) -> tuple[bool | None, str]:
    if host.at("/run/systemd/system").is_dir():
        ran = await host.run(["timedatectl", "show", "--property=NTPSynchronized"], avoid=context.workspace)
        if ran.ok and "NTPSynchronized=" in ran.output:
            return ran.output.strip().endswith("=yes"), "timedatectl"
    if host.at("/run/systemd/timesync/synchronized").exists():
        return True, "systemd-timesyncd"
    ran = await host.run(["chronyc", "-n", "tracking"], avoid=context.workspace)
    if ran.ok and "Leap status" in ran.output:
        return "Not synchronised" not in ran.output, "chronyc"
    return None, ""


def _drift(host: Host, now: datetime) -> float | None:
    """System minus hardware clock; only where the hardware clock is known to keep UTC."""
    since = host.read("/sys/class/rtc/rtc0/since_epoch")
    if not since.isdigit() or "LOCAL" in host.read("/etc/adjtime"):
        return None
    return round(now.timestamp() - int(since), 1)


async def read_clock(host: Host, context: ToolContext) -> ClockFacts:
    """The time and what is known about its keeping."""
    now = context.clock.now()
    synchronised, source = await _synchronised(host, context)
    return ClockFacts(
        now=iso(now),
        zone=zone_of(host),
        offset=now.astimezone().strftime("%z"),
        synchronised=synchronised,
        source=source,
        drift_seconds=_drift(host, now),
    )


def clock_findings(clock: ClockFacts, now: datetime, lang: Lang) -> Iterator[Finding]:
    """A clock that is wrong for sure, drifts, or is not looked after."""
    tool = "system.clock"
    ours = Path(__file__)
    written = datetime.fromtimestamp(ours.stat().st_mtime, UTC)
    if now + timedelta(days=1) < written:
        values: dict[str, Any] = {"now": clock.now, "file": ours.name, "written": iso(written)}
        excerpt = f"now {clock.now}, {ours.name} written {iso(written)}"
        yield finding(BEHIND, tool=tool, lang=lang, cause="clock-wrong", excerpt=excerpt, **values)
    if clock.synchronised is False:
        excerpt = f"{clock.source}: not synchronised"
        cause = "clock-unsynchronised"
        yield finding(UNSYNCHRONISED, tool=tool, lang=lang, cause=cause, excerpt=excerpt, source=clock.source)
    if clock.drift_seconds is not None and abs(clock.drift_seconds) > 60:
        excerpt = f"/sys/class/rtc/rtc0/since_epoch differs by {clock.drift_seconds} s"
        yield finding(
            DRIFT, tool=tool, lang=lang, cause="clock-drift", excerpt=excerpt, seconds=round(clock.drift_seconds)
        )


class SystemClock(SystemTool):
    """Time, zone and synchronisation."""

    spec = ToolSpec(
        name="system.clock",
        summary=Texts(
            "The time, the zone, and whether the clock is synchronised.",
            "L'heure, le fuseau, et si l'horloge est synchronisée.",
        ),
        args=NoArgs,
        result=ClockFacts,
        touches=TOUCHES,
        seconds=15,
    )

    async def facts(self, context: ToolContext) -> Facts:
        """The time and the findings over it."""
        clock = await read_clock(self.host, context)
        found = tuple(clock_findings(clock, context.clock.now(), context.lang))
        return Facts(clock, found, f"{clock.now} {clock.zone} {clock.offset}")
