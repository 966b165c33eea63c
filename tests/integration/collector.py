"""A collector of traces on loopback: it takes OTLP/HTTP with the official messages and keeps what it was sent."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Collector:
    """Use it with ``with``; ``silent``: it takes requests and never answers them.

    Attributes:
        sent: every span that arrived, as often as it did.
        raw: the bodies, as they came.
        headers: those of the last request.
        resource: what the sender says of itself.
    """

    def __init__(self, *, silent: bool = False) -> None:
        self.sent: list[Span] = []
        self.raw: list[bytes] = []
        self.headers: dict[str, str] = {}
        self.resource: dict[str, Any] = {}
        self.asked = threading.Event()
        self._over = threading.Event()
        there = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                there.asked.set()
                if silent:
                    there._over.wait()
                    return
                there._take(self.path, dict(self.headers), body)
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Collector:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    def _take(self, path: str, headers: dict[str, str], body: bytes) -> None:
        assert path == "/v1/traces"
        self.headers = headers
        self.raw.append(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resource = told(resource.resource.attributes)
            for scope in resource.scope_spans:
                self.sent += scope.spans

    @property
    def spans(self) -> dict[bytes, Span]:
        """The spans by their id, as a backend keeps them. What came twice must be the same span."""
        kept: dict[bytes, Span] = {}
        for span in self.sent:
            assert kept.setdefault(span.span_id, span) == span, "one id, two spans"
        return kept


def told(attributes: Any) -> dict[str, Any]:
    """Attributes as a plain dictionary."""
    return {each.key: value(each.value) for each in attributes}


def value(given: Any) -> Any:
    kind = given.WhichOneof("value")
    if kind == "array_value":
        return [value(each) for each in given.array_value.values]
    return getattr(given, kind)
