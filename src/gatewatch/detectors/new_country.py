"""A country the user never got in from."""

from typing import ClassVar

from gatewatch.core.familiarity import KNOWN, device_doubt, settled, surprise
from gatewatch.core.profiles import COUNTRY
from gatewatch.core.signals import Signal
from gatewatch.core.situation import Situation

#: Most people never log in from a second country.
_EXPECTED = 0.2


class NewCountry:
    """A success from a country that is new for this user (ATT&CK T1078.004).

    strength = 0.2 · -log10 p(new), at most 0.38, where p(new) = (k - 0.8) / (n + 1) with k countries in n logins:
    what is strange for somebody who never leaves home is ordinary for a traveller. A known device halves it, the
    user's exact user agent takes 0.3 off. From `history` logins on. Alone it is low, and learnt: a trip is told once.

    False positives: the first holiday on a new device. Source: Okta's "new country" and its look-back of logins.
    """

    id: ClassVar[str] = "new_country"
    attack: ClassVar[tuple[str, ...]] = ("T1078.004",)
    outcomes: ClassVar[frozenset[str]] = frozenset({"success"})

    def assess(self, situation: Situation) -> Signal | None:
        """The signal for a success from a country without trusted history."""
        features = situation.features
        country = features.values[COUNTRY]
        if features.weights[COUNTRY] >= 2 * KNOWN or not country:
            return None
        known = settled(situation, COUNTRY)
        if known >= KNOWN or not situation.success:
            return None
        if situation.profile.successes < situation.policy.new_country.history or not features.total:
            return None
        strange, doubt = surprise(situation, COUNTRY, _EXPECTED), device_doubt(situation)
        return Signal(
            detector=self.id,
            code=self.id,
            kind="behavioral",
            strength=round(min(0.38, 0.2 * strange) * doubt * (1.0 - known), 3),
            attack=self.attack,
            evidence={
                "country": country,
                "address": situation.event.ip,
                "usual": usual_values(situation, COUNTRY),
                "history": round(features.total, 1),
                "known_device": doubt < 1.0,
            },
        )


def usual_values(situation: Situation, attribute: int) -> list[str]:
    """The user's three most used values of an attribute."""
    known = situation.profile.values[attribute]
    return sorted(known, key=lambda value: (-sum(known[value][1::2]), value))[:3]
