"""Approvals: bound to what was shown, used once, answered once, by a human."""

import asyncio

import pytest

from nextgeneration.kernel.risk import Assessment, EffectRule, RiskLabel
from nextgeneration.kernel.tools import Preview
from nextgeneration.missions.effects import Call, Policy, TaskDoor
from nextgeneration.missions.errors import (
    ApprovalAlreadyDecided,
    ApprovalAmbiguous,
    ApprovalChanged,
    ApprovalExpired,
    ApprovalStale,
    ApprovalUnknown,
    DeciderRefused,
    EffectMismatch,
    EffectRefused,
    GrantMismatch,
    Parked,
    VerdictRefused,
)
from nextgeneration.security.permissions import PermissionRules, Verdict

DAY = 86_400


async def parked(bench, **args):
    with pytest.raises(Parked) as parking:
        await bench.task().call("act", args or {"n": 1})
    return parking.value.approvals[0]


async def test_an_approved_call_runs_once_as_approved(bench):
    seen = []
    tool = bench.writer("act", lambda _a, context: seen.append(context.approved))
    await bench.start()
    approval = await parked(bench)
    assert tool.calls == []
    asked = await bench.approvals.get(approval)
    assert asked.card["calls"][0]["args"] == {"n": 1}
    assert asked.card["calls"][0]["label"] == "write"
    assert asked.card["digest"] == asked.digest
    await bench.answer()
    await bench.again()
    await bench.task().call("act", {"n": 1})
    await bench.crash()
    await bench.task().call("act", {"n": 1})
    assert seen == [True]
    assert [event.type for event in await bench.events("approval.asked", "approval.decided")] == [
        "approval.asked",
        "approval.decided",
    ]


async def test_asking_again_shows_the_same_question(bench):
    bench.writer("act")
    await bench.start()
    first = await parked(bench)
    assert await parked(bench) == first
    await bench.crash()
    assert await parked(bench) == first
    assert len(await bench.approvals.pending()) == 1


async def test_a_rejected_call_is_refused_for_good_with_the_reason(bench):
    tool = bench.writer("act")
    await bench.start()
    await parked(bench)
    await bench.answer("rejected", reason="too dear")
    for _ in range(2):
        await bench.crash()
        with pytest.raises(EffectRefused, match="human:ada said no: too dear"):
            await bench.task().call("act", {"n": 1})
    assert tool.calls == []


async def test_no_answer_is_a_no(bench, clock):
    tool = bench.writer("act")
    await bench.start()
    approval = await parked(bench)
    clock.advance(7 * DAY + 1)
    assert await bench.approvals.pending() == []
    with pytest.raises(ApprovalExpired):
        await bench.approvals.decide(approval, "approved", "human:ada")
    await bench.crash()
    for _ in range(2):
        with pytest.raises(EffectRefused, match="nobody answered"):
            await bench.task().call("act", {"n": 1})
        await bench.crash()
    assert (await bench.approvals.get(approval)).status == "expired"
    assert tool.calls == []


async def test_an_approval_that_was_not_used_in_time_is_asked_again(bench, clock):
    tool = bench.writer("act")
    await bench.start()
    first = await parked(bench)
    await bench.answer()
    clock.advance(8 * DAY)
    await bench.crash()
    assert await parked(bench) != first
    assert tool.calls == []


async def test_what_changed_since_it_was_shown_is_asked_again(bench):
    """The conditions and the preview are part of what was approved."""
    state = {"file": "old"}
    tool = bench.writer("act")
    tool.preview = lambda _a, _c: Preview(title="act", body=state["file"])
    await bench.start()
    first = await parked(bench)
    await bench.answer()
    state["file"] = "new"
    await bench.again()
    second = await parked(bench)
    assert second != first
    assert (await bench.approvals.get(first)).status == "replaced"
    state["file"] = "newer"
    third = await parked(bench)
    assert (await bench.approvals.get(second)).status == "replaced"
    with pytest.raises(ApprovalAlreadyDecided):
        await bench.approvals.decide(second, "approved", "human:ada")
    await bench.approvals.decide(third, "approved", "human:ada")
    await bench.again()
    await bench.task().call("act", {"n": 1})
    assert len(tool.calls) == 1


