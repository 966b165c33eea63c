"""What a real provider really sent comes out of the gateway equal in meaning, streamed and not."""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from dataclasses import replace
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.unit.models.far import MODELS, far

from nextgeneration.credits.schema import HoldStatus
from nextgeneration.credits.service import Credits
from nextgeneration.kernel.clock import SystemClock
from nextgeneration.kernel.models import Finish, Message, ModelAnswer, ModelRequest, ToolSchema, Usage, Wish
from nextgeneration.missions.access import ModelAccess
from nextgeneration.missions.effects import Policy
from nextgeneration.missions.errors import ModelsFailed
from nextgeneration.missions.schema import MissionBudget, MissionRequest
from nextgeneration.missions.service import Missions
from nextgeneration.models import retries
from nextgeneration.models.errors import BadModelRequest, ModelFailure, ModelMissing, ModelOverloaded, ModelRateLimited
from nextgeneration.models.retries import TRIES
from nextgeneration.storage.database import Storage
from nextgeneration.testing.wire import Recorded

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
OWN = ROOT / "tests" / "data" / "wire" / "openai.jsonl"
SHARED = Path(os.environ.get("NG_TEST_RECORDINGS", ROOT.parent / "shared" / "data")) / "openai-chat-recordings.jsonl"
FINISHES = {
    "stop": Finish.STOP,
    "length": Finish.LENGTH,
    "tool_calls": Finish.CALLS,
    "content_filter": Finish.REFUSED,
}
FAILURES = {400: BadModelRequest, 404: ModelMissing, 429: ModelRateLimited, 503: ModelOverloaded}
RELEASED, SETTLED = HoldStatus.RELEASED, HoldStatus.SETTLED
TOLD = {
    "input": "input",
    "output": "output",
    "cached": "cached",
    "written": "cache_written",
    "reasoning": "reasoning",
}


LOOKING: dict[str, Any] = {
    "messages": (Message("user", "hello"),),
    "tools": (ToolSchema("fs.read", "Read", {"type": "object", "properties": {"path": {"type": "string"}}}),),
}


