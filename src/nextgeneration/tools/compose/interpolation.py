"""Variables in a compose file's values: ``$NAME``, ``${NAME}``, ``${NAME:-default}``.

The grammar is the Compose specification's (section Interpolation): a ``$`` that starts neither a
variable nor ``$$`` makes Compose refuse the file.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TOKEN = re.compile(r"\$\$|\$\{|\}")
_MAX_NESTED = 20
_OPERATORS = (":-", ":?", ":+", "-", "?", "+")


class Variable(NamedTuple):
    """One use of a variable; ``operator`` is empty without one, ``start`` and ``end`` are offsets in the value."""

    name: str
    operator: str
    operand: str
    start: int
    end: int

    @property
    def needed(self) -> bool:
        """Whether an unset variable silently becomes an empty text."""
        return not self.operator


class Uses(NamedTuple):
    """The variables of one value, and the offsets of the ``$`` that start none."""

    variables: list[Variable]
    invalid: list[int]


def read(text: str) -> Uses:
    """The variables used in ``text``, those in default values included."""
    variables: list[Variable] = []
    invalid: list[int] = []
    if "$" in text:
        _scan(text, (0, len(text)), _closings(text), variables, invalid)
    return Uses(variables, invalid)


def _closings(text: str) -> dict[int, int]:
    """For each ``${`` that is closed, its offset and the offset after its ``}``."""
    closed: dict[int, int] = {}
    opened: list[int] = []
    for token in _TOKEN.finditer(text):
        if token[0] == "${" and len(opened) < _MAX_NESTED:
            opened.append(token.start())
        elif token[0] == "}" and opened:
            closed[opened.pop()] = token.end()
    return closed


def _scan(
    text: str, span: tuple[int, int], closed: dict[int, int], variables: list[Variable], invalid: list[int]
) -> None:
    spans = [span]
    while spans:
        at, stop = spans.pop()
        while (at := text.find("$", at, stop)) >= 0:
            variable = None
            if text.startswith("$$", at):
                at += 2
                continue
            if text.startswith("${", at):
                end = closed.get(at, 0)
                variable = _braced(text, at, end) if end else None
                if variable and variable.operand:
                    spans.append((end - 1 - len(variable.operand), end - 1))
            elif name := _NAME.match(text, at + 1, stop):
                variable = Variable(name[0], "", "", at, name.end())
            if variable:
                variables.append(variable)
                at = variable.end
            else:
                invalid.append(at)
                at += 2 if text.startswith("${", at) else 1


def _braced(text: str, start: int, end: int) -> Variable | None:
    name = _NAME.match(text, start + 2, end - 1)
    if name is None:
        return None
    rest = text[name.end() : end - 1]
    if not rest:
        return Variable(name[0], "", "", start, end)
    for operator in _OPERATORS:
        if rest.startswith(operator):
            return Variable(name[0], operator, rest[len(operator) :], start, end)
    return None


def settled(text: str) -> str | None:
    """``text`` with each variable replaced by its literal default; None when one has none."""
    if "$" not in text:
        return text
    uses = read(text)
    if uses.invalid:
        return None
    parts: list[str] = []
    at = 0
    for variable in uses.variables:
        if variable.start < at:
            return None
        if variable.operator not in (":-", "-") or "$" in variable.operand:
            return None
        parts += [text[at : variable.start], variable.operand]
        at = variable.end
    return "".join((*parts, text[at:])).replace("$$", "$")


def variable_only(text: str) -> bool:
    """Whether the value is one variable or several and nothing else, so that it says nothing itself."""
    outside: list[str] = []
    at = 0
    for variable in sorted(read(text).variables, key=lambda v: v.start):
        if variable.start >= at:
            outside.append(text[at : variable.start])
            at = variable.end
    return at > 0 and not "".join((*outside, text[at:])).strip(" \t:/@-_.")


def without_text(text: str) -> bool:
    """Whether the value is variables only, and none of them has a default written beside it."""
    return variable_only(text) and not any(v.operand and v.operator.endswith(("-", "+")) for v in read(text).variables)
