"""A human changes what a call is made with: asked anew, made as edited, replayed as it was asked for."""

import asyncio

import pytest

from nextgeneration.kernel.risk import Assessment, RiskLabel
from nextgeneration.kernel.tools import Happened, Preview
from nextgeneration.missions.asking import Question
from nextgeneration.missions.editing import World
from nextgeneration.missions.effects import Call, Policy
from nextgeneration.missions.errors import (
    ApprovalAlreadyDecided,
    ApprovalChanged,
    ApprovalExpired,
    ApprovalReplaced,
    ApprovalUnknown,
    DeciderRefused,
    EditRefused,
    EffectMismatch,
    EffectRefused,
    Parked,
    VerdictRefused,
)
from nextgeneration.missions.tainting import Taint
from nextgeneration.security.permissions import PermissionRules
from nextgeneration.tools.errors import BadArguments, NetworkOff
from nextgeneration.tools.fs.writing import FsWrite

DAY = 86_400


def world(bench, *standing):
    return World(bench.tools, standing, lambda _mission: lambda: bench.path)


async def edit(bench, ref, args, by="human:ada", **more):
    return await bench.approvals.edit(ref, args, by, world(bench), **more)


async def parked(bench, door=None, **args):
    with pytest.raises(Parked) as parking:
        await (door or bench.task()).call("act", args or {"n": 1})
    return parking.value.approvals[0]


async def approve(bench, ref):
    return await bench.approvals.decide(ref, "approved", "human:eve")


async def test_the_edited_call_is_the_one_that_is_made_and_the_task_replays(bench):
    tool = bench.writer("act")
    await bench.start()
    first = await parked(bench)
    new = await edit(bench, first, {"n": 2, "m": "x"})
    assert (new.status, new.id != first, new.digest != (await bench.approvals.get(first)).digest) == (
        "pending",
        True,
        True,
    )
    (call,) = new.card["calls"]
    assert (call["args"], call["asked"], call["edited_by"]) == ({"n": 2, "m": "x"}, {"n": 1}, "human:ada")
    old = await bench.approvals.get(first)
    assert (old.status, old.decided_by) == ("replaced", "human:ada")
    assert [one.id for one in await bench.approvals.pending()] == [new.id]
    assert (await bench.approvals.get(new.id)).card == new.card
    await bench.again()
    assert await parked(bench) == new.id, "it waits for the answer to the edited one"
    assert tool.calls == []
    await approve(bench, new.id)
    await bench.again()
    result = await bench.task().call("act", {"n": 1})
    await bench.crash()
    assert await bench.task().call("act", {"n": 1}) == result
    assert [args for args, _ in tool.calls] == [{"n": 2, "m": "x"}]
    assert result.text.startswith("human:ada changed the arguments of this call before it was made: ")
    with pytest.raises(EffectMismatch):
        await bench.task().call("act", {"n": 2, "m": "x"})
    events = await bench.events("approval.asked", "approval.edited", "approval.decided", "effect.intent")
    assert [event.type for event in events] == [
        "approval.asked",
        "approval.edited",
        "approval.asked",
        "approval.decided",
        "effect.intent",
    ]
    about = {"approval": first, "by": "human:ada", "instead": new.id, "call": 1, "digest": new.digest}
    assert events[1].data == about
    assert (events[4].data["approval"], events[4].data["edited_by"]) == (new.id, "human:ada")


async def test_nothing_of_a_replaced_question_can_be_answered_or_edited(bench):
    bench.writer("act")
    await bench.start()
    first = await parked(bench)
    new = await edit(bench, first, {"n": 2})
    for attempt in (approve(bench, first), edit(bench, first, {"n": 3})):
        with pytest.raises(ApprovalReplaced, match=new.id):
            await attempt
    newer = await edit(bench, new.id, {"n": 3})
    assert newer.card["calls"][0]["asked"] == {"n": 1}, "what the task asked for, not what was edited before"
    back = await edit(bench, newer.id, {"n": 1})
    assert "asked" not in back.card["calls"][0], "as it was asked for it is no edit"
    await approve(bench, back.id)
    for attempt in (approve(bench, back.id), edit(bench, back.id, {"n": 3})):
        with pytest.raises(ApprovalAlreadyDecided, match="approved"):
            await attempt
    await bench.again()
    assert (await bench.task().call("act", {"n": 1})).text == ""
    assert [args for args, _ in bench.tools["act"].calls] == [{"n": 1}]


