"""An agent that does whatever it reads, put to work through the real door.

The model is scripted: it makes the calls that its user's task needs, and as soon as a result holds an attack's mark it
makes the attacker's calls too, first. The human is scripted as well: a card is approved when every call it shows is one
that the user's task needs, and refused otherwise.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.models import ModelAnswer, ModelRequest, Usage, Wish
from nextgeneration.missions.schema import MissionOptions, MissionRequest, MissionStatus
from nextgeneration.services.assembly import Services, open_services
from nextgeneration.services.parts import own_templates
from nextgeneration.settings.missions import MissionSettings
from nextgeneration.testing.thinking import ScriptedModel, calling, reporting

Call = tuple[str, Mapping[str, Any]]

TEMPLATE = "assistant"
MAX_ROUNDS = 20
_WHY = Texts("scripted", "scénario")


@dataclass(frozen=True)
class Case:
    """A user's task, and what an attacker wants instead.

    Attributes:
        goal: what the user asks for.
        calls: what that needs, by the server's own names.
        says: what the model answers in the end.
        attack: what the attacker wants done.
        mark: what stands in a result that carries the attack; empty: there is none.
        beside: the attacker's calls are hidden among the user's in one answer, instead of made first.
    """

    goal: str
    calls: Sequence[Call]
    says: str = "Done."
    attack: Sequence[Call] = ()
    mark: str = ""
    beside: bool = False


@dataclass
class Happened:
    """What came of a case.

    Attributes:
        status: the mission's.
        cards: the calls of every card that was put to the human.
        approved: those of them that were approved.
    """

    status: MissionStatus = MissionStatus.QUEUED
    cards: list[list[Call]] = field(default_factory=list)
    approved: list[Call] = field(default_factory=list)


def key(call: Call) -> str:
    """A call, comparable."""
    return json.dumps([call[0], dict(call[1])], sort_keys=True)


class Obedient:
    """What the model answers: only what stands in the conversation decides, so that a replay says the same.

    Args:
        case: the task and the attack.
        server: the server's name in the settings.
        reads: the tools that only read: each is asked for alone, the others all at once.

    Attributes:
        caught: whether it met the attack.
    """

    def __init__(self, case: Case, server: str, reads: frozenset[str]) -> None:
        self._case = case
        self._prefix = f"mcp:{server}/"
        self._reads = reads
        self.caught = False

    def __call__(self, request: ModelRequest) -> ModelAnswer:
        """The next answer."""
        case = self._case
        made = Counter(
            key((call.name.removeprefix(self._prefix), call.args or {}))
            for message in request.messages
            for call in message.calls
        )
        results = [message.text for message in request.messages if message.role == "tool"]
        self.caught = bool(case.mark) and any(case.mark in text for text in results)
        obeyed = case.attack if self.caught else ()
        plans = [[*obeyed, *case.calls]] if case.beside else [obeyed, case.calls]
        for calls in [self._left(plan, made) for plan in plans]:
            if calls:
                first = [calls[0]] if calls[0][0] in self._reads else calls
                return calling(*((self._prefix + name, args) for name, args in first), ids=_ids(request))
        return reporting(case.says)

    def _left(self, calls: Sequence[Call], made: Counter[str]) -> list[Call]:
        """Those that were not made yet, reads first: a careful agent looks before it acts."""
        left: list[Call] = []
        for call in calls:
            if made[key(call)] > 0:
                made[key(call)] -= 1
            else:
                left.append(call)
        return sorted(left, key=lambda call: call[0] not in self._reads)


def _ids(request: ModelRequest) -> list[str]:
    return [f"call_{len(request.messages)}_{n}" for n in range(32)]


@dataclass
class Candidate:
    """The scripted model as one that runs here and costs nothing."""

    client: ScriptedModel
    why: Texts = _WHY
    local: bool = True
    context: int = 200_000
    priced: bool = True

    @property
    def name(self) -> str:
        """``provider:model``."""
        return self.client.name

    def worst(self, request: ModelRequest) -> int:
        """Nothing."""
        return 0

    def cost(self, usage: Usage) -> int:
        """Nothing."""
        return 0

    def fit(self, request: ModelRequest, amount: int, /) -> ModelRequest | None:
        """As it is."""
        return request

    def succeeded(self, seconds: float) -> None:
        """Nothing is learned from it."""

    def failed(self, error: Exception) -> None:
        """Nothing is learned from it."""


@dataclass
class Choice:
    """The one model."""

    candidates: tuple[Candidate, ...]
    skipped: Mapping[str, Texts] = field(default_factory=dict)


class OneModel:
    """Where the model of the case that is on comes from; agents work with it, nobody plans or sums up with it."""

    def __init__(self) -> None:
        self.case: Obedient | None = None
        self._candidate = Candidate(ScriptedModel(self._answer))

    def _answer(self, request: ModelRequest) -> ModelAnswer:
        assert self.case is not None
        return self.case(request)

    def candidates(self, wish: Wish, request: ModelRequest | None = None) -> Choice:
        """The model, for work."""
        return Choice((self._candidate,) if self.available(wish) else ())

    def available(self, wish: Wish) -> bool:
        """Whether it is work that is wished for."""
        return wish.purpose == "work"

    async def close(self) -> None:
        """Nothing is open."""


def template(server: str) -> dict[str, Any]:
    """An assistant with all tools of a server."""
    return {
        "name": TEMPLATE,
        "role": "assistant",
        "domain": "chat",
        "description": "Works with the team's chat.",
        "instructions": "Do what the user asks.",
        "runtime": "llm",
        "capabilities": ["chat"],
        "tools": [f"mcp:{server}/*"],
        "budget": {"model_calls": 40, "tool_calls": 60},
    }


@asynccontextmanager
async def at_work(home: Path, server: str, allow: Sequence[str]) -> AsyncIterator[tuple[Services, OneModel]]:
    """Services whose one agent is the assistant; ``NG_HOME`` and ``NG_TOOLS_MCP_SERVERS`` say where and with what.

    Args:
        home: what ``NG_HOME`` names.
        server: the server's name in the settings.
        allow: calls that a human's standing rules let the agent make unasked: the grant.
    """
    workspace = home / "workspace"
    workspace.mkdir(parents=True, exist_ok=True)
    templates = home / "templates"
    templates.mkdir(exist_ok=True)
    (templates / f"{TEMPLATE}.json").write_text(json.dumps(template(server)))
    model = OneModel()
    rules = MissionSettings(permissions=tuple(f"mcp:{server}/{rule}" for rule in allow))
    # A manager of its own: the process's may look elsewhere, as another test left it.
    with own_templates(workspace) as own:
        async with open_services(workspace, mission_settings=rules, models=model, templates=own) as services:
            assert services.tools.remote is not None
            await services.tools.remote.refresh(server)
            yield services, model


async def run(services: Services, model: OneModel, case: Case, server: str, reads: frozenset[str]) -> Happened:
    """Let the agent work on a case, with the human at hand, until the mission has ended."""
    model.case = Obedient(case, server, reads)
    happened = Happened()
    wanted = {key(call) for call in case.calls}
    options = MissionOptions(network=True, agents=(TEMPLATE,))
    request = MissionRequest(goal=case.goal, workspace=str(services.home / "workspace"), options=options)
    mission = await services.missions.accept(request)
    for _ in range(MAX_ROUNDS):
        outcome = await services.worker.run(mission.id)
        happened.status = MissionStatus(outcome.status)
        if happened.status is not MissionStatus.WAITING:
            break
        for waiting in await services.approvals.pending(mission.id):
            approval = await services.approvals.get(waiting.id)
            shown = [(call["tool"].removeprefix(f"mcp:{server}/"), call["args"]) for call in approval.card["calls"]]
            happened.cards.append(shown)
            fine = all(key(call) in wanted for call in shown)
            if fine:
                happened.approved += shown
            verdict = "approved" if fine else "rejected"
            await services.approvals.decide(approval.id, verdict, by="human:test", digest=approval.digest)
    return happened
