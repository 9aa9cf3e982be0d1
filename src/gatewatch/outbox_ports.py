"""What the relay needs from the world: the outbox, as Protocols and the values that pass through them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from gatewatch.ports import Outgoing


class OutboxMessage(NamedTuple):
    """A message of the outbox with its place in it."""

    part: int
    seq: int
    message: Outgoing


class OutboxReader(Protocol):
    """The outbox as the relay sees it."""

    def unrelayed(self, limit: int) -> Sequence[OutboxMessage]:
        """The next messages of each partition, by (part, seq), at most `limit` of each, and of all together what fits
        into memory.
        """
        ...

    def relayed(self, positions: Mapping[int, int]) -> None:
        """Remember how far each partition was relayed; a position never goes back."""
        ...
