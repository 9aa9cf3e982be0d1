"""How findings on a source are looked for, slot by slot."""

import pytest

from gatewatch.core.engine import Engine
from gatewatch.core.policy import DEFAULT, Policy
from gatewatch.core.signals import Finding, Subject
from gatewatch.core.sources import Buckets
from gatewatch.core.times import DAY, MINUTE
from gatewatch.detectors import SOURCE_DETECTORS
from gatewatch.ports import SourceKey, Tenant
from gatewatch.services.reviews import Search
from tests.support.memory_store import MemoryStore
from tests.unit.core.strategies import MIDNIGHT, buckets_of

KEY: SourceKey = ("acme", "ip", "203.0.113.9")


class Stumbling:
    """Keeps what it is asked about, and fails."""

    id = "stumbling"
    attack: tuple[str, ...] = ()
    kinds = frozenset({"ip"})

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def review(
        self, subject: Subject, buckets: Buckets, explained: frozenset[int], policy: Policy
    ) -> list[Finding]:
        """Always raises."""
        self.asked.append(sorted(buckets))
        raise KeyError(subject, explained, policy)


def _attack(day: int) -> list[tuple[int, int, bool]]:
    return [(MIDNIGHT + day * DAY + i * MINUTE // 10, 1, False) for i in range(20)]


@pytest.mark.parametrize(
    ("days", "asked", "found"),
    [([0], 1, [0]), ([0, 1], 3, [0, 1]), ([0, 2], 2, [0, 2])],
)
def test_slots_that_hold_the_same_are_asked_about_once(days: list[int], asked: int, found: list[int]) -> None:
    """Failures of one day lie in the windows of two slots. A finding is of its own slot all the same, and a detector
    that fails has failed in each.
    """
    stumbling = Stumbling()
    buckets = buckets_of(failure for day in days for failure in _attack(day))
    engine = Engine((), sources=(stumbling, SOURCE_DETECTORS["brute_force"]))
    search = Search(MemoryStore(), engine, Tenant(b"salt", DEFAULT), KEY, buckets)
    slots = {}
    for day in range(-2, days[-1] + 2):
        failed: set[str] = set()
        slots[day] = [finding.detector for finding in search.find(MIDNIGHT + day * DAY, failed)]
        within = any(day <= one <= day + 1 for one in days)
        assert failed == ({"stumbling"} if within else set())
    assert [day for day, detectors in slots.items() if detectors] == found
    assert len(stumbling.asked) == asked
