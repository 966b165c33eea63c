"""``nextgen missions`` and ``nextgen approvals``: looking, deciding, going on, watching."""

import asyncio
import json
import os
import shutil
import threading
import time
from pathlib import Path

import pytest

import nextgeneration
from nextgeneration.cli import watching
from nextgeneration.missions.errors import MissionHeld
from nextgeneration.missions.service import Missions
from nextgeneration.services.records import open_records

AUDIT = ("--agent", "auditeur_code")


@pytest.fixture
def waiting(cli, project):
    """A mission that waits for its one approval: (mission, approval)."""
    report = cli("run", "check this project", "-w", project, *AUDIT, "--json").json
    (approval,) = report["pending"]
    return report["mission"], approval


# -- looking ---------------------------------------------------------------------------------------------------------


def test_lists_say_how_to_begin_when_they_are_empty(cli):
    for group, words in (("missions", "No missions yet"), ("approvals", "Nothing waits"), ("agents", "No agents yet")):
        said = cli(group, "list")
        assert (said.code, said.out) == (0, "")
        assert words in said.err
        assert cli(group, "list", "--json").json == []


def test_missions_are_listed_and_shown_by_any_clear_part_of_their_id(cli, waiting, project):
    mission, approval = waiting
    line = cli("missions", "list").out
    assert mission in line
    assert "waiting" in line
    said = cli("missions", "show", mission[-8:])
    assert said.code == 0
    assert approval in said.out
    assert "db runs privileged" in said.out, "what is known so far"
    facts = cli("missions", "show", mission, "--json", "--journal").json
    assert facts["pending"] == [approval]
    assert facts["report"]["findings"]
    assert facts["journal"][0]["type"] == "mission.accepted"
    events = cli("missions", "show", mission, "--jsonl").events
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert "approval.asked" in cli("missions", "show", mission, "--journal").out


def test_what_is_shown_to_wait_is_what_was_asked(cli, tmp_path):
    shutil.copytree(Path(nextgeneration.__file__).parent / "sample", tmp_path / "orders")
    said = cli("run", "check this project", "-w", tmp_path / "orders", "--no-input")
    assert said.code == 4
    mission = cli("missions", "list", "--json").json[0]["id"]
    shown = cli("missions", "show", mission, "--json").json
    waiting = [outcome for outcome in shown["report"]["actions"] if outcome["status"] == "pending"]
    assert len(waiting) == len(cli("approvals", "list", "--json").json) == 1
    words = ": waits for a decision"
    assert cli("missions", "show", mission).out.count(words) == said.out.count(words)


def test_a_mission_can_be_shown_into_another_folder(cli, waiting, tmp_path):
    cli("missions", "show", waiting[0], "--out", tmp_path / "copy")
    assert "# Mission report" in (tmp_path / "copy" / "report.md").read_text()


@pytest.mark.parametrize(("group", "code"), [("missions", "NG-MISSION-001"), ("approvals", "NG-APPROVAL-001")])
def test_what_does_not_exist_is_said_with_the_way_to_what_does(cli, group, code):
    said = cli(group, "show", "nothing", "--json")
    assert said.code == 1
    assert said.json["error"]["code"] == code
    assert f"nextgen {group} list" in said.err


# -- deciding --------------------------------------------------------------------------------------------------------


def test_an_approval_shows_exactly_what_it_allows(cli, waiting):
    _, approval = waiting
    assert approval in cli("approvals", "list").out
    said = cli("approvals", "show", approval)
    assert "-    privileged: true" in said.out
    assert "+    privileged: false" in said.out
    facts = cli("approvals", "show", approval, "--json").json
    assert facts["digest"] in said.out
    assert facts["card"]["calls"][0]["tool"] == "fs.patch"
    assert cli("approvals", "list", "--json").json[0]["card"] == facts["card"]


def test_approving_goes_on_with_the_mission_to_its_end(cli, waiting, project):
    mission, approval = waiting
    said = cli("approvals", "approve", approval, "--reason", "looks right")
    assert said.code == 0
    assert f"{approval}: approved" in said.err
    assert "done and verified" in said.out
    assert "privileged: false" in (project / "docker-compose.yml").read_text()
    shown = cli("approvals", "show", approval).out
    assert "status: approved, by human:" in shown
    assert "looks right" in shown
    assert cli("missions", "show", mission, "--json").json["status"] == "done"


