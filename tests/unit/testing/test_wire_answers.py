"""Every format's answers, read by the provider's own library: words, calls, usage, whole and streamed."""

from __future__ import annotations

import httpx2
import pytest
from tests.unit.testing.wire_clients import BUILDERS, MODELS, TOOLS, ask, client

from nextgeneration.testing.wire import (
    BadArguments,
    Call,
    Calls,
    Refuses,
    Say,
    Truncated,
    UnknownTool,
    Usage,
    WireServer,
)
from nextgeneration.testing.wire.pictures import PIXEL

pytestmark = pytest.mark.slow

pytest.importorskip("langchain_openai", reason="the extras of the providers are not installed")
messages = pytest.importorskip("langchain_core.messages")
every_format = pytest.mark.parametrize("provider", BUILDERS)
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
CUT = ("length", "max_tokens", "MAX_TOKENS", "max_output_tokens")


def reason(answer):
    found = answer.response_metadata
    named = [found.get(name) for name in ("finish_reason", "stop_reason", "done_reason")]
    return next((name for name in named if name), (found.get("incomplete_details") or {}).get("reason"))


@every_format
@both_ways
async def test_words_and_usage_with_what_the_cache_gave(provider, stream):
    async with WireServer(provider) as far, client(far) as model:
        far.script(Say('Grüße, hello there: {"not": "json"}', usage=Usage(120, 30, cached=40)))
        answer = await ask(model, "hi", stream=stream)
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
        answer = await ask(model.bind_tools(TOOLS), "look", stream=stream)
    assert answer.text == "I look."
    assert [(call["name"], call["args"]) for call in answer.tool_calls] == [
        ("fs_read", {"path": "a b/é"}),
        ("fs_read", {"path": "c"}),
    ]
    assert len({call["id"] for call in answer.tool_calls}) == 2
    told = answer.usage_metadata
    assert (told["input_tokens"], told["output_tokens"]) == (far.total.input, far.total.output)


@every_format
@both_ways
async def test_a_whole_conversation_with_tools_is_within_the_providers_rules(provider, stream):
    """The library's own rendering of system, calls and results must pass the double, and be read back by it."""
    async with WireServer(provider) as far, client(far) as model:
        far.script(Calls([Call("fs.read", {"path": "a"}), Call("fs.read", {"path": "b"})]), Say("Both read."))
        model = model.bind_tools(TOOLS)
        asked = [messages.SystemMessage("Be brief."), messages.HumanMessage("look")]
        made = await ask(model, asked, stream=stream)
        results = [
            messages.ToolMessage(f"content of {call['args']['path']}", tool_call_id=call["id"], name=call["name"])
            for call in made.tool_calls
        ]
        done = await ask(model, [*asked, made, *results], stream=stream)
    assert done.text == "Both read."
    first, second = far.requests
    assert (first.system, first.last, first.answered) == ("Be brief.", "look", 0)
    assert [(tool.name, tool.description) for tool in first.tools] == [("fs_read", "Reads a file.")]
    # LangChain's Ollama client streams whatever it is asked
    assert first.stream is second.stream is (stream or provider == "ollama")
    assert [turn.role for turn in second.turns] == ["user", "assistant", "tool"]
    assert [call.args for call in second.turns[1].calls] == [{"path": "a"}, {"path": "b"}]
    assert [result.text for result in second.results] == ["content of a", "content of b"]
    assert (second.answered, second.model) == (1, MODELS[provider])


@every_format
@both_ways
async def test_what_a_model_thought_and_signed_is_sent_back(provider, stream):
    """Gemini 3 refuses a call that comes back without its signature; Claude wants its thoughts back."""
    name = "gemini-3-pro-preview" if provider == "gemini" else MODELS[provider]
    async with WireServer(provider) as far, client(far, model=name) as model:
        far.script(Calls([Call("fs.read", {"path": "a"})], thinking="Let me see. I read."), Say("Done."))
        model = model.bind_tools(TOOLS)
        made = await ask(model, "look", stream=stream)
        result = messages.ToolMessage("x", tool_call_id=made.tool_calls[0]["id"], name="fs_read")
        done = await ask(model, [messages.HumanMessage("look"), made, result], stream=stream)
    assert done.text == "Done."
    if provider == "anthropic":
        assert far.requests[1].body["messages"][1]["content"][0]["thinking"] == "Let me see. I read."
    if provider in ("openai", "openai-responses", "gemini"):
        assert made.usage_metadata["output_token_details"]["reasoning"] == far.billed[0].usage.reasoning > 0


async def test_gemini_3_refuses_a_call_that_lost_its_signature():
    call = {"functionCall": {"name": "fs_read", "args": {"path": "a"}}}
    answer = {"functionResponse": {"name": "fs_read", "response": {"output": "x"}}}
    contents = [
        {"role": "user", "parts": [{"text": "look"}]},
        {"role": "model", "parts": [call]},
        {"role": "user", "parts": [answer]},
    ]
    async with WireServer("gemini") as far, httpx2.AsyncClient(timeout=30) as http:
        far.script(Say("fine with the older one"))
        found = [
            await http.post(f"{far.url}/v1beta/models/{name}:generateContent", json={"contents": contents})
            for name in ("gemini-3-pro-preview", "gemini-2.5-pro")
        ]
    assert [answer.status_code for answer in found] == [400, 200]
    assert "thought_signature" in found[0].json()["error"]["message"]