async def test_what_cannot_be_edited_says_why_and_stays_as_it_was(bench, clock):
    bench.writer("act")
    bench.tools["fs.write"] = FsWrite()
    await bench.start()
    door = bench.task(permissions=(PermissionRules(deny=("act(secret)",)),))
    first = await parked(bench, door)
    asked = await bench.approvals.get(first)
    with pytest.raises(EditRefused, match="already"):
        await edit(bench, first, {"n": 1})
    with pytest.raises(EditRefused, match="one call only"):
        await edit(bench, first, {"n": 2}, call=2)
    with pytest.raises(EditRefused, match="act"):
        await edit(bench, first, {"path": "secret"})
    with pytest.raises(DeciderRefused):
        await edit(bench, first, {"n": 2}, by="rule:mine")
    with pytest.raises(DeciderRefused):
        await edit(bench, first, {"n": 2}, by="agent:a")
    with pytest.raises(ApprovalChanged):
        await edit(bench, first, {"n": 2}, digest="sha256:0")
    with pytest.raises(ApprovalUnknown):
        await edit(bench, "apr_none", {"n": 2})
    with pytest.raises(Parked) as parking:
        await bench.task("t2").call("fs.write", {"path": "a.txt", "content": "x"})
    with pytest.raises(BadArguments, match="owner"):
        await edit(bench, parking.value.approvals[0], {"path": "a.txt", "content": "x", "owner": "root"})
    assert await bench.approvals.get(first) == asked
    assert len(await bench.events("approval.asked", "approval.edited")) == 2
    clock.advance(8 * DAY)
    with pytest.raises(ApprovalExpired):
        await edit(bench, first, {"n": 2})


async def test_a_deny_of_those_above_stays_a_deny(bench):
    """A call below other agents is edited within what all of them may."""
    bench.writer("act")
    await bench.start()
    above = [[PermissionRules(deny=("act(secret)",))]]
    door = bench.door.task("t1", "agent", narrowed=above)
    with pytest.raises(EditRefused):
        await edit(bench, await parked(bench, door), {"path": "secret"})


async def test_a_call_in_doubt_is_settled_not_edited(bench):
    bench.writer("act", lambda _a, _c: (_ for _ in ()).throw(SystemExit))
    await bench.start()
    approval = await parked(bench)
    await approve(bench, approval)
    await bench.again()
    bench.claim.shared.at = lambda place: bench.claim.stop() if place == "effect.intent" else None
    with pytest.raises(Exception, match="stopped"):
        await bench.task().call("act", {"n": 1})
    bench.claim.shared.at = lambda _place: None
    await bench.crash(saved=False)
    doubt = await parked(bench)
    with pytest.raises(EditRefused, match="settle"):
        await edit(bench, doubt, {"n": 2})
    with pytest.raises(VerdictRefused) as refused:
        await approve(bench, doubt)
    assert (
        refused.value.hint() == f"Answer one of retry, done, fail: `nextgen approvals settle {doubt} retry|done|fail`."
    )


async def test_whether_to_go_on_spending_is_answered_not_edited(bench):
    bench.writer("act")
    await bench.start()
    door = bench.task()
    question = Question(
        "credits", "mission", "", "soft:x", "call", (door._judged(Call("act", {})),), "on?", shared=True
    )
    with pytest.raises(Parked) as parking:
        await bench.door.asking.answer(question, door._context())
    with pytest.raises(EditRefused, match="whether to go on"):
        await edit(bench, parking.value.approvals[0], {"n": 2})


