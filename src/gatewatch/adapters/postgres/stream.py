"""What was stored since, read from PostgreSQL (see `stream_ports.StreamStore`)."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from gatewatch.adapters.postgres.connection import Row
from gatewatch.adapters.postgres.queries import stored_event
from gatewatch.adapters.postgres.statements import load
from gatewatch.adapters.postgres.tenancy import TenantRows
from gatewatch.core import anomalies
from gatewatch.ports import ANOMALIES, LOGINS, STATUSES
from gatewatch.read_ports import Said, Status, StoredAnomaly
from gatewatch.stream_ports import Positions, StreamedAnomaly, StreamedEvent, Stretch

_SQL = load("stream.sql")


class _Published(msgspec.Struct):
    """A change of a status as it is published."""

    status: Status
    revision: int
    count: int
    changed_at: datetime
    changed_by: str


_published = msgspec.json.Decoder(_Published).decode


class PostgresStream:
    """One tenant's, read under the role of the app."""

    def __init__(self, session: TenantRows) -> None:
        self._session = session

    def heads(self) -> Positions:
        """Where everything ends that is committed."""
        return _positions(self._session.rows(_SQL["heads"], {"topic": LOGINS}))

    def floors(self) -> Positions:
        """From where on nothing is missing."""
        return _positions(self._session.rows(_SQL["floors"], {"topic": LOGINS}))

    def events(self, stretches: Sequence[Stretch], each: int) -> list[StreamedEvent]:
        """Events by partition and offset."""
        rows = self._rows("events", stretches, each=each)
        return [StreamedEvent(row[0], row[1], stored_event(row[2:])) for row in rows]

    def anomalies(self, stretches: Sequence[Stretch], each: int) -> list[StreamedAnomaly]:
        """Versions and statuses by lane and number."""
        topics = {"versions": ANOMALIES, "statuses": STATUSES}
        rows = self._rows("anomalies", stretches, each=each, **topics)
        return [StreamedAnomaly(row[0], row[1], _anomaly(*row[2:])) for row in rows]

    def waiting(self, stretches: Sequence[Stretch], most: int) -> int:
        """How many events the stretches hold."""
        ((found,),) = self._rows("waiting", stretches, most=most)
        return int(found)

    def _rows(self, name: str, stretches: Sequence[Stretch], **more: Any) -> list[Row]:
        return self._session.rows(*statement(name, stretches, **more))


def statement(name: str, stretches: Sequence[Stretch], **more: Any) -> tuple[str, dict[str, Any]]:
    """A statement over stretches, and its parameters."""
    parts, sinces, untils = map(list, zip(*stretches, strict=True))
    return _SQL[name], {"parts": parts, "sinces": sinces, "untils": untils, **more}


def _positions(rows: Iterable[Row]) -> Positions:
    found = list(rows)
    return Positions(
        {part: off for part, off, _ in found if off > 0}, {part: seq for part, _, seq in found if seq > 0}
    )


def _anomaly(
    topic: str, text: str, body: str, opened: datetime, updated: datetime, *said: Any
) -> StoredAnomaly:
    if topic == ANOMALIES:
        return StoredAnomaly(anomalies.decode(text), opened, updated, Said(*said) if said[0] else None)
    found = _published(text)
    told = Said(found.status, found.revision, found.count, found.changed_at, found.changed_by)
    return StoredAnomaly(anomalies.decode(body), opened, updated, told)
