"""The audit as a whole: projects, complexity, notes left behind, limits, and what it says it did."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextgeneration.kernel.clock import SystemClock
from nextgeneration.kernel.findings import Finding, Severity
from nextgeneration.kernel.tools import ToolContext, ToolResult
from nextgeneration.settings.tools import ToolSettings
from nextgeneration.tools import code
from nextgeneration.tools.base import Limited, parse_args
from nextgeneration.tools.code import notes as notes_module
from nextgeneration.tools.code import project, sources
from nextgeneration.tools.code.audit import CodeReport
from nextgeneration.tools.code.complexity import MEASURED, functions
from nextgeneration.tools.errors import BadArguments

TOOLS = {tool.spec.name: tool for tool in code.tools(ToolSettings())}


@pytest.fixture
def context(tmp_path: Path) -> ToolContext:
    for name in ("work", "scratch"):
        (tmp_path / name).mkdir()
    return ToolContext(workspace=tmp_path / "work", scratch=tmp_path / "scratch")


def write(context: ToolContext, files: dict[str, str | bytes]) -> None:
    for name, data in files.items():
        path = context.workspace / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())


async def run(context: ToolContext, name: str = "code.audit", **args: Any) -> ToolResult:
    result = await Limited(TOOLS[name]).call(parse_args(TOOLS[name], args), context)
    CodeReport.model_validate(result.value)
    return result


def rules(result: ToolResult) -> dict[str, Finding]:
    return {finding.rule: finding for finding in result.findings}


SERVICE: dict[str, str | bytes] = {
    "README.md": "# Service\n",
    "LICENSE": "Apache\n",
    ".gitignore": "*.pyc\n",
    "app/main.py": "import os\n\nPASSWORD = 'hun" + "ter2!'\n\n# TODO: move this\n# FIXME later\nprint(undefined)\n",
    "app/web.js": "debugger;\nconsole.log('a');\nconsole.log('b');\n",
    "config.json": '{"a": 1,}\n',
    "requirements.txt": "flask\n",
    "tests/test_main.py": "def test_a():\n    assert True\n",
}


async def test_an_audit_ranks_and_counts_and_says_what_it_did(context: ToolContext) -> None:
    write(context, SERVICE)
    result = await run(context)
    ranks = [finding.severity.rank for finding in result.findings]
    assert ranks == sorted(ranks, reverse=True)
    value = result.value
    assert value["checked"] == ["lint", "secrets", "dependencies", "complexity", "todos", "project"]
    assert value["files"] == len(SERVICE)
    assert value["languages"]["Python"] == {"files": 2, "lines": 9}
    assert value["findings"]["total"] == len(result.findings) == sum(value["findings"]["by_severity"].values())
    assert set(rules(result)) == {
        "code.lint.F821", "code.lint.F401", "code.secret.password", "code.dependency.unpinned", "code.todo",
        "code.debug", "code.console", "code.broken-data",
    }  # fmt: skip
    assert all(evidence.source == "code.audit" for finding in result.findings for evidence in finding.evidence)
    assert "1 high" in result.text


async def test_each_check_alone_gives_the_findings_the_audit_gives(context: ToolContext) -> None:
    write(context, SERVICE)
    everything = {finding.id for finding in (await run(context)).findings}
    alone: set[str] = set()
    for name in ("lint", "secrets", "dependencies", "complexity", "todos"):
        alone |= {finding.id for finding in (await run(context, f"code.{name}")).findings}
    project_only = await run(context, checks=["project"])
    assert alone | {finding.id for finding in project_only.findings} == everything
    assert project_only.value["checked"] == ["project"]


async def test_an_unknown_check_is_refused(context: ToolContext) -> None:
    with pytest.raises(BadArguments):
        await run(context, checks=["magic"])


async def test_an_empty_workspace_is_clean(context: ToolContext) -> None:
    result = await run(context)
    assert not result.findings
    assert result.text.endswith("Nothing was found.")


async def test_everything_is_said_in_french(context: ToolContext) -> None:
    write(context, SERVICE)
    result = await run(dataclasses.replace(context, lang="fr"))
    assert "fichiers" in result.text
    assert rules(result)["code.todo"].title == "1 TODO, 1 FIXME dans app/main.py"


async def test_notes_left_behind_are_one_finding_a_file(context: ToolContext) -> None:
    text = "".join(f"x = {n}  # TODO: item {n}\n" for n in range(9)) + 'WORDS = "TODO"\ntodo = TODO_LIST\n# HACK\n'
    write(context, {"a.py": text, "b.py": "# nothing\n", "c.md": "TODO: write\n"})
    (finding,) = (await run(context, "code.todos")).findings
    assert finding.data["counts"] == {"TODO": 9, "HACK": 1}
    assert finding.evidence[0].excerpt.startswith("1: TODO: item 0\n2: ")
    assert finding.severity is Severity.INFO


async def test_in_python_only_comments_hold_notes(context: ToolContext) -> None:
    """Strings, expressions and documentation that look like a comment are none."""
    text = 'TAGS = re.compile(r\'#.*(TODO|FIXME) \')\nx = \'# TODO: no\'\n"""\n# TODO no\n"""\ny = 1  # FIXME: yes\n'
    write(context, {"a.py": text, "b.py": "z = (  # XXX yes\n", "c.js": "let s = 1 // HACK yes\n"})
    found = (await run(context, "code.todos")).findings
    assert [finding.data["counts"] for finding in found] == [{"FIXME": 1}, {"XXX": 1}, {"HACK": 1}]
    assert found[0].location is not None
    assert found[0].location.line == 6


