"""The system tools, built around one machine."""

from __future__ import annotations

from pathlib import Path

from nextgeneration.kernel.tools import Tool
from nextgeneration.settings.environment import Environment
from nextgeneration.settings.tools import ToolSettings
from nextgeneration.tools.system.diagnose import SystemDiagnoseCommand
from nextgeneration.tools.system.health import SystemHealth
from nextgeneration.tools.system.host import Host
from nextgeneration.tools.system.limits import SystemLimits
from nextgeneration.tools.system.listening import SystemPorts
from nextgeneration.tools.system.machine import SystemPlatform
from nextgeneration.tools.system.resources import SystemCpu, SystemDisks, SystemGpu, SystemMemory
from nextgeneration.tools.system.search_path import SystemPath
from nextgeneration.tools.system.services import SystemServices
from nextgeneration.tools.system.timekeeping import SystemClock
from nextgeneration.tools.system.trial import SystemTryCommand
from nextgeneration.tools.system.which import SystemWhich

_PARTS = (
    SystemPlatform,
    SystemDisks,
    SystemMemory,
    SystemCpu,
    SystemGpu,
    SystemPorts,
    SystemServices,
    SystemClock,
    SystemLimits,
    SystemPath,
)


def tools(settings: ToolSettings, environment: Environment | None = None, root: Path = Path("/")) -> list[Tool]:  # noqa: ARG001
    """The ``system.*`` tools.

    Args:
        settings: none of them concerns these tools; taken so that every room's function is called alike.
        environment: what the process inherited; read now when not given.
        root: where the system's own paths start; another folder than ``/`` in tests.
    """
    host = Host(environment or Environment.current(), root)
    parts = [part(host) for part in _PARTS]
    others: list[Tool] = [SystemWhich(host), SystemDiagnoseCommand(host), SystemTryCommand(host)]
    return [*parts, SystemHealth(host, parts), *others]
