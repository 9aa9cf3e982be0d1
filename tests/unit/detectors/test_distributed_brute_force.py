"""distributed_brute_force: one account, many addresses, in minutes or over a week."""

from typing import Any

import pytest

from gatewatch.core.events import Asn, Geo, LoginEvent
from gatewatch.core.signals import Signal
from gatewatch.core.times import DAY, HOUR, MINUTE, SECOND
from gatewatch.detectors.distributed_brute_force import DistributedBruteForce
from tests.builders import AWAY_IP, at, burst, daily, failure, situation

NOON = at("2026-04-06 12:00:00")


def _assess(event: LoginEvent, history: list[LoginEvent]) -> Signal | None:
    return DistributedBruteForce().assess(situation(event, history))


def _from(address: int, **changes: Any) -> dict[str, Any]:
    return {"ip": f"198.51.{address // 250}.{address % 250 + 1}", **changes}


def _spread(addresses: int, tries: int, countries: int, asns: int) -> list[LoginEvent]:
    """`tries` failures over the 25 minutes before noon, round-robin over addresses, countries and networks."""
    return [
        failure(
            NOON - (tries - i) * 25 * MINUTE // tries,
            event_id=f"try-{i}",
            **_from(
                i % addresses,
                geo=Geo(country=f"C{i % addresses % countries}"),
                asn=Asn(65_000 + i % addresses % asns),
            ),
        )
        for i in range(tries)
    ]


@pytest.mark.parametrize(
    ("addresses", "tries", "countries", "asns", "signals"),
    [
        pytest.param(5, 10, 2, 1, True, id="five addresses in two countries"),
        pytest.param(5, 10, 1, 3, True, id="five addresses in three networks"),
        pytest.param(8, 10, 1, 1, True, id="eight addresses of one network"),
        pytest.param(7, 14, 1, 2, False, id="seven of two networks in one country"),
        pytest.param(4, 40, 4, 4, False, id="four addresses"),
        pytest.param(9, 9, 9, 9, False, id="nine tries"),
    ],
)
def test_fast(addresses: int, tries: int, countries: int, asns: int, signals: bool) -> None:
    """Elastic's condition over thirty minutes: addresses, tries, and countries, networks or many addresses."""
    *before, last = _spread(addresses, tries, countries, asns)
    assert (_assess(last, before) is not None) is signals


def test_evidence() -> None:
    """The evidence counts addresses, networks and countries, and names the address of this try."""
    *before, last = _spread(12, 24, 3, 4)
    signal = _assess(last, before)
    assert signal is not None
    assert signal.code == "distributed_brute_force"
    assert signal.evidence["failures"] == 24
    assert signal.evidence["sources"] == 12
    assert signal.evidence["asns"] == 4
    assert signal.evidence["countries"] == ["C0", "C1", "C2"]
    assert signal.evidence["address"] == last.ip


def _trickle(count: int, every: int) -> list[LoginEvent]:
    """`count` failures from as many addresses, one each `every` µs, the last one before noon."""
    return [failure(NOON - (count - i) * every, **_from(i, geo=None, asn=None)) for i in range(count)]


@pytest.mark.parametrize(
    ("count", "every", "signals"),
    [
        pytest.param(19, 6 * HOUR, True, id="twenty in five days"),
        pytest.param(18, 6 * HOUR, False, id="nineteen in five days"),
        pytest.param(40, DAY, False, id="one a day for weeks"),
        pytest.param(300, 30 * MINUTE, True, id="three hundred in a week"),
    ],
)
def test_slow(count: int, every: int, signals: bool) -> None:
    """Twenty addresses within seven days are an attack, however slow; geo and network need not be known."""
    signal = _assess(failure(NOON, **_from(999)), _trickle(count, every))
    assert (signal is not None) is signals
    if signal is not None:
        assert signal.code == "slow_distributed_brute_force"
        assert signal.evidence["window_s"] == 7 * 86_400


def test_strength_grows_with_addresses() -> None:
    """More addresses within the week are stronger."""
    few, many = (_assess(failure(NOON, **_from(999)), _trickle(n, 30 * MINUTE)) for n in (25, 200))
    assert few is not None
    assert many is not None
    assert few.strength < many.strength <= 0.9


def test_the_users_own_slip_after_an_attack() -> None:
    """Given a slow attack that ended yesterday, the user's own wrong password at home is not its next try."""
    attack = [failure(NOON - DAY - i * HOUR, **_from(i)) for i in range(40)]
    history = daily(30) + sorted(attack, key=lambda event: event.time)
    assert _assess(failure(NOON), history) is None
    assert _assess(failure(NOON, ip=AWAY_IP), history) is not None


def test_one_address_is_not_distributed() -> None:
    """A thousand failures from one address are somebody else's case."""
    assert _assess(failure(NOON, ip=AWAY_IP), burst(1000, NOON, 1.0, ip=AWAY_IP)) is None


def test_failures_that_are_no_attack() -> None:
    """A failure by policy does not complete the pattern."""
    *before, last = _spread(12, 24, 3, 4)
    assert _assess(failure(last.time + SECOND, reason_class="policy", ip=last.ip), before) is None


def test_nothing_known() -> None:
    """A first failure on an account is nothing."""
    assert _assess(failure(NOON), []) is None
