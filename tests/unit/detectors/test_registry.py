"""The registry: what is in it, and what every detector of a user keeps to."""

from collections.abc import Iterator

import pytest

from gatewatch import detectors
from gatewatch.core import engine, profiles, signals
from gatewatch.core.context import Context, Frequencies
from gatewatch.core.detection import Detector
from gatewatch.core.events import LoginEvent
from gatewatch.core.policy import DEFAULT, Policy
from gatewatch.core.times import MINUTE
from tests.builders import (
    ABROAD,
    AWAY_IP,
    LAGOS,
    SAFARI,
    START,
    at,
    burst,
    daily,
    failure,
    learn,
    login,
    situation,
)

NOON = at("2026-04-06 12:00:00")


def _events() -> Iterator[LoginEvent]:
    yield login(NOON)
    yield login(NOON, ip=AWAY_IP, geo=LAGOS, asn=ABROAD, ua=SAFARI)
    yield login(NOON, ip="", geo=None, asn=None, ua=None)
    yield login(START - MINUTE, ip=AWAY_IP, geo=LAGOS)
    yield failure(NOON, ip=AWAY_IP)
    yield failure(NOON, ip="", geo=None, asn=None, ua=None)
    yield failure(NOON, reason_class="policy")


def test_ids() -> None:
    """The registry's keys are the detectors' ids, and each has settings in the policy under that name."""
    assert [d.id for d in detectors.DETECTORS.values()] == list(detectors.DETECTORS)
    assert all(hasattr(Policy(), name) for name in detectors.DETECTORS)
    assert list(detectors.DOUBTS) == ["account_takeover"]


def test_default_engine() -> None:
    """The engine asks every detector of the registry."""
    system = detectors.default_engine()
    assert system.detectors == tuple(detectors.DETECTORS.values())
    assert system.sources == tuple(detectors.SOURCE_DETECTORS.values())
    assert len(detectors.extended_engine().detectors) >= len(system.detectors)


@pytest.mark.parametrize("detector", detectors.DETECTORS.values(), ids=lambda d: d.id)
def test_contract(detector: Detector) -> None:
    """A detector changes nothing, says the same twice, keeps strengths in [0, 1] and evidence in JSON."""
    history = [*daily(30), *burst(15, NOON, ip=AWAY_IP)]
    context = Context(frequencies=Frequencies(1, 2, 3, 4, 5, 6, 7, 80))
    for event in _events():
        seen = situation(event, history, context)
        before = profiles.encode(seen.profile)
        signal = detector.assess(seen)
        assert profiles.encode(seen.profile) == before
        assert detector.assess(seen) == signal
        if signal is not None:
            assert 0.0 < signal.strength <= 1.0
            assert signal.detector == detector.id
            assert signal.attack == detector.attack
            assert signals.encode(signals.Assessment(score=1, level="low", signals=(signal,)))


@pytest.mark.parametrize("detector", detectors.DETECTORS.values(), ids=lambda d: d.id)
def test_switched_off(detector: Detector) -> None:
    """A detector whose setting says so is not asked."""
    settings = getattr(DEFAULT, detector.id)
    policy = Policy(**{detector.id: type(settings)(enabled=False)})
    system = engine.Engine(detectors=(detector,))
    profile = learn([*daily(30), *burst(30, NOON, ip=AWAY_IP)])
    for event in _events():
        assessment, _ = system.step(profile, event, Context(), policy)
        assert not assessment.signals
        assert not assessment.degraded
