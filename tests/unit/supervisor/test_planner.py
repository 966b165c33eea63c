"""The planner without a model: the right agents for a goal, in two languages, with a reason; or an honest no."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextgeneration.supervisor.errors import PlanRefused
from nextgeneration.supervisor.lexicon import clauses, language_of, parts, told_apart, words
from nextgeneration.supervisor.matching import Index
from nextgeneration.supervisor.planner import MAX_DEPTH, MAX_TEAM, Plan, PlannedTask, Planner, query_of, validated
from nextgeneration.templates.library import TemplateLibrary

TEAM = {"auditeur_code", "genie_logiciel", "security_analyst", "documentaliste"}
LOOKED_UP = {"correcteur_systeme", "chercheur_web", "contexte7"}
DIAGNOSIS = LOOKED_UP | {"auditeur_code"}

PASTED_COMMAND = """Traceback (most recent call last):
  File "/srv/app/worker.py", line 12, in <module>
    main()
  File "/srv/app/worker.py", line 8, in main
    subprocess.run(["docker-compose", "up", "-d"], check=True)
  File "/usr/lib/python3.11/subprocess.py", line 1901, in _execute_child
    raise child_exception_type(errno_num, err_msg, err_filename)
FileNotFoundError: [Errno 2] No such file or directory: 'docker-compose'
"""
PASTED_BUG = """Traceback (most recent call last):
  File "app/orders.py", line 40, in price
    return total / count
