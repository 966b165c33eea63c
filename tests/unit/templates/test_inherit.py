"""What a child takes from its parents, and that it is known where each thing came from."""

from __future__ import annotations

import contextlib
import copy
import json
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextgeneration.kernel.canonical import digest
from nextgeneration.kernel.language import Texts
from nextgeneration.templates.errors import RevisionAltered, TemplateInvalid
from nextgeneration.templates.inherit import DEFAULT_PLAYBOOK, adopt, resolve
from nextgeneration.templates.library import TemplateLibrary
from nextgeneration.templates.revision import Revision

ROOT = {
    "name": "root",
    "role": "r",
    "domain": "d",
    "version": "1.2.0",
    "capabilities": ["b", {"id": "a", "description": "does a", "examples": ["x"]}],
    "description": {"en": "Root.", "fr": "Racine."},
    "instructions": "One.",
    "tools": ["z", "a"],
    "playbook": [{"id": "look", "tool": "fs.list"}],
    "model": {"prefer": ["m:1"], "needs": ["tools"]},
    "permissions": {"deny": ["shell.*"]},
    "budget": {"tool_calls": 10, "seconds": 60},
    "hooks": {"before_process": ["first"], "on_error": "oops"},
    "default_config": {"deep": {"kept": 1, "changed": 1, "gone": {"x": 1}}, "list": [1, 2]},
    "input_schema": {"type": "object"},
    "metadata": {"team": "core", "content_hash": "forged"},
    "x-color": "red",
}
CHILD = {
    "name": "child",
    "role": "c",
    "domain": "e",
    "parent": "root",
    "capabilities": ["a", "c"],
    "instructions": {"append": "Two."},
    "tools": ["m", "a"],
    "permissions": {"ask": ["fs.write"]},
    "budget": {"tool_calls": 50, "seconds": 30, "credits": 5},
    "hooks": {"before_process": ["second", "first"], "after_process": "third"},
    "default_config": {"deep": {"changed": 2, "gone": 0, "new": {"y": []}}, "list": []},
    "metadata": {"owner": "me"},
}


@pytest.fixture(scope="module")
def root():
    return resolve(ROOT, None, "root.json")


@pytest.fixture(scope="module")
def child(root):
    return resolve(CHILD, root, "child.json")


def test_scalars_replace_and_identity_is_its_own(child):
    assert (child.name, child.role, child.domain, child.version) == ("child", "c", "e", "1.0.0")
    assert child.description == Texts("Root.", "Racine.")
    assert child.route.route == "d"  # the root's domain: an absent route is the parent's
    assert child.parents == ("root",)
    assert child.inherited_from == child.metadata["inherited_from"] == "root"


def test_instructions_append_or_replace(root, child):
    assert child.instructions == "One.\n\nTwo."
    assert resolve({**CHILD, "instructions": "Mine."}, root, "-").instructions == "Mine."
    assert resolve({**ROOT, "instructions": {"append": "Alone."}}, None, "-").instructions == "Alone."


def test_tools_and_capabilities_are_united_and_sorted(child):
    assert child.tools == ("a", "m", "z")
    assert [capability.id for capability in child.capabilities] == ["a", "b", "c"]
    assert child.capabilities[0].description == Texts("does a", "does a")
    assert child.capabilities[0].examples == ("x",)


def test_playbook_model_and_schemas_replace_whole(root, child):
    assert [step.id for step in child.playbook] == ["look"]
    assert child.model.needs == ("tools",)
    other = resolve({**CHILD, "playbook": [{"tool": "t"}], "model": {"prefer": ["n:2"]}, "input_schema": {}}, root, "-")
    assert [(step.id, step.tool, step.with_, step.when, step.each, step.on_error) for step in other.playbook] == [
        ("step1", "t", {}, True, None, "stop")
    ]
    assert (other.model.prefer, other.model.needs, other.input_schema) == (("n:2",), (), {})


def test_config_and_metadata_merge_deeply(child):
    assert child.default_config == {"deep": {"kept": 1, "changed": 2, "gone": 0, "new": {"y": []}}, "list": []}
    assert child.metadata["team"] == "core"
    assert child.metadata["owner"] == "me"
    assert child.metadata["content_hash"] == child.digest != "forged"


def test_hooks_of_parents_run_first_and_stay(child):
    assert child.hooks.before_process == ("first", "second")
    assert child.hooks.after_process == ("third",)
    assert child.hooks.on_error == ("oops",)


def test_the_smaller_budget_counts(child):
    assert (child.budget.tool_calls, child.budget.seconds, child.budget.credits) == (10, 30, 5)
    assert child.budget.model_calls is None


def test_permissions_are_levels_root_first(child):
    assert [level.deny for level in child.permissions] == [("shell.*",), ()]
    assert child.permissions[1].ask == ("fs.write",)


