"""Each of the five wire formats, through the real library: what a provider does comes out as our words say it."""

from __future__ import annotations

import asyncio
import logging
import sys
import traceback
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.models.far import MODELS, READ, SECRET, far

from nextgeneration.kernel.clock import SystemClock
from nextgeneration.kernel.models import Finish, Image, Message, ToolCall, ToolSchema, Usage
from nextgeneration.models.errors import (
    AccountEmpty,
    BadModelRequest,
    ContextTooLong,
    ExtraMissing,
    KeyMissing,
    KeyRefused,
    ModelFailure,
    ModelOverloaded,
    ModelRateLimited,
    ModelTimedOut,
    ModelUnreachable,
    RubbishAnswer,
    ServerFailed,
    StreamBroken,
)
from nextgeneration.models.estimating import OF_RESULTS
from nextgeneration.models.gateway import Gateway
from nextgeneration.models.retries import delay
from nextgeneration.settings.environment import Environment
from nextgeneration.settings.models import ModelFacts, ModelProvider, ModelSettings
from nextgeneration.testing import wire
from nextgeneration.testing.wire.pictures import PIXEL

EVERY = pytest.mark.parametrize("provider", MODELS)
BOTH = pytest.mark.parametrize("listen", [False, True], ids=["whole", "streamed"])


@EVERY
@BOTH
async def test_words_and_usage_come_out_as_they_were_sent(provider: str, listen: bool) -> None:
    async with far(provider) as there:
        answer = await there.ask(wire.Say("Bonjour, ça va ? 日本", wire.Usage(12, 3)), listen=listen)
    assert (answer.text, answer.finish, answer.calls) == ("Bonjour, ça va ? 日本", Finish.STOP, ())
    assert answer.usage == Usage(12, 3)
    assert answer.model == f"far:{MODELS[provider]}"


@EVERY
@BOTH
async def test_parallel_calls_keep_their_order_and_the_names_we_gave(provider: str, listen: bool) -> None:
    calls = [wire.Call("fs.read", {"path": "a"}), wire.Call("fs.read", {"path": 'b\n"é'})]
    async with far(provider) as there:
        answer = await there.ask(wire.Calls(calls, wire.Usage(40, 9)), listen=listen, tools=(READ,))
    assert [(call.name, call.args) for call in answer.calls] == [
        ("fs.read", {"path": "a"}),
        ("fs.read", {"path": 'b\n"é'}),
    ]
    assert len({call.id for call in answer.calls}) == 2
    assert (answer.finish, answer.usage) == (Finish.CALLS, Usage(40, 9))


@EVERY
@BOTH
async def test_text_that_is_json_stays_text_among_arguments(provider: str, listen: bool) -> None:
    """One library parses every argument that looks like JSON or Python: a file's content would become an object."""
    args = {"path": '{"a": 1}', "more": "[1, 2]", "deep": {"list": ["(1,)"]}}
    async with far(provider) as there:
        answer = await there.ask(wire.Call("fs.read", args), listen=listen, tools=(READ,))
    assert answer.calls[0].args == args


@pytest.mark.parametrize("provider", [name for name in MODELS if name not in {"gemini", "ollama"}])
@pytest.mark.parametrize("written", ['{"path": "a', "[1]", '"text"', "not json", '{"a": NaN}'])
@BOTH
async def test_arguments_that_are_no_json_object_are_kept_word_for_word(
    provider: str, written: str, listen: bool
) -> None:
    async with far(provider) as there:
        answer = await there.ask(wire.BadArguments(written), listen=listen, tools=(READ,))
    call = answer.calls[0]
    assert (call.name, call.args, call.raw) == ("fs.read", None, written)


@BOTH
async def test_a_call_that_gemini_cannot_read_is_a_failure_with_what_it_cost(listen: bool) -> None:
    async with far("gemini") as there:
        with pytest.raises(RubbishAnswer) as failed:
            await there.ask(wire.BadArguments('{"path'), listen=listen, tools=(READ,))
        assert failed.value.spent == "known"
        assert failed.value.usage is not None
        assert failed.value.usage.output == there.server.total.output


