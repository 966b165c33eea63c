"""Who runs an agent that is called outside a mission."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import entry_points
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from nextgeneration.agents.errors import HostMissing

if TYPE_CHECKING:
    from nextgeneration.agents.template import TemplateAgent
    from nextgeneration.kernel.reports import Report

GROUP = "nextgeneration.host"


class Host(Protocol):
    """Runs one agent as a mission of one task, with the same permissions, approvals and limits."""

    async def run(self, agent: TemplateAgent, input_data: dict[str, Any], context: Mapping[str, Any] | None) -> Report:
        """Run the agent's revision and configuration on ``input_data`` and return its report.

        It goes to the runtime (``runtimes.dispatch.run``), not to ``agent.process``: that is what calls
        it, and has the agent's hooks and figures around this call.
        """
        ...


class _Current:
    """The host in use, and the one found among the installed packages."""

    def __init__(self) -> None:
        self.chosen: Host | None = None
        self.found: Host | None = None
        self.lock = Lock()


_current = _Current()


@contextmanager
def use_host(host: Host) -> Iterator[Host]:
    """Let ``host`` run agents inside the block, in every thread and task of this process."""
    before, _current.chosen = _current.chosen, host
    try:
        yield host
    finally:
        _current.chosen = before


def current_host() -> Host:
    """The host of :func:`use_host`, else the one an installed package provides (looked up once).

    That package names a function without arguments that returns the host, as an entry point of the
    group ``nextgeneration.host``; of several the one that is not called ``default`` wins.

    Raises:
        HostMissing: there is none.
    """
    if _current.chosen is not None:
        return _current.chosen
    with _current.lock:
        if _current.found is None:
            _current.found = _installed()
        return _current.found


def _installed() -> Host:
    points = sorted(entry_points(group=GROUP), key=lambda point: (point.name == "default", point.name))
    if not points:
        raise HostMissing(detail=f"no entry point in the group {GROUP}")
    host: Host = points[0].load()()
    return host
