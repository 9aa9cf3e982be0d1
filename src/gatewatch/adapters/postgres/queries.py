"""What people see of one tenant, read from PostgreSQL (see `read_ports.QueryStore`)."""

from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Any

import msgspec

from gatewatch.adapters.postgres.decisions import DECISION, stored_decision
from gatewatch.adapters.postgres.statements import load
from gatewatch.adapters.postgres.tenancy import TenantRows
from gatewatch.core import anomalies, context, events, policy, profiles, records, signals, sources, subjects
from gatewatch.core.keys import prefix_of
from gatewatch.core.policy import DEFAULT, Policy
from gatewatch.core.records import ControlRecord
from gatewatch.core.sources import Buckets
from gatewatch.core.times import to_datetime
from gatewatch.health_ports import Newest, OutboxHealth, PartitionHealth
from gatewatch.ports import LOGINS
from gatewatch.read_ports import (
    Activity,
    AnomalyFilter,
    Backlog,
    DeadLetterFilter,
    EventFilter,
    Position,
    Pulse,
    Ranking,
    Said,
    StoredAnomaly,
    StoredControl,
    StoredDeadLetter,
    StoredDecision,
    StoredEvent,
    StoredProfile,
    Top,
    TopKind,
    Totals,
    Tried,
    UserFilter,
)

_SQL = load("queries.sql")
#: In so many hours at most are users looked for that a network or a country tried.
HOURS = 168

#: Which rows of a list.
Filter = EventFilter | AnomalyFilter | UserFilter | DeadLetterFilter


class PostgresQueries:
    """See `read_ports.QueryStore`."""

    def __init__(self, session: TenantRows) -> None:
        self._session = session

    def anomalies(
        self, wanted: AnomalyFilter, limit: int, after: Position | None = None
    ) -> list[StoredAnomaly]:
        """Anomalies, the latest hit first."""
        rows = self._session.rows(*statement(wanted, limit, after))
        return [
            StoredAnomaly(anomalies.decode(row[0]), row[1], row[2], Said(*row[3:]) if row[3] else None)
            for row in rows
        ]

    def events(self, wanted: EventFilter, limit: int, after: Position | None = None) -> list[StoredEvent]:
        """Events, the latest first."""
        return [stored_event(row) for row in self._session.rows(*statement(wanted, limit, after))]

    def users(self, wanted: UserFilter, limit: int, after: Position | None = None) -> list[StoredProfile]:
        """Users, the riskiest or the latest first."""
        return [_profile(row) for row in self._session.rows(*statement(wanted, limit, after))]

    def profile(self, user_key: str) -> StoredProfile | None:
        """A user's row."""
        rows = self._rows("profile", user=user_key)
        return _profile(rows[0]) if rows else None

    def controls(self, user_key: str) -> list[StoredControl]:
        """A user's control records."""
        return [
            StoredControl(found, signals.decode(row[1]) if row[1] is not None else None, row[2])
            for row in self._rows("controls", user=user_key)
            if isinstance(found := records.decode(row[0]), ControlRecord)
        ]

    def decision(self, id: str) -> StoredDecision | None:
        """A decision that was answered."""
        rows = self._session.rows(DECISION, {"id": id})
        return stored_decision(rows[0]) if rows else None

    def buckets(self, kind: str, value: str) -> Buckets:
        """A source's failures."""
        shares: dict[int, Buckets] = {}
        for part, bucket, state in self._rows("buckets", kind=kind, value=value):
            shares.setdefault(part, {})[bucket] = sources.decode(state)
        return subjects.unite(shares.values())

    def tried(self, source: EventFilter, limit: int, most: int) -> tuple[list[Tried], datetime | None]:
        """Users tried from a source."""
        asked = {**msgspec.structs.asdict(source), "limit": limit, "most": most, "hours": HOURS}
        if source.network is not None:
            rows = self._rows("tried", **asked, **_network(source.network))
        else:
            rows = self._rows("tried_in_hours", **asked, **_counted(source))
        return [Tried(*row[:-1]) for row in rows], rows[0][-1] if rows else None

    def dead_letters(
        self, wanted: DeadLetterFilter, limit: int, after: Position | None = None
    ) -> list[StoredDeadLetter]:
        """Dead letters, the latest first."""
        return [StoredDeadLetter(*row) for row in self._session.rows(*statement(wanted, limit, after))]

    def activity(self, since: datetime, until: datetime, step: timedelta) -> list[Activity]:
        """Stretches in which something happened."""
        stretch = {"since": since, "until": until, "step": step}
        found = {row[0]: Activity(*row) for row in self._rows("activity", **stretch)}
        for start, n in self._rows("anomaly_activity", **stretch):
            found[start] = found.get(start, Activity(start))._replace(anomalies=n)
        return [found[start] for start in sorted(found)]

    def activity_of(self, source: EventFilter, step: timedelta) -> list[Activity]:
        """Stretches in which a source was seen."""
        wanted = {**msgspec.structs.asdict(source), "step": step}
        if source.network is not None:
            rows = self._rows("activity_of_addresses", **wanted, **_network(source.network))
        else:
            rows = self._rows("activity_of_value", **wanted, **_counted(source))
        return [Activity(*row) for row in rows]

    def top(self, kind: TopKind, since: datetime, until: datetime, by: Ranking, limit: int) -> list[Top]:
        """The values that came most often."""
        rows = self._rows("top", kind=kind, since=since, until=until, by=by, limit=limit)
        return [Top(*row) for row in rows]

    def policy(self) -> Policy:
        """The policy in force."""
        rows = self._rows("policy")
        return policy.decode(rows[0][0]) if rows else DEFAULT

    def pulse(self) -> Pulse:
        """How the system is doing."""
        ((processed, parts, lags, members, queue, outbox, server),) = self._rows("pulse", topic=LOGINS)
        return Pulse(processed, dict(zip(parts, lags, strict=True)), members, queue, outbox, server)

    def partitions(self) -> list[PartitionHealth]:
        """How far each partition has been read, and by whom."""
        return [PartitionHealth(*row) for row in self._rows("partitions", topic=LOGINS)]

    def outbox(self) -> OutboxHealth:
        """What waits to be relayed."""
        return OutboxHealth(*self._rows("outbox", topic=LOGINS)[0])

    def newest(self) -> Newest:
        """When something happened and was stored last."""
        return Newest(*self._rows("newest", topic=LOGINS)[0])

    def backlog(self, since: datetime, until: datetime, most: int) -> list[Backlog]:
        """Open anomalies by severity and status."""
        return [Backlog(*row) for row in self._rows("backlog", since=since, until=until, most=most)]

    def dead_letter_count(self, since: datetime, most: int) -> int:
        """How many dead letters came."""
        ((count,),) = self._rows("dead_letter_count", since=since, most=most)
        return int(count)

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


