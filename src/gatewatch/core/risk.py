"""How signals become one score that can be taken apart again.

Signals combine as independent causes (noisy-or, Pearl 1988): score = 100 · (1 - Π(1 - s_i)). Each signal's
contribution is its share of -ln(1 - s_i), rounded by largest remainders, so that contributions add up to the score.
"""

from collections.abc import Sequence
from math import log

import msgspec

from gatewatch.core.policy import Policy
from gatewatch.core.signals import Action, Level, Signal

#: No single signal is certain.
MOST = 0.99


def combine(signals: Sequence[Signal]) -> tuple[int, tuple[Signal, ...]]:
    """The score (0-100) and the signals with their contributions, strongest first.

    >>> score, (one,) = combine([Signal(detector="d", code="c", strength=0.5)])
    >>> score, one.contribution
    (50, 50)
    """
    ranked = sorted(signals, key=lambda s: (-s.strength, s.detector, s.code))
    doubts = [-log(1.0 - min(s.strength, MOST)) for s in ranked]
    whole = sum(doubts)
    product = 1.0
    for signal in ranked:
        product *= 1.0 - min(signal.strength, MOST)
    score = round(100 * (1.0 - product))
    shares = [score * doubt / whole if whole else 0.0 for doubt in doubts]
    points = _largest_remainders(shares, score)
    return score, tuple(
        msgspec.structs.replace(s, contribution=p) for s, p in zip(ranked, points, strict=True)
    )


def _largest_remainders(shares: Sequence[float], whole: int) -> list[int]:
    points = [int(share) for share in shares]
    order = sorted(range(len(shares)), key=lambda i: (points[i] - shares[i], i))
    for i in order[: whole - sum(points)]:
        points[i] += 1
    return points


def level_of(score: int, policy: Policy) -> Level:
    """The level of a score under a policy."""
    low, medium, high, critical = policy.levels
    if score >= high:
        return "critical" if score >= critical else "high"
    if score >= medium:
        return "medium"
    return "low" if score >= low else "none"


def action_of(score: int, policy: Policy) -> Action:
    """What an application should do about a score under a policy."""
    if score >= policy.deny_score:
        return "deny"
    return "challenge" if score >= policy.challenge_score else "allow"
