"""Cursors: opaque, bound to their question, and harmless whatever a stranger makes of them."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewatch.core.times import HOUR, to_datetime
from gatewatch.read_ports import DeadLetterFilter, EventFilter, Position, UserFilter
from gatewatch.services.pages import BadCursor, BadQuery, BadRange, Page, page, spanned

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
Rows = list[tuple[int, str]]


class Table:
    """Rows of (time, id) as a store lists them; keeps what it was asked for."""

    def __init__(self, rows: Rows) -> None:
        self.rows = sorted(rows, reverse=True)
        self.asked: list[EventFilter] = []

    def read(self, wanted: EventFilter, limit: int, after: Position | None) -> Sequence[tuple[int, str]]:
        """Rows behind a position."""
        self.asked.append(wanted)
        return [row for row in self.rows if after is None or row < (after.key, after.id)][:limit]

    def page(
        self, limit: int, cursor: str = "", wanted: EventFilter | None = None, now: datetime = NOW
    ) -> Page[str]:
        """A page of ids."""
        return page(
            wanted or EventFilter(),
            limit,
            cursor,
            now,
            self.read,
            lambda row: Position(*row),
            lambda row: row[1],
        )

    def walk(self, limit: int) -> list[str]:
        """All pages."""
        found = self.page(limit)
        ids = list(found.items)
        while found.next is not None:
            found = self.page(limit, found.next)
            ids += found.items
        return ids


TABLE = Table([(5, "a"), (5, "b"), (4, "c"), (4, "d"), (4, "e"), (1, "f")])


#: Ids as the database can hold them.
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=3)


@given(st.lists(st.tuples(st.integers(0, 5), texts), unique=True, max_size=30), st.integers(1, 7))
def test_pages_are_the_list(rows: Rows, limit: int) -> None:
    """Whatever the rows and the size of a page, the pages are the list: also where many rows have one time."""
    table = Table(rows)
    assert table.walk(limit) == [id for _, id in table.rows]


def test_the_last_page_leads_nowhere() -> None:
    """There is no cursor behind the last row, and none behind an empty list."""
    assert TABLE.page(6).next is None
    assert TABLE.page(5).next is not None
    assert Table([]).page(5) == Page([], None, NOW - timedelta(days=1), None)


def test_a_list_reaches_a_day_back_on_all_its_pages() -> None:
    """Without a range a list is of the last day; its later pages keep the range of the first."""
    table = Table(TABLE.rows)
    first = table.page(2)
    assert first.next is not None
    second = table.page(2, first.next, now=NOW + timedelta(hours=5))
    assert {(wanted.since, wanted.until) for wanted in table.asked} == {(NOW - timedelta(days=1), None)}
    assert second.since == first.since


@pytest.mark.parametrize(
    ("since", "until", "begin"),
    [
        (None, None, NOW - timedelta(days=1)),
        (None, NOW - timedelta(days=7), NOW - timedelta(days=8)),
        (NOW - timedelta(days=7), None, NOW - timedelta(days=7)),
        (NOW - timedelta(days=7), NOW, NOW - timedelta(days=7)),
    ],
)
def test_a_range(since: datetime | None, until: datetime | None, begin: datetime) -> None:
    """A range without a beginning begins a day before its end."""
    assert spanned(since, until, NOW) == (begin, until)


@pytest.mark.parametrize("length", [timedelta(0), timedelta(hours=1)])
def test_a_range_upside_down(length: timedelta) -> None:
    """A range that does not begin before it ends is refused."""
    with pytest.raises(BadRange):
        TABLE.page(2, wanted=EventFilter(since=NOW, until=NOW - length))


@pytest.mark.parametrize(
    "time",
    [datetime(1, 1, 1, tzinfo=UTC), datetime(1969, 12, 31, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)],
)
def test_a_range_where_no_events_are(time: datetime) -> None:
    """A range before 1970, or at the end of all time, is refused."""
    for wanted in (EventFilter(since=time), EventFilter(until=time)):
        with pytest.raises(BadRange):
            TABLE.page(2, wanted=wanted)


def test_a_page_has_its_bounds() -> None:
    """A page has at least one row and at most five hundred, whatever is asked."""
    table = Table([(time, str(time)) for time in range(600)])
    assert len(table.page(0).items) == 1
    assert len(table.page(10_000).items) == 500


CURSOR = str(TABLE.page(2).next)


@pytest.mark.parametrize(
    "other",
    [
        EventFilter(user="alice"),
        EventFilter(since=NOW - timedelta(days=1)),
        EventFilter(user="alice", country="NO"),
    ],
)
def test_a_cursor_of_another_filter(other: EventFilter) -> None:
    """A cursor goes on with its own question only."""
    with pytest.raises(BadCursor, match="begin without one"):
        TABLE.page(2, CURSOR, other)


def test_a_cursor_of_another_list() -> None:
    """A cursor of events is none of dead letters."""
    with pytest.raises(BadCursor):
        page(DeadLetterFilter(), 2, CURSOR, NOW, lambda *_: list[Position](), Position._make, str)


def test_a_cursor_of_another_order() -> None:
    """A cursor of users by when they were seen is none of users by risk."""
    users = [Position(3, "a"), Position(2, "b")]
    seen = page(UserFilter(sort="last_seen"), 1, "", NOW, lambda *_: users, Position._make, str)
    with pytest.raises(BadCursor):
        page(UserFilter(sort="risk"), 1, str(seen.next), NOW, lambda *_: users, Position._make, str)


@given(st.text(max_size=60) | st.from_regex(r"[A-Za-z0-9_-]{1,80}", fullmatch=True))
def test_a_cursor_of_a_stranger(text: str) -> None:
    """Whatever is no cursor of ours is refused in the one way there is."""
    if text:
        with pytest.raises(BadCursor):
            TABLE.page(2, text)


@given(st.integers(0, len(CURSOR) - 1), st.sampled_from("AQgw_-9"))
def test_a_cursor_with_a_wrong_letter(at: int, letter: str) -> None:
    """A cursor in which a letter was changed is refused, or is another position of the same list."""
    changed = CURSOR[:at] + letter + CURSOR[at + 1 :]
    try:
        found = TABLE.page(2, changed)
    except BadCursor:
        return
    assert {*found.items} <= {id for _, id in TABLE.rows}


@pytest.mark.parametrize(
    "change", [{3: 1.5}, {3: float("inf")}, {3: 1 << 62}, {1: -1}, {2: 1 << 60}, {4: "\0"}]
)
def test_a_cursor_made_with_knowledge(change: dict[int, object]) -> None:
    """A cursor with the right digest and values that no list has is refused as any other."""
    fields = msgspec.msgpack.decode(urlsafe_b64decode(CURSOR + "=" * (-len(CURSOR) % 4)))
    for at, value in change.items():
        fields[at] = value
    with pytest.raises(BadCursor):
        TABLE.page(2, urlsafe_b64encode(msgspec.msgpack.encode(fields)).decode())


def test_a_filter_that_no_text_has() -> None:
    """A NUL, which the database does not store, is refused before it gets there."""
    with pytest.raises(BadQuery, match="NUL"):
        TABLE.page(2, wanted=EventFilter(user="a\0b"))


def test_a_day_is_the_default() -> None:
    """The default is 24 hours to the microsecond."""
    begin, _ = spanned(None, None, to_datetime(25 * HOUR))
    assert begin == to_datetime(HOUR)
