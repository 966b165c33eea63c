"""What waits for a human survives everything, and an answer counts once."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from tests.integration.faults_driver import template
from tests.integration.faults_driver_world import heard

from nextgeneration.missions.service import Missions
from nextgeneration.settings.storage import StorageSettings
from nextgeneration.storage.database import Storage

ALREADY = "NG-APPROVAL-003"


def pending(root):
    """What waits, read by a process that has just been started: ids with digests, and the seconds it took."""

    async def look():
        since = time.monotonic()
        storage = Storage.open(StorageSettings(home=root / "home").url)
        try:
            approvals = Missions(storage).approvals
            listed = await approvals.pending()
            seconds = time.monotonic() - since
            cards = [await approvals.get(approval.id) for approval in listed[:: max(1, len(listed) // 50)]]
            assert all(card.card["digest"] == card.digest for card in cards)
            return [[approval.id, approval.digest] for approval in listed], seconds
        finally:
            storage.close()

    return asyncio.run(look())


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("missions", [20])
def test_two_thousand_approvals_survive_kill_9_with_the_same_id_and_digest(tmp_path, world, lives, missions):
    """F4. Then the process is killed between a decision and its execution: it is executed once, and only it."""
    template(tmp_path / "templates", "many", actions=100, kind="blind")
    accept = [[f"{n}", "many"] for n in range(missions)]
    pid = lives.start(tmp_path, do="hold", accept=accept, actions=100, answers=False)
    asked = lives.hear(pid, "pending")
    assert len(asked) == missions * 100
    os.kill(pid, signal.SIGKILL)
    assert lives.end(pid)[0] == -signal.SIGKILL

    listed, seconds = pending(tmp_path)
    assert listed == asked
    assert seconds < 2, f"2,000 pending approvals were listed in {seconds:.2f} s"

    done = len(world.log)
    code, said = lives.end(lives.start(tmp_path, all=True, actions=100, strike="approval.decided"))
    assert (code, heard(said, "strikes")) == (-signal.SIGKILL, ["approval.decided"])
    assert len(world.log) == done, "killed before anything was executed"
    left, _ = pending(tmp_path)
    assert [one for one in asked if one not in left] == [asked[0]]
    lives.whole(tmp_path, all=True, actions=100, answers=False)
    (executed,) = world.log[done:]
    assert executed.kind == "blind"
    assert pending(tmp_path)[0] == left


def test_of_two_processes_that_approve_at_once_one_wins_and_the_other_is_told(tmp_path, world, lives):
    """F4: the loser gets the stable code, and what was approved happens once."""
    template(tmp_path / "templates", "some", actions=5, kind="blind")
    lives.whole(tmp_path, accept=[["some", "some"]], actions=5, answers=False)
    asked, _ = pending(tmp_path)
    assert len(asked) == 5
    for approval, _ in asked:
        at = time.time() + 0.4
        pids = [
            lives.start(tmp_path, do="decide", approval=approval, at=at, by=f"human:{name}") for name in ("ada", "bob")
        ]
        said = [word for pid in pids for word in lives.end(pid)[1]]
        assert heard(said, "decided") == [approval]
        assert heard(said, "error") == [ALREADY]
    lives.whole(tmp_path, all=True, actions=5, answers=False)
    acted = [asked.key for asked in world.log if asked.kind == "blind"]
    assert len(acted) == len(set(acted)) == 5


@pytest.mark.slow
def test_two_approve_commands_at_once_have_one_winner(tmp_path, lives):
    """The same through the command line: exit codes 0 and 1, the code of the refusal, and one execution."""
    step = {"id": "note", "tool": "fs.write", "with": {"path": "note.txt", "content": "done"}}
    template(tmp_path / "templates", "one", playbook=[step])
    lives.whole(tmp_path, accept=[["one", "one"]], builtin=True, answers=False)
    ((approval, _),), _ = pending(tmp_path)
    command = "from nextgeneration.cli.main import main; main()"
    argv = [sys.executable, "-c", command, "approvals", "approve", approval, "--json"]
    home = {**os.environ, "NG_HOME": str(tmp_path / "home")}
    both = [subprocess.Popen(argv, env=home, cwd=tmp_path, stdout=-1, stderr=-1, text=True) for _ in range(2)]
    told = sorted([(process.communicate(timeout=60), process.returncode) for process in both], key=lambda one: one[1])
    (won, first), (lost, second) = told
    assert (first, second) == (0, 1), told
    assert json.loads(won[0])["status"] == "done"
    assert ALREADY in lost[0] + lost[1]
    assert "Traceback" not in lost[0] + lost[1]
    assert (tmp_path / "workspace" / "note.txt").read_text() == "done"
