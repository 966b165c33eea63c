"""PDFs are read page by page in a process of their own; hostile ones end that process and nothing else."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

from nextgeneration.kernel.tools import ToolContext, ToolResult
from nextgeneration.settings.tools import ToolSettings
from nextgeneration.tools import docs
from nextgeneration.tools.base import parse_args
from nextgeneration.tools.docs import pdf, pdf_process
from nextgeneration.tools.docs.errors import PagesUnknown, PdfEncrypted, PdfTooHeavy, PdfUnreadable
from nextgeneration.tools.docs.pdf import PdfText, page_numbers
from nextgeneration.tools.errors_paths import FileMissing, FileTooLarge, PathRefused

TOOL = next(tool for tool in docs.tools(ToolSettings()) if tool.spec.name == "pdf.read")


@pytest.fixture
def context(tmp_path: Path) -> ToolContext:
    for name in ("work", "scratch"):
        (tmp_path / name).mkdir()
    return ToolContext(workspace=tmp_path / "work", scratch=tmp_path / "scratch")


def made(*pages: str, password: str = "", title: str = "") -> bytes:
    """A PDF with one text a page; an empty text is a page with nothing on it."""
    writer = PdfWriter()
    font = DictionaryObject({
        NameObject("/Type"): NameObject("/Font"),
        NameObject("/Subtype"): NameObject("/Type1"),
        NameObject("/BaseFont"): NameObject("/Helvetica"),
        NameObject("/Encoding"): NameObject("/WinAnsiEncoding"),
    })  # fmt: skip
    for text in pages:
        page = writer.add_blank_page(200, 200)
        if text:
            stream = DecodedStreamObject()
            stream.set_data(b"BT /F1 12 Tf 10 100 Td (" + text.encode("cp1252") + b") Tj ET")
            page[NameObject("/Contents")] = writer._add_object(stream)
            fonts = DictionaryObject({NameObject("/F1"): font})
            page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
    if title:
        writer.add_metadata({"/Title": title})
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


async def run(context: ToolContext, data: bytes, **args: Any) -> ToolResult:
    (context.workspace / "a.pdf").write_bytes(data)
    result = await TOOL.call(parse_args(TOOL, {"path": "a.pdf", **args}), context)
    PdfText.model_validate(result.value)
    return result


async def test_pages_are_read_with_their_numbers(context: ToolContext) -> None:
    result = await run(context, made("Premiere page", "Été à Paris", title="Un titre"))
    assert result.value["page_count"] == 2
    assert result.value["pages"] == [{"page": 1, "text": "Premiere page"}, {"page": 2, "text": "Été à Paris"}]
    assert result.value["title"] == "Un titre"
    assert result.text == "Premiere page\n\nÉté à Paris"


async def test_pages_are_chosen(context: ToolContext) -> None:
    data = made("one", "two", "three", "four")
    assert [p["page"] for p in (await run(context, data, pages="2-3, 9")).value["pages"]] == [2, 3]


async def test_scans_are_said_to_hold_no_text(context: ToolContext) -> None:
    result = await run(context, made("", ""))
    assert not result.ok
    assert result.value["without_text"] == [1, 2]
    assert "scans" in result.value["note"]


async def test_what_is_too_long_is_cut_and_said(context: ToolContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "MAX_CHARACTERS", 10)
    result = await run(context, made("twelve chars", "more"))
    assert result.truncated
    assert result.value["pages"] == [{"page": 1, "text": "twelve cha"}]
    assert "first 10 characters" in result.value["note"]
    monkeypatch.setattr(pdf, "MAX_PAGES", 1)
    assert (await run(context, made("a", "b"))).truncated


async def test_encrypted_files_are_named_as_such(context: ToolContext) -> None:
    with pytest.raises(PdfEncrypted):
        await run(context, made("x", password="sesame"))
    assert (await run(context, made("plain"))).ok


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", b"%PDF-1.7\n", b"%PDF-1.7\n" + bytes(range(256)) * 20, made("x")[:200]],
)
async def test_damaged_files_are_a_clear_error(context: ToolContext, data: bytes) -> None:
    with pytest.raises(PdfUnreadable) as caught:
        await run(context, data)
    assert caught.value.path == "a.pdf"


async def test_time_is_bounded(context: ToolContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "SECONDS", 0.01)
    with pytest.raises(PdfTooHeavy):
        await run(context, made("x"))


async def test_a_process_that_dies_is_a_clear_error(context: ToolContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf.sys, "executable", "/bin/false")
    with pytest.raises(PdfTooHeavy):
        await run(context, made("x"))


async def test_paths_are_the_workspaces(context: ToolContext, monkeypatch: pytest.MonkeyPatch) -> None:
    for path, error in (("../a.pdf", PathRefused), ("gone.pdf", FileMissing)):
        with pytest.raises(error):
            await TOOL.call(parse_args(TOOL, {"path": path}), context)
    monkeypatch.setattr(pdf, "MAX_BYTES", 10)
    with pytest.raises(FileTooLarge):
        await run(context, made("x"))


@pytest.mark.parametrize(
    ("wanted", "pages"),
    [("", []), ("1-3,7", [1, 2, 3, 7]), (" 2 , 2-2,", [2]), ("5", [5]), ("1-999999", list(range(1, 201)))],
)
def test_page_lists(wanted: str, pages: list[int]) -> None:
    assert page_numbers(wanted) == pages


@pytest.mark.parametrize("wanted", ["0", "3-1", "a", "1-", "-1", "1;2"])
def test_page_lists_that_are_none(wanted: str) -> None:
    with pytest.raises(PagesUnknown):
        page_numbers(wanted)


ORDER = {"pages": [], "max_pages": 5, "max_characters": 100}


def test_the_parser_answers_every_kind_of_file() -> None:
    assert pdf_process.answer(made("x", title="t"), ORDER) == {
        "count": 1, "pages": [(1, "x")], "failed": [], "cut": False, "title": "t", "author": "",
    }  # fmt: skip
    assert pdf_process.answer(made("x", password="p"), ORDER)["problem"] == "encrypted"
    assert pdf_process.answer(b"rubbish", ORDER)["problem"] == "unreadable"


def test_a_page_that_fails_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    from pypdf import PageObject

    real = PageObject.extract_text

    def failing(self: PageObject, *args: Any, **kwargs: Any) -> str:
        text = real(self, *args, **kwargs)
        if text == "bad":
            raise KeyError("font")
        if text == "huge":
            raise MemoryError
        return text

    monkeypatch.setattr(PageObject, "extract_text", failing)
    found = pdf_process.answer(made("one", "bad", "three"), ORDER)
    assert found["pages"] == [(1, "one"), (3, "three")]
    assert found["failed"] == [2]
    assert pdf_process.answer(made("huge"), ORDER) == {"problem": "memory"}


def test_broken_metadata_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PdfReader, "metadata", property(lambda self: 1 / 0))
    assert pdf_process.answer(made("x"), ORDER)["title"] == ""


def test_the_process_reads_bytes_and_writes_json(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    class Stdin:
        buffer = io.BytesIO(made("x"))

    limits: list[int] = []
    monkeypatch.setattr("resource.setrlimit", lambda kind, _: limits.append(kind))
    monkeypatch.setattr("logging.disable", lambda _: None)
    monkeypatch.setattr("sys.setrecursionlimit", lambda _: None)
    monkeypatch.setattr("warnings.simplefilter", lambda _: None)
    monkeypatch.setattr("sys.stdin", Stdin())
    monkeypatch.setattr("sys.argv", ["pdf_process", '{"pages": [], "max_pages": 5, "max_characters": 100}'])
    pdf_process.main()
    assert '"pages": [[1, "x"]]' in capsys.readouterr().out
    assert len(limits) == 3
