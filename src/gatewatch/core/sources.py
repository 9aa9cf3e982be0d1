"""What a source did: failures in event-time buckets, one row per partition, united on read.

A user lives on one partition, so partitions add up; hashes are united all the same, since a growth of the partition
count moves users. Everything here is a count or a bottom-k sketch: any order and any merge give the same state.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Mapping

import msgspec

from gatewatch.core.attributes import ua_fingerprint
from gatewatch.core.context import QUIET, SourceNumbers
from gatewatch.core.events import LoginEvent, prefix_of
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
        if time < self.first:
            self.first = time
        if time > self.last:
            self.last = time
        self.failures += 1
        self.minutes[time // MINUTE % MINUTES] += 1
        users = self.users
        users.add(user, TRY)
        if unknown and user in users.counts:
            users.counts[user] |= UNKNOWN

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
    counts = bucket.users.counts
    if len(counts) > 1:
        keys = sorted(counts)
        if list(counts) != keys:
            bucket.users.counts = {key: counts[key] for key in keys}
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
    return count_try(buckets, event.time, *tried(event, salt))


def tried(event: LoginEvent, salt: bytes) -> tuple[int, bool]:
    """Who was tried, as a bucket knows them: the keyed hash of the user, and whether the name was unknown."""
    return keyed_hash(salt, event.user_key), event.reason_class == "unknown_user"


def count_try(buckets: Buckets, time: int, user: int, unknown: bool) -> int:
    """Count one failure on a user, in place; returns the bucket's index."""
    index = time // BUCKET
    bucket = buckets.get(index)
    if bucket is None:
        bucket = buckets[index] = Bucket(time, time)
    bucket.add(time, user, unknown)
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
    """What a view keeps of one bucket of one partition: failures (also per minute), distinct users, unknown names."""

    failures: int
    minutes: tuple[int, ...]
    users: int
    unknown: int


def slice_of(bucket: Bucket) -> Slice:
    """A bucket's numbers without its users."""
    scale = bucket.users.scale()
    unknown = sum(n & UNKNOWN for n in bucket.users.counts.values())
    return Slice(
        bucket.failures, tuple(bucket.minutes), round(bucket.users.distinct()), round(unknown * scale)
    )


#: Failures in 10 minutes, in the hour, in the day; users and unknown names in the hour.
Numbers = tuple[int, int, int, int, int]
NOTHING: Numbers = (0, 0, 0, 0, 0)


class Share:
    """One partition's slices of one source, with running sums over its buckets in the order of time.

    Readers ask event by event, an import's a day apart: two looks into the sums instead of one at 144 buckets. The sums
    are arrays: as objects of their own, the numbers that a search looks at would lie all over memory.
    """

    __slots__ = ("_failures", "_indexes", "_unknown", "_users", "slices")

    def __init__(self, slices: dict[int, Slice] | None = None) -> None:
        self.slices = slices if slices is not None else {}
        self._indexes: array[int] | None = None
        self._failures = self._users = self._unknown = array("q")

    def put(self, index: int, found: Slice) -> None:
        """Set the slice of a bucket."""
        self.slices[index] = found
        indexes = self._indexes
        if indexes is None:
            return
        if indexes and indexes[-1] == index:
            for sums in (indexes, self._failures, self._users, self._unknown):
                sums.pop()
        if not indexes or indexes[-1] < index:
            self._append(indexes, index)
        else:
            self._indexes = None

    def numbers(self, time: int) -> Numbers:
        """What the share adds to a source's numbers as of an event time: failures in 10 minutes (exact to the minute),
        in the hour and the day (to the bucket), the hour's users and unknown names (summed over its buckets, so an
        upper bound).
        """
        last, within = divmod(time // MINUTE, MINUTES)
        found = self.numbers_at_end(last)
        if not found[2]:
            return NOTHING
        ten = 0
        if (current := self.slices.get(last)) is not None:
            ten = sum(current.minutes[: within + 1])
        if (previous := self.slices.get(last - 1)) is not None:
            ten += sum(previous.minutes[within:])
        return ten, *found[1:]

    def numbers_at_end(self, bucket: int) -> Numbers:
        """As `numbers` for the last moment of a bucket."""
        indexes = self._indexes if self._indexes is not None else self._build()
        upto = bisect_right(indexes, bucket)
        if not upto or indexes[upto - 1] <= bucket - DAY_BUCKETS:
            return NOTHING
        failures, users, unknown = self._failures, self._users, self._unknown
        all_failures = failures[upto]
        # no more buckets than a day has can lie in it
        day = bisect_right(indexes, bucket - DAY_BUCKETS, max(0, upto - DAY_BUCKETS), upto)
        hour = bisect_right(indexes, bucket - HOUR_BUCKETS, max(day, upto - HOUR_BUCKETS), upto)
        ten = all_failures - failures[upto - 1] if indexes[upto - 1] == bucket else 0
        if (previous := self.slices.get(bucket - 1)) is not None:
            ten += previous.minutes[-1]
        return (
            ten,
            all_failures - failures[hour],
            all_failures - failures[day],
            users[upto] - users[hour],
            unknown[upto] - unknown[hour],
        )

    def _build(self) -> "array[int]":
        indexes = self._indexes = array("q")
        self._failures, self._users, self._unknown = (array("q", (0,)) for _ in range(3))
        for index in sorted(self.slices):
            self._append(indexes, index)
        return indexes

    def _append(self, indexes: "array[int]", index: int) -> None:
        found = self.slices[index]
        indexes.append(index)
        self._failures.append(self._failures[-1] + found.failures)
        self._users.append(self._users[-1] + found.users)
        self._unknown.append(self._unknown[-1] + found.unknown)


def united_share(shares: Iterable[Share]) -> Share:
    """Several partitions' slices as one share: worth it for who asks more than a few times."""
    slices: dict[int, Slice] = {}
    for share in shares:
        for index, found in share.slices.items():
            have = slices.get(index)
            slices[index] = found if have is None else _both(have, found)
    return Share(slices)


def _both(a: Slice, b: Slice) -> Slice:
    minutes = tuple(map(int.__add__, a.minutes, b.minutes))
    return Slice(a.failures + b.failures, minutes, a.users + b.users, a.unknown + b.unknown)


def add(a: Numbers, b: Numbers) -> Numbers:
    """Two partitions' numbers together."""
    return a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3], a[4] + b[4]


def numbers_at_end(shares: Iterable[Share], bucket: int) -> Numbers:
    """A source's numbers as of the last moment of a bucket, over the shares of all partitions."""
    total = NOTHING
    for share in shares:
        found = share.numbers_at_end(bucket)
        total = add(total, found) if total[2] else found
    return total


def numbers_at(shares: Iterable[Share], time: int) -> Numbers:
    """A source's numbers as of an event time, over the shares of all partitions."""
    total = NOTHING
    for share in shares:
        total = add(total, share.numbers(time))
    return total


def as_numbers(total: Numbers, finding: str) -> SourceNumbers:
    """The numbers of a source as they are stored with an event."""
    return SourceNumbers(*total, finding) if total[2] or finding else QUIET
