"""Whether a value fits a template's JSON Schema, however hostile the schema is.

A schema can hold a regular expression that takes years, references that multiply, or an address to fetch
from. Nothing is ever fetched, and a schema that can be slow is applied in a process of its own, which is
ended when its time is up.

Run as ``python -I -m nextgeneration.agents.runtimes.fitting``: ``[schema, value]`` in, the first misfit out.
"""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from nextgeneration.kernel.show import shortened

SECONDS = 5.0
_SLOW = frozenset({"pattern", "patternProperties", "$ref", "$dynamicRef", "$recursiveRef", "uniqueItems"})


async def misfit(schema: Mapping[str, Any], value: Any) -> str | None:
    """What does not fit, with its place; ``None`` when all fits. A schema that cannot be applied fits nothing."""
    if not schema:
        return None
    if not can_be_slow(schema):
        return first_misfit(schema, value)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-m", __name__, stdin=PIPE, stdout=PIPE, stderr=DEVNULL
    )
    try:
        async with asyncio.timeout(SECONDS):
            out, _ = await process.communicate(json.dumps([schema, value]).encode())
        answer: str | None = json.loads(out)
    except TimeoutError:
        return f"$: the schema was not applied within {SECONDS:g} s"
    except ValueError:
        return "$: the schema cannot be applied"
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return answer


def can_be_slow(schema: Any) -> bool:
    """Whether applying a schema may take long."""
    waiting = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Mapping):
            if not _SLOW.isdisjoint(part):
                return True
            waiting += part.values()
        elif isinstance(part, (list, tuple)):
            waiting += part
    return False


def first_misfit(schema: Mapping[str, Any], value: Any) -> str | None:
    """As :func:`misfit`, here and now."""
    from jsonschema import Draft202012Validator  # 40 ms that most templates do not need
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    try:
        # An empty registry: the library's own would fetch what a reference names.
        found = next(Draft202012Validator(dict(schema), registry=Registry()).iter_errors(value), None)
    except Unresolvable as error:
        return shortened(f"$: the schema refers to {error.ref}, which is not in it", 400)
    except (RecursionError, ArithmeticError, ValueError, TypeError) as error:
        return shortened(f"$: the schema cannot be applied: {error}", 400)
    return None if found is None else f"{found.json_path}: {shortened(found.message, 300)}"


if __name__ == "__main__":
    print(json.dumps(first_misfit(*json.load(sys.stdin))))  # noqa: T201
