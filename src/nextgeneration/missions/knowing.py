"""What a task's door can tell before anything is done."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.tools import Label, ToolSpec
from nextgeneration.tools.code.secrets import masked
from nextgeneration.tools.registry import choose

if TYPE_CHECKING:
    from nextgeneration.missions.claims import Claim
    from nextgeneration.missions.judging import Judge
    from nextgeneration.missions.lineage import Lineage


class Knowing:
    """The tools there are, and whether the task ran before. Nothing here takes a position."""

    task: str
    _claim: Claim
    _judge: Judge
    _lineage: Lineage
    _position: int

    @property
    def begun(self) -> str | None:
        """The name of the effect recorded at the task's next position; ``None`` when it never came so far."""
        effect = self._claim.effects.get((self.task, self._position + 1))
        return None if effect is None else effect.name

    def spec(self, tool: str) -> ToolSpec:
        """What a tool declares.

        Raises:
            ToolUnknown: there is none of this name.
        """
        return self._judge.tool(tool).spec

    def offered(self, wanted: Iterable[str]) -> tuple[tuple[ToolSpec, ...], tuple[NGError, ...]]:
        """What the tools declare that names and patterns of a template stand for, and why others are missing."""
        chosen = choose(self._judge.tools, wanted)
        return tuple(tool.spec for tool in chosen.tools), chosen.problems

    def heard(self, source: str) -> None:
        """Words from ``source`` were read that no call of a tool gave: calls written from now on say so."""
        self._lineage.read = self._lineage.read.read(source, (Label.UNTRUSTED,))

    def masked(self, text: str) -> str:
        """``text`` as it may leave for a model: the value of every secret found in it is masked."""
        return masked(text)
