"""Which spans of a mission are sent, when its beginning was not heard here."""

from __future__ import annotations

from collections import defaultdict

import pytest

from nextgeneration.events.bus import Bus
from nextgeneration.events.schema import Event
from nextgeneration.services import tracing
from nextgeneration.services.tracing import Tracing
from nextgeneration.settings.traces import TraceSettings
from nextgeneration.storage.errors import StorageClosed

CALL = {"tool": "fs.read", "label": "safe", "rule": "pure"}


class House:
    """Journals, the bus that announces them, and what is sent of them."""

    def __init__(self):
        self.journals = defaultdict(list)
        self.sent = []
        self.read = []
        self.elsewhere()

    def elsewhere(self):
        """Another process takes over: it has heard of nothing."""
        self.bus = Bus()
        listening = Tracing(TraceSettings(), self.past)
        listening.sender = self
        self.bus.subscribe(listening.hear, progress=False)

    def past(self, mission):
        self.read.append(mission)
        return list(self.journals[mission])

    def send(self, spans):
        self.sent += spans

    def happens(self, mission, kind, data=None, *, second=0, task=None):
        journal = self.journals[mission]
        at = f"2026-01-01T00:00:{second:02}.000000Z"
        journal.append(Event(mission, len(journal) + 1, at, kind, task, data or {}))
        self.bus.publish(journal[-1])

    def called(self, mission, position, second):
        self.happens(mission, "effect.intent", {**CALL, "position": position}, second=second, task="t1")
        about = {**CALL, "position": position, "status": "done"}
        self.happens(mission, "effect.outcome", about, second=second, task="t1")

    def begins(self, mission="mis_a"):
        self.happens(mission, "mission.accepted")
        self.happens(mission, "mission.claimed")


@pytest.fixture
def house():
    return House()


def positions(spans):
    return [span.attributes.get("nextgeneration.effect.position") for span in spans]


def test_what_was_heard_from_the_beginning_needs_no_journal(house):
    house.begins()
    house.called("mis_a", 1, 1)
    house.happens("mis_a", "mission.ended", {"status": "done"}, second=2)
    assert positions(house.sent) == [1, None]
    assert house.read == []


def test_after_a_crash_only_the_last_moments_are_sent_again(house):
    house.begins()
    for second in range(1, 11):
        house.called("mis_a", second, second)
    house.elsewhere()
    house.sent.clear()
    house.happens("mis_a", "mission.claimed", second=30)
    assert positions(house.sent) == [5, 6, 7, 8, 9, 10]
    house.called("mis_a", 11, 31)
    house.happens("mis_a", "mission.ended", {"status": "done"}, second=32)
    assert positions(house.sent)[6:] == [11, None]
    assert house.read == ["mis_a"]


def test_who_left_a_mission_to_wait_had_sent_all_of_it(house):
    house.begins()
    house.called("mis_a", 1, 1)
    house.happens("mis_a", "mission.waiting", {"status": "waiting"}, second=1)
    house.elsewhere()
    house.sent.clear()
    house.happens("mis_a", "approval.decided", {"approval": "apr_a", "verdict": "approved"}, second=2)
    house.happens("mis_a", "mission.claimed", second=3)
    house.happens("mis_a", "mission.ended", {"status": "done"}, second=4)
    (root,) = house.sent
    assert [mark.name for mark in root.marks] == ["mission.claimed", "approval.decided", "mission.claimed"]


def test_of_more_missions_than_are_kept_in_memory_the_journal_is_read_again(house, monkeypatch):
    monkeypatch.setattr(tracing, "KEPT", 1)
    for mission in ("mis_a", "mis_b"):
        house.begins(mission)
        house.happens(mission, "effect.intent", {**CALL, "position": 1}, second=1, task="t1")
    done = {**CALL, "position": 1, "status": "done"}
    house.happens("mis_a", "effect.outcome", done, second=2, task="t1")
    house.happens("mis_b", "effect.outcome", done, second=3, task="t1")
    assert house.read == ["mis_a", "mis_b"]
    assert [(span.end - span.start) // 10**9 for span in house.sent] == [1, 2]


def test_a_journal_that_cannot_be_read_stops_neither_the_mission_nor_its_other_spans(house, monkeypatch, caplog):
    house.begins()

    def closed(_mission):
        raise StorageClosed

    monkeypatch.setattr(house, "past", closed)
    house.elsewhere()
    house.happens("mis_a", "mission.claimed", second=3)
    assert "a listener failed on mission.claimed" in caplog.text
    house.called("mis_a", 1, 4)
    house.happens("mis_a", "mission.ended", {"status": "done"}, second=5)
    assert positions(house.sent) == [1, None]


def test_progress_is_no_part_of_a_trace(house):
    house.bus.publish(Event("mis_a", 0, "2026-01-01T00:00:00.000000Z", "effect.progress", "t1", {"line": "words"}))
    assert (house.sent, house.read) == ([], [])
