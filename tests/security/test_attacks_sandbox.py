"""Commands through the real door: labelled, shown, approved, and contained all the same (A10, A19, A20, A23)."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import threading
from pathlib import Path

import pytest
from tests.security.attack_bench import ME, Bench, bench, shell

from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.risk import RiskLabel
from nextgeneration.supervisor.outcome import ActionStatus

__all__ = ["bench"]

pytestmark = [pytest.mark.bubblewrap, pytest.mark.skipif(sys.platform != "linux", reason="Linux only")]

CANARY = "canary-4f9d2c"


class Door:
    """A loopback server that counts who came."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.came = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                other, _ = self.socket.accept()
            except OSError:
                return
            self.came += 1
            other.close()


@pytest.fixture
def door():
    opened = Door()
    yield opened
    opened.socket.close()


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Files beside the workspace that nobody may read or change."""
    folder = tmp_path / "outside"
    folder.mkdir()
    for name in ("secret.txt", "keep.txt"):
        (folder / name).write_text(CANARY)
    return folder


def snapshot(folder: Path) -> dict[str, bytes | str | None]:
    return {
        str(path.relative_to(folder)): str(path.readlink())
        if path.is_symlink()
        else path.read_bytes()
        if path.is_file()
        else None
        for path in sorted(folder.rglob("*"))
    }


DODGES = {
    "find": "find . -name x -exec sh -c 'cp {outside}/secret.txt stolen; echo bad > {outside}/keep.txt' ';'; "
    "find . -fprintf {outside}/keep.txt bad; find {outside} -delete",
    "git": "git -c core.pager='cp {outside}/secret.txt stolen' -c pager.log=true log; git -c alias.z='!echo bad > "
    "{outside}/keep.txt' z; git log --output={outside}/keep.txt; GIT_SSH_COMMAND='echo bad > .git/config' git fetch x:",
    "variables": "c=cp; $c {outside}/secret.txt stolen; IFS=,; d=echo,bad; $d > {outside}/keep.txt; "
    "LD_PRELOAD={outside}/keep.txt env -i X=$(cat {outside}/secret.txt) sh -c 'echo $X > stolen'",
    "substitution": 'echo "$(cat {outside}/secret.txt > stolen)" `echo bad > {outside}/keep.txt`',
    "heredoc": "bash <<'END'\ncat {outside}/secret.txt > stolen\necho bad > {outside}/keep.txt\nEND",
    "base64": "echo Y2F0IC4uL291dHNpZGUvc2VjcmV0LnR4dCA+IHN0b2xlbg== | base64 -d | sh; cp x ../outside/keep.txt",
    "xargs": "echo {outside}/secret.txt | xargs -I% cp % stolen; echo {outside}/keep.txt | xargs rm -f",
    "proc": "cat /proc/1/environ /proc/*/environ > stolen; echo bad > /proc/1/root{outside}/keep.txt; "
    "cp /proc/1/root{outside}/secret.txt stolen; cat /proc/1/cwd/../outside/secret.txt >> stolen",
    "links": "ln -s {outside} way; cat way/secret.txt > stolen; echo bad > way/keep.txt; ln {outside}/secret.txt hard",
    "interpreter": "{python} -c \"open('stolen','w').write(open('{outside}/secret.txt').read())\"; "
    "{python} -c \"open('{outside}/keep.txt','w').write('bad')\"; perl -e 'unlink \"{outside}/keep.txt\"'",
    "mounts": "unshare -rm sh -c 'mount --bind {outside} /mnt; cp /mnt/secret.txt stolen'; chroot /proc/1/root ls; "
    "mount -o remount,rw /; umount -l /tmp; echo bad > {outside}/keep.txt",
    "carriage": "true #\r\ncp {outside}/secret.txt stolen\necho bad > {outside}/keep.txt",
}


@pytest.mark.parametrize("name", DODGES)
async def test_an_approved_dodge_reaches_nothing_outside(bench: Bench, outside: Path, name: str) -> None:
    """A19: what the text hides is asked for, and when somebody says yes to it, it still reads and changes nothing."""
    line = DODGES[name].format(outside=outside, python=f"{sys.base_prefix}/bin/python3")
    (bench.workspace / "x").write_text("x\n")
    bench.template("eve", [shell(line)])
    async with bench.open() as services:
        asked = await bench.run(services, "eve")
        (ref,) = asked.pending
        card = (await services.approvals.get(ref)).card
        assert card["label"] not in {"safe", "write"}
        assert f"{outside}" in card["calls"][0]["preview"]["body"] or name == "base64"
        assert not (bench.workspace / "stolen").exists(), "nothing ran before the answer"
        done = await bench.approved(services, asked)
    assert done.report.actions[0].decided_by == ME
    assert (outside / "keep.txt").read_text() == CANARY
    assert sorted(path.name for path in outside.iterdir()) == ["keep.txt", "secret.txt"]
    assert CANARY.encode() not in b"".join(
        content for content in snapshot(bench.workspace).values() if isinstance(content, bytes)
    )


HOMES = ".bashrc .profile .zshrc .ssh/authorized_keys .config/fish/config.fish .gitconfig .nextgen/nextgen.db"


async def test_home_etc_and_ng_home_stay_as_they_are(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "user"
    home.mkdir()
    (home / ".profile").write_text(CANARY)
    monkeypatch.setenv("HOME", str(home))
    before = snapshot(home)
    names = " ".join(f"{home}/{name} ~/{name}" for name in HOMES.split())
    writes = f"for f in {names} {bench.home}/nextgen.db; do mkdir -p $(dirname $f); echo bad >> $f; rm -f $f; done"
    line = f"cat {home}/.profile; {writes}; echo bad > /etc/cron.d/x; touch /usr/x /var/x /x; id"
    bench.template("eve", [shell(line)])
    async with bench.open() as services:
        done = await bench.approved(services, await bench.run(services, "eve"))
        assert CANARY not in str(done.report.actions[0].output)
        assert (await services.missions.get(done.mission)).status == done.status
    assert snapshot(home) == before
    assert not any(Path(name).exists() for name in ("/etc/cron.d/x", "/usr/x", "/var/x", "/x"))


@pytest.mark.parametrize("place", ["state", "."])
async def test_an_agent_cannot_approve_from_inside_a_command(bench: Bench, place: str) -> None:
    """Promise 4, when NG_HOME lies in the workspace: either such a mission is refused, or its state is out of reach."""
    bench.home = bench.workspace / place
    python = f"{sys.base_prefix}/bin/python3"
    forge = "import sqlite3; c = sqlite3.connect('nextgen.db'); c.execute('update approvals set reason=1'); c.commit()"
    bench.template("eve", [shell(f'cd {place}; {python} -c "{forge}; print(chr(70) + chr(79) + chr(82))"')])
    async with bench.open() as services:
        said = ""
        try:
            done = await bench.approved(services, await bench.run(services, "eve"))
            said = str(done.report.actions[0].output)
        except NGError as refused:
            said = refused.code
        assert "FOR" not in said
        assert not said.startswith("NG-STORAGE"), "the database was hurt"


async def test_no_connection_leaves_a_command(bench: Bench, door: Door) -> None:
    """A19: loopback is the host's network too. An abstract socket, IPv6 and a name are tried as well."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("\0ng-attack-test")
    listener.listen()
    listener.settimeout(0.2)
    python = f"{sys.base_prefix}/bin/python3"
    unix = "import socket; s = socket.socket(socket.AF_UNIX); s.connect('\\0ng-attack-test'); print('IN')"
    tries = (
        f"exec 3<>/dev/tcp/127.0.0.1/{door.port}; echo x >&3; exec 4<>/dev/tcp/localhost/{door.port}; "
        f"{python} -c \"import socket; socket.create_connection(('127.0.0.1', {door.port}), 2)\"; "
        f'{python} -c "{unix}"; '
        f"curl -m 2 http://127.0.0.1:{door.port}/ http://[::1]:{door.port}/; getent hosts localhost"
    )
    bench.template("eve", [shell(tries)])
    with listener:
        async with bench.open() as services:
            asked = await bench.run(services, "eve")
            card = (await services.approvals.get(asked.pending[0])).card
            assert card["calls"][0]["conditions"] == {"confinement": "bubblewrap", "network": "off"}
            done = await bench.approved(services, asked)
        with pytest.raises(TimeoutError):
            listener.accept()
    assert door.came == 0
    assert "IN" not in str(done.report.actions[0].output["text"]).replace("INET", "").split()


