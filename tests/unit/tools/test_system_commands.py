"""The reference case: a command that is not found, from the message to a remedy that works."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nextgeneration.kernel.actions import Proposal
from nextgeneration.kernel.risk import RiskLabel
from nextgeneration.kernel.tools import Tool, ToolContext, ToolResult
from nextgeneration.settings.environment import Environment
from nextgeneration.settings.tools import ToolSettings
from nextgeneration.tools.base import parse_args
from nextgeneration.tools.errors import BadArguments
from nextgeneration.tools.shell import tools as shell_tools
from nextgeneration.tools.system import tools
from nextgeneration.tools.system.errors import CommandNameRefused, TrialNotApproved
from nextgeneration.tools.system.names import mentions

BASICS = ("sh", "bash", "mkdir", "chmod", "ln", "cat", "env", "sleep")


class Machine:
    """A machine below a temporary folder: its own root, home and PATH, with real programs in it."""

    def __init__(self, folder: Path) -> None:
        self.root, self.home, self.bin = folder / "root", folder / "home", folder / "bin"
        for place in (self.root, self.home, self.bin, folder / "scratch", folder / "work"):
            place.mkdir()
        for name in BASICS:
            (self.bin / name).symlink_to(shutil.which(name) or f"/bin/{name}")
        self.path = [str(self.bin)]
        self.variables = {"HOME": str(self.home), "SHELL": shutil.which("bash") or "/bin/bash"}
        self.system = "Linux"
        self.context = ToolContext(workspace=folder / "work", scratch=folder / "scratch")

    def put(self, path: Path, script: str = "echo ok", *, mode: int = 0o755) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(mode)
        return path

    def tools(self) -> dict[str, Tool]:
        variables = {**self.variables, "PATH": os.pathsep.join(self.path)}
        environment = Environment(variables=variables, home=self.home, system=self.system)
        return {tool.spec.name: tool for tool in tools(ToolSettings(), environment, self.root)}

    async def call(self, name: str, lang: str = "en", approved: bool = False, **args: Any) -> ToolResult:
        tool = self.tools()[name]
        context = ToolContext(
            workspace=self.context.workspace, scratch=self.context.scratch, lang=lang, approved=approved
        )
        return await tool.call(parse_args(tool, args), context)

    async def diagnose(self, text: str, **args: Any) -> ToolResult:
        return await self.call("system.diagnose_command", text=text, **args)

    def execute(self, proposal: Proposal) -> None:
        assert proposal.tool == "shell.run"
        assert proposal.args["confined"] is False
        variables = {**self.variables, "PATH": os.pathsep.join(self.path)}
        subprocess.run(proposal.args["argv"], env=variables, check=True, timeout=10)

    async def verified(self, proposal: Proposal) -> bool:
        check = proposal.verify
        assert check is not None
        result = await self.call(check.tool, approved=True, **check.args)
        return result.ok and not {found.id for found in result.findings} & set(check.absent)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def rules(result: ToolResult) -> list[str]:
    return [found.rule.removeprefix("system.") for found in result.findings]


MESSAGES = [
    ("docker-compose is not recognised as a command", "docker-compose", ""),
    ("`docker-compose` is not recognized as a command", "docker-compose", ""),
    ("'docker-compose' n'est pas reconnu en tant que commande interne\nou externe", "docker-compose", "Windows"),
    ("« docker-compose » n’est pas reconnu comme une commande", "docker-compose", ""),
    (
        "'docker-compose' is not recognized as an internal or external command,\noperable program or batch file.",
        "docker-compose",
        "Windows",
    ),
    (
        "docker-compose : The term 'docker-compose' is not recognized as the name of a cmdlet, function",
        "docker-compose",
        "Windows",
    ),
    ("kubectl : Le terme «kubectl» n'est pas reconnu comme nom d'applet de commande", "kubectl", "Windows"),
    ("bash: foo: command not found", "foo", ""),
    ("bash: line 1: foo: command not found", "foo", ""),
    ("-bash: ./bin/foo.sh: command not found", "foo.sh", ""),
    ("foo : commande introuvable", "foo", ""),
    ("bash: foo : commande introuvable", "foo", ""),
    ("zsh: command not found: gh", "gh", ""),
    ("fish: Unknown command: rg", "rg", ""),
    ("sh: 1: node: not found", "node", ""),
    ("/bin/sh: jq: not found", "jq", ""),
    ("ksh: python: inaccessible or not found", "python", ""),
    ("/usr/bin/env: 'python': No such file or directory", "python", ""),
    ("/usr/bin/env: « node »: Aucun fichier ou dossier de ce type", "node", ""),
    ('exec: "kubectl": executable file not found in $PATH', "kubectl", ""),
    ("Error: spawn yarn ENOENT", "yarn", ""),
    ("Command 'pip' not found, but can be installed with:", "pip", ""),
    ("la commande terraform n'existe pas", "terraform", ""),
    ("make is not installed on this machine", "make", ""),
    ("git n'est pas installé", "git", ""),
    ("FileNotFoundError: [Errno 2] No such file or directory: 'ffmpeg'", "ffmpeg", ""),
    ("C:\\tools\\foo.exe is not recognized as an internal or external command", "foo", "Windows"),
]


@pytest.mark.parametrize(("text", "command", "system"), MESSAGES)
def test_the_command_is_read_from_the_messages_of_shells_in_both_languages(
    text: str, command: str, system: str
) -> None:
    first = mentions(text)[0]
    assert (first.command, first.system, first.sure) == (command, system, True)


@pytest.mark.parametrize(
    "text",
    [
        "check this project",
        "The command is not recognised",
        "résume ce document",
        "",
        "a" * 9_000,
        ": not found " * 700,
        "'" * 5_000,
        "n'est pas reconnu " * 500,
        "$(reboot): command not found",
    ],
)
async def test_a_text_without_a_command_gets_an_honest_answer_and_no_remedy(machine: Machine, text: str) -> None:
    result = await machine.diagnose(text)
    assert not result.proposals
    if not result.ok:
        assert result.value["command"] is None
        assert "No command name" in result.text
        assert not result.findings


async def test_a_wish_counts_only_when_its_word_is_a_command(machine: Machine) -> None:
    """ "install X" is said of many things; only what is a command for sure is looked after."""
    assert not (await machine.diagnose("fix thingamajig")).ok
    assert not (await machine.diagnose("fix thingamajig", platform="windows")).ok
    assert (await machine.diagnose("please install jq")).value["command"] == "jq"
    machine.put(machine.bin / "thingamajig")
    assert (await machine.diagnose("fix thingamajig")).value["command"] == "thingamajig"


async def test_the_remedies_stand_in_their_order_and_name_what_they_fix(machine: Machine) -> None:
    machine.put(machine.bin / "docker", '[ "$1" = compose ] && echo "Docker Compose version v2.29.7"')
    machine.put(machine.root / "usr/libexec/docker/cli-plugins/docker-compose")
    machine.put(machine.bin / "apt-get")
    machine.put(machine.bin / "apt-cache", 'echo "docker-compose:"; echo "  Candidate: 1.29.2-3"')
    result = await machine.diagnose("docker-compose is not recognised as a command")
    assert rules(result)[:4] == ["command-missing", "command-successor", "command-outside-path", "command-package"]
    missing = result.findings[0]
    assert missing.holds
    assert missing.cause == "command-missing:docker-compose"
    assert missing.location is None
    assert missing.evidence[0].source == "system.diagnose_command"
    assert "Docker Compose version v2.29.7" in result.findings[1].evidence[0].excerpt
    kinds = [" ".join(proposal.args["argv"]) for proposal in result.proposals]
    assert "exec docker compose" in kinds[0]
    assert "cli-plugins/docker-compose" in kinds[1]
    assert kinds[2].endswith("apt-get install -y docker-compose")
    assert [proposal.rank for proposal in result.proposals] == [1, 2, 3]
    assert {proposal.group for proposal in result.proposals} == {"command:docker-compose"}
    assert all(proposal.fixes == (missing.id,) for proposal in result.proposals)


@pytest.mark.parametrize("lang", ["en", "fr"])
async def test_the_shim_is_made_and_the_failing_command_then_works(machine: Machine, lang: str) -> None:
    """B11 for real: the proposal runs as it stands and the check that found the problem is passed."""
    local = machine.home / ".local/bin"
    machine.path.append(str(local))
    machine.put(machine.bin / "docker", 'shift; echo "compose got: $*"')
    result = await machine.diagnose("docker-compose: command not found", lang=lang)
    proposal = result.proposals[0]
    assert str(local / "docker-compose") in proposal.reason
    assert not await machine.verified(proposal)
    machine.execute(proposal)
    assert await machine.verified(proposal)
    ran = subprocess.run([local / "docker-compose", "up", "a b"], env={"PATH": str(machine.bin)}, capture_output=True)
    assert ran.stdout == b"compose got: up a b\n"
    again = await machine.diagnose("docker-compose: command not found", lang=lang)
    assert rules(again) == ["command-present"]
    assert not again.findings[0].holds
    assert again.findings[0].cause == result.findings[0].cause
    assert not again.proposals


async def test_the_remedy_is_a_call_that_shell_run_takes_judges_and_shows_in_one_line(machine: Machine) -> None:
    machine.path.append(str(machine.home / ".local/bin"))
    machine.put(machine.bin / "docker")
    proposal = (await machine.diagnose("docker-compose: command not found")).proposals[0]
    run = next(tool for tool in shell_tools(ToolSettings()) if tool.spec.name == "shell.run")
    args = parse_args(run, proposal.args)
    assert run.assess(args, machine.context).label is RiskLabel.PRIVILEGED
    shown = run.preview(args, machine.context).body.splitlines()[-1]
    assert shown.count("'") == 2
    assert "exec docker compose" in shown


async def test_a_shim_never_overwrites_a_file(machine: Machine) -> None:
    machine.path.append(str(machine.home / ".local/bin"))
    machine.put(machine.bin / "docker")
    proposal = (await machine.diagnose("docker-compose: command not found")).proposals[0]
    existing = machine.put(machine.home / ".local/bin/docker-compose", "echo mine")
    before = existing.read_bytes()
    with pytest.raises(subprocess.CalledProcessError):
        machine.execute(proposal)
    assert existing.read_bytes() == before


async def test_a_program_outside_path_is_linked(machine: Machine) -> None:
    machine.path.append(str(machine.home / ".local/bin"))
    machine.put(machine.root / "opt/acme/bin/acme", "echo acme 1.0")
    result = await machine.diagnose("acme: command not found")
    assert rules(result) == ["command-missing", "command-outside-path"]
    (proposal,) = result.proposals
    machine.execute(proposal)
    assert await machine.verified(proposal)
    (machine.home / ".local/bin/acme").unlink()
    again = (await machine.diagnose("acme: command not found")).proposals[0]
    assert again.args["argv"][:2] == ["ln", "-s"]
    machine.execute(again)
    assert await machine.verified(again)


async def test_a_folder_with_shell_characters_in_its_name_stays_one_word(tmp_path: Path) -> None:
    folder = tmp_path / "a 'b' $(touch hit); c"
    folder.mkdir()
    machine = Machine(folder)
    machine.path.append(str(machine.home / ".local/bin"))
    machine.put(machine.bin / "docker")
    proposal = (await machine.diagnose("docker-compose: command not found")).proposals[0]
    machine.execute(proposal)
    assert (machine.home / ".local/bin/docker-compose").exists()
    assert not list(Path.cwd().glob("hit"))


async def test_without_a_folder_on_path_the_line_to_add_is_said_and_no_startup_file_is_touched(
    machine: Machine,
) -> None:
    machine.put(machine.bin / "docker")
    machine.put(machine.home / ".bashrc", "# mine")
    for shell, line in (("/bin/bash", "~/.bashrc"), ("/bin/zsh", "~/.zshrc"), ("/usr/bin/fish", "fish_add_path")):
        machine.variables["SHELL"] = shell
        result = await machine.diagnose("docker-compose: command not found")
        lacking = next(found for found in result.findings if found.rule == "system.local-bin-not-on-path")
        assert line in lacking.fix
        assert line in result.proposals[0].reason
    machine.execute(result.proposals[0])
    assert (machine.home / ".bashrc").read_text() == "#!/bin/sh\n# mine\n"


async def test_a_login_shell_finds_what_the_open_one_does_not(machine: Machine) -> None:
    """Debian's ~/.profile adds ~/.local/bin once it exists: the trial looks there too, and says so."""
    local = machine.home / ".local/bin"
    machine.put(local / "fresh", "echo fresh 2")
    (machine.home / ".profile").write_text(f'PATH="{local}:$PATH"\n')
    result = await machine.call("system.try_command", command="fresh", approved=True)
    assert result.ok
    assert result.value["login"] is True
    assert "open a new one" in result.text


