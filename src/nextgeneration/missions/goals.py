"""What is kept of a goal that somebody typed: all of it but the value of a secret."""

from __future__ import annotations

from nextgeneration.kernel.show import clean
from nextgeneration.tools.code.secrets import find, masked


def kept(goal: str) -> str:
    """The goal as it is written down, shown and sent: the value of every secret in it is masked."""
    return masked(clean(goal).strip())


def secrets_in(goal: str) -> list[str]:
    """What kinds of secrets a goal holds, as the rules that find them are called."""
    return sorted({found.rule for found in find("", clean(goal), bare=True)})
