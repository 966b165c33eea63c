"""The file tools: what they read, find, search and write."""

from __future__ import annotations

import base64
import io
import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from nextgeneration.kernel.models import Image
from nextgeneration.kernel.risk import RiskLabel
from nextgeneration.kernel.tools import Tool, ToolContext, ToolResult
from nextgeneration.settings.tools import ToolSettings
from nextgeneration.testing.wire.pictures import PIXEL
from nextgeneration.tools import fs
from nextgeneration.tools.base import parse_args
from nextgeneration.tools.errors import BadArguments
from nextgeneration.tools.errors_paths import ControlFileRefused, FileMissing, PathRefused
from nextgeneration.tools.fs import scan, searching
from nextgeneration.tools.fs.errors import NotMarkdown, PatternInvalid, SearchTimedOut
from nextgeneration.tools.fs.searching import FsSearch

TOOLS: dict[str, Tool] = {tool.spec.name: tool for tool in fs.tools(ToolSettings())}


@pytest.fixture
def context(tmp_path: Path) -> ToolContext:
    root, scratch = tmp_path / "work", tmp_path / "scratch"
    scratch.mkdir(mode=0o700)
    (root / "src").mkdir(parents=True)
    (root / "README.md").write_text("# Title\n\nNeedle here\n")
    (root / "src" / "app.py").write_text("import os\n\ndef needle():\n    return 'NEEDLE'\n")
    (root / "src" / "data.bin").write_bytes(b"needle\0\x01\x02")
    (root / ".env").write_text("SECRET=needle\n")
    (root / ".env.example").write_text("SECRET=needle\n")
    (root / "crlf.txt").write_bytes(b"one\r\nneedle\r\nthree\r\n")
    (root / "latin.txt").write_bytes(b"caf\xe9 needle\n")
    (tmp_path / "outside.txt").write_text("needle outside\n")
    (root / "link.txt").symlink_to("../outside.txt")
    return ToolContext(workspace=root, scratch=scratch)


async def call(tool: Tool, context: ToolContext, /, **values: object) -> ToolResult:
    args = parse_args(tool, values)
    label = tool.assess(args, context).label
    assert label.rank >= tool.spec.risk.rank
    tool.preview(args, context)
    result = await tool.call(args, context)
    tool.spec.result.model_validate(result.value)
    return result


async def test_read_gives_lines_and_says_what_is_left(context: ToolContext) -> None:
    whole = await call(TOOLS["fs.read"], context, path="src/app.py")
    assert whole.value["total_lines"] == 4
    assert not whole.truncated
    part = await call(TOOLS["fs.read"], context, path="src/app.py", offset=3, limit=1)
    assert part.value["text"] == "def needle():\n"
    assert part.text.endswith("[lines 3–3 of 4]")
    assert part.truncated
    after = await call(TOOLS["fs.read"], context, path="src/app.py", offset=99)
    assert after.value["text"] == ""


async def test_read_bounds_a_long_file(context: ToolContext) -> None:
    (context.workspace / "long.txt").write_text("x" * 100 + "\n" + "line of text\n" * 20_000)
    result = await call(TOOLS["fs.read"], context, path="long.txt", limit=20_000)
    assert len(result.value["text"]) <= 60_000
    assert result.truncated
    (context.workspace / "one.txt").write_text("y" * 100_000)
    assert len((await call(TOOLS["fs.read"], context, path="one.txt")).value["text"]) == 60_000


async def test_read_tells_binary_files_from_text(context: ToolContext) -> None:
    result = await call(TOOLS["fs.read"], context, path="src/data.bin")
    assert result.value["binary"]
    assert result.value["text"] == ""


@pytest.mark.parametrize(("lang", "told"), [("en", "shot.png: picture"), ("fr", "shot.png : picture")])
async def test_reading_a_picture_shows_it(context: ToolContext, lang: str, told: str) -> None:
    """What it is stands in words, the picture itself is for a model that sees; what is too large is only told."""
    raw = base64.b64decode(PIXEL)
    (context.workspace / "shot.png").write_bytes(raw)
    result = await call(TOOLS["fs.read"], replace(context, lang=lang), path="shot.png")
    assert result.images == (Image("image/png", PIXEL),)
    assert result.text == f"{told}, 1x1, image/png, {len(raw)} " + ("bytes" if lang == "en" else "octets")
    assert (result.value["picture"], result.value["width"], result.value["height"]) == ("image/png", 1, 1)
    assert (result.value["binary"], result.value["text"]) == (True, "")
    (context.workspace / "huge.png").write_bytes(raw + bytes(2_000_000))
    huge = await call(TOOLS["fs.read"], context, path="huge.png")
    assert (huge.images, huge.truncated) == ((), True)
    assert "too large, left out" in huge.text


