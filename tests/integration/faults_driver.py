"""The processes that the fault tests kill, stop and cut short: a fork server and what its children do.

The server has everything imported and no threads. For each order on its standard input it forks one child, a *life*:
an ordinary process of an installation that opens services, works, and answers what is asked as an honest human would.
A life tells its parent what it sees over a pipe, one JSON document a line.
"""

import asyncio
import json
import logging
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

from nextgeneration.agents.manager import TemplateManager
from nextgeneration.kernel.actions import Proposal
from nextgeneration.kernel.clock import SystemClock
from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.findings import Evidence, Finding, Severity
from nextgeneration.kernel.risk import EffectRule, RiskLabel
from nextgeneration.kernel.tools import Happened, ToolResult
from nextgeneration.missions.errors import EffectRefused
from nextgeneration.missions.schema import MissionBudget, MissionOptions, MissionRequest
from nextgeneration.models.gateway import Gateway
from nextgeneration.services.assembly import open_services
from nextgeneration.settings.agents import AgentFactoryConfig
from nextgeneration.settings.environment import Environment
from nextgeneration.settings.missions import MissionSettings
from nextgeneration.settings.models import ModelPrice, ModelProvider, ModelSettings
from nextgeneration.settings.storage import StorageSettings
from nextgeneration.storage import connections
from nextgeneration.templates.library import TemplateLibrary
from nextgeneration.testing.tools import FakeTool

logger = logging.getLogger("faults")

KINDS = ("pure", "keyed", "probed", "blind")
"""Tools by what a repetition does: nothing, nothing new under its key, harm; the last cannot tell if it happened."""

RULES = {
    "pure": EffectRule.PURE,
    "keyed": EffectRule.IDEMPOTENT,
    "probed": EffectRule.ONCE,
    "blind": EffectRule.ONCE,
    "denied": EffectRule.IDEMPOTENT,
}


MODEL_PRICE = ModelPrice(input=2, output=10)
"""USD per million tokens: 200 and 1,000 micro-credits a token."""


# -- the outside, as a tool reaches it ---------------------------------------------------------------------------------


def asked_of_world(address, kind, key):
    """One request to the effect server; whether it said yes. It never answers whom it kills."""
    with socket.create_connection(address, timeout=30) as line:
        line.sendall(json.dumps({"kind": kind, "key": key, "pid": os.getpid()}).encode() + b"\n")
        return line.makefile().readline() == "yes\n"


class Acting(FakeTool):
    """A tool that does one thing in the world; notes which tool is judged last, so that a trace can say it."""

    def __init__(self, kind, world, trace, *, seconds=0.0, name="", answer=lambda _args: None):
        async def act(args, context):
            asked_of_world(world, kind, context.key)
            await asyncio.sleep(seconds)
            return answer(args)

        rule = RULES[kind]
        risk = RiskLabel.SAFE if rule is EffectRule.PURE else RiskLabel.WRITE
        super().__init__(name or f"world.{kind}", act, effect=rule, risk=risk)
        self._kind, self._world, self._trace = kind, world, trace

    def assess(self, args, context):
        self._trace.tool = self._kind
        return super().assess(args, context)

    async def probe(self, _args, context):
        if self._kind != "probed":
            return Happened.UNKNOWN
        return Happened.YES if asked_of_world(self._world, "?", context.key) else Happened.NO


def looked(args):
    """A finding, and as many proposals as were asked for."""
    finding = Finding(
        rule="world.leak",
        title="it leaks",
        severity=Severity.HIGH,
        cause="leak",
        evidence=(Evidence(source="world.look", excerpt="drip"),),
    )
    tool = f"world.{args['kind']}"
    made = tuple(Proposal(tool=tool, args={"n": n}, reason=f"do {n}") for n in range(args["actions"]))
    return ToolResult(findings=(finding,), proposals=made)


def world_tools(world, trace, seconds):
    """One tool of each kind, one that a human refuses, and one that looks and proposes."""
    look = Acting("pure", world, trace, name="world.look", answer=looked)
    return [look, *(Acting(kind, world, trace, seconds=seconds) for kind in RULES)]


# -- agents ------------------------------------------------------------------------------------------------------------


class Program:
    """An agent that makes calls of its own through its task's door, then runs its playbook."""

    def __init__(self, agent, calls):
        self._agent, self._calls = agent, calls

    async def process(self, input_data, context):
        door = context.door
        if self._calls:
            await door.record("moment", time.time)
        for n, kind in enumerate(self._calls):
            try:
                await door.call(f"world.{kind}", {"n": n})
            except EffectRefused:
                continue
        if self._calls:
            await door.put("note", {"calls": len(self._calls)})
            assert await door.get("note") == {"calls": len(self._calls)}
        return await self._agent.process(input_data, context)


class Programs(TemplateManager):
    """Hires agents that run the program in their template's configuration first."""

    def hire(self, revision, name, config=None):
        return Program(super().hire(revision, name, config), revision.default_config.get("calls", []))


