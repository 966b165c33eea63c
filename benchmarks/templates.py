"""Loading, validating and resolving templates; a warm ``get``; a reload that touches one lineage."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from nextgeneration.templates.library import TemplateLibrary

Row = dict[str, Any]


def _template(name: str, **more: Any) -> dict[str, Any]:
    """A template of ordinary size: about 1.5 kB."""
    return {
        "name": name,
        "role": "analyst",
        "domain": "benchmark",
        "version": "1.0.0",
        "description": {"en": "Looks at one thing and says what it found.", "fr": "Regarde une chose et le dit."},
        "instructions": "Work from what the tools return. " * 10,
        "capabilities": [f"capability_{name}", {"id": "shared", "description": "Something every one can do."}],
        "supervisor_route": {"route": "bench", "keywords": ["measure", "mesure"], "examples": ["measure this"]},
        "tools": ["fs.list", "fs.read", "fs.search"],
        "playbook": [
            {"id": "listing", "tool": "fs.list", "with": {"path": {"$": "input.path"}}},
            {"id": "texts", "tool": "fs.read", "with": {"$": "item"}, "each": {"$": "steps.listing.value.entries"}},
        ],
        "permissions": {"deny": ["shell.*"]},
        "budget": {"tool_calls": 100, "seconds": 60},
        "default_config": {"depth": 2, "nested": {"a": 1}},
        **more,
    }


def _written(folder: Path, count: int) -> Path:
    """``count`` templates in one folder: 1 root, 1 in 10 a child of it, the rest grandchildren."""
    folder.mkdir()
    middles = [f"middle{number}" for number in range(max(count // 10, 1))]
    templates = [_template("root"), *(_template(name, parent="root@^1.0") for name in middles)]
    templates += [
        _template(f"leaf{number}", parent=middles[number % len(middles)]) for number in range(count - len(templates))
    ]
    for data in templates:
        (folder / f"{data['name']}.json").write_text(json.dumps(data, indent=2), encoding="utf-8")
    return folder


def _load_seconds(folder: Path, count: int) -> tuple[float, float]:
    """Wall and processor time, the best of three loads of a whole folder by a library that knows nothing yet."""
    walls, works = [], []
    for _ in range(3):
        library = TemplateLibrary(folder, builtin=False, cache_size=2 * count)
        wall, work = perf_counter(), process_time()
        loaded = len(library.revisions())
        walls.append(perf_counter() - wall)
        works.append(process_time() - work)
        if loaded != count:
            raise AssertionError(f"{loaded} of {count} templates loaded")
    return min(walls), min(works)


def _get_microseconds(library: TemplateLibrary, calls: int = 200_000) -> float:
    get = library.get
    get("leaf0")
    started = perf_counter()
    for _ in range(calls):
        get("leaf0")
    return (perf_counter() - started) / calls * 1e6


def _reload(folder: Path, count: int) -> tuple[int, int, float]:
    """Files read, revisions made anew, and seconds, after one middle template changed."""
    library = TemplateLibrary(folder, builtin=False, cache_size=2 * count)
    before = dict(library.revisions())
    path = folder / "middle0.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    data["tools"].append("pytest")
    path.write_text(json.dumps(data), encoding="utf-8")
    loads = library.metrics()["templates_loaded"]
    started = perf_counter()
    library.reload("middle0")
    seconds = perf_counter() - started
    read = library.metrics()["templates_loaded"] - loads
    after = library.revisions()
    changed = sum(after[name] is not before[name] for name in before)
    return read, changed, seconds


def measure() -> list[Row]:
    """The rows ``name``, ``value``, ``unit``, ``limit``; a limit of ``None`` is a figure without a bound."""
    work = Path(tempfile.mkdtemp(prefix="ng-bench-templates-"))
    try:
        small, large = _written(work / "small", 250), _written(work / "large", 1000)
        (_, few), (wall, many) = _load_seconds(small, 250), _load_seconds(large, 1000)
        library = TemplateLibrary(large, builtin=False)
        get = _get_microseconds(library)
        read, changed, seconds = _reload(large, 1000)
    finally:
        shutil.rmtree(work)
    return [
        {"name": "load and validate 1,000 templates, two levels of parents", "value": wall, "unit": "s", "limit": 2.0},
        {
            "name": "processor time per template at 1,000 against 250",
            "value": many / few / 4,
            "unit": "ratio",
            "limit": 1.5,
        },
        {"name": "warm get", "value": get, "unit": "µs", "limit": 2.0},
        {"name": "files read when one of 1,000 changes", "value": read, "unit": "files", "limit": 1},
        {"name": "revisions made anew (it and its 9 children)", "value": changed, "unit": "revisions", "limit": 10},
        {"name": "that reload", "value": seconds * 1000, "unit": "ms", "limit": 100.0},
    ]


if __name__ == "__main__":
    json.dump(measure(), sys.stdout, indent=1, ensure_ascii=False)
