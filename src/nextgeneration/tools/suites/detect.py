"""Which test suites a project has, told from its files without running anything."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from nextgeneration.kernel.errors import NGError
from nextgeneration.tools.workspace import Workspace

RESULTS = "{results}"
"""Stands in a command for the folder into which the runner writes its results."""

_MANIFEST_LIMIT = 200_000
_PYTHON_MANIFESTS = {"pyproject.toml", "setup.py", "setup.cfg", "pytest.ini", "tox.ini", "requirements.txt"}
_PYTEST_MARKS = re.compile(r"^[ \t]*\[(?:tool\.)?(?:tool:)?pytest(?:\.ini_options)?\]|\bpytest\b", re.MULTILINE)
_IMPORTS_PYTEST = re.compile(r"^[ \t]*(?:import|from) pytest\b|^(?:async )?def test_", re.MULTILINE)
_IMPORTS_UNITTEST = re.compile(r"^[ \t]*(?:import|from) unittest\b|^[ \t]*(?:import|from) django\.test\b", re.MULTILINE)
_TEST_PY = re.compile(r"(?:^|/)(?:test_[^/]*|[^/]*_test|tests)\.py$")
_TEST_JS = re.compile(r"(?:^|/)(?:[^/]*[.\-_]test|test)\.(?:[cm]?js|ts)$|(?:^|/)test/[^/]*\.[cm]?js$")
_MAKE_TARGET = re.compile(r"^(test|check)[ \t]*:(?!=)", re.MULTILINE)
_NO_TEST = "no test specified"


@dataclass(frozen=True, slots=True)
class Suite:
    """One suite and how it is run.

    Attributes:
        runner: ``pytest``, ``unittest``, ``node``, ``jest``, ``vitest``, ``npm``, ``go``, ``cargo`` or ``make``.
        folder: where it is run.
        argv: the command; ``{results}`` in it is the folder for results.
        files: test files seen, as far as names tell.
        rests_on: the file that decides what the command does.
        variables: what the command needs in its environment.
    """

    runner: str
    folder: str
    argv: tuple[str, ...]
    files: tuple[str, ...] = ()
    rests_on: str = ""
    variables: tuple[tuple[str, str], ...] = ()

    def command(self, results: str) -> list[str]:
        """The command with its folder for results."""
        return [part.replace(RESULTS, results) for part in self.argv]


def detect(workspace: Workspace) -> list[Suite]:
    """All suites of a project, by folder. ``make test`` counts only when nothing else is found."""
    project = _Project(workspace)
    found = [*_python(project), *_node(project), *_go(project), *_cargo(project)]
    return sorted(found or _make(project), key=lambda suite: (suite.folder, suite.runner))


class _Project:
    """A project's files and the few of them that are read, once."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.files = workspace.files()
        self.known = set(self.files)

    def text(self, path: str) -> str:
        """A file's text; empty when it cannot be read."""
        try:
            return self._workspace.read_text(path, _MANIFEST_LIMIT)
        except NGError:
            return ""

    def exists(self, path: str) -> bool:
        """Whether there is something at ``path``, also in the folders that ``files`` leaves out."""
        parent, _, name = path.rpartition("/")
        try:
            return any(entry == name for entry, _ in self._workspace.entries(parent or "."))
        except NGError:
            return False

    def folders(self, names: set[str]) -> list[str]:
        """The uppermost folders that hold a file of one of ``names``."""
        holding = sorted({str(PurePosixPath(path).parent) for path in self.files if path.rpartition("/")[2] in names})
        return [one for one in holding if not any(other != one and below(one, other) for other in holding)]


def below(path: str, folder: str) -> bool:
    """Whether ``path`` is ``folder`` or lies in it."""
    return folder == "." or path == folder or path.startswith(folder + "/")


def _in(folder: str, name: str) -> str:
    return name if folder == "." else f"{folder}/{name}"


def _python(project: _Project) -> Iterator[Suite]:
    tests = [path for path in project.files if _TEST_PY.search(path)]
    if not tests:
        return
    folders = project.folders(_PYTHON_MANIFESTS)
    covered = [folder for folder in folders if any(below(path, folder) for path in tests)]
    if any(not any(below(path, folder) for folder in covered) for path in tests):
        covered = ["."]
    for folder in covered:
        own = tuple(path for path in tests if below(path, folder))
        texts = [project.text(path) for path in own[:50]]
        manifests = [project.text(_in(folder, name)) for name in sorted(_PYTHON_MANIFESTS)]
        pytest = _in(folder, "conftest.py") in project.known or any(map(_PYTEST_MARKS.search, manifests))
        if pytest or any(map(_IMPORTS_PYTEST.search, texts)):
            yield _pytest(project, folder, own)
        elif any(map(_IMPORTS_UNITTEST.search, texts)):
            yield _unittest(project, folder, own)


