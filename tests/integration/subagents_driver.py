"""An agent that calls an agent that calls an agent, cut at every boundary by SIGKILL of a real process.

``subagents_driver.py ROOT`` forks one child for each scenario, which kills itself at its place; further children go on
until the mission has ended. Prints one JSON line for each. The witness is a file to which every call appends its key.
"""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from nextgeneration.agents.manager import TemplateManager
from nextgeneration.kernel.risk import EffectRule, RiskLabel
from nextgeneration.missions.boundaries import BOUNDARIES
from nextgeneration.missions.schema import MissionOptions, MissionRequest
from nextgeneration.services.assembly import open_services
from nextgeneration.settings.agents import AgentFactoryConfig
from nextgeneration.settings.missions import MissionSettings
from nextgeneration.settings.storage import StorageSettings
from nextgeneration.templates.library import TemplateLibrary
from nextgeneration.testing.tools import FakeTool

RULES = {"t.pure": EffectRule.PURE, "t.keyed": EffectRule.IDEMPOTENT, "t.once": EffectRule.ONCE}
CUTS = [place for place in BOUNDARIES if place.partition(".")[0] in {"effect", "record", "approval", "task"}]
MOST, TRIES = 7, 12


class Worker:
    """Calls one tool of each kind, with an agent of its own in between when it has one."""

    def __init__(self, below=""):
        self.below = below

    async def process(self, _given, context):
        door = context.door
        await door.record("n", lambda: 7)
        await door.call("t.pure", {"n": 1})
        await door.call("t.keyed", {"n": 1})
        if self.below:
            await door.call("agent.run", {"agent": self.below, "goal": "go on"})
        await door.call("t.once", {"n": 2})
        return {"agent": door.agent, "status": "done"}


class Scenario:
    def __init__(self, root, cut, times):
        self.root, self.cut, self.left = root, cut, times
        self.witness = root / "witness"

    def at(self, place):
        if place == self.cut:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def tool(self, name):
        def act(_args, context):
            with self.witness.open("a") as file:
                file.write(f"{context.key}\n")
                file.flush()
                os.fsync(file.fileno())

        risk = RiskLabel.SAFE if name == "t.pure" else RiskLabel.WRITE
        return FakeTool(name, act, effect=RULES[name], risk=risk)

    def manager(self):
        folder = self.root / "templates"
        folder.mkdir(exist_ok=True)
        for name in ("boss", "foreman", "plumber"):
            data = {"name": name, "role": "worker", "domain": "tests", "tools": ["agent.run", *RULES]}
            (folder / f"{name}.json").write_text(json.dumps(data))
        config = AgentFactoryConfig(templates_dir=folder, enable_hot_reload=False, preload_templates=[])
        manager = TemplateManager(config, TemplateLibrary(folder, builtin=False))
        below = {"boss": "foreman", "foreman": "plumber", "plumber": ""}
        manager.hire = lambda revision, _name, _config=None: Worker(below[revision.name])
        return manager

    async def run(self):
        workspace = self.root / "workspace"
        workspace.mkdir(exist_ok=True)
        async with open_services(
            workspace,
            storage_settings=StorageSettings(home=self.root / "home"),
            mission_settings=MissionSettings(permissions=("t.keyed",)),
            tools=[self.tool(name) for name in RULES],
            templates=self.manager(),
            at=self.at,
        ) as services:
            options = MissionOptions(agents=("boss",), models=False)
            request = MissionRequest(goal="go", workspace=str(workspace), options=options)
            mission = await services.missions.accept(request, key="1")
            while not (await services.missions.get(mission.id)).status.ended:
                await services.worker.recover()
                for approval in await services.approvals.pending():
                    verdict = "approved"
                    if approval.kind == "in_doubt":
                        key = f"{mission.id}/{approval.task_id}/{approval.slot.removeprefix('doubt:')}/t.once"
                        seen = self.witness.exists() and key in self.witness.read_text().split()
                        verdict = "done" if seen else "retry"
                    await services.approvals.decide(approval.id, verdict, "human:ada")


def child(root, cut, times):
    pid = os.fork()
    if pid == 0:
        try:
            asyncio.run(Scenario(root, cut, times).run())
            os._exit(0)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main():
    root, number = Path(sys.argv[1]), 0
    for place in CUTS:
        times, reached = 0, True
        while reached and times < MOST:
            times, number = times + 1, number + 1
            folder = root / str(number)
            folder.mkdir(mode=0o700)
            codes = [child(folder, place, times)]
            reached = codes[0] != 0
            while codes[-1] == -signal.SIGKILL and len(codes) < TRIES:
                codes.append(child(folder, "", 0))
            keys = (folder / "witness").read_text().split()
            line = {"cut": [place, times], "codes": codes, "keys": keys, "folder": str(folder)}
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
