"""The detector's own turns, with everything it works with made up: what it does beside what."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from threading import Event, Timer
from typing import Any, cast

import pytest

from gatewatch import worker
from gatewatch.bootstrap import Processing
from gatewatch.ports import LOGINS, Batch, Claim, Deleted, LogRecord, QueueRow, ReviewBatch
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
        self.other_reviewed, self.stop = Event(), Event()
        self.storing: int | None = None

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
        return Claim(LOGINS, part, 1, "me", 0, 0, 0, 2)

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
            return ReviewBatch(partition.claim, given[0], {}, [], [], [], {})
        return Batch(partition.claim, given[1][-1].offset + 1)

    def commit(self, batch: Batch) -> Deleted:
        self.storing = batch.claim.part
        in_time = self.other_reviewed.wait(PATIENCE)
        self.said.append(f"batch {batch.claim.part}" if in_time else "too late")
        self.storing = None
        return Deleted([], [])

    # Reviews --------------------------------------------------------------------------------------------------------

    def queue(self, claim: Claim, limit: int) -> list[QueueRow]:
        return self.waiting.get(claim.part, [])[:limit]

    def commit_review(self, batch: ReviewBatch) -> None:
        part = batch.claim.part
        if part == self.storing:
            self.said.append("beside its own batch")
        self.said.append(f"review {part}")
        del self.waiting[part][: len(batch.done)]
        if self.storing is not None and part != self.storing:
            self.other_reviewed.set()
        if not any(self.waiting.values()):
            self.stop.set()

    def run(self) -> list[str]:
        end = Timer(2 * PATIENCE, self.stop.set)
        end.start()
        parts = Processing(*cast("tuple[Any, ...]", (self, self, self, self, lambda: None, self)))
        worker.Detector(Settings(), parts, self.stop).run()
        end.cancel()
        return self.said


def test_reviews_go_on_while_a_batch_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    """A review of another partition does not wait for the batch; that of its own comes when it has landed."""
    monkeypatch.setattr(worker, "REVIEW_EVERY", 0.0)
    monkeypatch.setattr(worker, "REVIEW_SHARE", float("inf"))  # due at once, however long the last ones took
    world = _World({0: [], 1: []})
    first_turn = world.backlog

    def backlog(claims: Collection[Claim]) -> set[int]:
        if not any(world.waiting.values()) and not world.said:
            world.waiting = {0: [_row(0)], 1: [_row(1)]}
        return first_turn(claims)

    monkeypatch.setattr(world, "backlog", backlog)
    said = world.run()
    batches = [one for one in said if one.startswith("batch")]
    assert sorted(batches) == ["batch 0", "batch 1"]
    assert sorted(one for one in said if one not in batches) == ["review 0", "review 1"]


def test_what_waits_is_reviewed_at_once_where_there_is_nothing_else_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """More than one transaction takes is not left for the next time."""
    monkeypatch.setattr(worker, "REVIEW_EVERY", 3_600.0)
    monkeypatch.setattr(worker, "REVIEW_LIMIT", 2)
    world = _World({0: [_row(0, n) for n in range(7)]}, records=0)
    assert world.run() == ["review 0"] * 4
