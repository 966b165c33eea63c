"""What each double turns away, as its provider does: so that a mistake in a request is found here."""

from __future__ import annotations

import httpx2
import pytest

from nextgeneration.testing.wire import Say, WireServer
from nextgeneration.testing.wire.pictures import PIXEL

HI = {"role": "user", "content": "hi"}
OBJECT = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
MADE = {"id": "call_1", "type": "function", "function": {"name": "t", "arguments": "{}"}}
CALLED = {"role": "assistant", "content": None, "tool_calls": [MADE]}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "ok"}
USE = {"type": "tool_use", "id": "toolu_1", "name": "t", "input": {}}
USED = {"role": "assistant", "content": [USE]}
DONE = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "ok"}]}
ASKED = {"type": "function_call", "call_id": "call_1", "name": "t", "arguments": "{}"}
GIVEN = {"type": "function_call_output", "call_id": "call_1", "output": "ok"}
TURN = {"role": "user", "parts": [{"text": "hi"}]}
CALL_PART = {"role": "model", "parts": [{"functionCall": {"name": "t", "args": {}}}]}
RESULT_PART = {"role": "user", "parts": [{"functionResponse": {"name": "t", "response": {"output": "ok"}}}]}


def chat_tool(name="t", **function):
    return {"type": "function", "function": {"name": name, "parameters": OBJECT, **function}}


def claude_tool(name="t", schema=OBJECT):
    return {"name": name, "description": "d", "input_schema": schema}


def declared(name="t", schema=OBJECT):
    return [{"functionDeclarations": [{"name": name, "description": "d", "parameters": schema}]}]


def shown(**source):
    return [{"role": "user", "content": [{"type": "image", "source": source}]}]


def pictured(url):
    return [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]


