"""Parts the tests of this room share."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nextgeneration.agents import hooks
from nextgeneration.agents.manager import TemplateManager
from nextgeneration.agents.shared import library_for
from nextgeneration.settings.agents import AgentFactoryConfig

HookInstaller = Callable[..., None]


@pytest.fixture
def installed_hooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HookInstaller]:
    """Install a real package that provides hooks: ``install(code, name="module:function")``."""

    def forget() -> None:
        for cached in (hooks._installed, hooks._loaded):
            assert isinstance(cached, functools._lru_cache_wrapper)
            cached.cache_clear()
        sys.modules.pop("sample_hooks", None)

    def install(code: str, **points: str) -> None:
        site = tmp_path / "site"
        info = site / "sample_hooks-1.0.dist-info"
        info.mkdir(parents=True)
        (site / "sample_hooks.py").write_text(code)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sample-hooks\nVersion: 1.0\n")
        lines = "".join(f"{name} = {target}\n" for name, target in points.items())
        (info / "entry_points.txt").write_text(f"[{hooks.GROUP}]\n{lines}")
        monkeypatch.syspath_prepend(str(site))
        forget()

    forget()
    yield install
    forget()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty template folder."""
    folder = tmp_path / "templates"
    folder.mkdir()
    return folder


def write_template(folder: Path, name: str, **fields: Any) -> Path:
    """A template file, complete but for what ``fields`` change."""
    path = folder / f"{name}.json"
    data = {
        "name": name,
        "role": "tester",
        "domain": "tests",
        "version": "1.0.0",
        "capabilities": ["test"],
        "tools": [],
    }
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(data | fields))
    draft.replace(path)
    return path


@pytest.fixture
def manager(folder: Path) -> Iterator[TemplateManager]:
    """A manager over ``folder`` and the built-in templates, without a watch."""
    config = AgentFactoryConfig(templates_dir=folder, enable_hot_reload=False, preload_templates=[])
    manager = TemplateManager(config, library_for(config))
    yield manager
    manager.close()
