"""Sliding windows over a source's buckets, as a function of the *set* of its failures.

Two kinds. *Minute windows* count failures and cover whole minutes at both edges, so that W minutes never miss W true
minutes. *Bucket windows* are whole buckets wide and count users as well: tries per user, how many users had how many
tries, unknown names. Both visit every distinct content a window can have, in one pass with two pointers.

*Explained* users also got in from the same source. One of them with at most `most_explained` tries in the window is
left out of users and failures: a person's own typing errors behind a shared address. One with more is never excused.

Buckets keep the 256 smallest user hashes. Where one of a window dropped any, the window looks at the hashes below
2^(32 - level) only, which every one of its buckets still has, and each stands for 2^level users (Flajolet, "On
adaptive sampling", 1990; relative error about 1/√128). So does a pass over windows of more than `_ENTRIES` entries,
to bound its cost. Failures stay exact, and a threshold on users asks for what is sure of an estimate.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from math import inf, isqrt
from typing import NamedTuple

import msgspec

from gatewatch.core.sources import BUCKET, MINUTES, TRY, UNKNOWN, Bucket, Buckets
from gatewatch.core.times import MINUTE

_HASH_BITS = 32
#: What a bucket's packed count has to be shifted by to be tries.
_SHIFT = TRY.bit_length() - 1
#: The most entries (users of buckets) of one window that a pass looks at; a window that has more is sampled.
_ENTRIES = 4096


class Window(msgspec.Struct, frozen=True, gc=False):
    """A window that qualifies: indexes of its first and last bucket with content, failures that nothing explains.

    `excess` says how many times over the tightest threshold is met (≥ 1).
    """

    lo: int
    hi: int
    failures: int
    excess: float


class Numbers(msgspec.Struct, frozen=True, gc=False):
    """What happened in a stretch of buckets, explained failures left out; users are rounded estimates.

    `support` counts all failures, explained or not; `most` is the highest number of tries of one user; `estimated`
    says that hashes were dropped.
    """

    first: int
    last: int
    support: int
    failures: int
    users: int
    unknown: int
    most: int
    explained: int
    estimated: bool


class Part(NamedTuple):
    """The users of one bucket as a window counts them: tries (packed as in `Bucket`) and the unknown names."""

    others: Mapping[int, int]
    explained: Mapping[int, int]
    unknown: list[int]


class Series:
    """A source's buckets in order of time, with what every window needs of them."""

    __slots__ = (
        "_parts",
        "buckets",
        "entries",
        "explained",
        "failures",
        "indexes",
        "levels",
        "most_explained",
    )

    def __init__(
        self, buckets: Buckets, explained: frozenset[int] = frozenset(), most_explained: int = 0
    ) -> None:
        self.indexes = sorted(buckets)
        self.buckets = [buckets[index] for index in self.indexes]
        #: Running sums: `failures[j] - failures[i]` failures lie in the buckets at i..j-1.
        self.failures = [0, *accumulate(bucket.failures for bucket in self.buckets)]
        #: The same of entries: users per bucket.
        self.entries = [0, *accumulate(len(bucket.users.counts) for bucket in self.buckets)]
        self.levels = [level_of(bucket) for bucket in self.buckets]
        self.explained = explained
        self.most_explained = most_explained
        self._parts: dict[tuple[int, int], Part] = {}

    def position(self, index: int) -> int:
        """Where the bucket with this index stands, or would."""
        return bisect_left(self.indexes, index)

    def part(self, at: int, level: int) -> Part:
        """The users of the bucket at a position, at a level."""
        found = self._parts.get((at, level))
        if found is None:
            found = self._parts[at, level] = split(self.buckets[at], level, self.explained)
        return found


def level_of(bucket: Bucket) -> int:
    """How many leading zero bits a hash needs to be sure to be kept by the bucket (0: none was dropped)."""
    theta = bucket.users.theta
    return _HASH_BITS + 1 - theta.bit_length() if theta else 0


def split(bucket: Bucket, level: int, explained: frozenset[int]) -> Part:
    """A bucket's users at a level, those apart who also got in."""
    counts: Mapping[int, int] = bucket.users.counts
    if level:
        cut = 1 << (_HASH_BITS - level)
        counts = {hash: n for hash, n in counts.items() if hash < cut}
    own: Mapping[int, int] = {}
    if explained and (both := explained.intersection(counts)):  # walks the bucket's users, not the explained
        own = {hash: counts[hash] for hash in both}
        counts = {hash: n for hash, n in counts.items() if hash not in both}
    return Part(counts, own, [hash for hash, n in counts.items() if n & UNKNOWN])


