"""A canary secret through every path: its value is in no event, record, report, message or log (promise 10)."""

from __future__ import annotations

import json
import logging
import os
import random
from pathlib import Path
from typing import Any

import pytest
from tests.security.attack_bench import Bench, bench, everything, shell

from nextgeneration.supervisor.render.markdown import markdown
from nextgeneration.supervisor.render.sarif import sarif
from nextgeneration.tools.code.patches import unified
from nextgeneration.tools.fs.diff import outcome, parse

__all__ = ["bench"]

KEYS = {
    "aws": "AKIA" + "Q7ZC4XNR2LKJ5WPD",
    "github": "ghp_" + "kR8vTq2LmZx5YwBn7JcDf3HsPaE9uGo1Ki4V",
    "password": "Zq8#vTr4!mKx7Lw2",
    "token": "tok_5f8c1e9ab27d4306f1e8",
    "url": "pW9xKe3rTz7q",
    "pem": "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7",
}


def leaky(workspace: Path) -> None:
    """A project with secrets where people leave them."""
    (workspace / "app").mkdir()
    (workspace / "app" / "settings.py").write_text(
        f'AWS_ACCESS_KEY_ID = "{KEYS["aws"]}"\nPASSWORD = "{KEYS["password"]}"\n'
        f'DATABASE_URL = "postgresql://app:{KEYS["url"]}@db/app"\n# TODO rotate {KEYS["github"]}\n'
        f'def f(token="{KEYS["token"]}"):\n    return eval(token)\n'
    )
    (workspace / "docker-compose.yml").write_text(
        "services:\n  web:\n    image: web:latest\n    privileged: true\n    environment:\n"
        f'      API_TOKEN: {KEYS["token"]}\n      DB_PASSWORD: "{KEYS["password"]}"\n'
        f"      DATABASE_URL: postgresql://app:{KEYS['url']}@db/app\n"
    )
    (workspace / ".env").write_text(f"GITHUB_TOKEN={KEYS['github']}\nPASSWORD={KEYS['password']}\n")
    (workspace / "key.pem").write_text(f"-----BEGIN PRIVATE KEY-----\n{KEYS['pem']}\n-----END PRIVATE KEY-----\n")
    (workspace / "README.md").write_text(f"# App\n\nSet `GITHUB_TOKEN={KEYS['github']}` first.\n")


def found_in(text: str | bytes) -> list[str]:
    data = text.encode("utf-8", "replace") if isinstance(text, str) else text
    return [name for name, value in KEYS.items() if value.encode() in data]


AUDITS = (
    "code.audit", "code.secrets", "code.security", "code.lint", "compose.audit", "docs.links", "docs.readme",
    "docs.docstrings", "test.find", "fs.list",
)  # fmt: skip


