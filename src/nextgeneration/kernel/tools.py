"""The shape of a tool: what it declares, what it gets, what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field

from nextgeneration.kernel.actions import Proposal
from nextgeneration.kernel.clock import Clock, SystemClock
from nextgeneration.kernel.findings import Finding
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.models import Image
from nextgeneration.kernel.risk import Assessment, EffectRule, RiskLabel


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """What a tool declares about itself.

    Attributes:
        name: dotted, such as ``fs.read``.
        summary: one sentence for people and models.
        args: the Pydantic model of the arguments (``extra="forbid"``).
        result: the Pydantic model of ``ToolResult.value``.
        effect: what repeating a call would do.
        risk: the label of a plain call; ``assess`` may raise it.
        touches: what a call may reach: ``workspace``, ``system``, ``network``, ``process``.
        seconds: time limit of one call.
        aliases: other names a template may use, such as ``file_reader``.
        schema: the JSON Schema of the arguments, where it comes from elsewhere than ``args``.
    """

    name: str
    summary: Texts
    args: type[BaseModel]
    result: type[BaseModel]
    effect: EffectRule = EffectRule.PURE
    risk: RiskLabel = RiskLabel.SAFE
    touches: frozenset[str] = frozenset({"workspace"})
    seconds: float = 60.0
    aliases: tuple[str, ...] = ()
    schema: Mapping[str, Any] | None = None

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The JSON Schema of the arguments, as a model is shown it."""
        return self.args.model_json_schema() if self.schema is None else self.schema


@dataclass(frozen=True, slots=True)
class ToolContext:
    """What a tool is given for one call.

    Attributes:
        workspace: the resolved root a call may read, and write with approval.
        scratch: a private folder (0700) of the mission, outside the workspace, for temporary files. The caller may
            give a function: the folder is then made when a tool first asks for it.
        lang: the language of the texts it writes for people.
        key: idempotency key of the effect, the same at every attempt.
        network: whether a human granted the network to this mission.
        approved: whether a human approved exactly this call.
        emit: called with a line of progress; may be called from the loop only.
    """

    workspace: Path
    scratch: Path
    lang: Lang = "en"
    key: str = ""
    network: bool = False
    approved: bool = False
    clock: Clock = field(default_factory=SystemClock)
    emit: Callable[[str], None] = lambda _line: None


class _OnFirstUse:
    """A field that may be given a function in place of its value: called when the value is first read."""

    def __init__(self, slot: Any) -> None:
        self._slot = slot

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        value = self._slot.__get__(instance, owner)
        if callable(value):
            value = value()
            self._slot.__set__(instance, value)
        return value

    def __set__(self, instance: Any, value: Any) -> None:
        self._slot.__set__(instance, value)


ToolContext.scratch = _OnFirstUse(ToolContext.__dict__["scratch"])  # type: ignore[misc, assignment]


class Preview(BaseModel):
    """Exactly what a human is shown before a call runs. ``body`` has control characters escaped."""

    model_config = ConfigDict(frozen=True)

    title: str
    body: str
    kind: str = "text"
    """``diff``, ``command`` or ``text``."""


class Label(StrEnum):
    """What must be known of a result before anything is done on the strength of it.

    ``untrusted``: it holds words that are neither ours nor the user's (a file's, a page's, a command's output).
    ``secret``: it holds what looks like a secret, or what a file that normally holds secrets says.
    """

    UNTRUSTED = "untrusted"
    SECRET = "secret"  # noqa: S105


class ToolResult(BaseModel):
    """What a call gave: plain JSON in ``value``, findings with evidence, proposals for remedies.

    ``ok`` is false when the tool worked but its answer is a failure (a command with a non-zero exit
    code). A tool that could not work raises an ``NGError`` instead. ``labels`` are sorted. ``images`` are for models
    that see; ``text`` says in words what they are.
    """

    model_config = ConfigDict(frozen=True)

    ok: bool = True
    value: dict[str, Any] = Field(default_factory=dict)
    text: str = ""
    findings: tuple[Finding, ...] = ()
    proposals: tuple[Proposal, ...] = ()
    truncated: bool = False
    labels: tuple[Label, ...] = ()
    images: tuple[Image, ...] = ()


class Happened(StrEnum):
    """A probe's answer to "did this call happen before the crash?"."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Tool(Protocol):
    """A typed, declared thing an agent may call. Implementations derive from ``tools.base.BaseTool``."""

    @property
    def spec(self) -> ToolSpec:
        """The declaration."""
        ...

    def assess(self, args: Any, context: ToolContext) -> Assessment:
        """Judge one call without doing anything. Never less strict than ``spec.risk``."""
        ...

    def subjects(self, args: Any) -> tuple[str, ...]:
        """The argument texts that permission patterns match: paths, hosts, or each command's argv joined."""
        ...

    def preview(self, args: Any, context: ToolContext) -> Preview:
        """What a human is shown before approving."""
        ...

    async def call(self, args: Any, context: ToolContext) -> ToolResult:
        """Do it.

        Raises:
            NGError: it could not be done; nothing is half-written.
        """
        ...

    async def probe(self, args: Any, context: ToolContext) -> Happened:
        """Whether the call with ``context.key`` happened; only asked for ``once`` tools after a crash."""
        ...
