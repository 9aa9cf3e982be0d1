"""How a scene recovers: how far each partition was stored, looked at from outside many times a second."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from threading import Event, Thread
from time import monotonic

import psycopg

from gatewatch.ports import LOGINS

#: How often is looked, and how long anything may take on a machine with other things to do (s).
LOOK = 0.05
PATIENCE = 90.0

Offsets = dict[int, int]
_READ = "SELECT part, next_offset FROM partitions WHERE topic = %s"


class Watch:
    """Looks in a thread of its own, as a superuser beside the proxy; while the server is away it tries again."""

    def __init__(self, conninfo: Callable[[], str]) -> None:
        self._conninfo = conninfo
        self._stop = Event()
        self._seen: list[tuple[float, Offsets]] = []
        self._thread = Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, if it began."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(LOOK):
            with suppress(psycopg.Error), self._connected() as connection:
                while not self._stop.wait(LOOK):
                    rows = connection.execute(_READ, (LOGINS,)).fetchall()
                    self._seen.append((monotonic(), dict(rows)))

    def _connected(self) -> psycopg.Connection[tuple[int, int]]:
        return psycopg.connect(self._conninfo(), autocommit=True, connect_timeout=2)

    def stored(self) -> int:
        """How many records are stored as far as was seen."""
        return sum(self._seen[-1][1].values()) if self._seen else 0

    def since(self, moment: float) -> list[tuple[float, Offsets]]:
        """What was seen from a moment on."""
        return [seen for seen in list(self._seen) if seen[0] >= moment]

    def stood_still(self, began: float) -> float:
        """The longest time (s) since a moment in which nothing was stored."""
        longest, last, total = 0.0, began, -1
        for moment, offsets in self.since(began):
            if sum(offsets.values()) > total:
                longest, last, total = max(longest, moment - last), moment, sum(offsets.values())
        return longest

    def moved(self, parts: Collection[int], began: float, seconds: float = PATIENCE) -> float:
        """When the last of some partitions had stored something that it had not when they were first looked at after
        `began` (monotonic, s). Raises `AssertionError` where one never does.
        """
        until = monotonic() + seconds
        while (found := advanced(self.since(began), parts)) is None:
            assert monotonic() < until, f"nothing was stored for {seconds:g} s on some of {sorted(parts)}"
            self._stop.wait(LOOK)
        return found


def advanced(seen: list[tuple[float, Offsets]], parts: Collection[int]) -> float | None:
    """When the last of some partitions was first seen beyond where it was at first; None where one never was."""
    left, first = set(parts), seen[0][1] if seen else {}
    for moment, offsets in seen:
        left -= {part for part in left if offsets.get(part, 0) > first.get(part, 0)}
        if not left:
            return moment
    return None