CONTROL = [
    ".git/hooks/pre-commit", ".git/config", ".env", ".mcp.json", ".vscode/tasks.json", ".claude/settings.json",
    ".envrc", ".bashrc", ".profile", ".zshrc", ".nextgen/templates/evil.json", ".gitmodules",
    ".husky/pre-commit", ".npmrc", ".idea/workspace.xml", ".cursor/mcp.json",
]  # fmt: skip


@pytest.mark.parametrize("there", [False, True], ids=["absent", "present"])
async def test_control_files_survive_an_approved_command_and_none_is_left_behind(bench: Bench, there: bool) -> None:
    """A23, through a mission: also by rename, link, and a folder swapped in; no file is left by the confinement."""
    (bench.workspace / "keep").write_text("keep\n")
    if there:
        for name in CONTROL:
            path = bench.workspace / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(CANARY)
    before = snapshot(bench.workspace)
    tries = (
        f"for f in {' '.join(CONTROL)}; do t=${{f%%/*}}; mkdir -p $(dirname $f); echo bad > $f; cp keep $f; "
        "ln -sf keep $f; mv -f $t gone; rm -rf $t; chmod -R 777 $t; mkdir -p n; mv -T n $t; rmdir n $t; done"
    )
    bench.template("eve", [shell(f"exec 2>/dev/null\n{tries}\ntrue")])
    async with bench.open() as services:
        asked = await bench.run(services, "eve")
        assert asked.pending
        await bench.approved(services, asked)
    assert snapshot(bench.workspace) == before