async def test_a_picture_is_known_by_its_bytes_not_its_name(context: ToolContext) -> None:
    (context.workspace / "a.png").write_text("no picture\n")
    (context.workspace / "b.txt").write_text("GIF89a is how a GIF begins\n")
    (context.workspace / "c.dat").write_bytes(b"\xff\xd8\xff\xc0\x01\x11\x08\x01\xe0\x02\x80\x03")
    told = [await call(TOOLS["fs.read"], context, path=path) for path in ("a.png", "b.txt", "c.dat")]
    assert [result.value["text"] for result in told] == ["no picture\n", "GIF89a is how a GIF begins\n", ""]
    assert [result.value["picture"] for result in told] == ["", "", "image/jpeg"]
    assert (told[2].value["width"], told[2].value["height"]) == (640, 480)


@pytest.mark.parametrize(
    ("path", "label"), [(".env", "unknown"), ("deploy/key.pem", "unknown"), ("a/.env.example", "safe")]
)
def test_reading_a_file_of_secrets_asks(context: ToolContext, path: str, label: str) -> None:
    tool = TOOLS["fs.read"]
    assert tool.assess(parse_args(tool, {"path": path}), context).label == label


async def test_list_names_kinds_without_following_links(context: ToolContext) -> None:
    result = await call(TOOLS["fs.list"], context)
    kinds = {entry["name"]: entry["kind"] for entry in result.value["entries"]}
    assert kinds["src"] == "folder"
    assert kinds["link.txt"] == "link"
    assert kinds["README.md"] == "file"


@pytest.mark.parametrize(
    ("pattern", "files"),
    [
        ("*.py", ["src/app.py"]),
        ("**/*.{py,md}", ["README.md", "src/app.py"]),
        ("src/*", ["src/app.py", "src/data.bin"]),
        ("./src/**", ["src/app.py", "src/data.bin"]),
        ("*.nothing", []),
        ("[", []),
        ("*" * 60 + "x", []),
    ],
)
async def test_glob_finds_files_by_pattern(context: ToolContext, pattern: str, files: list[str]) -> None:
    assert (await call(TOOLS["fs.glob"], context, pattern=pattern)).value["files"] == files


SEARCHERS = [pytest.param(None, id="ripgrep", marks=pytest.mark.skipif(not shutil.which("rg"), reason="no ripgrep"))]
SEARCHERS.append(pytest.param("", id="own scan"))


@pytest.fixture(params=SEARCHERS)
def search(request: pytest.FixtureRequest) -> FsSearch:
    return FsSearch(ripgrep=request.param)


KEY_LINES = [
    "-----BEGIN " + "PRIVATE KEY-----",
    *(("q7Zp3vK9" * 8)[n : n + 60] for n in range(3)),
    "-----END PRIVATE KEY-----",
]


async def test_no_part_of_a_file_shows_a_private_key(context: ToolContext, search: FsSearch) -> None:
    """Lines read or found alone do not say that they belong to one: the whole file does."""
    (context.workspace / "deploy.yml").write_text("a: |\n" + "".join(f"  {line}\n" for line in KEY_LINES) + "b: q7Zp\n")
    part = await call(TOOLS["fs.read"], context, path="deploy.yml", offset=3, limit=3)
    found = await call(search, context, pattern="q7Zp|END", context=1)
    for result in (part, found):
        assert KEY_LINES[1][4:] not in result.model_dump_json()
        assert "END" in result.text or "lines 3" in result.text
    assert [match["line"] for match in found.value["matches"]] == [3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"pattern": "needle"}, {".env.example:1", "crlf.txt:2", "latin.txt:1", "src/app.py:3"}),
        ({"pattern": "NEEDLE", "ignore_case": True, "glob": "*.md"}, {"README.md:3"}),
        ({"pattern": "needle$", "path": "crlf.txt"}, {"crlf.txt:2"}),
        ({"pattern": "()", "literal": True}, {"src/app.py:3"}),
        ({"pattern": r"def \w+\(\)", "path": "src"}, {"src/app.py:3"}),
        ({"pattern": r"(?<=def )needle"}, {"src/app.py:3"}),
        ({"pattern": "-e"}, set()),
        ({"pattern": "needle", "limit": 1}, {".env.example:1"}),
    ],
)
async def test_search_gives_the_same_with_and_without_ripgrep(
    context: ToolContext, search: FsSearch, values: dict[str, object], found: set[str]
) -> None:
    result = await call(search, context, **values)
    assert {f"{match['path']}:{match['line']}" for match in result.value["matches"]} == found
    assert "outside" not in result.text
    assert "SECRET=needle" not in result.text or ".env.example" in result.text


