"""account_takeover: a success after an attack."""

from typing import Any

import pytest

from gatewatch.core.context import EMPTY, Context, SourceNumbers
from gatewatch.core.events import Asn, LoginEvent
from gatewatch.core.policy import DEFAULT
from gatewatch.core.signals import Signal
from gatewatch.core.times import MINUTE
from gatewatch.detectors.account_takeover import AccountTakeover
from tests.builders import (
    ABROAD,
    AWAY_IP,
    HOME_IP,
    LAGOS,
    SAFARI,
    at,
    burst,
    daily,
    failure,
    login,
    situation,
    under,
)

NOON = at("2026-04-06 12:00:00")
HISTORY = daily(30)
STRANGE: dict[str, Any] = {"ip": AWAY_IP, "geo": LAGOS, "asn": ABROAD, "ua": SAFARI}


def _assess(event: LoginEvent, history: list[LoginEvent], context: Context = EMPTY) -> Signal | None:
    return AccountTakeover().assess(situation(event, history, context))


def test_many_failures_then_success_from_a_known_address() -> None:
    """Given 147 failures from the user's own address, the success after them is strong all the same."""
    signal = _assess(login(NOON), HISTORY + burst(147, NOON))
    assert signal is not None
    assert signal.strength >= 0.9
    assert signal.evidence["failures"] == 147
    assert signal.evidence["same_address"] is True
    assert signal.evidence["known"] is True
    assert 280 <= signal.evidence["lasted_s"] <= 360


@pytest.mark.parametrize(
    ("failures", "changes", "least", "most"),
    [
        pytest.param(4, STRANGE, None, None, id="typing errors open nothing, even from afar"),
        pytest.param(5, {}, 0.1, 0.29, id="five at home are low"),
        pytest.param(9, {}, 0.1, 0.29, id="nine at home are low"),
        pytest.param(9, {**STRANGE, "ip": HOME_IP}, 0.1, 0.29, id="nine at a known address are low"),
        pytest.param(5, STRANGE, 0.55, 0.65, id="five from a stranger are not"),
        pytest.param(10, {}, 0.85, 0.95, id="ten are strong at home"),
        pytest.param(10, STRANGE, 0.85, 0.95, id="ten are strong from afar"),
    ],
)
def test_strength_by_failures_and_familiarity(
    failures: int, changes: dict[str, Any], least: float | None, most: float | None
) -> None:
    """Familiarity excuses a few failures, never ten."""
    burst_ip = changes.get("ip", HOME_IP)
    signal = _assess(login(NOON, **changes), HISTORY + burst(failures, NOON, ip=burst_ip))
    if least is None or most is None:
        assert signal is None
    else:
        assert signal is not None
        assert least <= signal.strength <= most


def test_an_ordinary_login_does_not_use_failures_up() -> None:
    """Given twelve failures with the user's own login among them, the stranger's success counts all twelve."""
    attack = [*burst(6, NOON - 5 * MINUTE, ip=AWAY_IP), login(NOON - 4 * MINUTE), *burst(6, NOON, ip=AWAY_IP)]
    signal = _assess(login(NOON, **STRANGE), HISTORY + attack)
    assert signal is not None
    assert signal.evidence["failures"] == 12
    assert signal.strength >= 0.85


def test_the_victim_at_home_under_attack_from_elsewhere() -> None:
    """Given 200 failures from abroad, the user's own login at home is found, and asked rather than denied."""
    signal = _assess(login(NOON), HISTORY + burst(200, NOON, 1.0, **STRANGE))
    assert signal is not None
    assert signal.strength * 100 < DEFAULT.deny_score
    assert signal.strength * 100 >= DEFAULT.challenge_score
    assert signal.evidence["same_address"] is False


@pytest.mark.parametrize("minutes", [12, 60, 24 * 60])
def test_failures_before_the_window_do_not_count(minutes: int) -> None:
    """Given an attack that ended before the window, the success is not its end."""
    assert _assess(login(NOON), HISTORY + burst(50, NOON - minutes * MINUTE)) is None


