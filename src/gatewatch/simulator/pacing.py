"""When to send recorded or simulated events. Pure: the caller owns the clock and the waiting."""

from collections.abc import Iterable, Iterator

from gatewatch.core.times import SECOND


def by_speed(times: Iterable[int], speed: float) -> Iterator[float]:
    """Seconds after the first event at which each event is due, event time running `speed` times as fast.

    `times` are event times in µs; one that steps back is due at once (offsets never fall).

    >>> list(by_speed([0, 60_000_000, 30_000_000], 60))
    [0.0, 1.0, 1.0]
    """
    if speed <= 0:
        raise ValueError("speed must be above 0")
    first, due = None, 0.0
    for time in times:
        first = time if first is None else first
        due = max(due, (time - first) / SECOND / speed)
        yield due


def by_rate(count: int, rate: float) -> Iterator[float]:
    """Seconds at which each of `count` events is due at `rate` events per second.

    >>> list(by_rate(3, 200))
    [0.0, 0.005, 0.01]
    """
    if rate <= 0:
        raise ValueError("rate must be above 0")
    return (number / rate for number in range(count))