async def test_a_project_is_told_what_it_lacks_only_when_looked_at_whole(context: ToolContext) -> None:
    write(context, {f"src/{name}.go": "package main\n" for name in "abc"})
    found = rules(await run(context, checks=["project"]))
    assert set(found) == {"code.no-tests", "code.no-readme", "code.no-licence", "code.no-gitignore"}
    assert not (await run(context, checks=["project"], paths=["src"])).findings
    write(context, {"src/a_test.go": "package main\n", "readme.rst": "x", "COPYING": "x", ".gitignore": "x"})
    assert not (await run(context, checks=["project"])).findings


CONFLICT = "a = 1\n<<<<<<< HEAD\nb = 1\n=======\nb = 2\n>>>>>>> other\n"


async def test_conflict_markers(context: ToolContext) -> None:
    write(context, {"a.py": CONFLICT, "b.md": CONFLICT, "c.txt": "Title\n=======\n", "d.sh": "<<<<<<< x\n" * 2000})
    found = [f for f in (await run(context, checks=["project"])).findings if f.rule == "code.merge-conflict"]
    assert [str(f.location) for f in found] == ["a.py:2"]
    assert found[0].severity is Severity.HIGH
    assert found[0].location is not None
    assert found[0].location.end_line == 6


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("a.json", '{\n"a": 1,\n}\n', 3),
        ("a.json", "\n\n{\n'a': 1}\n", 4),
        ("a.json", "[" * 100_000, None),
        ("a.yaml", "a: 1\n  b: 2\n", 2),
        ("a.yml", "a: [1\n", 2),
        ("a.toml", "a = 1\na = = 2\n", 2),
    ],
)
async def test_broken_data_files(context: ToolContext, name: str, text: str, line: int | None) -> None:
    write(context, {name: text})
    (finding,) = (await run(context, checks=["project"])).findings
    assert finding.rule == "code.broken-data"
    assert finding.location is not None
    assert finding.location.line == line


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '{"a": 1}\n'),
        ("a.json", '{"a": 1}\n{"a": 2}\n'),
        ("a.json", ""),
        ("a.json", "\ufeff{}"),
        ("a.json", "// with comments\n{}"),
        ("tsconfig.json", '{"a": 1, /* c */}'),
        (".vscode/settings.json", "{// c\n}"),
        ("chart/values.yaml", "a: {{ .Values.a }}\n"),
        ("a.yaml", "a: !Sub x\n---\nb: !!python/object:os.system {}\n"),
        ("a.yaml", "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n"),
        ("config.example.json", "{...}"),
    ],
)
async def test_data_files_that_are_fine(context: ToolContext, name: str, text: str) -> None:
    write(context, {name: text})
    assert not (await run(context, checks=["project"])).findings


