"""What a rule is, and what it reports."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from nextgeneration.kernel.findings import Severity
from nextgeneration.kernel.language import Texts
from nextgeneration.tools.compose.edits import Edit
from nextgeneration.tools.compose.model import ComposeFile
from nextgeneration.tools.compose.yaml_tree import Node


@dataclass(frozen=True, slots=True)
class Hit:
    """One place where a rule does not hold.

    Attributes:
        subject: what it is about in words that survive a shift of lines: ``db``, ``db.ports.5432``.
        at: the node, or the line, it was found at.
        values: the fields of the rule's texts.
        severity: when this place is worse or better than the rule's own severity.
        confidence: when this place is less certain than the rule.
        cause: the form other tools share; made from the rule and the subject when empty.
        edits: changes of the text that remove this finding.
    """

    subject: str
    at: Node | int
    values: dict[str, str] = field(default_factory=dict)
    severity: Severity | None = None
    confidence: float | None = None
    cause: str = ""
    edits: tuple[Edit, ...] = ()

    @property
    def line(self) -> int:
        """The line, from 1."""
        return self.at if isinstance(self.at, int) else self.at.line


Check = Callable[[ComposeFile], Iterator[Hit]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One documented rule.

    Attributes:
        id: ``compose.`` and a slug.
        topic: the group it stands under in the reference.
        bad: a file that breaks the rule at ``line``; ``good`` the same file mended.
        beside: files that lie beside the example, by name.
        fixable: whether some findings of the rule come with a patch.
    """

    id: str
    topic: Texts
    severity: Severity
    confidence: float
    title: Texts
    why: Texts
    fix: Texts
    bad: str
    good: str
    line: int
    check: Check
    beside: dict[str, str]
    fixable: bool


class _Declare(Protocol):
    def __call__(
        self,
        slug: str,
        severity: Severity,
        *,
        title: Texts,
        why: Texts,
        fix: Texts,
        bad: str,
        good: str,
        line: int,
        confidence: float = 1.0,
        beside: dict[str, str] | None = None,
        fixable: bool = False,
    ) -> Callable[[Check], Check]: ...


def topic(name: Texts) -> tuple[list[Rule], _Declare]:
    """An empty list of rules under one heading, and the decorator that adds to it."""
    rules: list[Rule] = []

    def declare(
        slug: str,
        severity: Severity,
        *,
        title: Texts,
        why: Texts,
        fix: Texts,
        bad: str,
        good: str,
        line: int,
        confidence: float = 1.0,
        beside: dict[str, str] | None = None,
        fixable: bool = False,
    ) -> Callable[[Check], Check]:
        def add(check: Check) -> Check:
            rules.append(
                Rule(
                    f"compose.{slug}",
                    name,
                    severity,
                    confidence,
                    title,
                    why,
                    fix,
                    bad.lstrip("\n"),
                    good.lstrip("\n"),
                    line,
                    check,
                    beside or {},
                    fixable,
                )
            )
            return check

        return add

    return rules, declare


def listed(names: Iterable[str], limit: int = 6) -> str:
    """Names in one line, a long list cut."""
    every = list(names)
    return ", ".join(every[:limit]) + (f" (+{len(every) - limit})" if len(every) > limit else "")
