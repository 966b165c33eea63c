"""Confinement by the kernel: what a command can reach is decided by namespaces, not by its text.

With bubblewrap a command gets its own user, process, mount, network, IPC and host name spaces, an
otherwise empty file system (see :mod:`~nextgeneration.tools.shell.mounts`), no capabilities and a
cleared environment. Without it there is no confinement, and everything that asks says so.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from nextgeneration.kernel.clock import Clock, SystemClock
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.settings.environment import Environment
from nextgeneration.tools.shell import mounts, placeholders, reaper
from nextgeneration.tools.shell.errors import WorkspaceBusy

BUBBLEWRAP = "bubblewrap"
NONE = "none"

_KEPT_SECONDS = 5.0
"""How long an answer of the probe holds: short, so that a confinement taken away is noticed."""

_PROBE_SECONDS = 10.0
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")

_NO_PROGRAM = Texts("bubblewrap is not installed", "bubblewrap n'est pas installé")
_NOT_LINUX = Texts("there is none for this system", "il n'y en a pas pour ce système")
_REFUSED = Texts("bubblewrap does not work here ({detail})", "bubblewrap ne fonctionne pas ici ({detail})")
_IN_FORCE = Texts(
    "bubblewrap: system read-only, workspace writable except its control files, private home, no capabilities",
    "bubblewrap : système en lecture seule, espace de travail modifiable sauf ses fichiers de contrôle, "
    "dossier personnel privé, aucun privilège",
)
_NOTHING_IN_FORCE = Texts("no confinement", "aucun confinement")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one command may use: ``memory_mb`` and ``file_mb`` per process, twice the memory for all together."""

    seconds: float = 120.0
    memory_mb: int = 2048
    output_kb: int = 256
    processes: int = 512
    file_mb: int = 2048
    open_files: int = 4096
    temporary_mb: int = 1024


@dataclass(frozen=True, slots=True)
class Command:
    """What to run, and where.

    Attributes:
        argv: the program and its arguments.
        workspace: the resolved root, the only folder of the user's that is writable.
        cwd: a folder in it.
        scratch: the mission's private folder; the command's home is kept there from one command to the next.
        network: whether the network is granted.
        variables: environment variables besides the usual few.
        writable: further folders of ours, such as one for test results.
    """

    argv: Sequence[str]
    workspace: Path
    cwd: Path
    scratch: Path
    network: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)
    writable: tuple[Path, ...] = ()


@dataclass(slots=True)
class Launch:
    """A command made ready to start.

    Attributes:
        argv: what is really started.
        env: its environment; None for our own.
        cwd: where it is started.
        stdin: its standard input: the reading end of a life line, whose end ends everything.
        life: the other end, held by nobody but us, so that it closes even when we are killed.
        descriptors: other open descriptors it inherits.
        status: reading end of a pipe on which bubblewrap reports; None without one.
        mark: stands among the arguments of every process that may outlive the launcher, and of no other.
        tampered: afterwards, the control files that came into being in spite of everything.
    """

    argv: list[str]
    env: dict[str, str] | None
    cwd: Path
    stdin: int
    life: int | None
    descriptors: list[int] = field(default_factory=list)
    status: int | None = None
    mark: str = ""
    tampered: list[str] = field(default_factory=list)

    def started(self) -> None:
        """Close what only the started process needs."""
        for descriptor in (*self.descriptors, *([self.stdin] if self.stdin >= 0 else [])):
            os.close(descriptor)
        self.descriptors, self.stdin = [], -1

    def cut(self) -> None:
        """End every process, by closing the life line."""
        if self.life is not None:
            os.close(self.life)
            self.life = None

    def close_status(self) -> None:
        """Close the pipe of reports."""
        if self.status is not None:
            os.close(self.status)
            self.status = None

    def release(self) -> None:
        """All is cleaned up: whoever waits at the life line may go without doing anything."""
        if self.life is not None:
            with suppress(OSError):
                os.write(self.life, b"\n")
        self.cut()


class Confinement(Protocol):
    """One way to run commands."""

    @property
    def kind(self) -> str:
        """``bubblewrap`` or ``none``, as results and approvals say it."""
        ...

    def describe(self, lang: Lang) -> str:
        """What is in force, and when it is nothing, why."""
        ...

    def ready(self, command: Command, limits: Limits) -> AbstractAsyncContextManager[Launch]:
        """``command`` made ready to start; what that needed is undone at the end.

        Raises:
            WorkspaceBusy: the workspace could not be prepared.
        """
        ...


