"""What a package manager could install for a command: asked offline, by argv."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel

from nextgeneration.tools.system.host import Host, Ran
from nextgeneration.tools.system.machine import package_manager_of

SECONDS = 8.0

# The package that brings a command, where it is not called like the command. The key "" is for
# every manager that is not named.
PACKAGES: dict[str, dict[str, str]] = {
    "ag": {"": "silversearcher-ag", "brew": "the_silver_searcher", "pacman": "the_silver_searcher"},
    "ansible-playbook": {"": "ansible"},
    "apt-file": {"": "apt-file"},
    "bat": {"": "bat"},
    "cc": {"": "gcc"},
    "cargo": {"": "cargo", "pacman": "rust", "brew": "rust", "winget": "Rustlang.Rustup"},
    "convert": {"": "imagemagick", "dnf": "ImageMagick", "yum": "ImageMagick", "zypper": "ImageMagick"},
    "dig": {"": "bind-utils", "apt-get": "dnsutils", "apk": "bind-tools", "pacman": "bind", "brew": "bind"},
    "docker": {"": "docker", "apt-get": "docker.io", "dnf": "moby-engine", "winget": "Docker.DockerDesktop"},
    "docker-compose": {"": "docker-compose", "winget": "Docker.DockerDesktop", "apk": "docker-cli-compose"},
    "dotnet": {"": "dotnet-sdk-8.0", "winget": "Microsoft.DotNet.SDK.8"},
    "fd": {"": "fd-find", "pacman": "fd", "apk": "fd", "brew": "fd", "zypper": "fd", "winget": "sharkdp.fd"},
    "fdfind": {"": "fd-find"},
    "g++": {"": "gcc-c++", "apt-get": "g++", "apk": "g++", "pacman": "gcc", "brew": "gcc"},
    "gh": {"": "gh", "apk": "github-cli", "pacman": "github-cli", "winget": "GitHub.cli"},
    "git": {"": "git", "winget": "Git.Git"},
    "go": {"": "go", "apt-get": "golang-go", "dnf": "golang", "yum": "golang", "winget": "GoLang.Go"},
    "host": {"": "bind-utils", "apt-get": "bind9-host", "apk": "bind-tools", "pacman": "bind"},
    "hg": {"": "mercurial"},
    "http": {"": "httpie"},
    "ifconfig": {"": "net-tools"},
    "ip": {"": "iproute2", "dnf": "iproute", "yum": "iproute", "brew": "iproute2mac"},
    "java": {
        "": "java-latest-openjdk",
        "apt-get": "default-jre",
        "apk": "openjdk21-jre",
        "pacman": "jre-openjdk",
        "brew": "openjdk",
    },
    "javac": {
        "": "java-latest-openjdk-devel",
        "apt-get": "default-jdk",
        "apk": "openjdk21",
        "pacman": "jdk-openjdk",
        "brew": "openjdk",
    },
    "jq": {"": "jq", "winget": "jqlang.jq"},
    "kubectl": {"": "kubectl", "apt-get": "kubernetes-client", "winget": "Kubernetes.kubectl"},
    "mysql": {"": "mysql-client", "apt-get": "default-mysql-client", "dnf": "mysql", "pacman": "mariadb-clients"},
    "nc": {"": "netcat-openbsd", "dnf": "nmap-ncat", "yum": "nmap-ncat", "pacman": "openbsd-netcat", "brew": "netcat"},
    "netstat": {"": "net-tools"},
    "node": {"": "nodejs", "brew": "node", "winget": "OpenJS.NodeJS.LTS", "choco": "nodejs-lts"},
    "nodejs": {"": "nodejs", "brew": "node"},
    "npm": {"": "npm", "dnf": "nodejs-npm", "brew": "node", "winget": "OpenJS.NodeJS.LTS"},
    "npx": {"": "npm", "dnf": "nodejs-npm", "brew": "node", "winget": "OpenJS.NodeJS.LTS"},
    "nslookup": {"": "bind-utils", "apt-get": "dnsutils", "apk": "bind-tools", "pacman": "bind"},
    "pdftotext": {"": "poppler-utils", "pacman": "poppler", "brew": "poppler"},
    "php": {"": "php", "apt-get": "php-cli"},
    "pip": {"": "python3-pip", "apk": "py3-pip", "pacman": "python-pip", "brew": "python"},
    "pip3": {"": "python3-pip", "apk": "py3-pip", "pacman": "python-pip", "brew": "python"},
    "pipx": {"": "pipx", "pacman": "python-pipx"},
    "ping": {"": "iputils", "apt-get": "iputils-ping"},
    "pkill": {"": "procps", "dnf": "procps-ng", "yum": "procps-ng", "pacman": "procps-ng"},
    "ps": {"": "procps", "dnf": "procps-ng", "yum": "procps-ng", "pacman": "procps-ng"},
    "psql": {
        "": "postgresql-client",
        "dnf": "postgresql",
        "yum": "postgresql",
        "pacman": "postgresql",
        "brew": "libpq",
    },
    "python": {"": "python3", "apt-get": "python-is-python3", "pacman": "python", "winget": "Python.Python.3.13"},
    "python3": {"": "python3", "pacman": "python", "winget": "Python.Python.3.13"},
    "redis-cli": {"": "redis", "apt-get": "redis-tools"},
    "rg": {"": "ripgrep", "winget": "BurntSushi.ripgrep.MSVC"},
    "ruby": {"": "ruby", "winget": "RubyInstallerTeam.Ruby.3.3"},
    "rustc": {"": "rustc", "dnf": "rust", "pacman": "rust", "apk": "rust", "brew": "rust"},
    "scp": {"": "openssh-client", "dnf": "openssh-clients", "yum": "openssh-clients", "pacman": "openssh"},
    "shellcheck": {"": "shellcheck", "dnf": "ShellCheck", "zypper": "ShellCheck"},
    "ss": {"": "iproute2", "dnf": "iproute", "yum": "iproute"},
    "ssh": {
        "": "openssh-client",
        "dnf": "openssh-clients",
        "yum": "openssh-clients",
        "pacman": "openssh",
        "apk": "openssh-client",
    },
    "svn": {"": "subversion"},
    "terraform": {"": "terraform", "winget": "Hashicorp.Terraform"},
    "uvx": {"": "uv"},
    "vi": {"": "vim"},
    "virtualenv": {
        "": "virtualenv",
        "dnf": "python3-virtualenv",
        "apk": "py3-virtualenv",
        "pacman": "python-virtualenv",
    },
    "xxd": {"": "xxd", "dnf": "vim-common", "yum": "vim-common", "pacman": "tinyxxd"},
}

# Ask argv ("{}" is the package), install argv, and whether installing needs root.
_ASK: dict[str, list[str]] = {
    "apt-get": ["apt-cache", "policy", "{}"],
    "apk": ["apk", "policy", "{}"],
    "dnf": ["dnf", "--cacheonly", "--quiet", "info", "{}"],
    "yum": ["yum", "--cacheonly", "--quiet", "info", "{}"],
    "pacman": ["pacman", "-Si", "{}"],
    "zypper": ["zypper", "--non-interactive", "--no-refresh", "info", "{}"],
}
_INSTALL: dict[str, list[str]] = {
    "apt-get": ["apt-get", "install", "-y", "{}"],
    "apk": ["apk", "add", "{}"],
    "dnf": ["dnf", "install", "-y", "{}"],
    "yum": ["yum", "install", "-y", "{}"],
    "pacman": ["pacman", "-S", "--noconfirm", "{}"],
    "zypper": ["zypper", "--non-interactive", "install", "{}"],
    "emerge": ["emerge", "{}"],
    "xbps-install": ["xbps-install", "-y", "{}"],
    "nix-env": ["nix-env", "-iA", "nixpkgs.{}"],
    "brew": ["brew", "install", "{}"],
    "port": ["port", "install", "{}"],
    "winget": ["winget", "install", "--exact", "--id", "{}"],
    "choco": ["choco", "install", "-y", "{}"],
    "scoop": ["scoop", "install", "{}"],
}
_AS_USER = frozenset({"brew", "nix-env", "winget", "choco", "scoop"})


class Candidate(BaseModel):
    """A package that brings a command.

    ``known`` tells whether the manager has it: ``None`` when it cannot be asked offline. ``stale``
    means that the manager has no package lists yet and must fetch them first.
    """

    manager: str
    package: str
    version: str = ""
    known: bool | None = None
    stale: bool = False
    install: list[str]
    needs_root: bool


def package_for(command: str, manager: str) -> str:
    """The package that brings ``command``; without better knowledge the one called like it."""
    names = PACKAGES.get(command, {})
    return names.get(manager) or names.get("") or command


async def candidates(host: Host, command: str, avoid: Path | None = None) -> list[Candidate]:
    """What the installed package manager offers for ``command``; a package it does not have is left out."""
    manager = package_manager_of(host)
    if not manager:
        return []
    package = package_for(command, manager)
    candidate = Candidate(
        manager=manager,
        package=package,
        install=[word.format(package) for word in _INSTALL[manager]],
        needs_root=manager not in _AS_USER,
    )
    ask = _ASK.get(manager)
    if ask is None:
        # Asking these would use the network; only what the table knows is offered.
        return [candidate] if command in PACKAGES else []
    ran = await host.run([word.format(package) for word in ask], avoid=avoid, seconds=SECONDS)
    version = _READERS[manager](ran)
    if version:
        return [candidate.model_copy(update={"version": version, "known": True})]
    if manager == "apt-get" and command in PACKAGES and not _has_lists(host):
        install = ["sh", "-c", f"apt-get update && apt-get install -y {package}"]
        return [candidate.model_copy(update={"stale": True, "install": install})]
    return []


def _has_lists(host: Host) -> bool:
    return any("_Packages" in path.name for path in host.at("/var/lib/apt/lists").glob("*"))


def _apt(ran: Ran) -> str:
    found = re.search(r"^\s*Candidate:\s*(\S+)", ran.output, re.MULTILINE)
    return found[1] if ran.ok and found and found[1] != "(none)" else ""


def _apk(ran: Ran) -> str:
    # "jq policy:" is followed by one indented line per version, "  1.7.1-r0:".
    found = re.findall(r"^\s+(\S+):\s*$", ran.output, re.MULTILINE)
    return found[-1] if ran.ok and found else ""


def _fields(ran: Ran) -> str:
    found = re.search(r"^Version\s*:\s*(\S+)", ran.output, re.MULTILINE)
    return found[1] if ran.ok and found else ""


_READERS: dict[str, Callable[[Ran], str]] = {
    "apt-get": _apt,
    "apk": _apk,
    "dnf": _fields,
    "yum": _fields,
    "pacman": _fields,
    "zypper": _fields,
}
