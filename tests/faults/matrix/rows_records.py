"""Rows in which what is sent is not as it should be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from random import Random

import msgspec

from gatewatch import bootstrap
from gatewatch.core import records
from gatewatch.core.partitioning import partition_of
from gatewatch.core.records import EventRecord, Record
from gatewatch.ports import LOGINS
from tests.faults.matrix import scene as scenes
from tests.faults.matrix.ground import Ground
from tests.faults.matrix.published import consumed
from tests.faults.matrix.rows import Rows
from tests.faults.matrix.scene import Scene
from tests.faults.scenario import BEFORE, POISON, Chunk, Item

ROWS = Rows()

#: The share of records that a foreign producer puts on wrong partitions.
ASTRAY = 1 / 3
#: The constraint that refuses a record; the months exist before it does, since new ones come without it.
_REFUSE = f"ALTER TABLE login_events ADD CONSTRAINT faults CHECK (user_key NOT LIKE '{POISON}%') NOT VALID"
_MONTHS = "SELECT count(create_event_partition(make_date(2026, month, 1))::text) FROM generate_series(8, 11) AS month"

#: What a record is, whoever sends it on: kind, tenant, id, digest.
Identity = tuple[str, str, str, bytes]


@ROWS.add(
    "poison-records",
    "bytes nobody can read, events that the database refuses, and events without an id, among good ones",
    "one dead letter each, with its reason",
    oddities=True,
    recovers=False,
)
def poison(scene: Scene) -> None:
    """Neighbours are stored; a batch with a refused event is halved until that is alone."""
    scene.database.do_in(scene.name, _MONTHS, _REFUSE)
    scene.begin()
    scene.until(lambda: scene.load.exhausted, "everything to be sent")
    scene.settle()
    reasons = scene.rows("SELECT reason, count(*)::int FROM dead_letters GROUP BY 1 ORDER BY 1")
    scene.happened.append("dead letters: " + ", ".join(f"{n} {reason}" for reason, n in reasons))


@contextmanager
def _scattered(ground: Ground, seed: int, chunks: list[Chunk]) -> Iterator[Scene]:
    rng = Random(seed)
    with scenes.opened(ground, seed, [[_astray(item, rng) for item in chunk] for chunk in chunks]) as scene:
        yield scene


def _astray(item: Item, rng: Random) -> Item:
    # What an edge refused is stored wherever it lies: nobody's state hangs on it.
    if item.stray is None and item.kind != "reject" and rng.random() < ASTRAY:
        return msgspec.structs.replace(item, stray=rng.randrange(1, BEFORE))
    return item


@ROWS.add(
    "wrong-partitions",
    "a third of the records lies on a wrong partition, as a foreign producer's do",
    "each is sent on exactly once",
    opened=_scattered,
    recovers=False,
)
def wrong_partitions(scene: Scene) -> None:
    """They are sent on to where their user's owner reads them, under their own ids."""
    scene.begin()
    scene.flow(12.0)
    scene.load.stop(60.0)
    scene.settle()
    lying = [
        (message.partition() or 0, (message.key() or b"").decode(), message.value() or b"")
        for message in consumed(scene.settings, LOGINS)
    ]
    astray = sum(part != partition_of(read(key, value).key, BEFORE) for part, key, value in lying)
    scene.happened.append(f"{astray:,} records astray, {sum(map(len, scene.load.sent)):,} sent")
    scene.wrong += sent_on(((i.key, i.value) for chunk in scene.load.sent for i in chunk), lying)


def read(key: str, value: bytes) -> Record:
    """A record of the log as a detector reads it."""
    if value[:1] == b"{":
        return bootstrap.read_foreign(value, key, "", 1 << 60)
    return records.decode(value)


def identity(record: Record) -> Identity:
    """What stays the same when a record is sent on."""
    if isinstance(record, EventRecord):
        return "event", record.tenant_id, record.event.event_id, record.digest
    return type(record).__name__, record.tenant_id, record.id, b""


def sent_on(sent: Iterable[tuple[str, bytes]], lying: Iterable[tuple[int, str, bytes]]) -> list[str]:
    """Of each record that was sent, as many copies lie on the right partition as were sent; no record is missing there,
    and none was sent on twice. What only lies on the log (what findings doubt) is not looked at.
    """
    wanted = Counter(identity(read(key, value)) for key, value in sent)
    found = Counter[Identity]()
    for part, key, value in lying:
        record = read(key, value)
        if part == partition_of(record.key, BEFORE):
            found[identity(record)] += 1
    return [
        f"{key}: {n} were sent, {found[key]} lie where they belong"
        for key, n in wanted.items()
        if found[key] != n
    ]
