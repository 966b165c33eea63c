"""Which model is taken for what, in which order, and why; and how failures move it back."""

from __future__ import annotations

import random
from decimal import Decimal
from pathlib import Path

import pytest

from nextgeneration.kernel.clock import SystemClock
from nextgeneration.kernel.models import Image, Message, ModelRequest, ToolSchema, Usage, Wish
from nextgeneration.models import errors
from nextgeneration.models.errors import KeyMissing, NameUnclear, PriceUnknown
from nextgeneration.models.gateway import Gateway
from nextgeneration.models.health import FAILURES, FIRST_PAUSE, HOPELESS_PAUSE, LONGEST_PAUSE
from nextgeneration.models.retries import MOST_SECONDS, TRIES, delay
from nextgeneration.settings.environment import Environment
from nextgeneration.settings.models import ModelFacts, ModelPrice, ModelProvider, ModelSettings
from nextgeneration.testing.clock import ManualClock

KEYS = {"ANTHROPIC_API_KEY": "a-key-of-anthropic", "OPENAI_API_KEY": "a-key-of-openai"}
LOCAL = ModelProvider(url="http://127.0.0.1:9/v1", models=["tiny"])
ASKED = ModelRequest((Message("user", "hello"),))


def gateway(variables: dict[str, str] | None = None, *, clock=None, quality=None, **settings) -> Gateway:
    made = ModelSettings(**{"discover": True, "keyring": False, "dotenv": Path("/nowhere"), **settings})
    environment = Environment(KEYS if variables is None else variables, Path("/nowhere"))
    return Gateway(made, clock=clock or SystemClock(), environment=environment, quality=quality, ports=())


def names(choice) -> list[str]:
    return [candidate.name for candidate in choice.candidates]


def failed(kind: type[errors.ModelFailure], **values) -> errors.ModelFailure:
    return kind(model="m", detail="d", provider="p", key="k", **values)


def test_each_purpose_has_its_own_model_when_several_are_there() -> None:
    models = gateway()
    first = {purpose: names(models.candidates(Wish(purpose=purpose)))[0] for purpose in ("plan", "work", "compact")}
    assert len(set(first.values())) == 3
    words = models.candidates(Wish(purpose="synthesise")).first
    assert words.name not in first.values(), "a plan is not judged by whoever made it"
    assert words.name.partition(":")[0] != first["plan"].partition(":")[0]
    assert words.why.en == "the best for a synthesis of another provider than the plan's"
    price = {candidate.name: candidate.cost(Usage(1_000, 1_000)) for candidate in models.candidates(Wish()).candidates}
    assert price[first["compact"]] == min(price.values())
    assert price[first["plan"]] > price[first["work"]] > price[first["compact"]]


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"facts": {"here:*": ModelFacts(rank=9)}}, "here:tiny"),
        ({"facts": {"here:*": ModelFacts(rank=8)}}, "here:tiny"),
        ({"facts": {"here:*": ModelFacts(rank=7)}}, "openai:gpt-6.1-sol"),
    ],
    ids=["as good", "nearly as good", "less good"],
)
def test_the_synthesis_takes_another_provider_only_where_it_is_nearly_as_good(other, words) -> None:
    keys = {"OPENAI_API_KEY": "a-key-of-openai"}
    models = gateway(keys, providers={"here": LOCAL}, **other)
    assert names(models.candidates(Wish(purpose="synthesise")))[0] == words
    assert len(names(models.candidates(Wish(purpose="synthesise")))) == len(names(models.candidates(Wish())))


def test_the_synthesis_of_a_plan_made_here_stays_here_and_none_is_taken_for_a_price_nobody_knows() -> None:
    best = {"facts": {"here:*": ModelFacts(rank=9), "lab:*": ModelFacts(rank=9)}}
    at_home = gateway({"OPENAI_API_KEY": "a-key"}, providers={"here": LOCAL}, **best)
    assert names(at_home.candidates(Wish(purpose="plan")))[0] == "here:tiny"
    assert names(at_home.candidates(Wish(purpose="synthesise")))[0] == "here:tiny"
    lab = ModelProvider(url="https://lab.example/v1", models=["big"])
    unpriced = gateway({"OPENAI_API_KEY": "a-key"}, providers={"lab": lab}, **best)
    assert names(unpriced.candidates(Wish(purpose="synthesise")))[0].startswith("openai:")