def template(folder, name, *, calls=(), actions=0, kind="keyed", allow=(), playbook=None):
    """Write a template: ``calls`` its agent makes itself, then ``actions`` its playbook proposes."""
    look = {"id": "look", "tool": "world.look", "with": {"kind": kind, "actions": actions}}
    act = {
        "id": "act",
        "tool": f"world.{kind}",
        "each": {"$": "steps.look.proposals"},
        "with": {"$": "item.args"},
    }
    data = {
        "name": name,
        "role": "worker",
        "domain": "tests",
        "supervisor_route": {"route": name, "keywords": [name]},
        "playbook": playbook or ([look, act] if actions else [look]),
        "default_config": {"calls": list(calls)},
        "permissions": {"allow": list(allow)},
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(data))


# -- one life ----------------------------------------------------------------------------------------------------------


class Trace:
    """Every boundary that is passed, with the tool judged last; strikes at one of them."""

    def __init__(self, say, strike_at=None, sign=signal.SIGKILL):
        self.passed = []
        self.tool = None
        self._say, self._strike_at, self._sign = say, strike_at, sign

    def at(self, boundary):
        if not self.passed:
            self._say({"progress": boundary})
        self.passed.append((boundary, self.tool))
        if self._strike_at in (len(self.passed) - 1, boundary):
            self._strike_at = None
            self._say({"strikes": boundary})
            os.kill(os.getpid(), self._sign)


class Life:
    """What one process does.

    Fields of an order: ``root`` (of the installation), ``world`` (address of the effect server), ``do`` (which method),
    ``accept`` (missions as idempotency key and goal), ``all`` (go on with whatever is open, too), ``answers`` (whether
    the human is there), ``strike`` (index of a boundary's pass, or its name) and ``sign`` (the signal this process
    sends itself there), ``lease`` (seconds), ``builtin`` (the real tools), ``file_limit`` (bytes a file may have),
    ``actions`` (most that are put to the human), ``synchronous`` (how much SQLite syncs, when not as we open it),
    ``seconds`` (what a call takes after the world has done it), ``models`` (address of a provider on loopback),
    ``answer_seconds`` (how long it is waited for), ``credits`` (micro-credits of each mission), ``recover`` (seconds
    between looks for dead missions).
    """

    def __init__(self, order, say):
        self.order, self.say = order, say
        self.root = Path(order["root"])
        self.world = tuple(order["world"])
        self.trace = Trace(say, order.get("strike"), order.get("sign", signal.SIGKILL))

    def opened(self):
        order, folder = self.order, self.root / "templates"
        config = AgentFactoryConfig(templates_dir=folder, enable_hot_reload=False, preload_templates=[])
        builtin = order.get("builtin", False)
        workspace = self.root / "workspace"
        workspace.mkdir(exist_ok=True)
        return open_services(
            workspace,
            storage_settings=StorageSettings(home=self.root / "home"),
            mission_settings=MissionSettings(
                lease_seconds=order.get("lease", 30.0), recover_seconds=order.get("recover", 10.0)
            ),
            tools=None if builtin else world_tools(self.world, self.trace, order.get("seconds", 0.0)),
            templates=Programs(config, TemplateLibrary(folder, builtin=False)),
            models=self.models(),
            at=self.trace.at,
        )

    def models(self):
        """The way to one model at the provider; ``None`` where no provider was named."""
        url = self.order.get("models")
        if url is None:
            return None
        settings = ModelSettings(
            discover=False,
            keyring=False,
            answer_seconds=self.order.get("answer_seconds", 60.0),
            providers={"far": ModelProvider(url=url, models=["thinker"])},
            prices={"far:thinker": MODEL_PRICE},
        )
        here = Environment(variables={}, home=self.root)
        return Gateway(settings, clock=SystemClock(), environment=here, home=self.root / "home")

    async def live(self):
        async with self.opened() as services:
            await getattr(self, self.order.get("do", "work"))(services)

    async def work(self, services):
        """Accept, run and answer until everything has ended, was refused, or waits for somebody who is not there."""
        mine, refused = set(), set()
        for key, goal in self.order.get("accept", ()):
            options = MissionOptions(actions=self.order.get("actions", 3))
            budget = MissionBudget(credits=self.order.get("credits"))
            workspace = str(self.root / "workspace")
            request = MissionRequest(goal=goal, workspace=workspace, options=options, budget=budget)
            mission = await services.missions.accept(request, key=key)
            self.say({"accepted": mission.id})
            mine.add(mission.id)
        while True:
            lines = await services.missions.list(limit=None)
            open_ = {line.id for line in lines if not line.status.ended and line.status != "parked"}
            runnable = {line.id for line in await services.missions.orphans()}
            mine = (open_ if self.order.get("all") else mine & open_) - refused
            async with asyncio.TaskGroup() as group:
                for mission in sorted(mine & runnable):
                    group.create_task(self._run(services, mission, refused))
            answered = await self._answer(services, mine) if self.order.get("answers", True) else 0
            if not answered:
                if not (mine - refused) & {line.id for line in await services.missions.orphans()}:
                    break
                await asyncio.sleep(0.05)
        self.say({"passed": self.trace.passed})

    async def hold(self, services):
        """Work, then tell what waits and stay."""
        await self.work(services)
        self.say({"pending": [[a.id, a.digest] for a in await services.approvals.pending()]})
        await asyncio.sleep(3600)

    async def _run(self, services, mission, refused):
        try:
            outcome = await services.worker.run(mission)
            self.say({"mission": mission, "status": outcome.status})
        except NGError as error:
            refused.add(mission)
            self.say({"mission": mission, "error": error.code})

    async def _answer(self, services, mine):
        """Answer as somebody would who looks at the world first; how many were answered."""
        answered = 0
        for approval in await services.approvals.pending():
            if approval.mission_id in mine:
                try:
                    verdict = await self._verdict(services, approval)
                    await services.approvals.decide(approval.id, verdict, by="human:test", digest=approval.digest)
                    answered += 1
                except NGError as error:
                    self.say({"approval": approval.id, "error": error.code})
        return answered

    async def _verdict(self, services, approval):
        tool = (await services.approvals.get(approval.id)).card["calls"][0]["tool"]
        if approval.kind == "in_doubt":
            if tool == "shell.run":
                return "fail"
            place = approval.slot.removeprefix("doubt:")
            key = f"{approval.mission_id}/{approval.task_id}/{place}/{tool}"
            return "done" if asked_of_world(self.world, "?", key) else "retry"
        return "rejected" if tool == "world.denied" else "approved"

    async def decide(self, services):
        """Give one answer, at the same instant as whoever else was told the same."""
        ref, at = self.order["approval"], self.order["at"]
        self.say({"ready": ref})
        while time.time() < at:
            await asyncio.sleep(0)
        try:
            await services.approvals.decide(ref, "approved", by=self.order["by"])
            self.say({"decided": ref})
        except NGError as error:
            self.say({"error": error.code})

    async def cancel(self, services):
        """Cancel one mission from outside."""
        mission = await services.missions.cancel(self.order["mission"], by="human:test")
        self.say({"cancelled": mission.id, "status": mission.status.value})

    async def fill(self, services):
        """Accept missions until the disk takes no more, make room, and go on without a restart."""
        taken, filler = [], Path(self.order["filler"])
        for n in range(10_000):
            try:
                taken.append((await services.missions.accept(self._big(n), key=f"{n}")).id)
            except NGError as error:
                self.say({"refused": error.code, "after": len(taken)})
                break
        self.say({"kept": await self._kept(services, taken)})
        filler.unlink(missing_ok=True)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        taken.append((await services.missions.accept(self._big(len(taken)), key=f"{len(taken)}")).id)
        self.say({"again": await self._kept(services, taken)})

    async def _kept(self, services, taken):
        """Whether exactly what was acknowledged is there, whole."""
        listed = sorted(line.id for line in await services.missions.list(limit=None))
        return listed == sorted(taken) and not await services.missions.integrity()

    def _big(self, n):
        return MissionRequest(goal=f"mission {n} " + "x" * 18_000, workspace=str(self.root / "workspace"))


