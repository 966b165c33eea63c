"""What a model's agent needs of the world: its task's door, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.models import ModelAnswer, ModelRequest, Wish
from nextgeneration.kernel.reports import Cost
from nextgeneration.kernel.tools import ToolResult, ToolSpec

if TYPE_CHECKING:
    from nextgeneration.missions.grants import Grant
    from nextgeneration.missions.together import Card


class World(Protocol):
    """The part of ``missions.effects.TaskDoor`` that thinking uses.

    A position is taken when a method is called, in program order; the work is done when its answer is awaited.
    """

    @property
    def agent(self) -> str:
        """The agent's name."""
        ...

    @property
    def cost(self) -> Cost:
        """What the task used so far."""
        ...

    @property
    def begun(self) -> str | None:
        """The name of the effect at the task's next position, when it came so far before."""
        ...

    def spec(self, tool: str) -> ToolSpec:
        """What a tool declares.

        Raises:
            NGError: there is none of this name.
        """
        ...

    def offered(self, wanted: Iterable[str]) -> tuple[tuple[ToolSpec, ...], tuple[NGError, ...]]:
        """What the tools declare that names and patterns stand for, and why others are missing."""
        ...

    def heard(self, source: str) -> None:
        """Words from ``source`` were read that no call of a tool gave: calls written from now on say so."""
        ...

    def masked(self, text: str) -> str:
        """``text`` with the value of every secret found in it masked."""
        ...

    def models(self, wish: Wish) -> bool:
        """Whether a model is there for ``wish``."""
        ...

    def room(self, wish: Wish) -> int:
        """Tokens that the model holds which is first in line for ``wish``; 0: there is none."""
        ...

    def think(
        self, request: ModelRequest, wish: Wish, listen: Callable[[str], None] | None = None
    ) -> Coroutine[Any, Any, ModelAnswer]:
        """Ask a model.

        Raises (when awaited):
            OverBudget: it does not fit.
            Parked: a human was asked.
            NGError: no model answered.
        """
        ...

    async def together(self, calls: Sequence[tuple[str, dict[str, Any]]], key: str) -> Card | None:
        """Ask once for those of these calls that would ask; ``None`` when it is one at most.

        Raises:
            Parked: the question is put.
        """
        ...

    def call(
        self, tool: str, args: Mapping[str, Any], *, grant: Grant | None = None
    ) -> Coroutine[Any, Any, ToolResult]:
        """Call a tool, with the right to do so where a card gave it.

        Raises (when awaited):
            OverBudget, Parked, NGError: as :meth:`TaskDoor.call` says.
        """
        ...

    def record(self, name: str, fn: Callable[[], Any]) -> Coroutine[Any, Any, Any]:
        """The value of ``fn``, or what it gives when awaited; the same at every replay."""
        ...