def positions(indexes: Sequence[int], width: int) -> Iterator[tuple[int, int]]:
    """Every distinct content of a window of `width` buckets sliding over sorted indexes, as half-open ranges.

    >>> list(positions([0, 1, 5], 2))
    [(0, 1), (0, 2), (1, 2), (2, 3)]
    """
    lo = hi = 0
    while lo < len(indexes):
        leaves = indexes[lo] + 1 if lo < hi else inf
        enters = indexes[hi] - width + 1 if hi < len(indexes) else inf
        start = min(leaves, enters)
        lo += leaves == start
        hi += enters == start
        if lo < hi:
            yield lo, hi


class _Users:
    """Tries per user hash, and how many users had how many tries (`most + 1` stands for that and more)."""

    __slots__ = ("_top", "histogram", "tries")

    def __init__(self, most: int) -> None:
        self.tries: dict[int, int] = {}
        self.histogram = [0] * (most + 2)
        self._top = most + 1

    def add(self, counts: Mapping[int, int]) -> None:
        tries, histogram, top = self.tries, self.histogram, self._top
        known = tries.get
        for hash, count in counts.items():
            old = known(hash, 0)
            tries[hash] = new = old + (count >> _SHIFT)
            if old < top:
                histogram[old] -= 1
                histogram[new if new < top else top] += 1

    def remove(self, counts: Mapping[int, int]) -> None:
        tries, histogram, top = self.tries, self.histogram, self._top
        for hash, count in counts.items():
            old = tries[hash]
            tries[hash] = new = old - (count >> _SHIFT)
            if new < top:
                histogram[old if old < top else top] -= 1
                histogram[new] += 1
                if not new:
                    del tries[hash]


class Tally:
    """The users of one window, kept up to date as it slides: each bucket enters once and leaves once.

    Users with more than `most` tries are not told apart by `tried`; with None users are not counted at all, only
    unknown names. `level` is the least to sample at.
    """

    __slots__ = (
        "_failures", "_hi", "_least", "_level", "_lo", "_most", "_others", "_own", "_series", "_unknown",
    )  # fmt: skip

    def __init__(self, series: Series, most: int | None, level: int = 0) -> None:
        self._series = series
        self._most = most
        self._least = level
        self._clear(0, level)

    def _clear(self, lo: int, level: int) -> None:
        self._lo = self._hi = lo
        self._level = level
        self._failures: int | None = None
        most = self._most or 0
        self._others = _Users(most)
        self._own = _Users(max(most, self._series.most_explained))
        self._unknown: dict[int, int] = {}

    def move(self, lo: int, hi: int) -> None:
        """Slide on to the buckets at lo..hi-1 of the series; neither edge may move back."""
        level = max(self._least, *self._series.levels[lo:hi])
        if lo >= self._hi or not level <= self._level < level + 2:
            self._clear(lo, level)  # a level that flickers by one is not worth starting anew
        for at in range(self._hi, hi):
            self._enter(self._series.part(at, self._level))
        for at in range(self._lo, lo):
            self._leave(self._series.part(at, self._level))
        if (lo, hi) != (self._lo, self._hi):
            self._lo, self._hi, self._failures = lo, hi, None

    def _enter(self, part: Part) -> None:
        if self._most is not None:
            self._others.add(part.others)
            self._own.add(part.explained)
        for hash in part.unknown:
            self._unknown[hash] = self._unknown.get(hash, 0) + 1

    def _leave(self, part: Part) -> None:
        if self._most is not None:
            self._others.remove(part.others)
            self._own.remove(part.explained)
        for hash in part.unknown:
            self._unknown[hash] -= 1
            if not self._unknown[hash]:
                del self._unknown[hash]

    @property
    def first(self) -> int:
        """The first failure (µs)."""
        return self._series.buckets[self._lo].first

    @property
    def last(self) -> int:
        """The last failure (µs)."""
        return self._series.buckets[self._hi - 1].last

    @property
    def support(self) -> int:
        """All failures."""
        return self._series.failures[self._hi] - self._series.failures[self._lo]

    @property
    def failures(self) -> int:
        """The failures that nothing explains (all, where users are not counted)."""
        if self._failures is None:
            self._failures = self._unexplained() if self._own.tries else self.support
        return self._failures

    def _unexplained(self) -> int:
        excused = sum(tries * n for tries, n in enumerate(self._excused()))
        if not excused or not self._level:
            return self.support - excused
        kept = sum(self._others.tries.values()) + sum(self._own.tries.values())
        return unexplained(self.support, excused, kept, self._level, self._series.most_explained)

    @property
    def users(self) -> int:
        """Distinct users whom nothing explains (an estimate where the window is sampled)."""
        return self.tried(1)

    @property
    def sure_users(self) -> int:
        """At least so many, but for one chance in forty: sampling must not make a crowd of one user."""
        return sure(self.users, self._level)

    def tried(self, least: int, most: int | None = None) -> int:
        """How many users were tried `least` to `most` times (None: or more often); `least` ≥ 1."""
        end = None if most is None else most + 1
        found = sum(self._others.histogram[least:end])
        if self._own.tries:
            found += sum(self._own.histogram[max(least, self._series.most_explained + 1) : end])
        return found << self._level

    def _excused(self) -> list[int]:
        return [0, *self._own.histogram[1 : self._series.most_explained + 1]]

    @property
    def unknown(self) -> int:
        """Distinct names that do not exist at the source (an estimate where the window is sampled)."""
        return len(self._unknown) << self._level

    @property
    def sure_unknown(self) -> int:
        """At least so many, as for `sure_users`."""
        return sure(self.unknown, self._level)

    def numbers(self) -> Numbers:
        """The window in full. `most` takes a pass over its users."""
        beyond = (n for n in self._own.tries.values() if n > self._series.most_explained)
        most = max(max(self._others.tries.values(), default=0), max(beyond, default=0))
        return Numbers(
            first=self.first,
            last=self.last,
            support=self.support,
            failures=self.failures,
            users=self.users,
            unknown=self.unknown,
            most=most,
            explained=sum(self._excused()) << self._level,
            estimated=self._level > 0,
        )


