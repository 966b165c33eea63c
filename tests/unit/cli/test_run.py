"""``nextgen run`` and ``nextgen try``: what they do, say and answer."""

import json
import stat
from pathlib import Path

import pytest

from nextgeneration.cli import session as sessions

AUDIT = ("--agent", "auditeur_code")


def test_try_shows_the_approved_diff_applies_it_and_verifies(cli):
    """Without a terminal the demo's approval is given for the copy, after its diff was shown."""
    said = cli("try")
    assert said.code == 0
    before, _, after = said.err.partition("Approval needed")
    assert "plan" in before
    assert "auditeur_code" in before
    assert "-    privileged: true" in after
    assert "for this copy only" in after
    assert "done and verified" in after
    assert "Next, on your own project" in after
    assert "were fixed and verified" in said.out
    assert "report.md" in said.out


def test_try_works_on_a_private_copy_with_a_team(cli):
    report = cli("try", "--json").json
    copy = Path(report["workspace"])
    assert stat.S_IMODE(copy.parent.stat().st_mode) == 0o700
    assert "privileged: false" in (copy / "docker-compose.yml").read_text()
    (action,) = [action for action in report["actions"] if action["status"] != "offered"]
    assert (action["status"], action["decided_by"]) == ("verified", "rule:try")
    assert len({task["agent"] for task in report["tasks"]}) >= 3
    assert report["pending"] == []


def test_try_in_french(cli, monkeypatch):
    monkeypatch.setenv("NG_LANG", "fr")
    said = cli("try", "--no-input")
    assert said.code == 0
    for words in ("Accord demandé", "pour cette copie seulement", "Ensuite, sur votre projet"):
        assert words in said.err
    assert "corrigés et vérifiés" in said.out


def test_a_mission_that_needs_an_answer_waits_for_it(cli, project):
    """Data on stdout, progress on stderr, exit code 4, and the commands that go on."""
    said = cli("run", "check this project", "-w", project, *AUDIT)
    assert said.code == 4
    assert "waits for a decision" in said.out
    assert "nextgen approvals approve apr_" in said.err
    assert "privileged: true" in (project / "docker-compose.yml").read_text(), "nothing is changed unasked"
    assert cli("missions", "list", "--json").json[0]["status"] == "waiting", "nobody answered it in passing"


def test_yes_approves_writing_in_the_folder(cli, project):
    report = cli("run", "check this project", "-w", project, *AUDIT, "--yes", "--json")
    assert report.code == 0
    assert report.json["actions"][0]["decided_by"] == "rule:--yes"
    assert "privileged: false" in (project / "docker-compose.yml").read_text()


def test_no_actions_means_nothing_is_asked(cli, project):
    said = cli("run", "check this project", "-w", project, *AUDIT, "--actions", "0")
    assert said.code == 0
    assert "Can be done next" in said.out
    assert "approval" not in said.err


def test_a_secret_in_the_goal_is_masked_and_said_so(cli, project):
    """The notice names the way to give keys, and the value is shown nowhere."""
    goal = "check this with password: q7Zp3vK9" + "wLx2"
    said = cli("run", goal, "-w", project, *AUDIT, "--actions", "0")
    assert said.code == 0
    assert "The goal held a secret" in said.err
    assert "--key-name" in said.err
    assert "wLx2" not in said.out + said.err
    assert "held a secret" not in cli("run", "check this project", "-w", project, *AUDIT, "--actions", "0").err


def test_json_is_one_document_and_jsonl_the_journal_without_a_gap(cli, project):
    said = cli("run", "check", "-w", project, *AUDIT, "--actions", "0", "--jsonl")
    assert [event["seq"] for event in said.events] == list(range(1, len(said.events) + 1))
    assert said.events[0]["type"] == "mission.accepted"
    assert said.events[-1]["type"] == "mission.ended"
    report = cli("run", "check", "-w", project, *AUDIT, "--actions", "0", "--json").json
    assert report["status"] == "done"
    assert Path(report["report_path"]).exists()


@pytest.mark.parametrize(("level", "code"), [("critical", 3), ("info", 3), (None, 0)])
def test_fail_on_tells_by_the_exit_code(cli, project, level, code):
    asked = ("--fail-on", level) if level else ()
    assert cli("run", "check", "-w", project, *AUDIT, "--actions", "0", *asked).code == code


def test_fail_on_above_the_worst_is_no_failure(cli, project):
    (project / "docker-compose.yml").write_text("services:\n  web:\n    image: nginx:1.27.3\n")
    assert cli("run", "check", "-w", project, *AUDIT, "--actions", "0", "--fail-on", "critical").code == 0


def test_a_spent_budget_has_its_own_exit_code(cli, project):
    said = cli("run", "check", "-w", project, *AUDIT, "--tool-calls", "1", "--actions", "0")
    assert said.code == 6
    assert "budget" in said.out


