"""Whether a call may run, must be asked for, or is refused: lists of rules over the tool's own rule.

Rules are ``tool`` or ``tool(pattern)``, both with ``*``, ``?`` and ``[…]``. Patterns match the
*subjects* that a tool derives from its parsed arguments (a path, a host, the argv of each command),
so that no pattern spans two commands of a line.
"""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field, field_validator

from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.risk import EffectRule, RiskLabel
from nextgeneration.kernel.show import escaped, shortened
from nextgeneration.security.errors import BadPermissionRule

_RULE = re.compile(r"(?P<tool>[A-Za-z0-9_.:/@*?\[\]!-]{1,200})(?:\((?P<pattern>.{1,2000})\))?", re.DOTALL)
_LOWERABLE = frozenset({RiskLabel.SAFE, RiskLabel.WRITE, RiskLabel.NETWORK})


class Rule(NamedTuple):
    """One parsed rule. ``pattern`` is ``None`` when it covers every call of the tool."""

    text: str
    tool: str
    pattern: str | None

    def names(self, tools: Iterable[str]) -> bool:
        """Whether it is about one of these names of a tool, whatever the case."""
        wanted = self.tool.casefold()
        return any(fnmatchcase(tool.casefold(), wanted) for tool in tools)


@lru_cache(maxsize=4096)
def parse_rule(text: str) -> Rule:
    """The parts of a rule.

    Raises:
        BadPermissionRule: it is neither ``tool`` nor ``tool(pattern)``.
    """
    match = _RULE.fullmatch(text)
    if match is None:
        raise BadPermissionRule(rule=shortened(escaped(text, newlines=False), 200))
    return Rule(text, match["tool"], match["pattern"])


class PermissionRules(BaseModel):
    """The three lists of one template. Of rules that match one call, deny beats ask beats allow."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    allow: tuple[str, ...] = Field(default=(), description="calls that need no approval")
    ask: tuple[str, ...] = Field(default=(), description="calls that always need an approval")
    deny: tuple[str, ...] = Field(default=(), description="calls that are never made")
    untrusted: tuple[str, ...] = Field(
        default=(), description="calls that a template of a workspace would allow, had a human trusted it"
    )

    @field_validator("allow", "ask", "deny", "untrusted")
    @classmethod
    def _readable(cls, rules: tuple[str, ...]) -> tuple[str, ...]:
        for rule in rules:
            parse_rule(rule)
        return rules


class Verdict(StrEnum):
    """What happens to a call, strictest last."""

    ALLOW = "allow"
    ASK = "ask"
    DENY = "deny"

    @property
    def rank(self) -> int:
        """0 for ``allow`` to 2 for ``deny``."""
        return _RANKS[self]


_RANKS = {verdict: rank for rank, verdict in enumerate(Verdict)}


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict and the reason a human reads."""

    verdict: Verdict
    why: Texts
    withheld: bool = False
    """Whether it asks only because nobody trusted the template that would allow it."""


def decide(
    levels: Sequence[PermissionRules],
    standing: Sequence[str],
    tool: str,
    subjects: tuple[str, ...],
    label: RiskLabel,
    rule: EffectRule,
    *,
    aliases: tuple[str, ...] = (),
) -> Decision:
    """Decide one call.

    It starts from the tool's own rule: a ``pure`` call labelled ``safe`` is allowed, everything else
    is asked. Then each level, root first, may tighten; a level may lower ``ask`` to ``allow`` only
    when no level above it names the tool. Last, a human's standing rules may lower ``ask`` to
    ``allow``. Only calls labelled at most ``network`` are ever lowered, and ``deny`` never is.

    Args:
        levels: the lists of the template and its ancestors, root first.
        standing: rules a human made in settings.
        tool: name of the tool.
        subjects: what the tool says the call is about; see ``Tool.subjects``.
        label: the call's risk.
        rule: the tool's effect rule.
        aliases: the tool's other names, so that a rule may use any of them.

    Raises:
        BadPermissionRule: a rule cannot be read.
    """
    names = (tool, *aliases)
    decision = own = _own(tool, label, rule)
    named = False
    for level in levels:
        found, names_tool = _level(level, names, subjects)
        if found and _applies(found.verdict, decision.verdict, named, label):
            decision = found
        named = named or names_tool
    if decision.verdict is Verdict.ASK and label in _LOWERABLE:
        match = _covering(standing, names, subjects)
        if match:
            why = Texts(f"your standing rule `{match}` allows it", f"votre règle permanente `{match}` le permet")
            return Decision(Verdict.ALLOW, why)
        if decision is own:
            return _withheld(levels, names, subjects) or decision
    return decision


