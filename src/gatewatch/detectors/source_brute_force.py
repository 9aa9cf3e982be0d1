"""Brute force by a source: many failures from one address, whatever the accounts."""

from typing import ClassVar

from gatewatch.core.findings import series_of, unite
from gatewatch.core.policy import Policy
from gatewatch.core.signals import Finding, Subject
from gatewatch.core.sources import Buckets
from gatewatch.core.times import SECOND
from gatewatch.core.windows import minute_windows


class SourceBruteForce:
    """One source fails again and again; one account, many accounts or an empty name make no difference.

    ATT&CK T1110.001. Fires at `failures` or more failures within `window` that are not users' own typing errors
    (see `core.windows`); strength = .6 + .3 · (1 - failures needed / failures found) for the busiest window.

    The same failures may also be spraying, stuffing or enumeration: those say how the attacker goes about it and
    need more of it, this one names every noisy source, so it stands beside them and is never suppressed by them.

    Known false positives: a script with an expired password; a gateway in front of users who never get in.
    Source: fail2ban (5 in 10 min), CrowdSec (10 in 60 s), Auth0 (10 per id and address).
    """

    id: ClassVar[str] = "brute_force"
    attack: ClassVar[tuple[str, ...]] = ("T1110.001",)
    kinds: ClassVar[frozenset[str]] = frozenset({"ip", "prefix"})

    def review(
        self, subject: Subject, buckets: Buckets, explained: frozenset[int], policy: Policy
    ) -> list[Finding]:
        """All findings, one per UTC day in which a qualifying window begins."""
        settings = policy.brute_force
        series = series_of(subject, buckets, explained, policy, settings.failures)
        if series is None:
            return []
        thresholds = {"failures": settings.failures, "window_s": settings.window // SECOND}
        found = minute_windows(series, settings.window, settings.failures)
        judged = [(window, settings.window, thresholds) for window in found]
        return unite(self.id, self.attack, subject, series, judged, least=0.6)
