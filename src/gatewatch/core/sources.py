"""What a source did: failures in event-time buckets, one row per partition, united on read.

A user lives on one partition, so partitions add up; hashes are united all the same, since a growth of the partition
count moves users. Everything here is a count or a bottom-k sketch: any order and any merge give the same state.
"""

from collections.abc import Iterable, Mapping

import msgspec

from gatewatch.core.context import SourceNumbers
from gatewatch.core.events import LoginEvent, prefix_of
from gatewatch.core.profiles import ua_fingerprint
from gatewatch.core.signals import Subject
from gatewatch.core.sketches import BottomK, keyed_hash
from gatewatch.core.times import MINUTE

#: Width of a bucket (µs) and its minutes.
BUCKET = 10 * MINUTE
MINUTES = 10
HOUR_BUCKETS = 6
DAY_BUCKETS = 144

#: In `Bucket.users` the low bit of a count says that the name was unknown at the source.
TRY = 2
UNKNOWN = 1


class Bucket(msgspec.Struct, array_like=True, gc=False):
    """Ten minutes of one source's failures: per minute, first and last (µs), and who was tried how often.

    `users` counts tries times two, plus one where the name was unknown (a hash that was ever unknown stays so).
    """

    first: int
    last: int
    failures: int = 0
    minutes: list[int] = msgspec.field(default_factory=lambda: [0] * MINUTES)
    users: BottomK = msgspec.field(default_factory=BottomK)

    def add(self, time: int, user: int, unknown: bool) -> None:
        """Count one failure of the user with hash `user`."""
        self.first = min(self.first, time)
        self.last = max(self.last, time)
        self.failures += 1
        self.minutes[time // MINUTE % MINUTES] += 1
        self.users.add(user, TRY)
        counts = self.users.counts
        if unknown and user in counts:
            counts[user] |= UNKNOWN

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
_decoder = msgspec.msgpack.Decoder(Bucket)


def encode(bucket: Bucket) -> bytes:
    """The stored bytes of a bucket; equal buckets give equal bytes."""
    bucket.users.counts = dict(sorted(bucket.users.counts.items()))
    return _encoder.encode(bucket)


def decode(data: bytes) -> Bucket:
    """The bucket of its stored bytes."""
    return _decoder.decode(data)


def subjects_of(event: LoginEvent) -> list[Subject]:
    """The sources an event comes from, the tenant last. What is unknown is left out."""
    found: list[Subject] = []
    if event.ip:
        found.append(("ip", event.ip))
        found.append(("prefix", prefix_of(event.ip)))
    if event.asn is not None and event.asn.number:
        found.append(("asn", str(event.asn.number)))
    if event.geo is not None and event.geo.country:
        found.append(("country", event.geo.country))
    if fingerprint := ua_fingerprint(event):
        found.append(("ua", fingerprint))
    found.append(("tenant", ""))
    return found


def count_failure(buckets: Buckets, event: LoginEvent, salt: bytes) -> int:
    """Count an attack failure, in place; returns the bucket's index. `salt` keys the user's hash."""
    index = event.time // BUCKET
    bucket = buckets.get(index)
    if bucket is None:
        bucket = buckets[index] = Bucket(event.time, event.time)
    bucket.add(
        event.time,
        keyed_hash(salt, event.user_key),
        event.reason_class == "unknown_user",
    )
    return index


def unite(shares: Iterable[Mapping[int, Bucket]]) -> Buckets:
    """The buckets of a source over all partitions, as new values."""
    united: Buckets = {}
    for share in shares:
        for index, bucket in share.items():
            if index not in united:
                united[index] = decode(encode(bucket))
            else:
                united[index].merge(bucket)
    return united


class Slice(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a view keeps of one bucket of one partition: failures per minute, distinct users and unknown names."""

    minutes: tuple[int, ...]
    users: int
    unknown: int


def slice_of(bucket: Bucket) -> Slice:
    """A bucket's numbers without its users."""
    unknown = sum(1 for n in bucket.users.counts.values() if n & UNKNOWN)
    scale = bucket.users.scale()
    return Slice(
        tuple(bucket.minutes), round(bucket.users.distinct()), round(unknown * scale)
    )


#: A share of a view: slices by bucket index.
Slices = dict[int, Slice]


def numbers_at(
    shares: Iterable[Mapping[int, Slice]], time: int, finding: str = ""
) -> SourceNumbers:
    """A source as of an event time, over the shares of all partitions.

    Failures are exact to the minute; users of the hour are the sum over its buckets' distinct users, at most.
    """
    minute = time // MINUTE
    last = minute // MINUTES
    ten = hour = day = users = unknown = 0
    for share in shares:
        for index in share.keys() & range(last - DAY_BUCKETS, last + 1):
            found = share[index]
            day += _within(found, index, minute, DAY_BUCKETS * MINUTES)
            if index < last - HOUR_BUCKETS:
                continue
            in_hour = _within(found, index, minute, HOUR_BUCKETS * MINUTES)
            if in_hour:
                hour += in_hour
                users += found.users
                unknown += found.unknown
            if index >= last - 1:
                ten += _within(found, index, minute, MINUTES)
    if not day and not finding:
        return SourceNumbers()
    return SourceNumbers(ten, hour, day, users, unknown, finding)


def _within(found: Slice, index: int, minute: int, span: int) -> int:
    """Failures of a bucket in the `span` minutes up to and including `minute`."""
    start = index * MINUTES
    if minute - span < start and start + MINUTES - 1 <= minute:
        return sum(found.minutes)
    return sum(
        n for i, n in enumerate(found.minutes) if minute - span < start + i <= minute
    )
