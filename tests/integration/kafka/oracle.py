"""A made-up world on Kafka, and what the heart's fault test demands of what came of it."""

from __future__ import annotations

from collections.abc import Iterable

import psycopg
from confluent_kafka import Producer

from gatewatch.core.partitioning import partition_of
from gatewatch.detectors import default_engine
from tests.faults import checks, scenario
from tests.faults.scenario import Chunk, Item
from tests.faults.stored import WATCHED, Stored
from tests.integration.kafka.rig import OnKafka

#: What only a watched log tells apart, and what goes over HTTP.
_LEFT_OUT = ("garbage", "anonymous", "poison", "posted", "decided", "reported")
#: Whether anything is left to read, to review or to relay.
LEFT = """
SELECT (SELECT sum(abs(h.end_offset - p.next_offset))::int FROM log_heads h JOIN partitions p USING (topic, part))
    + (SELECT count(*)::int FROM review_queue)
    + (SELECT sum(p.out_seq - coalesce(o.seq, 0))::int FROM partitions p LEFT JOIN outbox_positions o USING (part))
"""


def world(seed: int, events: int, days: float = 3.0) -> list[Chunk]:
    """Two tenants under attack, with repeats, strays, control records and late events."""
    chunks = scenario.make(seed, events, days)
    return [[item for item in chunk if item.kind not in _LEFT_OUT] for chunk in chunks]


def send(on: OnKafka, chunks: Iterable[Chunk]) -> None:
    """Send a world: most of it as our edges do, strays and an application's own JSON wherever they happen to lie."""
    stranger = Producer(on.client)
    partitions = len(on.ends())
    for chunk in chunks:
        on.log.append([(item.key, item.value) for item in chunk if item.stray is None])
        for item in chunk:
            if item.stray is not None:
                stranger.produce(on.topic, item.value, item.key, partition=_astray(item, partitions))
        assert stranger.flush(30) == 0


def _astray(item: Item, partitions: int) -> int:
    return (partition_of(item.key, partitions) + (item.stray or 0)) % partitions


def settled(on: OnKafka) -> None:
    """Wait until everything on the log was read, reviewed and relayed, what that sent on included."""
    ends = -1
    while (now := sum(on.ends().values())) != ends:
        ends = now
        on.eventually(f"SELECT sum(next_offset) >= {ends} FROM partitions", True)
        on.eventually(LEFT, 0)


def violations(conninfo: str, superuser: str, chunks: list[Chunk]) -> list[str]:
    """What is not as it must be."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(WATCHED.encode())
    stored = Stored(superuser)
    assert len(stored.events) > 100
    return [
        *checks.acknowledged(checks.sent(chunks), stored),
        *checks.replay(default_engine(), stored),
        *checks.anomaly_columns(stored),
        *checks.source_state(stored),
        *checks.value_counts(stored),
        *checks.rollups(stored),
        *checks.outbox(stored),
        *checks.offsets(stored),
    ]
