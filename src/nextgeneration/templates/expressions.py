"""The one kind of value in a playbook that is not literal: exactly ``{"$": "<JMESPath>"}``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import takewhile
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.parser import ParsedResult

from nextgeneration.templates.errors import BadExpression

ROOTS = frozenset({"input", "config", "context", "steps", "item"})
"""The names an expression may start from."""

MAX_LENGTH = 1000
MAX_DEPTH = 60
"""Of the parsed tree, which is walked recursively when it is evaluated."""

_LITERAL = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`((?:[^`\\]|\\.)*)`""", re.DOTALL)

_PARALLEL = frozenset(
    {
        "or_expression",
        "and_expression",
        "not_expression",
        "comparator",
        "function_expression",
        "multi_select_list",
        "multi_select_dict",
        "key_val_pair",
    }
)


def expression(value: Any) -> str | None:
    """The JMESPath text of ``value``, or ``None`` when ``value`` is literal."""
    if isinstance(value, dict) and len(value) == 1:
        text = value.get("$")
        return text if isinstance(text, str) else None
    return None


@lru_cache(maxsize=4096)
def compiled(text: str) -> ParsedResult:
    """The parsed expression, made once per text.

    Raises:
        BadExpression: it is not JMESPath, or longer or deeper than any honest one.
    """
    if len(text) > MAX_LENGTH:
        raise BadExpression(detail=f"{len(text)} > {MAX_LENGTH}")
    try:
        for literal in _LITERAL.finditer(text):
            # jmespath would take what is not JSON for a text, with a warning that it will not always do so.
            if literal.group(1) is not None:
                json.loads(literal.group(1).replace("\\`", "`"))
        parsed: ParsedResult = jmespath.compile(text)
    except JMESPathError as error:
        raise BadExpression(detail=str(error).strip().splitlines()[0]) from None
    except (RecursionError, ValueError) as error:
        raise BadExpression(detail=type(error).__name__) from None
    if _depth(parsed.parsed) > MAX_DEPTH:
        raise BadExpression(detail=f"depth > {MAX_DEPTH}")
    return parsed


def _depth(node: Any) -> int:
    deepest, waiting = 0, [(node, 1)]
    while waiting:
        inner, depth = waiting.pop()
        deepest = max(deepest, depth)
        waiting += [(child, depth + 1) for child in inner.get("children", ()) if isinstance(child, dict)]
    return deepest


def expressions(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every expression inside ``value`` with the path to it."""
    text = expression(value)
    if text is not None:
        yield path, text
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from expressions(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from expressions(inner, (*path, index))


def first_names(text: str) -> set[tuple[str, ...]]:
    """The dotted names an expression starts from: ``steps.audit.ok`` gives ``("steps", "audit", "ok")``.

    Only plain chains are followed; whatever stands inside a projection or filter is relative to it.
    """
    return set(_chains(compiled(text).parsed))


def _chains(node: Any) -> Iterator[tuple[str, ...]]:
    kind, children = node["type"], node.get("children", [])
    if kind == "field":
        yield (node["value"],)
    elif kind == "subexpression":
        heads = list(_chains(children[0]))
        fields = takewhile(lambda child: child["type"] == "field", children[1:])
        yield from [(*heads[0], *(child["value"] for child in fields))] if len(heads) == 1 else heads
    elif kind in _PARALLEL:
        for child in children:
            yield from _chains(child)
    elif children:
        yield from _chains(children[0])
