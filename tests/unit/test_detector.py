"""The detector's own turns, with everything it works with made up: what it does beside what."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from threading import Event, Timer
from typing import Any, cast

import pytest

from gatewatch import worker
from gatewatch.bootstrap import Processing
from gatewatch.ports import (
    LOGINS,
    Batch,
    Claim,
    Deleted,
    Fenced,
    LogRecord,
    QueueRow,
    ReviewBatch,
    Unavailable,
)
from gatewatch.services.partition import Partition
from gatewatch.settings import Settings

#: How long a test waits for what has to come, in seconds.
PATIENCE = 20.0


def _row(part: int, n: int = 0) -> QueueRow:
    return QueueRow(("default", "ip", f"192.0.2.{n}"), part, 1, 0, 0)


class _World:
    """Two partitions with one record each, and rows that wait for their review. It is every part of a detector."""

    version = ""

    def __init__(self, waiting: dict[int, list[QueueRow]], records: int = 1) -> None:
        self.waiting, self.records = waiting, records
        self.said: list[str] = []
        self.stored = {0: 0, 1: 0}
        self.refusals: dict[int, Exception] = {}
        self.reviewed_meanwhile, self.stop = Event(), Event()
        self.storing = False

    # What is ours ---------------------------------------------------------------------------------------------------

    def beat(self) -> None: ...
    def leave(self) -> None: ...
    def release(self, claims: Iterable[Claim]) -> None: ...
    def done(self, claim: Claim) -> None: ...
    def reached(self) -> bool:
        return True

    def share(self) -> int:
        return 2

    def free(self) -> list[int]:
        return [0, 1]

    def renew(self, claims: Iterable[Claim]) -> set[int]:
        return {claim.part for claim in claims}

    def claim(self, part: int) -> Claim:
        self.said.append(f"claim {part}")
        return Claim(LOGINS, part, 1, "me", 0, self.stored[part], 0, 2)

    # The log, and batches of it ---------------------------------------------------------------------------------------

    def backlog(self, claims: Collection[Claim]) -> set[int]:
        return {claim.part for claim in claims if claim.next_offset < self.records}

    def read(self, claim: Claim, limit: int) -> list[LogRecord]:
        return [LogRecord(n, "", b"") for n in range(claim.next_offset, self.records)][:limit]

    def unread(self, positions: dict[int, int]) -> dict[int, int]:
        return dict.fromkeys(positions, 0)

    def sources_known(self, *_: object) -> set[Any]:
        return set()

    def now(self) -> int:
        return 0

    @property
    def clock(self) -> _World:
        return self

    def make(self, partition: Partition, *given: Any) -> Any:
        if isinstance(given[0], list):  # rows of the queue: a review
            if self.storing:
                self.reviewed_meanwhile.set()
            return ReviewBatch(partition.claim, given[0], {}, [], [], [], {})
        return Batch(partition.claim, given[1][-1].offset + 1)

    def commit(self, batch: Batch) -> Deleted:
        self.storing = True
        in_time = self.reviewed_meanwhile.wait(PATIENCE)
        self.said.append(f"batch {batch.claim.part}" if in_time else "too late")
        self.storing = False
        self.stored[batch.claim.part] = batch.next_offset
        self._end()
        return Deleted([], [])

    # Reviews --------------------------------------------------------------------------------------------------------

    def queue(self, claim: Claim, limit: int) -> list[QueueRow]:
        return self.waiting.get(claim.part, [])[:limit]

    def commit_review(self, batch: ReviewBatch) -> None:
        part = batch.claim.part
        if part in self.refusals:
            raise self.refusals.pop(part)
        assert batch.claim.next_offset == self.stored[part]
        self.said.append(f"review {part}")
        del self.waiting[part][: len(batch.done)]
        self._end()

    def _end(self) -> None:
        if not any(self.waiting.values()) and set(self.stored.values()) == {self.records}:
            self.stop.set()

    def run(self) -> list[str]:
        end = Timer(2 * PATIENCE, self.stop.set)
        end.start()
        parts = Processing(*cast("tuple[Any, ...]", (self, self, self, self, lambda: None, self)))
        worker.Detector(Settings(), parts, self.stop).run()
        end.cancel()
        return self.said


def _reviews_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "REVIEW_EVERY", 0.0)
    monkeypatch.setattr(worker, "REVIEW_SHARE", float("inf"))  # due at once, however long the last ones took


def test_reviews_are_made_while_a_batch_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    """None waits for the batch, and each is stored behind it, that of its own partition from where it leaves off."""
    _reviews_at_once(monkeypatch)
    world = _World({0: [], 1: []})
    first_turn = world.backlog

    def backlog(claims: Collection[Claim]) -> set[int]:
        if not any(world.waiting.values()) and not any(world.stored.values()):
            world.waiting = {0: [_row(0)], 1: [_row(1)]}
        return first_turn(claims)

    monkeypatch.setattr(world, "backlog", backlog)
    assert world.run()[2:] == ["batch 0", "review 0", "review 1", "batch 1"]


def test_a_partition_whose_review_is_refused_is_claimed_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """It had another owner by then. The others' reviews are none the worse for it."""
    _reviews_at_once(monkeypatch)
    monkeypatch.setattr(worker, "BEAT", 0.0)
    world = _World({0: [_row(0)], 1: [_row(1)]}, records=0)
    world.refusals[0] = Fenced("taken over")
    assert world.run()[2:] == ["review 1", "claim 0", "review 0"]


def test_a_review_that_finds_no_database_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """By whoever has the partition then: all are claimed anew."""
    _reviews_at_once(monkeypatch)
    world = _World({0: [_row(0)], 1: []}, records=0)
    world.refusals[0] = Unavailable("gone")
    said = world.run()
    assert sorted(said[2:4]) == ["claim 0", "claim 1"]
    assert said[4:] == ["review 0"]


def test_what_waits_is_reviewed_at_once_where_there_is_nothing_else_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """More than one transaction takes is not left for the next time."""
    monkeypatch.setattr(worker, "REVIEW_EVERY", 3_600.0)
    monkeypatch.setattr(worker, "REVIEW_LIMIT", 2)
    world = _World({0: [_row(0, n) for n in range(7)]}, records=0)
    assert world.run()[2:] == ["review 0"] * 4