async def test_search_shows_lines_around_and_names_what_it_skipped(context: ToolContext, search: FsSearch) -> None:
    result = await call(search, context, pattern="needle", glob="*.txt", context=1)
    match = next(match for match in result.value["matches"] if match["path"] == "crlf.txt")
    assert (match["before"], match["text"], match["after"]) == (["one"], "needle", ["three"])
    assert (await call(search, context, pattern="x")).value["skipped"] == [".env"]
    assert (await call(search, context, pattern="nowhere-at-all")).text.startswith("no match in")


async def test_search_names_an_invalid_pattern(context: ToolContext, search: FsSearch) -> None:
    with pytest.raises(PatternInvalid):
        await call(search, context, pattern="(")


async def test_a_pattern_that_never_ends_is_ended(context: ToolContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """A catastrophic expression must not hang the process that runs everybody's missions."""
    monkeypatch.setattr(searching, "SECONDS", 0.5)
    (context.workspace / "trap.txt").write_text("a" * 60 + "b\n")
    started = time.monotonic()
    with pytest.raises(SearchTimedOut):
        await call(FsSearch(ripgrep=""), context, pattern=r"^(a+)+$")
    assert time.monotonic() - started < 5


def test_the_scan_answers_a_request_like_ripgrep(
    context: ToolContext, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    request = {"pattern": "NEEDLE", "literal": False, "ignore_case": True, "limit": 2, "largest": 1_000}
    request |= {"root": str(context.workspace), "files": ["none", "src/data.bin", "README.md", "src/app.py"]}
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(request)))
    assert scan.main() == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [["README.md", 3], ["src/app.py", 3]]
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(request | {"pattern": "[", "files": []})))
    assert scan.main() == 2
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(request | {"pattern": "(", "literal": True})))
    assert scan.main() == 0


async def test_search_covers_more_files_than_fit_one_command_line(context: ToolContext, search: FsSearch) -> None:
    for number in range(1_500):
        (context.workspace / f"file-with-a-rather-long-name-{number:05}.txt").write_text(f"marker {number}\n")
    result = await call(search, context, pattern="^marker", limit=1_000)
    assert len(result.value["matches"]) == 1_000
    assert result.truncated
    assert result.value["matches"][0]["path"].endswith("00000.txt")


async def test_write_shows_a_diff_writes_once_and_is_idempotent(context: ToolContext) -> None:
    tool = TOOLS["fs.write"]
    args = parse_args(tool, {"path": "README.md", "content": "# Title\n\nOther\u202e\n"})
    preview = tool.preview(args, context)
    assert "-Needle here" in preview.body
    assert "+Other\\u202e" in preview.body
    judged = tool.assess(args, context)
    assert judged.label == RiskLabel.WRITE
    first, second = await tool.call(args, context), await tool.call(args, context)
    assert (first.value["already"], second.value["already"]) == (False, True)
    assert tool.assess(args, context).conditions != judged.conditions
    made = await call(tool, context, path="new/file.txt", content="x")
    assert made.value["created"]


async def test_control_files_are_privileged_or_refused(context: ToolContext) -> None:
    tool = TOOLS["fs.write"]
    refused = parse_args(tool, {"path": ".git/hooks/pre-commit", "content": "x"})
    assert tool.assess(refused, context).label == RiskLabel.PRIVILEGED
    with pytest.raises(ControlFileRefused):
        await tool.call(refused, context)
    asks = parse_args(tool, {"path": ".github/workflows/ci.yml", "content": "x"})
    assert tool.assess(asks, context).label == RiskLabel.PRIVILEGED
    assert (await tool.call(asks, context)).value["created"]


async def test_a_path_outside_is_refused_and_its_preview_shows_nothing(context: ToolContext) -> None:
    tool = TOOLS["fs.write"]
    args = parse_args(tool, {"path": "link.txt", "content": "mine\n"})
    assert "outside" not in tool.preview(args, context).body
    assert tool.assess(args, context).conditions == {"file:link.txt": "NG-PATH-001"}
    with pytest.raises(PathRefused):
        await tool.call(args, context)
    with pytest.raises(FileMissing):
        await call(TOOLS["fs.read"], context, path="none")


async def test_markdown_writer_writes_markdown_only(context: ToolContext) -> None:
    tool = TOOLS["fs.write_markdown"]
    assert "markdown_writer" in tool.spec.aliases
    await call(tool, context, path="docs/report.md", content="# Report")
    assert (context.workspace / "docs" / "report.md").read_text() == "# Report\n"
    with pytest.raises(NotMarkdown):
        await call(tool, context, path="x.sh", content="x")


def test_unknown_arguments_are_errors() -> None:
    with pytest.raises(BadArguments):
        parse_args(TOOLS["fs.read"], {"path": "a", "ofset": 1})
