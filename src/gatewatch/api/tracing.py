"""The span of a request that brings events, where spans are recorded."""

from contextlib import AbstractContextManager, nullcontext
from types import TracebackType

from starlette.datastructures import Headers

from gatewatch.api.problems import Problem
from gatewatch.tracing_ports import Span, Tracing

UNTRACED: AbstractContextManager[str] = nullcontext("")


def ingesting(tracing: Tracing | None, headers: Headers, source: str) -> AbstractContextManager[str]:
    """A span around taking events in, as a child of what the caller names; gives the trace that they carry on."""
    if tracing is None:
        return UNTRACED
    return _Ingesting(tracing.begin("ingest", "server", headers.get("traceparent", "")), source)


class _Ingesting:
    """Ends its span with what became of the request."""

    def __init__(self, span: Span, source: str) -> None:
        self._span, self._source = span, source

    def __enter__(self) -> str:
        return self._span.trace

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        refused = isinstance(error, Problem) and error.status_code < 500
        self._span.end(None if refused else error, gatewatch__source=self._source)
