"""Time limits of calls end them exactly as ``asyncio.timeout`` would, though they share one timer."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from nextgeneration.missions.deadlines import Deadlines

LONG = 3600.0


@asynccontextmanager
async def ours(seconds):
    with Deadlines().after(seconds) as deadline:
        yield lambda: deadline.expired


@asynccontextmanager
async def theirs(seconds):
    async with asyncio.timeout(seconds) as timer:
        yield timer.expired


async def in_time(limit):
    async with limit(LONG) as expired:
        await asyncio.sleep(0)
    return expired()


async def too_long(limit):
    try:
        async with limit(0.01) as expired:
            await asyncio.sleep(LONG)
    except TimeoutError as error:
        return expired(), type(error.__cause__), asyncio.current_task().cancelling()


async def over_before_it_began(limit):
    """It still runs to where it first waits."""
    ran = []
    try:
        async with limit(0):
            ran.append("before")
            await asyncio.sleep(0)
            ran.append("after")
    except TimeoutError:
        return ran


async def over_before_it_began_and_never_waits(limit):
    async with limit(-1) as expired:
        pass
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return expired(), asyncio.current_task().cancelling()


async def raises_a_timeout_of_its_own(limit):
    try:
        async with limit(LONG) as expired:
            raise TimeoutError("mine")
    except TimeoutError as error:
        return expired(), str(error)


async def answers_its_end_with_another_error(limit):
    try:
        async with limit(0.01) as expired:
            try:
                await asyncio.sleep(LONG)
            except asyncio.CancelledError:
                raise ValueError from None
    except ValueError:
        return expired(), asyncio.current_task().cancelling()


async def is_cancelled_too(limit):
    """Whoever cancels the task is heard, whether or not the time is over as well."""

    async def works():
        async with limit(0.01):
            await asyncio.get_running_loop().create_future()

    task = asyncio.create_task(works())
    task.get_loop().call_later(0.01, task.cancel)
    await asyncio.wait({task})
    return task.cancelled() or isinstance(task.exception(), TimeoutError)


async def is_cancelled_and_lingers_past_its_time(limit):
    """One that was cancelled before its time was over stays cancelled."""

    async def works():
        async with limit(0.02):
            try:
                await asyncio.sleep(LONG)
            finally:
                await asyncio.sleep(LONG)

    task = asyncio.create_task(works())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    return task.cancelled()


async def stands_in_another(limit):
    """The outer time is over: the inner block is cancelled, not timed out."""
    seen = []
    try:
        async with limit(0.01) as outer:
            try:
                async with limit(LONG) as inner:
                    await asyncio.sleep(LONG)
            except asyncio.CancelledError:
                seen += [outer(), inner()]
                raise
    except TimeoutError:
        return seen, asyncio.current_task().cancelling()


@pytest.mark.parametrize(
    "block",
    [
        in_time,
        too_long,
        over_before_it_began,
        over_before_it_began_and_never_waits,
        raises_a_timeout_of_its_own,
        answers_its_end_with_another_error,
        is_cancelled_too,
        is_cancelled_and_lingers_past_its_time,
        stands_in_another,
    ],
    ids=lambda block: block.__name__,
)
async def test_a_limit_does_what_the_standard_librarys_does(block):
    expected = await asyncio.create_task(block(theirs))
    assert await asyncio.create_task(block(ours)) == expected


async def test_each_of_many_ends_at_its_own_time_whichever_began_first():
    deadlines, loop = Deadlines(), asyncio.get_running_loop()
    ended = []

    async def works(seconds):
        deadline = deadlines.after(seconds)
        with pytest.raises(TimeoutError), deadline:
            await asyncio.sleep(LONG)
        assert loop.time() >= deadline.ends
        ended.append(deadline.ends)

    async def ends_in_time(seconds):
        with deadlines.after(seconds):
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for seconds in (0.09, 0.03, 0.12, 0.06, 0.03001):
            group.create_task(works(seconds))
            group.create_task(ends_in_time(seconds / 2))
    assert (len(ended), ended) == (5, sorted(ended))


async def test_limits_that_were_over_before_they_began_end_their_blocks_whichever_was_over_first():
    deadlines, ran = Deadlines(), []

    async def works(seconds):
        with deadlines.after(seconds):
            await asyncio.sleep(0)
            ran.append(seconds)

    ended = await asyncio.gather(*(works(seconds) for seconds in (0, -1, -2, 0)), return_exceptions=True)
    assert [type(error) for error in ended] == [TimeoutError] * 4
    assert not ran


async def test_calls_that_end_in_time_share_one_timer(monkeypatch):
    deadlines, loop = Deadlines(), asyncio.get_running_loop()
    set_at, call_at = [], loop.call_at
    monkeypatch.setattr(
        loop, "call_at", lambda when, *about, **more: set_at.append(when) or call_at(when, *about, **more)
    )
    for _ in range(50):
        with deadlines.after(LONG):
            pass
    assert len(set_at) == 1
    with deadlines.after(LONG / 2):
        pass
    assert len(set_at) == 2, "an earlier one sets it anew"


async def test_a_timer_that_rings_for_nobody_is_not_set_again(monkeypatch):
    deadlines, loop = Deadlines(), asyncio.get_running_loop()
    with deadlines.after(0.01):
        pass
    set_at, call_at = [], loop.call_at
    monkeypatch.setattr(
        loop, "call_at", lambda when, *about, **more: set_at.append(when) or call_at(when, *about, **more)
    )
    await asyncio.sleep(0.03)
    assert len(set_at) == 1, "only that sleep's own"
    with pytest.raises(TimeoutError), deadlines.after(0.01):
        await asyncio.sleep(LONG)


def test_a_limit_ends_its_block_also_after_a_loop_in_which_the_timer_never_rang():
    deadlines = Deadlines()

    async def in_time():
        with deadlines.after(0.02):
            pass

    async def too_long():
        async with asyncio.timeout(5) as help_:
            with pytest.raises(TimeoutError), deadlines.after(0.03):
                await asyncio.sleep(LONG)
        assert not help_.expired()

    asyncio.run(in_time())
    asyncio.run(too_long())


async def test_a_timer_that_nobody_needs_any_more_is_taken_out_of_the_loop(monkeypatch):
    deadlines, loop = Deadlines(), asyncio.get_running_loop()
    timers, call_at = [], loop.call_at
    monkeypatch.setattr(loop, "call_at", lambda *about, **more: timers.append(call_at(*about, **more)) or timers[-1])
    with deadlines.after(LONG):
        deadlines.rest()
        assert not timers[0].cancelled(), "somebody needs it"
    deadlines.rest()
    assert timers[0].cancelled()
    with pytest.raises(TimeoutError), deadlines.after(0.01):
        await asyncio.sleep(LONG)
