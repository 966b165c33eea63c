"""The scheduler: a task starts as soon as its own dependencies are done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeVar


class Node(Protocol):
    """What the scheduler must know of a task."""

    @property
    def id(self) -> str:
        """The task's id."""
        ...

    @property
    def depends(self) -> tuple[str, ...]:
        """Ids of the tasks that must have ended before."""
        ...


N = TypeVar("N", bound=Node)
R = TypeVar("R")


async def run_all(
    tasks: Sequence[N], ended: Mapping[str, R], run: Callable[[N], Awaitable[R | None]], at_once: int
) -> dict[str, R]:
    """Run every task not in ``ended`` once its dependencies have a result; at most ``at_once`` together.

    ``run`` must not raise for a failing agent: it answers with a result, or with ``None`` when the task
    waits for a human; tasks that depend on a waiting one are not started. An exception from ``run`` is
    about the mission as a whole (its lease was lost, it was cancelled): the others are cancelled and the
    first such exception is raised as it was.

    Returns:
        ``ended`` and the new results, by task id.
    """
    results = dict(ended)
    slots = asyncio.Semaphore(at_once)
    gates = {task.id: asyncio.Event() for task in tasks}

    async def one(task: N) -> None:
        for need in task.depends:
            if need in gates:
                await gates[need].wait()
        if all(need in results for need in task.depends):
            async with slots:
                result = await run(task)
            if result is not None:
                results[task.id] = result
        gates[task.id].set()

    for task in tasks:
        if task.id in results:
            gates[task.id].set()
    try:
        async with asyncio.TaskGroup() as group:
            for task in tasks:
                if task.id not in results:
                    group.create_task(one(task), name=task.id)
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return results
