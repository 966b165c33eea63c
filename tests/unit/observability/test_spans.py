"""A journal becomes a tree of spans: the same one whoever hears it, and without a word of what was said."""

from __future__ import annotations

from nextgeneration.events.schema import Event
from nextgeneration.observability import attributes as names
from nextgeneration.observability.spans import MissionTrace, Span, nanoseconds

MISSION = "mis_01m7znnr84ec2bp1zetmjm6hzt"
MODEL = {"tool": "model", "position": 2, "model": "openai:gpt-4o", "label": "network", "rule": "idempotent", "held": 9}
TOOL = {"tool": "fs.read", "position": 3, "label": "safe", "rule": "pure"}


def journal(*told):
    """Events a second apart: type, task and data of each."""
    return [
        Event(MISSION, seq, f"2026-01-01T00:00:{seq:02}.000000Z", kind, task, data or {})
        for seq, (kind, task, data) in enumerate(
            [("mission.accepted", None, {"goal": "a secret goal"}), ("mission.claimed", None, {"attempt": 1}), *told], 1
        )
    ]


def heard(events, **options) -> list[Span]:
    trace = MissionTrace(MISSION, **options)
    return [span for event in events for span in trace.hear(event)]


def named(spans, name) -> Span:
    (found,) = [span for span in spans if span.name == name]
    return found


WHOLE = journal(
    ("task.started", "t1", {"agent": "scribe", "template": "writer"}),
    ("effect.intent", "t1", MODEL),
    ("effect.tried", "t1", {**MODEL, "code": "NG-MODELS-002", "message": "words of theirs", "billed": "none"}),
    ("effect.again", "t1", {**MODEL, "model": "anthropic:claude"}),
    (
        "effect.outcome",
        "t1",
        {
            "tool": "model",
            "position": 2,
            "status": "done",
            "model": "anthropic:claude",
            "finish": "stop",
            "usage": {"input": 7, "output": 3, "cached": 2},
            "credits": 40,
            "seconds": 0.5,
            "calls": ["their.word"],
        },
    ),
    ("effect.intent", "t1", TOOL),
    ("effect.outcome", "t1", {"tool": "fs.read", "position": 3, "status": "done", "ok": True, "seconds": 0.25}),
    ("task.ended", "t1", {"agent": "scribe", "status": "done", "findings": 2, "cost": {"credits": 40}}),
    ("mission.ended", None, {"status": "done", "reason": "a reason in words"}),
)


def test_each_span_stands_where_it_belongs_and_ids_are_those_of_its_place():
    spans = heard(WHOLE)
    assert [span.name for span in spans] == ["chat claude", "execute_tool fs.read", "invoke_agent scribe", "mission"]
    model, tool, agent, root = spans
    assert model.parent == tool.parent == agent.id
    assert (agent.parent, root.parent) == (root.id, None)
    assert len({span.id for span in spans}) == 4
    assert {span.trace for span in spans} == {root.trace}
    assert [span.id for span in heard(WHOLE)] == [span.id for span in spans], "another process makes the same"
    other = MissionTrace("mis_other").hear(Event("mis_other", 1, WHOLE[0].at, "mission.ended", None, {}))
    assert (other[0].trace, other[0].id) != (root.trace, root.id)


def test_a_model_call_over_two_models_is_one_span_with_what_it_used():
    model = heard(WHOLE)[0]
    assert model.remote
    assert (
        model.attributes.items()
        >= {
            names.PROVIDER: "anthropic",
            names.REQUEST_MODEL: "claude",
            names.INPUT_TOKENS: 7,
            names.OUTPUT_TOKENS: 3,
            names.CACHED_TOKENS: 2,
            names.CREDITS: 40,
            names.HELD: 9,
            names.TRIES: 2,
            names.FINISH_REASONS: ("stop",),
        }.items()
    )
    tried, again = model.marks
    assert (tried.name, tried.attributes[names.ERROR_TYPE]) == ("effect.tried", "NG-MODELS-002")
    assert again.attributes == {names.MODEL: "anthropic:claude"}
    assert model.end == nanoseconds(WHOLE[6].at), "the pause between the tries is part of it"


def test_a_call_ends_by_its_own_clock_since_its_outcome_is_written_with_what_follows():
    tool = named(heard(WHOLE), "execute_tool fs.read")
    assert tool.end - tool.start == 250_000_000


def test_no_words_of_anybody_are_in_it():
    told = repr(heard(WHOLE))
    for words in ("secret goal", "words of theirs", "their.word", "reason in words"):
        assert words not in told


