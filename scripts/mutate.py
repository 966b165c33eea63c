"""Mutation testing of the parts that guard: is each small fault noticed by a test?

    python scripts/mutate.py [risk] [validator] [approval] [--code N] [--tables N] [--minutes M] [--survivors]

A copy of the package and its tests is made for each job; mutants are written there, never into the
checkout. Each runs in a forked process that has the libraries loaded and the package not: the tests
that killed a mutant of the same file last come first, then all others, the fastest first, until one
fails. When there are more mutants than asked for, a seeded sample is taken: the same one each time.
What was found is kept in ``build/mutation/``, so that a run that was cut short goes on where it
stopped; ``--survivors`` tries again those that survived, now against the tests marked ``slow`` too,
``--fresh`` forgets everything.
"""

from __future__ import annotations

import argparse
import compileall
import contextlib
import difflib
import hashlib
import importlib
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from mutants import Mutant, counts, mutants

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "src/nextgeneration"
SEED = 20261121
MEMORY = 3 << 30
SLOWER = 4.0
"""How many times what the whole suite takes a mutant may take, and ten seconds."""
EXAMPLES = 50
"""A fault that a property needs more examples to see is found by luck."""
DECLARED = "_hypothesis_internal_use_settings"
"""Where hypothesis keeps a test's own settings."""
OPTIONS = (
    *("-x", "-q", "--tb=no", "--assert=plain", "--hypothesis-seed=0", "-p", "no:cacheprovider"),
    *("-p", "pytest_asyncio.plugin", "-p", "pytest_timeout", "-p", "_hypothesis_pytestplugin"),
)
"""Only these plugins: one mutant is killed in the time that others take to load."""
LIBRARIES = ("pydantic", "pydantic_settings", "sqlalchemy", "alembic", "tree_sitter_bash", "psutil")
_fork = get_context("fork")


@dataclass(frozen=True)
class Target:
    """A part, and the tests that should notice its faults."""

    files: tuple[str, ...]
    tests: tuple[str, ...]


TARGETS = {
    "risk": Target(
        (f"{PACKAGE}/tools/shell/risk/*.py",),
        (
            "tests/unit/tools/test_risk_labels.py",
            "tests/unit/tools/test_risk_mutants.py",
            "tests/security/test_risk_dodges.py",
            "tests/security/test_risk_options.py",
            "tests/security/test_risk_limits.py",
            "tests/security/test_risk_properties.py",
        ),
    ),
    "validator": Target(
        (f"{PACKAGE}/security/validator.py", f"{PACKAGE}/security/permissions.py"), ("tests/unit/security",)
    ),
    "approval": Target(
        tuple(f"{PACKAGE}/missions/{name}.py" for name in ("asking", "approvals", "grants", "judging", "performing")),
        ("tests/unit/missions",),
    ),
}


class Watch:
    """A pytest plugin: puts the likeliest killers first, and remembers what failed."""

    def __init__(self, first: list[str], seconds: dict[str, float]) -> None:
        self.first = {name: place for place, name in enumerate(first)}
        self.known = seconds
        self.seconds: dict[str, float] = {}
        self.failed = ""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            used = getattr(getattr(item, "obj", None), DECLARED, None)
            if used and used.max_examples > EXAMPLES:
                setattr(item.obj, DECLARED, settings(used, max_examples=EXAMPLES))
        items.sort(key=lambda item: (self.first.get(item.nodeid, len(self.first)), self.known.get(item.nodeid, 0)))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.failed = self.failed or f"{report.nodeid} (import)"

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0) + report.duration
        if report.failed:
            self.failed = self.failed or report.nodeid


