"""``docs.links``: relative links, images and anchors that lead nowhere, with the target that was meant.

Only what the workspace itself can answer is checked: addresses of other hosts are not. Where renderers
differ, the link is right if any common one finds it (GitHub, MkDocs, Docusaurus, mdBook, Sphinx).
"""

from __future__ import annotations

import asyncio
import difflib
import posixpath
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field

from nextgeneration.kernel.actions import Check, Proposal
from nextgeneration.kernel.findings import Severity
from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.tools import ToolContext, ToolResult, ToolSpec
from nextgeneration.tools.base import Args, BaseTool
from nextgeneration.tools.code.languages import is_test, language_of_path
from nextgeneration.tools.code.notes import MAX_FINDINGS, Notes, Skipped
from nextgeneration.tools.code.patches import unified
from nextgeneration.tools.code.secrets import masked
from nextgeneration.tools.code.sources import Deadline, Source, read_all, select
from nextgeneration.tools.docs.anchors import Link, anchors, markdown_links, rst_links
from nextgeneration.tools.errors import ToolError
from nextgeneration.tools.nouns import FILES, LEAD_NOWHERE, RELATIVE_LINKS
from nextgeneration.tools.workspace import Workspace

SECONDS = 45.0
_ELSEWHERE = re.compile(r"^(?:[a-zA-Z][a-zA-Z0-9+.-]*:|//|\{|<|%7B|\$)")
_PAGES = (".md", ".mdx", ".rst", ".markdown", "/index.md", "/index.mdx", "/index.rst", "/README.md", "/_index.md")


class LinkArgs(Args):
    """Where to look."""

    paths: list[str] = Field(default=[], max_length=1000, description="Markdown or reST files, or folders; none: all")


class LinkReport(BaseModel):
    """What was checked, and how many links lead nowhere."""

    model_config = ConfigDict(frozen=True)

    files: int
    links: int
    broken: int
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True, slots=True)
class Broken:
    """A link that leads nowhere. ``meant`` is the target to write instead, ``""`` when nobody can tell."""

    link: Link
    kind: str
    meant: str = ""


@dataclass
class Site:
    """The files of the workspace as links see them."""

    workspace: Workspace
    files: frozenset[str]
    rooted: bool = False
    """Whether a link that begins with ``/`` led to a file: the addresses of the site are then its paths."""
    _anchors: dict[str, frozenset[str]] = field(default_factory=dict)

    @cached_property
    def folders(self) -> frozenset[str]:
        """Every folder that holds a file, the top as ``.``."""
        return frozenset(p.as_posix() for f in self.files for p in PurePosixPath(f).parents)

    @cached_property
    def by_name(self) -> dict[str, list[str]]:
        """The files of each base name, in lower case."""
        found: dict[str, list[str]] = defaultdict(list)
        for path in sorted(self.files):
            found[posixpath.basename(path).lower()].append(path)
        return found

    @cached_property
    def by_lower(self) -> dict[str, str]:
        """The files by their path in lower case."""
        return {path.lower(): path for path in self.files}

    def resolve(self, path: str) -> str | None:
        """The file or folder that a renderer would show for ``path``."""
        if path in self.files or path in self.folders or path == ".":
            return path
        stem = path.removesuffix(".html").rstrip("/")
        page = next((stem + ending for ending in _PAGES if stem + ending in self.files), None)
        return page or (path if self._ignored_but_there(path) else None)

    def _ignored_but_there(self, path: str) -> bool:
        for look in (self.workspace.opened, self._listed):
            try:
                with look(path):
                    return True
            except ToolError:
                continue
        return False

    def _listed(self, path: str) -> _Nothing:
        self.workspace.entries(path)
        return _Nothing()

    def anchors_of(self, path: str) -> frozenset[str] | None:
        """The anchors of a Markdown file, ``None`` for other files."""
        if language_of_path(path) != "Markdown" or path not in self.files:
            return None
        if path not in self._anchors:
            try:
                self._anchors[path] = anchors(self.workspace.read_text(path))
            except ToolError:
                return None
        return self._anchors[path]


class _Nothing:
    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: object) -> None:
        return None


def broken(source: Source, site: Site) -> Iterator[Broken | None]:
    """One item for each relative link of the file: ``None`` when it leads somewhere."""
    found = rst_links(source.text) if source.language == "reStructuredText" else markdown_links(source.text)
    for link in found:
        target = unquote(link.target)
        if _ELSEWHERE.match(target) or "{{" in target or "*" in target or "\0" in target:
            continue
        yield _check(link, target, source, site)


