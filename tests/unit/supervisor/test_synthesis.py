"""Synthesis merges what agents found and invents nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextgeneration.kernel.actions import Action
from nextgeneration.kernel.findings import Evidence, Finding, Location, Severity
from nextgeneration.kernel.reports import Report, ReportStatus, Statement
from nextgeneration.supervisor.asking import Asked, quoted
from nextgeneration.supervisor.outcome import ActionOutcome, ActionStatus, TaskOutcome, Verification
from nextgeneration.supervisor.synthesis import answer, merged, missing_parts


def finding(rule="compose.privileged", cause="", severity=Severity.HIGH, path="a.yml", line=3, **more):
    place = Location(path=path, line=line) if path else None
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
    present = finding("web.page", cause="command-missing:docker-compose", holds=False, path="")
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
    assert any(s.text == "bad gave no result: no network." and s.tasks == ("t2",) for s in sentences)
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
    assert said[0].text == "Un agent a relevé un constat, élevé. Tout est corrigé et vérifié."
    assert said[-1].text == "Fait et vérifié : drop privileged."
    assert said[-1].actions == ("act_1",)


def test_a_goal_that_nobody_serves_gets_the_planners_honest_note():
    assert [s.text for s in answer((), (), (), "en", "Nobody can.")] == ["Nobody can."]


def texts(findings, tasks=None, actions=(), lang="en", **more):
    return [s.text for s in answer(findings, tasks or [outcome("t1", "a")], actions, lang, **more)]


def test_one_cause_in_two_files_is_two_facts():
    """Tools name causes within a file (`docstring-missing`); the same word elsewhere is about something else."""
    here, there = finding(cause="docstring-missing", path="a.py"), finding(cause="docstring-missing", path="b.py")
    entries = merged({"t1": report("a", here, there)})
    assert [entry.finding for entry in entries] == [here, there]
    shown = texts(entries)
    assert shown[1] == "title of compose.privileged (a.py:3). The same in b.py:3."


def test_claims_about_two_files_do_not_contradict_each_other():
    good = finding(cause="pinned", holds=False, path="a.yml")
    bad = finding(cause="pinned", path="b.yml")
    assert all(not entry.disputed_by for entry in merged({"t1": report("a", good), "t2": report("b", bad)}))


def test_many_places_of_one_kind_are_named_and_counted():
    for count, said in ((5, "p2.py:3, p3.py:3, p4.py:3 and one more place"), (7, "p4.py:3 and 3 more places")):
        entries = merged({"t1": report("a", *(finding(path=f"p{n}.py") for n in range(1, count + 1)))})
        assert texts(entries)[1].endswith(f"{said}.")


def test_the_kinds_are_told_worst_first_and_the_rest_is_counted():
    found = [finding(f"rule{n}", severity=Severity.MEDIUM) for n in range(7)]
    shown = texts(merged({"t1": report("a", *found)}))
    assert len(shown) == 1 + 5 + 1
    assert shown[-1] == "2 further findings are in the list, medium at worst."
    severe = [finding(f"rule{n}", severity=Severity.CRITICAL) for n in range(9)]
    shown = texts(merged({"t1": report("a", *severe)}), lang="fr")
    assert len(shown) == 1 + 8 + 1
    assert shown[0] == "Un agent a relevé 9 constats, tous critiques."
    assert shown[-1] == "Un autre constat est dans la liste, critique."


def test_information_is_told_only_when_there_is_nothing_worse_or_it_was_asked_for():
    note, fault = finding("a.note", severity=Severity.INFO), finding("b.fault", severity=Severity.LOW)
    assert len(texts(merged({"t1": report("a", note, fault)}))) == 3, "overview, the fault, and one counted"
    assert "title of a.note (a.yml:3)." in texts(merged({"t1": report("a", note)}))
    note = finding("a.gpu", severity=Severity.INFO)
    assert "title of a.gpu (a.yml:3)." in texts(merged({"t1": report("a", note, fault)}, goal="is there a gpu"))


@pytest.mark.parametrize(
    ("goal", "first"),
    [
        ("find broken links", "docs.link-file"),
        ("y a-t-il des secrets", "code.secret.key"),
        ("check everything", "compose.privileged"),
        ("la commande docker-compose ne marche pas", "system.command-missing"),
        ("is port 5432 open", "system.port-exposed"),
    ],
)
def test_what_the_goal_asks_about_comes_first(goal, first):
    found = [
        finding(severity=Severity.CRITICAL),
        finding("docs.link-file", severity=Severity.LOW),
        finding("code.secret.key", severity=Severity.MEDIUM),
        finding("system.command-missing", cause="command-missing:docker-compose", severity=Severity.LOW),
        finding("system.port-exposed", cause="port-exposed:5432", severity=Severity.INFO),
    ]
    assert merged({"t1": report("a", *found)}, goal=goal)[0].finding.rule == first


def test_agreement_is_called_independent_only_when_different_rules_agree():
    same, other = finding(cause="c:1"), finding("other.rule", cause="c:1")
    (entry,) = merged({"t1": report("a", same), "t2": report("b", same)})
    assert texts([entry])[1].endswith(" Seen by a and b.")
    (entry,) = merged({"t1": report("a", same), "t2": report("b", other)})
    assert texts([entry])[1].endswith(" Found independently by a and b.")
    assert texts([entry], lang="fr")[1].endswith(" Trouvé indépendamment par a et b.")


def test_a_place_is_said_once_and_doubt_is_said():
    named = Finding(rule="r", title="a.yml has 700 lines", location=Location(path="a.yml", line=1), confidence=0.4)
    at_line = Finding(rule="s", title="TODO in a.yml", location=Location(path="a.yml", line=8))
    shown = texts(merged({"t1": report("a", named, at_line)}))
    assert "a.yml has 700 lines. (confidence 40%)" in shown
    assert "TODO in a.yml (line 8)." in shown


def test_no_agent_that_worked_is_not_called_no_problem():
    failed = [outcome("t1", "a", ReportStatus.FAILED, problems=({"message": "boom"},))]
    assert texts((), failed) == ["No agent could do its work.", "a gave no result: boom."]
    assert missing_parts(failed) == ("a: boom",)
    assert texts((), [outcome("t1", "a"), outcome("t2", "b")]) == ["2 agents worked on this and found no problem."]
    assert texts((), lang="fr") == ["Un agent y a travaillé et n'a trouvé aucun problème."]


def test_each_way_a_task_can_end_is_said_with_its_reason():
    tasks = [
        outcome("t1", "a", ReportStatus.PARTIAL, missing=("no summary",)),
        outcome("t2", "b", ReportStatus.OVER_BUDGET, missing=("10 tool calls",)),
        outcome("t3", "c", ReportStatus.SKIPPED, missing=("a failed.",)),
        outcome("t4", "d", ReportStatus.FAILED, missing=("broken",)),
        outcome("t5", "e", replaces="t4"),
        outcome("t6", "f", ReportStatus.FAILED),
    ]
    assert texts((), tasks)[1:] == [
        "a did only part of its work: no summary.",
        "b stopped at its budget, and what it had found until then counts: 10 tool calls.",
        "c was not started: a failed.",
        "d gave no result: broken. e took over.",
        "f gave no result: failed.",
    ]


def action(**more):
    return Action(id="act_1", agent="a", task="t1", tool="fs.patch", args={}, reason="mend it", **more)


@pytest.mark.parametrize(
    ("status", "more", "said"),
    [
        (ActionStatus.PENDING, {"label": "write"}, "Waits for your decision (risk: write): mend it."),
        (ActionStatus.REJECTED, {"detail": "not now"}, "Refused, nothing was done: mend it. not now."),
        (ActionStatus.FAILED, {"detail": "exit 1"}, "Approved but failed: mend it. exit 1."),
        (ActionStatus.VERIFIED, {}, "Done and verified: mend it."),
        (ActionStatus.DONE, {"output": {"text": "3 passed\nmore"}}, "Done: mend it."),
        (
            ActionStatus.DONE,
            {"checks": (Verification(tool="x", passed=False),)},
            "Done, but the problem is still there: mend it.",
        ),
    ],
)
def test_what_became_of_an_action_is_said(status, more, said):
    sentence = answer((), [outcome("t1", "a")], [ActionOutcome(action=action(), status=status, **more)], "en")[-1]
    assert sentence.text == said
    assert sentence.actions == ("act_1",)
    assert sentence.quote == more.get("output", {}).get("text", "")


def test_no_problem_is_not_said_while_something_is_to_be_decided():
    waiting = ActionOutcome(action=action(), status=ActionStatus.PENDING, label="unknown")
    assert texts((), actions=[waiting]) == ["Waits for your decision (risk: unknown): mend it."]
    offered = ActionOutcome(action=action(), status=ActionStatus.OFFERED)
    assert texts((), actions=[offered]) == ["One agent worked on this and found no problem."]


# -- what tools said -------------------------------------------------------------------------------------------------

PORTS = Statement(step="ports", tool="system.ports", about="What listens on which port.", text="tcp 0.0.0.0:80")
DISKS = Statement(step="disks", tool="system.disks", about="Disks: size, free space.", text="/: 22 %")


def quotes(goal, **reports):
    return [(one.agent, one.statement.tool, one.asked) for one in quoted(reports, Asked(goal))]


def test_the_statement_the_goal_asks_about_is_the_answer():
    hardware = report("hardware", finding(severity=Severity.HIGH), statements=(DISKS, PORTS))
    assert quotes("which ports are open", t1=hardware) == [("hardware", "system.ports", True)]
    assert quotes("quels disques", t1=hardware) == [("hardware", "system.disks", True)]
    (one,) = quoted({"t1": hardware}, Asked("ports?"))
    first = answer((), [outcome("t1", "hardware")], (), "fr", quotes=[one])[0]
    assert (first.text, first.quote, first.tasks) == ("system.ports dit :", "tcp 0.0.0.0:80", ("t1",))


def test_what_speaks_of_the_thing_the_goal_names_is_quoted_first():
    """By the findings of the agent that says it: a word that happens to stand in another agent's statement is none."""
    here = Statement(tool="system.diagnose_command", text="/usr/bin/docker-compose is found through PATH.")
    facts = Statement(tool="system.platform", about="A recognised command", text="debian 12")
    chance = Statement(tool="compose.audit", about="Compose files", text="docker-compose.yml: nothing")
    present = finding(cause="command-missing:docker-compose", holds=False, severity=Severity.INFO)
    goal = "docker-compose is not recognised as a command"
    team = {"t1": report("auditor", statements=(chance,)), "t2": report("mender", present, statements=(facts, here))}
    said = [(agent, tool) for agent, tool, _ in quotes(goal, **team)]
    assert said == [("mender", "system.diagnose_command"), ("auditor", "compose.audit")]


