"""impossible_travel: two successes farther apart than any plane, after every ordinary explanation."""

from typing import Any

import pytest

from gatewatch.core.assessing import situate
from gatewatch.core.attributes import event_ref, values_of
from gatewatch.core.context import EMPTY, Context, Frequencies
from gatewatch.core.events import Asn, Geo, LoginEvent
from gatewatch.core.learning import Change, apply, login_of
from gatewatch.core.policy import DEFAULT
from gatewatch.core.profiles import Held
from gatewatch.core.signals import Signal
from gatewatch.core.times import DAY, HOUR, MINUTE
from gatewatch.detectors.impossible_travel import ImpossibleTravel
from tests.builders import (
    ABROAD,
    AWAY_IP,
    BERGEN,
    BERLIN,
    CARRIER,
    HOSTING,
    LAGOS,
    OSLO,
    SAFARI,
    VPN,
    at,
    daily,
    learn,
    login,
    situation,
)

NOON = at("2026-04-06 12:00:00")
HOME = daily(30)
FROM_LAGOS: dict[str, Any] = {"ip": AWAY_IP, "geo": LAGOS, "asn": ABROAD, "ua": SAFARI}


def _assess(event: LoginEvent, history: list[LoginEvent], context: Context = EMPTY) -> Signal | None:
    return ImpossibleTravel().assess(situation(event, history, context))


def test_oslo_then_lagos() -> None:
    """Given thirty days of logins from Oslo, a success from Lagos twenty minutes later signals with its km/h."""
    signal = _assess(login(NOON, **FROM_LAGOS), [*HOME, login(NOON - 20 * MINUTE)])
    assert signal is not None
    assert signal.strength == pytest.approx(0.8)
    evidence = signal.evidence
    assert evidence["km"] == pytest.approx(5969 - 20 - 50, abs=2)
    assert evidence["minutes"] == pytest.approx(20.0)
    assert evidence["kmh"] == pytest.approx(evidence["km"] * 3, rel=0.01)
    assert evidence["country"] == "NG"
    assert evidence["city"] == "Lagos"
    assert evidence["other_country"] == "NO"
    assert evidence["point"] == [6.5244, 3.3792]
    assert evidence["other_point"] == [59.9139, 10.7522]
    assert evidence["other_event_ref"] == event_ref(login(NOON - 20 * MINUTE).event_id).hex()
    assert (evidence["radius_km"], evidence["other_radius_km"]) == (50, 20)


@pytest.mark.parametrize(
    ("geo", "minutes", "signals"),
    [
        pytest.param(LAGOS, 6 * 60 + 40, False, id="a plane does it in 6 h 40"),
        pytest.param(LAGOS, 6 * 60, True, id="none does it in six hours"),
        pytest.param(BERLIN, 40, True, id="800 km in 40 minutes"),
        pytest.param(BERLIN, 60, False, id="800 km in an hour, radii off"),
        pytest.param(BERGEN, 1, False, id="too near to matter"),
        pytest.param(OSLO, 0, False, id="the same place at the same time"),
        pytest.param(LAGOS, 0, True, id="two places at the same time"),
    ],
)
def test_speed_and_distance(geo: Geo, minutes: int, signals: bool) -> None:
    """Both limits hold, hours are fractions, and no time at all is no division by zero."""
    event = login(NOON, event_id="there", ip=AWAY_IP, geo=geo, asn=ABROAD)
    assert (_assess(event, [*HOME, login(NOON - minutes * MINUTE)]) is not None) is signals


def test_radii_are_taken_off() -> None:
    """Given a place that is exact to 500 km only, 800 km may be 300."""
    vague = Geo(country="DE", lat=BERLIN.lat, lon=BERLIN.lon, accuracy_km=500.0)
    assert _assess(login(NOON, ip=AWAY_IP, geo=vague), [*HOME, login(NOON - 5 * MINUTE)]) is None


@pytest.mark.parametrize(
    "geo", [None, Geo(country="NG"), Geo(country="NG", lat=0.0, lon=0.0), Geo(lat=6.5)], ids=repr
)
def test_missing_coordinates_are_unknown(geo: Geo | None) -> None:
    """A place without coordinates, or at (0, 0), is nowhere: neither here nor there it makes a trip."""
    strange = login(NOON, ip=AWAY_IP, geo=geo, asn=ABROAD)
    assert _assess(strange, [*HOME, login(NOON - MINUTE)]) is None
    assert _assess(login(NOON + MINUTE, ip="198.51.100.9"), [*HOME, strange]) is None


@pytest.mark.parametrize("asn", [VPN, CARRIER, HOSTING, Asn(1, "", "relay"), Asn(2, "", "tor")], ids=repr)
def test_a_moving_network_the_user_knows(asn: Asn) -> None:
    """A VPN, carrier or relay that the user often uses explains the jump; the reason stands in the evidence."""
    habit = [login(event.time + HOUR, ip="203.0.113.8", geo=LAGOS, asn=asn) for event in HOME]
    event = login(NOON, ip=AWAY_IP, geo=LAGOS, asn=asn)
    signal = _assess(event, [*sorted(HOME + habit, key=lambda e: e.time), login(NOON - MINUTE)])
    assert signal is not None
    assert signal.strength < 0.1
    assert signal.evidence["suppressed"] == f"usual_{asn.kind}"


