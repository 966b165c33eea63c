"""``docs.readme``: whether the README answers a newcomer's questions. It names gaps and writes nothing."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from pydantic import BaseModel, ConfigDict, Field

from nextgeneration.kernel.findings import Severity
from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.tools import ToolContext, ToolResult, ToolSpec
from nextgeneration.tools.base import Args, BaseTool
from nextgeneration.tools.code.languages import PROSE_AND_DATA, is_test, language_of_path
from nextgeneration.tools.code.notes import Notes
from nextgeneration.tools.code.sources import Source, read, select
from nextgeneration.tools.docs.prose import Block, blocks, language_of_text, words
from nextgeneration.tools.workspace import Workspace

FEW_WORDS = 40


@dataclass(frozen=True, slots=True)
class Section:
    """One question a README answers.

    Attributes:
        title: how the section is called.
        heading: matches headings that announce it, in English and French.
        body: matches text that answers it without a heading.
        files: a file whose name starts so, at the top, answers it too.
    """

    title: Texts
    heading: re.Pattern[str]
    body: re.Pattern[str] | None = None
    files: tuple[str, ...] = ()
    severity: Severity = Severity.LOW


def _words(*patterns: str) -> re.Pattern[str]:
    return re.compile(rf"(?i)\b(?:{'|'.join(patterns)})")


SECTIONS = {
    "install": Section(
        Texts("how to install it", "comment l'installer"),
        _words("install|setup|set up|set-up|getting started|quick ?start|build|compil",
            "mise en place|démarrage|prise en main|déploiement",
        ),
        _words(
            r"(?:pip|pipx|uv|npm|pnpm|yarn|cargo|gem|go|brew|apt(?:-get)?|conda) (?:install|add|i|get|tool)\b",
            r"docker(?: |-)compose|docker run|make\b|\./(?:configure|setup|install)|poetry install|uvx\b|npx\b"
        ),
    ),
    "usage": Section(
        Texts("how to use it, with an example", "comment s'en servir, avec un exemple"),
        _words("usage|use|using|example|tutorial|how to|getting started|quick ?start|demo|guide|run",
            "utilis|emploi|exemple|démarrage|prise en main|lancer",
        ),
        None,
    ),
    "licence": Section(
        Texts("under which licence it may be used", "sous quelle licence on peut l'utiliser"),
        _words("licen[cs]|copyright|droits"),
        _words("licen[cs]e"),
        ("licen", "copying", "unlicense"),
    ),
    "tests": Section(
        Texts("how its tests are run", "comment lancer ses tests"),
        _words("test|develop|contribut|hacking|développ|contribu|ci\\b"),
        _words(r"pytest|npm (?:run )?test|make (?:test|check)|cargo test|go test|tox\b|nox\b",
            "unittest|rspec|mvn test|gradle test",
        ),
        ("contributing", "contribuer", "hacking", "developing"),
        Severity.INFO,
    ),
}  # fmt: skip
_PLACEHOLDER = re.compile(
    r"(?i)lorem ipsum|\[?(?:your|my)[- _]project(?:[- _]name)?\b|project[- _]title\b|<(?:your|insert)[^>]{1,60}>"
    r"|\b(?:coming soon|à venir|to be written|à compléter)\b|TODO\b"
)


class ReadmeArgs(Args):
    """Which README."""

    path: str = Field(default="", max_length=500, description="the README; none: the one of the top folder")


class ReadmeReport(BaseModel):
    """What the README has."""

    model_config = ConfigDict(frozen=True)

    path: str
    language: str
    words: int
    headings: tuple[str, ...]
    present: tuple[str, ...]
    missing: tuple[str, ...]
    score: int = Field(description="percent of the questions it answers")


class DocsReadme(BaseTool):
    """README completeness."""

    spec = ToolSpec(
        name="docs.readme",
        summary=Texts(
            "Check whether the README says what the project is, how to install, use and test it, and its licence.",
            "Vérifier si le README dit ce qu'est le projet, comment l'installer, l'utiliser, le tester, et sa licence.",
        ),
        args=ReadmeArgs,
        result=ReadmeReport,
    )

    async def call(self, args: ReadmeArgs, context: ToolContext) -> ToolResult:
        """Check the README.

        Raises:
            PathRefused, FileMissing: the path is not in the workspace.
        """
        return await asyncio.to_thread(self._work, args, context)

    def _work(self, args: ReadmeArgs, context: ToolContext) -> ToolResult:
        notes = Notes(self.spec.name, context.lang)
        workspace = Workspace(context.workspace)
        paths = select(workspace, [], notes)
        path = args.path or _readme(paths)
        source = read(workspace, select(workspace, [path], notes)[0], notes) if path else None
        if source is None:
            text = Texts("The project has no README", "Le projet n'a pas de README")
            notes.add("docs.readme-missing", notes.say(text), severity=Severity.MEDIUM, cause="no-readme")
            empty = ReadmeReport(path="", language="", words=0, headings=(), present=(), missing=("readme",), score=0)
            return ToolResult(value=empty.model_dump(mode="json"), text=notes.say(text), findings=notes.ranked())
        report = _examine(source, paths, notes)
        told = Texts("{path} answers {score} % of a newcomer's questions.", "{path} répond à {score} % des questions.")
        return ToolResult(
            value=report.model_dump(mode="json"),
            text=notes.say(told, path=source.path, score=report.score),
            findings=notes.ranked(),
        )


def _readme(paths: Sequence[str]) -> str:
    order = {".md": 0, ".markdown": 0, ".rst": 1, ".txt": 2, "": 3}
    found = [p for p in paths if re.fullmatch(r"(?i)(?:(?:docs|\.github)/)?readme(?:\.[a-z-]{2,8})?(?:\.\w+)?", p)]
    return min(found, key=lambda p: (p.count("/"), order.get(PurePosixPath(p).suffix.lower(), 4), len(p)), default="")


def _examine(source: Source, paths: Sequence[str], notes: Notes) -> ReadmeReport:
    parts = blocks(source.text)
    headings = [block for block in parts if block.kind == "heading"]
    answers = {
        "title": bool(headings) or bool(re.search(r"(?i)<h1|^!\[", source.text, re.MULTILINE)),
        "what": _says_what(parts, source.text),
    }
    top = [path.lower() for path in paths if "/" not in path]
    program = any(language_of_path(path) not in PROSE_AND_DATA for path in paths)
    for name, section in SECTIONS.items():
        if not program and name in {"install", "tests"}:
            continue
        if name == "tests" and not any(is_test(path) for path in paths):
            continue
        answers[name] = _answers(section, headings, source.text, top)
        if name == "usage" and not answers[name]:
            answers[name] = len(re.findall(r"(?m)^\s*(?:```|~~~|\.\. code|::\s*$|    \S)", source.text)) >= 2
    for name, there in answers.items():
        if not there:
            _note(name, source, notes)
    _placeholders(source, notes)
    present = tuple(name for name, there in answers.items() if there)
    return ReadmeReport(
        path=source.path,
        language=language_of_text(source.text),
        words=len(words(source.text)),
        headings=tuple(block.text[:120] for block in headings[:50]),
        present=present,
        missing=tuple(name for name in answers if name not in present),
        score=round(100 * len(present) / len(answers)),
    )


def _says_what(parts: Sequence[Block], text: str) -> bool:
    """Whether some paragraph before the third heading says more than a few words."""
    seen = 0
    for block in parts:
        seen += block.kind == "heading"
        if seen > 2:
            break
        if block.kind != "heading" and len(words(block.text)) >= 6:
            return True
    # Banners of many projects are HTML with the description inside.
    return bool(re.search(r"(?is)<p[^>]*>\s*(?:<em>|<i>|<b>)?[^<]{30,}", text[:5_000]))


def _answers(section: Section, headings: Sequence[Block], text: str, top: Sequence[str]) -> bool:
    return (
        any(section.heading.search(block.text) for block in headings)
        or (section.body is not None and bool(section.body.search(text)))
        or any(name.startswith(section.files) for name in top if section.files)
    )


_EXTRA = {
    "title": (Texts("a title", "un titre"), Severity.LOW),
    "what": (Texts("what the project is", "ce qu'est le projet"), Severity.MEDIUM),
}


def _note(name: str, source: Source, notes: Notes) -> None:
    section = SECTIONS.get(name)
    label, severity = (section.title, section.severity) if section else _EXTRA[name]
    title = Texts("{path} does not say: {label}", "{path} ne dit pas : {label}")
    first = next((line.strip() for line in source.lines if line.strip()), "")
    notes.add(
        f"docs.readme-{name}",
        notes.say(title, path=source.path, label=notes.say(label)),
        severity=severity,
        confidence=0.8,
        path=source.path,
        line=1,
        excerpt=first[:200],
        cause=f"readme:{name}",
    )


def _placeholders(source: Source, notes: Notes) -> None:
    match = _PLACEHOLDER.search(source.text)
    if match:
        line = source.line_of(match.start())
        title = Texts(
            "{path} still holds a placeholder: {found}", "{path} contient encore un texte provisoire : {found}"
        )
        notes.add(
            "docs.readme-placeholder",
            notes.say(title, path=source.path, found=match[0][:40]),
            severity=Severity.INFO,
            confidence=0.7,
            path=source.path,
            line=line,
            excerpt=source.lines[line - 1].strip()[:200],
            cause="readme:placeholder",
        )