ZeroDivisionError: division by zero"""

GOALS = {
    # a look at everything, however it is put
    "check this project": TEAM,
    "vérifie ce projet": TEAM,
    "VÉRIFIE CE PROJET !": TEAM,
    "Is there anything wrong with this repository?": TEAM,
    "can you have a look at this repository?": TEAM,
    "peux-tu jeter un œil à ce dépôt ?": TEAM,
    "jette un coup d'œil à ce projet stp": TEAM,
    # slips of the hand
    "please chek this projet": TEAM,
    "check this porject": TEAM,
    "run teh tests": {"testeur"},
    "find the brokne links": {"documentaliste"},
    # the reference case and its kin
    "docker-compose is not recognised as a command": DIAGNOSIS,
    "docker-compose isn't recognized": DIAGNOSIS,
    "'docker-compose' is not recognized as an internal or external command,\noperable program.": DIAGNOSIS,
    "docker-compose : Le terme «docker-compose» n'est pas reconnu comme nom d'applet de commande": DIAGNOSIS,
    "« docker-compose » n'est pas reconnu comme une commande": DIAGNOSIS,
    "la commande docker-compose ne marche pas": DIAGNOSIS,
    "docker-compose doesn't work": DIAGNOSIS,
    "bash: foo: command not found": LOOKED_UP,
    "zsh: command not found: node": LOOKED_UP,
    "/bin/sh: 1: make: not found": LOOKED_UP,
    "la commande kubectl est introuvable": LOOKED_UP,
    "I cannot run terraform": LOOKED_UP,
    "npm n'est pas installé": {"correcteur_systeme"},
    "install ripgrep": {"correcteur_systeme"},
    PASTED_COMMAND: DIAGNOSIS | {"genie_logiciel"},
    PASTED_BUG: {"genie_logiciel"},
    # one thing, one agent
    "run the tests": {"testeur"},
    "lance les tests": {"testeur"},
    "est-ce que les tests passent ?": {"testeur"},
    "are my tests ok": {"testeur"},
    "Corrige le code": {"codeur"},
    "fix the lint errors": {"codeur"},
    "mend app/orders.py": {"codeur"},
    "refactor app/orders.py": {"genie_logiciel"},
    "are the dependencies pinned": {"genie_logiciel"},
    "find todos": {"genie_logiciel"},
    "trouve les TODO": {"genie_logiciel"},
    "list the FIXME comments": {"genie_logiciel"},
    "dépendances à jour ?": {"genie_logiciel"},
    "my disk is full": {"hardware"},
    "comment va cette machine": {"hardware"},
    "combien de mémoire reste-t-il": {"hardware"},
    "which ports are open": {"hardware"},
    "why is my computer slow": {"hardware"},
    "quelle heure est-il": {"hardware"},
    "y a-t-il des secrets dans ce dépôt ?": {"security_analyst"},
    "y a-t-il des mots de passe en clair ?": {"security_analyst"},
    "scan for vulnerabilities": {"security_analyst"},
    "audit de sécurité": {"security_analyst"},
    "audit the compose file": {"auditeur_code"},
    "vérifie docker-compose.yml": {"auditeur_code"},
    "le fichier compose est-il correct ?": {"auditeur_code"},
    "fais un audit complet avant livraison": {"auditeur"},
    "is this ready for release": {"auditeur"},
    "de quoi parle ce projet": {"analyste"},
    "explique-moi l'architecture": {"analyste"},
    "which languages are used here": {"analyste"},
    "fais l'inventaire de ce dossier": {"base_specialist"},
    "list the files": {"base_specialist"},
    "summarise README.md": {"documentaliste"},
    "résume docs/guide.md en français": {"documentaliste"},
    "liens cassés ?": {"documentaliste"},
    "écris les docstrings": {"documentaliste"},
    "add docstrings to app/orders.py": {"documentaliste"},
    "cherche sur internet comment installer docker": {"chercheur_web"},
    "look up the documentation of fastapi": {"documentaliste", "contexte7"},
    # by name
    "ask the documentaliste": {"documentaliste"},
    "demande à l'auditeur": {"auditeur"},
    "use security_analyst on this": {"security_analyst"},
    # several things side by side, two languages in one breath
    "vérifie ce project and run the tests": {*TEAM, "testeur"},
    "which ports are open, and are there secrets in this repo?": {"hardware", "security_analyst"},
    # what is to be left alone
    "do not run the tests, just check the code": {"genie_logiciel", "auditeur_code"},
    "ne lance pas les tests, vérifie seulement la doc": {"documentaliste"},
    "check the project but not the documentation": TEAM - {"documentaliste"},
    "vérifie ce projet sauf la sécurité": TEAM - {"security_analyst"},
}

CHATTER = (
    "hello",
    "bonjour",
    "thanks!",
    "merci beaucoup",
    "how are you",
    "what can you do?",
    "que sais-tu faire ?",
    "aide-moi",
    "tell me a joke",
    "what is the weather",
    "write me an email to my boss",
    "traduis ce texte en anglais",
    "sing me a song",
    "écris un poème sur la mer",
    "book a flight to Paris",
    "don't run the tests",
    "?!",
    "the of and",
)


@pytest.fixture(scope="module")
def planner():
    library = TemplateLibrary()
    return Planner(library.revisions, library.version)


@pytest.mark.parametrize("goal", GOALS)
def test_a_goal_finds_its_team(planner, goal):
    plan = planner.plan(goal, "en")
    assert {task.template for task in plan.tasks} == GOALS[goal]
    assert all(task.why for task in plan.tasks)
    assert not plan.unserved


def test_what_is_told_of_an_inherited_capability_fits_only_who_taught_it():
    found = Index(TemplateLibrary().revisions().values()).match("calcule les chiffres du tableau")
    assert [match.template for match in found] == ["base_specialist"]


@pytest.mark.parametrize("goal", CHATTER)
@pytest.mark.parametrize("lang", ["en", "fr"])
def test_a_goal_nobody_can_serve_gets_an_honest_answer(planner, goal, lang):
    """It says what it would take, and what could be asked, in the user's language."""
    plan = planner.plan(goal, lang)
    assert not plan.tasks
    assert "nextgen templates new" in plan.note
    assert ("« vérifie ce projet »" if lang == "fr" else "“check this project”") in plan.note


def test_a_step_nobody_can_do_is_named_and_the_others_are_planned(planner):
    plan = planner.plan("résume la documentation, puis chante une chanson, puis lance les tests", "fr")
    assert [(task.template, task.depends) for task in plan.tasks] == [("documentaliste", ()), ("testeur", ("t1",))]
    assert plan.unserved == ("Personne ici ne peut faire cette partie du but : « chante une chanson »",)
    assert plan.unserved[0] in plan.note


def test_words_that_meet_nobody_step_by_step_may_do_so_together(tmp_path):
    route = {"route": "kitchen", "keywords": [], "examples": ["grind the beans then brew a coffee"]}
    template = {"name": "barista", "role": "maker", "domain": "drinks", "supervisor_route": route}
    (tmp_path / "barista.json").write_text(json.dumps(template))
    library = TemplateLibrary(tmp_path, builtin=False)
    plan = Planner(library.revisions, library.version).plan("grind the beans then brew a coffee", "en")
    assert [(task.template, task.goal) for task in plan.tasks] == [("barista", "grind the beans then brew a coffee")]


