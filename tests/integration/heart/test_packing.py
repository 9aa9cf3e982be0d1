"""Rows as PostgreSQL reads them: whatever an event holds, it comes back from the table as it was packed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatewatch.adapters.postgres import packing
from gatewatch.adapters.postgres.connection import Row
from gatewatch.adapters.postgres.statements import load
from gatewatch.ports import EventRow

_SQL = {name: statement.encode() for name, statement in load("commit.sql").items()}
_INT8 = 2**63

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
LONG = st.builds(str.__mul__, TEXTS, st.sampled_from([1, 1, 1, 300]))
NUMBERS = st.integers(-_INT8, _INT8 - 1)
SMALL = st.integers(-(2**15), 2**15 - 1)
BYTES = st.builds(bytes.__mul__, st.binary(max_size=40), st.sampled_from([1, 1, 1, 300]))

ROWS = st.builds(
    EventRow,
    tenant_id=TEXTS,
    event_id=TEXTS,
    time=NUMBERS,
    received=NUMBERS,
    source=TEXTS,
    activity=TEXTS,
    outcome=TEXTS,
    reason_class=st.none() | TEXTS,
    user_key=LONG,
    ip=st.none() | TEXTS,
    asn=st.none() | NUMBERS,
    country=st.none() | TEXTS,
    score=SMALL,
    level=TEXTS,
    detectors=st.lists(TEXTS, max_size=4),
    late=st.booleans(),
    weight=SMALL,
    held=st.booleans(),
    offset=NUMBERS,
    digest=BYTES,
    context=BYTES,
    event=BYTES,
    assessment=LONG,
    raw=BYTES,
)

SIMPLE = EventRow(
    *("acme", "id", 1, 2, "source", "logon", "success", None, "alice", None, None, None, 0, "none", []),
    *(False, 0, False, 7, b"digest", b"context", b"event", "{}", b"raw"),
)


@pytest.fixture
def staging(database: str) -> Iterator[psycopg.Connection[Row]]:
    """A connection with the table that rows are copied into, in a transaction without end."""
    with psycopg.connect(database) as connection:
        connection.execute(_SQL["stage_events"])
        yield connection
        connection.rollback()


def copied(connection: psycopg.Connection[Row], rows: Sequence[EventRow]) -> list[EventRow]:
    """The rows after their way through the table, in the same order."""
    with connection.cursor(binary=True) as cursor:
        cursor.execute("TRUNCATE staged_events")
        with cursor.copy(_SQL["copy_events"]) as copy:
            copy.write(packing.SIGNATURE)
            for row in rows:
                copy.write(packing.event(row).row)
            copy.write(packing.TRAILER)
        return [EventRow(*row) for row in cursor.execute("TABLE staged_events").fetchall()]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=st.lists(ROWS, max_size=3))
def test_a_row_comes_back_as_it_was_packed(staging: psycopg.Connection[Row], rows: list[EventRow]) -> None:
    """Any text, number and bytes that the columns hold; and what is asked before it is stored is the row's."""
    assert copied(staging, rows) == rows
    for row in rows:
        kept = packing.event(row)
        assert [getattr(row, name) for name in kept._fields[:-1]] == list(kept[:-1])


def test_however_many_values_there_are(staging: psycopg.Connection[Row]) -> None:
    """What was packed once is kept for so many values and no more; all of them are packed alike."""
    rows = [SIMPLE._replace(source=f"source {n % 6_000}") for n in range(12_000)]
    assert copied(staging, rows) == rows
    assert len(packing.WORDS) <= packing.MOST_WORDS


def test_what_no_text_may_hold_is_refused(staging: psycopg.Connection[Row]) -> None:
    """A NUL is refused by PostgreSQL as a value, so that its record alone becomes a dead letter."""
    with pytest.raises(psycopg.DataError):
        copied(staging, [SIMPLE._replace(event_id="i\0d")])
