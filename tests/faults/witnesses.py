"""Those who look on while everything dies: what they were told over HTTP is held against what is stored."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event
from typing import NamedTuple

from tests.faults import applications, people
from tests.faults.apis import PATIENCE_OF_PEOPLE, Apis
from tests.faults.applications import Answer
from tests.faults.listener import TENANT, StreamClient, Told
from tests.faults.people import Person, Request, Shown
from tests.faults.scenario import Item

#: Who works on anomalies.
PEOPLE = ("ann", "ben")
#: Changes that everyone makes at least.
ENOUGH = 20
#: How long they may take for what is left to do, once nothing goes wrong any more, or be told nothing (s).
WAIT = 120.0


class Witnessed(NamedTuple):
    """What was answered: decisions as they were made and asked again, changes of statuses, all anomalies in the end,
    and the stream over so many connections.
    """

    answers: list[Answer]
    again: list[Answer]
    requests: list[Request]
    shown: dict[str, Shown]
    told: list[Told]
    connections: int


class Witnesses:
    """People and a client of the stream, in threads of our own: nobody kills them."""

    def __init__(self, folder: Path, keys: dict[str, str], seed: int) -> None:
        self._folder, self._keys = folder, keys
        self._people = [Person(name, folder, seed) for name in PEOPLE]
        self._stream = StreamClient(folder, keys[TENANT], seed)
        self._all: list[Person | StreamClient] = [*self._people, self._stream]

    def start(self) -> None:
        """Begin."""
        for one in self._all:
            one.start()

    def rest(self) -> None:
        """Change nothing more, once each has changed enough."""
        deadline = time.monotonic() + WAIT
        while any(p.changed < ENOUGH and not p.failure for p in self._people) and time.monotonic() < deadline:
            time.sleep(0.1)  # polls, with the deadline above
        for person in self._people:
            person.finish()

    def finish(self) -> None:
        """End."""
        for one in self._all:
            one.finish()

    @property
    def failures(self) -> list[str]:
        """What a witness was told that nobody should be told."""
        return [one.failure for one in self._all if one.failure]

    def ask(self, decided: Sequence[Item], stored: Callable[[], int]) -> Witnessed:
        """What they say in the end. All is stored by now; `stored` counts what the stream tells of."""
        again = applications.Asker(self._folder, self._keys).ask(decided)
        with Apis(self._folder, Event(), PATIENCE_OF_PEOPLE) as apis:
            people.log_in(apis, PEOPLE[0])
            seen = people.shown(apis)
        deadline, told = time.monotonic() + WAIT, 0
        while self._stream.has_more(stored()) and time.monotonic() < deadline:
            if len(self._stream.told) > told:
                deadline, told = time.monotonic() + WAIT, len(self._stream.told)
            time.sleep(0.1)  # polls, with the deadline above
        self.finish()
        requests = [request for person in self._people for request in person.requests]
        stream = self._stream
        return Witnessed(
            applications.answers(self._folder), again, requests, seen, stream.told, stream.connections
        )
