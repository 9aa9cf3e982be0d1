"""A world worked off without a database: what comes out of it, as one digest per kind of thing that is stored.

python -m tests.support.worked_off      prints them as JSON; of which gatewatch, PYTHONPATH says
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, Literal

import msgspec

from benchmarks.replay import Plan
from gatewatch import runtime
from gatewatch.bootstrap import read_foreign
from gatewatch.core import anomalies, records
from gatewatch.core.events import LoginEvent
from gatewatch.core.partitioning import partition_of
from gatewatch.core.records import ControlRecord, EventRecord, content_digest
from gatewatch.core.times import DAY
from gatewatch.detectors import extended_engine
from gatewatch.ports import LOGINS, Batch, Claim, Deleted, LogRecord, Outgoing, ReviewBatch
from gatewatch.services.batches import BatchMaker
from gatewatch.services.partition import Partition
from gatewatch.services.reviews import Reviewer
from gatewatch.simulator import World, native_json
from tests.support.memory_store import MemoryStore

PARTITIONS = 2
#: Records worked off at once, all partitions together.
CHUNK = 300


class Clock:
    """What it is set to."""

    def __init__(self) -> None:
        self.time = 0

    def now(self) -> int:
        """The present (µs)."""
        return self.time


class Run:
    """Two partitions, their log and their store; a review follows each batch."""

    def __init__(self) -> None:
        self.clock, self.store, engine = Clock(), MemoryStore(), extended_engine()
        self._maker = BatchMaker(self.store, engine, Plan().enrich, read_foreign, self.clock)
        self._reviewer = Reviewer(self.store, engine, self.clock, 0)
        claims = [Claim(LOGINS, part, 1, "test", 0, 0, 1, PARTITIONS) for part in range(PARTITIONS)]
        self._owned = [Partition(claim, self.store) for claim in claims]
        self._ends = [0] * PARTITIONS
        self._log: list[list[LogRecord]] = [[] for _ in range(PARTITIONS)]
        self.found = Found()

    def append(self, key: str, value: bytes) -> None:
        """Put a record onto the log."""
        part = partition_of(key, PARTITIONS)
        self._log[part].append(LogRecord(self._ends[part], key, value))
        self._ends[part] += 1

    def work(self) -> None:
        """Work off what is on the log; doubts come back to it until there are none."""
        while any(self._log):
            for partition in self._owned:
                records, self._log[partition.claim.part] = self._log[partition.claim.part], []
                if records:
                    self._batch(partition, records)

    def _batch(self, partition: Partition, records: Sequence[LogRecord]) -> None:
        batch = self._maker.make(partition, self._owned, records)
        self.store.commit(batch)
        partition.claim = msgspec.structs.replace(partition.claim, next_offset=batch.next_offset)
        partition.rest(batch)
        partition.forget(Deleted([], []))
        partition.merge_frequencies(self.store)
        self.found.batch(batch)
        rows = self.store.queue(partition.claim, CHUNK)
        if rows:
            review = self._reviewer.make(partition, rows)
            self.store.commit_review(review)
            self.found.review(review)
        self._send([*batch.outgoing, *(review.outgoing if rows else ())])

    def _send(self, outgoing: Iterable[Outgoing]) -> None:
        for message in outgoing:
            if message.topic == LOGINS:
                self.append(message.key, message.value)


class Found:
    """The digests, and how much of each kind there was."""

    def __init__(self) -> None:
        self.digests: defaultdict[str, hashlib.blake2b] = defaultdict(
            partial(hashlib.blake2b, digest_size=16)
        )
        self.numbers: Counter[str] = Counter()

    def batch(self, batch: Batch) -> None:
        """Take in a batch."""
        self._add("events", batch.events)
        self._add("controls", batch.controls)
        self._add("dead letters", batch.dead)
        self._add("conflicts", batch.conflicts)
        self._add("users", _in_order(batch.users))
        self._add("buckets", sorted(batch.buckets.items()))
        self._add("counts", sorted(batch.counts.items()))
        self._add("sketches", sorted(batch.sketches.items()))
        self._add("touched", _in_order(batch.touched))
        self._add("outgoing", batch.outgoing)
        self._anomalies(batch.anomalies)
        self.numbers["degraded"] += len(batch.degraded)

    def review(self, review: ReviewBatch) -> None:
        """Take in a review."""
        self._add("views", ((key, view.findings) for key, view in review.views.items()))
        self._add("doubts", review.doubts)
        self._add("sent by reviews", review.outgoing)
        self._anomalies(review.anomalies)
        self.numbers["degraded"] += len(review.degraded)

    def _anomalies(self, found: Iterable[anomalies.Anomaly]) -> None:
        for anomaly in found:
            self._add(f"anomalies of {anomaly.detector}", [anomalies.encode(anomaly)])

    def _add(self, kind: str, things: Iterable[object]) -> None:
        for thing in things:
            self.numbers[kind] += 1
            self.digests[kind].update(repr(thing).encode())


def _in_order(found: Mapping[Any, object]) -> list[tuple[Any, object]]:
    return sorted(found.items(), key=lambda pair: pair[0])


def world() -> Iterator[tuple[int, str, bytes]]:
    """Time (µs), key and value of every record: all scenarios, what people said of some of the logins, and bad luck."""
    for number, simulated in enumerate(World(7, 120, 6, scenarios="all").events()):
        event = simulated.event
        record = arrived(event)
        yield event.time, record.key, records.encode(record)
        if event.is_success and number % 40 == 0:
            said = verdict(event, "safe" if number % 80 else "compromised")
            yield event.time, said.key, records.encode(said)
        if number % 150 == 0:
            yield from trouble(number // 150, event)


def arrived(event: LoginEvent) -> EventRecord:
    """An event as the edge puts it onto the log."""
    raw = native_json(event)
    return EventRecord(event, raw, content_digest(raw), event.time)


def verdict(event: LoginEvent, said: Literal["safe", "compromised"]) -> ControlRecord:
    """What somebody said of a login."""
    return ControlRecord(
        f"said-{event.event_id}",
        event.tenant_id,
        event.user_key,
        "verdict",
        event.time,
        event.event_id,
        event.time,
        said,
    )


def trouble(number: int, event: LoginEvent) -> Iterator[tuple[int, str, bytes]]:
    """In turn: a repeat, another event under the same id, an application's own record, an old one, rubbish."""
    record, kind = arrived(event), number % 5
    values = (
        records.encode(record),
        records.encode(msgspec.structs.replace(record, digest=content_digest("another"))),
        native_json(msgspec.structs.replace(event, event_id=f"own-{number}")),
        records.encode(
            arrived(msgspec.structs.replace(event, event_id=f"old-{number}", time=event.time - 2 * DAY))
        ),
        b"rubbish",
    )
    yield event.time, record.key, values[kind]


def main() -> None:
    """Work it off."""
    run, rest = Run(), world()
    while chunk := list(islice(rest, CHUNK)):
        for run.clock.time, key, value in chunk:
            run.append(key, value)
        run.work()
    found = run.found
    digests = {kind: digest.hexdigest() for kind, digest in found.digests.items()}
    print(json.dumps({"core": runtime.core(), "numbers": found.numbers, "digests": digests}))


if __name__ == "__main__":
    main()