def _check(link: Link, target: str, source: Source, site: Site) -> Broken | None:
    path, _, fragment = target.partition("#")
    path = path.partition("?")[0]
    if not path:
        return _anchor(link, source.path, fragment, site)
    wanted = _wanted(path, source.path)
    if wanted is None:
        # Above the workspace: nobody here can say what is there.
        return None
    for candidate in wanted:
        resolved = site.resolve(candidate)
        if resolved is not None:
            site.rooted |= path.startswith("/")
            return _anchor(link, resolved, fragment, site)
    for candidate in wanted:
        if other := site.by_lower.get(candidate.lower()):
            return Broken(link, "case", _relative(other, source.path, link, fragment))
    namesakes = site.by_name.get(posixpath.basename(wanted[0]).lower(), [])
    meant = _relative(namesakes[0], source.path, link, fragment) if len(namesakes) == 1 else ""
    return Broken(link, "image" if link.image else "file", meant)


def _wanted(path: str, source: str) -> list[str] | None:
    """Where a link may lead, most likely first; ``None`` when only out of the workspace."""
    folder = posixpath.dirname(source)
    if path.startswith("/"):
        # From the root of the repository, or of the site that some folder above the file is.
        bare = posixpath.normpath(path.lstrip("/")) if path.strip("/") else "."
        above = [p.as_posix() for p in PurePosixPath(source).parents]
        return [bare, *(posixpath.normpath(posixpath.join(base, bare)) for base in above)]
    joined = posixpath.normpath(posixpath.join(folder, path))
    return None if joined == ".." or joined.startswith("../") else [joined]


def _relative(path: str, source: str, link: Link, fragment: str) -> str:
    if link.target.startswith("/"):
        written = "/" + path
    else:
        written = posixpath.relpath(path, posixpath.dirname(source) or ".")
        if link.target.startswith("./") and not written.startswith("."):
            written = "./" + written
    written = written.replace(" ", "%20").replace("(", "%28").replace(")", "%29")
    return f"{written}#{fragment}" if fragment else written


def _anchor(link: Link, path: str, fragment: str, site: Site) -> Broken | None:
    known = site.anchors_of(path)
    wanted = fragment.lower()
    if (
        known is None
        or not wanted
        or wanted in known
        or (wanted.startswith(("l", "user-content-", ":~:")) and _is_line(wanted))
    ):
        return None
    close = difflib.get_close_matches(wanted, known - {"", "top"}, n=2, cutoff=0.85)
    meant = link.target.partition("#")[0] + "#" + close[0] if len(close) == 1 else ""
    return Broken(link, "anchor", meant)


def _is_line(fragment: str) -> bool:
    return bool(re.fullmatch(r"l\d+(?:-l?\d+)?|user-content-.*|:~:.*", fragment))


_TITLES = {
    "file": Texts("Broken link to {target} in {path}", "Lien cassé vers {target} dans {path}"),
    "image": Texts("Missing image {target} in {path}", "Image absente {target} dans {path}"),
    "anchor": Texts("No heading for {target} in {path}", "Aucun titre pour {target} dans {path}"),
    "case": Texts("Wrong case in the link to {target} in {path}", "Mauvaise casse dans le lien {target} de {path}"),
}
_MESSAGES = {
    "file": Texts("Nothing lies there.", "Il n'y a rien à cet endroit."),
    "image": Texts("Nothing lies there: readers see a broken image.", "Il n'y a rien : on voit une image brisée."),
    "anchor": Texts("The page opens at its top instead.", "La page s'ouvre en haut à la place."),
    "case": Texts(
        "It works on macOS and Windows and fails on Linux and on GitHub.",
        "Il marche sur macOS et Windows et échoue sur Linux et sur GitHub.",
    ),
}
_ROUTED = Texts(
    "No file lies there. It may be an address of the published site, which its generator makes: no link of this "
    "project that begins with / leads to a file.",
    "Il n'y a pas de fichier. C'est peut-être une adresse du site publié, que son générateur fabrique : aucun lien de "
    "ce projet qui commence par / ne mène à un fichier.",
)
_SEVERITY = {"file": Severity.MEDIUM, "image": Severity.MEDIUM, "anchor": Severity.LOW, "case": Severity.MEDIUM}


