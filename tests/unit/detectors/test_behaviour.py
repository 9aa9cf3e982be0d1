"""new_country, new_device, unusual_time, dormant_account: what a user never did before."""

from typing import Any

import pytest

from gatewatch.core.assessing import situate
from gatewatch.core.attributes import values_of
from gatewatch.core.context import EMPTY
from gatewatch.core.detection import Detector
from gatewatch.core.events import Geo, LoginEvent, UserAgent
from gatewatch.core.policy import DEFAULT
from gatewatch.core.profiles import Held
from gatewatch.core.signals import Signal
from gatewatch.core.times import DAY, HOUR, MINUTE
from gatewatch.detectors.dormant_account import DormantAccount
from gatewatch.detectors.new_country import NewCountry
from gatewatch.detectors.new_device import NewDevice
from gatewatch.detectors.unusual_time import UnusualTime
from tests.builders import (
    ABROAD,
    AWAY_IP,
    CARRIER,
    CHROME,
    HOME_IP,
    LAGOS,
    SAFARI,
    START,
    VPN,
    at,
    daily,
    learn,
    login,
    situation,
)

NOON = at("2026-04-06 12:00:00")
MORNING = at("2026-04-06 08:10:00")
HOME = daily(30)
ALL: tuple[Detector, ...] = (NewCountry(), NewDevice(), UnusualTime(), DormantAccount())


def _assess(detector: Detector, event: LoginEvent, history: list[LoginEvent]) -> Signal | None:
    return detector.assess(situation(event, history))


@pytest.mark.parametrize("detector", ALL, ids=lambda d: d.id)
def test_an_ordinary_login_is_nothing(detector: Detector) -> None:
    """A login like the thirty before it signals nothing."""
    assert _assess(detector, login(MORNING), HOME) is None


@pytest.mark.parametrize("detector", ALL, ids=lambda d: d.id)
def test_no_history(detector: Detector) -> None:
    """Without history nothing is new, late or rare."""
    assert _assess(detector, login(NOON, ip=AWAY_IP, geo=LAGOS, ua=SAFARI), []) is None


@pytest.mark.parametrize("detector", ALL, ids=lambda d: d.id)
def test_missing_fields(detector: Detector) -> None:
    """Unknown values are neither known nor new."""
    bare = login(MORNING, ip="", geo=None, asn=None, ua=None)
    assert _assess(detector, bare, HOME) is None


@pytest.mark.parametrize("detector", ALL, ids=lambda d: d.id)
def test_pushes_are_no_logins(detector: Detector) -> None:
    """An approved push is a success, but nobody's login."""
    push = login(NOON + 200 * DAY, activity="mfa", ip=AWAY_IP, geo=LAGOS, ua=SAFARI)
    assert _assess(detector, push, HOME) is None


def test_new_country() -> None:
    """Given thirty logins from Norway, the first from Nigeria is new; the evidence says what is usual."""
    signal = _assess(NewCountry(), login(MORNING, ip=AWAY_IP, geo=LAGOS, asn=ABROAD, ua=SAFARI), HOME)
    assert signal is not None
    assert signal.strength == pytest.approx(0.38)
    assert signal.evidence["country"] == "NG"
    assert signal.evidence["usual"] == ["NO"]
    assert signal.strength * 100 < DEFAULT.flag_score


def test_a_traveller_shows_new_countries() -> None:
    """Given a dozen countries in as many logins, one more weighs less than it does for somebody who stays at home."""
    tour = [login(START + day * DAY, ip=f"203.0.113.{day}", geo=Geo(country=f"C{day}")) for day in range(12)]
    event = login(START + 13 * DAY, ip=AWAY_IP, geo=LAGOS, ua=SAFARI)
    traveller, homebody = _assess(NewCountry(), event, tour), _assess(NewCountry(), event, daily(12))
    assert traveller is not None
    assert homebody is not None
    assert traveller.strength < homebody.strength / 3


