"""The options that commands share, and how a command is entered."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from nextgeneration.cli.voice import Voice
from nextgeneration.kernel.errors import InternalError, NGError
from nextgeneration.kernel.language import Texts
from nextgeneration.settings.language import user_language

T = TypeVar("T")
LANG = user_language()


def text(en: str, fr: str) -> str:
    """A help text in the language of the user."""
    return fr if LANG == "fr" else en


Json = Annotated[
    bool, typer.Option("--json", help=text("One JSON document on stdout.", "Un document JSON sur stdout."))
]
Jsonl = Annotated[
    bool,
    typer.Option("--jsonl", help=text("Journal events on stdout, one a line.", "Événements du journal sur stdout.")),
]
NoInput = Annotated[bool, typer.Option("--no-input", help=text("Never ask.", "Ne jamais demander."))]
Debug = Annotated[bool, typer.Option("--debug", help=text("Show traces.", "Montrer les traces."))]
Workspace = Annotated[
    Path,
    typer.Option(
        "--workspace", "-w", help=text("Folder the mission works on.", "Dossier sur lequel la mission travaille.")
    ),
]

_INTERRUPTED = Texts("Interrupted.", "Interrompu.")


def enter(voice: Voice, command: Callable[[], Coroutine[Any, Any, int]]) -> None:
    """Run a command in the loop, once, and end the process with its exit code.

    An error is told without a trace unless ``--debug``. Ctrl-C ends with 130.
    """
    raise typer.Exit(_guarded(voice, lambda: asyncio.run(command())))


def plainly(voice: Voice, command: Callable[[], int]) -> None:
    """Run a command that needs no loop; otherwise like :func:`enter`."""
    raise typer.Exit(_guarded(voice, command))


def _guarded(voice: Voice, command: Callable[[], int]) -> int:
    _logging(voice)
    try:
        return command()
    except KeyboardInterrupt:
        voice.say(_INTERRUPTED)
        return 130
    except BrokenPipeError:
        # The reader of our stdout went away (`| head`): nothing left to say.
        sys.stderr.close()
        return 0
    except NGError as error:
        if voice.debug:
            raise
        voice.error(error)
        return error.exit_code
    except Exception as error:
        if voice.debug:
            raise
        voice.error(InternalError(kind=type(error).__name__, detail=str(error)[:500]))
        return 1


def _logging(voice: Voice) -> None:
    logging.basicConfig(
        level=logging.DEBUG if voice.debug else logging.CRITICAL,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
