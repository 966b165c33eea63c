"""AgentFactory: one place where agents come from."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

import nextgeneration.agents as agents
from nextgeneration.agents import AgentFactory, TemplateManager
from nextgeneration.agents.errors import AgentLimitReached, AgentNamesEqual
from nextgeneration.observability.metrics import exposition
from nextgeneration.templates.errors import TemplateUnknown

from .conftest import write_template


async def test_agents_are_registered_by_name_while_somebody_holds_them(manager: TemplateManager) -> None:
    factory = AgentFactory(manager)
    agent = await factory.create_agent("documentaliste", suffix="a", config={"summary_length": 3})
    assert factory.registered_agents["documentaliste_a"] is agent
    assert manager.registry.agents() == [agent]
    del agent
    assert dict(factory.registered_agents) == {}


async def test_bulk_and_single_creation_share_the_count(manager: TemplateManager) -> None:
    manager.config.max_agents = 3
    factory = AgentFactory(manager)
    one = await factory.create_agent("hardware")
    two = factory.bulk_create_agents([{"template_name": "hardware", "suffix": n} for n in "ab"])
    assert (factory.max_agents, len(factory.registered_agents)) == (3, 3)
    with pytest.raises(AgentLimitReached):
        await factory.create_agent("hardware")
    with pytest.raises(AgentLimitReached):
        AgentFactory(manager).bulk_create([{"template_name": "hardware"}])
    factory.max_agents = 4
    assert manager.config.max_agents == 4
    assert (await factory.create_agent("hardware")).name == one.name
    assert set(two) == {"hardware_a", "hardware_b"}


async def test_a_factory_with_a_limit_of_its_own_counts_its_own(manager: TemplateManager) -> None:
    factory = AgentFactory(manager, max_agents=1)
    other = await AgentFactory(manager).create_agent("hardware")
    mine = await factory.create_agent("hardware", "mine")
    with pytest.raises(AgentLimitReached, match="the limit is 1"):
        await factory.create_agent("hardware", "more")
    factory.max_agents = 2
    more = factory.bulk_create_agents([{"template_name": "hardware", "suffix": "more"}])
    assert manager.registry.agents() == [other]
    assert list(factory.registered_agents.values()) == [mine, *more.values()]
    assert manager.config.max_agents == 10_000


async def test_stats_add_up(manager: TemplateManager, folder: Path) -> None:
    write_template(folder, "mine")
    factory = AgentFactory(manager)
    kept = [await factory.create_agent("mine", str(n)) for n in range(3)]
    with pytest.raises(TemplateUnknown):
        await factory.create_agent("nobody")
    with pytest.raises(AgentNamesEqual):
        factory.bulk_create_agents([{"template_name": "mine"}] * 2)
    stats = factory.get_factory_stats()
    assert (stats["agents_created"], stats["creations_failed"], stats["by_template"]) == (3, 2, {"mine": 3})
    assert (stats["active_agents"], stats["max_agents"]) == (len(kept), 10_000)
    assert stats["creation"]["count"] == 3
    assert stats["templates"]["cache_size"] >= 1


async def test_prometheus_sees_the_same(manager: TemplateManager) -> None:
    factory = AgentFactory(manager)
    kept = await factory.create_agent("hardware")
    with pytest.raises(TemplateUnknown):
        await factory.create_agent("nobody\n")
    text = exposition(factory.families, process=False).decode()
    samples = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }

    def total(template: str, outcome: str) -> float:
        return samples["agent_factory_creation_total", (("outcome", outcome), ("template", template))]

    assert (total("hardware", "created"), total("-", "template_unknown")) == (1, 1)
    assert samples["agent_factory_creation_seconds_count", ()] == 1
    assert samples["agent_factory_template_load_seconds_count", ()] >= 1
    assert samples["agent_factory_active_agents", ()] == 1
    assert samples["agent_factory_max_agents", ()] == 10_000
    assert samples["agent_factory_template_cache_misses_total", ()] >= 1
    assert kept.name == "hardware"


async def test_hiring_keeps_to_the_pinned_revision(manager: TemplateManager, folder: Path) -> None:
    write_template(folder, "mine")
    pinned = manager.get_template("mine").revision
    write_template(folder, "mine", version="2.0.0")
    manager.refresh_cache()
    agent = manager.hire(pinned, "mine_of_mission", {"a": 1})
    assert (agent.name, agent.metadata.version, agent.config) == ("mine_of_mission", "1.0.0", {"a": 1})
    assert manager.creations.values() == {("mine", "created"): 1}
    manager.config.max_agents = 1
    with pytest.raises(AgentLimitReached):
        manager.hire(pinned, "second")


async def test_a_thousand_tasks_create_at_once(manager: TemplateManager) -> None:
    factory = AgentFactory(manager)
    made: list[Any] = await asyncio.gather(*(factory.create_agent("documentaliste", str(n)) for n in range(1000)))
    assert len({agent.metadata.id for agent in made}) == len(factory.registered_agents) == 1000


async def test_the_modules_functions_use_the_processes_factory() -> None:
    before = agents.get_factory_stats()["agents_created"]
    one = await agents.create_agent("documentaliste", suffix="module")
    more = agents.bulk_create_agents([{"template_name": "hardware", "suffix": "module"}])
    assert agents.get_factory_stats()["agents_created"] == before + 2
    assert [one.name, *more] == ["documentaliste_module", "hardware_module"]
