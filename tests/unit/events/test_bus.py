"""The bus hands on what happens, to whoever listens, and is never harmed by them."""

import asyncio
import logging

from nextgeneration.events.bus import Bus
from nextgeneration.events.schema import Event


def event(seq=1, mission="mis_a"):
    return Event(mission, seq, "2026-01-01T00:00:00.000000Z", "task.started", "t1", {"n": seq})


def test_listeners_hear_their_mission_and_all():
    bus, mine, every = Bus(), [], []
    assert not bus.listening
    end = bus.subscribe(mine.append, "mis_a")
    bus.subscribe(every.append)
    assert bus.listening
    bus.publish(event(1))
    bus.publish(event(1, "mis_b"))
    end()
    end()
    bus.publish(event(2))
    assert [heard.seq for heard in mine] == [1]
    assert [(heard.mission_id, heard.seq) for heard in every] == [("mis_a", 1), ("mis_b", 1), ("mis_a", 2)]


def test_a_failing_listener_harms_nobody(caplog):
    bus, heard = Bus(), []

    def fails(_event):
        raise RuntimeError("no")

    bus.subscribe(fails)
    bus.subscribe(heard.append)
    with caplog.at_level(logging.ERROR):
        bus.publish(event())
    assert len(heard) == 1
    assert "listener" in caplog.text


def test_a_listener_may_leave_while_it_hears():
    bus, heard = Bus(), []
    end = bus.subscribe(lambda e: (heard.append(e), end()))
    bus.publish(event(1))
    bus.publish(event(2))
    assert len(heard) == 1


async def test_a_stream_waits_for_events_and_keeps_their_order():
    bus = Bus()
    with bus.stream("mis_a") as stream:
        reading = asyncio.create_task(take(stream, 3))
        await asyncio.sleep(0)
        for seq in (1, 2):
            bus.publish(event(seq))
        await asyncio.sleep(0)
        bus.publish(event(3))
        assert [heard.seq for heard in await reading] == [1, 2, 3]
    assert not bus.listening


async def take(stream, count):
    return [await anext(stream) for _ in range(count)]


async def test_a_slow_reader_loses_the_oldest_and_knows_it():
    bus = Bus()
    with bus.stream(kept=2) as stream:
        for seq in range(1, 6):
            bus.publish(event(seq))
        assert stream.missed == 3
        assert [heard.seq for heard in await take(stream, 2)] == [4, 5]


def test_an_event_is_plain_json():
    assert event().as_dict() == {
        "mission": "mis_a",
        "seq": 1,
        "at": "2026-01-01T00:00:00.000000Z",
        "type": "task.started",
        "task": "t1",
        "data": {"n": 1},
    }


def test_who_keeps_books_does_not_make_missions_tell_their_progress():
    """A listener to what is kept leaves models and tools as they are; only one that watches has them tell."""
    bus, heard = Bus(), []
    end = bus.subscribe(heard.append, progress=False)
    assert bus.listening
    assert not bus.watched
    leave = bus.subscribe(heard.append, "mis_a")
    assert bus.watched
    leave()
    leave()
    assert not bus.watched
    end()
    assert not bus.listening
