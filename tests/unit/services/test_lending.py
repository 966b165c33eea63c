"""Whose templates a process sees that works on one workspace after, or beside, another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import nextgeneration
from nextgeneration.agents.manager import TemplateManager, shared_manager
from nextgeneration.services.assembly import Services, open_services
from nextgeneration.testing.process import new_process


@pytest.fixture(autouse=True)
def manager(own_home: None) -> Iterator[TemplateManager]:
    with new_process() as manager:
        yield manager


@pytest.fixture
def workspaces(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders, each with a template of its own, named like its folder."""
    for name in ("first", "second"):
        folder = tmp_path / name / ".nextgen/templates"
        folder.mkdir(parents=True)
        (folder / f"{name}.json").write_text(json.dumps({"name": name, "role": "r", "domain": "d"}))
    return tmp_path / "first", tmp_path / "second"


def seen(services: Services) -> set[str]:
    return {"first", "second"} & set(services.templates.library.names())


async def test_a_second_workspace_has_its_own_templates(workspaces: tuple[Path, Path]) -> None:
    first, second = workspaces
    async with open_services(first) as services:
        assert seen(services) == {"first"}
        assert services.templates is nextgeneration.template_manager
    async with open_services(second) as services:
        assert seen(services) == {"second"}
        assert services.templates is nextgeneration.template_manager


async def test_two_workspaces_at_once_do_not_see_each_other(workspaces: tuple[Path, Path]) -> None:
    first, second = workspaces
    async with open_services(first) as one, open_services(second) as other, open_services(first) as again:
        assert (seen(one), seen(other), seen(again)) == ({"first"}, {"second"}, {"first"})
        assert one.templates is again.templates is shared_manager()
        other.templates.create_agent("second")
    async with open_services(second) as services:
        assert seen(services) == {"second"}


async def test_afterwards_the_manager_looks_where_a_new_process_would(
    workspaces: tuple[Path, Path], manager: TemplateManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = workspaces
    monkeypatch.chdir(second)
    async with open_services(first):
        pass
    assert manager.library.folders[0] == second / ".nextgen/templates"
    async with open_services(second) as services:
        assert seen(services) == {"second"}


async def test_a_folder_the_program_named_counts_for_every_workspace(
    workspaces: tuple[Path, Path], manager: TemplateManager
) -> None:
    first, second = workspaces
    named = first / ".nextgen/templates"
    manager.config.templates_dir = named
    async with open_services(second) as services:
        assert seen(services) == {"first"}
    assert manager.config.templates_dir == named


async def test_a_folder_named_meanwhile_stays(workspaces: tuple[Path, Path], manager: TemplateManager) -> None:
    first, second = workspaces
    named = second / ".nextgen/templates"
    async with open_services(first) as services:
        manager.config.templates_dir = named
        assert seen(services) == {"second"}
    assert manager.config.templates_dir == named
