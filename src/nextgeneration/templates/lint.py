"""What a valid template still leaves to be desired, each remark with its place."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.show import escaped, shortened
from nextgeneration.security.permissions import parse_rule
from nextgeneration.templates.errors import Problem, TemplateInvalid, TemplateUnknown, pointer_of
from nextgeneration.templates.expressions import ROOTS, expressions, first_names
from nextgeneration.templates.library import TemplateLibrary
from nextgeneration.templates.lint_calls import calls
from nextgeneration.templates.reader import Document, read
from nextgeneration.templates.revision import Revision
from nextgeneration.templates.validation import check, check_stem


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing lint found.

    Attributes:
        level: an ``error`` keeps the template from being used, or is a warning under ``--strict``.
        rule: a stable name such as ``version-absent``.
        file: the template's file.
        problem: the place, what, and fix.
    """

    level: Literal["error", "warning"]
    rule: str
    file: str
    problem: Problem

    def say(self, lang: Lang = "en") -> str:
        """One line: file, level, rule, place, what, fix."""
        word = {"error": Texts("error", "erreur"), "warning": Texts("warning", "avertissement")}[self.level]
        return f"{self.file}: {word.say(lang)} [{self.rule}] {self.problem.say(lang)}"

    def as_dict(self, lang: Lang = "en") -> dict[str, Any]:
        """Plain JSON."""
        return {
            "level": self.level,
            "rule": self.rule,
            "file": self.file,
            "line": self.problem.line,
            "pointer": self.problem.pointer,
            "message": self.problem.what.say(lang),
            "fix": self.problem.fix.say(lang),
        }


def lint(
    library: TemplateLibrary,
    names: Iterable[str] | None = None,
    *,
    known_tools: Collection[str] | None = None,
    strict: bool = False,
) -> list[Remark]:
    """Remarks on templates of a library.

    Args:
        library: where they and their parents are.
        names: which; all when not given.
        known_tools: names and aliases of tools; unknown ones are not remarked on without it.
        strict: make every warning an error.

    Raises:
        TemplateUnknown: one of ``names`` is nowhere.
    """
    files = library.found()
    remarks: list[Remark] = []
    for name in sorted(files) if names is None else names:
        if name not in files:
            raise TemplateUnknown(name=shortened(escaped(name, newlines=False), 80), hint="")
        remarks += _lint(library, files[name].path, files[name].folder, known_tools)
    if names is None:
        remarks += _misnamed(library)
    return [_strict(remark) for remark in remarks] if strict else remarks


def lint_file(
    library: TemplateLibrary, path: Path, *, known_tools: Collection[str] | None = None, strict: bool = False
) -> list[Remark]:
    """Remarks on one file anywhere; its parents come from the library.

    Raises:
        FileNotFoundError: there is no such file.
    """
    remarks = _lint(library, path, path.parent, known_tools)
    return [_strict(remark) for remark in remarks] if strict else remarks


def _strict(remark: Remark) -> Remark:
    return Remark("error", remark.rule, remark.file, remark.problem)


def _lint(library: TemplateLibrary, path: Path, folder: Path, known_tools: Collection[str] | None) -> list[Remark]:
    try:
        document = read(path, folder=folder)
        check_stem(document, check(document, library.validator))
        revision = library.resolve_document(document)
    except TemplateInvalid as error:
        return [Remark("error", error.code, str(path), problem) for problem in error.problems]
    return list(_Linter(document, revision, library, known_tools).remarks())


def _misnamed(library: TemplateLibrary) -> Iterator[Remark]:
    for path in library.misnamed():
        what = Texts("no template can have this file's name.", "aucun modèle ne peut porter le nom de ce fichier.")
        fix = Texts("Use a-z, 0-9, _ and -, a letter first.", "Utilisez a-z, 0-9, _ et -, une lettre d'abord.")
        yield Remark("warning", "file-name", str(path), Problem("", what, fix))


