"""What a confined command can reach, and that nothing of it outlives its caller (A10, F13, promise 13)."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from nextgeneration.kernel.clock import SystemClock
from nextgeneration.settings.environment import Environment
from nextgeneration.tools.shell import mounts, placeholders, process
from nextgeneration.tools.shell.containment import Bubblewrap, Command, Confinement, Containment, Limits, Unconfined
from nextgeneration.tools.shell.errors import ContainmentFailed
from nextgeneration.tools.shell.process import Outcome

pytestmark = [pytest.mark.bubblewrap, pytest.mark.skipif(sys.platform != "linux", reason="Linux only")]


@pytest.fixture(scope="module")
def confinement() -> Confinement:
    found = Containment(Environment.current()).current()
    if found.kind != "bubblewrap":
        message = f"not run: {found.describe('en')}; `apt install bubblewrap` installs it"
        pytest.fail(message) if Environment.current().get("CI") == "true" else pytest.skip(message)
    return found


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    root = tmp_path / "work"
    root.mkdir()
    (root / "file.txt").write_text("inside\n")
    (tmp_path / "canary.txt").write_text("canary\n")
    return root


async def shell(confinement: Confinement, root: Path, line: str, **limits: float) -> Outcome:
    scratch = root.parent / "scratch"
    scratch.mkdir(exist_ok=True, mode=0o700)
    command = Command(["bash", "--noprofile", "--norc", "-c", line], root, root, scratch)
    settings = {"seconds": 20, **limits}
    return await process.run(
        confinement,
        command,
        Limits(**settings),
        clock=SystemClock(),
        emit=lambda text: None,  # type: ignore[arg-type]
    )


def alive(marker: str) -> list[int]:
    """Processes with ``marker`` in their arguments that are not merely waiting to be collected."""
    found = []
    for other in psutil.process_iter(["pid", "cmdline", "status"]):
        if marker in " ".join(other.info["cmdline"] or []) and other.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(other.info["pid"])
    return [pid for pid in found if pid != os.getpid()]


async def gone(marker: str, seconds: float = 30.0) -> bool:
    until = time.monotonic() + seconds
    while alive(marker) and time.monotonic() < until:
        await asyncio.sleep(0.02)
    return not alive(marker)


async def test_the_workspace_is_writable_and_the_rest_is_not(confinement: Confinement, workspace: Path) -> None:
    outcome = await shell(
        confinement,
        workspace,
        f"echo more >> file.txt && mkdir made && echo home > ~/kept && echo tmp > /tmp/x || exit 9\n"
        f"cat {workspace.parent}/canary.txt; echo x > {workspace.parent}/canary.txt\n"
        "rm -rf /usr/share/doc; touch /x /etc/x\n"
        f"cat /etc/shadow; ls /root/.ssh /home/*/.ssh",
    )
    assert outcome.exit_code != 9
    assert (workspace / "file.txt").read_text() == "inside\nmore\n"
    assert (workspace.parent / "canary.txt").read_text() == "canary\n"
    assert "canary" not in outcome.stdout
    again = await shell(confinement, workspace, "cat ~/kept; cat /tmp/x")
    assert again.stdout == "home\n", "HOME stays between commands, /tmp does not"


async def test_no_network_unless_granted(confinement: Confinement, workspace: Path) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        line = f"exec 3<>/dev/tcp/127.0.0.1/{server.getsockname()[1]} && echo reached"
        assert "reached" not in (await shell(confinement, workspace, line)).stdout
        scratch = workspace.parent / "scratch"
        command = Command(["bash", "-c", line], workspace, workspace, scratch, network=True)
        granted = await process.run(confinement, command, Limits(), clock=SystemClock(), emit=lambda text: None)
        assert "reached" in granted.stdout


async def test_environment_descriptors_privileges_and_namespaces_are_closed(
    confinement: Confinement, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NG_TEST_SECRET", "hunter2")
    outcome = await shell(
        confinement,
        workspace,
        "env; echo; cd /proc/self/fd && echo *; grep CapEff /proc/self/status; unshare -U true && echo nested; ps -e",
    )
    variables, _, rest = outcome.stdout.partition("\n\n")
    assert "hunter2" not in variables
    assert rest.splitlines()[0].split()[:3] == ["0", "1", "2"]
    assert "CapEff:\t0000000000000000" in rest
    assert "nested" not in rest


async def test_no_descriptor_of_the_world_outside_the_mounts_is_inherited(
    confinement: Confinement, workspace: Path
) -> None:
    """Nested control folders are mounted by descriptor; one of those left open would be a way around."""
    (workspace / "sub" / ".git" / "hooks").mkdir(parents=True)
    line = "for fd in /proc/self/fd/*; do readlink $fd; echo x > $fd/evil; echo x > $fd/hooks/evil; done; echo end"
    outcome = await shell(confinement, workspace, line)
    assert outcome.stdout.endswith("end\n")
    assert str(workspace) not in outcome.stdout
    assert not list(workspace.rglob("evil"))


CONTROL = [
    ".git/hooks/pre-commit", ".git/config", ".nextgen/settings.json", ".env", ".mcp.json", ".vscode/tasks.json",
    ".claude/settings.json", ".cursor/mcp.json", ".bashrc", ".profile", ".zshrc", ".envrc", ".gitmodules",
    ".husky/pre-commit", ".npmrc", ".windsurf/mcp_config.json",
]  # fmt: skip


@pytest.mark.parametrize("there", [False, True], ids=["absent", "present"])
async def test_control_files_cannot_be_made_or_changed(confinement: Confinement, workspace: Path, there: bool) -> None:
    if there:
        for name in CONTROL:
            (workspace / name).parent.mkdir(parents=True, exist_ok=True)
            (workspace / name).write_text("original\n")
    before = {path: path.read_bytes() for path in sorted(workspace.rglob("*")) if path.is_file()}
    listed = sorted(path.name for path in workspace.iterdir())
    tops = " ".join(sorted({name.split("/")[0] for name in CONTROL}))
    attempts = "\n".join(
        f"mkdir -p $(dirname {name}); echo evil > {name}; cp file.txt {name}; ln -sf /tmp/x {name}; mv file.txt {name}"
        for name in CONTROL
    )
    outcome = await shell(
        confinement,
        workspace,
        f"{attempts}\nchmod -R 777 {tops}; rm -rf {tops}\n"
        f"for t in {tops}; do mv $t moved-$t; rmdir $t; ln -s /tmp $t; done\n"
        "mkdir -p evil/hooks; mv evil .git; git init -q; echo evil > HEAD; mkdir objects refs; echo done",
    )
    assert outcome.stdout.endswith("done\n")
    for path, content in before.items():
        if path.name != "file.txt":
            assert path.read_bytes() == content, path
    for name in CONTROL:
        assert (workspace / name).exists() == there, name
    if not there:
        assert not any((workspace / name.split("/")[0]).exists() for name in CONTROL)
        assert not (workspace / "HEAD").is_file(), "the folder itself was not made a repository"
    assert set(listed) <= {path.name for path in workspace.iterdir()} | {"file.txt"}


async def test_git_works_for_reading_and_sees_no_placeholder(confinement: Confinement, workspace: Path) -> None:
    subprocess.run(
        "git init -q . && git add . && git -c user.name=x -c user.email=x@x commit -qm x", shell=True, cwd=workspace
    )
    outcome = await shell(confinement, workspace, "git log --oneline | wc -l; git status --short; git diff --stat")
    assert outcome.stdout.strip() == "1"
    assert outcome.stderr == ""


async def test_control_files_further_down_are_protected_too_and_new_ones_reported(
    confinement: Confinement, workspace: Path
) -> None:
    nested = workspace / "packages" / "api"
    (nested / ".git" / "hooks").mkdir(parents=True)
    (nested / ".env").write_text("A=1\n")
    line = "cd packages; echo x > api/.env; echo x > api/.git/hooks/pre-push; mv api other; cd ..; mv packages p2\n"
    line += "mkdir -p new/.git/hooks"
    outcome = await shell(confinement, workspace, line)
    assert (nested / ".env").read_text() == "A=1\n"
    assert list((nested / ".git" / "hooks").iterdir()) == []
    assert outcome.tampered == ("new/.git",)
    (workspace / ".vscode").symlink_to("elsewhere")
    outcome = await shell(confinement, workspace, "rm .vscode; mkdir .vscode; echo x > .vscode/tasks.json")
    assert ".vscode" in outcome.tampered, "a link cannot be guarded by a mount, so it is watched"


async def test_secrets_of_a_home_folder_are_hidden(workspace: Path) -> None:
    (workspace / ".ssh").mkdir()
    (workspace / ".ssh" / "id_rsa").write_text("private key\n")
    environment = Environment(variables=dict(os.environ), home=workspace)
    found = Containment(environment).current()
    if found.kind == "none":
        pytest.skip("no bubblewrap")
    outcome = await shell(
        found, workspace, "cat .ssh/id_rsa; echo evil > .ssh/authorized_keys; echo x > .config/fish; echo x > .zlogin"
    )
    assert "private key" not in outcome.stdout
    assert [path.name for path in (workspace / ".ssh").iterdir()] == ["id_rsa"]
    assert not (workspace / ".zlogin").exists()
    assert not (workspace / ".config").exists()


@pytest.mark.slow
async def test_limits_end_what_uses_too_much(confinement: Confinement, workspace: Path) -> None:
    python = f"{sys.base_prefix}/bin/python3"
    hungry = await shell(confinement, workspace, f"{python} -c 'a = bytearray(900 << 20)'", memory_mb=300)
    assert "MemoryError" in hungry.stderr
    assert hungry.exit_code == 1
    one = f"({python} -c 'import time; a = bytes(range(256)) * (60 << 12); time.sleep(30)' &)"
    many = f"for i in 1 2 3 4 5; do {one} ; done; sleep 30"
    together = await shell(confinement, workspace, many, memory_mb=100, seconds=25)
    assert (together.ended, together.exit_code) == ("memory", 137)
    large = await shell(confinement, workspace, "head -c 9000000 /dev/zero > big", file_mb=1)
    assert (workspace / "big").stat().st_size <= 1 << 20
    assert large.exit_code != 0


@pytest.mark.soak
async def test_a_fork_bomb_is_ended(confinement: Confinement, workspace: Path) -> None:
    """A user's is stopped by the limit inside; root's, which has none, by the watch outside.

    Root's makes thousands of processes first, which would disturb every other test of the run.
    """
    line = "b() { b | b & wait; }; b 2>/dev/null; sleep 984.75"
    outcome = await shell(confinement, workspace, line, processes=100, seconds=5)
    assert outcome.ended
    assert await gone("984.75")


async def test_time_is_up_for_grandchildren_too(confinement: Confinement, workspace: Path) -> None:
    started = time.monotonic()
    line = "trap '' TERM HUP INT; (setsid sleep 987.125 &) ; nohup sleep 987.125 & sleep 987.125"
    outcome = await shell(confinement, workspace, line, seconds=0.5)
    assert outcome.ended == "time"
    assert time.monotonic() - started < 4
    assert await gone("987.125")


@pytest.fixture(params=["bubblewrap", "none"])
def either(request: pytest.FixtureRequest) -> Confinement:
    if request.param == "none":
        return Unconfined()
    return request.getfixturevalue("confinement")  # type: ignore[no-any-return]


async def test_cancelling_ends_the_whole_tree(either: Confinement, workspace: Path) -> None:
    line = "trap '' TERM; (setsid bash -c 'trap \"\" TERM; sleep 986.25; sleep 986.25' &); touch ready; sleep 986.25"
    running = asyncio.create_task(shell(either, workspace, line))
    while not (workspace / "ready").exists():
        await asyncio.sleep(0.02)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await gone("986.25")
    assert sorted(path.name for path in workspace.iterdir()) == ["file.txt", "ready"]


DRIVER = """
import asyncio, sys
from pathlib import Path
from nextgeneration.kernel.clock import SystemClock
from nextgeneration.settings.environment import Environment
from nextgeneration.tools.shell import process
from nextgeneration.tools.shell.containment import Bubblewrap, Command, Containment, Limits, Unconfined
root = Path(sys.argv[1])
environment = Environment.current()
found = {"none": Unconfined, "bubblewrap": Containment(environment).current}.get(
    sys.argv[2], lambda: Bubblewrap(sys.argv[2], environment, by_descriptor=False)
)()
line = "trap '' TERM; (setsid bash -c 'trap \\"\\" TERM; sleep 985.5; sleep 985.5' &); touch ready; sleep 985.5"
command = Command(["bash", "-c", line], root, root, root.parent / "scratch")
asyncio.run(process.run(found, command, Limits(), clock=SystemClock(), emit=print))
"""


async def test_kill_9_of_our_process_leaves_no_process_and_no_file(either: Confinement, workspace: Path) -> None:
    """F13: nothing of the tool stays alive, and the placeholders are gone."""
    (workspace.parent / "scratch").mkdir()
    ours = subprocess.Popen([sys.executable, "-c", DRIVER, str(workspace), either.kind])
    while not (workspace / "ready").exists():
        await asyncio.sleep(0.02)
    ours.send_signal(signal.SIGKILL)
    ours.wait()
    assert await gone("985.5")

    def left() -> list[str]:
        return sorted(path.name for path in workspace.iterdir())

    until = time.monotonic() + 30
    while left() != ["file.txt", "ready"] and time.monotonic() < until:
        await asyncio.sleep(0.02)
    assert left() == ["file.txt", "ready"]


BEING_SET_UP = """
import os, sys, time
if os.fork():
    open("ready", "w").close()
    time.sleep(984.125)