async def test_another_folder_of_path_is_taken_when_local_bin_is_not_there(machine: Machine) -> None:
    machine.put(machine.bin / "docker")
    (machine.home / "bin").mkdir()
    machine.path.append(str(machine.home / "bin"))
    proposal = (await machine.diagnose("docker-compose: command not found")).proposals[0]
    machine.execute(proposal)
    assert (machine.home / "bin/docker-compose").exists()


@pytest.mark.parametrize(
    ("command", "there", "call"),
    [("python", "python3", "python3"), ("pip", "python3", "python3 -m pip"), ("nodejs", "node", "node"),
     ("fd", "fdfind", "fdfind"), ("bat", "batcat", "batcat"), ("docker", "podman", "podman")],
)  # fmt: skip
async def test_known_successors_of_other_commands(machine: Machine, command: str, there: str, call: str) -> None:
    machine.path.append(str(machine.home / ".local/bin"))
    machine.put(machine.bin / there, "echo version 1")
    result = await machine.diagnose(f"{command}: command not found")
    proposal = result.proposals[0]
    assert f"exec {call} " in proposal.args["argv"][-1]
    machine.execute(proposal)
    assert await machine.verified(proposal)


async def test_a_successor_that_takes_other_options_is_named_but_not_put_in_its_place(machine: Machine) -> None:
    machine.put(machine.bin / "ip", "echo lo")
    result = await machine.diagnose("ifconfig: command not found")
    assert "command-successor" in rules(result)
    assert not result.proposals


