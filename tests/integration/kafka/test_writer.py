"""Appends to Kafka: durable when they return, refused when they cannot be, never in between."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from gatewatch import bootstrap
from gatewatch.core.partitioning import partition_of
from gatewatch.ports import BadData, Unavailable
from gatewatch.settings import Settings
from tests.integration.kafka.rig import OnKafka
from tests.support.commands import until


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


def test_a_topic_made_anew_is_not_written(on_kafka: OnKafka) -> None:
    """A writer that is at work when its topic is deleted and made anew soon refuses what comes, as one that starts then
    does at once: no detector reads that topic.
    """
    on_kafka.log.append([("acme:alice", b"1")])
    for future in on_kafka.admin.delete_topics([on_kafka.topic]).values():
        future.result()
    on_kafka.create_log()
    until(lambda: refused(on_kafka), "a refusal")
    with pytest.raises(Unavailable, match="topics create"):
        on_kafka.log.append([("acme:alice", b"3")])


def refused(on: OnKafka) -> bool:
    """Whether an append is."""
    try:
        on.log.append([("acme:alice", b"2")])
    except Unavailable:
        return True
    return False
