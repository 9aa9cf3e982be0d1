"""A client of the stream whose connection is dropped again and again, and what it was told in all."""

from __future__ import annotations

import random
from math import inf
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from typing import NamedTuple

import httpx

from gatewatch.services import positions
from tests.faults.apis import LATER, addresses
from tests.integration.api.streams import Block, Listener

#: How often the client comes again at least.
RECONNECTS = 100
#: How long a connection is used once it told something, and how long it may be silent (s). Where so many messages came
#: in one, the next is used longer: else a client could fall behind more than can be caught up on.
STAY = (0.0, 0.4)
MANY = 500
SILENCE = 3.0
TENANT = "default"


class Told(NamedTuple):
    """A block of the stream: what it tells of, by which name, and the id behind which the client goes on."""

    event: str
    name: str
    version: int
    revision: int
    id: str


class StreamClient(Thread):
    """Begins before anything is stored. Each connection goes on, at any process, behind the last id that came."""

    def __init__(self, folder: Path, key: str, seed: int) -> None:
        super().__init__(name="stream client", daemon=True)
        self.told: list[Told] = []
        self.connections = 0
        self.failure = ""
        self._folder, self._key = folder, key
        self._over = Event()
        self._told_all, self._last = False, 0
        self._random = random.Random(f"{seed}stream")
        self._id = positions.write(TENANT, {}, {})

    def has_more(self, stored: int) -> bool:
        """Whether it has not heard of so much yet, or not come again often enough."""
        self._told_all = len(self.told) >= stored
        return not self._told_all or self.connections <= RECONNECTS

    def finish(self) -> None:
        """End, with the connection under way."""
        self._over.set()
        if self.is_alive():
            self.join()

    def run(self) -> None:
        """Listen until told to stop."""
        try:
            while not self._over.is_set():
                if not self._listened():
                    self._over.wait(0.05)
        except Exception as error:  # noqa: BLE001 -- told by the run, which nobody else would tell
            self.failure = f"the stream client stopped: {error!r}"

    def _listened(self) -> bool:
        found = addresses(self._folder)
        try:
            return bool(found) and self._listen(self._random.choice(found))
        except httpx.TransportError:
            return False

    def _listen(self, url: str) -> bool:
        """Listen for a while; whether the stream began."""
        until = monotonic() if self._told_all else inf
        stay, before = self._random.uniform(*STAY) * (1 + min(4, self._last // MANY)), len(self.told)
        with Listener(url, self._key, self._id, timeout=SILENCE) as stream:
            if stream.response.status_code != 200:
                if stream.response.status_code not in LATER:
                    raise ValueError(f"{stream.response.status_code} {stream.response.text}")
                return False
            self.connections += 1
            for block in stream:
                self._take(block)
                if block.event:
                    until = min(until, monotonic() + stay)
                self._last = len(self.told) - before
                if self._over.is_set() or monotonic() >= until:
                    break
        return True

    def _take(self, block: Block) -> None:
        self._id, data = block.id, block.data
        match block.event:
            case "event":
                self.told.append(Told("event", data["event_id"], 0, 0, block.id))
            case "anomaly":
                said = (data["id"], data["version"], data["revision"])
                self.told.append(Told("anomaly", *said, block.id))
            case "reset":
                self.told.append(Told("reset", data["reason"], 0, 0, block.id))
