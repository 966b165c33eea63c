"""Synthesis merges what agents found and invents nothing."""

from hypothesis import given
from hypothesis import strategies as st

from nextgeneration.kernel.actions import Action
from nextgeneration.kernel.findings import Evidence, Finding, Location, Severity
from nextgeneration.kernel.reports import Report, ReportStatus
from nextgeneration.supervisor.outcome import ActionOutcome, ActionStatus, TaskOutcome
from nextgeneration.supervisor.synthesis import answer, merged, missing_parts


def finding(rule="compose.privileged", cause="", severity=Severity.HIGH, path="a.yml", line=3, **more):
    place = Location(path=path, line=line)
    proof = Evidence(source=rule.split(".")[0], excerpt="privileged: true", location=place)
    return Finding(
        rule=rule, title=f"title of {rule}", severity=severity, location=place, cause=cause, evidence=(proof,), **more
    )


def report(agent, *findings, status=ReportStatus.DONE, **more):
    return Report(agent=agent, status=status, findings=findings, **more)


def outcome(task_id, agent, status=ReportStatus.DONE, **more):
    return TaskOutcome(id=task_id, agent=agent, template=agent, status=status, **more)


def test_two_agents_with_one_cause_corroborate_each_other_and_independent_rules_raise_confidence():
    left = finding("secrets.password", cause="secret:a.yml:3", confidence=0.6)
    right = finding("compose.secret-in-environment", cause="secret:a.yml:3", confidence=0.5, severity=Severity.CRITICAL)
    (entry,) = merged({"t1": report("code", left), "t2": report("compose", right)})
    assert entry.corroborated
    assert entry.agents == ("code", "compose")
    assert entry.finding == right, "the more severe finding speaks for both"
    assert entry.confidence == 0.8


def test_the_same_rule_run_by_two_agents_agrees_but_proves_nothing_more():
    same = finding(confidence=0.6)
    (entry,) = merged({"t1": report("a", same), "t2": report("b", same)})
    assert entry.agents == ("a", "b")
    assert entry.confidence == 0.6


def test_opposite_claims_about_one_cause_are_shown_as_a_contradiction():
    missing = finding("system.command", cause="command-missing:docker-compose")
    present = finding("web.page", cause="command-missing:docker-compose", holds=False, path="b")
    entries = merged({"t1": report("a", missing), "t2": report("b", present)})
    assert len(entries) == 2
    assert {entry.disputed_by for entry in entries} == {(missing.id,), (present.id,)}
    sentences = answer(entries, [outcome("t1", "a"), outcome("t2", "b")], (), "en")
    assert any(s.text.startswith("Contradiction:") and set(s.findings) == {missing.id, present.id} for s in sentences)


def test_findings_are_ranked_by_severity_then_confidence():
    low = finding("x.low", severity=Severity.LOW)
    unsure = finding("x.unsure", severity=Severity.HIGH, confidence=0.4)
    sure = finding("x.sure", severity=Severity.HIGH, confidence=0.9)
    entries = merged({"t1": report("a", low, unsure, sure)})
    assert [entry.finding.rule for entry in entries] == ["x.sure", "x.unsure", "x.low"]


def test_a_failed_agent_is_named_with_its_reason_and_the_others_results_stand():
    tasks = [outcome("t1", "good"), outcome("t2", "bad", ReportStatus.FAILED, missing=("no network",))]
    entries = merged({"t1": report("good", finding()), "t2": report("bad", status=ReportStatus.FAILED)})
    sentences = answer(entries, tasks, (), "en")
    assert any("bad gave no result: no network" in s.text and s.tasks == ("t2",) for s in sentences)
    assert missing_parts(tasks) == ("bad: no network",)
    assert len(entries) == 1


def test_what_another_agent_took_over_is_not_missing():
    tasks = [outcome("t1", "bad", ReportStatus.FAILED, missing=("broken",)), outcome("t2", "other", replaces="t1")]
    assert missing_parts(tasks, {"t1"}) == ()


def test_a_verified_action_marks_its_findings_as_resolved():
    one = finding()
    (entry,) = merged({"t1": report("a", one)}, fixed=[one.id])
    assert entry.resolved
    action = Action(
        id="act_1", agent="a", task="t1", tool="fs.patch", args={}, reason="drop privileged", fixes=(one.id,)
    )
    said = answer([entry], [outcome("t1", "a")], [ActionOutcome(action=action, status=ActionStatus.VERIFIED)], "fr")
    assert said[-1].text == "Fait et vérifié : drop privileged"
    assert said[-1].actions == ("act_1",)


def test_a_goal_that_nobody_serves_gets_the_planners_honest_note():
    assert [s.text for s in answer((), (), (), "en", "Nobody can.")] == ["Nobody can."]


causes = st.sampled_from(["", "c:1", "c:2"])
made = st.builds(
    finding,
    rule=st.sampled_from(["a.x", "a.y", "b.z"]),
    cause=causes,
    severity=st.sampled_from(list(Severity)),
    path=st.sampled_from(["p", "q"]),
    confidence=st.floats(0, 1),
    holds=st.booleans(),
)


@given(
    st.dictionaries(st.sampled_from(["t1", "t2", "t3"]), st.lists(made, max_size=6), max_size=3),
    st.sampled_from(["en", "fr"]),
)
def test_nothing_is_invented_and_nothing_is_lost(found, lang):
    """Every sentence names ids that exist, every finding stands in exactly one entry, and no confidence falls."""
    reports = {task: report(f"agent_{task}", *items) for task, items in found.items()}
    entries = merged(reports)
    given_ids = {f.id for items in found.values() for f in items}
    kept = [f.id for entry in entries for f in (entry.finding, *entry.others)]
    assert set(kept) == given_ids
    tasks = [outcome(task, f"agent_{task}") for task in found]
    for sentence in answer(entries, tasks, (), lang):
        assert set(sentence.findings) <= given_ids
        assert sentence.findings or sentence.tasks or not tasks
    for entry in entries:
        assert entry.confidence >= max(f.confidence for f in (entry.finding,)) - 1e-4
        assert 0 <= entry.confidence <= 1
