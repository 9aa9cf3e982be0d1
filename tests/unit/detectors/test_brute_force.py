"""brute_force on one account: many failures within minutes from one or few addresses."""

import pytest

from gatewatch.core.events import LoginEvent
from gatewatch.core.policy import BruteForce as Settings
from gatewatch.core.policy import Policy
from gatewatch.core.signals import Signal
from gatewatch.core.times import DAY, MINUTE, SECOND
from gatewatch.detectors.brute_force import BruteForce
from tests.builders import AWAY_IP, HOME_IP, at, burst, daily, failure, login, situation

NOON = at("2026-04-06 12:00:00")


def _assess(event: LoginEvent, history: list[LoginEvent], policy: Policy | None = None) -> Signal | None:
    return BruteForce().assess(situation(event, history, policy=policy or Policy()))


@pytest.mark.parametrize(("before", "signals"), [(0, False), (8, False), (9, True), (146, True)])
def test_threshold(before: int, signals: bool) -> None:
    """The tenth failure within ten minutes signals, the ninth does not."""
    signal = _assess(failure(NOON), burst(before, NOON))
    assert (signal is not None) is signals
    if signal is not None:
        assert signal.evidence["failures"] == before + 1
        assert signal.attack == ("T1110.001",)


def test_the_strongest_hit_has_the_highest_count() -> None:
    """Strength grows with every failure, gently, and stays below certainty."""
    strengths = []
    for count in (9, 19, 99, 499, 1999):
        signal = _assess(failure(NOON), burst(count, NOON, 0.25))
        assert signal is not None
        strengths.append(signal.strength)
    assert strengths == sorted(strengths)
    assert strengths[0] == pytest.approx(0.5)
    assert strengths[-1] <= 0.9


def test_evidence() -> None:
    """The evidence holds what was seen, what it was judged by and what is usual."""
    history = [
        failure(NOON - DAY),
        failure(NOON - 2 * DAY),
        *burst(20, NOON, ip=AWAY_IP),
        *burst(3, NOON, ip=HOME_IP),
    ]
    signal = _assess(failure(NOON, ip=AWAY_IP), history)
    assert signal is not None
    assert signal.evidence == {
        "failures": 24,
        "window_s": 600,
        "sources": 2,
        "top_source": AWAY_IP,
        "top_source_failures": 21,
        "address": AWAY_IP,
        "threshold": 10,
        "usual_per_day": 0.3,
    }


@pytest.mark.parametrize(
    ("addresses", "each", "signals"),
    [
        pytest.param(1, 12, True, id="one"),
        pytest.param(4, 4, True, id="four"),
        pytest.param(7, 4, True, id="seven, of which four made most"),
        pytest.param(8, 4, False, id="eight alike are distributed"),
        pytest.param(40, 1, False, id="one try each is distributed"),
    ],
)
def test_addresses(addresses: int, each: int, signals: bool) -> None:
    """Few addresses are brute force, many are not."""
    attack = [event for i in range(addresses) for event in burst(each, NOON, ip=f"198.51.100.{i + 1}")]
    last = attack.pop()
    assert (_assess(failure(NOON, ip=last.ip), attack) is not None) is signals


def test_a_crowded_minute_names_no_address() -> None:
    """Given more addresses within a minute than it keeps, what it counts under none is not one busy attacker."""
    crowd = [failure(NOON - (200 - i) * SECOND // 10, ip=f"198.51.100.{i + 1}") for i in range(200)]
    assert _assess(failure(NOON, ip="203.0.113.5"), crowd) is None


def test_noise_does_not_hide_the_attacker() -> None:
    """Given 40 failures from one address and one each from ten others, the one is named."""
    noise = [failure(NOON - i * SECOND, ip=f"198.51.100.{i}") for i in range(1, 11)]
    signal = _assess(failure(NOON, ip="203.0.113.5"), noise + burst(40, NOON, ip="203.0.113.5"))
    assert signal is not None
    assert signal.evidence["top_source"] == "203.0.113.5"


def test_slow_failures_do_not_add_up() -> None:
    """Given one failure each two minutes all day long, no ten-minute window holds ten."""
    slow = [failure(NOON - i * 2 * MINUTE) for i in range(1, 300)]
    assert _assess(failure(NOON), sorted(slow, key=lambda e: e.time)) is None


@pytest.mark.parametrize("reason", ["config", "policy", "locked", "disabled", "expired", "other", None])
def test_failures_that_are_no_attack(reason: str | None) -> None:
    """A failure that is nobody's guess neither counts nor signals."""
    assert _assess(failure(NOON, reason_class=reason), burst(50, NOON)) is None
    own = [failure(NOON - i * SECOND, reason_class=reason) for i in range(1, 50)]
    assert _assess(failure(NOON), own) is None


def test_an_ordinary_login_between_changes_nothing() -> None:
    """A success does not reset the count."""
    history = [*burst(6, NOON - 4 * MINUTE), login(NOON - 3 * MINUTE), *burst(6, NOON)]
    assert _assess(failure(NOON), history) is not None


def test_without_an_address() -> None:
    """Failures without an address count for the account."""
    signal = _assess(failure(NOON, ip=""), burst(20, NOON, ip=""))
    assert signal is not None
    assert signal.evidence["top_source"] == ""


def test_a_late_failure_is_judged_by_what_is_known() -> None:
    """Given a failure that comes 20 hours late, it is judged by the window of its own time."""
    old = NOON - 20 * 60 * MINUTE
    assert _assess(failure(old), [*burst(12, old), login(NOON)]) is not None
    assert _assess(failure(old), [login(NOON), *burst(12, NOON)]) is None


def test_settings() -> None:
    """Threshold and window are the policy's."""
    policy = Policy(brute_force=Settings(failures=4, window=MINUTE))
    assert _assess(failure(NOON), burst(3, NOON), policy) is not None
    assert _assess(failure(NOON), burst(3, NOON - 5 * MINUTE), policy) is None


def test_quiet_account() -> None:
    """A first failure after a month of logins is nothing."""
    assert _assess(failure(NOON), daily(30)) is None
