"""``system.diagnose_command``: from an error message to its cause and the remedies, in order."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel, Field

from nextgeneration.kernel.actions import Proposal
from nextgeneration.kernel.findings import Finding, Severity
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.tools import ToolContext, ToolResult, ToolSpec
from nextgeneration.tools.base import Args, BaseTool
from nextgeneration.tools.system.base import TOUCHES, result
from nextgeneration.tools.system.findings import Rule, finding
from nextgeneration.tools.system.host import Host
from nextgeneration.tools.system.machine import Platform, read_platform
from nextgeneration.tools.system.names import NONE_NAMED, Mention, checked_name, mentions
from nextgeneration.tools.system.packages import PACKAGES
from nextgeneration.tools.system.remedies import NO_ROOT, NOT_ON_PATH, place_for, proposals
from nextgeneration.tools.system.successors import known_calls
from nextgeneration.tools.system.which import MISSING, Survey, survey, survey_findings
from nextgeneration.tools.system.windows import Advice, advice

TOOL = "system.diagnose_command"
_SYSTEMS = {"linux": "Linux", "macos": "Darwin", "windows": "Windows"}

REPORTED = MISSING._replace(
    message=Texts(
        "The message says so; that machine cannot be looked at from here.",
        "Le message le dit ; cette machine ne peut pas être examinée d'ici.",
    ),
    confidence=0.7,
)
WINDOWS = Rule(
    "system.windows-advice",
    Severity.INFO,
    Texts("On Windows: {title}", "Sous Windows : {title}"),
    Texts("{why}", "{why}"),
    confidence=0.8,
)
NO_REMEDY = Rule(
    "system.no-remedy-known",
    Severity.LOW,
    Texts("No remedy for {command} is known here", "Aucun remède connu ici pour {command}"),
    Texts(
        "It is not in the usual folders, has no known successor, and {manager} does not offer it under this name.",
        "Elle n'est pas dans les dossiers usuels, n'a pas de successeur connu, et {manager} ne la propose pas.",
    ),
)


class DiagnoseArgs(Args):
    """A goal or an error message, as it was shown.

    ``platform`` is where it was shown, when that is another machine than this one; ``command``
    says which command is meant when the text is not clear.
    """

    text: str = Field(default="", max_length=10_000)
    command: str = Field(default="", max_length=64)
    platform: Literal["auto", "linux", "macos", "windows"] = "auto"


class Diagnosis(BaseModel):
    """What was understood and found. ``survey`` is ``None`` when that machine is not this one."""

    command: str | None
    mentioned: list[str]
    platform: str
    message_system: str
    facts: Platform
    survey: Survey | None
    advice: list[Advice]


class SystemDiagnoseCommand(BaseTool):
    """Diagnoses a command that is not found.

    Args:
        host: the machine to look at.
    """

    spec = ToolSpec(
        name=TOOL,
        summary=Texts(
            "Why a command is not found, from the error message, and what would make it work.",
            "Pourquoi une commande est introuvable, d'après le message d'erreur, et ce qui la ferait marcher.",
        ),
        args=DiagnoseArgs,
        result=Diagnosis,
        touches=TOUCHES,
        seconds=45,
    )

    def __init__(self, host: Host) -> None:
        self.host = host

    def subjects(self, args: DiagnoseArgs) -> tuple[str, ...]:
        """The command, when it was named."""
        return (args.command,) if args.command else ()

    async def call(self, args: DiagnoseArgs, context: ToolContext) -> ToolResult:
        """Understand the text, look at the machine, and put findings and remedies together."""
        named = [Mention(checked_name(args.command), "", True)] if args.command else mentions(args.text)
        facts = read_platform(self.host)
        here = self.host.environment.system
        platform = _SYSTEMS.get(args.platform, here)
        elsewhere = platform != here
        meant, seen = await self._meant(named, elsewhere, context)
        value: dict[str, Any] = {"mentioned": [m.command for m in named], "platform": platform, "facts": facts}
        if meant is None:
            empty = Diagnosis(command=None, message_system="", survey=None, advice=[], **value)
            return result(empty, (), NONE_NAMED.say(context.lang), ok=False)
        on_windows = platform == "Windows" or meant.system == "Windows" or facts.wsl
        steps = advice(meant.command, context.lang, here=here == "Windows") if on_windows else []
        diagnosis = Diagnosis(command=meant.command, message_system=meant.system, survey=seen, advice=steps, **value)
        evidence = args.text or meant.command
        remedies: list[Proposal] = []
        if seen is None:
            findings = [_reported(meant.command, evidence, context.lang)]
        else:
            findings = list(survey_findings(seen, self.host, TOOL, context.lang))
            if not seen.working:
                remedies = proposals(seen, self.host, findings[0].id, context.lang)
                findings += self._obstacles(seen, bool(remedies), facts, context.lang)
        findings += _advised(steps, meant.command, evidence, context.lang)
        said = [one.title for one in findings]
        if seen is not None and seen.working:
            # The answer to the goal is then no problem but this: a finding that does not hold is only listed.
            said.insert(0, findings[0].message)
        return result(diagnosis, findings, "\n".join(said), remedies)

    async def _meant(
        self, named: list[Mention], elsewhere: bool, context: ToolContext
    ) -> tuple[Mention | None, Survey | None]:
        """The first mention that is a command for sure, or turns out to be one, with its survey on this machine."""
        for mention in named[:5]:
            sure = mention.sure or mention.command in PACKAGES or bool(known_calls(mention.command))
            if elsewhere:
                if sure:
                    return mention, None
                continue
            seen = await survey(self.host, mention.command, context)
            if sure or seen.on_path or seen.outside or seen.candidates:
                return mention, seen
        return None, None

    def _obstacles(self, seen: Survey, remedied: bool, facts: Platform, lang: Lang) -> Iterator[Finding]:
        """What stands in the way of a remedy, or that there is none."""
        place = place_for(self.host, seen.command)
        placed = bool(seen.outside) or any(s.available and s.compatible for s in seen.successors)
        if placed and not place.in_path and self.host.environment.system != "Windows":
            values: dict[str, Any] = {"folder": str(place.folder), "file": place.startup, "line": place.line}
            excerpt = "PATH=" + ":".join(self.host.environment.path)
            cause = f"path-lacks:{place.folder}"
            yield finding(NOT_ON_PATH, tool=TOOL, lang=lang, cause=cause, excerpt=excerpt, **values)
        for candidate in seen.candidates:
            if candidate.needs_root and not facts.is_root and not facts.sudo:
                values = {"package": candidate.package, "line": shlex.join(candidate.install)}
                cause = f"install-needs-root:{candidate.package}"
                excerpt = f"user {facts.user}, no sudo in PATH"
                yield finding(NO_ROOT, tool=TOOL, lang=lang, cause=cause, excerpt=excerpt, **values)
        if not remedied and not seen.candidates:
            manager = facts.package_manager or Texts("no package manager", "aucun gestionnaire de paquets").say(lang)
            cause, excerpt = f"command-no-remedy:{seen.command}", f"{manager}: no package for {seen.command}"
            values = {"command": seen.command, "manager": manager}
            yield finding(NO_REMEDY, tool=TOOL, lang=lang, cause=cause, excerpt=excerpt, **values)


def _reported(command: str, text: str, lang: Lang) -> Finding:
    return finding(
        REPORTED, tool=TOOL, lang=lang, cause=f"command-missing:{command}", excerpt=text, command=command, folders=0
    )


def _advised(steps: list[Advice], command: str, text: str, lang: Lang) -> Iterator[Finding]:
    for step in steps:
        found = finding(
            WINDOWS,
            tool=TOOL,
            lang=lang,
            cause=f"windows-{step.id}:{command}",
            excerpt=text,
            title=step.title,
            why=step.why,
        )
        yield found.model_copy(update={"fix": "\n".join(step.lines)})
