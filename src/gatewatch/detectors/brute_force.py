"""Brute force against one account from one or few addresses."""

from math import log10
from typing import ClassVar

from gatewatch.core import history, profiles
from gatewatch.core.profiles import Profile
from gatewatch.core.signals import Signal
from gatewatch.core.situation import Situation
from gatewatch.core.times import DAY, SECOND


class BruteForce:
    """Many failed attempts on one account within minutes, from one or few addresses (ATT&CK T1110.001).

    Fires when `failures` attack failures (this one included) fall within `window` and the `sources` busiest
    addresses made at least as many and more than half of all: noise from elsewhere does not hide an attacker.
    strength = 0.5 + 0.2 · log10(n / threshold), at most 0.9: 10 → 0.50, 100 → 0.70, so the strongest hit is the
    one with the highest count. Windows are whole minutes, never one too short.

    False positives: a client that retries a password that has expired. Source: Auth0 (10 per id and address),
    fail2ban (5 in 10 min).
    """

    id: ClassVar[str] = "brute_force"
    attack: ClassVar[tuple[str, ...]] = ("T1110.001",)
    outcomes: ClassVar[frozenset[str]] = frozenset({"failure"})

    def assess(self, situation: Situation) -> Signal | None:
        """The signal for a failure that reaches the threshold."""
        event, settings = situation.event, situation.policy.brute_force
        if not situation.profile.minutes or not event.is_attack_failure:
            return None
        tries = history.failures_within(situation.profile, event.time, settings.window)
        tries[event.ip] = tries.get(event.ip, 0) + 1
        failures = sum(tries.values())
        if failures < settings.failures:
            return None
        named = _named(tries)
        few = sum(sorted(named.values(), reverse=True)[: settings.sources])
        if few < settings.failures or 2 * few <= failures:
            return None
        top = max(named, key=lambda ip: (named[ip], ip))
        return Signal(
            detector=self.id,
            code=self.id,
            strength=growing(0.5, 0.2, failures, settings.failures),
            attack=self.attack,
            evidence={
                "failures": failures,
                "window_s": settings.window // SECOND,
                "sources": len(tries),
                "top_source": top,
                "top_source_failures": tries[top],
                "address": event.ip,
                "threshold": settings.failures,
                "usual_per_day": usual_per_day(situation.profile, event.time),
            },
        )


def _named(tries: dict[str, int]) -> dict[str, int]:
    """Tries per address, without what a crowded minute counted under no address."""
    if len(tries) <= profiles.MAX_MINUTE_SOURCES or "" not in tries:
        return tries
    return {ip: n for ip, n in tries.items() if ip}


def growing(base: float, slope: float, count: float, threshold: float) -> float:
    """A strength of base + slope · log10(count / threshold), at most 0.9."""
    return round(min(0.9, base + slope * log10(max(1.0, count / threshold))), 3)


def usual_per_day(profile: Profile, time: int) -> float:
    """The account's failures per day over the seven days before the day of `time`."""
    today = time // DAY
    return round(sum(d.tries for n, d in profile.days.items() if today - 7 <= n < today) / 7, 1)
