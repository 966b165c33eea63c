"""Figures a hot path can afford: plain integers, turned into Prometheus text when somebody asks.

A part of the system keeps :class:`Counts` and :class:`Timing` objects and offers a *source*, a
function that returns its :class:`Family` objects. :func:`exposition` renders sources; they may also
be registered with any ``prometheus_client`` registry as a :class:`Collector`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_RECENT = 1024


class Counts:
    """Events by their labels' values."""

    __slots__ = ("_lock", "_values")

    def __init__(self) -> None:
        self._values: dict[tuple[str, ...], int] = {}
        self._lock = Lock()

    def add(self, *labels: str, by: int = 1) -> None:
        """Count ``by`` more events with these label values."""
        with self._lock:
            self._values[labels] = self._values.get(labels, 0) + by

    def values(self) -> dict[tuple[str, ...], int]:
        """A snapshot: number of events by label values."""
        return dict(self._values)

    def total(self) -> int:
        """The number of all events."""
        return sum(self.values().values())


class Timing:
    """How often something was done and how long it took: exact sums, percentiles of the last 1,024."""

    __slots__ = ("_lock", "_recent", "count", "seconds")

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0
        self._recent: list[float] = []
        self._lock = Lock()

    def add(self, seconds: float) -> None:
        """Count one more, which took ``seconds``."""
        with self._lock:
            if self.count < _RECENT:
                self._recent.append(seconds)
            else:
                self._recent[self.count % _RECENT] = seconds
            self.count += 1
            self.seconds += seconds

    def percentile(self, share: float) -> float:
        """The duration in seconds that ``share`` (0 to 1) of the recent ones did not exceed; 0 without any."""
        recent = sorted(self._recent)
        return recent[max(math.ceil(share * len(recent)) - 1, 0)] if recent else 0.0

    def as_dict(self) -> dict[str, float]:
        """``count``, and in milliseconds ``mean_ms``, ``p50_ms``, ``p95_ms``, ``p99_ms``."""
        mean = self.seconds / self.count if self.count else 0.0
        figures = {"mean_ms": mean} | {f"p{share}_ms": self.percentile(share / 100) for share in (50, 95, 99)}
        return {"count": self.count} | {name: round(value * 1000, 6) for name, value in figures.items()}


@dataclass(frozen=True, slots=True)
class Family:
    """One metric with its samples, as Prometheus shows it.

    ``samples`` maps label values to a number, or to a :class:`Timing` for a summary. The name of a
    counter is given without ``_total``.
    """

    kind: Literal["counter", "gauge", "summary"]
    name: str
    help: str
    samples: Mapping[tuple[str, ...], float] | Mapping[tuple[str, ...], Timing]
    labels: tuple[str, ...] = ()


Source = Callable[[], Iterable[Family]]


class Collector:
    """A ``prometheus_client`` collector over ``sources``; it reads them at each scrape."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self._sources = tuple(sources)

    def collect(self) -> Iterator[Metric]:
        """The metrics as they stand now."""
        for source in self._sources:
            for family in source():
                yield _metric(family)


def _metric(family: Family) -> Metric:
    from prometheus_client import metrics_core

    metric: Metric
    if family.kind == "summary":
        metric = summary = metrics_core.SummaryMetricFamily(family.name, family.help, labels=family.labels)
        for labels, timing in family.samples.items():
            if isinstance(timing, Timing):
                summary.add_metric(labels, timing.count, timing.seconds)
        return metric
    kind = metrics_core.CounterMetricFamily if family.kind == "counter" else metrics_core.GaugeMetricFamily
    metric = simple = kind(family.name, family.help, labels=family.labels)
    for labels, value in family.samples.items():
        if not isinstance(value, Timing):
            simple.add_metric(labels, value)
    return metric


def exposition(*sources: Source, process: bool = True) -> bytes:
    """The Prometheus text of ``sources``, and of the process itself (memory, CPU, collector) unless told not to."""
    from prometheus_client import GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR, CollectorRegistry
    from prometheus_client.exposition import generate_latest

    registry: CollectorRegistry = CollectorRegistry(auto_describe=False)
    for collector in (Collector(sources), *((PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR) if process else ())):
        registry.register(collector)
    return generate_latest(registry)
