"""How commands are written wrongly, and what is said then; help pages; both languages."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from nextgeneration.cli import main as cli_main
from nextgeneration.cli.main import app


def walk(command, path=()):
    for name, sub in getattr(command, "commands", {}).items():
        yield (*path, name), sub
        yield from walk(sub, (*path, name))


COMMANDS = dict(walk(get_command(app)))
LEAVES = [path for path, command in COMMANDS.items() if not hasattr(command, "commands")]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("missions", "lst"), "There is no command lst; did you mean list?"),
        (("misions",), "There is no command misions; did you mean missions?"),
        (("missions", "list", "--limt", "3"), "There is no option --limt; did you mean --limit?"),
        (("missions", "list", "--limit"), "--limit needs a value."),
        (("missions", "list", "--json=1"), "--json takes no value."),
        (("missions", "list", "--limit", "many"), "--limit must be a number from 1 to 1000."),
        (("run", "x", "--seconds", "soon"), "--seconds must be a number, at least 1."),
        (("run", "x", "--fail-on", "worst"), "--fail-on must be one of info, low, medium, high, critical."),
        (("missions", "show"), "MISSION is missing."),
        (("missions", "show", "a", "b"), "Too many arguments: b"),
        (("approvals", "settle", "a", "perhaps"), "ANSWER must be one of retry, done, fail."),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(cli, args, words):
    said = cli(*args)
    assert (said.code, said.out) == (2, "")
    assert words in said.err
    assert "--help` says what it takes" in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("missions", "lst"), "Il n'y a pas de commande lst ; vouliez-vous dire list ?"),
        (("run", "x", "--actions", "99"), "--actions doit être un nombre de 0 à 50."),
        (("missions", "show"), "MISSION manque."),
        (("tools", "list", "--nope"), "Il n'y a pas d'option --nope"),
    ],
)
def test_and_in_french(cli, monkeypatch, args, words):
    monkeypatch.setenv("NG_LANG", "fr")
    said = cli(*args)
    assert said.code == 2
    assert words in said.err


@pytest.mark.parametrize("args", [("missions", "lst"), ("missions",), ("run", "--nope"), ("missions", "show")])
def test_usage_errors_are_json_when_json_is_asked(cli, args):
    said = cli(*args, "--json")
    assert said.code == 2
    assert said.json["error"]["code"] == "NG-CLI-001"
    assert set(said.json["error"]) == {"code", "message", "where", "hint", "retryable"}


@pytest.mark.parametrize("args", [(), ("missions",), ("approvals",), ("templates",), ("agents",), ("tools",)])
def test_a_command_without_its_subcommand_shows_its_help(cli, args):
    said = cli(*args)
    assert said.code == 2
    assert said.err.startswith("Usage: nextgen")


@pytest.mark.parametrize("path", [(), *COMMANDS], ids=" ".join)
def test_every_command_has_a_help_page(cli, path):
    said = cli(*path, "--help")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"Usage: {' '.join(('nextgen', *path))}")
    assert max(len(line) for line in said.out.splitlines()) <= 100


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_every_command_speaks_json_and_shows_traces_on_request(path):
    options = {name for param in COMMANDS[path].params for name in param.opts}
    assert {"--json", "--debug"} <= options


def test_every_command_that_follows_a_mission_has_the_journal():
    following = [path for path in LEAVES if "--no-input" in {o for p in COMMANDS[path].params for o in p.opts}]
    assert len(following) == 6
    for path in following:
        assert {"--jsonl", "--no-recover"} <= {name for param in COMMANDS[path].params for name in param.opts}


def test_help_is_in_the_users_language():
    """Help texts are made when the program starts, so another one is started."""
    script = """
import sys
from pathlib import Path
from nextgeneration.cli.main import app, run_command
from typer.main import get_command
def walk(command, path=()):
    yield path
    for name, sub in getattr(command, "commands", {}).items():
        yield from walk(sub, (*path, name))
for path in walk(get_command(app)):
    run_command([*path, "--help"])
"""
    env = {"NG_LANG": "fr", "PATH": "/usr/bin:/bin", "HOME": "/tmp", "COLUMNS": "100"}
    pages = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True).stdout
    for words in ("Emploi : nextgen", "Montrer cette aide et sortir", "Lancer une mission", "par défaut", "Exemples :"):
        assert words in pages
    for english in ("Show ", "The ", " folder", "Usage", "default ", " the ", "Examples"):
        assert english not in pages, english


def test_what_was_not_foreseen_is_no_traceback(cli, monkeypatch):
    def broken(*_args, **_more):
        raise RuntimeError("boom")

    monkeypatch.setattr(cli_main, "get_command", broken)
    said = cli("version", "--json")
    assert said.code == 1
    assert said.json["error"]["code"] == "NG-KERNEL-001"
    assert "Traceback" not in said.err
    assert "Traceback" in cli("version", "--debug").err


def test_an_abort_is_an_interruption(cli, monkeypatch):
    import typer

    class Aborting:
        def main(self, **_more):
            raise typer.Abort

    monkeypatch.setattr(cli_main, "get_command", lambda _app: Aborting())
    assert cli("version").code == 130


def test_only_the_nearest_options_are_named(cli):
    said = cli("run", "look", "--workspac", ".")
    assert "did you mean --workspace?" in said.err


def test_a_report_begins_at_a_time(cli):
    said = cli("credits", "report", "--since", "yesterday")
    assert said.code == 2
    assert "--since must be a day or time" in said.err
    assert cli("credits", "report", "--since", "2026-11", "--until", "2026-11-21T08:00").code == 0


def test_a_name_no_template_may_have_is_refused(cli, project):
    said = cli("templates", "new", "../x", "-w", project, "--json")
    assert (said.code, said.json["error"]["code"]) == (2, "NG-TEMPLATE-022")


def test_a_tool_that_judges_each_call_does_not_look_harmless(cli):
    assert "risk safe or more, as each call is judged" in cli("tools", "show", "shell.run").out
    assert "risk safe, effect" in cli("tools", "show", "fs.list").out
    assert cli("tools", "show", "shell.run", "--json").json["judged"] is True


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_help_on_a_full_disk_is_no_defect_of_ours():
    with open("/dev/full", "w") as full:
        run = subprocess.run(
            [sys.executable, "-m", "nextgeneration.cli", "--help"], stdout=full, stderr=subprocess.PIPE
        )
    assert run.returncode == 1
    assert b"NG-CLI-002" in run.stderr
    assert b"NG-KERNEL" not in run.stderr


@pytest.mark.parametrize("columns", [36, 50, 80, 200])
def test_help_fits_the_terminal(cli, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    for line in cli("--help").out.splitlines()[1:]:
        assert len(line) <= columns or " " not in line.strip(), line
