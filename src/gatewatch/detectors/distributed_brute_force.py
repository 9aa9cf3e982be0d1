"""Brute force against one account from many addresses, in minutes or over a week."""

from collections.abc import Iterator
from typing import ClassVar

from gatewatch.core import history
from gatewatch.core.familiarity import knows_address
from gatewatch.core.policy import DistributedBruteForce as Settings
from gatewatch.core.profiles import FailureDay, Profile
from gatewatch.core.signals import Signal
from gatewatch.core.situation import Situation
from gatewatch.core.times import DAY, SECOND
from gatewatch.detectors.brute_force import growing, usual_per_day


class DistributedBruteForce:
    """One account tried from many addresses, perhaps once each (ATT&CK T1110.001).

    Fast, within `window` (30 min): addresses ≥ `sources`, failures ≥ `failures`, and countries ≥ `countries` or
    networks ≥ `asns` or addresses ≥ `many_sources`. Slow, within `slow_days` UTC days: addresses ≥ `slow_sources`
    and failures ≥ `slow_failures`. strength = 0.55 + 0.2 · log10(failures / threshold) (fast) or
    0.5 + 0.2 · log10(addresses / threshold) (slow), at most 0.9. This failure is included; one from an address the
    user knows completes no slow pattern.

    False positives: a shared account whose password was changed. Source: Elastic's Okta rule; slow attacks of
    10,000 addresses over a week: crowdsec hub 1159, fail2ban 1791. A day keeps 64 addresses, so "at least".
    """

    id: ClassVar[str] = "distributed_brute_force"
    attack: ClassVar[tuple[str, ...]] = ("T1110.001",)
    outcomes: ClassVar[frozenset[str]] = frozenset({"failure"})

    def assess(self, situation: Situation) -> Signal | None:
        """The signal for a failure that completes either pattern; the fast one goes first."""
        if not situation.profile.days or not situation.event.is_attack_failure:
            return None
        settings = situation.policy.distributed_brute_force
        return self._fast(situation, settings) or self._slow(situation, settings)

    def _fast(self, situation: Situation, settings: Settings) -> Signal | None:
        event, profile = situation.event, situation.profile
        tries = history.failures_within(profile, event.time, settings.window)
        tries[event.ip] = tries.get(event.ip, 0) + 1
        failures = sum(tries.values())
        if len(tries) < settings.sources or failures < settings.failures:
            return None
        asns, countries = _origins(situation, tries)
        spread = len(countries) >= settings.countries or len(asns) >= settings.asns
        if not spread and len(tries) < settings.many_sources:
            return None
        evidence = {
            "failures": failures,
            "window_s": settings.window // SECOND,
            "sources": len(tries),
            "asns": len(asns),
            "countries": sorted(countries),
            "address": event.ip,
            "threshold": settings.failures,
            "threshold_sources": settings.sources,
            "usual_per_day": usual_per_day(profile, event.time),
        }
        return self._signal(self.id, growing(0.55, 0.2, failures, settings.failures), evidence)

    def _slow(self, situation: Situation, settings: Settings) -> Signal | None:
        event = situation.event
        if knows_address(situation):
            return None  # the user's own slip, days after an attack
        days = list(_days(situation.profile, event.time, settings.slow_days))
        failures = 1 + sum(day.tries for day in days)
        if failures < settings.slow_failures or 1 + sum(len(d.sources) for d in days) < settings.slow_sources:
            return None
        sources = {event.ip}.union(*[day.sources for day in days])
        if len(sources) < settings.slow_sources:
            return None
        evidence = {
            "failures": failures,
            "window_s": settings.slow_days * DAY // SECOND,
            "sources": len(sources),
            "address": event.ip,
            "threshold": settings.slow_failures,
            "threshold_sources": settings.slow_sources,
        }
        return self._signal(
            f"slow_{self.id}", growing(0.5, 0.2, len(sources), settings.slow_sources), evidence
        )

    def _signal(self, code: str, strength: float, evidence: dict[str, object]) -> Signal:
        return Signal(detector=self.id, code=code, strength=strength, attack=self.attack, evidence=evidence)


def _days(profile: Profile, time: int, count: int) -> Iterator[FailureDay]:
    today = time // DAY
    return (day for n, day in profile.days.items() if today - count < n <= today)


def _origins(situation: Situation, tries: dict[str, int]) -> tuple[set[int], set[str]]:
    """Networks and countries of the addresses in `tries`, as far as the last days know them."""
    event = situation.event
    asns = {event.asn.number} if event.asn is not None else set()
    countries = {event.geo.country} if event.geo is not None else set()
    for day in _days(situation.profile, event.time, 2):
        for ip in tries.keys() & day.sources.keys():
            _, asn, country = day.sources[ip]
            asns.add(asn)
            countries.add(country)
    return asns - {0}, countries - {""}