def in_child(answer: Connection, tree: Path, tests: list[str], watch: Watch) -> None:
    """Run the tests over one tree; the code and what failed go to ``answer``."""
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.chdir(tree)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    sys.path[:0] = [str(tree / "src"), str(tree / "compat"), str(tree)]
    os.environ |= {"PYTHONPATH": f"{tree}/src:{tree}/compat", "PYTHONDONTWRITEBYTECODE": "1"}
    os.environ |= {"PYTEST_ADDOPTS": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    sys.dont_write_bytecode = True
    with Path("output").open("w") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
        code = int(pytest.main([*OPTIONS, f"--basetemp={tree}/tmp", *tests], plugins=[watch]))
    with contextlib.suppress(BrokenPipeError):
        answer.send((code, watch.failed, watch.seconds))
    answer.close()
    os._exit(0)


@dataclass
class Job:
    """One copy of the package, and the mutant that is in it."""

    tree: Path
    mutant: Mutant | None = None
    modified: float = 0.0
    process: Any = None
    answer: Connection | None = None
    begun: float = 0.0
    until: float = 0.0

    def start(self, tests: list[str], watch: Watch, seconds: float) -> None:
        self.answer, theirs = _fork.Pipe(duplex=False)
        self.process = _fork.Process(target=in_child, args=(theirs, self.tree, tests, watch), daemon=True)
        self.process.start()
        theirs.close()
        self.begun = time.monotonic()
        self.until = self.begun + seconds

    def end(self) -> tuple[int, str, dict[str, float]] | None:
        """What the tests said; ``None`` when time was up. Nothing that was started is left running."""
        found = None
        assert self.answer is not None
        if self.answer.poll():
            with contextlib.suppress(EOFError):
                found = self.answer.recv()
            found = found or (-1, "the process died", {})
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.join()
        self.answer.close()
        for folder in ("tmp", ".hypothesis"):
            shutil.rmtree(self.tree / folder, ignore_errors=True)
        return found

    def write(self, mutant: Mutant) -> None:
        """Put a mutant in; its time is not that of what was compiled."""
        path = self.tree / mutant.path
        self.mutant, self.modified = mutant, path.stat().st_mtime
        path.write_bytes(mutant.applied)
        os.utime(path, (1, 1))

    def restore(self) -> None:
        """Put the module back as it was, time and all."""
        assert self.mutant is not None
        path = self.tree / self.mutant.path
        path.write_bytes(self.mutant.source)
        os.utime(path, (self.modified, self.modified))
        self.mutant = None


def copied(folder: Path) -> Path:
    """The package and the tests, somewhere else."""
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    for name in ("src", "compat", "tests", "templates"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=ignored, symlinks=True)
    shutil.copy(ROOT / "pyproject.toml", folder)
    compileall.compile_dir(folder, quiet=2)
    return folder


@dataclass
class Run:
    """One target's mutants, and what became of them."""

    name: str
    target: Target
    state: Path
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    slow: bool = False
    killers: dict[str, list[str]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    whole: float = 0.0

    def load(self, fresh: bool) -> None:
        if fresh:
            self.state.unlink(missing_ok=True)
        if self.state.exists():
            for line in self.state.read_text().splitlines():
                result = json.loads(line)
                self.results[result["key"]] = result
                self.remember(result)

    def sample(self, tree: Path, code: int, tables: int) -> list[Mutant]:
        """The mutants to try: all, or so many of those in code and of those in tables."""
        paths = sorted(path for pattern in self.target.files for path in tree.glob(pattern))
        every = [m for path in paths for m in mutants(str(path.relative_to(tree)), path.read_bytes())]
        chosen: list[Mutant] = []
        for kind, most in ((False, code), (True, tables)):
            those = [m for m in every if m.table is kind]
            random.Random(SEED).shuffle(those)  # so that a larger sample holds the smaller one
            taken = list(islice(filter(counts, those), most))
            print(f"{self.name}: {len(taken)} of {len(those)} in {'tables' if kind else 'code'}", file=sys.stderr)
            chosen += taken
        return chosen

    def tests(self) -> list[str]:
        marked = [] if self.slow else ["-m", "not slow and not soak"]
        return [*marked, *(test for test in self.target.tests if (ROOT / test).exists())]

    def measure(self, job: Job) -> None:
        """Run the tests unchanged: they must pass, and say how long each takes."""
        begun = time.monotonic()
        job.start(self.tests(), Watch([], {}), 600)
        assert job.answer is not None
        wait([job.answer], 600)
        found = job.end()
        if found is None or found[0] != 0:
            print((job.tree / "output").read_text()[-3000:], file=sys.stderr)
            sys.exit(f"{self.name}: the tests fail without any mutant: {found and found[1]}")
        self.whole, self.seconds = time.monotonic() - begun, found[2]
        print(f"{self.name}: {len(self.seconds)} tests in {self.whole:.1f} s", file=sys.stderr)

    def remember(self, result: dict[str, Any]) -> None:
        """A test that killed a mutant of a file is tried first on the next one, in this run and in later ones."""
        if result["verdict"] == "killed" and "::" in result["by"]:
            path = result["at"].partition(":")[0]
            recent = (test for test in self.killers.get(path, []) if test != result["by"])
            self.killers[path] = [result["by"], *recent][:40]

    def note(self, mutant: Mutant, found: tuple[int, str, dict[str, float]] | None, seconds: float) -> None:
        """Keep what became of a mutant."""
        code, by, _ = found or (-9, "time was up", {})
        verdict = {0: "survived", -9: "timeout"}.get(code, "killed" if by else "error")
        key = fingerprint(mutant)
        result = {"key": key, "at": mutant.key, "operator": mutant.operator, "verdict": verdict, "by": by}
        result["seconds"] = round(seconds, 2)
        self.results[key] = result
        with self.state.open("a") as state:
            state.write(json.dumps(result) + "\n")
        self.remember(result)
        mark = {"killed": ".", "survived": "S", "timeout": "T", "error": "E"}[verdict]
        print(mark, end="", flush=True, file=sys.stderr)

    def go(self, waiting: list[Mutant], jobs: list[Job], until: float) -> None:
        """Try mutants until there are none or time is up."""
        todo = iter(waiting)
        while True:
            for job in jobs:
                if job.mutant is None and time.monotonic() < until and (mutant := next(todo, None)):
                    job.write(mutant)
                    watch = Watch(self.killers.get(mutant.path, []), self.seconds)
                    job.start(self.tests(), watch, SLOWER * self.whole + 10)
            busy = [job for job in jobs if job.mutant is not None]
            if not busy:
                return
            wait([job.answer for job in busy if job.answer], max(0.0, min(j.until for j in busy) - time.monotonic()))
            for job in busy:
                assert job.mutant is not None
                assert job.answer is not None
                if job.answer.poll() or time.monotonic() > job.until:
                    self.note(job.mutant, job.end(), time.monotonic() - job.begun)
                    job.restore()

    def report(self, chosen: list[Mutant]) -> Counter[str]:
        """Print each mutant that was not killed, and the figures."""
        counted: Counter[str] = Counter()
        for mutant in sorted(chosen, key=lambda m: (m.path, m.line, m.edit)):
            result = self.results.get(fingerprint(mutant))
            verdict = result["verdict"] if result else "not tried"
            counted[verdict] += 1
            if verdict in ("survived", "timeout", "error"):
                print(f"\n{verdict} {mutant.path}:{mutant.line} ({mutant.operator})")
                print("\n".join(difference(mutant)))
        figures = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counted.items()))
        print(f"\n{self.name}: {len(chosen)} mutants: {figures}")
        return counted


