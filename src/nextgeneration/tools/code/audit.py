"""The code tools: each check alone, and all of them as ``code.audit``."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.tools import ToolContext, ToolResult, ToolSpec
from nextgeneration.tools.base import Args, BaseTool
from nextgeneration.tools.code import complexity, dependencies, lint, project, secrets, todos
from nextgeneration.tools.code.languages import PROSE_AND_DATA
from nextgeneration.tools.code.manifests_python import oldest_python
from nextgeneration.tools.code.notes import MAX_FINDINGS, Notes, Skipped
from nextgeneration.tools.code.ruff import Ruff
from nextgeneration.tools.code.sources import Deadline, Source, read_all, select
from nextgeneration.tools.errors import ToolError
from nextgeneration.tools.nouns import FILES, LINES
from nextgeneration.tools.workspace import Workspace

SECONDS = 60.0
NEWEST_PYTHON = "py314"
BEFORE_LATE_ANNOTATIONS = "py313"
"""The last Python that looks annotations up where they stand."""


CheckName = Literal["lint", "security", "secrets", "dependencies", "complexity", "todos", "project"]
ALL: tuple[CheckName, ...] = ("lint", "secrets", "dependencies", "complexity", "todos", "project")
_PER_FILE: dict[str, Callable[[Source, Notes], None]] = {
    "secrets": secrets.scan,
    "complexity": complexity.estimate,
    "todos": todos.inventory,
    "project": project.examine,
}
_RUFF = {"lint": lint.lint, "security": lint.security, "complexity": lint.complexity}
_PYTHON = frozenset({".py", ".pyi", ".pyw"})


class CodeArgs(Args):
    """What a check looks at."""

    paths: list[str] = Field(default=[], max_length=1000, description="files or folders; none: the whole workspace")


class AuditArgs(CodeArgs):
    """What an audit looks at, and for."""

    checks: list[CheckName] = Field(default=[], description="which checks; none: all")


class Lines(BaseModel):
    """How much there is of one language."""

    model_config = ConfigDict(frozen=True)

    files: int
    lines: int


class Counted(BaseModel):
    """How many findings there are, before any limit on their number."""

    model_config = ConfigDict(frozen=True)

    total: int
    by_severity: dict[str, int]
    by_rule: dict[str, int]


class CodeReport(BaseModel):
    """What was looked at, what was not and why, and what was found."""

    model_config = ConfigDict(frozen=True)

    files: int
    lines: int
    languages: dict[str, Lines]
    findings: Counted
    checked: tuple[str, ...]
    skipped: tuple[Skipped, ...]


class CodeTool(BaseTool):
    """A tool made of some of the checks."""

    checks: ClassVar[tuple[CheckName, ...]] = ()

    def subjects(self, args: CodeArgs) -> tuple[str, ...]:
        """The paths it reads."""
        return tuple(args.paths) or (".",)

    async def call(self, args: CodeArgs, context: ToolContext) -> ToolResult:
        """Run the checks and hand back what they note, worst first.

        Raises:
            PathRefused, FileMissing: a path is not in the workspace.
            LinterFailed, LinterTooSlow: Ruff is the only check asked for and gave no answer.
        """
        wanted = getattr(args, "checks", None) or self.checks
        notes = Notes(self.spec.name, context.lang)
        deadline = Deadline(context.clock, SECONDS)
        workspace = Workspace(context.workspace)
        try:
            # What is left out of the whole is only worth a note when the whole is looked at.
            aside = Notes(self.spec.name, context.lang) if args.paths else notes
            every = await asyncio.to_thread(select, workspace, [], aside)
            paths = await asyncio.to_thread(select, workspace, args.paths, notes) if args.paths else every
            await _with_ruff(wanted, workspace, paths, context, notes, deadline)
            languages = await asyncio.to_thread(
                _with_text, wanted, workspace, paths, every, notes, deadline, whole=not args.paths
            )
        finally:
            deadline.stop()
        return _result(notes, wanted, paths, languages)


async def _with_ruff(
    wanted: Sequence[str],
    workspace: Workspace,
    paths: Sequence[str],
    context: ToolContext,
    notes: Notes,
    deadline: Deadline,
) -> None:
    python = [path for path in paths if PurePosixPath(path).suffix.lower() in _PYTHON]
    asked = [name for name in _RUFF if name in wanted]
    if not asked:
        return
    if not python:
        for name in asked:
            if name in {"lint", "security"}:
                notes.skip(name, Texts("no Python file", "aucun fichier Python"))
        return
    stated = await asyncio.to_thread(_stated_python, workspace)
    target, older = (stated, "") if stated else (NEWEST_PYTHON, BEFORE_LATE_ANNOTATIONS)
    ruff = Ruff(workspace.root, context.scratch, target, older)
    context.emit(f"ruff: {len(python)} Python files")
    for name in asked:
        try:
            await _RUFF[name](ruff, workspace, python, notes, deadline)
        except ToolError as error:
            if len(wanted) == 1:
                raise
            notes.skip(name, error.message(context.lang))


def _stated_python(workspace: Workspace) -> str:
    """The oldest Python the project says it supports, ``""`` when it does not say."""
    try:
        return oldest_python(workspace.read_text("pyproject.toml")) or ""
    except ToolError:
        return ""


def _with_text(
    wanted: Sequence[str], workspace: Workspace, paths: Sequence[str], every: Sequence[str], notes: Notes,
    deadline: Deadline, *, whole: bool,
) -> dict[str, Lines]:  # fmt: skip
    checks = [check for name, check in _PER_FILE.items() if name in wanted]
    files: Counter[str] = Counter()
    lines: Counter[str] = Counter()
    for source in read_all(workspace, paths, notes, deadline):
        files[source.language or "other"] += 1
        lines[source.language or "other"] += source.line_count
        for check in checks:
            check(source, notes)
    if "dependencies" in wanted:
        dependencies.examine(workspace, paths, every, notes, deadline)
    if "project" in wanted:
        project.binaries(workspace, paths, notes)
        if whole:
            project.whole(paths, notes)
    if "complexity" in wanted:
        _not_measured(files, notes)
    return {name: Lines(files=files[name], lines=lines[name]) for name, _ in lines.most_common()}


def _not_measured(files: Counter[str], notes: Notes) -> None:
    rest = sorted(set(files) - complexity.MEASURED - PROSE_AND_DATA - {"Python", "other", "Makefile", "Dockerfile"})
    if rest:
        reason = Texts(
            "complexity of these languages is not measured", "la complexité de ces langages n'est pas mesurée"
        )
        notes.skip(", ".join(rest), reason)


def _result(notes: Notes, wanted: Sequence[str], paths: Sequence[str], languages: dict[str, Lines]) -> ToolResult:
    ranked = notes.ranked()
    report = CodeReport(
        files=len(paths),
        lines=sum(count.lines for count in languages.values()),
        languages=languages,
        findings=Counted(total=len(ranked), by_severity=notes.by_severity(), by_rule=notes.by_rule()),
        checked=tuple(wanted),
        skipped=tuple(notes.skipped[:200]),
    )
    kept = ranked[:MAX_FINDINGS]
    ids = {finding.id for finding in kept}
    return ToolResult(
        value=report.model_dump(mode="json"),
        text=_told(report, notes),
        findings=kept,
        proposals=tuple(p for p in notes.proposals if ids.intersection(p.fixes)),
        truncated=len(kept) < len(ranked),
    )


def _told(report: CodeReport, notes: Notes) -> str:
    written = ", ".join(f"{name} {count.lines}" for name, count in list(report.languages.items())[:5])
    head = Texts("{files}, {lines} ({written}).", "{files}, {lines} ({written}).")
    found = ", ".join(f"{count} {severity}" for severity, count in report.findings.by_severity.items())
    tail = Texts("Findings: {found}.", "Constats : {found}.") if found else Texts("Nothing was found.", "Rien trouvé.")
    told = notes.say(head, files=FILES.of(report.files), lines=LINES.of(report.lines), written=written or "-")
    return f"{told} {notes.say(tail, found=found)}"


def _spec(name: str, en: str, fr: str, args: type[CodeArgs] = CodeArgs) -> ToolSpec:
    return ToolSpec(name=name, summary=Texts(en, fr), args=args, result=CodeReport, seconds=SECONDS + 15)


class CodeAudit(CodeTool):
    """All checks in one pass."""

    checks = ALL
    spec = _spec(
        "code.audit",
        "Look through a project's code: mistakes, secrets, dependencies, complexity, notes left behind.",
        "Examiner le code d'un projet : erreurs, secrets, dépendances, complexité, notes laissées.",
        AuditArgs,
    )


class CodeLint(CodeTool):
    """Ruff's correctness and security rules."""

    checks = ("lint",)
    spec = _spec(
        "code.lint",
        "Find mistakes and insecure calls in Python with Ruff; propose its safe fixes.",
        "Trouver erreurs et appels dangereux en Python avec Ruff ; proposer ses corrections sûres.",
    )


