"""What strangers may write to the log is stored, or is a dead letter; it stops nobody for ever."""

from __future__ import annotations

from random import Random
from time import monotonic

import msgspec
from confluent_kafka import Producer
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from gatewatch.adapters.kafka.connection import MAX_RECORD
from gatewatch.core import records
from gatewatch.core.partitioning import partition_of
from gatewatch.core.records import RejectRecord
from gatewatch.ports import ANOMALIES, DEAD_LETTERS
from tests.builders import START, failure, login
from tests.integration.heart.rig import record_of
from tests.integration.kafka.rig import OnKafka

PART = partition_of("acme:alice", 4)


def _configure(on: OnKafka, topic: str, **entries: str) -> None:
    wanted = [
        ConfigEntry(name.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET)
        for name, value in entries.items()
    ]
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=wanted)
    for future in on.admin.incremental_alter_configs([resource]).values():
        future.result()


def test_a_dead_letter_too_large_for_its_topic(on_kafka: OnKafka) -> None:
    """A reject as no edge writes it, of which there is more than can be published, is a dead letter like any other, and
    what comes after it is published.
    """
    reject = RejectRecord("huge", "acme", "stranger", "bad_json", "", bytes(3_500_000), 3_500_000, "", START)
    producer = Producer(on_kafka.client | {"message.max.bytes": MAX_RECORD})
    producer.produce(on_kafka.topic, records.encode(reject), "acme:alice", partition=PART)
    assert producer.flush(20) == 0
    on_kafka.send(*(failure(START + i, event_id=f"e{i}") for i in range(15)))
    with on_kafka.running():
        on_kafka.eventually("SELECT count(*)::int FROM dead_letters", 1)
        on_kafka.consumed(on_kafka.settings.kafka_prefix + DEAD_LETTERS, 1)
        on_kafka.consumed(on_kafka.settings.kafka_prefix + ANOMALIES, 1)


def test_what_can_no_longer_be_sent_on(on_kafka: OnKafka) -> None:
    """An event on the wrong partition that the topic takes no more, since its limit was lowered, is a dead letter with
    its reason, stored and published; the next one is sent on.
    """
    event = {"event_id": "large", "time": "2026-03-02T09:00:00Z", "outcome": "success", "user": "alice"}
    note = Random(1).randbytes(100_000).hex()
    small = record_of(login(START))
    on_kafka.put(
        (PART + 1) % 4,
        ("acme:alice", msgspec.json.encode(event | {"note": note})),
        (small.key, records.encode(small)),
    )
    _configure(on_kafka, on_kafka.topic, max_message_bytes="90000")
    with on_kafka.running():
        on_kafka.eventually("SELECT count(*)::int FROM login_events", 1)
        on_kafka.eventually("SELECT count(*)::int FROM dead_letters", 1)
        on_kafka.consumed(on_kafka.settings.kafka_prefix + DEAD_LETTERS, 1)
    assert on_kafka.rows("SELECT id, reason FROM dead_letters") == [("refused-large", "refused")]


def test_many_transactions(on_kafka: OnKafka) -> None:
    """An application that writes each event in a transaction of its own leaves a hole behind each; one look serves
    for many of them, and no event is left out.
    """
    written = [
        ("acme:alice", records.encode(record_of(failure(START + i, event_id=f"e{i}")))) for i in range(300)
    ]
    on_kafka.transact(PART, written)
    began = monotonic()
    with on_kafka.running():
        on_kafka.eventually("SELECT count(*)::int FROM login_events", 300)
    assert monotonic() - began < 20  # a look takes a tenth of a second
