"""What a connector needs from a vendor's brokers."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Message(NamedTuple):
    """What lies on a vendor's topic, and where."""

    topic: str
    partition: int
    offset: int
    value: bytes


class VendorTopics(Protocol):
    """Topics of a vendor's, of which this process has a share of the partitions. One thread at a time.

    All but `close` raise `ports.Unavailable`.
    """

    def take(self, limit: int, size: int) -> list[Message]:
        """The next messages, in order per partition, at most `limit` and about `size` bytes; waits a moment for them.
        What was taken and is never `done` comes again, here or elsewhere.
        """
        ...

    def keep(self) -> None:
        """Remain a member while what was taken has to wait; nothing more is fetched meanwhile."""
        ...

    def done(self, messages: Sequence[Message]) -> None:
        """These are durable elsewhere: the group need not give them to anybody again."""
        ...

    def lag(self) -> dict[tuple[str, int], int]:
        """Messages of each (topic, partition) of ours that are not done, as far as is known."""
        ...

    def close(self) -> None:
        """Tell the group what is done, and leave it."""
        ...