async def test_a_template_written_by_a_command_is_never_loaded(bench: Bench) -> None:
    """A23: what a confined command leaves in the workspace is not read back with more rights."""
    bench.templates = bench.workspace / ".nextgen" / "templates"
    bench.templates.mkdir(parents=True)
    folder = ".nextgen/templates"
    line = f"sed s/eve/more/ {folder}/eve.json > {folder}/more.json; mv .nextgen x; ls {folder}"
    bench.template("eve", [shell(line)])
    async with bench.open() as services:
        await bench.approved(services, await bench.run(services, "eve"))
        services.templates.library.refresh()
        assert list(services.templates.library.names()) == ["eve"]
    assert [path.name for path in bench.templates.iterdir()] == ["eve.json"]


async def test_more_commands_than_anybody_reads_are_refused_not_asked(bench: Bench) -> None:
    """A20: 51 commands, 10,000 commands, a line over 10 kB; and deny rules decide on the last of 50 too."""
    deny = {"deny": ["shell.run(rm *)"]}
    lines = {
        "fifty": "; ".join(["true"] * 49 + ["rm -rf keep"]),
        "more": "; ".join(["true"] * 51),
        "nested": "echo " + "$(true " * 60 + ")" * 60,
        "thousands": "true;" * 10_000,
    }
    (bench.workspace / "keep").mkdir()
    async with bench.open() as services:
        for name, line in lines.items():
            bench.template(name, [shell(line)], permissions=deny)
            services.templates.library.refresh()
            outcome = await bench.run(services, name, yes=True)
            assert outcome.pending == (), name
            said = " ".join((*outcome.report.missing, *(action.detail for action in outcome.report.actions)))
            assert said, name
            assert all(
                action.status in {ActionStatus.REJECTED, ActionStatus.FAILED} for action in outcome.report.actions
            ), name
    assert (bench.workspace / "keep").is_dir()


# -- A10: the confinement is taken away ------------------------------------------------------------------------------


def without_bwrap(tmp_path: Path) -> str:
    """A PATH on which everything is but bubblewrap."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for entry in os.environ["PATH"].split(":"):
        for program in Path(entry).iterdir() if Path(entry).is_dir() else ():
            if program.name != "bwrap" and not (folder / program.name).exists():
                (folder / program.name).symlink_to(program)
    return str(folder)


async def test_without_confinement_a_harmless_line_asks_and_yes_does_not_cover_it(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", without_bwrap(tmp_path))
    bench.template("eve", [shell("echo ran > ran")], permissions={"allow": ["shell.run", "*"]})
    async with bench.open(permissions=("shell.run", "*")) as services:
        asked = await bench.run(services, "eve", yes=True)
        card = (await services.approvals.get(asked.pending[0])).card
        assert card["label"] == "unknown"
        assert card["calls"][0]["conditions"]["confinement"] == "none"
        assert "bubblewrap" in " ".join(card["calls"][0]["reasons"])
        assert not (bench.workspace / "ran").exists()


async def test_confinement_gone_between_the_question_and_the_call_is_asked_anew(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The card said bubblewrap: without it the answer does not hold, whatever the standing rules say."""
    path = without_bwrap(tmp_path)
    bench.template("eve", [shell("echo ran > ran")])
    async with bench.open() as services:
        asked = await bench.run(services, "eve")
        (first,) = asked.pending
        await services.approvals.decide(first, "approved", by=ME)
    monkeypatch.setenv("PATH", path)
    async with bench.open(permissions=("*",)) as services:
        again = await services.worker.run(asked.mission)
        assert len(again.pending) == 1
        assert again.pending[0] != first
        card = (await services.approvals.get(again.pending[0])).card
        assert card["calls"][0]["conditions"]["confinement"] == "none"
        assert (await services.approvals.get(first)).status == "replaced"
    assert not (bench.workspace / "ran").exists()


