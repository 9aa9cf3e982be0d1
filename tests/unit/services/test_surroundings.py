"""What a batch's events are seen in: own failures live, the others' as their shares say."""

from typing import cast

from gatewatch.core.context import QUIET
from gatewatch.core.shares import Share
from gatewatch.core.sources import BUCKET, DAY_BUCKETS, Slice
from gatewatch.ports import Claim, OpenFinding, PartitionStore, SourceKey, SourceView
from gatewatch.services.partition import Partition
from gatewatch.services.surroundings import Surroundings
from tests.builders import HOME_IP, START, failure, login

SALT = b"0123456789abcdef"
KEY = ("acme", "ip", HOME_IP)
FIRST = START // BUCKET


class _Store:
    """A store that knows which sources a partition has buckets of; nothing else is asked of it here."""

    def __init__(self, known: set[SourceKey]) -> None:
        self._known = known

    def sources_known(self, *_: int) -> set[SourceKey]:
        return self._known


def _partition(part: int, partitions: int = 2, known: frozenset[SourceKey] = frozenset()) -> Partition:
    claim = Claim("logins", part, 1, "me", 0, 0, 1, partitions)
    return Partition(claim, cast(PartitionStore, _Store(set(known))))


def _share(failures: int, *indexes: int) -> Share:
    minutes = (failures, *(0 for _ in range(9)))
    return Share({index: Slice(failures, minutes, 1, 0) for index in indexes})


def test_failures_of_this_batch_are_seen_by_the_next_event() -> None:
    """Given two failures, the third event from the address and the tenant as a whole see two."""
    own = _partition(0)
    around = Surroundings(own, [own])
    origin = around.origin(failure(START))
    around.settle({})
    assert origin.context(START, 0).ip == QUIET
    for second in (1, 2):
        around.count(failure(START + second), SALT)
    seen = origin.context(START + 3, 0)
    assert (seen.ip.failures_10m, seen.ip.users_1h) == (2, 1)
    assert (seen.asn.failures_10m, seen.tenant.failures_1d) == (2, 2)


def test_what_another_partition_of_this_process_counted_is_seen() -> None:
    """The neighbour's uncommitted failures count; the stored view's share of it does not count again."""
    own, other = _partition(0), _partition(1)
    theirs = Surroundings(other, [own, other])
    theirs.origin(failure(START, "bob"))
    theirs.settle({})
    theirs.count(failure(START, "bob"), SALT)
    around = Surroundings(own, [own, other])
    mine = around.origin(login(START))
    around.settle({KEY: SourceView({1: _share(5, FIRST)})})
    assert mine.context(START, 0).ip.failures_10m == 1


def test_views_are_wanted_only_where_something_is_missing() -> None:
    """A process that owns all partitions asks for findings only; one that does not, for the others' shares too."""
    own, other = _partition(0), _partition(1)
    alone, shared = Surroundings(own, [own, other]), Surroundings(own, [own])
    for around in (alone, shared):
        around.origin(login(START))
    assert set(alone.wanted().values()) == {False}
    assert set(shared.wanted().values()) == {True}
    assert {key[1] for key in alone.wanted()} == {"ip", "prefix", "asn", "tenant"}


def test_a_share_that_is_stored_but_not_in_memory_comes_from_the_view() -> None:
    """Where the neighbour has buckets that it did not load, the view is asked for and its share of them counts."""
    own, other = _partition(0), _partition(1, known=frozenset({KEY}))
    around = Surroundings(own, [own, other])
    origin = around.origin(login(START))
    assert [key for key, shares in around.wanted().items() if shares] == [KEY]
    around.settle({KEY: SourceView({1: _share(5, FIRST)})})
    assert origin.context(START, 0).ip.failures_10m == 5


def test_large_sources_are_added_up_for_whoever_looks_often() -> None:
    """However many buckets are looked at, the tenant's day is the sum of the other partitions' and the own."""
    own = _partition(0, 3)
    around = Surroundings(own, [own])
    origin = around.origin(failure(START))
    shares = {1: _share(2, *range(FIRST, FIRST + 20)), 2: _share(3, *range(FIRST, FIRST + 20))}
    around.settle({("acme", "tenant", ""): SourceView(shares)})
    around.count(failure(START), SALT)
    for n in range(20):
        assert origin.context(START + n * BUCKET, 0).tenant.failures_1d == 5 * (n + 1) + 1
    assert origin.context(START + 2 * DAY_BUCKETS * BUCKET, 0).tenant == QUIET


def test_the_finding_that_is_open_is_named() -> None:
    """An event in a finding's time carries its detector, one long after does not."""
    own = _partition(0)
    around = Surroundings(own, [own])
    origin = around.origin(login(START))
    finding = OpenFinding("f1", "brute_force", START, START, START, START + BUCKET)
    around.settle({KEY: SourceView({}, (finding,))})
    assert origin.context(START + 1, 0).ip.finding == "brute_force"
    assert origin.context(START + 2 * BUCKET, 0).ip == QUIET
    assert origin.ip is not None
    assert origin.ip.findings_on(START + 2 * BUCKET) == [finding]