async def test_what_an_audit_finds_it_does_not_repeat(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """Findings about secrets, and about other things on the same lines, in every place they are kept or shown."""
    caplog.set_level(logging.DEBUG)
    leaky(bench.workspace)
    steps = [{"id": f"s{n}", "tool": tool, "on_error": "continue"} for n, tool in enumerate(AUDITS)]
    bench.template("eve", steps)
    async with bench.open() as services:
        done = await bench.run(services, "eve", actions=5)
        assert len([entry for entry in done.report.findings if "secret" in entry.finding.rule]) >= 3
        places = {
            "report": done.report.model_dump_json(),
            "markdown": markdown(done.report),
            "sarif": json.dumps(sarif(done.report, "1"), ensure_ascii=False),
            "journal": str([event.as_dict() for event in await services.missions.journal(done.mission)]),
            "cards": str([approval.card for approval in await services.approvals.of_mission(done.mission)]),
        }
    places |= {"log": caplog.text, "disk": everything(bench.home).decode("utf-8", "replace")}
    assert {place: found_in(text) for place, text in places.items() if found_in(text)} == {}


def test_a_patch_shows_no_secret_and_still_fits() -> None:
    """Context stops before a secret. Where nothing would say any more where the change belongs, none is offered."""
    secret = f'PASSWORD = "{KEYS["password"]}"'
    offered = 0
    for seed in range(400):
        chance = random.Random(seed)
        before = [
            secret if chance.random() < 0.1 else f"line{chance.randrange(6)}" for _ in range(chance.randrange(25))
        ]
        after = list(before)
        for _ in range(chance.randrange(1, 4)):
            at = chance.randrange(len(after) + 1)
            after[at : at + chance.randrange(2)] = [f"new{chance.randrange(9)}"] * chance.randrange(2)
        old, new = ("\n".join(lines) + "\n" * (chance.random() < 0.8 and bool(lines)) for lines in (before, after))
        patch = unified("app.py", old, new)
        if patch:
            offered += 1
            assert found_in(patch) == []
            assert outcome(parse(patch)[0], old) == (new, False)
            assert outcome(parse(patch)[0], new) == (new, True)
    assert offered > 150


async def test_the_built_in_team_repeats_no_secret(bench: Bench) -> None:
    """`check this project` as a user runs it, on a project that leaks."""
    from nextgeneration.missions.schema import MissionOptions, MissionRequest

    leaky(bench.workspace)
    async with bench.open(builtin=True) as services:
        request = MissionRequest(
            goal="check this project", workspace=str(bench.workspace), options=MissionOptions(actions=5)
        )
        mission = await services.missions.accept(request)
        outcome = await services.worker.run(mission.id)
        assert len(outcome.report.tasks) >= 3
        shown = markdown(outcome.report) + outcome.report.model_dump_json()
    # A summary quotes documentation as it stands: a secret in a README is one its readers have already.
    assert set(found_in(shown)) <= {"github"}
    assert set(found_in(everything(bench.home))) <= {"github"}


async def test_the_environments_secrets_stay_there(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every tool that looks at the machine, and every error they can make."""
    for name, value in KEYS.items():
        monkeypatch.setenv(f"NG_CANARY_{name.upper()}", value)
        monkeypatch.setenv(f"MY_{name.upper()}_SECRET", value)
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:{KEYS['url']}@127.0.0.1:9")
    monkeypatch.setenv("DATABASE_URL", f"postgresql://app:{KEYS['url']}@db/app")
    tools = [
        "system.platform", "system.path", "system.which", "system.resources", "system.services", "system.clock",
        "system.limits", "system.ports", "system.diagnose_command", "http.get", "web.search", "fs.list",
    ]  # fmt: skip
    args: dict[str, dict[str, Any]] = {
        "system.which": {"command": "docker-compose"},
        "system.diagnose_command": {"text": "docker-compose: command not found"},
        "http.get": {"url": "http://127.0.0.1:9/"},
        "web.search": {"query": "x"},
    }
    steps = [{"id": f"s{n}", "tool": t, "with": args.get(t, {}), "on_error": "continue"} for n, t in enumerate(tools)]
    bench.template("eve", steps)
    bench.template("net", steps)
    async with bench.open() as services:
        for name, network in (("eve", False), ("net", True)):
            done = await bench.run(services, name, network=network)
            assert found_in(done.report.model_dump_json()) == []
    assert found_in(everything(bench.home)) == []


@pytest.mark.bubblewrap
async def test_a_commands_environment_holds_no_secret_with_the_network_either(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(f"MY_{name.upper()}", value)
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:{KEYS['url']}@127.0.0.1:9")
    bench.template("eve", [shell("env; cat /proc/self/environ; set; cat /proc/1/environ")])
    async with bench.open() as services:
        for network in (False, True):
            done = await bench.approved(services, await bench.run(services, "eve", network=network))
            assert done.report.actions[0].status in {"done", "failed"}
            assert found_in(done.report.model_dump_json()) == []
    assert found_in(everything(bench.home)) == []


async def test_reading_a_file_of_secrets_asks_and_searching_leaves_it_out(bench: Bench) -> None:
    """What `fs.read` gives is journaled word for word: so files that normally hold secrets are asked for."""
    leaky(bench.workspace)
    steps = [
        {"id": f"r{n}", "tool": "fs.read", "with": {"path": path}, "on_error": "continue"}
        for n, path in enumerate((".env", "./.env", "key.pem", "app/../.env", ".ENV"))
    ]
    bench.template("eve", steps)
    bench.template("find", [{"id": "s", "tool": "fs.search", "with": {"pattern": "PASSWORD|TOKEN|PRIVATE"}}])
    async with bench.open() as services:
        asked = await bench.run(services, "eve", yes=True)
        assert len(asked.pending) == 1, "a task parks at its first question"
        card = (await services.approvals.get(asked.pending[0])).card
        assert found_in(json.dumps(card)) == []
        found = await bench.run(services, "find")
        assert found.status == "done"
        assert {match["path"] for match in matches(bench)} & {".env", "key.pem"} == set()
    assert "pem" not in found_in(everything(bench.home))


def matches(bench: Bench) -> list[dict[str, Any]]:
    """What the searches of this installation gave."""
    rows = bench.sql("SELECT outcome FROM effects WHERE name = 'fs.search'")
    return [match for (text,) in rows for match in json.loads(text[8:])["value"]["matches"]]


BAD_SETTINGS = {
    "NG_DATABASE_URL": f"postgresql://app:{KEYS['url']}@db/app",
    "NG_TOOLS_MCP_SERVERS": json.dumps({"docs": {"headers": {"X": KEYS["token"]}, "wrong": 1}}) + "}",
    "NG_TOOLS_SEARCH_URL": f"http://user:{KEYS['url']}@127.0.0.1:9/search",
    "NG_PERMISSIONS": f'["{KEYS["token"]} ("]',
    "NG_MISSION_SECONDS": KEYS["password"],
}


@pytest.mark.parametrize("name", BAD_SETTINGS)
def test_no_message_about_a_setting_shows_its_value(bench: Bench, name: str) -> None:
    said = bench.nextgen("missions", "list", "--debug", env={name: BAD_SETTINGS[name]})
    assert found_in(said.stdout + said.stderr) == []


async def test_an_address_with_a_password_is_not_repeated(bench: Bench) -> None:
    """The playbook's author wrote it: the record of the call has it, the messages and the report need not."""
    url = f"http://user:{KEYS['url']}@127.0.0.1:9/x"
    bench.template("eve", [{"id": "g", "tool": "http.get", "with": {"url": url}, "on_error": "continue"}])
    async with bench.open(permissions=("http.get",)) as services:
        done = await bench.run(services, "eve", network=True)
        journal = str([event.as_dict() for event in await services.missions.journal(done.mission)])
    assert found_in(markdown(done.report) + " ".join(done.report.missing) + journal) == []


def test_an_unforeseen_error_shows_no_environment(bench: Bench) -> None:
    """A crash, with and without --debug: no variables, no secrets of the environment in the trace."""
    env = {f"MY_{name.upper()}": value for name, value in KEYS.items()}
    bench.home.mkdir()
    (bench.home / "nextgen.db").write_bytes(os.urandom(4096))
    said = bench.nextgen("missions", "list", "--debug", env=env)
    assert said.returncode != 0
    assert found_in(said.stdout + said.stderr) == []