STUBS = {
    "fails": "#!/bin/sh\nexit 1\n",
    "vanishes": None,
    "not-executable": "",
    "runs it all unconfined": '#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done; shift; exec "$@"\n',
}


@pytest.mark.parametrize("stub", ["fails", "vanishes", "not-executable", "runs it all unconfined"])
async def test_bubblewrap_swapped_right_before_the_call_runs_nothing(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stub: str
) -> None:
    """Within the five seconds for which the answer is remembered, nothing falls back to running it anyway."""
    own = tmp_path / "own"
    own.mkdir()
    program = own / "bwrap"
    shutil.copy(shutil.which("bwrap") or "", program)
    monkeypatch.setenv("PATH", f"{own}:{os.environ['PATH']}")
    bench.template("eve", [shell("echo ran > ran")])
    async with bench.open() as services:
        asked = await bench.run(services, "eve")
        text = STUBS[stub]
        program.unlink()
        if text is not None:
            program.write_text(text)
            program.chmod(0o755 if text else 0o644)
        for ref in asked.pending:
            await services.approvals.decide(ref, "approved", by=ME)
        done = await services.worker.run(asked.mission)
        assert not (bench.workspace / "ran").exists()
        assert done.status != "done"
        (action,) = done.report.actions
        assert action.status is ActionStatus.FAILED or done.pending
        assert "bwrap" in action.detail or "bubblewrap" in action.detail or "confinement" in action.detail.lower()


@pytest.mark.parametrize("entry", ["", ".", "bin"])
async def test_no_program_of_the_workspace_is_taken_for_a_helper_of_ours(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str
) -> None:
    """A10: with `PATH=…:` a cloned repository that holds `bwrap` or `rg` would run it just by being looked at."""
    folder = bench.workspace / entry
    folder.mkdir(exist_ok=True)
    for name in ("bwrap", "rg", "git", "ruff"):
        (folder / name).write_text(f"#!/bin/sh\necho {name} >> {tmp_path}/ran\nexit 1\n")
        (folder / name).chmod(0o755)
    monkeypatch.chdir(bench.workspace)
    path = without_bwrap(tmp_path)
    (Path(path) / "rg").unlink(missing_ok=True)
    monkeypatch.setenv("PATH", f"{path}:{entry}")
    bench.template(
        "eve",
        [
            {"id": "search", "tool": "fs.search", "with": {"pattern": "x"}, "on_error": "continue"},
            {"id": "code", "tool": "code.audit", "on_error": "continue"},
            shell("true"),
        ],
    )
    async with bench.open() as services:
        await bench.run(services, "eve")
    assert not (tmp_path / "ran").exists()


async def test_what_leaves_the_sandbox_always_asks(bench: Bench) -> None:
    """`confined: false` and the trial of a command are asked for under every rule there is."""
    every = {"allow": ["*", "shell.run", "terminal", "system.try_command", "shell.run(*)"]}
    bench.template("out", [shell("true", confined=False)], permissions=every)
    bench.template("trial", [{"id": "t", "tool": "system.try_command", "with": {"command": "true"}}], permissions=every)
    rules = ("*", "shell.run", "terminal", "system.*")
    async with bench.open(permissions=rules) as services:
        for name, label in (("out", RiskLabel.PRIVILEGED), ("trial", RiskLabel.UNKNOWN)):
            asked = await bench.run(services, name, yes=True)
            assert len(asked.pending) == 1, name
            assert (await services.approvals.get(asked.pending[0])).label == label
