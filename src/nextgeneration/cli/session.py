"""Missions followed from a terminal: run, show, ask, go on, report, and finish what was left behind."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from nextgeneration.cli.cards import Answer, ask, card_lines, typed
from nextgeneration.cli.editing import by_hand, world
from nextgeneration.cli.errors import ReportNotWritten, SystemRefused
from nextgeneration.cli.live import Progress
from nextgeneration.cli.options import INTERRUPTED, told, unforeseen
from nextgeneration.cli.summary import exit_code, lines, write_files
from nextgeneration.cli.voice import Voice
from nextgeneration.cli.watching import follow_journal, pumped
from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.findings import Severity
from nextgeneration.kernel.language import Texts
from nextgeneration.missions.errors import (
    ApprovalAlreadyDecided,
    MissionEnded,
    MissionHeld,
    MissionStopped,
)
from nextgeneration.missions.schema import Approval, ApprovalStatus, MissionLine, MissionStatus
from nextgeneration.missions.service import Missions
from nextgeneration.services.assembly import Services, open_services
from nextgeneration.services.parts import own_templates
from nextgeneration.services.records import open_records, standing
from nextgeneration.supervisor.outcome import MissionReport
from nextgeneration.supervisor.render.words import STATUS

PAUSED = "interrupted"
"""The reason a mission is set aside with when somebody stopped it at the terminal: it goes on when asked to."""

_PENDING = Texts(
    "{n} approvals wait for you. See one: nextgen approvals show {first}   Decide: {command}",
    "{n} accords vous attendent. En voir un : nextgen approvals show {first}   Décider : {command}",
)
_PENDING_ONE = Texts(
    "An approval waits for you. See it: nextgen approvals show {first}   Decide: {command}",
    "Un accord vous attend. Le voir : nextgen approvals show {first}   Décider : {command}",
)
_PAUSED = Texts(
    "Interrupted. Nothing is lost; go on with: nextgen missions resume {id}",
    "Interrompu. Rien n'est perdu ; pour continuer : nextgen missions resume {id}",
)
_ENDING = Texts(
    "Stopped. Nothing is lost: the next nextgen command finishes it, or: nextgen missions resume {id}",
    "Arrêté. Rien n'est perdu : la prochaine commande nextgen la termine, ou : nextgen missions resume {id}",
)
_ELSEWHERE = Texts("{holder} works on it; following it from here.", "{holder} y travaille ; elle est suivie d'ici.")
_RECOVERING = Texts(
    "{n} missions were left behind by a process that ended; finishing them now (Ctrl-C leaves them, --no-recover too).",
    "{n} missions ont été laissées par un processus arrêté ; elles sont terminées maintenant "
    "(Ctrl-C les laisse, --no-recover aussi).",
)
_RECOVERING_ONE = Texts(
    "A mission was left behind by a process that ended; finishing it now (Ctrl-C leaves it, --no-recover too).",
    "Une mission a été laissée par un processus arrêté ; elle est terminée maintenant "
    "(Ctrl-C la laisse, --no-recover aussi).",
)
_RECOVERED = Texts("Mission {id}: {status}. Report: {path}", "Mission {id} : {status}. Rapport : {path}")

_GIVEN = Texts("Approved by {by}, for this copy only.", "Accepté par {by}, pour cette copie seulement.")

Given = Callable[[Approval], str]
"""Who answers instead of a person: the ``by`` of an approval it gives, or nothing."""


class Ended(NamedTuple):
    """How far a mission came that was finished in passing."""

    mission: str
    status: str
    exit_code: int
    report: str = ""
    pending: tuple[str, ...] = ()


@dataclass
class Session:
    """Follows missions for one command.

    Attributes:
        out: folder for the reports instead of ``NG_HOME/reports/<mission>``.
        fail_on: severity from which findings make the exit code 3.
        given: answers instead of a person, for ``nextgen try`` on its own copy; the card is still shown.
    """

    services: Services
    voice: Voice
    workspace: Path
    out: Path | None = None
    fail_on: Severity | None = None
    given: Given | None = None

    async def follow(self, mission_id: str, *, share: bool = True) -> int:
        """Run a mission to its end, asking a person where one is there, and report.

        Args:
            mission_id: the mission.
            share: when another process works on it, watch that; otherwise that is an error.

        Returns:
            The exit code. When interrupted, the mission stays and the way to resume it is told.

        Raises:
            MissionHeld: another process works on it and ``share`` is false.
        """
        mission = await self.services.missions.get(mission_id)
        try:
            with Progress(self.voice, mission.id, mission.goal) as progress:
                report, pending = await self._advanced(mission.id, progress, share)
        except (asyncio.CancelledError, KeyboardInterrupt):
            return await self._interrupted(mission.id)
        return self.report(report, pending)

    async def _advanced(
        self, mission_id: str, progress: Progress, share: bool
    ) -> tuple[MissionReport, Sequence[Approval]]:
        """Run or watch until the mission ends, or waits for an answer that nobody gives here."""
        while True:
            report, pending = await self._run(mission_id, progress, share)
            if not pending or not await self._answered(mission_id, progress):
                return report, pending
            share = True
            progress.draw()

    async def _run(self, mission_id: str, progress: Progress, share: bool) -> tuple[MissionReport, Sequence[Approval]]:
        missions = self.services.missions
        try:
            async with self._heard(mission_id, progress):
                outcome = await self.services.worker.run(mission_id)
                return outcome.report, await self._pending(mission_id) if outcome.pending else ()
        except MissionHeld as error:
            if not share:
                raise
            progress.rest()
            self.voice.say(_ELSEWHERE, holder=error.holder)
            progress.draw()
            if await follow_journal(missions, mission_id, self.voice, progress):
                return await self._run(mission_id, progress, share)
        except MissionEnded:
            pass  # another process finished it meanwhile
        return await standing(missions, mission_id), await self._pending(mission_id)

    async def _pending(self, mission_id: str) -> Sequence[Approval]:
        return await self.services.approvals.pending(mission_id)

    @asynccontextmanager
    async def _heard(self, mission_id: str, progress: Progress) -> AsyncIterator[None]:
        """Show what happens while the body runs; with ``--jsonl`` write the journal out, without a gap."""
        stop = self.services.bus.subscribe(progress.hear, mission_id)
        try:
            if self.voice.jsonl:
                async with pumped(self.services.missions, mission_id, self.voice):
                    yield
            else:
                yield
        finally:
            stop()

    async def _answered(self, mission_id: str, progress: Progress) -> bool:
        """Put what waits to whoever can answer; whether anything was answered, here or elsewhere."""
        progress.rest()
        pending = await self.services.approvals.pending(mission_id)
        some = not pending
        for waiting in pending:
            approval = await self.services.approvals.get(waiting.id)
            answer, by = await self._answer(approval)
            while answer.edit:
                approval = await self._edited(approval)
                pending_still = approval.status is ApprovalStatus.PENDING
                answer, by = await self._answer(approval) if pending_still else (Answer(elsewhere=True), "")
            some = some or bool(answer.verdict) or answer.elsewhere
            if not answer.verdict:
                continue
            # Somebody else was quicker: their answer holds, and is in the journal.
            with suppress(ApprovalAlreadyDecided):
                await self.services.approvals.decide(
                    approval.id, answer.verdict, by=by, reason=answer.reason, digest=approval.digest
                )
        return some

    async def _answer(self, approval: Approval) -> tuple[Answer, str]:
        given = self.given(approval) if self.given is not None else ""
        if given:
            for line in card_lines(approval, self.voice, self.voice.err):
                self.voice.note(line)
            self.voice.say(_GIVEN, by=given)
            return Answer("approved"), given
        if not self.voice.can_ask:
            return Answer(), ""
        return await ask(approval, self.voice, lambda: self.services.approvals.get(approval.id)), person()

    async def _edited(self, approval: Approval) -> Approval:
        """Let the person change what is asked: the question that stands then."""
        voice, approvals = self.voice, self.services.approvals
        try:
            made = await by_hand(approval, voice, lambda question: typed(question, voice))
            if made is not None:
                number, args = made
                whole = (approval.id, args, person(), world(self.services))
                return await approvals.edit(*whole, call=number, digest=approval.digest)
        except OSError as error:
            told(voice, SystemRefused(detail=error.strerror or str(error)))
        except NGError as error:
            told(voice, error)
        return await approvals.get(approval.id)

    async def _interrupted(self, mission_id: str) -> int:
        """Set the mission aside, so that only its user goes on with it, and say how."""
        missions = self.services.missions
        if not self.voice.terminated:
            with suppress(NGError):
                mission = await missions.get(mission_id)
                if mission.status is MissionStatus.QUEUED:
                    await (await missions.claim(mission_id)).park(PAUSED)
        if self.voice.machine:
            self.voice.document({"error": MissionStopped(mission=mission_id).problem(self.voice.lang)})
        self.voice.say(_ENDING if self.voice.terminated else _PAUSED, id=mission_id)
        return INTERRUPTED

    def report(self, report: MissionReport, pending: Sequence[Approval] = ()) -> int:
        """Write the report's files, show it, and give the exit code."""
        folder = self.out or self.services.home / "reports" / report.mission
        return shown(report, self.voice, folder, pending, self.fail_on)

    async def recover(self) -> None:
        """Finish missions that a process left behind when it died; they report like any other."""
        orphans = await self.services.missions.orphans()
        if not orphans:
            return
        self.voice.say(_RECOVERING_ONE if len(orphans) == 1 else _RECOVERING, n=len(orphans))
        for line in orphans:
            await self.finished(line)

    async def resumable(self) -> list[MissionLine]:
        """Missions nobody works on that can go on at once."""
        return await resumable(self.services.missions)

    async def unfinished(self) -> list[MissionLine]:
        """Every mission that has not ended, newest first."""
        lines = await self.services.missions.list(limit=None)
        return [line for line in lines if not line.status.ended]

    async def finished(self, line: MissionLine) -> Ended:
        """Run one mission as far as it goes without asking, write its report, and say so in a line.

        Raises:
            KeyboardInterrupt: somebody stopped it; it stays resumable.
        """
        home, voice = self.services.home, self.voice
        try:
            with Progress(voice, line.id, line.goal) as progress:
                async with at_home_of(line, self) as services:
                    stop = services.bus.subscribe(progress.hear, line.id)
                    try:
                        outcome = await services.worker.run(line.id)
                    finally:
                        stop()
            path = write_files(outcome.report, self.out or home / "reports" / line.id)
        except (asyncio.CancelledError, KeyboardInterrupt):
            await self._interrupted(line.id)
            raise KeyboardInterrupt from None
        except (MissionHeld, MissionEnded):
            return Ended(line.id, "", 0)  # somebody else was quicker
        except Exception as error:  # one mission that cannot go on keeps no command from its own work
            wrong = error if isinstance(error, NGError) else unforeseen(error)
            told(Voice(lang=voice.lang, debug=voice.debug, err=voice.err), wrong)
            return Ended(line.id, "failed", wrong.exit_code)
        status = STATUS.get(outcome.status, Texts(outcome.status, outcome.status))
        voice.say(_RECOVERED, id=line.id, status=status, path=path)
        waiting = await self._pending(line.id) if outcome.pending else ()
        if waiting:
            voice.note(pending_line(waiting, voice))
        code = exit_code(outcome.report, self.fail_on)
        return Ended(line.id, outcome.status, code, str(path), tuple(outcome.pending))


