"""Commands run in this process, as a program or as a person at a terminal would."""

import json
import os
import pty
import re
import select
import sys
import tempfile
import threading
import time
from typing import NamedTuple

import pytest

from nextgeneration.cli.main import run_command
from nextgeneration.testing.process import new_process

COMPOSE = """services:
  db:
    image: postgres:16.4
    privileged: true
    restart: unless-stopped
    healthcheck:
      test: ["CMD", "pg_isready"]
"""
COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Said(NamedTuple):
    """What a command left: its exit code, data and progress."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def events(self):
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture(autouse=True)
def as_a_program(tmp_path_factory, monkeypatch, own_home):
    """As in a new process; copies of the sample project go where pytest removes them."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("tmp")))
    with new_process():
        yield


@pytest.fixture
def cli(capsys):
    """Run a command line as a program does: no terminal anywhere."""

    def run(*args):
        capsys.readouterr()
        code = run_command([str(arg) for arg in args])
        return Said(code, *capsys.readouterr())

    return run


@pytest.fixture
def project(tmp_path):
    """A folder with one thing to fix."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "docker-compose.yml").write_text(COMPOSE)
    return folder


class Terminal:
    """A person at a pseudo-terminal: answers each question once it is on the screen."""

    def __init__(self):
        self.screen = ""

    def run(self, *args, answers=(), ahead="", seconds=60):
        """Run a command; ``answers`` are (pattern, what is typed, or a function to call) in order.

        ``ahead`` is in the keyboard's buffer before anything is shown.
        """
        master, slave = pty.openpty()
        os.write(master, ahead.encode())
        streams = [os.fdopen(os.dup(slave), mode, encoding="utf-8", buffering=1) for mode in ("r", "w", "w")]
        before = sys.stdin, sys.stdout, sys.stderr
        sys.stdin, sys.stdout, sys.stderr = streams
        stop = threading.Event()
        person = threading.Thread(target=self._person, args=(master, list(answers), stop), daemon=True)
        person.start()
        try:
            return run_command([str(arg) for arg in args])
        finally:
            for stream in streams:
                stream.flush()
            stop.set()
            person.join(seconds)
            sys.stdin, sys.stdout, sys.stderr = before
            for stream in streams:
                stream.close()
            os.close(slave)
            os.close(master)

    def _person(self, master, answers, stop):
        seen, ended = 0, 0.0
        while not ended or time.monotonic() < ended:
            if stop.is_set() and not ended:
                ended = time.monotonic() + 0.2
            ready, _, _ = select.select([master], [], [], 0.05)
            if ready:
                self.screen += os.read(master, 65536).decode(errors="replace")
            if answers and (found := re.search(answers[0][0], COLOURS.sub("", self.screen[seen:]), re.DOTALL)):
                _, typed = answers.pop(0)
                seen = len(self.screen)
                assert found
                if callable(typed):
                    typed()
                else:
                    os.write(master, typed.encode())

    @property
    def text(self):
        """What was on the screen, without colours and movements."""
        return COLOURS.sub("", self.screen).replace("\r", "")


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "110")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Terminal()


@pytest.fixture
def left_behind():
    """Accept a mission and never run it, as a process does that dies right after."""
    from nextgeneration.missions.schema import MissionOptions, MissionRequest
    from nextgeneration.services.records import open_records

    def accept(folder, goal="check this project", agents=("auditeur_code",), **options):
        import asyncio

        chosen = MissionOptions(agents=agents, **{"actions": 0, **options})
        with open_records() as records:
            request = MissionRequest(goal=goal, workspace=str(folder), options=chosen)
            return asyncio.run(records.missions.accept(request)).id

    return accept


@pytest.fixture
def report():
    """A mission's report, as bad as wanted."""
    from nextgeneration.kernel.actions import Action
    from nextgeneration.kernel.findings import Finding, Location, Severity
    from nextgeneration.kernel.reports import Report, ReportStatus
    from nextgeneration.supervisor.outcome import ActionOutcome, MissionReport, TaskOutcome, Verification
    from nextgeneration.supervisor.synthesis import merged

    def make(status="done", findings=1, action=None, passed=True, tasks="done"):
        found = tuple(
            Finding(
                rule="r", title=f"title {n}", severity=Severity.CRITICAL, location=Location(path=f"f{n}", line=n + 1)
            )
            for n in range(findings)
        )
        wanted = Action(id="act_1", agent="a", task="t1", tool="fs.patch", args={"patch": "-x\n+y\n"}, reason="drop it")
        check = Verification(tool="compose.audit", passed=passed)
        outcomes = (ActionOutcome(action=wanted, status=action, checks=(check,)),) if action else ()
        return MissionReport(
            mission="mis_1",
            goal="check",
            lang="en",
            status=status,
            workspace="/w",
            findings=merged({"t1": Report(agent="a", status=ReportStatus.DONE, findings=found)}),
            actions=outcomes,
            tasks=(TaskOutcome(id="t1", agent="a", template="a", status=ReportStatus(tasks)),),
        )

    return make
