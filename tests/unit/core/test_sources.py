from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from gatewatch.core import sources
from gatewatch.core.shares import Share, numbers_at, numbers_at_end, slice_of, united_share
from gatewatch.core.sources import BUCKET, Buckets
from gatewatch.core.subjects import unite
from gatewatch.core.times import MINUTE
from tests.unit.core.strategies import Failure, buckets_of, crowd, failures, shares_of


def stored(buckets: Buckets) -> dict[int, bytes]:
    """The bytes of each bucket."""
    return {index: sources.encode(bucket) for index, bucket in sorted(buckets.items())}


@given(failures(), st.randoms(use_true_random=False))
def test_buckets_in_any_order(found: list[Failure], random: Random) -> None:
    """Any order of arrival gives the same bytes."""
    assert stored(buckets_of(random.sample(found, len(found)))) == stored(buckets_of(found))


@given(failures(), st.integers(1, 5), st.randoms(use_true_random=False))
def test_partitions_unite_to_the_whole(found: list[Failure], parts: int, random: Random) -> None:
    """Shares by user, as the log deals them, unite in any order to the buckets of all failures."""
    shares = shares_of(found, parts)
    random.shuffle(shares)
    assert stored(unite(shares)) == stored(buckets_of(found))


@given(failures(), st.integers(1, 5))
def test_users_who_moved_unite_all_the_same(found: list[Failure], parts: int) -> None:
    """After the partition count grew a user's failures lie on several partitions; they unite to the whole."""
    assert stored(unite(buckets_of(found[part::parts]) for part in range(parts))) == stored(buckets_of(found))


@settings(max_examples=15)
@given(st.integers(250, 700), st.integers(1, 4), st.randoms(use_true_random=False))
def test_saturated_buckets_unite(users: int, parts: int, random: Random) -> None:
    """The same holds beyond 256 users: theta and the counts of the kept hashes are those of the whole."""
    found = crowd(users, 2, spread=8 * MINUTE)
    shuffled = random.sample(found, len(found))
    assert stored(unite(buckets_of(shuffled[part::parts]) for part in range(parts))) == stored(
        buckets_of(found)
    )


@given(failures())
def test_uniting_leaves_shares_alone(found: list[Failure]) -> None:
    """What is united are copies: a share is never changed by it."""
    shares = shares_of(found, 3)
    before = [stored(share) for share in shares]
    unite(shares)
    assert [stored(share) for share in shares] == before


@given(failures())
def test_round_trip(found: list[Failure]) -> None:
    """A bucket's bytes decode to an equal bucket with equal bytes."""
    for bucket in buckets_of(found).values():
        data = sources.encode(bucket)
        assert sources.decode(data) == bucket
        assert sources.encode(sources.decode(data)) == data


@given(failures(least=1))
def test_minutes_add_up(found: list[Failure]) -> None:
    """A bucket's minutes, its users' tries and its failures tell the same number; first and last are exact."""
    for index, bucket in buckets_of(found).items():
        inside = [time for time, _, _ in found if time // sources.BUCKET == index]
        assert sum(bucket.minutes) == bucket.failures == len(inside)
        assert sum(n // sources.TRY for n in bucket.users.counts.values()) == len(inside)
        assert (bucket.first, bucket.last) == (min(inside), max(inside))


def test_unknown_sticks() -> None:
    """A name that was ever unknown at the source stays so in that bucket, on whatever partition it was."""
    one, two = buckets_of([(0, 7, True)]), buckets_of([(0, 7, False)])
    for united in (unite([one, two]), unite([two, one])):
        assert united[0].users.counts == {7: 2 * sources.TRY | sources.UNKNOWN}


def shares_in(found: list[Failure], parts: int) -> list[Share]:
    """The numbers that views keep, of shares by user."""
    return [
        Share({index: slice_of(bucket) for index, bucket in share.items()})
        for share in shares_of(found, parts)
    ]


@given(failures(), st.integers(1, 5), st.integers(-3, 3))
def test_the_end_of_a_bucket_costs_less_and_says_the_same(
    found: list[Failure], parts: int, around: int
) -> None:
    """What is asked for a bucket as a whole is what its last microsecond sees."""
    for bucket in {index + around for share in shares_of(found, parts) for index in share}:
        for share in shares_in(found, parts):
            assert share.numbers_at_end(bucket) == share.numbers((bucket + 1) * BUCKET - 1)


@given(failures(), st.integers(1, 5))
def test_shares_can_be_added_up_once(found: list[Failure], parts: int) -> None:
    """One united share gives the numbers that all shares together give."""
    shares, united = shares_in(found, parts), united_share(shares_in(found, parts))
    for index in united.slices:
        assert united.numbers_at_end(index) == numbers_at_end(shares, index)
        assert united.numbers(index * BUCKET + MINUTE) == numbers_at(shares, index * BUCKET + MINUTE)
