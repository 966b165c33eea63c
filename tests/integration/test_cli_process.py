"""The ``nextgen`` command as its own process: signals, streams, exit codes, broken surroundings."""

import asyncio
import json
import os
import pty
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nextgeneration.services.records import open_records

NEXTGEN = [sys.executable, "-m", "nextgeneration.cli"]
AUDIT = ("--agent", "auditeur_code", "--actions", "0")

KEPT = {"PATH", "HOME", "LANG"}
COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

SLOW = """
import sys, time
sys.stderr.write("ready\\n")
time.sleep(60)
"""


@pytest.fixture
def env(tmp_path, monkeypatch):
    """A plain environment of its own, with a documentation server that never answers."""
    server = tmp_path / "slow.py"
    server.write_text(SLOW)
    kept = {name: value for name, value in os.environ.items() if name in KEPT or name.startswith("COVERAGE")}
    servers = {"slow": {"command": [sys.executable, str(server)]}}
    home, temporary = tmp_path / "home", tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("NG_HOME", str(home))
    return kept | {
        "NG_HOME": str(home),
        "NG_LANG": "en",
        "TMPDIR": str(temporary),
        "NG_TOOLS_MCP_SERVERS": json.dumps(servers),
    }


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "docker-compose.yml").write_text("services:\n  db:\n    image: postgres:16.4\n    privileged: true\n")
    return folder


def nextgen(env, *args, **more):
    return subprocess.run(
        [*NEXTGEN, *map(str, args)], env=env, capture_output=True, text=True, timeout=100, **{"input": "", **more}
    )


def started(env, project, *args):
    """A mission whose agent waits for an answer that never comes."""
    argv = [*NEXTGEN, "run", "look up the documentation of typer", "-a", "contexte7", "--network", *args]
    process = subprocess.Popen(
        [*argv, "-w", str(project)],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    mission = ""
    for line in process.stderr:
        mission = mission or next(iter(re.findall(r"mis_\w+", line)), "")
        if "▸ contexte7" in line:
            break
    time.sleep(0.5)
    return process, mission


def missions():
    """The missions as they are recorded, by id."""

    async def listed():
        with open_records() as records:
            return {line.id: line for line in await records.missions.list()}

    return asyncio.run(listed())


# -- signals ---------------------------------------------------------------------------------------------------------


def test_ctrl_c_leaves_a_resumable_mission_and_says_how(env, project):
    process, mission = started(env, project)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=40)
    assert process.returncode == 130
    assert (out, "Traceback" in err) == ("", False)
    assert f"nextgen missions resume {mission}" in err
    left = missions()[mission]
    assert (left.status, left.reason) == ("parked", "interrupted")
    shown = nextgen(env, "missions", "show", mission)
    assert "stopped at the terminal" in shown.stdout
    assert missions()[mission].status == "parked", "what somebody stopped is not gone on with unasked"
    env["NG_TOOLS_MCP_SERVERS"] = "{}"
    resumed = nextgen(env, "missions", "resume", mission, "--json")
    assert json.loads(resumed.stdout)["mission"] == mission
    assert missions()[mission].status in {"failed", "partial", "done"}


def test_ctrl_c_with_json_is_an_error_document(env, project):
    process, mission = started(env, project, "--json")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=40)
    assert process.returncode == 130
    error = json.loads(out)["error"]
    assert error["code"] == "NG-MISSION-009"
    assert mission in error["hint"]


@pytest.mark.slow
def test_what_was_stopped_goes_on_with_run_resume(env, project):
    process, mission = started(env, project)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=40)
    env["NG_TOOLS_MCP_SERVERS"] = "{}"
    resumed = nextgen(env, "run", "--resume", "-w", project)
    assert mission in resumed.stdout
    assert missions()[mission].status != "parked"


@pytest.mark.slow
def test_sigterm_leaves_the_mission_to_the_next_command(env, project):
    process, mission = started(env, project)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=40)
    assert process.returncode == 130
    assert "the next nextgen command finishes it" in err
    assert missions()[mission].status == "queued"


@pytest.mark.slow
def test_after_a_kill_the_next_command_finishes_the_mission(env, project):
    """...after its own output, and it says so."""
    process, mission = started(env, project)
    process.kill()
    process.communicate(timeout=20)
    env["NG_TOOLS_MCP_SERVERS"] = "{}"
    said = nextgen(env, "missions", "list")
    assert said.returncode == 0
    assert mission in said.stdout
    assert "left behind" in said.stderr
    assert missions()[mission].status in {"failed", "partial", "done"}


