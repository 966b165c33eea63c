"""``python_interpreter``: a Python program in the same confinement as a command."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from pydantic import Field

from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.risk import Assessment, EffectRule, RiskLabel
from nextgeneration.kernel.show import escaped
from nextgeneration.kernel.tools import Preview, ToolContext, ToolResult, ToolSpec
from nextgeneration.tools.base import Args, BaseTool
from nextgeneration.tools.shell.confined import MAX_SECONDS, CommandResult, Runner, result_of, tampering

_RUNS_CODE = Texts("it runs a program of the agent's own", "il exécute un programme écrit par l'agent")
_TITLE = Texts("Run Python code", "Exécuter du code Python")
_INPUT = Texts("standard input", "entrée standard")

_START = 'exec "$1" -I "$2" <"$3"'
"""Run the interpreter without the user's site packages and environment, on a file that gives line numbers."""


class PythonArgs(Args):
    """A program and what it reads."""

    code: str = Field(min_length=1, max_length=100_000, description="the program")
    input: str = Field(default="", max_length=1_000_000, description="what it reads on standard input")
    seconds: float = Field(default=0, ge=0, le=MAX_SECONDS, description="wall-clock limit; 0: the configured one")


class PythonInterpreter(BaseTool):
    """Runs Python code, confined, with the workspace as its folder."""

    spec = ToolSpec(
        name="python_interpreter",
        summary=Texts(
            "Runs Python code and gives what it prints.",
            "Exécute du code Python et rend ce qu'il affiche.",
        ),
        args=PythonArgs,
        result=CommandResult,
        effect=EffectRule.ONCE,
        risk=RiskLabel.UNKNOWN,
        touches=frozenset({"workspace", "process"}),
        seconds=MAX_SECONDS + 30,
        aliases=("python.run",),
    )

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def assess(self, args: PythonArgs, context: ToolContext) -> Assessment:
        """``unknown``: nobody can say what a program does."""
        judged = Assessment(label=self.spec.risk, reasons=(_RUNS_CODE.say(context.lang),))
        return self._runner.judged(judged, context)

    def subjects(self, args: PythonArgs) -> tuple[str, ...]:
        """The program's text."""
        return (args.code,)

    def preview(self, args: PythonArgs, context: ToolContext) -> Preview:
        """The whole program and its circumstances."""
        body = self._runner.described(context, ".", args.seconds) + escaped(args.code)
        if args.input:
            body += f"\n# {_INPUT.say(context.lang)}:\n{escaped(args.input)}"
        return Preview(title=_TITLE.say(context.lang), body=body, kind="command")

    async def call(self, args: PythonArgs, context: ToolContext) -> ToolResult:
        """Run it; ``ok`` is whether it ended by itself with exit code 0."""
        folder = Path(tempfile.mkdtemp(prefix="python-", dir=context.scratch))
        try:
            program, read = folder / "program.py", folder / "input.txt"
            program.write_text(args.code, encoding="utf-8", errors="replace")
            read.write_text(args.input, encoding="utf-8", errors="replace")
            argv = ["/bin/sh", "-c", _START, "sh", interpreter(), str(program), str(read)]
            outcome = await self._runner.run(argv, context, seconds=args.seconds, writable=(folder,))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return ToolResult(
            ok=outcome.exit_code == 0 and not outcome.ended,
            value=result_of(outcome).model_dump(mode="json"),
            text="\n".join(part for part in (outcome.stdout.rstrip(), outcome.stderr.rstrip()) if part),
            findings=tampering(outcome, self.spec.name, context.lang),
            truncated=outcome.truncated,
        )


def interpreter() -> str:
    """The interpreter we run on, without the virtual environment we may run in."""
    own = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    return str(own) if own.exists() else sys.executable
