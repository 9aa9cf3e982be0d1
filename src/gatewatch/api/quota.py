"""How much of something one caller may cause in an hour, in this process."""

from gatewatch.core.times import HOUR


class Quota:
    """`most` per caller and hour (fixed hours of arrival). There are as many callers as there are keys."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._used: dict[str, tuple[int, int]] = {}

    def take(self, caller: str, wanted: int, now: int) -> int:
        """Take up to `wanted`; returns how many are granted. `now` in µs."""
        hour = now // HOUR
        since, used = self._used.get(caller, (hour, 0))
        used = used if since == hour else 0
        granted = min(wanted, self._most - used)
        self._used[caller] = (hour, used + granted)
        return granted
