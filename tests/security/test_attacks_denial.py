"""Whatever is too large, too deep or endless meets a stated limit; memory stays flat, others are served (A32)."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import shutil
import time
from collections.abc import Awaitable
from typing import Any

import psutil
import pytest
from tests.security.attack_bench import Bench, bench, shell

from nextgeneration.kernel.findings import Evidence, Finding, Location, Severity
from nextgeneration.kernel.risk import EffectRule, RiskLabel
from nextgeneration.kernel.tools import ToolResult
from nextgeneration.missions.schema import MissionBudget
from nextgeneration.supervisor.outcome import MissionReport
from nextgeneration.supervisor.render.markdown import markdown
from nextgeneration.supervisor.render.sarif import sarif
from nextgeneration.testing.tools import FakeTool

__all__ = ["bench"]

MB = 1 << 20


class Grown:
    """How much the resident memory grew at its highest, in MB."""

    def __init__(self) -> None:
        gc.collect()
        self._process = psutil.Process()
        self._before = self._process.memory_info().rss
        self.most = 0.0

    def look(self) -> None:
        self.most = max(self.most, (self._process.memory_info().rss - self._before) / MB)


async def watched(call: Awaitable[Any], seconds: float) -> tuple[Any, Grown, float]:
    """The answer, what memory it took, and the longest time in which nobody else in this process got a turn."""
    grown, longest, last = Grown(), 0.0, time.monotonic()
    task = asyncio.ensure_future(call)
    while not task.done():
        await asyncio.sleep(0.02)
        grown.look()
        now = time.monotonic()
        longest, last = max(longest, now - last), now
        seconds -= 0.02
    return await task, grown, longest


# -- loops -----------------------------------------------------------------------------------------------------------


async def test_a_playbook_that_loops_meets_the_limit_and_keeps_what_it_found(bench: Bench) -> None:
    look = FakeTool("t.look")
    steps = [
        {"id": "a", "tool": "t.look", "with": {"n": 1}},
        {"id": "b", "tool": "t.look", "each": {"$": "config.many"}, "with": {"n": {"$": "item"}}},
    ]
    bench.template("eve", steps, default_config={"many": list(range(10_001))}, budget={"tool_calls": 100_000})
    async with bench.open(tools=[look]) as services:
        budget = MissionBudget(tool_calls=50)
        done, grown, longest = await watched(bench.run(services, "eve", budget=budget), 30)
        assert len(look.calls) == 50
        assert done.report.tasks[0].status == "over_budget"
        assert grown.most < 60
        assert longest < 2


async def test_more_actions_than_a_human_reads_are_not_proposed(bench: Bench) -> None:
    """10,000 proposals; and one of a megabyte, 10,000 times: the report stays small and says what is missing."""
    write = FakeTool("t.write", effect=EffectRule.ONCE, risk=RiskLabel.WRITE)
    look = FakeTool("t.look", lambda _a, _c: ToolResult(value={"text": "x" * MB}))
    many, text = {"$": "config.many"}, {"$": "steps.l.value.text"}
    bench.template(
        "many",
        [{"id": "w", "tool": "t.write", "each": many, "with": {"n": {"$": "item"}}}],
        default_config={"many": list(range(9_999))},
    )
    bench.template(
        "large",
        [
            {"id": "l", "tool": "t.look"},
            {
                "id": "w",
                "tool": "t.write",
                "each": many,
                "with": {"n": {"$": "item"}, "t": text},
            },
        ],
        default_config={"many": list(range(9_999))},
    )
    async with bench.open(tools=[write, look]) as services:
        for name in ("many", "large"):
            asked, grown, longest = await watched(bench.run(services, name, actions=1), 30)
            assert len(asked.report.actions) <= 200
            assert len(asked.report.model_dump_json()) < 16 * MB
            assert any("200" in line for line in asked.report.missing), asked.report.missing
            assert grown.most < 150, name
            assert longest < 4, name
    assert write.calls == []


async def test_templates_that_name_each_other_in_turn_do_not_replan_for_ever(bench: Bench) -> None:
    def fail(_args: Any, _context: Any) -> ToolResult:
        raise OSError("no")

    bad = FakeTool("t.bad", fail)
    for number in range(12):
        bench.template(
            f"eve{number}", [{"id": "x", "tool": "t.bad"}], supervisor_route={"route": "one", "keywords": ["eve"]}
        )
    async with bench.open(tools=[bad]) as services:
        done = await bench.run(services, "eve0", goal="eve please")
    assert done.status == "failed"
    assert len(done.report.tasks) <= 4


# -- large answers ---------------------------------------------------------------------------------------------------


def findings(count: int, call: int) -> tuple[Finding, ...]:
    return tuple(
        Finding(
            rule=f"t.rule{n % 50}",
            title=f"title {call} {n} " + "x" * 60,
            message="y" * 200,
            severity=list(Severity)[n % 5],
            cause=f"c:{call}:{n}",
            location=Location(path=f"src/f{n % 100}.py", line=n + 1),
            evidence=(Evidence(source="t.look", excerpt="z" * 100),),
        )
        for n in range(count)
    )


@pytest.mark.slow
async def test_ten_thousand_findings_become_a_report_in_reasonable_time_and_memory(bench: Bench) -> None:
    look = FakeTool("t.look", lambda args, _c: ToolResult(findings=findings(500, args["n"])))
    each = {"id": "l", "tool": "t.look", "each": list(range(20)), "with": {"n": {"$": "item"}}}
    bench.template("eve", [each])
    bench.template("good", [{"id": "l", "tool": "t.other"}])
    async with bench.open(tools=[look, FakeTool("t.other")]) as services:
        started = time.monotonic()
        done, grown, longest = await watched(bench.run(services, "eve"), 60)
        assert time.monotonic() - started < 30
        assert len(done.report.findings) == 10_000
        assert grown.most < 400
        assert longest < 20
        page, document = markdown(done.report), sarif(done.report, "1")
        assert len(page) < 20 * MB
        assert len(document["runs"][0]["results"]) == 10_000
        assert time.monotonic() - started < 40
        assert (await bench.run(services, "good")).status == "done"


@pytest.mark.bubblewrap
async def test_endless_output_of_a_command_is_cut_and_the_command_ended(bench: Bench) -> None:
    bench.template(
        "eve", [shell("yes 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' & yes >&2 & cat /dev/zero", seconds=2)]
    )
    async with bench.open() as services:
        asked = await bench.run(services, "eve")
        done, grown, longest = await watched(bench.approved(services, asked), 20)
    assert grown.most < 60
    assert longest < 2
    assert len(done.report.model_dump_json()) < 2 * MB
    assert bench.database.stat().st_size < 8 * MB


@pytest.mark.parametrize("ripgrep", [True, False], ids=["rg", "python"])
async def test_a_regular_expression_that_never_ends_is_ended(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, ripgrep: bool
) -> None:
    """Without ripgrep the pattern is Python's own, which backtracks: another process pays, for a stated time."""
    if ripgrep and shutil.which("rg") is None:
        pytest.skip("no ripgrep")
    if not ripgrep:
        monkeypatch.setattr("shutil.which", lambda name, **_: None)
    monkeypatch.setattr("nextgeneration.tools.fs.searching.SECONDS", 2.0)
    (bench.workspace / "a.txt").write_text("a" * 5_000 + "!\n")
    bench.template("eve", [{"id": "s", "tool": "fs.search", "with": {"pattern": "^(a+)+$"}}])
    bench.template("good", [{"id": "s", "tool": "fs.list"}])
    async with bench.open() as services:
        running = asyncio.create_task(bench.run(services, "eve"))
        await asyncio.sleep(0.3)
        started = time.monotonic()
        assert (await bench.run(services, "good")).status == "done"
        assert time.monotonic() - started < 2, "others are served meanwhile"
        done = await asyncio.wait_for(running, 15)
    if not ripgrep:
        assert "2 s" in " ".join(done.report.missing)


