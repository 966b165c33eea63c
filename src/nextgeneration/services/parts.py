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
from nextgeneration.settings.tools import ToolSettings
from nextgeneration.tools.registry import ToolBox, build

if TYPE_CHECKING:
    from nextgeneration.templates.library import TemplateLibrary
    from nextgeneration.tools.shell.risk import LineRisk


def toolbox() -> ToolBox:
    """Every tool, made from the settings of this process."""
    return build(ToolSettings())


def judge_line(line: str, workspace: Path, lang: Lang) -> LineRisk:
    """The risk of a shell line in a workspace; nothing is run.

    Raises:
        NGError: the line is too long to be judged.
    """
    from nextgeneration.tools.shell.risk import judge_line as judge

    return judge(line, workspace, lang)


@contextmanager
def library(workspace: Path) -> Iterator[TemplateLibrary]:
    """The templates of a workspace, without a watcher: for one look.

    Raises:
        WorkspaceMissing: it is not a folder.
    """
    workspace = workspace.resolve()
    if not workspace.is_dir():
        raise WorkspaceMissing(path=str(workspace))
    config = AgentFactoryConfig()
    folder = config.templates_dir if config.templates_dir.is_absolute() else workspace / config.templates_dir
    yield library_for(config.model_copy(update={"templates_dir": folder}))
