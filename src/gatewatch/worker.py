"""The long-running process that detects: from the log over assessments into the store."""

import gc
import random
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Event
from time import monotonic
from typing import Any, NamedTuple

import msgspec

from gatewatch import logs, metrics
from gatewatch.bootstrap import Processing
from gatewatch.core.backoff import backoff
from gatewatch.health import Heartbeat
from gatewatch.log_ports import WrongLog
from gatewatch.ports import (
    BadData,
    Batch,
    Claim,
    Clock,
    Deleted,
    Fenced,
    LogRecord,
    ReviewBatch,
    Unavailable,
)
from gatewatch.services import counting
from gatewatch.services.decoding import REFUSED, UNDECODABLE
from gatewatch.services.partition import Partition
from gatewatch.settings import Settings

#: How often a detector beats, renews and balances, and how often it reviews, in seconds; under load less often: of its
#: time it reviews this share at most.
BEAT = 1.0
REVIEW_EVERY = 0.5
REVIEW_SHARE = 0.03
#: How long making a batch, and storing it meanwhile, should take at most, in seconds.
BATCH_SECONDS = 1.0
#: How long it waits when there is nothing to read, in seconds.
IDLE = 0.05
#: How often a detector looks for garbage that only a collector finds, in seconds. It makes next to none, and to look
#: for some after so many new objects, as Python does, takes time from every batch.
COLLECT_EVERY = 60.0
#: How long a thread has to wait for its turn of the interpreter, in seconds: what stores a batch asks for it between
#: any two waits for PostgreSQL, and what makes one would keep it for five times as long.
SWITCH = 0.001
#: How often old source buckets are deleted, as a share of their life.
DELETE_SHARE = 1 / 400
#: Sources reviewed in one transaction.
REVIEW_LIMIT = 1_000
#: The longest wait between attempts while PostgreSQL is away, in seconds.
MOST_BACKOFF = 2.0
#: A partition stops when this many records in a row could not be decoded or stored: something is wrong with whoever
#: writes, or with this version.
BREAKER_RECORDS = 1_000


class Flight(NamedTuple):
    """A batch whose transaction is under way in the committer's thread. `seconds` is what making it took."""

    partition: Partition
    batch: Batch
    records: int
    limit: int
    seconds: float
    outcome: Future[tuple[Deleted, float]]


class Reviewed(NamedTuple):
    """A review that is stored in the committer's thread, in its turn."""

    batch: ReviewBatch
    outcome: Future[None]


class Ahead(NamedTuple):
    """Records that are read, in the reader's thread, before their turn."""

    claim: Claim
    limit: int
    outcome: Future[list[LogRecord]]


