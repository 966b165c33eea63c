"""Docstring coverage counts what people import; stubs say what signatures say and change nothing else."""

from __future__ import annotations

import ast
import dis
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextgeneration.kernel.findings import Severity
from nextgeneration.kernel.tools import ToolContext, ToolResult
from nextgeneration.settings.tools import ToolSettings
from nextgeneration.tools import docs, fs
from nextgeneration.tools.base import parse_args
from nextgeneration.tools.code.sources import Source
from nextgeneration.tools.docs.docstrings import Coverage, parse, public, with_stubs

TOOLS = {tool.spec.name: tool for room in (docs, fs) for tool in room.tools(ToolSettings())}

MODULE = '''#!/usr/bin/env python
# a licence
from __future__ import annotations

import functools
from typing import overload


class Shape:
    sides: int

    def area(
        self,
        scale: float = 1.0,
        *rest: int,
        unit: str = "m",
        **more,
    ) -> float:
        # a comment
        return 1.0

    @property
    def name(self) -> str:
        """The name."""
        return "x"

    @name.setter
    def name(self, value): ...

    def _hidden(self): ...

    def __repr__(self): ...

    @overload
    def get(self): ...

    @functools.cache
    def numbers(self, n):
        def inner():
            return 3
        yield n


async def run(a: dict[str, int], /, b, *, c=None) -> None:
    @functools.wraps(run)
    def inner(): ...
    return None


def one(): return 1


if True:
    def conditional() -> int:
        return 2

_x = 1
'''


@pytest.fixture
def context(tmp_path: Path) -> ToolContext:
    for name in ("work", "scratch"):
        (tmp_path / name).mkdir()
    return ToolContext(workspace=tmp_path / "work", scratch=tmp_path / "scratch")


async def call(context: ToolContext, name: str = "docs.docstrings", **args: Any) -> ToolResult:
    return await TOOLS[name].call(parse_args(TOOLS[name], args), context)


def names(text: str) -> dict[str, bool]:
    tree = parse(Source("mod.py", text))
    assert tree is not None
    return {item.name: item.docstring is not None for item in public(tree, "mod.py")}


def test_what_counts_is_what_people_import() -> None:
    assert names(MODULE) == {
        "mod": False,
        "Shape": False,
        "Shape.area": False,
        "Shape.name": True,
        "Shape.numbers": False,
        "run": False,
        "one": False,
        "conditional": False,
    }
    assert names("") == {}


def stubbed(text: str, lang: str = "en") -> str:
    source = Source("mod.py", text)
    tree = parse(source)
    assert tree is not None
    missing = [item for item in public(tree, "mod.py") if item.docstring is None]
    return with_stubs(source, missing, "fr" if lang == "fr" else "en")


def test_stubs_say_what_the_signature_says_and_no_more() -> None:
    changed = stubbed(MODULE)
    area = next(n for n in ast.walk(ast.parse(changed)) if isinstance(n, ast.FunctionDef) and n.name == "area")
    assert ast.get_docstring(area) == (
        "TODO: describe area.\n\nArgs:\n    scale (float): TODO: describe.\n    unit (str): TODO: describe.\n"
        "    *rest (int): TODO: describe.\n    **more: TODO: describe.\n\nReturns:\n    float: TODO: describe."
    )
    assert changed.startswith('#!/usr/bin/env python\n# a licence\n"""TODO: describe mod."""\n\nfrom __future__')
    assert "Yields" not in changed
    assert 'def one():\n    """TODO: describe one."""\n    return 1\n' in changed
    assert all(names(changed).values())


def test_generators_yield_and_stubs_speak_french() -> None:
    changed = stubbed("def f(n: int) -> Iterator[int]:\n    yield n\n", "fr")
    assert '"""À FAIRE : décrire f.' in changed
    assert "Yields:\n        Iterator[int]: À FAIRE : décrire." in changed