@pytest.mark.parametrize(
    ("goal", "wanted", "unwanted"),
    [
        ("check the code", "check the code", ""),
        ("docker-compose is not recognised", "docker-compose is not recognised", ""),
        ("la commande ne marche pas", "la commande ne marche pas", ""),
        ("the tests do not pass", "the tests do not pass", ""),
        ("please don't run the tests, only lint", "please , only lint", "run the tests"),
        ("I don't want you to fix it. Check the docs", ". Check the docs", "you to fix it"),
        ("vérifie tout, mais ne touche pas au code", "vérifie tout, mais", "au code"),
        ("audit without the tests", "audit", "the tests"),
    ],
)
def test_only_orders_and_exceptions_are_left_alone(goal, wanted, unwanted):
    assert told_apart(goal) == (wanted, unwanted)


def test_what_every_template_inherits_tells_none_of_them_from_the_others(planner):
    """All built-in templates can `analyze_data` by inheritance; only the one that means it is sent."""
    assert planner.plan("analyse the data in sales.csv", "en").tasks[0].template == "base_specialist"


def test_a_pasted_page_is_searched_for_by_its_error():
    assert query_of(PASTED_COMMAND) == "FileNotFoundError: [Errno 2] No such file or directory: 'docker-compose'"
    assert query_of("  short  question\n") == "short  question"
    assert query_of("word " * 200).endswith("…")
    assert query_of("") == ""


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
    assert planner.instead(failed.model_copy(update={"template": "gone"}), [], 2, "en") is None


def test_an_agent_of_another_trade_takes_nothing_over(tmp_path):
    for name, route in (("barista", "kitchen"), ("roaster", "factory")):
        filed = {"route": route, "keywords": ["coffee"]}
        template = {"name": name, "role": "maker", "domain": route, "supervisor_route": filed}
        (tmp_path / f"{name}.json").write_text(json.dumps(template))
    library = TemplateLibrary(tmp_path, builtin=False)
    planner = Planner(library.revisions, library.version)
    failed = planner.plan("coffee please", "en", ["barista"]).tasks[0]
    assert planner.instead(failed, ["barista"], 2, "en") is None


def test_a_team_stays_small(tmp_path):
    for number in range(20):
        route = {"route": f"r{number}", "keywords": ["coffee"]}
        template = {"name": f"agent{number}", "role": "maker", "domain": "kitchen", "supervisor_route": route}
        (tmp_path / f"agent{number}.json").write_text(json.dumps(template))
    library = TemplateLibrary(tmp_path, builtin=False)
    assert len(Planner(library.revisions, library.version).plan("coffee", "en").tasks) == MAX_TEAM


def test_a_users_own_template_wins_over_a_builtin_by_its_words(tmp_path):
    """Its keywords may be in any language and have accents; priority breaks ties."""
    route = {"route": "food", "keywords": ["crème brûlée"], "priority": 5}
    template = {"name": "patissier", "role": "maker", "domain": "kitchen", "supervisor_route": route}
    (tmp_path / "patissier.json").write_text(json.dumps(template))
    library = TemplateLibrary(tmp_path)
    planner = Planner(library.revisions, library.version)
    for goal in ("Une CRÈME BRÛLÉE s'il te plaît", "creme brulee"):
        assert [task.template for task in planner.plan(goal, "fr").tasks] == ["patissier"]


@pytest.mark.parametrize(
    ("text", "lang"),
    [("check this project", "en"), ("vérifie ce projet", "fr"), ("liens cassés", "fr"), ("docker", "en"), ("", "en")],
)
def test_the_language_of_an_example_is_told(text, lang):
    assert language_of(text) == lang


def test_a_list_is_taken_apart_and_words_are_brought_together():
    assert parts("check the links, the secrets and run the tests") == [
        "check the links",
        "the secrets",
        "run the tests",
    ]
    assert words("Mots de passe") == words("passwords")
    assert words("have a look at it") == words("vérifie")
    assert words("les œufs") == ["oeuf"]


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
