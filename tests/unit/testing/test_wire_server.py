"""What a double is beside its formats: scripts, the far side's own log, many clients at once, a quiet end."""

from __future__ import annotations

import asyncio
import json
import threading

import httpx2
import pytest

from nextgeneration.testing.wire import Call, Does, Endless, Fails, Resets, Say, Stalls, Usage, Waits, WireServer


def asking(text, **more):
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": text}], **more}


@pytest.fixture
async def http():
    async with httpx2.AsyncClient(timeout=None, limits=httpx2.Limits(max_connections=None)) as client:
        yield client


async def said(http, far, text, **more):
    answer = await http.post(f"{far.url}/chat/completions", json=asking(text, **more))
    return answer.json()["choices"][0]["message"]["content"]


async def test_steps_are_taken_in_order_and_counted(http):
    async with WireServer() as far:
        far.script(Say("one"), Say("two"))
        assert far.left == 2
        assert [await said(http, far, "a"), await said(http, far, "b")] == ["one", "two"]
        assert far.left == 0
    assert [seen.last for seen in far.requests] == ["a", "b"]


async def test_conversations_side_by_side_each_follow_their_own_script(http):
    async with WireServer() as far:
        far.when("planner", Say("plan 1"), Say("plan 2"))
        far.when(lambda seen: seen.last.startswith("worker"), Say("work"))
        far.answers(lambda seen: Say(f"echo {seen.last}"))
        found = await asyncio.gather(*(said(http, far, text) for text in ("worker 1", "planner", "x", "planner again")))
    assert found[0] == "work"
    assert {found[1], found[3]} == {"plan 1", "plan 2"}
    assert found[2] == "echo x"


async def test_an_answer_may_be_a_coroutine(http):
    async def answer(seen):
        await asyncio.sleep(0)
        return Say(f"{seen.model}: {seen.last}")

    async with WireServer() as far:
        far.answers(answer)
        assert await said(http, far, "hi") == "gpt-4o: hi"


@pytest.mark.parametrize(
    ("prepare", "complaint"),
    [
        (lambda far: None, "no step is left"),
        (lambda far: far.script(Call("fs.read")), "the request offers none"),
        (lambda far: far.answers(lambda seen: 1 / 0), "ZeroDivisionError"),
        (lambda far: far.script(Resets("during", Endless())), "no middle"),
        (lambda far: far.script(Waits(0, Say)), "is no answer"),
    ],
)
async def test_a_script_that_does_not_fit_fails_the_test_and_answers_400(http, prepare, complaint):
    far = WireServer()
    with pytest.raises(AssertionError, match=complaint):
        async with prepare(far) or far:
            answer = await http.post(f"{far.url}/chat/completions", json=asking("hi"))
    assert answer.status_code == 400
    assert complaint in answer.json()["error"]["message"]


async def test_the_own_error_of_a_test_is_not_hidden_by_the_script(http):
    async def fail():
        async with WireServer() as far:
            await http.post(f"{far.url}/chat/completions", json=asking("hi"))
            raise LookupError

    with pytest.raises(LookupError):
        await fail()


async def test_not_strict_keeps_the_complaints_for_the_test(http):
    async with WireServer(strict=False) as far:
        await http.post(f"{far.url}/chat/completions", json=asking("hi"))
    assert "no step is left" in far.problems[0]


async def test_hundreds_of_clients_at_once_are_answered_side_by_side(http):
    async with WireServer(think=0.2) as far:
        far.answers(lambda seen: Say(seen.last))
        found = await asyncio.gather(*(said(http, far, f"n{number}") for number in range(200)))
    assert found == [f"n{number}" for number in range(200)]
    assert len(far.billed) == 200


def test_a_thread_of_its_own_serves_a_blocking_client_and_ends():
    before = threading.active_count()
    with WireServer() as far, httpx2.Client() as http:
        far.script(Say("hello"))
        answer = http.post(f"{far.url}/chat/completions", json=asking("hi"))
    assert answer.json()["choices"][0]["message"]["content"] == "hello"
    assert threading.active_count() == before
    with pytest.raises(httpx2.ConnectError), httpx2.Client() as http:
        http.post(f"{far.url}/chat/completions", json=asking("hi"))


async def test_a_thread_of_its_own_may_be_used_inside_a_loop(http):
    with WireServer() as far:
        far.script(Say("hello"))
        assert await said(http, far, "hi") == "hello"


@pytest.mark.parametrize("step", [Endless(), Stalls("during"), Stalls("before"), Waits(3600, Say("late"))])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_a_client_that_hangs_up_is_billed_what_it_had_and_leaves_nothing_running(http, step, stream):
    speaks = isinstance(step, Endless) or (isinstance(step, Stalls) and step.when == "during")
    async with WireServer() as far:
        far.script(step)
        heard = asyncio.Event()

        async def listen():
            body = asking("hi", stream=stream)
            async with http.stream("POST", f"{far.url}/chat/completions", json=body) as answer:
                async for _ in answer.aiter_bytes():
                    heard.set()

        task = asyncio.create_task(listen())
        async with asyncio.timeout(30):
            while not (heard.is_set() if speaks else far.requests):
                await asyncio.sleep(0.005)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await far.settled()
            while far.connections:
                await asyncio.sleep(0.005)
        (bill,) = far.billed
    assert not bill.complete
    assert bill.usage.input > 0
    assert (bill.usage.output > 0) is (speaks or not stream)