async def test_the_second_answer_is_refused_whoever_gives_it(bench):
    bench.writer("act")
    await bench.start()
    approval = await parked(bench)
    answers = await asyncio.gather(
        *(
            bench.approvals.decide(approval, verdict, f"human:{n}")
            for n, verdict in enumerate(["approved", "rejected"] * 3)
        ),
        return_exceptions=True,
    )
    assert sum(not isinstance(answer, Exception) for answer in answers) == 1
    assert {type(answer) for answer in answers if isinstance(answer, Exception)} == {ApprovalAlreadyDecided}
    assert (await bench.approvals.get(approval)).decided_by == "human:0"


@pytest.mark.parametrize(
    "by", ["", "agent:codeur", "human:", "human: ", "ada", "system", "rule:", "HUMAN:ada", "\nhuman:ada"]
)
async def test_only_a_human_or_a_humans_rule_answers(bench, by):
    bench.writer("act")
    await bench.start()
    approval = await parked(bench)
    with pytest.raises(DeciderRefused):
        await bench.approvals.decide(approval, "approved", by)


def test_a_task_has_no_way_to_answer():
    public = {name for name in dir(TaskDoor) if not name.startswith("_")}
    assert public == {
        *("authorise", "begun", "call", "cost", "get", "heard", "masked", "models"),
        *("offer", "offered", "put", "record", "room", "spec", "think", "together"),
    }


@pytest.mark.parametrize("verdict", ["retry", "done", "pending", "expired", "void", "", "yes"])
async def test_an_answer_that_does_not_fit_the_question_is_refused(bench, verdict):
    bench.writer("act")
    await bench.start()
    approval = await parked(bench)
    with pytest.raises(VerdictRefused, match="no answer"):
        await bench.approvals.decide(approval, verdict, "human:ada")
    assert (await bench.approvals.get(approval)).status == "pending"


async def test_an_answer_to_something_else_is_refused(bench):
    bench.writer("act")
    await bench.start()
    approval = await parked(bench)
    digest = (await bench.approvals.get(approval)).digest
    with pytest.raises(ApprovalChanged):
        await bench.approvals.decide(approval, "approved", "human:ada", digest="sha256:" + "0" * 64)
    assert (await bench.approvals.decide(approval, "approved", "human:ada", digest=digest)).status == "approved"


async def test_approvals_are_found_by_either_end_of_their_id(bench):
    bench.writer("act")
    await bench.start()
    approval = await parked(bench)
    with pytest.raises(Parked):
        await bench.task("t2").call("act", {"n": 2})
    assert (await bench.approvals.get(approval[-8:])).id == approval
    assert (await bench.approvals.get(f" {approval} ")).id == approval
    with pytest.raises(ApprovalAmbiguous):
        await bench.approvals.get("apr_")
    for ref in ("", "%", "apr%", "nothing", "x' OR 1=1 --", "\ud800"):
        with pytest.raises(ApprovalUnknown):
            await bench.approvals.get(ref)


async def test_parallel_calls_ask_together_and_a_later_one_parks_too(bench):
    """Both questions reach the human at once; a task that swallowed the exception cannot go on."""
    bench.writer("act")
    tool = bench.tool("look")
    await bench.start()
    task = bench.task()
    answers = await asyncio.gather(task.call("act", {"n": 1}), task.call("act", {"n": 2}), return_exceptions=True)
    assert [type(answer) for answer in answers] == [Parked, Parked]
    assert len(await bench.approvals.pending()) == 2
    for later in (task.call("look", {}), task.record("x", lambda: 1), task.put("k", 1), task.get("k")):
        with pytest.raises(Parked) as again:
            await later
        assert set(again.value.approvals) == set(task.parked)
    assert tool.calls == []
    assert bench.claim.effects == {}


async def test_answers_in_any_order_each_run_their_call_once(bench):
    tool = bench.writer("act")
    await bench.start()
    for order in ([2, 0, 1],):
        for n in range(3):
            with pytest.raises(Parked):
                await bench.task(f"t{n}").call("act", {"n": n})
        waiting = {approval.task_id: approval.id for approval in await bench.approvals.pending()}
        for n in order:
            await bench.approvals.decide(waiting[f"t{n}"], "approved", "human:ada")
            await bench.crash()
            for m in range(3):
                try:
                    await bench.task(f"t{m}").call("act", {"n": m})
                except Parked:
                    continue
    assert sorted(args["n"] for args, _ in tool.calls) == [0, 1, 2]


