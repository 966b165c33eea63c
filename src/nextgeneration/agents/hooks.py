"""Hooks: functions of installed packages that run before and after an agent works.

A hook is an entry point of the group ``nextgeneration.hooks``. A template names it; nothing in a
template is ever imported. A hook may be a plain or an async function::

    def before(agent, input_data, context): ...   # raise to stop the agent
    def after(agent, input_data, result): ...
    def on_error(agent, input_data, error): ...
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NamedTuple, Protocol

from nextgeneration.agents.errors import HookFailed, HookUnknown
from nextgeneration.kernel.errors import as_problem
from nextgeneration.kernel.show import escaped, shortened

GROUP = "nextgeneration.hooks"

logger = logging.getLogger(__name__)


class HookList(Protocol):
    """Hook names by moment, parents' first. A revision's ``hooks`` has this shape."""

    @property
    def before_process(self) -> tuple[str, ...]:
        """Run in order before the work; one that fails stops the agent."""
        ...

    @property
    def after_process(self) -> tuple[str, ...]:
        """Run in order after the work."""
        ...

    @property
    def on_error(self) -> tuple[str, ...]:
        """Run in order when the work raised."""
        ...


class HookNames(NamedTuple):
    """The hooks of an agent class written in Python."""

    before_process: tuple[str, ...] = ()
    after_process: tuple[str, ...] = ()
    on_error: tuple[str, ...] = ()


@functools.cache
def _installed() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


@functools.cache
def _loaded(name: str) -> Callable[..., Any]:
    loaded: Callable[..., Any] = _installed()[name].load()
    return loaded


def resolve(agent: str, name: str) -> Callable[..., Any]:
    """The function behind a hook's name, looked up once per process.

    Raises:
        HookUnknown: no installed package provides it.
    """
    if name not in _installed():
        raise HookUnknown(agent=agent, hook=name, known=", ".join(sorted(_installed())) or "-")
    return _loaded(name)


def check(agent: str, hooks: HookList) -> None:
    """See that every hook exists, so that nothing starts whose ``on_error`` could not be told.

    Raises:
        HookUnknown: one does not.
    """
    for name in (*hooks.before_process, *hooks.after_process, *hooks.on_error):
        resolve(agent, name)


async def run_before(agent: Any, hooks: HookList, input_data: Any, context: Any) -> None:
    """Run the ``before_process`` hooks.

    Raises:
        HookUnknown: a hook of any moment is not installed.
        HookFailed: one raised; those after it did not run.
    """
    check(agent.name, hooks)
    for name in hooks.before_process:
        try:
            await _call(resolve(agent.name, name), agent, input_data, context)
        except Exception as error:
            detail = shortened(escaped(f"{type(error).__name__}: {error}"), 500)
            raise HookFailed(agent=agent.name, moment="before_process", hook=name, detail=detail) from error


async def run_after(agent: Any, hooks: HookList, input_data: Any, result: dict[str, Any]) -> list[dict[str, Any]]:
    """Run the ``after_process`` hooks and return the problems of those that failed.

    The work is done by then: losing its result would help nobody, so a failure is logged and reported.
    """
    return [p for name in hooks.after_process if (p := await _told(name, agent, input_data, result)) is not None]


async def run_on_error(agent: Any, hooks: HookList, input_data: Any, error: Exception) -> None:
    """Tell the ``on_error`` hooks; one that fails is logged and the others still run."""
    for name in hooks.on_error:
        await _told(name, agent, input_data, error)


async def _told(name: str, agent: Any, input_data: Any, outcome: Any) -> dict[str, Any] | None:
    try:
        await _call(resolve(agent.name, name), agent, input_data, outcome)
    except Exception as error:
        logger.exception("hook %s of agent %s failed", name, escaped(agent.name, newlines=False))
        return as_problem(error) | {"hook": name}
    return None


async def _call(function: Callable[..., Any], *args: Any) -> None:
    answer = function(*args)
    if inspect.isawaitable(answer):
        await answer
