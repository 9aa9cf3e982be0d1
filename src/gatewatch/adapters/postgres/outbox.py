"""The outbox as the relay reads it, and the upkeep of log segments, old messages and old events."""

from collections.abc import Collection, Mapping
from datetime import timedelta

from gatewatch.adapters.postgres.connection import Session
from gatewatch.adapters.postgres.statements import load
from gatewatch.core import anomalies
from gatewatch.log_ports import Standing
from gatewatch.ports import LOGINS, OutboxMessage, Outgoing, TenantKey

_SQL = load("outbox.sql")

#: A log segment is closed at this many records, or at this age in seconds if it holds any.
SEGMENT_RECORDS = 200_000
SEGMENT_SECONDS = 600.0
#: How long relayed messages are kept: whoever reads the outbox as a feed has this long to catch up.
KEEP_OUTBOX = timedelta(days=7)


class PostgresOutbox:
    """See `ports.OutboxReader`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def unrelayed(self, limit: int) -> list[OutboxMessage]:
        """The next messages of each partition."""
        rows = self._session.rows(_SQL["unrelayed"], {"limit": limit, "topic": LOGINS})
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


class Upkeep:
    """What somebody has to do now and then. `retention_days` 0 keeps events for ever; `embedded`: so is the log."""

    def __init__(self, session: Session, retention_days: int, *, embedded: bool = True) -> None:
        self._session, self._retention_days, self._embedded = session, retention_days, embedded

    def __call__(self) -> None:
        """Close a full segment, drop what was read, forget old messages, drop what is past its retention."""
        if self._embedded:
            self._segments()
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