@EVERY
@BOTH
async def test_a_call_cut_at_the_limit_never_has_arguments(provider: str, listen: bool) -> None:
    async with far(provider) as there:
        cut = wire.Truncated(wire.Call("fs.read", '{"path": "abc'))
        answer = await there.ask(cut, listen=listen, tools=(READ,))
    assert answer.finish is Finish.LENGTH
    assert all(call.args is None for call in answer.calls)


@EVERY
@BOTH
async def test_a_cut_text_says_so(provider: str, listen: bool) -> None:
    async with far(provider) as there:
        answer = await there.ask(wire.Truncated("one two three"), listen=listen)
    assert (answer.text, answer.finish) == ("one two three", Finish.LENGTH)


@pytest.mark.parametrize("provider", [name for name in MODELS if name != "ollama"])
@pytest.mark.parametrize("filtered", [False, True])
@BOTH
async def test_a_refusal_is_one_in_every_form(provider: str, filtered: bool, listen: bool) -> None:
    async with far(provider) as there:
        answer = await there.ask(wire.Refuses("I would rather not.", filtered=filtered), listen=listen)
    assert answer.finish is Finish.REFUSED
    assert answer.text in {"I would rather not.", ""}


@EVERY
@BOTH
async def test_a_tool_nobody_offered_keeps_its_name(provider: str, listen: bool) -> None:
    async with far(provider) as there:
        answer = await there.ask(wire.UnknownTool("rm_rf", {"x": 1}), listen=listen, tools=(READ,))
    assert [(call.name, call.args) for call in answer.calls] == [("rm_rf", {"x": 1})]


@EVERY
@BOTH
async def test_usage_that_is_not_told_is_estimated_above_what_was_billed(provider: str, listen: bool) -> None:
    async with far(provider) as there:
        answer = await there.ask(wire.Say("héhé " * 30, "missing"), listen=listen, tools=(READ,))
        billed = there.server.total
    assert answer.usage.estimated
    assert answer.usage.input >= billed.input
    assert answer.usage.output >= billed.output


@EVERY
async def test_usage_that_comes_last_of_all_is_read(provider: str) -> None:
    async with far(provider) as there:
        answer = await there.ask(wire.Say("late", "late"), listen=True)
        billed = there.server.total
    assert (answer.usage.input, answer.usage.output) == (billed.input, billed.output)
    assert not answer.usage.estimated


@pytest.mark.parametrize("provider", [name for name in MODELS if name != "ollama"])
@BOTH
async def test_cached_and_reasoning_tokens_come_out(provider: str, listen: bool) -> None:
    written = 30 if provider == "anthropic" else 0
    reasoning = 0 if provider == "anthropic" else 7
    usage = wire.Usage(100, 20, cached=60, written=written, reasoning=reasoning)
    async with far(provider) as there:
        answer = await there.ask(wire.Say("ok", usage), listen=listen)
        micro = there.candidate.cost(answer.usage)
    assert answer.usage == Usage(100, 20, 60, written, reasoning)
    # 2, 0.5, 2.5 and 10 USD for a million tokens; a credit is a cent.
    assert micro == ((40 - written) * 200 + 60 * 50 + written * 250 + 20 * 1_000)


@EVERY
@BOTH
@pytest.mark.parametrize(
    ("step", "kind", "again"),
    [
        (wire.RateLimited(retry_after=2), ModelRateLimited, True),
        (wire.RateLimited(), ModelRateLimited, True),
        (wire.Overflows(), ContextTooLong, False),
        (wire.Fails(500), ServerFailed, True),
        (wire.Fails(503), ModelOverloaded, True),
        (wire.Fails(529), ModelOverloaded, True),
        (wire.Fails(400), BadModelRequest, False),
        (wire.Fails(401), KeyRefused, False),
        (wire.Fails(403), KeyRefused, False),
    ],
    ids=lambda value: getattr(value, "__name__", None) or repr(value),
)
async def test_what_a_provider_answers_by_status_cost_nothing(
    provider: str, listen: bool, step: wire.Step, kind: type[ModelFailure], again: bool
) -> None:
    async with far(provider) as there:
        with pytest.raises(kind) as failed:
            await there.ask(step, listen=listen)
        assert len(there.server.requests) == 1, "the library tried again by itself"
        assert there.server.billed == []
    assert (failed.value.spent, failed.value.again) == ("none", again)
    assert (delay(failed.value, 1, jitter=0.5) is not None) is again