async def test_long_files_and_large_binaries(context: ToolContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project, "LARGE_BINARY", 1000)
    write(context, {"a.py": "x = 1\n" * 700, "b.py": "# DO NOT EDIT\n" + "x = 1\n" * 700, "c.md": "x\n" * 900})
    write(context, {"movie.mp4": b"\0" * 2000, "small.png": b"\0" * 10, "huge.py": "y = 2\n" * 3000})
    found = (await run(context, checks=["project"])).findings
    told = {(f.rule, f.location.path if f.location else "") for f in found if f.location}
    assert told == {("code.long-file", "a.py"), ("code.long-file", "huge.py"), ("code.large-binary", "movie.mp4")}


async def test_pythons_complexity_is_measured(context: ToolContext) -> None:
    branches = "".join(f"    if a == {n}:\n        return {n}\n" for n in range(30))
    long = "".join(f"    a = {n}\n" for n in range(130))
    write(context, {"a.py": f"async def tangled(a):\n{branches}\n\ndef long(a):\n{long}\n"})
    found = rules(await run(context, "code.complexity"))
    assert found["code.complexity"].data == {"value": 31, "limit": 15, "estimate": False}
    assert found["code.complexity"].severity is Severity.LOW
    assert found["code.complexity"].title.startswith("tangled: complexity 31")
    assert found["code.long-function"].severity is Severity.LOW


BRANCHES = "".join(f"  if (a == {n} && b) {{ x = '{{ if'; }} // if\n" for n in range(15))
CODE = {
    "JavaScript": f"class A {{\n  async tangled (a, b = {{}}) {{\n{BRANCHES}}}\n}}\n"
    "const f = require('x')\nit('works', () => { })\n",
    "TypeScript": f"export const tangled = async (a: number): Promise<void> => {{\n{BRANCHES}}}\n",
    "Go": f"package a\n\nfunc (s *S) tangled(a int) (int, error) {{\n{BRANCHES}}}\n",
    "Rust": f"impl<'a> A<'a> {{\n  pub fn tangled(a: i32) -> bool {{\n{BRANCHES.replace(chr(39), chr(34))}}}\n}}\n",
    "Java": f"public class A {{\n  public int tangled(int a, List<B> b) throws X {{\n{BRANCHES}}}\n}}\n",
    "C": f'#include "x.h"\nstatic int tangled(int a,\n  int b)\n{{\n{BRANCHES}}}\nint small(void) {{ return 1; }}\n',
    "C++": f"namespace n {{\nint A::tangled(const B& b) const noexcept {{\n{BRANCHES}}}\n}}\n",
    "C#": f"class A {{ public int tangled(int a) {{\n{BRANCHES}}} }}\n",
    "PHP": f"<?php\nfunction tangled($a) {{\n{BRANCHES}}}\n",
    "Kotlin": f"fun tangled(a: Int): Int {{\n{BRANCHES}}}\n",
    "Swift": f"func tangled(a: Int) -> Int {{\n{BRANCHES}}}\n",
    "Dart": f"int tangled(int a) {{\n{BRANCHES}}}\n",
    "Scala": f"def tangled(a) {{\n{BRANCHES}}}\n",
}


@pytest.mark.parametrize("language", sorted(MEASURED))
def test_other_languages_are_estimated(language: str) -> None:
    found = {function.name: function for function in functions(CODE[language], language)}
    assert found["tangled"].complexity == 31
    assert {name for name, function in found.items() if function.complexity > 20} == {"tangled"}
    text = CODE[language].split("\n")[found["tangled"].line - 1]
    assert "tangled" in text


