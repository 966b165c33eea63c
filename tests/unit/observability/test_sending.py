"""Spans wait in a bounded queue for a thread of their own; what does not arrive is counted, whoever is to blame."""

from __future__ import annotations

import threading

from nextgeneration.observability import sending
from nextgeneration.observability.sending import Sender
from nextgeneration.observability.spans import Span

LONG = 60.0


def spans(count):
    return [Span(1, number + 1, None, "a span", 0, 1) for number in range(count)]


class Far:
    """Where spans go: it takes them once it is opened."""

    def __init__(self, *, opened=True, fails=False):
        self.fails = fails
        self.taken = []
        self.asked = threading.Event()
        self.open = threading.Event()
        self.stopped = threading.Event()
        if opened:
            self.open.set()

    def export(self, batch):
        self.asked.set()
        self.open.wait(LONG)
        if self.fails:
            raise OSError("no route")
        self.taken += batch
        return True


def test_everything_is_sent_in_order_and_in_batches_before_it_closes():
    far = Far()
    sender = Sender(far.export, far.stopped.set, 2_000)
    sender.send(spans(1_000))
    sender.close(LONG)
    assert [span.id for span in far.taken] == list(range(1, 1_001))
    assert (sender.sent, sender.lost) == (1_000, 0)
    assert far.stopped.is_set()


def test_what_does_not_fit_is_lost_and_counted_and_nobody_waits(caplog):
    far = Far(opened=False)
    sender = Sender(far.export, far.open.set, 10)
    sender.send(spans(1_000))
    assert sender.lost == 990
    sender.close(0.0)
    assert (sender.sent, sender.lost) == (0, 1_000)
    assert "1000 spans did not reach the collector, 0 did" in caplog.text


def test_what_is_under_way_when_the_time_is_over_counts_as_lost_once(caplog, monkeypatch):
    monkeypatch.setattr(sending, "INTERVAL", 0.0)
    far = Far(opened=False)
    sender = Sender(far.export, far.stopped.set, 100)
    sender.send(spans(3))
    assert far.asked.wait(LONG)
    sender.send(spans(2))
    sender.close(0.0)
    assert (sender.sent, sender.lost) == (0, 5)
    thread = sender._thread
    far.open.set()
    thread.join(LONG)
    assert (sender.sent, sender.lost) == (0, 5)


def test_a_collector_that_fails_is_asked_again_with_what_comes_next():
    far = Far(fails=True)
    sender = Sender(far.export, far.stopped.set, 100)
    sender.send(spans(2))
    sender.close(LONG)
    assert (sender.sent, sender.lost) == (0, 2)


def test_nothing_is_started_for_nothing_and_nothing_is_taken_after_the_end():
    far = Far()
    sender = Sender(far.export, far.stopped.set, 100)
    sender.send([])
    assert sender._thread is None
    sender.close(LONG)
    sender.send(spans(1))
    sender.close(LONG)
    assert (far.taken, sender.lost) == ([], 1)
