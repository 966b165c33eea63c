"""The planner without a model: the right agents for a goal, in two languages, with a reason; or an honest no."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextgeneration.supervisor.errors import PlanRefused
from nextgeneration.supervisor.lexicon import clauses, words
from nextgeneration.supervisor.planner import MAX_DEPTH, Plan, PlannedTask, Planner, validated
from nextgeneration.templates.library import TemplateLibrary

TEAM = {"auditeur_code", "genie_logiciel", "security_analyst", "documentaliste"}
DIAGNOSIS = {"correcteur_systeme", "chercheur_web", "contexte7", "auditeur_code"}


@pytest.fixture(scope="module")
def planner():
    library = TemplateLibrary()
    return Planner(library.revisions, library.version)


@pytest.mark.parametrize(
    ("goal", "team"),
    [
        ("check this project", TEAM),
        ("vérifie ce projet", TEAM),
        ("Is there anything wrong with this repository?", TEAM),
        ("docker-compose is not recognised as a command", DIAGNOSIS),
        ("« docker-compose » n'est pas reconnu comme une commande", DIAGNOSIS),
        ("bash: foo: command not found", DIAGNOSIS),
        ("la commande kubectl est introuvable", DIAGNOSIS),
        ("run the tests", {"testeur"}),
        ("est-ce que les tests passent ?", {"testeur"}),
        ("Corrige le code", {"codeur"}),
        ("my disk is full", {"hardware"}),
        ("comment va cette machine", {"hardware"}),
        ("y a-t-il des secrets dans ce dépôt ?", {"security_analyst"}),
        ("fais un audit complet avant livraison", {"auditeur"}),
        ("de quoi parle ce projet", {"analyste"}),
        ("fais l'inventaire de ce dossier", {"base_specialist"}),
        ("ask the documentaliste", {"documentaliste"}),
    ],
)
def test_a_goal_finds_its_team(planner, goal, team):
    plan = planner.plan(goal, "en")
    assert {task.template for task in plan.tasks} == team
    assert all(task.why for task in plan.tasks)


@pytest.mark.parametrize(
    "goal", ["sing me a song", "écris un poème sur la mer", "book a flight to Paris", "?!", "the of and"]
)
@pytest.mark.parametrize("lang", ["en", "fr"])
def test_a_goal_nobody_can_serve_gets_an_honest_answer(planner, goal, lang):
    plan = planner.plan(goal, lang)
    assert not plan.tasks
    assert "nextgen templates new" in plan.note


def test_steps_named_one_after_the_other_depend_on_each_other(planner):
    plan = planner.plan("résume la documentation, puis lance les tests", "fr")
    assert [(task.template, task.depends) for task in plan.tasks] == [("documentaliste", ()), ("testeur", ("t1",))]
    assert clauses("check this, then run that and then stop") == ["check this", "run that", "stop"]


def test_why_is_said_in_the_language_of_the_mission(planner):
    assert "mots-clés" in planner.plan("vérifie ce projet", "fr").note
    assert "keywords" in planner.plan("check this project", "en").note


def test_named_agents_are_used_as_named(planner):
    plan = planner.plan("whatever", "en", ["hardware", "testeur"])
    assert [task.template for task in plan.tasks] == ["hardware", "testeur"]
    with pytest.raises(PlanRefused):
        planner.plan("whatever", "en", ["nobody"])


def test_paths_in_the_goal_are_handed_to_the_agents(planner):
    (task,) = planner.plan("résume docs/guide.md", "fr").tasks
    assert task.input["paths"] == ["docs/guide.md"]


def test_a_template_added_while_it_runs_is_routable(tmp_path):
    library = TemplateLibrary(tmp_path, check_seconds=0)
    planner = Planner(library.revisions, library.version)
    assert not planner.plan("brew a strong coffee", "en").tasks
    route = {"route": "kitchen", "keywords": ["coffee"], "examples": ["brew a strong coffee"]}
    template = {"name": "barista", "role": "maker", "domain": "kitchen", "supervisor_route": route}
    (tmp_path / "barista.json").write_text(json.dumps(template))
    library.refresh()
    assert [task.template for task in planner.plan("brew a strong coffee", "en").tasks] == ["barista"]


def test_another_agent_takes_over_when_it_shares_a_capability_and_fits(tmp_path):
    route = {"route": "kitchen", "keywords": ["coffee"]}
    for name in ("barista", "waiter"):
        template = {"name": name, "role": "maker", "domain": "kitchen", "supervisor_route": route}
        (tmp_path / f"{name}.json").write_text(json.dumps(template))
    library = TemplateLibrary(tmp_path)
    planner = Planner(library.revisions, library.version)
    failed = planner.plan("coffee please", "en", ["barista"]).tasks[0]
    other = planner.instead(failed, ["barista"], 2, "en")
    assert other is not None
    assert (other.template, other.replaces) == ("waiter", "t1")
    assert planner.instead(failed, ["barista", "waiter"], 2, "en") is None


def task(task_id, *depends, template="a"):
    return PlannedTask(id=task_id, template=template, goal="g", why="w", depends=depends)


@pytest.mark.parametrize(
    "tasks",
    [
        (task("t1", "t2"), task("t2", "t1")),
        (task("t1", "t1"),),
        (task("t1", "t9"),),
        (task("t1"), task("t1")),
        (task("t1", template="unknown"),),
        tuple(task(f"t{n}", *([f"t{n - 1}"] if n else [])) for n in range(MAX_DEPTH + 1)),
    ],
    ids=["cycle", "self", "dangling", "double", "unknown", "deep"],
)
def test_a_plan_that_does_not_hold_together_is_refused(tasks):
    with pytest.raises(PlanRefused):
        validated(Plan(goal="g", tasks=tasks), {"a": 1}, 100, 60)


def test_budgets_are_shared_out():
    plan = validated(Plan(goal="g", tasks=(task("t1"), task("t2"))), {"a": 1}, 30, 60)
    assert [(t.tool_calls, t.seconds) for t in plan.tasks] == [(15, 60), (15, 60)]


@given(st.text(max_size=200))
def test_any_text_can_be_planned(planner, goal):
    words(goal)
    plan = planner.plan(goal, "en")
    assert plan.tasks or plan.note
    validated(plan, planner._revisions(), 500, 900)