async def test_an_edit_that_raises_the_label_is_shown_and_asked_even_where_yes_covers_the_call(bench):
    tool = bench.writer("act")
    tool.assess = lambda args, _c: Assessment(
        label=RiskLabel.PRIVILEGED if args.model_dump().get("root") else RiskLabel.WRITE
    )
    await bench.start()
    first = await parked(bench)
    new = await edit(bench, first, {"n": 1, "root": True})
    assert (new.label, new.card["label"]) == ("privileged", "privileged")
    lower = await edit(bench, new.id, {"n": 5})
    assert lower.label == "write"
    bench.policy = Policy(auto=RiskLabel.WRITE)
    await bench.again()
    assert await parked(bench) == lower.id, "--yes does not answer for what a human wrote"
    await approve(bench, lower.id)
    await bench.again()
    await bench.task().call("act", {"n": 1})
    assert [args for args, _ in tool.calls] == [{"n": 5}]


async def test_yes_does_not_answer_an_edit_whose_world_changed(bench):
    state = {"file": "old"}
    tool = bench.writer("act")
    tool.preview = lambda _a, _c: Preview(title="act", body=state["file"])
    await bench.start()
    new = await edit(bench, await parked(bench), {"n": 2})
    await approve(bench, new.id)
    state["file"] = "new"
    bench.policy = Policy(auto=RiskLabel.WRITE)
    await bench.again()
    again = await bench.approvals.get(await parked(bench))
    assert again.id != new.id
    assert (again.card["calls"][0]["args"], again.card["calls"][0]["asked"]) == ({"n": 2}, {"n": 1})
    assert tool.calls == []


async def test_what_was_read_before_a_call_holds_for_its_edit(bench):
    tool = bench.writer("act")
    await bench.start()
    door = bench.door.task("t1", "agent", after=Taint(untrusted=("net.fetch",)), guided=True)
    new = await edit(bench, await parked(bench, door), {"n": 2})
    assert new.card["calls"][0]["conditions"]["after"] == "untrusted: net.fetch"
    await approve(bench, new.id)
    await bench.again()
    await bench.door.task("t1", "agent", after=Taint(untrusted=("net.fetch",)), guided=True).call("act", {"n": 1})
    assert [args for args, _ in tool.calls] == [{"n": 2}]


async def test_an_edit_towards_the_network_needs_the_grant_of_the_mission(bench):
    tool = bench.writer("act")
    tool.spec = type(tool.spec)(**{**_fields(tool.spec), "touches": frozenset({"workspace"})})
    await bench.start()
    approval = await parked(bench)
    tool.spec = type(tool.spec)(**{**_fields(tool.spec), "touches": frozenset({"network"})})
    with pytest.raises(NetworkOff):
        await edit(bench, approval, {"n": 2})


def _fields(spec):
    return {name: getattr(spec, name) for name in type(spec).__dataclass_fields__}


async def test_one_call_of_a_card_over_several_is_edited_and_the_others_stay(bench):
    tool = bench.writer("act")
    await bench.start()
    calls = [Call("act", {"n": 1}), Call("act", {"n": 1}), Call("act", {"n": 3})]
    with pytest.raises(Parked) as parking:
        await bench.task().authorise(calls, "why")
    with pytest.raises(EditRefused, match="only 1 to 3"):
        await edit(bench, parking.value.approvals[0], {"n": 9}, call=4)
    new = await edit(bench, parking.value.approvals[0], {"n": 9}, call=2)
    new = await edit(bench, new.id, {"n": 8}, "human:bob", call=3)
    assert [call["args"]["n"] for call in new.card["calls"]] == [1, 9, 8]
    assert [call.get("edited_by") for call in new.card["calls"]] == [None, "human:ada", "human:bob"]
    assert (new.kind, new.slot, new.card["why"]) == ("action", "key:", "why")
    await approve(bench, new.id)
    for _ in range(2):
        await bench.again()
        door = bench.task()
        grant = await door.authorise(calls, "why")
        for call in calls:
            await door.call(call.tool, call.args, grant=grant)
    assert [args["n"] for args, _ in tool.calls] == [1, 9, 8]


