"""JMESPath within limits.

An expression of a few hundred characters can double its data at every step. What is selected ends up in
arguments, digests and the journal, so it is bounded while it is made, not afterwards.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.visitor import TreeInterpreter
from pydantic import BaseModel

from nextgeneration.agents.errors_playbook import ExpressionFailed

MAX_WORK = 2_000_000
"""What the expressions of one run may cost: nodes visited, and items and characters made. A second or two."""

MAX_WEIGHT = 4_000_000
"""Values and characters in one step's arguments, counted as JSON would write them."""

_GROWING = frozenset({"multi_select_list", "multi_select_dict", "function_expression"})
"""The nodes that can give more than they got; all others give a part of it, and pay by steps."""


def evaluate(value: Any, scope: Mapping[str, Any], allowance: Allowance | None = None) -> Any:
    """``value`` with every ``{"$": "<JMESPath>"}`` in it replaced by what it selects; all else is literal.

    Args:
        allowance: what the run may still spend; a fresh one when not given.

    Raises:
        ExpressionFailed: the expression does not compile, its functions got the wrong types, or it grows
            beyond the limits.
    """
    allowance = allowance or Allowance()
    allowance.begin()
    return _evaluated(value, scope, allowance)


def _evaluated(value: Any, scope: Mapping[str, Any], allowance: Allowance) -> Any:
    if isinstance(value, str):
        return value
    if not isinstance(value, dict) and isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    if isinstance(value, (dict, Mapping)):
        if len(value) == 1 and isinstance(value.get("$"), str):
            return _select(value["$"], scope, allowance)
        return {key: _evaluated(part, scope, allowance) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_evaluated(part, scope, allowance) for part in value]
    return value


@functools.lru_cache(maxsize=4096)
def _compiled(expression: str) -> Any:
    return jmespath.compile(expression).parsed


def _select(expression: str, scope: Mapping[str, Any], allowance: Allowance) -> Any:
    try:
        found = _Interpreter(allowance).visit(_compiled(expression), scope)
        allowance.keep(found)
    except (JMESPathError, RecursionError, ArithmeticError, TypeError, ValueError) as error:
        # jmespath lets what its operators and functions stumble over through as it comes.
        raise ExpressionFailed(expression=expression[:200], detail=str(error)[:300] or type(error).__name__) from None
    return found


class Allowance:
    """What the expressions of one run may still cost."""

    def __init__(self) -> None:
        self._work = MAX_WORK
        self._weight = MAX_WEIGHT
        self._known: dict[int, tuple[Any, int]] = {}

    def begin(self) -> None:
        """Begin with another step's arguments: their weight is counted anew, the work is not."""
        self._weight = MAX_WEIGHT
        self._known = {}

    def work(self, units: int) -> None:
        """Pay for work.

        Raises:
            JMESPathError: it is more than is left.
        """
        self._work -= units
        if self._work < 0:
            raise JMESPathError(f"the expressions of this run cost more than {MAX_WORK} steps")

    def check(self, value: Any) -> int:
        """The weight of ``value``: what is shared counts at each of its places.

        Raises:
            JMESPathError: it is more than is left.
        """
        weight = self._weigh(value)
        if weight > self._weight:
            raise JMESPathError(f"more than {MAX_WEIGHT} values and characters")
        return weight

    def keep(self, value: Any) -> None:
        """Pay for a value that becomes part of the arguments."""
        self._weight -= self.check(value)

    def _weigh(self, value: Any) -> int:
        if isinstance(value, str):
            return 1 + len(value)
        if not isinstance(value, (dict, list)):
            return 1
        known = self._known.get(id(value))
        if known is not None:
            return known[1]
        weight = 1 + sum(map(len, value)) if isinstance(value, dict) else 1
        weight += sum(map(self._weigh, value.values() if isinstance(value, dict) else value))
        # Kept alive, so that its identity is not given to something else meanwhile.
        self._known[id(value)] = (value, weight)
        return weight


class _Interpreter(TreeInterpreter):
    """Walks an expression and pays for each node, and for what a node makes."""

    def __init__(self, allowance: Allowance) -> None:
        super().__init__()
        self._allowance = allowance

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        """The value of one node."""
        self._allowance.work(1)
        found = super().visit(node, *args, **kwargs)
        if node["type"] in _GROWING:
            self._allowance.work(len(found) if isinstance(found, (str, list, dict)) else 0)
            self._allowance.check(found)
        return found
