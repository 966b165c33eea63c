"""AgentTemplate: an unchanging face of a revision, and real classes made once."""

from __future__ import annotations

import gc
import json
from pathlib import Path

import pytest

from nextgeneration.agents import AgentTemplate, BaseAgent
from nextgeneration.agents.errors import AgentSpecRefused
from nextgeneration.agents.manager import TemplateManager
from nextgeneration.agents.template import named
from nextgeneration.templates.errors import TemplateInvalid, TemplateUnknown

from .conftest import write_template

SIX = {
    "name": "six",
    "role": "analyzer",
    "domain": "tests",
    "capabilities": ["read_things"],
    "tools": ["fs.read"],
    "supervisor_route": "tests",
}
EIGHT = {
    "name": "eight",
    "role": "analyzer",
    "domain": "tests",
    "version": "2.1.0",
    "capabilities": ["write_things"],
    "tools": ["fs.write"],
    "parent": "base_specialist",
    "default_config": {"depth": {"max": 3}},
}


def test_both_forms_that_users_write_load() -> None:
    six, eight = AgentTemplate.from_dict(SIX), AgentTemplate.from_dict(EIGHT)
    assert (six.version, six.supervisor_route, six.parent) == ("1.0.0", "tests", None)
    assert (eight.version, eight.domain, eight.role) == ("2.1.0", "tests", "analyzer")
    assert eight.parent is not None
    assert set(eight.parent.capabilities) < set(eight.capabilities)
    assert {"python_interpreter", "fs.write"} <= set(eight.tools)
    assert eight.default_config == {"log_level": "INFO", "depth": {"max": 3}}


def test_the_schema_is_json_schema_and_describes_every_field() -> None:
    schema = AgentTemplate.TEMPLATE_SCHEMA
    json.dumps(schema)
    assert {"name", "role", "domain", "parent", "playbook", "hooks"} <= set(schema["properties"])
    assert set(schema["required"]) == {"name", "role", "domain"}


def test_a_built_in_child_knows_its_parent_and_holds_its_capabilities() -> None:
    child = AgentTemplate.from_name("documentaliste")
    assert child.parent is not None
    assert child.parent.name == "base_specialist"
    assert child.metadata["inherited_from"] == "base_specialist"
    assert set(child.parent.capabilities) <= set(child.capabilities)
    assert child.metadata["content_hash"].startswith("sha256:")
    assert (child.runtime, child.description, child.instructions is not None) == (
        "auto",
        child.revision.description.en,
        True,
    )
    assert "documentaliste 1.1.0" in repr(child)


def test_errors_are_the_templates_own() -> None:
    with pytest.raises(TemplateUnknown):
        AgentTemplate.from_name("nobody")
    with pytest.raises(TemplateInvalid):
        AgentTemplate.from_dict({"name": "half"})


def test_what_a_template_hands_out_is_a_copy() -> None:
    template = AgentTemplate.from_dict(EIGHT)
    template.default_config["depth"]["max"] = 99
    template.metadata["content_hash"] = "forged"
    template.tools.append("shell.run")
    template.to_dict()["name"] = "other"
    agent = template.create_instance()
    agent.config["depth"]["max"] = 98
    assert template.default_config["depth"]["max"] == 3
    assert template.metadata["content_hash"] == template.revision.digest
    assert "shell.run" not in template.tools
    assert template.create_instance().config["depth"]["max"] == 3


def test_inherit_from_gives_a_new_template_and_leaves_both_as_they_were() -> None:
    child = AgentTemplate.from_dict(SIX | {"default_config": {"depth": {"max": 2}}})
    parent = AgentTemplate.from_dict(
        {
            "name": "elder",
            "role": "r",
            "domain": "d",
            "capabilities": ["see"],
            "default_config": {"depth": {"min": 1, "max": 9}},
        }
    )
    both = child.inherit_from(parent)
    assert both.parent is parent
    assert both.capabilities == ["read_things", "see"]
    assert both.default_config == {"depth": {"min": 1, "max": 2}}
    assert both.metadata["inherited_from"] == "elder"
    assert (child.parent, child.capabilities) == (None, ["read_things"])
    assert both.metadata["content_hash"] != child.metadata["content_hash"]
    assert child.inherit_from("base_specialist").metadata["inherited_from"] == "base_specialist"


