"""The scheduler: each task starts when its own dependencies are done, and nothing else holds it up."""

import asyncio
from dataclasses import dataclass

import pytest

from nextgeneration.supervisor.schedule import WAVE, WAVES, Waves, run_all


@dataclass(frozen=True)
class Task:
    id: str
    depends: tuple[str, ...] = ()


async def test_a_task_starts_without_waiting_for_the_slowest_of_its_wave():
    order = []
    slow = asyncio.Event()

    async def run(task):
        if task.id == "slow":
            await slow.wait()
        order.append(task.id)
        if task.id == "after_fast":
            slow.set()
        return task.id

    tasks = [Task("slow"), Task("fast"), Task("after_fast", ("fast",)), Task("last", ("slow", "after_fast"))]
    results = await asyncio.wait_for(run_all(tasks, {}, run, 8), 5)
    assert order == ["fast", "after_fast", "slow", "last"]
    assert results == {task.id: task.id for task in tasks}


async def test_tasks_that_ended_before_a_crash_do_not_run_again():
    ran = []

    async def run(task):
        ran.append(task.id)
        return "new"

    results = await run_all([Task("a"), Task("b", ("a",))], {"a": "old"}, run, 8)
    assert ran == ["b"]
    assert results == {"a": "old", "b": "new"}


async def test_a_waiting_task_holds_up_only_what_depends_on_it():
    ran = []

    async def run(task):
        ran.append(task.id)
        return None if task.id == "asks" else task.id

    results = await run_all([Task("asks"), Task("free"), Task("bound", ("asks",))], {}, run, 8)
    assert ran == ["asks", "free"]
    assert set(results) == {"free"}


async def test_no_more_than_the_limit_run_at_once():
    running = peak = 0

    async def run(task):
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        await asyncio.sleep(0)
        running -= 1
        return task.id

    await run_all([Task(f"t{n}") for n in range(20)], {}, run, 3)
    assert peak == 3


async def test_what_concerns_the_mission_is_raised_as_it_was_and_stops_the_others():
    class Lost(Exception):
        pass

    cancelled = asyncio.Event()

    async def run(task):
        if task.id == "loses":
            raise Lost
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    with pytest.raises(Lost):
        await asyncio.wait_for(run_all([Task("works"), Task("loses")], {}, run, 8), 5)
    assert cancelled.is_set()


async def test_those_who_come_at_once_go_on_in_waves_in_their_order():
    waves, many = Waves(), 4 * WAVE * WAVES
    gone, seen = [], []

    async def come(number):
        await waves.turn()
        gone.append(number)

    async def look():
        while len(gone) < many:
            await asyncio.sleep(0)
            seen.append(len(gone))

    async with asyncio.TaskGroup() as group:
        for number in range(many):
            group.create_task(come(number))
        group.create_task(look())
    assert gone == list(range(many))
    steps = [after - before for before, after in zip([0, *seen], seen, strict=False)]
    assert max(steps) == many // WAVES
    assert min(step for step in steps if step) <= WAVE


async def test_who_is_cancelled_while_it_waits_for_its_wave_holds_up_nobody():
    waves = Waves()
    tasks = [asyncio.create_task(waves.turn()) for _ in range(3 * WAVE)]
    await asyncio.sleep(0)
    for task in tasks[:-1]:
        task.cancel()
    await asyncio.wait_for(tasks[-1], 5)
    assert all(task.cancelled() for task in tasks[:-1])
    # Nothing of them is left that somebody who comes later would wait behind.
    await asyncio.wait_for(waves.turn(), 5)


def test_a_loop_that_ended_with_somebody_waiting_holds_up_nobody_in_another():
    waves, loop = Waves(), asyncio.new_event_loop()
    loop.set_exception_handler(lambda _loop, _about: None)  # it would say that a task was left
    left = loop.create_task(waves.turn())
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    assert not left.done()
    asyncio.run(asyncio.wait_for(waves.turn(), 5))
