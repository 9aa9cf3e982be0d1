"""How well a user knows what an event shows, and how often this user shows something new."""

from math import log10
from typing import Final

from gatewatch.core import history
from gatewatch.core.context import Frequencies
from gatewatch.core.profiles import ASN, COUNTRY, DEVICE, IP, PREFIX, UA
from gatewatch.core.situation import Situation

#: The settled weight from which a value is known: one login of the last three months.
KNOWN: Final = 0.5
#: An address with this many of the tenant's logins, and this share of them, is shared: an office, a carrier, a VPN.
_SHARED_LOGINS: Final = 20
_SHARED_SHARE: Final = 0.001


def settled(situation: Situation, attribute: int) -> float:
    """The trusted weight of the event's value without what is on probation.

    A stranger who gets in ten times must not vouch for himself by ten times little.
    """
    weight = situation.features.weights[attribute]
    held = situation.profile.held
    if not held or not weight:
        return weight
    value, time = situation.features.values[attribute], situation.event.time
    probation = situation.policy.probation
    for login in held:
        if time < login.time + probation and login.values[attribute] == value:
            weight -= history.held_weight(login, time, probation)
    return max(0.0, weight)


def knows_address(situation: Situation) -> bool:
    """Whether the user has got in from the address or its prefix."""
    return settled(situation, IP) >= KNOWN or settled(situation, PREFIX) >= KNOWN


def knows_device(situation: Situation) -> bool:
    """Whether the device is the user's: by its own id; by families only on a network the user knows."""
    if settled(situation, DEVICE) < KNOWN:
        return False
    return bool(situation.event.device_id) or settled(situation, ASN) >= KNOWN


def device_doubt(situation: Situation) -> float:
    """What the device leaves of a suspicion: 0.5 for the user's own, 0.7 for one that looks like it, 1 otherwise.

    "Looks like it" is the exact user agent without an id: many people have the same.
    """
    if knows_device(situation):
        return 0.5
    return 0.7 if not situation.event.device_id and settled(situation, UA) >= KNOWN else 1.0


def is_shared(tenant: Frequencies) -> bool:
    """Whether many of the tenant's logins come from the event's address."""
    return tenant.ip >= _SHARED_LOGINS and tenant.ip >= _SHARED_SHARE * tenant.total


def on_shared_network(situation: Situation) -> bool:
    """Whether a new address says little: many have it, or a carrier in a country the user knows dealt it out."""
    asn = situation.event.asn
    if asn is not None and asn.kind == "mobile" and settled(situation, COUNTRY) >= KNOWN:
        return True
    return is_shared(situation.context.frequencies)


def surprise(situation: Situation, attribute: int, expected: float) -> float:
    """-log10 of the chance that this user shows a new value: p = (k - 1 + `expected`) / (n + 1), k values in n logins.

    `expected` is how many further values anybody is expected to have. With 0.2: 2.2 for one value in thirty logins,
    1.0 for a dozen values in a hundred; never below 0.3.
    """
    kinds = max(1, len(situation.profile.values[attribute]))
    return -log10(min(0.5, (kinds - 1 + expected) / (situation.features.total + 1.0)))
