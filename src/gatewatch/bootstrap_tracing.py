"""The part of the composition root that spans need: nothing of OpenTelemetry is imported unless they are asked for."""

from gatewatch import logs
from gatewatch import settings as configuration
from gatewatch.tracing_ports import Tracing


def tracing(service: str) -> Tracing | None:
    """What a service records spans with; None where nobody asked for any."""
    if not configuration.traces_wanted():
        return None
    try:
        from gatewatch.adapters.otel import OpenTelemetry
    except ImportError:
        logs.get().warning("no spans are recorded: gatewatch[otel] is not installed")
        return None
    return OpenTelemetry(service)
