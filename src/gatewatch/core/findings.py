"""From windows that qualify to findings: one per slot, the UTC day in which the windows begin.

A finding unites all qualifying windows of its slot: `lo` is their first bucket, `hi` their last (which may lie in
the next day). Its numbers are those of that whole stretch; the strongest window gives the strength and stands in
the evidence as well, since it is what was judged.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from gatewatch.core import windows
from gatewatch.core.anomalies import SLOT
from gatewatch.core.policy import Policy
from gatewatch.core.signals import Finding, Subject
from gatewatch.core.sources import BUCKET, Buckets
from gatewatch.core.times import SECOND
from gatewatch.core.windows import Numbers, Series, Window

#: Judged windows with their width (µs) and the thresholds they were judged by.
Judged = tuple[Window, int, Mapping[str, Any]]

_SLOT_BUCKETS = SLOT // BUCKET


def series_of(
    subject: Subject, buckets: Buckets, explained: frozenset[int], policy: Policy, least: int
) -> Series | None:
    """The series of a source that can have a finding at all, else None.

    An IPv4 attacker is its address: a /24 belongs to many. An IPv6 attacker is its /64, inside which it rotates as
    it likes: it is judged as a prefix only, so that one attack is one anomaly, and the prefix holds whatever a
    single address did.
    """
    if (subject[0] == "prefix") != (":" in subject[1]):
        return None
    if sum(bucket.failures for bucket in buckets.values()) < least:
        return None
    return Series(buckets, explained, policy.explained_tries)


def strength(excess: float, least: float = 0.5, most: float = 0.9) -> float:
    """From `least` at the threshold towards `most` far beyond it: least + (most - least) · (1 - 1/excess).

    >>> strength(1.0), strength(2.0), strength(20.0)
    (0.5, 0.7, 0.88)
    """
    return round(least + (most - least) * (1.0 - 1.0 / excess), 3)


def unite(
    detector: str,
    attack: tuple[str, ...],
    subject: Subject,
    series: Series,
    judged: Iterable[Judged],
    least: float = 0.5,
) -> list[Finding]:
    """One finding per slot, in order of time. `least` is the strength at the threshold."""
    slots: dict[int, list[Judged]] = {}
    for found in judged:
        slots.setdefault(found[0].lo // _SLOT_BUCKETS, []).append(found)
    return [
        _finding(detector, attack, subject, slot * SLOT, series, slots[slot], least) for slot in sorted(slots)
    ]


def _finding(
    detector: str,
    attack: tuple[str, ...],
    subject: Subject,
    slot: int,
    series: Series,
    judged: list[Judged],
    least: float,
) -> Finding:
    lo, hi = min(w.lo for w, _, _ in judged), max(w.hi for w, _, _ in judged)
    whole = windows.numbers(series, lo, hi)
    peak, span, thresholds = max(judged, key=_rank)
    at_peak = whole if (peak.lo, peak.hi) == (lo, hi) else windows.numbers(series, peak.lo, peak.hi)
    return Finding(
        detector=detector,
        subject=subject,
        slot=slot,
        strength=strength(peak.excess, least),
        first=whole.first,
        last=whole.last,
        lo=lo,
        hi=hi,
        support=whole.support,
        attack=attack,
        evidence=_evidence(subject, whole, at_peak, peak, span, thresholds),
    )


def _rank(found: Judged) -> tuple[float, int, int, int, int]:
    window, span, _ = found
    return window.excess, window.failures, -span, -window.lo, -window.hi


def _evidence(
    subject: Subject, whole: Numbers, at_peak: Numbers, peak: Window, span: int, thresholds: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "address": subject[1],
        "failures": whole.failures,
        "users": whole.users,
        "unknown_users": whole.unknown,
        "max_per_user": whole.most,
        "explained_users": whole.explained,
        "estimated": whole.estimated,
        "first": whole.first,
        "last": whole.last,
        "window_s": span // SECOND,
        "peak": min(peak.failures, at_peak.failures),
        "peak_users": at_peak.users,
        "peak_unknown_users": at_peak.unknown,
        "peak_max_per_user": at_peak.most,
        "thresholds": dict(thresholds),
    }
