"""Hostile data stays data: what is stored and read back, what a terminal or a reader is shown (A1-A3, A9, A21)."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import re
import time
import zlib
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.security.attack_bench import ME, Bench, bench

from nextgeneration.kernel.actions import Proposal
from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.findings import Evidence, Finding, Location, Severity
from nextgeneration.kernel.language import Lang
from nextgeneration.kernel.risk import EffectRule, RiskLabel
from nextgeneration.kernel.tools import ToolResult
from nextgeneration.settings.tools import ToolSettings
from nextgeneration.supervisor.outcome import MissionReport
from nextgeneration.supervisor.render.markdown import markdown
from nextgeneration.supervisor.render.sarif import sarif
from nextgeneration.testing.tools import FakeTool
from nextgeneration.tools import fs

__all__ = ["bench"]

SECRET = "env-canary-9b1f"
LOOK = {"id": "look", "tool": "t.look"}
WRITTEN = {"path": "x", "content": "x"}
FIX = {"id": "fix", "tool": "t.fix", "each": {"$": "steps.look.proposals"}, "with": {"$": "item.args"}}


class Bomb:
    """Running it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.path}",)


def payloads(sentinel: Path) -> Iterator[Any]:
    """What serializers of others have built objects or read secrets from."""
    code = f"__import__('os').system('touch {sentinel}')"
    yield {"lc": 1, "type": "secret", "id": ["NG_ATTACK_SECRET"]}
    yield {"lc": 1, "type": "constructor", "id": ["os", "system"], "kwargs": {"command": f"touch {sentinel}"}}
    yield {"lc": 2, "type": "constructor", "id": ["builtins", "eval"], "args": [code], "kwargs": {}}
    yield {"__ng__": "send", "node": "work", "arg": {}}
    yield {"__ng__": "interrupt", "id": "x", "value": {"__ng__": "bytes", "data": "AAAA"}}
    yield {"__ng__": "bytes", "data": "!"}
    yield {"__class__": "Bomb", "py/object": "os.system", "py/reduce": [{"py/function": "os.system"}, [code]]}
    yield {"$": code}
    yield {"$type": "System.Diagnostics.Process", "!!python/object/apply:os.system": [code]}
    yield {"\u0000": "\u0000", "__proto__": {"admin": True}, "constructor": {"prototype": 1}, "": ""}
    yield [f"${{{code}}}", "{{1337*7331}}", "{0.__class__.__mro__}", "%(x)s %s %n", f"`{code}`", f"$({code})"]


def strange() -> Iterator[str]:
    yield "\ud800 lone"
    yield "a\udcff\ud83d"
    yield "nul \0 nul"
    yield "\x1b[2J\x1b]0;title\x07\x1b]8;;http://evil\x07link\x1b]8;;\x07\x9b31m\x90q\x9c"
    yield "\u202eevil\u202c \u2066x\u2069 \u200b\ufeff\u00ad \u2028 \u2029 \U000e0041"
    yield "\r\x08\x08over\x7f"


async def named(call: Awaitable[Any]) -> bool:
    """Whether a call answers, or fails by a name of ours."""
    try:
        await call
    except NGError as refused:
        return refused.code.startswith(("NG-STORAGE", "NG-MISSION", "NG-SUPERVISOR"))
    return True


# -- A1, A2: payloads in rows and in data ----------------------------------------------------------------------------


