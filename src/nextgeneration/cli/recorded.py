"""Commands that look at records: opened alone and quickly; the rest is loaded only when something must be finished."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from nextgeneration.cli.voice import Voice
from nextgeneration.services.records import Records, open_records


async def on_records(voice: Voice, command: Callable[[Records], Awaitable[int]], *, recover: bool) -> int:
    """Run a command on the records, then finish missions that a dead process left behind."""
    with open_records() as records:
        code = await command(records)
        left = bool(recover and await records.missions.orphans())
    if left and not voice.deaf:
        from nextgeneration.cli.session import Session, with_session

        async def nothing_more(_session: Session) -> int:
            return code

        await with_session(voice, Path(), nothing_more, recover=True)
    return code
