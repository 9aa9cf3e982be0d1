"""login_risk: what a model finds unlikely for the user, and how much of it counts."""

from collections.abc import Sequence
from typing import Any

import pytest

from gatewatch.core import features
from gatewatch.core.context import Context, Frequencies
from gatewatch.core.events import LoginEvent, UserAgent
from gatewatch.core.policy import DEFAULT, Policy
from gatewatch.core.policy import LoginRisk as Settings
from gatewatch.core.signals import Signal
from gatewatch.core.times import DAY
from gatewatch.detectors.login_risk import LoginRisk
from gatewatch.models.freeman import Freeman
from tests.builders import ABROAD, AWAY_IP, BERGEN, CARRIER, LAGOS, SAFARI, VPN, at, daily, login, situation

MORNING = at("2026-04-06 08:10:00")
HOME = daily(30, device_id="laptop-1")
TENANT = Frequencies(ip=3, asn=400, country=4_000, ua=300, browser=2_500, os=2_600, device=3, total=5_000)


def _assess(event: LoginEvent, history: list[LoginEvent], context: Context | None = None) -> Signal | None:
    seen = Context(frequencies=TENANT) if context is None else context
    return LoginRisk(Freeman()).assess(situation(event, history, seen))


@pytest.mark.parametrize(
    ("changes", "label"),
    [
        ({"device_id": "laptop-1"}, "the same as ever"),
        ({"device_id": "laptop-1", "ip": "192.0.9.9"}, "a new address at home"),
        ({"device_id": "laptop-1", "ua": UserAgent(raw="new", browser="Chrome", os="Windows")}, "an update"),
        ({"device_id": "laptop-1", "ip": AWAY_IP, "asn": CARRIER, "geo": BERGEN}, "tethered to a phone"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_ordinary_logins(changes: dict[str, Any], label: str) -> None:
    """A new address at home, a browser update or mobile data stay well below any threshold."""
    signal = _assess(login(MORNING, **changes), HOME)
    assert signal is None or signal.strength * 100 < DEFAULT.open_score, label


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"ip": AWAY_IP, "asn": ABROAD, "geo": LAGOS, "ua": SAFARI}, id="naive"),
        pytest.param({"ip": AWAY_IP, "asn": VPN, "ua": SAFARI}, id="by VPN, in the country"),
    ],
)
def test_takeovers(changes: dict[str, Any]) -> None:
    """A stranger lands above the threshold that opens an anomaly and puts the login on probation."""
    event = login(MORNING, **changes, device_id="other")
    unseen = Frequencies(country=4_000, browser=900, os=900, total=5_000)
    signal = _assess(event, HOME, Context(frequencies=unseen))
    assert signal is not None
    assert signal.strength * 100 >= DEFAULT.flag_score
    assert signal.evidence["model"] == "freeman-1"
    assert signal.evidence["terms"]["ip"] == pytest.approx(3.4, abs=0.1)
    assert signal.evidence["raw"] == pytest.approx(sum(signal.evidence["terms"].values()), abs=0.05)


def test_little_history_says_little() -> None:
    """The same stranger weighs less against five logins than against thirty."""
    event = login(MORNING, ip=AWAY_IP, asn=ABROAD, geo=LAGOS, ua=SAFARI, device_id="other")
    few, many = _assess(event, daily(5)), _assess(event, HOME)
    assert few is not None
    assert many is not None
    assert few.strength < many.strength / 2


@pytest.mark.parametrize("days", [0, 1])
def test_from_the_second_login_on(days: int) -> None:
    """Without two logins of history there is no score."""
    assert _assess(login(MORNING, ip=AWAY_IP, ua=SAFARI), daily(days)) is None


def test_a_shared_network_says_less() -> None:
    """A new address that many of the tenant have, or that a carrier in the country dealt out, is half as strange."""
    event = login(MORNING, ip=AWAY_IP, asn=VPN, ua=SAFARI, device_id="other")
    alone = _assess(event, HOME, Context(frequencies=Frequencies(total=5_000)))
    shared = _assess(event, HOME, Context(frequencies=Frequencies(ip=100, total=5_000)))
    mobile = _assess(
        login(MORNING, ip=AWAY_IP, asn=CARRIER, ua=SAFARI, device_id="other"),
        HOME,
        Context(frequencies=Frequencies(total=5_000)),
    )
    assert alone is not None
    assert shared is not None
    assert mobile is not None
    assert shared.strength == pytest.approx(alone.strength / 2, abs=0.01)
    assert mobile.strength == pytest.approx(alone.strength / 2, abs=0.01)


def test_a_batched_model_is_not_asked_again() -> None:
    """The raw output stored with the context is what counts: replay gives the same bytes."""
    signal = _assess(login(MORNING, device_id="laptop-1"), HOME, Context(models={"freeman": 20.0}))
    assert signal is not None
    assert signal.evidence["raw"] == pytest.approx(20.0)


@pytest.mark.parametrize("raw", [-1e6, -50.0, 0.0, 9.0, 50.0, 1e6])
def test_strength_is_a_probability(raw: float) -> None:
    """However wild the model, the strength stays in [0, most]."""
    signal = _assess(login(MORNING, device_id="laptop-1"), HOME, Context(models={"freeman": raw}))
    assert signal is None or 0.0 <= signal.strength <= DEFAULT.login_risk.most


def test_settings() -> None:
    """Midpoint and most are the policy's."""
    event = login(MORNING, ip=AWAY_IP, asn=VPN, ua=SAFARI, device_id="other")
    strict = Policy(login_risk=Settings(midpoint=2.0, most=0.9))
    signal = LoginRisk(Freeman()).assess(situation(event, HOME, policy=strict))
    usual = LoginRisk(Freeman()).assess(situation(event, HOME))
    assert signal is not None
    assert usual is not None
    assert signal.strength > usual.strength


class _Other:
    """A model that was made for other features."""

    name = "other"
    version = "1"
    feature_version = features.FEATURE_VERSION + 1
    features: tuple[str, ...] = features.NAMES

    def score_many(self, rows: Sequence[Sequence[float]]) -> list[float]:
        return [1.0] * len(rows)


def test_a_model_for_other_features_is_refused() -> None:
    """A model and features that do not fit each other never meet."""
    with pytest.raises(ValueError, match="other features"):
        LoginRisk(_Other())


def test_a_model_that_explains_nothing() -> None:
    """A model without `explain` gives a signal without terms."""

    class Silent(_Other):
        feature_version = features.FEATURE_VERSION

        def score_many(self, rows: Sequence[Sequence[float]]) -> list[float]:
            return [30.0] * len(rows)

    signal = LoginRisk(Silent()).assess(situation(login(MORNING + DAY), HOME))
    assert signal is not None
    assert "terms" not in signal.evidence
