"""Single parts for commands that need no open store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from nextgeneration.agents.shared import library_for
from nextgeneration.kernel.language import Lang
from nextgeneration.services.errors import WorkspaceMissing
from nextgeneration.settings.agents import AgentFactoryConfig

if TYPE_CHECKING:
    from nextgeneration.agents.manager import TemplateManager
    from nextgeneration.kernel.tools import Tool
    from nextgeneration.templates.library import TemplateLibrary
    from nextgeneration.tools.mcp.toolbox import RemoteTools
    from nextgeneration.tools.registry import ToolBox
    from nextgeneration.tools.shell.risk import LineRisk


def toolbox() -> ToolBox:
    """Every tool, made from the settings of this process."""
    from nextgeneration.agents.calling import AgentRun
    from nextgeneration.settings.tools import ToolSettings
    from nextgeneration.tools.registry import build

    box = build(ToolSettings())
    box.add(AgentRun())
    return box


def price_of(tool: Tool) -> str:
    """Credits that a call costs by the settings of this process; empty: none. What others' work costs is theirs."""
    from nextgeneration.credits.units import shown
    from nextgeneration.missions.delegating import delegating
    from nextgeneration.missions.tolls import price_of as priced
    from nextgeneration.settings.tools import ToolSettings

    price = 0 if delegating(tool) else priced(tool.spec, ToolSettings().prices)
    return shown(price) if price else ""


def remote_tools() -> RemoteTools:
    """The tools of the MCP servers in the settings of this process."""
    from nextgeneration.settings.storage import StorageSettings
    from nextgeneration.settings.tools import ToolSettings
    from nextgeneration.tools.mcp.toolbox import RemoteTools
    from nextgeneration.tools.registry import pins_in

    return RemoteTools(ToolSettings(), pins_in(StorageSettings().home))


def judge_line(line: str, workspace: Path, lang: Lang) -> LineRisk:
    """The risk of a shell line in a workspace; nothing is run.

    Raises:
        WorkspaceMissing: that is no folder, so that nobody can say where a path leads.
        NGError: the line is too long to be judged.
    """
    if not workspace.is_dir():
        raise WorkspaceMissing(path=str(workspace))
    from nextgeneration.tools.shell.risk import judge_line as judge

    return judge(line, workspace, lang)


@contextmanager
def library(workspace: Path) -> Iterator[TemplateLibrary]:
    """The templates of a workspace, without a watcher: for one look.

    Raises:
        WorkspaceMissing: it is not a folder.
    """
    yield library_for(_config(workspace))


@contextmanager
def own_templates(workspace: Path) -> Iterator[TemplateManager]:
    """A template manager for one workspace, beside the process's own.

    Raises:
        WorkspaceMissing: it is not a folder.
    """
    from nextgeneration.agents.manager import TemplateManager

    config = _config(workspace)
    manager = TemplateManager(config, library_for(config))
    try:
        yield manager
    finally:
        manager.close()


def _config(workspace: Path) -> AgentFactoryConfig:
    workspace = workspace.resolve()
    if not workspace.is_dir():
        raise WorkspaceMissing(path=str(workspace))
    config = AgentFactoryConfig()
    config.templates_dir = workspace / config.templates_dir
    return config
