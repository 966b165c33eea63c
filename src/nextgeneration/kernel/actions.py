"""What an agent would like to do, before anybody allowed it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Check(BaseModel):
    """A tool call that shows whether an action worked.

    Passed when the call succeeds and none of the ``absent`` finding ids is among its findings.
    """

    model_config = ConfigDict(frozen=True)

    tool: str
    args: dict[str, Any] = {}
    absent: tuple[str, ...] = ()


class Proposal(BaseModel):
    """One call a tool suggests as the remedy for what it found.

    ``fixes`` are ids of findings. Without ``verify`` the call that found them runs again.
    ``rank`` orders alternatives: of proposals with the same ``group`` only the first that can be
    offered is put to the human.
    """

    model_config = ConfigDict(frozen=True)

    tool: str
    args: dict[str, Any]
    reason: str
    fixes: tuple[str, ...] = ()
    verify: Check | None = None
    group: str = ""
    rank: int = 0


class Action(BaseModel):
    """A proposal made an agent's own: it stands in its report and waits for a human.

    ``untrusted`` are the tools whose labelled results a model had read when it proposed this: what stands there may
    have asked for it. ``through`` are the templates of the agents it came up through to the one whose report it stands
    in: their permissions hold too.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    agent: str
    task: str
    tool: str
    args: dict[str, Any]
    reason: str
    fixes: tuple[str, ...] = ()
    verify: tuple[Check, ...] = ()
    group: str = ""
    rank: int = 0
    untrusted: tuple[str, ...] = ()
    through: tuple[str, ...] = ()