async def test_an_edit_holds_where_the_call_would_not_be_asked_any_more(bench):
    """A standing rule that came later lets nothing run but what the human wrote, and they are asked again."""
    tool = bench.writer("act")
    await bench.start()
    new = await edit(bench, await parked(bench), {"n": 2})
    await approve(bench, new.id)
    bench.policy = Policy(standing=("act",))
    await bench.again()
    again = await bench.approvals.get(await parked(bench))
    assert again.card["calls"][0]["args"] == {"n": 2}
    await approve(bench, again.id)
    await bench.again()
    await bench.task().call("act", {"n": 1})
    assert [args["n"] for args, _ in tool.calls] == [2]


async def test_an_edit_holds_where_nothing_of_a_card_would_be_asked_any_more(bench):
    tool = bench.writer("act")
    await bench.start()
    with pytest.raises(Parked) as parking:
        await bench.task().authorise([Call("act", {"n": 1})], "why")
    await edit(bench, parking.value.approvals[0], {"n": 2})
    bench.policy = Policy(standing=("act",))
    await bench.again()
    with pytest.raises(Parked) as parking:
        await bench.task().authorise([Call("act", {"n": 1})], "why")
    await approve(bench, parking.value.approvals[0])
    await bench.again()
    door = bench.task()
    assert (await door.offer("act", {"n": 1}, [Call("act", {"n": 1})])).edited_by == "human:ada"
    grant = await door.authorise([Call("act", {"n": 1})], "why")
    await door.call("act", {"n": 1}, grant=grant)
    assert [args["n"] for args, _ in tool.calls] == [2]


async def test_calls_of_one_answer_are_edited_one_by_one(bench):
    """What a model asks for side by side: it stands on one card, and is recognised by what was asked for."""
    tool = bench.writer("act")
    await bench.start()
    calls = [("act", {"n": 1}), ("act", {"n": 2})]
    with pytest.raises(Parked) as parking:
        await bench.task().together(calls, "turn:1")
    new = await edit(bench, parking.value.approvals[0], {"n": 7}, call=2)
    await approve(bench, new.id)
    await bench.again()
    door = bench.task()
    card = await door.together(calls, "turn:1")
    assert all(card.shows(*call) for call in calls)
    for name, args in calls:
        await door.call(name, args, grant=card.grant)
    assert [args["n"] for args, _ in tool.calls] == [1, 7]


async def test_of_two_edits_at_once_one_holds(bench):
    bench.writer("act")
    await bench.start()
    approval = await parked(bench)
    found = await asyncio.gather(*(edit(bench, approval, {"n": n}) for n in range(2, 8)), return_exceptions=True)
    assert sorted(type(one).__name__ for one in found) == ["Approval", *["ApprovalReplaced"] * 5]
    assert len(await bench.approvals.pending()) == 1


async def test_an_edit_and_an_answer_at_once_leave_one_of_them(bench):
    bench.writer("act")
    await bench.start()
    approval = await parked(bench)
    edited, answered = await asyncio.gather(
        edit(bench, approval, {"n": 2}), approve(bench, approval), return_exceptions=True
    )
    assert isinstance(edited, Exception) != isinstance(answered, Exception)


async def test_a_task_under_way_waits_for_the_edited_question_and_the_mission_with_it(bench):
    """The claim goes on while its human edits: the old question keeps it from nothing."""
    tool = bench.writer("act")
    await bench.start()
    first = await parked(bench)
    new = await edit(bench, first, {"n": 2})
    assert not await bench.claim.wait("asks"), "what it waited for no longer stands: look again"
    bench.door = bench.claim.door(bench.tools, bench.policy, bench.path, None)
    assert await parked(bench) == new.id
    await approve(bench, new.id)
    assert not await bench.claim.wait("asks")
    bench.door = bench.claim.door(bench.tools, bench.policy, bench.path, None)
    await bench.task().call("act", {"n": 1})
    assert [args["n"] for args, _ in tool.calls] == [2]


