"""What a batch stores beside events and state: control records, dead letters, conflicts, and what became of imports."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import psycopg

from gatewatch.adapters.postgres.arrays import array
from gatewatch.adapters.postgres.connection import Row
from gatewatch.adapters.postgres.statements import load
from gatewatch.core import signals
from gatewatch.ports import Batch, Conflict, ControlRow, DeadLetter

_SQL = {name: statement.encode() for name, statement in load("commit.sql").items()}

Cursor = psycopg.Cursor[Row]


def columns(rows: Iterable[tuple[Any, ...]], *names: str) -> dict[str, Any] | None:
    """Rows, sorted, as one array per column; None without rows."""
    ordered = sorted(rows, key=lambda row: row[:4])
    if not ordered:
        return None
    return dict(zip(names, map(array, zip(*ordered, strict=True)), strict=True))


def put(
    cursor: Cursor, statement: str, columns: Mapping[str, Any] | None, **more: str | int | datetime | None
) -> None:
    """Run a statement on columns, unless there are no rows."""
    if columns is not None:
        cursor.execute(_SQL[statement], {**columns, **more})


def put_records(cursor: Cursor, batch: Batch) -> None:
    """Store what is no event, in the order of the keys."""
    claim = batch.claim
    where: dict[str, str | int | datetime | None] = {"part": claim.part, "topic": claim.topic}
    put(
        cursor,
        "insert_controls",
        columns(map(_control, batch.controls), *_CONTROLS),
        part=claim.part,
        generation=claim.generation,
    )
    put(cursor, "insert_dead", columns(map(_dead, batch.dead), *_DEAD), **where)
    put(cursor, "insert_conflicts", columns(map(_conflict, batch.conflicts), *_CONFLICTS))
    if batch.gap is not None:
        cursor.execute(_SQL["insert_gap"], {**where, "from": batch.gap[0], "to": batch.gap[1]})
    tallies = (
        (*key, t.events, t.duplicates, t.conflicts, t.dead_letters, t.controls)
        for key, t in batch.tallies.items()
    )
    put(cursor, "upsert_tallies", columns(tallies, *_TALLIES), part=claim.part)


_CONTROLS = ("tenants", "ids", "keys", "kinds", "bodies", "policies", "known", "assessments", "offs")
_DEAD = ("tenants", "ids", "sources", "reasons", "details", "raws", "sizes", "sha256s", "offs", "received")
_CONFLICTS = ("tenants", "ids", "digests", "raws", "received")
_TALLIES = ("tenants", "origins", "events", "duplicates", "conflicts", "dead", "controls")


def _control(row: ControlRow) -> Row:
    control, assessment = row.control, row.assessment
    said = signals.encode(assessment).decode() if assessment is not None else None
    return (
        control.tenant_id,
        control.id,
        control.user_key,
        control.kind,
        row.value,
        row.policy,
        row.known,
        said,
        row.offset,
    )


def _dead(letter: DeadLetter) -> Row:
    reject = letter.reject
    return (
        reject.tenant_id,
        reject.id,
        reject.source,
        reject.reason,
        reject.detail,
        reject.raw,
        reject.size,
        reject.sha256,
        letter.offset,
        reject.received,
    )


def _conflict(conflict: Conflict) -> Row:
    record = conflict.record
    return record.tenant_id, record.event.event_id, record.digest, record.raw, record.received
