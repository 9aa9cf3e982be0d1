"""Distances on the globe."""

import pytest

from gatewatch.core import geo
from gatewatch.core.times import HOUR

OSLO, LAGOS, SYDNEY = (59.9139, 10.7522), (6.5244, 3.3792), (-33.8688, 151.2093)


@pytest.mark.parametrize(
    ("a", "b", "km"),
    [
        (OSLO, OSLO, 0.0),
        (OSLO, LAGOS, 5_969.0),
        (OSLO, SYDNEY, 15_957.0),
        ((0.0, 179.9), (0.0, -179.9), 22.24),
        ((90.0, 0.0), (-90.0, 77.0), 20_015.0),
        ((0.0, 0.0), (0.0, 180.0), 20_015.0),
    ],
)
def test_haversine(a: geo.Point, b: geo.Point, km: float) -> None:
    """Great circles, across the date line and the poles, the same both ways."""
    assert geo.haversine_km(a, b) == pytest.approx(km, rel=0.001)
    assert geo.haversine_km(b, a) == pytest.approx(geo.haversine_km(a, b))


def test_radii_never_make_a_distance_negative() -> None:
    """Two vague claims may be the same place."""
    assert geo.least_km(OSLO, LAGOS, 4_000, 4_000) == 0.0
    assert geo.least_km(OSLO, LAGOS, 20, 50) == pytest.approx(5_899, abs=2)


def test_speed() -> None:
    """Fractional hours; no time at all counts as a second."""
    assert geo.speed_kmh(300.0, HOUR // 2) == pytest.approx(600.0)
    assert geo.speed_kmh(300.0, -HOUR // 2) == pytest.approx(600.0)
    assert geo.speed_kmh(1.0, 0) == pytest.approx(3_600.0)


@pytest.mark.parametrize(("lat", "lon"), [(None, 1.0), (1.0, None), (None, None), (0.0, 0.0)])
def test_nowhere(lat: float | None, lon: float | None) -> None:
    """Missing coordinates and exactly (0, 0) are no place; the equator is one."""
    assert not geo.is_known(lat, lon)
    assert geo.is_known(0.0, 9.4)
