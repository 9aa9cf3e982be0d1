"""Spans by OpenTelemetry, sent to a collector as OTLP over HTTP; imported only where they are asked for.

Where to, as whom, how many: the standard OTEL_ variables say, which the library reads itself.
"""

from collections.abc import Sequence

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanKind, Status, StatusCode, get_current_span
from opentelemetry.trace import Span as Recorded
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gatewatch import __version__
from gatewatch.tracing_ports import Kind, Span

_KINDS = {"server": SpanKind.SERVER, "consumer": SpanKind.CONSUMER, "producer": SpanKind.PRODUCER}
_propagator = TraceContextTextMapPropagator()


class OpenTelemetry:
    """See `tracing_ports.Tracing`. What was not sent yet is sent when the process ends."""

    def __init__(self, service: str) -> None:
        self._provider = TracerProvider(resource=_resource(service))
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("gatewatch", __version__)

    def begin(
        self, name: str, kind: Kind, parent: str = "", links: Sequence[str] = (), since: int | None = None
    ) -> Span:
        """Begin a span."""
        found = self._tracer.start_span(
            name,
            context=_context(parent),
            kind=_KINDS[kind],
            links=[Link(get_current_span(_context(trace)).get_span_context()) for trace in links],
            start_time=None if since is None else since * 1_000,
        )
        return _Span(found)

    def flush(self) -> None:
        """Send what was not sent yet."""
        self._provider.force_flush()


def _resource(service: str) -> Resource:
    found = Resource.create()
    if not str(found.attributes[SERVICE_NAME]).startswith("unknown_service"):
        return found
    return found.merge(Resource({SERVICE_NAME: f"gatewatch-{service}"}))


def _context(trace: str) -> Context:
    """Where a trace says we are; a text that is none is nowhere."""
    return _propagator.extract({"traceparent": trace}, Context())


class _Span:
    """See `tracing_ports.Span`."""

    def __init__(self, span: Recorded) -> None:
        self._span = span

    @property
    def trace(self) -> str:
        """What names it."""
        found = self._span.get_span_context()
        return f"00-{found.trace_id:032x}-{found.span_id:016x}-{found.trace_flags:02x}"

    def end(self, error: BaseException | None = None, **attributes: str | int) -> None:
        """End it. Of an error its kind is told, not what it says, which may be somebody's data."""
        for name, value in attributes.items():
            self._span.set_attribute(name.replace("__", "."), value)
        if error is not None:
            self._span.set_attribute("error.type", type(error).__qualname__)
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()