class Unconfined:
    """No confinement: a command runs as the user, its process tree still ended as a whole.

    Args:
        why: the reason there is none.
        environment: hand on the user's real environment; else only a few variables.
    """

    kind = NONE

    def __init__(self, why: str | Texts = "", *, inherit: bool = False) -> None:
        self._why = why
        self._inherit = inherit

    def describe(self, lang: Lang) -> str:
        """That nothing is in force, and why."""
        why = self._why.say(lang) if isinstance(self._why, Texts) else self._why
        return f"{_NOTHING_IN_FORCE.say(lang)}: {why}" if why else _NOTHING_IN_FORCE.say(lang)

    @asynccontextmanager
    async def ready(self, command: Command, limits: Limits) -> AsyncIterator[Launch]:
        """The command under the reaper."""
        home = _home(command.scratch)
        env = None if self._inherit else _variables(Environment.current(), str(home), command)
        argv = [sys.executable, "-I", reaper.__file__, str(limits.memory_mb), "0", *command.argv]
        launch = Launch(argv, env, command.cwd, *os.pipe())
        try:
            yield launch
        finally:
            launch.started()
            launch.cut()


class Bubblewrap:
    """Confinement by bubblewrap.

    Args:
        program: the resolved path of ``bwrap``.
        environment: the host's, for its ``PATH`` and toolchains; its values do not reach the command.
        by_descriptor: whether this bubblewrap can mount what an open descriptor shows.
    """

    kind = BUBBLEWRAP

    def __init__(self, program: str, environment: Environment, *, by_descriptor: bool) -> None:
        self._program = program
        self._environment = environment
        self._by_descriptor = by_descriptor

    def describe(self, lang: Lang) -> str:
        """What bubblewrap enforces."""
        return _IN_FORCE.say(lang)

    @asynccontextmanager
    async def ready(self, command: Command, limits: Limits) -> AsyncIterator[Launch]:
        """The command in a sandbox, with absent control files kept from coming into being meanwhile."""
        root, home = command.workspace, self._environment.home
        before = await asyncio.to_thread(mounts.controls, root, home)
        launch: Launch | None = None
        try:
            with placeholders.swept(str(root), before.absent):
                launch = self._launch(command, limits, before)
                try:
                    yield launch
                finally:
                    launch.started()
                    if launch.life is None:
                        placeholders.end_marked(launch.mark)
        except OSError as error:
            raise WorkspaceBusy(detail=error.strerror or str(error)) from error
        finally:
            if launch is not None:
                launch.release()
                launch.close_status()
        launch.tampered = before.made_since(await asyncio.to_thread(mounts.controls, root, home))

    def _launch(self, command: Command, limits: Limits, found: mounts.Controls) -> Launch:
        shown = mounts.WorkspaceMounts(command.workspace, found, by_descriptor=self._by_descriptor)
        status, reports = os.pipe()
        reports = mounts.lifted(reports)
        home = _home(command.scratch)
        toolchains = mounts.toolchains(self._environment)
        mark = secrets.token_hex(16)
        argv = [
            self._program,
            *_NAMESPACES,
            *(["--share-net"] if command.network else []),
            *mounts.system_mounts(toolchains, mounts.copied_etc(command.scratch)),
            *_private_folders(limits),
            *("--bind", str(home), mounts.HOME),
            *shown.args,
            *(part for path in command.writable for part in ("--bind", str(path), str(path))),
            *("--remount-ro", "/", "--remount-ro", "/dev"),
            *self._settings(command, toolchains),
            *(
                "--json-status-fd",
                str(reports),
                "--",
                "/bin/sh",
                "-c",
                _INNER,
                "sh",
                _namespace(),
                str(limits.processes),
                mark,
            ),
            *command.argv,
        ]
        cleaner = [sys.executable, "-I", "-S", placeholders.__file__]
        outer = _OUTER.format(
            data=limits.memory_mb * 1024,
            file=limits.file_mb * 2048,
            open=limits.open_files,
            workspace=shlex.quote(str(command.workspace)),
            names=shlex.join(found.absent) or "''",
            cleaner=shlex.join(cleaner),
            mark=mark,
        )
        env = {"PATH": os.defpath, "LANG": "C.UTF-8"}
        descriptors = [*shown.descriptors, reports]
        return Launch(["/bin/sh", "-c", outer, "sh", *argv], env, Path("/"), *os.pipe(), descriptors, status, mark)

    def _settings(self, command: Command, toolchains: list[Path]) -> list[str]:
        variables = _variables(self._environment, mounts.HOME, command)
        variables["PATH"] = mounts.search_path(self._environment, toolchains)
        args = ["--clearenv"]
        for name, value in variables.items():
            args += ["--setenv", name, value]
        return [*args, "--chdir", str(command.cwd)]


_NAMESPACES = (
    *("--unshare-user", "--unshare-all", "--disable-userns", "--hostname", "sandbox"),
    *("--die-with-parent", "--new-session", "--cap-drop", "ALL"),
)

