"""The supervisor's public face: agents on demand, tasks to routes, and templates that join while it runs."""

import asyncio
import json
import time

import pytest

from nextgeneration.agents.manager import TemplateManager
from nextgeneration.agents.shared import library_for
from nextgeneration.missions.schema import MissionOptions, MissionRequest
from nextgeneration.services.assembly import open_services
from nextgeneration.settings.agents import AgentFactoryConfig
from nextgeneration.settings.storage import StorageSettings
from nextgeneration.supervisor.errors import AgentNotCreated, NoTemplateNamed
from nextgeneration.supervisor.integration import FactoryIntegratedSupervisor, factory_supervisor

BARISTA = {
    "name": "barista",
    "role": "maker",
    "domain": "kitchen",
    "version": "1.0.0",
    "supervisor_route": {"route": "coffee", "keywords": ["espresso"], "examples": ["brew an espresso"]},
    "tools": ["fs.list"],
    "playbook": [{"id": "list", "tool": "fs.list"}],
}


def write(folder, template):
    draft = folder / f"{template['name']}.json.draft"
    draft.write_text(json.dumps(template))
    draft.replace(folder / f"{template['name']}.json")


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "templates"
    folder.mkdir()
    return folder


@pytest.fixture
def manager(folder):
    """A manager with the real watcher."""
    config = AgentFactoryConfig(templates_dir=folder, enable_hot_reload=True, preload_templates=[])
    manager = TemplateManager(config, library_for(config))
    yield manager
    manager.close()


@pytest.fixture
def supervisor(manager):
    return FactoryIntegratedSupervisor(lambda: manager, "en")


async def within_a_second(found):
    """Wait until ``found()`` answers; how long it took."""
    start = time.monotonic()
    while not found():
        assert time.monotonic() - start < 5, "not within five seconds on a busy machine"
        await asyncio.sleep(0.02)
    return time.monotonic() - start


# -- agents on demand ------------------------------------------------------------------------------------------------


async def test_an_agent_is_made_from_the_template_that_was_named(supervisor):
    request = {"template": "documentaliste", "suffix": "two", "config": {"summary_length": 100}}
    agent = await supervisor.dynamic_agent_creation(request)
    assert agent.name == "documentaliste_two"
    assert agent.config["summary_length"] == 100
    assert agent.config["log_level"] == "INFO"
    plain = await supervisor.dynamic_agent_creation({"template": "hardware", "config": None})
    assert plain.metadata.domain == "hardware"


@pytest.mark.parametrize(
    "request_", [{}, {"template": ""}, {"template": None}, {"template": 3}, {"config": {}}], ids=str
)
async def test_no_template_named_is_a_value_error_that_says_so(supervisor, request_):
    with pytest.raises(ValueError, match="No template was named") as caught:
        await supervisor.dynamic_agent_creation(request_)
    assert isinstance(caught.value, NoTemplateNamed)
    assert caught.value.hint("fr")


async def test_a_creation_that_fails_is_a_runtime_error_with_its_cause(supervisor, folder):
    with pytest.raises(RuntimeError, match="nobody") as caught:
        await supervisor.dynamic_agent_creation({"template": "nobody"})
    assert isinstance(caught.value, AgentNotCreated)
    assert caught.value.__cause__ is not None
    (folder / "broken.json").write_text("{")
    with pytest.raises(RuntimeError):
        await supervisor.dynamic_agent_creation({"template": "broken"})
    with pytest.raises(RuntimeError):
        await supervisor.dynamic_agent_creation({"template": "hardware", "suffix": "../x"})


# -- tasks to routes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "template", "route"),
    [
        ("run the tests", "testeur", "testing"),
        ("résume la documentation", "documentaliste", "documentation"),
        ("docker-compose is not recognised as a command", "auditeur_code", "code"),
        ("zsh: command not found: node", "correcteur_systeme", "diagnostic"),
        ("which ports are open", "hardware", "hardware"),
    ],
)
def test_a_task_is_told_its_route_template_score_and_why(supervisor, task, template, route):
    found = supervisor.determine_routing({"task": task})
    assert (found["template"], found["route"]) == (template, route)
    assert found["score"] > 2
    assert found["why"]
    json.dumps(found)


def test_the_context_counts_too(supervisor):
    assert supervisor.determine_routing({"task": "look at this"})["template"] is None
    told = {"task": "look at this", "context": {"about": "the compose file", "n": 3, "more": ["x"]}}
    assert supervisor.determine_routing(told)["template"] == "auditeur_code"
    assert supervisor.determine_routing({"task": "", "context": "run the tests"})["template"] == "testeur"


@pytest.mark.parametrize(
    "request_", [{}, {"task": None}, {"task": ""}, {"task": "sing me a song"}, {"context": 3}], ids=str
)
def test_what_nobody_serves_gets_no_route_and_the_reason(supervisor, request_):
    found = supervisor.determine_routing(request_)
    assert (found["route"], found["template"], found["score"]) == (None, None, 0.0)
    assert "nextgen templates new" in found["why"]


def test_why_is_said_in_the_users_language(manager):
    found = FactoryIntegratedSupervisor(lambda: manager, "fr").determine_routing({"task": "lance les tests"})
    assert "mots-clés" in found["why"]


def test_the_users_own_object_is_there():
    assert isinstance(factory_supervisor, FactoryIntegratedSupervisor)
    assert factory_supervisor.determine_routing({"task": "run the tests"})["template"] == "testeur"


# -- templates that come and go while it runs ------------------------------------------------------------------------


async def test_a_template_is_routable_within_a_second_of_being_written_and_gone_when_deleted(supervisor, folder):
    def routed():
        return supervisor.determine_routing({"task": "brew an espresso"})["template"]

    assert routed() is None
    write(folder, BARISTA)
    waits = [await within_a_second(lambda: routed() == "barista")]
    changed = {**BARISTA, "supervisor_route": {"route": "tea", "keywords": ["sencha"]}}
    write(folder, changed)
    waits.append(await within_a_second(lambda: supervisor.determine_routing({"task": "a sencha"})["route"] == "tea"))
    (folder / "barista.json").unlink()
    waits.append(await within_a_second(lambda: supervisor.determine_routing({"task": "a sencha"})["route"] is None))
    assert min(waits) < 1.2, "a busy machine may be late, not always"


async def test_a_running_process_plans_its_next_mission_with_a_template_that_was_just_added(manager, folder, tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    (work / "beans.txt").write_text("arabica")
    async with open_services(
        work, storage_settings=StorageSettings(home=tmp_path / "h"), templates=manager
    ) as services:

        async def mission():
            request = MissionRequest(goal="brew an espresso", workspace=str(work), options=MissionOptions())
            accepted = await services.missions.accept(request)
            return await services.worker.run(accepted.id)

        assert (await mission()).status == "failed"
        write(folder, BARISTA)
        await within_a_second(lambda: "barista" in manager.library.revisions())
        done = await mission()
    assert done.status == "done"
    assert [task.template for task in done.report.tasks] == ["barista"]
    assert any("beans.txt" in sentence.quote for sentence in done.report.answer)
