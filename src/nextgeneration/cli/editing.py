"""What a person puts in place of a call's arguments: from a file, from standard input, or from their editor."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nextgeneration.cli.errors import ArgumentsUnreadable, EditorFailed, UsageWrong
from nextgeneration.cli.voice import Voice
from nextgeneration.kernel.language import Texts
from nextgeneration.settings.language import editor

if TYPE_CHECKING:
    from nextgeneration.missions.editing import World
    from nextgeneration.missions.schema import Approval
    from nextgeneration.services.assembly import Services

MAX_BYTES = 1_000_000
"""Longest arguments that are read."""

Line = Callable[[str], Awaitable[str | None]]
"""Asks for one line; ``None`` at the end of input."""

_WHICH = Texts("Which call, 1 to {count}? > ", "Quel appel, 1 à {count} ? > ")
_FILE = Texts(
    "No editor: set VISUAL or EDITOR, or name a file with the arguments as JSON (Enter: leave it) > ",
    "Pas d'éditeur : réglez VISUAL ou EDITOR, ou nommez un fichier des arguments en JSON (Entrée : laisser) > ",
)
_NO_CALL = Texts("There is no such call.", "Cet appel n'existe pas.")
_NO_EDITOR = Texts(
    "--args is missing, and neither VISUAL nor EDITOR is set.", "--args manque, et ni VISUAL ni EDITOR n'est réglée."
)
_UNCHANGED = Texts("Nothing was changed.", "Rien n'a été changé.")


def world(services: Services) -> World:
    """With what an edited call is judged: as a worker of these services would."""
    from nextgeneration.missions.editing import World

    parts = services.supervisor.parts
    return World(parts.tools, parts.standing, parts.scratch.of)


def editable(approval: Approval) -> bool:
    """Whether a person can change what an approval shows: not what became of a call, nor whether to go on spending."""
    return "bounds" in approval.card


def read_arguments(source: str, voice: Voice) -> dict[str, Any]:
    """The arguments in a file, or on standard input for ``-``.

    Raises:
        ArgumentsUnreadable: they are no JSON object.
        OSError: the file cannot be read.
    """
    if source == "-":
        stream = getattr(voice.into, "buffer", None)
        data = voice.into.read(MAX_BYTES + 1).encode() if stream is None else stream.read(MAX_BYTES + 1)
    else:
        with Path(source).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    return parsed(data)


def parsed(data: bytes) -> dict[str, Any]:
    """The JSON object in ``data``.

    Raises:
        ArgumentsUnreadable: it is none, or holds what JSON has no form for.
    """
    if len(data) > MAX_BYTES:
        raise ArgumentsUnreadable(detail=f"> {MAX_BYTES} bytes")
    try:
        found = json.loads(data.decode(), parse_constant=_no_number, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise ArgumentsUnreadable(detail=str(error)[:200]) from None
    if not isinstance(found, dict):
        raise ArgumentsUnreadable(detail=type(found).__name__)
    return found


def _no_number(name: str) -> Any:
    raise ValueError(name)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands there twice")
    return found


async def by_hand(approval: Approval, voice: Voice, line: Line) -> tuple[int, dict[str, Any]] | None:
    """Let a person at a terminal change a call of a card: its number and arguments, ``None`` when they leave it.

    Raises:
        ArgumentsUnreadable: what they wrote is no JSON object.
        EditorFailed: the editor could not be run, or ended with an error.
        OSError: the file they named cannot be read.
    """
    calls, number = approval.card["calls"], 1
    if len(calls) > 1:
        said = await line(_WHICH.say(voice.lang, count=len(calls)))
        number = int(said) if said is not None and said.strip().isdecimal() else 0
        if not 0 < number <= len(calls):
            voice.say(_NO_CALL)
            return None
    if editor():
        after = await in_editor(approval, number, voice)
    else:
        named = await line(_FILE.say(voice.lang))
        if named is None or not named.strip():
            return None
        after = read_arguments(str(Path(named.strip()).expanduser()), voice)
    return None if after is None else (number, after)


async def in_editor(approval: Approval, number: int, voice: Voice) -> dict[str, Any] | None:
    """The arguments of a call as a person leaves them in their editor; ``None`` when they change nothing.

    Raises:
        ArgumentsUnreadable, EditorFailed: as :func:`by_hand` says.
        UsageWrong: there is no editor, or no such call.
    """
    calls, command = approval.card["calls"], editor()
    if not command or number > len(calls):
        raise UsageWrong(detail=_NO_CALL if command else _NO_EDITOR, command="nextgen approvals edit")
    before: dict[str, Any] = calls[number - 1]["args"]
    after = parsed(await _edited(json.dumps(before, ensure_ascii=False, indent=2) + "\n", command))
    if after == before:
        voice.say(_UNCHANGED)
        return None
    return after


async def _edited(text: str, command: str) -> bytes:
    """``text`` after a person had it in their editor; the file is theirs alone, and gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="nextgen-edit-") as folder:
        path = Path(folder) / "arguments.json"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        try:
            process = await asyncio.create_subprocess_exec(*shlex.split(command), str(path))
            code = await process.wait()
        except (OSError, ValueError) as error:
            raise EditorFailed(editor=command, detail=getattr(error, "strerror", None) or str(error)) from None
        if code:
            raise EditorFailed(editor=command, detail=str(code))
        with path.open("rb") as changed:
            return changed.read(MAX_BYTES + 1)
