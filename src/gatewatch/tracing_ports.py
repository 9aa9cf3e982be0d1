"""What spans are recorded with, where somebody asked for them.

A `trace` is a W3C `traceparent`, `00-<trace>-<span>-<flags>`, "" for none: so it travels through headers and rows as
the text it is.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol, runtime_checkable

#: How the flags of a trace end that is recorded; of others nothing is.
SAMPLED = "-01"

Kind = Literal["server", "consumer", "producer"]


class Span(Protocol):
    """A piece of work that has begun."""

    @property
    def trace(self) -> str:
        """What names this span as the parent of others."""
        ...

    def end(self, error: BaseException | None = None, **attributes: str | int) -> None:
        """It is over; attributes are ids and numbers, named with `__` for a dot."""
        ...


class Tracing(Protocol):
    """Records spans."""

    def begin(
        self, name: str, kind: Kind, parent: str = "", links: Sequence[str] = (), since: int | None = None
    ) -> Span:
        """A span that began now, or at `since` (µs); one whose `parent` is none begins a trace."""
        ...


class TracedRecord(NamedTuple):
    """A record for the log, and the trace that it is part of."""

    key: str
    value: bytes
    trace: str


@runtime_checkable
class TracedLog(Protocol):
    """A log whose records can carry a trace."""

    def append_traced(self, records: Sequence[TracedRecord]) -> None:
        """As `ports.LogWriter.append`."""
        ...