@pytest.mark.parametrize(
    ("changes", "share"),
    [
        pytest.param({"ua": SAFARI}, 1.0, id="another client"),
        pytest.param({}, 0.7, id="the same agent without an id"),
        pytest.param({"device_id": "laptop-1"}, 0.5, id="the user's own device"),
    ],
)
def test_new_country_with_a_known_client(changes: dict[str, Any], share: float) -> None:
    """The user's own device halves it, the same exact agent takes some off."""
    history = [*HOME, *[login(event.time + HOUR, device_id="laptop-1") for event in HOME]]
    history.sort(key=lambda event: event.time)
    full = _assess(NewCountry(), login(NOON, ip=AWAY_IP, geo=LAGOS, asn=ABROAD, ua=SAFARI), history)
    signal = _assess(NewCountry(), login(NOON, ip=AWAY_IP, geo=LAGOS, asn=ABROAD, **changes), history)
    assert full is not None
    assert signal is not None
    assert signal.strength == pytest.approx(full.strength * share, abs=0.002)


def test_two_logins_are_no_history() -> None:
    """Before the third login no country is new."""
    event = login(MORNING, ip=AWAY_IP, geo=LAGOS, asn=ABROAD)
    assert _assess(NewCountry(), event, daily(2)) is None
    assert _assess(NewCountry(), event, daily(3)) is not None


def test_logins_on_probation_do_not_vouch() -> None:
    """Given ten logins of a stranger on probation, the country they came from is still new."""
    profile = learn(HOME)
    event = login(NOON, ip=AWAY_IP, geo=LAGOS, asn=ABROAD, ua=SAFARI)
    profile.held = [
        Held(bytes([i] * 8), NOON - i * HOUR, 1, values_of(login(NOON - i * HOUR, ip=AWAY_IP, geo=LAGOS)))
        for i in range(1, 11)
    ]
    signal = NewCountry().assess(situate(profile, event, EMPTY, DEFAULT))
    assert signal is not None
    later = login(NOON + 8 * DAY, ip=AWAY_IP, geo=LAGOS, asn=ABROAD, ua=SAFARI)
    assert NewCountry().assess(situate(profile, later, EMPTY, DEFAULT)) is None


def _client(browser: str, os: str) -> UserAgent:
    return UserAgent(raw=f"{browser} {os}", browser=browser, os=os, device="Desktop")


@pytest.mark.parametrize(
    ("ua", "new_browser", "new_os", "share"),
    [
        (_client("Chrome", "Windows"), False, False, 0.8),
        (_client("Firefox", "Windows"), True, False, 0.9),
        (_client("Chrome", "Mac OS X"), False, True, 0.9),
        (_client("Firefox", "Mac OS X"), True, True, 1.0),
    ],
)
def test_new_device(ua: UserAgent, new_browser: bool, new_os: bool, share: float) -> None:
    """An unknown device id at an unknown address is new; new families add to it."""
    own = daily(30, device_id="laptop-1")
    signal = _assess(NewDevice(), login(MORNING, ip=AWAY_IP, asn=ABROAD, ua=ua, device_id="other"), own)
    assert signal is not None
    assert (signal.evidence["new_browser"], signal.evidence["new_os"]) == (new_browser, new_os)
    assert signal.strength == pytest.approx(min(0.4, 0.22 * 1.48) * share, abs=0.01)


@pytest.mark.parametrize(
    "changes", [{"ip": HOME_IP}, {"ip": "192.0.2.77"}, {"ip": AWAY_IP, "asn": CARRIER}], ids=repr
)
def test_a_new_device_at_home(changes: dict[str, Any]) -> None:
    """A new device at a known address or prefix, or on the user's own carrier, is half as strange."""
    habit = [login(e.time + HOUR, ip="203.0.113.8", asn=CARRIER, device_id="phone-1") for e in HOME]
    own = sorted([*daily(30, device_id="laptop-1"), *habit], key=lambda event: event.time)
    away = _assess(NewDevice(), login(NOON, ip=AWAY_IP, asn=ABROAD, ua=SAFARI, device_id="new"), own)
    home = _assess(NewDevice(), login(NOON, ua=SAFARI, device_id="new", **changes), own)
    assert away is not None
    assert home is not None
    assert home.strength == pytest.approx(away.strength / 2, abs=0.002)


def test_a_browser_update_is_no_new_device() -> None:
    """A new exact user agent of the same families is the same device."""
    updated = UserAgent(raw="Chrome/121 Windows", browser="Chrome", os="Windows", device="Desktop")
    assert _assess(NewDevice(), login(MORNING, ua=updated), HOME) is None


