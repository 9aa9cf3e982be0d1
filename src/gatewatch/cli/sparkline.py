"""A row of numbers as a row of bars."""

from collections.abc import Sequence

_BARS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], width: int) -> str:
    """The last `width` values, the highest as a full bar.

    >>> sparkline([0, 1, 2, 4], 3)
    '▃▅█'
    """
    shown = values[-width:] if width > 0 else []
    most = max(shown, default=0)
    if most <= 0:
        return _BARS[0] * len(shown)
    return "".join(_BARS[min(7, round(7 * value / most))] for value in shown)
