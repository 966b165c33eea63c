"""``shell.run``: one command or one line for the shell."""

from __future__ import annotations

import shlex
from pathlib import PurePath
from typing import Any

from pydantic import Field, model_validator

from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.risk import Assessment, EffectRule, RiskLabel
from nextgeneration.kernel.show import escaped
from nextgeneration.kernel.tools import Preview, ToolContext, ToolResult, ToolSpec
from nextgeneration.tools.base import Args, BaseTool
from nextgeneration.tools.shell.confined import MAX_SECONDS, CommandResult, Runner, result_of, tampering
from nextgeneration.tools.shell.process import Outcome
from nextgeneration.tools.shell.risk import READING_ENVIRONMENT, LineRisk, judge_argv, judge_line
from nextgeneration.tools.shell.risk.judge import NOWHERE

SHELL = ("bash", "--noprofile", "--norc", "-c")
"""How a line is run: by a shell that reads no startup file."""

_OUTSIDE = Texts(
    "it runs outside the confinement, as you, with your environment",
    "elle s'exécute hors du confinement, en votre nom, avec votre environnement",
)
_EXITED = Texts("exit code {code} after {seconds} s", "code de sortie {code} après {seconds} s")
_ENDED = Texts("ended by its limit ({limit}) after {seconds} s", "arrêtée par sa limite ({limit}) après {seconds} s")
_COMMAND = Texts("Run a command", "Exécuter une commande")
_COMMAND_OUTSIDE = Texts("Run a command OUTSIDE the confinement", "Exécuter une commande HORS du confinement")


class ShellArgs(Args):
    """A command as ``argv``, or a ``line`` for the shell: exactly one of them."""

    argv: tuple[str, ...] = Field(default=(), max_length=1_000, description="program and arguments, no shell involved")
    line: str = Field(default="", max_length=10_000, description="a line for bash, without startup files")
    cwd: str = Field(default=".", description="folder in the workspace")
    seconds: float = Field(default=0, ge=0, le=MAX_SECONDS, description="wall-clock limit; 0: the configured one")
    confined: bool = Field(default=True, description="false: outside the confinement, as the user; always asks a human")

    @model_validator(mode="after")
    def _one_of_both(self) -> ShellArgs:
        if bool(self.argv) == bool(self.line.strip()) or (self.argv and not self.argv[0]):
            raise ValueError("give either `argv` or `line`")
        return self


class ShellRun(BaseTool):
    """Runs a command in the confinement, or with approval outside of it."""

    spec = ToolSpec(
        name="shell.run",
        summary=Texts(
            "Runs a command in the workspace.",
            "Exécute une commande dans l'espace de travail.",
        ),
        args=ShellArgs,
        result=CommandResult,
        effect=EffectRule.ONCE,
        risk=RiskLabel.SAFE,
        touches=frozenset({"workspace", "process"}),
        seconds=MAX_SECONDS + 30,
        aliases=("terminal",),
    )

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def assess(self, args: ShellArgs, context: ToolContext) -> Assessment:
        """The risk of the text, raised where the confinement is missing or not wanted."""
        risk = _risk(args, context.workspace, context.lang)
        judged = Assessment(label=risk.label, reasons=risk.reasons)
        if not args.confined:
            judged = judged.raised(RiskLabel.PRIVILEGED, _OUTSIDE.say(context.lang))
        return self._runner.judged(judged, context, confined=args.confined)

    def subjects(self, args: ShellArgs) -> tuple[str, ...]:
        """Each command of the line as its words joined."""
        return _risk(args, NOWHERE).subjects  # how commands are spelled does not depend on the workspace

    def preview(self, args: ShellArgs, context: ToolContext) -> Preview:
        """Exactly what will run and in which circumstances."""
        title = (_COMMAND if args.confined else _COMMAND_OUTSIDE).say(context.lang)
        around = self._runner.described(context, args.cwd, args.seconds, confined=args.confined)
        return Preview(title=title, body=f"{around}{_shown(args)}\n", kind="command")

    async def call(self, args: ShellArgs, context: ToolContext) -> ToolResult:
        """Run it; ``ok`` is whether it ended by itself with exit code 0."""
        outcome = await self._runner.run(
            args.argv or (*SHELL, args.line),
            context,
            cwd=args.cwd,
            seconds=args.seconds,
            confined=args.confined,
            # Only what is called reading has git's writing habits switched off: an approved commit runs its hooks.
            variables=READING_ENVIRONMENT if _risk(args, context.workspace).label is RiskLabel.SAFE else {},
        )
        return ToolResult(
            ok=outcome.exit_code == 0 and not outcome.ended,
            value=result_of(outcome).model_dump(mode="json"),
            text=_told(outcome, context),
            findings=tampering(outcome, self.spec.name, context.lang),
            truncated=outcome.truncated,
        )


def _risk(args: ShellArgs, workspace: PurePath, lang: Lang = "en") -> LineRisk:
    if args.argv:
        return judge_argv(args.argv, workspace, lang, folder=args.cwd)
    return judge_line(args.line, workspace, lang, folder=args.cwd)


def _shown(args: ShellArgs) -> str:
    # Words are escaped before they are quoted: what a human reads is what a shell would take.
    return shlex.join(escaped(part, newlines=False) for part in args.argv) if args.argv else escaped(args.line)


def _told(outcome: Outcome, context: ToolContext) -> str:
    said: dict[str, Any] = {"seconds": f"{outcome.seconds:g}"}
    if outcome.ended:
        head = _ENDED.say(context.lang, limit=outcome.ended, **said)
    else:
        head = _EXITED.say(context.lang, code=outcome.exit_code, **said)
    return "\n".join(part for part in (head, outcome.stdout.rstrip(), outcome.stderr.rstrip()) if part)