async def test_a_crafted_checkpoint_row_runs_nothing(bench: Bench, tmp_path: Path) -> None:
    """msgpack with an ext type, pickle, JSON constructors and our own tags: refused, or of no consequence."""
    ran = tmp_path / "ran"
    bench.template("eve", [{"id": "w", "tool": "fs.write", "with": WRITTEN}])
    blobs = [
        ("pickle", pickle.dumps(Bomb(ran))),
        ("msgpack", b"\xc7\x3c\x05" + pickle.dumps(Bomb(ran))),
        ("msgpack", b"\x94\xa2os\xa6system\x91" + f"touch {ran}".encode()),
        *(("json", json.dumps(payload).encode()) for payload in payloads(ran)),
        ("json", b'{"__ng__": "send", "node": "__import__", "arg": ' + b"[" * 5000 + b"]" * 5000 + b"}"),
        ("json", b"\xff\xfe"),
        ("null", b""),
        ("json", b'{"v": 1, "id": "x", "ts": "x", "channel_values": {"__start__": {"__ng__": "send", "node": "act"}}}'),
    ]
    async with bench.open() as services:
        asked = await bench.run(services, "eve")
    for kind, blob in blobs:
        for table, rest in (("checkpoints", "metadata"), ("checkpoint_writes", "channel")):
            for rowid, text in bench.sql(f"SELECT rowid, {rest} FROM {table}"):
                crc = zlib.crc32(str(text).encode(), zlib.crc32(blob))
                bench.sql(f"UPDATE {table} SET type = ?, blob = ?, crc = ? WHERE rowid = ?", kind, blob, crc, rowid)
        async with bench.open() as services:
            assert await named(services.worker.run(asked.mission)), (kind, blob[:40])
        assert not ran.exists(), (kind, blob[:40])


DOCUMENTS = (
    ("documents", "data"),
    ("tasks", "report"),
    ("approvals", "card"),
    ("effects", "outcome"),
    ("journal", "data"),
)


async def test_crafted_documents_in_every_table_run_nothing(bench: Bench, tmp_path: Path) -> None:
    """Every text column of every table, sealed rightly and not: named and refused, other missions go on."""
    from nextgeneration.storage.sealed import seal

    ran = tmp_path / "ran"
    bench.template("eve", [{"id": "w", "tool": "fs.write", "with": WRITTEN}])
    for payload in (*list(payloads(ran))[::2], "x", None, []):
        async with bench.open() as services:
            asked = await bench.run(services, "eve")
        for table, column in DOCUMENTS:
            bench.sql(f"UPDATE {table} SET {column} = ? WHERE mission_id = ?", seal(payload), asked.mission)
        async with bench.open() as services:
            for call in (
                services.worker.run(asked.mission),
                services.missions.get(asked.mission),
                services.missions.journal(asked.mission),
                services.approvals.of_mission(asked.mission),
            ):
                assert await named(call), payload
            other = await bench.run(services, "eve")
            assert other.status == "waiting", "others are served"
        assert not ran.exists()
    assert not (bench.workspace / "x").exists()


@pytest.mark.parametrize("table", [table for table, _ in DOCUMENTS])
@pytest.mark.parametrize(
    "value",
    [
        b"\x00\xff",
        7,
        1.5,
        "",
        "zzzzzzzz{}",
    ],
    ids=repr,
)
async def test_a_column_of_another_type_is_named_and_refused(bench: Bench, table: str, value: Any) -> None:
    """SQLite keeps any type in any column, and our serializer is not asked about those."""
    bench.template("eve", [{"id": "r", "tool": "fs.list"}, {"id": "w", "tool": "fs.write", "with": WRITTEN}])
    async with bench.open() as services:
        asked = await bench.run(services, "eve")
    column = dict(DOCUMENTS)[table]
    bench.sql(f"UPDATE {table} SET {column} = ?", value)
    async with bench.open() as services:
        assert await named(services.worker.run(asked.mission))
        assert await named(services.missions.get(asked.mission))
        assert await named(services.missions.journal(asked.mission))
        assert await named(services.approvals.of_mission(asked.mission))


