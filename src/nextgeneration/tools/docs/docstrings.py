"""``docs.docstrings``: which public Python definitions have a docstring, and stubs for those without.

A stub says only what the signature says (names, annotations, what is returned); that somebody still has
to describe it is written into it. A file with stubs is parsed again: nothing but docstrings may differ.
"""

from __future__ import annotations

import ast
import asyncio
import re
import threading
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from pydantic import BaseModel, ConfigDict, Field

from nextgeneration.kernel.actions import Check, Proposal
from nextgeneration.kernel.findings import Finding, Severity
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.tools import ToolContext, ToolResult, ToolSpec
from nextgeneration.tools.base import Args, BaseTool
from nextgeneration.tools.code.languages import is_example, is_test
from nextgeneration.tools.code.notes import MAX_FINDINGS, Notes, Skipped
from nextgeneration.tools.code.patches import unified
from nextgeneration.tools.code.secrets import masked
from nextgeneration.tools.code.sources import Deadline, Source, read_all, select
from nextgeneration.tools.nouns import STUBS
from nextgeneration.tools.workspace import Workspace

SECONDS = 45.0
MAX_FILES_SHOWN = 200
MAX_PROPOSALS = 10
MAX_SIGNATURE = 80

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_INTERNAL = frozenset({"scripts", "benchmarks", "bench", "migrations"})
"""Folders whose definitions nobody imports: looked at only when they are named."""
_parsing = threading.Lock()

_TODO = Texts("TODO: describe", "À FAIRE : décrire")
_LACK = Texts(
    "{path}: {n} of {all} public definitions have no docstring",
    "{path} : {n} définitions publiques sur {all} sans docstring",
)
_LACKS = Texts(
    "{path}: {n} of {all} public definitions has no docstring",
    "{path} : {n} définition publique sur {all} sans docstring",
)
_MISSING = "docs.docstring-missing"
_STUB = re.compile(r"TODO: describe|À FAIRE : décrire")


class DocstringArgs(Args):
    """Where to look."""

    paths: list[str] = Field(default=[], max_length=1000, description="Python files or folders; none: all")
    stubs: bool = Field(default=True, description="whether to propose stubs")


class FileCoverage(BaseModel):
    """How many public definitions of a file have a docstring; a stub does not count as one."""

    model_config = ConfigDict(frozen=True)

    path: str
    public: int
    documented: int
    stubs: int
    missing: tuple[str, ...]


class Coverage(BaseModel):
    """The whole, and the files with most missing first."""

    model_config = ConfigDict(frozen=True)

    public: int
    documented: int
    percent: float
    files: tuple[FileCoverage, ...]
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True, slots=True)
class Public:
    """One public definition; ``node`` is the module for the module itself."""

    name: str
    node: Definition | ast.Module
    docstring: str | None


