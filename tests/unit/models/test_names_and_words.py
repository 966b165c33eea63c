"""Names of tools there and back, and what a provider says without its secrets."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextgeneration.kernel.models import Message, ModelAnswer, ModelRequest, ToolCall, ToolSchema
from nextgeneration.models.estimating import estimated, likely_tokens, prompt_tokens
from nextgeneration.models.facts import chats, family
from nextgeneration.models.langchain.failures import retry_after, scrubbed
from nextgeneration.models.naming import ToolNames
from nextgeneration.testing.clock import ManualClock

SAFE = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}")


@given(st.lists(st.text(max_size=80), max_size=12))
@settings(max_examples=150, deadline=None)
def test_every_name_has_a_safe_one_of_its_own_and_comes_back(names: list[str]) -> None:
    table = ToolNames(names)
    shown = [table.out(name) for name in dict.fromkeys(names)]
    assert all(SAFE.fullmatch(name) for name in shown)
    assert len(set(shown)) == len(shown)
    assert [table.back(name) for name in shown] == list(dict.fromkeys(names))


def test_a_name_stays_as_it_is_where_it_can_and_does_not_depend_on_the_others() -> None:
    assert ToolNames(["fs_read", "fs.read"]).out("fs_read") == "fs_read"
    assert ToolNames(["fs.read", "fs_read"]).out("fs_read") == "fs_read"
    assert ToolNames(["fs.read"]).out("fs.read") == ToolNames(["a", "fs.read", "b"]).out("fs.read") == "fs_read"
    assert ToolNames([]).back("rm_rf") == "rm_rf"


@given(st.text(max_size=300), st.text(max_size=100), st.integers(1, 2_000))
@settings(max_examples=100, deadline=None)
def test_estimates_are_never_below_a_byte_a_token(text: str, tool: str, most: int) -> None:
    schema = ToolSchema("t", tool, {"type": "object", "properties": {tool: {}}})
    request = ModelRequest((Message("user", text),), (schema,), max_output=most)
    size = len(text.encode("utf-8", "surrogatepass"))
    assert prompt_tokens(request, 100) >= size + len(tool)
    assert likely_tokens(request, 100) <= prompt_tokens(request, 100)
    answer = ModelAnswer(text, (ToolCall("1", "t", None, text),))
    assert estimated(request, answer, 100).output >= min(2 * size, most)
    assert estimated(request, answer, 100).estimated


@pytest.mark.parametrize(
    "text",
    [
        "Incorrect API key provided: sk-proj-abc12****wxyz.",
        "Authorization: Bearer abcdef123456",
        "https://x.example/v1?key=AIzaSyA-123456789&alt=sse",
        "https://me:hunter2hunter2@x.example/",
        "gsk_0123456789abcdef is wrong",
        "xai-0123456789abcdef is wrong",
        "AIzaSyD0123456789abcdef",
        "my-own-odd-secret-value",
    ],
)
def test_what_looks_like_a_key_is_taken_out(text: str) -> None:
    shown = scrubbed(text, "my-own-odd-secret-value")
    assert "***" in shown
    for secret in ("abc12", "abcdef123456", "AIzaSy", "hunter2", "0123456789", "odd-secret"):
        assert secret not in shown


def test_what_is_said_is_one_short_line() -> None:
    assert scrubbed("a\n\n  b") == "a b"
    assert len(scrubbed("x" * 10_000)) == 300


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"retry-after": "7"}, "", 7.0),
        ({"retry-after": "0.5"}, "", 0.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, "", 1.5),
        ({"retry-after": "Thu, 01 Jan 2026 00:00:30 GMT"}, "", 30.0),
        ({"retry-after": "Wed, 31 Dec 2025 00:00:00 GMT"}, "", 0.0),
        ({"retry-after": "-5"}, "", None),
        ({"retry-after": "soon"}, "", None),
        ({"retry-after": "nan"}, "", None),
        ({}, "{'retryDelay': '17s'}", 17.0),
        ({}, "nothing", None),
    ],
)
def test_a_wait_is_read_however_it_is_said(headers: dict[str, str], body: str, seconds: float | None) -> None:
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    assert retry_after(headers, [Exception(body)], clock) == seconds


@pytest.mark.parametrize(
    ("model", "rank", "abilities"),
    [
        ("claude-opus-5-5", 9, {"tools", "vision", "structured", "reasoning"}),
        ("anthropic/claude-sonnet-5-5", 8, {"tools", "vision", "structured", "reasoning"}),
        ("gpt-4o-mini", 4, {"tools", "vision", "structured"}),
        ("gpt-5.4-mini", 7, {"tools", "vision", "structured", "reasoning"}),
        ("qwen3:8b", 5, {"tools", "reasoning"}),
        ("something-else", 2, {"tools"}),
    ],
)
def test_families_are_known_by_their_names(model: str, rank: int, abilities: set[str]) -> None:
    assert (family(model).rank, family(model).abilities) == (rank, abilities)


def test_models_that_do_not_converse_are_not_offered() -> None:
    assert [name for name in ("nomic-embed-text", "whisper-1", "llama3.3", "gpt-image-2") if chats(name)] == [
        "llama3.3"
    ]
