"""What an agent hands back for a task."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from nextgeneration.kernel.actions import Action
from nextgeneration.kernel.findings import Finding


class ReportStatus(StrEnum):
    """How a task ended."""

    DONE = "done"
    PARTIAL = "partial"
    FAILED = "failed"
    SKIPPED = "skipped"
    OVER_BUDGET = "over_budget"


class Cost(BaseModel):
    """What a task used. Credits are integers, in micro-credits."""

    model_config = ConfigDict(frozen=True)

    tool_calls: int = 0
    model_calls: int = 0
    seconds: float = 0.0
    credits: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: Cost) -> Cost:
        made: Cost = _cost(
            {
                "tool_calls": self.tool_calls + other.tool_calls,
                "model_calls": self.model_calls + other.model_calls,
                "seconds": self.seconds + other.seconds,
                "credits": self.credits + other.credits,
                "input_tokens": self.input_tokens + other.input_tokens,
                "output_tokens": self.output_tokens + other.output_tokens,
            }
        )
        return made


_cost = Cost.__pydantic_validator__.validate_python
"""Makes a cost without the frame of a constructor: a step adds several up."""


class Statement(BaseModel):
    """What one call said in its tool's own words, beside what it found.

    ``about`` is what the tool says it does; ``step`` names the call in its playbook.
    """

    model_config = ConfigDict(frozen=True)

    tool: str
    text: str
    about: str = ""
    step: str = ""


class Opinion(BaseModel):
    """What a model thinks: no tool's result shows it. ``reason`` says why it is not a finding."""

    model_config = ConfigDict(frozen=True)

    text: str
    reason: str = ""


class Report(BaseModel):
    """An agent's typed answer.

    ``analysis`` is the report in words. ``statements`` are what its calls said: the answer to a question
    that asks for facts rather than faults. ``missing`` names what could not be done and what it would
    need. ``problems`` are errors in the shape of :meth:`NGError.problem`. ``result`` is the agent's
    own data. ``opinions`` are a model's views without evidence, ``dropped`` counts its findings that cited
    nothing of this run.
    """

    model_config = ConfigDict(frozen=True)

    agent: str
    template: str = ""
    revision: str = ""
    role: str = ""
    task: str = ""
    status: ReportStatus
    analysis: str = ""
    result: dict[str, Any] = Field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    statements: tuple[Statement, ...] = ()
    actions: tuple[Action, ...] = ()
    missing: tuple[str, ...] = ()
    problems: tuple[dict[str, Any], ...] = ()
    opinions: tuple[Opinion, ...] = ()
    dropped: int = 0
    cost: Cost = Cost()
