"""What a source's slices say about a moment: sums over the partitions' shares of it."""

from array import array
from bisect import bisect_right
from collections.abc import Iterable

from gatewatch.core.context import QUIET, SourceNumbers
from gatewatch.core.sources import DAY_BUCKETS, HOUR_BUCKETS, MINUTES, UNKNOWN, Bucket, Slice
from gatewatch.core.times import MINUTE


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
        # by far the most common: nothing is known of a later one
        upto = len(indexes)
        if upto and indexes[-1] > bucket:
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
