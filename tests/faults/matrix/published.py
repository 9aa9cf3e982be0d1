"""What others were told: the messages on the topics of anomalies and of dead letters, against the outbox."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec
from confluent_kafka import Consumer, Message, TopicPartition

from gatewatch.core import anomalies
from gatewatch.ports import ANOMALIES, DEAD_LETTERS
from gatewatch.settings import Settings
from tests.faults.stored import Stored

PATIENCE = 20.0


class Told(NamedTuple):
    """A message that was published: its topic (without prefix), its id, and all that it says."""

    topic: str
    id: str
    value: bytes


def consumed(settings: Settings, topic: str, begins: Mapping[int, int] | None = None) -> list[Message]:
    """Everything that lies on a topic now, or from the given offsets on, by partition and offset."""
    name, found = settings.kafka_prefix + topic, list[Message]()
    consumer = Consumer(
        {
            "bootstrap.servers": settings.kafka_bootstrap,
            "group.id": f"{settings.kafka_prefix}reader",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "log_level": 0,
        }
    )
    try:
        parts = consumer.list_topics(name, timeout=PATIENCE).topics[name].partitions
        consumer.assign([TopicPartition(name, part, (begins or {}).get(part, 0)) for part in parts])
        left = set(parts)
        while left:
            batch = consumer.consume(10_000, PATIENCE / 10)
            assert batch, f"nothing more comes of {name}, whose partitions {sorted(left)} have not ended"
            for message in batch:
                if message.error() is not None:  # the end of a partition is told as an error
                    left.discard(message.partition())
                else:
                    found.append(message)
    finally:
        consumer.close()
    return sorted(found, key=lambda message: (message.partition() or 0, message.offset() or 0))


def told(settings: Settings) -> list[Told]:
    """All that was published."""
    return [
        Told(topic, _id(message), message.value() or b"")
        for topic in (ANOMALIES, DEAD_LETTERS)
        for message in consumed(settings, topic)
    ]


def _id(message: Message) -> str:
    headers: Any = message.headers() or []  # pairs, as they came
    return str(dict(headers).get("ce_id", b"").decode())


def published(found: Iterable[Told], stored: Stored, went_back: bool = False) -> list[str]:
    """Everything in the outbox was published at least once, under its own id, always with the same content.

    Where the database `went_back` to an earlier state, what was published before may be of a past that is gone.
    """
    said: dict[tuple[str, str], set[bytes]] = defaultdict(set)
    for one in found:
        said[one.topic, one.id].add(one.value)
    wanted = set(wanted_ids(stored))
    wrong = [f"never published: {key}" for key in sorted(wanted - said.keys())]
    if not went_back:
        wrong += [f"published, and not in the outbox: {key}" for key in sorted(said.keys() - wanted)]
        wrong += [f"published with other contents: {key}" for key, values in said.items() if len(values) > 1]
    return wrong


def wanted_ids(stored: Stored) -> Iterable[tuple[str, str]]:
    """The (topic, id) of everything in the outbox that is for others."""
    for message in stored.outbox:
        if message.topic == ANOMALIES:
            anomaly = anomalies.decode(message.value)
            yield ANOMALIES, f"{anomaly.id}.{anomaly.version}"
        elif message.topic == DEAD_LETTERS:
            yield DEAD_LETTERS, msgspec.json.decode(message.value)["id"]