# -- the server --------------------------------------------------------------------------------------------------------


class Child:
    """A forked life and the end of its pipe."""

    def __init__(self, order):
        reading, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            code = 70
            try:
                os.close(reading)
                os.dup2(2, 1)
                os.close(0)
                code = live(order, lambda word: os.write(writing, json.dumps(word).encode() + b"\n"))
            finally:
                os._exit(code)
        os.close(writing)
        self._said = os.fdopen(reading)

    def line(self):
        return self._said.readline()

    def end(self):
        said = [json.loads(line) for line in self._said]
        _, status = os.waitpid(self.pid, 0)
        self._said.close()
        return {"code": os.waitstatus_to_exitcode(status), "said": said}


def load_models():
    """Import here, once, what each life that asks models would import by itself."""
    import langchain_core.messages.ai
    import langchain_openai

    import nextgeneration.models.langchain.messages

    return langchain_core, langchain_openai, nextgeneration


def weaken_durability(level):
    """Take the sync out of every commit: a copy weakened on purpose."""
    connect = connections.connect

    def weakened(*args):
        driver = connect(*args)
        driver.execute(f"PRAGMA synchronous={level}")
        return driver

    connections.connect = weakened


def live(order, say: Callable[[dict], object]):
    """One life from its birth to its exit code."""
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
    if order.get("synchronous"):
        weaken_durability(order["synchronous"])
    if order.get("file_limit"):
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["file_limit"], hard))
    try:
        asyncio.run(Life(order, say).live())
    except NGError as error:
        say({"failed": error.code})
        return 3
    except BaseException:
        logger.exception("a life ended unforeseen")
        return 71
    return 0


def serve():
    """Fork, listen and wait as told, until standard input closes."""
    children = {}
    for line in sys.stdin:
        order = json.loads(line)
        if "start" in order:
            if order["start"].get("models"):
                load_models()
            child = Child(order["start"])
            children[child.pid] = child
            answer = {"pid": child.pid}
        elif "line" in order:
            answer = {"line": children[order["line"]].line()}
        else:
            answer = children.pop(order["end"]).end()
        print(json.dumps(answer), flush=True)
    for child in children.values():
        os.kill(child.pid, signal.SIGKILL)
        child.end()


if __name__ == "__main__":
    serve()