def test_a_goal_nobody_serves_gets_an_honest_answer(cli, project):
    said = cli("run", "knit me a pullover", "-w", project)
    assert said.code == 1
    assert "No agent here can serve this goal" in said.out
    assert "It would need" in said.out


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("run", ""), "empty"),
        (("run", "   "), "empty"),
        (("run",), "GOAL is missing"),
        (("run", "x", "--agent", "auditeur_cod"), "did you mean auditeur_code"),
        (("run", "x", "--agent", "nobody_at_all"), "nobody_at_all"),
    ],
)
def test_what_cannot_be_run_is_a_usage_error(cli, project, args, words):
    said = cli(*args, "-w", project)
    assert said.code == 2
    assert words in said.err
    assert cli("missions", "list", "--json").json == [], "nothing was accepted"


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_a_workspace_must_be_a_folder(cli, tmp_path, kind):
    path = tmp_path / "there"
    if kind == "file":
        path.write_text("x")
    said = cli("run", "check", "-w", path, "--json")
    assert said.code == 2
    assert said.json["error"]["code"] == "NG-SERVICE-002"
    assert str(path) in said.err


def test_reports_go_where_they_are_asked_and_belong_to_the_user(cli, project, tmp_path):
    out = tmp_path / "deep" / "down"
    cli("run", "check", "-w", project, *AUDIT, "--actions", "0", "--out", out)
    for name in ("report.md", "report.json", "report.sarif"):
        assert stat.S_IMODE((out / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(out.parent.stat().st_mode) == 0o700
    assert sorted(path.name for path in out.iterdir()) == ["report.json", "report.md", "report.sarif"]
    assert json.loads((out / "report.sarif").read_text())["version"] == "2.1.0"


def test_a_report_that_cannot_be_written_is_still_shown(cli, project, tmp_path):
    taken = tmp_path / "taken"
    taken.write_text("a file")
    said = cli("run", "check", "-w", project, *AUDIT, "--actions", "0", "--out", taken)
    assert said.code == 1
    assert "findings remain" in said.out
    assert "NG-CLI-003" in said.err
    told = cli("run", "check", "-w", project, *AUDIT, "--actions", "0", "--out", taken, "--json").json
    assert told["error"]["code"] == "NG-CLI-003"
    assert told["findings"]


def test_resume_goes_on_with_what_was_left(cli, project):
    """``run --resume`` starts a goal only when it is not under way; without one it finishes what was stopped."""
    first = cli("run", "check", "-w", project, *AUDIT, "--json").json
    again = cli("run", "check", "-w", project, *AUDIT, "--json", "--resume").json
    assert again["mission"] == first["mission"]
    other = cli("run", "check docker", "-w", project, *AUDIT, "--actions", "0", "--json", "--resume").json
    assert other["mission"] != first["mission"]
    nothing = cli("run", "--resume", "-w", project)
    assert (nothing.code, nothing.out) == (0, "")
    assert "Nothing was interrupted here" in nothing.err


def test_what_a_dead_process_left_is_finished_after_the_own_output(cli, project, left_behind):
    """...by the next command that opens the store, unless it is told not to."""
    mission = left_behind(project)
    said = cli("missions", "list", "--no-recover", "--json")
    assert said.json[0]["status"] == "queued"
    said = cli("missions", "list")
    assert f"{mission}  queued" in said.out
    assert "left behind" in said.err
    assert f"Mission {mission}: done" in said.err
    assert cli("missions", "show", mission, "--json").json["status"] == "done"


def test_a_mission_is_recovered_with_the_templates_of_its_own_folder(cli, project, left_behind, tmp_path, monkeypatch):
    """Nothing was planned yet when the process died: the plan needs the templates of that folder."""
    folder = project / ".nextgen" / "templates"
    folder.mkdir(parents=True)
    data = {"name": "seer", "role": "auditor", "domain": "tests", "parent": "auditeur_code"}
    (folder / "seer.json").write_text(json.dumps(data))
    mission = left_behind(project, agents=("seer",))
    monkeypatch.chdir(tmp_path)
    assert f"Mission {mission}: done" in cli("approvals", "list").err
    report = cli("missions", "show", mission, "--json").json["report"]
    assert [task["agent"] for task in report["tasks"]] == ["seer"]


def test_a_mission_whose_folder_is_gone_still_ends(cli, project, left_behind):
    mission = left_behind(project)
    (project / "docker-compose.yml").unlink()
    project.rmdir()
    cli("missions", "list")
    assert cli("missions", "show", mission, "--json").json["status"] in {"done", "failed", "partial", "parked"}


def test_a_person_without_a_name_can_decide(monkeypatch):
    def nobody():
        raise KeyError("no such user")

    monkeypatch.setattr(sessions.getpass, "getuser", nobody)
    assert sessions.person() == "human:unknown"
