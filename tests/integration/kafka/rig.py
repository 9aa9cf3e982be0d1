"""Gatewatch on a real broker and a real database, with topics of its own."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from time import monotonic
from typing import Any
from uuid import uuid4

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType
from confluent_kafka.admin import ConfigEntry as Entry

from gatewatch import bootstrap
from gatewatch.adapters.postgres.connection import Row, Session
from gatewatch.core import records
from gatewatch.core.events import LoginEvent
from gatewatch.ports import LOGINS
from gatewatch.settings import Settings
from gatewatch.worker import Detector, Notifier
from tests.integration.heart.rig import record_of

#: How long anything may take on a machine with other things to do (s).
PATIENCE = 60.0


class OnKafka:
    """A prefix of one's own on a broker, prepared over a database."""

    def __init__(self, bootstrap_servers: str, conninfo: str, partitions: int = 4, **more: Any) -> None:
        self.conninfo = conninfo
        self.settings = Settings(
            database_url=conninfo,
            kafka_bootstrap=bootstrap_servers,
            kafka_prefix=f"test-{uuid4().hex[:12]}.",
            kafka_partitions=partitions,
            **more,
        )
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

    def put(self, part: int, *values: tuple[str | None, bytes | None]) -> None:
        """Append to a partition of our choice, as a foreign producer may."""
        producer = Producer(self.client)
        for key, value in values:
            producer.produce(self.topic, value, key, partition=part)
        assert producer.flush(20) == 0

    def lose(self) -> None:
        """Have the broker's retention take everything that lies on the log."""
        self._configure(**{"retention.ms": "1", "segment.ms": "1"})

    def _configure(self, **entries: str) -> None:
        resource = ConfigResource(ResourceType.TOPIC, self.topic)
        for name, value in entries.items():
            resource.add_incremental_config(_set(name, value))
        for future in self.admin.incremental_alter_configs([resource]).values():
            future.result()

    # Work -------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def running(self, detectors: int = 1, *, notifier: bool = True) -> Iterator[None]:
        """Detectors and a notifier, as threads, for as long as they are needed."""
        stop = threading.Event()
        workers: list[Detector | Notifier] = [
            Detector(self.settings, bootstrap.processing(self.settings, self.conninfo), stop)
            for _ in range(detectors)
        ]
        if notifier:
            workers.append(Notifier(bootstrap.relaying(self.settings, self.conninfo), stop))
        threads = [threading.Thread(target=worker.run) for worker in workers]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join(PATIENCE)
        assert not any(thread.is_alive() for thread in threads)

    # Out --------------------------------------------------------------------------------------------------------

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


def _set(name: str, value: str) -> Entry:
    from confluent_kafka.admin import AlterConfigOpType

    return Entry(name, value, incremental_operation=AlterConfigOpType.SET)
