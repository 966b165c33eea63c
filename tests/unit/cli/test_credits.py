"""``nextgen credits``: what a person or a program sees of the books, and what they can set."""

import re
import shlex
from pathlib import Path

import pytest

from nextgeneration.credits.ledger import Ledger
from nextgeneration.credits.schema import Hold, Limit, Scopes
from nextgeneration.kernel.clock import SystemClock, iso
from nextgeneration.kernel.models import Usage
from nextgeneration.settings.storage import StorageSettings
from nextgeneration.storage.database import Storage

CREDIT = 1_000_000
ADA = Scopes(user="ada", agent="codeur", mission="mis_1", task="t1", model="openai:big")


@pytest.fixture
def spend():
    """Hold credits, and settle what it cost unless that is left out."""

    def run(name, worst, cost=None, *, scopes=ADA, limits=()):
        ledger, storage, at = Ledger(), Storage.open(StorageSettings().url), iso(SystemClock().now())
        hold = Hold(name, worst * CREDIT, scopes, 1, at, limits)
        storage.write_sync(lambda c: ledger.hold(c, hold))
        if cost is not None:
            micro = int(cost * CREDIT)
            storage.write_sync(lambda c: ledger.settle(c, name, micro, at=at, usage=Usage(70, 30, 20)))
        storage.close()

    return run


def test_an_empty_book_says_so(cli):
    shown = cli("credits", "show")
    assert shown.code == 0
    assert "in all: 0 credits, calls: 0" in shown.out
    assert "No limits: nextgen credits limits set" in shown.err
    assert "No calls yet." in cli("credits", "history").err
    assert "No calls yet." in cli("credits", "report").err
    assert cli("credits", "verify").code == 0


def test_limits_are_set_listed_and_removed(cli, spend):
    assert "tenant:local/month: 500 credits, 0 spent, 500 left" in (
        cli("credits", "limits", "set", "tenant", "local", "500", "--per", "month").err
    )
    said = cli("credits", "limits", "set", "user", "*", "0.25", "--per", "day", "--soft", "--json")
    assert (said.json["amount"], said.json["soft"]) == (250_000, True)
    spend("a", 100, 50)
    listed = cli("credits", "limits", "list")
    assert [line.split() for line in listed.out.splitlines()] == [
        ["user:*/day", "soft", "0.25"],
        ["tenant:local/month", "hard", "500", "50", "0", "450"],
        ["user:ada/day", "soft", "0.25", "50", "0", "0"],
    ]
    assert [limit["name"] for limit in cli("credits", "limits", "--json").json["limits"]] == ["local", "*"]
    assert cli("credits", "limits").out == listed.out
    assert "has no limit any more" in cli("credits", "limits", "remove", "user", "*", "--per", "day").err
    again = cli("credits", "limits", "remove", "user", "*", "--per", "day", "--json")
    assert (again.code, again.json["error"]["code"]) == (1, "NG-CREDITS-011")
    assert cli("credits", "limits", "remove", "tenant", "local", "--per", "month", "--json").json == {
        "removed": "tenant:local/month"
    }


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("user", "ada", "-5"), "NG-CLI-001"),
        (("user", "ada", "five"), "NG-CREDITS-001"),
        (("user", "ada", "nan"), "NG-CREDITS-001"),
        (("user", "ada", "99999999999"), "NG-CREDITS-001"),
        (("user", "", "5"), "NG-CREDITS-009"),
        (("planet", "earth", "5"), "NG-CLI-001"),
        (("user", "ada", "5", "--per", "year"), "NG-CLI-001"),
    ],
)
def test_what_is_no_limit_is_refused_by_name(cli, args, code):
    said = cli("credits", "limits", "set", *args, "--json")
    assert (said.code, said.json["error"]["code"]) == (2, code)
    assert cli("credits", "limits", "--json").json["limits"] == []


def test_a_mission_must_be_there_to_be_limited(cli):
    for scope, name in (("mission", "mis_none"), ("task", "mis_none/t1")):
        said = cli("credits", "limits", "set", scope, name, "5", "--json")
        assert said.json["error"]["code"] == "NG-MISSION-001"


def test_a_grant_is_added_and_remembered(cli):
    assert cli("credits", "grant", "user", "ada", "5", "--json").json["error"]["code"] == "NG-CREDITS-011"
    cli("credits", "limits", "set", "user", "ada", "10")
    said = cli("credits", "grant", "user", "ada", "5", "-m", "more").err
    assert "user:ada/total: 15 credits (5 of them granted), 0 spent, 15 left" in said
    assert "10 + 5 " in cli("credits", "limits").out
    assert cli("credits", "grant", "user", "ada", "0.5", "--json").json["granted"] == 500_000
    rows = cli("credits", "history", "--grants").out.splitlines()
    assert len(rows) == 2
    assert rows[1].split()[:3] == ["5", "user:ada", "total"]
    assert rows[1].endswith("more")
    assert {grant["amount"] for grant in cli("credits", "history", "--grants", "--json").json} == {
        5 * CREDIT,
        CREDIT // 2,
    }


