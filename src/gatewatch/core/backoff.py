"""How long to wait before the next attempt."""

#: After so many failures a wait no longer doubles: by then it is over any limit, and later over any float.
_DOUBLINGS = 20


def backoff(first: float, failures: int, most: float) -> float:
    """Seconds to wait after so many failures: `first`, doubled with each of them, at most `most`.

    >>> backoff(0.05, 1, 2.0), backoff(0.05, 9, 2.0), backoff(0.05, 100_000, 2.0)
    (0.1, 2.0, 2.0)
    """
    return min(most, first * 2.0 ** min(failures, _DOUBLINGS))
