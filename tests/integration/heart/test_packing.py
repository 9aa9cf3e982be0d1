"""Rows as PostgreSQL reads them: whatever an event holds, it comes back from the table as it was packed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatewatch.adapters.postgres import packing
from gatewatch.adapters.postgres.arrays import Blobs, Numbers, Texts, array
from gatewatch.adapters.postgres.connection import Row
from gatewatch.adapters.postgres.statements import load
from gatewatch.ports import EventRow, UserRow

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

USERS = st.tuples(
    st.tuples(TEXTS, LONG),
    st.builds(
        UserRow,
        profile=BYTES,
        name=LONG,
        user_id=TEXTS,
        last_seen=NUMBERS,
        risk=st.floats(allow_nan=False),
        has_history=st.booleans(),
    ),
)
BUCKETS = st.tuples(st.tuples(TEXTS, TEXTS, LONG, NUMBERS), BYTES)
COLUMNS = st.lists(LONG, min_size=1) | st.lists(NUMBERS, min_size=1) | st.lists(BYTES, min_size=1)

SIMPLE = EventRow(
    *("acme", "id", 1, 2, "source", "logon", "success", None, "alice", None, None, None, 0, "none", []),
    *(False, 0, False, 7, b"digest", b"context", b"event", "{}", b"raw"),
)


@pytest.fixture
def staging(database: str) -> Iterator[psycopg.Connection[Row]]:
    """A connection with the table that rows are copied into, in a transaction without end."""
    with psycopg.connect(database) as connection:
        for table in ("events", "profiles", "buckets"):
            connection.execute(_SQL[f"stage_{table}"])
        yield connection
        connection.rollback()


def through(connection: psycopg.Connection[Row], table: str, rows: Sequence[bytes]) -> list[Row]:
    """Packed rows after their way through a staging table, in the same order."""
    with connection.cursor(binary=True) as cursor:
        cursor.execute(f"TRUNCATE staged_{table}".encode())
        with cursor.copy(_SQL[f"copy_{table}"]) as copy:
            copy.write(packing.SIGNATURE)
            for row in rows:
                copy.write(row)
            copy.write(packing.TRAILER)
        return cursor.execute(f"TABLE staged_{table}".encode()).fetchall()


def copied(connection: psycopg.Connection[Row], rows: Sequence[EventRow]) -> list[EventRow]:
    """The rows of events after their way through the table."""
    return [EventRow(*row) for row in through(connection, "events", [packing.event(row).row for row in rows])]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=st.lists(ROWS, max_size=3))
def test_a_row_comes_back_as_it_was_packed(staging: psycopg.Connection[Row], rows: list[EventRow]) -> None:
    """Any text, number and bytes that the columns hold; and what is asked before it is stored is the row's."""
    assert copied(staging, rows) == rows
    for row in rows:
        kept = packing.event(row)
        assert [getattr(row, name) for name in kept._fields[:-1]] == list(kept[:-1])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(users=st.lists(USERS, max_size=3), buckets=st.lists(BUCKETS, max_size=3))
def test_so_does_state(
    staging: psycopg.Connection[Row],
    users: list[tuple[tuple[str, str], UserRow]],
    buckets: list[tuple[tuple[str, str, str, int], bytes]],
) -> None:
    """A user and a bucket: the columns of the key, then what stands there."""
    packed = [packing.user(key, row) for key, row in users]
    assert through(staging, "profiles", packed) == [(*key, *row) for key, row in users]
    packed = [packing.bucket(key, state) for key, state in buckets]
    assert through(staging, "buckets", packed) == [(*key, state) for key, state in buckets]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(column=COLUMNS)
def test_an_array_comes_back(staging: psycopg.Connection[Row], column: list[str | int | bytes]) -> None:
    """A column of texts, numbers or bytes as a parameter."""
    cursor = staging.cursor(binary=True)
    assert cursor.execute("SELECT %b", [array(column)]).fetchall() == [(column,)]


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (["a"], Texts),
        ((1, 2), Numbers),
        ([b""], Blobs),
        (["a", None], list),
        ([True], list),
        ([1.5], list),
    ],
)
def test_what_else_there_is_the_driver_packs(
    staging: psycopg.Connection[Row], column: Sequence[object], kind: type
) -> None:
    """Only what is of one kind, without a None, is packed by us."""
    assert type(array(column)) is kind
    assert staging.execute("SELECT %b", [array(column)]).fetchall() == [([*column],)]


def test_the_driver_packs_its_own_arrays_as_ever(staging: psycopg.Connection[Row]) -> None:
    """Where a type is named instead of found, as rows of COPY have theirs."""
    with staging.cursor(binary=True) as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE arrays (texts text[], numbers bigint[], blobs bytea[]) ON COMMIT DROP"
        )
        with cursor.copy("COPY arrays FROM STDIN WITH (FORMAT binary)") as copy:
            copy.set_types(["text[]", "int8[]", "bytea[]"])
            copy.write_row((["a", None], [1], [b"x"]))
        assert cursor.execute("TABLE arrays").fetchall() == [(["a", None], [1], [b"x"])]


def test_however_many_values_there_are(staging: psycopg.Connection[Row]) -> None:
    """What was packed once is kept for so many values and no more; all of them are packed alike."""
    rows = [SIMPLE._replace(source=f"source {n % 6_000}") for n in range(12_000)]
    assert copied(staging, rows) == rows
    assert len(packing.WORDS) <= packing.MOST_WORDS


def test_what_no_text_may_hold_is_refused(staging: psycopg.Connection[Row]) -> None:
    """A NUL is refused by PostgreSQL as a value, so that its record alone becomes a dead letter."""
    with pytest.raises(psycopg.DataError):
        copied(staging, [SIMPLE._replace(event_id="i\0d")])
