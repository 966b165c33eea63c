"""The machine as these tools see it: files below a root, programs on ``PATH``, each read bounded."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nextgeneration.settings.environment import Environment

READ_LIMIT = 65_536
RUN_SECONDS = 5.0
_HANDED_ON = ("HOME", "USER", "LOGNAME", "USERPROFILE", "SYSTEMROOT", "DOCKER_CONFIG", "XDG_RUNTIME_DIR")


@dataclass(frozen=True, slots=True)
class Ran:
    """What a program answered. ``code`` is ``None`` when it did not start or was ended by us."""

    code: int | None
    output: str

    @property
    def ok(self) -> bool:
        """Whether it ended by itself with exit code 0."""
        return self.code == 0

    @property
    def lines(self) -> list[str]:
        """The non-empty lines of its output, stripped."""
        return [line.strip() for line in self.output.splitlines() if line.strip()]


class Host:
    """Read-only access to a machine.

    Args:
        environment: the user's environment.
        root: where absolute paths of the system start; another folder than ``/`` in tests.
    """

    def __init__(self, environment: Environment, root: Path = Path("/")) -> None:
        self.environment = environment
        self.root = root

    @property
    def is_root(self) -> bool:
        """Whether this process may do everything; always false where the system has no such user."""
        return hasattr(os, "geteuid") and os.geteuid() == 0

    @property
    def user(self) -> str:
        """The name of the user, or their number where the system knows no name."""
        try:
            return getpass.getuser()
        except (KeyError, OSError, ImportError):
            return str(os.getuid()) if hasattr(os, "getuid") else ""

    def at(self, path: str) -> Path:
        """The place of the absolute ``path`` below the root."""
        return self.root / path.lstrip("/")

    def read(self, path: str) -> str:
        """The start of a system file, stripped; empty when it cannot be read."""
        try:
            with self.at(path).open("rb") as file:
                return file.read(READ_LIMIT).decode("utf-8", "replace").strip()
        except OSError:
            return ""

    def program(self, name: str, avoid: Path | None = None) -> str | None:
        """Where ``PATH`` has an executable ``name``.

        Relative entries and entries inside ``avoid`` are passed over: what a workspace brings along
        is never run as a fixed helper of ours.
        """
        for entry in self.environment.path:
            folder = Path(entry)
            if not folder.is_absolute() or (avoid is not None and _inside(folder, avoid)):
                continue
            candidate = folder / name
            if is_executable(candidate):
                return str(candidate)
        return None

    async def run(
        self, argv: Sequence[str], *, avoid: Path | None = None, seconds: float = RUN_SECONDS, limit: int = READ_LIMIT
    ) -> Ran:
        """Run a fixed helper found by :meth:`program`, in a bare environment and the C locale."""
        program = self.program(argv[0], avoid)
        if program is None:
            return Ran(None, "")
        path = ":".join(entry for entry in self.environment.path if Path(entry).is_absolute())
        variables = {**self.environment.chosen(_HANDED_ON), "PATH": path, "LC_ALL": "C"}
        return await run_bounded([program, *argv[1:]], variables, self.root, seconds=seconds, limit=limit)


def _inside(folder: Path, workspace: Path) -> bool:
    return folder.resolve().is_relative_to(workspace.resolve())


def is_executable(path: Path) -> bool:
    """Whether ``path`` is a regular file (links followed) that this user may execute."""
    try:
        return path.is_file() and os.access(path, os.X_OK)
    except OSError:
        return False


async def run_bounded(
    argv: Sequence[str], variables: Mapping[str, str], folder: Path, *, seconds: float, limit: int
) -> Ran:
    """Run ``argv`` in a session of its own; its whole group is ended after ``seconds``.

    Standard input is empty; output and errors are read together, up to ``limit`` bytes.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=dict(variables),
            cwd=folder,
            start_new_session=True,
        )
    except OSError as error:
        return Ran(None, str(error))
    if process.stdout is None:  # pragma: no cover
        return Ran(None, "")
    output = bytearray()
    code: int | None = None
    try:
        async with asyncio.timeout(seconds):
            while chunk := await process.stdout.read(8192):
                output += chunk
                if len(output) >= limit:
                    break
            else:
                code = await process.wait()
    except TimeoutError:
        # The program itself may have ended while a grandchild of it holds the pipe.
        code = process.returncode
    finally:
        await asyncio.shield(_end(process))
    return Ran(code, bytes(output[:limit]).decode("utf-8", "replace"))


async def _end(process: asyncio.subprocess.Process) -> None:
    """End what is left of the group, then take what is in the pipe so that it closes."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:  # pragma: no cover
            process.kill()
    if process.stdout is not None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                while await process.stdout.read(65_536):
                    pass
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), 1)