@pytest.mark.slow
async def test_a_huge_workspace_is_read_up_to_a_stated_limit(bench: Bench) -> None:
    """40,000 files, a folder of 100 levels, one file of 200 MB (sparse) and one line of 5 MB."""
    for folder in range(40):
        place = bench.workspace / f"d{folder}"
        place.mkdir()
        for number in range(1_000):
            os.close(os.open(place / f"f{number}.py", os.O_CREAT | os.O_WRONLY))
    deep = bench.workspace
    for _ in range(100):
        deep = deep / "deep"
        deep.mkdir()
    (deep / "x.py").write_text("x = 1\n")
    with (bench.workspace / "large.py").open("wb") as file:
        file.truncate(200 * MB)
    (bench.workspace / "line.py").write_text("x = '" + "a" * 5 * MB + "'\n")
    tools = ("fs.list", "fs.glob", "fs.search", "code.audit", "docs.summary", "compose.audit")
    args = {"fs.glob": {"pattern": "**/*.py"}, "fs.search": {"pattern": "a+"}}
    steps = [{"id": f"s{n}", "tool": t, "with": args.get(t, {}), "on_error": "continue"} for n, t in enumerate(tools)]
    bench.template("eve", steps)
    async with bench.open() as services:
        started = time.monotonic()
        done, grown, longest = await watched(bench.run(services, "eve"), 100)
    assert time.monotonic() - started < 60
    assert grown.most < 300
    assert longest < 4
    assert done.status in {"done", "partial"}
    assert bench.database.stat().st_size < 20 * MB


