"""What is shown is what runs, once, for a while, and only a human says yes (A21); permissions end to end."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.security.attack_bench import ME, Bench, bench

from nextgeneration.kernel.actions import Check, Proposal
from nextgeneration.kernel.canonical import digest
from nextgeneration.kernel.clock import SystemClock, iso
from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.findings import Evidence, Finding, Severity
from nextgeneration.kernel.risk import EffectRule, RiskLabel
from nextgeneration.kernel.tools import ToolResult
from nextgeneration.missions.effects import Call, Policy
from nextgeneration.missions.errors import (
    ApprovalAlreadyDecided,
    ApprovalChanged,
    ApprovalExpired,
    DeciderRefused,
    EffectMismatch,
    EffectRefused,
    GrantMismatch,
    Parked,
    VerdictRefused,
)
from nextgeneration.missions.schema import MissionRequest
from nextgeneration.security.permissions import PermissionRules
from nextgeneration.storage.sealed import seal, unseal
from nextgeneration.supervisor.outcome import ActionStatus
from nextgeneration.testing.tools import FakeTool

__all__ = ["bench"]

OLD, NEW, EVIL = "a = 1\n", "a = 2\n", "a = 666\n"
PATCH = f"--- a/app.py\n+++ b/app.py\n@@ -1 +1 @@\n-{OLD}+{NEW}"


def patching(bench: Bench, patch: str = PATCH, **more: Any) -> None:
    (bench.workspace / "app.py").write_text(OLD)
    bench.template("eve", [{"id": "fix", "tool": "fs.patch", "with": {"patch": patch}}], **more)


def content(bench: Bench) -> str:
    return (bench.workspace / "app.py").read_text()


# -- the digest ------------------------------------------------------------------------------------------------------


async def test_the_digest_covers_everything_that_decides(bench: Bench) -> None:
    """Mission, task, agent, revision, tool, arguments, label, conditions, preview and expiry: each changes it."""
    patching(bench)
    async with bench.open() as services:
        asked = await bench.run(services, "eve")
        approval = await services.approvals.get(asked.pending[0])
        beside = {"id", "digest", "created_at", "expires_at", "choices", "bounds"}
        card = {name: value for name, value in approval.card.items() if name not in beside}
        assert digest([card, approval.expires_at]) == approval.digest
        assert card["mission"] == asked.mission
        assert card["agent"] == "eve"
        assert card["revision"] == services.templates.library.get("eve").digest
        (call,) = card["calls"]
        assert call["args"] == {"patch": PATCH}
        assert call["preview"]["body"] == PATCH
        assert call["conditions"]["file:app.py"].startswith("sha256:")


async def test_decisions_name_the_digest_that_was_looked_at(bench: Bench) -> None:
    patching(bench)
    async with bench.open() as services:
        asked = await bench.run(services, "eve")
        for wrong in ("", "sha256:0", "sha256:" + "0" * 64):
            with pytest.raises(ApprovalChanged):
                await services.approvals.decide(asked.pending[0], "approved", by=ME, digest=wrong)
        assert (await services.worker.run(asked.mission)).pending == asked.pending
    assert content(bench) == OLD


DECIDERS = [
    "", "eve", "agent:eve", "tool:shell.run", "human:", "human: ", "rule:", "human", "HUMAN:ada", "system:x",
    " human:ada", "mission:x human:ada", "agent:eve\nhuman:ada", "human:" + "a" * 500,
]  # fmt: skip


async def test_nobody_but_a_human_or_their_rule_decides(bench: Bench) -> None:
    patching(bench)
    async with bench.open() as services:
        asked = await bench.run(services, "eve")
        for by in DECIDERS:
            with pytest.raises(DeciderRefused):
                await services.approvals.decide(asked.pending[0], "approved", by=by)
        assert (await services.approvals.get(asked.pending[0])).status == "pending"


async def test_only_the_answers_of_this_kind_of_question_count(bench: Bench) -> None:
    patching(bench)
    async with bench.open() as services:
        asked = await bench.run(services, "eve")
        for verdict in ("APPROVED", "yes", "done", "retry", "used", "", "approved\0", "expired", "pending"):
            with pytest.raises(VerdictRefused):
                await services.approvals.decide(asked.pending[0], verdict, by=ME)


@pytest.mark.parametrize("status", ["APPROVED", "approved ", "yes", "retry", "done", "replaced"])
async def test_a_state_that_is_not_exactly_approved_runs_nothing(bench: Bench, status: str) -> None:
    patching(bench)
    async with bench.open() as services:
        asked = await bench.run(services, "eve")
    bench.sql("UPDATE approvals SET status = ?, decided_by = ?", status, ME)
    async with bench.open() as services:
        try:
            outcome = await services.worker.run(asked.mission)
            assert outcome.report.actions[0].status in {
                ActionStatus.PENDING,
                ActionStatus.REJECTED,
                ActionStatus.FAILED,
            }
        except NGError:
            pass
    assert content(bench) == OLD


# -- swapped after the answer ----------------------------------------------------------------------------------------


async def approve(bench: Bench) -> str:
    async with bench.open() as services:
        asked = await bench.run(services, "eve")
        await services.approvals.decide(asked.pending[0], "approved", by=ME)
        return asked.mission


def edited(bench: Bench, table: str, column: str, mission: str, old: str, new: str) -> int:
    """Replace text inside sealed JSON documents, with a right checksum: what a forger with the file does."""
    key = {"missions": "id"}.get(table, "mission_id")
    count = 0
    for rowid, text in bench.sql(f"SELECT rowid, {column} FROM {table} WHERE {key} = ?", mission):
        if text and old in text:
            changed = seal(json.loads(json.dumps(unseal(text, table, "x")).replace(json.dumps(old)[1:-1], new)))
            bench.sql(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", changed, rowid)
            count += 1
    return count


async def test_arguments_swapped_in_the_tasks_report_are_asked_anew(bench: Bench) -> None:
    patching(bench)
    mission = await approve(bench)
    assert edited(bench, "tasks", "report", mission, "a = 2", "a = 666") == 1
    async with bench.open() as services:
        outcome = await services.worker.run(mission)
        assert len(outcome.pending) == 1, "another payload is another question"
        assert "666" in str((await services.approvals.get(outcome.pending[0])).card)
    assert content(bench) == OLD


async def test_a_card_edited_before_the_answer_does_not_run_what_it_hid(bench: Bench) -> None:
    """The stored card is what a human reads: one that is not the digest's own must not be answerable."""
    patching(bench, PATCH.replace("a = 2", "a = 666"))
    async with bench.open() as services:
        asked = await bench.run(services, "eve")
    for rowid, text in bench.sql("SELECT rowid, card FROM approvals"):
        bench.sql(
            "UPDATE approvals SET card = ? WHERE rowid = ?", seal(json.loads(text[8:].replace("666", "2"))), rowid
        )
    async with bench.open() as services:
        try:
            shown = await services.approvals.get(asked.pending[0])
            await services.approvals.decide(asked.pending[0], "approved", by=ME, digest=shown.digest)
        except NGError:
            return
        await services.worker.run(asked.mission)
    assert content(bench) == OLD, "a human read `a = 2`, and `a = 666` was written"


