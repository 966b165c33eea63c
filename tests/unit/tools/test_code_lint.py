"""Ruff's answers become few, true, ranked findings, and its safe fixes patches that apply."""

from __future__ import annotations

import asyncio
import dataclasses
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruff import find_ruff_bin

from nextgeneration.kernel.clock import SystemClock
from nextgeneration.kernel.findings import Finding, Severity
from nextgeneration.kernel.tools import ToolContext, ToolResult
from nextgeneration.settings.tools import ToolSettings
from nextgeneration.tools import code, fs
from nextgeneration.tools.base import parse_args
from nextgeneration.tools.code import lint, ruff_french
from nextgeneration.tools.code import ruff as ruff_module
from nextgeneration.tools.code.errors import LinterFailed, LinterTooSlow
from nextgeneration.tools.code.patches import split_by_file, unified
from nextgeneration.tools.code.ruff import Ruff
from nextgeneration.tools.code.rules import IGNORE, SELECT, severity_of
from nextgeneration.tools.errors_paths import FileMissing, PathRefused

TOOLS = {tool.spec.name: tool for room in (code, fs) for tool in room.tools(ToolSettings())}


@pytest.fixture
def context(tmp_path: Path) -> ToolContext:
    for name in ("work", "scratch"):
        (tmp_path / name).mkdir()
    return ToolContext(workspace=tmp_path / "work", scratch=tmp_path / "scratch", clock=SystemClock())


