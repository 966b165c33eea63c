"""The reference case for real: a command that is not recognised, four agents, a remedy that a human allows, and proof.

Everything runs in a temporary home with a temporary PATH: nothing outside is looked at for writing, nothing installed.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from nextgeneration.cli.main import run_command
from nextgeneration.missions.schema import MissionOptions, MissionRequest
from nextgeneration.services.assembly import open_services
from nextgeneration.settings.environment import Environment
from nextgeneration.settings.tools import ToolSettings
from nextgeneration.supervisor.outcome import ActionStatus
from nextgeneration.testing.process import new_process
from nextgeneration.tools import code, compose, docs, fs, mcp_docs, net, shell, system
from nextgeneration.tools.base import Limited

BASICS = ("sh", "bash", "mkdir", "chmod", "ln", "cat", "env", "printf")
GOALS = {
    "en": "docker-compose is not recognised as a command",
    "fr": "« docker-compose » n'est pas reconnu comme une commande",
}
TEAM = {"correcteur_systeme", "chercheur_web", "contexte7", "auditeur_code"}
DOCKER = """if [ "$1" = compose ]; then shift; echo "Docker Compose version v2.29.1 ($*)"; exit 0; fi
echo "docker: unknown $1" >&2; exit 1"""
COMPOSE_FILE = "services:\n  web:\n    image: nginx\n    privileged: true\n"


class Machine:
    """A home, a PATH of its own with real programs, and a workspace."""

    def __init__(self, folder, monkeypatch):
        self.home, self.bin, self.work = folder / "home", folder / "bin", folder / "work"
        self.local = self.home / ".local/bin"
        for place in (self.local, self.bin, self.work):
            place.mkdir(parents=True)
        for name in BASICS:
            (self.bin / name).symlink_to(shutil.which(name) or f"/bin/{name}")
        self.path = f"{self.local}{os.pathsep}{self.bin}"
        for name, value in {"HOME": str(self.home), "PATH": self.path, "SHELL": str(self.bin / "bash")}.items():
            monkeypatch.setenv(name, value)

    def put(self, path, script):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    def shell(self, line):
        """What a person sees who opens a new terminal and types ``line``."""
        argv = [str(self.bin / "bash"), "-c", line]
        return subprocess.run(argv, env={"HOME": str(self.home), "PATH": self.path}, capture_output=True, text=True)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    real = Path.home() / ".local/bin/docker-compose"
    before = os.path.lexists(real)
    yield Machine(tmp_path, monkeypatch)
    assert os.path.lexists(real) == before, "the user's own home is not touched"


@pytest.fixture
def cli(capsys, monkeypatch):
    """``cli(lang, *args)``: exit code, the JSON document on standard output, and standard error."""

    def run(lang, *args):
        monkeypatch.setenv("NG_LANG", lang)
        capsys.readouterr()
        with new_process():
            code = run_command([str(arg) for arg in args])
        out, err = capsys.readouterr()
        return code, json.loads(out), err

    return run


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_the_whole_way_from_the_message_to_a_command_that_works(machine, cli, lang):
    """Shim remedy: proposed, shown as privileged, not given by --yes, approved, executed, verified in a new shell."""
    machine.put(machine.bin / "docker", DOCKER)
    (machine.work / "docker-compose.yml").write_text(COMPOSE_FILE)
    assert machine.shell("docker-compose version").returncode == 127

    code, waiting, _ = cli(lang, "run", GOALS[lang], "--workspace", machine.work, "--yes", "--json")

    assert code == 4, "an approval is pending: --yes never covers what leaves the sandbox"
    assert {task["agent"] for task in waiting["tasks"]} == TEAM
    action = waiting["actions"][0]
    assert (action["status"], action["label"], action["kind"]) == ("pending", "privileged", "command")
    assert str(machine.local / "docker-compose") in action["preview"], "exactly what will run is shown"
    assert "docker compose" in action["preview"]
    assert not (machine.local / "docker-compose").exists(), "nothing is done before the answer"
    by_agent = {task["agent"]: task for task in waiting["tasks"]}
    assert by_agent["chercheur_web"]["status"] == by_agent["contexte7"]["status"] == "failed"
    assert {line.partition(":")[0] for line in waiting["missing"]} == {"chercheur_web", "contexte7"}
    first = waiting["findings"][0]
    assert first["finding"]["cause"] == "command-missing:docker-compose", "the diagnosis stands, and comes first"
    assert first["finding"]["evidence"][0]["source"] == "system.diagnose_command"
    rules = {entry["finding"]["rule"] for entry in waiting["findings"]}
    assert "compose.privileged" in rules, "the compose file was audited beside it"

    card_code, card, _ = cli(lang, "approvals", "show", action["approval"], "--json")
    assert card_code == 0
    assert [call["tool"] for call in card["card"]["calls"]] == ["shell.run", "system.try_command"]

    _, done, _ = cli(lang, "approvals", "approve", action["approval"], "--json")

    outcome = next(o for o in done["actions"] if o["action"]["id"] == action["action"]["id"])
    assert outcome["status"] == "verified"
    assert [(check["tool"], check["passed"]) for check in outcome["checks"]] == [("system.try_command", True)]
    assert done["status"] == "partial", "two agents could not work"
    said = "\n".join(sentence["text"] for sentence in done["answer"])
    assert ("Fait et vérifié : " if lang == "fr" else "Done and verified: ") in said
    assert ("n'a rien donné" if lang == "fr" else "gave no result") in said
    assert next(e for e in done["findings"] if e["id"] == first["id"])["resolved"]
    fresh = machine.shell("docker-compose version")
    assert (fresh.returncode, fresh.stdout) == (0, "Docker Compose version v2.29.1 (version)\n")


async def led(machine, goal, *, approve=True, tools=None, lang="en"):
    """A mission in this process; the first approval is given when ``approve``."""
    async with open_services(machine.work, tools=tools) as services:
        options = MissionOptions(agents=("correcteur_systeme",))
        request = MissionRequest(goal=goal, workspace=str(machine.work), lang=lang, options=options)
        mission = await services.missions.accept(request)
        outcome = await services.worker.run(mission.id)
        if approve:
            (approval,) = outcome.pending
            await services.approvals.decide(approval, "approved", by="human:ada")
            outcome = await services.worker.run(mission.id)
    return outcome


async def test_a_binary_outside_path_is_linked_into_it(machine):
    binary = machine.put(machine.home / "go/bin/hugo", "echo hugo v0.128.0")
    done = await led(machine, "bash: hugo: command not found")
    (action,) = (o for o in done.report.actions if o.status is not ActionStatus.OFFERED)
    assert action.status is ActionStatus.VERIFIED
    assert action.label == "privileged"
    assert (machine.local / "hugo").resolve() == binary.resolve()
    assert machine.shell("hugo --version").stdout == "hugo v0.128.0\n"


async def test_a_folder_of_path_that_the_remedy_made_is_not_missing_any_more(machine):
    """The command is found there: that the folder is not there is no finding to leave behind."""
    machine.put(machine.bin / "docker", DOCKER)
    machine.local.rmdir()
    done = await led(machine, "docker-compose is not recognised as a command")
    assert done.status == "done"
    assert machine.local.is_dir()
    stale = [entry for entry in done.report.findings if entry.finding.rule == "system.path-missing"]
    assert [entry.resolved for entry in stale] == [True]
    assert str(machine.local) in stale[0].finding.title


async def test_a_remedy_that_does_not_help_is_not_called_one(machine):
    """The link is made, but the program behind it fails: the report says so."""
    machine.put(machine.home / "go/bin/hugo", "echo broken >&2; exit 3")
    done = await led(machine, "bash: hugo: command not found")
    (action,) = (o for o in done.report.actions if o.status is not ActionStatus.OFFERED)
    assert action.status is ActionStatus.DONE
    assert not any(check.passed for check in action.checks)
    assert any(s.text.startswith("Done, but the problem is still there") for s in done.report.answer)
    assert not done.report.findings[0].resolved


async def test_refused_means_nothing_was_done(machine):
    machine.put(machine.bin / "docker", DOCKER)
    async with open_services(machine.work) as services:
        request = MissionRequest(goal=GOALS["en"], workspace=str(machine.work))
        mission = await services.missions.accept(request)
        waiting = await services.worker.run(mission.id)
        await services.approvals.decide(waiting.pending[0], "rejected", by="human:ada", reason="not on this machine")
        done = await services.worker.run(mission.id)
    assert done.report.actions[0].status is ActionStatus.REJECTED
    assert any("not on this machine" in s.text for s in done.report.answer)
    assert list(machine.local.iterdir()) == []


async def test_the_package_manager_is_only_proposed_and_shows_its_exact_line(machine):
    """With neither successor nor copy the install command is the remedy; it is shown, never run unasked."""
    machine.put(
        machine.bin / "apt-cache",
        'printf "docker-compose:\\n  Installed: (none)\\n  Candidate: 2.24.6-1\\n  Version table:\\n"',
    )
    ran = machine.work / "apt-ran"
    machine.put(machine.bin / "apt-get", f'case "$1" in install) : > {ran};; esac')
    waiting = await led(machine, GOALS["en"], approve=False)
    assert waiting.status == "waiting"
    action = waiting.report.actions[0]
    assert action.action.args["argv"][-4:] == ["apt-get", "install", "-y", "docker-compose"]
    assert action.label == "privileged"
    assert "apt-get install -y docker-compose" in action.preview
    assert not ran.exists()


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_a_command_that_does_work_here_is_said_to_first(machine, cli, lang):
    """Where it is and why a shell may not find it is the first thing said, before what other agents looked at."""
    here = machine.put(machine.bin / "docker-compose", "echo Docker Compose version v2.29.1")
    (machine.work / "docker-compose.yml").write_text(COMPOSE_FILE)
    _, done, _ = cli(lang, "run", GOALS[lang], "--workspace", machine.work, "--yes", "--json")
    first = done["answer"][0]
    assert first["text"].startswith("system.diagnose_command")
    assert str(here) in first["quote"]
    assert "hash -r" in first["quote"]


async def test_without_any_remedy_the_answer_is_honest(machine):
    done = await led(machine, "zsh: command not found: frobnicate", approve=False)
    assert done.status == "done"
    assert done.report.actions == ()
    causes = {entry.finding.cause for entry in done.report.findings}
    assert {"command-missing:frobnicate", "command-no-remedy:frobnicate"} <= causes


async def test_a_message_without_a_command_is_said_to_have_none(machine):
    done = await led(machine, "it does not work", approve=False)
    assert done.report.tasks[0].status == "partial"
    assert "No command name was recognised" in done.report.missing[0]


WINDOWS = {
    "en": "'docker-compose' is not recognized as an internal or external command, operable program or batch file.",
    "fr": "docker-compose : Le terme «docker-compose» n'est pas reconnu comme nom d'applet de commande.",
}


@pytest.mark.parametrize("lang", ["en", "fr"])
async def test_a_message_from_windows_gets_powershell_and_path_advice(machine, lang):
    """On this machine, because the wording gives Windows away; the advice is information, no action."""
    machine.put(machine.local / "docker-compose", "echo ok")
    done = await led(machine, WINDOWS[lang], approve=False, lang=lang)
    advice = [e.finding for e in done.report.findings if e.finding.rule == "system.windows-advice"]
    fixes = "\n".join(finding.fix for finding in advice)
    assert "Get-Command docker-compose" in fixes
    assert "[Environment]::SetEnvironmentVariable('Path'" in fixes
    assert "winget install" in fixes
    assert all(("Sous Windows" if lang == "fr" else "On Windows") in finding.title for finding in advice)


async def test_on_windows_the_remedies_are_powershell_lines(machine, tmp_path):
    """Platform facts say Windows: each remedy is a PowerShell call, privileged and shown exactly."""
    variables = {"PATH": str(machine.bin), "ComSpec": "C:\\Windows\\System32\\cmd.exe"}
    environment = Environment(variables=variables, home=machine.home, system="Windows")
    machine.put(machine.bin / "docker", DOCKER)
    machine.put(machine.bin / "winget", "echo ok")
    root = tmp_path / "root"
    root.mkdir()
    own = ToolSettings()
    rooms = (fs, shell, code, compose, docs, net, mcp_docs)
    tools = [Limited(tool) for room in rooms for tool in room.tools(own)]
    tools += [Limited(tool) for tool in system.tools(own, environment, root)]
    waiting = await led(machine, GOALS["en"], approve=False, tools=tools)
    shim, install = waiting.report.actions
    assert shim.action.args["argv"][0] == "powershell"
    assert "docker-compose.cmd" in shim.preview
    assert (shim.label, shim.status) == ("privileged", ActionStatus.PENDING)
    assert install.action.args["argv"][:2] == ["winget", "install"]
    assert install.status is ActionStatus.OFFERED, "an alternative to the first remedy, not put to the human"
