"""The demo mission with a model: agents, tools, provider libraries and books are real; only the far end is ours."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import pytest

from nextgeneration.cli.main import run_command
from nextgeneration.credits.schema import ReportLine
from nextgeneration.events.schema import Event
from nextgeneration.kernel.reports import Cost
from nextgeneration.missions.schema import MissionOptions, MissionRequest
from nextgeneration.models import retries
from nextgeneration.services.assembly import open_services
from nextgeneration.services.records import open_records
from nextgeneration.supervisor.outcome import MissionReport
from nextgeneration.supervisor.render.markdown import markdown
from nextgeneration.testing.process import new_process
from nextgeneration.testing.wire import Fails, RateLimited, Resets, Say, Seen, Step, WireServer
from nextgeneration.testing.wire.demo import TASKS, DemoModel

GOAL = "check this project"
SECRET = "sk-of-the-double-0123456789"
MODELS = {
    "openai": "gpt-4o",
    "openai-responses": "gpt-5.4-mini",
    "anthropic": "claude-sonnet-5-5",
    "gemini": "gemini-3.8-flash",
    "ollama": "qwen3:8b",
}
DIALECTS = {"gemini": "google"}
ALWAYS_STREAMED = {"openai-responses", "ollama"}
INPUT, OUTPUT = 200, 1_000
"""Micro-credits a token: at 2 and 10 USD per million."""

EVERY = pytest.mark.parametrize("provider", MODELS)
LONG = Say(" ".join(f"word{n}" for n in range(400)))


@pytest.fixture
def project(tmp_path):
    with as_file(files("nextgeneration") / "sample") as sample:
        shutil.copytree(sample, tmp_path / "orders", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "orders"


@pytest.fixture(autouse=True)
def own_process(own_home, monkeypatch, tmp_path):
    """As in a new process, with short pauses between tries: how long they are is tried elsewhere."""
    monkeypatch.setattr(retries, "FIRST_SECONDS", 0.02)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with new_process():
        yield


@pytest.fixture
def known(monkeypatch):
    """Make providers known by the environment, as a user does, in this order of preference."""

    def add(**servers: tuple[str, str]) -> None:
        """Each by its name: its format and its address."""
        names = {name: f"{name}:{MODELS[form]}" for name, (form, _) in servers.items()}
        for name, (form, url) in servers.items():
            told = {"url": url, "key": "DOUBLE_KEY", "dialect": DIALECTS.get(form, form)}
            for field, value in {**told, "models": json.dumps([MODELS[form]])}.items():
                monkeypatch.setenv(f"NG_MODELS_PROVIDERS__{name}__{field}", value)
        price = {"input": "2", "output": "10"}
        monkeypatch.setenv("DOUBLE_KEY", SECRET)
        monkeypatch.setenv("NG_MODELS_KEYRING", "false")
        monkeypatch.setenv("NG_MODELS_PRICES", json.dumps(dict.fromkeys(names.values(), price)))
        ranks = {name: {"rank": 9 - place} for place, name in enumerate(names.values())}
        monkeypatch.setenv("NG_MODELS_FACTS", json.dumps(ranks))

    return add


@pytest.fixture
def nothing_there():
    """An address where nobody answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def cli(capsys):
    """Run a command line without a terminal: its exit code and its document."""

    def run(*args: Any) -> tuple[int, dict[str, Any], str]:
        capsys.readouterr()
        code = run_command([*map(str, args), "--json"])
        out, err = capsys.readouterr()
        assert SECRET not in out + err
        return code, json.loads(out), err

    return run


async def mission(services: Any, project: Path, **options: Any) -> Any:
    """Run the demo mission; whoever is asked says yes."""
    request = MissionRequest(goal=GOAL, workspace=str(project), options=MissionOptions(actions=1, **options))
    accepted = await services.missions.accept(request)
    outcome = await services.worker.run(accepted.id)
    while outcome.pending:
        for name in outcome.pending:
            approval = await services.approvals.get(name)
            await services.approvals.decide(name, "approved", by="human:ada", digest=approval.digest)
        outcome = await services.worker.run(accepted.id)
    return outcome