async def test_a_flipped_byte_in_an_approval_is_named_and_refused(bench: Bench) -> None:
    patching(bench)
    mission = await approve(bench)
    bench.sql("UPDATE approvals SET card = substr(card, 1, 30) || 'X' || substr(card, 32)")
    async with bench.open() as services:
        with pytest.raises(NGError) as failure:
            await services.worker.run(mission)
    assert failure.value.code.startswith("NG-STORAGE")
    assert content(bench) == OLD


async def test_a_file_changed_after_the_answer_is_not_patched(bench: Bench) -> None:
    patching(bench)
    mission = await approve(bench)
    (bench.workspace / "app.py").write_text("# first\n" + OLD)
    async with bench.open() as services:
        outcome = await services.worker.run(mission)
        assert len(outcome.pending) == 1
    assert content(bench) == "# first\n" + OLD


async def test_a_file_swapped_for_a_link_after_the_answer_is_not_written(bench: Bench) -> None:
    patching(bench)
    victim = bench.root / "victim.py"
    victim.write_text(OLD)
    mission = await approve(bench)
    (bench.workspace / "app.py").unlink()
    (bench.workspace / "app.py").symlink_to(victim)
    async with bench.open() as services:
        await services.worker.run(mission)
    assert victim.read_text() == OLD


