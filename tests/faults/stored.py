"""What the database holds in the end, read by its superuser in one snapshot, as values."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

import psycopg

from gatewatch.core import anomalies, context, events, policy, sources
from gatewatch.core.anomalies import Anomaly
from gatewatch.core.context import Context
from gatewatch.core.events import LoginEvent
from gatewatch.core.policy import DEFAULT, Policy
from gatewatch.core.records import ControlRecord, decode
from gatewatch.core.sources import Bucket
from gatewatch.ports import SourceKey, TenantKey

Row = tuple[Any, ...]
#: (generation, partition, offset): per user, the order of processing.
Place = tuple[int, int, int]

#: What is read beside the product's own tables where nobody watches: nothing is deleted there, and nothing on the log
#: lacks an id.
WATCHED = """
CREATE TABLE faults_deleted (
    tenant_id text, kind text, value text, part integer, bucket bigint, deleted_at timestamptz);
CREATE TABLE faults_log (part integer, off bigint, key text, value bytea);
"""

_MICROS = "(extract(epoch FROM {}) * 1000000)::bigint"


class StoredEvent(NamedTuple):
    """A row of `login_events`; the assessment as text."""

    place: Place
    event: LoginEvent
    user_key: str
    digest: bytes
    context: Context
    assessment: str
    late: bool
    weight: int
    held: bool
    detectors: tuple[str, ...]
    stored_at: int

    @property
    def key(self) -> TenantKey:
        """(tenant, event id)."""
        return self.event.tenant_id, self.event.event_id


class StoredControl(NamedTuple):
    """A row of `control_records`."""

    place: Place
    control: ControlRecord
    user_key: str
    policy: int
    known: bool
    assessment: str | None


class StoredUser(NamedTuple):
    """A row of `profiles`."""

    state: bytes
    name: str
    user_id: str
    last_seen: int
    risk: float


class StoredAnomaly(NamedTuple):
    """A row of `anomalies`: its body, what stands beside it, and when (µs) it last changed."""

    body: Anomaly
    columns: Row
    updated_at: int


class Message(NamedTuple):
    """A row of `outbox`."""

    part: int
    seq: int
    topic: str
    value: bytes


class StoredStatus(NamedTuple):
    """What was said of an anomaly: a row of `anomaly_statuses` or of its history, or what was published of it."""

    revision: int
    status: str
    hits: int
    changed_at: datetime
    changed_by: str


class StoredDecision(NamedTuple):
    """A row of `decisions`."""

    answer: bytes
    login: str
    challenge: str


class DeadLetter(NamedTuple):
    """A row of `dead_letters`."""

    tenant_id: str
    id: str
    reason: str
    part: int
    off: int


BucketRow = tuple[SourceKey, int, int]


class Stored:
    """Everything the checks look at. Fields may be changed by whoever tests the checks."""

    def __init__(self, conninfo: str) -> None:
        with psycopg.connect(conninfo) as connection:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            self._connection = connection
            self._read_tenants()
            self._read_records()
            self._read_state()
            self._read_rollups()
            self._read_outgoing()
            self._read_log()
            self._read_said()

    def _rows(self, statement: str) -> Iterator[Row]:
        yield from self._connection.execute(statement.encode())

    def _read_tenants(self) -> None:
        self.salts: dict[str, bytes] = dict(self._rows("SELECT tenant_id, salt FROM tenants"))
        self.policies: dict[tuple[str, int], Policy] = {(tenant, 0): DEFAULT for tenant in self.salts}
        for tenant, revision, body in self._rows("SELECT tenant_id, revision, body::text FROM policies"):
            self.policies[tenant, revision] = policy.decode(body)

    def _read_records(self) -> None:
        self.events = [
            StoredEvent(
                row[:3],
                events.decode(row[3]),
                row[4],
                row[5],
                context.decode(row[6]),
                row[7],
                row[8],
                row[9],
                row[10],
                tuple(row[11]),
                row[12],
            )
            for row in self._rows(
                "SELECT generation, part, off, event, user_key, digest, context, assessment::text, late, weight,"
                f" held, detectors, {_MICROS.format('stored_at')} FROM login_events"
            )
        ]
        self.controls = [
            StoredControl(row[:3], _control(row[3]), *row[4:])
            for row in self._rows(
                "SELECT generation, part, off, body, user_key, policy, known, assessment::text FROM control_records"
            )
        ]
        self.conflicts: set[tuple[str, str, bytes]] = set(
            self._rows("SELECT tenant_id, event_id, digest FROM event_conflicts")
        )
        self.dead = [
            DeadLetter(*row)
            for row in self._rows("SELECT tenant_id, id, reason, part, off FROM dead_letters")
        ]
        self.tallies: dict[str, int] = {
            row[0]: int(row[1])
            for row in self._rows(
                "SELECT tenant_id, sum(events) FROM import_results WHERE origin = 'faults' GROUP BY 1"
            )
        }

    def _read_state(self) -> None:
        seen = _MICROS.format("last_seen")
        self.users: dict[TenantKey, StoredUser] = {
            (row[0], row[1]): StoredUser(*row[2:])
            for row in self._rows(
                f"SELECT tenant_id, user_key, state, name, user_id, {seen}, risk FROM profiles"
            )
        }
        self.buckets: dict[BucketRow, Bucket] = {
            ((row[0], row[1], row[2]), row[3], row[4]): sources.decode(row[5])
            for row in self._rows("SELECT tenant_id, kind, value, part, bucket, state FROM source_activity")
        }
        deleted = _MICROS.format("min(deleted_at)")
        self.deleted: dict[BucketRow, int] = {
            ((row[0], row[1], row[2]), row[3], row[4]): row[5]
            for row in self._rows(
                f"SELECT tenant_id, kind, value, part, bucket, {deleted} FROM faults_deleted GROUP BY 1, 2, 3, 4, 5"
            )
        }
        self.counts: dict[tuple[str, str, str], int] = {
            (row[0], row[1], row[2]): int(row[3])
            for row in self._rows(
                "SELECT tenant_id, attribute, value, sum(n) FROM value_counts GROUP BY 1, 2, 3"
            )
        }
        self.sketches = [
            (row[0], row[1], row[2], bytes(row[3]))
            for row in self._rows("SELECT tenant_id, attribute, chunk, counters FROM value_sketches")
        ]
        times = ", ".join(_MICROS.format(name) for name in ("slot", "first_seen", "last_seen", "updated_at"))
        self.anomalies: dict[TenantKey, StoredAnomaly] = {
            (row[0], row[1]): StoredAnomaly(anomalies.decode(row[2]), row[3:-1], row[-1])
            for row in self._rows(
                "SELECT tenant_id, id, body::text, subject_kind, subject, detector, state, severity, score,"
                f" version, {times} FROM anomalies"
            )
        }

    def _read_rollups(self) -> None:
        bucket = _MICROS.format("bucket")
        self.activity: dict[tuple[str, int, int], Row] = {
            row[:3]: row[3:]
            for row in self._rows(
                f"SELECT tenant_id, part, {bucket}, events, successes, failures, signalled FROM activity"
            )
        }
        self.activity_values: dict[tuple[str, str, int, int, str], Row] = {
            row[:5]: row[5:]
            for row in self._rows(
                f"SELECT tenant_id, kind, part, {bucket}, value, events, failures, signalled, others"
                " FROM activity_values"
            )
        }

    def _read_outgoing(self) -> None:
        self.outbox = [
            Message(*row)
            for row in self._rows("SELECT part, seq, topic, value FROM outbox ORDER BY part, seq")
        ]
        self.doubts: set[tuple[str, str, str]] = set(
            self._rows("SELECT tenant_id, finding, event_id FROM doubts")
        )

    def _read_log(self) -> None:
        self.partitions = {
            row[0]: row[1:]
            for row in self._rows(
                "SELECT p.part, h.end_offset, p.next_offset, p.out_seq, coalesce(o.seq, 0) FROM partitions p"
                " JOIN log_heads h USING (topic, part) LEFT JOIN outbox_positions o USING (part)"
            )
        }
        self.lanes: dict[int, tuple[int, int]] = {
            row[0]: row[1:]
            for row in self._rows(
                "SELECT l.lane, l.out_seq, coalesce(o.seq, 0) FROM outbox_lanes l"
                " LEFT JOIN outbox_positions o ON o.part = l.lane"
            )
        }
        self.gaps = list(self._rows("SELECT part, from_offset, to_offset FROM log_gaps"))
        self.watched: dict[tuple[int, int], tuple[str, bytes]] = {
            (row[0], row[1]): (row[2], row[3])
            for row in self._rows("SELECT part, off, key, value FROM faults_log")
        }

    def _read_said(self) -> None:
        said = "tenant_id, id, revision, status, hits, changed_at, changed_by"
        self.statuses: dict[TenantKey, StoredStatus] = {
            row[:2]: StoredStatus(*row[2:]) for row in self._rows(f"SELECT {said} FROM anomaly_statuses")
        }
        self.history: dict[TenantKey, list[StoredStatus]] = defaultdict(list)
        for row in self._rows(f"SELECT {said} FROM anomaly_status_history ORDER BY revision"):
            self.history[row[:2]].append(StoredStatus(*row[2:]))
        self.decisions: dict[TenantKey, StoredDecision] = {
            row[:2]: StoredDecision(*row[2:])
            for row in self._rows("SELECT tenant_id, id, answer, login, challenge FROM decisions")
        }


def _control(body: bytes) -> ControlRecord:
    record = decode(body)
    if not isinstance(record, ControlRecord):
        raise TypeError("control_records holds something else")
    return record