BASES = {
    "openai": ("/v1/chat/completions", {"model": "gpt-4o", "messages": [HI]}),
    "openai-responses": ("/v1/responses", {"model": "gpt-4o", "input": "hi"}),
    "anthropic": ("/v1/messages", {"model": "claude-haiku-4-5", "max_tokens": 50, "messages": [HI]}),
    "gemini": ("/v1beta/models/gemini-2.5-flash:generateContent", {"contents": [TURN]}),
    "ollama": ("/api/chat", {"model": "llama3.2", "messages": [HI], "stream": False}),
}
REFUSED = {
    "openai": [
        ({"model": None}, "you must provide a model"),
        ({"messages": []}, "Invalid 'messages': empty array"),
        ({"messages": None}, "Missing required parameter: 'messages'"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "Invalid value: 'robot'"),
        ({"messages": [{"role": "user", "content": None}]}, "expected a string, got null"),
        ({"messages": [{"role": "user", "content": []}]}, "empty array"),
        ({"messages": [{"role": "assistant", "content": [{"type": "image_url"}]}]}, "Invalid value: 'image_url'"),
        ({"messages": [HI, RESULT]}, "must be a response to a preceeding message with 'tool_calls'"),
        ({"messages": [HI, CALLED]}, "did not have response messages: call_1"),
        ({"messages": [HI, CALLED, HI, RESULT]}, "did not have response messages: call_1"),
        ({"messages": [HI, CALLED, {"role": "tool", "content": "x"}]}, "tool_call_id"),
        ({"messages": [HI, {**CALLED, "tool_calls": []}]}, "tool_calls': empty array"),
        ({"tools": []}, "Invalid 'tools': empty array"),
        ({"tools": [chat_tool("fs.read")]}, "string does not match pattern"),
        ({"tools": [chat_tool("t" * 65)]}, "string too long"),
        ({"tools": [chat_tool("")]}, "empty string"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        (
            {"tools": [chat_tool(parameters={"type": "string"})]},
            "schema must be a JSON Schema of 'type: \\\"object\\\"'",
        ),
        ({"tools": [chat_tool(strict=True)]}, "'additionalProperties' is required"),
        (
            {"tools": [chat_tool(strict=True, parameters={**OBJECT, "required": [], "additionalProperties": False})]},
            "Missing 'path'",
        ),
        (
            {"tools": [chat_tool()], "tool_choice": {"type": "function", "function": {"name": "x"}}},
            "not found in 'tools'",
        ),
        ({"tool_choice": "auto"}, "only allowed when 'tools' are specified"),
        (
            {
                "messages": [
                    HI,
                    {**CALLED, "tool_calls": [{**MADE, "function": {"name": "a.b", "arguments": "{}"}}]},
                    RESULT,
                ]
            },
            "does not match pattern",
        ),
        (
            {
                "messages": [
                    HI,
                    {**CALLED, "tool_calls": [{**MADE, "function": {"name": "t", "arguments": {}}}]},
                    RESULT,
                ]
            },
            "expected a string, but got an object",
        ),
        ({"messages": pictured("data:image/tiff;base64,AAAA")}, "unsupported image"),
        ({"messages": pictured("pixel.png")}, "Expected a valid URL"),
        ({"model": "gpt-5-mini", "max_tokens": 5}, "Use 'max_completion_tokens' instead"),
        ({"model": "o3", "temperature": 0.2}, "Only the default (1) value is supported"),
        ({"max_tokens": 0}, "integer below minimum value"),
        ({"stream_options": {"include_usage": True}}, "only allowed when 'stream' is enabled"),
        ({"colour": 1}, "Unrecognized request argument supplied: colour"),
        ({"response_format": {"type": "json_object"}}, "must contain the word 'json'"),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "a b"}}}, "does not match pattern"),
    ],
    "openai-responses": [
        ({"model": None}, "Missing required parameter: 'model'"),
        ({"input": None}, "Missing required parameter: 'input'"),
        ({"input": []}, "empty array"),
        ({"messages": [HI]}, "Unknown parameter: 'messages'"),
        ({"max_output_tokens": 5}, "Expected a value >= 16"),
        ({"tools": [chat_tool()]}, "Missing required parameter: 'tools[0].name'"),
        ({"tools": [{"type": "function", "name": "fs.read"}]}, "does not match pattern"),
        ({"input": [HI, GIVEN]}, "No tool call found for function call output with call_id call_1"),
        ({"input": [HI, ASKED]}, "No tool output found for function call call_1"),
        ({"input": [HI, {**ASKED, "id": "call_1"}, GIVEN]}, "begins with 'fc'"),
        (
            {"input": [HI, {"type": "function_call_output", "call_id": "x"}]},
            "Missing required parameter: 'input[1].output'",
        ),
        ({"input": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}, "Invalid value: 'text'"),
        (
            {"input": [{"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}]},
            "'output_text', 'refusal'",
        ),
        ({"input": [{"role": "tool", "content": "x"}]}, "Invalid value: 'tool'"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"input": [{"type": "thing"}]}, "Invalid value: 'thing'"),
        ({"model": "gpt-5", "temperature": 0}, "Only the default"),
    ],
    "anthropic": [
        ({"max_tokens": None}, "max_tokens: Field required"),
        ({"model": None}, "model: Field required"),
        ({"max_tokens": 0}, "greater than or equal to 1"),
        ({"max_tokens": 10**6}, "maximum allowed number of output tokens"),
        ({"max_tokens": "5"}, "valid integer"),
        ({"messages": []}, "at least one message is required"),
        ({"messages": [{"role": "system", "content": "x"}, HI]}, "Unexpected role"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "Input should be 'user' or 'assistant'"),
        ({"messages": [{"role": "assistant", "content": "x"}, HI]}, "first message must use the"),
        ({"messages": [{"role": "user", "content": ""}]}, "must have non-empty content"),
        ({"messages": [{"role": "user"}]}, "messages.0.content: Field required"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": ""}]}]},
            "text content blocks must be non-empty",
        ),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": " "}]}]}, "non-whitespace"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "does not match any of the expected tags",
        ),
        ({"messages": [HI, {"role": "assistant", "content": "so "}]}, "trailing whitespace"),
        ({"model": "claude-sonnet-5", "messages": [HI, {"role": "assistant", "content": "so"}]}, "prefill"),
        ({"tools": [claude_tool("fs.read")]}, "String should match pattern"),
        ({"tools": [claude_tool(), claude_tool()]}, "Tool names must be unique"),
        ({"tools": [claude_tool(schema={})]}, "input_schema.type: Field required"),
        ({"tools": [claude_tool(schema={"type": "array"})]}, "Input should be 'object'"),
        ({"tools": [claude_tool(schema={**OBJECT, "anyOf": []})]}, "at the top level"),
        ({"tools": [{"name": "t"}]}, "input_schema: Field required"),
        ({"tool_choice": {"type": "auto"}}, "only be specified while providing tools"),
        ({"tools": [claude_tool()], "tool_choice": {"type": "tool", "name": "x"}}, "Tool 'x' not found"),
        ({"tools": [claude_tool()], "tool_choice": {"type": "required"}}, "Input tag"),
        ({"tools": [claude_tool()], "messages": [HI, USED]}, "`tool_use` ids were found without `tool_result`"),
        ({"tools": [claude_tool()], "messages": [HI, USED, HI]}, "`tool_use` ids were found without `tool_result`"),
        ({"tools": [claude_tool()], "messages": [HI, DONE]}, "unexpected `tool_use_id`"),
        ({"messages": [HI, USED, DONE]}, "must define `tools`"),
        (
            {"tools": [claude_tool()], "messages": [HI, {"role": "assistant", "content": [USE, USE]}, DONE]},
            "must be unique",
        ),
        ({"tools": [claude_tool()], "messages": [{"role": "user", "content": [USE]}]}, "can only be in `assistant`"),
        (
            {"tools": [claude_tool()], "messages": [HI, {"role": "assistant", "content": DONE["content"]}]},
            "can only be in `user`",
        ),
        (
            {"tools": [claude_tool()], "messages": [HI, {"role": "assistant", "content": [{**USE, "id": "a:b"}]}]},
            "tool_use.id",
        ),
        (
            {"tools": [claude_tool()], "messages": [HI, {"role": "assistant", "content": [{**USE, "name": "a.b"}]}]},
            "tool_use.name",
        ),
        (
            {"tools": [claude_tool()], "messages": [HI, {"role": "assistant", "content": [{**USE, "input": "{}"}]}]},
            "valid dictionary",
        ),
        (
            {"tools": [claude_tool()], "messages": [HI, USED, {"role": "user", "content": DONE["content"] * 2}]},
            "single result",
        ),
        ({"messages": shown(type="base64", media_type="image/tiff", data=PIXEL)}, "media_type: Input should be"),
        ({"messages": shown(type="base64", media_type="image/jpeg", data=PIXEL)}, "appears to be a image/png"),
        ({"messages": shown(type="base64", media_type="image/png", data="AAAA")}, "Could not process image"),
        ({"messages": shown(type="base64", media_type="image/png", data="?")}, "invalid base64 data"),
        ({"temperature": 1.5}, "temperature: range: 0..1"),
        ({"model": "claude-opus-4-8", "temperature": 0.5}, "not supported"),
        ({"model": "claude-opus-5", "thinking": {"type": "enabled", "budget_tokens": 2000}}, "adaptive"),
        ({"model": "claude-opus-5-5", "tools": [claude_tool()], "tool_choice": {"type": "any"}}, "forced tool use"),
        ({"thinking": {"type": "enabled", "budget_tokens": 10}}, "greater than or equal to 1024"),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, "must be greater than `thinking.budget_tokens`"),
        ({"stop_sequences": [" "]}, "non-whitespace"),
        ({"system": [{"type": "text", "text": ""}]}, "system: text content blocks must be non-empty"),
        ({"functions": []}, "functions: Extra inputs are not permitted"),
        (
            {"system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}] * 5},
            "A maximum of 4 blocks with cache_control",
        ),
    ],
    "gemini": [
        ({"contents": []}, "contents is not specified"),
        ({"contents": [{"role": "user", "parts": []}]}, "contents.parts must not be empty"),
        ({"contents": [{"role": "user", "parts": [{}]}]}, "required oneof field 'data'"),
        ({"contents": [{"role": "assistant", "parts": [{"text": "x"}]}]}, "valid role: user, model"),
        ({"contents": [{"role": "model", "parts": [{"text": "x"}]}]}, "single turn requests end with a user role"),
        ({"messages": [HI]}, 'Unknown name \\"messages\\"'),
        ({"tools": declared("1t")}, "Invalid function name"),
        ({"tools": declared("a/b")}, "Invalid function name"),
        ({"tools": [*declared(), *declared()]}, "Duplicate function declaration"),
        (
            {"tools": declared(schema={**OBJECT, "additionalProperties": False})},
            'Unknown name \\"additionalProperties\\"',
        ),
        ({"tools": declared(schema={"type": "object"})}, "should be non-empty for OBJECT type"),
        ({"tools": declared(), "contents": [TURN, RESULT_PART]}, "immediately after a function call turn"),
        ({"tools": declared(), "contents": [TURN, CALL_PART, TURN]}, "number of function response parts"),
        (
            {"tools": declared(), "contents": [CALL_PART, RESULT_PART]},
            "function call turn comes immediately after a user turn",
        ),
        (
            {"contents": [{"parts": [{"inlineData": {"mimeType": "image/gif", "data": PIXEL}}]}]},
            "Unsupported MIME type",
        ),
        (
            {"contents": [{"parts": [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]}]},
            "Unable to process input image",
        ),
    ],
    "ollama": [
        ({"model": ""}, "model is required"),
        ({"messages": [{"role": "developer", "content": "x"}]}, "invalid role: developer"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "cannot unmarshal array"),
        ({"messages": [{"role": "assistant", "content": "", "tool_calls": [MADE]}]}, "cannot unmarshal string"),
        ({"messages": [{**HI, "images": ["?"]}]}, "illegal base64 data"),
        ({"messages": [{**HI, "images": ["AAAA"]}]}, "Failed to load image"),
    ],
}
TAKEN = {
    "openai": [
        {"messages": [HI, CALLED, RESULT, HI], "tools": [chat_tool()]},
        {"messages": [HI, HI, {"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"}]},
        {"messages": pictured(f"data:image/png;base64,{PIXEL}")},
        {"model": "gpt-5-mini", "max_completion_tokens": 5, "temperature": 1},
    ],
    "openai-responses": [
        {"input": [HI, ASKED, GIVEN], "tools": [{"type": "function", "name": "t", "parameters": OBJECT}]},
        {"input": [GIVEN], "previous_response_id": "resp_1"},
    ],
    "anthropic": [
        {"messages": [HI, USED, DONE, HI], "tools": [claude_tool()]},
        {"messages": [HI, HI, {"role": "assistant", "content": "so"}]},
        {"messages": shown(type="base64", media_type="image/png", data=PIXEL)},
        {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2000},
    ],
    "gemini": [
        {"contents": [TURN, CALL_PART, RESULT_PART], "tools": declared("fs.read")},
        {
            "contents": [TURN],
            "system_instruction": {"parts": [{"text": "brief"}]},
            "generation_config": {"max_output_tokens": 5},
        },
        {"contents": [{"parts": [{"inline_data": {"mime_type": "image/png", "data": PIXEL}}]}]},
    ],
    "ollama": [
        {"messages": [{**HI, "images": [PIXEL]}, {"role": "assistant", "content": "x"}, RESULT]},
        {"tools": [chat_tool("fs.read")]},
    ],
}