def test_who_clears_cookies_shows_it() -> None:
    """Given a new device id at every login, one more is nearly nothing."""
    cleared = [login(START + day * DAY, device_id=f"cookie-{day}") for day in range(11)]
    signal = _assess(NewDevice(), login(START + 12 * DAY, ip=AWAY_IP, device_id="cookie-x"), cleared)
    assert signal is not None
    assert signal.strength < 0.1


@pytest.mark.parametrize(
    ("hour", "signals"), [(8, False), (6, False), (10, False), (12, True), (20, True), (3, True)]
)
def test_unusual_time(hour: int, signals: bool) -> None:
    """Given logins at eight, two hours around are usual and the night is not; it opens nothing alone."""
    event = login(at(f"2026-04-06 {hour:02d}:30:00"))
    signal = _assess(UnusualTime(), event, HOME)
    assert (signal is not None) is signals
    if signal is not None:
        assert signal.strength <= 0.15
        assert signal.strength * 100 < DEFAULT.open_score
        assert signal.evidence["hour"] == hour
        assert signal.evidence["usual_hour"] == pytest.approx(8.0, abs=1.0)


def test_unusual_time_runs_around_midnight() -> None:
    """Given logins at half past eleven at night, one at one in the morning is usual."""
    night = daily(30, start=at("2026-03-02 23:00:00"))
    assert _assess(UnusualTime(), login(at("2026-04-06 00:59:00")), night) is None


def test_no_habit_no_unusual_time() -> None:
    """Given logins around the clock but for one hour, that hour is hardly strange."""
    always = [
        login(START + i * 7 * HOUR, event_id=f"always-{i}") for i in range(120) if (8 + i * 7) % 24 != 3
    ]
    signal = _assess(UnusualTime(), login(START + 120 * 7 * HOUR + 18 * HOUR), always)
    assert signal is None or signal.strength < 0.05


def test_twenty_logins_before_a_habit() -> None:
    """With nineteen logins there is no habit yet."""
    assert _assess(UnusualTime(), login(at("2026-04-06 03:00:00")), daily(19)) is None


@pytest.mark.parametrize(
    ("days", "strength"), [(29, None), (31, 0.12), (100, 0.22), (400, 0.38)], ids=lambda v: str(v)
)
def test_dormant(days: int, strength: float | None) -> None:
    """The longer the silence, the stronger: 30, 90, 365 days."""
    last = HOME[-1].time
    event = login(last + days * DAY, ip=AWAY_IP, asn=ABROAD, ua=SAFARI)
    signal = _assess(DormantAccount(), event, HOME)
    assert (signal.strength if signal is not None else None) == strength
    if signal is not None:
        assert signal.evidence["days"] == days
        assert signal.evidence["last_login"] == last


def test_dormant_on_the_users_own_device() -> None:
    """The user's own device after a long silence is half as strange."""
    own = daily(30, device_id="laptop-1")
    event = login(own[-1].time + 100 * DAY, ip=AWAY_IP, device_id="laptop-1")
    signal = _assess(DormantAccount(), event, own)
    assert signal is not None
    assert signal.strength == pytest.approx(0.11)


def test_seasonal_users() -> None:
    """Given somebody who comes every six weeks, six weeks more are half as strange."""
    seasons = [login(START + i * 42 * DAY) for i in range(6)]
    event = login(START + 6 * 42 * DAY + MINUTE, ip=AWAY_IP, asn=ABROAD, ua=SAFARI)
    signal = _assess(DormantAccount(), event, seasons)
    assert signal is not None
    assert signal.strength == pytest.approx(0.06)
    assert signal.evidence["longest_pause_days"] == 42


def test_a_late_login_ends_no_silence() -> None:
    """Given a login that comes late, between two others, the silence is the one before it."""
    history = [login(START), login(START + 100 * DAY)]
    assert _assess(DormantAccount(), login(START + 5 * DAY), history) is None
    late = _assess(DormantAccount(), login(START + 99 * DAY, ip=AWAY_IP, asn=VPN, ua=CHROME), history)
    assert late is not None
    assert late.evidence["days"] == 99
