"""Where a command is: on ``PATH``, in the usual folders outside it, among Docker's plugins."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from nextgeneration.tools.system.host import Host, is_executable

_USUAL_HOME = (
    ".local/bin",
    "bin",
    ".cargo/bin",
    "go/bin",
    ".npm-global/bin",
    ".npm-packages/bin",
    ".yarn/bin",
    ".bun/bin",
    ".deno/bin",
    ".volta/bin",
    ".pyenv/shims",
    ".pyenv/bin",
    ".rbenv/shims",
    ".asdf/shims",
    ".local/share/mise/shims",
    ".nvm/versions/node/*/bin",
    ".krew/bin",
    ".dotnet/tools",
    ".local/share/pnpm",
    ".rd/bin",
    ".docker/bin",
    ".poetry/bin",
    ".linuxbrew/bin",
    ".nix-profile/bin",
    "miniconda3/bin",
)
_USUAL_SYSTEM = (
    "/usr/local/bin",
    "/usr/bin",
    "/bin",
    "/usr/local/sbin",
    "/usr/sbin",
    "/sbin",
    "/opt/*/bin",
    "/opt/bin",
    "/snap/bin",
    "/usr/local/go/bin",
    "/home/linuxbrew/.linuxbrew/bin",
    "/opt/homebrew/bin",
    "/var/lib/flatpak/exports/bin",
    "/nix/var/nix/profiles/default/bin",
    "/Applications/Docker.app/Contents/Resources/bin",
    "/usr/games",
)
_PLUGINS_HOME = (".docker/cli-plugins",)
_PLUGINS_SYSTEM = (
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
    "/Applications/Docker.app/Contents/Resources/cli-plugins",
)


class Spot(BaseModel):
    """One file with a command's name.

    ``kind`` is ``path``, ``usual`` or ``plugin``. ``problem`` is empty when it can be run, else
    ``not-executable``, ``broken-link`` or ``bad-interpreter`` (then ``detail`` names it).
    """

    path: str
    folder: str
    kind: str
    problem: str = ""
    detail: str = ""


def on_path(host: Host, command: str) -> list[Spot]:
    """Every file of this name on ``PATH``, in its order, the same file once."""
    folders = [Path(entry) for entry in host.environment.path if entry and Path(entry).is_absolute()]
    return list(_spots(host, folders, command, "path", set()))


def outside(host: Host, command: str) -> list[Spot]:
    """Runnable files of this name in the usual folders that are not on ``PATH``, and among plugins."""
    known = {str(spot) for spot in _resolved(Path(entry) for entry in host.environment.path if entry)}
    seen: set[str] = set()
    spots = []
    for kind, folders in (("usual", _usual(host)), ("plugin", _plugins(host))):
        fresh = [folder for folder in folders if str(folder.resolve()) not in known]
        spots += [spot for spot in _spots(host, fresh, command, kind, seen) if not spot.problem]
    return spots


def _resolved(paths: Iterator[Path]) -> Iterator[Path]:
    for path in paths:
        try:
            yield path.resolve()
        except (OSError, RuntimeError):
            continue


def _usual(host: Host) -> list[Path]:
    return [*_expanded(host.environment.home, _USUAL_HOME), *_expanded(host.root, _USUAL_SYSTEM)]


def _plugins(host: Host) -> list[Path]:
    return [*_expanded(host.environment.home, _PLUGINS_HOME), *_expanded(host.root, _PLUGINS_SYSTEM)]


def _expanded(base: Path, names: tuple[str, ...]) -> Iterator[Path]:
    for name in names:
        relative = name.lstrip("/")
        yield from sorted(base.glob(relative)) if "*" in relative else (base / relative,)


def _spots(host: Host, folders: list[Path], command: str, kind: str, seen: set[str]) -> Iterator[Spot]:
    names = [command, *(f"{command}{end}" for end in (".exe", ".cmd", ".bat") if host.environment.system == "Windows")]
    for folder in folders:
        for name in names:
            path = folder / name
            try:
                if not os.path.lexists(path) or path.is_dir():
                    continue
                real = str(path.resolve())
            except (OSError, RuntimeError):
                continue
            # /bin is a link to /usr/bin on most systems: the same file is no second copy.
            if real in seen:
                continue
            seen.add(real)
            problem, detail = _problem(path, host)
            yield Spot(path=str(path), folder=str(folder), kind=kind, problem=problem, detail=detail)


def _problem(path: Path, host: Host) -> tuple[str, str]:
    if not path.exists():
        return "broken-link", str(path.readlink()) if path.is_symlink() else ""
    if not is_executable(path):
        return "not-executable", ""
    interpreter = _interpreter(path)
    if interpreter and not Path(interpreter).exists():
        return "bad-interpreter", interpreter
    if interpreter.endswith("/env"):
        program = _env_program(path)
        if program and host.program(program) is None:
            return "bad-interpreter", program
    return "", ""


def _shebang(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            start = file.read(256)
    except OSError:
        return []
    return start.split(b"\n", 1)[0][2:].decode("utf-8", "replace").split() if start.startswith(b"#!") else []


def _interpreter(path: Path) -> str:
    """The interpreter a script names in its first line; empty for other files."""
    words = _shebang(path)
    return words[0] if words and words[0].startswith("/") else ""


def _env_program(path: Path) -> str:
    """The program that ``#!/usr/bin/env`` looks for."""
    words = [word for word in _shebang(path)[1:] if not word.startswith("-") and "=" not in word]
    return words[0] if words else ""
