"""The outbox as the relay reads it, its upkeep and that of the log and the events, and how all that is doing."""

from collections.abc import Callable, Collection, Mapping
from datetime import timedelta

from gatewatch.adapters.postgres.book import PostgresBook
from gatewatch.adapters.postgres.connection import Session
from gatewatch.adapters.postgres.statements import load
from gatewatch.core import anomalies
from gatewatch.health_ports import Lane, Ownership
from gatewatch.log_ports import Standing
from gatewatch.outbox_ports import OutboxMessage
from gatewatch.ports import LOGINS, Outgoing, TenantKey

_SQL = load("outbox.sql")

#: A log segment is closed at this many records, or at this age in seconds if it holds any.
SEGMENT_RECORDS = 200_000
SEGMENT_SECONDS = 600.0
#: How long relayed messages are kept: whoever reads the outbox as a feed has this long to catch up.
KEEP_OUTBOX = timedelta(days=7)
#: The bytes of messages from which on no more are taken at once.
AT_ONCE = 16 << 20


class PostgresOutbox:
    """See `outbox_ports.OutboxReader`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def unrelayed(self, limit: int) -> list[OutboxMessage]:
        """The next messages of each partition."""
        rows = self._session.rows(_SQL["unrelayed"], {"limit": limit, "size": AT_ONCE, "topic": LOGINS})
        return [OutboxMessage(row[0], row[1], Outgoing(*row[2:])) for row in rows]

    def relayed(self, positions: Mapping[int, int]) -> None:
        """Remember how far each partition was relayed."""
        parts = sorted(positions)
        self._session.run(_SQL["relayed"], {"parts": parts, "seqs": [positions[part] for part in parts]})

    def standing(self, keys: Collection[TenantKey]) -> dict[TenantKey, Standing]:
        """How anomalies stand, and what people said of them."""
        tenants, ids = [key[0] for key in keys], [key[1] for key in keys]
        rows = self._session.rows(_SQL["standing"], {"tenants": tenants, "ids": ids})
        return {(row[0], row[1]): Standing(anomalies.decode(row[2]), row[3], row[4]) for row in rows}


class PostgresPipeline:
    """See `health_ports.Pipeline`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def lanes(self) -> list[Lane]:
        """What waits in each lane of the outbox."""
        return [Lane(*row) for row in self._session.rows(_SQL["lanes"], {"topic": LOGINS})]

    def owned(self) -> dict[Ownership, int]:
        """How many partitions of the log are read, and how many not."""
        ((alive, expired, none),) = self._session.rows(_SQL["owned"], {"topic": LOGINS})
        return {"alive": alive, "expired": expired, "none": none}


class Upkeep:
    """What somebody has to do now and then. `retention_days` 0 keeps events for ever; `ends` tells where a log ends
    that lies elsewhere.
    """

    def __init__(
        self, session: Session, retention_days: int, ends: Callable[[], Mapping[int, int]] | None = None
    ) -> None:
        self._session, self._retention_days, self._ends = session, retention_days, ends

    def __call__(self) -> None:
        """Close a full segment and drop what was read, or tell where the log ends; forget old messages, drop what is
        past its retention.
        """
        if self._ends is None:
            self._segments()
        else:
            PostgresBook(self._session, LOGINS).ended(self._ends())
        self._session.run(_SQL["forget"], {"keep": KEEP_OUTBOX})
        if self._retention_days:
            keep = {"keep": timedelta(days=self._retention_days)}
            self._session.run(_SQL["drop_events"], keep)
            self._session.run(_SQL["forget_decisions"], keep)

    def _segments(self) -> None:
        topic = {"topic": LOGINS}
        ((records, age),) = self._session.rows(_SQL["segment"], topic)
        if records >= SEGMENT_RECORDS or (records and age >= SEGMENT_SECONDS):
            self._session.run(_SQL["roll"], topic)
        self._session.run(_SQL["drop"], topic | {"keep": timedelta(0)})
