"""The two transactions of the heart: a batch, and a review. Both begin with the compare-and-swap that fences.

Every insert and upsert is sorted by key, so that two owners never wait for each other in a circle.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from zlib import crc32

import msgspec
import psycopg
from psycopg.errors import CheckViolation

from gatewatch.adapters.postgres import packing
from gatewatch.adapters.postgres.arrays import array
from gatewatch.adapters.postgres.connection import Row, Session, first_line, translated
from gatewatch.adapters.postgres.records import Cursor, columns, put, put_records
from gatewatch.adapters.postgres.statements import load
from gatewatch.core import anomalies
from gatewatch.core.anomalies import Anomaly
from gatewatch.core.times import DAY, to_datetime
from gatewatch.ports import (
    Batch,
    Claim,
    Deleted,
    Fenced,
    Outgoing,
    ReviewBatch,
    SourceKey,
    Touch,
    Unavailable,
)

_SQL = {name: statement.encode() for name, statement in load("commit.sql").items()}

#: How long after a review an attacked source is looked at again, in seconds.
LOOK_AGAIN = 5

#: So many rows are handed to COPY at once.
_ROWS = 256

_pack = msgspec.msgpack.Encoder().encode


class Commits:
    """Carries batches and reviews into the database, each in one transaction."""

    def __init__(self, session: Session, lease: timedelta) -> None:
        self._session, self._lease = session, lease
        self._staged_on: psycopg.Connection[Row] | None = None
        self._months: set[tuple[int, int]] = set()

    def batch(self, batch: Batch) -> Deleted:
        """Store a batch; returns what was deleted."""
        self._prepare(event.time for event in batch.events)
        connection = self._session.connection
        with translated(), self._months_made(), connection.transaction(), connection.cursor() as cursor:
            seq = self._swap(cursor, batch.claim, batch.next_offset, len(batch.outgoing))
            put_events(cursor, batch)
            _roll_up(cursor, batch)
            put_records(cursor, batch)
            _put_state(cursor, batch)
            _put_anomalies(cursor, batch.anomalies)
            _put_outbox(cursor, batch.claim, seq, batch.outgoing)
            return _delete_old(cursor, batch)

    @contextmanager
    def _months_made(self) -> Iterator[None]:
        """A month that was dropped since we made it is made again: the batch is good, it only comes once more."""
        try:
            yield
        except CheckViolation as error:
            if error.diag.constraint_name is None:
                self._months.clear()
                raise Unavailable(first_line(error)) from error
            raise

    def review(self, batch: ReviewBatch) -> None:
        """Store a review; the partition's offset stays where it is."""
        claim = batch.claim
        connection = self._session.connection
        with translated(), connection.transaction(), connection.cursor() as cursor:
            seq = self._swap(cursor, claim, claim.next_offset, len(batch.outgoing))
            _settle_queue(cursor, batch)
            _put_views(cursor, batch)
            _put_anomalies(cursor, batch.anomalies)
            _put_doubts(cursor, batch)
            _put_outbox(cursor, claim, seq, batch.outgoing)

    def _swap(self, cursor: Cursor, claim: Claim, to: int, out: int) -> int:
        """Compare and swap; returns the outbox number the batch's messages follow."""
        found = cursor.execute(
            _SQL["swap"],
            {
                "topic": claim.topic,
                "part": claim.part,
                "epoch": claim.epoch,
                "owner": claim.owner,
                "from": claim.next_offset,
                "to": to,
                "out": out,
                "lease": self._lease,
            },
        ).fetchone()
        if found is None:
            raise Fenced(f"partition {claim.part} was taken over")
        seq: int = found[0] - out
        return seq

    def _prepare(self, times: Iterable[int]) -> None:
        """What the transaction needs to exist before: the staging table and the events' time partitions."""
        connection = self._session.connection
        with translated():
            if self._staged_on is not connection:
                for table in ("events", "profiles", "buckets"):
                    connection.execute(_SQL[f"stage_{table}"])
                self._staged_on = connection
            days = [to_datetime(day * DAY) for day in {time // DAY for time in times}]
            for month in sorted({(day.year, day.month) for day in days} - self._months):
                connection.execute("SELECT create_event_partition(make_date(%s, %s, 1))", month)
                self._months.add(month)


def put_events(cursor: Cursor, batch: Batch) -> None:
    """COPY the events into the staging table and insert them from there, in the order of their keys."""
    if not batch.events:
        return
    _copy(cursor, "copy_events", (event.row for event in batch.events))
    claim = batch.claim
    cursor.execute(_SQL["insert_events"], {"generation": claim.generation, "part": claim.part})


def _roll_up(cursor: Cursor, batch: Batch) -> None:
    """Count the staged events for overviews."""
    if batch.events:
        for step in ("roll_activity", "roll_values"):
            cursor.execute(_SQL[step], {"part": batch.claim.part})


def _copy(cursor: Cursor, statement: str, rows: Iterable[bytes]) -> None:
    """COPY packed rows into a staging table, in the order of their keys, which they begin with: half the cost of
    arrays.
    """
    ordered = sorted(rows)
    with cursor.copy(_SQL[statement]) as copy:
        copy.write(packing.SIGNATURE)
        for first in range(0, len(ordered), _ROWS):
            copy.write(b"".join(ordered[first : first + _ROWS]))
        copy.write(packing.TRAILER)


def _put_state(cursor: Cursor, batch: Batch) -> None:
    part = batch.claim.part
    if batch.users:
        _copy(cursor, "copy_profiles", map(packing.user, batch.users.keys(), batch.users.values()))
        cursor.execute(_SQL["upsert_profiles"], {"part": part})
    if batch.buckets:
        _copy(cursor, "copy_buckets", map(packing.bucket, batch.buckets.keys(), batch.buckets.values()))
        written = to_datetime(batch.now - batch.now % batch.grain)
        cursor.execute(_SQL["upsert_buckets"], {"part": part, "written": written})
    put(
        cursor,
        "upsert_counts",
        columns(((*key, n) for key, n in batch.counts.items()), "tenants", "attributes", "values", "ns"),
        part=part,
    )
    put(
        cursor,
        "upsert_sketches",
        columns(
            ((*key, data) for key, data in batch.sketches.items()),
            *("tenants", "attributes", "chunks", "counters"),
        ),
        part=part,
    )
    upto = dict.fromkeys(batch.touched, batch.next_offset)
    _queue(cursor, batch.claim, part, batch.touched, upto, None)


def _queue(
    cursor: Cursor,
    claim: Claim,
    part: int,
    touched: Mapping[SourceKey, Touch],
    upto: Mapping[SourceKey, int],
    due: datetime | None,
) -> None:
    put(
        cursor,
        "upsert_queue",
        columns(
            (
                (*key, subject_hash(key), upto[key], touch.lo, touch.hi, due or "-infinity")
                for key, touch in touched.items()
            ),
            *("tenants", "kinds", "values", "hashes", "uptos", "los", "his", "due"),
        ),
        part=part,
        partitions=claim.partitions,
    )


def subject_hash(key: SourceKey) -> int:
    """What decides who reviews a source: its hash (CRC-32, without the sign) modulo the partitions."""
    return crc32(":".join(key).encode("utf-8")) & 0x7FFFFFFF


def _put_anomalies(cursor: Cursor, found: list[Anomaly]) -> None:
    names = [
        "tenants",
        "ids",
        "kinds",
        "subjects",
        "detectors",
        "slots",
        "states",
        "severities",
        "scores",
        "firsts",
        "lasts",
        "versions",
        "bodies",
    ]
    rows = (
        (
            a.tenant_id,
            a.id,
            a.subject_kind,
            a.subject,
            a.detector,
            a.slot,
            a.state,
            a.severity,
            a.score,
            a.first_seen,
            a.last_seen,
            a.version,
            anomalies.encode(a).decode(),
        )
        for a in found
    )
    put(cursor, "upsert_anomalies", columns(rows, *names))


def _put_outbox(cursor: Cursor, claim: Claim, seq: int, outgoing: list[Outgoing]) -> None:
    if outgoing:
        tenants, topics, keys, values = map(array, zip(*outgoing, strict=True))
        found = {"tenants": tenants, "topics": topics, "keys": keys, "values": values}
        put(cursor, "insert_outbox", found, part=claim.part, seq=seq)


def _delete_old(cursor: Cursor, batch: Batch) -> Deleted:
    """Old buckets and users whose failure windows ended; only the partition's owner does this, inside a batch."""
    if batch.delete_before is None:
        return Deleted([], [])
    old = {"part": batch.claim.part, "before": to_datetime(batch.delete_before)}
    buckets = cursor.execute(_SQL["delete_buckets"], old).fetchall()
    users = cursor.execute(_SQL["delete_expired_users"], {"part": batch.claim.part}).fetchall()
    return Deleted([(row[0], row[1], row[2], row[3]) for row in buckets], [(row[0], row[1]) for row in users])


def _settle_queue(cursor: Cursor, batch: ReviewBatch) -> None:
    """Delete what was read, unless it changed since; queue again what must be looked at once more."""
    found = columns(
        ((*row.key, row.part, row.upto) for row in batch.done),
        *("tenants", "kinds", "values", "parts", "uptos"),
    )
    if found is not None:
        cursor.execute(_SQL["delete_queue"], found)
    if batch.again:
        (now,) = cursor.execute("SELECT clock_timestamp()").fetchone() or (None,)
        due = now + timedelta(seconds=LOOK_AGAIN) if now is not None else None
        touched = {key: touch for key, (touch, _) in batch.again.items()}
        upto = {key: seen for key, (_, seen) in batch.again.items()}
        _queue(cursor, batch.claim, -1, touched, upto, due)


def _put_views(cursor: Cursor, batch: ReviewBatch) -> None:
    rows = (
        (
            *key,
            _pack({part: share.slices for part, share in view.shares.items()}),
            _pack(view.findings),
            bool(view.findings),
        )
        for key, view in batch.views.items()
    )
    names = ("tenants", "kinds", "values", "shares", "findings", "attacked")
    put(cursor, "upsert_views", columns(rows, *names))


def _put_doubts(cursor: Cursor, batch: ReviewBatch) -> None:
    put(cursor, "insert_doubts", columns(batch.doubts, "tenants", "findings", "ids"))