class DocsLinks(BaseTool):
    """The link check."""

    spec = ToolSpec(
        name="docs.links",
        summary=Texts(
            "Find relative links, images and anchors of the documentation that lead nowhere.",
            "Trouver les liens relatifs, images et ancres de la documentation qui ne mènent nulle part.",
        ),
        args=LinkArgs,
        result=LinkReport,
    )

    def subjects(self, args: LinkArgs) -> tuple[str, ...]:
        """The paths it reads."""
        return tuple(args.paths) or (".",)

    async def call(self, args: LinkArgs, context: ToolContext) -> ToolResult:
        """Check the links.

        Raises:
            PathRefused, FileMissing: a path is not in the workspace.
        """
        deadline = Deadline(context.clock, SECONDS)
        try:
            return await asyncio.to_thread(self._work, args, context, deadline)
        finally:
            deadline.stop()

    def _work(self, args: LinkArgs, context: ToolContext, deadline: Deadline) -> ToolResult:
        notes = Notes(self.spec.name, context.lang)
        workspace = Workspace(context.workspace)
        site = Site(workspace, frozenset(workspace.files()))
        paths = [
            p for p in select(workspace, args.paths, notes) if language_of_path(p) in {"Markdown", "reStructuredText"}
        ]
        files = links = wrong = 0
        told_later: list[tuple[Source, list[Broken]]] = []
        for source in read_all(workspace, paths, notes, deadline):
            checked = list(broken(source, site))
            bad = [item for item in checked if item is not None]
            files, links, wrong = files + 1, links + len(checked), wrong + len(bad)
            if bad:
                told_later.append((source, bad))
        for source, bad in told_later:
            _note(source, bad, notes, rooted=site.rooted)
        value = LinkReport(files=files, links=links, broken=wrong, skipped=tuple(notes.skipped[:200]))
        told = Texts("{links} in {files}, {wrong}.", "{links} dans {files}, {wrong}.")
        counted = {"links": RELATIVE_LINKS.of(links), "files": FILES.of(files), "wrong": LEAD_NOWHERE.of(wrong)}
        ranked = notes.ranked()
        return ToolResult(
            value=value.model_dump(mode="json"),
            text=notes.say(told, **counted),
            findings=ranked[:MAX_FINDINGS],
            proposals=tuple(notes.proposals),
            truncated=len(ranked) > MAX_FINDINGS,
        )


def _note(source: Source, bad: Sequence[Broken], notes: Notes, *, rooted: bool) -> None:
    fixed: list[str] = []
    for item in bad:
        instead = Texts("Write {meant} instead.", "Écrivez {meant} à la place.")
        routed = not rooted and item.kind in {"file", "image"} and _is_address(item.link, source.path)
        severity = Severity.INFO if routed or is_test(source.path) else _SEVERITY[item.kind]
        finding = notes.add(
            f"docs.link-{item.kind}",
            notes.say(_TITLES[item.kind], target=item.link.target, path=source.path),
            message=notes.say(_ROUTED if routed else _MESSAGES[item.kind]),
            severity=severity,
            path=source.path,
            line=item.link.line,
            excerpt=masked(source.lines[item.link.line - 1].strip()[:400]),
            cause=f"link:{item.link.target}",
            fix=notes.say(instead, meant=item.meant) if item.meant else "",
        )
        if item.meant:
            fixed.append(finding.id)
    if fixed:
        _propose(source, bad, tuple(dict.fromkeys(fixed)), notes)


def _is_address(link: Link, path: str) -> bool:
    """Whether it may be an address of a site: a generator shows pages, the host of the code shows read-me files."""
    return link.target.startswith("/") and "/" in path and not posixpath.basename(path).lower().startswith("readme")


def _propose(source: Source, bad: Sequence[Broken], ids: tuple[str, ...], notes: Notes) -> None:
    lines = source.text.split("\n")
    for item in sorted(bad, key=lambda b: (b.link.line, b.link.column), reverse=True):
        line, start = lines[item.link.line - 1], item.link.column
        if item.meant and line.startswith(item.link.target, start):
            lines[item.link.line - 1] = line[:start] + item.meant + line[start + len(item.link.target) :]
    patch = unified(source.path, source.text, "\n".join(lines))
    if not patch:
        return
    reason = Texts(
        "Point the links of {path} to the files that were meant",
        "Faire pointer les liens de {path} vers les bons fichiers",
    )
    notes.proposals.append(
        Proposal(
            tool="fs.patch",
            args={"patch": patch},
            reason=notes.say(reason, path=source.path),
            fixes=ids,
            verify=Check(tool="docs.links", args={"paths": [source.path]}, absent=ids),
        )
    )
