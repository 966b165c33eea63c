"""What a child process of the ledger's tests does: spend a limit with others, or be killed at one point of one call."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from nextgeneration.credits.errors import OverLimit
from nextgeneration.credits.ledger import Ledger
from nextgeneration.credits.schema import Hold, Limit, Scopes, Settled
from nextgeneration.credits.waiting import Queue
from nextgeneration.storage.database import Connection, Storage

AT = "2026-11-21T14:30:00.000000Z"
LIMIT = Limit("user", "ada", 1_000_003)
WORST = 5000
"""No call of the crowd holds more."""


async def crowd(path: str, process: int, calls: int) -> dict[str, int]:
    """Make ``calls`` calls at once; how many were served, and the smallest worst case that was refused."""
    storage = Storage.open(f"sqlite:///{path}", busy_seconds=100)
    ledger, queue = Ledger(), Queue()
    served, refused = 0, []

    async def call(n: int) -> None:
        nonlocal served
        scopes = Scopes(user="ada", agent=f"a{n % 3}", mission=f"mis_{process}", model="p:m")
        worst = 1 + (process * 7919 + n * 104_729) % WORST
        hold = Hold(f"{process}/{n}/1", worst, scopes, 1, AT, (LIMIT,))
        try:
            await queue.held(scopes, worst, lambda: storage.write(lambda c: ledger.hold(c, hold)), 300)
        except OverLimit:
            refused.append(worst)
            return
        await asyncio.sleep(0.001 * (n % 5))
        real = worst - (n * 31 % 7) * worst // 10
        queue.settled((await storage.write(_settling(ledger, hold.id, real))).scopes)
        served += 1

    async with asyncio.TaskGroup() as group:
        for n in range(calls):
            group.create_task(call(n))
    storage.close()
    return {"served": served, "refused": len(refused), "smallest": min(refused, default=0)}


def _settling(ledger: Ledger, hold: str, amount: int) -> Callable[[Connection], Settled]:
    return lambda connection: ledger.settle(connection, hold, amount, at=AT)


POINTS = ("begin", "held", "uncommitted", "called", "read", "unsettled", "settled")


def dies(path: str, provider: str, mission: str, point: str) -> None:
    """Make one call, as the door does, and be killed at ``point``. The provider writes down what it bills."""
    storage, ledger = Storage.open(f"sqlite:///{path}"), Ledger()
    scopes = Scopes(user="ada", mission=mission, model="p:m")

    def at(here: str) -> None:
        if here == point:
            os.kill(os.getpid(), signal.SIGKILL)

    at("begin")

    def holding(connection: Connection) -> None:
        ledger.hold(connection, Hold(f"{mission}/1", 100, scopes, 1, AT, (LIMIT,)))
        at("uncommitted")

    storage.write_sync(holding)
    at("held")
    with Path(provider).open("a", encoding="utf-8") as bill:
        bill.write(f"{mission} 60\n")
        bill.flush()
        os.fsync(bill.fileno())
    at("called")
    at("read")

    def settling(connection: Connection) -> None:
        ledger.settle(connection, f"{mission}/1", 60, at=AT)
        at("unsettled")

    storage.write_sync(settling)
    at("settled")


if __name__ == "__main__":
    if sys.argv[1] == "crowd":
        print(json.dumps(asyncio.run(crowd(sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))))
    else:
        dies(*sys.argv[2:])