async def test_a_file_that_grows_while_it_is_read_is_refused_in_time(bench: Bench) -> None:
    """/dev/zero by a link, a FIFO nobody writes to, a sparse terabyte: nothing waits, nothing fills memory."""
    (bench.workspace / "zero").symlink_to("/dev/zero")
    os.mkfifo(bench.workspace / "fifo.py")
    with (bench.workspace / "huge.md").open("wb") as file:
        file.truncate(1 << 40)
    steps = [
        {"id": f"r{n}", "tool": "fs.read", "with": {"path": name}, "on_error": "continue"}
        for n, name in enumerate(("zero", "fifo.py", "huge.md"))
    ]
    steps += [{"id": tool[:4], "tool": tool, "on_error": "continue"} for tool in ("code.audit", "docs.summary")]
    bench.template("eve", steps)
    async with bench.open() as services:
        done, grown, longest = await watched(asyncio.wait_for(bench.run(services, "eve"), 30), 30)
    assert grown.most < 150
    assert longest < 4
    assert len([line for line in done.report.missing if "fs.read" in line]) == 3


async def test_one_large_file_does_not_cost_the_whole_search(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model, a dump or a log beside the code: files beyond the reading limit are passed over, as is stated."""
    monkeypatch.setattr("nextgeneration.tools.fs.searching.SECONDS", 2.0)
    with (bench.workspace / "huge.bin").open("wb") as file:
        file.truncate(1 << 40)
    (bench.workspace / "a.txt").write_text("needle\n")
    bench.template("eve", [{"id": "s", "tool": "fs.search", "with": {"pattern": "needle"}}])
    async with bench.open() as services:
        done = await bench.run(services, "eve")
    assert done.report.missing == ()


async def test_deep_json_goes_nowhere_quietly(bench: Bench) -> None:
    """A result, an argument and an input nested thousands of levels deep are named, and the next step runs."""

    def nested(depth: int) -> Any:
        value: Any = "x"
        for _ in range(depth):
            value = [value]
        return value

    deep = FakeTool("t.deep", lambda args, _c: ToolResult(value={"deep": nested(args["n"])}))
    rest = FakeTool("t.rest")
    steps = [
        *(
            {"id": f"d{n}", "tool": "t.deep", "with": {"n": n}, "on_error": "continue"}
            for n in (100, 300, 3_000, 50_000)
        ),
        {"id": "pass", "tool": "t.rest", "with": {"x": {"$": "steps.d100.value"}}, "on_error": "continue"},
        {"id": "rest", "tool": "t.rest", "with": {"y": 1}},
    ]
    bench.template("eve", steps)
    async with bench.open(tools=[deep, rest]) as services:
        done = await bench.run(services, "eve")
    assert {"y": 1} in [args for args, _ in rest.calls], done.report.missing
    codes = {problem["code"] for task in done.report.tasks for problem in task.problems}
    assert all(code.startswith(("NG-STORAGE", "NG-MISSION", "NG-TOOLS", "NG-KERNEL", "NG-PLAYBOOK")) for code in codes)
    json.loads(done.report.model_dump_json())
    assert isinstance(done.report, MissionReport)


async def test_many_missions_in_a_row_leave_nothing_behind(bench: Bench) -> None:
    """Not a load test: whatever each mission keeps in memory would show."""
    bench.template("eve", [{"id": "l", "tool": "t.look"}])
    look = FakeTool("t.look", lambda _a, _c: ToolResult(text="x" * 20_000))
    async with bench.open(tools=[look]) as services:
        for _ in range(20):
            await bench.run(services, "eve")
        grown = Grown()
        for _ in range(40):
            await bench.run(services, "eve")
        gc.collect()
        grown.look()
    assert grown.most < 12, f"{grown.most:.0f} MB for 40 missions of 20 kB"
