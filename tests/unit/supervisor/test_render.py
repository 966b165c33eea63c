"""Reports as files: what came from outside can neither format, link nor hide."""

import json
import re

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextgeneration.kernel.actions import Action
from nextgeneration.kernel.findings import Evidence, Finding, Location, Severity
from nextgeneration.kernel.reports import Cost, Report, ReportStatus
from nextgeneration.supervisor.outcome import (
    ActionOutcome,
    ActionStatus,
    MissionReport,
    Sentence,
    TaskOutcome,
    Verification,
)
from nextgeneration.supervisor.render.markdown import markdown
from nextgeneration.supervisor.render.sarif import sarif
from nextgeneration.supervisor.synthesis import merged


def mission_report(title="Privileged service", excerpt="privileged: true", lang="en", **more):
    place = Location(path="docker compose.yml", line=4, end_line=5, column=2)
    finding = Finding(
        rule="compose.privileged",
        title=title,
        message="It can do anything.",
        fix="Drop it.",
        severity=Severity.CRITICAL,
        location=place,
        evidence=(Evidence(source="compose.audit", excerpt=excerpt, location=place),),
    )
    action = Action(
        id="act_1",
        agent="a",
        task="t1",
        tool="fs.patch",
        args={"patch": "-x\n+y\n"},
        reason="drop it",
        fixes=(finding.id,),
    )
    return MissionReport(
        mission="mis_1",
        goal="check",
        lang=lang,
        status="partial",
        workspace="/w",
        plan="a: keywords check",
        answer=(Sentence(text="One agent found 1 critical.", findings=(finding.id,)),),
        findings=merged({"t1": Report(agent="a", status=ReportStatus.DONE, findings=(finding,))}),
        actions=(
            ActionOutcome(
                action=action,
                status=ActionStatus.VERIFIED,
                label="write",
                preview="-x\n+y\n",
                kind="diff",
                decided_by="human:ada",
                checks=(Verification(tool="compose.audit", passed=True),),
            ),
        ),
        tasks=(
            TaskOutcome(id="t1", agent="a", template="a", revision="sha256:abcdef0123456789", status=ReportStatus.DONE),
        ),
        missing=("b: no network",),
        cost=Cost(tool_calls=3, seconds=1.25),
        **more,
    )


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        ("en", ["# Mission report: check", "Critical", "What remains", "done and verified", "decided by human:ada"]),
        ("fr", ["# Rapport de mission : check", "Critique", "Ce qui reste", "faite et vérifiée", "Non couvert"]),
    ],
)
def test_the_report_reads_in_both_languages(lang, words):
    text = markdown(mission_report(lang=lang))
    assert all(word in text for word in words)
    assert "```diff\n-x\n+y\n```" in text
    assert "a@abcdef012345" in text


def test_text_from_outside_is_shown_as_it_is():
    text = markdown(mission_report(title="[click](javascript:x) <b>`x`</b> \x1b[31m\u202e|", excerpt="```\nend\n```"))
    assert "\\[click\\](javascript:x) \\<b\\>" in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "````\n```" in text, "the fence is longer than the excerpt's"


@given(st.text(max_size=80), st.text(max_size=200))
def test_no_text_breaks_the_report(title, excerpt):
    text = markdown(mission_report(title=title, excerpt=excerpt))
    text.encode("utf-8")
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", text)
    json.dumps(sarif(mission_report(title=title, excerpt=excerpt), "1"))


def test_each_statement_points_to_findings_and_each_finding_to_evidence():
    """Numbers link sentences to findings and actions; a finding has its rule, its finders and its excerpt."""
    text = markdown(mission_report())
    assert "- One agent found 1 critical. ([F1](#f1))" in text
    assert '<a id="f1"></a>F1 · Critical: Privileged service — `docker compose.yml:4`' in text
    assert "Evidence (`compose.audit`, `docker compose.yml:4`): `privileged: true`" in text
    assert "rule compose.privileged · confidence 100% · found by a" in text
    for link in re.findall(r"\]\(#(\w+)\)", text):
        assert f'<a id="{link}"></a>' in text


def many(*findings, **more):
    base = mission_report()
    reports = {"t1": Report(agent="a", status=ReportStatus.DONE, findings=findings)}
    return base.model_copy(update={"findings": merged(reports), "actions": (), **more})


def finding(number, severity, **more):
    return Finding(rule=f"r{number}", title=f"title {number}", severity=severity, cause=f"c{number}", **more)


