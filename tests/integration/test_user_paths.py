"""The import paths and the two tests of the first system, which must go on working."""

from __future__ import annotations

import importlib
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import nextgeneration.agents
from nextgeneration.agents import TemplateManager
from nextgeneration.testing.process import new_process
from orchestrator.app.agents.agent_templates import AgentTemplate
from orchestrator.app.agents.template_manager import template_manager

SAME = {
    "orchestrator.app.agents.base_agent": ("nextgeneration.agents", ("AgentMetadata", "AgentStatus", "BaseAgent")),
    "orchestrator.app.agents.agent_templates": ("nextgeneration.agents", ("AgentTemplate",)),
    "orchestrator.app.agents.template_manager": ("nextgeneration.agents", ("TemplateManager", "template_manager")),
    "orchestrator.app.agents.agent_factory": (
        "nextgeneration.agents",
        ("AgentFactory", "bulk_create_agents", "create_agent", "get_factory_stats"),
    ),
    "orchestrator.app.config.agent_config": ("nextgeneration.settings", ("AgentFactoryConfig", "settings")),
    "orchestrator.app.security.validator": (
        "nextgeneration.security",
        ("TemplateSecurityValidator", "security_validator"),
    ),
    "orchestrator.app.supervisor.factory_integration": (
        "nextgeneration.supervisor.integration",
        ("FactoryIntegratedSupervisor", "factory_supervisor"),
    ),
    "orchestrator.app.main": ("nextgeneration.server.app", ("app",)),
}


@pytest.mark.parametrize("old", SAME)
def test_an_old_path_gives_the_same_objects(old: str) -> None:
    home, names = SAME[old]
    old_module, module = importlib.import_module(old), importlib.import_module(home)
    for name in names:
        assert getattr(old_module, name) is getattr(module, name)


def test_old_paths_only_re_export() -> None:
    files = sorted((Path(__file__).parents[2] / "compat").rglob("*.py"))
    assert files
    for file in files:
        text = file.read_text()
        assert text.count("\n") <= 10, file
        assert not {"def ", "class ", "lambda"} & set(text.split(" ")), file


@pytest.fixture(autouse=True)
def as_in_a_new_process(own_home: None) -> Iterator[None]:
    with new_process():
        yield


@pytest.fixture
def lone_template(tmp_path: Path) -> Path:
    """A template copied alone into an empty folder, which the process's manager is told to use."""
    folder = tmp_path / "templates"
    folder.mkdir()
    copy = folder / "documentaliste.json"
    shutil.copy(template_manager._get_template_path("documentaliste"), copy)
    template_manager.config.templates_dir = folder
    return copy


def test_a_child_holds_its_parents_capabilities() -> None:
    child = AgentTemplate.from_name("security_analyst")
    parent = child.parent
    assert parent is not None
    assert set(parent.capabilities) <= set(child.capabilities)


async def test_an_edit_is_picked_up_while_the_event_loop_is_blocked(lone_template: Path) -> None:
    template = await template_manager.reload_template_async("documentaliste")
    before = template.metadata["content_hash"]
    assert before
    assert template_manager.get_template("documentaliste").metadata["content_hash"] == before
    data = json.loads(lone_template.read_text())
    data["tools"].append("pytest")
    lone_template.write_text(json.dumps(data))
    time.sleep(1.2)
    after = template_manager.get_template("documentaliste")
    assert after.metadata["content_hash"] != before
    assert "pytest" in after.tools


def test_the_manager_is_one_object_under_all_its_names() -> None:
    assert isinstance(template_manager, TemplateManager)
    assert nextgeneration.template_manager is template_manager
