"""What the pipeline's health needs from the world, as one tenant may know it.

Partitions of the log are everybody's: how far they have been read is told, whose records they hold is not.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, NamedTuple, Protocol

from gatewatch.core.policy import Policy

#: Whether somebody reads a partition: a member that beats, one whose lease ran out, nobody.
Ownership = Literal["alive", "expired", "none"]


class PartitionHealth(NamedTuple):
    """A partition of the log: how many records of it nobody has read, who owns it, and until when."""

    part: int
    unread: int
    ownership: Ownership
    owner: str
    lease_until: datetime | None


class OutboxHealth(NamedTuple):
    """What was published and not yet relayed: of everybody how much, and since when the tenant's own waits."""

    waiting: int
    oldest: datetime | None


class Newest(NamedTuple):
    """A tenant's newest event by its own time, and when the newest one was stored. None without any."""

    event: datetime | None
    stored: datetime | None


class Lane(NamedTuple):
    """A lane of the outbox: how many messages wait to be relayed, and for how long the oldest has (s)."""

    lane: int
    waiting: int
    age: float


class Heads(Protocol):
    """How far the log reaches. Raises `ports.Unavailable`."""

    def unread(self, positions: Mapping[int, int]) -> dict[int, int]:
        """How many records lie behind a position of each of these partitions."""
        ...


class Pipeline(Protocol):
    """The pipeline as those see it who run it. All raise `ports.Unavailable`."""

    def lanes(self) -> list[Lane]:
        """What waits in each lane of the outbox."""
        ...

    def owned(self) -> dict[Ownership, int]:
        """How many partitions of the log are read, and how many not."""
        ...


class HealthStore(Protocol):
    """How the pipeline is doing, and by which policy. All raise `ports.Unavailable`."""

    def partitions(self) -> list[PartitionHealth]:
        """How far each partition of the log has been read, and by whom."""
        ...

    def outbox(self) -> OutboxHealth:
        """What waits to be relayed."""
        ...

    def newest(self) -> Newest:
        """When something happened last, and when something was stored last."""
        ...

    def dead_letter_count(self, since: datetime, most: int) -> int:
        """How many dead letters came since then, counted up to `most`."""
        ...

    def policy(self) -> Policy:
        """The policy in force."""
        ...
