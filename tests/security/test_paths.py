"""No path leads out of the workspace, whatever it says and whatever is swapped meanwhile (A22)."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.tools import ToolContext
from nextgeneration.tools.fs.patching import FsPatch, PatchArgs
from nextgeneration.tools.fs.reading import FsGlob, GlobArgs
from nextgeneration.tools.fs.searching import FsSearch, SearchArgs
from nextgeneration.tools.workspace import Workspace

CANARY = b"canary: nobody may read or change this"
RACES = 1_000


@pytest.fixture(scope="module")
def grounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with links and hard links that lead out, a look-alike beside it, and canaries outside."""
    base = tmp_path_factory.mktemp("grounds")
    root = base / "work"
    (root / "sub" / "deep").mkdir(parents=True)
    (root / "a").write_text("a")
    (base / "work-evil").mkdir()
    for outside in (base / "canary", base / "work-evil" / "canary", base / "work.txt"):
        outside.write_bytes(CANARY)
    (root / "up").symlink_to("..")
    (root / "abs").symlink_to(base)
    (root / "sub" / "link").symlink_to("../../canary")
    (root / "sub" / "deep" / "climb").symlink_to("../../../work-evil")
    (root / "proc").symlink_to("/proc/self/root")
    (root / "fd").symlink_to("/dev/fd")
    (root / "self").symlink_to(".")
    os.link(base / "canary", root / "twin")
    return root


SEGMENTS = st.sampled_from(
    ["..", ".", "", "a", "up", "abs", "sub", "deep", "link", "climb", "proc", "fd", "self", "twin", "canary",
     "work-evil", "work", "~", "C:", "\\", "..\\canary", "x" * 300, "a\0", "\u2024\u2024",
     "%2e%2e", "..;", " ..", "etc", "passwd"]
)  # fmt: skip
PATHS = st.one_of(
    st.lists(SEGMENTS, min_size=1, max_size=6).map("/".join),
    st.lists(SEGMENTS, min_size=1, max_size=6).map(lambda parts: "/" + "/".join(parts)),
    st.text(max_size=40),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=PATHS)
@example(path="up/canary")
@example(path="self/self/up/work-evil/canary")
@example(path="proc/etc/passwd")
@example(path="twin")
@example(path="\ud800")
def test_no_path_reads_or_changes_a_canary(grounds: Path, path: str) -> None:
    workspace = Workspace(grounds)
    with contextlib.suppress(NGError):
        content = workspace.read_bytes(path)
        assert CANARY not in content
        assert b"root:" not in content
    with contextlib.suppress(NGError):
        names = [name for name, _ in workspace.entries(path)]
        assert "work.txt" not in names
    for change in (lambda: workspace.write_bytes(path, b"evil"), lambda: workspace.remove(path)):
        with contextlib.suppress(NGError):
            change()
    outside = [grounds.parent / "canary", grounds.parent / "work-evil" / "canary", grounds.parent / "work.txt"]
    assert all(file.read_bytes() == CANARY for file in outside)
    assert sorted(entry.name for entry in grounds.parent.iterdir()) == ["canary", "work", "work-evil", "work.txt"]
    assert [entry.name for entry in (grounds.parent / "work-evil").iterdir()] == ["canary"]
    (grounds / "a").write_text("a")
    if not (grounds / "twin").exists():
        os.link(grounds.parent / "canary", grounds / "twin")


@contextlib.contextmanager
def swapping(root: Path, outside: Path) -> Iterator[None]:
    """Swaps ``root/place`` between a folder inside and a link to a folder outside, as fast as it can."""
    (root / "inside").mkdir(exist_ok=True)
    (root / "inside" / "file.txt").write_text("inside\n")
    (root / "place").symlink_to(outside)
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            with contextlib.suppress(OSError):
                (root / "place").unlink()
                (root / "inside").rename(root / "place")
            with contextlib.suppress(OSError):
                (root / "place").rename(root / "inside")
                (root / "place").symlink_to(outside)

    attacker = threading.Thread(target=swap, daemon=True)
    attacker.start()
    try:
        yield
    finally:
        stop.set()
        attacker.join()


@pytest.fixture
def trap(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    root, outside = tmp_path / "work", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (outside / "file.txt").write_bytes(CANARY)
    with swapping(root, outside):
        yield root, outside


def test_a_folder_swapped_for_a_link_1000_times_lets_nothing_out(trap: tuple[Path, Path]) -> None:
    root, outside = trap
    workspace = Workspace(root)
    read = 0
    for number in range(RACES):
        with contextlib.suppress(NGError):
            assert workspace.read_bytes("place/file.txt") != CANARY
            read += 1
        with contextlib.suppress(NGError):
            workspace.write_bytes("place/file.txt", b"inside\n")
        with contextlib.suppress(NGError):
            workspace.write_bytes(f"place/new-{number}.txt", b"x")
            workspace.remove(f"place/new-{number}.txt")
        if number % 50 == 0:
            assert not any(path.startswith("outside") for path in workspace.files())
    assert read, "the race was never won by the folder, so nothing was tested"
    assert [path.name for path in outside.iterdir()] == ["file.txt"]
    assert (outside / "file.txt").read_bytes() == CANARY


async def test_search_and_patch_give_nothing_from_outside_in_a_race(trap: tuple[Path, Path], tmp_path: Path) -> None:
    root, outside = trap
    context = ToolContext(workspace=root, scratch=tmp_path)
    patch = "--- a/place/file.txt\n+++ b/place/file.txt\n@@ -1 +1 @@\n-inside\n+changed\n"
    for number in range(60):
        for search in (FsSearch(), FsSearch(ripgrep="")):
            if number % 20 == 0:
                result = await search.call(SearchArgs(pattern="canary|inside"), context)
                assert "canary" not in result.text
        with contextlib.suppress(NGError):
            await FsPatch().call(PatchArgs(patch=patch), context)
        found = await FsGlob().call(GlobArgs(pattern="**"), context)
        assert set(found.value["files"]) <= {"inside/file.txt", "place/file.txt"}
    assert (outside / "file.txt").read_bytes() == CANARY
