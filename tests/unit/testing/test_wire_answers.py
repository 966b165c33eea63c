"""Every format's answers, read by the provider's own library: words, calls, usage, whole and streamed."""

from __future__ import annotations

import functools
import operator

import pytest
from tests.unit.testing.wire_clients import BUILDERS, client

from nextgeneration.testing.wire import Call, Calls, Say, Usage, WireServer

TOOLS = [
    {
        "name": "fs_read",
        "description": "Reads a file.",
        "parameters": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
    }
]
pytest.importorskip("langchain_openai", reason="the extras of the providers are not installed")
every_format = pytest.mark.parametrize("provider", BUILDERS)
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


async def ask(model, messages, stream):
    if not stream:
        return await model.ainvoke(messages)
    return functools.reduce(operator.add, [chunk async for chunk in model.astream(messages)])


@every_format
@both_ways
async def test_words_and_usage_with_what_the_cache_gave(provider, stream):
    async with WireServer(provider) as far, client(far) as model:
        far.script(Say('Grüße, hello there: {"not": "json"}', usage=Usage(120, 30, cached=40)))
        answer = await ask(model, "hi", stream)
    assert answer.text == 'Grüße, hello there: {"not": "json"}'
    told = answer.usage_metadata
    assert (told["input_tokens"], told["output_tokens"], told["total_tokens"]) == (120, 30, 150)
    if provider != "ollama":
        assert told["input_token_details"]["cache_read"] == 40
    assert [(bill.usage.total, bill.complete) for bill in far.billed] == [(150, True)]


@every_format
@both_ways
async def test_parallel_calls_keep_their_order_names_and_arguments(provider, stream):
    async with WireServer(provider) as far, client(far) as model:
        far.script(Calls([Call("fs.read", {"path": "a b/é"}), Call("fs.read", {"path": "c"})], text="I look."))
        answer = await ask(model.bind_tools(TOOLS), "look", stream)
    assert answer.text == "I look."
    assert [(call["name"], call["args"]) for call in answer.tool_calls] == [
        ("fs_read", {"path": "a b/é"}),
        ("fs_read", {"path": "c"}),
    ]
    assert len({call["id"] for call in answer.tool_calls}) == 2
    told = answer.usage_metadata
    assert (told["input_tokens"], told["output_tokens"]) == (far.total.input, far.total.output)
