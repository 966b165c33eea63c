"""``fs.search``: lines that match a pattern, found by ripgrep or by our own scan, with the same answer.

Either program only says *where* a match is. The lines handed out are read through the workspace,
so a file swapped for a link meanwhile gives nothing that lies outside.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, Field

from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.show import shortened
from nextgeneration.kernel.tools import ToolContext, ToolResult, ToolSpec
from nextgeneration.security.secrets import without_keys
from nextgeneration.settings.environment import Environment
from nextgeneration.tools.base import Args, BaseTool
from nextgeneration.tools.beneath import parts_of
from nextgeneration.tools.control_files import may_hold_secrets
from nextgeneration.tools.fs import scan
from nextgeneration.tools.fs.errors import PatternInvalid, SearchTimedOut
from nextgeneration.tools.globs import Glob
from nextgeneration.tools.nouns import FILES
from nextgeneration.tools.workspace import READ_LIMIT, Workspace

SECONDS = 20.0
MAX_MATCHES = 1_000
MAX_LINE = 400
_BATCH_BYTES = 200_000
_OUTPUT_LIMIT = 32_000_000
_PATTERN_ERROR = 2

_SKIPPED = Texts(
    "[not searched, they normally hold secrets: {names}]",
    "[non fouillés, ils contiennent d'ordinaire des secrets : {names}]",
)
_LARGE = Texts("[not searched, larger than {limit:g} MB: {names}]", "[non fouillés, plus de {limit:g} Mo : {names}]")
_UNSHOWN = Texts(
    "[not searched, their names cannot be shown: {names}]",
    "[non fouillés, leurs noms ne peuvent être affichés : {names}]",
)
_NONE = Texts("no match in {files}", "aucun résultat dans {files}")


class SearchArgs(Args):
    """What to look for, and where."""

    pattern: str = Field(min_length=1, max_length=1_000, description="regular expression, matched line by line")
    path: str = Field(default=".", description="folder or file to search")
    glob: str = Field(default="", max_length=1_000, description="only files that fit, such as `*.py`")
    literal: bool = Field(default=False, description="take the pattern as plain text")
    ignore_case: bool = False
    context: int = Field(default=0, ge=0, le=10, description="lines shown around each match")
    limit: int = Field(default=200, ge=1, le=MAX_MATCHES, description="number of matching lines at most")


class Match(BaseModel):
    """One matching line; ``before`` and ``after`` are the lines around it."""

    path: str
    line: int
    text: str
    before: list[str] = []
    after: list[str] = []


class SearchResult(BaseModel):
    """Matches by path and line."""

    matches: list[Match]
    files_searched: int
    skipped: list[str] = []
    too_large: list[str] = []
    unshown: list[str] = []


class FsSearch(BaseTool):
    """Searches the project's files; caches, ignored and binary files and files of secrets are left out."""

    spec = ToolSpec(
        name="fs.search",
        summary=Texts("Searches the project's files for a pattern.", "Cherche un motif dans les fichiers du projet."),
        args=SearchArgs,
        result=SearchResult,
        seconds=SECONDS + 20,
    )

    def __init__(self, ripgrep: str | None = None) -> None:
        """``ripgrep`` is its path; by default it is looked for, and ``""`` does without."""
        self._ripgrep = (Environment.current().program("rg") or "") if ripgrep is None else ripgrep

    async def call(self, args: SearchArgs, context: ToolContext) -> ToolResult:
        """The matching lines."""
        workspace = Workspace(context.workspace)
        files = await asyncio.to_thread(_wanted, workspace, args)
        skipped = [path for path in files if may_hold_secrets(path)]
        files = sorted(set(files).difference(skipped))
        large = await asyncio.to_thread(_large, workspace.root, files)
        files = sorted(set(files).difference(large))
        unshown = [name for name in workspace.unshown if _is_below(name, args.path)]
        places = await self._places(workspace, args, files)
        matches = list(_read(workspace, args, places))
        value = SearchResult(
            matches=matches[: args.limit],
            files_searched=len(files),
            skipped=skipped[:50],
            too_large=large[:50],
            unshown=unshown[:50],
        )
        lines = [f"{match.path}:{match.line}: {match.text}" for match in value.matches]
        lines = lines or [_NONE.say(context.lang, files=FILES.of(len(files)))]
        for said, names in ((_SKIPPED, skipped), (_LARGE, large), (_UNSHOWN, unshown)):
            if names:
                lines.append(said.say(context.lang, names=", ".join(names[:10]), limit=READ_LIMIT / 1e6))
        return ToolResult(value=value.model_dump(), text="\n".join(lines), truncated=len(matches) > args.limit)

    async def _places(self, workspace: Workspace, args: SearchArgs, files: list[str]) -> list[tuple[str, int]]:
        try:
            async with asyncio.timeout(SECONDS):
                if self._ripgrep:
                    with suppress(_NotForRipgrep):
                        return await _by_ripgrep(self._ripgrep, workspace.root, args, files)
                return await _by_scan(workspace.root, args, files)
        except TimeoutError:
            raise SearchTimedOut(seconds=f"{SECONDS:g}") from None


