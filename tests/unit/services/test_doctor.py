"""The doctor finds what is wrong and says what mends it; one broken thing hides no other."""

import asyncio
import json
import os
import time

import pytest

from nextgeneration.credits.schema import Hold, Limit, Period, Scopes
from nextgeneration.missions.schema import MissionRequest
from nextgeneration.services import doctor
from nextgeneration.services.doctor import examine
from nextgeneration.services.records import open_records
from nextgeneration.storage.tables import LOCAL
from nextgeneration.tools.shell.containment import Containment


def checks(folder, lang="en"):
    return {check.name: check for check in asyncio.run(examine(folder, lang))}


@pytest.fixture
def recorded(tmp_path):
    """A mission in the records."""

    async def accept():
        with open_records() as records:
            return (await records.missions.accept(MissionRequest(goal="look", workspace=str(tmp_path)))).id

    return asyncio.run(accept())


def test_a_healthy_installation(tmp_path):
    started = time.process_time()
    found = checks(tmp_path)
    assert time.process_time() - started < 2
    assert all(check.state in {"ok", "warn"} for check in found.values())
    assert found["records"].said == "none yet"
    assert found["python"].as_dict()["state"] == "ok"


def test_titles_and_answers_are_french_too(tmp_path):
    found = checks(tmp_path, "fr")
    assert found["settings"].title == "Réglages"
    assert "aucun n'est nécessaire" in found["models"].said


def test_settings_nobody_reads_are_named_with_the_nearest(tmp_path, monkeypatch):
    monkeypatch.setenv("NG_HOEM", "/x")
    assert checks(tmp_path)["settings"].state == "warn"
    assert "NG_HOME" in checks(tmp_path)["settings"].mend
    monkeypatch.delenv("NG_HOEM")
    monkeypatch.setenv("NG_QQQQQQQQQQ", "1")
    assert "docs/reference/settings.md" in checks(tmp_path)["settings"].mend
    monkeypatch.delenv("NG_QQQQQQQQQQ")
    monkeypatch.setenv("NG_TOOLS_MCP_SERVERS__DOCS__URL", "http://localhost:1")
    found = checks(tmp_path)
    assert found["settings"].state == "ok"
    assert found["documentation"].said == "MCP servers: docs"


def test_a_home_that_cannot_be_used(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("NG_HOME", str(tmp_path / "file" / "home"))
    assert checks(tmp_path)["home"].state == "bad"


def test_a_disk_that_is_nearly_full(tmp_path, monkeypatch):
    class Usage:
        free = 60_000_000

    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _path: Usage)
    assert checks(tmp_path)["home"].state == "warn"
    Usage.free = 1_000_000
    assert checks(tmp_path)["home"].state == "bad"


def test_missions_that_were_left_behind_or_wait(tmp_path, recorded):
    found = checks(tmp_path)
    assert found["missions"].state == "warn"
    assert found["missions"].said == "1 was left behind by a dead process"

    async def held():
        with open_records() as records:
            await records.missions.claim(recorded)
            return {check.name: check for check in await examine(tmp_path, "en")}

    assert asyncio.run(held())["missions"].said == "1 open, 0 approvals wait"


def test_records_that_take_long_to_read_are_not_waited_for(tmp_path, recorded, monkeypatch):
    monkeypatch.setattr(doctor, "READING_SECONDS", 0.0)
    found = checks(tmp_path)["records"]
    assert found.state == "ok"
    assert "not all read" in found.said


def test_a_damaged_record_is_named_with_its_mission(tmp_path, recorded):
    async def damage():
        with open_records() as records:
            storage = records.missions._shared.storage
            await storage.write(
                lambda c: c.exec_driver_sql("UPDATE missions SET options = 'ffffffff' || substr(options, 9)") and None
            )

    asyncio.run(damage())
    found = checks(tmp_path)["records"]
    assert found.state == "bad"
    assert f"nextgen missions cancel {recorded}" in found.mend


