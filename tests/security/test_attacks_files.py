"""Files by every tool there is, and what this installation leaves on the disk (A22, A23, A25)."""

from __future__ import annotations

import json
import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest
from tests.security.attack_bench import Bench, bench, everything

from nextgeneration.kernel.tools import ToolContext
from nextgeneration.services.errors import ScratchUnsafe
from nextgeneration.services.scratch import ScratchFolders
from nextgeneration.settings.tools import ToolSettings
from nextgeneration.supervisor.outcome import MissionReport
from nextgeneration.tools.base import parse_args
from nextgeneration.tools.registry import build

__all__ = ["bench"]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="POSIX modes and links")

CANARY = "canary-e71b20"

# -- A22, A23: through missions --------------------------------------------------------------------------------------

TARGETS = [
    "../work-evil/x.txt", "../outside/keep.txt", "{outside}/keep.txt", "way/keep.txt", "file-link.txt",
    "a/../../outside/x", "/proc/self/cwd/../outside/x", "way", ".", "..", "", "fifo", "/dev/null", "socket", "sub/",
    "~/x", "$HOME/x", "../work/x/../../outside/x", "way/../../outside/x", "\\\\server\\share", "C:\\x", "con",
    "sub/.git/config", ".git/hooks/pre-commit", ".GIT/config", ".git./config", "g\u200cit/../.g\u200cit/config", ".env",
    ".ENV", ".mcp.json", ".vscode/tasks.json", ".nextgen/templates/evil.json", ".bashrc", ".claude/settings.json",
    "sub/.vscode/tasks.json",
]  # fmt: skip


