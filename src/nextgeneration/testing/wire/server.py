"""A provider on loopback: the client library is the real one, the far end is ours."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import json
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import reduce
from types import TracebackType
from typing import Any, Self

from nextgeneration.testing.wire.base import Format
from nextgeneration.testing.wire.exchange import Exchange, Far
from nextgeneration.testing.wire.formats import FORMATS
from nextgeneration.testing.wire.http import Connection, Request
from nextgeneration.testing.wire.script import Step, Usage
from nextgeneration.testing.wire.seen import Bill, Seen

Answering = Callable[[Seen], Step | Awaitable[Step | None] | None]


class WireServer:
    """One provider's far end.

    ``with`` runs it in a thread of its own; ``async with`` runs it in the caller's event loop, which then must not be
    blocked by a synchronous client. At its end it raises what the script and the requests disagreed about.

    Args:
        provider: ``openai``, ``openai-responses``, ``anthropic``, ``gemini`` or ``ollama``.
        key: The only key it accepts; by default any, and none.
        models: The models it has; by default a few, and any other is served too.
        context: The tokens a prompt may have, by its own count.
        lacks: What its models lack: ``tools``, ``vision``.
        think: Seconds before each answer.
        strict: Raise at the end when a request found no step left, or a step did not fit its request.
        record: Keep every exchange in ``exchanges``.
    """

    def __init__(
        self,
        provider: str = "openai",
        *,
        key: str | None = None,
        models: Sequence[str] | None = None,
        context: int | None = None,
        lacks: Collection[str] = (),
        think: float = 0.0,
        strict: bool = True,
        record: bool = False,
    ) -> None:
        self.provider = provider
        self.requests: list[Seen] = []
        self.billed: list[Bill] = []
        self.problems: list[str] = []
        self.exchanges: list[dict[str, Any]] = []
        self._format: Format = FORMATS[provider]()
        self._far = Far(
            provider,
            self._format,
            self._pick,
            self.requests,
            self.billed,
            self.problems,
            key=key,
            models=models,
            context=context,
            lacks=lacks,
            think=think,
        )
        self._strict, self._record = strict, record
        self._under_way = 0
        self._steps: deque[Step] = deque()
        self._matched: list[tuple[Callable[[Seen], bool], deque[Step]]] = []
        self._answers: Answering | None = None
        self._numbers = itertools.count(1)
        self._alive: set[Connection] = set()
        self._server: asyncio.Server
        self._hang_up: Callable[[], None]
        self._root = ""

    # --- the script

    def script(self, *steps: Step) -> Self:
        """Answers in the order of the requests."""
        self._steps.extend(steps)
        return self

    def when(self, fits: str | Callable[[Seen], bool], *steps: Step) -> Self:
        """Answers, in order, to the requests that hold this text or fit: for conversations that run side by side."""
        test = (lambda seen: fits in seen.text) if isinstance(fits, str) else fits
        self._matched.append((test, deque(steps)))
        return self

    def answers(self, answering: Answering) -> Self:
        """An answer that is a function of the request, for requests no script answers."""
        self._answers = answering
        return self

    # --- what it tells

    @property
    def root(self) -> str:
        """Its address without a path."""
        return self._root

    @property
    def url(self) -> str:
        """The base address this provider's clients are given."""
        return self._format.base(self._root)

    @property
    def total(self) -> Usage:
        """The sum of what was billed."""
        return reduce(Usage.__add__, (bill.usage for bill in self.billed), Usage())

    @property
    def left(self) -> int:
        """Steps of the script not used yet."""
        return len(self._steps) + sum(len(steps) for _, steps in self._matched)

    @property
    def connections(self) -> int:
        """Clients connected now."""
        return len(self._alive)

    # --- running

    def __enter__(self) -> Self:
        loop = asyncio.new_event_loop()
        opened = threading.Event()

        def run() -> None:
            loop.run_until_complete(self._open())
            opened.set()
            loop.run_forever()
            loop.run_until_complete(self._close())
            loop.close()

        def hang_up() -> None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()

        thread = threading.Thread(target=run, name=f"wire-{self.provider}", daemon=True)
        thread.start()
        opened.wait()
        self._hang_up = hang_up
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hang_up()
        self._settle(error)

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()
        self._settle(error)

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self._serve, self._alive), "127.0.0.1", 0, backlog=2048
        )
        self._root = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _close(self) -> None:
        self._server.close()
        for connection in list(self._alive):
            await connection.stop()
        await self._server.wait_closed()

    def _settle(self, error: BaseException | None) -> None:
        if error is None and self._strict and self.problems:
            raise AssertionError("the script and the requests disagree: " + "; ".join(self.problems))

    async def settled(self, seconds: float = 30.0) -> None:
        """Wait until no request is under way, so that what a client hung up on stands in ``billed`` too.

        Raises:
            TimeoutError: one still is.
        """
        async with asyncio.timeout(seconds):
            # polled, because the requests may be under way in the loop of another thread
            while self._under_way:  # noqa: ASYNC110
                await asyncio.sleep(0.002)

    # --- one exchange

    async def _serve(self, request: Request, connection: Connection) -> None:
        number = next(self._numbers)
        exchange = Exchange(self._far, request, connection, number)
        connection.recording = self._record
        self._under_way += 1
        try:
            await exchange.run()
        except ConnectionResetError:
            pass  # the client hung up; what it had was billed on the way out
        finally:
            self._under_way -= 1
            if self._record and connection.status:
                self.exchanges.append(self._kept(request, connection))

    def _kept(self, request: Request, connection: Connection) -> dict[str, Any]:
        text = bytes(connection.sent).decode("utf-8", "replace")
        whole = connection.kind.startswith("application/json")
        return {
            "provider": self.provider,
            "path": request.path,
            "request": json.loads(request.body) if request.body else None,
            "status": connection.status,
            "content_type": connection.kind,
            "response": json.loads(text) if whole else text,
        }

    async def _pick(self, seen: Seen) -> Step | None:
        for test, steps in self._matched:
            if steps and test(seen):
                return steps.popleft()
        if self._steps:
            return self._steps.popleft()
        if self._answers is None:
            return None
        found = self._answers(seen)
        return await found if inspect.isawaitable(found) else found