def test_the_second_answer_is_refused(cli, waiting):
    _, approval = waiting
    assert cli("approvals", "approve", approval, "--no-run").code == 0
    for verdict in ("approve", "reject"):
        said = cli("approvals", verdict, approval, "--json", "--no-recover")
        assert said.code == 1
        assert said.json["error"]["code"] == "NG-APPROVAL-003"


def test_an_answer_to_another_card_is_refused(cli, waiting, project):
    _, approval = waiting
    said = cli("approvals", "approve", approval, "--digest", "sha256:" + "0" * 64, "--json")
    assert said.code == 1
    assert said.json["error"]["code"] == "NG-APPROVAL-005"
    assert "privileged: true" in (project / "docker-compose.yml").read_text()


def test_an_answer_that_is_none_is_refused(cli, waiting):
    said = cli("approvals", "settle", waiting[1], "retry")
    assert said.code == 2
    assert "NG-APPROVAL-006" in said.err


def test_rejecting_ends_the_mission_without_the_change(cli, waiting, project):
    mission, approval = waiting
    said = cli("approvals", "reject", approval, "-m", "not today")
    assert said.code == 4
    assert "refused, nothing was done" in said.out
    assert "privileged: true" in (project / "docker-compose.yml").read_text()
    assert "not today" in cli("missions", "show", mission).out


def test_an_answer_without_going_on_says_so_as_json(cli, waiting):
    mission, approval = waiting
    decided = cli("approvals", "reject", approval, "--no-run", "--no-recover", "--json").json
    assert (decided["status"], decided["mission"]) == ("rejected", mission)
    assert cli("missions", "list", "--no-recover", "--json").json[0]["status"] == "queued"


def test_an_approval_for_a_file_that_changed_meanwhile_is_not_used(cli, waiting, project):
    """What was shown is no longer what would happen: it is asked again."""
    _, approval = waiting
    path = project / "docker-compose.yml"
    path.write_text(path.read_text() + "# edited\n")
    said = cli("approvals", "approve", approval, "--json")
    assert said.code in {1, 4}
    assert "privileged: true" in path.read_text()


# -- going on --------------------------------------------------------------------------------------------------------


def test_resuming_a_waiting_mission_asks_again_and_changes_nothing(cli, waiting):
    mission, approval = waiting
    said = cli("missions", "resume", mission, "--json")
    assert said.code == 4
    assert said.json["pending"] == [approval], "the same question, not a second one"


def test_resuming_everything_that_was_interrupted(cli, project, left_behind):
    first, second = left_behind(project), left_behind(project, "check docker")
    said = cli("missions", "resume", "--json")
    assert said.code == 0
    assert {outcome["mission"]: outcome["status"] for outcome in said.json} == {first: "done", second: "done"}
    said = cli("missions", "resume")
    assert (said.code, said.out) == (0, "")
    assert "Nothing was interrupted" in said.err


def test_resuming_counts_the_worst_outcome(cli, project, left_behind):
    left_behind(project)
    left_behind(project, "knit me a pullover", agents=())
    assert cli("missions", "resume").code == 1


def test_what_ended_cannot_be_resumed_but_is_shown_again(cli, project):
    mission = cli("run", "check", "-w", project, *AUDIT, "--actions", "0", "--json").json["mission"]
    said = cli("missions", "resume", mission, "--json")
    assert said.json["mission"] == mission
    assert said.code == 0


def test_a_cancelled_mission_stays_cancelled(cli, waiting):
    mission, approval = waiting
    assert f"Mission {mission} is cancelled" in cli("missions", "cancel", mission).out
    assert cli("missions", "resume", mission).code == 1
    assert cli("missions", "show", mission, "--json").json["status"] == "cancelled"
    assert cli("approvals", "approve", approval).code == 1
    said = cli("missions", "cancel", mission, "--json")
    assert said.json["status"] == "cancelled", "cancelling twice is no error"
    assert "cancelled" in cli("missions", "show", mission).out


