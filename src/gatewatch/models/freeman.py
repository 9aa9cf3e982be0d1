"""The smoothed likelihood ratio after Freeman et al. 2016 and Wiefling et al. 2022: needs no training."""

from collections.abc import Sequence
from math import exp, log
from typing import ClassVar

from gatewatch.core import features
from gatewatch.core.profiles import ATTRIBUTES

_LEVELS = tuple(ATTRIBUTES[level] for level in features.LEVELS)
_WIDTH = 3 * len(_LEVELS)


class Freeman:
    """How much likelier the login's values are for anybody of the tenant than for this user.

    Per level (ip, asn, country, ua, browser, os, device), with n_u(v) the user's trusted weight of the value, n_u
    that of all logins, c(v) and N the tenant's counts:

        p_g(v) = (c(v) + 1) / (N + `prior`)                 at most 1
        p_u(v) = (n_u(v) + a · p_g(v)) / (n_u + a)          a = `smoothing`
        llr    = Σ max(ln p_g(v) - ln p_u(v), -`vouch`)

    A value new to the user adds ln(n_u / a + 1) however rare it is; a known one subtracts the more the rarer it is for
    others, at most `vouch`: one familiar address must not outweigh everything else. Unknown values ("") are left out.
    The priors p(u|attack) and p(u|legitimate) of the paper are left out: they rank users, not logins.

    Source: Freeman, Jain, Dürmuth, Biggio, Giacinto, "Who are you?", NDSS 2016; das-group/rba-algorithm.
    """

    name: ClassVar[str] = "freeman"
    version: ClassVar[str] = "1"
    feature_version: ClassVar[int] = features.FEATURE_VERSION
    features: ClassVar[tuple[str, ...]] = features.NAMES

    def __init__(self, smoothing: float = 1.0, prior: float = 50.0, vouch: float = 4.0) -> None:
        self.smoothing = smoothing
        self.prior = prior
        self.vouch = vouch
        self._least = exp(-vouch)

    def score_many(self, rows: Sequence[Sequence[float]]) -> list[float]:
        """The llr of each row of `features.vector`."""
        return [self._score(row) for row in rows]

    def explain(self, row: Sequence[float]) -> dict[str, float]:
        """What each known level adds to the llr, rounded to 0.01."""
        ratios = self._ratios(row)
        return {name: round(log(ratio), 2) for name, ratio in zip(_LEVELS, ratios, strict=True) if ratio}

    def _score(self, row: Sequence[float]) -> float:
        product = 1.0
        for ratio in self._ratios(row):
            if ratio:
                product *= ratio
        return log(product)

    def _ratios(self, row: Sequence[float]) -> list[float]:
        """p_g / p_u per level, 0 where the value is unknown."""
        a, logins, tenant = self.smoothing, row[_WIDTH] + self.smoothing, row[_WIDTH + 1] + self.prior
        ratios: list[float] = []
        for i in range(0, _WIDTH, 3):
            if not row[i]:
                ratios.append(0.0)
                continue
            everybody = (row[i + 2] + 1.0) / tenant
            if everybody > 1.0:
                everybody = 1.0
            ratio = everybody * logins / (row[i + 1] + a * everybody)
            ratios.append(ratio if ratio > self._least else self._least)
        return ratios