async def test_a_docker_without_compose_is_no_successor(machine: Machine) -> None:
    machine.put(machine.bin / "docker", "echo \"docker: 'compose' is not a docker command\"; exit 1")
    result = await machine.diagnose("docker-compose: command not found")
    assert rules(result) == ["command-missing", "no-remedy-known"]
    assert not result.proposals


MANAGERS = [
    ("apt-get", "apt-cache", "  Installed: (none)\n  Candidate: 1.7", ["apt-get", "install", "-y", "jq"]),
    ("apk", "apk", "jq policy:\n  1.7.1-r0:\n    lib/apk", ["apk", "add", "jq"]),
    ("dnf", "dnf", "Name : jq\nVersion      : 1.7", ["dnf", "install", "-y", "jq"]),
    ("pacman", "pacman", "Repository : extra\nVersion : 1.7-1", ["pacman", "-S", "--noconfirm", "jq"]),
    ("zypper", "zypper", "Version : 1.7", ["zypper", "--non-interactive", "install", "jq"]),
]


@pytest.mark.parametrize(("manager", "asked", "answer", "install"), MANAGERS)
async def test_each_package_manager_is_asked_in_its_own_words(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, manager: str, asked: str, answer: str, install: list[str]
) -> None:
    machine.put(machine.bin / manager)
    machine.put(machine.bin / asked, "\n".join(f"echo '{line}'" for line in answer.splitlines()))
    as_user(monkeypatch, 0)
    (proposal,) = (await machine.diagnose("jq: command not found")).proposals
    assert proposal.args["argv"] == install
    as_user(monkeypatch, 1000)
    result = await machine.diagnose("jq: command not found")
    assert not result.proposals
    assert rules(result)[-1] == "install-needs-root"
    machine.put(machine.bin / "sudo")
    (proposal,) = (await machine.diagnose("jq: command not found")).proposals
    assert proposal.args["argv"] == ["sudo", *install]
    assert "password" in proposal.reason


