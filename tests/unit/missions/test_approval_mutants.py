"""What only mutation testing found unguarded in the approval check; see docs/mutation.md."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nextgeneration.kernel.canonical import digest
from nextgeneration.kernel.risk import Assessment, EffectRule, RiskLabel
from nextgeneration.kernel.tools import Preview
from nextgeneration.missions.boundaries import BOUNDARIES
from nextgeneration.missions.effects import Call, Policy
from nextgeneration.missions.errors import (
    ApprovalAlreadyDecided,
    ApprovalAmbiguous,
    ApprovalExpired,
    ApprovalStale,
    ApprovalUnknown,
    DeciderRefused,
    EffectRefused,
    GrantMismatch,
    Parked,
    VerdictRefused,
)
from nextgeneration.security.permissions import PermissionRules
from nextgeneration.tools.errors import ToolUnknown

WEEK = 7 * 86_400


async def parked(bench, task="t1", **args):
    with pytest.raises(Parked) as parking:
        await bench.task(task).call("act", args or {"n": 1})
    return parking.value.approvals[0]


# -- until when an answer holds ----------------------------------------------------------------------------------------


async def test_the_instant_of_expiry_is_too_late_to_answer(bench, clock):
    bench.writer("act")
    await bench.start()
    approval = await parked(bench)
    clock.advance(WEEK)
    assert await bench.approvals.pending() == []
    with pytest.raises(ApprovalExpired):
        await bench.approvals.decide(approval, "approved", "human:ada")


async def test_the_instant_of_expiry_is_too_late_to_use_an_answer(bench, clock):
    """It is asked again, not refused: a human did say yes."""
    tool = bench.writer("act")
    await bench.start()
    first = await parked(bench)
    await bench.answer()
    clock.advance(WEEK - 3600)
    await bench.crash()
    assert await parked(bench) != first
    assert tool.calls == []


async def test_a_moment_before_it_is_not(bench, clock):
    tool = bench.writer("act")
    await bench.start()
    await parked(bench)
    await bench.claim.release()
    clock.advance(WEEK - 1)
    await bench.answer()
    clock.advance(0.5)
    await bench.take()
    await bench.task().call("act", {"n": 1})
    assert len(tool.calls) == 1


# -- what is shown and what is kept ------------------------------------------------------------------------------------


async def test_a_card_says_everything_and_its_digest_is_over_everything_but_itself(bench):
    tool = bench.writer("act")
    tool.preview = lambda _a, _c: Preview(title="t\u202ei\x07" + "x" * 200, body="b\0")
    await bench.start()
    approval = await bench.approvals.get(await parked(bench))
    card = dict(approval.card)
    own = {name: card.pop(name) for name in ("id", "digest", "created_at", "expires_at", "choices", "bounds")}
    assert own == {
        "id": approval.id,
        "digest": approval.digest,
        "created_at": approval.created_at,
        "expires_at": approval.expires_at,
        "choices": ["approved", "rejected"],
        "bounds": {"levels": [], "above": [], "after": {"untrusted": [], "secret": []}},
    }
    assert card == {
        "mission": bench.claim.id,
        "task": "t1",
        "agent": "agent",
        "revision": "",
        "kind": "call",
        "calls": [
            {
                "tool": "act",
                "args": {"n": 1},
                "label": "write",
                "reasons": [],
                "conditions": {},
                "preview": {"title": "t\u202ei\x07" + "x" * 200, "body": "b\ufffd", "kind": "text"},
                "verdict": "ask",
            }
        ],
        "label": "write",
        "why": "a call of act labelled write is asked for",
    }
    assert approval.digest == digest([card, approval.expires_at])
    assert approval.title.startswith("t\\u202ei\\x07xxx")
    assert len(approval.title) == 160


async def test_a_card_over_several_calls_counts_them_and_has_the_strictest_label(bench):
    bench.writer("act")
    bench.writer("erase", risk=RiskLabel.DESTRUCTIVE)
    await bench.start()
    with pytest.raises(Parked):
        await bench.task().authorise([Call("act", {}), Call("erase", {}), Call("act", {})], "because")
    (approval,) = await bench.approvals.pending()
    assert approval.title == "act (+2)"
    assert approval.label == "destructive"
    (asked,) = await bench.events("approval.asked")
    assert asked.task == "t1"
    assert asked.data == {
        "approval": approval.id,
        "agent": "agent",
        "kind": "action",
        "label": "destructive",
        "title": "act (+2)",
        "tools": ["act", "erase", "act"],
        "digest": approval.digest,
        "expires_at": approval.expires_at,
    }


async def test_each_way_to_an_answer_is_journaled_with_who_and_what(bench, clock):
    """A human, ``--yes`` and the clock."""
    bench.writer("act")
    await bench.start()
    await parked(bench, n=1)
    answer = await bench.answer()
    assert (answer.decided_by, answer.reason) == ("human:ada", "")
    bench.policy = Policy(auto=RiskLabel.WRITE)
    await bench.again()
    await bench.task("t2").call("act", {"n": 2})
    bench.policy = Policy()
    await bench.again()
    await parked(bench, "t3", n=3)
    clock.advance(WEEK)
    await bench.crash()
    with pytest.raises(Exception, match="nobody answered"):
        await bench.task("t3").call("act", {"n": 3})
    decided = await bench.events("approval.decided")
    automatic = next(approval for approval in await bench.approvals.list() if approval.task_id == "t2")
    assert automatic.decided_at == automatic.created_at
    rows = {approval.id: approval for approval in await bench.approvals.list()}
    assert all(approval.decided_at for approval in rows.values())
    assert [(e.task, e.data["verdict"], e.data["by"]) for e in decided] == [
        ("t1", "approved", "human:ada"),
        ("t2", "approved", "rule:--yes"),
        ("t3", "expired", "rule:expiry"),
    ]
    assert all(set(event.data) == {"approval", "verdict", "by", "digest"} for event in decided)
    assert all(event.data["digest"] == rows[event.data["approval"]].digest for event in decided)


async def test_an_answer_is_announced_to_who_listens(bench):
    bench.writer("act")
    await bench.start()
    await parked(bench)
    heard = []
    bench.missions.bus.subscribe(heard.append, bench.claim.id)
    await bench.answer()
    assert [event.type for event in heard] == ["approval.decided"]
    assert heard == await bench.events("approval.decided")


async def test_the_boundaries_of_a_question_are_all_announced(bench):
    """The kill tests cut a mission at these: one that is not announced is one that is not tried."""
    seen = []
    bench.writer("act")
    await bench.start()
    bench.missions._shared.at = seen.append
    await parked(bench)
    await bench.answer()
    await bench.claim.release()
    await bench.take()
    await bench.task().call("act", {"n": 1})
    assert set(seen) <= set(BOUNDARIES)
    asked = [place for place in seen if place.startswith(("approval", "effect"))]
    assert asked == [
        *("approval.asking", "approval.asked", "approval.decided"),
        *("effect.judged", "effect.intent", "effect.called", "effect.outcome"),
    ]


async def test_what_was_answered_and_used_does_not_keep_the_mission_from_waiting_for_the_rest(bench):
    """A mission does not wait when an answer came in between; an answer that was used is no such answer."""
    bench.writer("act")
    await bench.start()
    first, _ = await parked(bench, "t1", n=1), await parked(bench, "t2", n=2)
    decided = await bench.approvals.decide(first, "approved", "human:ada")
    assert decided.decided_at == decided.created_at
    await bench.task("t1").call("act", {"n": 1})
    assert await bench.claim.wait("an answer is missing")


async def test_a_question_that_was_replaced_does_not_keep_the_mission_from_waiting_for_the_new_one(bench):
    tool = bench.writer("act")
    await bench.start()
    first = await parked(bench)
    tool.assess = lambda _a, _c: Assessment(label=RiskLabel.DESTRUCTIVE)
    assert await parked(bench) != first
    assert await bench.claim.wait("an answer is missing")


async def test_a_no_without_a_reason_is_told_as_it_was_given(bench):
    bench.writer("act")
    await bench.start()
    assert (await bench.approvals.get(await parked(bench))).decided_at is None
    await bench.answer("rejected")
    await bench.again()
    with pytest.raises(EffectRefused) as refused:
        await bench.task().call("act", {"n": 1})
    assert refused.value.why == "human:ada said no"


# -- who answers, and what is said of a wrong answer -------------------------------------------------------------------


async def test_wrong_answers_are_refused_with_what_would_be_right(bench):
    bench.writer("act")
    await bench.start()
    approval = await parked(bench)
    with pytest.raises(DeciderRefused) as nobody:
        await bench.approvals.decide(approval, "approved", "\0" + "x" * 500)
    assert nobody.value.by.startswith("\ufffdxxx")
    assert len(nobody.value.by) == 80
    with pytest.raises(VerdictRefused) as verdict:
        await bench.approvals.decide(approval, "maybe", "human:ada")
    assert verdict.value.values == {
        "verdict": "maybe",
        "approval": approval,
        "choices": "approved, rejected",
        "command": f"nextgen approvals approve {approval}",
    }
    await bench.approvals.decide(approval, "rejected", "human:ada")
    with pytest.raises(ApprovalAlreadyDecided) as twice:
        await bench.approvals.decide(approval, "approved", "human:ada")
    assert twice.value.values == {"approval": approval, "status": "rejected"}


async def test_titles_and_reasons_stay_on_one_line_and_can_be_stored(bench):
    tool = bench.writer("act")
    tool.preview = lambda _a, _c: Preview(title="one\ntwo", body="")
    await bench.start()
    await parked(bench)
    answer = await bench.answer("rejected", reason="no\0 and \ud800 no")
    assert answer.title == "one\\x0atwo"
    assert answer.reason == "no\ufffd and ? no"


async def test_a_reference_nothing_fits_is_shown_short(bench):
    await bench.start()
    with pytest.raises(ApprovalUnknown) as unknown:
        await bench.approvals.get("x" * 500)
    assert len(unknown.value.ref) == 80


async def test_who_answered_is_named_within_bounds(bench):
    bench.writer("act")
    await bench.start()
    approval = await parked(bench)
    with pytest.raises(DeciderRefused):
        await bench.approvals.decide(approval, "approved", "human:" + "x" * 201)
    answer = await bench.approvals.decide(approval, "approved", "human:\0" + "x" * 199)
    assert answer.decided_by == "human:\ufffd" + "x" * 199


async def test_a_reference_that_fits_several_questions_names_them_all(bench):
    bench.writer("act")
    await bench.start()
    ids = [await parked(bench, task, n=1) for task in ("t1", "t2")]
    with pytest.raises(ApprovalAmbiguous) as ambiguous:
        await bench.approvals.get("apr")
    assert sorted(ambiguous.value.values["found"].split(", ")) == sorted(ids)


async def test_a_name_no_tool_has_is_shown_short(bench):
    await bench.start()
    with pytest.raises(ToolUnknown) as unknown:
        bench.task().spec("no\x07such\n" + "x" * 500)
    assert len(unknown.value.name) == 80
    assert unknown.value.name.startswith("no\\x07such\\x0a")
    assert unknown.value.values["hint"] == ""


# -- what changed since ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        ({"a": "1", "same": "x"}, {"a": "2", "same": "x"}, "a: 1 → 2"),
        ({"same": "x"}, {"same": "x", "new": "1"}, "new: None → 1"),
        ({"same": "x", "old": "1"}, {"same": "x"}, "old: 1 → None"),
        (dict.fromkeys("gfedcba", "1"), dict.fromkeys("gfedcba", "2"), "; ".join(f"{n}: 1 → 2" for n in "abcdefg")),
        ({"a": "x" * 600}, {"a": "y"}, "a: " + "x" * 496 + "…"),
    ],
)
async def test_a_stale_approval_names_what_changed_and_nothing_else(bench, before, now, said):
    state = dict(before)
    tool = bench.writer("act")
    tool.assess = lambda _a, _c: Assessment(label=RiskLabel.WRITE, conditions=dict(state))
    await bench.start()
    with pytest.raises(Parked):
        await bench.task().authorise([Call("act", {})], "because")
    await bench.answer()
    task = bench.task()
    grant = await task.authorise([Call("act", {})], "because")
    state.clear()
    state.update(now)
    with pytest.raises(ApprovalStale) as stale:
        await task.call("act", {}, grant=grant)
    assert stale.value.why == said
    assert tool.calls == []


async def test_a_stale_approval_names_a_new_label_first(bench):
    tool = bench.writer("act")
    tool.assess = lambda _a, _c: Assessment(label=RiskLabel.WRITE, conditions={"a": "1"})
    await bench.start()
    with pytest.raises(Parked):
        await bench.task().authorise([Call("act", {})], "because")
    await bench.answer()
    task = bench.task()
    grant = await task.authorise([Call("act", {})], "because")
    tool.assess = lambda _a, _c: Assessment(label=RiskLabel.DESTRUCTIVE, conditions={"a": "2"})
    with pytest.raises(ApprovalStale) as stale:
        await task.call("act", {}, grant=grant)
    assert stale.value.why == "write → destructive; a: 1 → 2"


async def test_conditions_named_in_another_order_are_the_same(bench):
    tool = bench.writer("act")
    tool.assess = lambda _a, _c: Assessment(label=RiskLabel.WRITE, conditions={"b": "1", "a": "2"})
    await bench.start()
    with pytest.raises(Parked):
        await bench.task().authorise([Call("act", {})], "because")
    await bench.answer()
    tool.assess = lambda _a, _c: Assessment(label=RiskLabel.WRITE, conditions={"a": "2", "b": "1"})
    task = bench.task()
    await task.call("act", {}, grant=await task.authorise([Call("act", {})], "because"))
    assert len(tool.calls) == 1


async def test_an_approval_is_of_a_tool_not_only_of_its_arguments(bench):
    bench.writer("act")
    other = bench.writer("erase")
    await bench.start()
    with pytest.raises(Parked):
        await bench.task().authorise([Call("act", {"n": 1})], "because")
    await bench.answer()
    task = bench.task()
    grant = await task.authorise([Call("act", {"n": 1})], "because")
    with pytest.raises(GrantMismatch):
        await task.call("erase", {"n": 1}, grant=grant)
    assert other.calls == []


# -- what a grant and a rule cover -------------------------------------------------------------------------------------


async def test_a_rule_about_another_name_of_a_tool_is_about_the_tool(bench):
    tool = bench.writer("act")
    tool.spec = replace(tool.spec, aliases=("old_act",))
    await bench.start()
    with pytest.raises(EffectRefused):
        await bench.task(permissions=[PermissionRules(deny=("old_act",))]).call("act", {})
    assert tool.calls == []


async def test_grants_of_two_questions_do_not_use_each_other_up(bench):
    tool = bench.writer("act")
    await bench.start()
    tasks = [bench.task(name) for name in ("t1", "t2")]
    for task in tasks:
        with pytest.raises(Parked):
            await task.authorise([Call("act", {"n": 1})], "because")
        await bench.answer()
    await bench.again()
    for name in ("t1", "t2"):
        task = bench.task(name)
        grant = await task.authorise([Call("act", {"n": 1})], "because")
        await task.call("act", {"n": 1}, grant=grant)
        assert bench.claim.effects[name, 1].approval_call == 0
    assert len(tool.calls) == 2


async def test_a_grant_that_no_human_gave_decides_nothing(bench):
    """Where the rules allowed everything there was no card: each call is judged for itself, then as any other is."""
    tool = bench.writer("act", risk=RiskLabel.SAFE, effect=EffectRule.PURE)
    other = bench.tool("look")
    await bench.start()
    task = bench.task()
    grant = await task.authorise([Call("act", {})], "because")
    assert (grant.approval, grant.by) == (None, "rule:permissions")
    await task.call("look", {}, grant=grant)
    assert len(other.calls) == 1
    tool.assess = lambda _a, _c: Assessment(label=RiskLabel.DESTRUCTIVE)
    with pytest.raises(Parked):
        await task.call("act", {}, grant=grant)
    assert tool.calls == []
