"""Gatewatch on a real broker and a real database, with topics of its own."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from time import monotonic
from typing import Any
from uuid import uuid4

import msgspec
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from gatewatch import bootstrap, bootstrap_kafka
from gatewatch.adapters.kafka.topics import declared
from gatewatch.adapters.postgres.connection import Row, Session
from gatewatch.core import records
from gatewatch.core.events import LoginEvent
from gatewatch.notifier import Notifier
from gatewatch.ports import LOGINS, Unavailable
from gatewatch.settings import Settings
from gatewatch.worker import Detector
from tests.integration.heart.rig import record_of

#: How long anything may take on a machine with other things to do (s).
PATIENCE = 60.0


class OnKafka:
    """A prefix of one's own on a broker, prepared over a database."""

    def __init__(self, brokers: str, conninfo: str, partitions: int = 4, **more: Any) -> None:
        self.conninfo = conninfo
        own: dict[str, Any] = {"kafka_prefix": f"test-{uuid4().hex[:12]}.", "kafka_partitions": partitions}
        own |= {"review_quiet": 2.0, "lease_timeout": 3.0, **more}
        self.settings = Settings(database_url=conninfo, kafka_bootstrap=brokers, **own)
        bootstrap.prepare_log(self.settings, conninfo)
        self.session = Session(conninfo)
        self.log = bootstrap.appending(self.settings, conninfo)
        self.admin = AdminClient(self.client)

    @property
    def client(self) -> dict[str, Any]:
        """The configuration of a client that says nothing."""
        return {"bootstrap.servers": self.settings.kafka_bootstrap, "log_level": 0}

    @property
    def topic(self) -> str:
        """The log's topic."""
        return self.settings.kafka_prefix + LOGINS

    def close(self) -> None:
        """Close what is open, and delete the topics."""
        self.session.close()
        self.log.close()
        names = [
            n for n in self.admin.list_topics(timeout=20).topics if n.startswith(self.settings.kafka_prefix)
        ]
        for future in self.admin.delete_topics(names).values():
            future.result()

    # In ---------------------------------------------------------------------------------------------------------

    def send(self, *events: LoginEvent) -> None:
        """Append events as an edge does."""
        found = [record_of(event) for event in events]
        self.log.append([(record.key, records.encode(record)) for record in found])

    def append_again(self, key: str, value: bytes) -> None:
        """Append until it succeeds, as every caller does."""
        until = monotonic() + PATIENCE
        while True:
            try:
                self.log.append([(key, value)])
            except Unavailable:
                assert monotonic() < until
            else:
                return

    def put(self, part: int, *values: tuple[str | None, bytes | None]) -> None:
        """Append to a partition of our choice, as a foreign producer may."""
        producer = Producer(self.client)
        for key, value in values:
            producer.produce(self.topic, value, key, partition=part)
        assert producer.flush(20) == 0

    def transact(self, part: int, values: list[tuple[str, bytes]]) -> None:
        """Append as a producer that uses transactions does: its offsets have holes."""
        producer = Producer(self.client | {"transactional.id": self.settings.kafka_prefix})
        producer.init_transactions(20)
        for key, value in values:
            producer.begin_transaction()
            producer.produce(self.topic, value, key, partition=part)
            producer.commit_transaction(20)

    def lose(self, part: int, before: int) -> None:
        """Have the broker delete the records of a partition before an offset."""
        for future in self.admin.delete_records([TopicPartition(self.topic, part, before)]).values():
            future.result()

    def create_log(self) -> None:
        """Create the log's topic, and tell nobody."""
        spec = declared(self.settings)[0]
        assert bootstrap_kafka.topics(self.settings).create(spec)

    # Work -------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def running(self, detectors: int = 1, **changes: Any) -> Iterator[None]:
        """Detectors and a notifier, as threads, for as long as they are needed; `changes` are of their settings."""
        stop, settings = threading.Event(), msgspec.structs.replace(self.settings, **changes)
        processing = [bootstrap.processing(settings, self.conninfo) for _ in range(detectors)]
        relaying = bootstrap.relaying(settings, self.conninfo)
        runs = [Detector(settings, parts, stop).run for parts in processing]
        threads = [threading.Thread(target=run) for run in (*runs, Notifier(relaying, stop).run)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join(PATIENCE)
            for reset in (*(parts.reset for parts in processing), relaying.reset):
                reset()
        assert not any(thread.is_alive() for thread in threads)

    # Out --------------------------------------------------------------------------------------------------------

    def ends(self) -> dict[int, int]:
        """Where the log's partitions end."""
        return bootstrap_kafka.log_ends(self.settings)()

    def consumed(self, topic: str, n: int) -> list[Message]:
        """The first `n` messages of a topic, by partition and offset."""
        consumer = Consumer(self.client | {"group.id": "reader", "auto.offset.reset": "earliest"})
        metadata = consumer.list_topics(topic, timeout=20).topics[topic]
        consumer.assign([TopicPartition(topic, part, 0) for part in metadata.partitions])
        found: list[Message] = []
        until = monotonic() + PATIENCE
        while len(found) < n and monotonic() < until:
            found += [message for message in consumer.consume(n, 0.2) if message.error() is None]
        consumer.close()
        assert len(found) == n
        return sorted(found, key=lambda message: (message.partition() or 0, message.offset() or 0))

    def rows(self, statement: str, **parameters: Any) -> list[Row]:
        """Rows as the worker sees them."""
        return self.session.rows(statement, parameters)

    def stored(self) -> list[str]:
        """The ids of the stored events."""
        return [id for (id,) in self.rows("SELECT event_id FROM login_events")]

    def eventually(self, statement: str, expected: object) -> None:
        """Wait until a statement's one value is as expected."""
        until, tick = monotonic() + PATIENCE, threading.Event()
        while (found := self.rows(statement)[0][0]) != expected:
            assert monotonic() < until, f"{statement}: {found}, not {expected}"
            tick.wait(0.05)
