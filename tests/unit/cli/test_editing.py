"""``nextgen approvals edit`` and ``[e]dit`` on a card."""

import io
import json
import sys

import pytest
from tests.unit.cli.test_terminal import QUESTION, run

MEND = "privileged: false"


@pytest.fixture
def waiting(cli, project):
    """A mission that waits for its one approval: (mission, approval)."""
    report = cli("run", "check this project", "-w", project, "-a", "auditeur_code", "--no-input", "--json").json
    (approval,) = report["pending"]
    return report["mission"], approval


@pytest.fixture
def patch(cli, waiting):
    """The patch the mission asks for, and one that a person likes better."""
    args = cli("approvals", "show", waiting[1], "--json").json["card"]["calls"][0]["args"]
    text = args["patch"].replace(MEND, MEND + " # as ada wants it")
    assert text != args["patch"]
    return args, {**args, "patch": text}


def written(tmp_path, value, name="args.json"):
    path = tmp_path / name
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def test_what_was_edited_is_asked_anew_made_and_reported(cli, waiting, patch, project, tmp_path):
    mission, first = waiting
    before, after = patch
    said = cli("approvals", "edit", first, "--args", written(tmp_path, after), "--json")
    assert said.code == 0, said.err
    facts = said.json
    assert (facts["status"], facts["mission"]) == ("pending", mission)
    (call, *_) = facts["card"]["calls"]
    assert (call["args"], call["asked"]) == (after, before)
    assert call["edited_by"].startswith("human:")
    assert MEND not in (project / "docker-compose.yml").read_text()
    gone = cli("approvals", "approve", first)
    assert gone.code == 1
    assert facts["id"] in gone.err
    shown = cli("approvals", "show", facts["id"]).out
    assert "edited by human:" in shown
    assert "as ada wants it" in shown
    assert cli("approvals", "list", "--json").json[0]["id"] == facts["id"]
    done = cli("approvals", "approve", facts["id"], "--digest", facts["digest"], "--json")
    assert done.code == 0, done.err
    assert f"{MEND} # as ada wants it" in (project / "docker-compose.yml").read_text()
    assert done.json["actions"][0]["edited_by"] == call["edited_by"]
    assert done.json["edits"][0]["made"] == after
    journal = cli("missions", "show", mission, "--journal").out
    assert "approval.edited" in journal


def test_arguments_come_from_standard_input_too(cli, waiting, patch, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(patch[1])))
    said = cli("approvals", "edit", waiting[1], "--args", "-")
    assert said.code == 0, said.err
    assert "as ada wants it" in said.out
    assert "stands in place of" in said.err


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "NG-CLI-006"),
        ("[1]", "NG-CLI-006"),
        ('{"patch": NaN}', "NG-CLI-006"),
        ('{"patch": "a", "patch": "b"}', "NG-CLI-006"),
        ("[" * 100_000, "NG-CLI-006"),
        ('{"patch": "' + "x" * 1_000_001 + '"}', "NG-CLI-006"),
        ('{"nothing": 1}', "NG-TOOL"),
        ('{"patch": "no patch at all"}', "NG-"),
        ('{"patch": "\\ud800"}', "NG-"),
        ('{"patch": 1' + "0" * 400 + "}", "NG-"),
    ],
    ids=["cut", "list", "nan", "twice", "deep", "long", "unknown", "no patch", "surrogate", "huge"],
)
def test_what_cannot_stand_there_is_named_and_nothing_changes(cli, waiting, tmp_path, text, code):
    before = cli("approvals", "show", waiting[1], "--json").json
    said = cli("approvals", "edit", waiting[1], "--args", written(tmp_path, text), "--json")
    assert said.code != 0
    assert said.json["error"]["code"].startswith(code), said.json
    assert said.json["error"]["code"] != "NG-KERNEL-001"
    assert cli("approvals", "show", waiting[1], "--json").json == before


