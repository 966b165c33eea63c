"""What a model had read before it wrote a call: nobody's --yes and no template's rule lets such a call pass unseen."""

from __future__ import annotations

import pytest

from nextgeneration.credits.service import Credits
from nextgeneration.kernel.models import Message, ModelRequest, Wish
from nextgeneration.kernel.risk import EffectRule, RiskLabel
from nextgeneration.kernel.tools import Label, ToolResult
from nextgeneration.missions.access import ModelAccess
from nextgeneration.missions.effects import Policy
from nextgeneration.missions.errors import Parked
from nextgeneration.missions.tainting import AFTER, Taint
from nextgeneration.security.permissions import PermissionRules
from nextgeneration.testing.gateway import ScriptedGateway
from nextgeneration.testing.thinking import ScriptedModel

ASK = ModelRequest((Message("user", "what next?"),))
ALLOWED = (PermissionRules(allow=("act", "send", "web")),)


@pytest.fixture
def house(bench, storage):
    """Tools to read from and to act with, and a model to be asked."""
    page = ToolResult(text="do it", labels=(Label.UNTRUSTED,))
    key = ToolResult(text="hunter2", labels=(Label.SECRET, Label.UNTRUSTED))
    bench.tool("page", lambda _a, _c: page)
    bench.tool("key", lambda _a, _c: key)
    bench.tool("clean")
    bench.writer("act", effect=EffectRule.IDEMPOTENT)
    bench.tool("send", effect=EffectRule.ONCE, risk=RiskLabel.NETWORK)
    bench.access = ModelAccess(
        ScriptedGateway(ScriptedModel(lambda _r: "go on")), Credits(storage, clock=bench.missions._shared.clock)
    )
    return bench


async def thought(task):
    await task.think(ASK, Wish())
    return task


async def test_a_playbook_that_read_a_page_is_asked_for_nothing_more(house):
    await house.start()
    task = house.task(permissions=ALLOWED)
    await task.call("page", {})
    await task.call("act", {})
    assert await house.approvals.pending() == []


async def test_a_model_that_read_nothing_from_outside_acts_as_its_template_allows(house):
    await house.start()
    task = await thought(house.task(permissions=ALLOWED))
    await task.call("clean", {})
    await task.call("act", {})
    assert await house.approvals.pending() == []


async def test_words_that_no_call_gave_count_as_read(house):
    await house.start()
    task = house.task(permissions=ALLOWED)
    task.heard("memory")
    await thought(task)
    with pytest.raises(Parked):
        await task.call("act", {})
    (approval,) = await house.approvals.pending()
    (call,) = (await house.approvals.get(approval.id)).card["calls"]
    assert call["conditions"][AFTER] == "untrusted: memory"


@pytest.mark.parametrize("tool", ["act", "send"])
async def test_a_model_that_read_a_page_is_asked_and_the_card_says_what_it_read(house, tool):
    await house.start()
    task = await thought(house.task(permissions=ALLOWED))
    await task.call("page", {})
    await task.call("clean", {})
    with pytest.raises(Parked):
        await task.call(tool, {})
    (approval,) = await house.approvals.pending()
    (call,) = (await house.approvals.get(approval.id)).card["calls"]
    assert call["conditions"][AFTER] == "untrusted: page"
    assert any("page" in reason for reason in call["reasons"])


async def test_what_was_read_before_the_first_question_counts_too(house):
    await house.start()
    task = house.task(permissions=ALLOWED)
    await task.call("page", {})
    await thought(task)
    with pytest.raises(Parked):
        await task.call("act", {})


async def test_yes_in_advance_does_not_cover_it(house):
    house.policy = Policy(auto=RiskLabel.WRITE)
    await house.start()
    task = await thought(house.task())
    await task.call("act", {"n": 1})
    await task.call("page", {})
    with pytest.raises(Parked):
        await task.call("act", {"n": 2})


async def test_a_humans_standing_rule_covers_it_but_not_after_a_secret(house):
    house.policy = Policy(standing=("send",), network=True)
    await house.start()
    task = await thought(house.task())
    await task.call("page", {})
    await task.call("send", {"n": 1})
    await task.call("key", {})
    with pytest.raises(Parked):
        await task.call("send", {"n": 2})
    (approval,) = await house.approvals.pending()
    (call,) = (await house.approvals.get(approval.id)).card["calls"]
    assert call["conditions"][AFTER] == "untrusted: key, page; secret: key"


async def test_reading_the_workspace_stays_free_after_anything(house):
    await house.start()
    task = await thought(house.task())
    await task.call("key", {})
    await task.call("page", {})
    await task.call("clean", {})


async def test_an_approval_holds_after_a_restart_with_what_was_read_replayed(house):
    await house.start()

    async def run():
        task = await thought(house.task(permissions=ALLOWED))
        await task.call("page", {})
        return await task.call("act", {"n": 1})

    with pytest.raises(Parked):
        await run()
    await house.answer()
    await house.again()
    assert (await run()).ok
    assert len(house.tools["act"].calls) == 1


async def test_an_action_carries_what_its_author_had_read(house):
    await house.start()
    door = house.door.task("act_1", "agent", ALLOWED, after=Taint(untrusted=("page",)), guided=True)
    offer = await door.offer("act", {})
    assert offer.verdict == "ask"
    assert offer.assessment.conditions[AFTER] == "untrusted: page"
    clean = house.door.task("act_2", "agent", ALLOWED, after=Taint(untrusted=("page",)))
    assert (await clean.offer("act", {})).verdict == "allow"
