"""``BaseAgent``: what every agent is, whether built from a template or written in Python."""

from __future__ import annotations

import functools
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from time import perf_counter, time
from typing import Any, ClassVar

from pydantic import BaseModel, Field

from nextgeneration.agents.errors import AnswerRefused
from nextgeneration.agents.hooks import HookList, HookNames, run_after, run_before, run_on_error
from nextgeneration.kernel.ids import new_id
from nextgeneration.kernel.reports import Report, ReportStatus
from nextgeneration.kernel.show import escaped

logger = logging.getLogger(__name__)

Work = Callable[..., Awaitable[Any]]
_GUARD = "__nextgeneration_guard__"


class AgentStatus(StrEnum):
    """What an agent is doing, or how its last task ended."""

    IDLE = "idle"
    PROCESSING = "processing"
    COMPLETED = "completed"
    ERROR = "error"


def _now() -> datetime:
    return datetime.fromtimestamp(time(), UTC)


class AgentMetadata(BaseModel):
    """Who an agent is. ``parent_template`` names the template it was built from."""

    id: str = Field(default_factory=lambda: new_id("agt"))
    name: str
    role: str
    domain: str
    version: str = "1.0.0"
    created_at: datetime = Field(default_factory=_now)
    last_updated: datetime = Field(default_factory=_now)
    capabilities: list[str] = []
    tools: list[str] = []
    dependencies: list[str] = []
    parent_template: str | None = None


@dataclass(slots=True)
class Performance:
    """An agent's figures: tasks that ended well, tasks that did not, and the seconds of both."""

    completed: int = 0
    failed: int = 0
    seconds: float = 0.0

    def add(self, *, well: bool, seconds: float) -> None:
        """Count one task."""
        self.completed += well
        self.failed += not well
        self.seconds += seconds

    def as_dict(self) -> dict[str, float]:
        """``tasks_completed``, ``success_rate`` (0 to 1) and ``avg_processing_time`` (seconds)."""
        tasks = self.completed + self.failed
        return {
            "tasks_completed": self.completed,
            "success_rate": self.completed / tasks if tasks else 0.0,
            "avg_processing_time": self.seconds / tasks if tasks else 0.0,
        }


@dataclass(slots=True)
class _Life:
    """What an agent has beyond its birth: nothing, until it first works or is given a context."""

    context: dict[str, Any] = field(default_factory=dict)
    performance: Performance = field(default_factory=Performance)
    running: int = 0
    touched: float = 0.0
    record: str = ""


