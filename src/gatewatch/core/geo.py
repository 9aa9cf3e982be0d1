"""Distances on the globe, in kilometres."""

from math import asin, cos, radians, sin, sqrt

from gatewatch.core.times import HOUR, SECOND

#: Mean radius of the earth (IUGG).
EARTH_KM = 6371.0088

#: (latitude, longitude) in degrees.
Point = tuple[float, float]


def is_known(lat: float | None, lon: float | None) -> bool:
    """Whether coordinates say where. Exactly (0, 0) is what databases write for "nowhere"."""
    return lat is not None and lon is not None and not (lat == 0.0 and lon == 0.0)


def haversine_km(a: Point, b: Point) -> float:
    """Great-circle distance.

    >>> round(haversine_km((59.9139, 10.7522), (6.5244, 3.3792)))
    5969
    """
    lat_a, lat_b = radians(a[0]), radians(b[0])
    half_lat, half_lon = (lat_b - lat_a) / 2, radians(b[1] - a[1]) / 2
    h = sin(half_lat) ** 2 + cos(lat_a) * cos(lat_b) * sin(half_lon) ** 2
    return 2 * EARTH_KM * asin(min(1.0, sqrt(h)))


def least_km(a: Point, b: Point, radius_a: float, radius_b: float) -> float:
    """The least distance between two claims, each exact to its radius (km); never negative."""
    return max(0.0, haversine_km(a, b) - radius_a - radius_b)


def speed_kmh(km: float, elapsed: int) -> float:
    """Average speed over `elapsed` µs; what took less than a second counts as one second."""
    return km * HOUR / max(abs(elapsed), SECOND)
