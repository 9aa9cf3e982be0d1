"""What the stream needs from the world: where readers stand, and what was stored since, for one tenant."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from gatewatch.read_ports import StoredAnomaly, StoredEvent


class Positions(msgspec.Struct, frozen=True):
    """Where a reader stands: of each partition the offset of the next event, of each lane of the outbox the number of
    the last message. What is not named is at its beginning, and nothing at its beginning is named.
    """

    events: Mapping[int, int]
    outbox: Mapping[int, int]

    def reaches(self, other: "Positions") -> bool:
        """Whether this lies nowhere before the other."""
        return not behind(self.events, other.events) and not behind(self.outbox, other.outbox)


class Stretch(NamedTuple):
    """What lies between two positions of a partition or lane."""

    part: int
    since: int
    until: int


def behind(ours: Mapping[int, int], theirs: Mapping[int, int]) -> list[Stretch]:
    """The stretches in which ours lies behind."""
    found = ((part, ours.get(part, 0), until) for part, until in theirs.items())
    return [Stretch(*one) for one in found if one[1] < one[2]]


class StreamedEvent(NamedTuple):
    """An event and where it was stored."""

    part: int
    offset: int
    stored: StoredEvent


class StreamedAnomaly(NamedTuple):
    """A version of an anomaly, or one whose status was changed, and where that was published."""

    lane: int
    seq: int
    stored: StoredAnomaly


class StreamStore(Protocol):
    """What was stored for one tenant, in the order it was stored. All raise `ports.Unavailable`."""

    def heads(self) -> Positions:
        """Where everything ends that is committed: what lies before it is visible from now on."""
        ...

    def floors(self) -> Positions:
        """From where on nothing is missing."""
        ...

    def events(self, stretches: Sequence[Stretch], each: int) -> list[StreamedEvent]:
        """Events by partition and offset, at most `each` of a stretch."""
        ...

    def anomalies(self, stretches: Sequence[Stretch], each: int) -> list[StreamedAnomaly]:
        """Versions and statuses by lane and number, at most `each` of a stretch."""
        ...

    def waiting(self, stretches: Sequence[Stretch], most: int) -> int:
        """How many events the stretches hold, counted up to `most`."""
        ...
