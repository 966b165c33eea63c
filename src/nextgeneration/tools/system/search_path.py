"""``system.path``: the entries of ``PATH`` in order, and what is wrong with them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from nextgeneration.kernel.findings import Finding, Severity
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.tools import ToolContext, ToolSpec
from nextgeneration.tools.system.base import TOUCHES, Facts, NoArgs, SystemTool
from nextgeneration.tools.system.findings import Rule, finding
from nextgeneration.tools.system.host import Host

TOOL = "system.path"

RELATIVE = Rule(
    "system.path-relative",
    Severity.HIGH,
    Texts("PATH holds the current folder", "PATH contient le dossier courant"),
    Texts(
        "Entry {number} of PATH is {entry}: a program lying in whatever folder you stand in can run in place of a "
        "system command.",
        "L'entrée {number} de PATH est {entry} : un programme posé dans n'importe quel dossier courant peut "
        "s'exécuter à la place d'une commande du système.",
    ),
    Texts("Remove this entry from PATH.", "Retirez cette entrée de PATH."),
)
WRITABLE = Rule(
    "system.path-world-writable",
    Severity.HIGH,
    Texts("Anybody may write to {entry}, a folder of PATH", "Tout le monde peut écrire dans {entry}, dossier de PATH"),
    Texts(
        "{entry} has the mode {mode}: any user of this machine can put a command there that you would run.",
        "{entry} a le mode {mode} : tout utilisateur de cette machine peut y poser une commande que vous exécuteriez.",
    ),
    Texts("Run: chmod o-w {entry}", "Lancez : chmod o-w {entry}"),
)
NOT_FOLDER = Rule(
    "system.path-not-a-folder",
    Severity.LOW,
    Texts("{entry} in PATH is not a folder", "{entry} dans PATH n'est pas un dossier"),
    Texts(
        "Entry {number} of PATH is a file; shells ignore it.",
        "L'entrée {number} de PATH est un fichier ; les shells l'ignorent.",
    ),
    Texts("Name the folder that holds the file instead.", "Indiquez plutôt le dossier qui contient ce fichier."),
)
MISSING = Rule(
    "system.path-missing",
    Severity.INFO,
    Texts("{entry} in PATH does not exist", "{entry} dans PATH n'existe pas"),
    Texts(
        "Entry {number} of PATH names a folder that is not there.",
        "L'entrée {number} de PATH désigne un dossier absent.",
    ),
)
DUPLICATE = Rule(
    "system.path-duplicate",
    Severity.INFO,
    Texts("{entry} stands in PATH more than once", "{entry} figure plusieurs fois dans PATH"),
    Texts("Entry {number} of PATH repeats an earlier one.", "L'entrée {number} de PATH répète une entrée précédente."),
)
UNSET = Rule(
    "system.path-empty",
    Severity.MEDIUM,
    Texts("PATH is not set", "PATH n'est pas défini"),
    Texts(
        "PATH is empty or not set: shells fall back to their own built-in folders.",
        "PATH est vide ou non défini : les shells se rabattent sur leurs dossiers intégrés.",
    ),
)


class Entry(BaseModel):
    """One entry of ``PATH``. ``problems`` are the last words of the rules it breaks."""

    entry: str
    exists: bool
    writable: bool
    problems: list[str] = []


class SearchPath(BaseModel):
    """``PATH`` in order."""

    entries: list[Entry]


def read_path(host: Host) -> SearchPath:
    """The entries of ``PATH`` with what is wrong with each."""
    entries: list[Entry] = []
    seen: set[str] = set()
    for written in host.environment.path:
        path = Path(written) if written else Path()
        normal = os.path.normpath(written) if written else "."
        try:
            mode: int | None = path.stat().st_mode
        except OSError:
            mode = None
        problems = list(_problems(path, mode))
        if normal in seen:
            problems.append("duplicate")
        seen.add(normal)
        entries.append(
            Entry(
                entry=written,
                exists=mode is not None,
                writable=mode is not None and os.access(path, os.W_OK),
                problems=problems,
            )
        )
    return SearchPath(entries=entries)


def _problems(path: Path, mode: int | None) -> Iterator[str]:
    if not path.is_absolute():
        yield "relative"
    elif mode is None:
        yield "missing"
    elif not stat.S_ISDIR(mode):
        yield "not-a-folder"
    elif mode & stat.S_IWOTH:
        yield "world-writable"


_RULES = {
    "relative": RELATIVE,
    "missing": MISSING,
    "not-a-folder": NOT_FOLDER,
    "world-writable": WRITABLE,
    "duplicate": DUPLICATE,
}


def path_findings(search: SearchPath, lang: Lang) -> Iterator[Finding]:
    """What is wrong with ``PATH``, one finding per entry and problem."""
    whole = ":".join(entry.entry for entry in search.entries)
    if not search.entries:
        yield finding(UNSET, tool=TOOL, lang=lang, cause="path-empty", excerpt="PATH=")
    for number, entry in enumerate(search.entries, 1):
        for problem in entry.problems:
            yield finding(
                _RULES[problem],
                tool=TOOL,
                lang=lang,
                cause=f"path-{problem}:{entry.entry or '(empty)'}",
                excerpt=f"PATH={whole}" if len(whole) < 400 else f"PATH[{number}]={entry.entry}",
                number=number,
                entry=entry.entry or '""',
                mode=_mode(entry.entry),
            )


def _mode(entry: str) -> str:
    try:
        return stat.filemode(Path(entry).stat().st_mode)
    except OSError:
        return "-"


class SystemPath(SystemTool):
    """``PATH`` and its problems."""

    spec = ToolSpec(
        name=TOOL,
        summary=Texts(
            "The folders of PATH in order: missing, repeated, relative and world-writable ones.",
            "Les dossiers de PATH dans l'ordre : absents, répétés, relatifs ou ouverts en écriture à tous.",
        ),
        args=NoArgs,
        result=SearchPath,
        touches=TOUCHES,
        seconds=20,
    )

    async def facts(self, context: ToolContext) -> Facts:
        """The entries and the findings over them."""
        search = read_path(self.host)
        text = "\n".join(f"{n}. {e.entry} {' '.join(e.problems)}".rstrip() for n, e in enumerate(search.entries, 1))
        return Facts(search, tuple(path_findings(search, context.lang)), text)
