"""Running the Ruff of this environment: by argv, isolated from the project's settings, within limits."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruff import find_ruff_bin  # type: ignore[import-untyped]

from nextgeneration.tools.code.errors import LinterFailed, LinterTooSlow
from nextgeneration.tools.code.patches import split_by_file
from nextgeneration.tools.code.rules import BUILTINS, IGNORE, IMMUTABLE_CALLS, PER_FILE_IGNORES

MAX_OUTPUT = 64_000_000
_READ = 1 << 16
_BY_ANNOTATIONS = frozenset({"F821", "F822"})
"""Rules that read annotations, which Python looks up when it defines them, and from 3.14 on only when asked."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing Ruff says.

    Attributes:
        code: the rule (``F401``), ``invalid-syntax`` when the file cannot be read.
        name: the rule's name in words (``unused-import``).
        fixable: whether Ruff has a fix it calls safe.
    """

    path: str
    line: int
    end_line: int
    code: str
    name: str
    message: str
    fixable: bool


class Ruff:
    """Ruff over given files of one folder.

    Args:
        root: the resolved workspace; the working directory.
        scratch: a private folder for the list of files.
        target: the oldest Python the project runs on, such as ``py311``; newer syntax is an error.
        older: a Python it may run on just as well, where the target is only assumed: what holds in one of them
            alone is not said.
    """

    def __init__(self, root: Path, scratch: Path, target: str, older: str = "") -> None:
        self._root = root
        self._scratch = scratch
        self._target = target
        self._older = older

    async def check(self, paths: Sequence[str], select: Sequence[str], seconds: float) -> list[Violation]:
        """What the rules find in ``paths``.

        Raises:
            LinterFailed: Ruff gave no answer that can be read.
            LinterTooSlow: it did not end in ``seconds``.
        """
        end = asyncio.get_running_loop().time() + seconds
        found = await self._found(paths, self._rules(select, self._target), seconds)
        doubted = {violation.path for violation in found if violation.code in _BY_ANNOTATIONS}
        if not self._older or not doubted:
            return found
        rules = self._rules(sorted(_BY_ANNOTATIONS), self._older)
        left = max(end - asyncio.get_running_loop().time(), 0.1)
        held = {(v.path, v.line, v.message) for v in await self._found(sorted(doubted), rules, left)}
        return [v for v in found if v.code not in _BY_ANNOTATIONS or (v.path, v.line, v.message) in held]

    async def _found(self, paths: Sequence[str], rules: Sequence[str], seconds: float) -> list[Violation]:
        raw = await self._run(paths, [*rules, "--output-format=json"], seconds)
        try:
            return [v for item in json.loads(raw) if (v := self._violation(item)) is not None]
        except (ValueError, KeyError, TypeError) as error:
            raise LinterFailed(detail=f"unreadable output ({error})") from error

    async def fixes(self, paths: Sequence[str], select: Sequence[str], seconds: float) -> dict[str, str]:
        """The diff of all safe fixes of each file that has some. Raises as :meth:`check`."""
        raw = await self._run(paths, [*self._rules(select, self._target), "--fix", "--diff", "--quiet"], seconds)
        try:
            return dict(split_by_file(raw.decode("utf-8")))
        except UnicodeDecodeError as error:
            raise LinterFailed(detail=str(error)) from error

    def _rules(self, select: Sequence[str], target: str) -> list[str]:
        calls = json.dumps(IMMUTABLE_CALLS)
        ignores = [f"{pattern}:{code}" for pattern, codes in PER_FILE_IGNORES.items() for code in codes]
        return [
            f"--select={','.join(select)}",
            f"--ignore={','.join(IGNORE)}",
            f"--per-file-ignores={','.join(ignores)}",
            f"--target-version={target}",
            "--config", f"lint.flake8-bugbear.extend-immutable-calls={calls}",
            "--config", f"builtins={json.dumps(BUILTINS)}",
            "--config", "lint.mccabe.max-complexity=15",
        ]  # fmt: skip

    def _violation(self, item: dict[str, Any]) -> Violation | None:
        code, message = item["code"] or "invalid-syntax", str(item["message"])
        if code == "E902":
            return None
        fix = item.get("fix") or {}
        path = Path(item["filename"])
        return Violation(
            path=(path.relative_to(self._root) if path.is_absolute() else path).as_posix(),
            line=int(item["location"]["row"]),
            end_line=int(item["end_location"]["row"]),
            code=str(code),
            name=str(item.get("name") or code),
            message=message,
            fixable=fix.get("applicability") == "safe",
        )

    async def _run(self, paths: Sequence[str], options: Sequence[str], seconds: float) -> bytes:
        listed = await asyncio.to_thread(self._listed, paths)
        try:
            argv = [find_ruff_bin(), "check", "--isolated", "--no-cache", "--exit-zero", *options, f"@{listed}"]
            async with asyncio.timeout(seconds):
                return await _output(argv, self._root)
        except TimeoutError:
            raise LinterTooSlow(seconds=round(seconds)) from None
        except OSError as error:
            raise LinterFailed(detail=str(error)) from error
        finally:
            listed.unlink(missing_ok=True)

    def _listed(self, paths: Sequence[str]) -> Path:
        """A file with one path a line: 20,000 paths do not fit an argv everywhere."""
        number, name = tempfile.mkstemp(".files", dir=self._scratch)
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write("".join(f"./{path}\n" for path in paths if "\n" not in path and "\r" not in path))
        return Path(name)


async def _output(argv: Sequence[str], folder: Path) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *argv,
        cwd=folder,
        env={"NO_COLOR": "1"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.TaskGroup() as group:
            out = group.create_task(_bounded(process.stdout))
            err = group.create_task(_bounded(process.stderr))
        if out.result() is None:
            raise LinterFailed(detail=f"more than {MAX_OUTPUT} bytes of output")
        if await process.wait() != 0:
            raise LinterFailed(detail=(err.result() or b"").decode("utf-8", "replace").strip()[:500])
        return out.result() or b""
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _bounded(stream: asyncio.StreamReader | None) -> bytes | None:
    """All a stream gives, ``None`` when that is too much."""
    pieces, size = [], 0
    while stream is not None and (piece := await stream.read(_READ)):
        size += len(piece)
        if size > MAX_OUTPUT:
            return None
        pieces.append(piece)
    return b"".join(pieces)