async def test_a_template_edited_after_the_answer_changes_nothing_of_what_runs(bench: Bench) -> None:
    """Promise 5: the revision is pinned; the new template counts from the next mission on."""
    patching(bench)
    mission = await approve(bench)
    bench.template("eve", [{"id": "fix", "tool": "fs.patch", "with": {"patch": PATCH.replace("a = 2", "a = 666")}}])
    async with bench.open() as services:
        done = await services.worker.run(mission)
        assert done.report.actions[0].status in {ActionStatus.DONE, ActionStatus.VERIFIED}
    assert content(bench) == NEW


async def test_a_pinned_revision_that_was_swapped_is_refused(bench: Bench) -> None:
    """The revision's own digest must be the one that was pinned."""
    patching(bench)
    async with bench.open() as services:
        asked = await bench.run(services, "eve")
    loose = {"allow": ["fs.patch"], "ask": [], "deny": []}
    for rowid, text in bench.sql("SELECT rowid, data FROM revisions"):
        data = json.loads(text[8:].replace('"permissions":[]', f'"permissions":[{json.dumps(loose)}]'))
        bench.sql("UPDATE revisions SET data = ? WHERE rowid = ?", seal(data), rowid)
    async with bench.open() as services:
        with suppress(NGError):
            await services.worker.run(asked.mission)
    assert content(bench) == OLD


# -- used twice, elsewhere, or too late ------------------------------------------------------------------------------


async def test_an_answer_counts_once(bench: Bench) -> None:
    patching(bench)
    async with bench.open() as services:
        asked = await bench.run(services, "eve")
        verdicts = await asyncio.gather(
            *(
                services.approvals.decide(asked.pending[0], verdict, by=f"human:{n}")
                for n, verdict in enumerate(["approved", "rejected"] * 20)
            ),
            return_exceptions=True,
        )
        assert sum(not isinstance(v, BaseException) for v in verdicts) == 1
        assert sum(isinstance(v, ApprovalAlreadyDecided) for v in verdicts) == 39
        await services.worker.run(asked.mission)
        with pytest.raises(ApprovalAlreadyDecided):
            await services.approvals.decide(asked.pending[0], "approved", by=ME)


async def test_an_old_answer_opens_no_other_mission_task_or_position(bench: Bench) -> None:
    """The same words in another mission are another question; a row moved there has another digest."""
    patching(bench)
    first = await approve(bench)
    async with bench.open() as services:
        second = await bench.run(services, "eve")
        assert len(second.pending) == 1
    bench.sql("DELETE FROM approvals WHERE mission_id = ?", second.mission)
    bench.sql("UPDATE approvals SET mission_id = ? WHERE mission_id = ?", second.mission, first)
    async with bench.open() as services:
        outcome = await services.worker.run(second.mission)
        assert len(outcome.pending) == 1
    assert content(bench) == OLD


