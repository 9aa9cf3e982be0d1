"""Advice: every detector's anomalies come with what to do."""

import pytest

from gatewatch.core.advice import steps
from gatewatch.detectors import DETECTORS, SOURCE_DETECTORS

OTHERS = steps("somebody_elses", "user")


@pytest.mark.parametrize("detector", DETECTORS)
def test_of_a_user(detector: str) -> None:
    """Each detector of this package has steps of its own for a user's anomaly."""
    assert steps(detector, "user") != OTHERS


@pytest.mark.parametrize("detector", SOURCE_DETECTORS)
@pytest.mark.parametrize("kind", ["ip", "prefix"])
def test_of_a_source(detector: str, kind: str) -> None:
    """A finding on a source has other steps than the same detector's anomaly of a user."""
    assert steps(detector, kind) not in (OTHERS, steps(detector, "user"))


def test_every_step_is_a_sentence() -> None:
    """What is shown to people begins like a sentence and ends like one, and is short enough to be read."""
    asked = [(detector, kind) for detector in {**DETECTORS, **SOURCE_DETECTORS} for kind in ("user", "ip")]
    for detector, kind in asked:
        for step in steps(detector, kind):
            assert step[0].isupper()
            assert step.endswith(".")
            assert len(step) <= 120


def test_a_user_s_threat_without_a_name() -> None:
    """Where nobody was named the anomaly is the address's, and the steps are still the detector's."""
    assert steps("impossible_travel", "ip") == steps("impossible_travel", "user")