def test_while_the_planner_is_left_alone_the_synthesis_differs_from_whoever_plans_instead() -> None:
    models = gateway(facts={"openai:gpt-6.1-terra": ModelFacts(rank=8)})
    best = models.candidates(Wish(purpose="plan")).first
    best.failed(failed(errors.KeyRefused))
    planner = models.candidates(Wish(purpose="plan")).first
    words = models.candidates(Wish(purpose="synthesise")).first
    assert planner.name != best.name
    assert words.name.partition(":")[0] != planner.name.partition(":")[0]


def test_wishes_come_first_in_their_order_and_the_reason_is_said_in_both_languages() -> None:
    models = gateway()
    choice = models.candidates(Wish(prefer=("openai:gpt-4o", "anthropic:*", "mistral:mistral-large-4", "nobody:x")))
    assert names(choice)[:2] == ["openai:gpt-4o", "anthropic:claude-opus-5-5"]
    assert choice.first.why.en == "wished for, place 1"
    assert choice.why.fr == "openai:gpt-4o : souhaité, rang 1"
    assert choice.skipped["mistral:mistral-large-4"].en == "no key under MISTRAL_API_KEY"
    assert choice.skipped["nobody:x"].en == "no provider of this name"
    assert "in place of" in choice.candidates[-1].why.en, "the others stand behind, for a fallback"


def test_who_wishes_for_this_machine_only_gets_no_other() -> None:
    models = gateway(providers={"here": LOCAL})
    choice = models.candidates(Wish(prefer=("here:tiny",)))
    assert names(choice) == ["here:tiny"]
    assert choice.skipped["openai:gpt-6.1-sol"].en == "only models on this machine were wished for"


def test_a_bare_name_means_any_provider_that_has_it() -> None:
    assert names(gateway().candidates(Wish(prefer=("claude-haiku-5-5",))))[0] == "anthropic:claude-haiku-5-5"
    assert gateway().candidates(Wish(prefer=("claude-nothing",))).skipped["claude-nothing"].en.startswith("nothing")


def test_needs_that_nothing_can_stand_in_for_leave_models_out() -> None:
    models = gateway(providers={"here": LOCAL}, facts={"here:*": ModelFacts(tools=False)})
    seeing = ModelRequest((Message("user", "look", images=(Image("image/png", "AA"),)),))
    assert "here:tiny" not in names(models.candidates(Wish(), seeing))
    assert models.candidates(Wish(), seeing).skipped["here:tiny"].fr == "ne sait pas faire : vision"
    shown = ModelRequest((Message("tool", "a picture", call="c", images=(Image("image/png", "AA"),)),))
    assert "here:tiny" in names(models.candidates(Wish(), shown)), "a result's picture is told in words as well"
    calling = ModelRequest((Message("user", "go"),), (ToolSchema("a", "", {}),))
    assert "here:tiny" not in names(models.candidates(Wish(), calling))
    for need in ("structured", "reasoning"):
        assert "here:tiny" not in names(models.candidates(Wish(needs=frozenset({need}))))
    both = models.candidates(Wish(needs=frozenset({"structured", "reasoning"})))
    assert both.skipped["here:tiny"].fr == "ne sait pas faire : raisonnement, réponses structurées"
    assert both.candidates
    unheard = models.candidates(Wish(needs=frozenset({"smell"})))
    assert unheard.candidates == ()
    assert unheard.skipped["anthropic:claude-opus-5-5"].en == "cannot do smell"


def test_a_prompt_that_cannot_fit_leaves_a_model_out() -> None:
    models = gateway({}, providers={"here": LOCAL})
    assert models.available(Wish())
    choice = models.candidates(Wish(), ModelRequest((Message("user", "word " * 20_000),)))
    assert choice.candidates == ()
    assert "context" in choice.skipped["here:tiny"].en
    assert choice.why.en == "no model fits"