def test_a_class_is_made_once_per_revision_and_is_a_real_one() -> None:
    one, two = AgentTemplate.from_dict(SIX), AgentTemplate.from_dict(SIX)
    made = one.to_class()
    assert made is two.to_class()
    assert made.__name__ == "SixAgent"
    assert issubclass(made, BaseAgent)
    assert AgentTemplate.from_dict(SIX | {"version": "1.0.1"}).to_class() is not made
    agent = one.create_instance()
    assert type(agent) is made
    assert not hasattr(agent, "__dict__")


def test_a_class_goes_with_its_last_user() -> None:
    template = AgentTemplate.from_dict(SIX | {"name": "passing"})
    before = id(template.to_class())
    agent = template.create_instance()
    del template
    gc.collect()
    assert id(type(agent)) == before


def test_an_agent_from_a_template_has_everything_a_callers_own_has() -> None:
    agent = AgentTemplate.from_name("documentaliste").create_instance("7", {"summary_length": 10, "own": {"a": 1}})
    assert (agent.name, agent.role, agent.parent_template) == ("documentaliste_7", "analyzer", "documentaliste")
    metadata = agent.metadata
    assert (metadata.name, metadata.domain, metadata.version) == ("documentaliste_7", "documentation", "1.1.0")
    assert metadata.parent_template == "documentaliste"
    assert metadata.dependencies == ["base_specialist"]
    assert "summarize_text" in agent.get_capabilities()
    assert agent.metadata is metadata
    assert agent.config["summary_length"] == 10
    assert agent.config["log_level"] == "INFO"
    info = agent.get_info()
    assert json.loads(json.dumps(info)) == info


def test_a_class_also_takes_metadata_as_every_agent_does() -> None:
    template = AgentTemplate.from_dict(SIX)
    metadata = template.create_instance("x").metadata
    agent = template.to_class()(metadata, {"a": 1})
    assert agent.metadata is metadata
    assert (agent.name, agent.config) == ("six_x", {"a": 1})


@pytest.mark.parametrize(
    ("suffix", "name"),
    [("1", "a_1"), ("_1", "a_1"), ("-x", "a-x"), (".b", "a.b"), ("été", "a_été"), ("", "a"), (None, "a")],
)
def test_names_join_template_and_suffix(suffix: str | None, name: str) -> None:
    assert named("a", suffix) == name


@pytest.mark.parametrize("suffix", ["a b", "a\nINFO forged", "../x", "x" * 65, "\u202e", 7])
def test_a_suffix_that_could_mislead_is_refused(suffix: str) -> None:
    with pytest.raises(AgentSpecRefused):
        AgentTemplate.from_dict(SIX).create_instance(suffix)


def test_a_configuration_must_be_an_object() -> None:
    with pytest.raises(AgentSpecRefused, match="config is list"):
        AgentTemplate.from_dict(SIX).create_instance(config=["x"])  # type: ignore[arg-type]


def test_the_callers_configuration_is_not_shared_with_the_agent() -> None:
    config = {"deep": {"list": [1]}}
    agent = AgentTemplate.from_dict(SIX).create_instance(config=config)
    config["deep"]["list"].append(2)
    assert agent.config == {"deep": {"list": [1]}}


def test_a_template_keeps_its_revision_when_the_file_changes(manager: TemplateManager, folder: Path) -> None:
    write_template(folder, "mine")
    before = manager.get_template("mine")
    write_template(folder, "mine", version="2.0.0")
    manager.refresh_cache()
    assert (before.version, manager.get_template("mine").version) == ("1.0.0", "2.0.0")