@pytest.fixture
async def http():
    headers = {"anthropic-version": "2023-06-01"}
    async with httpx2.AsyncClient(timeout=60, verify=False, headers=headers) as client:
        yield client


async def post(http, far, provider, change):
    path, base = BASES[provider]
    body = {name: value for name, value in {**base, **change}.items() if value is not None}
    return await http.post(far.root + path, json=body)


@pytest.mark.parametrize("provider", REFUSED)
async def test_each_rule_is_held_to_in_the_providers_words(provider, http):
    async with WireServer(provider) as far:
        for change, words in REFUSED[provider]:
            answer = await post(http, far, provider, change)
            assert (answer.status_code in (400, 500), words in answer.text) == (True, True), (change, answer.text)
    assert far.billed == []
    assert far.problems == []


@pytest.mark.parametrize("provider", TAKEN)
async def test_what_the_rules_allow_is_answered(provider, http):
    async with WireServer(provider) as far:
        for change in TAKEN[provider]:
            far.script(Say("fine"))
            answer = await post(http, far, provider, change)
            assert (answer.status_code, "fine" in answer.text) == (200, True), (change, answer.text)


@pytest.mark.parametrize("provider", BASES)
@pytest.mark.parametrize("body", [b"{", b"[]", b""])
async def test_a_body_that_is_no_object_is_turned_away(provider, body):
    async with WireServer(provider) as far, httpx2.AsyncClient(timeout=30) as http:
        answer = await http.post(far.root + BASES[provider][0], content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]


