"""Hooks: named functions of installed packages, closed when they fail."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from nextgeneration.agents import AgentMetadata, BaseAgent
from nextgeneration.agents.errors import HookFailed, HookUnknown
from nextgeneration.agents.hooks import HookNames

CODE = """
calls = []
loads = []
loads.append(1)

def before(agent, input_data, context):
    calls.append(("before", agent.name, dict(input_data)))

async def second(agent, input_data, context):
    calls.append(("second",))

def refuse(agent, input_data, context):
    raise PermissionError("not on\\nFridays")

def after(agent, input_data, result):
    calls.append(("after", result["result"]))

def on_error(agent, input_data, error):
    calls.append(("on_error", str(error)))

def broken(*args):
    raise RuntimeError("broken hook")
"""


def agent_with(**hooks: tuple[str, ...]) -> BaseAgent:
    names = HookNames(**hooks)

    class Hooked(BaseAgent):
        hooks = names
        worked = 0

        async def process(self, input_data: Any, context: Any = None) -> dict[str, Any]:
            type(self).worked += 1
            if input_data.get("fail"):
                raise ValueError("failed work")
            return {"result": "work"}

    return Hooked(AgentMetadata(name="hooked", role="tester", domain="tests"))


@pytest.fixture(autouse=True)
def _package(installed_hooks: Any) -> None:
    names = ("before", "second", "refuse", "after", "on_error", "broken")
    installed_hooks(CODE, **{name: f"sample_hooks:{name}" for name in names})


def calls() -> list[Any]:
    import sample_hooks  # type: ignore[import-not-found]

    return sample_hooks.calls


async def test_hooks_run_in_order_around_the_work() -> None:
    agent = agent_with(before_process=("before", "second"), after_process=("after",), on_error=("on_error",))
    await agent.process({"goal": "x"})
    assert calls() == [("before", "hooked", {"goal": "x"}), ("second",), ("after", "work")]


async def test_a_failing_before_hook_stops_the_agent_and_those_after_it() -> None:
    agent = agent_with(before_process=("refuse", "before"), on_error=("on_error",))
    with pytest.raises(HookFailed, match="'refuse' failed: PermissionError") as caught:
        await agent.process({})
    assert caught.value.code == "NG-AGENT-002"
    assert isinstance(caught.value.__cause__, PermissionError)
    assert agent.worked == 0  # type: ignore[attr-defined]
    assert [call[0] for call in calls()] == ["on_error"]


@pytest.mark.parametrize("moment", ["before_process", "after_process", "on_error"])
async def test_an_unknown_hook_of_any_moment_stops_the_agent_before_it_works(moment: str) -> None:
    agent = agent_with(**{moment: ("os.system",)})
    with pytest.raises(HookUnknown, match="not installed") as caught:
        await agent.process({})
    assert "before, broken" in caught.value.hint()
    assert agent.worked == 0  # type: ignore[attr-defined]


async def test_a_failing_after_hook_never_loses_the_result(caplog: pytest.LogCaptureFixture) -> None:
    agent = agent_with(after_process=("broken", "after"))
    with caplog.at_level(logging.ERROR):
        answer = await agent.process({})
    assert answer["result"] == "work"
    assert [(p["hook"], p["code"]) for p in answer["problems"]] == [("broken", "NG-KERNEL-001")]
    assert calls() == [("after", "work")]
    assert "hook broken of agent hooked failed" in caplog.text


async def test_on_error_hooks_are_told_and_the_error_stays_as_it_was() -> None:
    agent = agent_with(on_error=("broken", "on_error"))
    with pytest.raises(ValueError, match="failed work"):
        await agent.process({"fail": True})
    assert calls() == [("on_error", "failed work")]


async def test_a_hook_is_loaded_once_per_process() -> None:
    agent = agent_with(before_process=("before",))
    for _ in range(3):
        await agent.process({})
    import sample_hooks

    assert len(calls()) == 3
    assert sample_hooks.loads == [1]