@pytest.fixture
def grounds(bench: Bench) -> Path:
    """A workspace full of ways out, and what lies outside."""
    outside = bench.root / "outside"
    outside.mkdir()
    (bench.root / "work-evil").mkdir()
    (outside / "keep.txt").write_text(CANARY)
    work = bench.workspace
    (work / "sub").mkdir()
    (work / "way").symlink_to(outside)
    (work / "file-link.txt").symlink_to(outside / "keep.txt")
    os.link(outside / "keep.txt", work / "hard.txt")
    os.mkfifo(work / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        before = Path.cwd()
        os.chdir(work)
        server.bind("socket")
        os.chdir(before)
    return outside


def steps_for(target: str) -> list[dict[str, Any]]:
    diff = f"--- a/{target}\n+++ b/{target}\n@@ -1 +1 @@\n-{CANARY}\n+bad\n"
    made = f"--- /dev/null\n+++ b/{target}\n@@ -0,0 +1 @@\n+bad\n"
    calls = [
        ("fs.write", {"path": target, "content": "bad"}),
        ("markdown_writer", {"path": target, "content": "bad"}),
        ("fs.patch", {"patch": diff}),
        ("fs.patch", {"patch": made}),
    ]
    return [{"id": f"s{n}", "tool": tool, "with": args, "on_error": "continue"} for n, (tool, args) in enumerate(calls)]


async def test_no_path_writes_outside_or_into_a_control_file(bench: Bench, grounds: Path) -> None:
    """Approved by `--yes`, by standing rules and by hand: the paths themselves are refused."""
    before = everything(grounds, bench.root / "work-evil")
    for number, target in enumerate(TARGETS):
        bench.template(f"eve{number}", steps_for(target.format(outside=grounds)))
    async with bench.open(permissions=("fs.*", "fs.write", "fs.patch")) as services:
        for number, target in enumerate(TARGETS):
            done = await bench.approved(services, await bench.run(services, f"eve{number}", yes=True, actions=10))
            ok = {outcome.action.args.get("path") for outcome in done.report.actions if outcome.status == "done"}
            assert ok <= {"~/x", "$HOME/x", "\\\\server\\share", "C:\\x", "con"}, (target, ok)
    assert everything(grounds, bench.root / "work-evil") == before
    for name in (".git", ".env", ".mcp.json", ".vscode", ".nextgen", ".bashrc", ".claude", "sub/.git", "sub/.vscode"):
        assert not (bench.workspace / name).exists(), name


READERS = [
    ("fs.list", {"path": "."}), ("fs.list", {"path": "way"}), ("fs.glob", {"pattern": "**/*"}),
    ("fs.read", {"path": "way/keep.txt"}), ("fs.read", {"path": "file-link.txt"}), ("fs.read", {"path": "hard.txt"}),
    ("fs.read", {"path": "../outside/keep.txt"}), ("fs.search", {"pattern": "canary"}),
    ("fs.search", {"pattern": "canary", "path": "way"}), ("pdf.read", {"path": "x.pdf"}), ("code.audit", {}),
    ("code.lint", {}), ("code.secrets", {}), ("code.security", {}), ("compose.audit", {}), ("docs.summary", {}),
    ("docs.keywords", {}), ("docs.links", {}), ("docs.readme", {}), ("docs.docstrings", {}), ("test.find", {}),
]  # fmt: skip


async def test_no_tool_reads_through_a_link_that_leads_out(bench: Bench, grounds: Path) -> None:
    """Every project file that a tool looks for is a link to the canary: no word of it is in the database."""
    for name in (
        *("README.md", "app.py", "docker-compose.yml", "compose.yaml", "requirements.txt", "pyproject.toml"),
        *("package.json", "Dockerfile", "docs.md", "x.pdf", ".gitignore", "setup.cfg", "settings.py", "test_x.py"),
    ):
        (bench.workspace / name).symlink_to(grounds / "keep.txt")
    (grounds / "keep.txt").write_text(f"# TODO {CANARY}\npassword = '{CANARY}{CANARY}'\nservices:\n  {CANARY}: {{}}\n")
    steps = [
        {"id": f"s{n}", "tool": tool, "with": args, "on_error": "continue"} for n, (tool, args) in enumerate(READERS)
    ]
    bench.template("eve", steps)
    async with bench.open() as services:
        done = await bench.run(services, "eve")
        known = [problem for task in done.report.tasks for problem in task.problems]
        assert not [problem for problem in known if problem["code"].startswith(("NG-KERNEL", "NG-TOOLS-001"))], known
    assert CANARY.encode() not in everything(bench.home)


@pytest.mark.parametrize("name", ["na\u00efve\u00a0file.py", "a\u202eb.py", "x\x1b.py", "a\u200bb.py", "tab\tb.py"])
async def test_a_file_does_not_hide_from_the_audit_by_its_name(bench: Bench, name: str) -> None:
    """A no-break space (usual on a Mac in French) or a mark is enough to keep a file from being looked at, unsaid."""
    (bench.workspace / name).write_text("import subprocess\nsubprocess.call(input(), shell=True)\n")
    bench.template("eve", [{"id": "a", "tool": "code.security"}])
    async with bench.open() as services:
        done = await bench.run(services, "eve")
    assert done.report.findings or done.report.missing


async def test_every_tool_that_looks_over_the_files_says_what_it_left_out_for_a_name(bench: Bench) -> None:
    (bench.workspace / "hid\u200bden").mkdir()
    (bench.workspace / "hid\u200bden" / "compose.yml").write_text("services: {a: {image: x, privileged: true}}\n")
    (bench.workspace / "compose\x1b.yml").write_text("services: {a: {image: x, privileged: true}}\n")
    context = ToolContext(bench.workspace, bench.root)
    for tool, args in (
        ("fs.search", {"pattern": "privileged"}),
        ("fs.glob", {"pattern": "**/*"}),
        ("code.audit", {}),
        ("docs.links", {}),
        ("compose.audit", {}),
    ):
        found = build(ToolSettings())[tool]
        result = await found.call(parse_args(found, args), context)
        said = " ".join([result.text, *(finding.title for finding in result.findings)])
        assert r"hid\u200bden/" in said, tool
        assert r"compose\x1b.yml" in said, tool
    audit = build(ToolSettings())["code.audit"]
    part = await audit.call(parse_args(audit, {"paths": ["."]}), context)
    assert any(finding.rule == "files.unshown-name" for finding in part.findings)


# -- A25: what lies on the disk --------------------------------------------------------------------------------------


def reachable(folder: Path) -> list[str]:
    """What another user could read or write below ``folder``, following only folders such a user can enter."""
    found = []
    pending = [folder]
    while pending:
        path = pending.pop()
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode):
            if mode & 0o022:
                found.append(f"{path} {mode & 0o777:o}")
            if mode & 0o011:
                pending += path.iterdir()
        elif mode & 0o066:
            found.append(f"{path} {mode & 0o777:o}")
    return found


