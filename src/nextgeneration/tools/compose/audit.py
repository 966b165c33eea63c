"""The audit of compose files: rules run, findings made, and one verified patch per file."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from nextgeneration.kernel.actions import Proposal
from nextgeneration.kernel.findings import Evidence, Finding, Location, Severity
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.show import escaped, shortened
from nextgeneration.tools.compose import secrets
from nextgeneration.tools.compose.edits import applied
from nextgeneration.tools.compose.model import ComposeFile
from nextgeneration.tools.compose.patch import unified
from nextgeneration.tools.compose.rule import Hit, Rule, listed
from nextgeneration.tools.compose.yaml_tree import Node

TOOL = "compose.audit"
REFERENCE = "docs/reference/compose-rules.md"
MAX_FINDINGS = 400
"""Findings told of all files; more are not read by anybody."""

MIN_OF_A_RULE = 3
"""Findings of each rule that are kept before further ones of the worst."""

MAX_TRIES = 24
"""Groups of edits tried, in halves, when all of them together cannot be made."""

_UNREADABLE = frozenset({"syntax", "tab", "alias-bomb", "alias-loop"})
_REASON = Texts(
    "Fixes {count} findings of {path}: {rules}. Services that rely on what is removed may need another change.",
    "Corrige {count} constats de {path} : {rules}. Un service qui dépend de ce qui est retiré peut demander un autre "
    "changement.",
)
_REASON_ONE = Texts("Fixes in {path}: {rules}.", "Corrige dans {path} : {rules}.")


@dataclass(frozen=True)
class FileAudit:
    """What the rules say of one file; ``known`` also names what a filter of severities left out."""

    file: ComposeFile
    hits: list[tuple[Rule, Hit]]
    known: frozenset[tuple[str, str]]

    @cached_property
    def hidden(self) -> list[tuple[int, int]]:
        """Where secrets stand in the text."""
        return secrets.spans(self.file)

    @cached_property
    def secret_lines(self) -> frozenset[int]:
        """The lines on which a secret stands."""
        newlines = [i for i, character in enumerate(self.file.text) if character == "\n"]
        lines: set[int] = set()
        for start, end in self.hidden:
            lines.update(range(bisect_right(newlines, start - 1) + 1, bisect_right(newlines, max(end - 1, start)) + 2))
        return frozenset(lines)

    def severities(self) -> Counter[Severity]:
        """How many hits there are of each severity."""
        return Counter(_severity(rule, hit) for rule, hit in self.hits)

    def finding(self, rule: Rule, hit: Hit, lang: Lang) -> Finding:
        """One hit as a finding in the reader's language, its evidence without secrets."""
        values = {name: escaped(self._clean(value), newlines=False) for name, value in hit.values.items()}
        slug = rule.id.removeprefix("compose.")
        location = Location(path=self.file.path, line=hit.line)
        return Finding(
            rule=rule.id,
            title=shortened(rule.title.say(lang, **values), 300),
            message=rule.why.say(lang, **values),
            severity=_severity(rule, hit),
            confidence=rule.confidence if hit.confidence is None else hit.confidence,
            location=location,
            evidence=(Evidence(source=TOOL, excerpt=self.excerpt(hit), location=location),),
            cause=hit.cause or f"{slug}:{self.file.path}:{hit.subject}",
            fix=rule.fix.say(lang, **values),
            reference=f"{REFERENCE}#{slug}",
            data={"subject": escaped(self._clean(hit.subject), newlines=False), "fixable": bool(hit.edits)},
        )

    def _clean(self, text: str) -> str:
        return shortened(text.encode("utf-8", "replace").decode(), 120)

    def excerpt(self, hit: Hit) -> str:
        """The lines a finding rests on, secrets masked."""
        text = self.file.text
        if isinstance(hit.at, Node):
            start = text.rfind("\n", 0, hit.at.start) + 1
        else:
            start = sum(len(line) + 1 for line in self.file.lines[: hit.at - 1])
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        shown = secrets.masked(text, start, min(end, start + 2000), self.hidden)
        shown = shown.strip().encode("utf-8", "replace").decode()
        return shortened(escaped(shown, newlines=False), 300)


