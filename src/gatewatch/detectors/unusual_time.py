"""An hour at which the user never logs in."""

from collections.abc import Mapping
from math import atan2, cos, pi, sin, sqrt
from typing import ClassVar

from gatewatch.core import counts
from gatewatch.core.counts import Counts
from gatewatch.core.profiles import HOUR_OF_WEEK
from gatewatch.core.signals import Signal
from gatewatch.core.situation import Situation

_WEEK = 168
_COS = tuple(cos(2 * pi * hour / 24) for hour in range(24))
_SIN = tuple(sin(2 * pi * hour / 24) for hour in range(24))


def _near(hour: int, spread: int) -> tuple[str, ...]:
    """The hours of the week within ± `spread` h of that time of day, the nearest and the same day first."""
    offsets = sorted(range(-spread, spread + 1), key=abs)
    return tuple(
        str((hour + 24 * day + offset) % _WEEK) for offset in offsets for day in (0, 1, 6, 2, 5, 3, 4)
    )


_MOST_SPREAD = 6
_NEAR = tuple(tuple(_near(hour, spread) for hour in range(_WEEK)) for spread in range(_MOST_SPREAD + 1))


class UnusualTime:
    """A success at a time of day that is rare for the user (ATT&CK T1078).

    m is the trusted weight of logins within ± `spread` h of the time of day, around midnight too, on any day;
    e = n · (2 · spread + 1) / 24 what a user without habits would have there. Fires when m < `share` · e.
    strength = 0.15 · R · (1 - m / (share · e)), where R in [0, 1] is the user's own concentration (the mean
    resultant length of the hours): somebody who logs in around the clock has no unusual time. From `history` logins.
    It never opens an anomaly alone.

    False positives: one night of work. Source: keycloak-adaptive (circular), Mardia & Jupp, "Directional statistics".
    """

    id: ClassVar[str] = "unusual_time"
    attack: ClassVar[tuple[str, ...]] = ("T1078",)
    outcomes: ClassVar[frozenset[str]] = frozenset({"success"})

    def assess(self, situation: Situation) -> Signal | None:
        """The signal for a success at a rare time of day."""
        settings, total = situation.policy.unusual_time, situation.features.total
        if total < settings.history or not situation.success:
            return None
        spread = min(settings.spread, _MOST_SPREAD)
        expected = total * (2 * spread + 1) / 24
        most = settings.share * expected
        mass = situation.features.weights[HOUR_OF_WEEK]
        if mass >= most or not most:
            return None
        hours, bucket = situation.profile.values[HOUR_OF_WEEK], counts.bucket_of(situation.event.time)
        hour = int(situation.features.values[HOUR_OF_WEEK])
        mass = _mass(hours, _NEAR[spread][hour], bucket, most)
        if mass >= most:
            return None
        mean, concentration = _circular_mean(hours, bucket)
        return Signal(
            detector=self.id,
            code=self.id,
            kind="behavioral",
            strength=round(0.15 * concentration * (1.0 - mass / most), 3),
            attack=self.attack,
            evidence={
                "hour": hour % 24,
                "day": hour // 24,
                "nearby": round(mass, 2),
                "expected": round(expected, 2),
                "spread_h": spread,
                "usual_hour": round(mean, 1),
                "concentration": round(concentration, 2),
                "history": round(total, 1),
            },
        )


def _mass(hours: Mapping[str, Counts], near: tuple[str, ...], bucket: int, enough: float) -> float:
    """The weight of logins in the hours `near`; adding up ends once it is enough."""
    mass = 0.0
    for hour in near:
        if hour in hours:
            mass += counts.read(hours[hour], bucket)
            if mass >= enough:
                break
    return mass


def _circular_mean(hours: Mapping[str, Counts], bucket: int) -> tuple[float, float]:
    """(mean time of day in hours, mean resultant length R) of the user's logins."""
    x = y = whole = 0.0
    for hour in sorted(hours):
        weight = counts.read(hours[hour], bucket)
        x += weight * _COS[int(hour) % 24]
        y += weight * _SIN[int(hour) % 24]
        whole += weight
    if not whole:
        return 0.0, 0.0
    return _hours_of(x, y), sqrt(x * x + y * y) / whole


def _hours_of(x: float, y: float) -> float:
    return atan2(y, x) * 12 / pi % 24
