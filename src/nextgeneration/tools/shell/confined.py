"""What every tool that runs commands shares: which confinement holds, what was shown of it, and the run."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel

from nextgeneration.kernel.findings import Evidence, Finding, Location, Severity
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.risk import Assessment, RiskLabel
from nextgeneration.kernel.show import escaped
from nextgeneration.kernel.tools import ToolContext
from nextgeneration.settings.tools import ToolSettings
from nextgeneration.tools.beneath import open_folder, parts_of, place
from nextgeneration.tools.errors_paths import FileMissing, PathRefused
from nextgeneration.tools.shell import process
from nextgeneration.tools.shell.containment import NONE, Command, Confinement, Containment, Limits, Unconfined
from nextgeneration.tools.shell.errors import (
    CommandUnusable,
    ContainmentChanged,
    ContainmentMissing,
    UnconfinedRefused,
)
from nextgeneration.tools.shell.process import Outcome
from nextgeneration.tools.workspace import Workspace

MAX_SECONDS = 3_600
"""Longest time one command may be given."""

_REMEMBERED = 1_000

_MISSING = Texts("it would run without confinement: {why}", "elle tournerait sans confinement : {why}")
_NO_FOLDER = Texts("`{cwd}` is no folder of the workspace", "`{cwd}` n'est pas un dossier de l'espace de travail")
_TAMPERED = Texts("A command made the control file {path}", "Une commande a créé le fichier de contrôle {path}")
_TAMPERED_WHY = Texts(
    "Other programs run what this file names, later and outside the confinement. Look at it before you use it.",
    "D'autres programmes exécutent ce que nomme ce fichier, plus tard et hors du confinement. "
    "Examinez-le avant de vous en servir.",
)
_CONFINEMENT = Texts("confinement", "confinement")
_NETWORK = Texts("network", "réseau")
_LIMITS = Texts("limits", "limites")
_FOLDER = Texts("folder", "dossier")
_ON_OFF = {True: Texts("on", "oui"), False: Texts("off", "non")}


class CommandResult(BaseModel):
    """How a command ended."""

    confinement: str
    """``bubblewrap`` or ``none``: what was in force."""
    exit_code: int
    stdout: str
    stderr: str
    seconds: float
    truncated: bool = False
    timed_out: bool = False
    ended_by: str = ""
    """The limit that ended it: ``time``, ``memory`` or ``processes``."""


class Runner:
    """Runs commands in the strongest confinement there is, and only as it was shown.

    Args:
        settings: the default limits.
        containment: finds the confinement.
    """

    def __init__(self, settings: ToolSettings, containment: Containment) -> None:
        self._settings = settings
        self._containment = containment
        self._shown: OrderedDict[tuple[str, str], str] = OrderedDict()

    def judged(self, judged: Assessment, context: ToolContext, *, confined: bool = True) -> Assessment:
        """``judged`` with the conditions it rests on; at least ``unknown`` where there is no confinement."""
        found = self._containment.current()
        kind = found.kind if confined else NONE
        self._remember(context, kind)
        # Without confinement nothing keeps a command off the network, whatever the mission was granted.
        conditions = {"confinement": kind, "network": "on" if context.network or kind == NONE else "off"}
        judged = judged.model_copy(update={"conditions": {**judged.conditions, **conditions}})
        if confined and kind == NONE:
            why = found.describe(context.lang)
            judged = judged.raised(RiskLabel.UNKNOWN, _MISSING.say(context.lang, why=why))
        return judged

    def described(self, context: ToolContext, cwd: str, seconds: float, *, confined: bool = True) -> str:
        """The circumstances of a run, as lines for a preview."""
        lang, limits = context.lang, self.limits(seconds)
        confinement = self._containment.current() if confined else Unconfined()
        network = context.network or confinement.kind == NONE
        lines = {
            _FOLDER: escaped(cwd, newlines=False),
            _CONFINEMENT: confinement.describe(lang),
            _NETWORK: _ON_OFF[network].say(lang),
            _LIMITS: f"{limits.seconds:g} s, {limits.memory_mb} MB, {limits.output_kb} kB",
        }
        return "".join(f"# {name.say(lang)}: {text}\n" for name, text in lines.items())

    def limits(self, seconds: float) -> Limits:
        """The limits of a run; 0 seconds stand for the default."""
        return Limits(
            seconds=seconds or self._settings.command_seconds,
            memory_mb=self._settings.command_memory_mb,
            output_kb=self._settings.command_output_kb,
        )

    async def run(
        self,
        argv: Sequence[str],
        context: ToolContext,
        *,
        cwd: str = ".",
        seconds: float = 0.0,
        confined: bool = True,
        variables: Mapping[str, str] | None = None,
        writable: tuple[Path, ...] = (),
    ) -> Outcome:
        """Run ``argv``, confined, or as the user with the user's environment.

        Raises:
            ContainmentChanged: the confinement is not the one that was shown for this call.
            ContainmentMissing: there is none, and nobody approved that.
            UnconfinedRefused: it is to run outside, and nobody approved that.
            ContainmentFailed: the confinement could not be set up.
            CommandUnusable: the folder is not in the workspace, or the arguments hold a NUL.
        """
        if any("\0" in part for part in argv):
            raise CommandUnusable(why="NUL")
        confinement = self._confinement(context) if confined else self._outside(context)
        root = Workspace(context.workspace).root
        command = Command(
            argv=argv,
            workspace=root,
            cwd=root.joinpath(*_folder(root, cwd)),
            scratch=context.scratch,
            network=context.network,
            variables=variables or {},
            writable=writable,
        )
        return await process.run(confinement, command, self.limits(seconds), clock=context.clock, emit=context.emit)

    def _confinement(self, context: ToolContext) -> Confinement:
        found = self._containment.current()
        shown = self._shown.get(_call(context), found.kind)
        if shown != found.kind:
            raise ContainmentChanged(shown=shown, now=found.kind)
        if found.kind == NONE and not context.approved:
            raise ContainmentMissing(why=found.describe(context.lang))
        return found

    def _outside(self, context: ToolContext) -> Confinement:
        if not context.approved:
            raise UnconfinedRefused
        return Unconfined(inherit=True)

    def _remember(self, context: ToolContext, kind: str) -> None:
        self._shown[_call(context)] = kind
        self._shown.move_to_end(_call(context))
        if len(self._shown) > _REMEMBERED:
            self._shown.popitem(last=False)


def _call(context: ToolContext) -> tuple[str, str]:
    return context.key, str(context.workspace)


def _folder(root: Path, cwd: str) -> tuple[str, ...]:
    """The segments of the folder ``cwd`` in the workspace."""
    try:
        with place(root, cwd, links=False) as where:
            if where.folder is not None:
                os.close(open_folder(where, cwd))
    except (PathRefused, FileMissing):
        raise CommandUnusable(why=Texts(*(text.format(cwd=cwd) for text in _NO_FOLDER))) from None
    return parts_of(cwd)


def result_of(outcome: Outcome) -> CommandResult:
    """An outcome as a tool's value."""
    return CommandResult(
        confinement=outcome.confinement,
        exit_code=outcome.exit_code,
        stdout=outcome.stdout,
        stderr=outcome.stderr,
        seconds=outcome.seconds,
        truncated=outcome.truncated,
        timed_out=outcome.ended == process.TIME,
        ended_by=outcome.ended,
    )


def tampering(outcome: Outcome, tool: str, lang: Lang) -> tuple[Finding, ...]:
    """A finding for each control file that came into being deep in the workspace, where none can be denied."""
    return tuple(
        Finding(
            rule="shell.control-file-made",
            title=_TAMPERED.say(lang, path=path),
            message=_TAMPERED_WHY.say(lang),
            severity=Severity.HIGH,
            location=Location(path=path),
            evidence=(Evidence(source=tool, excerpt=path[:500], location=Location(path=path)),),
            cause=f"control-file-made:{path}",
        )
        for path in outcome.tampered
    )
