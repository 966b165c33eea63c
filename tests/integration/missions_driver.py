"""Missions cut in two at every boundary the system lists, by SIGKILL of a real process.

``missions_driver.py ROOT`` forks one child for each scenario, which kills itself at its place; further children go
on until the mission has ended. Prints one JSON line for each scenario. The witness is a file beside the database.
``missions_driver.py ROOT weakened`` journals calls after they were made only: the test must see it fail.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
from pathlib import Path

from nextgeneration.kernel.canonical import digest
from nextgeneration.kernel.reports import Report
from nextgeneration.kernel.risk import EffectRule, RiskLabel
from nextgeneration.missions.boundaries import BOUNDARIES
from nextgeneration.missions.effects import Call, Policy
from nextgeneration.missions.entries import Entry, row_of
from nextgeneration.missions.errors import EffectRefused, Parked
from nextgeneration.missions.records import Pin
from nextgeneration.missions.schema import MissionRequest, TaskRecord
from nextgeneration.missions.service import Missions
from nextgeneration.security.permissions import PermissionRules
from nextgeneration.storage.database import Storage
from nextgeneration.testing.tools import FakeTool

RULES = {"pure": EffectRule.PURE, "keyed": EffectRule.IDEMPOTENT, "once": EffectRule.ONCE}
TRIES = 12
MOST = 4


def die():
    os.kill(os.getpid(), signal.SIGKILL)


class Scenario:
    """One mission in one folder; ``cut`` is the place and how often it is passed before the process dies."""

    def __init__(self, root, cut):
        self.root = root
        self.cut, self.left = cut
        self.witness = root / "witness"

    def at(self, place):
        if place == self.cut:
            self.left -= 1
            if self.left == 0:
                die()

    def seen(self, key):
        return self.witness.exists() and key in self.witness.read_text().split()

    def tool(self, name):
        def act(_args, context):
            self.at(f"before {name}")
            with self.witness.open("a") as file:
                file.write(f"{context.key}\n")
                file.flush()
                os.fsync(file.fileno())
            self.at(f"during {name}")

        risk = RiskLabel.SAFE if name == "pure" else RiskLabel.WRITE
        return FakeTool(name, act, effect=RULES.get(name, EffectRule.ONCE), risk=risk)

    async def run(self):
        storage = Storage.open(f"sqlite:///{self.root}/nextgen.db")
        missions = Missions(storage, at=self.at)
        mission = await missions.accept(
            MissionRequest(goal="mend the roof", workspace=str(self.root / "workspace")), key="1"
        )
        while not (await missions.get(mission.id)).status.ended:
            await self.attempt(missions, mission.id)
            await self.answer(missions)
        storage.close()

    async def attempt(self, missions, mission):
        claim = await missions.claim(mission)
        if claim.plan() is None:
            revision = Pin("codeur", digest({"name": "codeur"}), {"name": "codeur"})
            task = TaskRecord("t1", "codeur", "codeur", "sha256:1", "look")
            await claim.save_plan({"tasks": ["t1"]}, tasks=[task], pins={"codeur": revision})
        tools = {name: self.tool(name) for name in (*RULES, "never")}
        door = claim.door(tools, Policy(standing=("keyed",)), self.root)
        try:
            await self.work(door.task("t1", "codeur", [PermissionRules(deny=("never",))]))
        except Parked:
            await claim.wait("an answer")
            return
        await claim.end_task("t1", Report(agent="codeur", status="done"))
        await claim.end("done", {"n": 1})

    async def work(self, task):
        assert await task.record("n", lambda: 7) == 7
        await task.put("seen", 1)
        for name in ("pure", "keyed"):
            await task.call(name, {"n": 1})
        await task.call("once", {"n": 2})
        grant = await task.authorise([Call("once", {"n": 3}), Call("pure", {"n": 3})], "because")
        await task.call("once", {"n": 3}, grant=grant)
        await task.call("pure", {"n": 3}, grant=grant)
        with contextlib.suppress(EffectRefused):
            await task.call("never", {"n": 4})

    async def answer(self, missions):
        """The human: looks at the world before saying what to do about a call in doubt."""
        for approval in await missions.approvals.pending():
            verdict = "approved"
            if approval.kind == "in_doubt":
                position = approval.slot.removeprefix("doubt:")
                key = f"{approval.mission_id}/t1/{position}/once"
                verdict = "done" if self.seen(key) else "retry"
            await missions.approvals.decide(approval.id, verdict, "human:ada")


def child(root, cut):
    pid = os.fork()
    if pid == 0:
        try:
            asyncio.run(Scenario(root, cut).run())
            os._exit(0)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def places():
    yield from BOUNDARIES
    for name in RULES:
        yield f"before {name}"
        yield f"during {name}"


def weaken():
    """Journal only after the call: what most orchestrators do."""

    async def intend(self, judged, permit, _seconds):
        self.effect = self._fresh(judged.assessment.label.value, "intent", {}, "2026")
        self.effect.approval, self.effect.approval_call = permit.approval, permit.call

    async def settle(self, status, outcome, _data, **_more):
        effect, claim = self.effect, self._claim
        effect.status, effect.outcome = status, outcome
        row = row_of(effect, claim.id, "local")
        await claim.commit(change=lambda c: self._shared.effects.add(c, row))
        claim.effects[effect.task, effect.position] = effect

    Entry.intend, Entry.settle = intend, settle


def main():
    root = Path(sys.argv[1])
    first = root / "first"
    first.mkdir(mode=0o700)
    if os.fork() == 0:
        Storage.open(f"sqlite:///{first}/nextgen.db").close()
        os._exit(0)
    os.wait()
    if sys.argv[2:] == ["weakened"]:
        weaken()
    number = 0
    for place in places():
        times, reached = 0, True
        while reached and times < MOST:
            times, number = times + 1, number + 1
            folder = root / str(number)
            folder.mkdir(mode=0o700)
            shutil.copy(first / "nextgen.db", folder / "nextgen.db")
            codes = [child(folder, (place, times))]
            reached = codes[0] != 0
            while codes[-1] == -signal.SIGKILL and len(codes) < TRIES:
                codes.append(child(folder, ("", 0)))
            witness = folder / "witness"
            keys = witness.read_text().split() if witness.exists() else []
            line = {"cut": [place, times], "codes": codes, "keys": keys, "folder": str(folder)}
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