@pytest.mark.slow
def test_a_second_process_watches_resumes_and_cancels(env, project):
    """Resuming names the holder, watching follows, and cancelling ends what runs in the first one."""
    process, mission = started(env, project)
    refused = nextgen(env, "missions", "resume", mission, "--json", "--no-recover")
    assert refused.returncode == 1
    assert json.loads(refused.stdout)["error"]["code"] == "NG-MISSION-005"
    assert f":{process.pid}:" in json.loads(refused.stdout)["error"]["message"]
    watch = subprocess.Popen(
        [*NEXTGEN, "missions", "watch", mission], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert "is being cancelled" in nextgen(env, "missions", "cancel", mission).stdout
    _, err = process.communicate(timeout=40)
    assert "cancelled by human:" in err
    assert process.returncode != 0
    out, err = watch.communicate(timeout=40)
    assert f"Mission {mission}: cancelled" in out
    assert "contexte7" in err
    assert watch.returncode == 1
    assert missions()[mission].status == "cancelled"


@pytest.mark.slow
def test_ctrl_c_on_a_terminal_restores_it(env, project):
    """The cursor is shown again, and the way to go on stands on a line of its own."""
    env |= {"TERM": "xterm-256color", "COLUMNS": "120"}
    argv = [*NEXTGEN, "run", "look up the docs of typer", "-a", "contexte7", "--network", "-w", str(project)]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(argv[0], argv, env)
    screen = ""
    while "docs.lookup" not in screen:
        screen += os.read(terminal, 65536).decode(errors="replace")
    os.write(terminal, b"\x03")
    while True:
        try:
            screen += os.read(terminal, 65536).decode(errors="replace")
        except OSError:
            break
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 130
    assert screen.rindex("\x1b[?25h") > screen.rindex("\x1b[?25l")
    assert re.search(r"^Interrupted\. .*nextgen missions resume mis_", COLOURS.sub("", screen), re.MULTILINE)


# -- streams ---------------------------------------------------------------------------------------------------------


def test_a_reader_that_goes_away_is_no_error(env):
    piped = subprocess.run(
        ["bash", "-c", f"{' '.join(NEXTGEN)} tools list --json | head -c 20; echo ${{PIPESTATUS[0]}}"],
        env=env, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert piped.stdout.rstrip().endswith("0")
    assert piped.stderr == ""


def test_a_full_disk_behind_stdout_is_said(env):
    with Path("/dev/full").open("w") as full:
        said = subprocess.run(
            [*NEXTGEN, "version"], env=env, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60
        )
    assert said.returncode == 1
    assert "NG-CLI-002" in said.stderr
    assert "Traceback" not in said.stderr


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
def test_a_closed_stream_is_no_error(env, closed):
    line = f"{' '.join(NEXTGEN)} missions list {closed}"
    said = subprocess.run(["bash", "-c", line], env=env, capture_output=True, text=True, timeout=60)
    assert (said.returncode, said.stdout) == (0, "")
    assert "Traceback" not in said.stderr


def test_a_mission_runs_with_every_stream_closed(env, project):
    line = f"{' '.join(NEXTGEN)} run check -w {project} {' '.join(AUDIT)} <&- >&- 2>&-"
    assert subprocess.run(["bash", "-c", line], env=env, timeout=60, check=True).returncode == 0
    assert next(iter(missions().values())).status == "done"


def test_an_old_encoding_loses_no_command(env, project):
    env |= {"PYTHONIOENCODING": "ascii", "NG_LANG": "fr"}
    said = nextgen(env, "run", "vérifie", "-w", project, *AUDIT)
    assert said.returncode == 0
    assert "Traceback" not in said.stderr


# -- surroundings ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "value", "args"),
    [
        ("NG_MISSION_SECONDS", "soon", ("missions", "list")),
        ("NG_CACHE_TTL_SECONDS", "soon", ("templates", "list")),
        ("NG_CACHE_TTL_SECONDS", "soon", ("try",)),
        ("NG_TOOLS_MCP_SERVERS", "{", ("tools", "list")),
        ("NG_DATABASE_URL", "nonsense", ("missions", "list")),
        ("NG_DATABASE_URL", "postgresql://x/y", ("agents", "list")),
        ("NG_HOME", "/dev/null/x", ("missions", "list")),
        ("NG_HOME", "/proc/nowhere", ("try",)),
    ],
)
def test_a_setting_that_is_wrong_is_named_without_a_traceback(env, variable, value, args):
    env[variable] = value
    said = nextgen(env, *args, "--json")
    assert said.returncode in {1, 2}
    assert json.loads(said.stdout)["error"]["code"].startswith("NG-")
    assert "Traceback" not in said.stderr


def test_the_traceback_is_shown_on_request(env):
    env["NG_HOME"] = "/dev/null/x"
    said = nextgen(env, "missions", "list", "--json", "--debug")
    assert "Traceback" in said.stderr
    assert json.loads(said.stdout)["error"]["code"]


def test_a_broken_setting_does_not_stop_the_doctor(env):
    env["NG_CACHE_TTL_SECONDS"] = "soon"
    env["NG_MISSION_SECOND"] = "3"
    said = nextgen(env, "doctor", "--json")
    assert said.returncode == 1
    states = {check["name"]: check["state"] for check in json.loads(said.stdout)["checks"]}
    assert states["settings"] == states["templates"] == "bad"
    assert states["python"] == "ok"


def test_a_store_that_is_no_database_is_named(env):
    home = Path(env["NG_HOME"])
    home.mkdir(mode=0o700)
    (home / "nextgen.db").write_bytes(b"this is no database" * 100)
    (home / "nextgen.db").chmod(0o600)
    said = nextgen(env, "missions", "list", "--json")
    assert said.returncode == 1
    assert json.loads(said.stdout)["error"]["code"].startswith("NG-STORAGE-")
    assert nextgen(env, "doctor").returncode == 1


def test_a_damaged_record_is_found_by_the_doctor(env, project):
    nextgen(env, "run", "check", "-w", project, *AUDIT)
    with sqlite3.connect(Path(env["NG_HOME"]) / "nextgen.db") as database:
        (name,) = database.execute(
            "SELECT name FROM pragma_table_info('missions') WHERE name IN ('plan', 'budget', 'options') LIMIT 1"
        ).fetchone()
        database.execute(f"UPDATE missions SET {name} = 'ffffffff' || substr({name}, 9)")
    checks = json.loads(nextgen(env, "doctor", "--json").stdout)["checks"]
    (records,) = [check for check in checks if check["name"] == "records"]
    assert records["state"] == "bad"


def test_a_deleted_working_folder_is_no_traceback(env, tmp_path):
    gone = tmp_path / "gone"
    line = f"mkdir {gone}; cd {gone}; rmdir {gone}; {' '.join(NEXTGEN)} run check --json"
    said = subprocess.run(["bash", "-c", line], env=env, capture_output=True, text=True, timeout=60)
    assert said.returncode in {1, 2}
    assert json.loads(said.stdout)["error"]["code"]


@pytest.mark.slow
def test_try_works_without_bubblewrap(env, tmp_path):
    """It runs no agent command, so its fix is applied and verified all the same."""
    tools = tmp_path / "bin"
    tools.mkdir()
    env |= {"PATH": str(tools), "NG_LANG": "fr"}
    said = nextgen(env, "try", "--json")
    assert said.returncode == 0
    assert json.loads(said.stdout)["actions"][0]["status"] == "verified"


def test_logs_are_written_when_they_are_asked_for(env, project):
    env["NG_LOG_LEVEL"] = "info"
    assert "agent auditeur_code created" in nextgen(env, "run", "check", "-w", project, *AUDIT).stderr


@pytest.mark.parametrize("args", [("--help",), ("--version",)])
def test_help_loads_nothing_heavy(env, args):
    """Under 0.3 s: neither Pydantic, SQLAlchemy, asyncio nor LangGraph is imported for it."""
    script = (
        "import sys; from nextgeneration.cli.main import run_command; code = run_command(sys.argv[1:]);"
        "heavy = {'pydantic', 'sqlalchemy', 'asyncio', 'langgraph', 'rich', 'fastapi'} & set(sys.modules);"
        "sys.exit(f'{heavy}' if heavy or code else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script, *args], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
