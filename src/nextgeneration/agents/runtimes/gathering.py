"""What an agent has gathered when it hands in its report, whichever runtime drove it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nextgeneration.agents.carrying import AGENT_RUN, checks_in, report_in
from nextgeneration.agents.errors_playbook import TooManyActions
from nextgeneration.kernel.actions import Action, Check, Proposal
from nextgeneration.kernel.canonical import digest
from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.findings import Finding
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.reports import ReportStatus, Statement
from nextgeneration.kernel.show import clean, shortened
from nextgeneration.kernel.tools import ToolResult, ToolSpec

if TYPE_CHECKING:
    from nextgeneration.agents.context import TaskContext

MAX_STATEMENTS, MAX_STATEMENT = 50, 4_000
MAX_ACTIONS = 200
MAX_ACTIONS_BYTES = 4_000_000
"""Of one run: actions are journaled with their arguments, and a human has to read them."""

_STEP_FAILED = Texts("{step} ({tool}): {why}", "{step} ({tool}) : {why}")


@dataclass(slots=True)
class Gathered:
    """Findings with the call that found each, remedies offered by tools, actions, and what went wrong.

    Attributes:
        worked: calls that gave a result; ``unanswered``: those whose result was no answer.
    """

    findings: dict[str, Finding] = field(default_factory=dict)
    found_by: dict[str, Check] = field(default_factory=dict)
    offered: dict[str, Proposal] = field(default_factory=dict)
    actions: list[Action] = field(default_factory=list)
    statements: dict[str, Statement] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    problems: list[dict[str, Any]] = field(default_factory=list)
    proposed_bytes: int = 0
    worked: int = 0
    unanswered: int = 0

    def keep(self, result: ToolResult, tool: str, args: dict[str, Any]) -> None:
        """Take over a call's findings, remembering which call found each."""
        self.worked += 1
        check = Check(tool=tool, args=args) if result.findings and tool != AGENT_RUN else None
        for finding in result.findings:
            name = finding.id
            self.findings.setdefault(name, finding)
            if check is not None:
                self.found_by.setdefault(name, check)
        if tool == AGENT_RUN:
            self._adopt(result)
        for proposal in result.proposals:
            self.offered[plain_text(proposal.model_dump(mode="json"))] = proposal

    def _adopt(self, result: ToolResult) -> None:
        """Take over what an agent that was called hands up: actions, how its findings are checked, what is missing."""
        report = report_in(result)
        for check in checks_in(result):
            for finding_id in check.absent:
                self.found_by.setdefault(finding_id, check.model_copy(update={"absent": ()}))
        for action in report.actions:
            self._weigh(action.args, report.agent)
            self.actions.append(action)
        if report.status is not ReportStatus.DONE:
            self.unanswered += 1
            lines = (f"{report.agent}: {line}" for line in report.missing[:MAX_STATEMENTS])
            self.missing.extend(line for line in lines if line not in self.missing)

    def hear(self, result: ToolResult, step: str, spec: ToolSpec, lang: Lang) -> None:
        """Keep what a call said, but for lines that only repeat its findings; what was said before counts once."""
        titles = [finding.title for finding in result.findings if finding.title]
        lines = [line for line in result.text.splitlines() if not any(title in line for title in titles)]
        text = shortened(clean("\n".join(lines)).strip(), MAX_STATEMENT)
        if not text:
            return
        if spec.name == AGENT_RUN and (below := report_in(result).statements):
            self.statements.update((one.text, one) for one in below[: MAX_STATEMENTS - len(self.statements)])
        elif len(self.statements) < MAX_STATEMENTS:
            said = Statement(step=step, tool=spec.name, about=spec.summary.say(lang), text=text)
            self.statements.setdefault(text, said)

    def proposal(self, item: Any, tool: str, args: dict[str, Any]) -> Proposal | None:
        """The proposal that a step's ``each`` handed over, when it is the very call the step makes.

        Only a tool of this run can have made it: what it says it fixes, and how that is checked, is believed.
        """
        found = self.offered.get(plain_text(item)) if isinstance(item, dict) else None
        return found if found is not None and found.tool == tool and found.args == args else None

    def propose(
        self,
        tool: str,
        args: dict[str, Any],
        step: str,
        context: TaskContext,
        *,
        proposal: Proposal | None = None,
        reason: str = "",
        fixes: Sequence[str] = (),
        untrusted: tuple[str, ...] = (),
    ) -> None:
        """Make a call that would change something an action of the report.

        Args:
            step: what proposes it.
            proposal: the tool's own proposal it follows, which says what it fixes and how that is checked.
            reason: why, without a proposal.
            fixes: ids of findings, without a proposal.
            untrusted: tools whose results the model had read when it proposed this.

        Raises:
            TooManyActions: the report holds as many, or as much, as it may.
        """
        self._weigh(args, step)
        name = digest({"task": context.task, "step": step, "n": len(self.actions)}).removeprefix("sha256:")[:16]
        if proposal is not None:
            reason, fixes = proposal.reason, proposal.fixes
        verify = (proposal.verify,) if proposal and proposal.verify else self.checks(fixes)
        self.actions.append(
            Action(
                id=f"act_{name}",
                agent=context.door.agent,
                task=context.task,
                tool=tool,
                args=args,
                reason=reason,
                fixes=tuple(fixes),
                verify=verify,
                group=proposal.group if proposal else "",
                rank=proposal.rank if proposal else 0,
                untrusted=untrusted,
            )
        )

    def _weigh(self, args: dict[str, Any], step: str) -> None:
        self.proposed_bytes += len(json.dumps(args, default=str))
        if len(self.actions) >= MAX_ACTIONS or self.proposed_bytes > MAX_ACTIONS_BYTES:
            raise TooManyActions(limit=MAX_ACTIONS, megabytes=MAX_ACTIONS_BYTES // 1_000_000, where=step)

    def checks(self, fixes: Sequence[str]) -> tuple[Check, ...]:
        """The calls that found what is to be fixed, once each, with the ids that must be gone."""
        gone: dict[str, tuple[Check, list[str]]] = {}
        for finding_id in fixes:
            check = self.found_by.get(finding_id)
            if check is not None:
                key = check.tool + json.dumps(check.args, sort_keys=True)
                gone.setdefault(key, (check, []))[1].append(finding_id)
        return tuple(check.model_copy(update={"absent": tuple(ids)}) for check, ids in gone.values())

    def note(self, error: NGError, lang: Lang, step: str = "", tool: str = "") -> None:
        """Remember what could not be done, and why."""
        problem = getattr(error, "problem_data", None) or error.problem(lang)
        self.problems.append(problem | {"step": step, "tool": tool})
        why = str(problem["message"])
        named = not tool or tool in why
        self.missing.append(why if named else _STEP_FAILED.say(lang, step=step, tool=tool, why=why))

    def ranked(self) -> tuple[Finding, ...]:
        """The findings, the worst and surest first."""
        if not self.findings:
            return ()
        return tuple(sorted(self.findings.values(), key=lambda f: (-f.severity.rank, -f.confidence)))


def plain_text(value: dict[str, Any]) -> str:
    """One text for one JSON object."""
    return json.dumps(value, sort_keys=True, default=str)
