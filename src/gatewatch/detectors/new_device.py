"""A device the user never got in with."""

from typing import ClassVar

from gatewatch.core.familiarity import KNOWN, knows_address, on_shared_network, settled, surprise
from gatewatch.core.profiles import BROWSER, DEVICE, OS
from gatewatch.core.signals import Signal
from gatewatch.core.situation import Situation
from gatewatch.detectors.new_country import usual_values

#: Share of the full strength by (is the browser family new, is the operating system new).
_SHARES = {(False, False): 0.8, (True, False): 0.9, (False, True): 0.9, (True, True): 1.0}
#: Nearly everybody has a second device.
_EXPECTED = 1.0


class NewDevice:
    """A success with a device that is new for this user (ATT&CK T1078.004).

    strength = 0.22 · -log10 p(new), at most 0.4, where p(new) = k / (n + 1) with k devices in n logins: who clears
    cookies every week shows it. Times 0.8 when browser and operating system are the user's usual families, 0.9 with
    one of them new, 1 with both; halved at a known address and on a network that many share (an office, a carrier in
    a country the user knows). From `history` logins on. Exact user agents are not compared: 52% of legitimate logins
    show a new one (RBA data).

    False positives: a new phone on mobile data.
    """

    id: ClassVar[str] = "new_device"
    attack: ClassVar[tuple[str, ...]] = ("T1078.004",)
    outcomes: ClassVar[frozenset[str]] = frozenset({"success"})

    def assess(self, situation: Situation) -> Signal | None:
        """The signal for a success with an unknown device."""
        features = situation.features
        device = features.values[DEVICE]
        if features.weights[DEVICE] >= 2 * KNOWN or not device:
            return None
        if settled(situation, DEVICE) >= KNOWN or not situation.success:
            return None
        if situation.profile.successes < situation.policy.new_device.history or not features.total:
            return None
        at_home = knows_address(situation) or on_shared_network(situation)
        new_browser, new_os = _is_new(situation, BROWSER), _is_new(situation, OS)
        share = _SHARES[new_browser, new_os] * (0.5 if at_home else 1.0)
        return Signal(
            detector=self.id,
            code=self.id,
            kind="behavioral",
            strength=round(min(0.4, 0.22 * surprise(situation, DEVICE, _EXPECTED)) * share, 3),
            attack=self.attack,
            evidence={
                "device": device,
                "browser": features.values[BROWSER],
                "os": features.values[OS],
                "new_browser": new_browser,
                "new_os": new_os,
                "usual_browsers": usual_values(situation, BROWSER),
                "usual_os": usual_values(situation, OS),
                "devices": len(situation.profile.values[DEVICE]),
                "history": round(features.total, 1),
                "address": situation.event.ip,
            },
        )


def _is_new(situation: Situation, attribute: int) -> bool:
    """Whether the family is given and unknown."""
    return bool(situation.features.values[attribute]) and settled(situation, attribute) < KNOWN
