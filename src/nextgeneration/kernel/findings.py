"""Facts with evidence: what agents find."""

from __future__ import annotations

import functools
import hashlib
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Severity(StrEnum):
    """How much a finding matters, least first."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for ``info`` to 4 for ``critical``."""
        return _SEVERITIES[self]


_SEVERITIES = {severity: rank for rank, severity in enumerate(Severity)}


class Location(BaseModel):
    """A place in the workspace: a path relative to it, lines counted from 1."""

    model_config = ConfigDict(frozen=True)

    path: str
    line: int | None = None
    end_line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" if self.line else self.path


class Evidence(BaseModel):
    """What a finding rests on: the excerpt a tool read, and which tool read it.

    ``source`` is the tool's name; ``effect`` is the effect id, filled in by the door. An excerpt is
    at most 500 characters and never holds a secret's value.
    """

    model_config = ConfigDict(frozen=True)

    source: str
    excerpt: str = ""
    location: Location | None = None
    effect: str | None = None


class Finding(BaseModel):
    """One fact: what, how bad, where, why, and the evidence for it.

    ``rule`` is the rule's id (``compose.privileged``). ``cause`` names what the finding is about in a
    form that different tools share (``command-missing:docker-compose``, ``secret:app/settings.py:12``):
    findings of two agents with one cause corroborate each other when both say ``holds``, and
    contradict each other when they differ. ``confidence`` is between 0 and 1.
    """

    model_config = ConfigDict(frozen=True)

    rule: str
    title: str
    message: str = ""
    severity: Severity = Severity.INFO
    confidence: float = Field(default=1.0, ge=0, le=1)
    location: Location | None = None
    evidence: tuple[Evidence, ...] = ()
    cause: str = ""
    holds: bool = True
    fix: str = ""
    reference: str = ""
    data: dict[str, Any] = Field(default_factory=dict)

    @property
    def id(self) -> str:
        """A fingerprint that survives a shift of lines: the rule, the path and the cause.

        The same problem found again after an edit elsewhere in the file keeps its id; this is how an
        action is verified.
        """
        return _fingerprint(self.rule, self.location.path if self.location else "", self.cause or self.title)


@functools.lru_cache(maxsize=10_000)
def _fingerprint(rule: str, path: str, cause: str) -> str:
    text = "\0".join((rule, path, cause))
    return "fin_" + hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]
