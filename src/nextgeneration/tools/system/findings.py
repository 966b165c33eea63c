"""How a fact about the machine becomes a finding: no file location, the fact read as evidence."""

from __future__ import annotations

from typing import Any, NamedTuple

from nextgeneration.kernel.findings import Evidence, Finding, Severity
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.show import escaped, shortened

EXCERPT_LIMIT = 500


class Rule(NamedTuple):
    """One thing that can be said of a machine; the texts may hold fields."""

    id: str
    severity: Severity
    title: Texts
    message: Texts
    fix: Texts = Texts("", "")
    confidence: float = 1.0


def finding(
    rule: Rule, *, tool: str, lang: Lang, cause: str, excerpt: str, holds: bool = True, **values: object
) -> Finding:
    """The finding of ``rule`` with its fields filled in; ``excerpt`` is what was read."""
    shown: dict[str, Any] = {k: escaped(v, newlines=False) if isinstance(v, str) else v for k, v in values.items()}
    return Finding(
        rule=rule.id,
        title=rule.title.say(lang, **shown),
        message=rule.message.say(lang, **shown),
        fix=rule.fix.say(lang, **shown),
        severity=rule.severity,
        confidence=rule.confidence,
        cause=cause,
        holds=holds,
        evidence=(Evidence(source=tool, excerpt=shortened(escaped(excerpt), EXCERPT_LIMIT)),),
    )
