from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewatch.core import risk
from gatewatch.core.policy import DEFAULT
from gatewatch.core.signals import Signal

STRENGTHS = st.lists(st.floats(0.0, 1.0, allow_nan=False), min_size=1, max_size=12)


def signals_of(strengths: list[float]) -> list[Signal]:
    """One signal per strength."""
    return [Signal(detector=f"d{i}", code="c", strength=s) for i, s in enumerate(strengths)]


@given(STRENGTHS)
def test_contributions_add_up(strengths: list[float]) -> None:
    """The contributions of all signals sum to the score, each at least nothing, the strongest first."""
    score, ranked = risk.combine(signals_of(strengths))
    points = [signal.contribution for signal in ranked]
    assert sum(points) == score
    assert 0 <= score <= 100
    assert min(points) >= 0
    assert [s.strength for s in ranked] == sorted(strengths, reverse=True)


@given(STRENGTHS, st.randoms(use_true_random=False))
def test_any_order(strengths: list[float], random: Random) -> None:
    """The order in which detectors speak does not matter."""
    found = signals_of(strengths)
    assert risk.combine(random.sample(found, len(found))) == risk.combine(found)


@given(STRENGTHS, st.floats(0.0, 1.0))
def test_one_more_signal_never_lowers_the_score(strengths: list[float], more: float) -> None:
    """A further signal adds or leaves the score as it was."""
    assert risk.combine(signals_of([*strengths, more]))[0] >= risk.combine(signals_of(strengths))[0]


def test_no_signal_is_certain() -> None:
    """Even a strength of one stays below certainty."""
    assert risk.combine(signals_of([1.0]))[0] == 99


@pytest.mark.parametrize(
    ("score", "level", "action"),
    [
        (0, "none", "allow"),
        (20, "low", "allow"),
        (40, "medium", "allow"),
        (50, "medium", "challenge"),
        (70, "high", "challenge"),
        (85, "high", "deny"),
        (90, "critical", "deny"),
    ],
)
def test_levels_and_actions(score: int, level: str, action: str) -> None:
    """A score has the level and the action that the policy's thresholds say."""
    assert risk.level_of(score, DEFAULT) == level
    assert risk.action_of(score, DEFAULT) == action
