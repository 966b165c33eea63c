"""Which function drives an agent, by its revision's ``runtime``."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any

from nextgeneration.agents.errors import RuntimeMissing
from nextgeneration.agents.runtimes.llm import run_llm, think, thinks
from nextgeneration.agents.runtimes.playbook import run_playbook

if TYPE_CHECKING:
    from nextgeneration.agents.context import TaskContext
    from nextgeneration.kernel.reports import Report
    from nextgeneration.templates.revision import Revision


async def run_auto(
    revision: Revision, input_data: Mapping[str, Any], config: Mapping[str, Any], context: TaskContext
) -> Report:
    """A model's run where one is there that can do the work, the playbook otherwise."""
    chosen = think if await thinks(revision, context) else run_playbook
    return await chosen(revision, input_data, config, context)


RUNTIMES = {"auto": run_auto, "playbook": run_playbook, "llm": run_llm}


def run(
    revision: Revision, input_data: Mapping[str, Any], config: Mapping[str, Any], context: TaskContext
) -> Coroutine[Any, Any, Report]:
    """Run ``revision`` on ``input_data`` inside a task.

    Raises:
        RuntimeMissing: its runtime cannot run here.
    """
    runtime = RUNTIMES.get(revision.runtime)
    if runtime is None:
        raise RuntimeMissing(agent=revision.name, runtime=str(revision.runtime), known=", ".join(RUNTIMES))
    return runtime(revision, input_data, config, context)