def as_user(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: number)


async def test_a_package_that_the_manager_does_not_have_is_not_offered(machine: Machine) -> None:
    machine.put(machine.bin / "apt-get")
    machine.put(machine.bin / "apt-cache", "echo '  Candidate: (none)'")
    (machine.root / "var/lib/apt/lists").mkdir(parents=True)
    (machine.root / "var/lib/apt/lists/deb_main_Packages.lz4").touch()
    assert rules(await machine.diagnose("nosuch: command not found")) == ["command-missing", "no-remedy-known"]
    result = await machine.diagnose("jq: command not found")
    assert not result.proposals


async def test_without_package_lists_they_are_fetched_first(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fresh container has apt but no lists: the install alone would fail."""
    machine.put(machine.bin / "apt-get")
    machine.put(machine.bin / "apt-cache", "true")
    as_user(monkeypatch, 0)
    (proposal,) = (await machine.diagnose("jq: command not found")).proposals
    assert proposal.args["argv"] == ["sh", "-c", "apt-get update && apt-get install -y jq"]


async def test_brew_is_not_asked_because_that_would_use_the_network(machine: Machine) -> None:
    marker = machine.home / "asked"
    machine.put(machine.bin / "brew", f"echo x > {marker}")
    (proposal,) = (await machine.diagnose("fd: command not found")).proposals
    assert proposal.args["argv"] == ["brew", "install", "fd"]
    assert not marker.exists()


async def test_broken_copies_are_told_from_missing_ones(machine: Machine) -> None:
    local = machine.home / ".local/bin"
    machine.path.insert(0, str(local))
    plain = machine.put(local / "acme", mode=0o644)
    result = await machine.diagnose("acme: command not found")
    assert rules(result) == ["command-missing", "command-broken"]
    assert result.proposals[0].args["argv"] == ["chmod", "u+x", str(plain)]
    machine.execute(result.proposals[0])
    assert await machine.verified(result.proposals[0])
    plain.write_text("#!/nowhere/python\n")
    result = await machine.call("system.which", command="acme")
    assert "/nowhere/python" in result.findings[1].message
    plain.write_text("#!/usr/bin/env no-such-interpreter\n")
    result = await machine.call("system.which", command="acme")
    assert "no-such-interpreter" in result.findings[1].message
    plain.unlink()
    plain.symlink_to("/nowhere/acme")
    result = await machine.call("system.which", command="acme", lang="fr")
    assert "/nowhere/acme" in result.findings[1].message


async def test_which_lists_hidden_copies_but_not_the_same_file_twice(machine: Machine) -> None:
    first, second = machine.put(machine.bin / "acme"), machine.put(machine.home / "bin/acme", "echo other")
    mirror = machine.home / "mirror"
    mirror.symlink_to(machine.bin)
    machine.path += [str(mirror), str(second.parent)]
    result = await machine.call("system.which", command="acme")
    assert [spot["path"] for spot in result.value["on_path"]] == [str(first), str(second)]
    assert rules(result) == ["command-present", "command-shadowed"]
    assert "Aliases" in result.value["note"]


@pytest.mark.parametrize("name", ["../evil", "a b", "a;b", "-rf", "a$(b)", "a\nb", "é"])
async def test_only_plain_names_are_taken(machine: Machine, name: str) -> None:
    for tool in ("system.which", "system.try_command", "system.diagnose_command"):
        with pytest.raises(CommandNameRefused):
            await machine.call(tool, command=name, approved=True)


async def test_a_trial_needs_approval_and_takes_harmless_arguments_only(machine: Machine) -> None:
    marker = machine.home / "ran"
    machine.put(machine.bin / "acme", f"echo x > {marker}")
    with pytest.raises(TrialNotApproved):
        await machine.call("system.try_command", command="acme")
    with pytest.raises(BadArguments):
        await machine.call("system.try_command", command="acme", argument="--delete", approved=True)
    assert not marker.exists()
    tool = machine.tools()["system.try_command"]
    args = parse_args(tool, {"command": "acme"})
    assessment = tool.assess(args, machine.context)
    assert assessment.label is RiskLabel.UNKNOWN
    assert "acme --version" in assessment.reasons[0]
    assert tool.preview(args, machine.context).body.endswith("-c 'acme --version'")
    assert tool.subjects(args) == ("acme --version",)


async def test_a_trial_says_missing_failing_or_present(machine: Machine) -> None:
    result = await machine.call("system.try_command", command="acme", approved=True)
    assert not result.ok
    assert rules(result) == ["command-missing"]
    machine.put(machine.bin / "acme", "echo broken >&2; exit 3")
    result = await machine.call("system.try_command", command="acme", approved=True)
    assert not result.ok
    assert rules(result) == ["command-fails"]
    assert "broken" in result.findings[0].message
    machine.put(machine.bin / "acme", 'echo "acme $1"')
    result = await machine.call("system.try_command", command="acme", argument="version", approved=True)
    assert result.ok
    assert result.text == "acme version"
    machine.variables["SHELL"] = "/usr/sbin/nologin"
    assert (await machine.call("system.try_command", command="acme", approved=True)).ok


async def test_a_trial_that_hangs_or_floods_is_ended(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Grandchildren are ended too, and the answer stays bounded."""
    monkeypatch.setattr("nextgeneration.tools.system.trial.SECONDS", 0.5)
    machine.put(machine.bin / "acme", f"(sleep 30; echo late > {machine.home / 'late'}) & sleep 30")
    result = await machine.call("system.try_command", command="acme", approved=True)
    assert not result.ok
    assert result.value["code"] is None
    machine.put(machine.bin / "acme", "while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done")
    result = await machine.call("system.try_command", command="acme", approved=True)
    assert len(result.value["output"]) <= 8_192


async def test_a_program_the_workspace_brings_along_is_never_run_as_our_helper(machine: Machine) -> None:
    """An activated .venv of a hostile repository may hold a `docker`; a pure tool must not start it."""
    marker = machine.home / "owned"
    folder = machine.context.workspace / ".venv/bin"
    machine.put(folder / "docker", f"echo x > {marker}")
    machine.put(folder / "nvidia-smi", f"echo x > {marker}")
    machine.path.insert(0, str(folder))
    machine.path.insert(0, "relative")
    await machine.diagnose("docker-compose: command not found")
    await machine.call("system.gpu")
    assert not marker.exists()


@pytest.mark.parametrize("lang", ["en", "fr"])
async def test_advice_for_a_windows_machine_that_is_not_this_one(machine: Machine, lang: str) -> None:
    text = "'docker-compose' n'est pas reconnu en tant que commande interne"
    result = await machine.diagnose(text, platform="windows", lang=lang)
    assert not result.proposals
    assert result.value["survey"] is None
    assert rules(result) == ["command-missing", *["windows-advice"] * 4]
    assert result.findings[0].confidence < 1
    assert text in result.findings[0].evidence[0].excerpt
    fixes = "\n".join(found.fix for found in result.findings)
    assert "Get-Command docker-compose" in fixes
    assert "@docker compose %*" in fixes
    assert r"C:\Program Files\Docker\Docker\resources\bin" in fixes
    assert "winget install --exact --id Docker.DockerDesktop" in fixes
    assert all(step["executable_here"] is False for step in result.value["advice"])


async def test_a_windows_message_shown_on_linux_gets_both(machine: Machine) -> None:
    machine.put(machine.bin / "docker")
    result = await machine.diagnose("'docker-compose' is not recognized as an internal or external command")
    assert result.value["message_system"] == "Windows"
    assert result.proposals
    assert "windows-advice" in rules(result)


async def test_on_windows_the_remedies_are_powershell_lines(machine: Machine) -> None:
    machine.system = "Windows"
    machine.path = ["relative"]
    result = await machine.diagnose("the term 'acme' is not recognized as the name of a cmdlet")
    assert not result.proposals
    assert all(step["executable_here"] for step in result.value["advice"])
    assert "winget search acme" in result.findings[-1].fix


async def test_windows_remedies_in_the_same_order(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows is stood in for: programs are found by name, PATH is split at semicolons."""
    machine.system = "Windows"
    machine.put(machine.bin / "docker")
    machine.put(machine.bin / "winget")
    machine.put(machine.home / ".docker/bin/docker-compose.exe")
    result = await machine.diagnose("docker-compose n'est pas reconnu")
    commands = [proposal.args["argv"][-1] for proposal in result.proposals]
    assert "docker-compose.cmd" in commands[0]
    assert "SetEnvironmentVariable" in commands[1]
    assert commands[2] == "Docker.DockerDesktop"
    tool = machine.tools()["system.try_command"]
    preview = tool.preview(parse_args(tool, {"command": "docker-compose"}), machine.context)
    assert "/d /c" in preview.body


async def test_mac_os_is_asked_for_by_name(machine: Machine) -> None:
    result = await machine.diagnose("jq: command not found", platform="macos")
    assert result.value["platform"] == "Darwin"
    assert rules(result) == ["command-missing"]


def test_the_environment_reads_itself_once_and_shows_no_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET", "hunter2")
    monkeypatch.setenv("PATH", "/a::/b")
    monkeypatch.setenv("LANG", "fr_FR.UTF-8")
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.delenv("LC_MESSAGES", raising=False)
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("PSModulePath", "x")
    environment = Environment.current()
    assert environment.path == ("/a", "", "/b")
    assert "hunter2" not in repr(environment)
    assert environment.chosen(["A_SECRET", "NOT_THERE"]) == {"A_SECRET": "hunter2"}
    assert environment.locale == "fr_FR.UTF-8"
    assert environment.display
    assert environment.powershell
    monkeypatch.setattr(Path, "home", _no_home)
    assert Environment.current().home == Path("/")


def _no_home() -> Path:
    raise RuntimeError


def test_every_tool_says_what_it_is(machine: Machine, either: Callable[[str], str]) -> None:
    for name, tool in machine.tools().items():
        assert name.startswith("system.")
        assert either(tool.spec.summary.en) != tool.spec.summary.fr
        assert tool.spec.result.model_json_schema()


@pytest.fixture
def either() -> Callable[[str], str]:
    return str
