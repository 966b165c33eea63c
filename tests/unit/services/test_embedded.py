"""An agent called outside a mission: its mission of one task ends with it, and counts in its record."""

import json

import pytest

from nextgeneration.agents import create_agent
from nextgeneration.agents.errors import RuntimeMissing
from nextgeneration.services.assembly import open_services

TEMPLATE = {
    "name": "lister",
    "role": "lister",
    "domain": "files",
    "version": "1.0.0",
    "capabilities": ["list"],
    "runtime": "playbook",
    "tools": ["fs.list"],
    "playbook": [{"id": "look", "tool": "fs.list", "with": {"path": "."}}],
}


@pytest.fixture
def workspace(tmp_path):
    folder = tmp_path / "work"
    (folder / ".nextgen" / "templates").mkdir(parents=True)
    return folder


def write(workspace, **fields):
    path = workspace / ".nextgen" / "templates" / "lister.json"
    path.write_text(json.dumps(TEMPLATE | fields))


async def test_an_agent_that_cannot_work_ends_its_mission_and_counts_as_failed(workspace):
    write(workspace, runtime="wasm")
    async with open_services(workspace) as services:
        agent = await create_agent("lister")
        record = await services.agents.add(agent)
        with pytest.raises(RuntimeMissing):
            await agent.process({"goal": "list it"})
        (mission,) = await services.missions.list()
        assert mission.status == "failed"
        assert await services.missions.orphans() == []
        ended = await services.missions.get(mission.id)
        assert ended.report["problems"][0]["code"] == RuntimeMissing.code
        assert (await services.agents.get(record.name)).tasks_failed == 1
        assert agent.performance.failed == 1


async def test_only_tasks_of_recorded_agents_are_counted_and_each_in_its_own_record(workspace):
    write(workspace)
    async with open_services(workspace) as services:
        mine, other, nobody = [await create_agent("lister", suffix=suffix) for suffix in "abc"]
        for agent in (mine, other):
            await services.agents.add(agent)
        for agent in (mine, mine, other, nobody):
            assert (await agent.process({"goal": "list it"}))["status"] == "done"
        counted = {record.name: record.tasks_completed for record in await services.agents.all()}
        assert counted == {"lister_a": 2, "lister_b": 1}
        await services.agents.remove("lister_b")
        assert (await other.process({"goal": "list it"}))["status"] == "done"
        assert [record.name for record in await services.agents.all()] == ["lister_a"]
    assert (await nobody.process({"goal": "list it", "workspace": str(workspace)}))["status"] == "done"
