"""Password spraying: one source, many accounts, few tries each."""

from collections.abc import Iterator
from typing import ClassVar

from gatewatch.core.findings import Judged, series_of, unite
from gatewatch.core.policy import PasswordSpraying as Settings
from gatewatch.core.policy import Policy
from gatewatch.core.signals import Finding, Subject
from gatewatch.core.sources import Buckets
from gatewatch.core.times import MINUTE, SECOND
from gatewatch.core.windows import Series, Tally, bucket_windows


class PasswordSpraying:
    """One source tries a few passwords on many accounts, too few on each for a lock-out.

    ATT&CK T1110.003. Two rules over sliding windows of whole 10-minute buckets, explained users left out:
    fast (`window`, an hour): at least `users` users and `tries` tries, the most-tried user between `least_max` and
    `most_max` tries, at least `band_share` of the users within `band` tries, lasting at least `lasting`;
    slow (`slow_window`, a day): at least `slow_users` users and `slow_tries` tries, no user above `slow_most_max`,
    lasting at least `lasting`. It also finds one try per account, which the fast rule leaves to stuffing.
    Strength = .5 + .4 · (1 - 1/e), e = how many times over both thresholds are met.

    A late ninth try on an account ends the windows that hold it; a finding that no other window supports is gone.
    Bulk attacks with one or two tries each are often credential_stuffing as well: both are reported.

    Known false positives: many people behind one address who mistype and give up (those who get in are explained).
    Source: Elastic, "Potential Okta Password Spray (Single Source)".
    """

    id: ClassVar[str] = "password_spraying"
    attack: ClassVar[tuple[str, ...]] = ("T1110.003",)
    kinds: ClassVar[frozenset[str]] = frozenset({"ip", "prefix"})

    def review(
        self, subject: Subject, buckets: Buckets, explained: frozenset[int], policy: Policy
    ) -> list[Finding]:
        """All findings, one per UTC day in which a qualifying window begins."""
        settings = policy.password_spraying
        series = series_of(subject, buckets, explained, policy, min(settings.tries, settings.slow_tries))
        if series is None:
            return []
        judged = (*_fast(series, settings), *_slow(series, settings))
        return unite(self.id, self.attack, subject, series, judged)


def _fast(series: Series, settings: Settings) -> Iterator[Judged]:
    def excess(tally: Tally) -> float:
        users, sure = tally.users, tally.sure_users
        if sure < settings.users or tally.last - tally.first < settings.lasting:
            return 0.0
        if tally.tried(settings.most_max + 1) or not tally.tried(settings.least_max):
            return 0.0
        if tally.tried(*settings.band) < settings.band_share * users:
            return 0.0
        return min(sure / settings.users, tally.failures / settings.tries)

    thresholds = {
        "users": settings.users,
        "failures": settings.tries,
        "max_per_user": [settings.least_max, settings.most_max],
        "band": list(settings.band),
        "band_share": settings.band_share,
        "lasting_min": settings.lasting // MINUTE,
        "window_s": settings.window // SECOND,
    }
    told_apart = max(settings.most_max, settings.band[1])
    for window in bucket_windows(series, settings.window, settings.tries, told_apart, excess):
        yield window, settings.window, thresholds


def _slow(series: Series, settings: Settings) -> Iterator[Judged]:
    def excess(tally: Tally) -> float:
        if tally.last - tally.first < settings.lasting or tally.tried(settings.slow_most_max + 1):
            return 0.0
        sure = tally.sure_users
        return (
            0.0
            if sure < settings.slow_users
            else min(sure / settings.slow_users, tally.failures / settings.slow_tries)
        )

    thresholds = {
        "users": settings.slow_users,
        "failures": settings.slow_tries,
        "max_per_user": [1, settings.slow_most_max],
        "lasting_min": settings.lasting // MINUTE,
        "window_s": settings.slow_window // SECOND,
    }
    found = bucket_windows(series, settings.slow_window, settings.slow_tries, settings.slow_most_max, excess)
    for window in found:
        yield window, settings.slow_window, thresholds
