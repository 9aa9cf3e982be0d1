from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewatch.core.countmin import CountMin
from gatewatch.core.sketches import BottomK, K, keyed_hash

#: Sets on both sides of the sketch's size, with repeats.
HASHES = st.builds(
    lambda seed, distinct, length: [
        Random(seed * 1000 + Random(seed + i).randrange(distinct)).getrandbits(32) for i in range(length)
    ],
    st.integers(1, 1000),
    st.sampled_from([1, 5, 200, 256, 257, 300, 600]),
    st.integers(0, 700),
)


def sketch(hashes: list[int]) -> BottomK:
    """The sketch of these hashes, each counted once."""
    found = BottomK()
    for hash in hashes:
        found.add(hash, 1)
    return found


def same(a: BottomK, b: BottomK) -> bool:
    """Equality apart from the order of the mapping."""
    return (a.counts, a.theta) == (b.counts, b.theta)


@settings(max_examples=40)
@given(HASHES)
def test_bottom_k_is_its_definition(hashes: list[int]) -> None:
    """The sketch keeps the K smallest hashes with exact counts; theta is the smallest that was dropped."""
    exact = Counter(hashes)
    kept = sorted(exact)[:K]
    found = sketch(hashes)
    assert found.counts == {hash: exact[hash] for hash in kept}
    assert found.theta == (sorted(exact)[K] if len(exact) > K else 0)


@settings(max_examples=40)
@given(HASHES, st.randoms(use_true_random=False))
def test_bottom_k_any_order(hashes: list[int], random: Random) -> None:
    """Any order of arrival gives the same sketch."""
    assert same(sketch(random.sample(hashes, len(hashes))), sketch(hashes))


@settings(max_examples=40)
@given(HASHES, st.integers(2, 4), st.randoms(use_true_random=False))
def test_bottom_k_merge(hashes: list[int], parts: int, random: Random) -> None:
    """Sketches of parts merge, in any order, to the sketch of the whole, even if a hash lies in several parts."""
    shares = [sketch(hashes[part::parts]) for part in range(parts)]
    random.shuffle(shares)
    merged = BottomK()
    for share in shares:
        merged.merge(share)
    assert same(merged, sketch(hashes))


@pytest.mark.parametrize("distinct", [0, 1, 255, 256])
def test_bottom_k_is_exact_below_its_size(distinct: int) -> None:
    """Up to K members the number of distinct ones is exact."""
    assert sketch([keyed_hash(b"k", str(i)) for i in range(distinct)]).distinct() == distinct


@pytest.mark.parametrize("distinct", [300, 1_000, 20_000])
def test_bottom_k_estimates_beyond(distinct: int) -> None:
    """Beyond K the estimate lies within a fifth."""
    found = sketch([keyed_hash(b"k", str(i)) for i in range(distinct)])
    assert found.distinct() == pytest.approx(distinct, rel=0.2)


def test_keyed_hash_hangs_on_its_key() -> None:
    """Without the key nobody can look up who is in a sketch."""
    assert keyed_hash(b"one", "alice") != keyed_hash(b"two", "alice")


WORDS = st.lists(st.text("abcdef", max_size=3), max_size=60)


def counted(words: list[str]) -> CountMin:
    """The count-min sketch of these words."""
    found = CountMin()
    for word in words:
        found.add(word)
    return found


@settings(max_examples=40)
@given(WORDS)
def test_count_min_is_never_too_low(words: list[str]) -> None:
    """A value's count is at least the truth, and exact while there are few values."""
    found = counted(words)
    for word, count in Counter(words).items():
        assert count <= found.count(word) <= len(words)


@settings(max_examples=40)
@given(WORDS, st.integers(0, 60))
def test_count_min_merge(words: list[str], at: int) -> None:
    """Two halves merge to the whole, in either order."""
    left, right = counted(words[:at]), counted(words[at:])
    left.merge(right)
    assert left.counters == counted(words).counters
    other = counted(words[at:])
    other.merge(counted(words[:at]))
    assert other.counters == left.counters
