"""Links that lead nowhere are found, links that any common renderer follows are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextgeneration.kernel.findings import Severity
from nextgeneration.kernel.tools import ToolContext, ToolResult
from nextgeneration.settings.tools import ToolSettings
from nextgeneration.tools import docs, fs
from nextgeneration.tools.base import parse_args
from nextgeneration.tools.docs.anchors import anchors, markdown_links, rst_links

TOOLS = {tool.spec.name: tool for room in (docs, fs) for tool in room.tools(ToolSettings())}


@pytest.fixture
def context(tmp_path: Path) -> ToolContext:
    for name in ("work", "scratch"):
        (tmp_path / name).mkdir()
    return ToolContext(workspace=tmp_path / "work", scratch=tmp_path / "scratch")


def write(context: ToolContext, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = context.workspace / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())


async def run(context: ToolContext, name: str = "docs.links", **args: Any) -> ToolResult:
    return await TOOLS[name].call(parse_args(TOOLS[name], args), context)


SITE = {
    "docs/guide.md": "# The Guide\n\n## Set up: first (steps)!\n\n## Twice\n\n## Twice\n\n"
    "<a id='here'></a>\n\n## `code` part\n",
    "docs/img/logo one.png": "x",
    "docs/page/index.md": "# Index\n",
    "src/app.py": "x = 1\n",
    "Notes.md": "# Été à Saint-Étienne\n\nTitle\n=====\n",
}  # fmt: skip


@pytest.mark.parametrize(
    "link",
    [
        "[a](docs/guide.md)",
        "[a](./docs/guide.md#the-guide)",
        "[a](docs/guide.md#set-up-first-steps)",
        "[a](docs/guide.md#twice-1)",
        "[a](docs/guide.md#here)",
        "[a](docs/guide.md#code-part)",
        "[a](docs/guide.md?plain=1#twice)",
        "[a](/docs/guide.md)",
        "[a](docs)",
        "[a](docs/)",
        "[a](docs/guide)",
        "[a](docs/page/)",
        "[a](docs/guide.html)",
        "![a](docs/img/logo%20one.png)",
        "[![a](docs/img/logo%20one.png)](docs/guide.md 'title')",
        "[a](src/app.py#L1-L3)",
        "[a](Notes.md#été-à-saint-étienne)",
        "[a](Notes.md#title)",
        "[a](#top)",
        "# Here\n[a](#here)",
        "# A {#own}\n[a](#own)",
        "[a](https://example.org/x.md)",
        "[a](mailto:a@b.c)",
        "[a](//host/x)",
        "[a](../../issues/3)",
        "[a]({{ site.url }}/x)",
        "[a]({% link x %})",
        "`[a](gone.md)`",
        "```\n[a](gone.md)\n```",
        "- item\n  ~~~\n  [a](gone.md)\n  ~~~",
        "<!-- [a](gone.md) -->",
        "<!--\n[a](gone.md)\n-->",
        "[a]: docs/guide.md",
        "[^1]: gone.md",
        "<a href='docs/guide.md'>x</a>",
        "<img src='docs/img/logo%20one.png' width=3>",
        "text [x] (not a link) [y]",
    ],
)
async def test_links_that_are_right(context: ToolContext, link: str) -> None:
    write(context, {**SITE, "README.md": link + "\n"})
    assert [f.title for f in (await run(context, paths=["README.md"])).findings] == []


@pytest.mark.parametrize(
    ("link", "rule", "severity"),
    [
        ("[a](gone.md)", "file", Severity.MEDIUM),
        ("[a](docs/gone/)", "file", Severity.MEDIUM),
        ("[a][x]\n\n[x]: gone.md", "file", Severity.MEDIUM),
        ("![a](gone.png)", "image", Severity.MEDIUM),
        ("[![a](gone.png)](docs/guide.md)", "image", Severity.MEDIUM),
        ("<img alt='x' src='gone.png'>", "image", Severity.MEDIUM),
        ("<a href='gone.md'>x</a>", "file", Severity.MEDIUM),
        ("[a](docs/guide.md#nothing-like-this)", "anchor", Severity.LOW),
        ("[a](#nothing)", "anchor", Severity.LOW),
        ("[a](Docs/Guide.md)", "case", Severity.MEDIUM),
        ("[a](/gone.md)", "file", Severity.MEDIUM),
    ],
)
async def test_links_that_lead_nowhere(context: ToolContext, link: str, rule: str, severity: Severity) -> None:
    write(context, {**SITE, "README.md": f"first line\n\n{link}\n"})
    (finding,) = (await run(context, paths=["README.md"])).findings
    assert finding.rule == f"docs.link-{rule}"
    assert finding.severity is severity
    assert finding.location is not None
    assert finding.location.line in {3, 5}
    assert finding.evidence[0].excerpt


async def test_addresses_of_a_site_are_only_mentioned_where_no_such_link_leads_to_a_file(context: ToolContext) -> None:
    """A generator makes ``/api/``; where other links of that kind do lead to files, it is a path and broken."""
    pages = {
        **SITE,
        "docs/a.md": "[x](/api/)\n\n![y](/static/y.png)\n\n[z](gone.md)\n",
        "docs/README.md": "[x](/gone)\n",
    }
    write(context, pages)
    found = {
        (f.title.split()[3] if "link" in f.title else f.title.split()[2]): f for f in (await run(context)).findings
    }
    assert {target: finding.severity for target, finding in found.items()} == {
        "/api/": Severity.INFO, "/static/y.png": Severity.INFO, "gone.md": Severity.MEDIUM, "/gone": Severity.MEDIUM,
    }  # fmt: skip
    assert "address of the published site" in found["/api/"].message
    write(context, {"docs/b.md": "[g](/docs/guide.md)\n"})
    assert all(f.severity is Severity.MEDIUM for f in (await run(context)).findings)


async def test_the_target_that_was_meant_is_proposed_applied_and_verified(context: ToolContext) -> None:
    text = "See [g](guide.md), [G](DOCS/guide.md#twice) and\r\n"
    text += "![l](img/logo%20one.png) [s](docs/guide.md#the-guyde) [x](no.md).\r\n"
    write(context, {**SITE, "README.md": text, "docs/a/deep.md": "[n](Notes.md) [n2](/notes.md)\n"})
    result = await run(context)
    assert {f.rule: f.fix for f in result.findings if f.rule == "docs.link-image"} == {
        "docs.link-image": "Write docs/img/logo%20one.png instead."
    }
    assert len(result.proposals) == 2
    for proposal in result.proposals:
        await run(context, "fs.patch", **proposal.args)
        assert proposal.verify is not None
        again = await run(context, **proposal.verify.args)
        assert not {f.id for f in again.findings} & set(proposal.verify.absent)
    assert (context.workspace / "README.md").read_bytes().decode() == (
        "See [g](docs/guide.md), [G](docs/guide.md#twice) and\r\n"
        "![l](docs/img/logo%20one.png) [s](docs/guide.md#the-guide) [x](no.md).\r\n"
    )
    assert (context.workspace / "docs/a/deep.md").read_text() == "[n](../../Notes.md) [n2](/Notes.md)\n"


async def test_two_files_of_one_name_are_no_answer(context: ToolContext) -> None:
    write(context, {"a/x.md": "", "b/x.md": "", "README.md": "[x](x.md)\n"})
    result = await run(context)
    assert len(result.findings) == 1
    assert not result.findings[0].fix
    assert not result.proposals


async def test_a_file_that_git_ignores_is_there_all_the_same(context: ToolContext) -> None:
    write(
        context, {".gitignore": "built\n", "built/a.md": "", "README.md": "[a](built/a.md) [b](built) [c](built/no)\n"}
    )
    assert [f.title for f in (await run(context)).findings] == ["Broken link to built/no in README.md"]


async def test_rest_files_are_checked_lightly(context: ToolContext) -> None:
    text = ".. image:: gone.png\n.. include:: ok.rst\n\n.. |l| image:: ok.rst\n\n`t <gone.rst>`_ `h <https://a.b>`_\n"
    write(context, {"a.rst": text, "ok.rst": "x\n"})
    assert {f.rule for f in (await run(context)).findings} == {"docs.link-image", "docs.link-file"}
    assert [link.target for link in rst_links(text)] == ["gone.png", "ok.rst", "ok.rst", "gone.rst", "https://a.b"]


async def test_the_report_counts_and_speaks_french(context: ToolContext) -> None:
    import dataclasses

    write(context, {**SITE, "README.md": "[a](gone.md) [b](docs/guide.md)\n"})
    result = await run(dataclasses.replace(context, lang="fr"))
    assert result.value == {"files": 4, "links": 2, "broken": 1, "skipped": []}
    assert result.text == "2 liens relatifs dans 4 fichiers, 1 ne mène nulle part."
    assert "Lien cassé vers gone.md" in result.findings[0].title


def test_anchors_are_githubs() -> None:
    found = anchors("# Hello, *World*! [x](y)\n# Hello, *World*! [x](y)\n## a_b-c  d\n### <b>T</b> ##\n")
    assert {"hello-world-x", "hello-world-x-1", "a_b-c--d", "a_b-c-d", "t"} <= found


def test_links_know_their_place() -> None:
    (link,) = markdown_links("x\nab [t](target.md) c")
    assert (link.target, link.line, link.column, link.image) == ("target.md", 2, 7, False)


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="[]()!<>`~#-=:ab/.\n \"'ahrefimgsrc", max_size=200))
def test_any_text_is_read_for_links_without_failing(text: str) -> None:
    lines = text.split("\n")
    for link in markdown_links(text):
        assert lines[link.line - 1].startswith(link.target, link.column)
    anchors(text)
    list(rst_links(text))


def test_hostile_lines_take_no_time() -> None:
    for text in ("[" * 50_000, "[a](" * 20_000, "<a " * 20_000, "`" * 50_000, "![[](" * 10_000, "[a]" * 30_000):
        list(markdown_links(text))
        anchors(text)