class BaseAgent(ABC):
    """An agent: metadata, a configuration, and ``process``.

    A subclass writes ``process`` and nothing else. Whatever it does there, the base keeps ``status``
    and ``performance_metrics``, runs the hooks that ``hooks`` names, logs every exception and sees
    that the answer has ``agent``, ``role``, ``status``, ``result`` and ``analysis``.

    Metadata, times, context and figures are made when they are first read: most agents of a large
    mission are never asked for them.
    """

    __slots__ = ("__weakref__", "_born", "_config", "_life", "_metadata", "status")

    hooks: ClassVar[HookList] = HookNames()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        work = cls.process
        if not (hasattr(work, _GUARD) or getattr(work, "__isabstractmethod__", False)):
            type.__setattr__(cls, "process", _guarded(work))

    def __init__(self, metadata: AgentMetadata | None, config: Mapping[str, Any] | None = None) -> None:
        self._metadata = metadata
        self._config: dict[str, Any] | None = None if config is None else dict(config)
        self._life: _Life | None = None
        self._born = time()
        self.status = AgentStatus.IDLE

    @abstractmethod
    async def process(self, input_data: Mapping[str, Any], context: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Work on one task and answer with an object (or a ``Report``)."""

    @property
    def metadata(self) -> AgentMetadata:
        """Who the agent is; ``last_updated`` is when its last task ended."""
        metadata = self._metadata
        if metadata is None:
            metadata = self._metadata = self._make_metadata()
        if self._life and self._life.touched:
            metadata.last_updated = datetime.fromtimestamp(self._life.touched, UTC)
        return metadata

    @property
    def name(self) -> str:
        """The agent's name."""
        return self.metadata.name

    @property
    def role(self) -> str:
        """What kind of work it does."""
        return self.metadata.role

    @property
    def parent_template(self) -> str | None:
        """The name of the template it was built from."""
        return self.metadata.parent_template

    @property
    def config(self) -> dict[str, Any]:
        """The agent's own configuration, free to be changed."""
        config = self._config
        if config is None:
            config = self._config = self._make_config()
        return config

    @config.setter
    def config(self, value: Mapping[str, Any]) -> None:
        self._config = dict(value)

    @property
    def context(self) -> dict[str, Any]:
        """What every task of this agent gets beside its own context."""
        return self._lived.context

    @context.setter
    def context(self, value: Mapping[str, Any]) -> None:
        self._lived.context = dict(value)

    @property
    def performance(self) -> Performance:
        """The figures behind ``performance_metrics``; assigned when a recorded agent is rebuilt."""
        return self._lived.performance

    @performance.setter
    def performance(self, value: Performance) -> None:
        self._lived.performance = value

    @property
    def record(self) -> str:
        """The id of the record its finished tasks count in; empty for an agent that has none."""
        return self._life.record if self._life else ""

    @record.setter
    def record(self, value: str) -> None:
        self._lived.record = value

    @property
    def performance_metrics(self) -> dict[str, float]:
        """``tasks_completed``, ``success_rate`` (0 to 1) and ``avg_processing_time`` (seconds)."""
        return self.performance.as_dict()

    def get_info(self) -> dict[str, Any]:
        """Everything about the agent as plain JSON: ``metadata``, ``status``, ``config``, ``performance``."""
        return {
            "metadata": self.metadata.model_dump(mode="json"),
            "status": self.status.value,
            "config": deepcopy(self.config),
            "performance": self.performance_metrics,
        }

    def get_capabilities(self) -> list[str]:
        """The ids of what the agent can do."""
        return list(self.metadata.capabilities)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} {self.status.value}>"

    def _make_metadata(self) -> AgentMetadata:
        """Metadata on first read, when the constructor was given none."""
        name = type(self).__name__
        return AgentMetadata(name=name, role="agent", domain="general", created_at=self._made, last_updated=self._made)

    @property
    def _lived(self) -> _Life:
        life = self._life
        if life is None:
            life = self._life = _Life()
        return life

    @property
    def _made(self) -> datetime:
        return datetime.fromtimestamp(self._born, UTC)

    def _make_config(self) -> dict[str, Any]:
        """The configuration on first read when none was given."""
        return {}

    async def _supervise(
        self, work: Work, input_data: Mapping[str, Any], context: Mapping[str, Any] | None, *, plain: bool = True
    ) -> Any:
        """Run ``work`` with everything that holds for every agent; its answer as an object, unless not ``plain``."""
        life = self._lived
        started = perf_counter()
        life.running += 1
        self.status = AgentStatus.PROCESSING
        ended = AgentStatus.IDLE
        try:
            await run_before(self, self.hooks, input_data, context)
            answer = await work(self, input_data, context)
            if plain:
                answer = _answer(self, answer)
            well = str(answer["status"] if plain else answer.status) not in FAILURES
            ended = AgentStatus.COMPLETED if well else AgentStatus.ERROR
            life.performance.add(well=well, seconds=perf_counter() - started)
            if plain and self.hooks.after_process:
                answer["problems"] = [
                    *answer.get("problems", ()),
                    *await run_after(self, self.hooks, input_data, answer),
                ]
            return answer
        except Exception as error:
            if getattr(error, "control", False):
                raise
            ended = AgentStatus.ERROR
            life.performance.add(well=False, seconds=perf_counter() - started)
            logger.exception("agent %s failed in process", escaped(self.name, newlines=False))
            await run_on_error(self, self.hooks, input_data, error)
            raise
        finally:
            life.running -= 1
            life.touched = time()
            self.status = AgentStatus.PROCESSING if life.running else ended


def _guarded(work: Work) -> Work:
    """``process`` as callers see it: ``work`` with status, figures, hooks and logging around it.

    Only the most derived ``process`` of an agent's class is guarded when it runs: one that is
    reached through ``super()`` is part of the same task.
    """

    @functools.wraps(work)
    async def process(
        self: BaseAgent, input_data: Mapping[str, Any], context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        if type(self).process is not process:
            inner: dict[str, Any] = await work(self, input_data, context)
            return inner
        if self._life and self._life.context and type(context) in _PLAIN:
            context = {**self._life.context, **(context or {})}
        answer: dict[str, Any] = await self._supervise(work, input_data, context)
        return answer

    setattr(process, _GUARD, True)
    return process


_PLAIN = (dict, type(None))


FAILURES = frozenset({ReportStatus.FAILED, ReportStatus.OVER_BUDGET})
"""How a task ends that counts as failed."""


def _answer(agent: BaseAgent, given: Any) -> dict[str, Any]:
    """What ``process`` handed back, with the fields every answer has."""
    if isinstance(given, Report):
        given = given.model_dump(mode="json")
    if not isinstance(given, Mapping):
        raise AnswerRefused(agent=agent.name, kind=type(given).__name__)
    defaults = {
        "agent": agent.name,
        "role": agent.role,
        "status": ReportStatus.DONE.value,
        "result": {},
        "analysis": "",
    }
    return {**defaults, **given}
