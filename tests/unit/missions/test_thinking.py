"""Model calls through the door: held before, settled after, replayed, fallen back, never beyond a limit."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import text

from nextgeneration.credits.schema import HoldStatus, Limit, Scopes
from nextgeneration.credits.service import Credits
from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.models import Finish, Message, ModelAnswer, ModelRequest, ToolCall, Usage, Wish
from nextgeneration.missions.access import ModelAccess
from nextgeneration.missions.errors import (
    BudgetRefused,
    EffectMismatch,
    EffectRefused,
    MissionCancelled,
    ModelsFailed,
    OverBudget,
    Parked,
)
from nextgeneration.missions.schema import MissionBudget, MissionOptions, MissionRequest
from nextgeneration.missions.soon import SOON_SECONDS
from nextgeneration.models.errors import BadModelRequest, ModelRateLimited, ModelUnreachable, StreamBroken
from nextgeneration.storage.errors import RecordDamaged, StorageFull

ASK = ModelRequest((Message("user", "how many?"),), max_output=100)
WISH = Wish()
LIKED = Texts("liked", "aimé")
WORST, COST = 1_000, 600


@dataclass
class Model:
    """A model at a price: 10 micro-credits a token of its longest answer, 6 for what it really says."""

    name: str = "far:model"
    says: Any = "three"
    local: bool = False
    priced: bool = True
    context: int = 200_000
    each: int = 10
    fit_to: int | None = 300
    why: Texts = LIKED
    asked: list[ModelRequest] = field(default_factory=list)
    failures: list[Any] = field(default_factory=list)

    @property
    def client(self) -> Model:
        return self

    def worst(self, request: ModelRequest) -> int:
        return self.each * request.max_output

    def cost(self, usage: Usage) -> int:
        return 6 * usage.output

    def fit(self, request: ModelRequest, amount: int) -> ModelRequest | None:
        if self.fit_to is None or amount < self.fit_to:
            return None
        return ModelRequest(request.messages, max_output=amount // 10)

    def succeeded(self, seconds: float) -> None:
        self.failures.append(None)

    def failed(self, error: Exception) -> None:
        self.failures.append(error)

    async def answer(self, request: ModelRequest, listen: Any = None) -> ModelAnswer:
        self.asked.append(request)
        said = self.says(len(self.asked), listen) if callable(self.says) else self.says
        if asyncio.iscoroutine(said):
            said = await said
        if isinstance(said, Exception):
            raise said
        if isinstance(said, ModelAnswer):
            return said
        return ModelAnswer(said, usage=Usage(10, min(100, request.max_output)), model=self.name)


@dataclass
class Gateway:
    models: list[Model]
    skipped: dict[str, Texts] = field(default_factory=lambda: {"far:other": Texts("no key", "pas de clé")})

    @property
    def candidates(self) -> Any:
        def choose(wish: Wish, request: ModelRequest | None = None) -> Any:
            return Choice(tuple(self.models), self.skipped)

        return choose

    def available(self, wish: Wish) -> bool:
        return bool(self.models)

    async def close(self) -> None: ...


@dataclass
class Choice:
    candidates: tuple[Model, ...]
    skipped: dict[str, Texts] = field(default_factory=lambda: {"far:other": Texts("no key", "pas de clé")})


@pytest.fixture
def think(bench, storage):
    """A mission with these models; gives the models back."""

    async def start(*models: Model, **about: Any) -> None:
        bench.credits = Credits(storage, clock=bench.missions._shared.clock)
        bench.access = ModelAccess(Gateway(list(models)), bench.credits, random=lambda: 0.0)
        await bench.start(**about)

    return start


async def spent(bench) -> tuple[int, int]:
    """What the mission has spent and holds."""
    await bench.saved()
    (line,) = await bench.credits.report("mission") or [None]
    return (line.charged, line.held) if line else (0, 0)


async def test_a_call_is_held_before_and_settled_after_and_never_made_again(bench, think):
    model = Model()
    await think(model)
    task = bench.task()
    first = await task.think(ASK, WISH)
    assert first == ModelAnswer("three", usage=Usage(10, 100), model="far:model")
    assert await spent(bench) == (COST, 0)
    assert task.cost.credits == COST
    assert task.cost.model_calls == 1
    intent, outcome = await bench.events("effect.intent", "effect.outcome")
    assert (intent.data["model"], intent.data["held"], intent.data["why"]) == ("far:model", WORST, "liked")
    assert (outcome.data["credits"], outcome.data["usage"]) == (COST, {"input": 10, "output": 100})
    await bench.crash(saved=False)
    again = bench.task()
    assert await again.think(ASK, WISH) == first
    assert len(model.asked) == 1
    assert await spent(bench) == (COST, 0)
    assert again.cost == task.cost


async def test_an_answer_is_on_disk_soon_also_when_nothing_comes_next(bench, think):
    await think(Model())
    await bench.task().think(ASK, WISH)
    async with asyncio.timeout(30):
        while not (await bench.credits.report("mission"))[0].charged:
            await asyncio.sleep(0.001)
    assert await spent(bench) == (COST, 0)
    assert bench.claim.holds == set()


async def test_an_answer_and_the_call_it_leads_to_are_one_transaction(bench, think, storage):
    bench.tool("look")
    await think(Model())
    task, before, written = bench.task(), storage.write_whole, []

    async def counted(*args: Any) -> Any:
        written.append(1)
        return await before(*args)

    storage.write_whole = counted
    await task.think(ASK, WISH)
    await task.call("look", {})
    await task.think(ASK, WISH)
    assert len(written) == 3, "an intent each, with the outcome before it"
    seen = [event.type for event in await bench.events("effect.intent", "effect.outcome")]
    assert seen == ["effect.intent", "effect.outcome"] * 3


async def test_what_an_answer_cost_is_written_although_the_next_call_is_refused(bench, think):
    bench.tool("look")
    await think(Model(), calls=1)
    task = bench.task()
    await task.call("look", {})
    await task.think(ASK, WISH)
    with pytest.raises(OverBudget):
        await task.call("look", {})
    await bench.crash(saved=False)
    assert await spent(bench) == (COST, 0)


async def test_what_an_answer_cost_is_exact_when_the_mission_is_cancelled_right_after_it(bench, think, missions):
    bench.tool("look")
    await think(Model())
    task = bench.task()
    await task.think(ASK, WISH)
    await missions.cancel(bench.claim.id, by="human:ada")
    with pytest.raises(MissionCancelled):
        await task.call("look", {})
    await bench.claim.release()
    assert await spent(bench) == (COST, 0), "the answer was read"
    (hold,) = await bench.credits.history()
    assert hold.status is HoldStatus.SETTLED


async def test_a_hold_that_is_gone_is_damage_and_hinders_no_later_transaction(bench, think, storage):
    await think(Model())
    await bench.task().think(ASK, WISH)
    await storage.write(lambda c: c.execute(text("DELETE FROM credit_holds")))
    with pytest.raises(RecordDamaged, match="credit_holds"):
        await bench.claim.flush()
    await bench.claim.event("one.more")


async def test_a_disk_that_takes_nothing_is_not_asked_again_at_every_moment(bench, think, storage, monkeypatch):
    """What should be written soon then goes with the next transaction, or when the lease is looked after."""
    await think(Model())
    tries, before = [], storage.write_whole

    async def full(_op: Any, _then: Any, failed: Any) -> Any:
        tries.append(1)
        failed(StorageFull())
        raise StorageFull

    task = bench.task()
    await task.think(ASK, WISH)
    monkeypatch.setattr(storage, "write_whole", full)
    async with asyncio.timeout(30):
        while not tries:
            await asyncio.sleep(0.001)
    await asyncio.sleep(10 * SOON_SECONDS)
    assert len(tries) == 1
    monkeypatch.setattr(storage, "write_whole", before)
    assert await spent(bench) == (COST, 0)


async def test_what_a_model_said_comes_back_whole(bench, think):
    said = ModelAnswer(
        "a\ud800",
        (ToolCall("c1", "fs.read", {"path": "x"}), ToolCall("c2", "?", None, "{")),
        Finish.CALLS,
        Usage(5, 7, cached=2, estimated=True),
        "far:model",
        {"far": {"signed": "…"}},
    )
    await think(Model(says=said))
    first = await bench.task().think(ASK, WISH)
    assert first.text == "a?"
    assert first.calls == said.calls
    assert (first.finish, first.usage, first.extra) == (said.finish, said.usage, said.extra)
    await bench.crash()
    assert await bench.task().think(ASK, WISH) == first


async def test_another_question_than_before_is_refused(bench, think):
    await think(Model())
    await bench.task().think(ASK, WISH)
    await bench.crash()
    with pytest.raises(EffectMismatch):
        await bench.task().think(ModelRequest((Message("user", "else"),)), WISH)


async def test_a_crash_during_the_call_charges_all_it_could_have_cost(bench, think):
    async def dies(number: int, _listen: Any) -> Any:
        if number == 1:
            await asyncio.sleep(3600)
        return "three"

    model = Model(says=dies)
    await think(model)
    call = asyncio.create_task(bench.task().think(ASK, WISH))
    while not model.asked:
        await asyncio.sleep(0)
    bench.claim.flights.clear()
    await bench.crash()
    assert await spent(bench) == (WORST, 0)
    (claimed,) = [e for e in await bench.events("mission.claimed") if "unconfirmed" in e.data]
    assert claimed.data["unconfirmed"][0]["credits"] == WORST
    assert (await bench.task().think(ASK, WISH)).text == "three"
    assert await spent(bench) == (WORST + COST, 0)
    (mission,) = await bench.credits.history(limit=1)
    assert mission.status in {HoldStatus.SETTLED, HoldStatus.UNCONFIRMED}
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)


async def test_a_cancelled_call_is_charged_as_unconfirmed(bench, think):
    model = Model(says=lambda _n, _l: asyncio.sleep(3600))
    await think(model)
    call = asyncio.create_task(bench.task().think(ASK, WISH))
    while not model.asked:
        await asyncio.sleep(0)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    assert await spent(bench) == (WORST, 0)
    assert len(await bench.events("credits.unconfirmed")) == 1


async def test_a_mission_that_is_cancelled_leaves_nothing_held(bench, think):
    model = Model(says=lambda _n, _l: asyncio.sleep(3600))
    await think(model)
    call = asyncio.create_task(bench.task().think(ASK, WISH))
    while not model.asked:
        await asyncio.sleep(0)
    await bench.missions.cancel(bench.claim.id, "human:ada")
    await asyncio.gather(call, return_exceptions=True)
    await bench.claim.release()
    assert await spent(bench) == (WORST, 0)


async def test_no_number_of_calls_at_once_passes_the_missions_budget(bench, think):
    """Each fits alone, not all together: they wait for each other, and the last ones are refused."""

    async def slow(_number: int, _listen: Any) -> str:
        await asyncio.sleep(0.001)
        return "three"

    model = Model(says=slow)
    await think(model, spend=10_000)
    tasks = [bench.task(f"t{n}") for n in range(40)]
    answers = await asyncio.gather(*(task.think(ASK, WISH) for task in tasks), return_exceptions=True)
    charged, held = await spent(bench)
    assert held == 0
    assert charged <= 10_000
    assert charged == sum(6 * a.usage.output for a in answers if isinstance(a, ModelAnswer))
    assert charged > 10_000 - WORST
    assert all(isinstance(a, (ModelAnswer, OverBudget)) for a in answers)


async def test_what_can_never_fit_is_asked_for_a_shorter_answer_then_refused(bench, think):
    model = Model()
    await think(model, spend=WORST + COST + 100)
    task = bench.task()
    for _ in range(2):
        await task.think(ASK, WISH)
    assert [request.max_output for request in model.asked] == [100, 100]
    await bench.crash()


async def test_a_shorter_answer_is_asked_for_when_the_whole_does_not_fit(bench, think):
    model = Model(says=lambda n, _l: ModelAnswer("x", usage=Usage(1, 30), model="far:model"))
    await think(model, spend=400)
    task = bench.task()
    await task.think(ASK, WISH)
    assert [request.max_output for request in model.asked] == [40]
    for _ in range(2):
        with pytest.raises(OverBudget) as over:
            await task.think(ASK, WISH)
        assert over.value.exit_code == 6
    assert len(model.asked) == 1
    await bench.crash()
    again = bench.task()
    await again.think(ASK, WISH)
    with pytest.raises(OverBudget):
        await again.think(ASK, WISH)


async def test_a_tasks_share_is_a_limit_of_its_own(bench, think):
    model = Model()
    await think(model)
    with pytest.raises(OverBudget):
        await bench.task("t1", credits=200).think(ASK, WISH)
    await bench.task("t2", credits=WORST).think(ASK, WISH)
    assert len(model.asked) == 1


async def test_a_tasks_model_calls_are_limited(bench, think):
    model = Model()
    await think(model)
    task = bench.task(model_calls=2)
    await task.think(ASK, WISH)
    await task.think(ASK, WISH)
    with pytest.raises(OverBudget, match="model_calls"):
        await task.think(ASK, WISH)
    assert len(model.asked) == 2


async def test_a_busy_model_is_asked_again_and_pays_once(bench, think):
    busy = ModelRateLimited(model="far:model", detail="busy", retry_after=0.0)
    model = Model(says=lambda n, _l: busy if n < 3 else "three")
    await think(model)
    assert (await bench.task().think(ASK, WISH)).text == "three"
    assert len(model.asked) == 3
    assert await spent(bench) == (COST, 0)
    tried = await bench.events("effect.tried")
    assert [(event.data["code"], event.data["billed"]) for event in tried] == [("NG-MODELS-002", "none")] * 2
    assert len(await bench.events("effect.again")) == 2


@pytest.mark.parametrize(("local", "asked"), [(True, 1), (False, 4)])
async def test_a_server_of_this_machine_that_is_gone_is_not_knocked_at_again(bench, think, local, asked, monkeypatch):
    async def at_once(_seconds: float) -> None:
        return None

    monkeypatch.setattr("nextgeneration.missions.thinking.asyncio.sleep", at_once)
    gone = ModelUnreachable(model="here:model", detail="refused")
    first = Model("here:model", says=gone, local=local)
    await think(first, Model("far:second"))
    assert (await bench.task().think(ASK, WISH)).model == "far:second"
    assert len(first.asked) == asked


async def test_the_next_model_answers_when_the_first_does_not(bench, think):
    broken = StreamBroken(model="far:first", detail="reset")
    first, second = Model("far:first", says=broken), Model("far:second")
    await think(first, second)
    task = bench.task()
    assert (await task.think(ASK, WISH)).model == "far:second"
    assert len(first.asked) == 1, "what may have been billed is not tried again"
    assert await spent(bench) == (WORST + COST, 0)
    assert task.cost.credits == WORST + COST
    assert first.failures == [broken]


async def test_a_break_whose_bill_is_known_costs_what_was_billed(bench, think):
    broken = StreamBroken(model="far:first", detail="reset", spent="known", usage=Usage(10, 20))
    await think(Model("far:first", says=broken), Model("far:second"))
    await bench.task().think(ASK, WISH)
    assert await spent(bench) == (120 + COST, 0)


async def test_when_no_model_answers_the_failure_is_recorded(bench, think):
    refuses = BadModelRequest(model="far:model", detail="no", other=False)
    model, never = Model(says=refuses), Model("far:second")
    await think(model, never)
    with pytest.raises(ModelsFailed) as failed:
        await bench.task().think(ASK, WISH)
    assert failed.value.problem()["code"] == "NG-MODELS-008"
    await bench.crash()
    with pytest.raises(ModelsFailed) as again:
        await bench.task().think(ASK, WISH)
    assert again.value.problem() == failed.value.problem()
    assert (len(model.asked), len(never.asked)) == (1, 0)


@pytest.mark.parametrize("models", [[], None])
async def test_without_a_model_it_is_said_so(bench, think, models):
    await think()
    if models is None:
        bench.door.access = None
    task = bench.task()
    assert not task.models(WISH)
    with pytest.raises(ModelsFailed, match="No model can do this" if models is None else "far:other: no key"):
        await task.think(ASK, WISH)


async def test_a_model_that_raises_what_nobody_foresaw_is_charged_and_left(bench, think):
    await think(Model("far:first", says=RuntimeError("boom")), Model("far:second"))
    assert (await bench.task().think(ASK, WISH)).model == "far:second"
    assert await spent(bench) == (WORST + COST, 0)


async def test_a_model_on_this_machine_costs_nothing_and_is_counted(bench, think):
    await think(Model("here:model", local=True, each=0), spend=0)
    task = bench.task()
    await task.think(ASK, WISH)
    assert await spent(bench) == (0, 0)
    (line,) = await bench.credits.report("model")
    assert (line.name, line.calls, line.output) == ("here:model", 1, 100)


async def test_a_price_given_for_a_model_on_this_machine_holds(bench, think):
    """A proxy on this machine passes the question on to somebody who bills."""
    await think(Model("here:proxy", local=True), spend=200)
    with pytest.raises(OverBudget):
        await bench.task().think(ASK, WISH)
    await think(Model("here:proxy", local=True))
    await bench.task("t2").think(ASK, WISH)
    assert await spent(bench) == (COST, 0)


async def test_a_model_that_costs_nothing_elsewhere_is_counted_too(bench, think):
    await think(Model("far:gift", each=0), spend=0)
    await bench.task().think(ASK, WISH)
    await bench.saved()
    (line,) = await bench.credits.report("model")
    assert (line.name, line.calls, line.charged) == ("far:gift", 1, 0)


async def test_a_model_without_a_price_is_refused_under_a_hard_limit(bench, think):
    model = Model(priced=False)
    await think(model)
    with pytest.raises(EffectRefused, match="far:model has no known price"):
        await bench.task().think(ASK, WISH)
    assert model.asked == []


async def test_a_listener_never_hears_the_same_twice(bench, think):
    broken = StreamBroken(model="far:model", detail="reset", spent="none", again=True)

    def says(number: int, listen: Any) -> Any:
        pieces = [["on", "e tw"], ["one ", "two", " three"]][number - 1]
        for piece in pieces:
            listen(piece)
        return broken if number == 1 else "one two three"

    await think(Model(says=says))
    heard: list[str] = []
    await bench.task().think(ASK, WISH, heard.append)
    assert "".join(heard) == "one two three"


async def test_the_journal_says_why_other_models_were_not_taken(bench, think):
    """Whom the router left out, who failed and who was too dear: each named once, with the reason."""
    first = Model("far:first", says=BadModelRequest(model="far:first", detail="no"))
    dear = Model("far:dear", each=1_000, fit_to=None)
    await think(first, dear, Model("far:third"), spend=5_000)
    await bench.task().think(ASK, WISH)
    began, again = await bench.events("effect.intent", "effect.again")
    assert began.data["skipped"] == {"far:other": "no key"}
    assert "instead_of" not in began.data
    assert again.data["model"] == "far:third"
    assert list(again.data["instead_of"]) == ["far:first", "far:dear"]
    assert "refuses the request" in again.data["instead_of"]["far:first"]
    assert "mission" in again.data["instead_of"]["far:dear"]
    assert "skipped" not in again.data, "once for each choice"


async def test_what_the_journal_says_of_other_models_is_bounded_and_in_the_missions_language(bench, think):
    why = Texts("x" * 1_000, "é" * 1_000)
    await think(Model())
    bench.access.gateway.skipped = {f"far:{n}": why for n in range(50)} | {"far:liked": why}
    await bench.task().think(ASK, Wish(("far:liked",)))
    (began,) = await bench.events("effect.intent")
    assert list(began.data["skipped"])[:2] == ["far:liked", "far:49"], "those wished for, then the latest reasons"
    assert len(began.data["skipped"]) + began.data["skipped_more"] == 51
    assert len(str(began.data)) < 4_000


async def test_a_soft_limit_asks_once_before_it_is_passed(bench, think):
    model = Model()
    await think(model, user="ada")
    await bench.credits.set_limit(Limit("user", "ada", 1_100, soft=True), by="human:ada")
    with pytest.raises(Parked):
        await bench.task().think(ASK, WISH)
    assert model.asked == []
    assert await spent(bench) == (0, 0)
    (approval,) = await bench.approvals.pending()
    assert "user:ada" in approval.title
    await bench.answer()
    await bench.again()
    task = bench.task()
    await task.think(ASK, WISH)
    assert len(model.asked) == 1
    with pytest.raises(Parked):
        await task.think(ASK, WISH)
    await bench.answer("rejected")
    await bench.again()
    task = bench.task()
    await task.think(ASK, WISH)
    with pytest.raises(EffectRefused):
        await task.think(ASK, WISH)
    assert len(model.asked) == 1
    assert await spent(bench) == (COST, 0)


async def test_calls_of_one_answer_may_run_side_by_side_at_places_of_their_own(bench, think):
    model = Model(says=lambda n, _l: f"answer {n}")
    await think(model)
    task = bench.task()
    first, second = task.think(ASK, WISH), task.think(ASK, WISH)
    answers = await asyncio.gather(second, first)
    await bench.crash()
    task = bench.task()
    assert [await task.think(ASK, WISH), await task.think(ASK, WISH)] == [answers[1], answers[0]]


async def test_the_books_know_whom_each_call_concerned(bench, think, storage):
    await think(Model(), user="ada")
    await bench.door.task("t1", "reader_2", template="reader").think(ASK, WISH)
    (entry,) = await bench.credits.history()
    assert entry.scopes == Scopes(user="ada", agent="reader", mission=bench.claim.id, task="t1", model="far:model")
    assert await bench.credits.verify() == []


async def test_a_mission_that_asks_for_more_than_its_limits_leave_is_refused(bench, think, missions):
    await think(Model(), user="ada")
    await bench.credits.set_limit(Limit("user", "ada", 5_000_000), by="human:ada")
    await bench.task().think(ASK, WISH)
    await bench.saved()

    def asked(micro: int | None, user: str = "ada") -> MissionRequest:
        budget = MissionBudget(credits=micro)
        return MissionRequest(goal="more", workspace="/srv", budget=budget, options=MissionOptions(user=user))

    with pytest.raises(BudgetRefused) as refused:
        await missions.accept(asked(5_000_000))
    assert "4.9994" in refused.value.message("en")
    await missions.accept(asked(5_000_000 - COST))
    await missions.accept(asked(5_000_000, user="eve"))
    await missions.accept(asked(None))