# The life line is the shell's standard input, and the watcher waits at it. A line on it says that all
# is cleaned up. When it closes without one, we were killed or want the end: the watcher kills
# bubblewrap, and with it goes everything in its process namespace. Not so while the namespace is being
# set up: its first process has left the group and the session before it binds its life to its parent's,
# so the watcher looks for it by its mark. `$$` is the shell that became
# bubblewrap, also in the watcher. Placeholders are made once the watcher is there. The command runs
# in the foreground: what a shell puts in the background ignores interrupts.
_OUTER = """\
ulimit -c 0; ulimit -d {data}; ulimit -f {file}; ulimit -n {open}
exec 9<&0 </dev/null
{{ read -r _ && exit; kill -KILL $$; exec {cleaner} $$ {mark} {workspace} {names}; }} <&9 9<&- >/dev/null 2>&1 &
exec 9<&-
cd {workspace} && mkdir -m 1555 -- {names} 2>/dev/null
exec "$@"
"""

# A bubblewrap that did not separate this shell from us confines nothing, whatever it answers.
_SEPARATE = """\
[ "$(readlink /proc/self/ns/pid)" != "$1" ] || { echo 'bubblewrap gave no confinement' >&2; exit 125; }
shift
"""

# The number of processes is counted per user namespace, so it can only be set inside. (`-u` is
# bash's name for it, `-p` dash's.)
_INNER = f"""\
{_SEPARATE}n=$1; shift 2
{{ ulimit -u "$n" || ulimit -p "$n"; }} 2>/dev/null
exec "$@"
"""


def _namespace() -> str:
    """The process namespace we are in."""
    return str(Path("/proc/self/ns/pid").readlink())


def _private_folders(limits: Limits) -> list[str]:
    size = str(limits.temporary_mb << 20)
    args = ["--proc", "/proc", "--dev", "/dev"]
    for folder in ("/tmp", "/var/tmp", "/dev/shm", "/run"):  # noqa: S108 - inside the sandbox
        args += ["--size", size, "--tmpfs", folder]
    return args


def _home(scratch: Path) -> Path:
    home = scratch / "home"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    return home


def _variables(environment: Environment, home: str, command: Command) -> dict[str, str]:
    """The environment of a command that does not get the user's own."""
    variables = {
        "HOME": home,
        "PATH": environment.get("PATH", os.defpath),
        "USER": "agent",
        "LOGNAME": "agent",
        "SHELL": "/bin/sh",
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "NO_COLOR": "1",
        "TMPDIR": "/tmp",  # noqa: S108 - private inside the sandbox
        "PYENV_ROOT": str(environment.home / ".pyenv"),
        "RUSTUP_HOME": str(environment.home / ".rustup"),
        **environment.chosen(["TZ"]),
        **command.variables,
    }
    if command.network:
        # A proxy's address may hold a password; such a one is not handed on.
        proxies = environment.chosen(_PROXIES)
        variables |= {name: value for name, value in proxies.items() if "@" not in value}
    return {name: value for name, value in variables.items() if value}


class Containment:
    """Finds out, by trying, which confinement there is, and remembers what was last told to people.

    Args:
        environment: the host's.
        clock: for how long an answer holds.
    """

    def __init__(self, environment: Environment, clock: Clock | None = None) -> None:
        self._environment = environment
        self._clock = clock or SystemClock()
        self._found: Confinement | None = None
        self._found_at = 0.0

    def current(self) -> Confinement:
        """The strongest confinement that works; the system is asked again after five seconds.

        Within these a confinement that vanished makes the command fail to start: nothing falls back.
        """
        now = self._clock.monotonic()
        if self._found is None or now - self._found_at > _KEPT_SECONDS:
            self._found = self._try()
            self._found_at = now
        return self._found

    def _try(self) -> Confinement:
        if sys.platform != "linux":
            return Unconfined(_NOT_LINUX)
        program = self._environment.program("bwrap")
        if program is None:
            return Unconfined(_NO_PROGRAM)
        detail = ""
        for by_descriptor in (True, False):
            detail = self._trial(program, by_descriptor)
            if not detail:
                return Bubblewrap(program, self._environment, by_descriptor=by_descriptor)
        return Unconfined(Texts(_REFUSED.en.format(detail=detail), _REFUSED.fr.format(detail=detail)))

    def _trial(self, program: str, by_descriptor: bool) -> str:
        """Run nothing in a sandbox like the real ones; what went wrong, or nothing."""
        usr = os.open("/usr", os.O_PATH)
        try:
            argv = [
                program,
                *_NAMESPACES,
                *mounts.system_mounts((), None),
                *_private_folders(Limits(temporary_mb=1)),
                *(["--ro-bind-fd", str(usr), "/usr"] if by_descriptor else []),
                *("--remount-ro", "/", "--", "/bin/sh", "-c", _SEPARATE, "sh", _namespace()),
            ]
            tried = subprocess.run(
                argv,
                capture_output=True,
                timeout=_PROBE_SECONDS,
                check=False,
                pass_fds=(usr,),
                stdin=subprocess.DEVNULL,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        finally:
            os.close(usr)
        message = tried.stderr.decode("utf-8", "replace").strip()[:200]
        return "" if tried.returncode == 0 else message or f"exit {tried.returncode}"
