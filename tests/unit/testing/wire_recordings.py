"""Makes the recordings in ``tests/data/wire``: the providers' libraries ask, the doubles answer.

Run ``python -m tests.unit.testing.wire_recordings`` to make them again.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from pathlib import Path

from tests.unit.testing.wire_clients import BUILDERS, TOOLS, ask, client

from nextgeneration.testing.wire import (
    Call,
    Calls,
    Fails,
    RateLimited,
    Refuses,
    Say,
    Truncated,
    Usage,
    WireServer,
)

FOLDER = Path(__file__).parents[2] / "data" / "wire"
READ = Call("fs.read", {"path": "docs/Grüße.md"})
STEPS = {
    "words": Say("Hello there.", usage=Usage(21, 4)),
    "words, much of the prompt cached": Say("Hello\nagain — 你好", usage=Usage(2_021, 9, cached=1_920)),
    "a call": Call("fs.read", {"path": "a"}, usage=Usage(80, 12)),
    "two calls and words": Calls([READ, Call("fs.read", {"path": "b"})], usage=Usage(81, 30), text="I read both."),
    "cut at the limit": Truncated("It was a dark and", usage=Usage(22, 50)),
    "a refusal": Refuses("I will not.", usage=Usage(23, 5)),
    "rate limited": RateLimited(2),
    "out of order": Fails(503),
}


async def record(provider):
    """Every step, whole and streamed, as a list of exchanges."""
    rows = []
    for name, step in STEPS.items():
        for stream in (False, True):
            async with WireServer(provider, record=True) as far:
                far.script(step)
                async with client(far) as model:
                    try:
                        await ask(model.bind_tools(TOOLS), "hi", stream=stream)
                    except Exception:
                        assert isinstance(step, RateLimited | Fails)
            (exchange,) = far.exchanges
            usage = {name: value for name, value in asdict(far.total).items() if name != "told"}
            rows.append({"name": name, **exchange, "usage": usage})
    return rows


def main():
    """Write one file for each format."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for provider in BUILDERS:
        rows = asyncio.run(record(provider))
        text = "".join(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n" for row in rows)
        (FOLDER / f"{provider}.jsonl").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
