"""What agents cost, at a size that fits every test run; the long figures run with `make soak`."""

from __future__ import annotations

import gc
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks.agents import Bare, import_milliseconds, kept_bytes, leak, microseconds

from nextgeneration.agents import TemplateManager
from nextgeneration.agents.shared import library_for
from nextgeneration.settings import AgentFactoryConfig


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[TemplateManager]:
    config = AgentFactoryConfig(templates_dir=tmp_path, enable_hot_reload=False, max_agents=1_000_000)
    manager = TemplateManager(config, library_for(config))
    yield manager
    manager.close()


def test_creating_an_instance_costs_at_most_five_bare_objects(manager: TemplateManager) -> None:
    template = manager.get_template("documentaliste")
    ratios = [microseconds(template.create_instance, 2000) / microseconds(Bare, 2000) for _ in range(5)]
    assert min(ratios) <= 5, ratios


def test_an_agent_is_created_in_far_less_than_100_ms_and_100_live_at_once(manager: TemplateManager) -> None:
    agents = [manager.create_agent("documentaliste", suffix=str(n)) for n in range(200)]
    assert len(manager.registry) == len(agents)
    assert manager.creation_time.percentile(1) < 0.1


def test_an_agent_keeps_little_memory_even_when_all_is_read(manager: TemplateManager) -> None:
    template = manager.get_template("documentaliste")

    def used() -> object:
        agent = template.create_instance()
        return agent, agent.metadata, agent.config, agent.context, agent.performance_metrics

    assert kept_bytes(template.create_instance, 500) <= 1024
    assert kept_bytes(used, 500) <= 3.7 * 1024


def test_agents_leave_nothing_behind(manager: TemplateManager) -> None:
    left = leak(manager, 5000)
    assert left["value"] <= left["limit"], left
    assert len(manager.registry) == 0


@pytest.mark.soak
def test_a_hundred_thousand_agents_leave_nothing_behind(manager: TemplateManager) -> None:
    left = leak(manager, 100_000)
    assert left["value"] <= left["limit"], left
    assert len(manager.registry) == 0


def test_reloading_does_not_pile_up_classes(manager: TemplateManager, tmp_path: Path) -> None:
    def edit(number: int) -> None:
        (tmp_path / "mine.json").write_text(
            f'{{"name": "mine", "role": "r", "domain": "d", "version": "1.0.{number}"}}'
        )
        manager.refresh_cache()
        manager.create_agent("mine")

    from nextgeneration.agents.template import TemplateAgent

    for number in range(30):
        edit(number)
    gc.collect()
    before = len(TemplateAgent.__subclasses__())
    for number in range(30, 60):
        edit(number)
    gc.collect()
    assert len(TemplateAgent.__subclasses__()) <= before + 1


def test_importing_the_package_is_cheap_and_loads_nothing_heavy() -> None:
    assert import_milliseconds("import nextgeneration") < 50
    heavy = ("pydantic", "sqlalchemy", "langgraph", "langchain_core", "fastapi", "prometheus_client", "watchdog")
    code = f"import sys, nextgeneration, nextgeneration.agents; print([m for m in {heavy} if m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "[]"


def test_tracing_is_off_again() -> None:
    assert not tracemalloc.is_tracing()
