"""Missions as traces: what is announced on the bus, and from the journal what happened before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property

from nextgeneration import __version__
from nextgeneration.events.bus import Bus
from nextgeneration.events.schema import Event
from nextgeneration.missions import records
from nextgeneration.missions.store import MissionStore
from nextgeneration.observability.sending import Sender, over_http
from nextgeneration.observability.spans import MissionTrace, nanoseconds
from nextgeneration.settings.traces import TraceSettings
from nextgeneration.storage.database import Storage
from nextgeneration.tools.errors import ToolUnknown

Past = Callable[[str], Sequence[Event]]
"""A mission's journal so far."""

AGAIN_SECONDS = 5
"""A process that died had sent all but the last moments of its spans; these are sent again, under the same ids."""

KEPT = 1_000
"""Missions whose open spans are in memory; beyond them the journal is read again when one goes on."""

_LEAVES = frozenset({"mission.waiting", "mission.ended"})
_NAMELESS = frozenset({ToolUnknown.code})


class Tracing:
    """Hears of all missions of a process and sends their spans as they end.

    Args:
        settings: how many spans may wait, and for how long the end does.
        past: a mission's journal so far.
    """

    def __init__(self, settings: TraceSettings, past: Past) -> None:
        self._settings = settings
        self._past = past
        self._live: dict[str, MissionTrace] = {}

    @cached_property
    def sender(self) -> Sender:
        """What the spans are given to; made when it is first asked for."""
        return over_http(__version__, self._settings.traces_queue)

    def close(self) -> None:
        """Send what waits, within the time the settings give."""
        if "sender" in vars(self):
            self.sender.close(self._settings.traces_close_seconds)

    def hear(self, event: Event) -> None:
        """The next event of any mission."""
        if not event.seq:
            return
        trace = self._live.get(event.mission_id)
        if trace is None:
            trace = self._taken_up(event)
        if ended := trace.hear(event):
            self.sender.send(ended)
        if event.type in _LEAVES:
            del self._live[event.mission_id]

    def _taken_up(self, event: Event) -> MissionTrace:
        """The trace of a mission as it stood before an event, so that what goes on is part of what began."""
        if len(self._live) >= KEPT:
            del self._live[next(iter(self._live))]
        trace = self._live[event.mission_id] = MissionTrace(event.mission_id, _NAMELESS)
        if event.seq > 1:
            before = [one for one in self._past(event.mission_id) if one.seq < event.seq]
            spans = [span for one in before for span in trace.hear(one)]
            since = _unsent_since(before)
            if since is not None:
                self.sender.send(span for span in spans if span.end >= since)
        return trace


def _unsent_since(before: Sequence[Event]) -> int | None:
    """From when on spans may not have been sent; ``None`` when the one before had time to send them."""
    for event in reversed(before):
        if event.type in _LEAVES:
            return None
        if event.type == "mission.claimed":
            return nanoseconds(before[-1].at) - AGAIN_SECONDS * 1_000_000_000
    return None


def journal_in(storage: Storage) -> Past:
    """Reads journals from a database."""

    def past(mission: str) -> Sequence[Event]:
        rows = storage.read_sync(lambda connection: MissionStore().journal(connection, mission, 0, None))
        return [records.event(mission, row) for row in rows]

    return past


@contextmanager
def traced(bus: Bus, storage: Storage, *, at_once: bool = True) -> Iterator[None]:
    """Send the missions announced on ``bus`` as traces while the block runs, where the settings say so.

    Args:
        bus: where they are announced.
        storage: where their journals are.
        at_once: missions will run: what cannot be sent is an error now. Otherwise nothing is made ready before there is
            something to send.

    Raises:
        TracesMissing: they are switched on, and the extra is not installed.
    """
    settings = TraceSettings()
    if not settings.traces:
        yield
        return
    tracing = Tracing(settings, journal_in(storage))
    if at_once:
        _ = tracing.sender
    stop = bus.subscribe(tracing.hear, progress=False)
    try:
        yield
    finally:
        stop()
        tracing.close()
