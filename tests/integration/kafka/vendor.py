"""A vendor that publishes its logins on topics of its own, and connectors that read them."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from gatewatch import bootstrap
from gatewatch.connector import Connector
from tests.integration.kafka.rig import PATIENCE, OnKafka

PARTITIONS = 4


class Vendor:
    """A vendor's topics, on the log's broker or one of its own, and the settings of a connector that reads them."""

    def __init__(self, on: OnKafka, bootstrap: str = "") -> None:
        self.on = on
        self.client = on.client | ({"bootstrap.servers": bootstrap} if bootstrap else {})
        self.admin = AdminClient(self.client)
        self.sso, self.hub = (f"{on.settings.kafka_prefix}{name}" for name in ("keycloak", "insights"))
        self.group = f"{on.settings.kafka_prefix}connectors"
        for name in (self.sso, self.hub):
            self.admin.create_topics([NewTopic(name, PARTITIONS, 1)])[name].result()
        self.settings = msgspec.structs.replace(
            on.settings,
            connector_bootstrap=self.client["bootstrap.servers"],
            connector_topics=f"{self.sso}=keycloak, {self.hub}=entra",
            connector_group=self.group,
        )

    def put(self, topic: str, values: Sequence[bytes], partition: int | None = None) -> None:
        """Have the vendor write messages, spread over the partitions."""
        producer = Producer(self.client)
        for n, value in enumerate(values):
            producer.produce(topic, value, partition=n % PARTITIONS if partition is None else partition)
        assert producer.flush(PATIENCE) == 0

    def transact(self, topic: str, values: Sequence[bytes]) -> None:
        """Have the vendor write messages into one partition, each in a transaction of its own."""
        producer = Producer(self.client | {"transactional.id": topic})
        producer.init_transactions(PATIENCE)
        for value in values:
            producer.begin_transaction()
            producer.produce(topic, value, partition=0)
            producer.commit_transaction(PATIENCE)

    def committed(self, topic: str) -> dict[int, int]:
        """How far the group is; -1001 where it never said."""
        consumer = Consumer(self.client | {"group.id": self.group})
        try:
            places = [TopicPartition(topic, part) for part in range(PARTITIONS)]
            return {place.partition: place.offset for place in consumer.committed(places, timeout=20)}
        finally:
            consumer.close()

    def done(self, topic: str) -> int:
        """How many messages of a topic are done."""
        return sum(max(0, offset) for offset in self.committed(topic).values())

    @contextlib.contextmanager
    def connected(self, n: int = 1, **changes: Any) -> Iterator[list[threading.Event]]:
        """Connectors, as threads, each with what stops it."""
        settings = msgspec.structs.replace(self.settings, **changes)
        stops = [threading.Event() for _ in range(n)]
        threads = [
            threading.Thread(
                target=Connector(
                    bootstrap.connected(settings, self.on.conninfo), stop, settings.heartbeat
                ).run
            )
            for stop in stops
        ]
        for thread in threads:
            thread.start()
        try:
            yield stops
        finally:
            for stop in stops:
                stop.set()
            for thread in threads:
                thread.join(PATIENCE)
            assert not any(thread.is_alive() for thread in threads)


def logins(n: int, first: int = 0) -> list[bytes]:
    """Events of Keycloak, each of a user of its own."""
    now = datetime.now(UTC).timestamp()
    return [
        json.dumps(
            {
                "id": f"kc-{i}",
                "time": int(now * 1000) - 3_600_000 + i,
                "type": "LOGIN",
                "ipAddress": "203.0.113.9",
                "details": {"username": f"user-{i % 50}"},
            }
        ).encode()
        for i in range(first, first + n)
    ]


def ids(n: int) -> list[str]:
    """The ids of the events of `logins`."""
    return sorted(f"keycloak-kc-{i}" for i in range(n))
