"""A workspace reads and writes beneath its root only, and never half a file."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from nextgeneration.kernel.canonical import digest_bytes
from nextgeneration.tools import beneath
from nextgeneration.tools.errors_paths import (
    ControlFileRefused,
    FileChanged,
    FileMissing,
    FileTooLarge,
    PathRefused,
    WorkspaceRefused,
    WriteFailed,
)
from nextgeneration.tools.workspace import Workspace


@pytest.fixture(params=[True, False], ids=["by descriptor", "by name"])
def workspace(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Both ways of reaching files: descriptors, and resolved names where a system has none."""
    monkeypatch.setattr(beneath, "DESCRIPTORS", request.param)
    root = tmp_path / "work"
    root.mkdir()
    (root / "a.txt").write_text("inside\n")
    (root / "sub").mkdir()
    (root / "sub" / "b.txt").write_text("deeper\n")
    (tmp_path / "work-evil").mkdir()
    (tmp_path / "work-evil" / "c.txt").write_text("secret\n")
    (tmp_path / "secret.txt").write_text("secret\n")
    return Workspace(root)


@pytest.mark.parametrize("path", ["a.txt", "./a.txt", "sub/./b.txt", "sub//b.txt"])
def test_plain_paths_are_read(workspace: Workspace, path: str) -> None:
    assert workspace.read_text(path) in ("inside\n", "deeper\n")


@pytest.mark.parametrize(
    "path",
    [
        "../secret.txt",
        "sub/../../secret.txt",
        "sub/../a.txt",
        "../work-evil/c.txt",
        "/etc/passwd",
        "~/.bashrc",
        "/proc/self/environ",
        "C:\\Windows\\win.ini",
        "C:/Windows",
        "\\\\?\\C:\\x",
        "..\\secret.txt",
        "a.txt\0.png",
        "a\nb",
        "\x1b[2J",
        "\ud800",
        "x" * 256,
        "/".join(["d" * 200] * 30),
    ],
)
def test_paths_out_of_the_workspace_are_refused(workspace: Workspace, path: str) -> None:
    with pytest.raises(PathRefused):
        workspace.read_bytes(path)
    with pytest.raises(PathRefused):
        workspace.write_bytes(path, b"x")


def test_links_are_followed_only_beneath_the_root(workspace: Workspace, tmp_path: Path) -> None:
    (workspace.root / "good").symlink_to("sub/b.txt")
    (workspace.root / "sub" / "up").symlink_to("../a.txt")
    (workspace.root / "folder").symlink_to("sub")
    assert workspace.read_text("good") == "deeper\n"
    assert workspace.read_text("sub/up") == "inside\n"
    assert workspace.read_text("folder/b.txt") == "deeper\n"
    (workspace.root / "out").symlink_to("../secret.txt")
    (workspace.root / "absolute").symlink_to(tmp_path / "secret.txt")
    (workspace.root / "proc").symlink_to("/proc/self")
    (workspace.root / "loop").symlink_to("loop")
    for path in ("out", "absolute", "proc/environ"):
        with pytest.raises(PathRefused):
            workspace.read_bytes(path)
    with pytest.raises((PathRefused, FileMissing, RuntimeError)):
        workspace.read_bytes("loop")


def test_links_are_refused_for_writing(workspace: Workspace, tmp_path: Path) -> None:
    (workspace.root / "good").symlink_to("a.txt")
    (workspace.root / "out").symlink_to(tmp_path / "secret.txt")
    (workspace.root / "folder").symlink_to(tmp_path / "work-evil")
    for path in ("good", "out", "folder/new.txt", "folder/deep/new.txt"):
        with pytest.raises(PathRefused):
            workspace.write_bytes(path, b"x")
    assert workspace.read_text("a.txt") == "inside\n"
    assert (tmp_path / "secret.txt").read_text() == "secret\n"
    assert sorted(p.name for p in (tmp_path / "work-evil").iterdir()) == ["c.txt"]


def test_a_hard_link_to_a_file_outside_is_not_read_and_never_changed(workspace: Workspace, tmp_path: Path) -> None:
    os.link(tmp_path / "secret.txt", workspace.root / "twin.txt")
    with pytest.raises(PathRefused):
        workspace.read_bytes("twin.txt")
    workspace.write_bytes("twin.txt", b"mine")
    assert (tmp_path / "secret.txt").read_text() == "secret\n"


def test_a_hard_link_within_the_workspace_is_read(workspace: Workspace) -> None:
    os.link(workspace.root / "a.txt", workspace.root / "sub" / "twin.txt")
    assert workspace.read_text("sub/twin.txt") == "inside\n"


