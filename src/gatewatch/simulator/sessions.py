"""How a legitimate login goes: some typing errors, perhaps a second factor, then success."""

from collections.abc import Iterator
from random import Random

from gatewatch.core.events import LoginEvent, ReasonClass
from gatewatch.core.times import SECOND
from gatewatch.simulator.emit import PASSWORD, PASSWORD_AND_PUSH, Emitter
from gatewatch.simulator.names import mistyped
from gatewatch.simulator.population import User
from gatewatch.simulator.presence import Where

_GIVES_UP = 0.06
_MISTYPES_NAME = 0.08
_SECOND_ERROR = 0.35
_PROMPTED = 0.25


class Sessions:
    """Logins of legitimate users for one stream of events."""

    def __init__(self, emit: Emitter, rng: Random) -> None:
        self._emit = emit
        self._rng = rng

    def attempt(self, user: User, where: Where, time: int) -> Iterator[LoginEvent]:
        """One login with this user's own rate of typing errors; now and then the user gives up.

        Most errors are in the password, some in the name.
        """
        rng, errors = self._rng, 0
        if rng.random() < user.typo:
            errors = 1 + (rng.random() < _SECOND_ERROR)
        typed = [self._type(user.identity.name) for _ in range(errors)]
        gives_up = errors > 0 and rng.random() < _GIVES_UP
        return self._typed(user, where, time, typed, succeeds=not gives_up)

    def login(self, user: User, where: Where, time: int, wrong: int) -> Iterator[LoginEvent]:
        """`wrong` passwords some seconds apart (an old one, a forgotten one), then success."""
        return self._typed(user, where, time, [user.identity.name] * wrong, succeeds=True)

    def _type(self, name: str) -> str:
        return mistyped(name, self._rng) if self._rng.random() < _MISTYPES_NAME else name

    def _typed(
        self, user: User, where: Where, time: int, typed: list[str], *, succeeds: bool
    ) -> Iterator[LoginEvent]:
        """A refused attempt for each name typed, then (if it `succeeds`) the second factor and success."""
        for name in typed:
            reason: ReasonClass = "bad_credentials" if name == user.identity.name else "unknown_user"
            yield self._emit.failure(time, name, where, reason)
            time += self._pause(4, 25)
        if succeeds:
            yield from self._succeed(user, where, time)

    def _succeed(self, user: User, where: Where, time: int) -> Iterator[LoginEvent]:
        if not user.mfa or self._rng.random() >= _PROMPTED:
            yield self._emit.success(time, user.identity, where, PASSWORD)
            return
        if self._rng.random() < 0.02:
            yield self._emit.push(time, user.identity, where, "mfa_timeout")
            time += self._pause(5, 20)
        yield self._emit.push(time, user.identity, where)
        yield self._emit.success(time + self._pause(1, 3), user.identity, where, PASSWORD_AND_PUSH)

    def _pause(self, low: int, high: int) -> int:
        return int((low + (high - low) * self._rng.random()) * SECOND)