def test_cancelling_what_ended_is_an_error(cli, project):
    mission = cli("run", "check", "-w", project, *AUDIT, "--actions", "0", "--json").json["mission"]
    assert "NG-MISSION-006" in cli("missions", "cancel", mission).err


# -- another process -------------------------------------------------------------------------------------------------


class Other:
    """Another holder of a mission, in a thread of this process with a loop and records of its own."""

    def __init__(self, mission):
        self._mission = mission
        self._ready = threading.Event()
        self._end = threading.Event()
        self.outcome = "end"
        self.thread = threading.Thread(target=lambda: asyncio.run(self._hold()))

    async def _hold(self):
        with open_records() as records:
            claim = await records.missions.claim(self._mission)
            await claim.event("task.started", {"agent": "elsewhere", "template": "t"}, task="t9")
            self._ready.set()
            while not self._end.is_set():
                await asyncio.sleep(0.02)
            if self.outcome == "end":
                await claim.end("done", {})
            else:
                await claim.release()

    def __enter__(self):
        self.thread.start()
        assert self._ready.wait(20)
        return self

    def let_go(self):
        self._end.set()

    def __exit__(self, *_exc):
        self._end.set()
        self.thread.join(20)


def test_resuming_a_mission_that_is_worked_on_names_who_does(cli, project, left_behind):
    mission = left_behind(project)
    with Other(mission):
        said = cli("missions", "resume", mission, "--json", "--no-recover")
        shown = cli("missions", "show", mission, "--no-recover").out
    assert said.code == 1
    assert said.json["error"]["code"] == "NG-MISSION-005"
    assert f"nextgen missions watch {mission}" in said.err
    holder = said.json["error"]["message"].rpartition("by ")[2]
    assert f"worked on by {holder}" in shown


def test_watching_follows_to_the_end(cli, project, left_behind):
    mission = left_behind(project)
    with Other(mission) as other:
        threading.Timer(0.5, other.let_go).start()
        said = cli("missions", "watch", mission, "--no-recover")
    assert "elsewhere" in said.err
    assert f"Mission {mission}: done" in said.out


def test_watching_as_json_lines_gives_each_event_once(cli, project, left_behind):
    mission = left_behind(project)
    with Other(mission) as other:
        threading.Timer(0.5, other.let_go).start()
        events = cli("missions", "watch", mission, "--jsonl", "--no-recover").events
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[-1]["type"] == "mission.ended"


def test_watching_what_nobody_works_on_any_more_ends_and_goes_on(cli, project, left_behind):
    mission = left_behind(project)
    said = cli("missions", "watch", mission, "--no-recover", "--json")
    assert said.json["status"] == "queued"
    assert f"nextgen missions resume {mission}" in said.err
    said = cli("missions", "watch", mission)
    assert "left behind" in said.err
    assert cli("missions", "show", mission, "--json").json["status"] == "done"


def test_the_answer_to_a_mission_somebody_else_works_on_is_followed_from_here(cli, waiting, monkeypatch):
    """Two processes see the answer: one goes on, the other watches it and reports the same."""
    _, approval = waiting
    original = Missions.claim
    taken = []

    async def claimed_elsewhere(self, ref):
        if not taken:
            taken.append(ref)
            raise MissionHeld(mission=ref, holder="laptop:1:2:3")
        return await original(self, ref)

    monkeypatch.setattr(Missions, "claim", claimed_elsewhere)
    said = cli("approvals", "approve", approval)
    assert said.code == 0
    assert "laptop:1:2:3 works on it; following it from here" in said.err
    assert "done and verified" in said.out


def test_nobody_listening_ends_the_watching(project, left_behind):
    """`missions watch --jsonl | head -1` does not follow for ever."""
    from nextgeneration.cli.live import Progress
    from nextgeneration.cli.voice import Voice

    mission = left_behind(project)
    with Other(mission):
        voice = Voice(jsonl=True, deaf=True)

        async def follow():
            with open_records() as records:
                progress = Progress(voice, mission, "x")
                return await watching.follow_journal(records.missions, mission, voice, progress)

        started = time.monotonic()
        assert asyncio.run(follow()) is False
        assert time.monotonic() - started < 5


