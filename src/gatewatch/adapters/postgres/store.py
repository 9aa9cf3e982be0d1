"""The store as the owner of partitions sees it (see `ports.PartitionStore`), and the embedded log beside it."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

import msgspec

from gatewatch.adapters.postgres import commits, packing
from gatewatch.adapters.postgres.arrays import array
from gatewatch.adapters.postgres.connection import Row, Session
from gatewatch.adapters.postgres.statements import load
from gatewatch.core import anomalies, events, policy, sources
from gatewatch.core.anomalies import Anomaly
from gatewatch.core.detection import StoredLogin
from gatewatch.core.keys import prefix_of
from gatewatch.core.policy import DEFAULT, Policy
from gatewatch.core.profiles import LATENESS
from gatewatch.core.shares import Share
from gatewatch.core.sources import Buckets, Slice
from gatewatch.core.times import DAY, to_datetime
from gatewatch.ports import (
    LOGINS,
    Batch,
    Claim,
    Clock,
    Deleted,
    LogRecord,
    OpenFinding,
    QueueRow,
    ReviewBatch,
    SourceKey,
    SourceView,
    Success,
    Tenant,
    TenantKey,
    UserRow,
)

_SQL = load("store.sql")
#: From so many sources with findings on, a batch looks up its own instead of asking which these are.
MAX_ATTACKED = 1_000
#: The most bytes of log values that one read brings into memory.
MAX_READ_BYTES = 64 << 20

_shares = msgspec.msgpack.Decoder(dict[int, dict[int, Slice]]).decode
_findings = msgspec.msgpack.Decoder(tuple[OpenFinding, ...]).decode

Range = tuple[int, int]


class PostgresStore:
    """Looks up through one session, commits through another and reads the embedded log through a third (the same,
    where none is given); so it is a `log_ports.LogSource` as well.

    With three, one batch can be made while another is stored and a third one's records are read; claims belong to the
    one that commits, for it is the one that holds locks. `lease` is how long a commit extends its partition's lease.
    """

    def __init__(
        self,
        session: Session,
        clock: Clock,
        lease: timedelta,
        committing: Session | None = None,
        log: Session | None = None,
    ) -> None:
        self._session, self._clock = session, clock
        self._log = log or session
        self._commits = commits.Commits(committing or session, lease)
        self._policies: dict[tuple[str, int], Policy] = {}

    def backlog(self, claims: Collection[Claim]) -> set[int]:
        """The partitions among these that have something to read."""
        unread = self.unread({claim.part: claim.next_offset for claim in claims})
        return {part for part, count in unread.items() if count}

    def unread(self, positions: Mapping[int, int]) -> dict[int, int]:
        """How many records lie behind a position of each of these partitions."""
        wanted = {"topic": LOGINS, "parts": list(positions)}
        rows = self._session.rows(_SQL["heads"], wanted) if positions else []
        return {part: max(0, end - positions[part]) for part, end in rows}

    def read(self, claim: Claim, limit: int) -> list[LogRecord]:
        """The next records of a partition, at most `limit` and about `MAX_READ_BYTES`."""
        where = {"topic": claim.topic, "part": claim.part, "offset": claim.next_offset}
        rows = self._log.rows(_SQL["read_log"], where | {"limit": limit, "bytes": MAX_READ_BYTES})
        return [LogRecord(*row) for row in rows]

    def done(self, claim: Claim) -> None:
        """Nothing: what was read is dropped as a whole segment (see `outbox.Upkeep`)."""

    def reached(self) -> bool:
        """Whoever has come so far has reached it: it lies beside everything else."""
        return True

    def tenants(self, ids: Collection[str]) -> dict[str, Tenant]:
        """Salt and policy of tenants; unknown ones are created."""
        if not ids:
            return {}
        rows = self._session.rows(_SQL["tenants"], {"ids": list(ids)})
        if len(rows) < len(ids):
            self._session.run(_SQL["create_tenants"], {"ids": sorted(ids)})
            rows = self._session.rows(_SQL["tenants"], {"ids": list(ids)})
        return {row[0]: Tenant(row[1], self._decoded_policy(row[0], row[2], row[3])) for row in rows}

    def _decoded_policy(self, tenant_id: str, revision: int | None, body: str | None) -> Policy:
        if revision is None or body is None:
            return DEFAULT
        key = (tenant_id, revision)
        if key not in self._policies:
            self._policies[key] = policy.decode(body)
        return self._policies[key]

    def policy(self, tenant_id: str, revision: int) -> Policy:
        """A stored revision; 0 is the default."""
        if revision == 0:
            return DEFAULT
        if (tenant_id, revision) not in self._policies:
            ((body,),) = self._session.rows(_SQL["policy"], {"tenant": tenant_id, "revision": revision})
            self._decoded_policy(tenant_id, revision, body)
        return self._policies[tenant_id, revision]

    def stored_events(self, keys: Mapping[TenantKey, int | None]) -> dict[TenantKey, bytes]:
        """Digests of stored events: in the time partition of each, and in those around arrival; None: in all."""
        now = to_datetime(self._clock.now())
        around = {
            "around_since": month_of(now - timedelta(microseconds=LATENESS)),
            "around_until": next_month(now),
        }
        days: dict[int, list[TenantKey]] = {}
        for key, time in keys.items():
            if time is not None:
                days.setdefault(time // DAY, []).append(key)
        months: dict[datetime, list[TenantKey]] = {}
        for day, wanted in days.items():
            months.setdefault(month_of(to_datetime(day * DAY)), []).extend(wanted)
        found: dict[TenantKey, bytes] = {}
        for month, wanted in months.items():
            span = around | {"since": month, "until": next_month(month)}
            found |= {key: row[0] for key, row in self._by_id("stored_events_between", wanted, span)}
        anywhere = [key for key, time in keys.items() if time is None]
        return found | {key: row[0] for key, row in self._by_id("stored_events", anywhere)}

    def _by_id(
        self, statement: str, keys: Iterable[TenantKey], more: Mapping[str, Any] | None = None
    ) -> Iterator[tuple[TenantKey, Row]]:
        """Look rows up by (tenant, id), tenant by tenant; yields each key with the columns after the id."""
        tenants: dict[str, list[str]] = {}
        for tenant_id, id in keys:
            tenants.setdefault(tenant_id, []).append(id)
        for tenant_id, ids in tenants.items():
            wanted = {"tenant": tenant_id, "ids": array(ids), **(more or {})}
            for row in self._session.rows(_SQL[statement], wanted):
                yield (tenant_id, row[0]), row[1:]

    def stored_controls(self, keys: Collection[TenantKey]) -> set[TenantKey]:
        """Those control ids that are stored."""
        return {key for key, _ in self._by_id("stored_controls", keys)}

    def users(self, keys: Collection[TenantKey]) -> dict[TenantKey, UserRow]:
        """The rows of users that have one."""
        return {key: UserRow(*row) for key, row in self._by_id("users", keys)}

    def sources_known(self, part: int, limit: int) -> set[SourceKey] | None:
        """The sources with buckets on a partition, None beyond `limit`."""
        rows = self._session.rows(_SQL["sources_known"], {"part": part, "limit": limit + 1})
        return {(row[0], row[1], row[2]) for row in rows} if len(rows) <= limit else None

    def buckets(self, part: int, ranges: Mapping[SourceKey, Range]) -> dict[SourceKey, Buckets]:
        """A partition's own buckets."""
        found: dict[SourceKey, Buckets] = {}
        for *key, bucket, state in self._session.rows(_SQL["buckets"], _ranges(ranges) | {"part": part}):
            found.setdefault((key[0], key[1], key[2]), {})[bucket] = sources.decode(state)
        return found

    def united_buckets(self, ranges: Mapping[SourceKey, Range]) -> dict[SourceKey, dict[int, Buckets]]:
        """Buckets by source and partition."""
        found: dict[SourceKey, dict[int, Buckets]] = {}
        decode = sources.decode
        rows = self._session.rows(_SQL["united_buckets"], _ranges(ranges))
        for tenant_id, kind, value, part, bucket, state in rows:
            shares = found.setdefault((tenant_id, kind, value), {})
            shares.setdefault(part, {})[bucket] = decode(state)
        return found

    def views(self, keys: Mapping[SourceKey, bool]) -> dict[SourceKey, SourceView]:
        """The views of sources that have one; where False, only of those with findings."""
        wanted = self._wanted(keys)
        rows = self._session.rows(_SQL["views"], _sources(wanted)) if wanted else []
        found = {
            (row[0], row[1], row[2]): SourceView(
                {part: Share(slices) for part, slices in _shares(row[3]).items()},
                _findings(row[4]),
                frozenset(row[5]),
            )
            for row in rows
        }
        return {key: view for key, view in found.items() if keys[key] or view.findings}

    def _wanted(self, keys: Mapping[SourceKey, bool]) -> Collection[SourceKey]:
        """Those of the sources whose views are wanted that may have one: as a rule few sources have findings."""
        always = [key for key, wanted in keys.items() if wanted]
        if len(always) == len(keys):
            return always
        where = {"tenants": sorted({key[0] for key in keys}), "limit": MAX_ATTACKED + 1}
        attacked = self._session.rows(_SQL["attacked"], where)
        if len(attacked) > MAX_ATTACKED:
            return keys.keys()
        return {*always, *(keys.keys() & {(row[0], row[1], row[2]) for row in attacked})}

    def anomalies(self, keys: Collection[TenantKey]) -> dict[TenantKey, Anomaly]:
        """The stored anomalies by (tenant, id)."""
        return {key: anomalies.decode(row[0]) for key, row in self._by_id("anomalies", keys)}

    def logins(self, keys: Mapping[TenantKey, int]) -> dict[TenantKey, StoredLogin]:
        """Stored logins by (tenant, event id) of the time named (0: any): an id may come again in a far month."""
        found = (
            (key, StoredLogin(events.decode(row[0]), row[1], tuple(row[2])))
            for key, row in self._by_id("logins", keys)
        )
        return {key: login for key, login in found if keys[key] in (0, login.event.time)}

    def value_counts(self, tenant_id: str) -> Iterable[tuple[int, str, str, int]]:
        """(part, attribute, value, n) of a tenant."""
        return [
            (row[0], row[1], row[2], row[3])
            for row in self._session.rows(_SQL["value_counts"], {"tenant": tenant_id})
        ]

    def value_sketches(self, tenant_id: str) -> Iterable[tuple[int, str, int, bytes]]:
        """(part, attribute, chunk, counters) of a tenant."""
        return [
            (row[0], row[1], row[2], row[3])
            for row in self._session.rows(_SQL["value_sketches"], {"tenant": tenant_id})
        ]

    def findings(self, keys: Mapping[SourceKey, Range]) -> dict[SourceKey, list[Anomaly]]:
        """The findings on sources whose slot lies in the range."""
        moments = {slot: to_datetime(slot) for slots in keys.values() for slot in slots}
        wanted = _sources(keys) | {
            "los": [moments[lo] for lo, _ in keys.values()],
            "his": [moments[hi] for _, hi in keys.values()],
        }
        found: dict[SourceKey, list[Anomaly]] = {}
        for (body,) in self._session.rows(_SQL["findings"], wanted):
            anomaly = anomalies.decode(body)
            found.setdefault((anomaly.tenant_id, anomaly.subject_kind, anomaly.subject), []).append(anomaly)
        return found

    def successes(self, key: SourceKey, since: int, until: int, limit: int) -> list[Success]:
        """The logins that worked from an address or a prefix."""
        return [
            Success(*row)
            for row in self._session.rows(_SQL["successes"], _network(key, since, until) | {"limit": limit})
        ]

    def succeeding_users(self, key: SourceKey, since: int, until: int, limit: int) -> set[str]:
        """Who got in from an address or a prefix."""
        wanted = _network(key, since, until) | {"limit": limit}
        return {user for (user,) in self._session.rows(_SQL["succeeding_users"], wanted)}

    def doubted(self, tenant_id: str, finding: str) -> set[str]:
        """The event ids already doubted because of a finding."""
        rows = self._session.rows(_SQL["doubted"], {"tenant": tenant_id, "finding": finding})
        return {event_id for (event_id,) in rows}

    def queue(self, claim: Claim, limit: int) -> list[QueueRow]:
        """The sources that wait for their review by this partition's owner."""
        rows = self._session.rows(_SQL["queue"], {"part": claim.part, "limit": limit})
        return [QueueRow((row[0], row[1], row[2]), *row[3:]) for row in rows]

    pack = staticmethod(packing.event)

    def commit(self, batch: Batch) -> Deleted:
        """Store a batch (see `ports.PartitionStore.commit`)."""
        return self._commits.batch(batch)

    def commit_review(self, batch: ReviewBatch) -> None:
        """Store a review (see `ports.PartitionStore.commit_review`)."""
        self._commits.review(batch)


def month_of(moment: datetime) -> datetime:
    """The first instant of a moment's month, UTC: the time partition it falls into."""
    return datetime(moment.year, moment.month, 1, tzinfo=UTC)


def next_month(moment: datetime) -> datetime:
    """The first instant after a moment's month."""
    return month_of(month_of(moment) + timedelta(days=31))


def _sources(keys: Iterable[SourceKey]) -> dict[str, Any]:
    found = list(keys)
    return {
        "tenants": array([key[0] for key in found]),
        "kinds": array([key[1] for key in found]),
        "values": array([key[2] for key in found]),
    }


def _ranges(ranges: Mapping[SourceKey, Sequence[int]]) -> dict[str, Any]:
    return _sources(ranges) | {
        "los": array([lo for lo, _ in ranges.values()]),
        "his": array([hi for _, hi in ranges.values()]),
    }


def _network(key: SourceKey, since: int, until: int) -> dict[str, Any]:
    network = ip_network(key[2])
    return {
        "tenant": key[0],
        "low": network[0],
        "high": network[-1],
        "prefix": prefix_of(str(network[0])),
        "since": to_datetime(since),
        "until": to_datetime(until),
    }