def audit(
    file: ComposeFile, rules: Iterable[Rule], severities: Collection[Severity] = frozenset(Severity)
) -> FileAudit:
    """Run ``rules`` on one file; hits are in the order of the file, one per place and rule."""
    hits = [(rule, hit) for rule in rules for hit in _distinct(rule.check(file))]
    known = frozenset((rule.id, hit.subject) for rule, hit in hits)
    kept = [(rule, hit) for rule, hit in hits if _severity(rule, hit) in severities]
    kept.sort(key=lambda pair: (pair[1].line, -_severity(*pair).rank, pair[0].id))
    return FileAudit(file, kept, known)


def told(audits: Sequence[FileAudit]) -> list[tuple[FileAudit, Rule, Hit]]:
    """The hits that become findings, worst first: of too many the worst, and some of every rule."""
    every = [(found, rule, hit) for found in audits for rule, hit in found.hits]
    every.sort(key=lambda one: -_severity(*one[1:]).rank)
    if len(every) <= MAX_FINDINGS:
        return every
    seen: Counter[str] = Counter()
    some: list[tuple[FileAudit, Rule, Hit]] = []
    more: list[tuple[FileAudit, Rule, Hit]] = []
    for one in every:
        seen[one[1].id] += 1
        (some if seen[one[1].id] <= MIN_OF_A_RULE else more).append(one)
    return sorted([*some, *more][:MAX_FINDINGS], key=lambda one: -_severity(*one[1:]).rank)


def _severity(rule: Rule, hit: Hit) -> Severity:
    return hit.severity or rule.severity


def _distinct(hits: Iterator[Hit]) -> Iterator[Hit]:
    """A value shared through an anchor is reported once, for the first service that has it."""
    places: set[object] = set()
    subjects: set[str] = set()
    for hit in hits:
        place = id(hit.at) if isinstance(hit.at, Node) else None
        if (place is not None and place in places and getattr(hit.at, "size", 1) == 1) or hit.subject in subjects:
            continue
        places.add(place)
        subjects.add(hit.subject)
        yield hit


def proposal(found: FileAudit, rules: Collection[Rule], lang: Lang) -> Proposal | None:
    """One patch of the file that removes every finding that can safely be removed by an edit.

    The patched text is audited again before it is offered: what is claimed as fixed is gone, and
    nothing new is found. Edits that break this are left out.
    """
    if any(fault.kind in _UNREADABLE for fault in found.file.tree.faults):
        return None
    fixable = [hit for _, hit in found.hits if hit.edits]
    if not fixable:
        return None
    best: tuple[str, list[tuple[Rule, Hit]]] | None = None
    kept: list[Hit] = []
    waiting = [fixable]
    for _ in range(MAX_TRIES):
        if not waiting:
            break
        group = waiting.pop()
        tried = _tried(found, [*kept, *group], rules)
        if tried:
            best, kept = tried, [*kept, *group]
        elif len(group) > 1:
            waiting += [group[len(group) // 2 :], group[: len(group) // 2]]
    return _offered(found, *best, lang) if best else None


def _tried(found: FileAudit, hits: list[Hit], rules: Collection[Rule]) -> tuple[str, list[tuple[Rule, Hit]]] | None:
    """The patch of these hits' edits and all it fixes; None when it cannot be offered."""
    file = found.file
    edits = {edit for hit in hits for edit in hit.edits}
    text = applied(file.text, edits)
    patch = unified(file.path, file.text, edits, found.secret_lines) if text else None
    if not text or not patch:
        return None
    edited = audit(ComposeFile(file.path, text, file.around, file.siblings), rules)
    after = edited.known
    if after - found.known or len(edited.file.tree.faults) > len(file.tree.faults):
        return None
    fixed = [(rule, hit) for rule, hit in found.hits if (rule.id, hit.subject) not in after]
    return (patch, fixed) if {id(hit) for hit in hits} <= {id(hit) for _, hit in fixed} else None


def _offered(found: FileAudit, patch: str, fixed: list[tuple[Rule, Hit]], lang: Lang) -> Proposal:
    names = dict.fromkeys(f"{rule.id} ({hit.subject})" for rule, hit in fixed)
    reason = _REASON if any(rule.id == "compose.privileged" for rule, _ in fixed) else _REASON_ONE
    text = reason.say(lang, count=len(fixed), path=found.file.path, rules=listed(names, 12))
    return Proposal(
        tool="fs.patch",
        args={"patch": patch},
        reason=escaped(text, newlines=False),
        fixes=tuple(found.finding(rule, hit, lang).id for rule, hit in fixed),
    )
