"""Appends to Kafka: durable when they return, refused when they cannot be, never in between."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from time import monotonic

import pytest

from gatewatch import bootstrap
from gatewatch.core.partitioning import partition_of
from gatewatch.ports import BadData, Unavailable
from gatewatch.settings import Settings
from scripts.kafka import Broker
from tests.integration.kafka.rig import OnKafka


def test_records_lie_where_we_compute(on_kafka: OnKafka) -> None:
    """The partition that the client library chose is the one that we compute, for keys of every length and script."""
    keys = [f"acme:{'ü' * (i % 7)}user{i}{'x' * (i % 40)}" for i in range(400)]
    on_kafka.log.append([(key, b"%d" % i) for i, key in enumerate(keys)])
    for message in on_kafka.consumed(on_kafka.topic, len(keys)):
        assert message.partition() == partition_of((message.key() or b"").decode(), 4)


def test_many_at_once(on_kafka: OnKafka) -> None:
    """Several threads append through one client; each returns when its own records are there, once each."""

    def append(thread: int) -> None:
        for i in range(20):
            on_kafka.log.append([(f"acme:{thread}-{j}", b"%d %d %d" % (thread, i, j)) for j in range(10)])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(append, range(4)))
    assert len({message.value() for message in on_kafka.consumed(on_kafka.topic, 800)}) == 800


def test_a_record_that_is_too_large(on_kafka: OnKafka) -> None:
    """A record beyond the limit is refused as what it is, and the next append succeeds."""
    with pytest.raises(BadData, match="too large"):
        on_kafka.log.append([("acme:alice", bytes(5 << 20))])
    on_kafka.log.append([("acme:alice", bytes(3 << 20))])


def test_what_nobody_reads_is_not_written(on_kafka: OnKafka) -> None:
    """Nothing is appended to a topic that the database does not know: a promise that no detector would keep."""
    for future in on_kafka.admin.delete_topics([on_kafka.topic]).values():
        future.result()
    on_kafka.create_log()
    log = bootstrap.appending(on_kafka.settings, on_kafka.conninfo)
    with pytest.raises(Unavailable, match="topics create"):
        log.append([("acme:alice", b"1")])
    log.close()


def test_nothing_is_written_to_the_embedded_log(on_kafka: OnKafka) -> None:
    """Where the log lies on Kafka, a process that was not told so cannot append to the database's own."""
    log = bootstrap.appending(Settings(), on_kafka.conninfo)
    with pytest.raises(Unavailable, match="lies on Kafka"):
        log.append([("acme:alice", b"1")])
    log.close()


def test_a_broker_that_is_away(broker: Broker, database: str) -> None:
    """While the broker is away an append fails within its time; as soon as it is back the next one succeeds, and what
    failed is not there.
    """
    on = OnKafka(broker.bootstrap, database, kafka_delivery_seconds=1.0)
    on.append_again("acme:alice", b"before")
    broker.stop()
    began = monotonic()
    with pytest.raises(Unavailable):
        on.log.append([("acme:alice", b"lost")])
    assert monotonic() - began < 10
    broker.start()
    on.append_again("acme:alice", b"after")
    values = {message.value() for message in on.consumed(on.topic, sum(on.ends().values()))}
    assert values == {b"before", b"after"}
    on.close()
