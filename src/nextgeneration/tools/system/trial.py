"""``system.try_command``: whether a command works in the user's own shell, started afresh."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

from nextgeneration.kernel.findings import Finding, Severity
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.risk import Assessment, EffectRule, RiskLabel
from nextgeneration.kernel.show import clean, escaped
from nextgeneration.kernel.tools import Preview, ToolContext, ToolResult, ToolSpec
from nextgeneration.tools.base import Args, BaseTool
from nextgeneration.tools.system.base import result
from nextgeneration.tools.system.errors import TrialNotApproved
from nextgeneration.tools.system.findings import Rule, finding
from nextgeneration.tools.system.host import Host, Ran, is_executable, run_bounded
from nextgeneration.tools.system.names import checked_name
from nextgeneration.tools.system.which import missing_finding, present_finding

SECONDS = 10.0
OUTPUT_LIMIT = 8_192
NOT_FOUND = 127
_SHELLS = frozenset({"bash", "zsh", "sh", "dash", "ksh", "fish"})
# What tells the version, where --version does not.
_VERSION = {"go": "version", "helm": "version", "ssh": "-V", "tmux": "-V", "unzip": "-v", "zip": "-v"}

FAILS = Rule(
    "system.command-fails",
    Severity.MEDIUM,
    Texts("{line} was found but does not work", "{line} a été trouvé mais ne fonctionne pas"),
    Texts("It ended with code {code}: {output}", "Il s'est terminé avec le code {code} : {output}"),
)
_REASON = Texts(
    "runs `{line}` in your own shell, outside the sandbox",
    "lance `{line}` dans votre propre shell, hors du bac à sable",
)
_NEW_TERMINAL = Texts(
    "It works in a new login shell; shells that are already open have an older PATH: open a new one.",
    "Elle fonctionne dans un nouveau shell de connexion ; les shells déjà ouverts ont un ancien PATH : ouvrez-en un.",
)


class TrialArgs(Args):
    """A command's name and one harmless argument; empty: what tells its version."""

    command: str = Field(min_length=1, max_length=64)
    argument: Literal["", "--version", "-version", "-v", "-V", "version", "--help"] = ""


class Trial(BaseModel):
    """How the trial went. ``login`` tells that only a new login shell found it."""

    command: str
    argv: list[str]
    login: bool
    code: int | None
    output: str


def shell_of(host: Host) -> str:
    """The user's shell when it is one we know how to call, else bash or sh."""
    shell = host.environment.shell
    if Path(shell).name in _SHELLS and is_executable(Path(shell)):
        return shell
    return host.program("bash") or "/bin/sh"


class SystemTryCommand(BaseTool):
    """Runs ``command --version`` as the user would.

    It runs in the user's real environment, because that is what is to be checked: first in a shell
    with the ``PATH`` of now, and when that does not find it, in a new login shell.

    Args:
        host: the machine to look at.
    """

    spec = ToolSpec(
        name="system.try_command",
        summary=Texts(
            "Runs a command's --version in a fresh shell, to see whether the command works.",
            "Lance --version d'une commande dans un nouveau shell, pour voir si elle fonctionne.",
        ),
        args=TrialArgs,
        result=Trial,
        effect=EffectRule.IDEMPOTENT,
        risk=RiskLabel.UNKNOWN,
        touches=frozenset({"system", "process"}),
        seconds=2 * SECONDS + 5,
    )

    def __init__(self, host: Host) -> None:
        self.host = host

    def assess(self, args: TrialArgs, context: ToolContext) -> Assessment:
        """Unknown: a foreign program runs with all of the user's rights."""
        reason = _REASON.say(context.lang, line=escaped(_line(args), newlines=False))
        return Assessment(label=RiskLabel.UNKNOWN, reasons=(reason,))

    def subjects(self, args: TrialArgs) -> tuple[str, ...]:
        """The line that is run."""
        return (_line(args),)

    def preview(self, args: TrialArgs, context: ToolContext) -> Preview:
        """The exact argument vector."""
        body = shlex.join(self._argv(args, login=False))
        return Preview(title=self.spec.name, body=escaped(body, newlines=False), kind="command")

    async def call(self, args: TrialArgs, context: ToolContext) -> ToolResult:
        """Run it.

        Raises:
            TrialNotApproved: nobody approved it.
            CommandNameRefused: it is not a plain command name.
        """
        checked_name(args.command)
        if not context.approved:
            raise TrialNotApproved(command=args.command)
        login = False
        ran = await self._run(args, context, login=False)
        if ran.code == NOT_FOUND and self.host.environment.system != "Windows":
            again = await self._run(args, context, login=True)
            if again.code != NOT_FOUND:
                ran, login = again, True
        output = clean(ran.output.strip())
        value = Trial(
            command=args.command, argv=self._argv(args, login=login), login=login, code=ran.code, output=output
        )
        text = "\n".join(filter(None, (output, _NEW_TERMINAL.say(context.lang) if login and ran.ok else "")))
        return result(value, (self._judge(args, ran, output, context.lang),), text, ok=ran.ok)

    def _argv(self, args: TrialArgs, *, login: bool) -> list[str]:
        line = _line(args)
        if self.host.environment.system == "Windows":
            return [self.host.environment.shell or "cmd.exe", "/d", "/c", line]
        return [shell_of(self.host), "-lc" if login else "-c", line]

    async def _run(self, args: TrialArgs, context: ToolContext, *, login: bool) -> Ran:
        argv, variables = self._argv(args, login=login), self.host.environment.variables
        return await run_bounded(argv, variables, context.scratch, seconds=SECONDS, limit=OUTPUT_LIMIT)

    def _judge(self, args: TrialArgs, ran: Ran, output: str, lang: Lang) -> Finding:
        line, tool = _line(args), self.spec.name
        excerpt = f"$ {line}\n{output}\n[{ran.code}]"
        if ran.ok:
            return present_finding(args.command, args.command, excerpt, tool, lang)
        if ran.code == NOT_FOUND:
            return missing_finding(args.command, excerpt, tool, lang, len(self.host.environment.path))
        cause = f"command-fails:{args.command}"
        first = output.splitlines()[0][:200] if output else "-"
        return finding(
            FAILS, tool=tool, lang=lang, cause=cause, excerpt=excerpt, line=line, code=ran.code, output=first
        )


def _line(args: TrialArgs) -> str:
    """What is typed; the name is checked before it runs, so that no part of it is shell syntax."""
    argument = args.argument or _VERSION.get(args.command, "--version")
    return f"{args.command} {argument}".rstrip()
