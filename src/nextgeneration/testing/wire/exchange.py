"""One request and its answer: judged, answered, billed, delivered, or broken off the way the script says."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nextgeneration.testing.wire import script
from nextgeneration.testing.wire.answer import Delivery, Frame, ScriptMistake, letters, parcel, resolve
from nextgeneration.testing.wire.base import Format, Refusal, dumps
from nextgeneration.testing.wire.http import Connection, Request
from nextgeneration.testing.wire.openai_chat import recorded_usage, replayed
from nextgeneration.testing.wire.script import Say, Step, Usage
from nextgeneration.testing.wire.seen import Bill, Seen

LATE = 0.05
"""Seconds before a late usage."""
JSON = "application/json"


@dataclass(frozen=True)
class Far:
    """What the exchanges of one server share."""

    provider: str
    format: Format
    pick: Callable[[Seen], Awaitable[Step | None]]
    requests: list[Seen]
    billed: list[Bill]
    problems: list[str]
    key: str | None
    models: Sequence[str] | None
    context: int | None
    lacks: Collection[str]
    think: float


@dataclass(frozen=True)
class Body:
    """A body to deliver: its frames, its length where it has one, and what the whole of it costs."""

    kind: str
    frames: Iterable[Frame]
    usage: Usage
    length: int | None = None
    status: int = 200


class Exchange:
    """One request and its answer."""

    def __init__(self, far: Far, request: Request, connection: Connection, number: int) -> None:
        self._far, self._request, self._connection, self._number = far, request, connection, number
        self._format = far.format
        self._key = letters(f"{far.provider}/{number}", 24)
        self._model = ""
        self._open_bill: Usage | None = None
        self._spent = 0

    async def run(self) -> None:
        """Answer.

        Raises:
            ConnectionResetError: the client hung up.
        """
        try:
            await self._run()
        except ConnectionResetError:
            raise
        except Refusal as refusal:
            await self._refuse(refusal)
        except ScriptMistake as mistake:
            self._far.problems.append(f"request {self._number}: {mistake}")
            await self._refuse(Refusal(400, str(mistake), code="script"))
        except Exception as error:  # a test's own function, or a request nobody foresaw: loud, and never a hang
            self._far.problems.append(f"request {self._number}: {error!r}")
            await self._refuse(Refusal(400, repr(error), code="script"))

    async def _run(self) -> None:
        far, form = self._far, self._format
        if far.key is not None and form.key(self._request) != far.key:
            raise form.denied()
        listed = form.listed(self._request, far.models or form.models, far.lacks)
        if listed is not None:
            await self._send(Body(JSON, *_one(dumps(listed).encode(), Usage())), Delivery())
            return
        seen = form.read(self._request, self._number)
        if seen is None:
            raise Refusal(404, "")
        far.requests.append(seen)
        self._model = seen.model
        form.judge(seen)
        if far.models is not None and seen.model not in far.models:
            raise form.unknown(seen.model)
        for what, used in (("tools", seen.tools), ("vision", seen.pictures)):
            if used and what in far.lacks:
                raise Refusal(400, form.lacking[what].format(model=seen.model))
        if far.context is not None and seen.tokens > far.context:
            raise form.overflow(far.context, seen.tokens)
        step = await far.pick(seen)
        if step is None:
            raise ScriptMistake(f"no step is left for a request that ends with {seen.last[-80:]!r}")
        await self._give(step, seen)

    async def _give(self, step: Step, seen: Seen) -> None:
        step, delivery = parcel(step, Delivery(wait=self._far.think))
        if isinstance(step, script.RateLimited):
            raise self._format.limited(step.retry_after, quota=step.quota)
        if isinstance(step, script.Overflows):
            raise self._format.overflow(step.limit, max(seen.tokens, step.limit + 1))
        if isinstance(step, script.Fails):
            await self._fail(step)
            return
        if isinstance(step, script.Endless) and (delivery.reset or delivery.stall or delivery.fail):
            raise ScriptMistake("an endless answer has no middle and no end to break at")
        body = self._body(step, seen)
        # A whole answer is paid for once it is asked, whoever still listens; so is one the script says is billed.
        reset = delivery.reset
        if reset is None or (reset.when != "before" if reset.bills is None else reset.bills):
            self._open_bill = body.usage
            if body.length is not None or (reset is not None and reset.bills):
                self._spent = body.usage.output
        if body.status != 200 or (delivery.fail is not None and body.length is not None):
            self._open_bill = None
        try:
            await self._send(body, delivery)
        finally:
            self._bill(complete=False)

    async def _fail(self, step: script.Fails) -> None:
        if step.body is None:
            raise Refusal(step.status, step.message, retry_after=step.retry_after)
        data = step.body.encode()
        kind = JSON if step.body.lstrip().startswith("{") else "text/html"
        await self._send(Body(kind, *_one(data, Usage()), status=step.status), Delivery())

    def _body(self, step: Step, seen: Seen) -> Body:
        if isinstance(step, script.Recorded):
            kind, parts = self._replayed(step.exchange, seen)
            frames = [Frame(part, 1) for part in parts]
            length = sum(len(part) for part in parts) if kind.startswith(JSON) else None
            return Body(kind, frames, _recorded(step.exchange), length, step.exchange["status"])
        if isinstance(step, script.Endless):
            return self._endless(step, seen)
        answer = resolve(step, seen, self._key)
        if seen.stream:
            return Body(self._format.streaming, list(self._format.frames(answer, seen)), answer.usage)
        return Body(JSON, *_one(dumps(self._format.whole(answer, seen)).encode(), answer.usage))

    def _replayed(self, exchange: Mapping[str, Any], seen: Seen) -> tuple[str, list[bytes]]:
        whole = str(exchange["content_type"]).startswith(JSON)
        if self._far.provider != "openai" and exchange["status"] == 200 and whole is seen.stream:
            raise ScriptMistake(f"recorded {'whole' if whole else 'streamed'}, asked the other way round")
        return replayed(exchange, stream=seen.stream)

    def _endless(self, step: script.Endless, seen: Seen) -> Body:
        usage = Usage(seen.tokens, 10**9)
        if not seen.stream:
            return Body(JSON, self._forever([], [Frame(b" ", 1)], step.pace), usage)
        answer = resolve(Say(step.word), seen, self._key)
        frames = list(self._format.frames(answer, seen))
        words = [frame for frame in frames if frame.tokens]
        start = frames[: frames.index(words[0])]
        return Body(self._format.streaming, self._forever(start, words, step.pace), usage)

    @staticmethod
    def _forever(start: Sequence[Frame], words: Sequence[Frame], pace: float) -> Iterator[Frame]:
        yield from start
        yield from itertools.cycle([replace(word, pause=pace) for word in words])

    # --- on the wire

    async def _send(self, body: Body, delivery: Delivery) -> None:
        await asyncio.sleep(delivery.wait)
        self._do(delivery, "before")
        reset, stall = delivery.reset, delivery.stall
        if reset is not None and reset.when == "before":
            self._bill(complete=False)
            self._cut(reset)
            return
        if stall is not None and stall.when == "before":
            await self._silence()
        if delivery.fail is not None and body.length is not None:
            raise Refusal(delivery.fail.status, delivery.fail.message, retry_after=delivery.fail.retry_after)
        headers = {"content-type": body.kind, **self._format.headers(self._key)}
        await self._connection.head(body.status, headers, body.length)
        broken = stall is not None or delivery.fail is not None or (reset is not None and reset.when == "during")
        frames = list(_drops(body.frames, delivery.size)) if broken or delivery.size else body.frames
        if broken:
            await self._half(_halves(frames), delivery)
            return
        if delivery.does is not None and delivery.does.when == "during":
            frames = self._interrupted(list(frames), delivery)
        await self._all(frames, delivery.pace)
        if reset is not None:
            self._cut(reset)
        else:
            await self._connection.end()
        self._do(delivery, "after")

    @staticmethod
    def _do(delivery: Delivery, when: script.Moment) -> None:
        if delivery.does is not None and delivery.does.when == when:
            delivery.does.action()

    def _interrupted(self, frames: Sequence[Frame], delivery: Delivery) -> Iterator[Frame]:
        """The frames, with the action before the first of the second half; one frame is cut in two for it."""
        first = _halves(frames)
        cut = len(first)
        yield from first
        # what is sent goes out one frame behind, so an empty one pushes the first half out
        yield Frame(b"")
        self._do(delivery, "during")
        if len(frames) == 1:
            yield Frame(frames[0].data[len(first[0].data) :])
        else:
            yield from frames[cut:]

    async def _half(self, frames: Sequence[Frame], delivery: Delivery) -> None:
        for frame in frames:
            await self._write(frame, delivery.pace)
        if delivery.stall is not None:
            await self._silence()
        self._bill(complete=False)
        if delivery.fail is not None:
            refusal = Refusal(delivery.fail.status, delivery.fail.message, retry_after=delivery.fail.retry_after)
            await self._connection.write(self._format.broken(refusal, self._key))
            await self._connection.end()
        elif delivery.reset is not None:
            if delivery.reset.clean:
                await self._connection.end()
            self._cut(delivery.reset)

    async def _all(self, frames: Iterable[Frame], pace: float) -> None:
        """Everything; the bill is written before the last frame, so that whoever read the end finds it."""
        ahead: Frame | None = None
        for frame in frames:
            if ahead is not None:
                await self._write(ahead, pace)
            ahead = frame
        self._bill(complete=True)
        if ahead is not None:
            await self._write(ahead, pace)

    async def _write(self, frame: Frame, pace: float) -> None:
        pause = max(pace, frame.pause, LATE if frame.late else 0.0)
        if pause:
            await asyncio.sleep(pause)
        self._spent += frame.tokens
        await self._connection.write(frame.data)

    async def _silence(self) -> None:
        await self._connection.closed.wait()
        raise ConnectionResetError

    def _cut(self, reset: script.Resets) -> None:
        if reset.clean:
            self._connection.close()
        else:
            self._connection.reset()

    async def _refuse(self, refusal: Refusal) -> None:
        data = dumps(self._format.error(refusal, self._key)).encode()
        headers = {"content-type": JSON, **self._format.headers(self._key), **refusal.headers}
        if refusal.retry_after is not None and self._format.retry_header:
            headers[self._format.retry_header] = f"{refusal.retry_after:g}"
        await self._connection.head(refusal.status, headers, len(data))
        await self._connection.write(data)

    def _bill(self, *, complete: bool) -> None:
        usage, self._open_bill = self._open_bill, None
        if usage is not None:
            output = usage.output if complete else min(self._spent, usage.output)
            billed = replace(usage, output=output, reasoning=min(usage.reasoning, output))
            self._far.billed.append(Bill(self._number, self._model, billed, complete))


def _one(data: bytes, usage: Usage) -> tuple[list[Frame], Usage, int]:
    return [Frame(data, usage.output)], usage, len(data)


def _recorded(exchange: Mapping[str, Any]) -> Usage:
    """The figures a recording of ours carries, or those a chat completion tells."""
    given = exchange.get("usage")
    return Usage(**given) if given is not None else recorded_usage(exchange)


def _drops(frames: Iterable[Frame], size: int | None) -> Iterator[Frame]:
    """The same bytes cut every ``size`` bytes, wherever that is."""
    if size is None:
        yield from frames
        return
    for frame in frames:
        for start in range(0, len(frame.data), size):
            yield Frame(frame.data[start : start + size], frame.tokens if start == 0 else 0)


def _halves(frames: Iterable[Frame]) -> list[Frame]:
    """The first half: of the frames that say something, or of the bytes of the only one."""
    listed = list(frames)
    if len(listed) == 1:
        return [replace(listed[0], data=listed[0].data[: len(listed[0].data) // 2])]
    said = [index for index, frame in enumerate(listed) if frame.tokens]
    return listed[: said[len(said) // 2]] if said else listed[: len(listed) // 2]
