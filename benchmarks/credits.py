"""What a budget that holds costs: pairs of hold and settlement on one SQLite file, each half a transaction on disk.

Every call is held against four limits (tenant, user, mission, model). A process makes its calls 32 at once through its
one writer, which commits what waits together; several processes share the file and wait for one another's commits.
Beside it the same pairs in memory, one after the other: the ledger's own work without disk, threads or waiting.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import tempfile
from functools import partial
from multiprocessing.synchronize import Barrier
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from nextgeneration.credits.audit import verify
from nextgeneration.credits.ledger import Ledger
from nextgeneration.credits.schema import Hold, Limit, Scopes
from nextgeneration.credits.service import Credits
from nextgeneration.storage.database import Storage

AT = "2026-11-21T14:30:00.000000Z"
PAIRS = 2400
AT_ONCE = 32
PROCESSES = (1, 4, 16)
RICH = 10**12
RECORDED = (Limit("tenant", "local", RICH), Limit("user", "*", RICH), Limit("model", "*", RICH))


def call(process: int, number: int) -> Hold:
    mission = f"mis_{process}"
    scopes = Scopes(user="ada", agent="codeur", mission=mission, task="t1", model="p:m")
    return Hold(f"{mission}/{number}/1", 700, scopes, 1, AT, (Limit("mission", mission, RICH),))


async def pairs(url: str, process: int, count: int, start: Barrier | None) -> float:
    storage, ledger = Storage.open(url, busy_seconds=120), Ledger()
    numbers = iter(range(count))

    async def one_after_the_other() -> None:
        for number in numbers:
            hold = call(process, number)
            await storage.write(partial(ledger.hold, hold=hold))
            await storage.write(partial(ledger.settle, hold_id=hold.id, amount=500, at=AT))

    if start is not None:
        start.wait()
    started = perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(one_after_the_other())
    seconds = perf_counter() - started
    storage.close()
    return seconds


def worker(url: str, process: int, count: int, start: Barrier, answers: Any) -> None:
    answers.put(asyncio.run(pairs(url, process, count, start)))


def together(url: str, processes: int) -> float:
    """The slowest process's seconds for all of them together to make ``PAIRS`` pairs."""
    context = multiprocessing.get_context("spawn")
    start, answers = context.Barrier(processes), context.Queue()
    share = PAIRS // processes
    running = [context.Process(target=worker, args=(url, n, share, start, answers)) for n in range(processes)]
    for process in running:
        process.start()
    seconds: float = max(answers.get(timeout=600) for _ in running)
    for process in running:
        process.join()
    return seconds


def in_memory() -> float:
    """Processor microseconds of one pair."""
    storage, ledger = Storage.open("sqlite://"), Ledger()
    asyncio.run(limited(storage))

    def op(connection: Any) -> None:
        for number in range(PAIRS):
            hold = call(0, number)
            ledger.hold(connection, hold)
            ledger.settle(connection, hold.id, 500, at=AT)

    started = process_time()
    storage.write_sync(op)
    seconds = process_time() - started
    storage.close()
    return seconds / PAIRS * 1e6


async def limited(storage: Storage) -> None:
    credits_of = Credits(storage)
    for limit in RECORDED:
        await credits_of.set_limit(limit, by="human:bench")


def measure() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {"name": "one pair in memory, processor time", "value": in_memory(), "unit": "µs", "note": "four limits"}
    ]
    wrong = 0
    for processes in PROCESSES:
        with tempfile.TemporaryDirectory() as folder:
            url = f"sqlite:///{Path(folder)}/home/nextgen.db"
            storage = Storage.open(url)
            asyncio.run(limited(storage))
            rate = PAIRS / together(url, processes)
            wrong += len(storage.read_sync(verify))
            storage.close()
        name = f"holds a second, {processes} process{'es' if processes > 1 else ''}"
        note = f"each settled too, {AT_ONCE} at once in each process"
        rows.append({"name": name, "value": rate, "unit": "/s", "note": note})
    rows.append({"name": "discrepancies in the books after all of it", "value": wrong, "unit": "", "limit": 0})
    return rows
