"""What a source's slices say about a moment: sums over the partitions' shares of it."""

from bisect import bisect_right
from collections.abc import Iterable

from gatewatch.core.context import QUIET, SourceNumbers
from gatewatch.core.sources import DAY_BUCKETS, HOUR_BUCKETS, MINUTES, UNKNOWN, Bucket, Slice
from gatewatch.core.times import MINUTE


def slice_of(bucket: Bucket) -> Slice:
    """A bucket's numbers without its users."""
    users = bucket.users
    distinct, unknown = len(users.counts), sum(n & UNKNOWN for n in users.counts.values())
    if users.theta:  # some were dropped
        distinct, unknown = round(users.distinct()), round(unknown * users.scale())
    return Slice(bucket.failures, tuple(bucket.minutes), distinct, unknown)


#: Failures in 10 minutes, in the hour, in the day; users and unknown names in the hour.
Numbers = tuple[int, int, int, int, int]


NOTHING: Numbers = (0, 0, 0, 0, 0)


class Share:
    """One partition's slices of one source, with running sums over its buckets in the order of time.

    Readers ask event by event, an import's a day apart: two looks into the sums instead of one at 144 buckets.
    """

    __slots__ = ("_day", "_indexes", "_sums", "slices")

    def __init__(self, slices: dict[int, Slice] | None = None) -> None:
        self.slices = slices if slices is not None else {}
        self._indexes: list[int] = []
        #: Failures, users and unknown names of the buckets at 0..i-1; none where they are to be added up anew.
        self._sums: list[tuple[int, int, int]] = []
        #: Where the day of the last look began: the next one as a rule is not far behind.
        self._day = 0

    def put(self, index: int, found: Slice) -> None:
        """Set the slice of a bucket."""
        self.slices[index] = found
        indexes, sums = self._indexes, self._sums
        if not sums:
            return
        if indexes and indexes[-1] == index:
            indexes.pop()
            sums.pop()
        if not indexes or indexes[-1] < index:
            self._append(index, found)
        else:
            sums.clear()

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
        if not self._sums:
            self._build()
        indexes, sums = self._indexes, self._sums
        # by far the most common: nothing is known of a later one
        upto = len(indexes)
        if upto and indexes[upto - 1] > bucket:
            upto = bisect_right(indexes, bucket)
        if not upto or indexes[upto - 1] <= bucket - DAY_BUCKETS:
            return NOTHING
        hour, day, before = upto, self._day, bucket - DAY_BUCKETS
        while hour and indexes[hour - 1] > bucket - HOUR_BUCKETS:
            hour -= 1
        if day and indexes[day - 1] > before:
            day = bisect_right(indexes, before, 0, day)
        while indexes[day] <= before:
            day += 1
        self._day = day
        failures, users, unknown = sums[upto]
        before_hour, users_before, unknown_before = sums[hour]
        ten = failures - sums[upto - 1][0] if indexes[upto - 1] == bucket else 0
        if (previous := self.slices.get(bucket - 1)) is not None:
            ten += previous.minutes[-1]
        return (
            ten,
            failures - before_hour,
            failures - sums[day][0],
            users - users_before,
            unknown - unknown_before,
        )

    def _build(self) -> None:
        self._indexes, self._sums, self._day = [], [(0, 0, 0)], 0
        for index in sorted(self.slices):
            self._append(index, self.slices[index])

    def _append(self, index: int, found: Slice) -> None:
        self._indexes.append(index)
        failures, users, unknown = self._sums[-1]
        self._sums.append((failures + found.failures, users + found.users, unknown + found.unknown))


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


def numbers_at_end(shares: list[Share], bucket: int) -> Numbers:
    """A source's numbers as of the last moment of a bucket, over the shares of all partitions."""
    total = NOTHING
    for share in shares:
        found = share.numbers_at_end(bucket)
        if found[2]:
            total = add(total, found) if total[2] else found
    return total


def numbers_at(shares: list[Share], time: int) -> Numbers:
    """A source's numbers as of an event time, over the shares of all partitions."""
    total = NOTHING
    for share in shares:
        found = share.numbers(time)
        if found[2]:
            total = add(total, found) if total[2] else found
    return total


def as_numbers(total: Numbers, finding: str) -> SourceNumbers:
    """The numbers of a source as they are stored with an event."""
    return SourceNumbers(*total, finding) if total[2] or finding else QUIET