@pytest.mark.parametrize("reason", ["config", "policy", "locked", "disabled", "expired", "other", None])
def test_failures_that_are_no_attack(reason: str | None) -> None:
    """Failures by policy, configuration or an unknown cause never make a takeover."""
    own = [failure(NOON - i * 1_000_000 - 1, event_id=f"f{i}", reason_class=reason) for i in range(30)]
    assert _assess(login(NOON), HISTORY + own) is None


def test_an_open_finding_on_a_strange_address() -> None:
    """Given an open finding on the address, a first success from there is a takeover without any failure."""
    signal = _assess(login(NOON, **STRANGE), HISTORY, under("credential_stuffing"))
    assert signal is not None
    assert 0.7 <= signal.strength <= 0.8
    assert signal.code == "account_takeover_from_attacker"
    assert signal.evidence["finding"] == "credential_stuffing"


def test_an_open_finding_on_a_strange_prefix() -> None:
    """A finding on the prefix weighs less than one on the address."""
    context = Context(prefix=SourceNumbers(9, 9, 9, 9, 9, "password_spraying"))
    signal = _assess(login(NOON, **STRANGE), HISTORY, context)
    assert signal is not None
    assert signal.strength == pytest.approx(0.6)


@pytest.mark.parametrize("changes", [{}, {"ip": AWAY_IP, "device_id": "laptop-1"}])
def test_an_open_finding_where_the_user_is_known(changes: dict[str, Any]) -> None:
    """The user's own address or device is no takeover because somebody else attacks from there."""
    own = daily(30, device_id="laptop-1")
    assert (
        _assess(login(NOON, **{"device_id": "laptop-1", **changes}), own, under("password_spraying")) is None
    )


def test_an_open_finding_on_an_account_without_history() -> None:
    """An account that never got in before has nobody to vouch for the login."""
    signal = _assess(login(NOON, **STRANGE), [], under("credential_stuffing"))
    assert signal is not None
    assert signal.strength >= 0.7


def test_common_families_are_no_device() -> None:
    """The user's browser and system on a network the user never had do not make it the user's device."""
    attack = burst(6, NOON, ip=AWAY_IP)
    signal = _assess(login(NOON, ip=AWAY_IP, asn=Asn(64_999, "Example", "isp")), HISTORY + attack)
    assert signal is not None
    assert signal.strength == pytest.approx(0.6)


def test_without_address_agent_or_place() -> None:
    """Missing fields are unknown: failures still count, and nothing vouches for the login."""
    bare: dict[str, Any] = {"ip": "", "geo": None, "asn": None, "ua": None}
    signal = _assess(login(NOON, **bare), burst(6, NOON, **bare))
    assert signal is not None
    assert signal.strength == pytest.approx(0.6)


def test_doubt_on_a_login_before_the_finding() -> None:
    """Given a finding recognised after a stranger's login, the doubt is as strong as if it had been known."""
    signal = AccountTakeover().doubt(
        situation(login(NOON, **STRANGE), HISTORY),
        {"detector": "credential_stuffing", "subject": ["ip", AWAY_IP]},
    )
    assert signal is not None
    assert signal.strength == pytest.approx(0.75)
    assert signal.evidence["finding"] == "credential_stuffing"


def test_doubt_on_the_users_own_login() -> None:
    """Given a finding on the address of the user's office, the user's logins there stay what they were."""
    finding = {"detector": "password_spraying", "subject": ["ip", HOME_IP]}
    assert AccountTakeover().doubt(situation(login(NOON), HISTORY), finding) is None


@pytest.mark.parametrize("finding", [{}, {"subject": 7}, {"detector": 3, "subject": []}])
def test_doubt_with_strange_evidence(finding: dict[str, Any]) -> None:
    """Evidence of third parties that lacks everything does not crash."""
    assert AccountTakeover().doubt(situation(login(NOON, **STRANGE), HISTORY), finding) is not None
