"""Effects that are no tool calls: recorded values and the blackboard."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from nextgeneration.kernel.canonical import digest
from nextgeneration.kernel.clock import iso
from nextgeneration.kernel.errors import NGError
from nextgeneration.missions.claims import Claim
from nextgeneration.missions.entries import row_of
from nextgeneration.missions.leases import Change
from nextgeneration.missions.outcomes import failed, failure
from nextgeneration.missions.records import Effect
from nextgeneration.storage.database import Connection
from nextgeneration.storage.sealed import plain, seal, unseal


class Recording:
    """One value to be recorded at a position of a task."""

    def __init__(self, claim: Claim, task: str, position: int, name: str, args: dict[str, Any]) -> None:
        self._claim = claim
        self.task = task
        self.position = position
        self.name = name
        self.args = plain(args) if args else args
        self.digest = digest([name, self.args]) if args else name
        self.key = f"{claim.id}/{task}/{position}/{name}"

    async def answer(self, make: Callable[[], Awaitable[Any]], change: Change | None = None) -> Any:
        """The value recorded here, or the one that ``make`` gives now, recorded together with ``change``.

        Raises:
            EffectMismatch: something else is recorded here.
            ToolFailed: an error is.
        """
        recorded = self._claim.effects.get((self.task, self.position))
        if recorded is None:
            return await self._save(make, change)
        recorded.must_be(self.name, self.digest, self.key)
        return self._replayed(recorded)

    def _replayed(self, recorded: Effect) -> Any:
        answer = unseal(recorded.outcome or "", "effects", self.key)
        if "problem" in answer:
            raise failed(self.name, answer["problem"])
        return answer["value"]

    async def _save(self, make: Callable[[], Awaitable[Any]], change: Change | None) -> Any:
        claim, shared = self._claim, self._claim.shared
        try:
            status, outcome = "done", seal({"value": await make()})
        except NGError as error:
            if error.control:
                raise
            status, outcome = "failed", failure(error.problem(claim.mission.lang))
        at = iso(claim.clock.now())
        effect = Effect(
            task=self.task,
            position=self.position,
            name=self.name,
            digest=self.digest,
            rule="record",
            label="safe",
            status=status,
            attempt=claim.attempt,
            args=seal({"args": self.args}),
            outcome=outcome,
            approval=None,
            approval_call=None,
            started_at=at,
            ended_at=at,
            seconds=0.0,
        )
        shared.at("record.made")

        def write(connection: Connection) -> None:
            shared.effects.add(connection, row_of(effect, claim.id, shared.tenant))
            if change is not None:
                change(connection)

        def known() -> None:
            claim.effects[self.task, self.position] = effect

        if change is None:
            # Nothing was done outside: what the agent does because of it is written together with it.
            claim.ride(None, write, task=self.task)
            known()
        else:
            await claim.commit(change=write, then=known)
        shared.at("record.saved")
        return self._replayed(effect)

    def writing(self, key: str, value: Any) -> Change:
        """The change that puts ``value`` on the blackboard."""
        claim, shared = self._claim, self._claim.shared
        row = {
            "mission_id": claim.id,
            "key": str(plain(key)),
            "tenant": shared.tenant,
            "value": seal(value),
            "task_id": self.task,
            "at": iso(claim.clock.now()),
        }
        return lambda connection: shared.effects.put(connection, row)

    async def reading(self, key: str) -> Any:
        """What stands on the blackboard now."""
        claim, shared = self._claim, self._claim.shared
        text = await shared.storage.read(lambda c: shared.effects.value(c, claim.id, str(plain(key))))
        return None if text is None else unseal(text, "blackboard", f"{claim.id}/{key}")