def statement(wanted: Filter, limit: int, after: Position | None = None) -> tuple[str, dict[str, Any]]:
    """The statement of a list, and its parameters."""
    parameters = {**msgspec.structs.asdict(wanted), "limit": limit, "at": None, "after": None}
    if after is not None:
        by_time = not (isinstance(wanted, UserFilter) and wanted.sort == "risk")
        parameters |= {"at": to_datetime(int(after.key)) if by_time else after.key, "after": after.id}
    match wanted:
        case EventFilter():
            name = "events_in_hours" if _in_hours(wanted) else "events"
            return _SQL[name], parameters | _network(wanted.network)
        case UserFilter():
            return _SQL[f"users_by_{wanted.sort}"], parameters
        case AnomalyFilter():
            return _SQL["anomalies"], parameters
        case DeadLetterFilter():
            return _SQL["dead_letters"], parameters


def _in_hours(wanted: EventFilter) -> bool:
    """Whether the counts lead: not where one event or a network is asked for, nor a user, but for what had a signal."""
    if wanted.event_id is not None or wanted.network is not None:
        return False
    signalled = bool(wanted.detector or wanted.min_score)
    if wanted.user is not None:
        return signalled
    return bool(wanted.asn or wanted.country or wanted.outcome or wanted.detector)


def _counted(source: EventFilter) -> dict[str, str]:
    """A network or a country as the counts by value have it."""
    if source.asn is not None:
        return {"kind": "asn", "value": str(source.asn)}
    return {"kind": "country", "value": source.country or ""}


def _network(text: str | None) -> dict[str, Any]:
    """An address range, and the prefix it lies in: within one an index finds it; a wider one is only filtered by."""
    if text is None:
        return {"low": None, "high": None, "prefix": None}
    network = ip_network(text, strict=False)
    prefix = prefix_of(str(network[0]))
    narrow = network[-1] in ip_network(prefix)
    return {"low": str(network[0]), "high": str(network[-1]), "prefix": prefix if narrow else None}


def _profile(row: tuple[Any, ...]) -> StoredProfile:
    return StoredProfile(row[0], profiles.decode(row[1]), *row[2:])


def stored_event(row: tuple[Any, ...]) -> StoredEvent:
    """A row of the statement of events, without what comes before it."""
    event, assessment, numbers, received, stored, late, weight, held, *place = row
    return StoredEvent(
        events.decode(event),
        signals.decode(assessment),
        context.decode(numbers),
        received,
        stored,
        late,
        weight,
        held,
        (place[0], place[1], place[2]),
    )