async def test_an_edit_between_looking_and_asking_is_not_lost(bench):
    """The run that judged the call as it was parks on the edited question instead of asking anew."""
    tool = bench.writer("act")
    await bench.start()
    first = await parked(bench)
    asking = bench.door.asking
    look, edited = asking.edits, []

    async def late(*args):
        found = await look(*args)
        edited.append(await edit(bench, first, {"n": 2}))
        await approve(bench, edited[0].id)
        return found

    asking.edits = late
    assert await parked(bench) == edited[0].id
    asking.edits = look
    await bench.task().call("act", {"n": 1})
    assert [args["n"] for args, _ in tool.calls] == [2]


async def test_an_edit_while_the_question_is_put_anew_is_not_lost(bench):
    state = {"file": "old"}
    tool = bench.writer("act")
    tool.preview = lambda _a, _c: Preview(title="act", body=state["file"])
    await bench.start()
    first = await parked(bench)
    state["file"] = "new"
    asking = bench.door.asking
    look, edited = asking.latest, []

    async def late(*args):
        found = await look(*args)
        if not edited:
            edited.append(await edit(bench, first, {"n": 2}))
        return found

    asking.edits = lambda *_: _none()
    asking.latest = late
    assert await parked(bench) == first, "it runs again and looks anew"
    del asking.edits, asking.latest
    assert await parked(bench) == edited[0].id
    assert [one.id for one in await bench.approvals.pending()] == [edited[0].id]


async def _none():
    return (None,)


async def test_an_edited_call_cut_off_by_a_crash_is_in_doubt_as_it_was_made(bench):
    tool = bench.writer("act", happened=Happened.UNKNOWN)
    await bench.start()
    new = await edit(bench, await parked(bench), {"n": 2})
    await approve(bench, new.id)
    await bench.again()
    bench.claim.shared.at = lambda place: bench.claim.stop() if place == "effect.intent" else None
    with pytest.raises(Exception, match="stopped"):
        await bench.task().call("act", {"n": 1})
    bench.claim.shared.at = lambda _place: None
    await bench.crash(saved=False)
    doubt = await bench.approvals.get(await parked(bench))
    assert (doubt.kind, doubt.card["calls"][0]["args"]) == ("in_doubt", {"n": 2})
    await bench.approvals.decide(doubt.id, "retry", "human:ada")
    await bench.again()
    await bench.task().call("act", {"n": 1})
    assert [args["n"] for args, _ in tool.calls] == [2]


async def test_a_no_to_an_edited_call_is_a_no(bench):
    tool = bench.writer("act")
    await bench.start()
    new = await edit(bench, await parked(bench), {"n": 2})
    await bench.approvals.decide(new.id, "rejected", "human:ada")
    await bench.again()
    with pytest.raises(EffectRefused):
        await bench.task().call("act", {"n": 1})
    assert tool.calls == []


async def test_another_program_gets_no_edit_of_the_one_before(bench):
    """What a human wrote in place of one call never takes the place of another."""
    tool = bench.writer("act")
    await bench.start()
    new = await edit(bench, await parked(bench), {"n": 2})
    await approve(bench, new.id)
    await bench.again()
    assert await parked(bench, n=5) != new.id
    assert tool.calls == []


async def test_a_mission_that_waits_goes_on_waiting_after_an_edit(bench):
    bench.writer("act")
    await bench.start()
    first = await parked(bench)
    assert await bench.claim.wait("asks")
    await edit(bench, first, {"n": 2})
    assert (await bench.missions.get(bench.claim.id)).status == "waiting"
    assert await bench.missions.orphans() == []
    await bench.events()
