# ruff: noqa: ARG002 - what breaks one clause of a contract has its signature all the same
from typing import Any

import pytest

from gatewatch.checks import CheckFailed, check_source_detector
from gatewatch.core.policy import Policy
from gatewatch.core.signals import Finding, Subject
from gatewatch.core.sources import BUCKET, Buckets
from gatewatch.core.times import DAY


class SoundSource:
    """A source detector that does nothing wrong: one finding per day with failures."""

    id = "sound_source"
    attack: tuple[str, ...] = ()
    kinds = frozenset({"ip"})

    def review(
        self, subject: Subject, buckets: Buckets, explained: frozenset[int], policy: Policy
    ) -> list[Finding]:
        """One finding per UTC day."""
        days = sorted({index * BUCKET // DAY for index in buckets})
        return [self.finding(subject, buckets, day) for day in days]

    def finding(self, subject: Subject, buckets: Buckets, day: int, **changes: Any) -> Finding:
        """The finding of a day."""
        inside = {i: b for i, b in buckets.items() if i * BUCKET // DAY == day}
        fields: dict[str, Any] = {
            "detector": self.id,
            "subject": subject,
            "slot": day * DAY,
            "strength": 0.5,
            "first": min(b.first for b in inside.values()),
            "last": max(b.last for b in inside.values()),
            "lo": min(inside),
            "hi": max(inside),
            "support": sum(b.failures for b in inside.values()),
        }
        return Finding(**{**fields, **changes})


def altered(**changes: Any) -> type[SoundSource]:
    """A source detector whose findings differ from the sound ones in some fields."""

    class Altered(SoundSource):
        def finding(self, subject: Subject, buckets: Buckets, day: int, **_: Any) -> Finding:
            return super().finding(subject, buckets, day, **changes)

    return Altered


class Emptying(SoundSource):
    """Eats what it reviews."""

    def review(
        self, subject: Subject, buckets: Buckets, explained: frozenset[int], policy: Policy
    ) -> list[Finding]:
        """Forgets the buckets."""
        buckets.clear()
        return []


class ByArrival(SoundSource):
    """Goes by which bucket came first."""

    def review(
        self, subject: Subject, buckets: Buckets, explained: frozenset[int], policy: Policy
    ) -> list[Finding]:
        """The first bucket's day alone."""
        return [self.finding(subject, buckets, index * BUCKET // DAY) for index in [*buckets][:1]]


class Repeated(SoundSource):
    """Finds more each time."""

    def __init__(self) -> None:
        self._asked = 0

    def review(
        self, subject: Subject, buckets: Buckets, explained: frozenset[int], policy: Policy
    ) -> list[Finding]:
        """Nothing, then something."""
        self._asked += 1
        return super().review(subject, buckets, explained, policy) if self._asked % 2 else []


class Twice(SoundSource):
    """Finds everything twice."""

    def review(
        self, subject: Subject, buckets: Buckets, explained: frozenset[int], policy: Policy
    ) -> list[Finding]:
        """Each finding twice."""
        return 2 * super().review(subject, buckets, explained, policy)


class Crashing(SoundSource):
    """Does not reckon with a source without failures."""

    def review(
        self, subject: Subject, buckets: Buckets, explained: frozenset[int], policy: Policy
    ) -> list[Finding]:
        """Needs a first bucket."""
        return [self.finding(subject, buckets, min(buckets) * BUCKET // DAY)]


class Aimless(SoundSource):
    """Looks at a kind that does not exist."""

    kinds = frozenset({"planet"})


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (Aimless, "looks at no kind"),
        (Emptying, "changes the buckets"),
        (ByArrival, "another order"),
        (Repeated, "second look"),
        (Twice, "two findings in one slot"),
        (Crashing, "fails on a source: ValueError"),
        (altered(strength=1.5), "outside"),
        (altered(support=1), "failures support it"),
        (altered(slot=0), "two findings|in which it does not begin"),
        (altered(last=0), "ends a finding before it begins"),
        (altered(detector="other"), "another name"),
        (altered(evidence={"users": {1, 2}}), "not JSON"),
    ],
)
def test_broken_source_detectors_are_named(broken: type[SoundSource], sentence: str) -> None:
    """Each clause fails for a source detector that breaks it."""
    with pytest.raises(CheckFailed, match=sentence) as failed:
        check_source_detector(broken())
    assert str(failed.value).startswith("Source detector 'sound_source' ")


def test_sound_source_detector_passes() -> None:
    """What the broken ones derive from is sound."""
    check_source_detector(SoundSource())
