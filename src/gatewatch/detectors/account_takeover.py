"""A success after an attack."""

from collections.abc import Mapping
from math import log10
from typing import Any, ClassVar

from gatewatch.core import history
from gatewatch.core.familiarity import is_shared, knows_address, knows_device, settled
from gatewatch.core.keys import prefix_of
from gatewatch.core.policy import AccountTakeover as Settings
from gatewatch.core.profiles import DEVICE, IP
from gatewatch.core.signals import Signal
from gatewatch.core.situation import Situation
from gatewatch.core.times import SECOND

#: The strength of a stranger's success from a source with an open finding.
_ON_SOURCE = 0.75


class AccountTakeover:
    """An attack on the account or from the source, then a success that typing errors do not explain (T1110, T1078).

    F is the number of attack failures on the account in the `window` before the success, whatever else happened
    in between: an ordinary login does not use them up.
    - F ≥ `failures`: 0.88 + 0.05 · log10(F / threshold), at most 0.95, **whatever is known of user and address**;
      0.7 where none of the failures came from this address's prefix and both address and device are the user's
      own: the victim at home under somebody else's attack is asked, not locked out.
    - `typing_errors` ≤ F < `failures`: 0.18 (which opens nothing alone) when the address or the device is known,
      else 0.6.
    - A finding is open on the address or its /64 (0.75), or its /24 (0.6), and neither address nor device is known,
      half of it where many of the tenant get in from there (an office); when one is known, 0.1 with failures on
      this account, else nothing.

    `doubt` asks the same once a finding is recognised after the login. False positives: a person who tries many old
    passwords. Source: users' wish "alert when failures are followed by a success" (elastic 1126, 1127).
    """

    id: ClassVar[str] = "account_takeover"
    attack: ClassVar[tuple[str, ...]] = ("T1110", "T1078")
    outcomes: ClassVar[frozenset[str]] = frozenset({"success"})

    def assess(self, situation: Situation) -> Signal | None:
        """The signal for a success that stands at the end of an attack."""
        context = situation.context
        if not (situation.profile.minutes or context.ip.finding or context.prefix.finding):
            return None
        if not situation.success:
            return None
        if context.ip.finding:
            return self._judge(situation, context.ip.finding, _ON_SOURCE)
        return self._judge(situation, context.prefix.finding, _on_prefix(situation.event.ip))

    def doubt(self, situation: Situation, finding: Mapping[str, Any]) -> Signal | None:
        """The same judgement once `finding` is known; the login does not vouch for itself."""
        subject = finding.get("subject")
        on_prefix = isinstance(subject, list | tuple) and subject[:1] in (["prefix"], ("prefix",))
        suspicion = _on_prefix(situation.event.ip) if on_prefix else _ON_SOURCE
        return self._judge(situation, str(finding.get("detector", "unknown")), suspicion)

    def _judge(self, situation: Situation, finding: str, suspicion: float) -> Signal | None:
        event, settings = situation.event, situation.policy.account_takeover
        tries = history.failures_within(situation.profile, event.time, settings.window)
        failures = sum(tries.values())
        if failures < settings.typing_errors and not finding:
            return None
        strength = _strength(situation, tries, failures, suspicion if finding else 0.0)
        if not strength:
            return None
        return Signal(
            detector=self.id,
            code=self.id if failures >= settings.typing_errors else f"{self.id}_from_attacker",
            strength=strength,
            attack=self.attack,
            evidence=_evidence(situation, tries, finding, settings),
        )


def _on_prefix(ip: str) -> float:
    """An IPv6 /64 is one customer; an IPv4 /24 belongs to many."""
    return _ON_SOURCE if ":" in ip else 0.6


def _strength(situation: Situation, tries: dict[str, int], failures: int, suspicion: float) -> float:
    settings = situation.policy.account_takeover
    at_home, own_device = knows_address(situation), knows_device(situation)
    if failures >= settings.failures:
        if at_home and own_device and not _shares_prefix(tries, situation.event.ip):
            return 0.7
        return round(min(0.95, 0.88 + 0.05 * log10(failures / settings.failures)), 3)
    many = failures >= settings.typing_errors
    if at_home or own_device:
        return 0.18 if many else 0.1 if suspicion and failures else 0.0
    if is_shared(situation.context.frequencies):
        suspicion *= 0.5
    return max(suspicion, 0.6 if many else 0.0)


def _shares_prefix(tries: Mapping[str, int], ip: str) -> bool:
    """Whether any failure came from the prefix of `ip`, or may have (the address is unknown)."""
    home = prefix_of(ip)
    return any(not address or prefix_of(address) == home for address in tries)


def _evidence(
    situation: Situation, tries: dict[str, int], finding: str, settings: Settings
) -> dict[str, Any]:
    event = situation.event
    top = max(tries, key=lambda ip: (tries[ip], ip), default="")
    evidence: dict[str, Any] = {
        "failures": sum(tries.values()),
        "window_s": settings.window // SECOND,
        "address": event.ip,
        "time": event.time,
        "failure_sources": len(tries),
        "top_source": top,
        "same_address": event.ip in tries,
        "same_address_failures": tries.get(event.ip, 0),
        "known_address": round(settled(situation, IP), 2),
        "known_device": round(settled(situation, DEVICE), 2),
        "known": knows_address(situation) or knows_device(situation),
        "threshold": settings.failures,
        "typing_errors": settings.typing_errors,
    }
    if span := _span(situation, settings.window):
        evidence["lasted_s"] = span
    if finding:
        evidence["finding"] = finding
    return evidence


def _span(situation: Situation, window: int) -> int:
    """Seconds from the first minute with a failure in the window to the success."""
    time, minute = situation.event.time, 60 * SECOND
    minutes = [
        m for m in situation.profile.minutes if time - window <= (m + 1) * minute and m * minute <= time
    ]
    return (time - min(minutes) * minute) // SECOND if minutes else 0
