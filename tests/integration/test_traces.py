"""Missions as traces: services, sender and collector's messages are real; the collector itself is ours, on loopback."""

import asyncio
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
from importlib.resources import as_file, files

import pytest
from tests.integration.collector import Collector, told
from tests.integration.subagents_driver import Scenario
from tests.integration.test_agents_outside import PROGRAM

from nextgeneration.missions.schema import MissionOptions, MissionRequest
from nextgeneration.observability import sending
from nextgeneration.observability.errors import TracesMissing
from nextgeneration.services.assembly import open_services
from nextgeneration.services.records import open_records
from nextgeneration.testing.process import new_process
from nextgeneration.testing.wire import RateLimited, Say, WireServer
from nextgeneration.testing.wire.demo import DemoModel

GOAL = "check this project"
TREE = {
    "boss": ("mission", 0),
    "foreman": ("agent.run", 0),
    "plumber": ("agent.run", 1),
}


@pytest.fixture(autouse=True)
def own_process():
    with new_process():
        yield


@pytest.fixture
def collector(monkeypatch):
    with Collector() as collector:
        monkeypatch.setenv("NG_TRACES", "true")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        yield collector


@pytest.fixture
def project(tmp_path):
    with as_file(files("nextgeneration") / "sample") as sample:
        shutil.copytree(sample, tmp_path / "orders", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "orders"


@pytest.fixture
def model(monkeypatch):
    """A provider that answers the demo mission, after a refusal."""
    with WireServer("openai").script(RateLimited(0.01)).answers(DemoModel()) as server:
        monkeypatch.setenv("NG_MODELS_KEYRING", "false")
        monkeypatch.setenv("NG_MODELS_PROVIDERS", f'{{"far": {{"url": "{server.url}", "models": ["gpt-4o"]}}}}')
        monkeypatch.setenv("NG_MODELS_PRICES", '{"far:gpt-4o": {"input": 2, "output": 10}}')
        yield server


async def accepted(services, project, **options):
    request = MissionRequest(goal=GOAL, workspace=str(project), options=MissionOptions(**options))
    return (await services.missions.accept(request)).id


async def approved(services, outcome):
    for name in outcome.pending:
        approval = await services.approvals.get(name)
        await services.approvals.decide(name, "approved", by="human:ada", digest=approval.digest)


def whole(collector):
    """The one trace there is, checked as a tree: its spans by id, and its root."""
    spans = collector.spans
    assert len({span.trace_id for span in spans.values()}) == 1
    (root,) = [span for span in spans.values() if not span.parent_span_id]
    for span in spans.values():
        assert span.start_time_unix_nano <= span.end_time_unix_nano
        if span is not root:
            assert span.parent_span_id in spans, span.name
    return spans, root


def near(spans, span):
    """The name of what a span is part of."""
    return spans[span.parent_span_id].name


# -- what is in it -----------------------------------------------------------------------------------------------------


def test_a_mission_is_one_trace_over_waiting_and_going_on_elsewhere(project, model, collector, own_home):
    """Plan, agents, tools and models; a second process goes on after the approval with the same trace."""

    async def first():
        async with open_services(project) as services:
            mission = await accepted(services, project, actions=1)
            outcome = await services.worker.run(mission)
            await approved(services, outcome)
            return mission

    async def second(mission):
        async with open_services(project) as services:
            outcome = await services.worker.run(mission)
            assert outcome.status == "done"
            return outcome.report, await services.missions.journal(mission)

    mission = asyncio.run(first())
    so_far = [span.name for span in collector.sent]
    assert "mission" not in so_far
    with new_process():
        report, journal = asyncio.run(second(mission))

    spans, root = whole(collector)
    assert len(spans) == len(collector.sent), "nothing came twice"
    assert root.name == "mission"
    assert root.trace_id == hashlib.sha256(mission.encode()).digest()[:16]
    about = told(root.attributes)
    assert about["nextgeneration.mission.status"] == "done"
    assert about["nextgeneration.mission.attempts"] == 2
    marks = [mark.name for mark in root.events]
    assert marks == ["mission.claimed", "approval.asked", "approval.decided", "mission.claimed"]

    agents = {span.name for span in spans.values() if near_root(span, root) and span.name.startswith("invoke_agent")}
    assert agents == {f"invoke_agent {task.agent}" for task in report.tasks}
    effects = [event for event in journal if event.type == "effect.outcome"]
    calls = [span for span in spans.values() if "nextgeneration.effect.position" in told(span.attributes)]
    assert len(calls) == len(effects) == len(spans) - 1 - len(agents)
    audited = next(span for span in calls if span.name == "execute_tool compose.audit")
    assert near(spans, audited) == "invoke_agent auditeur_code"
    assert told(audited.attributes).items() >= {
        ("gen_ai.tool.name", "compose.audit"),
        ("nextgeneration.effect.label", "safe"),
        ("nextgeneration.effect.status", "done"),
    }


def near_root(span, root):
    return span.parent_span_id == root.span_id


async def test_a_call_of_a_model_says_what_it_used_and_never_what_was_said(project, model, collector, own_home):
    async with open_services(project) as services:
        await approved(services, await services.worker.run(await accepted(services, project, actions=0)))

    spans, root = whole(collector)
    thoughts = [span for span in spans.values() if span.name == "chat gpt-4o"]
    assert len(thoughts) == len(model.billed) == 8
    assert all(span.kind == span.SPAN_KIND_CLIENT for span in thoughts)
    used = [told(span.attributes) for span in thoughts]
    assert sum(each["gen_ai.usage.input_tokens"] for each in used) == model.total.input
    assert sum(each["gen_ai.usage.output_tokens"] for each in used) == model.total.output
    assert sum(each["nextgeneration.credits"] for each in used) == 200 * model.total.input + 1_000 * model.total.output
    assert {each["gen_ai.provider.name"] for each in used} == {"far"}
    assert {each["gen_ai.response.model"] for each in used} == {"gpt-4o"}
    assert {tuple(each["gen_ai.response.finish_reasons"]) for each in used} == {("stop",), ("calls",)}

    plan = min(thoughts, key=lambda span: span.start_time_unix_nano)
    assert near_root(plan, root)
    assert told(plan.attributes)["nextgeneration.effect.tries"] == 2
    (refused, again) = plan.events
    assert told(refused.attributes)["error.type"] == "NG-MODELS-002"
    assert told(refused.attributes)["nextgeneration.credits.billed"] == "none"
    assert again.name == "effect.again"

    assert {seen.stream for seen in model.requests} == {False}, "traces do not make models stream"
    raw = b"".join(collector.raw).decode("utf-8", "replace")
    for word in (GOAL, str(project), "docker-compose", "Audit", "privileged", "PDF printer", "orders", "ada"):
        assert word not in raw, word


async def test_what_fails_is_an_error_with_our_code(project, collector, own_home, monkeypatch):
    """A model that says nothing useful, a tool that is refused: the code, and no words of either."""
    with WireServer("openai").answers(lambda _: Say("word " * 40)) as server:
        monkeypatch.setenv("NG_MODELS_KEYRING", "false")
        monkeypatch.setenv("NG_MODELS_PROVIDERS", f'{{"far": {{"url": "{server.url}", "models": ["gpt-4o"]}}}}')
        monkeypatch.setenv("NG_MODELS_PRICES", '{"far:gpt-4o": {"input": 2, "output": 10}}')
        async with open_services(project) as services:
            request = MissionRequest(
                goal=GOAL,
                workspace=str(project),
                budget={"credits": 1},
                options=MissionOptions(actions=0, agents=("auditeur_code",)),
            )
            await services.worker.run((await services.missions.accept(request)).id)
    spans, _ = whole(collector)
    wrong = [span for span in spans.values() if span.status.code == span.status.STATUS_CODE_ERROR]
    assert wrong
    assert all(re.fullmatch(r"NG-[A-Z]+-\d{3}|failed|over_budget|refused", span.status.message) for span in wrong)
    refused = next(span for span in wrong if span.name == "chat")
    assert told(refused.attributes)["error.type"].startswith("NG-CREDITS-")


# -- agents below agents, and crashes ----------------------------------------------------------------------------------


def run(root, cut, times):
    pid = os.fork()
    if pid == 0:
        try:
            asyncio.run(Scenario(root, cut, times).run())
            os._exit(0)
        except BaseException:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def family(collector):
    """Which agent stands below which call of which agent."""
    spans, root = whole(collector)
    for name, (above, depth) in TREE.items():
        (agent,) = [span for span in spans.values() if span.name == f"invoke_agent {name}"]
        if not depth and above == "mission":
            assert near_root(agent, root)
        else:
            assert near(spans, agent) == "execute_tool agent.run"
        mine = sorted(span.name for span in spans.values() if span.parent_span_id == agent.span_id)
        tools = ["t.keyed", "t.once", "t.pure", *(["agent.run"] if name != "plumber" else [])]
        assert mine == sorted(f"execute_tool {tool}" for tool in tools)
    return spans, root


def test_an_agent_that_was_called_stands_below_the_call(tmp_path, collector):
    assert run(tmp_path, "", 0) == 0
    spans, _ = family(collector)
    assert len(spans) == len(collector.sent)


@pytest.mark.parametrize("interval", [30.0, 0.0], ids=["nothing sent before", "all sent before"])
@pytest.mark.parametrize(
    ("cut", "times", "most"),
    [("effect.called", 1, 2), ("effect.called", 5, 2), ("effect.intent", 2, 2), ("task.ended", 1, 1)],
)
def test_after_a_crash_the_trace_goes_on_and_has_everything_once(
    tmp_path, collector, monkeypatch, cut, times, most, interval
):
    """A killed process takes the spans it had not sent with it: its successor sends them, under the same ids.

    What had arrived comes again as it was.
    """
    monkeypatch.setattr(sending, "INTERVAL", interval)
    assert run(tmp_path, cut, times) == -signal.SIGKILL
    assert run(tmp_path, "", 0) == 0
    spans, root = family(collector)
    assert told(root.attributes)["nextgeneration.mission.attempts"] >= 2
    tries = [told(span.attributes).get("nextgeneration.effect.tries", 0) for span in spans.values()]
    assert max(tries) == most, "the call that was cut off is one span, made twice"


def test_a_mission_that_is_cancelled_while_nobody_works_on_it_has_its_root(project, collector, own_home):
    async def waiting():
        async with open_services(project) as services:
            mission = await accepted(services, project, actions=1, models=False)
            assert (await services.worker.run(mission)).pending
            return mission

    async def cancelled(mission):
        with open_records() as records:
            await records.missions.cancel(mission, "human:ada")

    mission = asyncio.run(waiting())
    asyncio.run(cancelled(mission))
    spans, root = whole(collector)
    assert len(spans) == len(collector.sent)
    assert (root.status.code, root.status.message) == (root.status.STATUS_CODE_ERROR, "cancelled")


def test_an_agent_called_in_plain_python_is_a_trace_too(collector, tmp_path):
    (tmp_path / "README.md").write_text("# Widgets\n\nHow to use widgets: see [the guide](missing.md).\n")
    names = ("PATH", "NG_TRACES", "OTEL_EXPORTER_OTLP_ENDPOINT", "NG_MODELS_DISCOVER")
    env = {name: os.environ[name] for name in names} | {"HOME": str(tmp_path), "NG_HOME": str(tmp_path / "home")}
    argv = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    spans, root = whole(collector)
    tools = [span for span in spans.values() if span is not root]
    assert tools
    assert all(near_root(span, root) and span.name.startswith("execute_tool ") for span in tools)


# -- off, absent, down -------------------------------------------------------------------------------------------------


def test_nothing_is_sent_or_loaded_unless_it_is_switched_on(project, own_home, tmp_path):
    """Not even where the standard variables are set: they belong to other programs."""
    with Collector() as collector:
        argv = ["run", GOAL, "-w", str(project), "--actions", "0", "--no-model", "--no-input"]
        script = (
            f"import sys; from nextgeneration.cli.main import run_command; code = run_command({argv!r})\n"
            "ours = ('opentelemetry.exporter', 'opentelemetry.proto')\n"
            "print([name for name in sys.modules if name.startswith(ours)]); sys.exit(code)"
        )
        keep = {name: os.environ[name] for name in ("PATH", "NG_HOME", "NG_MODELS_DISCOVER")}
        env = {**keep, "HOME": str(tmp_path), "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, done.stderr
        assert done.stdout.rstrip().endswith("[]")
        assert not collector.asked.is_set()


async def test_the_standard_variables_hold(project, collector, own_home, monkeypatch):
    monkeypatch.setenv("OTEL_SERVICE_NAME", "factory-of-ada")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=tests")
    async with open_services(project) as services:
        await services.worker.run(await accepted(services, project, actions=0, models=False))
    assert collector.resource["service.name"] == "factory-of-ada"
    assert collector.resource["deployment.environment.name"] == "test"
    assert collector.headers["x-team"] == "tests"


async def test_without_a_name_it_is_ours(project, collector, own_home):
    async with open_services(project) as services:
        await services.worker.run(await accepted(services, project, actions=0, models=False))
    assert collector.resource["service.name"] == "nextgeneration"


@pytest.mark.parametrize("there", ["silent", "nobody"])
async def test_a_collector_that_is_down_stops_nothing(project, own_home, monkeypatch, there, caplog):
    """The mission ends as ever, the process after a bounded wait, and what was lost is said."""
    with Collector(silent=True) as collector:
        monkeypatch.setenv("NG_TRACES", "true")
        monkeypatch.setenv("NG_TRACES_QUEUE", "5")
        monkeypatch.setenv("NG_TRACES_CLOSE_SECONDS", "0.2")
        url = collector.url if there == "silent" else "http://127.0.0.1:1"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        monkeypatch.setattr(sending, "INTERVAL", 0.01)
        async with open_services(project) as services:
            mission = await accepted(services, project, actions=0, models=False)
            outcome = await services.worker.run(mission)
            ended = await services.missions.journal(mission)
    assert outcome.status in {"done", "partial"}
    spans = 1 + sum(event.type in {"task.ended", "effect.outcome", "effect.refused"} for event in ended)
    assert f"{spans} spans did not reach the collector, 0 did" in caplog.text


async def test_without_the_extra_the_command_that_installs_it_is_named(project, own_home, monkeypatch):
    monkeypatch.setenv("NG_TRACES", "true")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(TracesMissing, match=r"opentelemetry") as missing:
        async with open_services(project):
            raise AssertionError
    assert "pip install 'nextgeneration[otel]'" in missing.value.hint("en")
    assert missing.value.exit_code == 2
