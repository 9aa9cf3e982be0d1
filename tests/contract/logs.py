"""The three logs behind one handle: in memory, embedded in PostgreSQL, on Kafka."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

import msgspec
import psycopg
from confluent_kafka import TopicPartition

from gatewatch import bootstrap, bootstrap_kafka
from gatewatch.adapters.memory.log import MemoryLog, MemoryMember
from gatewatch.adapters.postgres.connection import Session
from gatewatch.adapters.postgres.leases import Leases
from gatewatch.adapters.postgres.log import PostgresLog
from gatewatch.adapters.postgres.store import PostgresStore
from gatewatch.log_ports import LogSource, Membership
from gatewatch.ports import LOGINS, Batch, Claim, LogWriter
from tests.builders import START
from tests.integration.heart.rig import SetClock
from tests.integration.kafka.rig import OnKafka

PARTITIONS = 4
#: How long a member may be silent (s).
TIMEOUT = 5.0


class Member(Membership, LogSource, Protocol):
    """One detector's share of a log."""


class AnyLog(Protocol):
    """A log of `PARTITIONS` partitions with what a test does to it."""

    @property
    def writer(self) -> LogWriter:
        """Appends to it."""
        ...

    def member(self) -> Member:
        """Another member."""
        ...

    def advance(self, claim: Claim, offset: int) -> Claim:
        """Store an empty batch up to an offset. Raises `Fenced`."""
        ...

    def grow(self, partitions: int) -> None:
        """More partitions."""
        ...

    def lose(self, part: int, before: int) -> None:
        """Have the log forget the records of a partition before an offset."""
        ...

    def close(self) -> None:
        """Close what is open."""
        ...


class InMemory:
    """The fake."""

    def __init__(self) -> None:
        self.writer = self._log = MemoryLog(PARTITIONS, TIMEOUT)

    def member(self) -> Member:
        """Another member."""
        return MemoryMember(self._log)

    def advance(self, claim: Claim, offset: int) -> Claim:
        """Compare and swap."""
        return self._log.advance(claim, offset)

    def grow(self, partitions: int) -> None:
        """More partitions."""
        self._log.grow(partitions)

    def lose(self, part: int, before: int) -> None:
        """Forget records."""
        self._log.lose(part, before)

    def close(self) -> None:
        """Nothing is open."""


class _Stored:
    """A log whose places are in PostgreSQL."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._sessions: list[Session] = []
        self._store = PostgresStore(self._session(), SetClock(START), timedelta(seconds=TIMEOUT))

    def _session(self) -> Session:
        self._sessions.append(Session(self._conninfo))
        return self._sessions[-1]

    def advance(self, claim: Claim, offset: int) -> Claim:
        """Store an empty batch."""
        self._store.commit(Batch(claim, offset, now=START))
        return msgspec.structs.replace(claim, next_offset=offset)

    def close(self) -> None:
        """Close the connections."""
        for session in self._sessions:
            session.close()


class _EmbeddedMember(Leases, PostgresStore):
    """Leases and the embedded log, as one."""

    def __init__(self, session: Session) -> None:
        PostgresStore.__init__(self, session, SetClock(START), timedelta(seconds=TIMEOUT))
        Leases.__init__(self, session, LOGINS, TIMEOUT)


class Embedded(_Stored):
    """The log in PostgreSQL."""

    def __init__(self, conninfo: str) -> None:
        bootstrap.prepare(conninfo, PARTITIONS)
        super().__init__(conninfo)
        self.writer = PostgresLog(conninfo)

    def member(self) -> Member:
        """Another member."""
        return _EmbeddedMember(self._session())

    def grow(self, partitions: int) -> None:
        """More partitions."""
        bootstrap.grow(self._conninfo, partitions)

    def lose(self, part: int, before: int) -> None:
        """Delete rows of the log."""
        with psycopg.connect(self._conninfo, autocommit=True) as owner:
            owner.execute("DELETE FROM event_log WHERE part = %s AND off < %s", (part, before))

    def close(self) -> None:
        """Close the connections."""
        super().close()
        self.writer.close()


class Kafka(_Stored):
    """The log on a real broker."""

    def __init__(self, brokers: str, conninfo: str) -> None:
        self._on = OnKafka(brokers, conninfo, PARTITIONS, lease_timeout=TIMEOUT)
        super().__init__(conninfo)
        self.writer = self._on.log

    def member(self) -> Member:
        """Another member of the group."""
        settings, session = self._on.settings, self._session()
        leases = Leases(session, LOGINS, TIMEOUT, elsewhere=True)
        return bootstrap_kafka.group(settings, leases, session)

    def grow(self, partitions: int) -> None:
        """As an operator does who knows nothing of Gatewatch."""
        bootstrap_kafka.topics(self._on.settings).grow(self._on.topic, partitions)

    def lose(self, part: int, before: int) -> None:
        """Have the broker delete records."""
        wanted = [TopicPartition(self._on.topic, part, before)]
        for future in self._on.admin.delete_records(wanted).values():
            future.result()

    def close(self) -> None:
        """Close the connections, delete the topics."""
        super().close()
        self._on.close()