@pytest.mark.parametrize("provider", [name for name in MODELS if name != "ollama"])
async def test_retry_after_is_read(provider: str) -> None:
    """Ollama's library throws the headers away."""
    async with far(provider) as there:
        with pytest.raises(ModelRateLimited) as failed:
            await there.ask(wire.RateLimited(retry_after=7))
    assert failed.value.retry_after == 7
    assert delay(failed.value, 1, jitter=0.0) == 7
    assert delay(failed.value, 1, jitter=0.0, patience=5) is None


@pytest.mark.parametrize("provider", ["openai", "openai-responses", "anthropic"])
async def test_an_empty_account_is_not_waited_for(provider: str) -> None:
    async with far(provider) as there:
        with pytest.raises(AccountEmpty) as failed:
            await there.ask(wire.RateLimited(quota=True))
    assert delay(failed.value, 1, jitter=0.0) is None


@EVERY
@BOTH
@pytest.mark.parametrize("clean", [False, True])
async def test_an_answer_that_breaks_off_may_have_been_billed(provider: str, listen: bool, clean: bool) -> None:
    async with far(provider) as there:
        with pytest.raises(StreamBroken) as failed:
            await there.ask(wire.Resets("during", clean=clean), listen=listen)
    assert failed.value.spent == "unknown"
    assert delay(failed.value, 1, jitter=0.0) is None, "it would be paid for twice"


@EVERY
async def test_pieces_heard_before_a_break_are_handed_on_once_and_counted(provider: str) -> None:
    async with far(provider) as there:
        there.server.script(wire.Resets("during"))
        pieces: list[str] = []
        with pytest.raises(StreamBroken) as failed:
            await there.candidate.client.answer(_request(), pieces.append)
        await there.server.settled()
        billed = there.server.total
    assert "one two three four five".startswith("".join(pieces))
    if pieces:
        assert failed.value.usage is not None
        assert failed.value.usage.input >= billed.input


@EVERY
async def test_an_error_in_the_middle_of_a_stream_is_a_break(provider: str) -> None:
    async with far(provider) as there:
        with pytest.raises(StreamBroken) as failed:
            await there.ask(wire.Fails(500, during=wire.Say("one two three four five")), listen=True)
    assert failed.value.spent == "unknown"


@EVERY
async def test_a_connection_that_dies_after_the_last_word_takes_nothing_away(provider: str) -> None:
    async with far(provider) as there:
        answer = await there.ask(wire.Resets("after", of=wire.Say("all of it", wire.Usage(9, 3))), listen=True)
    assert (answer.text, answer.usage) == ("all of it", Usage(9, 3))


@EVERY
@BOTH
async def test_silence_ends_at_the_limit(provider: str, listen: bool) -> None:
    async with far(provider, answer_seconds=1.0, silence_seconds=0.4) as there:
        with pytest.raises(ModelTimedOut) as failed:
            await there.ask(wire.Stalls("during" if listen else "before"), listen=listen)
    assert (failed.value.spent, failed.value.other) == ("unknown", True)


@EVERY
async def test_an_answer_that_never_ends_is_ended(provider: str) -> None:
    async with far(provider, answer_seconds=1.0, silence_seconds=20.0) as there:
        with pytest.raises((ModelTimedOut, RubbishAnswer)) as failed:
            await there.ask(wire.Endless(), listen=True, max_output=300)
    assert failed.value.spent == "unknown"


@EVERY
async def test_bytes_cut_anywhere_make_the_same_answer(provider: str) -> None:
    async with far(provider) as there:
        text = "déjà 日本 vu"
        answer = await there.ask(wire.Drip(0.0005, of=wire.Say(text, wire.Usage(5, 4)), size=7), listen=True)
    assert (answer.text, answer.usage) == (text, Usage(5, 4))


@EVERY
async def test_nobody_listening_at_the_address_cost_nothing(provider: str) -> None:
    async with far(provider) as there:
        provided = ModelProvider(url="http://127.0.0.1:9", key="FAR_API_KEY", dialect="openai", models=["m"])
    async with far(provider, providers={"far": replace_dialect(provided, provider)}) as there:
        with pytest.raises(ModelUnreachable) as failed:
            await there.candidate.client.answer(_request())
    assert (failed.value.spent, failed.value.again) == ("none", True)


