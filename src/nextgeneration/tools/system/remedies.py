"""What would make a missing command work, as proposals in a fixed order.

A successor that works here comes first (a small script under the old name), then a copy outside
``PATH`` (a link), then the package manager. Each is shown exactly, runs outside the sandbox after
approval, and is verified by trying the command in a fresh shell.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from nextgeneration.kernel.actions import Check, Proposal
from nextgeneration.kernel.findings import Severity
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.tools.system import windows
from nextgeneration.tools.system.findings import Rule
from nextgeneration.tools.system.host import Host
from nextgeneration.tools.system.search_path import path_findings, read_path
from nextgeneration.tools.system.which import Survey

SECONDS = 900
"""How long a remedy may take: a package may have to come over a slow line."""

_SHIM = Texts(
    "`{call}` works here ({answer}). Use it directly, or let this small script {file} call it under the name "
    "{command}.{path}",
    "`{call}` fonctionne ici ({answer}). Utilisez-le directement, ou laissez ce petit script {file} l'appeler sous le "
    "nom {command}.{path}",
)
_LINK = Texts(
    "{target} can be run but is not in PATH: link it into {folder}.{path}",
    "{target} est exécutable mais hors de PATH : le lier dans {folder}.{path}",
)
_EXECUTABLE = Texts(
    "{target} lies in PATH but is not marked as executable.", "{target} est dans PATH mais n'est pas exécutable."
)
_INSTALL = Texts(
    "{manager} brings {command} with the package {package} {version}.",
    "{manager} fournit {command} avec le paquet {package} {version}.",
)
_STALE = Texts(" Its package lists are fetched first.", " Ses listes de paquets sont d'abord récupérées.")
_SUDO = Texts(
    " sudo may ask for a password; if that is refused, run the command in a terminal yourself.",
    " sudo peut demander un mot de passe ; s'il est refusé, lancez la commande vous-même dans un terminal.",
)
_PATH_NOTE = Texts(
    " {folder} is not in PATH yet: add this line to {file} yourself, then open a new shell: {line}",
    " {folder} n'est pas encore dans PATH : ajoutez vous-même cette ligne à {file}, puis ouvrez un shell : {line}",
)

NOT_ON_PATH = Rule(
    "system.local-bin-not-on-path",
    Severity.LOW,
    Texts("{folder} is not in PATH", "{folder} n'est pas dans PATH"),
    Texts(
        "No folder of PATH is yours to write to, so a command put into {folder} is found only once it is in PATH.",
        "Aucun dossier de PATH ne vous est ouvert en écriture : une commande posée dans {folder} ne sera trouvée "
        "qu'une fois ce dossier dans PATH.",
    ),
    Texts("Add to {file}: {line}", "Ajoutez à {file} : {line}"),
)
NO_ROOT = Rule(
    "system.install-needs-root",
    Severity.LOW,
    Texts("Installing {package} needs an administrator", "Installer {package} demande un administrateur"),
    Texts(
        "You are not root and there is no sudo, so the installation cannot be proposed as an action.",
        "Vous n'êtes pas root et sudo est absent : l'installation ne peut pas être proposée comme action.",
    ),
    Texts("As root: {line}", "En tant que root : {line}"),
)


class Place(NamedTuple):
    """Where a script or link would go. ``line`` is to be added to ``startup`` when it is not in ``PATH``."""

    folder: Path
    in_path: bool
    startup: str
    line: str


def place_for(host: Host, command: str) -> Place:
    """The first folder of ``PATH`` of the user's own that is free for ``command``, else ``~/.local/bin``."""
    home = host.environment.home
    local = home / ".local/bin"
    entries = {os.path.normpath(entry) for entry in host.environment.path if entry}
    for folder in (local, home / "bin", home / ".bin", host.at("/usr/local/bin"), host.at("/opt/homebrew/bin")):
        if str(folder) in entries and _free(folder, home) and not os.path.lexists(folder / command):
            return Place(folder, True, "", "")
    if Path(host.environment.shell).name == "fish":
        return Place(local, False, "~/.config/fish/config.fish", "fish_add_path ~/.local/bin")
    startup = "~/.zshrc" if Path(host.environment.shell).name == "zsh" else "~/.bashrc"
    return Place(local, False, startup, 'export PATH="$HOME/.local/bin:$PATH"')


def _free(folder: Path, home: Path) -> bool:
    if folder.is_dir():
        return os.access(folder, os.W_OK)
    return folder.is_relative_to(home) and not os.path.lexists(folder) and os.access(home, os.W_OK)