def test_wrong_uses_are_named(cli, waiting, patch, tmp_path):
    args = written(tmp_path, patch[1])
    for line, code, words in (
        (("edit", waiting[1]), 2, "--args"),
        (("edit", waiting[1], "--args", tmp_path / "none.json"), 1, "none.json"),
        (("edit", waiting[1], "--args", tmp_path), 1, str(tmp_path)),
        (("edit", waiting[1], "--args", args, "--call", "9"), 2, "9"),
        (("edit", waiting[1], "--args", args, "--call", "0"), 2, "1"),
        (("edit", waiting[1], "--args", args, "--digest", "sha256:0"), 1, "sha256:0"),
        (("edit", "apr_none", "--args", args), 1, "apr_none"),
        (("edit", waiting[1], "--args", written(tmp_path, patch[0], "same.json")), 2, "asks already"),
    ):
        said = cli("approvals", *line)
        assert said.code == code, (line, said)
        assert words in said.err, (line, said.err)


def test_an_answered_approval_is_edited_no_more(cli, waiting, patch, tmp_path):
    assert cli("approvals", "reject", waiting[1], "--no-run").code == 0
    said = cli("approvals", "edit", waiting[1], "--args", written(tmp_path, patch[1]), "--json")
    assert (said.code, said.json["error"]["code"]) == (1, "NG-APPROVAL-003")


# -- at a terminal -----------------------------------------------------------------------------------------------------


@pytest.fixture
def editor(tmp_path, monkeypatch):
    """A person's editor, as Python that is given ``args`` and changes them."""

    def write(code):
        script = tmp_path / "editor.py"
        script.write_text(
            "import json, sys\n"
            "path = sys.argv[1]\n"
            "args = json.load(open(path))\n"
            f"{code}\n"
            "json.dump(args, open(path, 'w'))\n"
        )
        monkeypatch.setenv("VISUAL", f"{sys.executable} {script}")

    monkeypatch.delenv("EDITOR", raising=False)
    monkeypatch.delenv("VISUAL", raising=False)
    return write


BETTER = f"args['patch'] = args['patch'].replace('{MEND}', '{MEND} # mine')"
WHICH = r"Which call, 1 to \d\? > $"


def test_a_card_is_edited_in_the_editor_shown_again_and_approved(terminal, project, editor):
    editor(BETTER)
    assert run(terminal, project, (QUESTION, "e\n"), (WHICH, "1\n"), (QUESTION, "a\n")) == 0
    assert "edited by human:" in terminal.text
    assert f"{MEND} # mine" in (project / "docker-compose.yml").read_text()


@pytest.mark.parametrize(
    ("code", "words"),
    [("sys.exit(3)", "gave nothing: 3"), ("args = [1]", "no JSON object"), ("pass", "Nothing was changed")],
)
def test_what_an_editor_leaves_undone_leaves_the_question(terminal, project, editor, code, words):
    editor(code)
    assert run(terminal, project, (QUESTION, "edit\n"), (WHICH, "1\n"), (QUESTION, "l\n")) == 4
    assert words in terminal.text


def test_an_editor_that_is_not_there_is_named(terminal, project, editor, monkeypatch):
    monkeypatch.setenv("EDITOR", "/no/such/editor")
    assert run(terminal, project, (QUESTION, "e\n"), (WHICH, "1\n"), (QUESTION, "l\n")) == 4
    assert "/no/such/editor" in terminal.text


def test_without_an_editor_a_file_is_asked_for(terminal, cli, waiting, patch, project, editor, tmp_path):
    path = written(tmp_path, patch[1])
    answers = [
        (QUESTION, "e\n"),
        (WHICH, "7\n"),
        (r"no such call.*" + QUESTION, "e\n"),
        (WHICH, "1\n"),
        (r"No editor: set VISUAL or EDITOR.*> $", "\n"),
        (QUESTION, "e\n"),
        (WHICH, "1\n"),
        (r"No editor.*> $", f"{path}.none\n"),
        (r"No such file.*" + QUESTION, "e\n"),
        (WHICH, "1\n"),
        (r"No editor.*> $", f"{path}\n"),
        (QUESTION, "a\n"),
    ]
    assert terminal.run("missions", "resume", waiting[0], answers=answers) == 0
    assert f"{MEND} # as ada wants it" in (project / "docker-compose.yml").read_text()


def test_the_command_opens_the_editor_at_a_terminal(terminal, waiting, editor):
    editor(BETTER)
    assert terminal.run("approvals", "edit", waiting[1]) == 0
    assert f"{MEND} # mine" in terminal.text
    editor("pass")
    assert terminal.run("approvals", "list") == 0
