"""A scene: one row of the matrix with one seed, on a database and topics of its own."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property, partial
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import msgspec
import psycopg
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from gatewatch import bootstrap, bootstrap_kafka
from gatewatch.adapters.kafka.group import AFTER_LEASE, GROUP
from gatewatch.adapters.postgres.server import EmbeddedPostgres
from gatewatch.settings import Settings
from tests.faults import checks
from tests.faults.actors import Config
from tests.faults.matrix import published, verdict
from tests.faults.matrix.actors import member_file, read_file
from tests.faults.matrix.ground import Database, Ground, Row
from tests.faults.matrix.load import Load
from tests.faults.matrix.proxy import Proxy
from tests.faults.matrix.verdict import Violations
from tests.faults.matrix.watch import Watch, advanced
from tests.faults.processes import Child
from tests.faults.scenario import BEFORE, Chunk, Item
from tests.faults.stored import Stored
from tests.integration.kafka.oracle import LEFT

#: Records per second, and how long a detector may be silent (the product's default, s).
RATE, LEASE = 250.0, 5.0
#: After how long the group takes a silent member for dead (s).
SESSION = max(6.0, LEASE + AFTER_LEASE)
#: How long anything may take on a machine with other things to do, and to catch up in the end (s).
PATIENCE, CATCH_UP = 90.0, 240.0
PARTS = range(BEFORE)
ACTORS = "tests.faults.matrix.actors"


class Scene:
    """What a row does things to. `happened` are its words for what it did, `wrong` what it saw that must not be."""

    def __init__(self, ground: Ground, seed: int, folder: Path, database: Database, name: str) -> None:
        self.ground, self.folder, self.database, self.name = ground, folder, database, name
        self.seed, self.rng = seed, Random(seed)
        self.settings = Settings(
            database_url=database.conninfo(name),
            kafka_bootstrap=ground.brokers,
            kafka_prefix=f"m{uuid4().hex[:8]}.",
            kafka_partitions=BEFORE,
            lease_timeout=LEASE,
            review_quiet=ground.quiet,
            frequency_merge=5.0,
        )
        bootstrap.prepare_log(self.settings, self.settings.database_url)
        self._config = folder / "config.json"
        self.children: dict[str, Child] = {}
        self.watch = Watch(lambda: database.superuser(name))
        self.load: Load
        #: Where rows bring more: a small file system, a replica and its way to the primary.
        self.disk: Path
        self.replica: EmbeddedPostgres
        self.link: Proxy
        self.happened: list[str] = []
        self.wrong: list[str] = []
        #: What was acknowledged beside the load.
        self.extra: list[Item] = []
        #: How long each recovery took.
        self.seconds: list[float] = []
        #: Whether the database lost what it had committed.
        self.went_back = False
        #: Changes what was sent and stored, where a row lost something on purpose.
        self.adjust: Callable[[checks.Sent, Stored], checks.Sent] = lambda sent, _: sent

    # Processes -------------------------------------------------------------------------------------------------------

    def tell(self, keys: dict[str, str] | None = None) -> None:
        """Tell the processes how to get in, and programs with which keys."""
        told = Config(self.settings.database_url, self.settings, str(self.folder), 0.0, 0.0, 0, keys or {})
        self._config.write_bytes(msgspec.json.encode(told))

    def start(self, name: str, *dies: str) -> Child:
        """Start a process, `role-n`; it may have a point to die at, and how often it passes that before."""
        role = name.partition("-")[0]
        child = Child(role, name, self._config, self.folder, module=ACTORS, more=dies)
        self.children[name] = child
        child.start()
        return child

    def begin(self, detectors: int = 2, notifiers: int = 1) -> None:
        """Start everything, and wait until every partition is being stored."""
        self.tell()
        self.watch.start()
        began = time.monotonic()
        for role, n in (("detector", detectors), ("notifier", notifiers)):
            for i in range(n):
                self.start(f"{role}-{i + 1}")
        self.load.start()
        self.watch.moved(PARTS, began)
        self.until(lambda: len(self.owners()) == detectors, "every detector to own partitions")

    def flow(self, seconds: float) -> None:
        """Let everything run for so long, which is what the scene is about."""
        # Nothing is waited for: the load and the fault go on in other threads and processes.
        time.sleep(seconds)

    def dies(self, child: Child) -> float:
        """Wait until a process has killed itself; when that was."""
        until = time.monotonic() + PATIENCE
        while child.ended() is None:
            assert time.monotonic() < until, f"{child.name} did not come to its point"
            time.sleep(0.005)  # polls, with the deadline above
        child.killed = True
        return time.monotonic()

    def parts_of(self, child: Child) -> list[int]:
        """The partitions that a detector owns."""
        member = member_file(self.folder, child.name).read_text()
        rows = self.rows("SELECT part FROM partitions WHERE owner = %s ORDER BY part", member)
        return [part for (part,) in rows]

    def owners(self) -> set[str]:
        """Who owns partitions."""
        rows = self.rows("SELECT DISTINCT owner FROM partitions WHERE lease_until > clock_timestamp()")
        return {owner for (owner,) in rows}

    def members(self) -> set[str]:
        """Whom the consumer group takes for alive."""
        group = self.settings.kafka_prefix + GROUP
        return {
            one.member_id for one in self.admin.describe_consumer_groups([group])[group].result(20).members
        }

    @cached_property
    def admin(self) -> AdminClient:
        """Asks the broker; kept, since its answers end with it."""
        return AdminClient({"bootstrap.servers": self.settings.kafka_bootstrap, "log_level": 0})

    def batches(self, *names: str) -> Iterator[tuple[float, str, int, int, int]]:
        """What detectors made batches of: (when, who, partition, first offset, offset after the last), by time."""
        found = []
        for name in names:
            for line in read_file(self.folder, name).read_text().splitlines():
                when, part, first, end = line.split()
                found.append((float(when), name, int(part), int(first), int(end)))
        yield from sorted(found)

    def said(self, name: str) -> str:
        """The log of a process."""
        return self.children[name].log.read_text("utf-8", "replace")

    # Recovery --------------------------------------------------------------------------------------------------------

    def recovered(self, parts: Collection[int], ended: float, since: float | None = None) -> None:
        """Wait until all of the partitions have stored something new since `since` (or the fault's end), and note how
        long after the end that was.
        """
        assert parts, "the fault hit no partition"
        assert not self.load.exhausted, "the load came to its end before the fault did"
        moved = self.watch.moved(parts, ended if since is None else since)
        self.seconds.append(max(0.0, moved - ended))

    def regrouped(self, since: float, *, joined: bool = False) -> float:
        """Wait until the group consists of the living, and all partitions are stored; until when it held somebody for
        alive who is not, or, with `joined`, when its members last changed at all.

        Kafka times the session of who is killed while it joins only when the join has come to its end, and those of
        members whose own session ran out, when a broker comes back that remembers them.
        """
        seen: list[tuple[float, set[str]]] = []

        def complete() -> bool:
            members = self.members()
            seen.append((time.monotonic(), members))
            living = sum(c.role == "detector" and c.ended() is None for c in self.children.values())
            stored = advanced(self.watch.since(since), PARTS) is not None
            return stored and len(members) == living == len(self.owners())

        self.until(complete, "the living to be the group")
        last = seen[-1][1]
        others = [moment for moment, members in seen if (members ^ last if joined else members - last)]
        return max(others, default=since)

    def until(self, holds: Callable[[], bool], what: str, seconds: float = PATIENCE) -> float:
        """Wait until something holds; when that was. Raises `AssertionError`."""
        until = time.monotonic() + seconds
        while not self._holds(holds):
            assert time.monotonic() < until, f"waited in vain for {what}"
            time.sleep(0.05)  # polls, with the deadline above
        return time.monotonic()

    def _holds(self, holds: Callable[[], bool]) -> bool:
        with suppress(psycopg.OperationalError, KafkaException):  # the server is away
            return holds()
        return False

    def rows(self, statement: str, *parameters: Any) -> list[Row]:
        """Rows as the superuser sees them."""
        return self.database.rows(self.name, statement, parameters)

    # The end ---------------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Wait until everything on the log was read, reviewed and relayed, what that sent on included."""
        ends, log_ends = -1, bootstrap_kafka.log_ends(self.settings)
        while (now := sum(log_ends().values())) != ends:
            ends = now
            for what, statement in (
                ("read", f"SELECT sum(next_offset) >= {ends} FROM partitions"),
                ("reviewed and relayed", f"SELECT ({LEFT}) = 0"),
            ):
                self.until(partial(self._true, statement), what, CATCH_UP)

    def _true(self, statement: str) -> bool:
        return self.rows(statement) == [(True,)]

    def finish(self) -> Violations:
        """Let everything that was acknowledged be stored, end the processes, and compare."""
        self.load.stop(PATIENCE)
        self.settle()
        self.end()
        self.watch.stop()
        return self.violations()

    def end(self) -> None:
        """Ask all processes to end; who ends otherwise than it should is told."""
        for child in self.children.values():
            child.send(signal.SIGCONT)
            child.send(signal.SIGTERM)
        for child in self.children.values():
            if (code := child.wait(PATIENCE)) and not child.killed:
                self.wrong.append(f"{child.name} ended with {code}:\n{child.last_words()}")

    def sent(self) -> list[Chunk]:
        """What was acknowledged."""
        return [*self.load.sent, self.extra]

    def violations(self) -> Violations:
        """Compare what was acknowledged with what is stored and published."""
        self._keep_places()
        stored = Stored(self.database.superuser(self.name))
        sent = self.adjust(checks.sent(self.sent()), stored)
        said = published.told(self.settings)
        again = len(said) - len({(one.topic, one.id) for one in said})
        self.happened.append(f"{len(stored.events):,} events, {len(said):,} published ({again} again)")
        found = verdict.violations(
            self.database.conninfo(self.name), sent, stored, said, went_back=self.went_back
        )
        return found | {"seen": self.wrong}

    def _keep_places(self) -> None:
        """Tell the checks where what has no id of its own came to lie."""
        with (
            psycopg.connect(self.database.superuser(self.name), autocommit=True) as connection,
            connection.cursor() as cursor,
        ):
            cursor.executemany("INSERT INTO faults_log VALUES (%s, %s, %s, %s)", self.load.placed)

    def close(self) -> None:
        """End whatever still runs; drop what it stood on."""
        for child in self.children.values():
            child.kill()
            child.wait(PATIENCE)
        self.watch.stop()
        names = [
            n for n in self.admin.list_topics(timeout=20).topics if n.startswith(self.settings.kafka_prefix)
        ]
        for future in self.admin.delete_topics(names).values():
            future.result()


@contextmanager
def opened(
    ground: Ground,
    seed: int,
    chunks: list[Chunk],
    database: Database | None = None,
    tablespace: str = "",
) -> Iterator[Scene]:
    """A scene that is cleared away afterwards."""
    place = database or ground.database
    name = place.create(tablespace)
    folder = ground.folder / name
    folder.mkdir()
    scene = Scene(ground, seed, folder, place, name)
    scene.load = Load(scene.settings, scene.settings.database_url, chunks, RATE)
    try:
        yield scene
    finally:
        ground.mend()
        scene.close()
        if database is None:
            place.drop(name)
