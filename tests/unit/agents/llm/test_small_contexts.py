"""A conversation that grows beyond what a model holds is shortened in time, whichever is in line, over the wire."""

from __future__ import annotations

import pytest
from tests.unit.models.far import DIALECTS

from nextgeneration.agents.context import TaskContext
from nextgeneration.agents.runtimes.dispatch import run as run_runtime
from nextgeneration.credits.service import Credits
from nextgeneration.kernel.clock import SystemClock
from nextgeneration.kernel.reports import ReportStatus
from nextgeneration.kernel.tools import ToolResult
from nextgeneration.missions.access import ModelAccess
from nextgeneration.missions.effects import Policy
from nextgeneration.missions.schema import MissionRequest
from nextgeneration.missions.service import Missions
from nextgeneration.models.gateway import Gateway
from nextgeneration.settings.environment import Environment
from nextgeneration.settings.models import ModelFacts, ModelProvider, ModelSettings
from nextgeneration.storage.database import Storage
from nextgeneration.templates.library import TemplateLibrary
from nextgeneration.testing.tools import FakeTool
from nextgeneration.testing.wire import Call, Fails, Say, WireServer

READS = 8
PAGE = "lorem ipsum dolor sit amet, été compris. " * 150


class Desk:
    """An agent that reads eight pages of 6 kB, one after the other, with models at the far ends of wires."""

    def __init__(self, folder, storage):
        self.folder = folder
        self.missions = Missions(storage, clock=SystemClock())
        self.credits = Credits(storage)
        self.library = TemplateLibrary(folder / "none", builtin=False)
        self.tools = {"t.read": FakeTool("t.read", lambda args, _c: ToolResult(text=f"page {args['n']}: {PAGE}"))}

    async def start(self):
        mission = await self.missions.accept(MissionRequest(goal="read", workspace=str(self.folder)))
        self.claim = await self.missions.claim(mission.id)

    async def again(self):
        await self.claim.release()
        self.claim = await self.missions.claim(self.claim.id)

    async def run(self, far, contexts, **model):
        """Run the agent with the models of ``far`` by name, in that order; ``contexts`` is what is believed of each."""
        settings = ModelSettings(
            discover=False,
            keyring=False,
            providers={
                name: ModelProvider(url=wire.url, dialect=DIALECTS[wire.provider], models=["m"])
                for name, wire in far.items()
            },
            facts={f"{name}:m": ModelFacts(context=tokens) for name, tokens in contexts.items()},
        )
        home = Environment(variables={}, home=self.folder)
        gateway = Gateway(settings, clock=SystemClock(), environment=home, home=self.folder)
        access = ModelAccess(gateway, self.credits, random=lambda: 0.0)
        task = self.claim.door(self.tools, Policy(), self.folder, access).task("t1", "ada")
        data = {"name": "reader", "role": "w", "domain": "d", "tools": ["t.read"]}
        data["model"] = {"prefer": [f"{name}:m" for name in far], **model}
        try:
            context = TaskContext({}, door=task, task="t1")
            return await run_runtime(self.library.resolve(data), {"goal": "read the pages"}, {}, context)
        finally:
            await gateway.close()

    async def events(self, *types):
        await self.claim.flush()
        return [event for event in await self.missions.journal(self.claim.id) if event.type in types]


@pytest.fixture
async def desk(tmp_path):
    storage = Storage.open("sqlite://")
    desk = Desk(tmp_path, storage)
    await desk.start()
    yield desk
    await desk.claim.release()
    storage.close()


def reader(ends_after=READS, then=None):
    """Reads a page with each answer, then reports; a question without tools is one for a summary."""
    read = iter(range(1, ends_after + 1))

    def answer(seen):
        if not seen.tools:
            return Say("pages were read")
        number = next(read, None)
        if number is not None:
            return Call("t.read", {"n": number})
        return then or Call("report", {"status": "done", "analysis": "all read"})

    return answer


def wire(provider="openai", context=None, **told):
    return WireServer(provider, models=["m"], context=context, strict=False).answers(reader(**told))


@pytest.mark.parametrize("provider", sorted(DIALECTS))
@pytest.mark.parametrize("tokens", [6_000, 8_192, 16_384])
async def test_a_conversation_is_shortened_before_it_overflows(desk, provider, tokens):
    async with wire(provider, context=tokens) as far:
        report = await desk.run({"far": far}, {"far": tokens})
        assert (report.status, report.analysis) == (ReportStatus.DONE, "all read")
        assert all(seen.tokens + (seen.max_tokens or 0) <= tokens for seen in far.requests)
        assert any("<<<DATA c" in seen.text for seen in far.requests), "it was shortened"
        assert not await desk.events("effect.tried")
        asked = len(far.requests)
        await desk.again()
        assert await desk.run({"far": far}, {"far": 200_000}) == report, "what was believed then decides a replay"
        assert len(far.requests) == asked


@pytest.mark.parametrize("provider", sorted(DIALECTS))
async def test_a_model_that_holds_less_than_is_believed_is_asked_again_with_less(desk, provider):
    async with wire(provider, context=6_000) as far:
        report = await desk.run({"far": far}, {"far": 200_000})
        assert (report.status, report.analysis) == (ReportStatus.DONE, "all read")
        tried = await desk.events("effect.tried")
        assert {event.data["code"] for event in tried} == {"NG-MODELS-005"}
        asked = len(far.requests)
        await desk.again()
        assert await desk.run({"far": far}, {"far": 200_000}) == report
        assert len(far.requests) == asked


async def test_it_is_shortened_for_the_model_first_in_line_though_another_holds_it_all(desk):
    async with wire() as small, wire() as large:
        report = await desk.run({"small": small, "large": large}, {"small": 8_192, "large": 200_000})
        assert report.status is ReportStatus.DONE
        assert not any(seen.tools for seen in large.requests)


async def test_it_is_shortened_for_a_later_model_when_the_first_falls_silent(desk):
    large_then_small = {"large": 200_000, "small": 8_192}
    async with wire(ends_after=6, then=Fails(500)) as large, wire(ends_after=2) as small:
        report = await desk.run({"large": large, "small": small}, large_then_small)
        assert (report.status, report.analysis) == (ReportStatus.DONE, "all read")
        assert any(seen.tools for seen in small.requests)
        assert all(seen.tokens <= 8_192 for seen in small.requests)
        asked = len(small.requests)
        await desk.again()
        assert await desk.run({"large": large, "small": small}, large_then_small) == report
        assert len(small.requests) == asked


async def test_what_the_template_says_stays_the_most(desk):
    async with wire() as far:
        report = await desk.run({"far": far}, {"far": 200_000}, context=4_000)
        assert report.status is ReportStatus.DONE
        assert max(seen.tokens for seen in far.requests) < 8_000


async def test_a_model_that_cannot_hold_the_task_itself_is_named_at_last(desk):
    async with wire(context=300) as far:
        report = await desk.run({"far": far}, {"far": 200_000})
        assert report.status is not ReportStatus.DONE
        assert any("too long" in missing or "NG-MODELS-005" in missing for missing in report.missing)
        assert len(far.requests) <= 5
