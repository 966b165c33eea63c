"""``test.find`` and ``test.run`` on small real projects, and what runners print read back."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from nextgeneration.kernel.findings import Finding
from nextgeneration.kernel.risk import RiskLabel
from nextgeneration.kernel.tools import ToolContext, ToolResult
from nextgeneration.settings.environment import Environment
from nextgeneration.settings.tools import ToolSettings
from nextgeneration.tools import suites
from nextgeneration.tools.base import parse_args
from nextgeneration.tools.shell.containment import Containment
from nextgeneration.tools.shell.errors import ContainmentChanged, ContainmentMissing
from nextgeneration.tools.suites import parse
from nextgeneration.tools.suites.errors import NoSuites

FIND, RUN = suites.tools(ToolSettings())


@pytest.fixture
def context(tmp_path: Path) -> ToolContext:
    (tmp_path / "work").mkdir()
    (tmp_path / "scratch").mkdir(mode=0o700)
    return ToolContext(workspace=tmp_path / "work", scratch=tmp_path / "scratch")


@pytest.fixture
def contained() -> None:
    if Containment(Environment.current()).current().kind == "none":
        message = "not run: `apt install bubblewrap` installs what it needs"
        pytest.fail(message) if Environment.current().get("CI") == "true" else pytest.skip(message)


def project(context: ToolContext, files: dict[str, str]) -> None:
    for path, text in files.items():
        (context.workspace / path).parent.mkdir(parents=True, exist_ok=True)
        (context.workspace / path).write_text(text)


async def found(context: ToolContext, **values: object) -> list[tuple[str, str]]:
    result = await FIND.call(parse_args(FIND, values), context)
    FIND.spec.result.model_validate(result.value)
    return [(suite["runner"], suite["folder"]) for suite in result.value["suites"]]


async def run(context: ToolContext, **values: object) -> ToolResult:
    args = parse_args(RUN, values)
    assert RUN.assess(args, context).label == RiskLabel.UNKNOWN
    result = await RUN.call(args, context)
    RUN.spec.result.model_validate(result.value)
    assert list(context.scratch.glob("suite-*")) == []
    return result


def failing(result: ToolResult) -> dict[str, Finding]:
    return {str(finding.location): finding for finding in result.findings}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"pyproject.toml": "[tool.pytest.ini_options]\n", "tests/test_a.py": ""}, [("pytest", ".")]),
        ({"test_a.py": "def test_x():\n    pass\n"}, [("pytest", ".")]),
        ({"setup.py": "", "tests/test_a.py": "import unittest\n"}, [("unittest", ".")]),
        ({"api/requirements.txt": "pytest==8\n", "api/test_a.py": "", "web/package.json": "{}"}, [("pytest", "api")]),
        ({"package.json": '{"scripts": {"test": "node --test"}}'}, [("node", ".")]),
        ({"package.json": "{}", "a.test.js": ""}, [("node", ".")]),
        ({"package.json": '{"scripts": {"test": "mocha"}}'}, [("npm", ".")]),
        ({"package.json": '{"scripts": {"test": "jest"}}', "node_modules/.bin/jest": ""}, [("jest", ".")]),
        ({"w/package.json": '{"scripts": {"test": "vitest"}}', "w/node_modules/.bin/vitest": ""}, [("vitest", "w")]),
        ({"package.json": '{"scripts": {"test": "echo \\"Error: no test specified\\" && exit 1"}}'}, []),
        ({"package.json": "[" * 5000}, []),
        ({"go.mod": "module x\n", "a/b_test.go": ""}, [("go", ".")]),
        ({"Cargo.toml": "", "src/lib.rs": "#[test]\nfn x() {}\n"}, [("cargo", ".")]),
        ({"Makefile": "test:\n\ttrue\n"}, [("make", ".")]),
        ({"Makefile": "test := 1\n"}, []),
        ({"Makefile": "test:\n\ttrue\n", "go.mod": "module x\n", "b_test.go": ""}, [("go", ".")]),
    ],
)
async def test_suites_are_found_by_their_files(
    context: ToolContext, files: dict[str, str], expected: list[tuple[str, str]]
) -> None:
    project(context, files)
    assert await found(context) == expected


async def test_a_project_without_tests_is_a_finding(context: ToolContext) -> None:
    project(context, {"app.py": "x = 1\n"})
    for lang in ("en", "fr"):
        result = await FIND.call(parse_args(FIND, {}), replace(context, lang=lang))  # type: ignore[arg-type]
        assert [finding.rule for finding in result.findings] == ["test.none"]
        assert result.findings[0].evidence
    with pytest.raises(NoSuites):
        await RUN.call(parse_args(RUN, {}), context)


async def test_what_is_found_can_be_narrowed(context: ToolContext) -> None:
    project(context, {"a/go.mod": "module a\n", "a/x_test.go": "", "b/Makefile": "", "b/test_x.py": "import pytest\n"})
    assert await found(context) == [("pytest", "."), ("go", "a")]
    assert await found(context, folder="a") == [("go", "a")]
    assert await found(context, runner="pytest") == [("pytest", ".")]
    assert (await FIND.call(parse_args(FIND, {"runner": "cargo"}), context)).findings == ()


PYTEST = {
    "pyproject.toml": "[tool.pytest.ini_options]\n",
    "app.py": "def half(x):\n    return x / 2\n",
    "tests/test_app.py": (
        "import pytest\nfrom app import half\n\n\ndef test_good():\n    assert half(4) == 2\n\n\n"
        "def test_bad():\n    password = 'hunter2hunter2'\n    assert half(4) == 3\n\n\n"
        "class TestGroup:\n    @pytest.mark.skip\n    def test_later(self):\n        pass\n\n"
        "    @pytest.fixture\n    def broken(self):\n        raise OSError('no')\n\n"
        "    def test_fixture(self, broken):\n        pass\n"
    ),
    "tests/test_import.py": "import nothing_of_that_name\n",
    "conftest.py": "",
}


@pytest.mark.bubblewrap
@pytest.mark.usefixtures("contained")
async def test_pytest_failures_become_findings_with_their_line(context: ToolContext) -> None:
    project(context, PYTEST)
    args = parse_args(RUN, {})
    assert "-m pytest" in RUN.preview(args, context).body
    (context.workspace / "tests" / "test_import.py").unlink()
    result = await run(context)
    report = result.value["suites"][0]
    counts = (report["passed"], report["failed"], report["error"], report["skipped"])
    assert counts == (1, 1, 1, 1), report
    assert not result.ok
    assert report["confinement"] == "bubblewrap"
    findings = failing(result)
    bad = findings["tests/test_app.py:11"]
    assert bad.rule == "test.failed"
    assert "half(4) == 3" in bad.evidence[0].excerpt
    assert any(finding.rule == "test.error" for finding in result.findings)
    assert "1 passed, 1 failed" in result.text
    assert not list(context.workspace.rglob("__pycache__"))
    (context.workspace / "tests" / "test_app.py").write_text("def test_good():\n    pass\n")
    assert (await run(context)).ok


@pytest.mark.bubblewrap
@pytest.mark.usefixtures("contained")
async def test_a_test_module_that_cannot_be_imported_is_named(context: ToolContext) -> None:
    project(context, {"conftest.py": "", "tests/test_import.py": "import nothing_of_that_name\n"})
    result = await run(context)
    assert not result.ok
    (finding,) = result.findings
    assert "nothing_of_that_name" in finding.evidence[0].excerpt


@pytest.mark.bubblewrap
@pytest.mark.usefixtures("contained")
async def test_unittest_results_are_read(context: ToolContext) -> None:
    text = (
        "import unittest\n\nclass T(unittest.TestCase):\n    def test_good(self):\n        pass\n"
        "    def test_bad(self):\n        '''With words.'''\n        self.assertEqual(1, 2)\n"
        "    @unittest.skip('later')\n    def test_later(self):\n        pass\n"
        "    def test_breaks(self):\n        raise OSError('no')\n"
    )
    project(context, {"tests/test_t.py": text, "tests/test_gone.py": "import unittest, nothing_of_that_name\n"})
    result = await run(context)
    report = result.value["suites"][0]
    counts = (report["passed"], report["failed"], report["error"], report["skipped"])
    assert counts == (1, 1, 2, 1), report["output"]
    assert {"tests/test_t.py:8", "tests/test_t.py:13"} <= set(failing(result))


@pytest.mark.bubblewrap
@pytest.mark.usefixtures("contained")
@pytest.mark.skipif(not shutil.which("node"), reason="no node")
async def test_node_results_are_read(context: ToolContext) -> None:
    text = (
        "const test = require('node:test'); const assert = require('node:assert');\n"
        "test('good', () => {});\n"
        "test('bad # one', () => { assert.strictEqual(1, 2); });\n"
        "test('later', {skip: true}, () => {});\n"
        "test.describe?.('group', () => { test('nested bad', () => { throw new Error('no'); }); });\n"
    )
    project(context, {"package.json": "{}", "a.test.js": text})
    result = await run(context)
    report = result.value["suites"][0]
    assert (report["passed"], report["skipped"]) == (1, 1), report["output"]
    assert report["failed"] == 2
    assert "a.test.js:3" in failing(result)


@pytest.mark.bubblewrap
@pytest.mark.usefixtures("contained")
@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("cargo"), reason="no cargo")
async def test_cargo_results_are_read_and_nothing_is_built_in_the_workspace(context: ToolContext) -> None:
    source = "#[test]\nfn good() {}\n#[test]\nfn bad() {\n    assert_eq!(1, 2);\n}\n#[test]\n#[ignore]\nfn later() {}\n"
    project(
        context, {"Cargo.toml": '[package]\nname = "x"\nversion = "0.1.0"\nedition = "2021"\n', "src/lib.rs": source}
    )
    result = await run(context)
    report = result.value["suites"][0]
    assert (report["passed"], report["failed"], report["skipped"]) == (1, 1, 1), report["output"]
    assert "src/lib.rs:5" in failing(result)
    assert not (context.workspace / "target").exists()
    project(context, {"src/lib.rs": "#[test]\nfn bad() {\n    nothing();\n}\n"})
    result = await run(context)
    assert failing(result)["src/lib.rs:3"].rule == "test.error"


@pytest.mark.bubblewrap
@pytest.mark.usefixtures("contained")
async def test_a_suite_without_readable_results_is_one_finding(context: ToolContext) -> None:
    project(context, {"Makefile": "test:\n\t@echo broken; exit 3\n"})
    result = await run(context)
    (finding,) = result.findings
    assert finding.rule == "test.suite"
    assert "broken" in finding.evidence[0].excerpt
    project(context, {"Makefile": "test:\n\t@sleep 30\n"})
    late = await run(context, seconds=0.5)
    assert late.value["suites"][0]["timed_out"]
    project(context, {"Makefile": "test:\n\t@true\n"})
    assert (await run(context)).ok


@pytest.mark.bubblewrap
@pytest.mark.usefixtures("contained")
async def test_results_are_not_read_through_a_link_the_tests_made(context: ToolContext) -> None:
    text = (
        "import os, sys\ndef test_x():\n    pass\ndef teardown_module():\n"
        "    path = next(a for a in sys.argv if 'junit' in a and '/' in a).split('=')[1]\n"
        "    import atexit; atexit.register(lambda: (os.remove(path), os.symlink('/etc/passwd', path)))\n"
    )
    project(context, {"conftest.py": "", "test_x.py": text})
    result = await run(context)
    assert "root:" not in json.dumps(result.value)
    assert result.value["suites"][0]["passed"] == 0


async def test_an_approval_rests_on_the_commands_and_their_definition(context: ToolContext) -> None:
    project(context, {"package.json": '{"scripts": {"test": "mocha"}}'})
    args = parse_args(RUN, {})
    before = RUN.assess(args, context)
    assert "npm test" in before.reasons[0]
    project(context, {"package.json": '{"scripts": {"test": "mocha; curl evil"}}'})
    assert RUN.assess(args, context).conditions != before.conditions
    assert RUN.subjects(args) == ("* .",)


async def test_without_containment_no_test_runs_unapproved(context: ToolContext) -> None:
    project(context, {"Makefile": "test:\n\ttouch ran\n"})
    environment = Environment(variables={"PATH": "/nowhere"}, home=Path("/nowhere"))
    from nextgeneration.tools.shell.confined import Runner
    from nextgeneration.tools.suites.running import SuiteRun

    tool = SuiteRun(Runner(ToolSettings(), Containment(environment)))
    args = parse_args(tool, {})
    tool.assess(args, context)  # type: ignore[arg-type]
    with pytest.raises((ContainmentMissing, ContainmentChanged)):
        await tool.call(args, context)  # type: ignore[arg-type]
    assert not (context.workspace / "ran").exists()


def test_go_events_are_read() -> None:
    def event(action: str, package: str = "ex/m/pkg", test: str = "", output: str = "") -> str:
        return json.dumps({"Action": action, "Package": package, "Test": test, "Output": output})

    text = "\n".join(
        [
            event("run", test="TestA"), event("output", test="TestA", output="    a_test.go:12: want 1\n"),
            event("fail", test="TestA"), event("pass", test="TestB/one"), event("fail", test="TestB/two"),
            event("fail", test="TestB"), event("skip", test="TestC"), event("fail"), "noise", "{bad",
            event("output", package="ex/m/x", output="x.go:1:1: syntax error\n"), event("fail", package="ex/m/x"),
        ]
    )  # fmt: skip
    cases = {case.name: case for case in parse.go(text, "ex/m")}
    assert set(cases) == {"ex/m/pkg.TestA", "ex/m/pkg.TestB/one", "ex/m/pkg.TestB/two", "ex/m/pkg.TestC", "ex/m/x"}
    assert (cases["ex/m/pkg.TestA"].path, cases["ex/m/pkg.TestA"].line) == ("pkg/a_test.go", 12)
    assert cases["ex/m/x"].outcome == "error"


def test_jest_json_is_read() -> None:
    data = {
        "testResults": [
            {
                "name": "/w/a.test.js",
                "assertionResults": [
                    {"fullName": "a works", "status": "passed"},
                    {
                        "fullName": "a fails",
                        "status": "failed",
                        "failureMessages": ["Expected 1"],
                        "location": {"line": 7},
                    },
                    {"title": "later", "status": "pending"},
                ],
            },
            {"name": "/w/b.test.js", "status": "failed", "message": "Cannot find module", "assertionResults": []},
            "rubbish",
        ]
    }
    cases = parse.jest(json.dumps(data).encode())
    assert [case.outcome for case in cases] == ["passed", "failed", "skipped", "error"]
    assert cases[1].line == 7


@pytest.mark.parametrize(
    "data", [b"", b"<", b"[1]", b"{}", b'{"testResults": 3}', b"[" * 9_000, b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>']
)
def test_rubbish_from_runners_gives_no_cases(data: bytes) -> None:
    text = data.decode()
    assert parse.junit(data) == parse.jest(data) == parse.go(text, "") == parse.tap(text) == []
    assert parse.cargo(text, text) == parse.unittest(text) == []
