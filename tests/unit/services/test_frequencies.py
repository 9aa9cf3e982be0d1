"""How often a tenant's logins had a value: own counts live, the others' as of the last merge."""

from gatewatch.core import attributes
from gatewatch.core.context import Frequencies
from gatewatch.services.frequencies import TenantFrequencies
from tests.builders import SAFARI, START, login

HOME = attributes.values_of(login(START))
PHONE = attributes.values_of(login(START, ip="203.0.113.5", ua=SAFARI))

Rows = list[tuple[int, str, str, int]]
Chunks = list[tuple[int, str, int, bytes]]


def _counted(*logins: tuple[str, ...]) -> TenantFrequencies:
    found = TenantFrequencies()
    for values in logins:
        found.count(values)
    return found


def _stored(part: int, frequencies: TenantFrequencies) -> tuple[Rows, Chunks]:
    rows, chunks = frequencies.take_dirty()
    return (
        [(part, *key, n) for key, n in rows.items()],
        [(part, *key, data) for key, data in chunks.items()],
    )


def test_a_login_counts_under_each_of_its_values() -> None:
    """Given two logins from home and one from a phone, each value has its own count; the total has all."""
    found = _counted(HOME, HOME, PHONE)
    assert found.of(HOME) == Frequencies(2, 3, 3, 2, 2, 2, 2, 3)
    assert found.of(PHONE) == Frequencies(1, 3, 3, 1, 1, 1, 1, 3)


def test_unknown_values_are_not_counted() -> None:
    """A login without place and client counts as a login only."""
    blank = ("",) * len(HOME)
    assert _counted(blank).of(blank) == Frequencies(total=1)


def test_what_is_stored_gives_the_same_counts() -> None:
    """A partition that loads what it stored goes on where it was, and owes the store nothing."""
    before = _counted(HOME, PHONE, PHONE)
    rows, chunks = _stored(3, before)
    after = TenantFrequencies()
    after.load(3, rows, chunks)
    assert after.of(PHONE) == before.of(PHONE)
    assert after.counts() == before.counts()
    assert after.counters("ip") == before.counters("ip")
    assert after.take_dirty() == ({}, {})


def test_merging_takes_the_others_anew() -> None:
    """Own counts stay as they are; the others' replace what the last merge brought."""
    own, other = _counted(HOME), _counted(HOME, HOME)
    rows, chunks = _stored(1, other)
    own.merge(0, rows, chunks)
    own.merge(0, rows, chunks)
    assert own.of(HOME).total == 3
    assert own.of(HOME).ip == 3
    assert own.counts()["total", ""] == 1
    own.count(HOME)
    assert own.of(HOME).total == 4
    dirty, _ = own.take_dirty()
    assert dirty["total", ""] == 2
