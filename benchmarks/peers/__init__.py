"""The sides of a comparison: each a process in an environment of its own, asked in turn for one round of figures.

``measuring.py`` runs in that process and measures every side, ours too, in the same way; ``script.py`` is what the
model and the tool say to all of them. A side is a file: ``ours.py``, ``with_agno.py``, ….
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
NAMES = {
    "ours": "ours",
    "with_agno": "Agno",
    "with_agent_framework": "agent-framework",
    "with_langgraph": "LangGraph",
}
MISSING = "not run: `make peers`"
QUIET = {
    "AGNO_TELEMETRY": "false",
    "AGENT_FRAMEWORK_USER_AGENT_DISABLED": "1",
    "LANGCHAIN_TRACING_V2": "false",
    "LANGSMITH_TRACING": "false",
    "OTEL_SDK_DISABLED": "true",
    "DO_NOT_TRACK": "1",
    "OPENAI_API_KEY": "unused",
    "PYTHONWARNINGS": "ignore",
}

Figures = dict[str, Any]


def environment() -> Path:
    """The folder of the peers' environment: ``NG_PEERS``, or one in the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("NG_PEERS") or cache / "nextgeneration" / "peers")


class SideFailed(Exception):
    """A side could not be measured."""


class Side:
    """A process that measures one side when it is asked."""

    def __init__(self, side: str) -> None:
        self.name = NAMES[side]
        ours = side == "ours"
        python = Path(sys.executable) if ours else environment() / "bin" / "python"
        env = {**os.environ, **QUIET, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]) if ours else ""}
        self._process = subprocess.Popen(
            [str(python), "-P", str(HERE / "measuring.py"), side],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=env,
            cwd=tempfile.gettempdir(),
        )

    def ask(self, what: str, /, **how: Any) -> Figures:
        """One round of figures.

        Raises:
            SideFailed: with what its process says.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"what": what, **how}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise SideFailed(f"{self.name} ended") from None
        line = self._process.stdout.readline()
        if not line:
            raise SideFailed(f"{self.name} ended with {self._process.wait()}")
        figures: Figures = json.loads(line)
        if "error" in figures:
            raise SideFailed(f"{self.name}: {figures['error']}")
        return figures

    def __enter__(self) -> Side:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def sides(*names: str) -> Iterator[dict[str, Side]]:
    """The processes of these sides by name, ours first; only ours when the peers are not installed."""
    there = (environment() / "bin" / "python").exists()
    with ExitStack() as stack:
        yield {NAMES[n]: stack.enter_context(Side(n)) for n in ("ours", *(names if there else ()))}


def rounds(between: dict[str, Side], number: int, what: str, /, **how: Any) -> dict[str, list[Figures]]:
    """``number`` rounds of figures, the sides taking turns in each, in another order every time."""
    taken: dict[str, list[Figures]] = {name: [] for name in between}
    for turn in range(number):
        order = list(between.values())
        for side in order[turn % len(order) :] + order[: turn % len(order)]:
            taken[side.name].append(side.ask(what, **how))
    return taken


def median(figures: Iterable[Figures], key: str) -> float:
    """The median of one figure over the rounds."""
    return float(statistics.median(figure[key] for figure in figures))


def ratio(taken: dict[str, list[Figures]], key: str, *peers: str) -> float | None:
    """The median of ours over the lowest median of the peers; ``None`` when none of them was measured."""
    theirs = [median(taken[name], key) for name in peers if name in taken]
    return median(taken["ours"], key) / min(theirs) if theirs else None


def said(taken: dict[str, list[Figures]], key: str, unit: str, scale: float = 1.0) -> str:
    """The medians of all sides in words, with the lowest and the highest round."""
    parts = []
    for name, figures in taken.items():
        values = sorted(figure[key] * scale for figure in figures)
        parts.append(f"{name} {statistics.median(values):.3g} {unit} ({values[0]:.3g} to {values[-1]:.3g})")
    return "; ".join(parts)
