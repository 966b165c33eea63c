"""``system.which``: where a command is, or could be had."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, Field

from nextgeneration.kernel.findings import Finding, Severity
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.tools import ToolContext, ToolResult, ToolSpec
from nextgeneration.tools.base import Args, BaseTool
from nextgeneration.tools.system.base import TOUCHES, result
from nextgeneration.tools.system.findings import Rule, finding
from nextgeneration.tools.system.host import Host
from nextgeneration.tools.system.locate import Spot, on_path, outside
from nextgeneration.tools.system.names import checked_name
from nextgeneration.tools.system.packages import Candidate, candidates
from nextgeneration.tools.system.successors import Successor, successors

MISSING = Rule(
    "system.command-missing",
    Severity.HIGH,
    Texts("The command {command} cannot be found", "La commande {command} est introuvable"),
    Texts(
        "No folder of PATH holds a {command} that can be run ({folders} folders looked at).",
        "Aucun dossier de PATH ne contient de {command} exécutable ({folders} dossiers examinés).",
    ),
)
PRESENT = Rule(
    "system.command-present",
    Severity.INFO,
    Texts("The command {command} is there", "La commande {command} est présente"),
    Texts(
        "{path} is found through PATH. If a shell does not find it, that shell has another PATH (an editor, a "
        "service, sudo, a container) or remembers an older state: `hash -r`, or open a new one.",
        "{path} est trouvée grâce à PATH. Si un shell ne la trouve pas, il a un autre PATH (éditeur, service, sudo, "
        "conteneur) ou garde un ancien état : `hash -r`, ou ouvrez-en un nouveau.",
    ),
)
BROKEN = Rule(
    "system.command-broken",
    Severity.MEDIUM,
    Texts("{path} is there but cannot be run", "{path} existe mais ne peut pas s'exécuter"),
    Texts("{reason}", "{reason}"),
)
OUTSIDE = Rule(
    "system.command-outside-path",
    Severity.LOW,
    Texts("{command} exists outside PATH", "{command} existe hors de PATH"),
    Texts(
        "{path} can be run, but its folder is not in PATH.",
        "{path} est exécutable, mais son dossier n'est pas dans PATH.",
    ),
)
SHADOWED = Rule(
    "system.command-shadowed",
    Severity.INFO,
    Texts("There are {count} different {command} on PATH", "Il y a {count} {command} différents dans PATH"),
    Texts("{path} is used; it hides: {hidden}.", "{path} est utilisé ; il cache : {hidden}."),
)
SUCCESSOR = Rule(
    "system.command-successor",
    Severity.INFO,
    Texts("`{call}` is available in place of {command}", "`{call}` est disponible à la place de {command}"),
    Texts("{why}", "{why}"),
)
PACKAGE = Rule(
    "system.command-package",
    Severity.INFO,
    Texts("{manager} can install {command}", "{manager} peut installer {command}"),
    Texts("The package {package} {version} brings {command}.", "Le paquet {package} {version} fournit {command}."),
)
_REASONS = {
    "broken-link": Texts(
        "The link points to {detail}, which is not there.", "Le lien vise {detail}, qui n'existe pas."
    ),
    "not-executable": Texts("The file is not marked as executable.", "Le fichier n'est pas marqué comme exécutable."),
    "bad-interpreter": Texts(
        "Its first line names the interpreter {detail}, which is not there.",
        "Sa première ligne désigne l'interpréteur {detail}, qui n'existe pas.",
    ),
}
_NOTE = Texts(
    "Aliases and functions of an interactive shell cannot be seen from here.",
    "Les alias et fonctions d'un shell interactif ne se voient pas d'ici.",
)


class Survey(BaseModel):
    """All that is known of one command: copies on ``PATH`` (the first is used), elsewhere, and to be had."""

    command: str
    on_path: list[Spot]
    outside: list[Spot]
    successors: list[Successor]
    candidates: list[Candidate]
    note: str

    @property
    def working(self) -> list[Spot]:
        """The copies on ``PATH`` that can be run."""
        return [spot for spot in self.on_path if not spot.problem]


class WhichArgs(Args):
    """A command's name."""

    command: str = Field(min_length=1, max_length=64)