def journal(mission_id: str) -> list[Event]:
    """A mission's events, as they are on disk."""

    async def read() -> list[Event]:
        with open_records() as records:
            return await records.missions.journal(mission_id)

    return asyncio.run(read())


def thoughts(events: list[Event], kind: str = "effect.intent") -> list[Event]:
    return [event for event in events if event.type == kind and event.data.get("tool") == "model"]


def price(server: WireServer) -> int:
    """What the provider bills, in micro-credits."""
    return INPUT * server.total.input + OUTPUT * server.total.output


def findings_rest_on_tools(report: MissionReport) -> None:
    """Each finding has evidence, and what the model added quotes what it read."""
    assert all(entry.finding.evidence for entry in report.findings)
    tools = {evidence.source for entry in report.findings for evidence in entry.finding.evidence}
    assert {"compose.audit", "code.secrets", "fs.read"} <= tools
    noticed = next(entry.finding for entry in report.findings if entry.finding.rule.startswith("model."))
    assert noticed.evidence[0].excerpt.endswith("# starts the PDF printer")


def prose_rests_on_the_report(report: MissionReport) -> None:
    """Each sentence names something of the report; the one that named nothing is gone."""
    known = {one.id for one in (*report.findings, *report.tasks, *(outcome.action for outcome in report.actions))}
    assert 3 <= len(report.prose) <= 5
    assert all({*s.findings, *s.tasks, *s.actions} & known for s in report.prose)
    assert not any("older than it looks" in s.text for s in report.prose)
    assert report.prose[0].text in markdown(report)


def books_agree(server: WireServer, total: ReportLine, used: Cost, events: list[Event]) -> None:
    """What the provider billed is what the ledger, the report and the journal say."""
    bill = server.total
    assert used.model_calls == total.calls == len(server.billed) == len(thoughts(events))
    assert (used.input_tokens, used.output_tokens) == (total.input, total.output) == (bill.input, bill.output)
    assert used.credits == total.charged == price(server) > 0
    assert (total.held, total.unconfirmed) == (0, 0)
    ends = [event.data["cost"] for event in events if event.type == "task.ended"]
    own = sum(event.data["credits"] for event in thoughts(events, "effect.outcome") if "supervisor" in event.task)
    assert sum(cost["credits"] for cost in ends) + own == used.credits


# -- the whole way -----------------------------------------------------------------------------------------------------


@EVERY
@pytest.mark.parametrize("watched", [False, True], ids=["whole", "streamed"])
async def test_the_demo_mission_runs_with_a_model_of_every_format(provider, watched, project, known):
    """Planned, worked, asked, mended, verified and worded; what it cost is the same in every book.

    Answers are streamed where somebody watches the mission.
    """
    pieces: list[Event] = []
    with WireServer(provider, key=SECRET).answers(DemoModel()) as server:
        known(far=(provider, server.url))
        async with open_services(project) as services:
            if watched:
                services.bus.subscribe(pieces.append)
            outcome = await mission(services, project)
            events = await services.missions.journal(outcome.mission)
            books = services.models.credits
            total = await books.cost(mission=outcome.mission)
            agents = {line.name for line in await books.report("agent")}
            assert await books.verify() == []
    report = outcome.report

    assert outcome.status == "done"
    assert [task.template for task in report.tasks] == list(TASKS)
    assert [task.status.value for task in report.tasks] == ["done"] * 3
    planned = next(event for event in events if event.type == "mission.planned").data
    assert [task["agent"] for task in planned["tasks"]] == list(TASKS)
    assert "it can" in report.plan, "the reasons are the model's"

    said = {seen.stream for seen in server.requests}
    assert said == {watched or provider in ALWAYS_STREAMED}
    called = {(event.task, event.data["tool"]) for event in events if event.type == "effect.intent"}
    assert {("t1", "compose.audit"), ("t1", "fs.read"), ("t2", "code.secrets"), ("t3", "fs.read")} <= called
    wanted = [tuple(event.data["calls"]) for event in thoughts(events, "effect.outcome") if event.task == "t2"]
    assert wanted == [("fs.read", "fs.read"), ("report",)], "two calls in one answer, then the report"
    findings_rest_on_tools(report)

    (patch,) = [one for one in report.actions if one.status.value != "offered"]
    assert (patch.action.tool, patch.status.value, patch.decided_by) == ("fs.patch", "verified", "human:ada")
    assert "privileged: false" in (project / "docker-compose.yml").read_text()
    kinds = [event.type for event in events]
    assert kinds.index("approval.asked") < kinds.index("approval.decided") < kinds.index("action.verified")

    prose_rests_on_the_report(report)

    intents = thoughts(events)
    assert {event.data["model"] for event in intents} == {f"far:{MODELS[provider]}"}
    assert all(event.data["why"] for event in intents)
    assert {event.task for event in intents} == {"supervisor.plan", "t1", "t2", "t3", "supervisor.prose"}
    assert agents == {"supervisor", *TASKS}
    books_agree(server, total, report.cost, events)
    assert SECRET not in json.dumps([event.as_dict() for event in events])

    shown = [event for event in pieces if event.type == "effect.progress" and event.data["tool"] == "model"]
    assert bool(shown) is watched
    assert all(event.data["model"] == f"far:{MODELS[provider]}" and event.data["line"] for event in shown)
    assert all(event.seq == 0 for event in shown), "what is only shown is not kept"