def test_every_field_says_who_decided_it(child):
    origins = child.origins
    assert (
        origins["/name"] == origins["/default_config/deep/changed"] == origins["/default_config/deep/gone"] == "child"
    )
    assert origins["/default_config/deep/kept"] == origins["/playbook"] == origins["/budget/tool_calls"] == "root"
    assert "/default_config/deep/gone/x" not in origins
    assert origins["/budget/seconds"] == origins["/hooks/before_process/1"] == origins["/permissions/1"] == "child"
    assert [origins[f"/tools/{i}"] for i in range(3)] == ["root", "child", "root"]
    assert [origins[f"/capabilities/{i}"] for i in range(3)] == ["root", "root", "child"]
    assert origins["/instructions"] == "root + child"
    assert origins["/runtime"] == "(default)"
    assert origins["/x-color"] == "root"
    for pointer in origins:
        node = child.data
        for part in pointer.split("/")[1:]:
            node = node[int(part)] if isinstance(node, list) else node[part]


def test_without_a_playbook_in_the_lineage_the_constant_one_stands_in(child):
    bare = resolve({"name": "x", "role": "r", "domain": "d"}, None, "-")
    assert bare.default_playbook
    assert bare.data["playbook"] == DEFAULT_PLAYBOOK
    assert bare.route.route == "d"
    assert not child.default_playbook
    heir = resolve({"name": "y", "role": "r", "domain": "d", "playbook": [{"tool": "t"}]}, bare, "-")
    assert not heir.default_playbook


def test_the_digest_is_of_exactly_the_data_and_covers_the_parents(root, child):
    assert child.digest == digest(child.data)
    assert resolve(dict(reversed(CHILD.items())), root, "elsewhere").digest == child.digest
    assert resolve({**CHILD, "tools": ["m", "a", "pytest"]}, root, "-").digest != child.digest
    changed = resolve({**ROOT, "tools": ["z", "a", "new"]}, None, "-")
    assert resolve(CHILD, changed, "-").digest != child.digest
    # even a change that the child overrides: its revision names its parent's
    reworded = resolve({**ROOT, "version": "1.2.1"}, None, "-")
    assert resolve(CHILD, reworded, "-").digest != child.digest


def test_a_revision_is_rebuilt_from_its_stored_data(child):
    stored = json.loads(json.dumps(child.data))
    rebuilt = Revision.from_data(stored, digest=child.digest)
    assert rebuilt == child
    assert hash(rebuilt) == hash(child)
    for field in ("tools", "playbook", "permissions", "hooks", "budget", "capabilities", "route", "parents", "model"):
        assert getattr(rebuilt, field) == getattr(child, field)
    assert pickle.loads(pickle.dumps(child)) == child
    assert child != "child"


def test_a_damaged_record_is_refused_by_name(child):
    stored = copy.deepcopy(child.data)
    stored["tools"].append("shell.run")
    with pytest.raises(RevisionAltered, match="child"):
        Revision.from_data(stored, digest=child.digest)
    for damaged in ({}, {"name": "x"}, [], None, {**child.data, "playbook": [{}]}, {**child.data, "tools": {1}}):
        with pytest.raises(RevisionAltered):
            Revision.from_data(damaged)


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_any_loss_in_a_record_is_refused_by_name_or_changes_the_digest(data):
    stored = copy.deepcopy(resolve(CHILD, resolve(ROOT, None, "-"), "-").data)
    key = data.draw(st.sampled_from(sorted(stored)))
    stored[key] = data.draw(st.sampled_from([None, 0, "x", [], {}, [1], [{}], {"a": 1}, float("nan")]))
    with contextlib.suppress(RevisionAltered):
        assert Revision.from_data(stored).digest == digest(stored)


def test_adopting_lays_a_lineage_over_another(root):
    rules = {"ask": ["*"]}
    data = {"name": "other", "role": "r", "domain": "d", "tools": ["t"], "permissions": rules, "runtime": "llm"}
    other = resolve(data, None, "-")
    mid = resolve({"name": "mid", "role": "m", "domain": "n", "permissions": {"deny": ["x"]}}, other, "-")
    made = adopt(mid, root)
    assert made.parents == ("root", "other")
    assert [level.model_dump() for level in made.permissions] == [
        level.model_dump() for level in (*root.permissions, *mid.permissions)
    ]
    assert set(made.tools) == {"a", "t", "z"}
    assert made.runtime == "llm"
    assert [step.id for step in made.playbook] == ["look"]
    assert made.instructions == "One."
    assert made.digest == digest(made.data)


def test_the_library_refuses_to_adopt_in_circles(tmp_path):
    library = TemplateLibrary(tmp_path)
    base, heir = library.get("base_specialist"), library.get("documentaliste")
    with pytest.raises(TemplateInvalid):
        library.inherit(base, heir)
    assert (
        library.inherit(library.resolve({"name": "x", "role": "r", "domain": "d"}), heir).parents[0] == "documentaliste"
    )