def test_an_agent_that_was_called_is_below_the_call_and_a_team_needs_no_agent_of_its_own():
    call = {"tool": "agent.run", "position": 4, "label": "safe", "rule": "pure"}
    inner = {"tool": "agent.run", "position": 0, "label": "safe", "rule": "pure"}
    spans = heard(
        journal(
            ("task.started", "t1", {"agent": "boss"}),
            ("effect.intent", "t1", call),
            ("effect.intent", "t1/4", inner),
            ("task.started", "t1/4/0", {"agent": "plumber"}),
            ("task.ended", "t1/4/0", {"status": "done"}),
            ("effect.outcome", "t1/4", {**inner, "status": "done"}),
            ("effect.outcome", "t1", {**call, "status": "done"}),
            ("task.ended", "t1", {"status": "done"}),
        )
    )
    plumber, second, first, boss = spans
    assert (plumber.name, boss.name) == ("invoke_agent plumber", "invoke_agent boss")
    assert (plumber.parent, second.parent, first.parent) == (second.id, first.id, boss.id)


def test_what_fails_carries_its_code_up_to_its_task_and_no_further():
    code = "NG-MODELS-004"
    spans = heard(
        journal(
            ("task.started", "t1", {"agent": "scribe"}),
            ("effect.intent", "t1", MODEL),
            ("effect.outcome", "t1", {**MODEL, "status": "failed", "code": code, "message": "m"}),
            ("task.ended", "t1", {"status": "failed"}),
            ("task.started", "t2", {"agent": "other"}),
            ("task.ended", "t2", {"status": "over_budget"}),
            ("mission.ended", None, {"status": "partial"}),
        )
    )
    assert [span.code for span in spans] == [code, code, "over_budget", ""]
    assert spans[1].attributes[names.ERROR_TYPE] == code


def test_what_was_open_ends_with_its_mission():
    spans = heard(
        journal(
            ("task.started", "t1", {"agent": "scribe"}),
            ("effect.intent", "t1", TOOL),
            ("mission.ended", None, {"status": "cancelled", "by": "human:ada"}),
        )
    )
    assert [(span.name, span.code) for span in spans] == [
        ("execute_tool fs.read", "cancelled"),
        ("invoke_agent scribe", "cancelled"),
        ("mission", "cancelled"),
    ]
    assert "ada" not in repr(spans)


def test_a_call_made_again_after_a_crash_and_a_task_run_again_are_the_same_spans():
    events = journal(
        ("task.started", "t1", {"agent": "scribe"}),
        ("effect.intent", "t1", TOOL),
        ("mission.claimed", None, {"attempt": 2}),
        ("task.started", "t1", {"agent": "scribe"}),
        ("effect.again", "t1", TOOL),
        ("effect.outcome", "t1", {**TOOL, "status": "done", "seconds": 0.25}),
        ("task.ended", "t1", {"status": "done"}),
        ("mission.ended", None, {"status": "done"}),
    )
    tool, agent, root = heard(events)
    assert (tool.attributes[names.TRIES], root.attributes[names.ATTEMPTS]) == (2, 2)
    assert (tool.start, tool.end) == (nanoseconds(events[3].at), nanoseconds(events[7].at))
    assert agent.start == nanoseconds(events[2].at)
    trace = MissionTrace(MISSION)
    assert [len(trace.hear(event)) for event in [*events, *events]][len(events) :] == [0] * len(events), "heard twice"


def test_a_name_that_a_model_made_up_for_a_tool_is_not_passed_on():
    refused = {"tool": "their.secret", "position": 2, "code": "NG-TOOLS-001", "message": "m"}
    (span,) = heard(journal(("effect.refused", "t1", refused)), nameless=frozenset({"NG-TOOLS-001"}))
    assert (span.name, span.code, span.attributes[names.STATUS]) == ("execute_tool", "NG-TOOLS-001", "refused")
    assert "their.secret" not in repr(span)


def test_moments_of_a_mission_are_bounded():
    asked = [("approval.asked", None, {"approval": f"apr_{n}", "kind": "call", "title": "t"}) for n in range(300)]
    events = [
        Event(MISSION, seq, "2026-01-01T00:00:00.000000Z", kind, task, data)
        for seq, (kind, task, data) in enumerate([*asked, ("mission.ended", None, {"status": "done"})], 1)
    ]
    (root,) = heard(events)
    assert len(root.marks) == 128
    assert root.marks[0].attributes == {names.APPROVAL: "apr_0", names.APPROVAL_KIND: "call"}
