"""Live events within one process. The journal is the truth; the bus only says when to look."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Self

from nextgeneration.events.schema import Event

logger = logging.getLogger(__name__)

Listener = Callable[[Event], None]

KEPT = 10_000


class Bus:
    """Hands each event to whoever listens, in the order of publication. Used from one event loop."""

    def __init__(self) -> None:
        self._listeners: dict[str | None, list[Listener]] = {}
        self._watching = 0

    @property
    def listening(self) -> bool:
        """Whether anybody would hear an event."""
        return bool(self._listeners)

    @property
    def watched(self) -> bool:
        """Whether anybody would hear of progress, which is shown and not kept."""
        return self._watching > 0

    def publish(self, event: Event) -> None:
        """Hand ``event`` to the listeners of its mission and of all missions. A failing listener harms nobody."""
        listeners = self._listeners
        for name in (event.mission_id, None):
            for listener in tuple(listeners.get(name, ())):
                try:
                    listener(event)
                except Exception:
                    logger.exception("a listener failed on %s", event.type)

    def subscribe(
        self, listener: Listener, mission_id: str | None = None, *, progress: bool = True
    ) -> Callable[[], None]:
        """Call ``listener`` with each event of one mission, or of all.

        Args:
            listener: called in the loop.
            mission_id: the one mission; ``None``: all.
            progress: it is there for what is only shown, too: models are then asked to stream.

        Returns:
            What ends the subscription; may be called more than once.
        """
        listeners = self._listeners.setdefault(mission_id, [])
        listeners.append(listener)
        self._watching += progress

        def unsubscribe() -> None:
            if listener in listeners:
                listeners.remove(listener)
                self._watching -= progress
            if not listeners and self._listeners.get(mission_id) is listeners:
                del self._listeners[mission_id]

        return unsubscribe

    def stream(self, mission_id: str | None = None, kept: int = KEPT) -> Stream:
        """The events from now on, for ``async for``; at most ``kept`` wait for a slow reader."""
        return Stream(self, mission_id, kept)


class Stream:
    """Events waiting to be read. Listening begins with ``with`` and ends with it.

    A reader that falls behind loses the oldest events: ``missed`` counts them, the journal has them.
    """

    def __init__(self, bus: Bus, mission_id: str | None, kept: int) -> None:
        self._bus = bus
        self._mission_id = mission_id
        self._events: deque[Event] = deque(maxlen=kept)
        self._some = asyncio.Event()
        self.missed = 0

    def __enter__(self) -> Self:
        self._unsubscribe = self._bus.subscribe(self._take, self._mission_id)
        return self

    def __exit__(self, *exception: object) -> None:
        self._unsubscribe()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while not self._events:
            self._some.clear()
            await self._some.wait()
        return self._events.popleft()

    def _take(self, event: Event) -> None:
        if len(self._events) == self._events.maxlen:
            self.missed += 1
        self._events.append(event)
        self._some.set()
