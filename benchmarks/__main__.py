"""Run every benchmark, print the rows, and write ``docs/performance.md``.

``python -m benchmarks`` runs all, each in a process of its own; names after it (``agents missions``) run only those and
write nothing.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import os
import platform
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOMS = ("startup", "agents", "thinking", "durable", "templates", "missions", "teams", "credits")
PAGE = Path(__file__).parent.parent / "docs" / "performance.md"


def main() -> int:
    chosen = sys.argv[1:] or list(ROOMS)
    tables = {}
    for name in chosen:
        print(f"== {name}", file=sys.stderr)
        tables[name] = measured(name)
        for row in tables[name]:
            print(line(row))
    if not sys.argv[1:]:
        PAGE.write_text(page(tables), encoding="utf-8")
        print(f"written: {PAGE}", file=sys.stderr)
    missed = [row for rows in tables.values() for row in rows if met(row) is False]
    for row in missed:
        print("MISSED:", line(row), file=sys.stderr)
    return 1 if missed else 0


def measured(name: str) -> list[dict[str, Any]]:
    """The rows of one benchmark, in a process that nothing else has grown in."""
    code = f"from benchmarks.__main__ import rows_of; rows_of({name!r})"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    rows: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return rows


def rows_of(name: str) -> None:
    """Measure here and print the rows as one line of JSON."""
    found: Any = importlib.import_module(f"benchmarks.{name}").measure()
    print(json.dumps(asyncio.run(found) if inspect.isawaitable(found) else found))


def met(row: dict[str, Any]) -> bool | None:
    """Whether a row keeps its limit; ``None`` when it has none or was not run."""
    value, limit = row.get("value"), row.get("limit")
    if not isinstance(value, (int, float)) or limit is None:
        return None
    if isinstance(limit, str) and limit.startswith(">="):
        return value >= float(limit.removeprefix(">="))
    return value <= float(str(limit).removeprefix("<="))


def line(row: dict[str, Any]) -> str:
    value = row["value"]
    shown = f"{value:,.3g}" if isinstance(value, float) else str(value)
    limit = f" (limit {row['limit']})" if row.get("limit") is not None else ""
    return f"{row['name']}: {shown} {row.get('unit', '')}{limit}  {row.get('note', '')}".rstrip()


def page(tables: dict[str, list[dict[str, Any]]]) -> str:
    when = datetime.now(UTC).strftime("%Y-%m-%d")
    lines = [
        "# Performance",
        "",
        (
            f"Measured by `make bench` on {when}: {platform.machine()}, {os.cpu_count()} cores, {platform.system()} "
            f"{platform.release().split('-')[0]}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}. "
            "Absolute times belong to this machine; limits are ratios within one run wherever a ratio says it better."
        ),
        "",
    ]
    for name, rows in tables.items():
        module = importlib.import_module(f"benchmarks.{name}")
        lines += [f"## {name.capitalize()}", "", inspect.getdoc(module) or "", ""]
        lines += ["| what | measured | limit | |", "|---|---|---|---|"]
        for row in rows:
            value = row["value"]
            shown = f"{value:,.3g}" if isinstance(value, float) else str(value)
            limit = "" if row.get("limit") is None else str(row["limit"])
            lines.append(f"| {row['name']} | {shown} {row.get('unit', '')} | {limit} | {row.get('note', '')} |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
