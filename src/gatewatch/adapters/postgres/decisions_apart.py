"""Decisions where the log is not part of the store (see `decision_ports.DecisionStore`).

The row is claimed first and remembers which of its records may not be on the log yet. Whoever meets such a row appends
them again before it answers: what was promised is durable, and a repeat changes nothing.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from gatewatch.adapters.postgres.decisions import PostgresDecisions, telling
from gatewatch.adapters.postgres.statements import load
from gatewatch.adapters.postgres.tenancy import TenantPool
from gatewatch.core import records
from gatewatch.core.records import EventRecord, Record
from gatewatch.decision_ports import Kept
from gatewatch.ports import LogWriter, Unavailable
from gatewatch.read_ports import StoredDecision, Told

_SQL = load("decisions.sql")


class DecisionsApart(PostgresDecisions):
    """Reads like the embedded ones, and appends to a log of its own."""

    def __init__(self, pool: TenantPool, log: LogWriter) -> None:
        super().__init__(pool)
        self._log = log

    def keep(self, id: str, record: EventRecord, answer: bytes) -> Kept:
        """Claim, append what is unproven, and remember that it was."""
        wanted: dict[str, Any] = {"tenant": record.tenant_id, "id": id, "digest": record.digest}
        wanted |= {"record": records.encode(record), "answer": answer}
        ((claimed, digest, kept, unproven),) = self._rows("claim", **wanted)
        if digest == record.digest:
            self._prove(record.tenant_id, id, record.key, unproven)
        return Kept(claimed, digest, kept)

    def find(self, tenant_id: str, id: str) -> StoredDecision | None:
        """What is kept under an id, with all that follows from it on the log."""
        found = super().find(tenant_id, id)
        if found is not None:
            ((unproven,),) = self._pool.of(tenant_id).rows(_SQL["unproven"], {"id": id})
            self._prove(tenant_id, id, found.record.key, unproven)
        return found

    def tell(self, decision: StoredDecision, told: Told, found: Sequence[Record]) -> bool:
        """Remember, append what follows, and remember that it was."""
        wanted = telling(decision, told, found)
        ((done,),) = self._rows("told", **wanted)
        if done:
            self._prove(decision.record.tenant_id, decision.id, decision.record.key, wanted["values"])
        return bool(done)

    def _prove(self, tenant_id: str, id: str, key: str, unproven: Sequence[bytes]) -> None:
        """Raises `Unavailable` where the records are not durable; that they are need not be remembered at any price."""
        if unproven:
            self._log.append([(key, bytes(value)) for value in unproven])
            with suppress(Unavailable):
                self._rows("proven", tenant=tenant_id, id=id, values=[bytes(value) for value in unproven])
