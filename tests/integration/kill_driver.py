"""One process of the kill loop: go on with everything, answer what is asked, end when all missions ended.

Its outside world is one append-only file, the witness: each call of a tool that changes something writes a
line with its idempotency key, synced, before it answers.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

from nextgeneration.agents.manager import TemplateManager
from nextgeneration.kernel.actions import Proposal
from nextgeneration.kernel.findings import Evidence, Finding, Severity
from nextgeneration.kernel.risk import EffectRule, RiskLabel
from nextgeneration.kernel.tools import Happened, ToolResult
from nextgeneration.missions.schema import MissionOptions, MissionRequest
from nextgeneration.services.assembly import open_services
from nextgeneration.settings.agents import AgentFactoryConfig
from nextgeneration.settings.storage import StorageSettings
from nextgeneration.templates.library import TemplateLibrary
from nextgeneration.testing.tools import FakeTool

ROOT = Path(sys.argv[1])
MISSIONS = int(sys.argv[2])
WITNESS = ROOT / "witness"
AGENTS = ("alpha", "beta", "gamma", "delta")


def write(kind, key):
    with WITNESS.open("a") as file:
        file.write(f"{kind} {key}\n")
        file.flush()
        os.fsync(file.fileno())


def look(args, _context):
    finding = Finding(
        rule="pipe.leak",
        title=f"{args['pipe']} leaks",
        severity=Severity.HIGH,
        cause=f"leak:{args['pipe']}",
        evidence=(Evidence(source="pipe.look", excerpt="drip"),),
    )
    made = tuple(
        Proposal(tool=f"pipe.{kind}", args={"pipe": args["pipe"]}, reason=f"{kind} {args['pipe']}", fixes=())
        for kind in ("once", "keyed")
    )
    return ToolResult(findings=(finding,), proposals=made)


class Once(FakeTool):
    """Changes something exactly once, and can tell afterwards whether it did."""

    async def probe(self, _args, context):
        seen = WITNESS.read_text().split() if WITNESS.exists() else []
        return Happened.YES if context.key in seen else Happened.NO


def tools():
    def act(kind):
        return lambda _args, context: write(kind, context.key)

    return [
        FakeTool("pipe.look", look),
        Once("pipe.once", act("once"), effect=EffectRule.ONCE, risk=RiskLabel.WRITE),
        FakeTool("pipe.keyed", act("keyed"), effect=EffectRule.IDEMPOTENT, risk=RiskLabel.WRITE),
    ]


def templates(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name in AGENTS:
        steps = [
            {"id": "look", "tool": "pipe.look", "with": {"pipe": f"{name}-1"}},
            {"id": "again", "tool": "pipe.look", "with": {"pipe": f"{name}-2"}},
            *(
                {
                    "id": f"do_{kind}",
                    "tool": f"pipe.{kind}",
                    "each": {"$": f"steps.look.proposals[?tool=='pipe.{kind}']"},
                    "with": {"$": "item.args"},
                }
                for kind in ("once", "keyed")
            ),
        ]
        route = {"route": "pipes", "keywords": ["plumb"]}
        data = {"name": name, "role": "worker", "domain": "pipes", "supervisor_route": route, "playbook": steps}
        path = folder / f"{name}.json"
        if not path.exists():
            path.write_text(json.dumps(data))


async def main():
    folder = ROOT / "templates"
    templates(folder)
    config = AgentFactoryConfig(templates_dir=folder, enable_hot_reload=False, preload_templates=[])
    manager = TemplateManager(config, TemplateLibrary(folder, builtin=False))
    settings = StorageSettings(home=ROOT / "home")
    (ROOT / "workspace").mkdir(exist_ok=True)
    async with open_services(
        ROOT / "workspace", storage_settings=settings, tools=tools(), templates=manager
    ) as services:
        for n in range(MISSIONS):
            request = MissionRequest(goal="plumb", workspace=str(ROOT / "workspace"), options=MissionOptions(actions=8))
            mission = await services.missions.accept(request, key=f"mission-{n}")
            print("accepted", mission.id, flush=True)
        while True:
            for outcome in await services.worker.recover():
                print("outcome", outcome.mission, outcome.status, flush=True)
            pending = await services.approvals.pending()
            for approval in pending:
                verdict = "approved" if "approved" in approval.choices else "retry"
                await services.approvals.decide(approval.id, verdict, by="human:test")
            lines = await services.missions.list(limit=None)
            if not pending and all(line.status.ended for line in lines):
                break
    print("finished", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
