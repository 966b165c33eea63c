"""What must never become an agent, in whatever disguise it comes."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextgeneration.kernel.language import Texts
from nextgeneration.security.errors import Refusal, TemplateRefused
from nextgeneration.security.validator import (
    DANGEROUS_TOOLS,
    TemplateLimits,
    TemplateSecurityValidator,
    danger,
    normal_name,
    security_validator,
)

GOOD = {
    "name": "x",
    "role": "r",
    "domain": "d",
    "tools": ["fs.read", "python_interpreter", "pytest", "mcp:srv/run-eval"],
}


def refused(change: dict, validator: TemplateSecurityValidator = security_validator) -> list[str]:
    with pytest.raises(TemplateRefused) as caught:
        validator.validate({**GOOD, **change}, "x.json")
    assert caught.value.where == "x.json"
    return [reason.pointer for reason in caught.value.reasons]


def test_a_good_template_passes_and_says_true():
    assert security_validator.validate(GOOD, "x.json") is True
    assert TemplateSecurityValidator().validate(GOOD) is True


@pytest.mark.parametrize("tool", sorted(DANGEROUS_TOOLS))
def test_every_dangerous_tool_is_refused_in_each_disguise(tool):
    fullwidth = "".join(chr(ord(c) + 0xFEE0) if c.isalpha() else c for c in tool)
    for disguise in (
        tool,
        tool.upper(),
        f" {tool} ",
        tool.replace(".", " . "),
        f"builtins.{tool}",
        f"__builtins__['{tool}']",
        tool.replace(".", ":"),
        tool.replace(".", "/"),
        tool[:2] + "\u200b" + tool[2:],
        tool[:1] + "\u00ad\ufeff" + tool[1:],
        fullwidth,
        f"{tool}('x')",
        f"{tool}(",
    ):
        assert danger(disguise) is not None, disguise


@pytest.mark.parametrize(
    "tool",
    [
        "еval",
        "evаl",
        "ехес",
        "os．system",
        "os․system",
        "x.pickle.loads",
        "subprocess.run.__call__",
        "import os; os.system",
        "lambda: eval",
        "getattr(os, 'system')",
        "os.system;ls",
        "$(id)",
        "`id`",
        "eval\n",
        "ＯＳ.system",
        "o\u0301s.system",
    ],
)
def test_lookalikes_and_wrappings_are_refused(tool):
    assert danger(tool) is not None


@pytest.mark.parametrize(
    "tool",
    [
        "fs.read",
        "shell.run",
        "python_interpreter",
        "file_reader",
        "pdf_reader",
        "markdown_writer",
        "pytest",
        "code.audit",
        "code.lint",
        "test.run",
        "web.search",
        "http.get",
        "compose.audit",
        "docs.summary",
        "system.diagnose_command",
        "mcp:context7/get-library-docs",
        "mcp:docker/exec",
        "a2a:peer",
        "git.compile",
        "executor",
        "evaluate",
    ],
)
def test_honest_tools_pass(tool):
    assert danger(tool) is None


def test_normal_names():
    assert normal_name(" Os\u200b . ＳYSTEM ") == "os.system"
    assert normal_name("a::b->c") == "a.b.c"


def test_tools_are_looked_for_wherever_a_template_names_them():
    assert refused({"tools": ["ok", "eval"]}) == ["/tools/1"]
    assert refused({"playbook": [{"tool": "ok"}, {"tool": "OS.system"}]}) == ["/playbook/1/tool"]
    assert refused({"permissions": {"allow": ["os.system(ls *)"]}}) == ["/permissions/allow/0"]
    security_validator.validate({**GOOD, "permissions": {"deny": ["os.system"], "allow": ["fs.*", "*"]}})


@pytest.mark.parametrize(
    "target",
    [
        "pkg.mod:func",
        "os.system",
        "os:system",
        "/bin/sh",
        "./hook.py",
        "rm -rf /",
        "a b",
        "",
        "..",
        "-x",
        "é",
        "x\n",
        "a;b",
        "$(id)",
        3,
        None,
        ["a", "b:c"],
        {"run": "x"},
        "x" * 65,
    ],
)
def test_a_hook_is_a_plain_entry_point_name(target):
    assert refused({"hooks": {"before_process": target}})[0].startswith("/hooks/before_process")


def test_hooks_that_are_names_pass_and_their_number_is_bounded():
    security_validator.validate(
        {**GOOD, "hooks": {"before_process": "check-in", "on_error": ["a", "b_2"], "x-note": "a b"}}
    )
    assert refused({"hooks": {"before_process": ["a"] * 40}}) == ["/hooks"]
    assert refused({"hooks": "os.system"}) == ["/hooks"]


def test_the_capability_allow_list():
    validator = TemplateSecurityValidator(allowed_capabilities=["read_*", "write"])
    validator.validate({**GOOD, "capabilities": ["read_pdf", {"id": "write"}]})
    assert refused({"capabilities": ["read_pdf", "writer", {"id": "x"}, 3]}, validator) == [
        "/capabilities/1",
        "/capabilities/2",
        "/capabilities/3",
    ]
    assert refused({"capabilities": ["a"]}, TemplateSecurityValidator(allowed_capabilities=[])) == ["/capabilities/0"]


@pytest.mark.parametrize(
    "change",
    [
        {"tools": ["t"] * 300},
        {"capabilities": ["c"] * 300},
        {"instructions": "x" * 1_000_001},
        {"k" * 1_000_001: 1},
        {"default_config": {"a": list(range(60_000))}},
    ],
)
def test_what_is_too_large_is_refused(change):
    assert refused(change)


def test_limits_are_settings():
    validator = TemplateSecurityValidator(limits=TemplateLimits(tools=1))
    assert refused({"tools": ["a", "b"]}, validator) == ["/tools"]


def test_nesting_and_circles_do_not_crash():
    deep: dict = {}
    node = deep
    for _ in range(100_000):
        node["a"] = node = {}
    assert refused({"default_config": deep}) == [""]
    circle: dict = {}
    circle["self"] = circle
    assert refused({"default_config": circle}) == [""]


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), b"x", {1: 2}, (1,), {1}, object(), 1j, 2**53, -(2**60), "\ud800", "\0", {"\udfff": 1}],
)
def test_what_is_not_json_is_refused(value):
    assert refused({"default_config": {"a": [value]}}) == [""]


@pytest.mark.parametrize("data", [None, [], "x", 3])
def test_only_an_object_is_looked_at(data):
    with pytest.raises(TemplateRefused):
        security_validator.validate(data, "x.json")


@pytest.mark.parametrize(
    "secret",
    [
        "AKIA" + "A1B2C3D4E5F6G7H8",
        "ghp_" + "a" * 36,
        "glpat-" + "b" * 20,
        "sk-" + "c" * 40,
        "sk-ant-" + "d" * 40,
        "xoxb-" + "1" * 24,
        "AIza" + "e" * 35,
        "sk_live_" + "f" * 24,
        "hf_" + "g" * 34,
        "-----BEGIN RSA PRIVATE KEY-----",
    ],
)
def test_a_secret_is_refused_and_never_repeated(secret):
    with pytest.raises(TemplateRefused) as caught:
        security_validator.validate({**GOOD, "default_config": {"a": [{"key": f"token={secret}"}]}}, "x.json")
    assert [reason.pointer for reason in caught.value.reasons] == ["/default_config/a/0/key"]
    assert secret not in repr(caught.value.problem("en")) + repr(caught.value.problem("fr")) + repr(caught.value.values)


def test_a_signature_policy_is_asked():
    class NobodySigned:
        def check(self, template_data, template_path):
            assert template_path == "x.json"
            return [Refusal("", Texts("it is not signed.", "il n'est pas signé."), Texts("Sign it.", "Signez-le."))]

    with pytest.raises(TemplateRefused) as caught:
        TemplateSecurityValidator(signatures=NobodySigned()).validate(GOOD, "x.json")
    assert "Signez-le" in caught.value.message("fr")
    assert pickle.loads(pickle.dumps(caught.value)).problem("en") == caught.value.problem("en")


def test_every_reason_is_told():
    pointers = refused({"tools": ["eval"], "hooks": {"on_error": "a:b"}, "default_config": {"a": "sk-" + "c" * 40}})
    assert pointers == ["/tools/0", "/hooks/on_error", "/default_config/a"]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=15,
)
KEYS = st.sampled_from(["tools", "hooks", "playbook", "permissions", "capabilities", "default_config", "name"])


@given(st.dictionaries(KEYS, ANYTHING) | ANYTHING)
@settings(max_examples=200, deadline=None)
def test_any_data_is_accepted_or_refused_by_name(data):
    try:
        accepted = security_validator.validate(data, "fuzz")
    except TemplateRefused as error:
        accepted = bool(error.reasons)
    assert accepted is True


@given(st.sampled_from(sorted(DANGEROUS_TOOLS)), st.data())
@settings(max_examples=200, deadline=None)
def test_no_sprinkling_of_invisible_characters_or_case_hides_a_dangerous_tool(tool, data):
    marks = st.sampled_from(["", "\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad", " ", "\t", "\u0301", "\u202e"])
    dressed = "".join(
        data.draw(marks) + (character.upper() if data.draw(st.booleans()) else character) for character in tool
    )
    assert danger(dressed) is not None


def test_the_package_exports_its_callers_names():
    import nextgeneration.security as room

    assert room.TemplateSecurityValidator is TemplateSecurityValidator
    assert room.security_validator is security_validator


def _nested(depth: int) -> dict:
    """An object whose innermost value lies ``depth`` levels deep, the object itself being the first."""
    value: object = 0
    for _ in range(depth - 1):
        value = {"a": value}
    return value  # type: ignore[return-value]


BOUNDARIES = [
    ("characters", lambda n: {"a": "x" * (n - 1)}, ""),
    ("depth", _nested, ""),
    ("values", lambda n: {"a": [0] * (n - 2)}, ""),
    ("tools", lambda n: {"tools": ["t"] * n}, "/tools"),
    ("capabilities", lambda n: {"capabilities": ["c"] * n}, "/capabilities"),
    ("hooks", lambda n: {"hooks": {"on_error": ["h"] * n}}, "/hooks"),
]


@pytest.mark.parametrize(("limit", "made", "pointer"), BOUNDARIES, ids=[limit for limit, _, _ in BOUNDARIES])
def test_each_limit_lets_exactly_its_number_pass(limit, made, pointer):
    validator = TemplateSecurityValidator(limits=TemplateLimits(**{limit: 30}))
    assert validator.validate(made(30))
    with pytest.raises(TemplateRefused) as caught:
        validator.validate(made(31))
    (reason,) = caught.value.reasons
    assert reason.pointer == pointer
    assert "30" in reason.what.en


def test_every_plain_json_value_passes():
    values = [2**53 - 1, -(2**53) + 1, 1.5, -0.0, 1e300, True, None, "é\U0001f600", [], {}]
    assert security_validator.validate({**GOOD, "default_config": {"a": values}})


def test_surroundings_are_taken_off_a_name_that_is_more_than_them():
    assert danger("builtins.builtins.compile") is not None
    assert danger("python") is None
    assert danger("a.compile") is None
