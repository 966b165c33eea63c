"""A provider on loopback that answers whole missions, and what its bills say beside our books."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from nextgeneration.credits.schema import HoldStatus
from nextgeneration.credits.service import Credits
from nextgeneration.events.schema import Event
from nextgeneration.missions.service import Missions
from nextgeneration.settings.storage import StorageSettings
from nextgeneration.storage.database import Storage
from nextgeneration.testing.wire import Call, Say, Seen, Step, Usage, WireServer

INPUT, OUTPUT = 200, 1_000
"""Micro-credits a token, as the driver prices it."""

MARK = re.compile(r"mark-[\w.]+\b")


def cost(usage: Usage) -> int:
    """What the provider bills for these tokens."""
    return INPUT * usage.input + OUTPUT * usage.output


def mark(seen: Seen) -> str:
    """Whose request this is: the mark that its mission's goal carries."""
    return MARK.findall(seen.text)[0]


def template(folder, name="thinker", **more):
    """Write a template whose agents think: a playbook that looks, then a model that looks again and asks too much."""
    folder.mkdir(parents=True, exist_ok=True)
    data = {
        "name": name,
        "role": "worker",
        "domain": "tests",
        "supervisor_route": {"route": name, "keywords": [name]},
        "playbook": [{"id": "look", "tool": "world.look", "with": {"kind": "keyed", "actions": 0}}],
        "playbook_first": True,
        "tools": ["world.look", "world.denied"],
        **more,
    }
    (folder / f"{name}.json").write_text(json.dumps(data))


def purpose(seen: Seen) -> str:
    """What a request is for."""
    if seen.system.startswith("You plan"):
        return "plan"
    return "prose" if seen.system.startswith("You write the summary") else "work"


def task(name: str, whose: str) -> dict[str, Any]:
    about = {
        "goal": f"{name} looks for {whose}",
        "paths": [],
        "depends": [],
        "criteria": "it is dry",
        "why": "it can",
        "share": 30,
    }
    return {"id": name, "agent": "thinker", **about}


def answer(seen: Seen, tasks: int = 2) -> Step:
    """What a sensible model says, as a function of what it is shown: the same at every attempt."""
    kind = purpose(seen)
    if kind == "plan":
        return Say(json.dumps({"tasks": [task(f"t{n + 1}", mark(seen)) for n in range(tasks)], "unserved": []}))
    if kind == "prose":
        said = {"text": "It was looked at.", "findings": [], "tasks": ["t1"], "actions": []}
        return Say(json.dumps({"sentences": [said]}))
    turn = seen.answered
    if turn == 0:
        return Call("world.look", {"kind": "keyed", "actions": 0})
    if turn == 1:
        return Call("world.denied", {"n": 1})
    return Call("report", {"status": "done", "analysis": "looked at it"})


@dataclass
class Account:
    """One mission in our books, and in the provider's."""

    status: str
    report: dict[str, Any] | None
    journal: list[Event]
    settled: list[int] = field(default_factory=list)
    unconfirmed: list[int] = field(default_factory=list)
    released: int = 0
    open: int = 0
    bills: list[int] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)

    @property
    def charged(self) -> int:
        return sum(self.settled) + sum(self.unconfirmed)

    def lost(self) -> int:
        """How many calls the journal shows without an answer that may have been billed.

        Those that an attempt had begun when it died, those that were cut off, and those that broke off.
        """
        under_way: set[tuple[Any, Any]] = set()
        lost = 0
        for event in self.journal:
            place = (event.task, event.data.get("position"))
            if event.type == "mission.claimed":
                lost += len(under_way)
                under_way.clear()
            elif event.type == "mission.ended" and event.data["status"] == "cancelled":
                lost += len(under_way)
            elif event.type == "credits.unconfirmed" or event.data.get("billed") == "unknown":
                lost += 1
                under_way.discard(place)
            elif event.data.get("tool") == "model":
                begins = event.type in {"effect.intent", "effect.again"}
                (under_way.add if begins else under_way.discard)(place)
        return lost


@contextmanager
def books(root):
    """The books of an installation, after all its processes have ended."""
    storage = Storage.open(StorageSettings(home=root / "home").url)
    try:
        yield Missions(storage), Credits(storage)
    finally:
        storage.close()


def accounts(root, far: WireServer) -> dict[str, Account]:
    """Every mission by its mark. The books must agree with themselves."""

    async def look() -> dict[str, Account]:
        with books(root) as (missions, credits_):
            assert await credits_.verify() == []
            found, marks = {}, {}
            for line in await missions.list(limit=None):
                mission = await missions.get(line.id)
                journal = list(await missions.journal(line.id))
                marks[line.id] = MARK.findall(line.goal)[0]
                found[marks[line.id]] = Account(line.status.value, mission.report, journal)
            for hold in await credits_.history(limit=None):
                account = found[marks[hold.scopes.mission]]
                if hold.status is HoldStatus.SETTLED:
                    account.settled.append(hold.charged)
                elif hold.status is HoldStatus.UNCONFIRMED:
                    account.unconfirmed.append(hold.charged)
                account.released += hold.status is HoldStatus.RELEASED
                account.open += hold.status is HoldStatus.HELD
            return found

    found = asyncio.run(look())
    whose = {seen.number: mark(seen) for seen in far.requests}
    for seen in far.requests:
        found[mark(seen)].asked[json.dumps(seen.body, sort_keys=True)] += 1
    for bill in far.billed:
        found[whose[bill.number]].bills.append(cost(bill.usage))
    return found


def agree(account: Account, at: object) -> None:
    """What promise 3 says of one mission that has ended, whatever was done to its processes."""
    assert account.open == 0, f"nothing stays held: {at}"
    assert account.charged >= sum(account.bills), f"the ledger is never below the provider's log: {at}"
    left = Counter(account.bills)
    left.subtract(Counter(account.settled))
    assert min(left.values(), default=0) >= 0, f"what was read is charged as it was billed, to the credit: {at}"
    unread = sum(left.values())
    assert unread <= len(account.unconfirmed), f"what was billed and not read is charged in full: {at}"
    assert all(full >= most for full, most in _matched(account.unconfirmed, left)), at
    assert len(account.unconfirmed) == account.lost(), f"each call that was cut off is charged once: {at}"
    again = sum(times - 1 for times in account.asked.values())
    assert again <= len(account.unconfirmed), f"no recorded answer is asked for again: {at}"
    told = [e.data["credits"] for e in account.journal if e.type == "effect.outcome" and e.data.get("tool") == "model"]
    assert sorted(told) == sorted(account.settled), f"the journal tells what the ledger says: {at}"


def _matched(unconfirmed: list[int], left: Counter[int]) -> list[tuple[int, int]]:
    return list(zip(sorted(unconfirmed, reverse=True), sorted(left.elements(), reverse=True), strict=False))
