"""How each provider fails, seen through its own library; and what it bills all the same."""

from __future__ import annotations

import contextlib

import httpx2
import pytest
from tests.unit.testing.wire_clients import BUILDERS, ask, client

from nextgeneration.testing.wire import (
    Drip,
    Endless,
    Fails,
    Overflows,
    RateLimited,
    Resets,
    Say,
    Stalls,
    Usage,
    Waits,
    WireServer,
)

pytestmark = pytest.mark.slow

pytest.importorskip("langchain_openai", reason="the extras of the providers are not installed")
every_format = pytest.mark.parametrize("provider", BUILDERS)
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
EIGHT = "one two three four five six seven eight"


async def failure(model, *, stream, heard=None):
    """The error of a call, and the texts that came before it."""

    async def call():
        if not stream:
            await model.ainvoke("hi")
        async for chunk in model.astream("hi"):
            if heard is not None:
                heard.append(chunk.text)

    with pytest.raises(Exception) as caught:
        await call()
    return caught.value


def status_of(error):
    return next(
        found for found in (getattr(error, name, None) for name in ("status_code", "code")) if isinstance(found, int)
    )


@every_format
@both_ways
@pytest.mark.parametrize("status", [400, 503, 529])
async def test_an_error_has_its_status_and_costs_nothing(provider, stream, status):
    async with WireServer(provider) as far, client(far) as model:
        far.script(Fails(status, "out of order"))
        error = await failure(model, stream=stream)
    found = getattr(error, "__cause__", None) if provider == "gemini" else error
    assert status_of(found) == status
    assert "out of order" in str(error)
    assert far.billed == []


@every_format
@both_ways
@pytest.mark.parametrize("after", [None, 2])
async def test_too_many_requests_say_when_to_come_back_if_they_say(provider, stream, after):
    async with WireServer(provider) as far, client(far) as model:
        far.script(RateLimited(after))
        error = await failure(model, stream=stream)
    if provider == "gemini":
        assert ("2s" in str(error)) is (after is not None)
    elif provider != "ollama":
        assert error.response.headers.get("retry-after") == (None if after is None else "2")
    found = error.__cause__ if provider == "gemini" else error
    assert status_of(found) == 429
    assert far.billed == []


@every_format
async def test_an_empty_account_is_told_from_a_busy_one(provider):
    async with WireServer(provider) as far, client(far) as model:
        far.script(RateLimited(quota=True))
        error = await failure(model, stream=False)
    assert any(word in str(error) for word in ("quota", "credit balance", "usage limit"))


@every_format
async def test_a_prompt_that_does_not_fit_is_told_in_the_providers_words(provider):
    async with WireServer(provider) as far, client(far) as model:
        far.script(Overflows(100))
        error = await failure(model, stream=False)
    words = ("maximum context length", "prompt is too long", "exceeds the maximum number", "exceeds the context", "100")
    assert any(word in str(error) for word in words)


@every_format
async def test_a_wrong_key_and_an_unknown_model(provider):
    async with WireServer(provider, key="right", models=["other"]) as far:
        async with client(far) as model:
            assert "key" in str(await failure(model, stream=False)) or provider == "ollama"
        if provider != "ollama":
            async with client(far, **{"google_api_key" if provider == "gemini" else "api_key": "right"}) as model:
                assert model_name(model) in str(await failure(model, stream=False))
    assert far.billed == []


def model_name(model):
    return getattr(model, "model_name", None) or model.model.removeprefix("models/")


@every_format
@both_ways
@pytest.mark.parametrize("bills", [None, True])
async def test_a_reset_before_the_answer_costs_nothing_unless_it_does(provider, stream, bills):
    async with WireServer(provider) as far, client(far) as model:
        far.script(Resets("before", Say(EIGHT, usage=Usage(20, 8)), bills=bills))
        await failure(model, stream=stream)
    assert [(bill.usage.total, bill.complete) for bill in far.billed] == ([(28, False)] if bills else [])


@every_format
async def test_a_reset_in_the_middle_of_a_stream_bills_what_was_said(provider):
    heard = []
    async with WireServer(provider) as far, client(far) as model:
        far.script(Resets("during", Say(EIGHT)))
        await failure(model, stream=True, heard=heard)
    assert "".join(heard) == "one two three four"
    (bill,) = far.billed
    assert not bill.complete
    assert 0 < bill.usage.output < 11


@pytest.mark.parametrize("provider", [name for name in BUILDERS if name != "ollama"])
async def test_a_reset_in_the_middle_of_a_whole_answer_bills_all_of_it(provider):
    async with WireServer(provider) as far, client(far) as model:
        far.script(Resets("during", Say(EIGHT, usage=Usage(20, 8))))
        await failure(model, stream=False)
    assert [(bill.usage.total, bill.complete) for bill in far.billed] == [(28, False)]