async def test_a_mission_waits_and_an_answer_queues_it(bench, missions):
    bench.writer("act")
    await bench.start()
    approval = await parked(bench)
    assert await bench.claim.wait("an answer") is True
    mission = await missions.get(bench.claim.id)
    assert (mission.status, mission.reason, mission.holder) == ("waiting", "an answer", None)
    assert await missions.orphans() == []
    await bench.approvals.decide(approval, "approved", "human:ada")
    assert (await missions.get(bench.claim.id)).status == "queued"
    assert [line.id for line in await missions.orphans()] == [bench.claim.id]


async def test_an_answer_that_comes_while_the_mission_lies_down_is_not_lost(bench, missions):
    tool = bench.writer("act")
    await bench.start()
    await parked(bench)
    await bench.answer()
    assert await bench.claim.wait("an answer") is False, "the claim stays: go on"
    await bench.task().call("act", {"n": 1})
    assert len(tool.calls) == 1
    assert await bench.claim.end("done", {}) == "done"


async def test_a_mission_whose_questions_expired_is_taken_up(bench, missions, clock):
    bench.writer("act")
    await bench.start()
    await parked(bench)
    await bench.claim.wait("an answer")
    clock.advance(8 * DAY)
    assert [line.id for line in await missions.orphans()] == [bench.claim.id]


@pytest.mark.parametrize("how", ["end", "cancel"])
async def test_open_questions_are_closed_with_their_mission(bench, missions, how):
    bench.writer("act")
    await bench.start()
    approval = await parked(bench)
    if how == "end":
        await bench.claim.end("partial", {})
    else:
        await bench.claim.wait("an answer")
        await missions.cancel(bench.claim.id, "human:ada")
    assert (await bench.approvals.get(approval)).status == "void"
    with pytest.raises(ApprovalAlreadyDecided):
        await bench.approvals.decide(approval, "approved", "human:ada")


# -- one card over several calls ---------------------------------------------------------------------------------------


async def granted(bench, calls, **more):
    with pytest.raises(Parked):
        await bench.task().authorise(calls, "because", **more)
    await bench.answer()
    task = bench.task()
    return task, await task.authorise(calls, "because", **more)


async def test_one_card_covers_an_action_and_its_checks(bench):
    act, check = bench.writer("act"), bench.writer("check", effect=EffectRule.PURE)
    await bench.start()
    calls = [Call("act", {"n": 1}), Call("check", {"n": 2})]
    task, grant = await granted(bench, calls)
    assert grant.by == "human:ada"
    assert grant.approval
    await task.call("act", {"n": 1}, grant=grant)
    await task.call("check", {"n": 2}, grant=grant)
    assert len(act.calls) == len(check.calls) == 1
    card = (await bench.approvals.get(grant.approval)).card
    assert [call["tool"] for call in card["calls"]] == ["act", "check"]
    assert card["why"] == "because"


async def test_a_grant_covers_each_of_its_calls_once_and_nothing_else(bench):
    act = bench.writer("act")
    await bench.start()
    task, grant = await granted(bench, [Call("act", {"n": 1})])
    with pytest.raises(GrantMismatch):
        await task.call("act", {"n": 2}, grant=grant)
    await task.call("act", {"n": 1}, grant=grant)
    with pytest.raises(GrantMismatch):
        await task.call("act", {"n": 1}, grant=grant)
    other = bench.task("t2")
    with pytest.raises(GrantMismatch):
        await other.call("act", {"n": 1}, grant=grant)
    assert len(act.calls) == 1


async def test_two_runs_at_once_cannot_share_one_place_of_a_grant(bench):
    act = bench.writer("act")
    await bench.start()
    _, grant = await granted(bench, [Call("act", {"n": 1})])
    answers = await asyncio.gather(
        *(bench.task(f"t{n}").call("act", {"n": 1}, grant=grant) for n in range(5)), return_exceptions=True
    )
    assert sum(isinstance(answer, GrantMismatch) for answer in answers) == 4
    assert len(act.calls) == 1


