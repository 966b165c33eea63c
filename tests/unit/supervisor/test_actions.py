"""Which actions are put to a human, in which order, and what is shown of them."""

import pytest

from nextgeneration.kernel.actions import Action
from nextgeneration.kernel.findings import Finding, Location, Severity
from nextgeneration.kernel.reports import Report, ReportStatus
from nextgeneration.supervisor.actions import chosen
from nextgeneration.supervisor.outcome import ActionStatus

LOOK, FIX = "check this project", "fix what you find"


def finding(rule, severity, cause=""):
    return Finding(rule=rule, title=rule, severity=severity, cause=cause, location=Location(path="a"))


CRITICAL, HIGH = finding("compose.privileged", Severity.CRITICAL), finding("x.high", Severity.HIGH)
MEDIUM, LOW = finding("docs.link-file", Severity.MEDIUM), finding("docs.docstring-missing", Severity.LOW)
FINDINGS = (CRITICAL, HIGH, MEDIUM, LOW)


def action(name, *fixes, **more):
    args = more.pop("args", {"patch": name})
    given = {"agent": "a", "task": "t1", "tool": "fs.patch", "args": args, "reason": name}
    return Action(id=f"act_{name}", fixes=tuple(f.id for f in fixes), **given, **more)


def reports(*actions, **more):
    return {"t1": Report(agent="a", task="t1", status=ReportStatus.DONE, findings=FINDINGS, actions=actions), **more}


def put(outcomes):
    return [o.action.reason for o in outcomes if o.status is ActionStatus.PENDING]


def test_the_worst_problem_is_mended_first_then_the_most_of_them():
    actions = [action("medium", MEDIUM), action("high", HIGH), action("more", CRITICAL, HIGH), action("one", CRITICAL)]
    assert [o.action.reason for o in chosen(reports(*actions), 3, LOOK)] == ["more", "one", "high", "medium"]
    assert put(chosen(reports(*actions), 3, LOOK)) == ["more", "one", "high"]
    assert put(chosen(reports(*actions), 0, LOOK)) == []


def test_a_look_ends_in_no_question_about_trifles():
    """Docstring stubs and the like stay offers in the report, unless the goal asks for changes."""
    actions = [action("stub1", LOW), action("stub2", LOW), action("link", MEDIUM)]
    assert put(chosen(reports(*actions), 3, LOOK)) == ["link"]
    assert put(chosen(reports(*actions), 3, FIX)) == ["link", "stub1", "stub2"]
    assert put(chosen(reports(*actions), 3)) == ["link", "stub1", "stub2"], "without a goal nothing is a trifle"


@pytest.mark.parametrize("goal", ["write the docstrings", "écris les docstrings", "ajoute les docstrings"])
def test_what_the_goal_asks_for_comes_before_what_is_worse(goal):
    actions = [action("privileged", CRITICAL), action("stub", LOW)]
    assert put(chosen(reports(*actions), 3, goal)) == ["stub", "privileged"]


def test_the_remedy_for_what_the_goal_names_comes_first():
    missing = finding("system.command-missing", Severity.MEDIUM, cause="command-missing:docker-compose")
    more = {"t2": Report(agent="b", status=ReportStatus.DONE, findings=(missing,), actions=(action("shim", missing),))}
    outcomes = chosen(reports(action("compose", CRITICAL), **more), 3, "docker-compose is not recognised")
    assert put(outcomes) == ["shim", "compose"]


def test_a_step_of_the_template_itself_is_always_put():
    """It fixes nothing that was found: its author wrote it because it is what the agent is for."""
    assert put(chosen(reports(action("run the tests", args={})), 3, "do the tests pass")) == ["run the tests"]


def test_of_alternatives_only_the_best_is_put_and_the_same_call_once():
    actions = [
        action("install", HIGH, group="g", rank=2),
        action("shim", HIGH, group="g", rank=1),
        action("single", HIGH, rank=3),
        action("other", HIGH, rank=4),
    ]
    twin = Report(agent="b", status=ReportStatus.DONE, actions=(action("shim", args={"patch": "shim"}),))
    outcomes = chosen(reports(*actions, t2=twin), 5, LOOK)
    assert [(o.action.reason, o.status.value) for o in outcomes] == [
        ("shim", "pending"),
        ("install", "offered"),
        ("single", "pending"),
        ("other", "pending"),
    ]


@pytest.mark.parametrize(
    ("args", "kind", "preview"),
    [
        ({"patch": "--- a/x\n+++ b/x\n"}, "diff", "--- a/x\n+++ b/x\n"),
        ({"argv": ["ln", "-s", "a b", "c"]}, "command", "ln -s 'a b' c"),
        ({"argv": ["echo", "\x1b[2J"]}, "command", "echo '\\x1b[2J'"),
        ({"argv": [1]}, "text", ""),
        ({}, "text", ""),
    ],
)
def test_an_offer_shows_what_would_be_done_with_control_characters_escaped(args, kind, preview):
    (outcome,) = chosen(reports(action("x", args=args)), 0)
    assert (outcome.status, outcome.kind, outcome.preview) == (ActionStatus.OFFERED, kind, preview)