def proposals(seen: Survey, host: Host, missing: str, lang: Lang) -> list[Proposal]:
    """The remedies for a command that was surveyed as missing, the best first.

    Args:
        seen: the survey.
        host: the machine.
        missing: id of the finding that the command is missing.
        lang: language of the reasons.
    """
    steps = _windows(seen, lang) if host.environment.system == "Windows" else _posix(seen, host, lang)
    place, absent = place_for(host, seen.command).folder, _absent(host, seen.command, lang)
    return [
        Proposal(
            tool="shell.run",
            args={"argv": argv, "confined": False, "seconds": SECONDS},
            reason=reason,
            # A command that is found in a folder of PATH shows that the folder is there.
            fixes=(missing, *(absent if any(str(place) in word for word in argv) else ())),
            verify=Check(tool="system.try_command", args={"command": seen.command}, absent=(missing,)),
            group=f"command:{seen.command}",
            rank=rank,
        )
        for rank, (argv, reason) in enumerate(steps, 1)
    ]


def _absent(host: Host, command: str, lang: Lang) -> tuple[str, ...]:
    """Ids of the findings that the folder where the command would go stands in ``PATH`` and is not there."""
    place = place_for(host, command)
    if not place.in_path or place.folder.exists():
        return ()
    search = read_path(host)
    spelled = {f"path-missing:{e.entry}" for e in search.entries if os.path.normpath(e.entry) == str(place.folder)}
    return tuple(dict.fromkeys(found.id for found in path_findings(search, lang) if found.cause in spelled))


def _posix(seen: Survey, host: Host, lang: Lang) -> Iterator[tuple[list[str], str]]:
    place = place_for(host, seen.command)
    note = "" if place.in_path else _PATH_NOTE.say(lang, folder=place.folder, file=place.startup, line=place.line)
    for spot in seen.on_path:
        if spot.problem == "not-executable" and os.access(spot.folder, os.W_OK):
            yield ["chmod", "u+x", spot.path], _EXECUTABLE.say(lang, target=spot.path)
    for successor in seen.successors:
        if successor.available and successor.compatible:
            values = {"call": successor.words, "answer": successor.answer, "command": seen.command, "path": note}
            reason = _SHIM.say(lang, file=place.folder / seen.command, **values)
            yield shim(place.folder / seen.command, successor.words), reason
    for spot in seen.outside[:1]:
        reason = _LINK.say(lang, target=spot.path, folder=place.folder, path=note)
        yield link(Path(spot.path), place.folder / seen.command), reason
    for candidate in seen.candidates:
        sudo = candidate.needs_root and not host.is_root
        if sudo and host.program("sudo") is None:
            continue
        values = {"manager": candidate.manager, "package": candidate.package, "version": candidate.version}
        reason = _INSTALL.say(lang, command=seen.command, **values)
        reason += _STALE.say(lang) if candidate.stale else ""
        reason += _SUDO.say(lang) if sudo else ""
        yield [*(["sudo"] if sudo else []), *candidate.install], reason


def shim(file: Path, call: str) -> list[str]:
    """Write a script that hands all arguments to ``call``; an existing file is never overwritten."""
    # Without single quotes inside, the whole stays readable where it is shown as one quoted word.
    body = f'printf "#!/bin/sh\\nexec {call} \\"\\$@\\"\\n"'
    folder, name = shlex.quote(str(file.parent)), shlex.quote(str(file))
    return ["sh", "-c", f"set -C && mkdir -p {folder} && {body} > {name} && chmod 755 {name}"]


def link(target: Path, file: Path) -> list[str]:
    """Link ``file`` to ``target``, making its folder when it is not there."""
    if file.parent.is_dir():
        return ["ln", "-s", str(target), str(file)]
    folder, source, name = (shlex.quote(str(path)) for path in (file.parent, target, file))
    return ["sh", "-c", f"mkdir -p {folder} && ln -s {source} {name}"]


def _windows(seen: Survey, lang: Lang) -> Iterator[tuple[list[str], str]]:
    shell = ["powershell", "-NoProfile", "-NonInteractive", "-Command"]
    for successor in seen.successors:
        if successor.available and successor.compatible:
            values = {"call": successor.words, "answer": successor.answer, "command": seen.command, "path": ""}
            reason = _SHIM.say(lang, file=f"{seen.command}.cmd", **values)
            yield [*shell, windows.shim_line(seen.command, successor.words)], reason
    for spot in seen.outside[:1]:
        reason = _LINK.say(lang, target=spot.path, folder="PATH", path="")
        yield [*shell, windows.path_line(spot.folder)], reason
    for candidate in seen.candidates:
        values = {"manager": candidate.manager, "package": candidate.package, "version": candidate.version}
        yield candidate.install, _INSTALL.say(lang, command=seen.command, **values)
