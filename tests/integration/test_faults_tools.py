"""F13: cancel, and kill -9, during a long command that forks grandchildren which ignore SIGTERM."""

import asyncio
import os
import signal
import time
import uuid
from pathlib import Path

import pytest
from tests.integration.faults_driver import template
from tests.integration.faults_driver_world import heard

from nextgeneration.missions.service import Missions
from nextgeneration.settings.storage import StorageSettings
from nextgeneration.storage.database import Storage

GONE_SECONDS = 2.0
GRANDCHILDREN = 4


def stubborn(token):
    """A line that starts processes in sessions of their own, all deaf to SIGTERM, and then lasts."""
    forked = f"setsid bash -c \"trap '' TERM HUP; (exec -a {token} sleep 300) & exec -a {token} sleep 300\" &"
    return f"trap '' TERM HUP; for n in 1 2; do {forked} done; exec -a {token} sleep 300"


def alive(token):
    """Processes that were started by the line: their command line holds the token."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if token.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def until(condition, seconds):
    """Whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def status(root):
    async def look():
        storage = Storage.open(StorageSettings(home=root / "home").url)
        try:
            (line,) = await Missions(storage).list(limit=None)
            effects = await Missions(storage).effects(line.id)
            return line.status.value, [effect.status for effect in effects if effect.name == "shell.run"]
        finally:
            storage.close()

    return asyncio.run(look())


def running(root, lives, confined):
    """A life whose mission runs the stubborn command, once all its processes are there."""
    token = f"stubborn-{uuid.uuid4().hex}"
    step = {"id": "go", "tool": "shell.run", "with": {"line": stubborn(token), "seconds": 120, "confined": confined}}
    template(root / "templates", "long", playbook=[step])
    pid = lives.start(root, builtin=True, accept=[["long", "long"]])
    mission = lives.hear(pid, "accepted")
    assert until(lambda: len(alive(token)) > GRANDCHILDREN, 20), lives.errors()
    return pid, mission, token


CONFINED = [pytest.param(True, marks=pytest.mark.bubblewrap, id="confined"), pytest.param(False, id="approved outside")]


@pytest.mark.parametrize("confined", CONFINED)
def test_a_cancelled_mission_leaves_no_process_of_its_command_and_stays_cancelled(tmp_path, lives, confined):
    pid, mission, token = running(tmp_path, lives, confined)
    assert heard(lives.whole(tmp_path, builtin=True, do="cancel", mission=mission), "cancelled") == [mission]
    assert until(lambda: not alive(token), GONE_SECONDS), alive(token)
    code, said = lives.end(pid)
    assert (code, heard(said, "error")) == (0, ["NG-MISSION-008"]), said
    assert status(tmp_path)[0] == "cancelled"
    said = lives.whole(tmp_path, builtin=True, all=True)
    assert heard(said, "mission") == [], "nothing is left to do after a restart"
    assert status(tmp_path)[0] == "cancelled"
    assert alive(token) == []


@pytest.mark.parametrize("confined", CONFINED)
def test_kill_9_leaves_no_process_of_its_command_and_it_is_not_run_again(tmp_path, lives, confined):
    pid, _, token = running(tmp_path, lives, confined)
    os.kill(pid, signal.SIGKILL)
    assert until(lambda: not alive(token), GONE_SECONDS), alive(token)
    assert lives.end(pid)[0] == -signal.SIGKILL
    lives.whole(tmp_path, builtin=True, all=True, answers=False)
    assert status(tmp_path) == ("waiting", ["intent"]), "whether it happened is asked, not guessed"
    assert alive(token) == []
    lives.whole(tmp_path, builtin=True, all=True)
    assert status(tmp_path) == ("partial", ["failed"])
    assert alive(token) == []


@pytest.mark.parametrize("confined", CONFINED)
def test_killed_while_it_is_being_cancelled_it_is_cancelled_after_the_restart(tmp_path, lives, confined):
    """The process dies between the wish and its end."""
    pid, mission, token = running(tmp_path, lives, confined)
    os.kill(pid, signal.SIGSTOP)
    lives.whole(tmp_path, builtin=True, do="cancel", mission=mission)
    assert status(tmp_path)[0] == "running", "its worker has not heard of it"
    os.kill(pid, signal.SIGKILL)
    assert until(lambda: not alive(token), GONE_SECONDS), alive(token)
    lives.end(pid)
    lives.whole(tmp_path, builtin=True, all=True)
    assert status(tmp_path)[0] == "cancelled"
