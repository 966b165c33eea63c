"""How calls are decided: what the lists can and can never do."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from nextgeneration.kernel.risk import EffectRule, RiskLabel
from nextgeneration.security.errors import BadPermissionRule
from nextgeneration.security.permissions import PermissionRules, Verdict, decide, parse_rule

ALLOW, ASK, DENY = Verdict.ALLOW, Verdict.ASK, Verdict.DENY
ONCE, PURE, IDEMPOTENT = EffectRule.ONCE, EffectRule.PURE, EffectRule.IDEMPOTENT
WRITE, SAFE = RiskLabel.WRITE, RiskLabel.SAFE


def rules(allow: str = "", ask: str = "", deny: str = "") -> PermissionRules:
    lists = {"allow": allow, "ask": ask, "deny": deny}
    return PermissionRules(**{name: tuple(text.split("|")) for name, text in lists.items() if text})


def verdict(*levels, tool="fs.write", subjects=("docs/a.md",), label=WRITE, rule=ONCE, standing=(), aliases=()):
    return decide(levels, standing, tool, subjects, label, rule, aliases=aliases).verdict


def test_a_call_starts_from_its_tools_own_rule():
    assert verdict(label=SAFE, rule=PURE) is ALLOW
    assert verdict(label=SAFE, rule=IDEMPOTENT) is ASK
    for label in set(RiskLabel) - {SAFE}:
        assert verdict(label=label, rule=PURE) is ASK


@pytest.mark.parametrize("label", RiskLabel)
def test_a_root_lowers_write_and_network_only(label):
    lowered = verdict(rules(allow="fs.write"), label=label)
    assert lowered is (ALLOW if label.rank <= RiskLabel.NETWORK.rank else ASK)
    assert verdict(label=label, standing=["fs.write"]) is lowered


def test_deny_beats_ask_beats_allow_in_one_level():
    assert verdict(rules(allow="fs.write", ask="fs.write")) is ASK
    assert verdict(rules(allow="fs.write", ask="fs.write", deny="fs.write")) is DENY
    assert verdict(rules(deny="fs.*"), label=SAFE, rule=PURE) is DENY


def test_a_child_tightens_but_never_loosens_what_an_ancestor_names():
    assert verdict(rules(allow="fs.write"), rules(ask="fs.write")) is ASK
    assert verdict(rules(allow="fs.write"), rules(deny="fs.write")) is DENY
    assert verdict(rules(ask="fs.write"), rules(allow="fs.write")) is ASK
    assert verdict(rules(deny="fs.write"), rules(allow="fs.write")) is DENY
    assert verdict(rules(deny="fs.write"), rules(), rules(allow="*")) is DENY
    # an ancestor that names the tool for other arguments has decided about the tool
    assert verdict(rules(allow="fs.write(src/*)"), rules(allow="fs.write(docs/*)")) is ASK
    assert verdict(rules(ask="*(x)"), rules(allow="fs.write")) is ASK


def test_a_child_does_not_loosen_what_an_ancestor_could_not_compare():
    assert verdict(rules(deny="fs.write(x*)"), rules(allow="fs.write"), subjects=()) is ASK
    assert verdict(rules(ask="fs.write(x*)"), rules(allow="fs.write"), subjects=("y",)) is ASK


def test_rules_for_other_tools_say_nothing():
    assert verdict(rules(deny="http.get", ask="fs.read", allow="fs.write")) is ALLOW
    assert verdict(rules(deny="http.get(*)"), label=SAFE, rule=PURE, subjects=()) is ALLOW
    assert verdict(rules(allow="http.get")) is ASK


def test_a_child_may_name_what_no_ancestor_names():
    assert verdict(rules(allow="http.get"), rules(allow="fs.write(docs/*)")) is ALLOW
    assert verdict(rules(), rules(allow="fs.write"), rules(allow="fs.write")) is ALLOW


def test_allow_needs_every_subject_and_strict_rules_any():
    both = ("docs/a", "src/b")
    assert verdict(rules(allow="fs.write(docs/*)"), subjects=both) is ASK
    assert verdict(rules(allow="fs.write(docs/*)|fs.write(src/*)"), subjects=both) is ALLOW
    assert verdict(rules(allow="fs.write", deny="fs.write(src/*)"), subjects=both) is DENY
    assert verdict(rules(allow="fs.write", ask="fs.write(src/*)"), subjects=both) is ASK


def test_a_call_without_subjects_matches_no_allow_pattern_and_is_asked_where_a_strict_one_might_apply():
    assert verdict(rules(allow="fs.write(*)"), subjects=()) is ASK
    assert verdict(standing=["fs.write(*)"], subjects=()) is ASK
    assert verdict(rules(allow="fs.write", deny="fs.write(secret/*)"), subjects=()) is ASK
    assert verdict(rules(allow="fs.write"), subjects=()) is ALLOW


@pytest.mark.parametrize(
    "subject",
    [
        "docs/../secret",
        "docs/..",
        "..",
        "docs/a\nrm -rf /",
        "docs/\x1b[2K",
        "docs/a\u202e",
        "docs\\..\\x",
        "docs/a --out=../x",
    ],
)
def test_an_allow_pattern_is_not_dodged(subject):
    assert verdict(rules(allow="fs.write(docs/*)"), subjects=(subject,)) is ASK
    assert verdict(standing=["fs.write(docs/*)"], subjects=(subject,)) is ASK


@pytest.mark.parametrize(
    "subject",
    ["secret/key", "./secret/key", "secret//key", "a/../secret/key", "SECRET/key", "ｓecret/key", "secret", "secret/"],
)
def test_a_deny_pattern_holds_for_other_spellings(subject):
    assert verdict(rules(allow="fs.write", deny="fs.write(secret/*)"), subjects=(subject,)) is DENY


def test_patterns_match_each_command_of_a_line_by_itself():
    """Subjects are the argv of each command, so `git *` cannot swallow what follows a separator."""
    level = rules(allow="shell.run(git *)")
    assert verdict(level, tool="shell.run", subjects=("git status",)) is ALLOW
    assert verdict(level, tool="shell.run", subjects=("git status", "rm -rf .")) is ASK


def test_a_rule_may_use_any_of_a_tools_names_whatever_the_case():
    assert verdict(rules(allow="fs.write", deny="markdown_writer"), aliases=("markdown_writer",)) is DENY
    assert verdict(rules(deny="FS.Write")) is DENY
    assert verdict(rules(allow="FS.Write")) is ASK
    assert verdict(rules(allow="markdown_writer"), aliases=("markdown_writer",)) is ALLOW


def test_standing_rules_lower_ask_but_never_deny():
    assert verdict(rules(ask="fs.write"), standing=["fs.write(docs/*)"]) is ALLOW
    assert verdict(rules(deny="fs.write"), standing=["fs.write"]) is DENY
    assert verdict(rules(ask="fs.write"), standing=["fs.read"]) is ASK


def test_the_reason_is_said_in_both_languages_and_shows_no_control_characters():
    why = decide([rules(allow="fs.write(docs/*)")], [], "fs.write", ("docs/a",), WRITE, ONCE).why
    assert "`fs.write(docs/*)`" in why.en
    assert "permet" in why.fr
    shown = decide([rules(deny="fs.write(\x1b*)|fs.write")], [], "fs.write", ("\x1bx",), WRITE, ONCE).why
    assert "\x1b" not in shown.en
    for levels in ([], [rules(ask="fs.write")], [rules(deny="fs.write(a*)")]):
        decision = decide(levels, [], "fs.write", (), WRITE, ONCE)
        assert decision.why.en
        assert decision.why.fr


@pytest.mark.parametrize(
    "text", ["", "fs.write(", "fs.write)", "(x)", "two words", "fs.write()", "é", "x" * 300, "a;b"]
)
def test_what_is_no_rule_is_refused_and_decides_nothing(text):
    with pytest.raises(BadPermissionRule):
        parse_rule(text)
    with pytest.raises((ValidationError, BadPermissionRule)):
        PermissionRules(deny=(text,))
    with pytest.raises(BadPermissionRule):
        decide([], [text], "fs.write", (), WRITE, ONCE)


def test_rules_are_frozen_and_survive_pickling():
    level = rules(allow="a(b)", deny="c")
    assert pickle.loads(pickle.dumps(level)) == level
    with pytest.raises(ValidationError):
        level.allow = ()
    with pytest.raises(ValidationError):
        PermissionRules.model_validate({"alow": []})


TOOLS = st.sampled_from(["fs.write", "fs.read", "fs.*", "*", "shell.run", "http.get", "f?.write"])
PATTERNS = st.sampled_from(["", "(docs/*)", "(*)", "(src/?)", "(git *)", "([ab]*)"])
RULES = st.lists(st.builds(lambda tool, pattern: tool + pattern, TOOLS, PATTERNS), max_size=3).map(tuple)
LEVEL = st.builds(PermissionRules, allow=RULES, ask=RULES, deny=RULES)
SUBJECT = st.sampled_from(["docs/a", "src/b", "git status", "x", "docs/../y", ""])
CALL = st.fixed_dictionaries(
    {
        "tool": st.sampled_from(["fs.write", "fs.read", "shell.run", "http.get"]),
        "subjects": st.lists(SUBJECT, max_size=3).map(tuple),
        "label": st.sampled_from(list(RiskLabel)),
        "rule": st.sampled_from(list(EffectRule)),
    }
)


def names(level: PermissionRules, tool: str) -> bool:
    return any(parse_rule(text).names([tool]) for text in (*level.allow, *level.ask, *level.deny))


@given(st.lists(LEVEL, max_size=4), LEVEL, CALL, RULES)
@settings(max_examples=200, deadline=None)
def test_a_child_never_loosens_what_an_ancestor_names(levels, child, call, standing):
    assume(any(names(level, call["tool"]) for level in levels))
    without = decide(levels, standing, **call).verdict
    assert decide([*levels, child], standing, **call).verdict.rank >= without.rank


@given(st.lists(LEVEL, max_size=4), CALL, RULES)
@settings(max_examples=200, deadline=None)
def test_nothing_allows_what_is_more_than_network(levels, call, standing):
    assume(call["label"].rank > RiskLabel.NETWORK.rank)
    assert decide(levels, standing, **call).verdict is not ALLOW


@given(st.lists(LEVEL, max_size=4), CALL, RULES)
@settings(max_examples=200, deadline=None)
def test_no_standing_rule_touches_a_deny_and_none_tightens(levels, call, standing):
    without, given_rules = decide(levels, (), **call).verdict, decide(levels, standing, **call).verdict
    assert given_rules is without or (without is ASK and given_rules is ALLOW)


@given(st.lists(LEVEL, max_size=3), CALL, st.sampled_from(["docs/a", "x"]))
@settings(max_examples=200, deadline=None)
def test_one_more_subject_never_makes_a_call_milder(levels, call, extra):
    assume(call["subjects"])
    more = {**call, "subjects": (*call["subjects"], extra)}
    assert decide(levels, (), **more).verdict.rank >= decide(levels, (), **call).verdict.rank


@given(st.text(max_size=40))
def test_any_text_is_a_rule_or_refused(text):
    try:
        parse_rule(text)
    except BadPermissionRule as error:
        refused = error.message("fr")
        assert "\x1b" not in refused
