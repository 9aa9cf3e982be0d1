"""Hypothesis strategies for failures of a source: small spaces, so that windows, users and buckets collide."""

from collections.abc import Iterable, Sequence

from hypothesis import strategies as st

from gatewatch.core.sources import BUCKET, Bucket, Buckets
from gatewatch.core.subjects import count_in
from gatewatch.core.times import DAY, MINUTE

#: Midnight of an arbitrary day, so that a stretch can cross into the next slot.
MIDNIGHT = 20_500 * DAY

#: (time, user hash, whether the name is unknown)
Failure = tuple[int, int, bool]


def failures(
    most: int = 120, users: int = 14, minutes: int = 300, least: int = 0
) -> st.SearchStrategy[list[Failure]]:
    """Failures around midnight; every third user is unknown at the source."""
    offset = st.integers(-minutes * MINUTE // 2, minutes * MINUTE // 2)
    return st.lists(
        st.builds(lambda o, u: (MIDNIGHT + o, u * 37, u % 3 == 0), offset, st.integers(1, users)),
        min_size=least,
        max_size=most,
    )


def buckets_of(found: Iterable[Failure]) -> Buckets:
    """The buckets of these failures, counted in this order."""
    buckets: Buckets = {}
    for time, user, unknown in found:
        bucket = buckets.setdefault(time // BUCKET, Bucket(time, time))
        count_in(bucket, time, user, unknown)
    return buckets


def crowd(users: int, tries: int = 1, start: int = MIDNIGHT, spread: int = 50 * MINUTE) -> list[Failure]:
    """`users` users with hashes as if drawn, each tried `tries` times in rounds, spread over a stretch of time.

    Every third one is unknown at the source.
    """
    count = users * tries
    return [
        (
            start + spread * i // max(1, count - 1),
            (i % users + 1) * 2_654_435_761 % (1 << 32),
            i % users % 3 == 0,
        )
        for i in range(count)
    ]


def shares_of(found: Sequence[Failure], parts: int) -> list[Buckets]:
    """The same failures dealt out to partitions by user."""
    return [buckets_of(f for f in found if f[1] % parts == part) for part in range(parts)]
