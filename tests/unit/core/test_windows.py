from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewatch.core.sources import BUCKET
from gatewatch.core.times import DAY, MINUTE
from gatewatch.core.windows import Series, Tally, bucket_windows, minute_windows, positions, sure, unexplained
from tests.unit.core.strategies import MIDNIGHT, Failure, buckets_of, crowd, failures


def everything(_: Tally) -> float:
    """Every window qualifies."""
    return 1.0


@given(st.sets(st.integers(0, 40), max_size=15), st.integers(1, 12))
def test_positions_are_all_contents(indexes: set[int], width: int) -> None:
    """The sweep visits each distinct content of a window once and none that no window has."""
    ordered = sorted(indexes)
    seen = [tuple(ordered[lo:hi]) for lo, hi in positions(ordered, width)]
    naive = {tuple(i for i in ordered if s <= i < s + width) for s in range(-width, 42)} - {()}
    assert len(seen) == len(set(seen))
    assert set(seen) == naive


@given(failures(), st.integers(1, 8), st.sets(st.integers(1, 14)), st.integers(0, 4))
def test_tally_equals_counting_anew(found: list[Failure], width: int, own: set[int], limit: int) -> None:
    """A tally that slides holds the same numbers as counting each window from nothing."""
    explained = frozenset(user * 37 for user in own)
    series = Series(buckets_of(found), explained, limit)
    tally = Tally(series, 5)
    for lo, hi in positions(series.indexes, width):
        tally.move(lo, hi)
        inside = [f for f in found if series.indexes[lo] <= f[0] // BUCKET <= series.indexes[hi - 1]]
        tries = Counter(user for _, user, _ in inside)
        counted = {u: n for u, n in tries.items() if not (u in explained and n <= limit)}
        assert tally.users == len(counted)
        assert tally.failures == sum(counted.values())
        assert tally.support == len(inside)
        assert tally.tried(2, 4) == sum(2 <= n <= 4 for n in counted.values())
        assert tally.tried(6) == sum(n >= 6 for n in counted.values())
        assert tally.unknown == len({u for _, u, unknown in inside if unknown and u not in explained})
        assert tally.numbers().most == max(counted.values(), default=0)
        assert (tally.first, tally.last) == (min(inside)[0], max(inside)[0])


@given(failures(minutes=60), st.integers(1, 6), st.integers(1, 25))
def test_minute_windows_never_miss(found: list[Failure], least: int, span: int) -> None:
    """If any true stretch of W minutes holds enough failures, some minute window qualifies."""
    times = sorted(time for time, _, _ in found)
    most = max((sum(t <= u <= t + span * MINUTE for u in times) for t in times), default=0)
    qualified = list(minute_windows(Series(buckets_of(found)), span * MINUTE, least))
    if most >= least:
        assert max(window.failures for window in qualified) >= most


@given(failures(minutes=60), st.integers(1, 6), st.integers(1, 25))
def test_minute_windows_are_at_most_two_minutes_wider(found: list[Failure], least: int, span: int) -> None:
    """No minute window counts failures that do not fit into W + 1 whole minutes."""
    minutes = [time // MINUTE for time, _, _ in found]
    most = max((sum(m <= n <= m + span for n in minutes) for m in minutes), default=0)
    for window in minute_windows(Series(buckets_of(found)), span * MINUTE, least):
        assert least <= window.failures <= most


def test_minute_windows_leave_explained_failures_out() -> None:
    """Typing errors of users who also got in do not count; a busier user is never excused."""
    found = [(MIDNIGHT + i * MINUTE // 2, user, False) for i in range(9) for user in (1, 2)]
    series = Series(buckets_of(found), frozenset({1, 2}), 9)
    assert not list(minute_windows(series, 10 * MINUTE, 5))
    busier = Series(buckets_of([*found, (MIDNIGHT, 1, False)]), frozenset({1, 2}), 9)
    assert max(w.failures for w in minute_windows(busier, 10 * MINUTE, 5)) == 10


def test_windows_of_few_failures_are_passed_over() -> None:
    """A window below the least number of failures is never asked about."""
    series = Series(buckets_of(crowd(3, 1)))
    assert not list(bucket_windows(series, DAY, 4, 0, everything))
    assert len(list(bucket_windows(series, DAY, 3, 0, everything))) == 1


@pytest.mark.parametrize("users", [100, 256, 257, 1_000, 5_000])
def test_distinct_users_beyond_the_sketch(users: int) -> None:
    """Users are exact up to 256 per bucket and within a quarter beyond; failures are always exact."""
    series = Series(buckets_of(crowd(users, 2, spread=5 * MINUTE)))
    tally = Tally(series, 0)
    tally.move(0, 1)
    found = tally.numbers()
    assert found.failures == 2 * users
    assert found.estimated == (users > 256)
    assert found.users == pytest.approx(users, rel=0.25 if users > 256 else 0)


def test_crowd_behind_one_address_is_explained_beyond_the_sketch() -> None:
    """Where every user also got in, a sampled window has no user and no failure left."""
    found = crowd(3_000, 2, spread=5 * MINUTE)
    series = Series(buckets_of(found), frozenset(user for _, user, _ in found), 9)
    tally = Tally(series, 0)
    tally.move(0, 1)
    assert (tally.users, tally.failures) == (0, 0)


def test_busy_user_cannot_hide_behind_a_crowd() -> None:
    """Failures far beyond what explained users can have made stay unexplained, even if the hash was dropped."""
    found = crowd(1_000, 1, spread=5 * MINUTE)
    attack = [(MIDNIGHT, (1 << 32) - 1, False)] * 5_000
    series = Series(buckets_of([*found, *attack]), frozenset(user for _, user, _ in found), 9)
    tally = Tally(series, 0)
    tally.move(0, 1)
    assert 4_000 <= tally.failures <= 5_000


def test_one_user_of_a_sample_is_no_crowd() -> None:
    """What is sure of an estimate is exact without sampling and far below a few sampled users."""
    assert sure(7, 0) == 7
    assert sure(8, 3) <= 0
    assert 850 <= sure(1 << 10, 2) <= 1 << 10


@given(st.integers(1, 10_000), st.integers(1, 500), st.integers(0, 500), st.integers(1, 10))
def test_unexplained_is_never_more_than_all(whole: int, others: int, excused: int, level: int) -> None:
    """Excused failures are never counted twice: the rest lies between nothing and everything."""
    assert 0 <= unexplained(whole, excused, others + excused, level, 9) <= whole


@given(st.permutations(crowd(700, 1, spread=90 * MINUTE)[::7]), st.integers(0, 3))
def test_windows_are_the_same_in_any_order(found: list[Failure], least: int) -> None:
    """Windows are a function of the set of failures."""
    ordered = Series(buckets_of(sorted(found)))
    shuffled = Series(buckets_of(found))
    assert list(bucket_windows(shuffled, 6 * BUCKET, least, 3, everything)) == list(
        bucket_windows(ordered, 6 * BUCKET, least, 3, everything)
    )