@EVERY
async def test_a_schema_is_asked_for_in_the_providers_own_way(provider: str) -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "integer"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    async with far(provider) as there:
        answer = await there.ask(wire.Say('{"a": 1}'), schema=schema)
        body = there.server.requests[-1].body
        assert answer.text == '{"a": 1}'
        assert '"integer"' in str(body).replace("'", '"')
        assert "JSON Schema" not in there.server.requests[-1].system


async def test_a_model_that_follows_no_schema_is_told_in_words() -> None:
    async with far("openai", model="some-local-model") as there:
        await there.ask(wire.Say("{}"), schema={"type": "object"})
        assert '{"type": "object"}' in there.server.requests[-1].system


@EVERY
async def test_a_conversation_goes_back_whole(provider: str) -> None:
    """Calls, their answers in parallel, an error among them, pictures: each provider's own rules are kept."""
    first, second = ToolCall("call_1", "fs.read", {"path": "a"}), ToolCall("call_2", "shell.run", None, '{"bro')
    messages = (
        Message("system", "Be brief."),
        Message("user", "look", images=(Image("image/png", PIXEL),)),
        Message("assistant", "", (first, second)),
        Message("tool", "contents", call="call_1"),
        Message("tool", "those were no arguments", call="call_2", failed=True),
        Message("assistant", ""),
        Message("system", "The budget is nearly spent."),
        Message("user", "and?"),
    )
    facts = {"far:*": ModelFacts(vision=True, tools=True, context=100_000)}
    async with far(provider, facts=facts) as there:
        answer = await there.ask(wire.Say("done"), messages=messages, tools=(READ,), stable=4)
        seen = there.server.requests[-1]
    assert answer.text == "done"
    assert seen.system == "Be brief."
    assert [result.text for result in seen.results] == ["contents", "those were no arguments"]
    assert len(seen.pictures) == 1
    made = [call for turn in seen.turns for call in turn.calls]
    assert [call.name for call in made] == ["fs_read", "shell_run"]
    assert made[0].args == {"path": "a"}
    assert seen.max_tokens == 1_000


@EVERY
@pytest.mark.parametrize("sees", [True, False])
async def test_the_pictures_of_results_reach_a_model_that_sees_and_are_marked_as_data(
    provider: str, sees: bool
) -> None:
    calls = tuple(ToolCall(f"call_{n}", "fs.read", {"path": "a"}) for n in (1, 2, 3))
    picture = (Image("image/png", PIXEL),)
    messages = (
        Message("user", "look"),
        Message("assistant", "", calls),
        Message("tool", "[picture, 1x1, image/png]", call="call_1", images=picture),
        Message("tool", "words", call="call_2"),
        Message("tool", "[picture, 1x1, image/png] again", call="call_3", images=picture),
    )
    facts = {"far:*": ModelFacts(vision=sees, tools=True, context=100_000)}
    async with far(provider, facts=facts) as there:
        await there.ask(wire.Say("done"), messages=messages, tools=(READ,))
        seen = there.server.requests[-1]
    assert [result.text for result in seen.results] == [message.text for message in messages[2:]]
    assert len(seen.pictures) == (2 if sees else 0)
    assert (OF_RESULTS in str(seen.body)) is sees


async def test_anthropic_is_told_what_to_cache() -> None:
    messages = (Message("system", "s"), Message("user", "one"), Message("assistant", "two"), Message("user", "three"))
    async with far("anthropic") as there:
        await there.ask(wire.Say("ok"), messages=messages, tools=(READ,), stable=2)
        body = there.server.requests[-1].body
    assert body["system"][0]["cache_control"] == {"type": "ephemeral"}
    assert body["messages"][0]["content"][0]["cache_control"] == {"type": "ephemeral"}
    assert "cache_control" not in str(body["messages"][1:])


