"""What people see of one tenant, read from PostgreSQL (see `read_ports.QueryStore`)."""

from datetime import datetime
from typing import Any

import msgspec

from gatewatch.adapters.postgres.statements import load
from gatewatch.adapters.postgres.tenancy import TenantRows
from gatewatch.core import anomalies, context, policy, profiles, records, signals, sources
from gatewatch.core.events import LoginEvent
from gatewatch.core.policy import DEFAULT, Policy
from gatewatch.core.records import ControlRecord
from gatewatch.core.sources import Buckets
from gatewatch.ports import LOGINS
from gatewatch.read_ports import (
    AnomalyFilter,
    EventFilter,
    Pulse,
    StoredAnomaly,
    StoredControl,
    StoredDeadLetter,
    StoredEvent,
    StoredProfile,
    Totals,
    Tried,
)

_SQL = load("queries.sql")
#: The least score that the index of noteworthy events holds.
NOTEWORTHY = 20

_event = msgspec.msgpack.Decoder(LoginEvent).decode


class PostgresQueries:
    """See `read_ports.QueryStore`."""

    def __init__(self, session: TenantRows) -> None:
        self._session = session

    def anomalies(self, wanted: AnomalyFilter) -> list[StoredAnomaly]:
        """Anomalies, the latest hit first."""
        rows = self._rows("anomalies", **msgspec.structs.asdict(wanted))
        return [StoredAnomaly(anomalies.decode(row[0]), row[1], row[2]) for row in rows]

    def events(self, wanted: EventFilter) -> list[StoredEvent]:
        """Events, the latest first."""
        narrow = wanted.user or wanted.low or wanted.asn or wanted.country or wanted.event_id
        noteworthy = not narrow and (wanted.min_score or 0) >= NOTEWORTHY
        name = "noteworthy_events" if noteworthy else "events"
        return [_stored(row) for row in self._rows(name, **msgspec.structs.asdict(wanted))]

    def profile(self, user_key: str) -> StoredProfile | None:
        """A user's row."""
        rows = self._rows("profile", user=user_key)
        return StoredProfile(profiles.decode(rows[0][0]), *rows[0][1:]) if rows else None

    def controls(self, user_key: str) -> list[StoredControl]:
        """A user's control records."""
        return [
            StoredControl(found, signals.decode(row[1]) if row[1] is not None else None, row[2])
            for row in self._rows("controls", user=user_key)
            if isinstance(found := records.decode(row[0]), ControlRecord)
        ]

    def buckets(self, kind: str, value: str) -> Buckets:
        """A source's failures."""
        shares: dict[int, Buckets] = {}
        for part, bucket, state in self._rows("buckets", kind=kind, value=value):
            shares.setdefault(part, {})[bucket] = sources.decode(state)
        return sources.unite(shares.values())

    def tried(self, wanted: EventFilter) -> list[Tried]:
        """Users tried from a source."""
        return [Tried(*row) for row in self._rows("tried", **msgspec.structs.asdict(wanted))]

    def dead_letters(self, reason: str | None, limit: int) -> list[StoredDeadLetter]:
        """Dead letters."""
        return [StoredDeadLetter(*row) for row in self._rows("dead_letters", reason=reason, limit=limit)]

    def policy(self) -> Policy:
        """The policy in force."""
        rows = self._rows("policy")
        return policy.decode(rows[0][0]) if rows else DEFAULT

    def pulse(self) -> Pulse:
        """How the system is doing."""
        ((processed, parts, lags, members, queue, outbox, server),) = self._rows("pulse", topic=LOGINS)
        return Pulse(processed, dict(zip(parts, lags, strict=True)), members, queue, outbox, server)

    def totals(self) -> Totals:
        """Counts of everything."""
        found: dict[str, dict[str, int]] = {}
        for detector, severity, count in self._rows("anomaly_totals"):
            found.setdefault(detector, {})[severity] = count
        ((events, users, dead),) = self._rows("totals")
        return Totals(events, users, dead, found)

    def latency(self, since: datetime) -> float | None:
        """The median of arrival to stored, in seconds."""
        ((median,),) = self._rows("latency", since=since)
        return None if median is None else float(median)

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def _rows(self, name: str, **parameters: Any) -> list[tuple[Any, ...]]:
        return self._session.rows(_SQL[name], parameters)


def _stored(row: tuple[Any, ...]) -> StoredEvent:
    event, assessment, numbers, received, stored, late, weight, held, *place = row
    return StoredEvent(
        _event(event),
        signals.decode(assessment),
        context.decode(numbers),
        received,
        stored,
        late,
        weight,
        held,
        (place[0], place[1], place[2]),
    )