def test_a_real_process_finds_the_model_runs_waits_and_goes_on(project, known, own_home, tmp_path):
    """``nextgen run`` ends with 4 where nobody is there to ask; ``nextgen approvals approve`` finishes the mission."""
    with WireServer("anthropic", key=SECRET).answers(DemoModel()) as server:
        known(far=("anthropic", server.url))
        names = ("PATH", "HOME", "LANG")
        kept = {k: v for k, v in os.environ.items() if k in names or k.startswith(("COVERAGE", "NG_", "DOUBLE"))}

        def nextgen(*args: Any) -> subprocess.CompletedProcess[str]:
            argv = [sys.executable, "-m", "nextgeneration.cli", *map(str, args)]
            return subprocess.run(argv, env=kept, capture_output=True, text=True, timeout=100, stdin=subprocess.DEVNULL)

        ran = nextgen("run", GOAL, "-w", project, "--actions", 1, "--budget", 100)
        assert ran.returncode == 4, ran.stderr
        assert re.search(r"▸ supervisor: plan +works +far:claude-sonnet-5-5", ran.stderr)
        assert "plan: 3 tasks (auditeur_code, security_analyst, genie_logiciel)" in ran.stderr
        approval = re.search(r"approve (apr_\w+)", ran.stderr)[1]
        asked = len(server.requests)
        done = nextgen("approvals", "approve", approval)
        assert done.returncode == 0, done.stderr
        assert "done and verified" in done.stdout
        assert len(server.requests) == asked + 1, "only the answer is worded again; what was said before is known"
        assert "privileged: false" in (project / "docker-compose.yml").read_text()
        assert re.search(r"3 agents, \d+ tool calls, \d+ model calls \([\d,]+ tokens\), [\d.]+ credits", done.stdout)
        assert SECRET not in ran.stdout + ran.stderr + done.stdout + done.stderr


def test_try_says_which_model_it_found(known, cli):
    """...and what it may spend at most; without a terminal the one approval is given for the copy."""
    provider = "anthropic"
    with WireServer(provider).answers(DemoModel()) as server:
        known(far=(provider, server.url))
        code, report, err = cli("try")
    assert f"Model found: far:{MODELS[provider]}. It plans, explains and words the answer" in err
    assert "At most 100 credits" in err
    assert code == 0
    assert report["actions"][0]["status"] == "verified"
    assert report["prose"]
    assert report["cost"]["credits"] == price(server)


def test_try_says_that_there_is_none_and_asks_none_when_told_so(known, cli):
    code, report, err = cli("try")
    assert (code, report["prose"]) == (0, [])
    assert "No model, no network" in err
    with WireServer("ollama") as server:
        known(far=("ollama", server.url))
        code, report, err = cli("try", "--no-model")
    assert (code, report["cost"]["model_calls"]) == (0, 0)
    assert "No model, no network" in err
    assert server.requests == []