os.setsid()
time.sleep(984.125)
"""
"""What bubblewrap is for a moment: its first process is in a session of its own, and not yet bound to its parent."""


@pytest.fixture
def being_set_up(tmp_path: Path) -> Bubblewrap:
    program = tmp_path / "bwrap"
    program.write_text(f"#!{sys.executable}\n{BEING_SET_UP}")
    program.chmod(0o755)
    return Bubblewrap(str(program), Environment.current(), by_descriptor=False)


@pytest.mark.parametrize("end", ["time", "cancelled", "its launcher was killed"])
async def test_what_is_ended_while_it_is_set_up_is_ended_whole(
    being_set_up: Bubblewrap, workspace: Path, end: str
) -> None:
    running = asyncio.create_task(shell(being_set_up, workspace, "sleep 984.125", seconds=1 if end == "time" else 60))
    while not (workspace / "ready").exists():
        await asyncio.sleep(0.02)
    if end == "cancelled":
        running.cancel()
    elif end != "time":
        launcher = next(pid for pid in alive("984.125") if psutil.Process(pid).ppid() == os.getpid())
        os.kill(launcher, signal.SIGKILL)
    await asyncio.wait([running])
    if end == "time":
        assert running.result().ended == "time"
    elif end == "cancelled":
        assert running.cancelled()
    else:
        assert isinstance(running.exception(), ContainmentFailed)
    assert not alive("984.125")


async def test_kill_9_while_a_sandbox_is_set_up_ends_it_whole(being_set_up: Bubblewrap, workspace: Path) -> None:
    (workspace.parent / "scratch").mkdir()
    program = str(workspace.parent / "bwrap")
    ours = subprocess.Popen([sys.executable, "-c", DRIVER, str(workspace), program])
    while not (workspace / "ready").exists():
        await asyncio.sleep(0.02)
    ours.kill()
    ours.wait()
    assert await gone("985.5")


STRIKER = """
import asyncio, os, signal, sys, time
from pathlib import Path
from nextgeneration.kernel.clock import SystemClock
from nextgeneration.settings.environment import Environment
from nextgeneration.tools.shell import process
from nextgeneration.tools.shell.containment import Command, Containment, Limits
root = Path(sys.argv[1])
found = Containment(Environment.current()).current()
command = Command(["sleep", "983.375"], root, root, root.parent / "scratch")
for number in range(40):
    ours = os.fork()
    if ours == 0:
        asyncio.run(process.run(found, command, Limits(), clock=SystemClock(), emit=print))
    time.sleep(0.005 + number * 0.002)
    os.kill(ours, signal.SIGKILL)
    os.waitpid(ours, 0)