@pytest.mark.parametrize("asn", [VPN, HOSTING])
def test_a_moving_network_the_user_never_used(asn: Asn) -> None:
    """A VPN or hosting address that is new to the user stays, weaker."""
    signal = _assess(login(NOON, **{**FROM_LAGOS, "asn": asn}), [*HOME, login(NOON - MINUTE)])
    assert signal is not None
    assert "suppressed" not in signal.evidence
    assert 0.4 <= signal.strength < 0.6


def test_back_from_the_usual_vpn() -> None:
    """Given a habit of the other end's VPN, the login at a new address at home after it is explained as well."""
    habit = [login(event.time + HOUR, ip="203.0.113.8", geo=LAGOS, asn=VPN) for event in HOME]
    history = sorted(HOME + habit, key=lambda e: e.time)
    last = login(NOON - MINUTE, ip="203.0.113.8", geo=LAGOS, asn=VPN)
    signal = _assess(login(NOON, ip="192.0.99.1"), [*history, last])
    assert signal is not None
    assert signal.evidence["suppressed"] == "usual_vpn"


def test_a_known_egress() -> None:
    """Given an address abroad the user has trusted history on, no jump to it is strange."""
    office = [login(event.time + 9 * HOUR, **FROM_LAGOS) for event in HOME]
    history = sorted(HOME + office, key=lambda e: e.time)
    signal = _assess(login(NOON, **FROM_LAGOS), [*history, login(NOON - MINUTE)])
    assert signal is not None
    assert signal.evidence["suppressed"] == "known_egress"


def test_an_egress_many_share() -> None:
    """A VPN address with much of the tenant's traffic is the organisation's own; an unknown line is not."""
    shared = Context(frequencies=Frequencies(ip=200, total=5_000))
    event = login(NOON, **{**FROM_LAGOS, "asn": VPN})
    signal = _assess(event, [*HOME, login(NOON - MINUTE)], shared)
    assert signal is not None
    assert signal.evidence["suppressed"] == "organisation_egress"
    line = _assess(login(NOON, **FROM_LAGOS), [*HOME, login(NOON - MINUTE)], shared)
    assert line is not None
    assert "suppressed" not in line.evidence


def test_a_known_device_halves() -> None:
    """The user's own device makes it half as strange."""
    own = daily(30, device_id="laptop-1")
    event = login(NOON, **{**FROM_LAGOS, "device_id": "laptop-1"})
    signal = _assess(event, [*own, login(NOON - MINUTE, device_id="laptop-1")])
    assert signal is not None
    assert signal.strength == pytest.approx(0.4)
    assert signal.evidence["known_device"] is True


def test_a_late_event_has_two_neighbours() -> None:
    """Given a login that arrives late, the neighbour after it counts as well."""
    history = [*HOME, login(NOON - DAY), login(NOON + 10 * MINUTE)]
    signal = _assess(login(NOON, **FROM_LAGOS), history)
    assert signal is not None
    assert signal.evidence["other_is"] == "after"
    assert signal.evidence["minutes"] == pytest.approx(10.0)


def test_home_again_after_a_doubtful_login() -> None:
    """Given a stranger's login on probation, the user's own device at a new address afterwards is not the stranger."""
    profile = learn(daily(30, device_id="laptop-1"))
    stranger = login(NOON - MINUTE, **FROM_LAGOS)
    change = situate(profile, stranger, EMPTY, DEFAULT)
    apply(profile, _held(change.ref, stranger))
    event = login(NOON, ip="192.0.99.1", device_id="laptop-1")
    signal = ImpossibleTravel().assess(situate(profile, event, EMPTY, DEFAULT))
    assert signal is not None
    assert signal.evidence["suppressed"] == "other_login_in_doubt"


def _held(ref: bytes, event: LoginEvent) -> Change:
    return Change(
        op="success",
        time=event.time,
        ref=ref,
        weight=1,
        held=True,
        values=values_of(event),
        login=login_of(event, ref),
        ip=event.ip,
    )


def test_first_login_ever() -> None:
    """Without another login there is no trip."""
    assert _assess(login(NOON, **FROM_LAGOS), []) is None


def test_a_held_login_is_a_fact() -> None:
    """Held logins stay in the ring: they are facts, only their trust is withheld."""
    profile = learn(HOME)
    profile.held.append(Held(b"x" * 8, NOON, 1, values_of(HOME[0])))
    event = login(NOON, **FROM_LAGOS)
    assert ImpossibleTravel().assess(situate(profile, event, EMPTY, DEFAULT)) is None
