"""What an agent is given when it works inside a mission."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from nextgeneration.kernel.language import Lang

if TYPE_CHECKING:
    from nextgeneration.kernel.reports import Report
    from nextgeneration.missions.effects import TaskDoor


class Recall(Protocol):
    """An agent's memory. What it gives is data, recorded, and shown to a model as untrusted."""

    async def remember(self, task: str) -> Sequence[str]:
        """What is known that may help with a task, one text each."""
        ...

    async def note(self, task: str, report: Report) -> None:
        """Keep what a task came to; called once its report stands."""
        ...


class TaskContext(dict[str, Any]):
    """The caller's context, with the task's door to the world.

    As a mapping it holds plain data that playbooks may read: the goal, the mission's id, the task's id
    and what the tasks before it reported. The rest are attributes, so that no template expression can
    reach them.

    Attributes:
        recall: the agent's memory, if it has one.
        listen: called with each piece of a model's text as it arrives.
    """

    def __init__(
        self,
        data: Mapping[str, Any],
        *,
        door: TaskDoor,
        task: str,
        lang: Lang = "en",
        recall: Recall | None = None,
        listen: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(data)
        self.door = door
        self.task = task
        self.lang = lang
        self.recall = recall
        self.listen = listen