def test_the_worst_comes_first_and_the_small_things_are_short():
    report = many(
        finding(1, Severity.INFO), finding(2, Severity.HIGH), finding(3, Severity.CRITICAL), finding(4, Severity.LOW)
    )
    ids = tuple(entry.id for entry in report.findings)
    report = report.model_copy(update={"answer": (Sentence(text="All of them.", findings=ids, tasks=("t1",)),)})
    text = markdown(report)
    assert "4 findings remain: 1 critical, 1 high, 1 low, 1 info." in text
    assert "([F1](#f1)–[F4](#f4), `a`)" in text
    assert text.index("title 3") < text.index("title 2") < text.index("title 4") < text.index("title 1")
    assert '### <a id="f2"></a>F2 · High' in text
    assert '- <a id="f3"></a>**F3** low: title 4' in text


def test_what_was_fixed_and_what_was_ruled_out_are_apart():
    report = many(finding(1, Severity.HIGH), finding(2, Severity.HIGH), finding(3, Severity.HIGH, holds=False))
    entries = [e.model_copy(update={"resolved": e.finding.rule == "r2"}) for e in report.findings]
    text = markdown(report.model_copy(update={"findings": tuple(entries)}))
    assert "One finding remains: 1 high. One was fixed and verified." in text
    assert text.index("title 1") < text.index("## Fixed and verified") < text.index("title 2")
    assert text.index("## Ruled out") < text.rindex("title 3")
    everything = tuple(e.model_copy(update={"resolved": True}) for e in entries)
    assert "Nothing remains. 2 were fixed and verified." in markdown(report.model_copy(update={"findings": everything}))
    assert "No problem was found." in markdown(report.model_copy(update={"findings": ()}))


def test_a_contradiction_is_shown_where_it_matters():
    opposite = finding(1, Severity.HIGH).model_copy(update={"rule": "other", "holds": False})
    report = many(finding(1, Severity.HIGH), opposite)
    assert "Contradicted by [F2](#f2)." in markdown(report)


def test_a_long_reason_is_a_short_title_with_the_whole_below():
    report = mission_report()
    reason = "Fixes 12 findings of docker-compose.yml: " + ", ".join(f"compose.rule-{n} (service)" for n in range(12))
    outcome = report.actions[0].model_copy(
        update={"action": report.actions[0].action.model_copy(update={"reason": reason}), "detail": "- careful"}
    )
    text = markdown(report.model_copy(update={"actions": (outcome,)}))
    assert "A1 · Fixes 12 findings of docker-compose.yml [write] — done and verified" in text
    assert "compose.rule-11 (service)" in text
    assert "\n\\- careful\n" in text, "text from outside begins no list"


def test_what_was_only_proposed_is_folded():
    report = mission_report()
    offered = report.actions[0].model_copy(update={"status": ActionStatus.OFFERED, "preview": "", "checks": ()})
    text = markdown(report.model_copy(update={"actions": (offered,)}))
    assert "## What can be done next" in text
    assert "<details><summary>Show exactly what would be done</summary>\n\n```diff\n-x\n+y\n```\n\n</details>" in text


def test_a_fix_that_did_not_help_is_said_to_be_none():
    report = mission_report()
    failed = Verification(tool="compose.audit", passed=False, detail="fin_1")
    outcome = report.actions[0].model_copy(update={"status": ActionStatus.DONE, "checks": (failed,)})
    text = markdown(report.model_copy(update={"actions": (outcome,)}))
    assert "done, but the problem is still there" in text
    assert "- ✗ checked with `compose.audit`: fin\\_1" in text


@pytest.mark.parametrize("text", ["`", "``x``", "a`b", ""])
def test_inline_code_holds_any_backticks(text):
    place = Location(path=text or "-")
    report = many(finding(1, Severity.HIGH, location=place, evidence=(Evidence(source="s", excerpt=text),)))
    shown = markdown(report)
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    assert ("`" * (longest + 1)) in shown


# -- SARIF -----------------------------------------------------------------------------------------------------------

TEXT = {
    "type": "object",
    "required": ["text"],
    "properties": {"text": {"type": "string"}},
    "additionalProperties": False,
}
URI = {"type": "string", "pattern": r"^[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]*$"}
TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
LINE = {"type": "integer", "minimum": 1}


def strict(required, **properties):
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


def listed(items, **more):
    return {"type": "array", "items": items, **more}


