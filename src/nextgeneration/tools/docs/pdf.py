"""``pdf.read``: the text of a PDF, page by page.

The parser runs in a process of its own, started by argv, with limits on time and memory: a hostile file
can end that process, and nothing else. It is handed the bytes and opens no file.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from contextlib import suppress
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.show import clean
from nextgeneration.kernel.tools import ToolContext, ToolResult, ToolSpec
from nextgeneration.tools.base import Args, BaseTool
from nextgeneration.tools.docs.errors import PagesUnknown, PdfEncrypted, PdfTooHeavy, PdfUnreadable
from nextgeneration.tools.docs.pdf_process import MEMORY_MB
from nextgeneration.tools.workspace import Workspace

MAX_BYTES = 50_000_000
MAX_PAGES = 200
MAX_CHARACTERS = 100_000
SECONDS = 30.0
_RANGE = re.compile(r"(\d{1,6})(?:-(\d{1,6}))?")


class PdfArgs(Args):
    """Which file, and which of its pages."""

    path: str = Field(min_length=1, max_length=1000, description="the PDF")
    pages: str = Field(default="", max_length=200, description="pages from 1, such as 1-3,7; none: all")


class Page(BaseModel):
    """The text of one page, as the file orders it."""

    model_config = ConfigDict(frozen=True)

    page: int
    text: str


class PdfText(BaseModel):
    """What could be read. ``without_text`` are pages that hold images or nothing."""

    model_config = ConfigDict(frozen=True)

    path: str
    page_count: int
    pages: tuple[Page, ...]
    without_text: tuple[int, ...]
    failed: tuple[int, ...]
    title: str = ""
    author: str = ""
    note: str = ""


def page_numbers(wanted: str) -> list[int]:
    """The pages named by ``1-3,7``, in order, at most ``MAX_PAGES``; empty for all.

    Raises:
        PagesUnknown: it is no such list.
    """
    pages: set[int] = set()
    for part in filter(None, (part.strip() for part in wanted.split(","))):
        match = _RANGE.fullmatch(part.replace(" ", ""))
        if match is None or int(match[1]) < 1 or int(match[2] or match[1]) < int(match[1]):
            raise PagesUnknown(pages=wanted)
        pages.update(range(int(match[1]), min(int(match[2] or match[1]), int(match[1]) + MAX_PAGES) + 1))
    return sorted(pages)[:MAX_PAGES]


class PdfRead(BaseTool):
    """Reading PDFs."""

    spec = ToolSpec(
        name="pdf.read",
        summary=Texts("Read the text of a PDF, page by page.", "Lire le texte d'un PDF, page par page."),
        args=PdfArgs,
        result=PdfText,
        seconds=SECONDS + 15,
        aliases=("pdf_reader",),
    )

    async def call(self, args: PdfArgs, context: ToolContext) -> ToolResult:
        """Read it.

        Raises:
            PathRefused, FileMissing, FileTooLarge: the file cannot be had.
            PdfUnreadable, PdfEncrypted, PdfTooHeavy: it cannot be read.
            PagesUnknown: the pages are no range.
        """
        pages = page_numbers(args.pages)
        data = await asyncio.to_thread(Workspace(context.workspace).read_bytes, args.path, MAX_BYTES)
        if b"%PDF-" not in data[:1024]:
            raise PdfUnreadable(path=args.path, detail="no %PDF- header")
        order = {"pages": pages, "max_pages": MAX_PAGES, "max_characters": MAX_CHARACTERS}
        answer = await _read(args.path, data, order)
        return _result(args.path, answer, context)


async def _read(path: str, data: bytes, order: dict[str, Any]) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-m", "nextgeneration.tools.docs.pdf_process", json.dumps(order),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        env={"PYTHONHASHSEED": "0"},
    )  # fmt: skip
    heavy = PdfTooHeavy(path=path, seconds=SECONDS, memory=MEMORY_MB)
    try:
        async with asyncio.timeout(SECONDS):
            out, _ = await process.communicate(data)
    except TimeoutError:
        raise heavy from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    try:
        answer = json.loads(out)
    except ValueError:
        raise heavy from None
    if answer.get("problem") == "encrypted":
        raise PdfEncrypted(path=path)
    if answer.get("problem") == "memory":
        raise heavy
    if "problem" in answer:
        raise PdfUnreadable(path=path, detail=clean(str(answer.get("detail", "")))[:300])
    return dict(answer)


def _result(path: str, answer: dict[str, Any], context: ToolContext) -> ToolResult:
    pages = tuple(Page(page=number, text=clean(text)) for number, text in answer["pages"] if text.strip())
    empty = tuple(number for number, text in answer["pages"] if not text.strip())
    cut, count = bool(answer["cut"]), int(answer["count"])
    note = ""
    if not pages and empty:
        note = Texts(
            "No page holds text: they are probably scans, which need character recognition.",
            "Aucune page ne contient de texte : sans doute des images, à passer par la reconnaissance de caractères.",
        ).say(context.lang)
    elif cut:
        note = Texts(
            "Only the first {characters} characters and {pages} pages are given; name pages to read on.",
            "Seuls les {characters} premiers caractères et {pages} pages sont donnés ; nommez des pages pour la suite.",
        ).say(context.lang, characters=MAX_CHARACTERS, pages=MAX_PAGES)
    value = PdfText(
        path=path,
        page_count=count,
        pages=pages,
        without_text=empty,
        failed=tuple(answer["failed"]),
        title=clean(answer["title"])[:300],
        author=clean(answer["author"])[:300],
        note=note,
    )
    text = "\n\n".join(page.text for page in pages) or note
    return ToolResult(ok=bool(pages) or count == 0, value=value.model_dump(mode="json"), text=text, truncated=cut)
