"""Work off the event loop: so much at once, so much waiting, and no more."""

from __future__ import annotations

import asyncio
from threading import Event

from gatewatch.api.problems import Problem
from gatewatch.api.threads import Threads


def test_who_comes_when_all_places_are_taken_is_sent_away() -> None:
    """With one thread and one place to wait, of three at once one is told to come again, and the others are served."""

    async def run() -> list[object]:
        threads, go = Threads(1, 1), Event()

        async def open_the_gate() -> None:
            go.set()

        asked = [threads.run(go.wait, 60.0) for _ in range(3)]
        found = await asyncio.gather(*asked, open_the_gate(), return_exceptions=True)
        return [*found[:3], await threads.run(go.is_set)]

    first, second, third, later = asyncio.run(run())
    assert (first, second, later) == (True, True, True)
    assert isinstance(third, Problem)
    assert third.code == "overloaded"
    assert third.headers is not None
    assert "Retry-After" in third.headers