def parse(source: Source) -> ast.Module | None:
    """The syntax tree, ``None`` when the file is not Python that this interpreter can read."""
    # Warnings about odd escapes are the linter's business; the filter is the process's, hence the lock.
    with _parsing, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(source.text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def public(tree: ast.Module, path: str) -> Iterator[Public]:
    """The definitions people import: the module, its public classes and functions, and public methods."""
    if tree.body:
        yield Public(PurePosixPath(path).stem, tree, ast.get_docstring(tree, clean=False))
    yield from _public_in(tree.body, "")


def _public_in(body: Sequence[ast.stmt], prefix: str) -> Iterator[Public]:
    for node in body:
        if isinstance(node, ast.If | ast.Try):
            yield from _public_in(node.body, prefix)
        elif isinstance(node, Definition) and not node.name.startswith("_") and not _repeats(node):
            yield Public(prefix + node.name, node, ast.get_docstring(node, clean=False))
            if isinstance(node, ast.ClassDef):
                yield from _public_in(node.body, f"{prefix}{node.name}.")


def _repeats(node: Definition) -> bool:
    """Whether a decorator says that the text stands elsewhere: overloads, setters, overrides."""
    names = {ast.unparse(d).rpartition(".")[2] for d in node.decorator_list if isinstance(d, ast.Name | ast.Attribute)}
    return bool(names & {"overload", "setter", "deleter", "override"})


def with_stubs(source: Source, missing: Sequence[Public], lang: Lang) -> str:
    """The text with a stub for each of ``missing``; the same text when that would change anything else."""
    lines = source.text.split("\n")
    end = "\r" if lines[0].endswith("\r") else ""
    for item in sorted(missing, key=lambda p: _order(_first(p.node)), reverse=True):
        at, column = _first(item.node)
        line = lines[at - 1]
        indent = re.match(r"[ \t\f]*", line)
        space = indent[0] if indent else ""
        if column is None:
            lines[at - 1 : at - 1] = [text + end for text in _stub(item, space, lang)]
        else:
            # The body shares the header's line: it moves to lines of its own.
            head, body = (part.decode() for part in (line.encode()[:column], line.encode()[column:]))
            stub = [text + end for text in _stub(item, space + "    ", lang)]
            lines[at - 1 : at] = [head.rstrip() + end, *stub, space + "    " + body]
    changed = "\n".join(lines)
    tree, before = parse(Source(source.path, changed)), parse(source)
    if tree is None or before is None or ast.dump(_bare(tree)) != ast.dump(_bare(before)):
        return source.text
    return changed


def _bare(tree: ast.Module) -> ast.Module:
    """The tree without docstrings, for comparison."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | Definition) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    return tree


def _first(node: Definition | ast.Module) -> tuple[int, int | None]:
    """Where the body starts: its line, and the column in bytes when it shares the header's line."""
    first = node.body[0]
    line: int = min([first.lineno, *(d.lineno for d in getattr(first, "decorator_list", []))])
    if isinstance(node, ast.Module):
        return line, None
    header = [node.lineno, *(d.end_lineno or 0 for d in node.decorator_list)]
    if isinstance(node, ast.ClassDef):
        header += [base.end_lineno or 0 for base in node.bases]
    else:
        spoken = [*ast.walk(node.args), *([node.returns] if node.returns else [])]
        header += [int(getattr(part, "end_lineno", 0) or 0) for part in spoken]
    return line, (None if line > max(header) else first.col_offset)


def _order(first: tuple[int, int | None]) -> tuple[int, bool]:
    """From the end of the file: of two stubs for one line, the one inside the line comes first."""
    line, column = first
    return line, column is not None


def _stub(item: Public, indent: str, lang: Lang) -> list[str]:
    todo = _TODO.say(lang)
    name = item.name.rpartition(".")[2]
    head = f'{indent}"""{todo} {name}.'
    node = item.node
    sections = [] if isinstance(node, ast.Module | ast.ClassDef) else _sections(node, indent, todo)
    if not sections:
        return [head + '"""', ""] if isinstance(node, ast.Module | ast.ClassDef) else [head + '"""']
    return [head, *sections, f'{indent}"""']


def _sections(node: ast.FunctionDef | ast.AsyncFunctionDef, indent: str, todo: str) -> list[str]:
    arguments = node.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    named = [a for i, a in enumerate(every) if not (i == 0 and a.arg in {"self", "cls"})]
    told = [_argument(a.arg, a.annotation) for a in named]
    told += [
        _argument(star + a.arg, a.annotation) for star, a in (("*", arguments.vararg), ("**", arguments.kwarg)) if a
    ]
    out = ["", f"{indent}Args:", *(f"{indent}    {text}: {todo}." for text in told)] if told else []
    returned = _short(node.returns)
    if returned and returned not in {"None", "NoReturn", "Never"}:
        verb = "Yields" if _is_generator(node) else "Returns"
        out += ["", f"{indent}{verb}:", f"{indent}    {returned}: {todo}."]
    return out


def _argument(name: str, annotation: ast.expr | None) -> str:
    written = _short(annotation)
    return f"{name} ({written})" if written else name


def _short(annotation: ast.expr | None) -> str:
    if annotation is None:
        return ""
    written = ast.unparse(annotation)
    return written if len(written) <= MAX_SIGNATURE and '"""' not in written and "\\" not in written else ""


def _is_generator(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    todo: list[ast.AST] = list(node.body)
    while todo:
        part = todo.pop()
        if isinstance(part, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(part, Definition | ast.Lambda):
            todo.extend(ast.iter_child_nodes(part))
    return False


class DocsDocstrings(BaseTool):
    """Docstring coverage."""

    spec = ToolSpec(
        name="docs.docstrings",
        summary=Texts(
            "Measure which public Python definitions have a docstring; propose stubs built from signatures.",
            "Mesurer les docstrings des définitions Python publiques ; proposer des ébauches d'après les signatures.",
        ),
        args=DocstringArgs,
        result=Coverage,
    )

    def subjects(self, args: DocstringArgs) -> tuple[str, ...]:
        """The paths it reads."""
        return tuple(args.paths) or (".",)

    async def call(self, args: DocstringArgs, context: ToolContext) -> ToolResult:
        """Measure, and propose.

        Raises:
            PathRefused, FileMissing: a path is not in the workspace.
        """
        deadline = Deadline(context.clock, SECONDS)
        try:
            return await asyncio.to_thread(self._work, args, context, deadline)
        finally:
            deadline.stop()

    def _work(self, args: DocstringArgs, context: ToolContext, deadline: Deadline) -> ToolResult:
        notes = Notes(self.spec.name, context.lang)
        workspace = Workspace(context.workspace)
        paths = [p for p in select(workspace, args.paths, notes) if p.endswith(".py")]
        if not args.paths:
            paths = [p for p in paths if not is_test(p) and not is_example(p) and not _INTERNAL & set(p.split("/"))]
        files: list[FileCoverage] = []
        for source in read_all(workspace, paths, notes, deadline):
            found = _public(source)
            if found is None:
                notes.skip(source.path, Texts("Python cannot read it", "Python ne peut pas le lire"))
            elif found:
                files.append(_examine(source, found, notes))
        files.sort(key=lambda file: (file.documented + file.stubs - file.public, file.path))
        if args.stubs:
            _propose(workspace, [file.path for file in files if file.missing], notes, deadline)
        return _result(files, notes)


def _public(source: Source) -> list[Public] | None:
    tree = parse(source)
    return None if tree is None else list(public(tree, source.path))


def _propose(workspace: Workspace, paths: Sequence[str], notes: Notes, deadline: Deadline) -> None:
    """Propose stubs for the files with most missing: stubs for everything at once are nobody's wish."""
    for source in read_all(workspace, paths[:MAX_PROPOSALS], notes, deadline):
        missing = [item for item in _public(source) or () if item.docstring is None]
        patch = unified(source.path, source.text, with_stubs(source, missing, notes.lang))
        if not patch:
            continue
        fixes = tuple(f.id for f in notes.findings.values() if f.rule == _MISSING and _path(f) == source.path)
        reason = Texts(
            "Docstring stubs from the signatures of {path}, to be filled in",
            "Ébauches de docstrings d'après les signatures de {path}, à compléter",
        )
        notes.proposals.append(
            Proposal(
                tool="fs.patch",
                args={"patch": patch},
                reason=notes.say(reason, path=source.path),
                fixes=fixes,
                verify=Check(tool="docs.docstrings", args={"paths": [source.path], "stubs": False}, absent=fixes),
            )
        )
    if len(paths) > MAX_PROPOSALS:
        reason = Texts("stubs are proposed for {n} files a run", "ébauches proposées pour {n} fichiers par passage")
        more = Texts("stubs of {n} more files", "ébauches de {n} autres fichiers")
        notes.skip(notes.say(more, n=len(paths) - MAX_PROPOSALS), reason, n=MAX_PROPOSALS)


def _path(finding: Finding) -> str:
    return finding.location.path if finding.location else ""


def _examine(source: Source, found: Sequence[Public], notes: Notes) -> FileCoverage:
    missing = [item for item in found if item.docstring is None]
    left = [item for item in found if item.docstring is not None and _STUB.search(item.docstring)]
    documented = len(found) - len(missing) - len(left)
    if missing:
        title = _LACKS if len(missing) == 1 else _LACK
        lines = source.lines
        where = [(getattr(item.node, "lineno", 1), item.name) for item in missing]
        notes.add(
            _MISSING,
            notes.say(title, path=source.path, n=len(missing), all=len(found)),
            severity=Severity.LOW if documented * 2 < len(found) else Severity.INFO,
            path=source.path,
            line=where[0][0],
            excerpt="\n".join(f"{line}: {masked(lines[line - 1].strip()[:90])}" for line, _ in where[:5]),
            cause="docstring-missing",
            data={"missing": [{"line": line, "name": name} for line, name in where[:100]]},
        )
    if left:
        title = Texts("{path}: {stubs} to fill in", "{path} : {stubs} à compléter")
        line = getattr(left[0].node, "lineno", 1)
        notes.add(
            "docs.docstring-stub",
            notes.say(title, path=source.path, stubs=STUBS.of(len(left))),
            severity=Severity.INFO,
            path=source.path,
            line=line,
            excerpt=masked(source.lines[line - 1].strip()),
            cause="docstring-stub",
        )
    return FileCoverage(
        path=source.path,
        public=len(found),
        documented=documented,
        stubs=len(left),
        missing=tuple(item.name for item in missing[:20]),
    )


def _result(files: Sequence[FileCoverage], notes: Notes) -> ToolResult:
    every, documented = sum(f.public for f in files), sum(f.documented for f in files)
    percent = round(100 * documented / every, 1) if every else 100.0
    value = Coverage(
        public=every,
        documented=documented,
        percent=percent,
        files=tuple(files[:MAX_FILES_SHOWN]),
        skipped=tuple(notes.skipped[:200]),
    )
    told = Texts(
        "{documented} of {every} public definitions have a docstring ({percent} %).",
        "{documented} définitions publiques sur {every} ont une docstring ({percent} %).",
    )
    ranked = notes.ranked()
    return ToolResult(
        value=value.model_dump(mode="json"),
        text=notes.say(told, documented=documented, every=every, percent=percent),
        findings=ranked[:MAX_FINDINGS],
        proposals=tuple(notes.proposals),
        truncated=len(ranked) > MAX_FINDINGS,
    )