async def test_anthropic_wants_its_version():
    async with WireServer("anthropic") as far, httpx2.AsyncClient(timeout=30) as http:
        answer = await http.post(f"{far.url}/v1/messages", json=BASES["anthropic"][1])
    assert "anthropic-version" in answer.json()["error"]["message"]


async def test_what_each_lists_of_its_models():
    async def get(provider, *paths, models=("one", "two"), **body):
        async with WireServer(provider, models=models, lacks=["vision"]) as far, httpx2.AsyncClient(timeout=30) as http:
            return [
                (await (http.post(far.root + path, json=body) if body else http.get(far.root + path))) for path in paths
            ]

    for provider in ("openai", "openai-responses"):
        listed, one, other = await get(provider, "/v1/models", "/v1/models/one", "/v1/models/x")
        assert [entry["id"] for entry in listed.json()["data"]] == ["one", "two"]
        assert (one.json()["id"], other.status_code) == ("one", 404)
    listed, one, other = await get("anthropic", "/v1/models", "/v1/models/one", "/v1/models/x")
    assert [entry["id"] for entry in listed.json()["data"]] == ["one", "two"]
    assert (one.json()["id"], other.status_code) == ("one", 404)
    listed, one, other = await get("gemini", "/v1beta/models", "/v1beta/models/one", "/v1beta/models/x")
    assert [entry["name"] for entry in listed.json()["models"]] == ["models/one", "models/two"]
    assert (one.json()["inputTokenLimit"], other.status_code) == (1_048_576, 404)
    tags, version, loaded = await get("ollama", "/api/tags", "/api/version", "/api/ps")
    assert [entry["name"] for entry in tags.json()["models"]] == ["one", "two"]
    assert version.json()["version"]
    assert loaded.json() == {"models": []}
    (known,) = await get("ollama", "/api/show", model="one")
    assert known.json()["capabilities"] == ["completion", "tools"]
    (unknown,) = await get("ollama", "/api/show", model="x")
    assert unknown.status_code == 404
    (woken,) = await get("ollama", "/api/chat", model="one", messages=[])
    assert woken.json()["done_reason"] == "load"
    (count,) = await get("anthropic", "/v1/messages/count_tokens", messages=[HI])
    assert count.json()["input_tokens"] > 0
    (count,) = await get("gemini", "/v1beta/models/one:countTokens", contents=[TURN])
    assert count.json()["totalTokens"] > 0
