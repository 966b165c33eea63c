"""A README is asked a newcomer's questions, in English and French; gaps are named, nothing is written."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from nextgeneration.kernel.tools import ToolContext, ToolResult
from nextgeneration.settings.tools import ToolSettings
from nextgeneration.tools import docs
from nextgeneration.tools.base import parse_args
from nextgeneration.tools.docs.readme import ReadmeReport
from nextgeneration.tools.errors_paths import FileMissing

TOOL = next(tool for tool in docs.tools(ToolSettings()) if tool.spec.name == "docs.readme")

GOOD = """# Kettle

Kettle is a small service that boils water on request.

## Installation

    pip install kettle

## Usage

Run `kettle`.

## Tests

`make test`

## License

Apache-2.0
"""
BON = """# Bouilloire

Bouilloire est un petit service qui chauffe de l'eau à la demande.

## Prise en main

Lancez `bouilloire`.

## Développement

Les essais.

## Licence
"""


@pytest.fixture
def context(tmp_path: Path) -> ToolContext:
    for name in ("work", "scratch"):
        (tmp_path / name).mkdir()
    root = tmp_path / "work"
    (root / "app.py").write_text("x = 1\n")
    (root / "test_app.py").write_text("x = 1\n")
    return ToolContext(workspace=root, scratch=tmp_path / "scratch")


async def run(context: ToolContext, **args: Any) -> ToolResult:
    result = await TOOL.call(parse_args(TOOL, args), context)
    ReadmeReport.model_validate(result.value)
    return result


@pytest.mark.parametrize(("text", "language"), [(GOOD, "en"), (BON, "fr")])
async def test_a_complete_readme_has_no_findings(context: ToolContext, text: str, language: str) -> None:
    (context.workspace / "README.md").write_text(text)
    result = await run(context)
    assert not result.findings
    assert result.value["score"] == 100
    assert result.value["language"] == language
    assert result.value["present"] == ["title", "what", "install", "usage", "licence", "tests"]


async def test_each_gap_is_named(context: ToolContext) -> None:
    (context.workspace / "README.md").write_text("nothing\n")
    result = await run(context)
    assert {f.rule for f in result.findings} == {
        f"docs.readme-{name}" for name in ("title", "what", "install", "usage", "licence", "tests")
    }
    assert result.value["score"] == 0
    french = await run(dataclasses.replace(context, lang="fr"))
    assert "README.md ne dit pas : ce qu'est le projet" in {f.title for f in french.findings}
    assert {f.id for f in french.findings} == {f.id for f in result.findings}


async def test_files_beside_the_readme_answer_too(context: ToolContext) -> None:
    (context.workspace / "README.rst").write_text("Kettle\n======\n\nKettle boils water on request for you.\n")
    (context.workspace / "COPYING").write_text("x")
    (context.workspace / "CONTRIBUTING.md").write_text("x")
    assert set((await run(context)).value["missing"]) == {"install", "usage"}


async def test_what_a_project_has_not_is_not_asked_for(context: ToolContext) -> None:
    (context.workspace / "app.py").unlink()
    (context.workspace / "test_app.py").unlink()
    (context.workspace / "README.md").write_text("# Notes\n\nNotes on the birds of our garden, by month.\n")
    assert set((await run(context)).value["missing"]) == {"usage", "licence"}


async def test_banners_in_html_and_commands_in_blocks_count(context: ToolContext) -> None:
    text = '<h1>Kettle</h1>\n<p align="center">Boils water on request, quickly and safely.</p>\n\n'
    text += "```sh\ndocker run kettle\n```\n\n```sh\nkettle now && pytest\n```\nLicensed under Apache.\n"
    (context.workspace / "README.md").write_text(text)
    assert (await run(context)).value["missing"] == []


async def test_no_readme(context: ToolContext) -> None:
    result = await run(context)
    assert [f.rule for f in result.findings] == ["docs.readme-missing"]
    assert result.value["path"] == ""


async def test_the_top_readme_in_markdown_is_meant_unless_another_is_named(context: ToolContext) -> None:
    (context.workspace / "docs").mkdir()
    for name in ("README.md", "README.txt", "README.fr.md", "docs/README.md"):
        (context.workspace / name).write_text(GOOD)
    assert (await run(context)).value["path"] == "README.md"
    assert (await run(context, path="docs/README.md")).value["path"] == "docs/README.md"
    with pytest.raises(FileMissing):
        await run(context, path="gone.md")


async def test_text_somebody_meant_to_replace_is_pointed_out(context: ToolContext) -> None:
    (context.workspace / "README.md").write_text(GOOD + "\nClone your-project-name first.\n")
    (finding,) = (await run(context)).findings
    assert finding.rule == "docs.readme-placeholder"
    assert finding.location is not None
    assert finding.location.line == 21
