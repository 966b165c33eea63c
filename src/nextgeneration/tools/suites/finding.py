"""``test.find``: which tests a project has, and what would run them."""

from __future__ import annotations

import asyncio

from pydantic import BaseModel, Field

from nextgeneration.kernel.findings import Evidence, Finding, Severity
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.tools import ToolContext, ToolResult, ToolSpec
from nextgeneration.tools.base import Args, BaseTool
from nextgeneration.tools.beneath import parts_of
from nextgeneration.tools.nouns import FILES, TEST_FILES
from nextgeneration.tools.suites.detect import RESULTS, Suite, below, detect
from nextgeneration.tools.workspace import Workspace

_NONE = Texts("The project has no tests that could be found", "Aucun test n'a été trouvé dans le projet")
_NONE_WHY = Texts(
    "Looked for: pytest, unittest, node, Jest, Vitest, npm scripts, Go, Cargo, make test.",
    "Cherché : pytest, unittest, node, Jest, Vitest, scripts npm, Go, Cargo, make test.",
)
_NONE_FIX = Texts(
    "Add a first test of what matters most, so that a change that breaks it is noticed.",
    "Ajoutez un premier test de l'essentiel, pour qu'un changement qui le casse se voie.",
)
_LOOKED = Texts("{files}, none of them a test", "{files}, dont aucun test")
_SUITE = Texts("{runner} in {folder}: {files}", "{runner} dans {folder} : {files}")


class FindArgs(Args):
    """Where to look, and for which runner."""

    folder: str = Field(default=".", description="only suites in this folder or below")
    runner: str = Field(default="", description="only this runner, such as pytest")


class FoundSuite(BaseModel):
    """One suite: who runs it, where, with which command, and the test files seen."""

    runner: str
    folder: str
    command: list[str]
    files: list[str] = []


class FindResult(BaseModel):
    """All suites."""

    suites: list[FoundSuite]


class SuiteFind(BaseTool):
    """Finds the project's tests without running anything."""

    spec = ToolSpec(
        name="test.find",
        summary=Texts(
            "Finds the project's tests and what runs them.", "Trouve les tests du projet et ce qui les lance."
        ),
        args=FindArgs,
        result=FindResult,
    )

    async def call(self, args: FindArgs, context: ToolContext) -> ToolResult:
        """The suites; a finding when there is none in the whole project."""
        workspace = Workspace(context.workspace)
        suites = await asyncio.to_thread(chosen, workspace, args.folder, args.runner)
        value = FindResult(
            suites=[
                FoundSuite(
                    runner=suite.runner,
                    folder=suite.folder,
                    command=suite.command(RESULTS),
                    files=list(suite.files[:200]),
                )
                for suite in suites
            ]
        )
        findings = () if suites or args.runner or args.folder != "." else (_no_tests(workspace, context.lang),)
        lines = [
            _SUITE.say(context.lang, runner=suite.runner, folder=suite.folder, files=TEST_FILES.of(len(suite.files)))
            for suite in suites
        ]
        return ToolResult(value=value.model_dump(), text="\n".join(lines) or _NONE.say(context.lang), findings=findings)


def chosen(workspace: Workspace, folder: str, runner: str) -> list[Suite]:
    """The suites in ``folder`` and below it, of ``runner`` when it is given."""
    inside = "/".join(parts_of(folder)) or "."
    return [suite for suite in detect(workspace) if below(suite.folder, inside) and runner in ("", suite.runner)]


def _no_tests(workspace: Workspace, lang: Lang) -> Finding:
    looked = _LOOKED.say(lang, files=FILES.of(len(workspace.files())))
    return Finding(
        rule="test.none",
        title=_NONE.say(lang),
        message=_NONE_WHY.say(lang),
        severity=Severity.MEDIUM,
        confidence=0.8,
        evidence=(Evidence(source="test.find", excerpt=looked),),
        cause="tests-missing",
        fix=_NONE_FIX.say(lang),
    )