def recordings(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def whole(row: dict[str, Any]) -> dict[str, Any]:
    """The recorded answer in one body; a stream is put together by the plainest means."""
    if not isinstance(row["response"], str):
        return row["response"]
    message: dict[str, Any] = {"content": "", "refusal": "", "tool_calls": {}}
    body: dict[str, Any] = {"choices": [{"message": message, "finish_reason": None}], "usage": None}
    for line in row["response"].splitlines():
        if not line.startswith("data: {"):
            continue
        event = json.loads(line[6:])
        body["usage"] = event.get("usage") or body["usage"]
        for choice in event.get("choices") or []:
            body["choices"][0]["finish_reason"] = choice.get("finish_reason") or body["choices"][0]["finish_reason"]
            delta = choice["delta"]
            message["content"] += delta.get("content") or ""
            message["refusal"] += delta.get("refusal") or ""
            for call in delta.get("tool_calls") or []:
                made = message["tool_calls"].setdefault(call["index"], {"function": {"name": "", "arguments": ""}})
                made["id"] = call.get("id") or made.get("id")
                made["function"]["name"] += call["function"].get("name") or ""
                made["function"]["arguments"] += call["function"].get("arguments") or ""
    message["tool_calls"] = list(message["tool_calls"].values())
    return body


def request(row: dict[str, Any]) -> dict[str, Any]:
    tools = tuple(
        ToolSchema(tool["function"]["name"], tool["function"].get("description") or "", tool["function"]["parameters"])
        for tool in row["request"].get("tools") or []
        if tool.get("type") == "function"
    )
    return {"messages": (Message("user", row["name"]),), "tools": tools}


def check(answer: ModelAnswer, row: dict[str, Any]) -> None:
    body = whole(row)
    choice, usage = body["choices"][0], body.get("usage")
    message = choice["message"]
    assert answer.text == (message.get("content") or message.get("refusal") or "")
    calls = message.get("tool_calls") or []
    assert [(call.id, call.name, call.args) for call in answer.calls] == [
        (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"] or "{}")) for call in calls
    ]
    # An answer with calls is to be acted on, whatever word the provider has for its end.
    # OpenAI ends a refusal with "stop" like any answer; what tells it apart is where its words stand.
    refused = Finish.REFUSED if message.get("refusal") else FINISHES[choice["finish_reason"]]
    assert answer.finish is (Finish.CALLS if calls else refused)
    if usage is None:
        assert answer.usage.estimated
        return
    assert answer.usage == counted(usage)


def counted(usage: dict[str, Any]) -> Usage:
    """What OpenAI wrote down, in our words."""
    read = usage.get("prompt_tokens_details") or {}
    written = usage.get("completion_tokens_details") or {}
    return Usage(
        usage["prompt_tokens"],
        usage["completion_tokens"],
        read.get("cached_tokens") or 0,
        read.get("cache_write_tokens") or 0,
        written.get("reasoning_tokens") or 0,
    )


async def replay(path: Path, *, listen: bool) -> int:
    async with far("openai", server={"strict": True}) as there:
        rows = recordings(path)
        for row in rows:
            if row["status"] == 200:
                check(await there.ask(Recorded(row), listen=listen, **request(row)), row)
                continue
            with pytest.raises(ModelFailure) as failed:
                await there.ask(Recorded(row), listen=listen, **request(row))
            assert type(failed.value) is FAILURES[row["status"]]
            assert failed.value.spent == "none"
    return len(rows)


@pytest.mark.parametrize("listen", [False, True], ids=["whole", "streamed"])
@pytest.mark.skipif(not SHARED.is_file(), reason="the folder of shared recordings is not beside this checkout")
async def test_shared_recordings_of_a_real_provider_come_out_equal(listen: bool) -> None:
    assert await replay(SHARED, listen=listen) == 225


@pytest.mark.parametrize("listen", [False, True], ids=["whole", "streamed"])
@pytest.mark.skipif(not OWN.is_file(), reason="the suite's own recordings are not there")
async def test_the_suites_own_recordings_come_out_equal(listen: bool) -> None:
    assert await replay(OWN, listen=listen) > 0


@pytest.mark.parametrize("provider", MODELS)
async def test_recordings_of_every_format_come_out_as_they_were_billed(provider: str) -> None:
    """Whole and streamed recordings of one exchange mean the same, and the usage is what the provider wrote down."""
    heard: dict[str, list[tuple[Any, ...]]] = {}
    tools = (ToolSchema("fs.read", "Read a file", {"type": "object", "properties": {"path": {"type": "string"}}}),)
    async with far(provider, model=_model(provider)) as there:
        for row in recordings(OWN.with_name(f"{provider}.jsonl")):
            stream = "event-stream" in row["content_type"]
            if row["status"] != 200:
                with pytest.raises(ModelFailure) as failed:
                    await there.ask(Recorded(row))
                assert isinstance(failed.value, ModelRateLimited if row["status"] == 429 else ModelOverloaded)
                assert failed.value.spent == "none"
                continue
            if provider == "openai-responses" and not stream:
                continue  # it is always read as it comes
            answer = await there.ask(Recorded(row), listen=stream, tools=tools)
            # Ollama has no word for what it had in its cache.
            unsaid = {"cached"} if provider == "ollama" else set()
            figures = {TOLD[key]: value for key, value in row["usage"].items() if key in TOLD.keys() - unsaid}
            assert answer.usage == Usage(**figures), row["name"]
            calls = [(call.name, call.args) for call in answer.calls]
            heard.setdefault(row["name"], []).append((answer.text, calls, answer.finish))
    assert len(heard) >= 6
    for name, answers in heard.items():
        assert all(answer == answers[0] for answer in answers), name
    assert heard["a refusal"][0][2] is (Finish.STOP if provider == "ollama" else Finish.REFUSED)
    assert [name for name, _ in heard["two calls and words"][0][1]] == ["fs.read", "fs.read"]


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short pauses between tries: how long they are is tried elsewhere."""
    monkeypatch.setattr(retries, "FIRST_SECONDS", 0.001)


# -- what the books say of them ----------------------------------------------------------------------------------------


def billed(row: dict[str, Any]) -> Usage | None:
    """What the provider wrote down for a recorded exchange; ``None``: nothing that is a count."""
    if row["status"] != 200:
        return None
    if "usage" in row:
        return Usage(**{TOLD[key]: value for key, value in row["usage"].items() if key in TOLD})
    usage = whole(row).get("usage")
    return None if usage is None else counted(usage)


def micro(usage: Usage) -> int:
    """What that costs at the prices of :func:`far`, in micro-credits."""
    plain = usage.input - usage.cached - usage.cache_written
    exact = 2 * plain + Decimal("0.5") * usage.cached + Decimal("2.5") * usage.cache_written + 10 * usage.output
    return int((exact * 100).to_integral_value(ROUND_CEILING))


async def booked(provider: str, path: Path, *, listen: bool) -> int:
    """Ask each recorded answer as a task of one mission; how many of them the books have as the provider wrote them."""
    rows = [row for row in recordings(path) if streams(provider, row, listen=listen)]
    model = _model(provider) if provider != "openai" else ""
    storage, clock = Storage.open("sqlite://"), SystemClock()
    told = 0
    async with far(provider, model=model, server={"strict": False}) as there:
        missions, books = Missions(storage, clock=clock), Credits(storage, clock=clock)
        budget = MissionBudget(credits=10**12)
        mission = await missions.accept(MissionRequest(goal="x", workspace="/nowhere", budget=budget))
        claim = await missions.claim(mission.id)
        door = claim.door({}, Policy(), Path("/nowhere"), ModelAccess(there.gateway, books, random=lambda: 0.0))
        for number, row in enumerate(rows):
            again = row["status"] != 200 and FAILURES[row["status"]].again
            there.server.script(*[Recorded(row)] * (TRIES if again else 1))
            with suppress(ModelsFailed):
                asked = ModelRequest(max_output=1_000, **request(row) if provider == "openai" else LOOKING)
                await door.task(f"t{number}", "agent").think(asked, Wish(), (lambda _: None) if listen else None)
            await claim.flush()
            there.candidate.health.succeeded(0.0)
            for stop in (await books.overview()).stops:
                await books.clear(stop.account, by="human:ada")
            calls = await books.history({"task": f"t{number}"}, limit=100)
            wanted = billed(row)
            if row["status"] != 200:
                assert len(calls) == (TRIES if again else 1)
                assert {(call.status, call.charged, call.usage) for call in calls} == {(RELEASED, 0, Usage())}
                continue
            (call,) = calls
            if wanted is None:
                assert call.usage.input > 0, "estimated, high"
                continue
            # Ollama has no word for what it had in its cache.
            wanted = replace(wanted, cached=0) if provider == "ollama" else wanted
            assert (call.status, call.usage, call.charged) == (SETTLED, wanted, micro(wanted)), row["name"]
            told += 1
        assert await books.verify() == []
    storage.close()
    return told


def streams(provider: str, row: dict[str, Any], *, listen: bool) -> bool:
    """Whether a recording is one of a call that is made like this; OpenAI's chat answers are replayed both ways."""
    if provider == "openai" or row["status"] != 200:
        return True
    stream = "stream" in row["content_type"] or "ndjson" in row["content_type"]
    return stream if listen or provider in {"openai-responses", "ollama"} else not stream


@pytest.mark.parametrize("listen", [False, True], ids=["whole", "streamed"])
@pytest.mark.skipif(not SHARED.is_file(), reason="the folder of shared recordings is not beside this checkout")
async def test_the_books_have_the_usage_of_each_recording_of_a_real_provider(hasty: None, listen: bool) -> None:
    assert await booked("openai", SHARED, listen=listen) > 200


@pytest.mark.parametrize("listen", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("provider", MODELS)
async def test_the_books_have_the_usage_of_each_of_the_suites_own_recordings(
    hasty: None, provider: str, listen: bool
) -> None:
    assert await booked(provider, OWN.with_name(f"{provider}.jsonl"), listen=listen) >= 6


def _model(provider: str) -> str:
    row = recordings(OWN.with_name(f"{provider}.jsonl"))[0]
    named = (row["request"] or {}).get("model")
    return str(named or re.search(r"models/([^:]+):", row["path"])[1])