async def test_equal_calls_of_one_card_are_made_as_often_as_shown(bench):
    act = bench.writer("act")
    await bench.start()
    task, grant = await granted(bench, [Call("act", {"n": 1})] * 2)
    await task.call("act", {"n": 1}, grant=grant)
    await task.call("act", {"n": 1}, grant=grant)
    with pytest.raises(GrantMismatch):
        await task.call("act", {"n": 1}, grant=grant)
    assert len(act.calls) == 2


async def test_a_grant_begun_goes_on_after_a_crash_although_the_world_changed(bench):
    """The action itself changed the file: that is no reason to ask again for the same action."""
    state = {"file": "old"}
    act, check = bench.writer("act"), bench.writer("check")
    act.assess = lambda _a, _c: Assessment(label=RiskLabel.WRITE, conditions=dict(state))
    act._answer = lambda _a, _c: state.update(file="new")
    await bench.start()
    calls = [Call("act", {}), Call("check", {})]
    task, grant = await granted(bench, calls)
    await task.call("act", {}, grant=grant)
    await bench.crash()
    task = bench.task()
    grant = await task.authorise(calls, "because")
    await task.call("act", {}, grant=grant)
    await task.call("check", {}, grant=grant)
    assert len(act.calls) == len(check.calls) == 1
    with pytest.raises(EffectMismatch):
        await bench.task().authorise(calls[:1], "because")


async def test_what_changed_after_the_approval_is_not_done(bench):
    state = {"confinement": "bubblewrap"}
    act = bench.writer("act")
    act.assess = lambda _a, _c: Assessment(label=RiskLabel.WRITE, conditions=dict(state))
    await bench.start()
    task, grant = await granted(bench, [Call("act", {})])
    state["confinement"] = "none"
    for _ in range(2):
        with pytest.raises(ApprovalStale, match="bubblewrap → none"):
            await task.call("act", {}, grant=grant)
        await bench.crash()
        task = bench.task()
    assert act.calls == []


async def test_a_stricter_label_after_the_approval_is_not_done(bench):
    act = bench.writer("act")
    await bench.start()
    task, grant = await granted(bench, [Call("act", {})])
    act.assess = lambda _a, _c: Assessment(label=RiskLabel.DESTRUCTIVE)
    with pytest.raises(ApprovalStale, match="write → destructive"):
        await task.call("act", {}, grant=grant)


async def test_a_check_that_needs_no_approval_runs_in_a_changed_world(bench):
    state = {"n": "1"}
    act, check = bench.writer("act"), bench.tool("check")
    check.assess = lambda _a, _c: Assessment(label=RiskLabel.SAFE, conditions=dict(state))
    act._answer = lambda _a, _c: state.update(n="2")
    await bench.start()
    task, grant = await granted(bench, [Call("act", {}), Call("check", {})])
    await task.call("act", {}, grant=grant)
    await task.call("check", {}, grant=grant)
    assert len(check.calls) == 1


async def test_an_approval_that_expires_between_two_calls_ends(bench, clock):
    act = bench.writer("act")
    await bench.start(seconds=604_800)
    task, grant = await granted(bench, [Call("act", {"n": 1}), Call("act", {"n": 2})])
    await task.call("act", {"n": 1}, grant=grant)
    bench.claim.ends += 8 * DAY
    clock.advance(8 * DAY)
    with pytest.raises(ApprovalStale):
        await task.call("act", {"n": 2}, grant=grant)
    assert len(act.calls) == 1


async def test_what_needs_no_question_is_granted_at_once(bench):
    look = bench.tool("look")
    await bench.start()
    task = bench.task()
    grant = await task.authorise([Call("look", {})], "because")
    assert (grant.approval, grant.by) == (None, "rule:permissions")
    await task.call("look", {}, grant=grant)
    assert len(look.calls) == 1
    assert await bench.approvals.list() == []


async def test_a_card_with_a_denied_call_is_refused_whole(bench):
    bench.writer("act")
    bench.writer("never")
    await bench.start()
    task = bench.task(permissions=[PermissionRules(deny=("never",))])
    with pytest.raises(EffectRefused, match="never"):
        await task.authorise([Call("act", {}), Call("never", {})], "because")
    assert await bench.approvals.list() == []