async def test_an_estimate_says_that_it_is_one(context: ToolContext) -> None:
    plain = "".join(f"  a({n})\n" for n in range(200))
    write(context, {"a.go": CODE["Go"] + f"func long() {{\n{plain}}}\n", "b.rb": "def a; end\n", "c.js": "x" * 9000})
    result = await run(context, "code.complexity")
    found = rules(result)
    assert found["code.complexity"].data["estimate"] is True
    assert found["code.complexity"].confidence < 1
    assert "not from a parser" in found["code.complexity"].message
    assert found["code.long-function"].data["lines"] == 202
    assert result.value["skipped"] == [{"what": "Ruby", "reason": "complexity of these languages is not measured"}]


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(MEASURED)), st.text(alphabet="abif(){};=>'\"`/*\\\n &|?fnfuncfunction", max_size=300))
def test_any_text_is_estimated_without_failing(language: str, text: str) -> None:
    for function in functions(text, language):
        assert function.line >= 1
        assert function.complexity >= 1


async def test_hostile_lines_take_no_time(context: ToolContext) -> None:
    evil = {
        "a.js": "a" * 300_000 + "(" * 50_000 + "\n" * 1000,
        "b.js": "function " * 20_000 + "\n" * 1000,
        "c.py": "# " + "TODO " * 40_000 + "\n" + "password=" * 20_000 + "\n" * 1000,
        "d.yml": "a: " + "eyJ-" * 50_000 + "\n" + "x://a:" * 20_000 + "\n" * 2000,
        "requirements.txt": "a" + " " * 100_000 + ";" * 1000 + "\n" + "a==" * 30_000 + "\n",
        "e.json": "[" * 200_000,
    }
    write(context, dict(evil))
    clock = SystemClock()
    start = clock.monotonic()
    await run(context)
    assert clock.monotonic() - start < 10


async def test_time_that_runs_out_is_said(context: ToolContext, monkeypatch: pytest.MonkeyPatch) -> None:
    class Racing(SystemClock):
        seconds = 0.0

        def monotonic(self) -> float:
            Racing.seconds += 20
            return Racing.seconds

    write(context, {f"{name}.sh": "echo\n" for name in "abcdef"})
    result = await run(dataclasses.replace(context, clock=Racing()), "code.todos")
    assert result.value["skipped"] == [{"what": "4 files from c.sh on", "reason": "the time limit of 60 s was reached"}]


async def test_files_that_cannot_be_read_are_named(context: ToolContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_BYTES", 100)
    write(context, {"a.py": "x = 1\n" * 100, "b.py": "y = 1\n"})
    skipped = (await run(context, "code.todos")).value["skipped"]
    assert [item["what"] for item in skipped] == ["a.py"]


async def test_only_so_many_files_are_looked_at_and_that_is_said(
    context: ToolContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "MAX_FILES", 3)
    write(context, {f"{name}.sh": "echo\n" for name in "abcdef"})
    result = await run(context, "code.todos")
    assert result.value["files"] == 3
    assert "only the first 3 files" in str(result.value["skipped"])


async def test_more_findings_than_fit_are_cut_worst_kept(context: ToolContext, monkeypatch: pytest.MonkeyPatch) -> None:
    from nextgeneration.tools.code import audit

    monkeypatch.setattr(audit, "MAX_FINDINGS", 5)
    write(context, {f"a{n}.py": "# TODO x\nimport os\n" for n in range(9)})
    write(context, {"z.py": "print(missing)\n"})
    result = await run(context)
    assert result.truncated
    assert len(result.findings) == 5
    assert result.findings[0].rule == "code.lint.F821"
    assert result.value["findings"]["total"] > 5


async def test_odd_bytes_in_names_and_texts_are_shown_harmless(context: ToolContext) -> None:
    write(context, {"a b.py": "# TODO \x1b[31mred \u202e\n", "latin.py": b"# TODO caf\xe9 \xff\n"})
    result = await run(context, "code.todos")
    assert len(result.findings) == 2
    assert "\x1b" not in result.model_dump_json().encode().decode("unicode_escape", "ignore")
    assert notes_module.MAX_FINDINGS == 500


async def test_scripts_without_extension_are_known_by_their_first_line(context: ToolContext) -> None:
    write(context, {"run": "#!/usr/bin/env python3\nx = 1\n", "go": "#!/bin/sh\n", "x": "#!/usr/bin/env -S node --x\n"})
    assert set((await run(context, "code.todos")).value["languages"]) == {"Python", "Shell", "JavaScript"}
