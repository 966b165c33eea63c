"""``shell.run`` and ``python_interpreter``: what they say before, and what they refuse to do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from nextgeneration.kernel.clock import SystemClock
from nextgeneration.kernel.risk import Assessment, RiskLabel
from nextgeneration.kernel.tools import Happened, ToolContext
from nextgeneration.settings.environment import Environment
from nextgeneration.settings.tools import ToolSettings
from nextgeneration.tools import shell
from nextgeneration.tools.base import parse_args
from nextgeneration.tools.errors import BadArguments
from nextgeneration.tools.python_interpreter import PythonInterpreter
from nextgeneration.tools.shell.confined import Runner
from nextgeneration.tools.shell.containment import Confinement, Containment, Unconfined
from nextgeneration.tools.shell.errors import (
    CommandUnusable,
    ContainmentChanged,
    ContainmentMissing,
    UnconfinedRefused,
)
from nextgeneration.tools.shell.run import ShellRun


class Given(Containment):
    """A containment whose answer a test decides; the confinements themselves are real."""

    def __init__(self, now: Confinement) -> None:
        super().__init__(Environment.current(), SystemClock())
        self.now = now

    def current(self) -> Confinement:
        return self.now


BARE = Unconfined("bubblewrap is not installed")


@pytest.fixture
def real() -> Confinement:
    found = Containment(Environment.current()).current()
    if found.kind == "none":
        message = "not run: `apt install bubblewrap` installs what it needs"
        pytest.fail(message) if Environment.current().get("CI") == "true" else pytest.skip(message)
    return found


@pytest.fixture
def context(tmp_path: Path) -> Iterator[ToolContext]:
    (tmp_path / "work" / "sub").mkdir(parents=True)
    (tmp_path / "scratch").mkdir(mode=0o700)
    (tmp_path / "work" / "sub" / "note.txt").write_text("note\n")
    yield ToolContext(workspace=tmp_path / "work", scratch=tmp_path / "scratch", key="k1")
    assert not [path for path in (tmp_path / "scratch").iterdir() if path.name.startswith("python-")]


def judged(tool: ShellRun | PythonInterpreter, context: ToolContext, **values: object) -> Assessment:
    return tool.assess(parse_args(tool, values), context)  # type: ignore[arg-type]


def run_tool(containment: Containment) -> ShellRun:
    return ShellRun(Runner(ToolSettings(), containment))


@pytest.mark.bubblewrap
async def test_a_line_and_an_argv_run_confined_and_say_so(real: Confinement, context: ToolContext) -> None:
    tool = run_tool(Given(real))
    said: list[str] = []
    context = replace(context, emit=said.append)
    for values in ({"line": "cat note.txt | tr a-z A-Z", "cwd": "sub"}, {"argv": ["tr", "a-z", "A-Z"]}):
        assert judged(tool, context, **values).label == RiskLabel.SAFE
        result = await tool.call(parse_args(tool, values), context)  # type: ignore[arg-type]
        tool.spec.result.model_validate(result.value)
        assert result.ok
        assert result.value["confinement"] == "bubblewrap"
    assert said == ["NOTE"]
    failed = await tool.call(parse_args(tool, {"line": "echo broken >&2; exit 3"}), context)  # type: ignore[arg-type]
    assert not failed.ok
    assert failed.value["exit_code"] == 3
    assert failed.text.endswith("broken")
    late = await tool.call(parse_args(tool, {"argv": ["sleep", "30"], "seconds": 0.3}), context)  # type: ignore[arg-type]
    assert (late.ok, late.value["timed_out"], late.value["ended_by"]) == (False, True, "time")
    assert "limit" in late.text


@pytest.mark.bubblewrap
async def test_git_hooks_are_off_for_what_is_judged_safe_and_on_for_what_was_approved(
    real: Confinement, context: ToolContext
) -> None:
    spy = context.workspace / "spy"
    spy.write_text("#!/bin/sh\necho seen >> spied\n")
    spy.chmod(0o755)
    subprocess.run(["git", "init", "-q", str(context.workspace)], check=True)
    subprocess.run(["git", "-C", str(context.workspace), "config", "core.fsmonitor", "./spy"], check=True)
    tool = run_tool(Given(real))
    await tool.call(parse_args(tool, {"line": "git status"}), context)  # type: ignore[arg-type]
    assert not (context.workspace / "spied").exists()
    await tool.call(parse_args(tool, {"line": "git status; touch other"}), context)  # type: ignore[arg-type]
    assert (context.workspace / "spied").exists()


@pytest.mark.bubblewrap
async def test_a_control_file_made_further_down_is_a_finding(real: Confinement, context: ToolContext) -> None:
    tool = run_tool(Given(real))
    result = await tool.call(parse_args(tool, {"line": "mkdir -p sub/.git/hooks"}), context)  # type: ignore[arg-type]
    (finding,) = result.findings
    assert finding.location is not None
    assert finding.location.path == "sub/.git"
    assert finding.evidence[0].source == "shell.run"


async def test_without_containment_everything_asks_and_nothing_runs_unapproved(context: ToolContext) -> None:
    tool = run_tool(Given(BARE))
    judgement = judged(tool, context, line="ls")
    assert judgement.label == RiskLabel.UNKNOWN
    assert judgement.conditions["confinement"] == "none"
    assert any("bubblewrap is not installed" in reason for reason in judgement.reasons)
    args = parse_args(tool, {"line": "touch ran"})
    with pytest.raises(ContainmentMissing):
        await tool.call(args, context)  # type: ignore[arg-type]
    assert not (context.workspace / "ran").exists()
    result = await tool.call(args, replace(context, approved=True))  # type: ignore[arg-type]
    assert result.value["confinement"] == "none"
    assert (context.workspace / "ran").exists()


@pytest.mark.bubblewrap
@pytest.mark.parametrize("approved", [False, True])
async def test_a_confinement_taken_away_meanwhile_is_no_silent_fallback(
    real: Confinement, context: ToolContext, approved: bool
) -> None:
    """A10: an approval that showed bubblewrap does not cover running without it."""
    containment = Given(real)
    tool = run_tool(containment)
    context = replace(context, approved=approved)
    shown = judged(tool, context, line="touch ran")
    containment.now = BARE
    args = parse_args(tool, {"line": "touch ran"})
    with pytest.raises(ContainmentChanged):
        await tool.call(args, context)  # type: ignore[arg-type]
    assert not (context.workspace / "ran").exists()
    assert judged(tool, context, line="touch ran").conditions != shown.conditions


async def test_unconfined_is_privileged_shown_in_full_and_only_with_approval(
    context: ToolContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NG_TEST_REAL", "really mine")
    tool = run_tool(Given(BARE))
    values = {"line": "echo $NG_TEST_REAL", "confined": False}
    assert judged(tool, context, **values).label == RiskLabel.PRIVILEGED
    args = parse_args(tool, values)
    with pytest.raises(UnconfinedRefused):
        await tool.call(args, context)  # type: ignore[arg-type]
    result = await tool.call(args, replace(context, approved=True))  # type: ignore[arg-type]
    assert result.value["stdout"] == "really mine\n"
    assert "OUTSIDE" in tool.preview(args, context).title  # type: ignore[arg-type]


def test_the_preview_shows_exactly_what_runs_with_nothing_hidden(context: ToolContext) -> None:
    tool = run_tool(Given(BARE))
    line = "echo ok\u202e; rm -rf x\x1b[2K\recho"
    preview = tool.preview(parse_args(tool, {"line": line}), replace(context, lang="fr"))  # type: ignore[arg-type]
    assert preview.kind == "command"
    assert preview.body.endswith("echo ok\\u202e; rm -rf x\\x1b[2K\\x0decho\n")
    assert "# confinement: aucun confinement" in preview.body
    assert "# réseau: oui" in preview.body
    preview = tool.preview(parse_args(tool, {"argv": ["printf", "%s", "a b\n"]}), context)  # type: ignore[arg-type]
    assert preview.body.endswith("printf %s 'a b\\x0a'\n")
    assert "120 s, 2048 MB" in preview.body


@pytest.mark.bubblewrap
def test_network_is_a_condition(real: Confinement, context: ToolContext) -> None:
    tool = run_tool(Given(real))
    off, on = (judged(tool, replace(context, network=network), line="ls").conditions for network in (False, True))
    assert (off["network"], on["network"]) == ("off", "on")


def test_what_is_bound_is_what_holds(context: ToolContext) -> None:
    """Without confinement the network is there, granted or not: an approval says so wherever it names it."""
    tool = run_tool(Given(BARE))
    assert judged(tool, context, line="ls").conditions == {"confinement": "none", "network": "on"}
    assert "# network: on" in tool.preview(parse_args(tool, {"line": "ls"}), context).body  # type: ignore[arg-type]
    for spec in (one.spec for one in shell.tools(ToolSettings())):
        assert "contained" not in spec.summary.en, "what a tool is called says nothing about what holds today"


@pytest.mark.parametrize(
    "values", [{}, {"argv": ["ls"], "line": "ls"}, {"line": "  "}, {"argv": [""]}, {"line": "ls", "x": 1}]
)
def test_exactly_one_command_is_given(values: dict[str, object]) -> None:
    with pytest.raises(BadArguments):
        parse_args(run_tool(Given(BARE)), values)


@pytest.mark.parametrize("cwd", ["none", "sub/note.txt", "..", "/etc", "out"])
async def test_the_folder_is_in_the_workspace(context: ToolContext, cwd: str) -> None:
    (context.workspace / "out").symlink_to("/etc")
    tool = run_tool(Given(BARE))
    for values in ({"line": "ls", "cwd": cwd}, {"argv": ["ls", "a\0b"]}):
        with pytest.raises(CommandUnusable):
            await tool.call(parse_args(tool, values), replace(context, approved=True))  # type: ignore[arg-type]


async def test_nobody_can_say_whether_a_command_ran(context: ToolContext) -> None:
    tool = run_tool(Given(BARE))
    assert tool.spec.effect == "once"
    assert await tool.probe(parse_args(tool, {"line": "ls"}), context) == Happened.UNKNOWN
    assert tool.subjects(parse_args(tool, {"line": "ls -l; git status"})) == ("ls -l", "git status")  # type: ignore[arg-type]


def test_memory_of_what_was_shown_is_bounded(context: ToolContext) -> None:
    runner = Runner(ToolSettings(), Given(BARE))
    for number in range(1_100):
        runner.judged(Assessment(label=RiskLabel.SAFE), replace(context, key=str(number)))
    assert len(runner._shown) == 1_000


@pytest.mark.bubblewrap
async def test_python_runs_confined_with_its_input_and_line_numbers(real: Confinement, context: ToolContext) -> None:
    tool = PythonInterpreter(Runner(ToolSettings(), Given(real)))
    code = "import sys\nprint(sys.stdin.read().upper(), sys.version_info[:2])\nopen('made.txt', 'w').close()\n1 / 0\n"
    args = parse_args(tool, {"code": code, "input": "given"})
    assert tool.assess(args, context).label == RiskLabel.UNKNOWN  # type: ignore[arg-type]
    preview = tool.preview(args, context)  # type: ignore[arg-type]
    assert "1 / 0" in preview.body
    assert "given" in preview.body
    result = await tool.call(args, context)  # type: ignore[arg-type]
    assert not result.ok
    assert result.value["stdout"].startswith(f"GIVEN {sys.version_info[:2]}")
    assert "line 4" in result.value["stderr"]
    assert (context.workspace / "made.txt").exists()
    assert tool.subjects(args) == (code,)  # type: ignore[arg-type]


async def test_python_does_not_run_without_containment(context: ToolContext) -> None:
    tool = PythonInterpreter(Runner(ToolSettings(), Given(BARE)))
    with pytest.raises(ContainmentMissing):
        await tool.call(parse_args(tool, {"code": "open('ran', 'w')"}), context)  # type: ignore[arg-type]
    assert not (context.workspace / "ran").exists()


def test_the_room_offers_both_tools() -> None:
    assert [tool.spec.name for tool in shell.tools(ToolSettings())] == ["shell.run", "python_interpreter"]
