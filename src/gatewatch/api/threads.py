"""Work that waits (for PostgreSQL, for a slow hash) leaves the event loop, so much of it at once and no more."""

from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

from anyio import CapacityLimiter, to_thread

from gatewatch.api.problems import retry

Given = TypeVarTuple("Given")
Result = TypeVar("Result")


class Threads:
    """At most `threads` at work, at most `waiting` requests that wait for one."""

    def __init__(self, threads: int, waiting: int) -> None:
        self._limiter = CapacityLimiter(threads)
        self._asking = 0
        self._most = threads + waiting

    async def run(self, work: Callable[[*Given], Result], *given: *Given) -> Result:
        """The result of the work. Raises a `Problem` where too many wait already."""
        if self._asking >= self._most:
            raise retry("overloaded")
        self._asking += 1
        try:
            return await to_thread.run_sync(work, *given, limiter=self._limiter)
        finally:
            self._asking -= 1
