"""What a call would do, whether it may, and what a human would be shown: judged without doing anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, NamedTuple

from pydantic import BaseModel

from nextgeneration.kernel.canonical import digest
from nextgeneration.kernel.language import Lang
from nextgeneration.kernel.risk import Assessment, RiskLabel
from nextgeneration.kernel.show import escaped, shortened
from nextgeneration.kernel.tools import Preview, Tool, ToolContext
from nextgeneration.missions.schema import Edit
from nextgeneration.missions.tainting import CLEAN, Taint, tainted
from nextgeneration.security.permissions import Decision, PermissionRules, Verdict, decide
from nextgeneration.tools.base import parse_args, subjects_of
from nextgeneration.tools.errors import NetworkOff, ToolUnknown


@dataclass(frozen=True, slots=True)
class Policy:
    """What a human granted to a whole mission.

    Attributes:
        standing: rules from settings that turn a question into a yes.
        network: whether the network may be used.
        auto: the strictest label approved in advance (``--yes``); never above ``write``.
        attended: whether somebody can be asked; otherwise what would ask is refused.
    """

    standing: tuple[str, ...] = ()
    network: bool = False
    auto: RiskLabel | None = None
    attended: bool = True

    def covers(self, label: RiskLabel) -> bool:
        """Whether ``auto`` approves a call with this label."""
        return self.auto is not None and label.rank <= min(self.auto.rank, RiskLabel.WRITE.rank)


@dataclass(frozen=True, slots=True)
class Call:
    """A tool and its arguments."""

    tool: str
    args: Mapping[str, Any] = field(default_factory=dict)


class Judged(NamedTuple):
    """A call with everything that was found out about it.

    Attributes:
        args: what it would be called with.
        digest: of what the task asked for, by which it is recognised again.
        edit: what a human put in place of that.
    """

    tool: Tool
    name: str
    args: dict[str, Any]
    parsed: BaseModel
    digest: str
    assessment: Assessment
    decision: Decision
    edit: Edit | None = None

    def preview(self, context: ToolContext) -> Preview:
        """What a human is shown. Made only when somebody looks: a diff costs more than a judgement."""
        return self.tool.preview(self.parsed, context)


@dataclass(frozen=True, slots=True)
class Offer:
    """What would happen if a call were made now; ``edited_by``: who changed what it would be made with."""

    tool: str
    args: dict[str, Any]
    assessment: Assessment
    preview: Preview
    verdict: Verdict
    why: str
    digest: str
    edited_by: str = ""


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges the calls of one task.

    Attributes:
        tools: every tool by its name and its other names.
        levels: permissions of the task's template, root first.
        above: those of each agent it works for: the strictest of all decides.
    """

    tools: Mapping[str, Tool]
    levels: Sequence[PermissionRules]
    policy: Policy
    above: tuple[Sequence[PermissionRules], ...] = ()

    def bounds(self, after: Taint) -> dict[str, Any]:
        """By what a call is judged, as plain JSON: what a human puts in its place is judged by the same."""
        return {
            "levels": [level.model_dump(mode="json") for level in self.levels],
            "above": [[level.model_dump(mode="json") for level in levels] for levels in self.above],
            "after": {"untrusted": list(after.untrusted), "secret": list(after.secret)},
        }

    @classmethod
    def within(cls, bounds: Mapping[str, Any], tools: Mapping[str, Tool], policy: Policy) -> tuple[Judge, Taint]:
        """The judge that ``bounds`` are of, and what the author of the call had read."""
        levels, *above = (
            tuple(PermissionRules.model_validate(level) for level in levels)
            for levels in (bounds["levels"], *bounds["above"])
        )
        after = bounds["after"]
        return cls(tools, levels, policy, tuple(above)), Taint(tuple(after["untrusted"]), tuple(after["secret"]))

    def tool(self, name: str) -> Tool:
        """The tool of this name.

        Raises:
            ToolUnknown: with a suggestion when a name is close.
        """
        found = self.tools.get(name)
        if found is None:
            raise self.unknown(name)
        return found

    def unknown(self, name: str) -> ToolUnknown:
        """What is said of a name no tool has."""
        close = get_close_matches(name, self.tools, 1)
        return ToolUnknown(name=shortened(escaped(name, newlines=False), 80), hint=f" ({close[0]}?)" if close else "")

    def judge(
        self,
        tool: Tool,
        args: dict[str, Any],
        identity: str,
        context: ToolContext,
        after: Taint = CLEAN,
        edit: Edit | None = None,
    ) -> Judged:
        """Parse, assess and decide one call.

        Args:
            tool: what is called.
            args: what the task asks for.
            identity: the digest of that.
            context: for the tool.
            after: what its author had read.
            edit: what a human put in place of ``args``.

        Raises:
            BadArguments: the arguments do not fit.
            NetworkOff: it would be asked for, and fail without the network whatever the answer.
            NGError: the tool cannot judge it, such as a path outside the workspace.
        """
        spec = tool.spec
        args = args if edit is None else edit.args
        parsed = parse_args(tool, args)
        assessment = tool.assess(parsed, context)
        if assessment.label is not spec.risk and assessment.label.rank < spec.risk.rank:
            assessment = assessment.raised(spec.risk, f"{spec.name} is {spec.risk}")
        subjects, standing = subjects_of(tool, parsed, context), self.policy.standing
        about = (standing, spec.name, subjects, assessment.label, spec.effect)
        decision = decide(self.levels, *about, aliases=spec.aliases)
        for levels in self.above:
            other = decide(levels, *about, aliases=spec.aliases)
            decision = other if other.verdict.rank > decision.verdict.rank else decision
        assessment, decision = tainted(after, assessment, decision, spec, subjects, standing, context.lang)
        if decision.verdict is Verdict.ASK and "network" in spec.touches and not self.policy.network:
            raise NetworkOff(tool=spec.name)
        if decision.withheld:
            assessment = assessment.raised(assessment.label, decision.why.say(context.lang))
        return Judged(tool, spec.name, args, parsed, identity, assessment, decision, edit)


def identity(name: str, args: Mapping[str, Any]) -> str:
    """The digest by which a call is recognised again: its tool and its arguments.

    Raises:
        NotCanonical: the arguments are not plain JSON.
    """
    return digest([name, args])


def shown(judged: Judged, context: ToolContext, price: int) -> dict[str, Any]:
    """One call as an approval's card shows it; one that a human edited with what the task had asked for.

    Args:
        price: what it costs, in micro-credits.
    """
    edit = judged.edit
    return {
        "tool": judged.name,
        "args": judged.args,
        "label": judged.assessment.label.value,
        "reasons": list(judged.assessment.reasons),
        "conditions": dict(judged.assessment.conditions),
        "preview": judged.preview(context).model_dump(mode="json"),
        "verdict": judged.decision.verdict.value,
        **({"credits": price} if price else {}),
        **({} if edit is None else {"asked": edit.asked, "edited_by": edit.by}),
    }


def said(text: object, lang: Lang) -> str:
    """A text of either kind, in the mission's language."""
    say = getattr(text, "say", None)
    return str(say(lang)) if say else str(text)