ARTIFACT = strict(["uri"], uri=URI, uriBaseId={"type": "string"})
PLACE = strict(
    ["artifactLocation"],
    artifactLocation=ARTIFACT,
    region=strict(["startLine"], startLine=LINE, endLine=LINE, startColumn=LINE),
)
RESULT = strict(
    ["message", "ruleId"],
    ruleId={"type": "string"},
    ruleIndex={"type": "integer", "minimum": -1},
    level=LEVEL,
    message=TEXT,
    locations=listed(strict(["physicalLocation"], physicalLocation=PLACE)),
    partialFingerprints={"type": "object", "additionalProperties": {"type": "string"}},
    rank={"type": "number", "minimum": -1, "maximum": 100},
    properties={"type": "object"},
)
RULE = strict(
    ["id"],
    id={"type": "string"},
    shortDescription=TEXT,
    fullDescription=TEXT,
    help=TEXT,
    helpUri=URI,
    defaultConfiguration=strict(["level"], level=LEVEL),
    properties=strict(
        ["tags"], tags=listed({"type": "string"}, uniqueItems=True), **{"security-severity": {"pattern": r"^\d+\.\d$"}}
    ),
)
INVOCATION = strict(
    ["executionSuccessful"], executionSuccessful={"type": "boolean"}, startTimeUtc=TIME, endTimeUtc=TIME
)
DRIVER = strict(["name"], name={"type": "string"}, version={"type": "string"}, rules=listed(RULE, uniqueItems=True))
RUN = strict(
    ["tool", "results"],
    tool=strict(["driver"], driver=DRIVER),
    automationDetails=strict(["id"], id={"type": "string"}),
    invocations=listed(INVOCATION),
    originalUriBaseIds={"type": "object", "additionalProperties": ARTIFACT},
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
    results=listed(RESULT),
)
SARIF = strict(
    ["version", "runs"], **{"$schema": {"type": "string"}}, version={"const": "2.1.0"}, runs=listed(RUN, minItems=1)
)
"""What SARIF 2.1.0 says of every property we write, and nothing besides."""


@pytest.mark.slow
@given(st.text(max_size=60), st.text(max_size=60), st.sampled_from(Severity), st.integers(-2, 5))
def test_every_report_is_valid_sarif(title, path, severity, line):
    place = Location(path=path, line=line, end_line=line - 1, column=line)
    report = many(
        finding(1, severity, location=place, reference="https://example.org/a b", message=title, fix=title),
        finding(2, severity, reference="not a link"),
        created_at="2026-11-21T12:00:00.123456Z",
        ended_at="2026-11-21T12:00:01.123456Z",
    )
    document = json.loads(json.dumps(sarif(report, "1.2.3")))
    jsonschema.validate(document, SARIF)
    (run,) = document["runs"]
    assert len(run["results"]) == 2
    ids = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(set(ids)) == len(ids)
    assert all(ids[result["ruleIndex"]] == result["ruleId"] for result in run["results"])
    base = run["originalUriBaseIds"]["WORKSPACE"]["uri"]
    assert base.startswith("file:///")
    assert base.endswith("/")


def test_sarif_names_the_place_the_rule_and_who_found_it():
    run = sarif(mission_report(), "0.1.0")["runs"][0]
    (result,) = run["results"]
    assert result["ruleId"] == run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == "compose.privileged"
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "docker%20compose.yml", "uriBaseId": "WORKSPACE"}
    assert place["region"] == {"startLine": 4, "endLine": 5, "startColumn": 2}
    assert result["level"] == "error"
    assert result["properties"]["agents"] == ["a"]


def test_sarif_leaves_out_what_was_fixed():
    report = mission_report()
    fixed = report.findings[0].model_copy(update={"resolved": True})
    assert sarif(report.model_copy(update={"findings": (fixed,)}), "1")["runs"][0]["results"] == []


def test_a_place_outside_the_workspace_has_a_whole_address():
    report = many(finding(1, Severity.LOW, location=Location(path="/etc/hosts", line=2)))
    (result,) = sarif(report, "1")["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": "file:///etc/hosts"}


def test_one_rule_with_several_findings_is_described_once_by_its_worst():
    twice = many(
        finding(1, Severity.LOW), finding(1, Severity.HIGH).model_copy(update={"cause": "other", "title": "worse"})
    )
    run = sarif(twice, "1")["runs"][0]
    (rule,) = run["tool"]["driver"]["rules"]
    assert rule["defaultConfiguration"]["level"] == "error"
    assert {result["level"] for result in run["results"]} == {"note", "error"}
