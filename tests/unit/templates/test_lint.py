"""What lint, diff and scaffold say."""

from __future__ import annotations

import json

import pytest

from nextgeneration.templates.diff import diff
from nextgeneration.templates.errors import NameTaken, TemplateUnknown
from nextgeneration.templates.library import TemplateLibrary
from nextgeneration.templates.lint import lint, lint_file
from nextgeneration.templates.reader import parse
from nextgeneration.templates.scaffold import scaffold, write_scaffold

TOOLS = {"fs.read", "fs.list", "docs.summary"}
CLEAN = {
    "name": "clean",
    "role": "r",
    "domain": "d",
    "version": "1.0.0",
    "description": {"en": "x", "fr": "y"},
    "capabilities": ["unique"],
    "supervisor_route": "mine",
    "tools": ["fs.read"],
    "playbook": [
        {"id": "a", "tool": "fs.list"},
        {"tool": "fs.read", "each": {"$": "steps.a.x"}, "with": {"p": {"$": "item"}}},
    ],
}


@pytest.fixture
def library(tmp_path):
    return TemplateLibrary(tmp_path, builtin=False)


@pytest.fixture
def save(tmp_path):
    def saved(data: dict, **more: object) -> None:
        data = {**data, **more}
        (tmp_path / f"{data['name']}.json").write_text(json.dumps(data, indent=1))

    return saved


def remarks(library, **options):
    return [(remark.rule, remark.problem.pointer) for remark in lint(library, known_tools=TOOLS, **options)]


def test_a_clean_template_has_no_remarks(library, save):
    save(CLEAN)
    assert remarks(library) == []


def test_every_absence_is_remarked_on(library, save):
    save({"name": "bare", "role": "r", "domain": "d"})
    assert {rule for rule, _ in remarks(library)} == {
        "version-absent",
        "capabilities-absent",
        "route-absent",
        "description-absent",
        "playbook-absent",
    }
    found = lint(library)
    assert {remark.level for remark in found} == {"warning"}
    assert {remark.level for remark in lint(library, strict=True)} == {"error"}
    assert all(remark.say("en") != remark.say("fr") for remark in found)
    assert found[0].as_dict("fr")["line"] == 1


def test_unknown_tools_get_a_suggestion_only_when_tools_are_known(library, save):
    save(CLEAN, tools=["fs.raed", "pytest"], playbook=[{"tool": "fs.lst"}])
    assert remarks(library) == [
        ("tool-unknown", "/tools/0"),
        ("tool-unknown", "/tools/1"),
        ("tool-unknown", "/playbook/0/tool"),
    ]
    assert "`fs.read`" in lint(library, known_tools=TOOLS)[0].say("en")
    assert lint(library) == []


def test_expressions_that_cannot_work_are_remarked_on(library, save):
    steps = [
        {"id": "a", "tool": "fs.read", "with": {"p": {"$": "steps.b.x"}, "q": {"$": "inptu.path"}, "r": {"$": "item"}}},
        {"id": "b", "tool": "fs.read", "with": {"s": [{"$": 3}], "t": {"$": "a", "u": 1}}},
        {"id": "c", "tool": "fs.read", "each": {"$": "item"}, "when": {"$": "steps.a && steps.step9"}},
    ]
    save(CLEAN, playbook=steps)
    assert remarks(library) == [
        ("step-unknown", "/playbook/0/with/p"),
        ("expression-root", "/playbook/0/with/q"),
        ("item-without-each", "/playbook/0/with/r"),
        ("expression-like", "/playbook/1/with/s/0"),
        ("expression-like", "/playbook/1/with/t"),
        ("item-without-each", "/playbook/2/each"),
        ("step-unknown", "/playbook/2/when"),
    ]


def call(agent):
    return {"tool": "agent.run", "with": {"agent": agent, "goal": "g"}}