def test_one_agent_alone_tells_all_it_read_and_in_a_team_only_who_found_no_fault():
    clean = report("clean", statements=(DISKS,))
    busy = report("busy", finding(severity=Severity.LOW), statements=(PORTS,))
    assert quotes("check this", t1=busy) == [("busy", "system.ports", False)]
    assert quotes("check this", t1=busy, t2=clean) == [("clean", "system.disks", False)]


def test_a_statement_is_quoted_once_and_an_echo_of_the_goal_not_at_all():
    twice = (report("a", statements=(DISKS,)), report("b", statements=(DISKS,)))
    assert quotes("check this", t1=twice[0], t2=twice[1]) == [("a", "system.disks", False)]
    echo = Statement(step="named", tool="fs.glob", text="docs/a.md")
    assert quotes("tell me about docs/a.md", t1=report("a", statements=(echo,))) == []
    assert quotes("check this", t1=report("a", status=ReportStatus.SKIPPED, statements=(DISKS,))) == []


# -- nothing invented ------------------------------------------------------------------------------------------------

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


statuses = st.sampled_from(list(ReportStatus))
action_statuses = st.sampled_from(list(ActionStatus))
said = st.builds(
    Statement, step=st.just("s"), tool=st.sampled_from(["t.ports", "t.disks"]), text=st.text(min_size=1, max_size=40)
)