def test_a_grant_is_the_accounts_and_outlives_the_limit_which_is_said(cli):
    cli("credits", "limits", "set", "user", "ada", "10")
    cli("credits", "grant", "user", "ada", "5")
    cli("credits", "limits", "remove", "user", "ada")
    again = cli("credits", "limits", "set", "user", "ada", "20").err
    assert "user:ada/total: 25 credits (5 of them granted), 0 spent, 25 left" in again
    assert "20 + 5 " in cli("credits", "limits").out
    assert "30 credits (5 of them granted)" in cli("credits", "limits", "set", "user", "ada", "25").err


def test_calls_and_reports(cli, spend):
    spend("mis_1/t1/1/1", 10, 2.5)
    spend("mis_1/t1/2/1", 10)
    spend("mis_2/t1/1/1", 5, 1, scopes=Scopes(user="bob", agent="auditeur", mission="mis_2", model="openai:small"))
    shown = cli("credits", "show")
    assert "today: 3.5 credits, calls: 3" in shown.out
    assert "10 credits are held by calls under way" in shown.out
    calls = cli("credits", "history", "--agent", "codeur", "--json").json
    assert [(call["id"], call["status"], call["charged"]) for call in calls] == [
        ("mis_1/t1/2/1", "held", 0),
        ("mis_1/t1/1/1", "settled", 2_500_000),
    ]
    assert calls[1]["usage"] == {"input": 70, "output": 30, "cached": 20}
    assert len(cli("credits", "history", "--last", "2").out.splitlines()) == 2
    by = cli("credits", "report", "--by", "agent").out.splitlines()
    assert [line.split() for line in by] == [
        ["2.5", "0", "10", "2", "70", "30", "20", "codeur"],
        ["1", "0", "0", "1", "70", "30", "20", "auditeur"],
    ]
    (model,) = cli("credits", "report", "--by", "model", "--user", "bob", "--json").json
    assert (model["name"], model["charged"], model["input"]) == ("openai:small", CREDIT, 70)
    assert cli("credits", "report", "--until", "2020-01-01", "--json").json == []
    assert len(cli("credits", "report", "--by", "day", "--since", "2020-01-01", "--json").json) == 1
    assert cli("credits", "show", "--json").json["total"]["charged"] == 3_500_000


def test_a_stopped_account_is_shown_and_cleared(cli, spend):
    spend("costly", 1, 1.5, limits=(Limit("mission", "mis_1", 9 * CREDIT),))
    out = cli("credits", "show").out
    assert "model:openai:big is stopped: costly cost 0.5 credits beyond its worst case" in out
    assert cli("credits", "clear").code == 2
    assert cli("credits", "clear", "model:openai:big", "--all").code == 2
    assert cli("credits", "clear", "user:ada", "--json").json["error"]["code"] == "NG-CREDITS-012"
    assert cli("credits", "clear", "model:openai:big", "-m", "price corrected", "--json").json == {"cleared": 1}
    assert "Stops ended: 1" in cli("credits", "clear", "--all").err
    assert cli("credits", "show", "--json").json["stops"] == []


def test_books_that_disagree_are_told(cli, spend):
    spend("a", 1, 1)
    assert cli("credits", "verify", "--json").json == {"agrees": True, "discrepancies": []}
    storage = Storage.open(StorageSettings().url)
    storage.write_sync(lambda c: c.exec_driver_sql("UPDATE credit_holds SET charged = 5"))
    storage.close()
    said = cli("credits", "verify")
    assert said.code == 1
    assert "The books disagree in 1 places, first: charge a: 1000000 ≠ 5" in said.err
    assert cli("credits", "verify", "--json").json["discrepancies"][0]["kind"] == "charge"


def test_the_page_about_budgets_works_as_written(cli, spend):
    spend("mis_1/t1/1/1", 10, 2.5)
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "credits.md").read_text(encoding="utf-8")
    lines = [
        line for block in re.findall(r"```console\n(.*?)```", page, flags=re.DOTALL) for line in block.splitlines()
    ]
    assert len(lines) == 9
    for line in lines:
        said = cli(*shlex.split(line.removeprefix("$ nextgen ")))
        assert said.code == 0, f"{line}: {said.err}"


def test_it_speaks_french(cli, spend, monkeypatch):
    monkeypatch.setenv("NG_LANG", "fr")
    spend("mis_1/t1/1/1", 10, 2.5)
    assert "en tout : 2.5 crédits, appels : 1" in cli("credits", "show").out
    assert "réglé" in cli("credits", "history").out
    assert (
        "tenant:local/month : 5 crédits"
        in cli("credits", "limits", "set", "tenant", "local", "5", "--per", "month").err
    )


def test_more_calls_than_anybody_reads_are_a_usage_error(cli):
    for many in ("99999999999999999999", "100001", "0"):
        said = cli("credits", "history", "--last", many)
        assert said.code == 2, said.err
    assert cli("credits", "history", "--last", "100000").code == 0