async def survey(host: Host, command: str, context: ToolContext) -> Survey:
    """Look ``command`` up everywhere; package managers are asked only when it is not on ``PATH``."""
    found = on_path(host, command)
    working = any(not spot.problem for spot in found)
    return Survey(
        command=command,
        on_path=found,
        outside=outside(host, command),
        successors=[] if working else await successors(host, command, context.lang, context.workspace),
        candidates=[] if working else await candidates(host, command, context.workspace),
        note=_NOTE.say(context.lang),
    )


def missing_finding(command: str, excerpt: str, tool: str, lang: Lang, folders: int) -> Finding:
    """The finding that ``command`` cannot be found, with the same id from every system tool."""
    cause = f"command-missing:{command}"
    return finding(MISSING, tool=tool, lang=lang, cause=cause, excerpt=excerpt, command=command, folders=folders)


def present_finding(command: str, path: str, excerpt: str, tool: str, lang: Lang) -> Finding:
    """The finding that contradicts :func:`missing_finding`."""
    cause = f"command-missing:{command}"
    return finding(PRESENT, tool=tool, lang=lang, cause=cause, excerpt=excerpt, holds=False, command=command, path=path)


def survey_findings(seen: Survey, host: Host, tool: str, lang: Lang) -> Iterator[Finding]:
    """What a survey means: missing or present first, then why, then what could help."""
    command = seen.command
    if seen.working:
        first = seen.working[0].path
        yield present_finding(command, first, f"PATH → {first}", tool, lang)
    else:
        path = ":".join(host.environment.path)
        yield missing_finding(command, f"{command}: not in PATH={path}", tool, lang, len(host.environment.path))
    for spot in seen.on_path:
        if spot.problem:
            reason = _REASONS[spot.problem].say(lang, detail=spot.detail)
            cause = f"command-broken:{spot.path}"
            excerpt = f"{spot.path}: {spot.problem} {spot.detail}".strip()
            yield finding(BROKEN, tool=tool, lang=lang, cause=cause, excerpt=excerpt, path=spot.path, reason=reason)
    if len(seen.working) > 1:
        hidden = [spot.path for spot in seen.working[1:]]
        values: dict[str, Any] = {"path": seen.working[0].path, "hidden": ", ".join(hidden), "count": len(seen.working)}
        cause = f"command-shadowed:{command}"
        excerpt = "\n".join(spot.path for spot in seen.working)
        yield finding(SHADOWED, tool=tool, lang=lang, cause=cause, excerpt=excerpt, command=command, **values)
    if not seen.working:
        yield from _help_findings(seen, tool, lang)


def _help_findings(seen: Survey, tool: str, lang: Lang) -> Iterator[Finding]:
    command = seen.command
    for successor in seen.successors:
        if successor.available:
            yield finding(
                SUCCESSOR,
                tool=tool,
                lang=lang,
                cause=f"command-successor:{command}:{successor.words}",
                excerpt=f"{successor.words}: {successor.answer}",
                command=command,
                call=successor.words,
                why=successor.why,
            )
    for spot in seen.outside:
        cause = f"command-outside-path:{spot.path}"
        yield finding(OUTSIDE, tool=tool, lang=lang, cause=cause, excerpt=spot.path, command=command, path=spot.path)
    for candidate in seen.candidates:
        yield finding(
            PACKAGE,
            tool=tool,
            lang=lang,
            cause=f"command-package:{command}:{candidate.manager}",
            excerpt=f"{candidate.manager}: {candidate.package} {candidate.version}".strip(),
            command=command,
            manager=candidate.manager,
            package=candidate.package,
            version=candidate.version,
        )


class SystemWhich(BaseTool):
    """Where a command is.

    Args:
        host: the machine to look at.
    """

    spec = ToolSpec(
        name="system.which",
        summary=Texts(
            "Where a command is: on PATH, outside it, under a newer name, or in the package manager.",
            "Où se trouve une commande : dans PATH, ailleurs, sous un nouveau nom, ou dans le gestionnaire de paquets.",
        ),
        args=WhichArgs,
        result=Survey,
        touches=TOUCHES,
        seconds=30,
    )

    def __init__(self, host: Host) -> None:
        self.host = host

    def subjects(self, args: WhichArgs) -> tuple[str, ...]:
        """The command."""
        return (args.command,)

    async def call(self, args: WhichArgs, context: ToolContext) -> ToolResult:
        """Survey the command; a command that is not there is an answer, not a failure."""
        seen = await survey(self.host, checked_name(args.command), context)
        found = tuple(survey_findings(seen, self.host, self.spec.name, context.lang))
        return result(seen, found, "\n".join(one.title for one in found))
