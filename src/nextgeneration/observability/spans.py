"""A mission as one trace, made of its journal's events and of nothing else.

The mission is the root, tasks are its children, effects are children of their task, and an agent that was called
stands below the call. Ids are made from the mission, the task and the position: whoever goes on with a mission goes on
with its trace, and a call that is made again after a crash is the same span. No text of a user, a file or a model is in
it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from nextgeneration.observability import attributes as names

Value = str | int | float | bool | tuple[str, ...]

MODEL_CALL = "model"
"""The name under which the journal has calls of language models."""

_MARKS = 128
_SECOND = 1_000_000_000


class Happened(Protocol):
    """An event of a journal."""

    @property
    def mission_id(self) -> str:
        """Whose journal."""
        ...

    @property
    def seq(self) -> int:
        """Its place there, counted from 1."""
        ...

    @property
    def at(self) -> str:
        """When, in ISO 8601."""
        ...

    @property
    def type(self) -> str:
        """What happened."""
        ...

    @property
    def task(self) -> str | None:
        """The task it belongs to, if any."""
        ...

    @property
    def data(self) -> Mapping[str, Any]:
        """Plain JSON."""
        ...


@dataclass(slots=True)
class Mark:
    """Something at one moment of a span. Times are nanoseconds since 1970."""

    name: str
    at: int
    attributes: dict[str, Value]


@dataclass(slots=True)
class Span:
    """One node of a trace.

    Attributes:
        parent: the id of the span it is part of; ``None`` for the mission.
        remote: it is a question to another system.
        code: our code of the error it ended with, or the status of what came to nothing; empty when it went well.
    """

    trace: int
    id: int
    parent: int | None
    name: str
    start: int
    end: int
    remote: bool = False
    code: str = ""
    attributes: dict[str, Value] = field(default_factory=dict)
    marks: list[Mark] = field(default_factory=list)

    def wrong(self, code: str) -> None:
        """It ended with an error."""
        self.code = self.attributes[names.ERROR_TYPE] = code

    def mark(self, name: str, at: int, attributes: dict[str, Value]) -> None:
        """Note a moment; beyond a bound none are noted."""
        if len(self.marks) < _MARKS:
            self.marks.append(Mark(name, at, attributes))


def nanoseconds(at: str) -> int:
    """A journal's time in nanoseconds since 1970."""
    moment = datetime.fromisoformat(at)
    return int(moment.timestamp()) * _SECOND + moment.microsecond * 1_000


