"""What a rule is, and what it reports."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

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


class Topic:
    """The rules under one heading; calling it declares the next one.

    Each rule is a function of a file, decorated with everything that is said about it.
    """

    def __init__(self, name: Texts) -> None:
        self.name = name
        self.rules: list[Rule] = []

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
    ) -> Callable[[Check], Check]:
        """Declare the decorated function as the rule ``compose.<slug>``; see :class:`Rule`."""

        def add(check: Check) -> Check:
            rule = Rule(
                id=f"compose.{slug}",
                topic=self.name,
                severity=severity,
                confidence=confidence,
                title=title,
                why=why,
                fix=fix,
                bad=bad.lstrip("\n"),
                good=good.lstrip("\n"),
                line=line,
                check=check,
                beside=beside or {},
                fixable=fixable,
            )
            self.rules.append(rule)
            return check

        return add


def listed(names: Iterable[str], limit: int = 6) -> str:
    """Names in one line, a long list cut."""
    every = list(names)
    return ", ".join(every[:limit]) + (f" (+{len(every) - limit})" if len(every) > limit else "")