async def test_the_bill_stands_in_the_log_before_the_client_has_read_the_end(http):
    async with WireServer() as far:
        for number in range(50):
            far.script(Say("x", usage=Usage(number, 1)))
            await said(http, far, "hi", stream=False)
            assert far.billed[-1].usage.input == number
    assert far.total.output == 50


async def test_what_waits_when_the_double_ends_is_hung_up_on(http):
    async with WireServer() as far:
        far.script(Stalls("before"))
        task = asyncio.create_task(said(http, far, "hi"))
        while not far.requests:
            await asyncio.sleep(0.01)
    with pytest.raises(httpx2.TransportError):
        await task


async def test_a_body_in_chunks_and_requests_one_after_the_other_on_one_connection(http):
    async def parts():
        text = json.dumps(asking("in chunks"))
        for start in range(0, len(text), 7):
            yield text[start : start + 7].encode()

    async with WireServer() as far:
        far.answers(lambda seen: Say(seen.last))
        for _ in range(3):
            answer = await http.post(f"{far.url}/chat/completions", content=parts())
            assert answer.json()["choices"][0]["message"]["content"] == "in chunks"
        assert far.connections == 1


async def test_a_page_of_a_proxy_instead_of_an_error(http):
    async with WireServer() as far:
        far.script(Fails(502, body="<html>Bad Gateway</html>"))
        answer = await http.post(f"{far.url}/chat/completions", json=asking("hi"))
    assert (answer.status_code, answer.headers["content-type"]) == (502, "text/html")
    assert far.billed == []


async def test_a_route_nobody_has_is_not_found(http):
    async with WireServer() as far:
        assert (await http.get(f"{far.root}/nothing")).status_code == 404
        assert (await http.post(f"{far.url}/embeddings", json={})).status_code == 404
    assert far.problems == []


async def test_keys_models_context_and_abilities_can_be_missing(http):
    async with WireServer(key="right", models=["small"], context=200, lacks=["tools", "vision"]) as far:
        http.headers["authorization"] = "Bearer wrong"
        post = f"{far.url}/chat/completions"
        assert (await http.post(post, json=asking("hi"))).json()["error"]["code"] == "invalid_api_key"
        http.headers["authorization"] = "Bearer right"
        assert (await http.post(post, json=asking("hi"))).json()["error"]["code"] == "model_not_found"
        body = {**asking("hi"), "model": "small"}
        tool = {"type": "function", "function": {"name": "t"}}
        assert "tools is not supported" in (await http.post(post, json={**body, "tools": [tool]})).text
        shown = [{"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}]
        pictured = {**body, "messages": [{"role": "user", "content": shown}]}
        assert "image_url is only supported" in (await http.post(post, json=pictured)).text
        long = {**body, "messages": [{"role": "user", "content": "x" * 1000}]}
        assert (await http.post(post, json=long)).json()["error"]["code"] == "context_length_exceeded"
    assert far.billed == []


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_a_huge_answer_to_a_huge_prompt_waits_for_a_slow_reader(http, stream):
    text = "x" * 3_000_000
    async with WireServer() as far:
        far.answers(lambda seen: Say(seen.last))
        size = 0
        body = asking(text, stream=stream)
        async with http.stream("POST", f"{far.url}/chat/completions", json=body) as answer:
            async for part in answer.aiter_bytes():
                size += len(part)
    assert size > len(text)


async def test_letters_no_encoding_has_arrive_escaped(http):
    async with WireServer() as far:
        far.script(Say("nul \x00, half of a pair \ud800, é"))
        assert await said(http, far, "hi") == "nul \x00, half of a pair \ud800, é"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("when", ["before", "during", "after"])
def test_a_test_may_act_at_a_moment_of_the_answer(stream, when):
    """The moment a fault test kills whoever asked: what was sent until then has arrived, and nothing more."""
    heard, begun, ended = bytearray(), threading.Event(), threading.Event()
    at = []

    def act():
        if when != "before":
            assert (begun if when == "during" else ended).wait(60)
        at.append(len(heard))

    with WireServer() as far, httpx2.Client(timeout=60, verify=False) as http:
        far.script(Does(when, act, Say("one two three four five six")))
        body = asking("hi", stream=stream)
        with http.stream("POST", f"{far.url}/chat/completions", json=body) as answer:
            for part in answer.iter_raw():
                heard += part
                begun.set()
        ended.set()
    (length,) = at
    assert {"before": length == 0, "during": 0 < length < len(heard), "after": length == len(heard)}[when]


async def test_tokens_written_to_anthropics_cache_are_told_apart(http):
    async with WireServer("anthropic") as far:
        far.script(Say("hi", usage=Usage(100, 5, cached=30, written=50)))
        http.headers["anthropic-version"] = "2023-06-01"
        body = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}
        told = (await http.post(f"{far.url}/v1/messages", json=body)).json()["usage"]
    assert (told["input_tokens"], told["cache_creation_input_tokens"], told["cache_read_input_tokens"]) == (20, 50, 30)