@given(
    st.dictionaries(
        st.sampled_from(["t1", "t2", "t3"]),
        st.tuples(st.lists(made, max_size=6), statuses, st.lists(said, max_size=3)),
        max_size=3,
    ),
    st.lists(action_statuses, max_size=3),
    st.sampled_from(["en", "fr"]),
    st.sampled_from(["check this", "which ports are open", "fix b.z", ""]),
)
def test_nothing_is_invented_and_nothing_is_lost(found, acted, lang, goal):
    """Every sentence names ids that exist and holds only words that tools said or ours; every finding stands in
    exactly one entry; every entry that holds is told or counted; no confidence falls."""
    reports = {
        task: report(f"agent_{task}", *items, status=status, statements=tuple(spoken))
        for task, (items, status, spoken) in found.items()
    }
    entries = merged(reports, goal=goal)
    given_ids = {f.id for r in reports.values() for f in r.findings}
    kept = [f.id for entry in entries for f in (entry.finding, *entry.others)]
    assert set(kept) == given_ids
    tasks = [outcome(task, f"agent_{task}", r.status) for task, r in reports.items()]
    actions = [
        ActionOutcome(action=action().model_copy(update={"id": f"act_{n}"}), status=status)
        for n, status in enumerate(acted)
    ]
    sentences = answer(entries, tasks, actions, lang, "note", quoted(reports, Asked(goal)))
    spoken = {s.text for r in reports.values() for s in r.statements}
    told = set()
    for sentence in sentences:
        assert set(sentence.findings) <= given_ids
        assert set(sentence.tasks) <= set(found)
        assert set(sentence.actions) <= {o.action.id for o in actions}
        assert sentence.findings or sentence.tasks or sentence.actions or not tasks
        assert not sentence.quote or sentence.quote in spoken
        told |= set(sentence.findings)
    if tasks:
        assert {e.id for e in entries if e.finding.holds} <= told
    for entry in entries:
        assert entry.confidence >= entry.finding.confidence - 1e-4
        assert 0 <= entry.confidence <= 1
