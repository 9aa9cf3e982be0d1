"""Account enumeration: one source asks for many names that do not exist."""

from collections.abc import Iterator
from typing import ClassVar

from gatewatch.core.findings import Judged, series_of, unite
from gatewatch.core.policy import AccountEnumeration as Settings
from gatewatch.core.policy import Policy
from gatewatch.core.signals import Finding, Subject
from gatewatch.core.sources import Buckets
from gatewatch.core.times import SECOND
from gatewatch.core.windows import Series, Tally, bucket_windows


class AccountEnumeration:
    """One source tries many unknown names, to learn which accounts exist.

    ATT&CK T1589 (gather victim identity information), T1087 (account discovery). Fires at `unknown` or more distinct
    unknown names within `window` (whole 10-minute buckets). Strength = .5 + .4 · (1 - needed / found). Only sources
    that tell an unknown name from a wrong password can show it.

    Often brute_force by the same source as well (see there).

    Known false positives: an app whose accounts were deleted and whose clients go on trying.
    Source: CrowdSec's http-bf-user-enum and ssh-bf_user-enum scenarios.
    """

    id: ClassVar[str] = "account_enumeration"
    attack: ClassVar[tuple[str, ...]] = ("T1589", "T1087")
    kinds: ClassVar[frozenset[str]] = frozenset({"ip", "prefix"})

    def review(
        self, subject: Subject, buckets: Buckets, explained: frozenset[int], policy: Policy
    ) -> list[Finding]:
        """All findings, one per UTC day in which a qualifying window begins."""
        settings = policy.account_enumeration
        series = series_of(subject, buckets, explained, policy, settings.unknown)
        if series is None:
            return []
        return unite(self.id, self.attack, subject, series, _judged(series, settings))


def _judged(series: Series, settings: Settings) -> Iterator[Judged]:
    def excess(tally: Tally) -> float:
        return tally.sure_unknown / settings.unknown

    thresholds = {"unknown_users": settings.unknown, "window_s": settings.window // SECOND}
    for window in bucket_windows(series, settings.window, settings.unknown, None, excess):
        yield window, settings.window, thresholds
