"""One process tree from its start to its certain end, whatever happens to the caller meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import psutil

from nextgeneration.kernel.clock import Clock
from nextgeneration.tools.shell.containment import Command, Confinement, Launch, Limits
from nextgeneration.tools.shell.errors import ContainmentFailed
from nextgeneration.tools.shell.output import Kept, Progress

_WATCH_SECONDS = 0.5
_END_SECONDS = 1.0
_CHUNK = 65_536

TIME = "time"
MEMORY = "memory"
PROCESSES = "processes"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended.

    Attributes:
        confinement: which one was in force.
        exit_code: the command's; 128 and the signal's number when a signal ended it.
        stdout: standard output, beginning and end.
        stderr: standard error, beginning and end.
        seconds: wall clock.
        truncated: whether output was left out.
        ended: the limit that ended it: ``time``, ``memory``, ``processes``; empty when it ended itself.
        tampered: control files that came into being below the top of the workspace.
    """

    confinement: str
    exit_code: int
    stdout: str
    stderr: str
    seconds: float
    truncated: bool
    ended: str
    tampered: tuple[str, ...]


async def run(
    confinement: Confinement, command: Command, limits: Limits, *, clock: Clock, emit: Callable[[str], None]
) -> Outcome:
    """Run ``command`` to its end. When this returns or is cancelled, no process of it is alive.

    Raises:
        ContainmentFailed: the confinement could not be set up; the command did not start.
        WorkspaceBusy: the workspace could not be prepared.
    """
    started = clock.monotonic()
    output, errors = Kept(limits.output_kb * 1024), Kept(limits.output_kb * 1024)
    async with confinement.ready(command, limits) as launch:
        process = await _start(launch)
        tree = _Tree(process, launch, limits)
        try:
            readers = [
                asyncio.create_task(_read(process.stdout, output, Progress(emit))),
                asyncio.create_task(_read(process.stderr, errors, Progress(emit))),
            ]
            try:
                await tree.finished()
                await asyncio.wait(readers, timeout=_END_SECONDS)
            finally:
                for reader in readers:
                    reader.cancel()
        finally:
            await asyncio.shield(tree.end())
        exit_code = tree.exit_code()
    if exit_code is None:
        raise ContainmentFailed(detail=errors.text().strip()[:300] or "no reason given")
    return Outcome(
        confinement=confinement.kind,
        exit_code=exit_code,
        stdout=output.text(),
        stderr=errors.text(),
        seconds=round(clock.monotonic() - started, 3),
        truncated=bool(output.omitted or errors.omitted),
        ended=tree.ended,
        tampered=tuple(launch.tampered),
    )


async def _start(launch: Launch) -> Process:
    try:
        return await asyncio.create_subprocess_exec(
            *launch.argv,
            stdin=launch.stdin,
            stdout=PIPE,
            stderr=PIPE,
            env=launch.env,
            cwd=launch.cwd,
            pass_fds=tuple(launch.descriptors),
            start_new_session=True,
        )
    except OSError as error:
        raise ContainmentFailed(detail=error.strerror or str(error)) from None
    except asyncio.CancelledError:
        launch.cut()  # it may have started already
        raise
    finally:
        launch.started()


async def _read(stream: asyncio.StreamReader | None, kept: Kept, progress: Progress) -> None:
    while stream and (chunk := await stream.read(_CHUNK)):
        kept.add(chunk)
        progress.add(chunk)
    progress.end()


class _Tree:
    """The processes of one command: watched while they run, and ended together."""

    def __init__(self, process: Process, launch: Launch, limits: Limits) -> None:
        self._process = process
        self._launch = launch
        self._limits = limits
        self._reports = b""
        self.ended = ""

    async def finished(self) -> None:
        """Wait for the command's own end, or end it when it passes a limit."""
        watch = asyncio.create_task(self._watch())
        try:
            async with asyncio.timeout(self._limits.seconds):
                await self._process.wait()
        except TimeoutError:
            self.ended = self.ended or TIME
            await self.end()
        finally:
            watch.cancel()

    async def _watch(self) -> None:
        """End the tree when all its processes together are too many or hold too much memory, or its launcher is gone.

        The launcher may have been killed by somebody else, and what it started hold its output open.
        """
        while not self.ended and self._process.returncode is None:
            await asyncio.sleep(_WATCH_SECONDS)
            processes, memory = await asyncio.to_thread(_use, self._process.pid)
            if memory > self._limits.memory_mb << 21:
                self.ended = MEMORY
            elif processes > self._limits.processes:
                self.ended = PROCESSES
        await self.end()

    async def end(self) -> None:
        """End every process of the tree; nothing to do when it has ended by itself."""
        if self._process.returncode is not None:
            if self._process.returncode < 0:
                self._launch.cut()
            self._take_reports()
            return
        self._launch.cut()
        with suppress(TimeoutError):
            async with asyncio.timeout(_END_SECONDS):
                await self._process.wait()
        if self._process.returncode is None:
            await self._kill()
        self._take_reports()

    async def _kill(self) -> None:
        """For a launcher that does not end by its life line, such as a stopped one."""
        self._take_reports()
        pids = [self._process.pid, *(report["child-pid"] for report in self._parsed() if "child-pid" in report)]
        with suppress(psutil.Error):
            pids += [child.pid for child in psutil.Process(self._process.pid).children(recursive=True)]
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
        await self._process.wait()

    def exit_code(self) -> int | None:
        """The command's exit code; None when its confinement could not be set up."""
        code = self._process.returncode or 0
        code = code if code >= 0 else 128 - code
        if self._launch.status is None or self.ended:
            return code or (128 + 9 if self.ended else 0)
        return next((int(report["exit-code"]) for report in self._parsed() if "exit-code" in report), None)

    def _take_reports(self) -> None:
        if self._launch.status is not None:
            os.set_blocking(self._launch.status, False)
            with suppress(BlockingIOError):
                while chunk := os.read(self._launch.status, _CHUNK):
                    self._reports += chunk

    def _parsed(self) -> list[dict[str, int]]:
        found = []
        for line in self._reports.splitlines():
            with suppress(ValueError):
                found.append(json.loads(line))
        return found


def _use(pid: int) -> tuple[int, int]:
    """Number of processes below ``pid``, and the bytes they hold together, shared libraries left out."""
    memory, processes = 0, 0
    with suppress(psutil.Error):
        for child in psutil.Process(pid).children(recursive=True):
            processes += 1
            with suppress(psutil.Error):
                held = child.memory_info()
                memory += held.rss - getattr(held, "shared", 0)
    return processes, memory
