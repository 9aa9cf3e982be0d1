from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewatch.core import counts
from gatewatch.core.counts import Counts

ADDED = st.lists(st.tuples(st.integers(700, 760), st.integers(1, 5)), max_size=80)


def counted(added: list[tuple[int, int]]) -> Counts:
    """The counts after adding in this order."""
    found: Counts = []
    for bucket, amount in added:
        counts.add(found, bucket, amount)
    return found


@given(ADDED, st.randoms(use_true_random=False))
def test_any_order(added: list[tuple[int, int]], random: Random) -> None:
    """Counts are the same in any order, beyond the cap on buckets as well."""
    assert counted(random.sample(added, len(added))) == counted(added)


@given(ADDED)
def test_bounded_and_sorted(added: list[tuple[int, int]]) -> None:
    """At most MAX_BUCKETS buckets are kept, in order, and nothing that was counted is lost."""
    found = counted(added)
    assert len(found) <= 2 * counts.MAX_BUCKETS
    assert found[::2] == sorted(set(found[::2]))
    assert counts.total(found) == sum(amount for _, amount in added)


@given(st.lists(st.tuples(st.integers(700, 720), st.integers(1, 5)), max_size=30), st.data())
def test_subtracting_undoes(added: list[tuple[int, int]], data: st.DataObject) -> None:
    """What is subtracted was as if it had never been added, whenever it is subtracted."""
    if not added:
        return
    taken = data.draw(st.integers(0, len(added) - 1))
    bucket, amount = added[taken]
    found = counted(added)
    counts.add(found, bucket, -amount)
    assert found == counted(added[:taken] + added[taken + 1 :])


@pytest.mark.parametrize(("age", "weight"), [(-5, 8.0), (0, 8.0), (3, 4.0), (6, 2.0), (9, 1.0)])
def test_decay_when_read(age: int, weight: float) -> None:
    """A count halves every 84 days by the reader's time; one newer than the reader weighs in full."""
    assert counts.read([100, 8], 100 + age) == pytest.approx(weight)


@given(ADDED, st.integers(700, 900))
def test_reading_changes_nothing(added: list[tuple[int, int]], reader: int) -> None:
    """Reading leaves the integers alone and never gives more than their sum."""
    found = counted(added)
    before = list(found)
    assert 0.0 <= counts.read(found, reader) <= counts.total(found)
    assert found == before


def test_ancient_counts_still_weigh_a_little() -> None:
    """A count older than the decay table is read with its last entry, never with none."""
    assert 0.0 < counts.read([0, 1], 10_000) < 1e-9
