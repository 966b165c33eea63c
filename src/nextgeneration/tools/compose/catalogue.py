"""All rules, in the order of the reference."""

from __future__ import annotations

from collections.abc import Collection

from nextgeneration.kernel.findings import Severity
from nextgeneration.tools.compose import keys
from nextgeneration.tools.compose.errors import RuleUnknown
from nextgeneration.tools.compose.rule import Rule
from nextgeneration.tools.compose.rules import (
    credentials,
    disk,
    isolation,
    network,
    references,
    reliability,
    shape,
    supply,
    values,
    yaml,
)

RULES: tuple[Rule, ...] = tuple(
    rule
    for module in (isolation, credentials, network, supply, reliability, references, disk, shape, values, yaml)
    for rule in module.rule.rules
)

BY_ID: dict[str, Rule] = {rule.id: rule for rule in RULES}


def chosen(only: Collection[str]) -> tuple[Rule, ...]:
    """The rules named by ids, with or without ``compose.``; severities choose findings, not rules.

    Raises:
        RuleUnknown: a word is neither a rule nor a severity.
    """
    severities = {severity.value for severity in Severity}
    names = {name if name.startswith("compose.") else f"compose.{name}" for name in only if name not in severities}
    for name in sorted(names):
        if name not in BY_ID:
            near = keys.nearest(name, sorted(BY_ID))
            raise RuleUnknown(name=name, hint=f" ({near}?)" if near else "")
    return tuple(rule for rule in RULES if rule.id in names) if names else RULES


def chosen_severities(only: Collection[str]) -> frozenset[Severity]:
    """The severities among the words of a filter; all when there are none."""
    return frozenset(severity for severity in Severity if severity.value in only) or frozenset(Severity)
