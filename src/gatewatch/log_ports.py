"""What a detector needs to come by partitions and their records, whichever log they lie on, as Protocols and values.

A log is a place where records are appended, and one row per partition in PostgreSQL, which says who may process it and
from where on. All raise `ports.Unavailable`.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from gatewatch.core.anomalies import Anomaly, Status
from gatewatch.ports import Claim, LogRecord, LogWriter, TenantKey


class WrongLog(Exception):
    """The log that is configured is not the one the database knows; the message says what to do."""


class Log(LogWriter, Protocol):
    """A writer that holds connections."""

    def close(self) -> None:
        """Let go of them; the next append takes others."""
        ...


class Membership(Protocol):
    """A detector's share of the partitions. One thread at a time."""

    def beat(self) -> None:
        """Say that this member is alive; due about every second."""
        ...

    def leave(self) -> None:
        """Say good-bye, so that others need not wait."""
        ...

    def share(self) -> int:
        """How many partitions this member should have. Raises `WrongLog`."""
        ...

    def free(self) -> list[int]:
        """The partitions that this member may try to claim now; its own count too."""
        ...

    def renew(self, claims: Iterable[Claim]) -> set[int]:
        """Extend the leases; returns the partitions that are still ours under the same epoch."""
        ...

    def claim(self, part: int) -> Claim | None:
        """Take a partition under a new epoch, which fences whoever had it before; None where it is not to be had."""
        ...

    def release(self, claims: Iterable[Claim]) -> None:
        """Give partitions back."""
        ...


class LogSource(Protocol):
    """The records of the partitions that this process has claimed.

    `read` is called by one thread while others call the rest, so that records can be read before their turn.
    """

    def backlog(self, claims: Collection[Claim]) -> set[int]:
        """The partitions among these that have something to read now."""
        ...

    def read(self, claim: Claim, limit: int) -> list[LogRecord]:
        """The next records from `claim.next_offset` on, at most `limit`; the same again where it is asked again.
        Offsets may jump.
        """
        ...

    def done(self, claim: Claim) -> None:
        """Everything before `claim.next_offset` is stored: nobody will ask for it again. What came meanwhile is taken
        in.
        """
        ...

    def reached(self) -> bool:
        """Whether the log can be read at all, as far as is known."""
        ...


class Head(NamedTuple):
    """The end of a partition that lies elsewhere: its end offset, and until when (µs) everything that came was read;
    None where that is now.
    """

    end: int
    read_until: int | None


class TopicSpec(NamedTuple):
    """A topic as it should be. `replicas` -1: as many as is the brokers' default."""

    name: str
    partitions: int
    replicas: int
    config: Mapping[str, str]


class FoundTopic(NamedTuple):
    """A topic as it is; one that was deleted and made anew has another id."""

    name: str
    id: str
    partitions: int
    replicas: int


class Brokers(Protocol):
    """Where topics lie."""

    def found(self, names: Sequence[str]) -> dict[str, FoundTopic]:
        """Those of the topics that exist."""
        ...

    def create(self, spec: TopicSpec) -> bool:
        """Create a topic; False where it exists."""
        ...

    def grow(self, name: str, partitions: int) -> None:
        """Have more partitions."""
        ...

    def config(self, name: str) -> dict[str, str]:
        """A topic's settings."""
        ...

    def ends(self, name: str) -> dict[int, int]:
        """Where each partition of a topic ends now."""
        ...


class KnownTopic(NamedTuple):
    """The log's topic as the database knows it; `id` is "" where the records lie in the database itself. `read` says up
    to where each partition was processed.
    """

    id: str
    partitions: int
    generation: int
    read: dict[int, int]


class LogBook(Protocol):
    """What the database is told of a log that lies elsewhere, so that whoever asks it knows how far detectors are."""

    def id(self) -> str:
        """The id of the topic whose records the database holds, "" where there is none."""
        ...

    def known(self) -> KnownTopic | None:
        """The topic as the database knows it, None where it knows none."""
        ...

    def register(self, partitions: int, id: str) -> int:
        """Know the topic by its id; returns its generation. Raises `WrongLog` where another one is known."""
        ...

    def skip(self, claim: Claim, begin: int) -> Claim:
        """Record that the log begins at `begin`, behind the claim's offset: what lay between is lost. Returns the
        claim that goes on there. Raises `Fenced`.
        """
        ...

    def tell(self, heads: Mapping[int, Head]) -> None:
        """How partitions end."""
        ...

    def grown(self, partitions: int) -> None:
        """The topic has so many partitions; where that is more than was known, every claim ends."""
        ...


class CloudEvent(NamedTuple):
    """A message for others: the attributes, with those of our own, and the data (JSON)."""

    attributes: dict[str, str]
    data: bytes


#: Makes messages of what lies in the outbox; None where there is nothing left to tell.
Shape = Callable[[Sequence[bytes]], list[CloudEvent | None]]


class Standing(NamedTuple):
    """An anomaly as it is stored, and what people said of it last."""

    anomaly: Anomaly
    status: Status
    revision: int


#: Tells how anomalies stand, by (tenant, id). Raises `Unavailable`.
ReadStanding = Callable[[Collection[TenantKey]], dict[TenantKey, Standing]]