def spent_in_one_call(damage=""):
    """A call of 3 credits whose worst case was 2: settled as billed, and its accounts that are limited stop."""

    async def op():
        with open_records() as records:
            hold = Hold("call/1", 2_000_000, Scopes(model="lab:m"), 1, "2026-11-21T12:00:00.000000Z")
            await records.credits.set_limit(Limit("tenant", LOCAL, 9_000_000, Period.TOTAL), by="human:ada")
            await records.credits.hold(hold)
            settle = records.credits.ledger.settle
            await records.storage.write(lambda c: settle(c, hold.id, 3_000_000, at=hold.at) and None)
            if damage:
                await records.storage.write(lambda c: c.exec_driver_sql(damage) and None)

    asyncio.run(op())


def test_the_books_are_counted_again(tmp_path):
    assert checks(tmp_path)["credits"].said == "no model was called yet"
    spent_in_one_call()
    stopped = checks(tmp_path)["credits"]
    assert (stopped.state, stopped.mend) == ("warn", "nextgen credits clear --all")

    async def clear():
        with open_records() as records:
            await records.credits.clear(None, by="human:ada")

    asyncio.run(clear())
    found = checks(tmp_path)["credits"]
    assert (found.state, found.said) == ("ok", "3 credits spent, calls: 1; every posting agrees")


def test_books_that_disagree_with_their_postings_are_bad(tmp_path):
    spent_in_one_call("UPDATE credit_holds SET charged = charged - 1 WHERE status = 'settled'")
    found = checks(tmp_path)["credits"]
    assert found.state == "bad"
    assert "call/1" in found.said
    assert "nextgen credits verify" in found.mend


def test_books_that_take_long_to_read_are_not_waited_for(tmp_path, monkeypatch):
    spent_in_one_call()
    monkeypatch.setattr(doctor, "READING_SECONDS", 0.0)
    assert checks(tmp_path)["credits"].state == "warn", "what is stopped is said all the same"


def test_what_is_missing_has_its_installation(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    found = checks(tmp_path)
    assert "bubblewrap" in found["confinement"].mend
    assert "git" in found["programs"].said


def test_keys_are_found_by_name_and_never_shown(tmp_path, monkeypatch):
    monkeypatch.setenv("NG_MODELS_DISCOVER", "true")
    monkeypatch.setenv("NG_MODELS_PROBE_MS", "0")
    monkeypatch.setenv("NG_MODELS_KEYRING", "false")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    found = checks(tmp_path)
    assert "OPENAI_API_KEY in the environment" in found["models"].said
    assert "sk-very-secret" not in repr(found)
    assert found["telemetry"].mend == "unset LANGSMITH_TRACING"


def test_a_model_that_cannot_be_asked_has_its_mending(tmp_path, monkeypatch):
    provider = {"url": "https://llm.example/v1", "key": "ACME_KEY", "models": ["m"]}
    monkeypatch.setenv("NG_MODELS_PROVIDERS", json.dumps({"acme": provider}))
    found = checks(tmp_path)
    assert found["models"].state == "warn"
    assert found["models"].mend == "set ACME_KEY to your key"
    monkeypatch.setattr("nextgeneration.models.sources.PACKAGES", {"openai": ("no_such_module", "openai")})
    assert checks(tmp_path)["models"].mend == "pip install 'nextgeneration[openai]'"


def test_a_system_that_refuses_is_one_finding(tmp_path, monkeypatch):
    def refuse(_self):
        raise PermissionError(13, "Permission denied", "/dev/kvm")

    monkeypatch.setattr(Containment, "current", refuse)
    found = checks(tmp_path)
    assert found["confinement"].state == "bad"
    assert "Permission denied" in found["confinement"].said
    assert "templates" in found


def test_a_folder_that_is_none_is_a_finding(tmp_path):
    assert checks(tmp_path / "gone")["templates"].state == "bad"
    assert os.environ["NG_HOME"]
