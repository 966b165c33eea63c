"""What may stand in a template's file, and how mistakes are explained."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from nextgeneration.security.validator import security_validator
from nextgeneration.templates.errors import BadExpression, TemplateDangerous, TemplateInvalid
from nextgeneration.templates.expressions import compiled, expression, first_names
from nextgeneration.templates.folders import BUILTIN
from nextgeneration.templates.reader import Document, parse, read
from nextgeneration.templates.schema import SCHEMA_ID, TemplateFile, json_schema
from nextgeneration.templates.validation import check, check_stem

SIX = {
    "name": "lecteur",
    "role": "reader",
    "domain": "documents",
    "capabilities": ["read_pdf"],
    "tools": ["pdf_reader"],
    "supervisor_route": "documents",
}
EIGHT = {
    "name": "documentaliste",
    "role": "analyzer",
    "domain": "documentation",
    "version": "1.1.0",
    "parent": "base_specialist",
    "capabilities": ["summarize_text"],
    "tools": ["pdf_reader"],
    "default_config": {"summary_length": 250},
}
FULL = {
    **EIGHT,
    "$schema": "./.nextgen/schemas/agent-template-1.json",
    "capabilities": [
        "a",
        {"id": "b", "description": {"en": "x", "fr": "y"}, "examples": ["do b"], "input_schema": {"type": "object"}},
    ],
    "supervisor_route": {"route": "docs", "keywords": ["é"], "examples": [], "priority": 3, "x-note": 1},
    "description": {"en": "Reads.", "fr": "Lit."},
    "instructions": {"append": "More."},
    "runtime": "auto",
    "playbook": [
        {"id": "one", "tool": "fs.read", "with": {"path": {"$": "input.path"}}, "when": {"$": "config.on"}},
        {"tool": "fs.read", "with": {"$": "item"}, "each": {"$": "steps.one.value"}, "on_error": "continue"},
        {"tool": "fs.list", "each": [1, 2], "when": False},
    ],
    "playbook_first": True,
    "model": {"prefer": ["anthropic:x"], "needs": ["tools"]},
    "permissions": {"allow": ["fs.write(docs/*)"], "ask": [], "deny": ["shell.*"]},
    "budget": {"credits": 50, "model_calls": 20, "tool_calls": 100, "seconds": 300},
    "hooks": {"before_process": "check-in", "after_process": ["a", "b"]},
    "input_schema": {"type": "object"},
    "output_schema": {},
    "metadata": {"team": "docs"},
    "x-anything": {"goes": True},
}  # fmt: skip


def checked(data, text=None):
    document = parse(text) if text else Document("t.json", json.dumps(data, indent=1), data)
    return check(document, security_validator)


@pytest.mark.parametrize("data", [SIX, EIGHT, FULL], ids=["six fields", "eight fields", "everything"])
def test_the_users_forms_load_and_fit_the_exported_schema(data):
    assert checked(data) == data
    for lang in ("en", "fr"):
        Draft202012Validator(json_schema(lang)).validate(data)


@pytest.mark.parametrize(
    ("change", "pointer", "said"),
    [
        ({"naem": 1}, "/naem", "Did you mean `name`?"),
        ({"whatever": 1}, "/whatever", "start it with `x-`"),
        ({"name": None}, "/name", "not a text"),
        ({"name": "Bad Name"}, "/name", "not a template's name"),
        ({"name": "../evil"}, "/name", "not a template's name"),
        ({"name": "a" * 65}, "/name", "not a template's name"),
        ({"name": "evil\n"}, "/name", "not a template's name"),
        ({"role": ""}, "/role", "form"),
        ({"version": "1.0"}, "/version", "SemVer"),
        ({"parent": "base@nope"}, "/parent", "range"),
        ({"parent": "../x"}, "/parent", "form"),
        ({"parent": "lecteur"}, "/parent|", "itself"),
        ({"capabilities": "read"}, "/capabilities", "not a list"),
        ({"capabilities": [{"id": "a", "descripton": "x"}]}, "/capabilities/0/descripton", "`description`?"),
        ({"description": {"en": "x", "frr": "y"}}, "/description/frr", "`fr`"),
        ({"capabilities": [{"id": "a", "description": {"e": "x"}}]}, "/capabilities/0/description/e", "`en`"),
        ({"capabilities": ["a", "a"]}, "", "twice"),
        ({"capabilities": [1]}, "/capabilities/0", "not an object"),
        ({"tools": [1]}, "/tools/0", "not a text"),
        ({"tools": ["two words"]}, "/tools/0", "form"),
        ({"supervisor_route": {"rout": "x"}}, "/supervisor_route/rout", "Did you mean `route`?"),
        ({"supervisor_route": {"route": "x", "priority": 1.5}}, "/supervisor_route/priority", "whole number"),
        ({"supervisor_route": {"route": "x", "priority": 5000}}, "/supervisor_route/priority", "above 1000"),
        ({"runtime": "gpu"}, "/runtime", "not one of"),
        ({"playbook_first": "yes"}, "/playbook_first", "true or false"),
        ({"playbook": [{"tool": "fs.read", "wiht": {}}]}, "/playbook/0/wiht", "Did you mean `with`?"),
        ({"playbook": [{"tool": "fs.read", "with": {"a": [{"$": "foo["}]}}]}, "/playbook/0/with", "JMESPath"),
        ({"playbook": [{"tool": "fs.read", "when": "yes"}]}, "/playbook/0/when", "condition"),
        ({"playbook": [{"tool": "fs.read", "each": 3}]}, "/playbook/0/each", "each"),
        ({"playbook": [{"id": "a", "tool": "x"}, {"id": "a", "tool": "x"}]}, "", "twice"),
        ({"playbook": [{"tool": "x"}] * 201}, "/playbook", "more than 200"),
        ({"playbook": [{"id": "has-dash", "tool": "x"}]}, "/playbook/0/id", "form"),
        ({"playbook": [{}]}, "/playbook/0/tool", "required"),
        ({"budget": {"credits": -1}}, "/budget/credits", "below 0"),
        ({"budget": {"credits": True}}, "/budget/credits", "whole number"),
        ({"budget": {"seconds": "1"}}, "/budget/seconds", "not a number"),
        ({"budget": {"seconds": 0}}, "/budget/seconds", "not above 0"),
        ({"permissions": {"allow": ["fs.write("]}}, "/permissions/allow/0", "rule"),
        ({"permissions": {"alow": []}}, "/permissions/alow", "Did you mean `allow`?"),
        ({"input_schema": {"type": 5}}, "/input_schema", "JSON Schema"),
        ({"instructions": {"append": 1}}, "/instructions/append", "not a text"),
        ({"instructions": 1}, "/instructions", "not an object"),
        ({"description": "x" * 4001}, "/description", "longer than 4000"),
        ({"default_config": []}, "/default_config", "not an object"),
        ({"model": {"prefers": []}}, "/model/prefers", "Did you mean `prefer`?"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_place_and_mend(change, pointer, said):
    with pytest.raises(TemplateInvalid) as caught:
        checked({**SIX, **change})
    problems = caught.value.problems
    assert any(problem.pointer in pointer.split("|") for problem in problems), problems
    assert said in caught.value.message("en") + caught.value.hint("en")
    assert caught.value.where.startswith("t.json:")
    assert all(problem.line for problem in problems)


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file():
    with pytest.raises(TemplateInvalid) as caught:
        checked(None, '{\n"name": "x",\n"rol": "y",\n"tools": 3\n}')
    assert [(p.pointer, p.line) for p in caught.value.problems] == [
        ("/role", 1),
        ("/domain", 1),
        ("/rol", 3),
        ("/tools", 4),
    ]
    assert "ligne 3" in caught.value.message("fr")


def test_many_mistakes_are_counted():
    with pytest.raises(TemplateInvalid) as caught:
        checked({**SIX, **{f"k{i}": 1 for i in range(20)}})
    assert "and 10 more" in str(caught.value)


def test_values_are_never_quoted():
    """A value may be a secret; what is wrong with it is said without showing it."""
    with pytest.raises(TemplateInvalid) as caught:
        checked({**SIX, "role": ["hunter2-secret"], "runtime": "hunter2-secret", "version": "hunter2-secret"})
    assert "hunter2" not in str(caught.value.problem("en")) + str(caught.value.problem("fr"))


@pytest.mark.parametrize("data", [[], "text", 3, None, True])
def test_only_an_object_is_a_template(data):
    with pytest.raises(TemplateInvalid):
        checked(data)


def test_safety_is_looked_at_before_form():
    """A dangerous tool is reported as that, in a template that is wrong in other ways too."""
    with pytest.raises(TemplateDangerous) as caught:
        checked(None, '{"name": 5,\n "tools": ["ok",\n "OS.System"]}')
    assert [(p.pointer, p.line) for p in caught.value.problems] == [("/tools/1", 3)]


def test_the_name_is_the_files(tmp_path):
    path = tmp_path / "other.json"
    path.write_text(json.dumps(SIX))
    document = read(path)
    with pytest.raises(TemplateInvalid, match="other"):
        check_stem(document, document.data)


def test_the_schema_is_complete_and_bilingual():
    english, french = json_schema("en"), json_schema("fr")
    Draft202012Validator.check_schema(english)
    assert english["$id"] == french["$id"] == SCHEMA_ID
    assert english["additionalProperties"] is False
    assert set(english["properties"]) == {field.alias or name for name, field in TemplateFile.model_fields.items()}
    for name, field in english["properties"].items():
        assert field["description"], name
        assert french["properties"][name]["description"], name
    assert english["properties"]["parent"]["description"] != french["properties"]["parent"]["description"]
    assert "x-fr" not in json.dumps(english) + json.dumps(french)
    assert sorted(english["required"]) == ["domain", "name", "role"]
    english.clear()
    assert json_schema("en")


@pytest.mark.parametrize("path", sorted(BUILTIN.glob("*.json")), ids=lambda path: path.stem)
def test_built_in_templates_fit_the_exported_schema(path):
    Draft202012Validator(json_schema()).validate(json.loads(path.read_text()))


MUTATIONS = st.sampled_from(
    [None, True, 0, -1, 1.5, "", "x", "../../x", "{{7*7}}", [], {}, [[]], {"$": "a"}, {"": ""}, "é" * 50]
).map(copy.deepcopy)


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_a_mutated_template_is_a_template_or_refused_by_name(data):
    """Values anywhere in a valid template are replaced: nothing but a named error ever comes out."""
    template = json.loads(json.dumps(FULL))
    for _ in range(data.draw(st.integers(1, 3))):
        node, key = template, data.draw(st.sampled_from(sorted(template)))
        while isinstance(node[key], (dict, list)) and node[key] and data.draw(st.booleans()):
            node = node[key]
            key = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        node[key] = data.draw(MUTATIONS)
    try:
        checked(template)
    except TemplateInvalid as error:
        found = error.problems
    else:
        found = ()
        TemplateFile.model_validate(template)
    assert all(problem.what.en and problem.fix.fr for problem in found)


def test_literal_text_stays_literal():
    """Only an object with `$` alone is an expression; nothing that looks like another template language is."""
    for value in ("{{7*7}}", "${x}", "$input.path", {"$": 1}, {"$": "a", "b": 1}, ["$"], {"$$": "a"}):
        assert expression(value) is None
    assert expression({"$": "input.path"}) == "input.path"
    assert first_names("steps.a.b.c || length(item.x) > `0` && !config.y && [input.p, {k: context.q}]") == {
        ("steps", "a", "b", "c"),
        ("item", "x"),
        ("config", "y"),
        ("input", "p"),
        ("context", "q"),
    }
    assert first_names("steps.a[?b=='c'].d | e") == {("steps", "a")}


@pytest.mark.parametrize("text", ["a" * 1001, "!" * 400 + "a", "!" * 990 + "a", "`{`", "", "a..b", "\\"])
def test_hostile_expressions_are_refused(text):
    with pytest.raises(BadExpression):
        compiled(text)
