"""``system.platform``: what kind of machine this is."""

from __future__ import annotations

import platform

from pydantic import BaseModel

from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.tools import ToolContext, ToolSpec
from nextgeneration.tools.system.base import TOUCHES, Facts, NoArgs, SystemTool
from nextgeneration.tools.system.host import Host

PACKAGE_MANAGERS = {
    "Linux": ("apt-get", "dnf", "yum", "zypper", "pacman", "apk", "emerge", "xbps-install", "nix-env", "brew"),
    "Darwin": ("brew", "port"),
    "Windows": ("winget", "choco", "scoop"),
}
_CGROUP_MARKS = {"docker": "docker", "kubepods": "kubernetes", "libpod": "podman", "lxc": "lxc"}


class Platform(BaseModel):
    """The machine and the user, as far as they can be told from inside."""

    system: str
    distribution: str
    version: str
    family: list[str]
    kernel: str
    architecture: str
    container: str
    wsl: bool
    shell: str
    powershell: bool
    python: str
    user: str
    is_root: bool
    sudo: bool
    locale: str
    display: bool
    package_manager: str


def os_release(text: str) -> dict[str, str]:
    """The fields of an ``os-release`` file, unquoted."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return {key.strip(): value.strip().strip("\"'") for key, _, value in pairs}


def container_of(host: Host) -> str:
    """The kind of container we run in; empty when nothing says so."""
    declared = host.environment.get("container") or host.read("/run/systemd/container")
    if declared:
        return declared
    if host.environment.get("KUBERNETES_SERVICE_HOST"):
        return "kubernetes"
    if host.at("/run/.containerenv").exists():
        return "podman"
    if host.at("/.dockerenv").exists():
        return "docker"
    groups = host.read("/proc/1/cgroup")
    return next((kind for mark, kind in _CGROUP_MARKS.items() if mark in groups), "")


def is_wsl(host: Host) -> bool:
    """Whether this Linux runs inside Windows."""
    return bool(host.environment.get("WSL_DISTRO_NAME")) or "microsoft" in host.read("/proc/version").lower()


def package_manager_of(host: Host) -> str:
    """The first package manager of this kind of system that is installed; empty when none is."""
    names = PACKAGE_MANAGERS.get(host.environment.system, ())
    return next((name for name in names if host.program(name) or host.program(f"{name}.exe")), "")


def read_platform(host: Host) -> Platform:
    """The facts of this machine."""
    environment = host.environment
    release = os_release(host.read("/etc/os-release") or host.read("/usr/lib/os-release"))
    distribution = release.get("ID", "") if environment.system == "Linux" else platform.system()
    version = release.get("VERSION_ID", "") if environment.system == "Linux" else platform.version()
    return Platform(
        system=environment.system,
        distribution=distribution,
        version=version,
        family=release.get("ID_LIKE", "").split(),
        kernel=platform.release(),
        architecture=platform.machine(),
        container=container_of(host),
        wsl=is_wsl(host),
        shell=environment.shell,
        powershell=environment.powershell,
        python=platform.python_version(),
        user=host.user,
        is_root=host.is_root,
        sudo=host.program("sudo") is not None,
        locale=environment.locale,
        display=bool(environment.display),
        package_manager=package_manager_of(host),
    )


class SystemPlatform(SystemTool):
    """The operating system, the architecture, the surroundings and the user."""

    spec = ToolSpec(
        name="system.platform",
        summary=Texts(
            "The operating system, distribution, architecture, container or WSL, shell and user.",
            "Le système, la distribution, l'architecture, le conteneur ou WSL, le shell et l'utilisateur.",
        ),
        args=NoArgs,
        result=Platform,
        touches=TOUCHES,
        seconds=20,
    )

    async def facts(self, context: ToolContext) -> Facts:
        """The platform; there is nothing wrong with any of them, so no findings."""
        facts = read_platform(self.host)
        where = f" ({facts.container or 'WSL'})" if facts.container or facts.wsl else ""
        name = f"{facts.distribution or facts.system} {facts.version}".strip()
        text = f"{name}, {facts.system} {facts.kernel} {facts.architecture}{where}, {facts.user}"
        return Facts(facts, (), text)
