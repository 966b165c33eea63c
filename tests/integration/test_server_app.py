"""The HTTP interface of the factory, over ASGI as a client sees it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from nextgeneration.agents import AgentFactory, TemplateManager
from nextgeneration.agents.shared import library_for
from nextgeneration.credits.schema import Hold, HoldStatus, Limit, Period, Scopes
from nextgeneration.credits.service import Credits
from nextgeneration.credits.units import MICRO
from nextgeneration.kernel.clock import SystemClock, iso
from nextgeneration.server.app import app, create_app
from nextgeneration.server.figures import LIMITS, MODELS
from nextgeneration.services.records import open_records
from nextgeneration.settings import AgentFactoryConfig
from nextgeneration.storage.errors import StorageBusy, StorageUnopened


@pytest.fixture
def manager(tmp_path: Path) -> TemplateManager:
    (tmp_path / "broken.json").write_text("{")
    config = AgentFactoryConfig(templates_dir=tmp_path, enable_hot_reload=False, preload_templates=[], max_agents=2)
    return TemplateManager(config, library_for(config))


def run_nextgen(*args: str) -> str:
    """What another process of this installation says."""
    argv = [sys.executable, "-c", "from nextgeneration.cli.main import main; main()", *args]
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout


@asynccontextmanager
async def served(manager: TemplateManager, address: str = "127.0.0.1") -> AsyncIterator[httpx.AsyncClient]:
    """A client at ``address`` of a process that serves, from its start to its end."""
    app = create_app(AgentFactory(manager))
    transport = httpx.ASGITransport(app, client=(address, 40000))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        yield client


@pytest.fixture
async def client(manager: TemplateManager) -> AsyncIterator[httpx.AsyncClient]:
    async with served(manager) as client:
        yield client


async def test_it_says_that_it_runs(client: httpx.AsyncClient) -> None:
    response = await client.get("/")
    assert (response.status_code, response.json()) == (200, {"message": "NextGeneration Agent Orchestrator is running"})
    assert app.title == "NextGeneration Agent Orchestrator"


async def test_an_agent_is_made_and_stays(client: httpx.AsyncClient, manager: TemplateManager) -> None:
    body = {"template_name": "documentaliste", "suffix": "1", "config": {"summary_length": 9}}
    response = await client.post("/agents", json=body)
    assert response.status_code == 201
    info = response.json()
    assert set(info) == {"metadata", "status", "config", "performance"}
    assert (info["metadata"]["name"], info["config"]["summary_length"]) == ("documentaliste_1", 9)
    (agent,) = manager.registry.agents()
    assert agent.get_info() == info


async def test_a_made_agent_is_recorded_and_outlives_the_process(manager: TemplateManager) -> None:
    body = {"template_name": "documentaliste", "suffix": "1", "config": {"summary_length": 9}}
    async with served(manager) as client:
        made = (await client.post("/agents", json=body)).json()
    with open_records() as records:
        (record,) = await records.agents.all()
    assert (record.id, record.name) == (made["metadata"]["id"], "documentaliste_1")
    assert record.config["summary_length"] == 9
    assert "documentaliste_1" in run_nextgen("agents", "list")
    async with served(manager) as client:
        assert [agent["id"] for agent in (await client.get("/agents")).json()] == [record.id]
        again = await client.post("/agents", json=body)
        assert (again.status_code, again.json()["code"]) == (409, "NG-AGENT-101")
        assert (await client.post("/agents", json=body | {"suffix": "2"})).status_code == 201
    assert len(manager.registry) <= 2, "what was refused is not kept"


async def test_a_program_that_never_starts_it_still_has_its_agents_recorded(manager: TemplateManager) -> None:
    transport = httpx.ASGITransport(create_app(AgentFactory(manager)))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        assert (await client.post("/agents", json={"template_name": "hardware"})).status_code == 201
        assert [agent["name"] for agent in (await client.get("/agents")).json()] == ["hardware"]


async def test_records_that_cannot_be_opened_are_a_problem(
    manager: TemplateManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NG_HOME", "/dev/null/x")
    app = create_app(AgentFactory(manager))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        response = await client.post("/agents", json={"template_name": "hardware"})
    assert (response.status_code, response.json()["code"]) == (503, "NG-STORAGE-003")
    with pytest.raises(StorageUnopened):
        async with app.router.lifespan_context(app):
            pass


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"template_name": "nobody"}, 404, "NG-TEMPLATE-001"),
        ({"template_name": "../../etc/passwd"}, 404, "NG-TEMPLATE-001"),
        ({"template_name": "broken"}, 404, "NG-TEMPLATE-003"),
        ({"template_name": "hardware", "suffix": "a b"}, 422, "NG-AGENT-005"),
        ({"template_name": "hardware", "sufix": "x"}, 422, "NG-SERVER-001"),
        ({"suffix": "x"}, 422, "NG-SERVER-001"),
        ({"template_name": "hardware", "config": []}, 422, "NG-SERVER-001"),
    ],
)
async def test_what_cannot_be_made_is_a_problem(
    client: httpx.AsyncClient, body: dict[str, Any], status: int, code: str
) -> None:
    response = await client.post("/agents", json=body)
    problem = response.json()
    assert (response.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert response.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "detail", "hint", "where", "retryable"} <= set(problem)


async def test_problems_speak_french_when_asked(client: httpx.AsyncClient) -> None:
    response = await client.post("/agents", json={"template_name": "nobody"}, headers={"Accept-Language": "fr-CA,en"})
    assert "Aucun modèle" in response.json()["detail"]


async def test_too_many_agents_are_refused_as_such(client: httpx.AsyncClient) -> None:
    bodies = [{"template_name": "hardware", "suffix": suffix} for suffix in "abc"]
    codes = [(await client.post("/agents", json=body)).status_code for body in bodies]
    assert codes == [201, 201, 429]


async def test_a_body_that_is_too_large_is_not_read(client: httpx.AsyncClient) -> None:
    announced = await client.post("/agents", content=b"[" * 1_000_001)

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 100_000

    streamed = await client.post("/agents", content=endless())
    assert [r.status_code for r in (announced, streamed)] == [413, 413]
    assert streamed.json()["code"] == "NG-SERVER-002"


async def test_deep_json_is_survived(client: httpx.AsyncClient) -> None:
    deep = b'{"template_name": "hardware", "config": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_001
    response = await client.post("/agents", content=deep, headers={"content-type": "application/json"})
    assert response.status_code in {400, 422}
    nested: dict[str, Any] = {}
    for _ in range(400):
        nested = {"a": nested}
    response = await client.post("/agents", json={"template_name": "hardware", "config": nested})
    assert response.status_code in {201, 422}


async def test_the_factorys_figures_as_json_and_for_prometheus(client: httpx.AsyncClient) -> None:
    await client.post("/agents", json={"template_name": "hardware"})
    await client.post("/agents", json={"template_name": "nobody"})
    stats = (await client.get("/factory/metrics")).json()
    assert (stats["agents_created"], stats["active_agents"], stats["creations_failed"]) == (1, 1, 1)
    text = (await client.get("/metrics")).text
    assert 'agent_factory_creation_total{outcome="created",template="hardware"} 1.0' in text
    assert "process_resident_memory_bytes" in text


def sample(text: str) -> dict[str, float]:
    """What the scraped text says of credits."""
    lines = [line.rpartition(" ") for line in text.splitlines() if line.startswith("credits_")]
    return {name: float(value) for name, _, value in lines}


async def test_the_books_stand_among_the_metrics_though_this_process_calls_no_model(client: httpx.AsyncClient) -> None:
    assert sample((await client.get("/metrics")).text)["credits_ledger_readable"] == 1
    now = iso(SystemClock().now())
    with open_records() as records:
        books, write = records.credits, records.storage.write
        await books.set_limit(Limit("tenant", "local", 8 * MICRO), by="human:test")
        await books.set_limit(Limit("user", "*", 2 * MICRO, Period.DAY, soft=True), by="human:test")
        await books.grant("tenant", "local", 2 * MICRO, reason="more", by="human:test")
        for number, model in enumerate(["far:small", "far:large", "far:large"]):
            await books.hold(Hold(f"h{number}", MICRO, Scopes(user="zoé", model=model), 1, now))
        await write(lambda connection: books.ledger.settle(connection, "h0", MICRO // 4, at=now))
        await write(
            lambda connection: books.ledger.settle(connection, "h1", None, status=HoldStatus.UNCONFIRMED, at=now)
        )
    found = sample((await client.get("/metrics")).text)
    tenant, zoe = (
        'account="tenant:local",kind="hard",period="total"',
        'account="user:zoé",kind="soft",period="day"',
    )
    assert found == {
        "credits_ledger_readable": 1,
        'credits_ledger_spent_total{model="far:large"}': 1,
        'credits_ledger_spent_total{model="far:small"}': 0.25,
        'credits_ledger_calls_total{model="far:large"}': 2,
        'credits_ledger_calls_total{model="far:small"}': 1,
        'credits_ledger_unconfirmed_total{model="far:large"}': 1,
        'credits_ledger_unconfirmed_total{model="far:small"}': 0,
        'credits_ledger_held{model="far:large"}': 1,
        'credits_ledger_held{model="far:small"}': 0,
        f"credits_limit{{{tenant}}}": 10,
        f"credits_limit{{{zoe}}}": 2,
        f"credits_limit_spent{{{tenant}}}": 1.25,
        f"credits_limit_spent{{{zoe}}}": 1.25,
        f"credits_limit_held{{{tenant}}}": 1,
        f"credits_limit_held{{{zoe}}}": 1,
        "credits_limits_not_shown": 0,
        "credits_stopped_accounts": 0,
    }


async def test_there_are_never_more_series_than_so_many(client: httpx.AsyncClient) -> None:
    now = iso(SystemClock().now())
    with open_records() as records:
        await records.credits.set_limit(Limit("user", "*", MICRO), by="human:test")
        for number in range(LIMITS + 5):
            scopes = Scopes(user=f"u{number}", model=f"far:m{number}")
            await records.credits.hold(Hold(f"h{number}", number + 1, scopes, 1, now))
    found = sample((await client.get("/metrics")).text)
    limited = [name for name in found if name.startswith("credits_limit_held{")]
    assert len(limited) == LIMITS
    assert any(f"user:u{LIMITS + 4}" in name for name in limited), "those of which most is used are shown"
    assert found["credits_limits_not_shown"] == 5
    assert sum(name.startswith("credits_ledger_held{") for name in found) == MODELS + 1
    held = sum(value for name, value in found.items() if name.startswith("credits_ledger_held{"))
    assert round(held * MICRO) == sum(range(1, LIMITS + 6)), "the rest is told together"


async def test_books_that_cannot_be_read_hide_no_other_figure(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> Any:
        raise StorageBusy(seconds=1)

    monkeypatch.setattr(Credits, "report", broken)
    text = (await client.get("/metrics")).text
    assert sample(text) == {"credits_ledger_readable": 0}
    assert "process_resident_memory_bytes" in text


async def test_refresh_finds_new_templates(client: httpx.AsyncClient, tmp_path: Path) -> None:
    before = (await client.post("/templates/refresh")).json()["templates"]
    (tmp_path / "late.json").write_text(json.dumps({"name": "late", "role": "r", "domain": "d"}))
    assert (await client.post("/templates/refresh")).json()["templates"] == before + 1
    assert (await client.post("/agents", json={"template_name": "late"})).status_code == 201


@pytest.mark.parametrize(
    ("address", "headers"), [("192.0.2.7", {}), ("127.0.0.1", {"Origin": "https://evil.example"}), ("unix", {})]
)
async def test_only_this_machine_refreshes(manager: TemplateManager, address: str, headers: dict[str, str]) -> None:
    async with served(manager, address) as client:
        response = await client.post("/templates/refresh", headers=headers)
    assert (response.status_code, response.json()["code"]) == (403, "NG-SERVER-003")


async def test_templates_are_watched_while_it_serves_also_the_second_time(tmp_path: Path) -> None:
    config = AgentFactoryConfig(templates_dir=tmp_path, preload_templates=[])
    manager = TemplateManager(config, library_for(config))
    for _ in range(2):
        async with served(manager):
            assert manager.library.watching
        assert not manager.library.watching


async def test_a_serving_process_logs_creation_and_reads_templates_again_at_sighup(
    manager: TemplateManager, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "late.json"
    path.write_text(json.dumps({"name": "late", "role": "r", "domain": "d"}))
    before = signal.getsignal(signal.SIGHUP)
    async with served(manager) as client:
        assert (await client.post("/agents", json={"template_name": "late"})).status_code == 201
        path.write_text(json.dumps({"name": "late", "role": "r", "domain": "d", "version": "2.0.0"}))
        os.kill(os.getpid(), signal.SIGHUP)
        again = await client.post("/agents", json={"template_name": "late", "suffix": "b"})
    assert again.json()["metadata"]["version"] == "2.0.0"
    assert "INFO nextgeneration.agents.manager: agent late created from template late" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGHUP) == before