def test_try_says_who_plans_and_who_works_when_they_differ(known, cli, monkeypatch):
    """The best model plans, one that is nearly as good and cheaper works; where a tenant has less than the demo's
    limit, the tenant's own holds."""
    with WireServer("anthropic").answers(DemoModel()) as best, WireServer("openai").answers(DemoModel()) as good:
        known(best=("anthropic", best.url), good=("openai", good.url))
        monkeypatch.setenv("NG_MODELS_FACTS", json.dumps({"best:*": {"rank": 9}, "good:*": {"rank": 7}}))
        cli("credits", "limits", "set", "tenant", "local", "50", "--per", "month")
        code, report, err = cli("try")
    assert "Models found: best:claude-sonnet-5-5 plans and words the answer, good:gpt-4o works with the agents" in err
    assert code == 0
    assert {bool(seen.tools) for seen in best.requests} == {False}
    assert {bool(seen.tools) for seen in good.requests} == {True}
    assert report["cost"]["credits"] == price(best) + price(good)


def test_try_says_who_words_the_answer_when_another_provider_does(known, cli):
    """The plan is not judged by whoever made it, where another provider's model is nearly as good."""
    with WireServer("anthropic").answers(DemoModel()) as best, WireServer("openai").answers(DemoModel()) as good:
        known(best=("anthropic", best.url), good=("openai", good.url))
        code, report, err = cli("try")
    assert "best:claude-sonnet-5-5 plans, " in err
    assert "good:gpt-4o words the answer" in err
    assert code == 0
    said = {event.task: event.data["model"] for event in thoughts(journal(report["mission"]))}
    assert said["supervisor.plan"] == "best:claude-sonnet-5-5"
    assert said["supervisor.prose"] == "good:gpt-4o"
    assert report["prose"]


def test_try_says_when_its_model_cannot_call_tools(known, cli, monkeypatch):
    with WireServer("openai", lacks={"tools"}).answers(DemoModel()) as server:
        known(far=("openai", server.url))
        monkeypatch.setenv("NG_MODELS_FACTS", json.dumps({"far:*": {"tools": False}}))
        code, report, err = cli("try", "--budget", "20")
    assert "it cannot call tools, so agents run their playbooks. At most 20 credits." in err
    assert (code, len(server.requests)) == (0, 2), "the plan and the answer"
    assert report["prose"]


# -- what goes wrong ---------------------------------------------------------------------------------------------------


@EVERY
def test_a_rate_limit_is_waited_for(provider, project, known, cli):
    """The same model answers after the pause it asked for; nothing is billed for the refusal."""
    with WireServer(provider).script(RateLimited(0.05)).answers(DemoModel()) as server:
        known(far=(provider, server.url))
        code, report, _ = cli("run", GOAL, "-w", project, "--actions", 0)
    assert code == 0
    assert [task["template"] for task in report["tasks"]] == list(TASKS)
    events = journal(report["mission"])
    (tried,) = thoughts(events, "effect.tried")
    assert (tried.task, tried.data["billed"]) == ("supervisor.plan", "none")
    assert report["cost"]["credits"] == price(server)
    assert len(server.requests) == len(server.billed) + 1


@EVERY
def test_an_answer_that_breaks_off_is_given_by_another_model(provider, project, known, cli):
    """The first model's half answer may have been billed: it is charged in full, and never taken for a plan."""
    with WireServer(provider) as first, WireServer("openai").answers(DemoModel()) as second:
        first.script(Resets("during", LONG)).answers(DemoModel())
        known(first=(provider, first.url), second=("openai", second.url))
        code, report, _ = cli("run", GOAL, "-w", project, "--actions", 0)
    assert code == 0
    assert [task["template"] for task in report["tasks"]] == list(TASKS)
    events = journal(report["mission"])
    (tried,) = thoughts(events, "effect.tried")
    assert tried.data["model"] == f"first:{MODELS[provider]}"
    assert tried.data["billed"] != "none"
    answered = next(event for event in thoughts(events, "effect.outcome") if event.task == "supervisor.plan")
    assert answered.data["model"] == f"second:{MODELS['openai']}"
    assert report["cost"]["credits"] >= price(first) + price(second)


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini", "ollama"])
def test_a_model_that_is_gone_leaves_the_playbooks_which_say_so(provider, project, known, cli, nothing_there):
    known(far=(provider, nothing_there))
    code, report, _ = cli("run", GOAL, "-w", project, "--actions", 0)
    assert code == 0
    assert "planned by rules" in report["plan"]
    assert report["findings"]
    assert report["prose"] == []
    assert report["answer"]
    assert any("cannot be reached" in line for line in report["missing"])
    assert report["cost"]["credits"] == 0


