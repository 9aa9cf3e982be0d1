"""How the system is doing, as its users may know it, and which detectors judge them."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from gatewatch.core.policy import DetectorSettings, Policy
from gatewatch.core.times import to_datetime
from gatewatch.health_ports import HealthStore, Newest, OutboxHealth, PartitionHealth
from gatewatch.ports import Clock

#: Dead letters are counted up to so many.
COUNTED = 10_000


class SystemHealth(msgspec.Struct, frozen=True):
    """The pipeline at a moment. Partitions and the number of waiting messages are everybody's, the rest the tenant's.
    `dead_letters` are those of the last 24 hours, counted up to `COUNTED`.
    """

    at: datetime
    partitions: list[PartitionHealth]
    unread: int
    outbox: OutboxHealth
    newest: Newest
    dead_letters: int


class DetectorInForce(msgspec.Struct, frozen=True):
    """A detector as the tenant's policy has it: its strengths are multiplied by `weight`."""

    name: str
    enabled: bool
    weight: float


class DetectorsInForce(msgspec.Struct, frozen=True):
    """Every detector, and the revision of the policy that says so."""

    policy: int
    detectors: list[DetectorInForce]


class HealthQueries:
    """One tenant's view of the system. All raise `ports.Unavailable`."""

    def __init__(self, store: HealthStore, clock: Clock) -> None:
        self._store, self._clock = store, clock

    def system(self) -> SystemHealth:
        """How the pipeline is doing now."""
        now = to_datetime(self._clock.now())
        partitions = self._store.partitions()
        return SystemHealth(
            at=now,
            partitions=partitions,
            unread=sum(found.unread for found in partitions),
            outbox=self._store.outbox(),
            newest=self._store.newest(),
            dead_letters=self._store.dead_letter_count(now - timedelta(days=1), COUNTED),
        )

    def detectors(self) -> DetectorsInForce:
        """The detectors and what the policy says of each, by name."""
        policy = self._store.policy()
        return DetectorsInForce(policy.revision, _detectors(policy))


def _detectors(policy: Policy) -> list[DetectorInForce]:
    settings = ((name, getattr(policy, name)) for name in sorted(policy.__struct_fields__))
    return [
        DetectorInForce(name, found.enabled, found.weight)
        for name, found in settings
        if isinstance(found, DetectorSettings)
    ]
