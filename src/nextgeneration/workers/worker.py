"""A worker takes missions, keeps their leases alive and runs them to their end or to a question."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from nextgeneration.kernel.errors import NGError, as_problem
from nextgeneration.missions.claims import Claim
from nextgeneration.missions.errors import LeaseLost, MissionCancelled, MissionEnded, MissionHeld
from nextgeneration.missions.service import Missions
from nextgeneration.supervisor.service import Outcome
from nextgeneration.workers.dead import DeadWatch

log = logging.getLogger(__name__)

MAX_CRASHES = 5
"""Attempts that may end without progress before a mission is set aside."""


class Leads(Protocol):
    """Whoever runs a claimed mission."""

    async def lead(self, claim: Claim) -> Outcome:
        """Run it as far as it goes."""
        ...


class Worker:
    """Runs missions of one process, a bounded number at once.

    Args:
        at_once: missions admitted together; the others queue, which costs no throughput and keeps each short.
        recover_seconds: how often missions of dead processes are looked for while it works, to close what they hold.
    """

    def __init__(
        self, missions: Missions, supervisor: Leads, *, at_once: int = 12, recover_seconds: float = 10.0
    ) -> None:
        self._missions = missions
        self._supervisor = supervisor
        self._slots = asyncio.Semaphore(at_once)
        self._dead = DeadWatch(missions, recover_seconds)

    async def run(self, mission_id: str) -> Outcome:
        """Claim a mission and run it until it ends or waits for a human.

        Raises:
            MissionHeld: another live worker has it.
            MissionEnded: there is nothing left to run.
            MissionCancelled: it was cancelled while it ran; what its tools had started is ended.
        """
        async with self._dead, self._slots:
            claim = await self._missions.claim(mission_id)
            async with self._alive(claim):
                return await self._lead(claim)

    async def _lead(self, claim: Claim) -> Outcome:
        try:
            return await self._supervisor.lead(claim)
        except NGError as error:
            if claim.over or error.retryable:
                # The mission is another's, or the disk is full for now: it stays resumable.
                raise
            # A named refusal (a damaged record, an agent that asks for something else than it did before): trying
            # again gives the same.
            await claim.park(as_problem(error, claim.mission.lang)["message"])
            raise
        except Exception as error:
            log.exception("mission %s failed in its supervisor", claim.mission.id)
            if claim.attempt >= MAX_CRASHES:
                await claim.park(as_problem(error, claim.mission.lang)["message"])
            raise

    @asynccontextmanager
    async def _alive(self, claim: Claim) -> AsyncIterator[None]:
        """Keep the lease while the body runs; when it is lost or the mission is cancelled, end the body."""
        body = asyncio.current_task()

        async def keep() -> None:
            await claim.keep()
            if body is not None and not isinstance(claim.lost, MissionEnded):
                body.cancel()

        keeper = asyncio.create_task(keep(), name=f"lease of {claim.mission.id}")
        try:
            yield
        except asyncio.CancelledError:
            if claim.lost is not None and not isinstance(claim.lost, MissionEnded):
                raise claim.lost from None
            claim.stop()
            raise
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
            if not isinstance(claim.lost, MissionEnded):
                await asyncio.shield(claim.release())

    async def recover(self) -> list[Outcome]:
        """Finish what a process that died left behind; missions somebody else took meanwhile are left alone."""
        outcomes = []
        for mission in await self._missions.orphans():
            try:
                outcomes.append(await self.run(mission.id))
            except (MissionHeld, MissionEnded, MissionCancelled, LeaseLost):
                continue
            except NGError as error:
                log.warning("mission %s could not be recovered: %s (%s)", mission.id, error, error.code)
            except Exception:
                # A defect met in one mission is no reason to leave the others.
                log.exception("mission %s could not be recovered", mission.id)
        return outcomes