@EVERY
def test_a_server_that_fails_halfway_through_the_work_loses_nothing(provider, project, known, cli):
    """The plan is the model's, the work the playbooks', and what was found stands in the report."""

    def answer(seen: Seen) -> Step:
        return Fails(400, "no such thing") if seen.tools else DemoModel()(seen)

    with WireServer(provider).answers(answer) as server:
        known(far=(provider, server.url))
        code, report, _ = cli("run", GOAL, "-w", project, "--actions", 0)
    assert code == 0
    assert [(task["template"], task["status"]) for task in report["tasks"]] == [(name, "partial") for name in TASKS]
    assert any(entry["finding"]["rule"].startswith("compose.") for entry in report["findings"])
    assert report["prose"]
    assert report["cost"]["credits"] == price(server)


def test_a_budget_too_small_for_any_question_ends_the_mission_in_order(project, known, cli):
    """What the playbooks found is reported; nobody is asked, nothing is spent, and the code says why."""
    with WireServer("gemini").answers(DemoModel()) as server:
        known(far=("gemini", server.url))
        code, report, _ = cli("run", GOAL, "-w", project, "--actions", 0, "--budget", "0.001")
    assert code == 6
    assert {task["status"] for task in report["tasks"]} == {"over_budget"}
    assert report["findings"], "the playbook needs no credits"
    assert any("budget" in line for line in report["missing"])
    assert (server.requests, report["cost"]["credits"]) == ([], 0)


# -- a template that needs a model -------------------------------------------------------------------------------------


THINKER: Mapping[str, Any] = {
    "name": "thinker",
    "role": "thinker",
    "domain": "thought",
    "version": "1.0.0",
    "runtime": "llm",
    "description": {"en": "Thinks.", "fr": "Pense."},
    "supervisor_route": {"route": "thought", "keywords": ["ponder"]},
    "tools": ["compose.audit", "fs.read", "fs.patch"],
}


@pytest.fixture
def thinker(project):
    folder = project / ".nextgen" / "templates"
    folder.mkdir(parents=True)
    (folder / "thinker.json").write_text(json.dumps(THINKER))
    return project


def test_where_a_model_is_required_and_none_is_there_the_code_says_so(thinker, cli):
    code, report, _ = cli("run", "ponder this", "-w", thinker, "-a", "thinker")
    assert (code, report["status"]) == (7, "failed")
    assert "NG-LLM-001" in {problem["code"] for problem in report["tasks"][0]["problems"]}


def test_where_a_model_is_required_and_it_is_gone_the_code_says_so(thinker, known, cli, nothing_there):
    known(far=("openai", nothing_there))
    code, report, _ = cli("run", "ponder this", "-w", thinker, "-a", "thinker")
    assert code == 7
    assert any("cannot be reached" in line for line in report["missing"])


def test_a_budget_that_leaves_nothing_to_do_is_told_by_the_code(thinker, known, cli):
    with WireServer("openai").answers(DemoModel()) as server:
        known(far=("openai", server.url))
        code, report, _ = cli("run", "ponder this", "-w", thinker, "-a", "thinker", "--budget", "0.001")
    assert code == 6
    assert (report["tasks"][0]["status"], report["findings"], server.requests) == ("over_budget", [], [])


def test_what_a_model_proposes_after_it_has_read_files_waits_for_a_human_who_is_told(thinker, known, cli):
    """No ``--yes`` covers it: words in a file may have asked for it. The card says what was read."""
    with WireServer("openai").answers(DemoModel()) as server:
        known(far=("openai", server.url))
        code, report, _ = cli("run", "ponder this", "-w", thinker, "-a", "thinker", "--yes")
        assert code == 4
        (pending,) = report["pending"]
        code, card, _ = cli("approvals", "show", pending)
        assert code == 0
        assert "compose.audit" in json.dumps(card["card"]["calls"][0]["conditions"])
        code, _, _ = cli("approvals", "approve", pending)
    assert code == 0
    assert "privileged: false" in (thinker / "docker-compose.yml").read_text()