def sure(estimate: int, level: int) -> int:
    """An estimate less twice its standard error, √(n · (2^level - 1)); exact at level 0."""
    return estimate - 2 * isqrt(estimate * ((1 << level) - 1)) if level else estimate


def unexplained(whole: int, excused: int, kept: int, level: int, per_user: int) -> int:
    """How many of `whole` failures are sure not to be excused, where the sample kept `kept` and excused `excused`.

    The share of the sample that is not excused, less twice its standard error where each user has `per_user` tries:
    one stranger in a sample must not stand for a crowd. But excused users stand for at most half as much again as
    the sample says (it errs by a tenth), so that one busy user whose hash was dropped cannot pass for theirs.
    """
    rest = kept - excused
    share = whole * max(0, rest - 2 * isqrt(rest * per_user)) // kept
    return max(share, whole - (3 * excused << level) // 2)


def numbers(series: Series, lo: int, hi: int) -> Numbers:
    """The numbers of the stretch from bucket index `lo` to `hi`, both included."""
    at, end = series.position(lo), series.position(hi + 1)
    tally = Tally(series, 0, _level_for(series.entries[end] - series.entries[at]))
    tally.move(at, end)
    return tally.numbers()


def _level_for(entries: int) -> int:
    return ((entries - 1) // _ENTRIES).bit_length()


def bucket_windows(
    series: Series, span: int, least: int, most: int | None, excess: Callable[[Tally], float]
) -> Iterator[Window]:
    """All windows of `span` µs (rounded up to whole buckets) for which `excess` is 1 or more.

    Windows of fewer than `least` failures are passed over. A window of n buckets covers every true stretch that is
    one bucket shorter. `most` is as in `Tally`.
    """
    ranges = list(positions(series.indexes, -(-span // BUCKET)))
    sums, entries = series.failures, series.entries
    tally = Tally(series, most, _level_for(max(entries[hi] - entries[lo] for lo, hi in ranges)))
    for lo, hi in ranges:
        if sums[hi] - sums[lo] >= least:
            tally.move(lo, hi)
            if (found := excess(tally)) >= 1.0:
                yield Window(series.indexes[lo], series.indexes[hi - 1], tally.failures, found)


def minute_windows(series: Series, span: int, least: int) -> Iterator[Window]:
    """All windows of `span` µs with at least `least` failures that nothing explains, one per minute with failures.

    A span of W minutes covers W + 1 whole minutes. Users are known per bucket only: what is not explained in the
    window is at most what is not explained in the buckets it touches, and that bound is used.
    """
    minutes = _minutes(series)
    reach = -(-span // MINUTE)
    tally = Tally(series, 0) if series.explained else None
    end = found = 0
    for minute, count in minutes:
        while end < len(minutes) and minutes[end][0] <= minute + reach:
            found += minutes[end][1]
            end += 1
        if found >= least:
            lo, hi = minute // MINUTES, minutes[end - 1][0] // MINUTES
            failures = found if tally is None else min(found, _moved(tally, series, lo, hi).failures)
            if failures >= least:
                yield Window(lo, hi, failures, failures / least)
        found -= count


def _minutes(series: Series) -> list[tuple[int, int]]:
    return [
        (index * MINUTES + i, count)
        for index, bucket in zip(series.indexes, series.buckets, strict=True)
        for i, count in enumerate(bucket.minutes)
        if count
    ]


def _moved(tally: Tally, series: Series, lo: int, hi: int) -> Tally:
    tally.move(series.position(lo), series.position(hi + 1))
    return tally