async def test_payloads_come_back_as_the_plain_data_they_are(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A2: from a tool's result, through steps, blackboard, journal and resume, into arguments and the report."""
    monkeypatch.setenv("NG_ATTACK_SECRET", SECRET)
    ran = tmp_path / "ran"
    given = [
        payload for payload in payloads(ran) if "\0" not in json.dumps(payload) and "\\u0000" not in json.dumps(payload)
    ]
    heard: list[Any] = []
    look = FakeTool("t.look", lambda _a, _c: ToolResult(value={"given": given}))
    hear = FakeTool("t.hear", lambda args, _c: heard.append(args))
    steps = [
        LOOK,
        {
            "id": "hear",
            "tool": "t.hear",
            "with": {"given": {"$": "steps.look.value.given"}, "literal": {"x": given[0]}},
        },
        {"id": "each", "tool": "t.hear", "each": {"$": "steps.look.value.given"}, "with": {"item": {"$": "item"}}},
    ]
    bench.template(
        "eve", steps, default_config={"x-data": [p for p in given if not isinstance(p, dict) or "$" not in p]}
    )
    async with bench.open(tools=[look, hear]) as services:
        done = await bench.run(services, "eve", goal=json.dumps(given))
    assert done.status == "done"
    assert heard[0] == {"given": given, "literal": {"x": given[0]}}
    assert [args["item"] for args in heard[1:]] == given
    assert SECRET not in done.report.model_dump_json()
    assert SECRET.encode() not in bench.database.read_bytes()
    assert not ran.exists()


# -- A3: strange and large text --------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", list(strange()), ids=lambda text: ascii(text)[:24])
async def test_strange_text_is_kept_or_refused_cleanly_wherever_it_comes_from(bench: Bench, text: str) -> None:
    finding = Finding(
        rule="t.rule",
        title=text,
        message=text,
        severity=Severity.HIGH,
        fix=text,
        location=Location(path=f"src/{text}.py", line=1),
        evidence=(Evidence(source="t.look", excerpt=text),),
        cause=f"x:{text}",
        data={text: text},
    )
    proposal = Proposal(tool="t.fix", args={"text": text}, reason=text, fixes=(finding.id,))
    look = FakeTool(
        "t.look", lambda _a, _c: ToolResult(value={text: [text]}, text=text, findings=(finding,), proposals=(proposal,))
    )
    fix = FakeTool("t.fix", effect=EffectRule.IDEMPOTENT, risk=RiskLabel.WRITE)
    bench.template("eve", [LOOK, FIX])
    async with bench.open(tools=[look, fix]) as services:
        asked = await bench.run(services, "eve", goal=f"eve {text}")
        assert asked.report.tasks[0].status == "done", asked.report.tasks[0].problems
        for ref in asked.pending:
            await services.approvals.decide(ref, "approved", by=ME, reason=text)
        done = await services.worker.run(asked.mission) if asked.pending else asked
        assert done.status == "done"
        stored = json.dumps(
            [
                done.report.model_dump(mode="json"),
                [event.as_dict() for event in await services.missions.journal(done.mission)],
                (await services.missions.get(done.mission)).report,
            ],
            ensure_ascii=False,
        )
    stored.encode("utf-8")
    assert "\0" not in stored
    assert "\\u0000" not in stored
    markdown(done.report).encode("utf-8")
    json.dumps(sarif(done.report, "1"), ensure_ascii=False).encode("utf-8")


async def test_ten_megabytes_from_a_tool_are_refused_by_name_and_the_mission_goes_on(bench: Bench) -> None:
    look = FakeTool("t.look", lambda _a, _c: ToolResult(text="x" * 10_000_000))
    rest = FakeTool("t.rest")
    bench.template("eve", [LOOK | {"on_error": "continue"}, {"id": "rest", "tool": "t.rest"}])
    async with bench.open(tools=[look, rest]) as services:
        done = await bench.run(services, "eve")
        journal = json.dumps([event.as_dict() for event in await services.missions.journal(done.mission)])
    assert len(rest.calls) == 1
    assert any("10000" in line or "larger" in line or "MB" in line for line in done.report.missing), done.report.missing
    assert len(journal) < 100_000
    assert bench.database.stat().st_size < 3_000_000


@pytest.mark.parametrize(
    "goal", ["x" * 10_000_000, "\n" * 20_000, " then " * 4_000, ("then, " * 3_000), "a/" * 10_000, ""]
)
async def test_no_goal_is_too_long_for_an_answer(bench: Bench, goal: str) -> None:
    bench.template("eve", [{"id": "l", "tool": "t.look"}])
    async with bench.open(tools=[FakeTool("t.look")]) as services:
        started = time.monotonic()
        assert await named(bench.run(services, "eve", goal=goal or " "))
        assert services.supervisor.parts.planner.plan(goal[:20_000], "en") is not None
        assert time.monotonic() - started < 10


# -- A9: nothing but JMESPath is ever evaluated ----------------------------------------------------------------------

TEXTS = [
    "{{1337*7331}}", "${1337*7331}", "#{1337*7331}", "<%= 1337*7331 %>", "{0.__class__}", "{self}", "{goal!r}",
    "{goal.__class__.__mro__[1].__subclasses__}", "{% import os %}", "%(goal)s", "{", "}", "{}", "{0}", "{:>99999999}",
    "{goal:>1000000}", "\\{x}",
]  # fmt: skip


@pytest.mark.parametrize("lang", ["en", "fr"])
async def test_a_template_text_stays_text_in_every_sentence_that_quotes_it(
    bench: Bench, lang: Lang, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Goal, names of files, findings, reasons, errors, refusals: each becomes part of texts that were formats once."""
    text = ""

    def look(_args: Any, _context: Any) -> ToolResult:
        found = Finding(
            rule="t.rule", title=text, message=text, cause=f"x:{text}", location=Location(path=f"{text}.py")
        )
        other = Finding(rule="t.other", title=text, cause="y", severity=Severity.HIGH)
        proposal = Proposal(tool="t.fix", args={"text": text}, reason=text, fixes=(other.id,))
        no = found.model_copy(update={"holds": False, "rule": "t.opposite"})
        return ToolResult(text=text, findings=(found, no, other), proposals=(proposal,))

    def fail(_args: Any, _context: Any) -> ToolResult:
        raise ValueError(text)

    fix = FakeTool("t.fix", fail, effect=EffectRule.IDEMPOTENT, risk=RiskLabel.WRITE)
    tools = [FakeTool("t.look", look), fix, FakeTool("t.bad", fail), *fs.tools(ToolSettings())]
    async with bench.open(tools=tools) as services:
        for text in TEXTS:
            steps = [LOOK, FIX, {"id": "bad", "tool": "t.bad", "with": {"x": text}, "on_error": "continue"}]
            steps.append({"id": "read", "tool": "fs.read", "with": {"path": text}, "on_error": "continue"})
            bench.template("eve", steps)
            services.templates.library.refresh()
            asked = await bench.run(services, "eve", goal=f"eve {text}")
            for number, ref in enumerate(asked.pending):
                await services.approvals.decide(ref, "rejected" if number else "approved", by=ME, reason=text)
            done = await services.worker.run(asked.mission) if asked.pending else asked
            said = [done.report.goal, *(s.text for s in done.report.answer), *done.report.missing]
            said.append(services.supervisor.parts.planner.plan(f"zzz {text}", lang).note or text)
            whole = "\n".join(said) + markdown(done.report)
            assert str(1337 * 7331) not in whole, text
            assert "<class" not in whole, text
            assert text in done.report.goal
            assert any(text in line for line in said[1:]), text
            assert len(whole) < 60_000, text


SELECTIONS = {
    "attribute walk": "input.__class__.__mro__",
    "subscript walk": 'input."__class__"."__init__"."__globals__"',
    "slice of nothing": "input.text[::0]",
    "mixed comparison": "config.mixed[?@ > `1`]",
    "infinite": "ceil(to_number('1e999'))",
    "long number": "to_number(join('', map(&'9', config.many)))",
    "wrong types": "sum(config.mixed)",
    "doubling text": "input.text | " + " | ".join(["join('', [@,@,@,@,@,@,@,@])"] * 12),
    "doubling lists": "input | " + " | ".join(["[@,@]"] * 40) + " | to_string(@)",
    "doubling objects": "input | " + " | ".join(["{a: @, b: @, c: @}"] * 30) + " | length(to_string(@))",
    "growing map": "config.many | " + " | ".join(["map(&[@,@], @)[]"] * 25) + " | length(@)",
    "crossing": "config.many | map(&join('', ['xxxxxxxxxxxxxxxxxxxxxxxxxxxx']), [@,@,@,@,@,@,@,@,@,@][]) | join('', @)",
}


@pytest.mark.parametrize("name", SELECTIONS)
async def test_an_expression_ends_as_a_value_or_a_named_error_soon(bench: Bench, name: str) -> None:
    """A9, A32: no attribute is read, nothing grows without end, and the other steps and agents are not lost."""
    heard: list[Any] = []
    hear = FakeTool("t.hear", lambda args, _c: heard.append(args))
    steps = [
        {"id": "bad", "tool": "t.hear", "with": {"x": {"$": SELECTIONS[name]}}, "on_error": "continue"},
        {"id": "good", "tool": "t.hear", "with": {"y": 1}},
    ]
    config = {"mixed": ["a", 1, None, {}], "many": list(range(1_000))}
    bench.template("eve", steps, default_config=config)
    async with bench.open(tools=[hear]) as services:
        done = await bench.run(services, "eve", goal="eve " + "x" * 200)
    assert heard[-1] == {"y": 1}, done.report.missing
    assert "__main__" not in str(heard)
    assert all(len(json.dumps(args)) < 9_000_000 for args in heard)
    problems = [problem["code"] for task in done.report.tasks for problem in task.problems]
    assert set(problems) <= {"NG-PLAYBOOK-001", "NG-TOOLS-002", "NG-MISSION-020", "NG-KERNEL-002"}, problems


# -- what a terminal and a reader are shown --------------------------------------------------------------------------

NASTY = (
    "\x1b[31m\u202ered\x07 \x9b2J `code` [l](http://evil.example) ![i](http://evil.example/x) <script>alert(1)</script>"
)
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def hostile_workspace(bench: Bench) -> None:
    evil = "# TODO: \x1b[2J\u202e<img src=x onerror=alert(1)> [x](javascript:alert(1))\nx = eval(input())\n"
    for name in ("a`b.py", "[l](http:e).py", "{0.__class__}.py", "# h.py", "~~~.py", "-rf.py", "a|b.py"):
        (bench.workspace / name).write_text(evil)
    raw = os.fsencode(bench.workspace)
    for name in (b"\x1b[31mred.py", "a\u202egnp.py".encode(), b"bad\xff.py", b"x\ny.py", b"tab\t.py"):
        Path(os.fsdecode(raw + b"/" + name)).write_text(evil)
    (bench.workspace / "compose.yml").write_text(
        'services:\n  "\\e[31mweb\\u202e":\n    image: "x:latest"\n    privileged: true\n    ports: ["5432:5432"]\n'
    )


def test_the_command_line_shows_no_control_character_of_a_hostile_workspace(bench: Bench, tmp_path: Path) -> None:
    """stdout, stderr, the report's three files, and the card, from a goal, files and a template that all try."""
    hostile_workspace(bench)
    patch = f"--- /dev/null\n+++ b/new.py\n@@ -0,0 +1 @@\n+# {NASTY}\n"
    steps = [
        {"id": tool.replace(".", "_"), "tool": tool, "on_error": "continue"} for tool in ("code.audit", "compose.audit")
    ]
    steps.append({"id": "bad", "tool": "fs.read", "with": {"path": NASTY}, "on_error": "continue"})
    steps.append({"id": "fix", "tool": "fs.patch", "with": {"patch": patch}})
    bench.template("eve", steps, description=NASTY)
    env = {"NG_TEMPLATES_DIR": str(bench.templates)}
    out = tmp_path / "reports"
    ran = bench.nextgen(
        "run", f"eve {NASTY}", "-w", str(bench.workspace), "--agent", "eve", "--out", str(out), "--no-input", env=env
    )
    shown = [ran.stdout, ran.stderr, (out / "report.md").read_bytes(), (out / "report.sarif").read_bytes()]
    ((ref,),) = bench.sql("SELECT id FROM approvals")
    for args in (("approvals", "show", ref), ("missions", "show", "mis_", "--journal")):
        said = bench.nextgen(*args, env=env)
        shown += [said.stdout, said.stderr]
    for data in shown:
        found = RAW.search(data.decode("utf-8").replace("\\x", ""))
        assert found is None, data[max(found.start() - 60, 0) : found.end() + 60] if found else ""


MARK = "placeholder-text-7"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], MissionReport]:
    """The report of a mission with a given text in every field that a tool, a file or a person fills."""

    async def made(bench: Bench) -> str:
        finding = Finding(
            rule="t.rule",
            title=MARK,
            message=MARK,
            fix=MARK,
            severity=Severity.HIGH,
            location=Location(path=MARK, line=1),
            evidence=(Evidence(source="t.look", excerpt=MARK, location=Location(path=MARK)),),
        )
        low = finding.model_copy(update={"severity": Severity.LOW, "title": f"{MARK} low", "cause": "y"})
        proposal = Proposal(tool="t.fix", args={"x": MARK}, reason=MARK, fixes=(finding.id,))
        result = ToolResult(text=MARK, findings=(finding, low), proposals=(proposal,))
        fix = FakeTool("t.fix", effect=EffectRule.IDEMPOTENT, risk=RiskLabel.WRITE)
        bench.template("eve", [LOOK, FIX])
        async with bench.open(tools=[FakeTool("t.look", lambda _a, _c: result), fix]) as services:
            asked = await bench.run(services, "eve", goal=f"eve {MARK}")
            for ref in asked.pending:
                await services.approvals.decide(ref, "approved", by=ME, reason=MARK)
            return (await services.worker.run(asked.mission)).report.model_dump_json()

    text = asyncio.run(made(Bench(tmp_path_factory.mktemp("report"))))
    assert text.count(MARK) > 10
    return lambda given: MissionReport.model_validate_json(text.replace(MARK, json.dumps(given)[1:-1]))


