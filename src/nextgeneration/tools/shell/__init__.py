"""Commands: judged by their text, contained by the kernel."""

from __future__ import annotations

from nextgeneration.kernel.tools import Tool
from nextgeneration.settings.tools import ToolSettings


def tools(settings: ToolSettings) -> list[Tool]:
    """``shell.run`` and ``python_interpreter``."""
    from nextgeneration.settings.environment import Environment
    from nextgeneration.tools.python_interpreter import PythonInterpreter
    from nextgeneration.tools.shell.confined import Runner
    from nextgeneration.tools.shell.containment import Containment
    from nextgeneration.tools.shell.run import ShellRun

    runner = Runner(settings, Containment(Environment.current()))
    return [ShellRun(runner), PythonInterpreter(runner)]