@pytest.mark.parametrize("there", [None, 0o755], ids=["new", "there-0755"])
async def test_everything_kept_is_private_whatever_the_umask(bench: Bench, there: int | None) -> None:
    """Database, its journal and lock, reports and scratch, in a home of ours or in one that was open to all."""
    from nextgeneration.cli.summary import write_files

    (bench.workspace / "app.py").write_text(f"password = '{CANARY}'\n")
    read = {"id": "s", "tool": "fs.read", "with": {"path": "app.py"}}
    bench.template("eve", [{"id": "a", "tool": "code.audit"}, read])
    umask = os.umask(0)
    try:
        if there:
            bench.home.mkdir(mode=there)
        async with bench.open() as services:
            done = await bench.run(services, "eve")
            write_files(done.report, bench.home / "reports" / done.mission)
            assert reachable(bench.home) == []
    finally:
        os.umask(umask)
    assert reachable(bench.home) == []


@pytest.mark.slow
def test_try_leaves_a_private_copy_at_a_name_nobody_can_guess(bench: Bench, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o777)
    said = bench.nextgen("try", "--no-input", env={"TMPDIR": str(shared)}, preexec_fn=lambda: os.umask(0))
    assert said.returncode == 0, said.stderr
    (copy,) = shared.iterdir()
    assert stat.S_IMODE(copy.lstat().st_mode) == 0o700
    assert len(copy.name) >= len("nextgen-try-") + 6
    assert reachable(bench.home) == []


def a_report(mission: str = "mis_x") -> MissionReport:
    return MissionReport(mission=mission, goal="g", lang="en", status="done", workspace="/w")


@pytest.mark.parametrize("planted", [".report.md.part", ".report.json.part", "report.md", "report.sarif"])
def test_a_report_is_not_written_through_a_planted_link(tmp_path: Path, planted: str) -> None:
    """`--out` in a shared folder: a link with the name of the part that is written would lead anywhere."""
    from nextgeneration.cli.summary import write_files

    victim = tmp_path / "victim"
    victim.write_text(CANARY)
    out = tmp_path / "out"
    out.mkdir()
    (out / planted).symlink_to(victim)
    write_files(a_report(), out)
    assert victim.read_text() == CANARY
    assert stat.S_IMODE((out / "report.md").stat().st_mode) == 0o600


def test_a_scratch_folder_planted_by_somebody_else_is_not_used(tmp_path: Path) -> None:
    """A link in place of the mission's scratch folder, or one that others may write."""
    home = tmp_path / "home"
    (home / "scratch").mkdir(parents=True, mode=0o700)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o777)
    (home / "scratch" / "mis_a").symlink_to(elsewhere)
    (home / "scratch" / "mis_b").mkdir()
    (home / "scratch" / "mis_b").chmod(0o777)
    folders = ScratchFolders(home / "scratch")
    with pytest.raises(ScratchUnsafe):
        folders.make("mis_a")
    for mission in ("mis_b", "mis_c"):
        assert stat.S_IMODE(folders.make(mission).stat().st_mode) == 0o700


def test_ng_home_that_others_can_write_is_refused_by_name(bench: Bench) -> None:
    bench.home.mkdir()
    bench.home.chmod(0o777)
    said = bench.nextgen("missions", "list", "--json")
    assert said.returncode != 0
    assert json.loads(said.stdout)["error"]["code"].startswith("NG-STORAGE")
