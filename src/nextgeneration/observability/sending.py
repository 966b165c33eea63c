"""Sending spans over OTLP/HTTP from a thread of its own. The only module that knows OpenTelemetry's library.

A collector that is slow or gone costs a mission nothing: the queue is bounded, what does not fit is counted, and the
end of the process waits for a bounded time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from nextgeneration.observability.errors import TracesMissing
from nextgeneration.observability.spans import Mark, Span

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import Event, ReadableSpan

log = logging.getLogger(__name__)

Export = Callable[[Sequence[Span]], bool]
"""Hands spans over; whether they arrived. It may take as long as it likes and raise whatever it likes."""

INTERVAL = 1.0
"""Longest time a span waits for others to go with, in seconds."""

BATCH = 256


class Sender:
    """A bounded queue of spans, and the thread that empties it.

    Args:
        export: hands spans over.
        stop: ends an export that is under way.
        size: spans that may wait.

    Attributes:
        sent: spans that arrived.
        lost: spans that did not: the queue was full, or the collector did not take them.
    """

    def __init__(self, export: Export, stop: Callable[[], None], size: int) -> None:
        self._export = export
        self._stop = stop
        self._size = size
        self._waiting: deque[Span] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._under_way = 0
        self._closed = False
        self.sent = 0
        self.lost = 0

    def send(self, spans: Iterable[Span]) -> None:
        """Queue spans; what does not fit is lost and counted. Never waits."""
        with self._changed:
            for span in spans:
                if self._closed or len(self._waiting) >= self._size:
                    self.lost += 1
                    continue
                self._waiting.append(span)
            if self._waiting and self._thread is None:
                self._thread = threading.Thread(target=self._run, name="nextgeneration-traces", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self, seconds: float) -> None:
        """Hand over what waits, for at most so many seconds; what is left is lost and counted."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(seconds)
        with self._changed:
            self.lost += len(self._waiting) + self._under_way
            self._waiting.clear()
            self._under_way = 0
        self._stop()
        if self.lost:
            log.warning("%d spans did not reach the collector, %d did", self.lost, self.sent)

    def _run(self) -> None:
        while batch := self._next():
            arrived = False
            try:
                arrived = self._export(batch)
            except Exception as error:
                log.debug("spans could not be sent: %s", type(error).__name__)
            with self._changed:
                if not self._under_way:
                    return  # closed meanwhile: these were counted as lost
                self._under_way = 0
                if arrived:
                    self.sent += len(batch)
                else:
                    self.lost += len(batch)

    def _next(self) -> list[Span]:
        """The spans to send next, once there are enough or they waited long enough; none when it is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            until = time.monotonic() + INTERVAL
            self._changed.wait_for(
                lambda: len(self._waiting) >= BATCH or self._closed, timeout=max(until - time.monotonic(), 0.0)
            )
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            self._under_way = len(batch)
            return batch


def over_http(version: str, size: int) -> Sender:
    """A sender to the collector that OpenTelemetry's own variables name; by default one on this machine.

    Raises:
        TracesMissing: the extra is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace.export import SpanExportResult
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    except ImportError as error:
        raise TracesMissing(package=error.name or "opentelemetry") from None
    # It writes a line for each try that fails, in the midst of what a mission shows; what is lost is said at the end.
    logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)
    ours = Resource({"service.name": "nextgeneration", "service.version": version})
    exporter, resource = OTLPSpanExporter(), ours.merge(OTELResourceDetector().detect())
    scope = InstrumentationScope("nextgeneration", version)

    def export(spans: Sequence[Span]) -> bool:
        return exporter.export([_readable(span, resource, scope) for span in spans]) is SpanExportResult.SUCCESS

    return Sender(export, exporter.shutdown, size)


def _readable(span: Span, resource: object, scope: object) -> ReadableSpan:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

    def context(id_: int) -> SpanContext:
        return SpanContext(span.trace, id_, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))

    return ReadableSpan(
        name=span.name,
        context=context(span.id),
        parent=None if span.parent is None else context(span.parent),
        resource=resource,  # type: ignore[arg-type]
        attributes=span.attributes,
        events=[_event(mark) for mark in span.marks],
        kind=SpanKind.CLIENT if span.remote else SpanKind.INTERNAL,
        instrumentation_scope=scope,  # type: ignore[arg-type]
        status=Status(StatusCode.ERROR, span.code) if span.code else Status(StatusCode.UNSET),
        start_time=span.start,
        end_time=span.end,
    )


def _event(mark: Mark) -> Event:
    from opentelemetry.sdk.trace import Event

    return Event(mark.name, mark.attributes, mark.at)
