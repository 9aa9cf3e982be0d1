"""When a user is active: uniform steps in *activity time* become the hours and weekdays of that user.

Activity time has one unit per working day and the user's own weekend share per day at the weekend; within a day
the hour follows a logistic law around the user's own centre. The map is monotone, so a process that is simple in
activity time (a renewal process, sorted uniforms) stays sorted in event time.
"""

from math import log
from typing import NamedTuple

from gatewatch.core.times import DAY, HOUR

#: 1970-01-01 was a Thursday.
_EPOCH_WEEKDAY = 3
_REACH_HOURS = 11.9


class Rhythm(NamedTuple):
    """`centre` hour of the day (UTC), `spread` of the logistic law in hours, `weekend` activity of a day off."""

    centre: float
    spread: float
    weekend: float


def weekday(time: int) -> int:
    """0 is Monday, in UTC."""
    return (time // DAY + _EPOCH_WEEKDAY) % 7


class Calendar:
    """The days of a world that begins at `start` (µs) and lasts `days`."""

    def __init__(self, start: int, days: float) -> None:
        self.start = start
        self.end = start + round(days * DAY)
        self._first_day = start - start % DAY
        self._weekday = weekday(start)
        self._days = -(-(self.end - self._first_day) // DAY)

    def activity(self, rhythm: Rhythm) -> float:
        """How much activity time the world holds for this rhythm."""
        week = 5 + 2 * rhythm.weekend
        rest = sum(self._weight(day, rhythm) for day in range(self._days % 7))
        return self._days // 7 * week + rest

    def time(self, x: float, rhythm: Rhythm) -> int:
        """The event time (µs) of a point in activity time; it may fall just outside the world."""
        weeks, left = divmod(x, 5 + 2 * rhythm.weekend)
        day = 0
        while left >= (weight := self._weight(day, rhythm)) and day < 6:
            left -= weight
            day += 1
        hour = rhythm.centre + self._offset(left / weight if weight else 0.5, rhythm.spread)
        return self._first_day + (int(weeks) * 7 + day) * DAY + int(hour * HOUR)

    def _weight(self, day: int, rhythm: Rhythm) -> float:
        return 1.0 if (self._weekday + day) % 7 < 5 else rhythm.weekend

    @staticmethod
    def _offset(share: float, spread: float) -> float:
        share = min(max(share, 1e-6), 1 - 1e-6)
        return min(max(spread * log(share / (1 - share)), -_REACH_HOURS), _REACH_HOURS)
