"""The ``nextgen`` command."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any

import typer
from typer.main import get_command

from nextgeneration.cli.commands import agents, approvals, basics, missions, models, run, templates, tools
from nextgeneration.cli.commands import credits as credit_commands
from nextgeneration.cli.errors import OutputRefused
from nextgeneration.cli.options import INTERRUPTED, text, told, unforeseen
from nextgeneration.cli.pages import PANELS, Command, Group
from nextgeneration.cli.usage import usage_error
from nextgeneration.cli.voice import Voice
from nextgeneration.kernel.errors import NGError
from nextgeneration.services.process import tune_collector

app = typer.Typer(
    name="nextgen",
    cls=Group,
    help=text(
        "JSON templates become agents, missions run in parallel, a human is asked before anything risky.",
        "Des modèles JSON deviennent des agents, les missions vont en parallèle, un humain décide avant tout risque.",
    ),
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

START, WORK, TEAM, REST = PANELS


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=basics.version_asked, help=basics.VERSION_HELP),
    ] = False,
) -> None:
    """JSON templates become agents, missions run in parallel, a human is asked before anything risky."""


app.command("try", cls=Command, help=run.TRY_HELP, rich_help_panel=START)(run.try_)
app.command("run", cls=Command, help=run.RUN_HELP, epilog=run.RUN_EXAMPLES, rich_help_panel=START)(run.run)
app.add_typer(missions.app, name="missions", rich_help_panel=WORK)
app.add_typer(approvals.app, name="approvals", rich_help_panel=WORK)
app.add_typer(credit_commands.app, name="credits", rich_help_panel=WORK)
app.add_typer(templates.app, name="templates", rich_help_panel=TEAM)
app.add_typer(agents.app, name="agents", rich_help_panel=TEAM)
app.add_typer(tools.app, name="tools", rich_help_panel=TEAM)
app.add_typer(models.app, name="models", rich_help_panel=TEAM)
for command, about in (
    (basics.doctor, basics.DOCTOR_HELP),
    (basics.init, basics.INIT_HELP),
    (basics.explain, basics.EXPLAIN_HELP),
    (basics.version, basics.VERSION_HELP),
):
    app.command(cls=Command, help=about, rich_help_panel=REST)(command)


def main() -> None:
    """Entry point of the installed command."""
    tune_collector()
    _open_streams()
    sys.exit(run_command(sys.argv[1:]))


def run_command(args: Sequence[str]) -> int:
    """Run one command line and give its exit code; errors are told, never raised."""
    voice = Voice(json="--json" in args, jsonl="--jsonl" in args, debug="--debug" in args)
    try:
        code = get_command(app).main(args=list(args), prog_name="nextgen", standalone_mode=False)
    except typer.Abort:
        return INTERRUPTED
    except NGError as error:
        return told(voice, error)
    except OSError as error:
        return told(voice, OutputRefused(detail=error.strerror or str(error)))
    except Exception as error:
        if not hasattr(error, "format_message"):
            return told(voice, unforeseen(error))
        return _usage(voice, error)
    return code if isinstance(code, int) else 0


def _usage(voice: Voice, error: Any) -> int:
    """A usage error; a command without its subcommand shows the help page instead."""
    if type(error).__name__ == "NoArgsIsHelpError" and not voice.machine:
        voice.note(error.message)
        return 2
    return told(voice, usage_error(error))


def _open_streams() -> None:
    """Give closed standard streams to nobody, and let no character fail on an old encoding."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))
        elif mode == "w":
            with suppress(AttributeError, ValueError):
                stream.reconfigure(errors="backslashreplace")