class MissionTrace:
    """Turns the events of one mission, heard in order, into spans.

    Args:
        mission: its id.
        nameless: codes of refusals whose tool's name is not a tool's but whatever a model made up.

    Attributes:
        seq: the number of the last event heard.
    """

    def __init__(self, mission: str, nameless: frozenset[str] = frozenset()) -> None:
        self.seq = 0
        self._mission = mission
        self._nameless = nameless
        self._trace = int.from_bytes(_digest(mission)[:16])
        self._root: Span | None = None
        self._tasks: dict[str, Span] = {}
        self._agents: set[str] = set()
        self._effects: dict[tuple[str, int], Span] = {}
        self._failed: dict[str, str] = {}
        self._attempts = 0
        self._hears: dict[str, Callable[[Happened, int], list[Span]]] = {
            "mission.claimed": self._claimed,
            "mission.ended": self._mission_ended,
            "task.started": self._started,
            "task.ended": self._task_ended,
            "effect.intent": self._intended,
            "effect.again": self._intended,
            "effect.tried": self._tried,
            "effect.outcome": self._settled,
            "effect.refused": self._settled,
            "approval.asked": self._approval,
            "approval.decided": self._approval,
        }

    def hear(self, event: Happened) -> list[Span]:
        """The spans that end with the next event."""
        if event.seq <= self.seq:
            return []
        self.seq = event.seq
        at = nanoseconds(event.at)
        if self._root is None:
            self._root = self._span("mission", None, at, "mission", {names.MISSION: self._mission})
        handle = self._hears.get(event.type)
        return handle(event, at) if handle is not None else []

    # -- the mission -------------------------------------------------------------------------------------------------

    def _claimed(self, event: Happened, at: int) -> list[Span]:
        self._attempts += 1
        self._mark("mission.claimed", at, {names.ATTEMPTS: self._attempts})
        return []

    def _mission_ended(self, event: Happened, at: int) -> list[Span]:
        """What is still open was cut off with the mission."""
        status, root = str(event.data.get("status", "")), self._root
        ended = [*self._effects.values(), *self._tasks.values()]
        for span in ended:
            span.end = at
            span.wrong(status)
        self._effects.clear()
        self._tasks.clear()
        if root is None:
            return ended
        root.end = at
        root.attributes |= {names.MISSION_STATUS: status, names.ATTEMPTS: self._attempts}
        if status in {"failed", "cancelled"}:
            root.wrong(status)
        return [*ended, root]

    def _approval(self, event: Happened, at: int) -> list[Span]:
        told = {names.APPROVAL: "approval", names.APPROVAL_KIND: "kind", names.LABEL: "label", names.VERDICT: "verdict"}
        self._mark(event.type, at, {name: str(event.data[key]) for name, key in told.items() if key in event.data})
        return []

    # -- tasks -------------------------------------------------------------------------------------------------------

    def _started(self, event: Happened, at: int) -> list[Span]:
        """A task that waited for an answer runs again from its first line: it is the same span."""
        task, agent = event.task or "", str(event.data.get("agent", ""))
        self._agents.add(task)
        if task not in self._tasks:
            above, _, position = task.rpartition("/")
            parent = self._effect_id(above, int(position)) if above and position.isdecimal() else self._id("mission")
            told: dict[str, Value] = {
                names.OPERATION: names.INVOKE_AGENT,
                names.AGENT_NAME: agent,
                names.TEMPLATE: str(event.data.get("template", "")),
                names.MISSION: self._mission,
                names.TASK: task,
            }
            self._tasks[task] = self._span(f"task/{task}", parent, at, f"{names.INVOKE_AGENT} {agent}", told)
        return []

    def _task_ended(self, event: Happened, at: int) -> list[Span]:
        span = self._tasks.pop(event.task or "", None)
        if span is None:
            return []
        data, cost = event.data, event.data.get("cost") or {}
        status = str(data.get("status", ""))
        span.end = at
        span.attributes |= {
            names.TASK_STATUS: status,
            names.FINDINGS: int(data.get("findings", 0)),
            names.ACTIONS: int(data.get("actions", 0)),
            names.TOOL_CALLS: int(cost.get("tool_calls", 0)),
            names.MODEL_CALLS: int(cost.get("model_calls", 0)),
            names.CREDITS: int(cost.get("credits", 0)),
        }
        if status in {"failed", "over_budget"}:
            span.wrong(self._failed.get(event.task or "", status))
        return [span]

    # -- effects -----------------------------------------------------------------------------------------------------

    def _intended(self, event: Happened, at: int) -> list[Span]:
        span = self._effect(event, at)
        tries = span.attributes.get(names.TRIES, 0)
        span.attributes[names.TRIES] = tries + 1 if isinstance(tries, int) else 1
        told = {names.LABEL: "label", names.RULE: "rule", names.APPROVAL: "approval", names.HELD: "held"}
        span.attributes |= {name: event.data[key] for name, key in told.items() if key in event.data}
        if "model" in event.data:
            span.attributes |= _model(str(event.data["model"]))
            span.name = f"{names.CHAT} {span.attributes[names.REQUEST_MODEL]}"
        if event.type == "effect.again":
            span.mark("effect.again", at, {names.MODEL: str(event.data["model"])} if "model" in event.data else {})
        return []

    def _tried(self, event: Happened, at: int) -> list[Span]:
        told = {names.MODEL: "model", names.ERROR_TYPE: "code", names.BILLED: "billed"}
        about: dict[str, Value] = {name: str(event.data[key]) for name, key in told.items() if key in event.data}
        self._effect(event, at).mark("effect.tried", at, about)
        return []

    def _settled(self, event: Happened, at: int) -> list[Span]:
        data, key = event.data, _place(event)
        span = self._effect(event, at)
        del self._effects[key]
        status = str(data.get("status") or event.type.removeprefix("effect."))
        # What a reading call gave is journaled with the next transaction: when it ended is said by its own clock.
        took = int(float(data.get("seconds") or 0) * _SECOND)
        alone = took and span.attributes.get(names.TRIES) == 1
        span.end = min(span.start + took, at) if alone else at
        span.attributes[names.STATUS] = status
        if span.remote:
            span.attributes |= _answered(data)
        if "code" in data or status != "done":
            span.wrong(str(data.get("code") or status))
            self._failed[key[0]] = span.code
        return [span]

    def _effect(self, event: Happened, at: int) -> Span:
        """The call an event is about; one that nothing was heard of begins here."""
        key = _place(event)
        found = self._effects.get(key)
        if found is not None:
            return found
        task, position = key
        tool = "" if event.data.get("code") in self._nameless else str(event.data.get("tool", ""))
        remote = tool == MODEL_CALL
        told: dict[str, Value] = {
            names.OPERATION: names.CHAT if remote else names.EXECUTE_TOOL,
            names.MISSION: self._mission,
            names.TASK: task,
            names.POSITION: position,
        }
        if not remote:
            told[names.TOOL_NAME] = tool
        name = f"{told[names.OPERATION]} {'' if remote else tool}".strip()
        span = self._span(f"effect/{task}/{position}", self._above(task), at, name, told, remote=remote)
        self._effects[key] = span
        return span

    def _above(self, task: str) -> int:
        """What an effect is part of: its task, or the call or the mission that made it where no agent was started."""
        if task in self._agents:
            return self._id(f"task/{task}")
        caller, _, position = task.rpartition("/")
        return self._effect_id(caller, int(position)) if caller and position.isdecimal() else self._id("mission")

    # -- ids ---------------------------------------------------------------------------------------------------------

    def _span(
        self, key: str, parent: int | None, at: int, name: str, told: dict[str, Value], *, remote: bool = False
    ) -> Span:
        return Span(self._trace, self._id(key), parent, name, at, at, remote=remote, attributes=told)

    def _mark(self, name: str, at: int, told: dict[str, Value]) -> None:
        if self._root is not None:
            self._root.mark(name, at, told)

    def _effect_id(self, task: str, position: int) -> int:
        return self._id(f"effect/{task}/{position}")

    def _id(self, key: str) -> int:
        return int.from_bytes(_digest(f"{self._mission}/{key}")[:8])


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _place(event: Happened) -> tuple[str, int]:
    return event.task or "", int(event.data.get("position", 0))


def _model(name: str) -> dict[str, Value]:
    provider, _, model = name.partition(":")
    known = names.PROVIDERS.get(provider, provider)
    return {names.PROVIDER: known, names.SYSTEM: known, names.REQUEST_MODEL: model or provider}


def _answered(data: Mapping[str, Any]) -> dict[str, Value]:
    """What is told of a model's answer: how much of everything, nothing of what it says."""
    usage: Mapping[str, Any] = data.get("usage") or {}
    counts = {
        names.INPUT_TOKENS: usage.get("input"),
        names.OUTPUT_TOKENS: usage.get("output"),
        names.CACHED_TOKENS: usage.get("cached"),
        names.WRITTEN_TOKENS: usage.get("cache_written"),
        names.REASONING_TOKENS: usage.get("reasoning"),
        names.CREDITS: data.get("credits"),
    }
    told: dict[str, Value] = {name: int(count) for name, count in counts.items() if count is not None}
    if "model" in data:
        told[names.RESPONSE_MODEL] = str(data["model"]).partition(":")[2]
    if "finish" in data:
        told[names.FINISH_REASONS] = (str(data["finish"]),)
    return told