def test_a_call_of_an_agent_that_the_template_may_not_make_is_remarked_on(library, save):
    save(CLEAN, playbook=[call("other")])
    save(CLEAN, name="other", capabilities=["of_others"], supervisor_route="other")
    found = lint(library, ["clean"])
    assert [(remark.rule, remark.problem.pointer) for remark in found] == [("agent-run-unlisted", "/playbook/0/tool")]
    assert "`tools` does not list `agent.run`" in found[0].say("en") != found[0].say("fr")
    save(CLEAN, playbook=[call("other")], tools=["agent.*"])
    assert lint(library, ["clean"]) == []
    save(CLEAN, name="base", tools=["agent.run"])
    save(CLEAN, playbook=[call("other")], parent="base", capabilities=["unique", "own"])
    assert lint(library, ["clean"]) == []


def test_a_call_of_a_template_that_does_not_exist_is_remarked_on(library, save):
    steps = [call("othre"), call({"$": "input.agent"}), call(""), {"tool": "agent.run", "with": {"goal": "g"}}, call(3)]
    save(CLEAN, playbook=steps, tools=["agent.run"])
    save(CLEAN, name="other", capabilities=["of_others"], supervisor_route="other")
    found = lint(library, ["clean"])
    assert [(remark.rule, remark.problem.pointer) for remark in found] == [("agent-unknown", "/playbook/0/with/agent")]
    assert "Did you mean `other`?" in found[0].say("en")
    save(CLEAN, playbook=[call("zzz")], tools=["agent.run"])
    assert "See `nextgen templates list`." in lint(library, ["clean"])[0].say("en")


def test_calls_in_a_circle_are_remarked_on_at_each_of_its_templates(library, save, tmp_path):
    def agent(name, calls):
        own = {"capabilities": [f"of_{name}"], "supervisor_route": name, "tools": ["agent.run"]}
        save(CLEAN, name=name, playbook=calls, **own)

    agent("a", [call("b")])
    agent("b", [call("d"), call("c")])
    agent("c", [call("b")])
    agent("d", [{"tool": "fs.list"}])
    agent("alone", [call("alone")])
    (tmp_path / "broken.json").write_text("{")
    agent("careless", [call("broken")])
    found = [remark for remark in lint(library) if remark.level == "warning"]
    assert [(remark.rule, remark.file.rpartition("/")[2], remark.problem.pointer) for remark in found] == [
        ("agent-circle", "alone.json", "/playbook/0/with/agent"),
        ("agent-circle", "b.json", "/playbook/1/with/agent"),
        ("agent-circle", "c.json", "/playbook/0/with/agent"),
    ]
    assert "b → c → b" in found[1].say("en")
    child = {**CLEAN, "name": "d", "parent": "a", "capabilities": ["of_d"], "supervisor_route": "d"}
    del child["playbook"]
    save(child)
    assert [(remark.rule, remark.problem.pointer) for remark in lint(library, ["d"])] == [("agent-circle", "/parent")]


def test_what_a_parent_makes_void_is_remarked_on(library, save):
    save(CLEAN, name="base", budget={"seconds": 5}, permissions={"ask": ["fs.*"]})
    save(
        CLEAN,
        parent="base",
        budget={"seconds": 9, "credits": 1},
        permissions={"allow": ["fs.write(docs/*)", "http.get"]},
        supervisor_route="own",
    )
    assert remarks(library, names=["clean"]) == [
        ("budget-above-parent", "/budget/seconds"),
        ("permission-without-effect", "/permissions/allow/0"),
    ]


def test_a_template_that_is_never_chosen_is_remarked_on(library, save):
    save(CLEAN)
    save(CLEAN, name="other", capabilities=["unique", "more"])
    assert remarks(library) == [("route-unreachable", "/supervisor_route")]


def test_broken_templates_are_errors_with_line_and_pointer(library, save, tmp_path):
    save(CLEAN, parent="nobody")
    (tmp_path / "bad.json").write_text('{\n"name": }')
    (tmp_path / "Bad Name.json").write_text("{}")
    save(CLEAN, name="evil", tools=["eval"])
    (tmp_path / "other.json").write_text(json.dumps(CLEAN))
    found = {(remark.level, remark.rule, remark.problem.pointer, remark.problem.line) for remark in lint(library)}
    assert ("error", "NG-TEMPLATE-003", "/name", 2) in found
    assert ("error", "NG-TEMPLATE-011", "/parent", found_line(tmp_path / "clean.json", '"parent"')) in found
    assert ("error", "NG-TEMPLATE-016", "/tools/0", found_line(tmp_path / "evil.json", '"eval"')) in found
    assert ("error", "NG-TEMPLATE-002", "/name", 1) in found
    assert ("warning", "file-name", "", None) in found
    with pytest.raises(TemplateUnknown):
        lint(library, ["nobody"])