@pytest.mark.parametrize("provider", ["openai-responses", "anthropic", "gemini"])
@BOTH
async def test_signed_thoughts_go_back_to_the_model_that_had_them_and_to_no_other(provider: str, listen: bool) -> None:
    call = wire.Calls([wire.Call("fs.read", {"path": "a"})], thinking="I should read it.")
    facts = {"far:*": ModelFacts(reasoning=True, tools=True)}
    async with far(provider, facts=facts) as there:
        answer = await there.ask(call, listen=listen, tools=(READ,))
        assert answer.extra, "nothing was kept"
        history = (
            Message("user", "hello"),
            answer.message(),
            Message("tool", "contents", call=answer.calls[0].id),
        )
        # The double refuses thoughts that come back changed or not at all.
        again = await there.ask(wire.Say("done"), listen=listen, messages=history, tools=(READ,))
        assert again.text == "done"
        sent = str(there.server.requests[-1].body)
        signature = _signature(answer.extra)
        assert signature
        assert signature in sent
    other = "gemini-3.5-flash" if provider == "gemini" else "another-model"
    async with far("openai", model=other) as elsewhere:
        await elsewhere.ask(wire.Say("ok"), messages=history, tools=(READ,))
        assert signature not in str(elsewhere.server.requests[-1].body)


@EVERY
async def test_a_required_call_is_required(provider: str) -> None:
    async with far(provider) as there:
        await there.ask(wire.Call("fs.read", {"path": "a"}), tools=(READ,), required=True)
        body = str(there.server.requests[-1].body)
    words = ("'required'", "'any'", "'ANY'", "Answer by calling a tool")
    assert any(word in body for word in words)


@EVERY
async def test_the_key_is_in_no_failure_no_log_and_no_repr(provider: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with far(provider) as there:
        with pytest.raises(ModelFailure) as failed:
            await there.ask(wire.Fails(401, f"Incorrect API key provided: {SECRET}. See https://x/?key={SECRET}"))
        shown = [
            "".join(traceback.format_exception(failed.value)),
            repr(failed.value.__dict__),
            repr(there.gateway.sources()),
            repr(there.candidate),
            repr(vars(there.candidate.client)),
            failed.value.message("fr") + failed.value.hint("fr"),
            str(failed.value.problem()),
            caplog.text,
        ]
    assert all(SECRET not in text for text in shown)


async def test_a_key_that_is_not_there_is_named_before_anything_is_sent() -> None:
    async with far("openai") as there:
        client = there.gateway._make(replace(there.gateway.sources()["far"], key=None, name="far2"), "m").client
        with pytest.raises(KeyMissing) as failed:
            await client.answer(_request())
        assert there.server.requests == []
    assert "FAR_API_KEY" in failed.value.message()


async def test_half_surrogate_pairs_are_sent_and_read_as_replacement_characters() -> None:
    tool = ToolSchema("a.b", "\ud800 x", {"type": "object"})
    async with far("openai") as there:
        answer = await there.ask(
            wire.Call("a.b", '{"t": "\\ud800!"}'), messages=(Message("user", "x\udfff"),), tools=(tool,)
        )
    assert answer.calls[0].args == {"t": "\ufffd!"}
    answer.calls[0].args["t"].encode()


async def test_data_that_looks_like_langchains_own_objects_stays_data() -> None:
    """CVE-2025-68664: {"lc": 1, "type": "secret"} must neither read the environment nor make an object."""
    data = {"lc": 1, "type": "secret", "id": ["HOME"]}
    message = Message("assistant", "", (ToolCall("call_1", "fs.read", {"path": data}),))
    async with far("openai") as there:
        history = (Message("user", str(data)), message, Message("tool", str(data), call="call_1"))
        answer = await there.ask(wire.Call("fs.read", {"path": data}), messages=history, tools=(READ,))
        made = [call for turn in there.server.requests[-1].turns for call in turn.calls]
    assert answer.calls[0].args == {"path": data}
    assert made[0].args == {"path": data}


async def test_tracing_that_the_environment_asks_for_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with far("openai") as there:
        # The double stands in for the tracing service too: any request but ours would be one too many.
        for name in ("LANGSMITH_TRACING", "LANGCHAIN_TRACING_V2", "LANGSMITH_TRACING_V2"):
            monkeypatch.setenv(name, "true")
        monkeypatch.setenv("LANGSMITH_ENDPOINT", there.server.root)
        monkeypatch.setenv("LANGSMITH_API_KEY", "lsv2_x")
        await there.ask(wire.Say("a"))
        await there.ask(wire.Say("b"), listen=True)
        import langsmith.client  # noqa: F401 - its threads would have started by now

        assert len(there.server.requests) == 2
        assert there.server.problems == []


def _request():  # type: ignore[no-untyped-def]
    from nextgeneration.kernel.models import ModelRequest

    return ModelRequest((Message("user", "hello"),), max_output=100)


def replace_dialect(provided: ModelProvider, provider: str) -> ModelProvider:
    from tests.unit.models.far import DIALECTS

    return provided.model_copy(update={"dialect": DIALECTS[provider]})


def _signature(extra: object) -> str:
    """The longest text in what is kept: what the provider signed."""
    found: list[str] = []

    def walk(value: object) -> None:
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, dict):
            for item in value.values():
                walk(item)
        elif isinstance(value, list):
            for item in value:
                walk(item)

    walk(extra)
    return max(found, key=len, default="")


