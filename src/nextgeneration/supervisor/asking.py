"""What a goal asks about: which findings it names, which statements answer it, whether it wants something changed."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from nextgeneration.kernel.findings import Finding, Severity
from nextgeneration.kernel.reports import Report, ReportStatus, Statement
from nextgeneration.supervisor.lexicon import plain, words

_GENERAL = frozenset(
    words(
        "check audit project code file folder report find problem error analyse list show give tell "
        "text find quality work need want help read look safe use public command machine system"
    )
)
"""Words that goals and tools share without meaning the same thing by them."""

_CHANGE = frozenset(words("fix write install clean apply add remove replace update create mend patch generate"))
"""Words that ask for more than a look."""

MAX_QUOTED = 12


@dataclass(frozen=True)
class Quoted:
    """A statement that belongs into the answer. ``asked``: the goal names it."""

    task: str
    agent: str
    statement: Statement
    asked: bool


class Asked:
    """A goal, read once."""

    def __init__(self, goal: str) -> None:
        self._goal, self._plain = goal, plain(goal)
        spoken = frozenset(words(goal))
        self.words = spoken - _GENERAL
        self.change = bool(spoken & _CHANGE)

    def about(self, findings: Iterable[Finding]) -> Callable[[Finding], bool]:
        """Which of ``findings`` the goal asks about.

        Those whose subject it names, such as the command of ``command-missing:docker-compose``; when there is none,
        those whose rule it names, such as the links of ``docs.link-file``.
        """
        if any(self._names(finding) for finding in findings):
            return self._names
        return lambda finding: bool(self.words & _named(finding.rule))

    def _names(self, finding: Finding) -> bool:
        return _holds(self._plain, plain(_subject(finding)))

    def echoes(self, statement: Statement) -> bool:
        """Whether a statement says nothing but what the goal said itself."""
        return statement.text in self._goal

    def subjects(self, findings: Iterable[Finding]) -> set[str]:
        """Those subjects of ``findings`` that the goal names."""
        return {plain(_subject(finding)) for finding in findings if self._names(finding)}

    def share(self, statement: Statement) -> float:
        """How much of what a statement is about the goal names, from 0 to 1."""
        said = _named(f"{statement.step} {statement.tool} {statement.about}")
        return len(said & self.words) / len(said) if said else 0.0


@functools.lru_cache(maxsize=64)
def asked_in(goal: str) -> Asked:
    """What ``goal`` asks about; the phases of a mission want to know it one after the other."""
    return Asked(goal)


def _subject(finding: Finding) -> str:
    return finding.cause.partition(":")[2]


def _holds(text: str, subject: str) -> bool:
    """Whether a text has the subject as a word of its own."""
    # Most are not in it at all: the expression, made for one subject, is worth making for few.
    return (
        bool(subject) and subject in text and re.search(rf"(?<![\w-]){re.escape(subject)}(?![\w-])", text) is not None
    )


@functools.lru_cache(maxsize=4096)
def _named(text: str) -> frozenset[str]:
    return frozenset(words(text.replace("_", " "))) - _GENERAL


def quoted(reports: Mapping[str, Report], asked: Asked) -> list[Quoted]:
    """The statements that belong into the answer.

    Of each agent the one that the goal asks about, first those that speak of the very thing it names and that the
    agent looked at. When it asks about none: all that an agent said who works alone, or who found no fault, so that
    "no problem" says what was looked at.
    """
    heard = {task: r for task, r in sorted(reports.items()) if r.status is not ReportStatus.SKIPPED}
    best = {task: _asked_for(report, asked) for task, report in heard.items() if report.statements}
    picked = {task: one for task, one in best.items() if one[:2] > (False, 0.0)}
    ranked = sorted(picked, key=lambda task: not picked[task][0])
    chosen = [Quoted(task, heard[task].agent, picked[task][2], asked=True) for task in ranked]
    if not chosen:
        chosen = [
            Quoted(task, report.agent, said, asked=False)
            for task, report in heard.items()
            if len(heard) == 1 or not _faults(report.findings)
            for said in report.statements
            if not asked.echoes(said)
        ]
    return list({one.statement.text: one for one in reversed(chosen)}.values())[::-1][:MAX_QUOTED]


def _asked_for(report: Report, asked: Asked) -> tuple[bool, float, Statement]:
    """The statement the goal asks about most; before it whether it speaks of what the goal names, and its share."""
    subjects = asked.subjects(report.findings)
    shares = [
        (bool(subjects) and any(_holds(plain(said.text), subject) for subject in subjects), asked.share(said), said)
        for said in report.statements
    ]
    return max(shares, key=lambda one: one[:2])


def _faults(findings: Iterable[Finding]) -> bool:
    return any(finding.holds and finding.severity is not Severity.INFO for finding in findings)
