"""What the tests of ingest share: an arrival, and the results of a file's bytes without any file."""

from collections.abc import Sequence
from datetime import UTC, tzinfo
from itertools import chain

from gatewatch.core.records import EventRecord, RejectRecord
from gatewatch.ingest.contract import Arrival, Ignored, Line, Result, file_identity
from gatewatch.ingest.framing import framer_for
from gatewatch.ingest.moments import moment
from gatewatch.ingest.registry import ADAPTERS

#: 22 November 2026, 12:00 UTC: when everything in the tests arrives unless it says otherwise.
NOW = moment("2026-11-22T12:00:00Z", UTC).time


def arrival(source: str = "native", received: int = NOW, zone: tzinfo = UTC) -> Arrival:
    """An arrival at `NOW` for the tenant `acme`."""
    return Arrival(tenant_id="acme", received=received, source=source, origin="import-1", zone=zone)


def lines(data: bytes, source: str = "native", chunk: int = 65_536) -> list[Line]:
    """The pieces of a file's bytes, fed in chunks."""
    framer = framer_for(ADAPTERS[source].framing, data)
    data = data.removeprefix(b"\xef\xbb\xbf")
    chunks = (data[start : start + chunk] for start in range(0, len(data), chunk))
    fed = chain.from_iterable(framer.feed(part) for part in chunks)
    return [*fed, *framer.end()]


def read(data: bytes, source: str = "native", at: Arrival | None = None) -> list[Result]:
    """What becomes of a file's bytes."""
    pieces = lines(data, source)
    adapter = ADAPTERS[source](file_identity(pieces[0].data if pieces else b""))
    return [result for piece in pieces for result in adapter.read(piece, at or arrival(source))]


def one(data: bytes, source: str = "native", at: Arrival | None = None) -> Result:
    """What becomes of a line."""
    (result,) = read(data, source, at)
    return result


def event(data: bytes, source: str = "native", at: Arrival | None = None) -> EventRecord:
    """The event of a line."""
    result = one(data, source, at)
    assert isinstance(result, EventRecord), result
    return result


def reject(data: bytes, source: str = "native", at: Arrival | None = None) -> RejectRecord:
    """The reject of a line."""
    result = one(data, source, at)
    assert isinstance(result, RejectRecord), result
    return result


def events(results: Sequence[Result]) -> list[EventRecord]:
    """The events among results."""
    return [result for result in results if isinstance(result, EventRecord)]


def rejects(results: Sequence[Result]) -> list[RejectRecord]:
    """The rejects among results."""
    return [result for result in results if isinstance(result, RejectRecord)]


def ignored(results: Sequence[Result]) -> list[Ignored]:
    """The ignored lines among results."""
    return [result for result in results if isinstance(result, Ignored)]
