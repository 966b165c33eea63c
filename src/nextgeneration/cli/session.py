"""One mission followed from a terminal: run, show, ask, go on, report."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nextgeneration.cli.cards import ask
from nextgeneration.cli.live import Progress
from nextgeneration.cli.summary import exit_code, lines, write_files
from nextgeneration.cli.voice import Voice
from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.findings import Severity
from nextgeneration.kernel.language import Texts

if TYPE_CHECKING:
    from nextgeneration.services.assembly import Services
    from nextgeneration.supervisor.outcome import MissionReport
    from nextgeneration.supervisor.service import Outcome

_STARTED = Texts("mission {id}  “{goal}”", "mission {id}  « {goal} »")
_PENDING = Texts(
    "{n} approval(s) wait. See them: nextgen approvals list   Decide: nextgen approvals approve {first}",
    "{n} accord(s) en attente. Les voir : nextgen approvals list   Décider : nextgen approvals approve {first}",
)
_RESUME = Texts(
    "Nothing is lost. Go on with: nextgen missions resume {id}",
    "Rien n'est perdu. Reprendre : nextgen missions resume {id}",
)
_RECOVERING = Texts(
    "{n} mission(s) were interrupted; finishing them first.",
    "{n} mission(s) ont été interrompues ; elles sont d'abord terminées.",
)


@dataclass
class Session:
    """Follows missions for one command.

    Attributes:
        out: folder for the reports instead of ``NG_HOME/reports/<mission>``.
        fail_on: severity from which findings make the exit code 3.
    """

    services: Services
    voice: Voice
    out: Path | None = None
    fail_on: Severity | None = None

    async def follow(self, mission_id: str) -> int:
        """Run a mission to its end, asking a person where one is there, and report.

        Returns:
            The exit code. When interrupted, the mission stays and the way to resume it is told.
        """
        mission = await self.services.missions.get(mission_id)
        self.voice.say(_STARTED, id=mission.id, goal=mission.goal)
        try:
            outcome = await self._run(mission.id)
            while outcome.pending and self.voice.can_ask and await self._decide(outcome.pending):
                outcome = await self._run(mission.id)
        except (asyncio.CancelledError, KeyboardInterrupt):
            self.voice.say(_RESUME, id=mission.id)
            raise KeyboardInterrupt from None
        return self.report(outcome.report, outcome.pending)

    async def _run(self, mission_id: str) -> Outcome:
        with Progress(self.voice, mission_id) as progress:
            stop = self.services.bus.subscribe(progress.hear, mission_id)
            try:
                return await self.services.worker.run(mission_id)
            finally:
                stop()

    async def decide_pending(self, mission_id: str) -> None:
        """Ask about everything a waiting mission waits for."""
        await self._decide([a.id for a in await self.services.approvals.pending(mission_id)])

    async def _decide(self, pending: Sequence[str]) -> bool:
        """Ask about each waiting approval; whether any was decided."""
        decided = False
        for approval_id in pending:
            approval = await self.services.approvals.get(approval_id)
            verdict = ask(approval, self.voice)
            if verdict:
                await self.services.approvals.decide(approval_id, verdict, by=person(), digest=approval.digest)
                decided = True
        return decided

    def report(self, report: MissionReport, pending: Sequence[str] = ()) -> int:
        """Write the report's files, show it, and give the exit code."""
        folder = self.out or self.services.home / "reports" / report.mission
        path = write_files(report, folder)
        if self.voice.json:
            self.voice.document(report.model_dump(mode="json") | {"pending": list(pending), "report_path": str(path)})
        elif not self.voice.jsonl:
            self.voice.data("\n".join(lines(report, self.voice, path)))
        if pending:
            self.voice.say(_PENDING, n=len(pending), first=pending[0])
        return exit_code(report, self.fail_on)

    async def recover(self) -> None:
        """Finish missions that a process left behind when it died; they report like any other."""
        orphans = await self.services.missions.orphans()
        if not orphans:
            return
        self.voice.say(_RECOVERING, n=len(orphans))
        for mission in orphans:
            try:
                outcome = await self._run(mission.id)
            except NGError as error:
                self.voice.error(error)
                continue
            write_files(outcome.report, self.services.home / "reports" / mission.id)


def person() -> str:
    """Who decides at this terminal."""
    try:
        return f"human:{getpass.getuser()}"
    except (KeyError, OSError):
        return "human:unknown"