class _NotForRipgrep(Exception):
    """The pattern uses what ripgrep's expressions do not have, such as look-behind."""


def _wanted(workspace: Workspace, args: SearchArgs) -> list[str]:
    glob = Glob(args.glob) if args.glob else None
    found = [path for path in workspace.files() if _is_below(path, args.path)]
    return [path for path in found if glob is None or glob.matches(path)]


def _is_below(path: str, folder: str) -> bool:
    below = "/".join(parts_of(folder))
    return not below or path == below or path.startswith(below + "/")


def _large(root: Path, files: list[str]) -> list[str]:
    """Files beyond what is read. Ripgrep skips those it finds itself, but reads whatever is named to it."""
    large = []
    for path in files:
        with suppress(OSError):
            if (root / path).lstat().st_size > READ_LIMIT:
                large.append(path)
    return large


async def _by_ripgrep(program: str, root: Path, args: SearchArgs, files: list[str]) -> list[tuple[str, int]]:
    options = ["--no-config", "--json", "--no-messages", "--encoding=none", "--sort=none", "--crlf", "--threads=2"]
    options += [f"--max-filesize={READ_LIMIT}", "--case-sensitive" if not args.ignore_case else "--ignore-case"]
    options += ["--fixed-strings"] if args.literal else []
    found: list[tuple[str, int]] = []
    for batch in _batches(files):
        if len(found) > args.limit:
            break
        argv = [program, *options, "--regexp", args.pattern, "--", *(f"./{path}" for path in batch)]
        here: dict[str, list[int]] = {}
        async for line in _lines_of(argv, root, b"", _not_for_ripgrep):
            message = json.loads(line)
            data = message.get("data", {})
            if message["type"] == "match" and data["line_number"] and "text" in data["path"]:
                here.setdefault(data["path"]["text"], []).append(data["line_number"])
            elif message["type"] == "end" and data["binary_offset"] is not None:
                here.pop(data["path"].get("text", ""), None)
        found += sorted((path.removeprefix("./"), number) for path, numbers in here.items() for number in numbers)
    return found


def _not_for_ripgrep(_: str) -> Exception:
    return _NotForRipgrep()


async def _by_scan(root: Path, args: SearchArgs, files: list[str]) -> list[tuple[str, int]]:
    request = args.model_dump(include={"pattern", "literal", "ignore_case"})
    request |= {"root": str(root), "files": files, "limit": args.limit + 1, "largest": READ_LIMIT}
    argv = [sys.executable, "-I", "-S", scan.__file__]

    def invalid(complaint: str) -> Exception:
        return PatternInvalid(pattern=args.pattern, detail=complaint[:200])

    return [tuple(json.loads(line)) async for line in _lines_of(argv, root, json.dumps(request).encode(), invalid)]


async def _lines_of(argv: list[str], root: Path, given: bytes, invalid: object) -> AsyncIterator[bytes]:
    """The lines a helper prints; the helper is ended when nobody wants them any more."""
    process = await asyncio.create_subprocess_exec(
        *argv, cwd=root, stdin=PIPE if given else DEVNULL, stdout=PIPE, stderr=PIPE, limit=_OUTPUT_LIMIT
    )
    complaints = asyncio.create_task(process.stderr.read(4_096))  # type: ignore[union-attr]
    try:
        if process.stdin:
            process.stdin.write(given)
            process.stdin.close()
        async for line in process.stdout:  # type: ignore[union-attr]
            yield line
        if await process.wait() == _PATTERN_ERROR:
            raise invalid((await complaints).decode("utf-8", "replace"))  # type: ignore[operator]
    finally:
        complaints.cancel()
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _batches(files: list[str]) -> Iterator[list[str]]:
    """The files in groups whose names fit on one command line."""
    batch: list[str] = []
    size = 0
    for path in files:
        if batch and size > _BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(path)
        size += len(os.fsencode(path)) + 16
    if batch:
        yield batch


def _read(workspace: Workspace, args: SearchArgs, places: list[tuple[str, int]]) -> Iterator[Match]:
    lines: list[str] = []
    read = ""
    for path, number in places[: args.limit + 1]:
        if path != read:
            read = path
            try:
                # Of the whole file: a line of a private key alone does not show what it is.
                text: str | None = without_keys(workspace.read_text(path))
            except NGError:
                text = None
            lines = [] if text is None else [shortened(line.removesuffix("\r"), MAX_LINE) for line in text.split("\n")]
        at = number - 1
        if at < len(lines):
            around = args.context
            yield Match(
                path=path,
                line=number,
                text=lines[at],
                before=lines[max(at - around, 0) : at],
                after=lines[at + 1 : at + 1 + around],
            )