async def test_schemas_lose_for_google_only_what_it_does_not_know(caplog: pytest.LogCaptureFixture) -> None:
    named = {"type": "object", "title": "T", "properties": {"title": {"type": "string"}}, "additionalProperties": False}
    async with far("gemini") as there:
        await there.ask(wire.Say("ok"), tools=(ToolSchema("a.b", "x", {**named, "required": ["title"]}),))
        offered = there.server.requests[-1].tools[0].schema
    assert list(offered["properties"]) == ["title"]
    assert "ignoring" not in caplog.text


async def test_any_provider_langchain_knows_is_asked_through_it() -> None:
    provider = ModelProvider(key="FAR_API_KEY", dialect="langchain", models=["m"], package="openai")
    async with far("openai", providers={"other": provider}) as there:
        provider.url = there.server.url
        there.gateway.refresh()
        client = there.gateway.candidate("other:m").client
        there.server.script(wire.Call("fs.read", {"path": "a"}), wire.Say("b", wire.Usage(3, 1)), wire.Fails(503))
        answer = await client.answer(replace(_request(), tools=(READ,)))
        assert (answer.calls[0].name, answer.calls[0].args) == ("fs.read", {"path": "a"})
        pieces: list[str] = []
        streamed = await client.answer(_request(), pieces.append)
        assert (streamed.text, "".join(pieces)) == ("b", "b")
        assert streamed.usage.estimated, "this library asks a strange address for no usage"
        with pytest.raises(ModelOverloaded):
            await client.answer(_request())
        assert len(there.server.requests) == 3


async def test_a_library_that_is_not_installed_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    async with far("anthropic") as there:
        with monkeypatch.context() as without:
            without.setitem(sys.modules, "langchain_anthropic", None)
            without.delitem(sys.modules, "nextgeneration.models.langchain.anthropic", raising=False)
            with pytest.raises(ExtraMissing) as failed:
                await there.candidate.client.answer(_request())
    assert failed.value.install in {"pip install 'nextgeneration[anthropic]'", "pip install langchain-anthropic"}


async def test_one_client_outlives_its_event_loop() -> None:
    def used_twice() -> list[str]:
        with wire.WireServer("openai") as server:
            provider = ModelProvider(url=server.url, models=["m"])
            settings = ModelSettings(discover=False, providers={"far": provider})
            gateway = Gateway(settings, clock=SystemClock(), environment=Environment({}, Path("/nowhere")))
            client = gateway.candidate("far:m").client
            server.script(wire.Say("a"), wire.Say("b"))
            said = []
            for _ in range(2):

                async def once() -> str:
                    answer = await client.answer(_request())
                    await gateway.close()
                    return answer.text

                said.append(asyncio.run(once()))
            return said

    assert await asyncio.to_thread(used_twice) == ["a", "b"]


@EVERY
async def test_many_calls_at_once_stay_apart(provider: str) -> None:
    async with far(provider) as there:
        there.server.answers(lambda seen: wire.Say(seen.last, wire.Usage(1, 1)))
        asked = [replace(_request(), messages=(Message("user", f"number {n}"),)) for n in range(40)]
        answers = await asyncio.gather(*(there.candidate.client.answer(request) for request in asked))
    assert [answer.text for answer in answers] == [f"number {n}" for n in range(40)]