def test_only_regular_files_are_read(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(workspace.root / "fifo")
    server = socket.socket(socket.AF_UNIX)
    monkeypatch.chdir(workspace.root)
    server.bind("socket")
    server.close()
    for path in ("fifo", "socket", "sub", "."):
        with pytest.raises(PathRefused):
            workspace.read_bytes(path)
        with pytest.raises(PathRefused):
            workspace.write_bytes(path, b"x")


def test_missing_and_large_files_have_their_own_errors(workspace: Workspace) -> None:
    for path in ("no.txt", "no/such.txt", "a.txt/b"):
        with pytest.raises((FileMissing, PathRefused)):
            workspace.read_bytes(path)
    with pytest.raises(FileTooLarge) as refused:
        workspace.read_bytes("a.txt", limit=3)
    assert refused.value.size == 7
    assert workspace.digest("no.txt") == ""


def test_a_write_replaces_the_whole_file_and_keeps_its_mode(workspace: Workspace) -> None:
    (workspace.root / "a.txt").chmod(0o751)
    workspace.write_bytes("a.txt", b"new", expected=digest_bytes(b"inside\n"))
    assert workspace.read_text("a.txt") == "new"
    assert (workspace.root / "a.txt").stat().st_mode & 0o7777 == 0o751
    workspace.write_bytes("x/y/z.txt", b"made", expected="")
    assert workspace.read_text("x/y/z.txt") == "made"
    assert sorted(p.name for p in workspace.root.iterdir()) == ["a.txt", "sub", "x"]


def test_a_write_is_refused_when_the_file_is_not_the_expected_one(workspace: Workspace) -> None:
    with pytest.raises(FileChanged):
        workspace.write_bytes("a.txt", b"new", expected=digest_bytes(b"other"))
    with pytest.raises(FileChanged):
        workspace.write_bytes("a.txt", b"new", expected="")
    with pytest.raises(FileChanged):
        workspace.write_bytes("gone.txt", b"new", expected=digest_bytes(b"was here"))
    with pytest.raises(FileChanged):
        workspace.remove("a.txt", expected=digest_bytes(b"other"))
    assert workspace.read_text("a.txt") == "inside\n"
    assert sorted(p.name for p in workspace.root.iterdir()) == ["a.txt", "sub"]


@pytest.mark.parametrize(
    "path",
    [
        ".git/hooks/pre-commit",
        ".GIT/config",
        "sub/.git/config",
        ".g\u200cit/config",
        ".git./config",
        "git~1/config",
        ".nextgen/settings.json",
        ".env",
        ".mcp.json",
        ".vscode/tasks.json",
        ".claude/settings.json",
        ".bashrc",
    ],
)
def test_control_files_are_never_written(workspace: Workspace, path: str) -> None:
    with pytest.raises(ControlFileRefused):
        workspace.write_bytes(path, b"x")
    with pytest.raises(ControlFileRefused):
        workspace.remove(path)


def test_files_leaves_out_caches_ignored_files_and_links(workspace: Workspace, tmp_path: Path) -> None:
    root = workspace.root
    (root / ".gitignore").write_text("*.log\n!keep.log\nbuild/\n/only-top.txt\n# note\n\nsub/deep/**/x?.bin\n\\!odd\n")
    for path in (
        "a.log", "keep.log", "build/out.js", "only-top.txt", "sub/only-top.txt", "sub/deep/1/2/x1.bin",
        "sub/deep/y.bin", ".git/config", "node_modules/p/index.js", "__pycache__/a.pyc", "!odd", "sub/.gitignore",
        "sub/b.tmp",
    ):  # fmt: skip
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("*.tmp\n")
    (root / "link.txt").symlink_to("a.txt")
    (root / "out").symlink_to(tmp_path)
    assert workspace.files() == [
        ".gitignore", "a.txt", "keep.log", "sub/.gitignore", "sub/b.txt", "sub/deep/y.bin", "sub/only-top.txt",
    ]  # fmt: skip
    assert len(workspace.files(limit=2)) == 2


def test_entries_and_removal(workspace: Workspace) -> None:
    assert [name for name, _ in workspace.entries()] == ["a.txt", "sub"]
    with pytest.raises((FileMissing, PathRefused)):
        workspace.entries("a.txt")
    with pytest.raises(FileMissing):
        workspace.entries("no")
    assert not workspace.remove_empty_folder("sub")
    workspace.remove("sub/b.txt", expected=digest_bytes(b"deeper\n"))
    with pytest.raises(FileMissing):
        workspace.remove("sub/b.txt")
    assert workspace.remove_empty_folder("sub")
    assert not workspace.remove_empty_folder("sub")


def test_system_folders_are_no_workspace(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")
    for path in (Path("/"), Path("/proc/self"), Path("/dev"), tmp_path / "f", tmp_path / "none"):
        with pytest.raises(WorkspaceRefused):
            Workspace(path)


def test_a_refused_write_is_a_named_error(workspace: Workspace) -> None:
    with pytest.raises(FileTooLarge):
        workspace.write_bytes("big.bin", b"x" * 20_000_001)
    with pytest.raises((WriteFailed, PathRefused)) as refused:
        workspace.write_bytes("a.txt/below", b"x")
    assert refused.value.message("fr") != refused.value.message("en")