async def test_an_answer_that_came_too_late_or_lay_too_long_is_no(bench: Bench) -> None:
    patching(bench)
    async with bench.open() as services:
        asked = await bench.run(services, "eve")
    past = iso(SystemClock().now() - timedelta(seconds=1))
    bench.sql("UPDATE approvals SET expires_at = ?", past)
    async with bench.open() as services:
        with pytest.raises(ApprovalExpired):
            await services.approvals.decide(asked.pending[0], "approved", by=ME)
        assert await services.approvals.pending() == []
        outcome = await services.worker.run(asked.mission)
        assert outcome.report.actions[0].status is ActionStatus.REJECTED, "no answer is a no"
    assert content(bench) == OLD


async def test_an_answer_given_in_time_expires_too(bench: Bench) -> None:
    patching(bench)
    mission = await approve(bench)
    bench.sql("UPDATE approvals SET expires_at = ?", iso(SystemClock().now() - timedelta(days=1)))
    async with bench.open() as services:
        outcome = await services.worker.run(mission)
        assert outcome.pending or outcome.report.actions[0].status is not ActionStatus.DONE
    assert content(bench) == OLD


async def test_a_grant_makes_exactly_its_calls_each_once(bench: Bench) -> None:
    """A task that was granted a list calls one of them twice, another one not on it, and one from another task."""
    write = FakeTool("t.write", effect=EffectRule.IDEMPOTENT, risk=RiskLabel.WRITE)
    async with bench.open(tools=[write]) as services:
        mission = await services.missions.accept(MissionRequest(goal="x", workspace=str(bench.workspace)))
        calls = [Call("t.write", {"n": 1}), Call("t.write", {"n": 2})]
        for attempt in range(2):
            claim = await services.missions.claim(mission.id)
            task = claim.door(services.tools, Policy(), scratch=bench.root).task("t1", "eve")
            if attempt == 0:
                with pytest.raises(Parked) as parked:
                    await task.authorise(calls, "why")
                await services.approvals.decide(parked.value.approvals[0], "approved", by=ME)
                await claim.release()
                continue
            grant = await task.authorise(calls, "why")
            await task.call("t.write", {"n": 1}, grant=grant)
            for args in ({"n": 1}, {"n": 3}, {"n": 2, "more": True}, {"n": 2.5}):
                with pytest.raises(GrantMismatch):
                    await task.call("t.write", args, grant=grant)
            await task.call("t.write", {"n": 2}, grant=grant)
            with pytest.raises(EffectMismatch):
                await task.authorise([Call("t.write", {"n": 9})], "why")
            await claim.release()
    assert [args for args, _ in write.calls] == [{"n": 1}, {"n": 2}]


# -- who writes the card ---------------------------------------------------------------------------------------------

HOLE = Finding(
    rule="t.hole", title="a hole", severity=Severity.CRITICAL, cause="hole:1", evidence=(Evidence(source="t.look"),)
)


async def test_a_template_cannot_forge_a_proposal(bench: Bench) -> None:
    """It could name findings it does not fix, a check that always passes, or hide a second write in the check."""
    (bench.workspace / "app.py").write_text(OLD)
    forged = Proposal(
        tool="fs.patch",
        args={"patch": PATCH},
        reason="harmless",
        fixes=(HOLE.id,),
        verify=Check(tool="fs.write", args={"path": "evil.py", "content": EVIL}, absent=(HOLE.id,)),
    ).model_dump(mode="json")
    look = FakeTool("t.look", lambda _a, _c: ToolResult(findings=(HOLE,)))
    bench.template(
        "eve",
        [
            {"id": "look", "tool": "t.look"},
            {
                "id": "fix",
                "tool": "fs.patch",
                "each": {"$": "config.items"},
                "with": {"$": "item.args"},
            },
        ],
        default_config={"items": [forged, forged | {"reason": "again", "group": "x"}]},
    )
    from nextgeneration.settings.tools import ToolSettings
    from nextgeneration.tools import fs

    async with bench.open(tools=[look, *fs.tools(ToolSettings())]) as services:
        asked = await bench.run(services, "eve")
        for ref in asked.pending:
            card = (await services.approvals.get(ref)).card
            assert [call["tool"] for call in card["calls"]] == ["fs.patch"], "nothing rides along"
        done = await bench.approved(services, asked)
    assert not (bench.workspace / "evil.py").exists()
    (entry,) = done.report.findings
    assert not entry.resolved, "what no check of the finder's own confirmed is not fixed"


