"""The suite for detectors of threats by a source."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from random import Random

from gatewatch.checks.requirements import attempt, require, require_json, require_strength
from gatewatch.checks.samples import START
from gatewatch.core import sources, subjects
from gatewatch.core.anomalies import SLOT
from gatewatch.core.detection import SourceDetector
from gatewatch.core.events import LoginEvent, ReasonClass, User
from gatewatch.core.policy import DEFAULT, Policy
from gatewatch.core.signals import Finding, Subject
from gatewatch.core.sources import Buckets
from gatewatch.core.times import HOUR, MINUTE

_KEY = b"checks"
_REASONS: tuple[ReasonClass, ...] = ("bad_credentials", "unknown_user", "mfa_denied")
_SUBJECTS: dict[str, Subject] = {
    "ip": ("ip", "203.0.113.9"),
    "prefix": ("prefix", "2001:db8:0:1::/64"),
    "asn": ("asn", "64500"),
    "country": ("country", "NO"),
    "ua": ("ua", "0badcafe"),
    "tenant": ("tenant", ""),
}


def check_source_detector(
    detector: SourceDetector,
    *,
    policy: Policy = DEFAULT,
    seed: int = 0,
    attacks: Iterable[Buckets] = (),
) -> None:
    """Purity, determinism, any order, any split over partitions, valid findings; `attacks` must be found."""
    name = f"Source detector {detector.id!r}"
    require(bool(detector.kinds) and detector.kinds <= _SUBJECTS.keys(), name, "looks at no kind of subject")
    for kind in sorted(detector.kinds):
        for events in _failures(seed):
            _check_review(detector, _SUBJECTS[kind], events, policy, name)
    kind = min(detector.kinds)
    for buckets in attacks:
        found = detector.review(_SUBJECTS[kind], buckets, frozenset(), policy)
        require(bool(found), name, "is no better than chance on the attacks it claims")


def _failures(seed: int) -> Iterator[list[LoginEvent]]:
    """Failures of one source: none, few, an attack over two days, one with more users than a sketch keeps."""
    random = Random(seed)
    for count, users, stretch in ((0, 1, HOUR), (8, 3, HOUR), (400, 60, 30 * HOUR), (700, 500, 20 * MINUTE)):
        yield [
            LoginEvent(
                event_id=str(i),
                tenant_id="checks",
                time=START + random.randrange(stretch),
                source="checks",
                outcome="failure",
                reason_class=random.choice(_REASONS),
                user=User(name=f"user-{random.randrange(users)}"),
            )
            for i in range(count)
        ]


def _buckets_of(events: Iterable[LoginEvent]) -> Buckets:
    buckets: Buckets = {}
    for event in events:
        subjects.count_failure(buckets, event, _KEY)
    return buckets


def _check_review(
    detector: SourceDetector, subject: Subject, events: list[LoginEvent], policy: Policy, name: str
) -> None:
    buckets = _buckets_of(events)
    hashes = sorted({hash for bucket in buckets.values() for hash in bucket.users.counts})
    for own in (frozenset[int](), frozenset(hashes[::2]), frozenset(hashes)):
        before = {index: sources.encode(bucket) for index, bucket in buckets.items()}
        # mypy cannot infer a lambda with a default; the default binds this round's value.
        found = attempt(name, "a source", lambda own=own: detector.review(subject, buckets, own, policy))  # type: ignore[misc]
        after = {index: sources.encode(bucket) for index, bucket in buckets.items()}
        require(before == after, name, "changes the buckets it reviews")
        again = detector.review(subject, {i: sources.decode(b) for i, b in before.items()}, own, policy)
        require(found == again, name, "finds something else after a state round trip or a second look")
        for split in (events[::-1], sorted(events, key=lambda e: e.user_key)):
            shares = [_buckets_of(split[part::3]) for part in range(3)]
            united = detector.review(subject, subjects.unite(shares), own, policy)
            require(found == united, name, "finds something else in another order or split over partitions")
        _check_findings(detector, subject, buckets, found, name)


def _check_findings(
    detector: SourceDetector, subject: Subject, buckets: Buckets, found: Sequence[Finding], name: str
) -> None:
    slots = [finding.slot for finding in found]
    require(all(a < b for a, b in pairwise(slots)), name, "gives two findings in one slot, or not in order")
    for finding in found:
        support = sum(b.failures for i, b in buckets.items() if finding.lo <= i <= finding.hi)
        signed = (finding.detector, finding.subject) == (detector.id, subject)
        require(signed, name, "signs a finding with another name or subject")
        require(
            finding.support == support, name, f"says that {finding.support} of {support} failures support it"
        )
        inside = finding.slot % SLOT == 0 and 0 <= finding.lo * sources.BUCKET - finding.slot < SLOT
        require(inside, name, "puts a finding into a slot in which it does not begin")
        require(finding.first <= finding.last, name, "ends a finding before it begins")
        require_strength(finding.strength, name)
        require_json(finding.evidence, name)