def test_a_mission_of_an_agent_called_outside_any_is_shown_too(cli, project):
    """Its report is the agent's own."""
    from nextgeneration.kernel.reports import Report, ReportStatus
    from nextgeneration.missions.schema import MissionRequest

    async def ended():
        with open_records() as records:
            mission = await records.missions.accept(MissionRequest(goal="process ada", workspace=str(project)))
            claim = await records.missions.claim(mission.id)
            report = Report(agent="ada", template="t", task="t1", status=ReportStatus.PARTIAL, missing=("a model",))
            await claim.end("partial", report.model_dump(mode="json"))
            return mission.id

    mission = asyncio.run(ended())
    said = cli("missions", "show", mission)
    assert "partly done" in said.out
    assert "ada: a model" in said.out
    assert json.loads(cli("missions", "show", mission, "--json").out)["report"]["tasks"][0]["agent"] == "ada"


# -- deleting --------------------------------------------------------------------------------------------------------


@pytest.fixture
def home(own_home):
    return Path(os.environ["NG_HOME"])


def canary_in(home, canary):
    return [path.name for path in home.rglob("*") if path.is_file() and canary in path.read_bytes()]


def test_a_deleted_mission_leaves_nothing_behind_and_others_stay(cli, project, home):
    """Results of tools are journaled word for word: deleting a mission takes them off the disk, pages and all."""
    (project / "README.md").write_text("# canary-4711-of-the-file\n" * 50)
    gone, kept = (
        cli("run", goal, "-w", project, "--agent", "documentaliste", "--json").json["mission"]
        for goal in ("canary-4712-of-the-goal", "read the docs")
    )
    assert canary_in(home, b"canary-4712")
    said = cli("missions", "delete", gone)
    assert (said.code, said.out) == (2, ""), "nobody is there to say yes"
    assert "NG-CLI-005" in said.err
    assert cli("missions", "show", gone).code == 0
    assert cli("missions", "delete", gone, "--yes", "--json").json == {"deleted": gone}
    assert "NG-MISSION-001" in cli("missions", "show", gone).err
    assert canary_in(home, b"canary-4712") == []
    assert canary_in(home, gone.encode()) == []
    assert not (home / "reports" / gone).exists()
    assert cli("missions", "show", kept).code == 0
    assert cli("missions", "delete", kept, "--yes").code == 0
    assert canary_in(home, b"canary-4711") == []


def test_a_mission_that_may_go_on_is_not_deleted(cli, waiting):
    mission, _ = waiting
    said = cli("missions", "delete", mission, "--yes")
    assert said.code == 1
    assert "NG-MISSION-013" in said.err
    cli("missions", "cancel", mission)
    assert cli("missions", "delete", mission, "--yes").code == 0
    assert cli("missions", "list", "--json").json == []


def test_a_folder_that_cannot_be_removed_keeps_the_records(cli, waiting, home, monkeypatch):
    mission, _ = waiting
    cli("missions", "cancel", mission)

    def refuse(_folder):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr("nextgeneration.services.records.shutil.rmtree", refuse)
        (home / "reports" / mission).mkdir(parents=True, exist_ok=True)
        said = cli("missions", "delete", mission, "--yes")
    assert "NG-SERVICE-011" in said.err
    assert cli("missions", "show", mission).code == 0
    assert cli("missions", "delete", mission, "--yes").code == 0


def test_a_link_in_the_place_of_a_report_is_removed_and_not_followed(cli, waiting, home, tmp_path):
    mission, _ = waiting
    cli("missions", "cancel", mission)
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("x")
    (home / "scratch").mkdir(exist_ok=True)
    (home / "scratch" / mission).symlink_to(tmp_path / "precious")
    assert cli("missions", "delete", mission, "--yes").code == 0
    assert (tmp_path / "precious" / "file").exists()
    assert not (home / "scratch" / mission).is_symlink()
