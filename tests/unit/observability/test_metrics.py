"""Figures: plain integers while counting, correct Prometheus text when read."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from nextgeneration.observability.metrics import Collector, Counts, Family, Timing, exposition


def families(counts: Counts, timing: Timing) -> list[Family]:
    return [
        Family("counter", "made", "Things made.", counts.values(), ("kind", "outcome")),
        Family("summary", "making_seconds", "Making one.", {(): timing}),
        Family("gauge", "alive", "Things alive.", {(): 7}),
    ]


def test_counts_and_timings_become_prometheus_text() -> None:
    counts, timing = Counts(), Timing()
    counts.add("a", "ok")
    counts.add("a", "ok", by=2)
    counts.add('b"\n\\', "failed")
    for seconds in (0.5, 1.5):
        timing.add(seconds)
    text = exposition(lambda: families(counts, timing), process=False).decode()
    read = {family.name: family for family in text_string_to_metric_families(text)}
    assert {(s.labels["kind"], s.labels["outcome"]): s.value for s in read["made"].samples} == {
        ("a", "ok"): 3,
        ('b"\n\\', "failed"): 1,
    }
    assert {s.name: s.value for s in read["making_seconds"].samples} == {
        "making_seconds_count": 2,
        "making_seconds_sum": 2,
    }
    assert read["alive"].samples[0].value == 7
    assert counts.total() == 4


def test_a_collector_reads_its_sources_at_each_scrape() -> None:
    counts, timing, registry = Counts(), Timing(), CollectorRegistry()
    registry.register(Collector([lambda: families(counts, timing)]))
    assert b"made_total" not in generate_latest(registry).replace(b"# HELP made_total", b"").replace(
        b"# TYPE made_total", b""
    )
    counts.add("a", "ok")
    assert b'made_total{kind="a",outcome="ok"} 1.0' in generate_latest(registry)


def test_the_process_tells_about_itself() -> None:
    assert b"python_info" in exposition()


def test_percentiles_are_of_the_recent_and_sums_of_all() -> None:
    timing = Timing()
    assert timing.as_dict() == {"count": 0, "mean_ms": 0.0, "p50_ms": 0.0, "p95_ms": 0.0, "p99_ms": 0.0}
    for _ in range(1024):
        timing.add(9.0)
    for number in range(1, 1025):
        timing.add(number / 1000)
    assert timing.count == 2048
    assert (timing.percentile(0.5), timing.percentile(0.95), timing.percentile(1)) == (0.512, 0.973, 1.024)
    assert timing.as_dict()["p50_ms"] == 512


def test_no_event_is_lost_between_threads() -> None:
    counts, timing = Counts(), Timing()

    def work(_: int) -> None:
        for _ in range(500):
            counts.add("a", "ok")
            timing.add(0.001)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert counts.values() == {("a", "ok"): 4000}
    assert timing.count == 4000


def test_counting_does_not_load_prometheus() -> None:
    code = "import sys, nextgeneration.observability.metrics; sys.exit('prometheus_client' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