async def test_questions_of_one_task_are_told_apart_by_key(bench):
    bench.writer("act")
    await bench.start()
    with pytest.raises(Parked) as one:
        await bench.task().authorise([Call("act", {"n": 1})], "one", key="1")
    with pytest.raises(Parked) as two:
        await bench.task().authorise([Call("act", {"n": 2})], "two", key="2")
    assert one.value.approvals != two.value.approvals


async def test_an_offer_judges_without_doing(bench):
    act = bench.writer("act")
    await bench.start()
    offer = await bench.task().offer("act", {"n": 1})
    assert offer.verdict is Verdict.ASK
    assert offer.assessment.label is RiskLabel.WRITE
    assert offer.preview.title == "act"
    assert offer.why
    assert act.calls == []
    assert await bench.approvals.list() == []
    assert bench.claim.effects == {}


# -- standing rules and --yes ------------------------------------------------------------------------------------------


async def test_yes_approves_up_to_write_and_records_it(bench):
    bench.policy = Policy(auto=RiskLabel.PRIVILEGED)
    tools = {label: bench.writer(label.value, risk=label) for label in RiskLabel}
    await bench.start()
    ran = set()
    for label in RiskLabel:
        try:
            await bench.task(label.value).call(label.value, {})
            ran.add(label)
        except Parked:
            assert tools[label].calls == []
    assert ran == {RiskLabel.SAFE, RiskLabel.WRITE}
    approved = await bench.approvals.list(("approved",))
    assert {approval.decided_by for approval in approved} == {"rule:--yes"}
    assert len(await bench.events("approval.decided")) == 2


async def test_yes_covers_an_action_once(bench):
    bench.policy = Policy(auto=RiskLabel.WRITE)
    act = bench.writer("act")
    await bench.start()
    task = bench.task()
    grant = await task.authorise([Call("act", {})], "because")
    assert grant.by == "rule:--yes"
    await task.call("act", {}, grant=grant)
    await bench.crash()
    task = bench.task()
    again = await task.authorise([Call("act", {})], "because")
    assert again == grant
    await task.call("act", {}, grant=again)
    assert len(act.calls) == 1


async def test_yes_never_answers_a_doubt(bench):
    bench.policy = Policy(auto=RiskLabel.WRITE)
    bench.writer("act")
    await bench.start()

    class Cut(Exception):
        pass

    def at(place):
        if place == "effect.called":
            bench.missions._shared.at = lambda _: None
            raise Cut

    bench.missions._shared.at = at
    with pytest.raises(Cut):
        await bench.task().call("act", {})
    await bench.crash()
    with pytest.raises(Parked):
        await bench.task().call("act", {})


async def test_with_nobody_to_ask_what_would_ask_is_refused(bench):
    bench.policy = Policy(attended=False)
    act = bench.writer("act")
    await bench.start()
    with pytest.raises(EffectRefused, match="nobody"):
        await bench.task().call("act", {})
    with pytest.raises(EffectRefused, match="nobody"):
        await bench.task("t2").authorise([Call("act", {})], "because")
    assert act.calls == []
    assert await bench.approvals.list() == []


async def test_a_standing_rule_asks_nobody_and_is_no_approval(bench):
    seen = []
    bench.policy = Policy(standing=("act",))
    bench.writer("act", lambda _a, context: seen.append(context.approved))
    await bench.start()
    await bench.task().call("act", {})
    assert seen == [False]


@pytest.mark.slow
async def test_two_thousand_questions_wait_through_a_restart(bench, missions):
    """F4: all still listed, with the same ids and digests."""
    import time

    bench.writer("act")
    await bench.start(calls=5000)
    for n in range(2000):
        with pytest.raises(Parked):
            await bench.task(f"t{n}").call("act", {"n": n})
    before = [(approval.id, approval.digest) for approval in await bench.approvals.pending()]
    await bench.crash()
    started = time.perf_counter()
    after = [(approval.id, approval.digest) for approval in await bench.approvals.pending()]
    assert after == before
    assert len(after) == 2000
    assert time.perf_counter() - started < 2
