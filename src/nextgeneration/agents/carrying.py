"""What goes up from an agent that was called to the one that called it, and what the caller makes of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from nextgeneration.kernel.actions import Check
from nextgeneration.kernel.reports import Report, ReportStatus
from nextgeneration.kernel.tools import Label, ToolResult

AGENT_RUN = "agent.run"
"""The tool by which an agent calls another."""

_WORKED = {ReportStatus.DONE, ReportStatus.PARTIAL}


def result_of(report: Report, checks: Iterable[Check], read: Sequence[str], labels: Iterable[Label]) -> ToolResult:
    """A report as the result of the call that asked for it.

    Args:
        report: of the agent that was called.
        checks: the calls that found its findings.
        read: tools whose untrusted results the caller had read: its words may have asked for these actions.
        labels: of everything that was read for the report.
    """
    actions = [
        action.model_copy(
            update={
                "through": (report.template, *action.through) if report.template else action.through,
                "untrusted": tuple(sorted({*action.untrusted, *read})),
            }
        )
        for action in report.actions
    ]
    value = report.model_dump(mode="json", exclude={"findings", "actions"})
    value["actions"] = [action.model_dump(mode="json") for action in actions]
    value["checks"] = [check.model_dump(mode="json") for check in checks]
    return ToolResult(
        ok=report.status in _WORKED,
        value=value,
        text=report.analysis,
        findings=report.findings,
        labels=tuple(sorted(set(labels))),
    )


def report_in(result: ToolResult) -> Report:
    """The report that the result of such a call holds."""
    fields = {name: value for name, value in result.value.items() if name in Report.model_fields}
    return Report.model_validate({**fields, "findings": result.findings})


def checks_in(result: ToolResult) -> list[Check]:
    """The calls that found its findings."""
    said: list[dict[str, Any]] = result.value.get("checks", [])
    return [Check.model_validate(check) for check in said]