_QUIET_PYTHON = (("PYTHONDONTWRITEBYTECODE", "1"),)


def _pytest(project: _Project, folder: str, files: tuple[str, ...]) -> Suite:
    python = _project_python(project, folder)
    if not python and importlib.util.find_spec("pytest"):
        python = sys.executable
    options = ("-q", "--color=no", "-p", "no:cacheprovider", "-o", "junit_family=xunit1")
    argv = (python or "python3", "-m", "pytest", *options, f"--junit-xml={RESULTS}/junit.xml")
    return Suite("pytest", folder, argv, files, variables=_QUIET_PYTHON)


def _unittest(project: _Project, folder: str, files: tuple[str, ...]) -> Suite:
    argv = [_project_python(project, folder) or "python3", "-m", "unittest", "discover", "-v"]
    own = [path if folder == "." else path[len(folder) + 1 :] for path in files]
    # Discovery enters a folder only when it is a package; a plain `tests` folder is named.
    tops = {path.split("/")[0] for path in own if "/" in path}
    if len(tops) == 1 and all("/" in path for path in own):
        (top,) = tops
        if f"{_in(folder, top)}/__init__.py" not in project.known:
            argv += ["-s", top]
    if not any(path.rpartition("/")[2].startswith("test") for path in own):
        argv += ["-p", "*_test.py"]
    return Suite("unittest", folder, tuple(argv), files, variables=_QUIET_PYTHON)


def _project_python(project: _Project, folder: str) -> str:
    """The interpreter of the project's own environment, relative to ``folder``; empty without one."""
    for environment in (".venv", "venv"):
        if project.exists(_in(folder, f"{environment}/bin/python")):
            return f"{environment}/bin/python"
    return ""


def _node(project: _Project) -> Iterator[Suite]:
    for path in sorted(path for path in project.files if path.rpartition("/")[2] == "package.json"):
        folder = str(PurePosixPath(path).parent)
        manifest = _json(project.text(path))
        scripts = manifest.get("scripts")
        script = str(scripts.get("test", "")) if isinstance(scripts, dict) else ""
        own = tuple(file for file in project.files if below(file, folder) and _TEST_JS.search(file))
        for tool, options in _NODE_TOOLS.items():
            if re.search(rf"(?:^|\s){tool}\b", script) and project.exists(_in(folder, f"node_modules/.bin/{tool}")):
                yield Suite(tool, folder, (f"node_modules/.bin/{tool}", *options), own, path, (("CI", "true"),))
                break
        else:
            if re.fullmatch(r"node --test(?: [\w./*-]+)*", script) or (own and not script):
                rest = script.removeprefix("node --test").split()
                yield Suite("node", folder, ("node", "--test", "--test-reporter=tap", *rest), own, path)
            elif script and _NO_TEST not in script:
                yield Suite("npm", folder, ("npm", "test", "--silent"), own, path, (("CI", "true"),))


_NODE_TOOLS = {
    "jest": ("--ci", "--json", f"--outputFile={RESULTS}/jest.json"),
    "vitest": ("run", "--reporter=json", f"--outputFile={RESULTS}/jest.json"),
}


def _json(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _go(project: _Project) -> Iterator[Suite]:
    tests = [path for path in project.files if path.endswith("_test.go")]
    for folder in project.folders({"go.mod"}):
        own = tuple(path for path in tests if below(path, folder))
        if own:
            yield Suite("go", folder, ("go", "test", "-json", "./..."), own, _in(folder, "go.mod"))


def _cargo(project: _Project) -> Iterator[Suite]:
    for folder in project.folders({"Cargo.toml"}):
        sources = [path for path in project.files if below(path, folder) and path.endswith(".rs")]
        own = tuple(path for path in sources[:500] if "/tests/" in f"/{path}" or "#[test]" in project.text(path))
        if own:
            # Built in the private home: the project's own `target` stays as it is.
            variables = (("CARGO_TARGET_DIR", "/tmp/cargo-target"), ("CARGO_TERM_COLOR", "never"))  # noqa: S108
            argv = ("cargo", "test", "--no-fail-fast", "--offline")
            yield Suite("cargo", folder, argv, own, _in(folder, "Cargo.toml"), variables)


def _make(project: _Project) -> list[Suite]:
    for name in ("Makefile", "makefile", "GNUmakefile"):
        target = _MAKE_TARGET.search(project.text(name)) if name in project.known else None
        if target:
            return [Suite("make", ".", ("make", target[1]), (), name)]
    return []
