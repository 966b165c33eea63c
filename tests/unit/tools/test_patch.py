"""``fs.patch``: a diff fits exactly or nearby, on all files or none, and only once."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from nextgeneration.kernel.canonical import digest_bytes
from nextgeneration.kernel.risk import RiskLabel
from nextgeneration.kernel.tools import ToolContext, ToolResult
from nextgeneration.tools.base import parse_args
from nextgeneration.tools.errors_paths import ControlFileRefused, FileMissing, PathRefused, WriteFailed
from nextgeneration.tools.fs.diff import difference, outcome, parse
from nextgeneration.tools.fs.errors import PatchMisfit, PatchUnusable
from nextgeneration.tools.fs.patching import FsPatch
from nextgeneration.tools.workspace import Workspace

TOOL = FsPatch()


@pytest.fixture
def context(tmp_path: Path) -> ToolContext:
    (tmp_path / "a.txt").write_text("".join(f"line {number}\n" for number in range(1, 31)))
    (tmp_path / "b.txt").write_text("one\ntwo\nthree\n")
    return ToolContext(workspace=tmp_path, scratch=tmp_path)


async def call(context: ToolContext, patch: str) -> ToolResult:
    args = parse_args(TOOL, {"patch": patch})
    TOOL.assess(args, context)
    result = await TOOL.call(args, context)
    TOOL.spec.result.model_validate(result.value)
    return result


def changed(context: ToolContext, path: str, new: str) -> str:
    return difference((context.workspace / path).read_text(), new, f"a/{path}", f"b/{path}")


async def test_a_patch_over_several_files_applies_once(context: ToolContext) -> None:
    text = (context.workspace / "a.txt").read_text().replace("line 7\n", "line seven\n").replace("line 25\n", "")
    patch = changed(context, "a.txt", text) + changed(context, "b.txt", "one\ntwo and a half\nthree\n")
    patch += "--- /dev/null\n+++ b/new/c.txt\n@@ -0,0 +1,2 @@\n+made\n+here\n"
    args = parse_args(TOOL, {"patch": patch})
    judged = TOOL.assess(args, context)
    assert judged.label == RiskLabel.WRITE
    assert TOOL.subjects(args) == ("a.txt", "b.txt", "new/c.txt")
    first = await call(context, patch)
    assert (context.workspace / "a.txt").read_text() == text
    assert (context.workspace / "new" / "c.txt").read_text() == "made\nhere\n"
    assert [entry["change"] for entry in first.value["files"]] == ["modified", "modified", "created"]
    assert (first.value["files"][0]["added"], first.value["files"][0]["removed"]) == (1, 2)
    second = await call(context, patch)
    assert second.value["already"]
    assert TOOL.assess(args, context).conditions == judged.conditions, "the approval holds for the repetition"
    (context.workspace / "b.txt").write_text("somebody else's\n")
    assert TOOL.assess(args, context).conditions != judged.conditions, "but not for another file"


async def test_a_half_applied_patch_is_completed(context: ToolContext) -> None:
    """What a crash between two files leaves is finished by running again."""
    first, second = changed(context, "a.txt", "x\n"), changed(context, "b.txt", "y\n")
    await call(context, first)
    result = await call(context, first + second)
    assert [entry["change"] for entry in result.value["files"]] == ["already", "modified"]


async def test_a_patch_that_does_not_fit_changes_nothing(context: ToolContext) -> None:
    patch = changed(context, "b.txt", "one\nTWO\nthree\n") + changed(context, "a.txt", "other\n")
    (context.workspace / "a.txt").write_text("unexpected\n")
    with pytest.raises(PatchMisfit) as refused:
        await call(context, patch)
    assert refused.value.path == "a.txt"
    assert (context.workspace / "b.txt").read_text() == "one\ntwo\nthree\n"


async def test_a_failing_write_puts_the_others_back(context: ToolContext, monkeypatch: pytest.MonkeyPatch) -> None:
    patch = changed(context, "a.txt", "new a\n")
    patch += "--- /dev/null\n+++ b/deep/down/c.txt\n@@ -0,0 +1 @@\n+made\n"
    patch += "--- a/b.txt\n+++ /dev/null\n@@ -1,3 +0,0 @@\n-one\n-two\n-three\n"
    before = (context.workspace / "a.txt").read_bytes()

    def fails(self: Workspace, path: str, *, expected: str | None = None) -> None:
        raise WriteFailed(path=path, detail="no")

    monkeypatch.setattr(Workspace, "remove", fails)
    with pytest.raises(WriteFailed):
        await call(context, patch)
    monkeypatch.undo()
    assert (context.workspace / "a.txt").read_bytes() == before
    assert (context.workspace / "b.txt").exists()
    await call(context, patch)
    assert not (context.workspace / "b.txt").exists()


async def test_hunks_are_found_nearby_but_never_guessed(context: ToolContext) -> None:
    patch = changed(context, "a.txt", (context.workspace / "a.txt").read_text().replace("line 20\n", "twenty\n"))
    (context.workspace / "a.txt").write_text("new\n" * 9 + (context.workspace / "a.txt").read_text())
    await call(context, patch)
    assert "twenty\n" in (context.workspace / "a.txt").read_text()
    assert (await call(context, patch)).value["already"]
    (context.workspace / "b.txt").write_text("x\n" + "pad\n" * 4 + "mid\n" + "pad\n" * 4 + "x\n")
    with pytest.raises(PatchMisfit):
        await call(context, "--- a/b.txt\n+++ b/b.txt\n@@ -6 +6 @@\n-x\n+y\n")


async def test_files_are_created_deleted_renamed(context: ToolContext) -> None:
    rename = (
        "diff --git a/b.txt b/c.txt\nsimilarity index 80%\nrename from b.txt\nrename to c.txt\n"
        "--- a/b.txt\n+++ b/c.txt\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n"
    )
    judged = TOOL.assess(parse_args(TOOL, {"patch": rename}), context)
    assert (await call(context, rename)).value["files"][0]["change"] == "renamed"
    assert (context.workspace / "c.txt").read_text() == "one\n2\nthree\n"
    assert not (context.workspace / "b.txt").exists()
    assert (await call(context, rename)).value["already"]
    assert TOOL.assess(parse_args(TOOL, {"patch": rename}), context).conditions == judged.conditions
    delete = "--- a/c.txt\n+++ /dev/null\n@@ -1,3 +0,0 @@\n-one\n-2\n-three\n"
    judged = TOOL.assess(parse_args(TOOL, {"patch": delete}), context)
    assert (await call(context, delete)).value["files"][0]["change"] == "deleted"
    assert (await call(context, delete)).value["already"]
    assert TOOL.assess(parse_args(TOOL, {"patch": delete}), context).conditions == judged.conditions


async def test_creating_what_is_there_is_refused(context: ToolContext) -> None:
    with pytest.raises(PatchMisfit):
        await call(context, "--- /dev/null\n+++ b/b.txt\n@@ -0,0 +1 @@\n+made\n")
    with pytest.raises(FileMissing):
        await call(context, "--- a/none.txt\n+++ b/none.txt\n@@ -1 +1 @@\n-a\n+b\n")
    with pytest.raises(FileMissing):
        await call(context, "--- a/none.txt\n+++ b/other.txt\n@@ -1 +1 @@\n-a\n+b\n")


async def test_line_ends_bytes_and_a_missing_last_newline_survive(context: ToolContext) -> None:
    file = context.workspace / "b.txt"
    file.write_bytes(b"one\r\ntwo\r\n")
    await call(context, "--- a/b.txt\n+++ b/b.txt\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n")
    assert file.read_bytes() == b"one\r\n2\r\n"
    file.write_bytes(b"caf\xe9\nx\nlast")
    await call(context, "--- a/b.txt\n+++ b/b.txt\n@@ -2,2 +2,2 @@\n-x\n+y\n last\n\\ No newline at end of file\n")
    assert file.read_bytes() == b"caf\xe9\ny\nlast"
    await call(context, "--- a/b.txt\n+++ b/b.txt\n@@ -2,2 +2,2 @@\n y\n-last\n\\ No newline at end of file\n+last\n")
    assert file.read_bytes() == b"caf\xe9\ny\nlast\n"


async def test_lines_are_not_inserted_where_nothing_shows_the_place(context: ToolContext) -> None:
    """Such a patch could be applied again and again."""
    with pytest.raises(PatchMisfit):
        await call(context, "--- a/b.txt\n+++ b/b.txt\n@@ -2,0 +3 @@\n+x\n")
    (context.workspace / "b.txt").write_text("")
    await call(context, "--- a/b.txt\n+++ b/b.txt\n@@ -0,0 +1 @@\n+x\n")
    assert (context.workspace / "b.txt").read_text() == "x\n"


@pytest.mark.parametrize(
    "patch",
    [
        "hello",
        "--- a/a.txt\n+++ b/a.txt\n",
        "--- a/a.txt\n+++ b/a.txt\n@@ -1,2 +1,2 @@\n-one\n",
        "diff --git a/x.png b/x.png\nBinary files a/x.png and b/x.png differ\n",
        "--- a/b.txt\n+++ b/b.txt\n@@ -1 +1 @@\n-one\n+1\n--- a/b.txt\n+++ b/b.txt\n@@ -2 +2 @@\n-two\n+2\n",
        "".join(f"--- /dev/null\n+++ b/f{n}\n@@ -0,0 +1 @@\n+x\n" for n in range(201)),
    ],
)
async def test_what_is_no_patch_is_named(context: ToolContext, patch: str) -> None:
    with pytest.raises(PatchUnusable):
        await call(context, patch)


@pytest.mark.parametrize(
    ("path", "error"),
    [
        (".git/hooks/pre-commit", ControlFileRefused),
        ("../escape.txt", PathRefused),
        ("/etc/cron.d/x", PathRefused),
        ('"\\056git/config"', ControlFileRefused),
        ('"..\\057escape"', PathRefused),
    ],
)
async def test_paths_of_a_patch_are_confined(context: ToolContext, path: str, error: type[Exception]) -> None:
    patch = f"--- /dev/null\n+++ {path}\n@@ -0,0 +1 @@\n+x\n"
    with pytest.raises(error):
        await call(context, patch)


async def test_a_link_is_not_patched(context: ToolContext) -> None:
    (context.workspace / "link").symlink_to("b.txt")
    with pytest.raises(PathRefused):
        await call(context, "--- a/link\n+++ b/link\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n")


def test_the_preview_is_the_diff_with_nothing_hidden(context: ToolContext) -> None:
    patch = "--- a/b.txt\n+++ b/b.txt\n@@ -1,3 +1,3 @@\n one\n-two\n+2\u202e\x1b[8m\n three\n"
    preview = TOOL.preview(parse_args(TOOL, {"patch": patch}), context)
    assert preview.kind == "diff"
    assert "+2\\u202e\\x1b[8m\n" in preview.body
    assert "b.txt" in preview.title


TEXTS = st.lists(st.sampled_from(["a", "b", "", "  x", "-- y", "++ z", "é\u2028", "\\ w"]), max_size=14).flatmap(
    lambda lines: st.sampled_from(["\n".join(lines), "".join(f"{line}\n" for line in lines)])
)


@settings(max_examples=300, deadline=None)
@given(old=TEXTS, new=TEXTS)
@example(old="a\n", new="a\na\n")
@example(old="a\na\n", new="a\n")
@example(old="", new="a")
def test_a_diff_applied_gives_the_other_text_and_only_once(old: str, new: str) -> None:
    patch = difference(old, new, "a/f", "b/f")
    if not patch:
        return
    (file,) = parse(patch)
    assert outcome(file, old) == (new, False)
    assert outcome(file, new) == (new, True)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000))
def test_we_agree_with_git_apply(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    """Differential test: where ``git apply`` succeeds on a text that moved, we give the same text."""
    chance = random.Random(seed)
    old = [f"line {chance.randrange(8)}\n" for _ in range(chance.randrange(3, 30))]
    new = [line for line in old if chance.random() > 0.15]
    new.insert(chance.randrange(len(new) + 1), "inserted\n")
    patch = difference("".join(old), "".join(new), "a/f", "b/f")
    moved = "".join(["top\n"] * chance.randrange(4) + old)
    folder = tmp_path_factory.mktemp("git")
    (folder / "f").write_text(moved)
    ran = subprocess.run(
        ["git", "apply", "-"],
        input=patch.encode(),
        cwd=folder,
        capture_output=True,
        env={"PATH": os.environ["PATH"], "GIT_CEILING_DIRECTORIES": str(folder)},
    )
    if ran.returncode == 0:
        (file,) = parse(patch)
        assert outcome(file, moved)[0] == (folder / "f").read_text()


def test_digests_in_conditions_are_of_the_content(context: ToolContext) -> None:
    args = parse_args(TOOL, {"patch": changed(context, "b.txt", "z\n")})
    conditions = TOOL.assess(args, context).conditions
    assert conditions == {"file:b.txt": digest_bytes(b"one\ntwo\nthree\n")}
