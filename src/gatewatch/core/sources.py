"""What a source did: failures in event-time buckets, one row per partition, united on read.

A user lives on one partition, so partitions add up; hashes are united all the same, since a growth of the partition
count moves users. Everything here is a count or a bottom-k sketch: any order and any merge give the same state.
"""

from typing import Final

import msgspec

from gatewatch.core.sketches import BottomK
from gatewatch.core.times import MINUTE

#: Width of a bucket (µs) and its minutes.
BUCKET: Final = 10 * MINUTE
MINUTES: Final = 10
HOUR_BUCKETS: Final = 6
DAY_BUCKETS: Final = 144

#: In `Bucket.users` the low bit of a count says that the name was unknown at the source.
TRY: Final = 2
UNKNOWN: Final = 1


class Bucket(msgspec.Struct, array_like=True, gc=False):
    """Ten minutes of one source's failures: per minute, first and last (µs), and who was tried how often.

    `users` counts tries times two, plus one where the name was unknown (a hash that was ever unknown stays so).
    """

    first: int
    last: int
    failures: int = 0
    minutes: list[int] = msgspec.field(default_factory=lambda: [0] * MINUTES)
    users: BottomK = msgspec.field(default_factory=BottomK)

    def merge(self, other: "Bucket") -> None:
        """Take in another partition's share of the same bucket."""
        self.first = min(self.first, other.first)
        self.last = max(self.last, other.last)
        self.failures += other.failures
        self.minutes = [a + b for a, b in zip(self.minutes, other.minutes, strict=True)]
        merge_users(self.users, other.users)


def merge_users(into: BottomK, other: BottomK) -> None:
    """Unite who was tried: tries add up, "unknown" sticks."""
    unknown = {h for h, n in other.counts.items() if n & UNKNOWN}
    unknown |= {h for h, n in into.counts.items() if n & UNKNOWN}
    into.counts = {h: n & ~UNKNOWN for h, n in into.counts.items()}
    into.merge(BottomK({h: n & ~UNKNOWN for h, n in other.counts.items()}, other.theta))
    for hash in unknown & into.counts.keys():
        into.counts[hash] |= UNKNOWN


#: A source's buckets by index (time // BUCKET).
Buckets = dict[int, Bucket]

_encoder = msgspec.msgpack.Encoder()


def encode(bucket: Bucket) -> bytes:
    """The stored bytes of a bucket; equal buckets give equal bytes."""
    counts = bucket.users.counts
    if len(counts) > 1:
        keys = sorted(counts)
        if list(counts) != keys:
            bucket.users.counts = {key: counts[key] for key in keys}
    return _encoder.encode(bucket)


#: The bucket of its stored bytes.
decode = msgspec.msgpack.Decoder(Bucket).decode


class Slice(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a view keeps of one bucket of one partition: failures (also per minute), distinct users, unknown names."""

    failures: int
    minutes: tuple[int, ...]
    users: int
    unknown: int