def _withheld(levels: Sequence[PermissionRules], names: tuple[str, ...], subjects: tuple[str, ...]) -> Decision | None:
    """The question a call gets because the rule that would allow it is an untrusted template's."""
    match = next(filter(None, (_covering(level.untrusted, names, subjects) for level in levels)), None)
    if match is None:
        return None
    rule = escaped(match, newlines=False)
    why = Texts(
        f"`{rule}` is an allow rule of an untrusted template, which does not count (`nextgen templates trust`)",
        f"`{rule}` est une règle allow d'un modèle non approuvé, qui ne compte pas (`nextgen templates trust`)",
    )
    return Decision(Verdict.ASK, why, withheld=True)


def _own(tool: str, label: RiskLabel, rule: EffectRule) -> Decision:
    if rule is EffectRule.PURE and label is RiskLabel.SAFE:
        only_reads = Texts(
            f"{tool} only reads, inside the workspace", f"{tool} ne fait que lire, dans l'espace de travail"
        )
        return Decision(Verdict.ALLOW, only_reads)
    return Decision(
        Verdict.ASK,
        Texts(f"a call of {tool} labelled {label} is asked for", f"un appel de {tool} classé {label} est demandé"),
    )


def _applies(found: Verdict, current: Verdict, named: bool, label: RiskLabel) -> bool:
    if found.rank > current.rank:
        return True
    return found is Verdict.ALLOW and current is Verdict.ASK and not named and label in _LOWERABLE


def _level(level: PermissionRules, names: tuple[str, ...], subjects: tuple[str, ...]) -> tuple[Decision | None, bool]:
    """What one template's lists say of the call, and whether they name the tool at all."""
    strict = ((Verdict.DENY, level.deny), (Verdict.ASK, level.ask))
    named = False
    unsure: Rule | None = None
    for verdict, texts in strict:
        for rule in map(parse_rule, texts):
            if not rule.names(names):
                continue
            named = True
            if rule.pattern is None or any(_touches(subject, rule.pattern) for subject in subjects):
                return Decision(verdict, _because(verdict, rule)), True
            unsure = unsure or (rule if not subjects else None)
    if unsure:
        why = Texts(
            f"the call names nothing that `{unsure.text}` could be compared with",
            f"l'appel ne nomme rien que `{unsure.text}` puisse comparer",
        )
        return Decision(Verdict.ASK, why), True
    match = _covering(level.allow, names, subjects)
    if match:
        return Decision(Verdict.ALLOW, _because(Verdict.ALLOW, parse_rule(match))), True
    return None, named or any(parse_rule(text).names(names) for text in level.allow)


def _because(verdict: Verdict, rule: Rule) -> Texts:
    text = escaped(rule.text, newlines=False)
    return {
        Verdict.DENY: Texts(f"the template's rule `{text}` denies it", f"la règle `{text}` du modèle l'interdit"),
        Verdict.ASK: Texts(f"the template's rule `{text}` asks for it", f"la règle `{text}` du modèle le demande"),
        Verdict.ALLOW: Texts(f"the template's rule `{text}` allows it", f"la règle `{text}` du modèle le permet"),
    }[verdict]


def _covering(texts: Sequence[str], names: tuple[str, ...], subjects: tuple[str, ...]) -> str | None:
    """The rule that allows a call: one without a pattern, or the first of those that cover every subject."""
    rules = [rule for rule in map(parse_rule, texts) if any(fnmatchcase(name, rule.tool) for name in names)]
    for rule in rules:
        if rule.pattern is None:
            return rule.text
    found = [
        next((rule.text for rule in rules if rule.pattern and _within(subject, rule.pattern)), None)
        for subject in subjects
    ]
    return found[0] if found and all(found) else None


def _within(subject: str, pattern: str) -> bool:
    """Whether an allow pattern covers a subject; nothing that holds ``..`` or control characters is ever covered."""
    plain = subject.isprintable() and ".." not in re.split(r"[/\\\s=:]", subject)
    return plain and fnmatchcase(subject, pattern)


def _touches(subject: str, pattern: str) -> bool:
    """Whether a strict pattern is about a subject, in any spelling that a file system could take for the same.

    A folder is touched by a pattern for what is in it.
    """
    folded = _folded(pattern)
    plain = posixpath.normpath(subject) if subject else subject
    forms = {subject, plain, subject + "/", plain + "/"}
    return any(fnmatchcase(form, pattern) or fnmatchcase(_folded(form), folded) for form in forms)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
