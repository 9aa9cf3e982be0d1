"""The heart wired by hand on a real database, turned step by step, so that a test decides what happens when."""

from datetime import timedelta
from typing import Any

import msgspec

from gatewatch import bootstrap
from gatewatch.adapters.postgres.connection import Row, Session
from gatewatch.adapters.postgres.leases import Leases
from gatewatch.adapters.postgres.log import PostgresLog
from gatewatch.adapters.postgres.outbox import PostgresOutbox
from gatewatch.adapters.postgres.store import PostgresStore
from gatewatch.core import records
from gatewatch.core.anomalies import Anomaly, decode
from gatewatch.core.events import LoginEvent
from gatewatch.core.records import EventRecord, Record, content_digest
from gatewatch.core.times import SECOND
from gatewatch.detectors import default_engine
from gatewatch.ports import ANOMALIES, LOGINS, Batch, Enrich, ReviewBatch
from gatewatch.services.batches import BatchMaker
from gatewatch.services.outbox import Relay
from gatewatch.services.partition import Partition
from gatewatch.services.reviews import Reviewer
from tests.builders import START

#: More than any test sends.
ALL = 1_000


class SetClock:
    """A clock that a test sets."""

    def __init__(self, time: int) -> None:
        self.time = time

    def now(self) -> int:
        """The present."""
        return self.time


def unchanged(event: LoginEvent) -> LoginEvent:
    """Events of tests come enriched."""
    return event


class Heart:
    """One detector's worth of the system, and the relay. `clock` is what it takes for the present."""

    def __init__(
        self,
        conninfo: str,
        partitions: int = 4,
        retention: int = 0,
        clock: int = START,
        enrich: Enrich = unchanged,
    ) -> None:
        self.conninfo = conninfo
        bootstrap.prepare(conninfo, partitions)
        self.clock = SetClock(clock)
        self.session = Session(conninfo)
        self.log = PostgresLog(conninfo)
        self.store = PostgresStore(self.session, self.clock, timedelta(seconds=5))
        self.leases = Leases(self.session, LOGINS, 5.0)
        self.engine = default_engine()
        self.maker = BatchMaker(
            self.store, self.engine, enrich, bootstrap.read_foreign, self.clock, retention
        )
        self.reviewer = Reviewer(self.store, self.engine, self.clock, 0)
        self.relay = Relay(PostgresOutbox(self.session), {LOGINS: self.log})
        self.owned: dict[int, Partition] = {}

    def close(self) -> None:
        """Close what is open."""
        self.session.close()
        self.log.close()

    # In ------------------------------------------------------------------------------------------

    def send(self, *events: LoginEvent, origin: str = "") -> None:
        """Append events as an edge does."""
        self.append(*(record_of(event, origin=origin) for event in events))

    def append(self, *found: Record) -> None:
        """Append records, each to the partition of its key."""
        self.log.append([(record.key, records.encode(record)) for record in found])

    def put(self, part: int, *values: tuple[str, bytes]) -> None:
        """Append bytes to a partition of our choice, as a foreign producer may."""
        ((generation,),) = self.session.rows("SELECT generation FROM topics")
        self.session.rows(
            "SELECT log_append(%(topic)s, %(generation)s, %(parts)s::integer[], %(keys)s::text[], %(values)s::bytea[])",
            {
                "topic": LOGINS,
                "generation": generation,
                "parts": [part] * len(values),
                "keys": [key for key, _ in values],
                "values": [value for _, value in values],
            },
        )

    # Work ------------------------------------------------------------------------------------------

    def claim(self) -> None:
        """Take every partition, with empty caches."""
        self.owned.clear()
        for (part,) in self.session.rows("SELECT part FROM partitions ORDER BY part"):
            claim = self.leases.claim(part, force=True)
            assert claim is not None
            self.owned[part] = Partition(claim, self.store)

    def make(self, part: int, limit: int = ALL) -> Batch | None:
        """The next batch of a partition, not stored yet; None where there is nothing to read."""
        partition = self.owned[part]
        found = self.store.read(partition.claim, limit)
        return self.maker.make(partition, self.owned.values(), found) if found else None

    def commit(self, batch: Batch) -> None:
        """Store a batch, and go on behind it."""
        partition = self.owned[batch.claim.part]
        deleted = self.store.commit(batch)
        partition.claim = msgspec.structs.replace(partition.claim, next_offset=batch.next_offset)
        partition.rest(batch)
        partition.forget(deleted)
        partition.shrink(len(self.owned))

    def work(self, limit: int = ALL) -> None:
        """Batches until nothing is left to read."""
        if not self.owned:
            self.claim()
        while waiting := self.store.backlog([p.claim for p in self.owned.values()]):
            for part in sorted(waiting):
                batch = self.make(part, limit)
                if batch is not None:
                    self.commit(batch)

    def review(self) -> list[ReviewBatch]:
        """Reviews until none is due."""
        done = []
        for partition in self.owned.values():
            while rows := self.store.queue(partition.claim, 100):
                batch = self.reviewer.make(partition, rows)
                self.store.commit_review(batch)
                done.append(batch)
        return done

    def settle(self) -> None:
        """Batches, reviews and the relay until nothing moves."""
        while True:
            self.work()
            moved = bool(self.review())
            if not self.relay.turn() and not moved:
                return

    def take(self, *events: LoginEvent) -> None:
        """Send events and let everything that follows happen."""
        self.send(*events)
        self.settle()

    # Out ------------------------------------------------------------------------------------------

    def rows(self, statement: str, **parameters: Any) -> list[Row]:
        """Rows as the worker sees them."""
        return self.session.rows(statement, parameters)

    def count(self, table: str) -> int:
        """How many rows a table has."""
        ((n,),) = self.rows(f"SELECT count(*) FROM {table}")
        return int(n)

    def anomalies(self, detector: str = "") -> list[Anomaly]:
        """The stored anomalies, by time."""
        rows = self.rows("SELECT body::text FROM anomalies ORDER BY first_seen, id")
        found = [decode(body) for (body,) in rows]
        return [a for a in found if detector in ("", a.detector)]

    def announced(self) -> list[tuple[str, int]]:
        """(anomaly, version) of the outbox, in its order."""
        rows = self.rows(
            "SELECT value FROM outbox WHERE topic = %(topic)s ORDER BY part, seq", topic=ANOMALIES
        )
        return [(a.id, a.version) for (value,) in rows for a in [decode(value)]]


def record_of(event: LoginEvent, origin: str = "", by_arrival: bool = False) -> EventRecord:
    """The record an edge makes of an event; its body is what tells a repeat from a conflict."""
    raw = repr(event).encode()
    return EventRecord(event, raw, content_digest(raw), event.time + SECOND, by_arrival, origin)
