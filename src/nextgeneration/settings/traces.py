"""Settings of traces."""

from __future__ import annotations

from pydantic import Field

from nextgeneration.settings.group import SettingsGroup

STANDARD = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": "with `NG_TRACES`: address of the collector, without `/v1/traces`; "
    "without it `http://localhost:4318`",
    "OTEL_EXPORTER_OTLP_HEADERS": "with `NG_TRACES`: headers of each request to it, as `name=value,name=value`",
    "OTEL_SERVICE_NAME": "with `NG_TRACES`: the name traces are sent under; without it `nextgeneration`",
    "OTEL_RESOURCE_ATTRIBUTES": "with `NG_TRACES`: what else is said of the sender, as `name=value,name=value`",
}
"""What OpenTelemetry's library reads by itself once traces are switched on; its other variables hold as well."""


class TraceSettings(SettingsGroup):
    """Traces of missions.

    Nothing is sent unless they are switched on.
    """

    traces: bool = Field(
        default=False,
        description="send each mission as one trace to an OpenTelemetry collector; needs the extra `otel`",
    )
    traces_queue: int = Field(
        default=4_096, ge=1, le=1_000_000, description="spans that may wait to be sent; more are dropped and counted"
    )
    traces_close_seconds: float = Field(
        default=2.0, ge=0, le=60, description="how long the end of a process waits for the collector, in seconds"
    )
