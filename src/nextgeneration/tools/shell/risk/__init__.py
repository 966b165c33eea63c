"""The risk engine: what a shell line would do, judged before it runs."""

from nextgeneration.tools.shell.errors_risk import TooDeep, TooLong, TooManyCommands
from nextgeneration.tools.shell.risk.git import READING_ENVIRONMENT
from nextgeneration.tools.shell.risk.judge import CommandRisk, LineRisk, judge_argv, judge_line

__all__ = [
    "READING_ENVIRONMENT",
    "CommandRisk",
    "LineRisk",
    "TooDeep",
    "TooLong",
    "TooManyCommands",
    "judge_argv",
    "judge_line",
]
