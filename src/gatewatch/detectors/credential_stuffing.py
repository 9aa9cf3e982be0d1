"""Credential stuffing: one source tries leaked pairs of names and passwords."""

from collections.abc import Iterator
from typing import ClassVar

from gatewatch.core.findings import Judged, series_of, unite
from gatewatch.core.policy import CredentialStuffing as Settings
from gatewatch.core.policy import Policy
from gatewatch.core.signals import Finding, Subject
from gatewatch.core.sources import Buckets
from gatewatch.core.times import SECOND
from gatewatch.core.windows import Series, Tally, bucket_windows


class CredentialStuffing:
    """One source works through a list of pairs: many accounts, one or two tries each, some of them unknown here.

    ATT&CK T1110.004. Fires when a window (`window`, whole 10-minute buckets; two of them hold any true 10 minutes),
    explained users left out, has at least `tries` tries on at least `users` users, at most `per_user` tries per user
    on average, and at least `unknown_share` of its users unknown. Strength = .5 + .4 · (1 - 1/e), e = how many
    times over both thresholds are met.

    Often brute_force by the same source as well (see there); without unknown names it is password_spraying.

    Known false positives: a migration that moved the accounts of a whole app to another directory.
    Source: Elastic, "Okta Credential Stuffing (Single Source)".
    """

    id: ClassVar[str] = "credential_stuffing"
    attack: ClassVar[tuple[str, ...]] = ("T1110.004",)
    kinds: ClassVar[frozenset[str]] = frozenset({"ip", "prefix"})

    def review(
        self, subject: Subject, buckets: Buckets, explained: frozenset[int], policy: Policy
    ) -> list[Finding]:
        """All findings, one per UTC day in which a qualifying window begins."""
        settings = policy.credential_stuffing
        series = series_of(subject, buckets, explained, policy, settings.tries)
        if series is None:
            return []
        return unite(self.id, self.attack, subject, series, _judged(series, settings))


def _judged(series: Series, settings: Settings) -> Iterator[Judged]:
    def excess(tally: Tally) -> float:
        users, unknown, sure = tally.users, tally.unknown, tally.sure_users
        if sure < settings.users or not unknown or unknown < settings.unknown_share * users:
            return 0.0
        tries = tally.failures
        if tries > settings.per_user * users:
            return 0.0
        return min(sure / settings.users, tries / settings.tries)

    thresholds = {
        "failures": settings.tries,
        "users": settings.users,
        "per_user": settings.per_user,
        "unknown_share": settings.unknown_share,
        "window_s": settings.window // SECOND,
    }
    for window in bucket_windows(series, settings.window, settings.tries, 0, excess):
        yield window, settings.window, thresholds