def fingerprint(mutant: Mutant) -> str:
    """The same mutant of the same text, wherever the text has moved to in its file."""
    diff = [line for line in difference(mutant) if not line.startswith("@@")]
    return hashlib.sha256(f"{mutant.path} {mutant.operator} {mutant.edit.text} {diff}".encode()).hexdigest()[:16]


def difference(mutant: Mutant) -> list[str]:
    before, after = mutant.source.decode().splitlines(), mutant.applied.decode().splitlines()
    return list(difflib.unified_diff(before, after, n=1, lineterm=""))[2:]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []], help="parts to mutate; all when none is named")
    parser.add_argument("--code", type=int, default=1000, help="most mutants of a target's code")
    parser.add_argument("--tables", type=int, default=250, help="most mutants of a target's tables")
    parser.add_argument("--minutes", type=float, default=35, help="stop after this time; the next run goes on")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--survivors", action="store_true", help="try again those that were not killed")
    parser.add_argument("--fresh", action="store_true", help="forget what earlier runs found")
    return parser.parse_args()


def main() -> int:
    given = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    for library in LIBRARIES:
        importlib.import_module(library)
    state = ROOT / "build" / "mutation"
    state.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + given.minutes * 60
    alive = 0
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        jobs = [Job(copied(Path(folder) / str(number))) for number in range(given.jobs)]
        for name in given.targets or TARGETS:
            run = Run(name, TARGETS[name], state / f"{name}.jsonl", slow=given.survivors)
            run.load(given.fresh)
            chosen = run.sample(jobs[0].tree, given.code, given.tables)
            done = (
                run.results if not given.survivors else {k for k, r in run.results.items() if r["verdict"] == "killed"}
            )
            waiting = [mutant for mutant in chosen if fingerprint(mutant) not in done]
            if given.survivors:
                waiting = [mutant for mutant in waiting if fingerprint(mutant) in run.results]
            if waiting:
                run.measure(jobs[0])
                run.go(waiting, jobs, until)
            alive += run.report(chosen)["survived"]
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