class _Linter:
    """The rules over one valid template: ``data`` is its file, ``revision`` what it resolves to."""

    def __init__(
        self, document: Document, revision: Revision, library: TemplateLibrary, known_tools: Collection[str] | None
    ) -> None:
        self.document = document
        self.data: Mapping[str, Any] = document.data
        self.revision = revision
        self.library = library
        self.known_tools = known_tools
        self.parent = library.get(revision.parents[0]) if revision.parents else None

    def remarks(self) -> Iterator[Remark]:
        """Every warning, in the order of the file."""
        found = [
            *self._absences(), *self._tools(), *self._steps(), *self._calls(), *self._without_effect(), *self._route()
        ]  # fmt: skip
        yield from sorted(found, key=lambda remark: remark.problem.line or 0)

    def _warn(self, rule: str, path: Iterable[str | int], what: Texts, fix: Texts) -> Remark:
        pointer = pointer_of(path)
        return Remark("warning", rule, self.document.path, Problem(pointer, what, fix, self.document.line_of(pointer)))

    def _absences(self) -> Iterator[Remark]:
        """What has a default that the author may not have meant."""
        data = self.data
        if "version" not in data:
            what = Texts("no `version`; 1.0.0 is taken.", "pas de `version` ; 1.0.0 est pris.")
            yield self._warn("version-absent", (), what, Texts("Add it.", "Ajoutez-la."))
        if "capabilities" not in data:
            of = Texts("the parent's are", "celles du parent sont") if self.parent else Texts("none is", "aucune n'est")
            what = Texts(f"no `capabilities`; {of.en} taken.", f"pas de `capabilities` ; {of.fr} prises.")
            yield self._warn(
                "capabilities-absent", (), what, Texts("List what it can do.", "Listez ce qu'il sait faire.")
            )
        if "supervisor_route" not in data:
            route = self.revision.route.route
            what = Texts(
                f"no `supervisor_route`; `{route}` is taken.", f"pas de `supervisor_route` ; `{route}` est pris."
            )
            yield self._warn("route-absent", (), what, Texts("Name one.", "Nommez-en une."))
        if not data.get("description"):
            what = Texts(
                "no `description`: nobody sees what it is for.", "pas de `description` : son but ne se voit pas."
            )
            fix = Texts('Write {"en": …, "fr": …}.', 'Écrivez {"en": …, "fr": …}.')
            yield self._warn("description-absent", (), what, fix)
        if self.revision.default_playbook:
            what = Texts(
                "no `playbook` here or in a parent: without a model it only lists files, and ends `partial`.",
                "pas de `playbook` ici ni chez un parent : sans modèle il ne fait que lister, et finit `partial`.",
            )
            yield self._warn("playbook-absent", (), what, Texts("Add steps.", "Ajoutez des étapes."))

    def _tools(self) -> Iterator[Remark]:
        """Tools nobody knows."""
        named = [(("tools", index), tool) for index, tool in enumerate(self.data.get("tools", ()))]
        steps = [
            (("playbook", index, "tool"), step["tool"]) for index, step in enumerate(self.data.get("playbook", ()))
        ]
        for path, tool in [*named, *steps]:
            if self.known_tools is None or tool in self.known_tools:
                continue
            if path[0] == "tools" and fnmatch.filter(self.known_tools, tool):
                continue
            close = difflib.get_close_matches(tool, self.known_tools, 1)
            what = Texts(f"nobody knows the tool `{tool}`.", f"personne ne connaît l'outil `{tool}`.")
            fix = (
                Texts(f"Did you mean `{close[0]}`?", f"Vouliez-vous dire `{close[0]}` ?")
                if close
                else Texts("See `nextgen tools list`.", "Voir `nextgen tools list`.")
            )
            yield self._warn("tool-unknown", path, what, fix)

    def _steps(self) -> Iterator[Remark]:
        """Expressions that can only ever give null, and literals that look like expressions."""
        before: set[str] = set()
        for index, step in enumerate(self.data.get("playbook", ())):
            for key in ("with", "when", "each"):
                for path, text in expressions(step.get(key)):
                    place = ("playbook", index, key, *path)
                    for chain in first_names(text):
                        yield from self._chain(chain, place, before, "each" in step and key != "each")
                for path in _odd_dollars(step.get(key)):
                    what = Texts(
                        "this is literal: an expression is an object with `$` alone.",
                        "ceci est littéral : une expression est un objet avec `$` seul.",
                    )
                    fix = Texts('Write {"$": "<JMESPath>"}.', 'Écrivez {"$": "<JMESPath>"}.')
                    yield self._warn("expression-like", ("playbook", index, key, *path), what, fix)
            before.add(step.get("id") or f"step{index + 1}")

    def _chain(
        self, chain: tuple[str, ...], place: tuple[str | int, ...], before: set[str], has_item: bool
    ) -> Iterator[Remark]:
        root = chain[0]
        if root not in ROOTS:
            what = Texts(
                f"`{root}` is nothing an expression can start from.", f"une expression ne part pas de `{root}`."
            )
            names = ", ".join(sorted(ROOTS))
            yield self._warn("expression-root", place, what, Texts(f"Start from {names}.", f"Partez de {names}."))
        elif root == "steps" and len(chain) > 1 and chain[1] not in before:
            what = Texts(
                f"no step before this one is called `{chain[1]}`.", f"aucune étape avant ne s'appelle `{chain[1]}`."
            )
            yield self._warn(
                "step-unknown", place, what, Texts("Name an earlier step.", "Nommez une étape antérieure.")
            )
        elif root == "item" and not has_item:
            what = Texts("`item` is nothing without `each`.", "`item` n'est rien sans `each`.")
            yield self._warn("item-without-each", place, what, Texts("Add `each`.", "Ajoutez `each`."))

    def _calls(self) -> Iterator[Remark]:
        """Calls of other agents that can only ever be refused."""
        return (self._warn(*doubt) for doubt in calls(self.data, self.revision, self.library))

    def _without_effect(self) -> Iterator[Remark]:
        """What an ancestor's decision makes void: looser permissions and larger budgets."""
        if self.parent is None:
            return
        limits = self.parent.data["budget"]
        for key, value in self.data.get("budget", {}).items():
            if key in limits and value is not None and value > limits[key]:
                what = Texts(
                    f"the parent's {limits[key]} counts, not this.", f"c'est {limits[key]} du parent qui compte."
                )
                yield self._warn("budget-above-parent", ("budget", key), what, Texts("Lower it.", "Abaissez-le."))
        named = [
            parse_rule(text) for level in self.parent.permissions for text in (*level.allow, *level.ask, *level.deny)
        ]
        for index, text in enumerate(self.data.get("permissions", {}).get("allow", ())):
            rule = next((rule for rule in named if rule.names([parse_rule(text).tool])), None)
            if rule:
                what = Texts(f"a parent decides on it with `{rule.text}`.", f"un parent en décide par `{rule.text}`.")
                fix = Texts("Remove it; a child can only tighten.", "Retirez-la ; un enfant ne peut que durcir.")
                yield self._warn("permission-without-effect", ("permissions", "allow", index), what, fix)

    def _route(self) -> Iterator[Remark]:
        """A template the supervisor would never prefer: another has its route and everything it offers, and more."""
        mine = self.revision
        for name, other in self.library.revisions().items():
            if name == mine.name or other.route.route != mine.route.route:
                continue
            if other.route.priority >= mine.route.priority and _offers(mine) < _offers(other):
                what = Texts(
                    f"`{name}` has the same route and offers all this does, and more: this one is never chosen.",
                    f"`{name}` a la même route et offre tout ceci et plus : celui-ci n'est jamais choisi.",
                )
                fix = Texts(
                    "Add keywords or examples of its own, or another route.",
                    "Ajoutez mots-clés, exemples, ou une autre route.",
                )
                yield self._warn("route-unreachable", ("supervisor_route",), what, fix)
                return


def _offers(revision: Revision) -> set[str]:
    """By what the supervisor could find a template."""
    return {
        *(capability.id for capability in revision.capabilities),
        *revision.route.keywords,
        *revision.route.examples,
    }


def _odd_dollars(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, dict):
        if "$" in value and not (len(value) == 1 and isinstance(value["$"], str)):
            yield path
        for key, inner in value.items():
            yield from _odd_dollars(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _odd_dollars(inner, (*path, index))