def test_only_what_is_in_use_is_taken_and_what_never_is_never() -> None:
    models = gateway(use=["openai:gpt-4o"], never=["anthropic:*"])
    choice = models.candidates(Wish(prefer=("openai:gpt-6.1-sol", "anthropic:claude-opus-5-5")))
    assert names(choice) == ["openai:gpt-4o"]
    assert choice.skipped["openai:gpt-6.1-sol"].en == "not among NG_MODELS_USE"
    assert choice.skipped["anthropic:claude-opus-5-5"].en == "excluded by NG_MODELS_NEVER"
    assert "openai:gpt-4o" in {info.name for info in models.models()}


def test_what_was_learned_goes_before_what_is_believed() -> None:
    class Learned:
        def expected(self, model: str, agent: str, purpose: str) -> float | None:
            return {"openai:gpt-6-luna": 0.95}.get(model) if (agent, purpose) == ("scribe", "work") else None

    models = gateway(quality=Learned())
    assert names(models.candidates(Wish(), agent="scribe"))[0] == "openai:gpt-6-luna"
    assert names(models.candidates(Wish(), agent="other"))[0] != "openai:gpt-6-luna"


def test_without_any_model_there_is_none() -> None:
    models = gateway({})
    assert not models.available(Wish())
    assert models.models() == []
    with pytest.raises(KeyMissing):
        models.candidate("openai:gpt-4o")
    with pytest.raises(NameUnclear):
        models.candidate("nobody:m")


def test_a_key_set_later_is_found_after_a_refresh() -> None:
    variables: dict[str, str] = {}
    models = gateway(variables)
    assert not models.available(Wish())
    variables.update(KEYS)
    assert not models.available(Wish())
    models.refresh()
    assert models.available(Wish())


# --- health


def test_failures_in_a_row_put_a_model_behind_all_others_until_its_pause_is_over() -> None:
    clock = ManualClock()
    models = gateway(clock=clock)
    first = models.candidates(Wish(purpose="plan")).first
    for _ in range(FAILURES - 1):
        first.failed(failed(errors.ModelOverloaded))
    assert names(models.candidates(Wish(purpose="plan")))[0] == first.name
    first.failed(failed(errors.StreamBroken))
    choice = models.candidates(Wish(purpose="plan"))
    assert names(choice)[-1] == first.name
    assert choice.candidates[-1].why.en == f"left alone for {FIRST_PAUSE:.0f} s after failures"
    assert choice.skipped[first.name] == choice.candidates[-1].why, "the journal says why another one is asked"
    clock.advance(FIRST_PAUSE + 0.1)
    assert names(models.candidates(Wish(purpose="plan")))[0] == first.name
    first.failed(failed(errors.ModelTimedOut, seconds=3))
    assert first.health.resting == pytest.approx(2 * FIRST_PAUSE), "one failure after a pause is enough, for longer"
    first.succeeded(1.0)
    assert first.health.resting == 0
    for _ in range(50):
        first.failed(failed(errors.ServerFailed))
    assert first.health.resting <= LONGEST_PAUSE


def test_what_lies_in_the_request_says_nothing_about_the_model() -> None:
    first = gateway().candidates(Wish()).first
    for _ in range(10):
        first.failed(failed(errors.ContextTooLong))
        first.failed(failed(errors.BadModelRequest))
    assert first.health.resting == 0


def test_rate_limits_and_refused_keys_rest_as_long_as_they_should() -> None:
    clock = ManualClock()
    candidates = gateway(clock=clock).candidates(Wish()).candidates
    candidates[0].failed(failed(errors.ModelRateLimited, retry_after=42.0))
    candidates[1].failed(failed(errors.KeyRefused))
    assert candidates[0].health.resting == pytest.approx(42)
    assert candidates[1].health.resting == pytest.approx(HOPELESS_PAUSE)


def test_latency_is_smoothed() -> None:
    first = gateway().candidates(Wish()).first
    first.succeeded(1.0)
    first.succeeded(2.0)
    assert first.health.seconds == pytest.approx(1.2)


# --- retries


