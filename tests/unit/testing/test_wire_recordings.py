"""Recorded exchanges, served again: what a provider really sent comes out of its library with the same meaning."""

from __future__ import annotations

import json
from pathlib import Path

import httpx2
import pytest
from tests.unit.testing.wire_clients import BUILDERS, TOOLS, ask, client
from tests.unit.testing.wire_recordings import FOLDER, STEPS

from nextgeneration.testing.wire import Recorded, WireServer
from nextgeneration.testing.wire.openai_chat import collected, told

pytestmark = pytest.mark.slow

pytest.importorskip("langchain_openai", reason="the extras of the providers are not installed")
SHARED = Path(__file__).parents[4] / "shared" / "data" / "openai-chat-recordings.jsonl"
shared = pytest.mark.skipif(not SHARED.exists(), reason="the folder ../shared/data with real recordings is not here")


def meaning(body):
    """What a chat completion says, whatever form it came in."""
    (choice,) = body["choices"]
    message = choice["message"]
    calls = [(c["id"], c["function"]["name"], c["function"]["arguments"]) for c in message.get("tool_calls") or ()]
    said = (message.get("content") or "", message.get("refusal") or "", tuple(calls))
    return body["id"], body["model"], choice["finish_reason"], said, body["usage"]


def recorded(exchange):
    response = exchange["response"]
    return collected(response) if isinstance(response, str) else response


@shared
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_every_real_exchange_means_the_same_to_openais_library_in_both_forms(stream):
    openai = pytest.importorskip("openai")
    steps = Recorded.load(SHARED)
    assert len(steps) == 225
    async with (
        WireServer() as far,
        openai.AsyncOpenAI(base_url=far.url, api_key="k", max_retries=0, timeout=30) as library,
    ):
        for step in steps:
            exchange = step.exchange
            far.script(step)
            request = {**exchange["request"], "stream": stream}
            request["stream_options"] = {"include_usage": True} if stream else openai.omit
            create = library.chat.completions.with_raw_response.create
            if exchange["status"] != 200:
                with pytest.raises(openai.APIStatusError) as caught:
                    await create(**request)
                assert caught.value.status_code == exchange["status"], exchange["name"]
                assert caught.value.body == exchange["response"]["error"]
                continue
            answer = await create(**request)
            text = (await answer.http_response.aread()).decode()
            found = collected(text) if stream else json.loads(text)
            assert meaning(found) == meaning(recorded(exchange)), exchange["name"]
            assert far.billed[-1].usage == told(recorded(exchange)["usage"]), exchange["name"]
    assert len(far.billed) == 221


@shared
async def test_a_real_stream_is_served_byte_for_byte():
    async with WireServer() as far, httpx2.AsyncClient(timeout=30) as http:
        for step in Recorded.load(SHARED):
            if isinstance(step.exchange["response"], str):
                far.script(step)
                answer = await http.post(f"{far.url}/chat/completions", json=step.exchange["request"])
                assert answer.text == step.exchange["response"]
                assert answer.headers["content-type"] == step.exchange["content_type"]


@pytest.mark.parametrize("provider", BUILDERS)
async def test_our_own_recordings_are_read_by_the_library_as_they_were_said(provider):
    steps = Recorded.load(FOLDER / f"{provider}.jsonl")
    assert len(steps) == 2 * len(STEPS)
    async with WireServer(provider) as far, client(far) as model:
        for number, step in enumerate(steps, 1):
            exchange = step.exchange
            said = STEPS[exchange["name"]]
            far.script(step)
            stream = not exchange["content_type"].startswith("application/json")
            if exchange["status"] != 200:
                with pytest.raises(Exception, match=r"."):
                    await ask(model.bind_tools(TOOLS), "hi", stream=stream)
                assert (far.requests[-1].number, far.left) == (number, 0)
                continue
            answer = await ask(model.bind_tools(TOOLS), "hi", stream=stream)
            calls = getattr(said, "calls", [said] if hasattr(said, "args") else [])
            assert [(call["name"], call["args"]) for call in answer.tool_calls] == [
                ("fs_read", dict(call.args)) for call in calls
            ]
            assert answer.text in (getattr(said, "text", "") or getattr(said, "of", ""), "")
            usage = answer.usage_metadata
            assert (usage["input_tokens"], usage["output_tokens"]) == (said.usage.input, said.usage.output)
    assert far.total.total == 2 * sum(step.usage.total for step in STEPS.values() if hasattr(step, "usage"))


@pytest.mark.parametrize("provider", BUILDERS)
async def test_our_own_recordings_are_served_as_they_stand(provider):
    async with WireServer(provider) as far, httpx2.AsyncClient(timeout=30) as http:
        for step in Recorded.load(FOLDER / f"{provider}.jsonl"):
            exchange = step.exchange
            far.script(step)
            query = "?alt=sse" if "stream" in exchange["path"] else ""
            answer = await http.post(
                far.root + exchange["path"] + query,
                json=exchange["request"],
                headers={"anthropic-version": "2023-06-01"},
            )
            found = answer.text if isinstance(exchange["response"], str) else answer.json()
            assert (answer.status_code, found) == (exchange["status"], exchange["response"])


async def test_a_recording_of_another_format_is_not_turned_round():
    async with WireServer("anthropic", strict=False) as far, httpx2.AsyncClient(timeout=30) as http:
        step = next(
            step
            for step in Recorded.load(FOLDER / "anthropic.jsonl")
            if not isinstance(step.exchange["response"], str) and step.exchange["status"] == 200
        )
        far.script(step)
        answer = await http.post(
            f"{far.url}/v1/messages",
            json={**step.exchange["request"], "stream": True},
            headers={"anthropic-version": "2023-06-01"},
        )
    assert answer.status_code == 400
    assert "the other way round" in far.problems[0]
