"""template_manager: plain calls over a library that changes underneath."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nextgeneration.agents import TemplateManager
from nextgeneration.agents.errors import AgentLimitReached, AgentNamesEqual, AgentSpecRefused
from nextgeneration.agents.manager import on_sighup, shared_manager
from nextgeneration.agents.shared import library_for
from nextgeneration.settings import AgentFactoryConfig
from nextgeneration.templates.errors import TemplateInvalid, TemplateUnknown
from nextgeneration.testing.process import new_process

from .conftest import write_template


def eventually(check: Callable[[], bool], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.02)


def test_templates_come_from_the_folder_then_from_the_built_in_ones(manager: TemplateManager, folder: Path) -> None:
    path = write_template(folder, "mine", description="Mine.")
    assert manager.get_template("mine").description == "Mine."
    assert manager.get_template("documentaliste").name == "documentaliste"
    assert manager._get_template_path("mine") == path
    assert manager._get_template_path("documentaliste").is_file()


def test_an_unchanged_template_is_the_same_object(manager: TemplateManager, folder: Path) -> None:
    write_template(folder, "mine")
    assert manager.get_template("mine") is manager.get_template("mine")


def test_list_names_what_there_is_and_what_is_broken(manager: TemplateManager, folder: Path) -> None:
    write_template(folder, "mine", description={"en": "Mine.", "fr": "Le mien."})
    (folder / "broken.json").write_text("{")
    listed = {template["name"]: template for template in manager.list_templates()}
    assert {"mine", "broken", "documentaliste", "hardware"} <= set(listed)
    mine = listed["mine"]
    assert (mine["role"], mine["domain"], mine["version"], mine["description"]) == ("tester", "tests", "1.0.0", "Mine.")
    assert mine["supervisor_route"] == "tests"
    assert mine["broken"] is None
    assert listed["broken"]["broken"]["code"].startswith("NG-TEMPLATE")


def test_an_agent_is_made_counted_and_registered(manager: TemplateManager, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="nextgeneration"):
        agent = manager.create_agent("documentaliste", suffix="1", config={"summary_length": 5})
    assert agent.name == "documentaliste_1"
    assert manager.registry.agents() == [agent]
    assert manager.creations.values() == {("documentaliste", "created"): 1}
    assert "agent documentaliste_1 created from template documentaliste" in caplog.text


def test_every_failure_is_counted_by_what_it_was(manager: TemplateManager, folder: Path) -> None:
    write_template(folder, "mine")
    write_template(folder, "broken", surprise=1)
    manager.config.max_agents = 1
    kept = manager.create_agent("mine")
    for name, error in [
        ("nobody", TemplateUnknown),
        ("../mine", TemplateUnknown),
        ("broken", TemplateInvalid),
        ("mine", AgentLimitReached),
    ]:
        with pytest.raises(error):
            manager.create_agent(name)
    with pytest.raises(AgentSpecRefused):
        manager.create_agent("mine", suffix="a b")
    assert manager.creations.values() == {
        ("mine", "created"): 1,
        ("-", "template_unknown"): 2,
        ("broken", "template_invalid"): 1,
        ("mine", "limit_reached"): 1,
        ("mine", "refused"): 1,
    }
    assert manager.registry.agents() == [kept]


def test_bulk_makes_all_by_name(manager: TemplateManager) -> None:
    specs = [
        {"template_name": "documentaliste", "suffix": "a", "config": {"summary_length": 1}},
        {"template": "hardware"},
    ]
    agents = manager.bulk_create(specs)
    assert list(agents) == ["documentaliste_a", "hardware"]
    assert agents["documentaliste_a"].config["summary_length"] == 1
    assert len(manager.registry) == 2


@pytest.mark.parametrize(
    ("specs", "error"),
    [
        ([{"template_name": "hardware"}, {"template": "hardware"}], AgentNamesEqual),
        ([{"template_name": "hardware"}, {"template_name": "nobody"}], TemplateUnknown),
        ([{"template_name": "hardware"}, {"suffix": "x"}], AgentSpecRefused),
        ([{"template_name": "hardware"}, {"template_name": "hardware", "sufix": "x"}], AgentSpecRefused),
        ([{"template_name": "hardware"}, "hardware"], AgentSpecRefused),
        ([{"template_name": "hardware", "suffix": str(n)} for n in range(4)], AgentLimitReached),
    ],
)
def test_bulk_makes_all_or_none(manager: TemplateManager, specs: list[Any], error: type[Exception]) -> None:
    manager.config.max_agents = 3
    with pytest.raises(error):
        manager.bulk_create_agents(specs)
    assert manager.registry.agents() == []
    assert ("hardware", "created") not in manager.creations.values()


def test_metrics_have_the_names_callers_read(manager: TemplateManager, folder: Path) -> None:
    write_template(folder, "mine")
    for _ in range(4):
        manager.get_template("mine")
    metrics = manager.get_metrics()
    assert metrics["templates_loaded"] >= 1
    assert metrics["cache_size"] >= 1
    assert (metrics["cache_misses"], metrics["cache_hits"], metrics["cache_hit_rate"]) == (1, 3, 0.75)
    manager.create_agent("mine")
    assert manager.get_metrics()["creation"]["count"] == 1
    assert manager.get_metrics()["agents_created"] == 1


async def test_the_async_forms_load_off_the_loop(manager: TemplateManager, folder: Path) -> None:
    path = write_template(folder, "mine")
    agent = await manager.create_agent_async("mine", suffix="1", config={"a": 1})
    assert (agent.name, agent.config) == ("mine_1", {"a": 1})
    write_template(folder, "mine", version="1.1.0")
    assert (await manager.reload_template_async("mine")).version == "1.1.0"
    path.write_text("{")
    with pytest.raises(TemplateInvalid):
        await manager.reload_template_async("mine")
    assert manager.get_template("mine").version == "1.1.0"
    with pytest.raises(TemplateUnknown):
        await manager.create_agent_async("nobody")


def test_assigning_the_folder_moves_the_library(manager: TemplateManager, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    write_template(other, "theirs")
    with pytest.raises(TemplateUnknown):
        manager.get_template("theirs")
    manager.config.templates_dir = str(other)  # type: ignore[assignment]
    assert manager.config.templates_dir == other
    assert manager.get_template("theirs").name == "theirs"


def test_hot_reload_sees_edits_and_follows_the_folder(tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
        write_template(folder, "mine", version="1.0.0")
    config = AgentFactoryConfig(templates_dir=folders[0], preload_templates=[])
    manager = TemplateManager(config, library_for(config))
    try:
        first = manager.get_template("mine")
        write_template(folders[0], "mine", version="1.0.1")
        eventually(lambda: manager.get_template("mine").version == "1.0.1")
        manager.config.templates_dir = folders[1]
        assert manager.get_template("mine").version == "1.0.0"
        write_template(folders[1], "mine", version="3.0.0")
        eventually(lambda: manager.get_template("mine").version == "3.0.0")
        assert first.version == "1.0.0"
        manager.config.enable_hot_reload = False
        manager.config.enable_hot_reload = True
    finally:
        manager.close()


def test_preloading_survives_what_is_not_there(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = AgentFactoryConfig(
        templates_dir=folder, enable_hot_reload=False, preload_templates=["documentaliste", "nobody"]
    )
    manager = TemplateManager(config, library_for(config))
    assert (manager.warm("documentaliste"), manager.warm("nobody")) == (True, False)
    assert "nobody could not be preloaded" in caplog.text


def test_the_process_has_one_manager_and_it_is_lazy() -> None:
    import nextgeneration
    import nextgeneration.agents.manager as module

    first = nextgeneration.template_manager
    assert first is nextgeneration.agents.template_manager is module.template_manager is shared_manager()
    assert first.config is nextgeneration.agents.manager.process_settings
    with new_process() as again:
        assert again is first is shared_manager() is nextgeneration.agents.factory._factory.manager
    assert shared_manager() is first
    with pytest.raises(AttributeError):
        module.nothing


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no SIGHUP here")
def test_sighup_makes_everything_be_read_again(manager: TemplateManager, folder: Path) -> None:
    write_template(folder, "mine")
    first = manager.get_template("mine")
    loaded = manager.get_metrics()["templates_loaded"]
    before = signal.getsignal(signal.SIGHUP)
    undo = on_sighup(manager.library)
    try:
        write_template(folder, "mine", version="1.1.0")
        os.kill(os.getpid(), signal.SIGHUP)
        assert manager.get_template("mine").version == "1.1.0"
    finally:
        undo()
    assert first.version == "1.0.0"
    assert manager.get_metrics()["templates_loaded"] > loaded
    assert signal.getsignal(signal.SIGHUP) == before


class Witness:
    """Looks at a template that is being edited; version, capability and configuration must agree."""

    def __init__(self, manager: TemplateManager, folder: Path) -> None:
        self.manager, self.folder = manager, folder
        self.stop = threading.Event()
        self.wrong: list[Any] = []

    def write(self, number: int) -> None:
        write_template(
            self.folder, "busy", version=f"1.0.{number}", capabilities=[f"c{number}"], default_config={"n": number}
        )

    def look(self) -> None:
        first = int(self.manager.get_template("busy").version.rpartition(".")[2])
        agent = self.manager.create_agent("busy")
        then = int(agent.metadata.version.rpartition(".")[2])
        if agent.get_capabilities() != [f"c{then}"] or agent.config != {"n": then} or then < first:
            self.wrong.append((first, then, agent.config))

    def hammer(self) -> None:
        while not self.stop.is_set():
            self.look()

    async def visit(self) -> None:
        for _ in range(5):
            self.look()
            await asyncio.sleep(0)

    async def visits(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(200):
                group.create_task(self.visit())


def test_threads_and_tasks_never_see_half_a_template(manager: TemplateManager, folder: Path) -> None:
    witness = Witness(manager, folder)
    witness.write(0)
    threads = [threading.Thread(target=witness.hammer) for _ in range(32)]
    for thread in threads:
        thread.start()
    for number in range(1, 25):
        witness.write(number)
        if number % 2:
            manager.refresh_cache()
        else:
            manager.library.reload("busy")
    asyncio.run(witness.visits())
    witness.stop.set()
    for thread in threads:
        thread.join()
    assert witness.wrong == []
    assert manager.get_template("busy").version == "1.0.24"