def write(context: ToolContext, **files: str) -> None:
    for name, text in files.items():
        path = context.workspace / name.replace("__", "/").replace("_py", ".py").replace("_toml", ".toml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())


async def run(context: ToolContext, name: str = "code.lint", **args: Any) -> ToolResult:
    tool = TOOLS[name]
    return await tool.call(parse_args(tool, args), context)


def rules(result: ToolResult) -> dict[str, Finding]:
    return {finding.rule: finding for finding in result.findings}


async def test_mistakes_are_found_with_evidence_place_and_reason(context: ToolContext) -> None:
    write(context, app_py="import os\n\n\ndef total(a=[]):\n    return a + missing\n")
    found = rules(await run(context))
    undefined = found["code.lint.F821"]
    assert undefined.severity is Severity.HIGH
    assert str(undefined.location) == "app.py:5"
    assert "missing" in undefined.title
    assert undefined.evidence[0].excerpt == "5: return a + missing"
    assert undefined.evidence[0].source == "code.lint"
    assert undefined.reference == "ruff:F821"
    assert "NameError" in undefined.message
    assert found["code.lint.F401"].severity is Severity.INFO
    assert found["code.lint.B006"].severity is Severity.LOW


async def test_texts_are_french_for_a_french_reader(context: ToolContext) -> None:
    write(context, app_py="print(missing)\n")
    result = await run(dataclasses.replace(context, lang="fr"))
    assert "lève NameError" in result.findings[0].message
    assert "Constats" in result.text


async def test_a_fix_for_each_file_is_one_patch_that_applies_and_is_verified(context: ToolContext) -> None:
    write(
        context,
        one_py="import os\nimport sys\n\nx = f'a'\nprint(sys.argv)",
        two_py="import json\r\nprint(1)\r\n",
        three_py="print(2)\n",
    )
    result = await run(context)
    assert len(result.proposals) == 2
    for proposal in result.proposals:
        assert proposal.tool == "fs.patch"
        assert set(proposal.fixes) <= {finding.id for finding in result.findings}
        await run(context, "fs.patch", **proposal.args)
    assert (context.workspace / "one.py").read_text() == "import sys\n\nx = 'a'\nprint(sys.argv)"
    assert (context.workspace / "two.py").read_bytes() == b"print(1)\r\n"
    for proposal in result.proposals:
        assert proposal.verify is not None
        again = await run(context, proposal.verify.tool, **proposal.verify.args)
        assert not {finding.id for finding in again.findings} & set(proposal.verify.absent)


async def test_patches_are_bounded_in_number_and_size(context: ToolContext, monkeypatch: pytest.MonkeyPatch) -> None:
    write(context, **{f"m{number}_py": "import os\n" for number in range(4)})
    monkeypatch.setattr(lint, "MAX_PATCHES", 2)
    result = await run(context)
    assert len(result.findings) == 4
    assert len(result.proposals) == 2
    assert "safe fixes of 2 more files" in str(result.value["skipped"])
    monkeypatch.setattr(lint, "MAX_PATCH", 10)
    assert not (await run(context)).proposals


async def test_only_fixes_that_ruff_calls_safe_are_proposed(context: ToolContext) -> None:
    write(context, app_py="def f():\n    unused = 1\n")
    result = await run(context)
    assert "code.lint.F841" in rules(result)
    assert not result.proposals


async def test_a_group_of_which_half_is_fixed_keeps_its_id(context: ToolContext) -> None:
    write(context, app_py="import os\nimport re\nimport json\n")
    (before,) = (await run(context)).findings
    assert before.data["count"] == 3
    write(context, app_py="\n\nimport json\n")
    (after,) = (await run(context)).findings
    assert after.data["count"] == 1
    assert after.id == before.id


async def test_a_serious_finding_keeps_its_id_when_lines_shift(context: ToolContext) -> None:
    write(context, app_py="print(missing)\nprint(other)\n")
    before = {finding.id for finding in (await run(context)).findings}
    write(context, app_py="# a comment\n\nprint(missing)\nprint(other)\n")
    assert {finding.id for finding in (await run(context)).findings} == before
    assert len(before) == 2


async def test_the_projects_own_configuration_neither_runs_nor_silences(context: ToolContext) -> None:
    write(context, app_py="print(missing)\n", ruff_toml="lint.ignore = ['F821']\n", pyproject_toml="[tool.ruff]\n!!!\n")
    assert "code.lint.F821" in rules(await run(context))


async def test_what_only_one_way_to_read_annotations_finds_is_not_said(context: ToolContext) -> None:
    """A project that does not say its Python may look annotations up where they stand, or only when asked."""
    typed = 'from typing import TypeVar\n\nT = TypeVar("T")\n\n\ndef same(x: T) -> T:\n    return x\n\n\ndel T\n'
    write(context, app_py=typed, other_py="print(missing)\n")
    (finding,) = (await run(context)).findings
    assert finding.rule == "code.lint.F821"
    assert "missing" in finding.title
    write(context, pyproject_toml='[project]\nname = "x"\nrequires-python = ">=3.14"\n')
    places = {f.location.path for f in (await run(context)).findings if f.location and f.rule == "code.lint.F821"}
    assert places == {"app.py", "other.py"}


async def test_noqa_is_the_authors_word(context: ToolContext) -> None:
    write(context, app_py="print(missing)  # noqa: F821\n")
    assert not (await run(context)).findings


async def test_a_file_that_python_cannot_read_has_one_finding(context: ToolContext) -> None:
    write(context, bad_py="def (:\n  x = = 2\nimport os\n", good_py="import os\n")
    found = [f for f in (await run(context)).findings if f.location and f.location.path == "bad.py"]
    assert [f.rule for f in found] == ["code.lint.invalid-syntax"]
    assert found[0].severity is Severity.HIGH


async def test_syntax_newer_than_requires_python_is_an_error_and_else_is_not(context: ToolContext) -> None:
    write(context, app_py="type Pair = tuple[int, int]\n")
    assert not (await run(context)).findings
    write(context, pyproject_toml="[project]\nname = 'x'\nrequires-python = '>=3.10'\n")
    assert "code.lint.invalid-syntax" in rules(await run(context))


async def test_tests_are_read_with_milder_eyes(context: ToolContext) -> None:
    text = "import subprocess\n\n\ndef test_a():\n    assert True\n    subprocess.run(command, shell=True)\n"
    write(context, tests__test_a_py=text, run_py=text)
    found = {(f.location.path if f.location else "", f.rule): f.severity for f in (await run(context)).findings}
    assert found["tests/test_a.py", "code.lint.S602"] is Severity.INFO
    assert found["run.py", "code.lint.S602"] is Severity.HIGH
    assert not any(rule == "code.lint.S101" for _, rule in found)


async def test_two_tests_of_one_name_matter_because_one_never_runs(context: ToolContext) -> None:
    text = "def test_a():\n    pass\n\n\ndef test_a():\n    pass\n"
    write(context, tests__test_a_py=text)
    assert rules(await run(context))["code.lint.F811"].severity is Severity.MEDIUM


async def test_frameworks_defaults_and_notebook_names_are_no_mistakes(context: ToolContext) -> None:
    text = "from fastapi import Depends\n\n\ndef get(db=Depends(get_ipython)):\n    return db, _('x')\n"
    write(context, app_py=text)
    assert not (await run(context)).findings


async def test_an_excerpt_never_shows_a_secret(context: ToolContext) -> None:
    value = "q7" + "Zp3vK9" + "wLx2Rt8Yb"
    write(context, app_py=f'def f(password="{value}", a=[]): return gone("{value}")\n')
    result = await run(context)
    assert result.findings
    assert value not in result.model_dump_json(exclude={"proposals"})


async def test_odd_file_names_are_files_not_options(context: ToolContext) -> None:
    for name in ("-x.py", "@list.py", "a b.py", "é.py", "--config=evil.py"):
        (context.workspace / name).write_text("import os\n")
    found = {f.location.path for f in (await run(context)).findings if f.location}
    assert found == {"-x.py", "@list.py", "a b.py", "é.py", "--config=evil.py"}


async def test_paths_choose_and_third_party_code_is_left_out_unless_named(context: ToolContext) -> None:
    write(context, a__x_py="import os\n", b__y_py="import os\n", vendor__z_py="import os\n")
    assert len((await run(context)).findings) == 2
    assert {f.location.path for f in (await run(context, paths=["a"])).findings if f.location} == {"a/x.py"}
    assert {f.location.path for f in (await run(context, paths=["vendor"])).findings if f.location} == {"vendor/z.py"}


@pytest.mark.parametrize(("path", "error"), [("../x.py", PathRefused), ("gone.py", FileMissing), ("/etc", PathRefused)])
async def test_paths_that_are_not_there_are_refused(context: ToolContext, path: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        await run(context, paths=[path])


async def test_a_workspace_without_python_says_so(context: ToolContext) -> None:
    (context.workspace / "a.txt").write_text("hello\n")
    result = await run(context)
    assert result.value["skipped"] == [{"what": "lint", "reason": "no Python file"}]


def enabled(folder: Path) -> set[str]:
    """The rules that Ruff really looks for when it is called as the tool calls it."""
    options = [f"--select={','.join(SELECT)}", f"--ignore={','.join(IGNORE)}"]
    (folder / "x.py").touch()
    argv = [find_ruff_bin(), "check", "--isolated", "--show-settings", *options, folder / "x.py"]
    shown = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"\(([A-Z]+[0-9]+)\)", shown.partition("linter.rules.enabled = [")[2].partition("]")[0]))


