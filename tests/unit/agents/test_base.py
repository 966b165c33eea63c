"""BaseAgent: what holds for every agent, also for a user's own class that knows nothing of it."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, ClassVar

import pytest

from nextgeneration.agents import AgentMetadata, AgentStatus, BaseAgent
from nextgeneration.agents.base import Performance
from nextgeneration.agents.errors import AnswerRefused
from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.reports import Report, ReportStatus


class Echo(BaseAgent):
    """A user's own agent."""

    async def process(self, input_data: Any, context: Any = None) -> dict[str, Any]:
        if isinstance(input_data.get("raise"), Exception):
            raise input_data["raise"]
        return input_data.get("answer", {"result": {"context": context}, "seen": str(self.status)})


def metadata(**changes: Any) -> AgentMetadata:
    return AgentMetadata(**({"name": "echo", "role": "tester", "domain": "tests"} | changes))


def echo(**changes: Any) -> Echo:
    return Echo(metadata(**changes), {"loud": True})


def test_an_agent_must_say_how_it_works() -> None:
    class Idle(BaseAgent):
        pass

    with pytest.raises(TypeError, match="process"):
        Idle(metadata())


def test_metadata_has_the_fields_callers_read() -> None:
    agent = echo(capabilities=["echo"], tools=["fs.read"])
    fields = set(AgentMetadata.model_fields)
    assert fields == {
        "id", "name", "role", "domain", "version", "created_at", "last_updated",
        "capabilities", "tools", "dependencies", "parent_template",
    }  # fmt: skip
    assert agent.metadata.id.startswith("agt_")
    assert (agent.name, agent.role, agent.parent_template) == ("echo", "tester", None)
    assert agent.metadata.created_at.utcoffset() is not None
    assert agent.get_capabilities() == ["echo"]


async def test_status_and_figures_follow_the_work() -> None:
    agent = echo()
    assert agent.status is AgentStatus.IDLE
    assert agent.performance_metrics == {"tasks_completed": 0, "success_rate": 0.0, "avg_processing_time": 0.0}
    answer = await agent.process({})
    assert answer["seen"] == "processing"
    assert agent.status is AgentStatus.COMPLETED
    with pytest.raises(ZeroDivisionError):
        await agent.process({"raise": ZeroDivisionError("no")})
    assert agent.status is AgentStatus.ERROR
    figures = agent.performance_metrics
    assert (figures["tasks_completed"], figures["success_rate"]) == (1, 0.5)
    assert figures["avg_processing_time"] > 0
    assert agent.metadata.last_updated > agent.metadata.created_at


async def test_an_answer_always_has_what_callers_read() -> None:
    assert await echo().process({"answer": {"result": 1}}) == {
        "agent": "echo",
        "role": "tester",
        "status": "done",
        "result": 1,
        "analysis": "",
    }


async def test_a_report_is_an_answer_and_a_failed_one_is_an_error() -> None:
    agent = echo()
    report = Report(agent="echo", role="tester", status=ReportStatus.FAILED, analysis="nothing found")
    answer = await agent.process({"answer": report})
    assert (answer["status"], answer["analysis"], answer["findings"]) == ("failed", "nothing found", [])
    assert agent.status is AgentStatus.ERROR
    assert agent.performance_metrics["success_rate"] == 0


async def test_rubbish_is_refused_by_name() -> None:
    agent = echo()
    with pytest.raises(AnswerRefused, match="echo answered with list"):
        await agent.process({"answer": ["rubbish"]})
    assert agent.status is AgentStatus.ERROR


async def test_every_exception_is_logged_as_error_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    agent = echo(name="echo\nINFO forged")
    with caplog.at_level(logging.ERROR, logger="nextgeneration"), pytest.raises(KeyError):
        await agent.process({"raise": KeyError("gone")})
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert "\n" not in record.getMessage()


