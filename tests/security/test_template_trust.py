"""Rights that a workspace's templates bring along count only once a human trusted them (A14)."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from tests.security.attack_bench import Bench, bench

from nextgeneration.kernel.risk import EffectRule, RiskLabel
from nextgeneration.security.permissions import PermissionRules, Verdict, decide
from nextgeneration.templates.errors import NothingToTrust, TemplateInvalid
from nextgeneration.templates.library import TemplateLibrary
from nextgeneration.templates.trust import Trust, set_aside

__all__ = ["bench"]

ALLOW = {"allow": ["fs.write"]}


class House:
    """A workspace's folder of templates, a human's own, and the record of trust."""

    def __init__(self, root: Path) -> None:
        self.home, self.foreign = root / "home", root / "work" / ".nextgen" / "templates"
        self.own = self.home / "templates"
        self.own.mkdir(parents=True)
        self.foreign.mkdir(parents=True)
        self.trust = Trust(self.home / "trusted-templates.json", self.own)
        self.library = TemplateLibrary(self.foreign, self.own, check_seconds=0, trust=self.trust)

    def write(self, folder: Path, name: str, **more: Any) -> None:
        (folder / f"{name}.json").write_text(json.dumps({"name": name, "role": "r", "domain": "d", **more}))
        self.library.refresh()

    def allowed(self, name: str) -> list[tuple[str, ...]]:
        return [level.allow for level in self.library.get(name).permissions]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_what_a_human_trusted_counts_until_the_file_changes(house: House) -> None:
    house.write(house.foreign, "eve", permissions={**ALLOW, "deny": ["shell.run"]})
    eve = house.library.get("eve")
    assert (eve.permissions[0].allow, eve.permissions[0].untrusted) == ((), ("fs.write",))
    assert eve.permissions[0].deny == ("shell.run",), "what tightens always counts"
    made = house.trust.add(eve)
    assert house.allowed("eve") == [("fs.write",)], "noticed without a restart"
    assert house.library.get("eve").digest == made.digest != eve.digest
    house.write(house.foreign, "eve", permissions={"allow": ["fs.write"], "deny": ["shell.run"]}, instructions="more")
    assert house.allowed("eve") == [()]


def test_trust_can_be_taken_back(house: House) -> None:
    house.write(house.foreign, "eve", permissions=ALLOW)
    made = house.trust.add(house.library.get("eve"))
    assert list(house.trust) == [made]
    assert house.allowed("eve") == [("fs.write",)]
    assert house.trust.remove(made.path)
    assert house.allowed("eve") == [()]
    assert not house.trust.remove(made.path)


def test_what_was_shown_is_what_is_trusted(house: House) -> None:
    """The file changes between the look and the answer."""
    house.write(house.foreign, "eve", permissions=ALLOW)
    shown = house.library.get("eve")
    house.write(house.foreign, "eve", permissions={"allow": ["*"]})
    house.trust.add(shown)
    assert house.allowed("eve") == [()]


def test_the_same_text_in_another_clone_is_not_trusted(house: House, tmp_path: Path) -> None:
    other = tmp_path / "other" / ".nextgen" / "templates"
    other.mkdir(parents=True)
    house.write(house.foreign, "eve", permissions=ALLOW)
    house.write(other, "eve", permissions=ALLOW)
    house.trust.add(house.library.get("eve"))
    assert TemplateLibrary(other, trust=house.trust).get("eve").permissions[0].allow == ()


def test_a_humans_own_and_builtin_templates_are_trusted(house: House, tmp_path: Path) -> None:
    house.write(house.own, "mine", permissions=ALLOW)
    assert house.allowed("mine") == [("fs.write",)]
    assert any("web.search" in level.allow for level in house.library.get("chercheur_web").permissions)
    named = tmp_path / "team"
    named.mkdir()
    house.write(named, "ours", permissions=ALLOW)
    assert TemplateLibrary(named).get("ours").permissions[0].allow == ("fs.write",), "a folder from the settings"


def test_an_untrusted_child_loses_only_what_it_would_allow_itself(house: House) -> None:
    house.write(house.own, "parent", permissions=ALLOW)
    house.write(house.foreign, "child", parent="parent", permissions={"allow": ["fs.patch"], "ask": ["fs.read"]})
    assert house.allowed("child") == [("fs.write",), ()]
    assert set_aside(house.library.get("child")) == ("fs.patch",)
    assert house.library.get("child").permissions[1].ask == ("fs.read",)
    house.write(house.foreign, "quiet", parent="child")
    assert set_aside(house.library.get("quiet")) == (), "it says nothing itself"


def test_who_is_built_on_a_workspaces_template_is_not_trusted_either(house: House) -> None:
    """A repository that hides a built-in parent would decide what the rights of its children are used for."""
    house.write(house.own, "mine", parent="base_specialist", permissions=ALLOW)
    assert house.allowed("mine")[-1] == ("fs.write",)
    house.write(house.foreign, "base_specialist", playbook=[{"id": "w", "tool": "fs.write", "with": {"path": "x"}}])
    assert house.allowed("mine") == [()]
    house.trust.add(house.library.get("mine"))
    assert house.allowed("mine") == [("fs.write",)]
    house.write(house.foreign, "base_specialist", playbook=[{"id": "w", "tool": "fs.write", "with": {"path": "y"}}])
    assert house.allowed("mine") == [()], "what it is built on changed"


def test_a_template_that_allows_nothing_needs_no_trust(house: House) -> None:
    house.write(house.foreign, "eve", permissions={"deny": ["fs.write"]})
    with pytest.raises(NothingToTrust) as error:
        house.trust.add(house.library.get("eve"))
    assert error.value.code == "NG-TEMPLATE-021"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"trusted": []}', '{"trusted": {"a": 1}}', "\udcff"])
def test_a_damaged_record_trusts_nothing(house: House, text: str) -> None:
    house.write(house.foreign, "eve", permissions=ALLOW)
    record = house.home / "trusted-templates.json"
    record.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert house.allowed("eve") == [()]
    house.trust.add(house.library.get("eve"))
    assert house.allowed("eve") == [("fs.write",)]
    assert stat.S_IMODE(record.stat().st_mode) == 0o600


def test_a_template_cannot_write_its_own_trust(house: House) -> None:
    house.write(house.foreign, "eve", permissions={"untrusted": ["fs.write"]})
    with pytest.raises(TemplateInvalid, match="/permissions/untrusted"):
        house.library.get("eve")


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_the_question_says_that_the_template_is_not_trusted(lang: Any) -> None:
    levels = (PermissionRules(untrusted=("t.write",)),)
    asked = decide(levels, (), "t.write", (), RiskLabel.WRITE, EffectRule.IDEMPOTENT)
    assert (asked.verdict, asked.withheld) == (Verdict.ASK, True)
    assert "t.write" in asked.why.say(lang)
    assert not decide(levels, (), "t.other", (), RiskLabel.WRITE, EffectRule.IDEMPOTENT).withheld
    strong = decide(levels, (), "t.write", (), RiskLabel.DESTRUCTIVE, EffectRule.ONCE)
    assert not strong.withheld, "no rule would have allowed that"
    human = decide(levels, ("t.write",), "t.write", (), RiskLabel.WRITE, EffectRule.IDEMPOTENT)
    assert human.verdict is Verdict.ALLOW


async def test_a_card_says_why_it_asks_and_a_running_mission_keeps_what_it_was(bench: Bench) -> None:
    bench.templates = bench.workspace / ".nextgen" / "templates"
    bench.templates.mkdir(parents=True)
    write = {"id": "w", "tool": "fs.write", "with": {"path": "made.txt", "content": "x"}}
    bench.template("eve", [write], permissions=ALLOW)
    async with bench.open() as services:
        outcome = await bench.run(services, "eve")
        (ref,) = outcome.pending
        approval = await services.approvals.get(ref)
        assert "untrusted template" in " ".join(approval.card["calls"][0]["reasons"])
        services.templates.library.trust.add(services.templates.library.get("eve"))
        again = await services.worker.run(outcome.mission)
        assert again.pending == (ref,)
    assert not (bench.workspace / "made.txt").exists()


def test_the_commands_show_ask_record_and_take_back(bench: Bench) -> None:
    folder = bench.workspace / ".nextgen" / "templates"
    folder.mkdir(parents=True)
    bench.templates = folder
    bench.template("eve", [{"id": "l", "tool": "fs.list"}], permissions={"allow": ["fs.write(docs/*)"]})
    at = ("-w", str(bench.workspace))
    listed = bench.nextgen("templates", "list", *at)
    assert b"eve is not trusted: its allow rules do not count (fs.write(docs/*))" in listed.stderr
    assert b"not trusted" in bench.nextgen("templates", "show", "eve", *at).stderr
    refused = bench.nextgen("templates", "trust", "eve", *at)
    assert refused.returncode == 2
    assert b"fs.write(docs/*)" in refused.stderr
    assert b"NG-CLI-005" in refused.stderr
    done = bench.nextgen("templates", "trust", "eve", "--yes", "--json", *at)
    assert json.loads(done.stdout)["allows"] == ["fs.write(docs/*)"]
    assert b"not trusted" not in bench.nextgen("templates", "list", *at).stderr
    (kept,) = json.loads(bench.nextgen("templates", "trust", "--list", "--json", *at).stdout)
    assert kept["digest"] == json.loads(done.stdout)["digest"]
    assert b"eve.json" in bench.nextgen("templates", "trust", "--list", *at).stdout
    assert bench.nextgen("templates", "trust", "eve", "--yes", *at).returncode == 1, "there is nothing more to trust"
    assert b"No longer" in bench.nextgen("templates", "untrust", "eve", *at).stdout
    assert b"not trusted" in bench.nextgen("templates", "list", *at).stderr
    assert b"was not" in bench.nextgen("templates", "untrust", "eve", *at).stdout
    assert b"No template" in bench.nextgen("templates", "trust", "--list", *at).stderr