@every_format
@both_ways
async def test_a_reset_after_the_answer_leaves_an_answer_and_the_next_call_works(provider, stream):
    async with WireServer(provider) as far, client(far) as model:
        far.script(Resets("after", Say(EIGHT, usage=Usage(20, 8))), Say("again"))
        said = []
        # some libraries read on to the end of the connection and fail there, with the whole answer in hand
        with contextlib.suppress(Exception):
            async for chunk in model.astream("hi"):
                said.append(chunk.text)
        assert "".join(said) == EIGHT
        assert (await ask(model, "hi", stream=stream)).text == "again"
    assert [bill.complete for bill in far.billed] == [True, True]


@every_format
async def test_a_stream_that_ends_in_order_but_too_early_has_no_reason(provider):
    """No library notices: whoever reads must see that no reason and no usage came."""
    chunks = []
    async with WireServer(provider) as far, client(far) as model:
        far.script(Resets("during", Say(EIGHT), clean=True))
        with contextlib.suppress(Exception):
            async for chunk in model.astream("hi"):
                chunks.append(chunk)
    assert "".join(chunk.text for chunk in chunks) == "one two three four"
    told = [chunk.response_metadata.get(name) for chunk in chunks for name in ("finish_reason", "done_reason")]
    assert not any(told)
    assert far.billed[0].complete is False


@every_format
async def test_an_error_in_the_middle_of_a_stream_is_an_error(provider):
    heard = []
    async with WireServer(provider) as far, client(far) as model:
        far.script(Fails(503, "too much to do", during=Say(EIGHT)))
        error = await failure(model, stream=True, heard=heard)
    assert "".join(heard) in ("one two three four", "one two three")
    assert "too much to do" in str(error)
    assert far.billed[0].complete is False


@every_format
@both_ways
async def test_silence_ends_at_the_callers_timeout(provider, stream):
    options = {"ollama": {"client_kwargs": {"timeout": 0.3}}}.get(provider, {"timeout": 0.3})
    async with WireServer(provider) as far, client(far, **options) as model:
        far.script(Stalls("during" if stream else "before"))
        error = await failure(model, stream=stream)
        await far.settled()
    assert "time" in f"{type(error).__name__} {error} {error.__cause__!r}".lower()
    # a busy machine may let the caller leave before the request was read
    assert [bill.complete for bill in far.billed] in ([False], [])


@every_format
async def test_an_answer_that_never_ends_is_read_until_the_caller_leaves(provider):
    async with WireServer(provider) as far:
        async with client(far) as model:
            far.script(Endless("more "))
            stream = model.astream("hi")
            said = ""
            async for chunk in stream:
                said += chunk.text
                if len(said) > 50:
                    break
            await stream.aclose()
        # Google's library hangs up only when its client is closed
        await far.settled()
    assert said.startswith("more more more")
    assert far.billed[0].usage.output >= 10
    assert far.billed[0].complete is False


@every_format
async def test_bytes_that_come_one_by_one_cut_letters_and_make_the_same_words(provider):
    async with WireServer(provider) as far, client(far) as model:
        far.script(Drip(0, Say("Grüße — 你好"), size=1))
        answer = await ask(model, "hi", stream=True)
    assert answer.text == "Grüße — 你好"


@every_format
async def test_a_slow_answer_comes_in_the_end(provider):
    async with WireServer(provider) as far, client(far) as model:
        far.script(Waits(0.05, Drip(0.01, Say("slow and steady"))))
        answer = await ask(model, "hi", stream=True)
    assert answer.text == "slow and steady"


@every_format
async def test_an_endless_whole_answer_is_never_an_answer(provider):
    async with WireServer(provider) as far, httpx2.AsyncClient(timeout=30) as http:
        far.script(Endless())
        path, body = {
            "openai": ("/v1/chat/completions", {"messages": [{"role": "user", "content": "hi"}]}),
            "openai-responses": ("/v1/responses", {"input": "hi"}),
            "anthropic": ("/v1/messages", {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}),
            "gemini": ("/v1beta/models/m:generateContent", {"contents": [{"parts": [{"text": "hi"}]}]}),
            "ollama": ("/api/chat", {"messages": [{"role": "user", "content": "hi"}], "stream": False}),
        }[provider]
        body = body if provider == "gemini" else {"model": "m", **body}
        headers = {"anthropic-version": "2023-06-01"}
        async with http.stream("POST", far.root + path, json=body, headers=headers) as answer:
            async for part in answer.aiter_raw():
                assert part.strip() == b""
                break
        await far.settled()
    assert far.billed[0].complete is False