@every_format
@both_ways
async def test_an_answer_cut_at_the_limit_says_so(provider, stream):
    async with WireServer(provider) as far, client(far) as model:
        far.script(Truncated("It was a dark and"))
        answer = await ask(model, "tell", stream=stream)
    assert answer.text == "It was a dark and"
    assert reason(answer) in CUT


@every_format
@both_ways
async def test_a_call_cut_at_the_limit_says_so(provider, stream):
    async with WireServer(provider) as far, client(far) as model:
        far.script(Truncated(Call("fs.read", '{"path": "/etc/pas')))
        answer = await ask(model.bind_tools(TOOLS), "look", stream=stream)
    assert reason(answer) in CUT


@every_format
@both_ways
async def test_arguments_that_are_no_json_come_as_each_provider_gives_them(provider, stream):
    async with WireServer(provider) as far, client(far) as model:
        far.script(BadArguments('{"path": '))
        model = model.bind_tools(TOOLS)
        if provider == "ollama":
            with pytest.raises(Exception, match="error parsing tool call"):
                await ask(model, "look", stream=stream)
            return
        answer = await ask(model, "look", stream=stream)
    if provider == "gemini":
        assert reason(answer) == "MALFORMED_FUNCTION_CALL"
    elif provider == "anthropic" and not stream:
        assert answer.tool_calls[0]["args"] == {"INVALID_JSON": '{"path": '}
    else:
        # a streamed message has repaired arguments in `tool_calls`; what the model wrote stands in the chunks alone
        chunks = getattr(answer, "tool_call_chunks", [])
        assert '{"path": ' in [call["args"] for call in chunks or answer.invalid_tool_calls]


@every_format
@both_ways
async def test_a_tool_nobody_offered_is_called_by_its_own_name(provider, stream):
    async with WireServer(provider) as far, client(far) as model:
        far.script(UnknownTool("rm_rf", {"path": "/"}))
        answer = await ask(model.bind_tools(TOOLS), "look", stream=stream)
    assert [(call["name"], call["args"]) for call in answer.tool_calls] == [("rm_rf", {"path": "/"})]


@every_format
@both_ways
@pytest.mark.parametrize("filtered", [False, True])
async def test_a_refusal_keeps_its_words_or_its_reason(provider, stream, filtered):
    async with WireServer(provider, record=True) as far, client(far) as model:
        far.script(Refuses("I will not.", filtered=filtered))
        answer = await ask(model, "harm", stream=stream)
    said = f"{answer.content} {answer.additional_kwargs} {answer.response_metadata}"
    if filtered and provider != "ollama":
        assert any(word in said for word in ("content_filter", "refusal", "SAFETY"))
    elif provider == "openai" and stream:
        assert '"delta":{"refusal":"I"}' in far.exchanges[0]["response"]  # LangChain drops a streamed refusal
    else:
        assert "I will not." in said


@every_format
@both_ways
async def test_usage_that_is_never_told_is_billed_all_the_same(provider, stream):
    async with WireServer(provider) as far, client(far) as model:
        far.script(Say("hello", usage=Usage(70, 7, told="missing")))
        answer = await ask(model, "hi", stream=stream)
    told = answer.usage_metadata
    assert not told or told["total_tokens"] == 0
    assert far.total.total == 77


@every_format
async def test_usage_told_late_is_told_whole(provider):
    async with WireServer(provider) as far, client(far) as model:
        far.script(Say("hello", usage="late"))
        answer = await ask(model, "hi", stream=True)
    told = answer.usage_metadata
    assert (told["input_tokens"], told["output_tokens"]) == (far.total.input, far.total.output)


@every_format
async def test_an_image_arrives_as_it_was(provider):
    shown = [
        {"type": "text", "text": "What is it?"},
        {"type": "image", "base64": PIXEL, "mime_type": "image/png"},
    ]
    async with WireServer(provider) as far, client(far) as model:
        far.script(Say("A pixel."))
        await model.ainvoke([messages.HumanMessage(shown)])
    (picture,) = far.requests[0].pictures
    assert picture.media == "image/png"
    assert picture.data.replace("-", "+").replace("_", "/") == PIXEL


@every_format
async def test_structured_output_is_asked_for_and_read(provider):
    schema = {
        "title": "Verdict",
        "description": "A verdict.",
        "type": "object",
        "properties": {"good": {"type": "boolean"}, "why": {"type": "string"}},
        "required": ["good", "why"],
    }
    value = {"good": True, "why": "it is"}
    async with WireServer(provider) as far, client(far) as model:
        far.answers(lambda seen: Call("Verdict", value) if seen.tools else Say('{"good": true, "why": "it is"}'))
        assert await model.with_structured_output(schema).ainvoke("judge") == value