def test_every_rule_that_can_be_reported_has_a_french_title(tmp_path: Path) -> None:
    told = {key.partition("/")[0] for key in ruff_french.TITLES}
    reported = enabled(tmp_path)
    assert len(reported) > 150
    assert reported - told == {"E902"}, "a file that cannot be read is no finding"
    assert told - reported == {"invalid-syntax"}


async def test_a_french_reader_is_told_in_french_with_the_names_and_the_code(context: ToolContext) -> None:
    source = """\
import os
import re
import subprocess


def total(a=[]):
    assert (a, "never false")
    subprocess.run(a, shell=True)
    subprocess.run("ls", shell=True)
    return "%s %s" % (missing,)
"""
    write(context, app_py=source, broken_py="def f(:\n")
    french = dataclasses.replace(context, lang="fr")
    titles = [finding.title for finding in (await run(french)).findings]
    assert sorted(titles) == [
        "2 × Import jamais utilisé (F401)",
        "Erreur de syntaxe : « Expected a parameter or the end of the parameter list » (invalid-syntax)",
        "Format `%` : le compte n'y est pas (places : 2, valeurs : 1) (F507)",
        "Nom inconnu : `missing` (F821)",
        "Valeur modifiable comme défaut d'argument (B006)",
        "`assert` d'un tuple : toujours vrai (F631)",
        "`subprocess` passe par un shell (S602)",
        "`subprocess` passe par un shell ; la commande paraît sûre, mais peut changer (S602)",
    ]
    same = {finding.id for finding in (await run(context)).findings}
    assert {finding.id for finding in (await run(french)).findings} == same, "a language changes no finding's name"


