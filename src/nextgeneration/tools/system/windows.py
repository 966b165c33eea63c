"""Advice and remedies for Windows: PowerShell lines about a command that is not recognised."""

from __future__ import annotations

from pydantic import BaseModel

from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.tools.system.packages import PACKAGES
from nextgeneration.tools.system.successors import known_calls

# Where installers put programs whose folder is then missing from PATH.
_FOLDERS = {
    "docker": r"C:\Program Files\Docker\Docker\resources\bin",
    "docker-compose": r"C:\Program Files\Docker\Docker\resources\bin",
    "git": r"C:\Program Files\Git\cmd",
    "node": r"C:\Program Files\nodejs",
    "npm": r"C:\Program Files\nodejs",
    "code": r"%LOCALAPPDATA%\Programs\Microsoft VS Code\bin",
    "kubectl": r"C:\Program Files\Docker\Docker\resources\bin",
    "cargo": r"%USERPROFILE%\.cargo\bin",
    "go": r"C:\Program Files\Go\bin",
}
_APPS = r"$Env:LOCALAPPDATA\Microsoft\WindowsApps"


class Advice(BaseModel):
    """One step for a Windows machine: PowerShell ``lines``, and whether we stand on that machine."""

    id: str
    title: str
    why: str
    lines: list[str]
    executable_here: bool = False


_LOOK = Texts("See whether Windows finds {command}", "Voir si Windows trouve {command}")
_LOOK_WHY = Texts(
    "Get-Command searches PATH as PowerShell does; nothing shown means that no folder of PATH holds it.",
    "Get-Command cherche dans PATH comme PowerShell ; rien d'affiché signifie qu'aucun dossier de PATH ne la contient.",
)
_USE = Texts("Use `{call}` in place of {command}", "Utiliser `{call}` à la place de {command}")
_USE_WHY = Texts(
    "If `{call}` answers, a small file in a folder that Windows keeps in PATH makes {command} work too.",
    "Si `{call}` répond, un petit fichier dans un dossier que Windows garde dans PATH fait aussi marcher {command}.",
)
_PATH = Texts(
    "Add the folder of {command} to the user's PATH", "Ajouter le dossier de {command} au PATH de l'utilisateur"
)
_PATH_WHY = Texts(
    "If {command}.exe exists outside PATH, add its folder, then open a new terminal. Do not use `setx PATH`: it cuts "
    "the value at 1024 characters and mixes the machine's PATH into the user's.",
    "Si {command}.exe existe hors de PATH, ajoutez son dossier, puis ouvrez un nouveau terminal. N'utilisez pas "
    "`setx PATH` : il coupe la valeur à 1024 caractères et mêle le PATH de la machine à celui de l'utilisateur.",
)
_INSTALL = Texts("Install {command} with winget", "Installer {command} avec winget")
_INSTALL_WHY = Texts(
    "winget is part of Windows 10 and 11; open a new terminal afterwards.",
    "winget fait partie de Windows 10 et 11 ; ouvrez ensuite un nouveau terminal.",
)


def advice(command: str, lang: Lang, *, here: bool) -> list[Advice]:
    """What to do on Windows about ``command``, in the order of remedies."""
    found = [
        _step("look", _LOOK, _LOOK_WHY, [f"Get-Command {command} -All -ErrorAction SilentlyContinue"], lang, command)
    ]
    for call in known_calls(command)[:1]:
        lines = [f"{call} version" if "compose" in call else f"{call} --version", shim_line(command, call)]
        found.append(_step("successor", _USE, _USE_WHY, lines, lang, command, call))
    found.append(_step("path", _PATH, _PATH_WHY, path_lines(command), lang, command))
    found.append(_step("install", _INSTALL, _INSTALL_WHY, [" ".join(winget(command))], lang, command))
    return [step.model_copy(update={"executable_here": here}) for step in found]


def shim_line(command: str, call: str) -> str:
    """The PowerShell line that makes ``command`` call its successor."""
    return f"Set-Content -Path \"{_APPS}\\{command}.cmd\" -Value '@{call} %*'"


def path_lines(command: str) -> list[str]:
    """PowerShell lines that look for the program and add its folder to the user's ``PATH``."""
    folder = _FOLDERS.get(command)
    search = f"Get-ChildItem $Env:ProgramFiles, $Env:LOCALAPPDATA -Recurse -Filter {command}.exe -ErrorAction Ignore"
    if folder:
        search = f'Test-Path "{_powershell(folder)}\\{command}.exe"'
    return [search, path_line(folder or r"C:\the\folder\found")]


def path_line(folder: str) -> str:
    """The PowerShell line that appends ``folder`` to the user's own ``PATH``."""
    return (
        "[Environment]::SetEnvironmentVariable('Path', [Environment]::GetEnvironmentVariable('Path', 'User') + "
        f"\";{_powershell(folder)}\", 'User')"
    )


def winget(command: str) -> list[str]:
    """The winget call for ``command``: by exact id where we know it, else a search."""
    package = PACKAGES.get(command, {}).get("winget")
    return ["winget", "install", "--exact", "--id", package] if package else ["winget", "search", command]


def _powershell(folder: str) -> str:
    return folder.replace("%LOCALAPPDATA%", "$Env:LOCALAPPDATA").replace("%USERPROFILE%", "$Env:USERPROFILE")


def _step(step: str, title: Texts, why: Texts, lines: list[str], lang: Lang, command: str, call: str = "") -> Advice:
    values = {"command": command, "call": call}
    return Advice(id=step, title=title.say(lang, **values), why=why.say(lang, **values), lines=lines)
