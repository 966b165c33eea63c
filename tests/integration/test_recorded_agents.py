"""A recorded agent lives: any process sends it out by its name, and each of its tasks counts in its record once."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nextgeneration.agents import create_agent
from nextgeneration.missions.boundaries import BOUNDARIES
from nextgeneration.services.assembly import open_services

TEMPLATE = {
    "name": "lister",
    "role": "lister",
    "domain": "files",
    "version": "1.0.0",
    "capabilities": ["list"],
    "supervisor_route": "files",
    "description": "Lists a folder.",
    "runtime": "playbook",
    "tools": ["fs.list"],
    "default_config": {"path": "."},
    "playbook": [{"id": "look", "tool": "fs.list", "with": {"path": {"$": "config.path"}}}],
}
NEVER = "mission.waiting"
EITHER = ("mission", "plan", "effect.judged", "effect.called", "effect.outcome")
RUN = "from nextgeneration.cli.main import main; main()"

# argv: what to do, and the boundary of the mission at which this process kills itself.
PROGRAM = """
import asyncio, os, signal, sys
from pathlib import Path
from nextgeneration.agents import create_agent
from nextgeneration.missions.schema import MissionOptions, MissionRequest
from nextgeneration.services.assembly import open_services

how, place = sys.argv[1:]

def at(boundary):
    if boundary == place:
        os.kill(os.getpid(), signal.SIGKILL)

async def main():
    async with open_services(Path("."), at=at) as services:
        if how == "process":
            agent = await create_agent("lister", suffix="one")
            before = agent.performance_metrics["tasks_completed"]
            answer = await agent.process({"goal": "list it"})
            print(before, answer["status"], agent.performance_metrics["tasks_completed"])
        else:
            options = MissionOptions(agents=("lister_one",))
            request = MissionRequest(goal="list it", workspace=os.getcwd(), options=options)
            mission = await services.missions.accept(request)
            print((await services.worker.run(mission.id)).status)

asyncio.run(main())
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a template of its own, in which commands run."""
    folder = tmp_path / "work"
    (folder / ".nextgen" / "templates").mkdir(parents=True)
    (folder / "inner").mkdir()
    (folder / "inner" / "apple.txt").write_text("a")
    write(folder, TEMPLATE)
    monkeypatch.chdir(folder)
    return folder


def write(folder: Path, template: dict) -> None:
    (folder / ".nextgen" / "templates" / f"{template['name']}.json").write_text(json.dumps(template))


def nextgen(*args: str, code: int = 0, env: dict | None = None) -> str:
    argv = [sys.executable, "-c", RUN, *args]
    run = subprocess.run(argv, capture_output=True, text=True, timeout=120, env={**os.environ, **(env or {})})
    assert run.returncode == code, run.stdout + run.stderr
    return run.stdout if code == 0 else run.stderr


def program(how: str, boundary: str = "", code: int = 0) -> str:
    run = subprocess.run([sys.executable, "-c", PROGRAM, how, boundary], capture_output=True, text=True, timeout=120)
    assert run.returncode == code, run.stdout + run.stderr
    return run.stdout.strip()


def figures(name: str = "lister_one") -> dict:
    return json.loads(nextgen("agents", "show", name, "--json"))["performance"]


def test_a_recorded_agent_works_with_its_own_revision_and_configuration(place):
    nextgen("agents", "create", "lister", "--suffix", "one", "--config", '{"path": "inner"}')
    digest = json.loads(nextgen("agents", "show", "lister_one", "--json"))["revision"]
    write(place, TEMPLATE | {"version": "2.0.0", "playbook": []})

    report = json.loads(nextgen("run", "list it", "--agent", "lister_one", "--agent", "lister", "--json"))
    mine, newest = report["tasks"]
    assert (mine["agent"], mine["template"], mine["revision"]) == ("lister_one", "lister", digest)
    assert (newest["agent"], newest["template"]) == ("lister", "lister")
    assert newest["revision"] != digest, "both work in one mission, each in its revision"
    assert "apple.txt" in mine["analysis"] + json.dumps(report)
    assert figures() == {"tasks_completed": 1, "success_rate": 1.0, "avg_processing_time": pytest.approx(0, abs=60)}
    assert "lister_one" in nextgen("agents", "list")

    nextgen("run", "list it", "-a", "lister_one", "-a", "lister_one")
    assert figures()["tasks_completed"] == 3, "each of its tasks counts"
    nextgen("agents", "remove", "lister_one")
    assert "no template named lister_one" in nextgen("run", "list it", "--agent", "lister_one", code=2)


def test_a_recorded_agent_that_fails_counts_as_failed(place):
    nextgen("agents", "create", "lister", "--suffix", "one", "--config", '{"path": "../outside"}')
    nextgen("run", "list it", "--agent", "lister_one", code=1)
    assert figures()["success_rate"] == 0.0
    assert figures()["tasks_completed"] == 0
    assert json.loads(nextgen("agents", "list", "--json"))[0]["performance"] == figures()


def test_an_agent_called_from_python_goes_on_from_its_record_in_every_process(place):
    nextgen("agents", "create", "lister", "--suffix", "one")
    assert program("process") == "0 done 1"
    argv = [sys.executable, "-c", PROGRAM, "process", ""]
    both = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [run.communicate(timeout=120)[0].split()[1] for run in both] == ["done", "done"]
    assert program("mission") == "done"
    assert figures()["tasks_completed"] == 4
    assert program("process") == "4 done 5"


@pytest.mark.parametrize(
    ("how", "boundary"),
    [
        *(
            ("mission", boundary)
            for boundary in BOUNDARIES
            if boundary.startswith((*EITHER, "task")) and boundary != NEVER
        ),
        *(("process", boundary) for boundary in BOUNDARIES if boundary.startswith(EITHER) and boundary != NEVER),
    ],
)
async def test_a_task_counts_once_wherever_its_process_was_killed(place, how, boundary):
    async with open_services(place) as services:
        await services.agents.add(await create_agent("lister", suffix="one"))
    program(how, boundary, code=-signal.SIGKILL)
    for _ in range(2):
        async with open_services(place) as services:
            await services.worker.recover()
            assert [mission.status for mission in await services.missions.list()] == ["done"]
            record = await services.agents.get("lister_one")
            assert (record.tasks_completed, record.tasks_failed) == (1, 0)


def test_one_limit_for_what_is_recorded_and_what_is_alive(place):
    one = {"NG_MAX_AGENTS": "1"}
    nextgen("agents", "create", "lister", "--suffix", "one", env=one)
    said = nextgen("agents", "create", "lister", "--suffix", "two", env=one, code=1)
    assert "1 agents are alive or recorded and the limit is 1" in said
    assert "nextgen agents remove" in said
    nextgen("run", "list it", "--agent", "lister_one", env=one)
    assert figures()["tasks_completed"] == 1, "a recorded agent that works is no second one"
    nextgen("run", "list it", "--agent", "lister", env=one, code=1)
    nextgen("agents", "remove", "lister_one", env=one)
    nextgen("run", "list it", "--agent", "lister", env=one)
    nextgen("agents", "create", "lister", "--suffix", "two", env=one)
    assert [agent["name"] for agent in json.loads(nextgen("agents", "list", "--json"))] == ["lister_two"]
