"""Two successes farther apart than any plane."""

from typing import Any, ClassVar

import msgspec

from gatewatch.core import geo, history
from gatewatch.core.familiarity import KNOWN, device_doubt, is_shared, knows_device, settled
from gatewatch.core.profiles import ASN, IP, PREFIX, Login
from gatewatch.core.signals import Signal
from gatewatch.core.situation import Situation
from gatewatch.core.times import MINUTE

#: Networks whose place says little about where a person is.
MOVING = frozenset({"vpn", "hosting", "relay", "anycast", "satellite", "tor", "mobile"})

#: Of these, the ones that nobody chooses in order to be elsewhere: a carrier's or a relay's place is its gateway's.
CARRIED = frozenset({"relay", "anycast", "satellite", "mobile"})

_STRENGTH = 0.8
_SUPPRESSED = 0.04


class _Trip(msgspec.Struct, frozen=True, gc=False):
    """From the event to one neighbour in time: both points, the least distance (km), the time (µs), the speed."""

    here: geo.Point
    there: geo.Point
    other: Login
    km: float
    elapsed: int
    kmh: float


class ImpossibleTravel:
    """Two successes of one user that no plane could join (ATT&CK T1078.004).

    For the logins just before and just after the event, by event time: km = great circle minus both accuracy
    radii, h = |Δt| in fractional hours. Fires when km ≥ `distance_km` and km / h ≥ `speed_kmh`; the faster trip counts.
    strength = 0.8, halved by a known device (· 0.7 for the user's exact agent without an id), · 0.6 where either end is
    a network whose place says little (VPN, hosting, relay, anycast, satellite, Tor, mobile) that is new to the user
    (0.3 for a known device through a carrier or relay), halved where the event's network (ASN) is the user's own. 0.04
    with the reason in the evidence where an end is explained: an address or prefix the user has trusted history on, a
    moving network that is the user's or the organisation's habit, a mobile carrier's gateway in the same country, or a
    known device after a login that is itself in doubt. Missing coordinates are unknown, never (0, 0).

    False positives: a first VPN without a known device. Source: Panther (900 km/h), Elastic (500 km), CrowdSec
    (1000 km in 3 h); tolerances after Panther PRs 780, 908, 1358 and FusionAuth 2955, 3014.
    """

    id: ClassVar[str] = "impossible_travel"
    attack: ClassVar[tuple[str, ...]] = ("T1078.004",)
    outcomes: ClassVar[frozenset[str]] = frozenset({"success"})

    def assess(self, situation: Situation) -> Signal | None:
        """The signal for a success too far from its neighbours."""
        event = situation.event
        if event.geo is None or not situation.profile.logins or not situation.success:
            return None
        if not geo.is_known(event.geo.lat, event.geo.lon):
            return None
        around = history.neighbours(situation.profile, event.time, situation.ref)
        trips = [
            trip for other in around if other is not None and (trip := _trip(situation, other)) is not None
        ]
        if not trips:
            return None
        trip = _fastest(trips)
        reason = _suppression(situation, trip.other)
        evidence = _evidence(situation, trip)
        if reason:
            evidence["suppressed"] = reason
        return Signal(
            detector=self.id,
            code=self.id if not reason else f"{self.id}_explained",
            strength=_SUPPRESSED if reason else _strength(situation, trip.other),
            attack=self.attack,
            evidence=evidence,
        )


def _fastest(trips: list[_Trip]) -> _Trip:
    return max(trips, key=lambda t: (t.kmh, t.elapsed))


def _trip(situation: Situation, other: Login) -> _Trip | None:
    """The trip to a neighbour where it is impossible, else None."""
    place = situation.event.geo
    if place is None or place.lat is None or place.lon is None:
        return None
    there = other.point
    if there is None or not geo.is_known(*there):
        return None
    if abs(there[0] - place.lat) < 1.0 and abs(there[1] - place.lon) < 1.0:
        return None  # under 160 km: the common case, without trigonometry
    settings = situation.policy.impossible_travel
    here = (place.lat, place.lon)
    km = geo.least_km(here, there, place.accuracy_km, other.accuracy_km)
    elapsed = abs(situation.event.time - other.time)
    kmh = geo.speed_kmh(km, elapsed)
    if km < settings.distance_km or kmh < settings.speed_kmh:
        return None
    return _Trip(here, there, other, km, elapsed, kmh)


def _suppression(situation: Situation, other: Login) -> str:
    """Why the trip is explained, "" where it is not."""
    if settled(situation, IP) >= KNOWN or settled(situation, PREFIX) >= KNOWN:
        return "known_egress"
    asn = situation.event.asn
    if asn is not None and asn.kind in MOVING:
        if settled(situation, ASN) >= KNOWN:
            return f"usual_{asn.kind}"
        if is_shared(situation.context.frequencies):
            return "organisation_egress"
    if other.kind in MOVING and _is_habit(situation, other):
        return f"usual_{other.kind}"
    if _at_home_on_mobile(situation, other):
        return "mobile_same_country"
    if knows_device(situation) and any(held.ref == other.ref for held in situation.profile.held):
        return "other_login_in_doubt"
    return ""


def _at_home_on_mobile(situation: Situation, other: Login) -> bool:
    """Whether a carrier's gateway lies elsewhere in the same country: that says nothing about where the phone is."""
    event = situation.event
    mobile = other.kind == "mobile" or (event.asn is not None and event.asn.kind == "mobile")
    return mobile and event.geo is not None and event.geo.country == other.country


def _is_habit(situation: Situation, other: Login) -> bool:
    """Whether the user has trusted history on the other end's network beside that login itself."""
    profile, probation = situation.profile, situation.policy.probation
    weight = history.weight_at(profile, ASN, str(other.asn), situation.event.time, probation)
    return weight >= 1.0 + KNOWN


def _strength(situation: Situation, other: Login) -> float:
    asn = situation.event.asn
    strength = _STRENGTH * device_doubt(situation)
    kinds = {other.kind, asn.kind if asn is not None else ""}
    if kinds & CARRIED and knows_device(situation):
        strength *= 0.3
    elif kinds & MOVING:
        strength *= 0.6
    if settled(situation, ASN) >= KNOWN:
        strength *= 0.5
    return round(strength, 3)


def _evidence(situation: Situation, trip: _Trip) -> dict[str, Any]:
    event, other = situation.event, trip.other
    place, asn = event.geo, event.asn
    return {
        "km": round(trip.km),
        "minutes": round(trip.elapsed / MINUTE, 1),
        "kmh": round(trip.kmh),
        "address": event.ip,
        "point": list(trip.here),
        "country": place.country if place is not None else "",
        "city": place.city if place is not None else "",
        "radius_km": round(place.accuracy_km) if place is not None else 0,
        "network": asn.kind if asn is not None else "",
        "other_address": other.ip,
        "other_point": list(trip.there),
        "other_country": other.country,
        "other_radius_km": other.accuracy_km,
        "other_network": other.kind,
        "other_time": other.time,
        "other_event_ref": other.ref.hex(),
        "other_is": "before" if other.time <= event.time else "after",
        "known_device": knows_device(situation),
        "threshold_km": situation.policy.impossible_travel.distance_km,
        "threshold_kmh": situation.policy.impossible_travel.speed_kmh,
    }