def found_line(path, text):
    return next(number for number, line in enumerate(path.read_text().splitlines(), 1) if text in line)


def test_one_file_anywhere_can_be_linted(library, save, tmp_path):
    save(CLEAN, name="base")
    path = tmp_path / "sub" / "mine.json"
    path.parent.mkdir()
    path.write_text(json.dumps({**CLEAN, "name": "mine", "parent": "base@^1.0", "capabilities": ["own"]}))
    assert lint_file(library, path, known_tools=TOOLS, strict=True) == []


def test_built_in_templates_are_clean():
    assert [remark.say() for remark in lint(TemplateLibrary(), strict=True)] == []


def test_built_in_templates_say_what_each_capability_does_in_both_languages():
    for revision in TemplateLibrary().revisions().values():
        for capability in revision.capabilities:
            told = capability.description
            assert all(told), (revision.name, capability.id)
            assert told.en != told.fr
            # They are listed one after the other in a sentence: "You can: …; …."
            assert not told.en.endswith(".")


def test_a_diff_names_what_changed(library):
    before = library.resolve({**CLEAN, "permissions": {"allow": ["fs.write"]}, "default_config": {"a": 1, "b": True}})
    changed = {
        "version": "1.1.0",
        "tools": ["fs.list"],
        "capabilities": ["unique", {"id": "two", "description": "2"}],
        "playbook": [{"id": "a", "tool": "fs.list", "when": False}],
        "permissions": {"deny": ["fs.write"]},
        "default_config": {"a": "x\x1b", "b": 1},
    }
    after = library.resolve({**CLEAN, **changed})
    changes = {(change.kind, change.pointer) for change in diff(before, after).changes}
    assert changes == {
        ("changed", "/version"),
        ("added", "/tools/fs.list"),
        ("removed", "/tools/fs.read"),
        ("added", "/capabilities/two"),
        ("changed", "/playbook/a/when"),
        ("removed", "/playbook/step2"),
        ("removed", "/permissions/0/allow/fs.write"),
        ("added", "/permissions/0/deny/fs.write"),
        ("changed", "/default_config/a"),
        ("changed", "/default_config/b"),
    }
    lines = "\n".join(diff(before, after).lines("fr"))
    assert '~ /version (modifié): "1.0.0" -> "1.1.0"' in lines
    assert "\x1b" not in lines
    data = diff(before, after).as_dict()
    assert data["after"]["digest"] == after.digest
    assert all({"before", "after"} & change.keys() for change in json.loads(json.dumps(data))["changes"])
    assert diff(before, before).lines("en") == ["no difference"]


@pytest.mark.parametrize("lang", ["en", "fr"])
@pytest.mark.parametrize("parent", [None, "base_specialist"])
def test_a_scaffold_is_valid_clean_and_commented(tmp_path, lang, parent):
    text = scaffold("mon-agent_2", role='a "role"', domain="dé", parent=parent, description='Say "x" {y}', lang=lang)
    path = write_scaffold(tmp_path / "new" / "folder", "mon-agent_2", text)
    library = TemplateLibrary(path.parent)
    revision = library.get("mon-agent_2")
    assert revision.description.en == 'Say "x" {y}'
    assert revision.role == 'a "role"'
    assert (revision.parents == ()) == (parent is None)
    assert text.count("//") > 10
    assert lint(library, ["mon-agent_2"], known_tools=TOOLS, strict=True) == []
    assert parse(text).data["playbook"][1]["with"] == {"length": {"$": "config.length"}}
    with pytest.raises(NameTaken):
        write_scaffold(path.parent, "mon-agent_2", text)


def test_a_scaffold_needs_a_name():
    with pytest.raises(TemplateUnknown):
        scaffold("../x")
