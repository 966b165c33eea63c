"""The options that commands share, and how a command is entered."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from nextgeneration.cli.errors import SystemRefused
from nextgeneration.cli.voice import Voice
from nextgeneration.kernel.errors import InternalError, NGError
from nextgeneration.kernel.language import Texts
from nextgeneration.settings.language import user_language

LANG = user_language()

INTERRUPTED = 130
LOGS = "nextgen"


def text(en: str, fr: str) -> str:
    """A help text in the language of the user."""
    return fr if LANG == "fr" else en


FOLDER = text("FOLDER", "DOSSIER")

Json = Annotated[
    bool, typer.Option("--json", help=text("One JSON document on stdout.", "Un document JSON sur stdout."))
]
Jsonl = Annotated[
    bool,
    typer.Option(
        "--jsonl",
        help=text("The journal's events on stdout, one a line.", "Les événements du journal sur stdout, un par ligne."),
    ),
]
NoInput = Annotated[bool, typer.Option("--no-input", help=text("Never ask.", "Ne jamais demander."))]
NoRecover = Annotated[
    bool,
    typer.Option(
        "--no-recover",
        help=text(
            "Leave missions alone that a dead process left behind.",
            "Ne pas reprendre les missions laissées par un processus mort.",
        ),
    ),
]
Debug = Annotated[
    bool,
    typer.Option(
        "--debug", help=text("Show logs, and the trace of an error.", "Montrer les logs, et la trace d'une erreur.")
    ),
]
Workspace = Annotated[
    Path,
    typer.Option(
        "--workspace",
        "-w",
        metavar=FOLDER,
        help=text("The folder to work on.", "Le dossier sur lequel travailler."),
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        metavar=FOLDER,
        help=text(
            "Where the report's files go instead of NG_HOME/reports.",
            "Où vont les fichiers du rapport au lieu de NG_HOME/reports.",
        ),
    ),
]
Level = Literal["info", "low", "medium", "high", "critical"]
FailOn = Annotated[
    Level | None,
    typer.Option(
        "--fail-on",
        metavar=text("SEVERITY", "GRAVITÉ"),
        help=text(
            "Exit with 3 when a finding of this severity or worse remains: info, low, medium, high or critical.",
            "Sortir avec 3 s'il reste un constat de cette gravité ou pire : info, low, medium, high ou critical.",
        ),
    ),
]

_INTERRUPTED = Texts("Interrupted.", "Interrompu.")


def enter(voice: Voice, command: Callable[[], Coroutine[Any, Any, int]]) -> None:
    """Run a command in the loop, once, and end it with its exit code.

    An error is told without a trace unless ``--debug``. Ctrl-C ends with 130.
    """
    raise typer.Exit(_guarded(voice, lambda: _looped(voice, command)))


def plainly(voice: Voice, command: Callable[[], int]) -> None:
    """Run a command that needs no loop; otherwise like :func:`enter`."""
    raise typer.Exit(_guarded(voice, command))


def _looped(voice: Voice, command: Callable[[], Coroutine[Any, Any, int]]) -> int:
    import asyncio
    import signal

    async def body() -> int:
        task = asyncio.current_task()

        def end() -> None:
            voice.terminated = True
            if task is not None:
                task.cancel()

        # Where the loop takes no handlers (on Windows, or beside the main thread) SIGTERM ends the process: nothing is
        # lost then either.
        with suppress(NotImplementedError, RuntimeError, ValueError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end)
        return await command()

    try:
        return asyncio.run(body())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def _guarded(voice: Voice, command: Callable[[], int]) -> int:
    _logging(voice)
    try:
        return command()
    except KeyboardInterrupt:
        voice.say(_INTERRUPTED)
        return INTERRUPTED
    except NGError as error:
        return told(voice, error)
    except OSError as error:
        path = f" ({error.filename})" if error.filename else ""
        return told(voice, SystemRefused(detail=f"{error.strerror or error}{path}"))
    except Exception as error:
        return told(voice, unforeseen(error))


def unforeseen(error: Exception) -> InternalError:
    """An exception nobody named, as the error that says so."""
    return InternalError(kind=type(error).__name__, detail=str(error)[:500])


def told(voice: Voice, error: NGError) -> int:
    """Say an error, with the trace that led to it when ``--debug`` asks; its exit code."""
    if voice.debug:
        import traceback

        voice.note(traceback.format_exc().rstrip())
    try:
        voice.error(error)
    except NGError as refused:
        voice.note(refused.message(voice.lang))
    return error.exit_code


def _logging(voice: Voice) -> None:
    """Logs go to stderr, and only when asked for: a command's own words say what matters."""
    import logging

    from nextgeneration.settings.environment import Environment

    root, ours = logging.getLogger(), logging.getLogger("nextgeneration")
    for old in [handler for handler in ours.handlers if handler.name == LOGS]:
        ours.removeHandler(old)
    if not root.handlers:
        root.addHandler(logging.NullHandler())
    level = "DEBUG" if voice.debug else Environment.current().get("NG_LOG_LEVEL").upper()
    if level not in logging.getLevelNamesMapping():
        return
    handler = logging.StreamHandler(voice.err)
    handler.name = LOGS
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    ours.addHandler(handler)
    ours.setLevel(level)
