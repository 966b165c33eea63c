"""The audit of compose files: rules run, findings made, and one verified patch per file."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
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
MAX_HITS = 400
"""Findings kept of one file; a file with more is not read by anybody."""

_REASON = Texts(
    "Fixes {count} findings of {path}: {rules}. Services that rely on what is removed may need another change.",
    "Corrige {count} constats de {path} : {rules}. Un service qui dépend de ce qui est retiré peut demander un autre "
    "changement.",
)
_REASON_ONE = Texts("Fixes in {path}: {rules}.", "Corrige dans {path} : {rules}.")


@dataclass(frozen=True)
class FileAudit:
    """What the rules say of one file."""

    file: ComposeFile
    hits: list[tuple[Rule, Hit]] = field(default_factory=list)

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

    def findings(self, lang: Lang) -> list[Finding]:
        """All hits as findings."""
        return [self.finding(rule, hit, lang) for rule, hit in self.hits]

    def finding(self, rule: Rule, hit: Hit, lang: Lang) -> Finding:
        """One hit as a finding in the reader's language, its evidence without secrets."""
        values = {name: escaped(self._clean(value), newlines=False) for name, value in hit.values.items()}
        slug = rule.id.removeprefix("compose.")
        location = Location(path=self.file.path, line=hit.line)
        return Finding(
            rule=rule.id,
            title=shortened(rule.title.say(lang, **values), 300),
            message=rule.why.say(lang, **values),
            severity=hit.severity or rule.severity,
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
    hits: list[tuple[Rule, Hit]] = []
    for rule in rules:
        hits += ((rule, hit) for hit in _distinct(rule.check(file)) if (hit.severity or rule.severity) in severities)
    hits.sort(key=lambda pair: (pair[1].line, -(pair[1].severity or pair[0].severity).rank, pair[0].id))
    return FileAudit(file, hits[:MAX_HITS])


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
    if any(fault.kind in ("syntax", "tab", "alias-bomb", "alias-loop") for fault in found.file.tree.faults):
        return None
    fixable = [(rule, hit) for rule, hit in found.hits if hit.edits]
    attempts = _attempts(fixable)
    for chosen in attempts:
        text = applied(found.file.text, (edit for _, hit in chosen for edit in hit.edits))
        fixed = _fixed(found, text, rules) if text is not None else None
        patch = unified(found.file.path, found.file.text, text, found.secret_lines) if text and fixed else None
        if patch and fixed:
            return _offered(found, patch, fixed, lang)
    return None


def _attempts(fixable: list[tuple[Rule, Hit]]) -> Iterator[list[tuple[Rule, Hit]]]:
    """All edits together; else without one rule each; else each rule alone."""
    if not fixable:
        return
    yield fixable
    ids = list(dict.fromkeys(rule.id for rule, _ in fixable))
    if len(ids) > 1:
        for left_out in ids:
            yield [(rule, hit) for rule, hit in fixable if rule.id != left_out]
        for single in ids:
            yield [(rule, hit) for rule, hit in fixable if rule.id == single]


def _fixed(found: FileAudit, text: str, rules: Collection[Rule]) -> list[tuple[Rule, Hit]] | None:
    """The hits that are gone from the edited text; None when something new is there."""
    file = found.file
    edited = audit(ComposeFile(file.path, text, file.around, file.siblings), rules)
    before = {(rule.id, hit.subject) for rule, hit in found.hits}
    after = {(rule.id, hit.subject) for rule, hit in edited.hits}
    if edited.file.tree.faults and not file.tree.faults:
        return None
    # Severities may be filtered: what the filter hid before is not new.
    unfiltered = {(rule.id, hit.subject) for rule, hit in audit(file, rules).hits}
    if after - unfiltered:
        return None
    return [(rule, hit) for rule, hit in found.hits if (rule.id, hit.subject) in before - after]


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
