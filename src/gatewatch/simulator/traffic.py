"""Ordinary life: every legitimate login of a population, in event-time order, in bounded memory.

One heap entry per user holds the next login; a second heap holds the rest of the logins that are under way.
"""

from collections.abc import Iterator
from heapq import heapify, heappop, heappush, heapreplace
from random import Random

from gatewatch.core.events import LoginEvent
from gatewatch.simulator.emit import Emitter
from gatewatch.simulator.population import Population, User
from gatewatch.simulator.presence import Presence
from gatewatch.simulator.sessions import Sessions

#: Gaps between an employee's logins: gamma with this shape, steadier than chance (shape 1).
_SHAPE = 1.6

#: time (µs), number of the user, activity time, logins left after this one (-1: without end).
_Due = tuple[int, int, float, int]


class Traffic:
    """The legitimate events of a population; all randomness comes from `rng`."""

    def __init__(self, population: Population, emit: Emitter, rng: Random) -> None:
        self._population = population
        self._presence = Presence(population)
        self._sessions = Sessions(emit, rng)
        self._rng = rng
        self._calendar = population.calendar

    def events(self) -> Iterator[LoginEvent]:
        """Every event once, by time."""
        under_way: list[tuple[int, int, LoginEvent]] = []
        end, count = self._calendar.end, 0
        for time, user in self._logins():
            while under_way and under_way[0][0] <= time:
                yield heappop(under_way)[2]
            for event in self._login(user, time):
                if event.time < end:
                    count += 1
                    heappush(under_way, (event.time, count, event))
        while under_way:
            yield heappop(under_way)[2]

    def _login(self, user: User, time: int) -> Iterator[LoginEvent]:
        where = self._presence.where(user, time, self._rng)
        return iter(()) if where is None else self._sessions.attempt(user, where, time)

    def _logins(self) -> Iterator[tuple[int, User]]:
        """(time, who) of every login that begins inside the world, by time."""
        start, end = self._calendar.start, self._calendar.end
        due = self._first_logins()
        while due:
            time, index, x, left = due[0]
            if time >= end:
                return
            user = self._population.user(index)
            if time >= start:
                yield time, user
            if left == 0:
                heappop(due)
            else:
                heapreplace(due, self._next(user, x, left))

    def _first_logins(self) -> list[_Due]:
        due = []
        for index in range(self._population.users):
            time, first, logins = self._population.first_due(index)
            if time < self._calendar.end:
                due.append((time, index, first, logins - 1))
        heapify(due)
        return due

    def _next(self, user: User, x: float, left: int) -> _Due:
        """The login after the one at `x`: sorted uniforms over what is left of the world, or a renewal process."""
        rng = self._rng
        if left > 0:
            rest = self._calendar.activity(user.rhythm) - x
            x += rest * (1 - (1 - rng.random()) ** (1 / left))
        else:
            x += rng.gammavariate(_SHAPE, 1 / (_SHAPE * user.rate))
        return self._calendar.time(x, user.rhythm), user.index, x, left - 1
