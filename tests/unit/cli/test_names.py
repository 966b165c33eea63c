"""``agents``, ``templates``, ``tools``, ``doctor``, ``init``, ``explain`` and ``version``."""

import json
import re

import pytest

from nextgeneration.cli import completion
from nextgeneration.cli.main import run_command


def test_an_agent_is_created_listed_shown_and_removed(cli, project):
    said = cli("agents", "create", "documentaliste", "--suffix", "one", "--config", '{"summary_length": 99}')
    assert said.code == 0
    assert "Agent documentaliste_one created from documentaliste@" in said.out
    assert "--agent documentaliste_one" in said.err
    assert "documentaliste_one" in cli("agents", "list").out
    assert cli("agents", "list", "--json").json[0]["config"]["summary_length"] == 99
    facts = cli("agents", "show", "documentaliste_one", "--json").json
    assert facts["performance"]["tasks_completed"] == 0
    assert "summarize_text" in facts["capabilities"]
    shown = cli("agents", "show", facts["id"]).out
    assert re.search(r"^template +documentaliste$", shown, re.MULTILINE)
    assert re.search(r"^ +summarize_text: summarise texts and PDFs by extracts$", shown, re.MULTILINE)
    assert cli("agents", "create", "documentaliste", "--suffix", "one").code == 1, "its name is taken"
    assert cli("agents", "remove", facts["id"], "--json").json["removed"] == "documentaliste_one"
    assert cli("agents", "remove", "documentaliste_one").code == 1
    assert cli("agents", "create", "documentaliste", "--json").json["name"].startswith("documentaliste")
    assert "removed" in cli("agents", "remove", cli("agents", "list", "--json").json[0]["name"]).out


@pytest.mark.parametrize("config", ["[]", "{", "1", "[" * 100_000])
def test_an_agents_configuration_is_a_json_object(cli, config):
    said = cli("agents", "create", "documentaliste", "--config", config)
    assert said.code == 2
    assert "--config must be a JSON object" in said.err


def test_an_agent_of_a_folders_own_template(cli, project):
    cli("templates", "new", "seer", "-w", project)
    assert cli("agents", "create", "seer", "-w", project, "--json").json["template"] == "seer"


def test_templates_are_listed_with_where_they_come_from(cli, project):
    cli("templates", "new", "documentaliste", "-w", project)
    (project / ".nextgen" / "templates" / "torn.json").write_text("{")
    said = cli("templates", "list", "-w", project)
    assert said.code == 0
    assert "built-in" in said.out
    assert "documentaliste hides" in said.err
    assert "torn is BROKEN" in said.err
    facts = {summary["name"]: summary for summary in cli("templates", "list", "-w", project, "--json").json}
    assert facts["torn"]["broken"]["code"].startswith("NG-TEMPLATE-")
    assert facts["documentaliste"]["shadows"]
    assert "doctor" not in facts
    assert cli("doctor", "-w", project).code == 1, "a broken template is worth an exit code"


def test_files_whose_names_no_template_can_have_are_not_passed_over(cli, project):
    folder = project / ".nextgen" / "templates"
    folder.mkdir(parents=True)
    assert "Left out" not in cli("templates", "list", "-w", project).err
    for name in ("a b.json", "UP.json", "é.json", *(f"N{number}.json" for number in range(4))):
        (folder / name).write_text("{}")
    said = cli("templates", "list", "-w", project)
    (line,) = [line for line in said.err.splitlines() if "Left out" in line]
    assert "(7)" in line
    assert "UP.json" in line
    assert line.endswith("…")
    assert "UP" not in said.out


def test_a_template_is_shown_with_the_origin_of_each_field(cli):
    said = cli("templates", "show", "documentaliste", "--resolved")
    assert "<- base_specialist" in said.out
    assert "[base_specialist" in said.out
    plain = cli("templates", "show", "documentaliste").out
    assert json.loads(plain[plain.index("{") :])["name"] == "documentaliste"
    facts = cli("templates", "show", "documentaliste", "--resolved", "--json").json
    assert facts["digest"].startswith("sha256:")
    assert facts["origins"]
    assert cli("templates", "show", "documentalist").code == 1


def test_templates_are_compared_and_checked(cli, project):
    assert "version" in cli("templates", "diff", "base_specialist", "documentaliste").out
    assert cli("templates", "diff", "base_specialist", "documentaliste", "--json").json
    assert cli("templates", "lint").code == 0
    cli("templates", "new", "seer", "-w", project)
    path = project / ".nextgen" / "templates" / "seer.json"
    path.write_text('{"name": "seer", "role": "x", "domain": "y", "colour": "red"}')
    said = cli("templates", "lint", "seer", "-w", project)
    assert said.code == 1
    assert "colour" in said.out
    assert cli("templates", "lint", "seer", "-w", project, "--json").json


def test_a_new_template_is_ready_to_edit_and_to_run(cli, project):
    said = cli("templates", "new", "seer", "-w", project)
    assert said.code == 0
    assert "nextgen templates lint seer" in said.err
    assert cli("templates", "lint", "seer", "-w", project, "--strict").code == 0
    assert cli("templates", "new", "seer", "-w", project).code == 1, "nothing is overwritten"
    assert cli("templates", "new", "other", "-w", project, "--json").json["written"].endswith("other.json")
    assert cli("templates", "new", "../up", "-w", project).code == 2


