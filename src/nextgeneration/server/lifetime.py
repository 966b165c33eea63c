"""What a serving process sets up before its first request and takes down after its last."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from nextgeneration.agents.factory import AgentFactory
from nextgeneration.agents.manager import on_sighup
from nextgeneration.server.recorded import Recorded

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def lifetime(factory: AgentFactory, recorded: Recorded) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    """While it serves: logs at the level of the settings, open records, templates watched and read again at SIGHUP."""

    @asynccontextmanager
    async def run(_: Any) -> AsyncIterator[None]:
        await recorded.records()
        manager = factory.manager
        logger, handler = logging.getLogger("nextgeneration"), logging.StreamHandler()
        handler.setFormatter(logging.Formatter(FORMAT))
        before = logger.level
        logger.setLevel(manager.config.log_level)
        logger.addHandler(handler)
        main = threading.current_thread() is threading.main_thread()
        if manager.config.enable_hot_reload:
            manager.library.start_watching()
        undo = on_sighup(manager.library) if main else lambda: None
        try:
            yield
        finally:
            undo()
            logger.removeHandler(handler)
            logger.setLevel(before)
            manager.close()
            recorded.close()

    return run
