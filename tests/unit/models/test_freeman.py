"""The smoothed Freeman likelihood ratio, against the formula done by hand."""

from math import isfinite, log

import pytest

from gatewatch.core import features
from gatewatch.core.context import Context, Frequencies
from gatewatch.core.profiles import ATTRIBUTES
from gatewatch.core.situation import Features
from gatewatch.models.freeman import Freeman

LEVELS = 7


def _row(
    known: list[int], user: list[float], tenant: list[int], logins: float, all_logins: int
) -> list[float]:
    row: list[float] = []
    for k, u, t in zip(known, user, tenant, strict=True):
        row += [float(k), u, float(t)]
    return [*row, logins, float(all_logins)]


def _by_hand(user: float, tenant: int, logins: float, all_logins: int) -> float:
    everybody = min(1.0, (tenant + 1) / (all_logins + 50))
    mine = (user + everybody) / (logins + 1)
    return max(-4.0, log(everybody / mine))


def test_the_formula() -> None:
    """The score is the sum over levels of ln p_g - ln p_u, bounded below."""
    user, tenant = [0.0, 30.0, 30.0, 2.0, 25.0, 30.0, 0.0], [0, 400, 4_000, 12, 2_500, 2_600, 0]
    row = _row([1] * LEVELS, user, tenant, 30.0, 5_000)
    expected = sum(_by_hand(u, t, 30.0, 5_000) for u, t in zip(user, tenant, strict=True))
    assert Freeman().score_many([row])[0] == pytest.approx(expected)


def test_a_new_value_adds_the_same_however_rare_it_is() -> None:
    """A value the user never had adds ln(n + 1)."""
    for tenant in (0, 10, 4_000):
        row = _row([1, 0, 0, 0, 0, 0, 0], [0.0] * LEVELS, [tenant] * LEVELS, 30.0, 5_000)
        assert Freeman().score_many([row])[0] == pytest.approx(log(31))


def test_a_known_value_subtracts_the_more_the_rarer_it_is() -> None:
    """The user's own rare network vouches for more than a popular browser, and for no more than `vouch`."""
    rows = [
        _row([1, 0, 0, 0, 0, 0, 0], [30.0] * LEVELS, [tenant] * LEVELS, 30.0, 5_000)
        for tenant in (4_000, 300, 2)
    ]
    popular, usual, rare = Freeman().score_many(rows)
    assert popular > usual > rare
    assert rare == pytest.approx(-4.0)


def test_unknown_values_are_left_out() -> None:
    """A login of which nothing is known scores zero."""
    assert Freeman().score_many([_row([0] * LEVELS, [0.0] * LEVELS, [0] * LEVELS, 9.0, 100)]) == [0.0]


def test_rows_do_not_touch_each_other() -> None:
    """A row scores the same alone and in a batch."""
    rows = [_row([1] * LEVELS, [float(i)] * LEVELS, [i] * LEVELS, 40.0, 1_000) for i in range(30)]
    assert Freeman().score_many(rows) == [Freeman().score_many([row])[0] for row in rows]


@pytest.mark.parametrize("logins", [0.0, 0.1, 1e6])
@pytest.mark.parametrize("tenant", [0, 10**9])
def test_finite(logins: float, tenant: int) -> None:
    """No history, no tenant, or counts that contradict each other give finite numbers."""
    for known in (0, 1):
        row = _row([known] * LEVELS, [logins * 2] * LEVELS, [tenant] * LEVELS, logins, 0)
        assert isfinite(Freeman().score_many([row])[0])


def test_explain_adds_up() -> None:
    """The terms add up to the score and name known levels only."""
    row = _row([1, 1, 1, 0, 1, 1, 0], [0.0, 3.0, 9.0, 0.0, 9.0, 2.0, 0.0], [1, 2, 3, 0, 5, 6, 0], 9.0, 50)
    terms = Freeman().explain(row)
    assert set(terms) == {"ip", "asn", "country", "browser", "os"}
    assert sum(terms.values()) == pytest.approx(Freeman().score_many([row])[0], abs=0.05)


def test_the_vector_is_what_the_model_names() -> None:
    """`features.vector` fills exactly the names a model asks for, in their order."""
    values, weights = tuple(ATTRIBUTES), tuple(float(i) for i in range(len(ATTRIBUTES)))
    context = Context(frequencies=Frequencies(1, 2, 3, 4, 5, 6, 7, 8))
    named = dict(zip(features.NAMES, features.vector(Features(values, weights, 99.0), context), strict=True))
    assert named["ip_tenant"] == 1
    assert named["device_tenant"] == 7
    assert named["ua_user"] == weights[ATTRIBUTES.index("ua")]
    assert named["country_known"] == 1
    assert (named["user_total"], named["tenant_total"]) == (99.0, 8)
    assert Freeman().features == features.NAMES
