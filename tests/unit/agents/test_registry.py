"""The registry: exact counts of weakly held agents, and a limit that holds across threads."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from nextgeneration.agents import AgentMetadata, BaseAgent
from nextgeneration.agents.errors import AgentLimitReached
from nextgeneration.agents.registry import AgentRegistry


class Plain(BaseAgent):
    async def process(self, input_data: Any, context: Any = None) -> dict[str, Any]:
        return {}


def plain(name: str = "plain") -> Plain:
    return Plain(AgentMetadata(name=name, role="tester", domain="tests"))


def test_agents_leave_when_nobody_holds_them() -> None:
    registry = AgentRegistry(lambda: 10)
    agents = [plain(f"a{n}") for n in range(3)]
    registry.add(agents)
    assert registry.agents() == agents
    assert dict(registry.by_name()) == {"a0": agents[0], "a1": agents[1], "a2": agents[2]}
    del agents[1]
    assert [agent.name for agent in registry.agents()] == ["a0", "a2"]
    assert len(registry) == 2
    del agents
    assert len(registry) == 0


def test_agents_in_a_cycle_leave_with_the_collector() -> None:
    registry = AgentRegistry(lambda: 10)
    agent = plain()
    agent.context["me"] = agent
    registry.add([agent])
    del agent
    gc.collect()
    assert len(registry) == 0


def test_two_agents_of_one_name_both_count_and_the_newer_answers() -> None:
    registry = AgentRegistry(lambda: 10)
    first, second = plain(), plain()
    registry.add([first])
    registry.add([second])
    assert len(registry) == 2
    assert registry.by_name()["plain"] is second
    del second
    assert registry.by_name()["plain"] is first


def test_looking_at_the_names_keeps_nobody_alive() -> None:
    registry = AgentRegistry(lambda: 10)
    agent = plain()
    registry.add([agent])
    names = registry.by_name()
    del agent
    assert "plain" not in names


def test_the_limit_is_all_or_none_and_says_what_to_do() -> None:
    registry = AgentRegistry(lambda: 2)
    kept = plain()
    registry.add([kept])
    with pytest.raises(AgentLimitReached, match="1 agents are alive or recorded and the limit is 2") as caught:
        registry.add([plain(), plain()])
    assert "NG_MAX_AGENTS" in caught.value.hint()
    assert caught.value.retryable
    assert registry.agents() == [kept]


def test_the_limit_holds_when_threads_race() -> None:
    registry = AgentRegistry(lambda: 50)

    def one(number: int) -> Plain | None:
        agent = plain(f"a{number}")
        try:
            registry.add([agent])
        except AgentLimitReached:
            return None
        return agent

    with ThreadPoolExecutor(16) as pool:
        made = [agent for agent in pool.map(one, range(400)) if agent]
    assert len(made) == len(registry) == 50
