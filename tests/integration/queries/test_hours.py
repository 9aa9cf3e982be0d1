"""What is found in the hours that counts name is what is stored: no page lacks or repeats a row."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from gatewatch.adapters.postgres.queries import PostgresQueries, statement
from gatewatch.adapters.postgres.statements import load
from gatewatch.adapters.postgres.tenancy import TenantSession
from gatewatch.core.events import Asn
from gatewatch.core.times import DAY, HOUR, MINUTE, from_datetime, to_datetime
from gatewatch.read_ports import Activity, EventFilter, Position, Tried
from tests.builders import ABROAD, BROADBAND, LAGOS, START, failure, login
from tests.integration.heart.rig import Heart
from tests.integration.queries.filling import NOW

#: Begins and ends within an hour.
SPAN: dict[str, Any] = {"since": NOW - timedelta(days=40, minutes=13), "until": NOW - timedelta(minutes=7)}
FILTERS = {
    "a network": EventFilter(asn=64_117, **SPAN),
    "a country": EventFilter(country="NG", **SPAN),
    "a common country": EventFilter(country="NO", **SPAN),
    "an outcome": EventFilter(outcome="challenge", **SPAN),
    "a common outcome": EventFilter(outcome="failure", **SPAN),
    "a detector": EventFilter(detector="impossible_travel", **SPAN),
    "a network's failures": EventFilter(asn=64_117, outcome="failure", **SPAN),
    "a detector's high scores": EventFilter(detector="brute_force", min_score=80, **SPAN),
    "a detector in a country": EventFilter(detector="new_device", country="SE", **SPAN),
    "a user's scores": EventFilter(user="user3611", min_score=1, **SPAN),
    "without a beginning": EventFilter(country="NG", until=NOW),
    "without an end": EventFilter(country="NG", since=NOW - timedelta(days=3)),
    "no such network": EventFilter(asn=1, **SPAN),
    "before all": EventFilter(country="NO", until=NOW - timedelta(days=999)),
}


@pytest.mark.postgres15
@pytest.mark.parametrize("name", FILTERS)
def test_pages_are_those_of_a_plain_search(reader: TenantSession, name: str) -> None:
    """Three pages found by hours are the first rows that match, in their order, however the range lies."""
    wanted, size, found = FILTERS[name], 40, list[tuple[Any, ...]]()
    query, parameters = statement(wanted, 3 * size)
    assert query == load("queries.sql")["events_in_hours"]
    after = None
    for _ in range(3):
        query, asked = statement(wanted, size, after)
        found += reader.rows(query, asked)
        after = _behind(reader, found)
    plain = reader.rows(load("queries.sql")["events"], parameters)
    assert found == plain
    assert found or name in ("no such network", "before all")


def _behind(reader: TenantSession, found: list[tuple[Any, ...]]) -> Position | None:
    """The position of the last row; its event is no real one here, so it is looked up by its place."""
    if not found:
        return None
    place = dict(zip(("part", "off"), found[-1][-2:], strict=True))
    query = "SELECT time, event_id FROM login_events WHERE part = %(part)s AND off = %(off)s"
    ((time, id),) = reader.rows(query, place)
    return Position(from_datetime(time), id)


@pytest.fixture
def store(heart: Heart) -> Iterator[PostgresQueries]:
    """What acme has stored."""
    session = TenantSession(lambda: heart.conninfo, "acme")
    yield PostgresQueries(session)
    session.close()


def test_late_events_and_those_without_a_number(heart: Heart, store: PostgresQueries) -> None:
    """A late event is found in its own hour; what has no network number is found by 0, beside other filters too."""
    heart.take(login(START + 5 * HOUR), login(START + 9 * HOUR, asn=Asn(), event_id="numberless"))
    heart.take(failure(START + HOUR, asn=ABROAD, geo=LAGOS, event_id="late"))

    def ids(**filters: Any) -> list[str]:
        return [found.event.event_id for found in store.events(EventFilter(**filters), 10)]

    assert ids(asn=ABROAD.number) == ids(country="NG") == ids(outcome="failure") == ["late"]
    assert ids(asn=0) == ids(asn=0, outcome="success") == ["numberless"]
    assert ids(asn=0, outcome="failure") == []


def test_nothing_is_stored(store: PostgresQueries) -> None:
    """Without any event every range is answered at once, be it of thousands of years."""
    ever: dict[str, Any] = {"since": to_datetime(0), "until": to_datetime(250_000_000_000_000_000)}
    assert store.events(EventFilter(country="NO", **ever), 10) == []
    assert store.tried(EventFilter(country="NO", **ever), 10, 100) == ([], None)


@pytest.mark.postgres15
@pytest.mark.parametrize(
    "source", [{"asn": BROADBAND.number}, {"country": "NO"}, {"network": "192.0.2.0/24"}]
)
def test_the_activity_of_a_source(heart: Heart, store: PostgresQueries, source: dict[str, Any]) -> None:
    """Events count in the stretch of their own time as what they were: what neither succeeded nor failed as neither."""
    heart.take(
        login(START),
        failure(START + MINUTE),
        msgspec.structs.replace(login(START + 2 * MINUTE, user="bob"), outcome="challenge"),
        login(START + DAY),
    )
    wanted = EventFilter(since=to_datetime(START), until=to_datetime(START + DAY), **source)
    (found,) = store.activity_of(wanted, timedelta(hours=1))
    assert found == Activity(to_datetime(START), 3, 1, 1)


@pytest.mark.parametrize(
    "source", [{"asn": BROADBAND.number}, {"country": "NO"}, {"network": "192.0.2.0/24"}]
)
def test_users_are_counted_by_the_latest_events(
    heart: Heart, store: PostgresQueries, source: dict[str, Any]
) -> None:
    """Users tried are those of the latest events; where there are more, it is said since when they are counted."""
    times = [START, START + 3 * HOUR, START + 3 * HOUR + MINUTE, START + 5 * HOUR]
    heart.take(*(failure(time, user=user) for time, user in zip(times, "abbc", strict=True)))
    wanted = EventFilter(**source)
    everyone, since = store.tried(wanted, 10, 5)
    assert [(found.user, found.failures) for found in everyone] == [("b", 2), ("a", 1), ("c", 1)]
    assert since is None
    latest, since = store.tried(wanted, 10, 3)
    assert latest[0] == Tried("b", 2, 0, to_datetime(times[2]))
    assert [found.user for found in latest] == ["b", "c"]
    assert since == to_datetime(times[1])
