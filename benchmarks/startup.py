"""What a user waits for before anything happens: imports, ``--help``, and the memory of ``nextgen try``.

Each is a fresh process; the median of several.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

ROUNDS = 7
NEXTGEN = str(Path(sys.executable).with_name("nextgen"))


def seconds(argv: list[str], env: dict[str, str] | None = None) -> float:
    def once() -> float:
        started = perf_counter()
        subprocess.run(argv, check=True, capture_output=True, env=env, stdin=subprocess.DEVNULL)
        return perf_counter() - started

    once()
    return statistics.median(once() for _ in range(ROUNDS))


def measure() -> list[dict[str, Any]]:
    bare = seconds([sys.executable, "-c", "pass"])
    imported = seconds([sys.executable, "-c", "import nextgeneration"])
    with tempfile.TemporaryDirectory() as home:
        env = {**os.environ, "NG_HOME": home, "NO_COLOR": "1"}
        started = perf_counter()
        subprocess.run([NEXTGEN, "try"], check=True, capture_output=True, env=env, stdin=subprocess.DEVNULL)
        tried = perf_counter() - started
    # The largest child so far is the mission: everything else here is smaller.
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return [
        {"name": "`import nextgeneration`", "value": (imported - bare) * 1000, "unit": "ms", "limit": 50},
        {"name": "`nextgen --help`", "value": seconds([NEXTGEN, "--help"]), "unit": "s", "limit": 0.3},
        {"name": "`nextgen try`, whole", "value": tried, "unit": "s", "limit": 15},
        {"name": "`nextgen try`, peak memory", "value": peak, "unit": "MB", "limit": 250},
    ]
