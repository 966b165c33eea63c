"""Reports as files: what came from outside can neither format, link nor hide."""

import json
import re

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
        ("en", ["Mission report", "critical", "done and verified"]),
        ("fr", ["Rapport de mission", "critique", "faite et vérifiée"]),
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


def test_sarif_names_the_place_the_rule_and_who_found_it():
    run = sarif(mission_report(), "0.1.0")["runs"][0]
    (result,) = run["results"]
    assert result["ruleId"] == run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == "compose.privileged"
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "docker%20compose.yml"
    assert place["region"] == {"startLine": 4, "endLine": 5, "startColumn": 2}
    assert result["level"] == "error"
    assert result["properties"]["agents"] == ["a"]


def test_sarif_leaves_out_what_was_fixed():
    report = mission_report()
    fixed = report.findings[0].model_copy(update={"resolved": True})
    assert sarif(report.model_copy(update={"findings": (fixed,)}), "1")["runs"][0]["results"] == []