def test_line_ends_indentation_and_decorators_are_kept() -> None:
    assert stubbed("class É(X): a = 1; b = 2\n").endswith(
        'class É(X):\n    """TODO: describe É."""\n\n    a = 1; b = 2\n'
    )
    changed = stubbed("class A:\r\n\tx = 1\r\n\r\n\tdef f(self):\r\n\t\t@x\r\n\t\tdef g(): ...\r\n")
    assert changed.count("\r\n") == changed.count("\n")
    assert '\t\t"""TODO: describe f."""\r\n\t\t@x\r\n' in changed


async def test_a_file_has_one_finding_and_one_patch_that_verifies(context: ToolContext) -> None:
    (context.workspace / "mod.py").write_text(MODULE)
    result = await call(context)
    value = Coverage.model_validate(result.value)
    assert (value.public, value.documented, value.percent) == (8, 1, 12.5)
    (finding,) = result.findings
    assert finding.severity is Severity.LOW
    assert finding.title == "mod.py: 7 of 8 public definitions have no docstring"
    (proposal,) = result.proposals
    await call(context, "fs.patch", **proposal.args)
    assert proposal.verify is not None
    again = await call(context, **proposal.verify.args)
    assert finding.id not in {f.id for f in again.findings}
    assert [f.rule for f in again.findings] == ["docs.docstring-stub"]
    assert again.value["documented"] == 1
    assert again.value["files"][0]["stubs"] == 7
    assert not again.proposals


async def test_stubs_are_proposed_only_where_wanted(context: ToolContext) -> None:
    (context.workspace / "mod.py").write_text(MODULE)
    assert not (await call(context, stubs=False)).proposals


async def test_tests_scripts_and_examples_count_only_when_named(context: ToolContext) -> None:
    for name in ("tests/test_a.py", "scripts/b.py", "examples/c.py"):
        path = context.workspace / name
        path.parent.mkdir()
        path.write_text("def f(): ...\n")
    assert (await call(context)).value["public"] == 0
    assert (await call(context, paths=["scripts"])).value["public"] == 2


async def test_a_file_python_cannot_read_is_named(context: ToolContext) -> None:
    (context.workspace / "bad.py").write_text("def (:\n")
    (context.workspace / "warns.py").write_text('"""Fine \\d."""\n')
    result = await call(context)
    assert [item["what"] for item in result.value["skipped"]] == ["bad.py"]
    assert result.value["percent"] == 100


async def test_a_project_without_docstrings_is_not_flooded_with_proposals(context: ToolContext) -> None:
    for number in range(40):
        (context.workspace / f"m{number}.py").write_text("x = 1\n" if number else "def f():\n    return 1\n")
    result = await call(context)
    assert len(result.findings) == 40
    assert len(result.proposals) == 10
    assert "m0.py" in result.proposals[0].reason
    assert "30 more files" in str(result.value["skipped"])


_LINES = st.lists(
    st.sampled_from([
        "class A:", "    x = 1", "    def f(self): pass", "    def g(self,", "          a: int = 1):",
        "        return a", "def h(a, *b, **c) -> 'x':", "    '''doc'''", "    return 1", "@dec",
        "async def k(): ...", "x = '''", "'''", "", "# comment", "if x:", "    def m(): return 2",
        "class B: pass", "def n(): # why", "    yield 3", "\tpass", "    '\\\\'",
    ]),
    max_size=14,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(_LINES)
def test_stubs_never_change_what_a_module_does(lines: list[str]) -> None:
    source = Source("mod.py", "\n".join(lines))
    tree = parse(source)
    try:
        before = shape(compile(source.text, "m", "exec", optimize=2))
    except SyntaxError:
        return
    assert tree is not None
    missing = [item for item in public(tree, "mod.py") if item.docstring is None]
    changed = with_stubs(source, missing, "en")
    assert shape(compile(changed, "m", "exec", optimize=2)) == before


def shape(compiled: CodeType) -> tuple[Any, ...]:
    """What a module does, without docstrings (``-OO``) and line numbers."""
    inner = tuple(shape(const) if isinstance(const, CodeType) else repr(const) for const in compiled.co_consts)
    does = tuple((step.opname, step.arg) for step in dis.get_instructions(compiled) if step.opname != "NOP")
    return compiled.co_name, does, compiled.co_names, compiled.co_varnames, inner
