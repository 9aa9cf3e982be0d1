"""The first success after a long silence."""

from itertools import pairwise
from typing import ClassVar

from gatewatch.core import history
from gatewatch.core.familiarity import knows_address, knows_device
from gatewatch.core.policy import DormantAccount as Settings
from gatewatch.core.profiles import Login
from gatewatch.core.signals import Signal
from gatewatch.core.situation import Situation
from gatewatch.core.times import DAY


class DormantAccount:
    """The first success after a long silence (ATT&CK T1078).

    The silence is the time since the newest login before the event, in days; strength 0.12 from `days`, 0.22 from
    `long_days`, 0.38 from `very_long_days`. Halved where the silence is less than three times the longest pause
    between the user's last logins, and halved where the address or the device is known.

    False positives: parental leave, seasonal users. Source: tirreno (30, 90, 365 days).
    """

    id: ClassVar[str] = "dormant_account"
    attack: ClassVar[tuple[str, ...]] = ("T1078",)
    outcomes: ClassVar[frozenset[str]] = frozenset({"success"})

    def assess(self, situation: Situation) -> Signal | None:
        """The signal for a success that ends a silence."""
        logins, event = situation.profile.logins, situation.event
        least = situation.policy.dormant_account.days * DAY
        if not logins or (logins[-1].time <= event.time < logins[-1].time + least) or not situation.success:
            return None
        before, _ = history.neighbours(situation.profile, event.time, situation.ref)
        if before is None or event.time - before.time < least:
            return None
        silence = event.time - before.time
        pause = _longest_pause(logins, before)
        known = knows_address(situation) or knows_device(situation)
        strength = _base(silence, situation.policy.dormant_account)
        strength *= (0.5 if known else 1.0) * (0.5 if silence < 3 * pause else 1.0)
        return Signal(
            detector=self.id,
            code=self.id,
            kind="behavioral",
            strength=round(strength, 3),
            attack=self.attack,
            evidence={
                "days": silence // DAY,
                "threshold_days": situation.policy.dormant_account.days,
                "last_login": before.time,
                "longest_pause_days": pause // DAY,
                "known": known,
                "address": event.ip,
            },
        )


def _base(silence: int, settings: Settings) -> float:
    if silence >= settings.very_long_days * DAY:
        return 0.38
    return 0.22 if silence >= settings.long_days * DAY else 0.12


def _longest_pause(logins: list[Login], before: Login) -> int:
    """The longest time between two of the last logins up to `before`, in µs (0 with fewer than two)."""
    times = [login.time for login in logins if login.time <= before.time]
    return max((b - a for a, b in pairwise(times)), default=0)
