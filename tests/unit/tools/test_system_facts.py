"""The parts of the machine: facts that are true, findings that are useful, nothing that hangs."""

from __future__ import annotations

import asyncio
import os
import socket
from collections import namedtuple
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from nextgeneration.kernel.tools import Tool, ToolContext, ToolResult
from nextgeneration.settings.environment import Environment
from nextgeneration.settings.tools import ToolSettings
from nextgeneration.tools.base import parse_args
from nextgeneration.tools.system import tools
from nextgeneration.tools.system.host import Host
from nextgeneration.tools.system.resources import (
    Cpu,
    Disk,
    Disks,
    Memory,
    cpu_findings,
    disk_findings,
    memory_findings,
    read_disks,
)

GIB = 1 << 30


class Machine:
    def __init__(self, folder: Path) -> None:
        self.root, self.home, self.bin = folder / "root", folder / "home", folder / "bin"
        for place in (self.root, self.home, self.bin):
            place.mkdir()
        self.path = [str(self.bin), "/usr/bin", "/bin"]
        self.variables: dict[str, str] = {}
        self.folder = folder

    def write(self, path: str, text: str) -> None:
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def put(self, name: str, script: str) -> None:
        (self.bin / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (self.bin / name).chmod(0o755)

    def tools(self) -> dict[str, Tool]:
        variables = {**self.variables, "PATH": os.pathsep.join(self.path)}
        environment = Environment(variables=variables, home=self.home)
        return {tool.spec.name: tool for tool in tools(ToolSettings(), environment, self.root)}

    async def call(self, name: str, **context: Any) -> ToolResult:
        tool = self.tools()[f"system.{name}"]
        return await tool.call(parse_args(tool, {}), ToolContext(self.home, self.home, **context))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def rules(result: ToolResult) -> list[str]:
    return [found.rule.removeprefix("system.") for found in result.findings]


async def test_health_of_this_very_machine_in_both_languages(tmp_path: Path) -> None:
    """On the real root: every part answers, every finding has evidence, nothing takes long."""
    real = {tool.spec.name: tool for tool in tools(ToolSettings())}["system.health"]
    for lang in ("en", "fr"):
        result = await real.call(parse_args(real, {}), ToolContext(tmp_path, tmp_path, lang=lang))
        assert result.value["problems"] == []
        assert set(result.value["parts"]) >= {"platform", "disks", "memory", "cpu", "gpu", "ports", "limits", "path"}
        assert all(found.evidence[0].excerpt and found.location is None for found in result.findings)
        ranks = [found.severity.rank for found in result.findings]
        assert ranks == sorted(ranks, reverse=True)


async def test_one_part_that_fails_or_hangs_does_not_lose_the_others(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sick() -> None:
        raise OSError("sick")

    monkeypatch.setattr("nextgeneration.tools.system.resources.read_disks", sick)
    result = await machine.call("health")
    assert [problem["part"] for problem in result.value["problems"]] == ["disks"]
    assert "memory" in result.value["parts"]


async def test_platform_reads_the_distribution_and_the_surroundings(machine: Machine) -> None:
    machine.write("/etc/os-release", '# c\nID=debian\nVERSION_ID="12"\nID_LIKE="a b"\n')
    machine.put("apk", "true")
    facts = (await machine.call("platform")).value
    assert (facts["distribution"], facts["version"], facts["family"]) == ("debian", "12", ["a", "b"])
    assert facts["container"] == ""
    assert not facts["wsl"]
    machine.write("/proc/version", "Linux version 5.15 (Microsoft@Microsoft.com)")
    assert (await machine.call("platform")).value["wsl"]
    for make, kind in (
        (lambda: machine.write("/proc/1/cgroup", "12:x:/lxc/a"), "lxc"),
        (lambda: machine.write("/.dockerenv", ""), "docker"),
        (lambda: machine.write("/run/.containerenv", ""), "podman"),
        (lambda: machine.variables.update(KUBERNETES_SERVICE_HOST="10.0.0.1"), "kubernetes"),
        (lambda: machine.variables.update(container="systemd-nspawn"), "systemd-nspawn"),
    ):
        make()
        assert (await machine.call("platform")).value["container"] == kind


async def test_path_problems_are_named_one_by_one(machine: Machine) -> None:
    shared = machine.folder / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    file = machine.folder / "file"
    file.touch()
    machine.path = [str(machine.bin), "", "rel", str(shared), str(file), "/no/such", f"{machine.bin}/"]
    result = await machine.call("path", lang="fr")
    assert rules(result) == [
        "path-relative",
        "path-relative",
        "path-world-writable",
        "path-not-a-folder",
        "path-missing",
        "path-duplicate",
    ]
    assert len({found.id for found in result.findings}) == 6
    world = next(found for found in result.findings if found.rule.endswith("world-writable"))
    assert "drwxrwxrwx" in world.message
    machine.path = []
    assert rules(await machine.call("path")) == ["path-empty"]


async def test_a_path_in_order_has_no_findings(machine: Machine) -> None:
    assert rules(await machine.call("path")) == []


def disk(percent: float, free: int, **more: Any) -> Disks:
    known = {"mount": "/", "device": "/dev/a", "kind": "ext4", "read_only": False, "total": 100 * GIB}
    return Disks(disks=[Disk(**{**known, "percent": percent, "free": free, **more})])


@pytest.mark.parametrize(
    ("disks", "found"),
    [
        (disk(98, GIB), ["disk-full"]),
        (disk(92, 8 * GIB), ["disk-tight"]),
        (disk(98, 80 * GIB), []),  # 2 % of a large disk is a lot
        (disk(100, 0, kind="squashfs"), []),
        (disk(100, 0, read_only=True), []),
        (disk(100, 0, measured=False), []),
        (disk(50, 50 * GIB, inodes_percent=99.0), ["inodes-exhausted"]),
    ],
)
def test_disks_are_judged_by_what_is_left(disks: Disks, found: list[str]) -> None:
    assert [one.rule.removeprefix("system.") for one in disk_findings(disks, "en")] == found


def test_remote_disks_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """statfs on a dead NFS server never comes back."""
    part = namedtuple("part", "device mountpoint fstype opts")
    parts = [
        part("srv:/x", "/mnt/x", "nfs4", "rw"),
        part("/dev/a", "/gone", "ext4", "rw"),
        part("/dev/a", "/b", "x", ""),
    ]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: parts)
    disks = {one.mount: one for one in read_disks().disks}
    assert set(disks) == {"/mnt/x", "/gone", "/"}
    assert not disks["/mnt/x"].measured
    assert not disks["/gone"].measured
    assert disks["/"].total


async def test_memory_knows_the_limit_of_its_control_group(machine: Machine) -> None:
    machine.write("/sys/fs/cgroup/memory.max", str(64 << 20))
    machine.write("/sys/fs/cgroup/memory.current", str(32 << 20))
    machine.write("/proc/pressure/memory", "some avg10=1.0 avg60=22.50 avg300=0 total=1\nfull avg10=0")
    result = await machine.call("memory")
    assert (result.value["limit"], result.value["limit_used"]) == (64 << 20, 32 << 20)
    assert "memory-pressure" in rules(result)
    machine.write("/proc/pressure/memory", "some avg60=rubbish")
    machine.write("/sys/fs/cgroup/memory.max", "max")
    result = await machine.call("memory")
    assert result.value["limit"] is None
    assert result.value["pressure"] is None


def test_low_memory_and_high_load_are_findings() -> None:
    memory = Memory(
        total=GIB, available=GIB // 50, swap_total=0, swap_used=0, limit=None, limit_used=None, pressure=None
    )
    assert [one.cause for one in memory_findings(memory, "en")] == ["memory-low"]
    cpu = Cpu(model="", architecture="", logical=2, physical=1, usable=2, load=[9, 9, 9])
    assert [one.cause for one in cpu_findings(cpu, "fr")] == ["cpu-overloaded"]
    assert not list(cpu_findings(cpu.model_copy(update={"load": [0.1, 3, 9]}), "en"))


async def test_cpu_quota_of_a_container_counts(machine: Machine) -> None:
    machine.write("/sys/fs/cgroup/cpu.max", "50000 100000")
    machine.write("/proc/cpuinfo", "processor: 0\nmodel name\t: Fast One\n")
    value = (await machine.call("cpu")).value
    assert value["usable"] == 0.5
    assert value["model"] == "Fast One"


async def test_gpus_are_seen_or_honestly_not(machine: Machine) -> None:
    result = await machine.call("gpu", lang="fr")
    assert result.value["gpus"] == []
    assert "Aucun" in result.text
    machine.write("/dev/dri/renderD128", "")
    assert (await machine.call("gpu")).value["gpus"][0]["name"] == "renderD128"
    machine.write("/sys/class/drm/card0/device/vendor", "0x1002")
    assert (await machine.call("gpu")).value["gpus"][0]["name"] == "AMD"
    machine.write("/sys/class/drm/card1/device/vendor", "0x10de")
    machine.put("nvidia-smi", "echo 'NVIDIA A100, 40960, 550.54'")
    gpus = (await machine.call("gpu")).value["gpus"]
    assert [gpu["name"] for gpu in gpus] == ["NVIDIA A100", "AMD"]
    assert gpus[0]["memory_mib"] == 40960


async def test_ports_tell_loopback_from_public(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        listening = (await machine.call("ports")).value["listening"]
        assert next(entry for entry in listening if entry["port"] == port)["exposure"] == "loopback"
    address = namedtuple("address", "ip port")
    connection = namedtuple("connection", "type status laddr raddr pid")
    tcp, udp = socket.SOCK_STREAM, socket.SOCK_DGRAM
    fake = [
        connection(tcp, "LISTEN", address("0.0.0.0", 6379), (), None),
        connection(tcp, "LISTEN", address("::", 6379), (), None),
        connection(tcp, "LISTEN", address("10.0.0.4", 2375), (), os.getpid()),
        connection(tcp, "LISTEN", address("127.0.0.1", 5432), (), 2**22 + 1),
        connection(tcp, "ESTABLISHED", address("10.0.0.4", 5432), address("1.1.1.1", 1), None),
        connection(udp, "NONE", address("0.0.0.0", 53), (), None),
    ]
    monkeypatch.setattr(psutil, "net_connections", lambda kind: fake)
    result = await machine.call("ports")
    assert sorted(rules(result)) == ["docker-api-exposed", "port-exposed"]
    assert not result.value["complete"]

    def denied(kind: str) -> None:
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil, "net_connections", denied)
    result = await machine.call("ports")
    assert result.value == {"listening": [], "complete": False}


async def test_services_come_from_systemd_or_are_said_to_be_unknown(machine: Machine) -> None:
    machine.write("/etc/init.d/cron", "")
    machine.write("/proc/1/comm", "init")
    result = await machine.call("services")
    assert result.value["manager"] == "sysv"
    assert result.value["services"] == [{"name": "cron", "state": "unknown", "description": ""}]
    (machine.root / "run/systemd/system").mkdir(parents=True)
    machine.put(
        "systemctl",
        'case "$*" in *failed*) echo "● nginx.service loaded failed failed A web server";; '
        '*) echo "ssh.service loaded active running SSH";; esac',
    )
    result = await machine.call("services")
    assert [found.cause for found in result.findings] == ["service-failed:nginx.service"]
    assert "A web server" in result.findings[0].message
    assert "1 running" in result.text
    machine.put("systemctl", "exit 1")
    assert "did not answer" in (await machine.call("services")).text


class Fixed:
    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return 0.0


async def test_the_clock_says_who_keeps_it_and_when_it_must_be_wrong(machine: Machine) -> None:
    machine.write("/etc/timezone", "Europe/Paris\n")
    facts = (await machine.call("clock")).value
    assert facts["zone"] == "Europe/Paris"
    machine.put("chronyc", "echo 'Leap status     : Not synchronised'")
    assert rules(await machine.call("clock")) == ["clock-unsynchronised"]
    machine.write("/run/systemd/timesync/synchronized", "")
    assert (await machine.call("clock")).value["synchronised"] is True
    (machine.root / "run/systemd/system").mkdir(parents=True)
    machine.put("timedatectl", "echo NTPSynchronized=no")
    assert rules(await machine.call("clock", lang="fr")) == ["clock-unsynchronised"]
    machine.put("timedatectl", "echo NTPSynchronized=yes")
    now = datetime.now(UTC)
    machine.write("/sys/class/rtc/rtc0/since_epoch", str(int(now.timestamp()) - 300))
    assert rules(await machine.call("clock")) == ["clock-drift"]
    machine.write("/etc/adjtime", "0 0 0\n0\nLOCAL")
    assert rules(await machine.call("clock")) == []
    assert rules(await machine.call("clock", clock=Fixed(now - timedelta(days=20_000)))) == ["clock-behind"]
    (machine.root / "etc/localtime").symlink_to("/usr/share/zoneinfo/America/Lima")
    assert (await machine.call("clock")).value["zone"] == "America/Lima"
    machine.variables["TZ"] = ":UTC"
    assert (await machine.call("clock")).value["zone"] == "UTC"


async def test_limits_below_ordinary_work_are_findings(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.write("/proc/sys/fs/file-nr", "950 0 1000")
    machine.write("/proc/sys/fs/inotify/max_user_watches", "8192")
    import resource

    monkeypatch.setattr(resource, "getrlimit", lambda which: (256, resource.RLIM_INFINITY))
    result = await machine.call("limits")
    assert rules(result) == ["open-files-low", "open-files-exhausted", "inotify-watches-low"]
    assert result.value["process"]["nofile"] == {"soft": 256, "hard": None}


async def test_a_helper_that_hangs_is_ended_with_all_it_started(machine: Machine) -> None:
    machine.put("stuck", f"(sleep 1; echo late > {machine.home / 'late'}) & sleep 60")
    host = Host(Environment(variables={"PATH": os.pathsep.join(machine.path)}, home=machine.home), machine.root)
    started = asyncio.get_running_loop().time()
    ran = await host.run(["stuck"], seconds=0.3)
    assert ran.code is None
    assert asyncio.get_running_loop().time() - started < 5
    await asyncio.sleep(1.2)
    assert not (machine.home / "late").exists()
    assert (await host.run(["not-there"])).code is None
    machine.put("unstartable", "")
    (machine.bin / "unstartable").write_bytes(b"\x7fELF rubbish")
    assert (await host.run(["unstartable"])).code is None