class Detector:
    """Owns a share of the partitions and processes them in turn, reviewing between batches.

    While PostgreSQL stores one partition's batch and reads the next one's records, a third's batch is made: one thread
    works, two wait. Partitions share no state that is written, so none sees the other. Beats use the session that
    commits; they have their place after a batch was made, when the last one has landed and this one has not left: so
    the thread that works never waits for a transaction that has just begun. Reviews are made and stored behind it.
    """

    def __init__(self, settings: Settings, parts: Processing, stop: Event) -> None:
        self._membership, self._store, self._maker, self._reviewer, self._reset, self._source = parts
        self._pace, self._stop = settings, stop
        self._clock: Clock = parts.maker.clock
        self._owned: dict[int, Partition] = {}
        self._limits: dict[int, int] = {}
        self._bad: dict[int, int] = {}
        self._streaks: dict[int, int] = {}
        self._stopped: set[int] = set()
        self._next_beat = self._next_review = self._reviewed = 0.0
        self._next_merge = monotonic() + settings.frequency_merge
        self._next_collect = monotonic() + COLLECT_EVERY
        self._next_delete: dict[int, float] = {}
        self._committer = ThreadPoolExecutor(1, "committer")
        self._reader = ThreadPoolExecutor(1, "reader")
        self._flight: Flight | None = None
        self._reviews: list[Reviewed] = []
        self._more = False  # whether more waits for its review than one transaction took
        self._ahead: Ahead | None = None
        self._heartbeat = Heartbeat(settings.heartbeat)
        self._log = logs.get()

    def run(self) -> None:
        """Work until told to stop; then finish the batch, give the partitions back and leave."""
        gc.collect()
        gc.freeze()
        gc.disable()
        sys.setswitchinterval(SWITCH)
        failures = 0
        while not self._stop.is_set():
            try:
                self._turn()
                if failures:
                    self._log.info("the database is back", attempts=failures)
                    failures = 0
                self._heartbeat.beat(working=self._source.reached())
            except Unavailable as error:
                failures += 1
                self._wait_for_database(failures, error)
            except WrongLog:
                self._membership.leave()  # a client that is left open outlives the interpreter, and can crash then
                raise
        self._leave()
        self._reader.shutdown()
        self._committer.shutdown()

    def _wait_for_database(self, failures: int, error: Unavailable) -> None:
        """Drop every cached state; nothing was acknowledged that is not stored."""
        if failures == 1:
            self._log.warning("waiting for the database", reason=str(error))
        metrics.REFUSED_BATCHES.add("unavailable")
        self._heartbeat.beat(working=False)
        under_way: list[Future[Any]] = [
            w.outcome for w in (self._flight, self._ahead, *self._reviews) if w is not None
        ]
        wait(under_way)  # whether it was stored, the next claim tells
        self._flight = self._ahead = None
        self._reviews.clear()
        self._owned.clear()
        counting.owned([], self._store)
        self._next_beat = 0.0
        self._reset()
        self._stop.wait(backoff(0.05, failures, MOST_BACKOFF) * random.uniform(0.5, 1.0))

    def _turn(self) -> None:
        if self._flight is None:
            self._keep()
            self._review_all()
        waiting = sorted(self._source.backlog([self._after_flight(p.claim) for p in self._owned.values()]))
        for part, following in zip(waiting, [*waiting[1:], *waiting[:1]], strict=True):
            if part in self._owned and not self._stop.is_set():
                self._guarded(part, following)
        if not waiting:
            self._land()
            every = REVIEW_EVERY if not self._more else 0.0
            self._next_review = min(self._next_review, self._reviewed + every)
            self._keep()
            self._review_all()
            if not self._more:
                self._stop.wait(IDLE)

    def _after_flight(self, claim: Claim) -> Claim:
        """Where the partition will stand once the batch under way is stored."""
        flight = self._flight
        if flight is None or flight.batch.claim is not claim:
            return claim
        return msgspec.structs.replace(claim, next_offset=flight.batch.next_offset)

    def _keep(self) -> None:
        """Do what is due now and then. No batch may be under way on the session that commits."""
        self._settle()
        if monotonic() >= self._next_beat:
            self._next_beat = monotonic() + BEAT
            self._balance()
        if monotonic() >= self._next_merge:
            self._next_merge = monotonic() + self._pace.frequency_merge
            for partition in self._owned.values():
                partition.merge_frequencies(self._store)
        if monotonic() >= self._next_collect:
            gc.collect()
            self._next_collect = monotonic() + COLLECT_EVERY

    # Partitions ----------------------------------------------------------------------------------------------------

    def _balance(self) -> None:
        """Beat, renew what is ours, take what is free up to a fair share, give back what is more."""
        self._membership.beat()
        claims = [p.claim for p in self._owned.values()]
        kept = self._membership.renew(claims) if claims else set()
        for part in [part for part in self._owned if part not in kept]:
            self._lose(part)
        share = self._membership.share()
        surplus = sorted(self._owned)[share:]
        self._membership.release([self._owned[part].claim for part in surplus])
        for part in surplus:
            self._lose(part)
        if len(self._owned) < share:
            self._take(share - len(self._owned))
        counting.owned(self._owned.values(), self._store)

    def _take(self, most: int) -> None:
        free = [part for part in self._membership.free() if part not in self._stopped | self._owned.keys()]
        random.shuffle(free)
        for part in free[:most]:
            claim = self._membership.claim(part)
            if claim is not None:
                self._owned[part] = Partition(claim, self._store)
                self._log.info("partition claimed", part=part, epoch=claim.epoch, offset=claim.next_offset)

    def _lose(self, part: int) -> None:
        if self._owned.pop(part, None) is not None:
            self._log.info("partition given up", part=part)

    def _leave(self) -> None:
        try:
            self._land()
            self._membership.release([p.claim for p in self._owned.values()])
            self._membership.leave()
        except Unavailable as error:
            self._log.warning("left without saying good-bye", reason=str(error))

    def _guarded(self, part: int, following: int) -> None:
        try:
            self._batch(self._owned[part], following)
        except Fenced:
            metrics.REFUSED_BATCHES.add("fenced")
            self._lose(part)

    # Batches and reviews ---------------------------------------------------------------------------------------------

    def _batch(self, partition: Partition, following: int) -> None:
        """Make a batch while the last one is stored and the `following` partition's records are read; then see that
        one home, do what is due, and send this one off.
        """
        if self._flight is not None and self._flight.partition is partition:
            self._land()
        part, began = partition.claim.part, monotonic()
        if self._owned.get(part) is not partition:
            return
        limit = self._limits.get(part, self._pace.batch_size)
        with metrics.BATCH_SECONDS.time("read"):
            found = self._read(partition.claim, limit)
        self._read_ahead(following, partition, found)
        if not found:
            return
        try:
            batch = self._maker.make(partition, self._owned.values(), found, self._bad.get(part))
        except BadData as error:  # a value that cannot even be looked up
            self._halve(partition, len(found), found[-1].offset, error)
            return
        seconds = monotonic() - began
        batch.grain = max(1, round(self._pace.bucket_life * DELETE_SHARE * 1e6))
        batch.delete_before = self._delete_before(part)
        self._land()
        self._keep()
        if self._owned.get(part) is partition:
            outcome = self._committer.submit(self._commit, batch)
            self._flight = Flight(partition, batch, len(found), limit, seconds, outcome)
        self._review_all()

    def _read(self, claim: Claim, limit: int) -> list[LogRecord]:
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            found = ahead.outcome.result()
            if found and (ahead.claim, ahead.limit) == (claim, limit):
                return found
        return self._reader.submit(self._source.read, claim, limit).result()

    def _read_ahead(self, part: int, partition: Partition, found: Sequence[LogRecord]) -> None:
        """Read what comes next while this partition's batch is made."""
        following = self._owned.get(part)
        limit = self._limits.get(part, self._pace.batch_size)
        if following is None or (following is partition and len(found) < limit):
            return
        claim = self._after_flight(following.claim)
        if following is partition:
            claim = msgspec.structs.replace(claim, next_offset=found[-1].offset + 1)
        self._ahead = Ahead(claim, limit, self._reader.submit(self._source.read, claim, limit))

    def _commit(self, batch: Batch) -> tuple[Deleted, float]:
        began = monotonic()
        with metrics.BATCH_SECONDS.time("commit"):
            return self._store.commit(batch), monotonic() - began

    def _land(self) -> None:
        """Wait for what is being stored, and draw the consequences."""
        self._settle()
        flight, self._flight = self._flight, None
        if flight is None:
            return
        partition, batch, part = flight.partition, flight.batch, flight.partition.claim.part
        try:
            deleted, seconds = flight.outcome.result()
        except BadData as error:
            self._halve(partition, flight.records, batch.next_offset - 1, error)
            return
        except Fenced:
            metrics.REFUSED_BATCHES.add("fenced")
            self._lose(part)
            return
        partition.claim = msgspec.structs.replace(partition.claim, next_offset=batch.next_offset)
        partition.rest(batch)
        partition.forget(deleted)
        partition.shrink(len(self._owned))
        self._limits[part] = self._next_limit(flight.records, flight.limit, max(flight.seconds, seconds))
        self._bad.pop(part, None)
        counting.batch(batch, flight.records, self._clock.now())
        self._break(partition, batch, flight.records)
        self._source.done(partition.claim)

    def _next_limit(self, n: int, limit: int, seconds: float) -> int:
        """How many records the next batch may hold: making it and storing it take about `BATCH_SECONDS` each, so never
        near the lease.
        """
        if seconds > BATCH_SECONDS:
            return max(1, int(n * BATCH_SECONDS / seconds))
        return min(self._pace.batch_size, limit * 2) if seconds < BATCH_SECONDS / 2 else limit

    def _break(self, partition: Partition, batch: Batch, records: int) -> None:
        """The breaker: nothing but bad messages, and many of them, stops the partition instead of burying it."""
        part = batch.claim.part
        bad = sum(dead.reject.reason in (UNDECODABLE, REFUSED) for dead in batch.dead)
        self._streaks[part] = self._streaks.get(part, 0) + bad if bad == records else 0
        if self._streaks[part] >= BREAKER_RECORDS:
            self._log.error(
                "partition stopped: nothing but bad messages", part=part, records=self._streaks[part]
            )
            self._stopped.add(part)
            self._membership.release([partition.claim])
            self._lose(part)

    def _halve(self, partition: Partition, n: int, first: int, error: BadData) -> None:
        """The store refused a value: halve the batch until the record that fails alone becomes a dead letter."""
        part = partition.claim.part
        metrics.REFUSED_BATCHES.add("bad_data")
        self._owned[part] = Partition(partition.claim, self._store)
        if n > 1:
            self._limits[part] = n // 2
        else:
            self._bad[part] = first
            self._log.warning("a record was refused by the store", part=part, offset=first, reason=str(error))

    def _delete_before(self, part: int) -> int | None:
        now = monotonic()
        if now < self._next_delete.get(part, 0.0):
            return None
        self._next_delete[part] = now + self._pace.bucket_life * DELETE_SHARE
        return self._clock.now() - round(self._pace.bucket_life * 1e6)

    def _review_all(self) -> None:
        """Review what waits for it, where that is due."""
        if (began := monotonic()) < self._next_review:
            return
        self._settle()
        self._more = False
        for partition in sorted(self._owned.values(), key=lambda p: p.claim.part):
            self._review(partition)
        self._reviewed = monotonic()
        self._next_review = self._reviewed + max(REVIEW_EVERY, (self._reviewed - began) / REVIEW_SHARE)

    def _review(self, partition: Partition) -> None:
        """Make a review and have it stored, behind the batch that is under way: from where that leaves off."""
        began = monotonic()
        rows = self._store.queue(partition.claim, REVIEW_LIMIT)
        self._more |= len(rows) == REVIEW_LIMIT
        if rows:
            batch = self._reviewer.make(partition, rows)
            batch.claim = self._after_flight(partition.claim)
            outcome = self._committer.submit(self._commit_review, batch, began)
            self._reviews.append(Reviewed(batch, outcome))

    def _commit_review(self, batch: ReviewBatch, began: float) -> None:
        self._store.commit_review(batch)
        metrics.REVIEW_SECONDS.observe(monotonic() - began)

    def _settle(self) -> None:
        """Wait for the reviews that are being stored; others, made before, would not see what these change."""
        for batch, outcome in self._reviews:
            try:
                outcome.result()
                counting.review(batch)
            except Fenced:
                metrics.REFUSED_BATCHES.add("fenced")
                self._lose(batch.claim.part)
        self._reviews.clear()