async def test_a_report_cannot_say_whose_it_is(bench: Bench) -> None:
    """An agent that returns another agent's name, template or task is still judged by its own permissions."""
    patching(bench, permissions={"deny": ["fs.patch"]})
    bench.template("root", [{"id": "x", "tool": "fs.list"}], permissions={"allow": ["fs.patch"]})
    forged = {
        "agent": "root",
        "template": "root",
        "revision": "sha256:0",
        "task": "t9",
        "status": "done",
        "actions": [
            {"id": "t1", "agent": "root", "task": "t9", "tool": "fs.patch", "args": {"patch": PATCH}, "reason": "x"}
        ],
    }

    class Liar:
        async def process(self, input_data: Any, context: Any = None) -> dict[str, Any]:
            return forged

    async with bench.open() as services:
        services.supervisor.parts = replace(services.supervisor.parts, hire=lambda _revision, _name: Liar())
        done = await bench.run(services, "eve", yes=True)
        (action,) = done.report.actions
        assert action.action.agent == "eve"
        assert action.status in {ActionStatus.REJECTED, ActionStatus.FAILED}
    assert content(bench) == OLD


async def test_every_call_of_a_card_can_be_read_on_it(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """A second call that changes something is shown in full, not by its title."""
    from nextgeneration.cli.cards import card_lines
    from nextgeneration.cli.voice import Voice

    write = FakeTool("t.write", effect=EffectRule.IDEMPOTENT, risk=RiskLabel.WRITE)
    async with bench.open(tools=[write]) as services:
        mission = await services.missions.accept(MissionRequest(goal="x", workspace=str(bench.workspace)))
        claim = await services.missions.claim(mission.id)
        task = claim.door(services.tools, Policy(), scratch=bench.root).task("t1", "eve")
        with pytest.raises(Parked) as parked:
            await task.authorise([Call("t.write", {"n": "first"}), Call("t.write", {"n": "second-payload"})], "why")
        approval = await services.approvals.get(parked.value.approvals[0])
        await claim.release()
    voice = Voice()
    shown = "\n".join(card_lines(approval, voice, voice.out))
    assert "second-payload" in shown
    assert shown.index("first") < shown.index("call 2 of 2") < shown.index("second-payload")


# -- permissions, end to end -----------------------------------------------------------------------------------------

WRITE = {"id": "w", "tool": "fs.write", "with": {"path": "made.txt", "content": "x"}}
DENIED = [
    {"deny": ["fs.write"]},
    {"deny": ["fs.*"]},
    {"deny": ["FS.Write"]},
    {"deny": ["markdown_writer", "fs.write(made.*)"]},
    {"deny": ["*"]},
    {"deny": ["fs.write(*)"], "allow": ["fs.write", "fs.write(made.txt)"]},
    {"deny": ["fs.write(./made.txt)", "fs.write(MADE.TXT)"]},
]


@pytest.mark.parametrize("rules", DENIED, ids=[json.dumps(rules) for rules in DENIED])
async def test_what_an_ancestor_denies_no_descendant_gets(bench: Bench, rules: dict[str, list[str]]) -> None:
    """Three levels down, with every allow there is, standing rules and --yes."""
    every = {"allow": ["*", "fs.*", "fs.write", "fs.write(*)", "fs.write(made.txt)"]}
    bench.template("top", [WRITE], permissions=rules)
    bench.template("middle", parent="top", permissions=every)
    bench.template("eve", [WRITE], parent="middle", permissions=every)
    async with bench.open(permissions=("*", "fs.write", "fs.write(made.txt)")) as services:
        done = await bench.run(services, "eve", yes=True)
        assert done.pending == ()
        assert done.report.actions[0].status is ActionStatus.REJECTED
    assert not (bench.workspace / "made.txt").exists()


SPELLINGS = [
    "made.txt", "./made.txt", "sub/../made.txt", "sub//../made.txt", ".//made.txt", "link/made.txt", "MADE.TXT",
    "made.txt/", "m\u0061de.txt", "ｍade.txt", "{absolute}/made.txt",
]  # fmt: skip


async def test_no_spelling_of_a_denied_path_writes_it(bench: Bench) -> None:
    (bench.workspace / "sub").mkdir()
    (bench.workspace / "link").symlink_to(".")
    bench.template("top", [WRITE], permissions={"deny": ["fs.write(made.txt)"]})
    for number, path in enumerate(SPELLINGS):
        args = {"path": path.format(absolute=bench.workspace), "content": "x"}
        bench.template(f"eve{number}", [WRITE | {"with": args}], parent="top")
    async with bench.open(permissions=("*",)) as services:
        for number, path in enumerate(SPELLINGS):
            await bench.run(services, f"eve{number}", yes=True)
            assert not (bench.workspace / "made.txt").exists(), path


@pytest.mark.parametrize(
    ("tool", "args"),
    [
        ("file_reader", {"path": "secret/a.txt"}),
        ("fs.read", {"path": "secret/a.txt"}),
        ("fs.read", {"path": "./secret/../secret/a.txt"}),
        ("fs.read", {"path": "way/a.txt"}),
    ],
)
async def test_what_may_not_be_read_is_not_read_by_another_name(bench: Bench, tool: str, args: dict[str, str]) -> None:
    (bench.workspace / "secret").mkdir()
    (bench.workspace / "secret" / "a.txt").write_text("canary-71")
    (bench.workspace / "way").symlink_to("secret")
    step = {"id": "r", "tool": tool, "with": args, "on_error": "continue"}
    bench.template("eve", [step], permissions={"deny": ["fs.read(secret/*)"]})
    async with bench.open() as services:
        done = await bench.run(services, "eve")
        journal = str([event.as_dict() for event in await services.missions.journal(done.mission)])
    assert "canary-71" not in done.report.model_dump_json() + journal
    assert "canary-71" not in str(bench.sql("SELECT outcome FROM effects"))


@pytest.mark.parametrize("name", ["shell.run", "terminal"])
async def test_an_alias_is_no_way_around_a_rule(bench: Bench, name: str) -> None:
    """A rule on either name covers calls by either name; so do the calls of a list and of a check."""
    other = {"shell.run": "terminal", "terminal": "shell.run"}[name]
    bench.template("eve", [{"id": "s", "tool": name, "with": {"line": "touch made"}}], permissions={"deny": [other]})
    async with bench.open(permissions=("*",)) as services:
        done = await bench.run(services, "eve", yes=True)
        assert done.report.actions[0].status is ActionStatus.REJECTED
        mission = await services.missions.accept(MissionRequest(goal="x", workspace=str(bench.workspace)))
        claim = await services.missions.claim(mission.id)
        door = claim.door(services.tools, Policy(standing=("*",), auto=RiskLabel.PRIVILEGED), scratch=bench.root)
        task = door.task("t1", "eve", (PermissionRules(deny=(other,)), PermissionRules(allow=("*",))))
        calls = [Call("fs.list", {}), Call(name, {"line": "touch made"})]
        with pytest.raises(EffectRefused):
            await task.authorise(calls, "why")
        with pytest.raises(EffectRefused):
            await task.call(name, {"line": "touch made"})
        await claim.release()
    assert not (bench.workspace / "made").exists()


STRONG = {
    "destructive": {"line": "rm -rf keep"},
    "privileged": {"line": "true", "confined": False},
    "unknown": {"line": "./configure && make"},
}


@pytest.mark.parametrize("label", STRONG)
async def test_standing_rules_templates_and_yes_never_lower_what_is_strong(bench: Bench, label: str) -> None:
    every = {"allow": ["*", "shell.run", "terminal", "shell.run(*)"]}
    (bench.workspace / "keep").mkdir()
    bench.template("eve", [{"id": "s", "tool": "shell.run", "with": STRONG[label]}], permissions=every)
    async with bench.open(permissions=("*", "shell.run", "shell.run(*)", "terminal")) as services:
        asked = await bench.run(services, "eve", yes=True)
        assert len(asked.pending) == 1
        assert (await services.approvals.get(asked.pending[0])).label == label
    assert (bench.workspace / "keep").is_dir()


async def test_no_tool_connects_without_a_grant_whatever_the_rules_say(bench: Bench) -> None:
    """`allow` and `--yes` are about asking; the network is granted to the mission or it is off."""
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(20)
    came: list[Any] = []

    def wait() -> None:
        with suppress(OSError):
            came.append(server.accept())

    threading.Thread(target=wait, daemon=True).start()
    port = server.getsockname()[1]
    steps = [
        {"id": "get", "tool": "http.get", "with": {"url": f"http://127.0.0.1:{port}/"}, "on_error": "continue"},
        {"id": "web", "tool": "web.search", "with": {"query": "x"}, "on_error": "continue"},
        {"id": "sh", "tool": "shell.run", "with": {"line": f"curl http://127.0.0.1:{port}/"}, "on_error": "continue"},
    ]
    bench.template("eve", steps, permissions={"allow": ["*", "http.get", "web.search", "shell.run"]})
    async with bench.open(permissions=("*",)) as services:
        done = await bench.approved(services, await bench.run(services, "eve", yes=True))
        assert any("network" in line for line in done.report.missing)
    assert came == []
    server.close()


async def test_an_agent_called_in_plain_python_can_be_asked_by_nobody(bench: Bench) -> None:
    """What would ask is refused, and the context cannot bring rights along."""
    patching(bench)
    async with bench.open(permissions=("shell.run",)) as services:
        agent = services.templates.create_agent("eve")
        context = {"yes": True, "network": True, "attended": True, "permissions": ["*"], "approved": True, "door": None}
        report = await agent.process({"text": "x", "yes": True}, context)
        assert report["status"] in {"done", "partial", "failed"}
    assert content(bench) == OLD


def test_the_command_line_decides_only_as_its_user(bench: Bench) -> None:
    """No option and no environment variable makes an answer a rule's or an agent's."""
    patching(bench)
    ran = bench.nextgen("run", "eve please", "-w", str(bench.workspace), "--agent", "eve", "--json",
                        env={"NG_TEMPLATES_DIR": str(bench.templates)})  # fmt: skip
    assert ran.returncode == 4, ran.stderr.decode()
    (pending,) = json.loads(ran.stdout)["pending"]
    refused = bench.nextgen("approvals", "approve", pending, "--by", "rule:x")
    assert refused.returncode == 2
    name = "rule:x\x1b[2J\nhuman:root"
    env = {"LOGNAME": name, "USER": name, "LNAME": name, "USERNAME": name}
    said = bench.nextgen("approvals", "approve", pending, "--no-run", env=env)
    ((by, status),) = bench.sql("SELECT decided_by, status FROM approvals WHERE id = ?", pending)
    assert by is None or by.startswith("human:")
    assert b"\x1b" not in said.stdout + said.stderr
    if status == "pending":
        bench.nextgen("approvals", "approve", pending, "--no-run")
    done = bench.nextgen("missions", "resume", json.loads(ran.stdout)["mission"])
    assert b"\x1b" not in done.stdout + done.stderr
    assert content(bench) == NEW