def test_only_what_cost_nothing_is_tried_again_and_not_for_ever() -> None:
    overloaded = failed(errors.ModelOverloaded)
    waits = [delay(overloaded, tries, jitter=0.0) for tries in range(1, TRIES)]
    assert waits == sorted(waits)
    assert delay(overloaded, TRIES, jitter=0.0) is None
    assert delay(failed(errors.StreamBroken), 1, jitter=0.0) is None
    assert delay(failed(errors.ModelTimedOut, seconds=1), 1, jitter=0.0) is None
    assert delay(failed(errors.BadModelRequest), 1, jitter=0.0) is None
    for tries in range(1, TRIES):
        assert 0 < delay(overloaded, tries, jitter=random.random()) <= MOST_SECONDS


def test_a_wait_the_provider_asks_for_is_kept_and_never_shortened() -> None:
    limited = failed(errors.ModelRateLimited, retry_after=3.0)
    assert 3.0 <= delay(limited, 1, jitter=0.99) <= 4.0
    assert delay(failed(errors.ModelRateLimited, retry_after=3_600.0), 1, jitter=0.0) is None
    assert delay(failed(errors.ServerFailed, spent="unknown"), 1, jitter=0.0) is None


# --- money


def test_the_worst_case_is_above_every_cost_and_rounds_up() -> None:
    for candidate in gateway().candidates(Wish()).candidates:
        worst = candidate.worst(ASKED)
        assert worst > candidate.cost(Usage(50, min(ASKED.max_output, candidate.max_output), cache_written=50))
        assert candidate.cost(Usage(1, 0)) >= 1, "no call is free because it is small"


def test_a_longer_prompt_may_reach_a_dearer_tier_and_the_worst_case_knows() -> None:
    candidate = gateway().candidate("anthropic:claude-haiku-5-5")
    short, long = ModelRequest((Message("user", "x"),)), ModelRequest((Message("user", "x" * 120_000),))
    assert candidate.worst(long) > 5 * candidate.worst(short)
    assert candidate.cost(Usage(100_001, 0)) == 5 * candidate.cost(Usage(100_000, 0)) + 50


def test_an_answer_is_made_as_short_as_the_credits_that_are_left() -> None:
    candidate = gateway().candidate("anthropic:claude-opus-5-5")
    whole = candidate.worst(ASKED)
    assert candidate.fit(ASKED, whole) is ASKED
    smaller = candidate.fit(ASKED, whole // 2)
    assert 256 <= smaller.max_output < ASKED.max_output
    assert candidate.worst(smaller) <= whole // 2
    one_more = ModelRequest(ASKED.messages, max_output=smaller.max_output + 1)
    assert candidate.worst(one_more) > whole // 2, "as long as it can be"
    assert candidate.fit(ASKED, 10) is None


def test_a_model_on_this_machine_costs_nothing_and_one_without_a_price_has_no_worst_case() -> None:
    models = gateway(
        {},
        providers={"here": LOCAL, "there": ModelProvider(url="https://llm.example/v1", models=["m"])},
    )
    here, there = models.candidate("here:tiny"), models.candidate("there:m")
    assert (here.local, here.priced, here.worst(ASKED), here.cost(Usage(10**6, 10**6))) == (True, True, 0, 0)
    assert (there.local, there.priced) == (False, False)
    for call in (lambda: there.worst(ASKED), lambda: there.cost(Usage(1, 1)), lambda: there.fit(ASKED, 10)):
        with pytest.raises(PriceUnknown):
            call()


def test_ones_own_price_goes_before_the_published_one_and_a_credit_may_be_worth_anything() -> None:
    own = {"openai:gpt-4o": ModelPrice(input=1, output=2, call=Decimal("0.001"))}
    made = ModelSettings(discover=True, keyring=False, prices=own)
    models = Gateway(
        made, clock=SystemClock(), credit_usd=Decimal("0.1"), environment=Environment(KEYS, Path("/nowhere")), ports=()
    )
    candidate = models.candidate("openai:gpt-4o")
    assert candidate.cost(Usage(1_000, 1_000, cached=500)) == 40_000
    assert candidate.price.source == "settings"


def test_another_address_under_a_known_name_has_not_that_providers_prices() -> None:
    models = gateway(providers={"openai": ModelProvider(url="https://proxy.example/v1", key="OPENAI_API_KEY")})
    assert not models.candidate("openai:gpt-4o").priced
