"""The processes of the fault test: `python -m tests.faults.actors ROLE NAME CONFIG`.

Each is the real thing with a main of its own: detectors and notifiers run what the product runs.
"""

import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from gatewatch import bootstrap, logs
from gatewatch.adapters.postgres.connection import Session
from gatewatch.adapters.postgres.leases import Leases
from gatewatch.adapters.postgres.log import PostgresLog
from gatewatch.core.partitioning import partition_of
from gatewatch.notifier import Notifier
from gatewatch.ports import LOGINS, BadData, Fenced, StaleRoute, Unavailable
from gatewatch.services.partition import Partition
from gatewatch.settings import Settings
from gatewatch.worker import Detector
from tests.faults import scenario
from tests.faults.scenario import Chunk, Item

_APPEND = "SELECT log_append(%(topic)s, %(generation)s, %(parts)s::integer[], %(keys)s::text[], %(values)s::bytea[])"
_TOPIC = "SELECT partitions, generation FROM topics WHERE topic = %(topic)s"

#: How many items a sender sends at once from which on it does not wait for more.
TOGETHER = 300


class Config(msgspec.Struct, frozen=True):
    """What all processes of a run are told: where, with which settings, how fast."""

    conninfo: str
    settings: Settings
    folder: str
    began: float
    seconds: float
    chunks: int
    keys: dict[str, str] = {}

    @property
    def script(self) -> Path:
        """The chunks to send."""
        return Path(self.folder) / "script"

    def acknowledged(self, sender: str) -> Path:
        """One line per chunk whose share was acknowledged to a sender."""
        return Path(self.folder) / f"acknowledged-{sender}"


def send(sender: str, config: Config, share: Callable[[Chunk], bool], stop: threading.Event) -> None:
    """Send one's share of each chunk, at an even pace, behind the last that was acknowledged, until told to stop.

    Who is late sends more at once.
    """
    done = acknowledged(config.acknowledged(sender))
    pace = config.seconds / max(1, config.chunks)
    file = os.open(config.acknowledged(sender), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    waiting: Chunk = []
    for number, chunk in enumerate(scenario.load(config.script)):
        if number < done:
            continue
        stop.wait(max(0.0, config.began + number * pace - time.time()))
        waiting += [item for item in chunk if scenario.sender_of(item) == sender]
        late = config.began + (number + 1) * pace < time.time() and number + 1 < config.chunks
        if late and len(waiting) < TOGETHER:
            continue
        if not share(waiting):
            return
        os.write(file, b"%d\n" % number)
        waiting = []


class Producer:
    """Appends to the log."""

    def __init__(self, config: Config, stop: threading.Event) -> None:
        self._stop = stop
        self._log = PostgresLog(config.conninfo)
        self._session = Session(config.conninfo)

    def send(self, chunk: Chunk) -> bool:
        """Append a chunk again and again until that is acknowledged; False where told to stop before."""
        while not self._stop.is_set():
            try:
                self._log.append([(item.key, item.value) for item in chunk if item.stray is None])
                self._append_strays([item for item in chunk if item.stray is not None])
            except (Unavailable, StaleRoute):
                self._log.close()
                self._stop.wait(0.2)
                continue
            return True
        return False

    def _append_strays(self, items: Chunk) -> None:
        if items:
            ((partitions, generation),) = self._session.rows(_TOPIC, {"topic": LOGINS})
            found = {
                "topic": LOGINS,
                "generation": generation,
                "parts": [stray_part(item, partitions) for item in items],
                "keys": [item.key for item in items],
                "values": [item.value for item in items],
            }
            self._session.rows(_APPEND, found)


def stray_part(item: Item, partitions: int) -> int:
    """The partition a stray record is put on: `stray` beyond the one its key belongs to."""
    return (partition_of(item.key, partitions) + (item.stray or 0)) % partitions


def acknowledged(path: Path) -> int:
    """How many chunks were acknowledged."""
    lines = path.read_bytes().splitlines() if path.exists() else []
    return int(lines[-1]) + 1 if lines else 0


class Thief:
    """Claims partitions by force from whoever works on them, takes a batch of theirs, and is gone again.

    So their owners are zombies for up to a beat: they go on with what they remember, which is no longer true.
    """

    def __init__(self, config: Config) -> None:
        self._parts = bootstrap.processing(config.settings, config.conninfo)

    def run(self, stop: threading.Event) -> None:
        """Steal until told to stop."""
        while not stop.wait(random.uniform(0.2, 1.0)):
            try:
                self._steal()
            except (Unavailable, Fenced, BadData):
                self._parts.reset()

    def _steal(self) -> None:
        leases, store, maker, *_ = self._parts
        assert isinstance(leases, Leases)
        partitions, _, _ = leases.layout()
        claim = leases.claim(random.randrange(partitions), force=True)
        if claim is None:
            return
        partition = Partition(claim, store)
        if found := store.read(claim, random.randrange(1, 100)):
            store.commit(maker.make(partition, [partition], found))
        if random.random() < 0.8:
            leases.release([claim])


def serve(name: str, config: Config, stop: threading.Event) -> None:
    """Be a process of the API, on a port of its own that its callers are told."""
    # Imported here, as below: no other process should wait for what speaks HTTP.
    from gatewatch.api import server
    from gatewatch.api.app import build
    from tests.faults import apis

    with server.listening("127.0.0.1", 0) as listener:
        app = build(config.settings, bootstrap.serving(config.settings, config.conninfo))
        apis.tell(Path(config.folder), name, server.address(listener))
        server.serve(app, listener, stop)


def main(role: str, name: str, config: Config) -> None:
    """Be one of the processes until told to stop."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    logs.configure("info", name)
    match role:
        case "detector":
            Detector(config.settings, bootstrap.processing(config.settings, config.conninfo), stop).run()
        case "notifier":
            Notifier(bootstrap.relaying(config.settings, config.conninfo), stop).run()
        case "api":
            serve(name, config, stop)
        case "producer":
            send(role, config, Producer(config, stop).send, stop)
        case "application":
            from tests.faults.applications import Application

            send(role, config, Application(config, stop).send, stop)
        case "thief":
            Thief(config).run(stop)
        case _:
            raise SystemExit(f"no such role: {role}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], msgspec.json.decode(Path(sys.argv[3]).read_bytes(), type=Config))