class CodeSecurity(CodeTool):
    """Ruff's security rules alone; ``code.lint`` has them too."""

    checks = ("security",)
    spec = _spec(
        "code.security",
        "Find insecure calls in Python with Ruff's security rules.",
        "Trouver les appels dangereux en Python avec les règles de sécurité de Ruff.",
    )


class CodeSecrets(CodeTool):
    """The secrets scan."""

    checks = ("secrets",)
    spec = _spec(
        "code.secrets",
        "Find keys, tokens and passwords left in files, never showing their value.",
        "Trouver clés, jetons et mots de passe laissés dans les fichiers, sans jamais montrer leur valeur.",
    )


class CodeDependencies(CodeTool):
    """The dependency manifests."""

    checks = ("dependencies",)
    spec = _spec(
        "code.dependencies",
        "Check dependency manifests: versions, contradictions, lock files, odd sources, install scripts.",
        "Vérifier les manifestes de dépendances : versions, contradictions, verrous, sources, scripts d'installation.",
    )


class CodeComplexity(CodeTool):
    """Complexity: measured in Python, estimated in languages with braces."""

    checks = ("complexity",)
    spec = _spec(
        "code.complexity",
        "Find functions that are too complex: measured in Python, estimated in languages with braces.",
        "Trouver les fonctions trop complexes : mesurées en Python, estimées dans les langages à accolades.",
    )


class CodeTodos(CodeTool):
    """The notes people left."""

    checks = ("todos",)
    spec = _spec(
        "code.todos",
        "Take stock of TODO, FIXME, HACK and XXX comments.",
        "Inventorier les commentaires TODO, FIXME, HACK et XXX.",
    )
