"""What a person types wrong is named, and nothing they typed moves their cursor; French speaks French."""

import pytest

BOTH = (
    ("run", "check this project"),
    ("try",),
    ("missions", "show", "mis_x"),
    ("missions", "resume"),
    ("approvals", "approve", "apr_x"),
)


@pytest.mark.parametrize("line", BOTH, ids=lambda line: " ".join(line[:2]))
def test_two_forms_of_output_exclude_each_other(cli, line):
    said = cli(*line, "--json", "--jsonl")
    assert said.code == 2
    assert said.events[0]["error"]["code"] == "NG-CLI-001"
    assert "--json and --jsonl exclude each other" in said.err
    assert f"`nextgen {' '.join(line[: 2 if line[0] in {'missions', 'approvals'} else 1])} --help`" in said.err


@pytest.mark.parametrize("amount", ["0.0000001", "1e-7", "1e30", "1e400", "9007199255", "-1", "nan", "x" * 500])
def test_an_amount_that_is_not_kept_exactly_is_refused(cli, amount):
    """Nothing is rounded behind a person's back, and the refusal is as short as its reason."""
    said = cli("credits", "limits", "set", "tenant", "local", "--json", "--", amount)
    assert (said.code, said.json["error"]["code"]) == (2, "NG-CREDITS-001")
    assert len(said.json["error"]["message"]) < 100
    assert cli("credits", "limits", "--json").json["limits"] == []


@pytest.mark.parametrize("budget", ["0.0000001", "1e30", "1e400", "2000000"])
def test_a_budget_that_cannot_be_says_what_can(cli, project, budget):
    said = cli("run", "check this project", "-w", project, "--budget", budget, "--json")
    assert said.code == 2
    error = said.json["error"]
    assert error["code"] in {"NG-CREDITS-001", "NG-MISSION-015"}
    assert len(error["message"]) < 100
    assert "from 0 to" in error["hint"], "0 is taken"


def test_an_amount_of_six_decimals_is_kept(cli):
    assert cli("credits", "limits", "set", "tenant", "local", "1.000001").code == 0
    assert cli("credits", "limits", "--json").json["limits"][0]["amount"] == 1_000_001


def test_a_limit_of_a_tenant_that_is_none_is_said_to_hold_nobody(cli):
    assert "There is no tenant other, only local." in cli("credits", "limits", "set", "tenant", "other", "5").err
    for name in ("local", "*"):
        assert "no tenant" not in cli("credits", "limits", "set", "tenant", name, "5").err


def test_what_was_typed_moves_no_cursor(cli):
    name = "x\x1b[31mred\nline"
    for said in (
        cli("credits", "limits", "set", "user", name, "20"),
        cli("credits", "grant", "user", name, "1"),
        cli("credits", "limits"),
        cli("credits", "limits", "remove", "user", name),
    ):
        assert said.code == 0, said
        assert "\x1b" not in said.out + said.err
        assert "red" in said.out + said.err


def test_a_line_is_judged_only_where_its_paths_lead_somewhere(cli, tmp_path):
    for place in (tmp_path / "none", tmp_path / "file"):
        (tmp_path / "file").touch()
        said = cli("tools", "risk", "cat x", "--workspace", place, "--json")
        assert (said.code, said.json["error"]["code"]) == (2, "NG-SERVICE-002")


def test_a_long_goal_that_nobody_serves_is_not_said_again(cli, project):
    said = cli("run", "zorglub " * 2_500, "-w", project, "--no-model", "--no-input")
    assert said.code == 1
    assert max(len(line) for line in said.out.splitlines()) < 1_000
    assert len(said.out) < 3_000


def test_french_has_no_english_left(cli, project, monkeypatch):
    monkeypatch.setenv("NG_LANG", "fr")
    assert "BUT manque." in cli("run", "-w", project).err
    said = cli("run", "vérifie ce projet", "-w", project, "-a", "auditeur_code", "--no-input")
    assert " : attend un accord [écriture]" in said.err
    assert "[write]" not in said.err
    assert "écriture" in cli("approvals", "list").out


# -- going on without a name -------------------------------------------------------------------------------------------


@pytest.fixture
def interrupted(cli, project):
    """Makes a mission that was stopped at the terminal; its id."""
    import asyncio

    from nextgeneration.cli.session import PAUSED
    from nextgeneration.missions.schema import MissionOptions, MissionRequest
    from nextgeneration.services.records import open_records

    def make(goal="check this project"):
        async def parked():
            with open_records() as records:
                options = MissionOptions(agents=("auditeur_code",), actions=0)
                request = MissionRequest(goal=goal, workspace=str(project), options=options)
                mission = await records.missions.accept(request)
                await (await records.missions.claim(mission.id)).park(PAUSED)
                return mission.id

        return asyncio.run(parked())

    return make


def test_one_interrupted_mission_needs_no_name(cli, interrupted):
    """It is gone on with as if it had been named: its report stands on stdout."""
    mission = interrupted()
    said = cli("missions", "resume")
    assert said.code == 0, said
    assert f"Mission {mission}: done" in said.out
    assert "docker-compose.yml" in said.out
    assert "Nothing was interrupted" in cli("missions", "resume").err


def test_of_several_each_is_summed_up(cli, interrupted):
    found = {interrupted(), interrupted("check this project again")}
    said = cli("missions", "resume")
    assert said.code == 0
    assert all(f"Mission {mission}: done" in said.out for mission in found)
    assert said.out.count("Report: ") == 2


def test_a_program_gets_a_list_however_many_there_are(cli, interrupted):
    assert cli("missions", "resume", "--json").json == []
    mission = interrupted()
    (one,) = cli("missions", "resume", "--json").json
    assert (one["mission"], one["status"]) == (mission, "done")