"""


async def test_kill_9_in_the_instants_in_which_a_sandbox_is_set_up(confinement: Confinement, workspace: Path) -> None:
    """Without an interpreter to start each time, so that most kills fall into the set-up."""
    (workspace.parent / "scratch").mkdir()
    subprocess.run([sys.executable, "-c", STRIKER, str(workspace)], check=True, stderr=subprocess.DEVNULL, timeout=120)
    assert await gone("983.375")


@pytest.mark.slow
async def test_kill_9_at_any_moment_leaves_nothing(confinement: Confinement, workspace: Path) -> None:
    (workspace.parent / "scratch").mkdir()
    for number in range(12):
        (workspace / "ready").unlink(missing_ok=True)
        ours = subprocess.Popen([sys.executable, "-c", DRIVER, str(workspace), "bubblewrap"], stderr=subprocess.DEVNULL)
        await asyncio.sleep(0.2 + number * 0.03)
        ours.kill()
        ours.wait()
    assert await gone("985.5")
    until = time.monotonic() + 30
    while (
        any(placeholders.is_placeholder(None, str(path)) for path in workspace.iterdir()) and time.monotonic() < until
    ):
        await asyncio.sleep(0.02)
    assert {path.name for path in workspace.iterdir()} <= {"file.txt", "ready"}


async def test_what_a_power_loss_leaves_is_removed_by_the_next_command(
    confinement: Confinement, workspace: Path
) -> None:
    for name in (".env", ".vscode"):
        (workspace / name).mkdir(mode=placeholders.MODE)
    (workspace / ".idea").mkdir()
    await shell(confinement, workspace, "true")
    assert sorted(path.name for path in workspace.iterdir()) == [".idea", "file.txt"]


async def test_commands_sharing_a_workspace_protect_each_other(confinement: Confinement, workspace: Path) -> None:
    """The first to end must not take the placeholders away from under the other."""
    line = "sleep {0}; echo evil > .env; mkdir .vscode && echo x > .vscode/tasks.json; true"
    async with asyncio.TaskGroup() as group:
        for seconds in (0.05, 0.6, 0.3):
            group.create_task(shell(confinement, workspace, line.format(seconds)))
    assert sorted(path.name for path in workspace.iterdir()) == ["file.txt"]


async def test_a_sandbox_that_cannot_be_set_up_is_an_error_and_runs_nothing(
    confinement: Confinement, workspace: Path, tmp_path: Path
) -> None:
    for text in ("#!/bin/sh\necho broken >&2\nexit 1\n", "#!/bin/sh\nexit 0\n"):
        fake = tmp_path / "bwrap"
        fake.write_text(text)
        fake.chmod(0o755)
        broken = Bubblewrap(str(fake), Environment.current(), by_descriptor=True)
        with pytest.raises(ContainmentFailed):
            await shell(broken, workspace, "touch ran")
    with pytest.raises(ContainmentFailed):
        await shell(Bubblewrap("/no/bwrap", Environment.current(), by_descriptor=True), workspace, "touch ran")
    assert sorted(path.name for path in workspace.iterdir()) == ["file.txt"]


async def test_a_program_that_does_not_exist_is_the_commands_own_failure(either: Confinement, workspace: Path) -> None:
    command = Command(["no-such-program"], workspace, workspace, workspace.parent / "scratch")
    outcome = await process.run(either, command, Limits(), clock=SystemClock(), emit=lambda text: None)
    assert outcome.exit_code == 127


@pytest.mark.parametrize(("line", "code"), [("exit 7", 7), ("kill -KILL $$", 137), ("true", 0)])
async def test_exit_codes_are_the_commands(either: Confinement, workspace: Path, line: str, code: int) -> None:
    assert (await shell(either, workspace, line)).exit_code == code


async def test_output_is_streamed_bounded_and_clean(either: Confinement, workspace: Path) -> None:
    lines: list[str] = []
    command = Command(
        ["bash", "-c", r"printf 'first\n\033[31mred\033[0m\n'; yes filler | head -c 300000; printf 'last'"],
        workspace, workspace, workspace.parent / "scratch",
    )  # fmt: skip
    outcome = await process.run(either, command, Limits(output_kb=16), clock=SystemClock(), emit=lines.append)
    assert lines[:2] == ["first", "\\x1b[31mred\\x1b[0m"]
    assert len(lines) <= 1_001
    assert outcome.truncated
    assert outcome.stdout.startswith("first\n")
    assert outcome.stdout.endswith("last")
    assert len(outcome.stdout) < 17_000


def trial(tmp_path: Path, body: str) -> Callable[[], Confinement]:
    fake = tmp_path / "bin" / "bwrap"
    fake.parent.mkdir(exist_ok=True)
    fake.write_text(f"#!/bin/sh\n{body}\n")
    fake.chmod(0o755)
    environment = Environment(variables={"PATH": str(fake.parent)}, home=tmp_path)
    return Containment(environment).current


def test_the_probe_says_why_there_is_none(tmp_path: Path) -> None:
    found = trial(tmp_path, "echo 'No permissions to create new namespace' >&2; exit 1")()
    assert found.kind == "none"
    assert "No permissions" in found.describe("en")
    assert found.describe("fr") != found.describe("en")
    (tmp_path / "bin" / "bwrap").unlink()
    assert "not installed" in Containment(
        Environment(variables={"PATH": str(tmp_path)}, home=tmp_path)
    ).current().describe("en")


def test_an_older_bubblewrap_without_descriptors_still_confines(tmp_path: Path) -> None:
    body = 'case "$*" in *bind-fd*) echo unknown option >&2; exit 1;; esac; exit 0'
    found = trial(tmp_path, body)()
    assert found.kind == "bubblewrap"


def test_names_of_control_files_are_seen_in_other_spellings(tmp_path: Path) -> None:
    (tmp_path / "sub" / ".g\u200cit").mkdir(parents=True)
    (tmp_path / "bare" / "objects").mkdir(parents=True)
    (tmp_path / "bare" / "refs").mkdir()
    (tmp_path / "bare" / "HEAD").write_text("ref: x\n")
    found = mounts.controls(tmp_path, Path("/home/somebody"))
    assert found.present == ("bare", "sub/.g\u200cit")