async def resumable(missions: Missions) -> list[MissionLine]:
    """Missions nobody works on that can go on at once: left behind, or stopped at a terminal."""
    parked = await missions.list((MissionStatus.PARKED,), limit=None)
    return [*await missions.orphans(), *(line for line in parked if line.reason == PAUSED)]


def shown(
    report: MissionReport, voice: Voice, folder: Path, pending: Sequence[Approval], fail_on: Severity | None = None
) -> int:
    """Write a report's files, show it on stdout, and give the exit code. Files that fail do not hide the report."""
    refused: ReportNotWritten | None = None
    path: Path | None = None
    try:
        path = write_files(report, folder)
    except ReportNotWritten as error:
        refused = error
    if voice.json:
        ids = [approval.id for approval in pending]
        document = report.model_dump(mode="json") | {"pending": ids, "report_path": path and str(path)}
        voice.document(document | ({"error": refused.problem(voice.lang)} if refused else {}))
    elif not voice.jsonl:
        voice.data("\n".join(lines(report, voice, path)))
    if pending:
        voice.note(pending_line(pending, voice))
    if refused is not None:
        return told(Voice(lang=voice.lang, debug=voice.debug, err=voice.err), refused)
    return exit_code(report, fail_on)


def pending_line(pending: Sequence[Approval], voice: Voice) -> str:
    """What waits for a person, and the commands for it."""
    text = _PENDING_ONE if len(pending) == 1 else _PENDING
    return text.say(voice.lang, n=len(pending), first=pending[0].id, command=pending[0].command)


