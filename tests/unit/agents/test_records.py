"""Recorded agents: one row each, with figures that others go on from, and one limit with those that are alive."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.agents.conftest import write_template

from nextgeneration.agents.errors import AgentLimitReached
from nextgeneration.agents.errors_records import AgentNameTaken, AgentUnknown
from nextgeneration.agents.factory import AgentFactory
from nextgeneration.agents.manager import TemplateManager
from nextgeneration.agents.records import AgentRecords
from nextgeneration.kernel.clock import SystemClock
from nextgeneration.kernel.reports import Report, ReportStatus
from nextgeneration.storage.database import Storage


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    storage = Storage.open(f"sqlite:///{tmp_path}/nextgen.db")
    yield storage
    storage.close()


@pytest.fixture
def records(storage: Storage, manager: TemplateManager, folder: Path) -> Iterator[AgentRecords]:
    """The records of a process whose templates are ``mine`` and the built-in ones."""
    write_template(folder, "mine", default_config={"a": 1})
    records = AgentRecords(storage, SystemClock(), registry=manager.registry)
    with manager.recorded_in(records):
        yield records


def elsewhere(storage: Storage) -> AgentRecords:
    """The same records as another process sees them, in which nobody is alive."""
    return AgentRecords(storage, SystemClock())


async def ended(storage: Storage, records: AgentRecords, record: str, status: ReportStatus, seconds: float) -> None:
    await storage.write(records.counting(record, report=Report(agent="x", status=status), seconds=seconds))


async def test_a_recorded_agent_is_rebuilt_with_its_own_revision_configuration_and_figures(
    storage: Storage, records: AgentRecords, manager: TemplateManager, folder: Path
) -> None:
    agent = manager.create_agent("mine", "one", {"b": 2})
    agent.performance.add(well=True, seconds=2.0)
    record = await records.add(agent)
    assert record.performance["tasks_completed"] == 1, "what it did before it was recorded counts"
    await ended(storage, records, record.id, ReportStatus.FAILED, 4.0)
    write_template(folder, "mine", default_config={"a": 5})
    manager.refresh_cache()

    again = await elsewhere(storage).agent("mine_one")
    assert again.revision.digest == record.revision != manager.get_template("mine").revision.digest
    assert again.config == {"a": 1, "b": 2}
    assert again.performance_metrics == {"tasks_completed": 1, "success_rate": 0.5, "avg_processing_time": 3.0}
    assert (again.metadata.id, again.name, again.record) == (record.id, "mine_one", record.id)


@pytest.mark.parametrize("how", ["create_agent", "async", "bulk", "factory"])
async def test_an_agent_made_under_a_recorded_name_goes_on_from_its_figures(
    how: str, storage: Storage, records: AgentRecords, manager: TemplateManager
) -> None:
    record = await records.add(manager.create_agent("mine", "one"))
    await ended(storage, records, record.id, ReportStatus.DONE, 1.0)
    if how == "create_agent":
        agent = manager.create_agent("mine", "one")
    elif how == "async":
        agent = await manager.create_agent_async("mine", "one")
    elif how == "factory":
        agent = await AgentFactory(manager).create_agent("mine", suffix="one")
    else:
        made = manager.bulk_create_agents([{"template": "mine", "suffix": "one"}, {"template": "mine"}])
        agent, other = made["mine_one"], made["mine"]
        assert (other.record, other.performance_metrics["tasks_completed"]) == ("", 0)
    assert agent.performance_metrics["tasks_completed"] == 1
    assert (agent.record, agent.metadata.id) == (record.id, record.id)


async def test_a_name_that_another_template_has_made_is_another_agent(
    records: AgentRecords, manager: TemplateManager, folder: Path
) -> None:
    write_template(folder, "mine_one")
    manager.refresh_cache()
    record = await records.add(manager.create_agent("mine", "one_two"))
    other = manager.create_agent("mine_one", "two")
    assert other.name == record.name
    assert other.record == ""


async def test_rows_and_live_agents_share_one_limit_and_nobody_counts_twice(
    storage: Storage, records: AgentRecords, manager: TemplateManager
) -> None:
    manager.config.max_agents = 3
    first = manager.create_agent("mine", "1")
    await records.add(first)
    second = manager.create_agent("mine", "2")
    third = manager.create_agent("mine", "3")
    with pytest.raises(AgentLimitReached, match="3 agents are alive or recorded and the limit is 3"):
        manager.create_agent("mine", "4")
    await records.add(second)
    await records.add(third)
    del first, second
    with pytest.raises(AgentLimitReached):
        manager.create_agent("mine", "4")
    again = await records.agent("mine_1")
    assert again.name == "mine_1", "an agent that is recorded needs no other place to be alive"
    await records.remove(third.metadata.id)
    with pytest.raises(AgentLimitReached):
        manager.create_agent("mine", "4")
    del third
    fourth = manager.create_agent("mine", "4")
    assert {record.name for record in await records.all()} == {"mine_1", "mine_2"}
    with pytest.raises(AgentLimitReached):
        await AgentRecords(storage, SystemClock(), registry=manager.registry).add(
            manager.get_template("mine").create_instance("5")
        )
    assert fourth.record == ""


async def test_what_another_process_recorded_counts_here(
    storage: Storage, records: AgentRecords, manager: TemplateManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager.config.max_agents = 2
    template = manager.get_template("mine")
    for suffix in "ab":
        await elsewhere(storage).add(template.create_instance(suffix))
    with pytest.raises(AgentLimitReached):
        manager.create_agent("mine")
    with pytest.raises(AgentLimitReached):
        await records.add(template.create_instance("c"))
    monkeypatch.setenv("NG_MAX_AGENTS", "2")
    with pytest.raises(AgentLimitReached):
        await elsewhere(storage).add(template.create_instance("c"))
    assert await records.count() == 2


async def test_a_factory_with_a_limit_of_its_own_counts_its_own_agents_only(
    records: AgentRecords, manager: TemplateManager
) -> None:
    for suffix in "abc":
        await records.add(manager.create_agent("mine", suffix))
    factory = AgentFactory(manager, max_agents=1)
    kept = await factory.create_agent("mine", "a")
    with pytest.raises(AgentLimitReached, match="the limit is 1"):
        await factory.create_agent("mine", "b")
    assert kept.record


async def test_a_name_is_taken_once_and_a_refusal_keeps_nobody_alive(
    records: AgentRecords, manager: TemplateManager
) -> None:
    await records.add(manager.create_agent("mine"))
    before = len(manager.registry)
    with pytest.raises(AgentNameTaken, match="mine"):
        await records.add(manager.create_agent("mine"))
    assert len(manager.registry) == before


async def test_a_removed_agent_is_gone_and_its_last_task_counts_nowhere(
    storage: Storage, records: AgentRecords, manager: TemplateManager
) -> None:
    record = await records.add(manager.create_agent("mine"))
    await records.remove("mine")
    await ended(storage, records, record.id, ReportStatus.DONE, 1.0)
    for ask in (records.get, records.revision, records.agent, records.remove):
        with pytest.raises(AgentUnknown):
            await ask("mine")
    worker = await records.hired(record.id, "mine", manager.get_template("mine").revision, record.config)
    assert (worker.name, worker.record) == ("mine", ""), "a mission that had it goes on"