def test_what_has_no_french_title_is_told_in_ruffs_words() -> None:
    assert ruff_french.title("XYZ1", ["Something is `odd`"]) == "« Something is `odd` »"
    assert ruff_french.title("F401", ["`os` imported but unused"]) == "Import jamais utilisé : `os`"
    assert ruff_french.title("F401", ["said otherwise"]) == "Import jamais utilisé"
    assert ruff_french.title("F811", ["Redefinition of unused `a1` from line 7"]).endswith(": `a1` (ligne 7)")


async def test_ruff_that_fails_fails_lint_and_is_named_by_the_audit(
    context: ToolContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(context, app_py="import os\n")
    monkeypatch.setattr(ruff_module, "find_ruff_bin", lambda: "/bin/false")
    with pytest.raises(LinterFailed):
        await run(context)
    result = await run(context, "code.audit")
    assert any(item["what"] == "lint" for item in result.value["skipped"])
    assert "project" in result.value["checked"]


async def test_ruff_that_says_nonsense_or_cannot_start_is_a_typed_error(
    context: ToolContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    ruff = Ruff(context.workspace, context.scratch, "py311")
    monkeypatch.setattr(ruff_module, "find_ruff_bin", lambda: "/bin/true")
    with pytest.raises(LinterFailed):
        await ruff.check(["a.py"], ["F"], 5)
    monkeypatch.setattr(ruff_module, "find_ruff_bin", lambda: "/nowhere/ruff")
    with pytest.raises(LinterFailed):
        await ruff.check(["a.py"], ["F"], 5)


async def test_ruff_that_hangs_is_ended(context: ToolContext, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = context.scratch / "ruff"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o700)
    monkeypatch.setattr(ruff_module, "find_ruff_bin", lambda: str(slow))
    with pytest.raises(LinterTooSlow):
        await Ruff(context.workspace, context.scratch, "py311").check([], ["F"], 0.3)


async def test_output_without_end_is_refused(context: ToolContext, monkeypatch: pytest.MonkeyPatch) -> None:
    write(context, app_py="import os\n")
    monkeypatch.setattr(ruff_module, "MAX_OUTPUT", 10)
    with pytest.raises(LinterFailed):
        await run(context)


async def test_a_cancelled_call_leaves_no_process(context: ToolContext, monkeypatch: pytest.MonkeyPatch) -> None:
    slow, mark = context.scratch / "ruff", context.scratch / "pid"
    slow.write_text(f"#!/bin/sh\necho $$ > {mark}\nexec sleep 60\n")
    slow.chmod(0o700)
    write(context, app_py="import os\n")
    monkeypatch.setattr(ruff_module, "find_ruff_bin", lambda: str(slow))
    task = asyncio.create_task(run(context))
    async with asyncio.timeout(10):
        while not (mark.exists() and mark.read_text().strip()):
            await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not Path("/proc", mark.read_text().strip()).exists()


def test_a_diff_is_split_by_counting_lines_not_by_looks() -> None:
    before = "-- a comment of SQL\n++ b\nkeep\n"
    diff = unified("x.sql", before, "keep\n").replace("a/x.sql", "x.sql").replace("b/x.sql", "x.sql")
    assert list(split_by_file(diff + "\n" + diff.replace("x.sql", "y.sql"))) == [
        ("x.sql", unified("x.sql", before, "keep\n")),
        ("y.sql", unified("y.sql", before, "keep\n")),
    ]


@pytest.mark.parametrize(
    ("code", "message", "test", "severity"),
    [
        ("S602", "`subprocess` call with `shell=True` seems safe", False, Severity.LOW),
        ("S602", "`subprocess` call with `shell=True` identified, security issue", False, Severity.HIGH),
        ("S499", "", False, Severity.MEDIUM),
        ("ZZZ", "", False, Severity.LOW),
        ("F821", "", True, Severity.HIGH),
        ("B018", "", True, Severity.INFO),
        ("T100", "Import for `pdb` found", False, Severity.LOW),
    ],
)
def test_severities(code: str, message: str, test: bool, severity: Severity) -> None:
    assert severity_of(code, message, test=test) is severity
