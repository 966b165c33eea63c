"""Every rule of `compose.audit` on the example that breaks it and the one that does not."""

from __future__ import annotations

import string
from pathlib import Path

import pytest

from nextgeneration.kernel.findings import Severity
from nextgeneration.tools.compose.catalogue import RULES
from nextgeneration.tools.compose.rule import Rule
from nextgeneration.tools.compose.tool import AuditArgs, audit_workspace
from nextgeneration.tools.fs.diff import applied, parse
from nextgeneration.tools.workspace import Workspace

EVERY = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)


def found(folder: Path, rule: Rule, text: str, lang: str = "en"):
    (folder / "docker-compose.yml").write_text(text, encoding="utf-8")
    for name, content in rule.beside.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content, encoding="utf-8")
    return audit_workspace(Workspace(folder), AuditArgs(), lang)


def test_there_are_more_than_thirty_rules_with_unique_ids():
    assert len(RULES) >= 30
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert all(rule.id.startswith("compose.") for rule in RULES)


@EVERY
def test_the_bad_example_is_found_at_its_line_and_the_good_one_is_not(rule, tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "good").mkdir()
    bad = [f for f in found(tmp_path / "bad", rule, rule.bad).findings if f.rule == rule.id]
    assert [f.location.line for f in bad] == [rule.line]
    good = found(tmp_path / "good", rule, rule.good).findings
    assert not [f for f in good if f.rule == rule.id]


@EVERY
def test_a_finding_is_complete_in_both_languages(rule, tmp_path):
    """Both languages have every text, differ, and leave no field unfilled."""
    by_lang = {
        lang: next(f for f in found(tmp_path, rule, rule.bad, lang).findings if f.rule == rule.id)
        for lang in ("en", "fr")
    }
    for finding in by_lang.values():
        for text in (finding.title, finding.message, finding.fix):
            assert text.strip()
            assert not any(f"{{{name}}}" in text for name in ("service", "name", "path", "value", "hint", "indice"))
        assert finding.cause
        assert finding.evidence[0].source == "compose.audit"
        assert finding.evidence[0].excerpt
        assert len(finding.evidence[0].excerpt) <= 500
        assert finding.reference.endswith("#" + rule.id.removeprefix("compose."))
    assert by_lang["en"].message != by_lang["fr"].message
    assert by_lang["en"].fix != by_lang["fr"].fix
    assert by_lang["en"].id == by_lang["fr"].id


@EVERY
def test_the_texts_of_both_languages_have_the_same_facts(rule):
    """A field that only one language has would be a fact the other reader does not get."""
    translated = {
        "indice": "hint",
        "quoi": "what",
        "voulu": "wanted",
        "trouve": "found",
        "probleme": "problem",
        "modele": "sample",
    }
    for text in (rule.title, rule.why, rule.fix):
        fields = [
            {translated.get(name, name) for _, name, _, _ in string.Formatter().parse(said) if name} for said in text
        ]
        # The French why of `unescaped-dollar` says "the container's" instead of the name once more.
        assert fields[1] <= fields[0], text


@EVERY
def test_a_fixable_rule_offers_a_patch_that_removes_its_finding(rule, tmp_path):
    result = found(tmp_path, rule, rule.bad)
    own = {f.id for f in result.findings if f.rule == rule.id}
    fixed = {name for proposal in result.proposals for name in proposal.fixes}
    if not rule.fixable:
        assert not own & fixed
        return
    assert own <= fixed
    (proposal,) = result.proposals
    text = applied(parse(proposal.args["patch"])[0], rule.bad)
    again = found(tmp_path, rule, text)
    assert not own & {f.id for f in again.findings}


def test_only_full_control_of_the_host_is_critical():
    critical = {rule.id for rule in RULES if rule.severity is Severity.CRITICAL}
    assert critical == {"compose.privileged", "compose.docker-socket", "compose.host-root"}


@EVERY
def test_the_good_example_has_no_serious_finding_of_another_rule(rule, tmp_path):
    """Examples are read as models: none of them may show another fault by the way."""
    serious = [f for f in found(tmp_path, rule, rule.good).findings if f.severity.rank >= Severity.HIGH.rank]
    assert not serious
