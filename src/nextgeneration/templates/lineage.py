"""Whether a template may build on the parent it names."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from nextgeneration.kernel.language import LANGUAGES, Texts
from nextgeneration.kernel.show import shortened
from nextgeneration.templates.errors import (
    ParentCycle,
    ParentInvalid,
    ParentMissing,
    ParentsTooDeep,
    ParentVersionRefused,
    Problem,
    TemplateInvalid,
)
from nextgeneration.templates.inherit import MAX_PARENTS
from nextgeneration.templates.revision import Revision
from nextgeneration.templates.versions import parent_reference

_LONGEST_REASON = 300


class Child:
    """A template that asks for a parent.

    Args:
        data: its checked data.
        path: its file, or a word for a template in memory.
        line: the line of ``parent``; asked only when there is something to say.
        known: the names there are, asked only to say which one may have been meant.
    """

    def __init__(
        self,
        data: Mapping[str, Any],
        path: str,
        line: Callable[[], int | None],
        known: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self.name: str = data["name"]
        self.wants, self.range = parent_reference(data.get("parent", ""))
        self._path = path
        self._line = line
        self._known = known

    def check(self, parent: Revision | None, problem: TemplateInvalid | None) -> Revision:
        """The parent, once nothing speaks against it.

        Args:
            parent: its last good revision; ``None`` when there is none.
            problem: what is wrong with it now; ``None`` also when it does not exist.

        Raises:
            TemplateInvalid: one of the subclasses about parents.
        """
        if isinstance(problem, ParentCycle):
            raise self.circle()
        if isinstance(problem, ParentsTooDeep):
            raise ParentsTooDeep.at(self._path, [too_deep(self._line())])
        if parent is None and problem is not None:
            raise self._error(ParentInvalid, self._broken(problem), Texts("Mend it.", "Réparez-le."))
        if parent is None:
            raise self._missing()
        if self.name == parent.name or self.name in parent.parents:
            raise self.circle()
        if len(parent.parents) >= MAX_PARENTS:
            raise ParentsTooDeep.at(self._path, [too_deep(self._line())])
        if self.range and not self.range.holds(parent.version):
            what = Texts(
                f"`{self.wants}` has version {parent.version}, not in {self.range.text}.",
                f"`{self.wants}` est en version {parent.version}, hors de {self.range.text}.",
            )
            fix = Texts(
                "Widen the range, or bring the other version.", "Élargissez l'intervalle, ou apportez l'autre version."
            )
            raise self._error(ParentVersionRefused, what, fix)
        return parent

    def _missing(self) -> TemplateInvalid:
        others = [name for name in self._known() if name != self.name]
        close = difflib.get_close_matches(self.wants, others, 1)
        meant = (
            Texts(f"; did you mean `{close[0]}`?", f" ; vouliez-vous dire `{close[0]}` ?") if close else Texts(".", ".")
        )
        what = Texts(
            f"there is no template named `{self.wants}`{meant.en}",
            f"aucun modèle ne s'appelle `{self.wants}`{meant.fr}",
        )
        fix = Texts("Add it beside this file, or remove `parent`.", "Ajoutez-le à côté, ou retirez `parent`.")
        return self._error(ParentMissing, what, fix)

    def circle(self) -> TemplateInvalid:
        """The error for a template that is its own ancestor."""
        what = Texts(f"`{self.wants}` leads back to this template.", f"`{self.wants}` ramène à ce modèle.")
        fix = Texts("Remove one `parent` of the circle.", "Retirez un `parent` du cercle.")
        return self._error(ParentCycle, what, fix)

    def _broken(self, problem: TemplateInvalid) -> Texts:
        """What is wrong with the parent, or with the ancestor that breaks it."""
        if isinstance(problem, ParentInvalid):
            first: Problem = problem.problems[0]
            return first.what
        en, fr = (shortened(problem.message(lang), _LONGEST_REASON) for lang in LANGUAGES)
        return Texts(f"`{self.wants}` is broken: {en}", f"`{self.wants}` est cassé : {fr}")

    def _error(self, kind: type[TemplateInvalid], what: Texts, fix: Texts) -> TemplateInvalid:
        return kind.at(self._path, [Problem("/parent", what, fix, self._line())])


def too_deep(line: int | None = None) -> Problem:
    """The problem of more ancestors than the limit."""
    what = Texts(f"the limit is {MAX_PARENTS} ancestors.", f"la limite est de {MAX_PARENTS} ancêtres.")
    return Problem("/parent", what, Texts("Merge some of them.", "Fusionnez-en."), line)