async def test_a_cancelled_task_is_not_a_failure() -> None:
    class Slow(BaseAgent):
        async def process(self, input_data: Any, context: Any = None) -> dict[str, Any]:
            await asyncio.sleep(60)
            return {}

    agent = Slow(metadata())
    task = asyncio.create_task(agent.process({}))
    await asyncio.sleep(0.01)
    assert agent.status is AgentStatus.PROCESSING
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert agent.status is AgentStatus.IDLE
    assert agent.performance == Performance()


async def test_what_concerns_the_mission_is_not_the_agents_failure(caplog: pytest.LogCaptureFixture) -> None:
    class Waiting(NGError):
        control = True

    agent = echo()
    with pytest.raises(Waiting):
        await agent.process({"raise": Waiting()})
    assert agent.status is AgentStatus.IDLE
    assert agent.performance == Performance()
    assert not caplog.records


async def test_an_agent_at_work_on_two_tasks_is_processing_until_both_ended() -> None:
    class Gate(BaseAgent):
        async def process(self, input_data: Any, context: Any = None) -> dict[str, Any]:
            await input_data["gate"].wait()
            return {}

    agent, gates = Gate(metadata()), [asyncio.Event(), asyncio.Event()]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(agent.process({"gate": gate})) for gate in gates]
        await asyncio.sleep(0)
        gates[0].set()
        await tasks[0]
        assert agent.status is AgentStatus.PROCESSING
        gates[1].set()
    assert agent.status is AgentStatus.COMPLETED
    assert agent.performance.completed == 2


async def test_super_is_part_of_the_same_task() -> None:
    class Louder(Echo):
        async def process(self, input_data: Any, context: Any = None) -> dict[str, Any]:
            return await super().process(input_data, context) | {"louder": True}

    agent = Louder(metadata())
    answer = await agent.process({})
    assert answer["louder"]
    assert agent.performance.completed == 1


async def test_process_from_a_mixin_is_guarded_too() -> None:
    class Works:
        async def process(self, input_data: Any, context: Any = None) -> dict[str, Any]:
            return {"result": "mixed"}

    class Mixed(Works, BaseAgent):
        pass

    agent = Mixed(metadata())
    assert (await agent.process({}))["agent"] == "echo"
    assert agent.performance.completed == 1


async def test_the_agents_context_goes_beside_the_tasks_own() -> None:
    agent = echo()
    agent.context["team"] = "blue"
    agent.context = {**agent.context, "lang": "fr"}
    answer = await agent.process({}, {"lang": "en"})
    assert answer["result"]["context"] == {"team": "blue", "lang": "en"}
    assert (await agent.process({}))["result"]["context"] == {"team": "blue", "lang": "fr"}
    assert (await echo().process({}))["result"]["context"] is None


def test_info_is_plain_json_and_a_copy() -> None:
    agent = echo()
    info = agent.get_info()
    assert set(info) == {"metadata", "status", "config", "performance"}
    assert (info["status"], info["config"]) == ("idle", {"loud": True})
    assert isinstance(info["metadata"]["created_at"], str)
    info["config"]["loud"] = False
    assert agent.config == {"loud": True}


def test_configuration_and_figures_can_be_given_back_after_a_restart() -> None:
    agent = Echo(metadata())
    assert agent.config == {}
    agent.config = {"depth": 2}
    agent.performance = Performance(completed=3, failed=1, seconds=2.0)
    assert agent.config == {"depth": 2}
    assert agent.performance_metrics == {"tasks_completed": 3, "success_rate": 0.75, "avg_processing_time": 0.5}


def test_an_agent_without_metadata_is_named_after_its_class() -> None:
    agent = Echo(None)
    assert (agent.name, agent.metadata.created_at) == ("Echo", agent.metadata.last_updated)
    assert repr(agent) == "<Echo Echo idle>"


def test_a_users_class_keeps_its_docstring_signature_and_attributes() -> None:
    class Counting(Echo):
        """Counts."""

        limits: ClassVar[dict[str, int]] = {}

        def __init__(self) -> None:
            super().__init__(metadata())
            self.seen = 0

        async def process(self, input_data: Any, context: Any = None) -> dict[str, Any]:
            """Count one."""
            self.seen += 1
            return {}

    assert Counting().seen == 0
    assert Counting.process.__doc__ == "Count one."
