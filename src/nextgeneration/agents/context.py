"""What an agent is given when it works inside a mission."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nextgeneration.kernel.language import Lang

if TYPE_CHECKING:
    from nextgeneration.missions.effects import TaskDoor


class TaskContext(dict[str, Any]):
    """The caller's context, with the task's door to the world.

    As a mapping it holds plain data that playbooks may read: the goal, the mission's id, the task's id
    and what the tasks before it reported. The door and the language are attributes, so that no
    template expression can reach them.
    """

    def __init__(self, data: Mapping[str, Any], *, door: TaskDoor, task: str, lang: Lang = "en") -> None:
        super().__init__(data)
        self.door = door
        self.task = task
        self.lang = lang