def outside_code(text: str) -> str:
    """Markdown without its fenced blocks and inline code."""
    text = re.sub(r"^(`{3,})[^\n]*\n.*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"(?<!\\)(`+)(?!`).*?(?<!`)\1(?!`)", "CODE", text)


BLOCKS = [
    "# heading", "- item", "* item", "1. item", "~~~", "```", "> quote", "---", "===", "| a | b |", "    code", "<div>",
    "[ref]: http://evil.example", "&lt;b&gt;",
]  # fmt: skip


@pytest.mark.parametrize("text", BLOCKS)
def test_a_text_makes_no_block_of_its_own_in_the_report(report: Callable[[str], MissionReport], text: str) -> None:
    """A finding that begins with `~~~` would swallow the rest of the report; one with `#` would add a section."""
    plain = markdown(report("word"))
    made = markdown(report(text))

    def skeleton(source: str) -> list[str]:
        kinds = (r"#{1,6} ", r"[-*+] ", r"\d+[.)] ", r"~~~", r"```", r">", r"\|", r"(-{3,}|={3,})$", r"<")
        lines = outside_code(source).splitlines()
        return [kind for line in lines for kind in kinds if re.match(r" {0,3}" + kind, line)]

    assert skeleton(made) == skeleton(plain)
    assert "    code" not in outside_code(made).splitlines()


LIVE = ["http://evil.example/x", "www.evil.example", "@somebody", "mail@evil.example", "#123", "a/b#7"]


@pytest.mark.parametrize("text", LIVE)
def test_a_text_becomes_no_link_and_calls_nobody(report: Callable[[str], MissionReport], text: str) -> None:
    """Code hosts link addresses and notify people named in a report without any Markdown around them."""
    assert text not in outside_code(markdown(report(f"see {text} now")))


@pytest.mark.parametrize(
    "text", ["[click](http://evil.example)", "![i](http://evil.example/x)", "<a href=x>", "`x`", "*x*"]
)
def test_a_text_formats_nothing(report: Callable[[str], MissionReport], text: str) -> None:
    made = outside_code(markdown(report(f"see {text} now")))
    assert not re.search(r"(?<!\\)\](?=\()(?!\(#)", made)
    assert not re.search(r"(?<!\\)<(?!/?(?:sub|a id=|a>|details|summary|br))", made)
    assert not re.search(r"(?<!\\)!\[", made)


def test_a_text_is_no_link_and_no_argument_in_sarif(report: Callable[[str], MissionReport]) -> None:
    document = sarif(report(f"[click](http://evil.example) {{0}} {NASTY}"), "1")
    text = json.dumps(document, ensure_ascii=False)
    assert not RAW.search(text)
    (result, *_) = document["runs"][0]["results"]
    assert re.search(r"(?<!\\)\[[^\[\]]*\]\(", result["message"]["text"]) is None
    assert re.search(r"(?<!\{)\{\d+\}(?!\})", result["message"]["text"]) is None
    assert "://" not in result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
