"""What a detector did and how the pipeline is doing, as metrics: once per batch or now and then, never per event."""

from collections import Counter
from collections.abc import Collection, Iterable

from gatewatch import logs, metrics
from gatewatch.core.anomalies import Anomaly
from gatewatch.health_ports import Heads, Pipeline
from gatewatch.ports import LOGINS, Batch, ReviewBatch
from gatewatch.services.partition import Partition


def batch(stored: Batch, records: int, now: int) -> None:
    """Count what a batch of so many records held that is stored by `now` (µs)."""
    metrics.BATCH_RECORDS.observe(records)
    for (source, outcome), n in Counter((row.source, row.outcome) for row in stored.events).items():
        metrics.EVENTS.add(source, outcome, by=n)
    if stored.events:
        metrics.DELAY.observe(max(0, now - stored.events[0].received) / 1e6)
    for part, n in Counter(stored.degraded).items():
        metrics.DEGRADED.add(part, by=n)
    for reason, n in Counter(dead.reject.reason for dead in stored.dead).items():
        metrics.DEAD_LETTERS.add(reason, by=n)
    metrics.REPEATS.add("duplicate", by=stored.repeats)
    metrics.REPEATS.add("conflict", by=len(stored.conflicts))
    metrics.REROUTED.add(by=sum(message.topic == LOGINS for message in stored.outgoing))
    metrics.PROFILES.add(by=len(stored.users))
    metrics.PROFILE_BYTES.add(by=sum(len(row.profile) for row in stored.users.values()))
    if stored.gap is not None:
        metrics.GAPS.add()
        logs.get().error("a range of the log was lost", part=stored.claim.part, gap=stored.gap)
    _anomalies(stored.anomalies)


def review(stored: ReviewBatch) -> None:
    """Count what a review found."""
    for detector, n in Counter(stored.degraded).items():
        metrics.DEGRADED.add(detector, by=n)
        logs.get().error("a detector failed in a review", detector=detector, slots=n)
    _anomalies(stored.anomalies)


def _anomalies(found: Iterable[Anomaly]) -> None:
    for anomaly in found:
        metrics.ANOMALIES.add(anomaly.detector, anomaly.severity)


def owned(partitions: Collection[Partition], heads: Heads) -> None:
    """Say what a detector owns, how far behind it is, and what it has in memory."""
    metrics.PARTITIONS.set(len(partitions))
    unread = heads.unread({one.claim.part: one.claim.next_offset for one in partitions})
    metrics.LAG.replace({(part,): count for part, count in unread.items()})
    cached = [partition.cached() for partition in partitions]
    metrics.CACHED.set(sum(users for users, _ in cached), "users")
    metrics.CACHED.set(sum(sources for _, sources in cached), "sources")


def pipeline(found: Pipeline) -> None:
    """Say what waits in the outbox, and how many partitions are read."""
    lanes = found.lanes()
    metrics.OUTBOX_WAITING.replace({(lane.lane,): lane.waiting for lane in lanes})
    metrics.OUTBOX_AGE.replace({(lane.lane,): lane.age for lane in lanes})
    metrics.OWNERSHIP.replace({(ownership,): count for ownership, count in found.owned().items()})