def test_the_schema_is_json_either_way(cli):
    plain, asked = cli("templates", "schema"), cli("templates", "schema", "--json")
    assert plain.json == asked.json
    assert plain.json["properties"]["name"]


def test_tools_are_listed_shown_and_found_by_other_names(cli):
    assert "shell.run" in cli("tools", "list").out
    names = {tool["name"] for tool in cli("tools", "list", "--json").json}
    assert {"fs.read", "shell.run", "compose.audit", "web.search"} <= names
    said = cli("tools", "show", "file_reader")
    assert "fs.read" in said.out
    assert "also called" in said.out
    assert cli("tools", "show", "fs.read", "--json").json["args"]["properties"]["path"]
    assert cli("tools", "show", "fs.rea").code != 0


def test_a_tool_says_its_price(cli, monkeypatch):
    assert "credits" not in cli("tools", "show", "fs.read").out
    monkeypatch.setenv("NG_TOOLS_PRICES", '{"fs.*": 0.5, "agent.run": 9}')
    assert "costs 0.5 credits a call" in cli("tools", "show", "fs.read").out
    assert cli("tools", "show", "fs.read", "--json").json["price"] == "0.5"
    assert cli("tools", "show", "agent.run", "--json").json["price"] is None, "what others' work costs is theirs"
    monkeypatch.setenv("NG_TOOLS_PRICES", '{"fs.*": -1}')
    assert cli("tools", "list").code == 2


@pytest.mark.parametrize(
    ("line", "label"),
    [("ls -l", "safe"), ("rm -rf /", "destructive"), ("sudo ls", "privileged"), ("touch x", "write")],
)
def test_a_shell_line_is_judged_with_reasons(cli, project, line, label):
    judged = cli("tools", "risk", line, "-w", project, "--json").json
    assert judged["label"] == label
    assert isinstance(judged["reasons"], list)
    assert cli("tools", "risk", line, "-w", project).out.startswith(label)


def test_a_line_too_long_to_be_judged_is_refused(cli, project):
    assert cli("tools", "risk", "a" * 20_000, "-w", project).code != 0


def test_doctor_is_quick_and_says_what_is_here(cli, project):
    said = cli("doctor", "-w", project)
    assert said.code == 0
    for title in ("Python", "Settings", "Records", "Confinement", "Templates"):
        assert title in said.out
    assert "Everything needed is here" in said.err
    checks = cli("doctor", "-w", project, "--json").json
    assert checks["ok"] is True
    assert {check["name"] for check in checks["checks"]} >= {"python", "settings", "home", "records", "confinement"}


def test_init_prepares_a_project_and_can_be_run_again(cli, project):
    said = cli("init", project)
    assert said.code == 0
    schema = project / ".nextgen" / "schemas" / "agent-template-1.json"
    assert json.loads(schema.read_text())["properties"]["name"]
    assert "nextgen templates new" in said.err
    schema.write_text("{}")
    (project / ".nextgen" / "README.md").write_text("mine")
    again = cli("init", project, "--json").json
    assert again["written"] == [str(schema)], "the schema is the program's own and is renewed"
    assert (project / ".nextgen" / "README.md").read_text() == "mine"


def test_explain_says_what_a_code_means(cli, monkeypatch):
    said = cli("explain", "ng-mission-005")
    assert said.code == 0
    assert said.out.startswith("NG-MISSION-005  A live worker holds the mission.")
    assert "to mend it" in said.out
    facts = cli("explain", "NG-MISSION-005", "--json").json
    assert (facts["exit_code"], facts["retryable"]) == (1, False)
    assert "<mission>" in facts["mend"]
    everything = cli("explain")
    assert "NG-CLI-001" in everything.out
    assert {fact["code"] for fact in cli("explain", "--json").json} >= {"NG-CLI-001", "NG-TEMPLATE-001"}
    monkeypatch.setenv("NG_LANG", "fr")
    assert "pour corriger" in cli("explain", "NG-MISSION-005").out


def test_an_unknown_code_gets_the_nearest(cli):
    said = cli("explain", "NG-MISION-005")
    assert said.code == 2
    assert "NG-MISSION-005" in said.err


def test_version(cli):
    assert cli("version").out == cli("--version").out
    assert cli("version").out.startswith("nextgeneration ")
    assert cli("version", "--json").json["python"]


# -- completion -------------------------------------------------------------------------------------------------------


def test_names_are_completed(cli, project, left_behind, monkeypatch):
    mission = left_behind(project)
    cli("agents", "create", "documentaliste", "--suffix", "x", "--no-recover")
    assert (mission, "queued: check this project") in completion.missions()
    assert completion.agents() == [("documentaliste_x", "documentaliste")]
    assert completion.approvals() == []
    assert ("auditeur_code", "") in completion.templates()
    assert ("fs.read", "") in completion.tools()
    monkeypatch.setenv("NG_HOME", "/dev/null/nowhere")
    assert completion.missions() == [], "a completion that fails stays silent"
    monkeypatch.setenv("NG_TOOLS_COMMAND_SECONDS", "never")
    assert completion.tools() == []


def test_the_shell_gets_the_completions(cli, monkeypatch, capsys):
    monkeypatch.setenv("_NEXTGEN_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "nextgen templates show audit")
    monkeypatch.setenv("COMP_CWORD", "3")
    with pytest.raises(SystemExit):
        run_command([])
    assert "auditeur_code" in capsys.readouterr().out.split()
