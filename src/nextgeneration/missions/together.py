"""One card for the calls of one answer: what a model wants to do side by side is shown, and decided, together."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.language import Texts
from nextgeneration.missions.errors import EffectRefused
from nextgeneration.missions.grants import Grant
from nextgeneration.missions.judging import Call, Judged, identity
from nextgeneration.missions.schema import asked_args
from nextgeneration.security.permissions import Verdict

if TYPE_CHECKING:
    from nextgeneration.missions.effects import Door
    from nextgeneration.missions.judging import Judge

_WHY = Texts("{agent} wants to make these calls together", "{agent} veut faire ces appels ensemble")


@dataclass(frozen=True, slots=True)
class Card:
    """The answer to one question about several calls.

    Attributes:
        digests: the calls it showed.
        grant: the right to make them; ``None`` when the answer was no.
        refused: why not.
    """

    digests: frozenset[str]
    grant: Grant | None = None
    refused: EffectRefused | None = None

    def shows(self, tool: str, args: Mapping[str, Any]) -> bool:
        """Whether this call stood on it; ``tool`` is the tool's own name."""
        return identity(tool, args) in self.digests


class Together:
    """The part of a task's door that asks once for several calls."""

    task: str
    agent: str
    _door: Door
    _judge: Judge
    _judged: Callable[[Call], Judged]
    authorise: Callable[..., Coroutine[Any, Any, Grant]]

    async def together(self, calls: Sequence[tuple[str, dict[str, Any]]], key: str) -> Card | None:
        """Ask once for those of ``calls`` that would be asked for; ``None`` when fewer than two would.

        Args:
            calls: what is about to be called side by side.
            key: tells this question apart from others of the task; the same when the task runs again.

        Raises:
            Parked: the question is put.
        """
        made = [Call(self._judge.tool(name).spec.name, args) for name, args in calls]
        found = await self._door.asking.latest(self.task, f"key:{key}")
        if found is not None:
            # Asked before: it is about the calls that were shown, whatever would be asked for now.
            shown = {identity(call["tool"], asked_args(call)) for call in found.card["calls"]}
            asked = [call for call in made if identity(call.tool, call.args) in shown]
        else:
            asked = [call for call in made if self._asks(call)]
        if len(asked) < 2:
            return None
        digests = frozenset(identity(call.tool, call.args) for call in asked)
        why = _WHY.say(self._door.claim.mission.lang, agent=self.agent)
        try:
            return Card(digests, await self.authorise(asked, why, kind="call", key=key))
        except EffectRefused as error:
            return Card(digests, refused=error)

    def _asks(self, call: Call) -> bool:
        try:
            return self._judged(call).decision.verdict is Verdict.ASK
        except NGError as error:
            if error.control:
                raise
            return False  # it is told when the call is made