@asynccontextmanager
async def at_home_of(line: MissionLine, session: Session) -> AsyncIterator[Services]:
    """Services that see the templates of a mission's own workspace; those at hand when it is theirs, or gone."""
    workspace = Path(line.workspace)
    if workspace == session.workspace or not workspace.is_dir():
        yield session.services
        return
    with own_templates(workspace) as templates:
        async with open_services(workspace, templates=templates) as others:
            yield others


async def with_session(
    voice: Voice,
    workspace: Path,
    command: Callable[[Session], Awaitable[int]],
    *,
    recover: bool,
    out: Path | None = None,
    fail_on: str | None = None,
) -> int:
    """Open everything on ``workspace``, run a command, then finish what a dead process left behind."""
    async with open_services(workspace) as services:
        level = Severity(fail_on) if fail_on else None
        session = Session(services, voice, workspace.resolve(), out.absolute() if out else None, level)
        code = await command(session)
        if recover and code != INTERRUPTED:
            await session.recover()
        return code


async def home_of(ref: str) -> tuple[str, Path]:
    """A mission's id, and the folder to open services on for it: its own while that is there."""
    with open_records() as records:
        mission = await records.missions.get(ref)
    workspace = Path(mission.workspace)
    return mission.id, workspace if workspace.is_dir() else Path()


def person() -> str:
    """Who decides at this terminal."""
    try:
        return f"human:{getpass.getuser()}"
    except (KeyError, OSError):
        return "human:unknown"
