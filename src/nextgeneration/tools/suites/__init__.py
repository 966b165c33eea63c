"""The project's own tests: found, run in the confinement, and their results read."""

from __future__ import annotations

from nextgeneration.kernel.tools import Tool
from nextgeneration.settings.tools import ToolSettings


def tools(settings: ToolSettings) -> list[Tool]:
    """``test.find`` and ``test.run``."""
    from nextgeneration.settings.environment import Environment
    from nextgeneration.tools.shell.confined import Runner
    from nextgeneration.tools.shell.containment import Containment
    from nextgeneration.tools.suites.finding import SuiteFind
    from nextgeneration.tools.suites.running import SuiteRun

    return [SuiteFind(), SuiteRun(Runner(settings, Containment(Environment.current())))]
