"""What a run of a tool notes down: findings without doubles, proposals, and what it left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict

from nextgeneration.kernel.actions import Proposal
from nextgeneration.kernel.findings import Evidence, Finding, Location, Severity
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.show import clean, escaped, shortened

MAX_FINDINGS = 500
MAX_EXCERPT = 500
MAX_TITLE = 200


class Skipped(BaseModel):
    """Something a run did not look at, and why."""

    model_config = ConfigDict(frozen=True)

    what: str
    reason: str


@dataclass
class Notes:
    """The findings, proposals and omissions of one call, in the language of its reader.

    Attributes:
        tool: the name of the tool that is called; every evidence cites it.
        lang: the language of the texts.
    """

    tool: str
    lang: Lang
    findings: dict[str, Finding] = field(default_factory=dict)
    proposals: list[Proposal] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    def say(self, text: Texts | str, **values: object) -> str:
        """``text`` in the reader's language."""
        return text.say(self.lang, **values) if isinstance(text, Texts) else text

    def add(
        self,
        rule: str,
        title: str,
        *,
        severity: Severity,
        path: str = "",
        line: int | None = None,
        end_line: int | None = None,
        excerpt: str = "",
        **more: Any,
    ) -> Finding:
        """Note one finding; of two with the same fingerprint the more severe stays.

        ``excerpt`` is masked and made printable by the caller's check where secrets may be in it.
        """
        location = Location(path=path, line=line, end_line=end_line) if path else None
        evidence = Evidence(
            source=self.tool, excerpt=shortened(escaped(clean(excerpt)), MAX_EXCERPT), location=location
        )
        finding = Finding(
            rule=rule,
            title=shortened(escaped(clean(title), newlines=False), MAX_TITLE),
            severity=severity,
            location=location,
            evidence=(evidence,),
            **more,
        )
        known = self.findings.get(finding.id)
        if known is None or known.severity.rank < severity.rank:
            self.findings[finding.id] = finding
        return finding

    def skip(self, what: str, reason: Texts | str, **values: object) -> None:
        """Note that ``what`` was left out."""
        self.skipped.append(Skipped(what=escaped(clean(what), newlines=False), reason=self.say(reason, **values)))

    def ranked(self) -> tuple[Finding, ...]:
        """All findings, worst and surest first, then by place."""
        return tuple(sorted(self.findings.values(), key=_rank))

    def by_severity(self) -> dict[str, int]:
        """How many findings there are of each severity that occurs, worst first."""
        counts = Counter(finding.severity for finding in self.findings.values())
        return {s.value: counts[s] for s in sorted(counts, key=lambda s: -s.rank)}

    def by_rule(self) -> dict[str, int]:
        """How many findings there are of each rule, most frequent first."""
        counts = Counter(finding.rule for finding in self.findings.values())
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _rank(finding: Finding) -> tuple[int, float, str, int]:
    place = finding.location
    return (-finding.severity.rank, -finding.confidence, place.path if place else "", (place and place.line) or 0)
