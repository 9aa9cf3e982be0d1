"""Integer counts in fixed event-time buckets that decay when they are read.

A floating sum that decays as it is written depends on the order of arrival; integers in buckets do not: any order,
any merge gives the same counts, and the reader's time decides what they weigh.
"""

from typing import Final

from gatewatch.core.times import DAY

#: Width of a bucket, in microseconds, and how many buckets halve a count's weight (84 days).
BUCKET: Final = 28 * DAY
HALF_LIFE_BUCKETS: Final = 3
#: The most buckets a count keeps (about two years); older ones fold into the oldest that is kept.
MAX_BUCKETS: Final = 26

#: `[bucket, count, bucket, count, …]`, by bucket. Flat, because it is stored in every profile many times.
Counts = list[int]

_DECAY = tuple(0.5 ** (age / HALF_LIFE_BUCKETS) for age in range(MAX_BUCKETS * 4))
_LAST = len(_DECAY) - 1


def bucket_of(time: int) -> int:
    """The bucket an event time (µs) falls into."""
    return time // BUCKET


def add(counts: Counts, bucket: int, amount: int) -> None:
    """Count `amount` (which may be negative: a verdict subtracts what was learnt) in `bucket`, in place."""
    for i in range(len(counts) - 2, -1, -2):
        if counts[i] == bucket:
            counts[i + 1] += amount
            if counts[i + 1] <= 0:
                del counts[i : i + 2]
            return
        if counts[i] < bucket:
            _insert(counts, i + 2, bucket, amount)
            return
    _insert(counts, 0, bucket, amount)


def _insert(counts: Counts, at: int, bucket: int, amount: int) -> None:
    if amount <= 0:
        return
    counts[at:at] = (bucket, amount)
    if len(counts) > 2 * MAX_BUCKETS:
        counts[3] += counts[1]
        del counts[:2]


def read(counts: Counts, bucket: int) -> float:
    """What the counts weigh for a reader in `bucket`; a count newer than the reader weighs in full.

    >>> read([10, 4], 10), read([10, 4], 13)
    (4.0, 2.0)
    """
    total = 0.0
    values = iter(counts)
    for start in values:
        age, count = bucket - start, next(values)
        if age <= 0:
            total += count
        else:
            total += count * _DECAY[age if age < _LAST else _LAST]
    return total


def total(counts: Counts) -> int:
    """The undecayed sum."""
    return sum(counts[1::2])
