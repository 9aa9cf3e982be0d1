"""Paging while everything moves: what was there at the first page and kept its sort key appears exactly once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewatch.adapters.postgres.queries import PostgresQueries
from gatewatch.adapters.postgres.tenancy import TenantSession
from gatewatch.core import anomalies, profiles
from gatewatch.core.anomalies import Anomaly
from gatewatch.core.profiles import Profile
from gatewatch.core.times import DAY, SECOND, to_datetime
from gatewatch.read_ports import AnomalyFilter, DeadLetterFilter, EventFilter, UserFilter
from gatewatch.services.lists import Lists
from gatewatch.services.pages import Page
from tests.builders import START, login
from tests.conftest import migrated_template
from tests.integration.heart.rig import Heart
from tests.support.servers import DatabaseServer

#: Times are few, so that many rows have one; the year's end lies between them, so that they are in two months.
TIMES = [START + n * 20 * DAY for n in (-1, 0, 1)]
ALL_TIME: dict[str, Any] = {"since": to_datetime(START - 100 * DAY), "until": to_datetime(START + 100 * DAY)}
times = st.sampled_from(TIMES)
#: What comes in between two pages: rows with new ids, and rows of before that move to another time.
changes = st.lists(st.tuples(st.booleans(), st.integers(0, 9), times), max_size=4)
ids = count()


@pytest.fixture(scope="module")
def heart(postgres: DatabaseServer, templates: dict[str, str]) -> Iterator[Heart]:
    """One heart for all examples; each has a tenant of its own."""
    if postgres.conninfo not in templates:
        templates[postgres.conninfo] = migrated_template(postgres)
    with postgres.fresh(templates[postgres.conninfo]) as conninfo:
        heart = Heart(conninfo, clock=START + DAY)
        yield heart
        heart.close()


@dataclass
class Tenant:
    """One example's rows. `moved` are those that were changed since the first page."""

    heart: Heart
    name: str = field(default_factory=lambda: f"tenant{next(ids)}")
    moved: set[str] = field(default_factory=set)

    def lists(self) -> tuple[Lists, Callable[[], None]]:
        """The tenant's lists, and how to close them."""
        session = TenantSession(lambda: self.heart.conninfo, self.name)
        return Lists(PostgresQueries(session), self.heart.clock), session.close

    def run(self, statement: str, **values: Any) -> None:
        """Write as the worker does."""
        self.heart.session.run(statement, {"tenant": self.name, **values})

    def event(self, id: str, time: int) -> None:
        """An event comes in; none ever moves."""
        if id not in self.moved:
            self.heart.take(login(time, tenant_id=self.name, event_id=id, user=f"u{id}"))

    def anomaly(self, id: str, time: int) -> None:
        """An anomaly opens, or has a further hit."""
        found = Anomaly(
            id=id,
            tenant_id=self.name,
            subject_kind="user",
            subject="u",
            detector="d",
            slot=0,
            code="c",
            severity="low",
            score=1,
            count=1,
            first_seen=time,
            last_seen=time,
        )
        self.run(
            "INSERT INTO anomalies (tenant_id, id, subject_kind, subject, detector, slot, state, severity, score,"
            " first_seen, last_seen, version, body) VALUES (%(tenant)s, %(id)s, 'user', 'u', 'd', 'epoch', 'open',"
            " 'low', 1, %(time)s, %(time)s, 1, %(body)s) ON CONFLICT (tenant_id, id) DO UPDATE"
            " SET last_seen = excluded.last_seen, body = excluded.body",
            id=id,
            time=to_datetime(time),
            body=anomalies.encode(found).decode(),
        )

    def user(self, id: str, time: int) -> None:
        """A user is seen, or becomes riskier."""
        self.run(
            "INSERT INTO profiles (tenant_id, user_key, state, name, user_id, last_seen, risk, has_history, part)"
            " VALUES (%(tenant)s, %(id)s, %(state)s, '', '', %(time)s, %(risk)s, true, 0)"
            " ON CONFLICT (tenant_id, user_key) DO UPDATE SET risk = excluded.risk",
            id=id,
            time=to_datetime(time),
            state=profiles.encode(Profile()),
            risk=float("-inf") if time == TIMES[0] else time / (7 * DAY),
        )

    def letter(self, id: str, time: int) -> None:
        """A dead letter comes in; none ever moves."""
        self.run(
            "INSERT INTO dead_letters (tenant_id, id, source, reason, detail, raw, size, sha256, received_at)"
            " VALUES (%(tenant)s, %(id)s, '', '', '', '', 0, '', %(time)s) ON CONFLICT DO NOTHING",
            id=id,
            time=to_datetime(time),
        )


def walk(
    tenant: Tenant, turn: Callable[[str], Page[Any]], put: Callable[[str, int], None], steps: list[Any]
) -> Counter[str]:
    """All pages, with a step of changes before each but the first; what was shown, and how often."""
    found = turn("")
    seen = Counter(_ids(found))
    for at in count():
        if found.next is None:
            return seen
        for new, id, time in steps[at % len(steps)] if steps else ():
            name = f"new{next(ids)}" if new else str(id)
            tenant.moved.add(name)
            put(name, time)
        found = turn(found.next)
        seen.update(_ids(found))
    raise AssertionError


def _ids(found: Page[Any]) -> list[str]:
    return [getattr(row, "event_id", None) or getattr(row, "user_key", None) or row.id for row in found.items]


LISTS = ["events", "anomalies", "users", "letters"]


@pytest.mark.parametrize("name", LISTS)
def test_what_stays_is_shown_once(heart: Heart, name: str) -> None:
    """Of events, anomalies, users by risk and dead letters no row that stays is lost or shown twice."""

    @settings(max_examples=8 if name == "events" else 40)
    @given(st.lists(times, min_size=10, max_size=10), st.integers(1, 4), st.lists(changes, max_size=4))
    def paged(before: list[int], limit: int, steps: list[Any]) -> None:
        tenant = Tenant(heart)
        lists, close = tenant.lists()
        turns: dict[str, tuple[Callable[[str, int], None], Callable[[str], Page[Any]]]] = {
            "events": (tenant.event, lambda c: lists.events(EventFilter(**ALL_TIME), limit, c)),
            "anomalies": (tenant.anomaly, lambda c: lists.anomalies(AnomalyFilter(**ALL_TIME), limit, c)),
            "users": (tenant.user, lambda c: lists.users(UserFilter(**ALL_TIME), limit, c)),
            "letters": (tenant.letter, lambda c: lists.dead_letters(DeadLetterFilter(**ALL_TIME), limit, c)),
        }
        put, turn = turns[name]
        for id, time in enumerate(before):
            put(str(id), time)
        seen = walk(tenant, turn, put, steps)
        close()
        moves = name in ("anomalies", "users")
        stayed = {str(id) for id in range(10)} - (tenant.moved if moves else set())
        assert {id: seen[id] for id in stayed} == dict.fromkeys(stayed, 1)

    paged()


def test_users_by_when_they_were_seen(heart: Heart) -> None:
    """Users come by their newest login, each once, however many logins they had; late ones change nothing."""
    tenant = Tenant(heart)
    for user, time in (("ann", 3), ("bob", 5), ("ann", 9), ("cid", 7), ("bob", 4), ("ann", 9)):
        event_id = f"{next(ids)}"
        at = START + time * SECOND
        heart.take(login(at, tenant_id=tenant.name, user=user, event_id=event_id))
    lists, close = tenant.lists()
    wanted = UserFilter(sort="last_seen")
    first = lists.users(wanted, 2)
    second = lists.users(wanted, 2, str(first.next))
    close()
    assert [user.user_key for user in [*first.items, *second.items]] == ["ann", "cid", "bob"]
    assert [(user.known, user.risk) for user in second.items] == [(True, 0.0)]
    assert second.next is None


def test_a_risk_is_as_of_the_end_of_the_range(heart: Heart) -> None:
    """A list of users that ends in the past tells the risk as it was then, any other as it is now."""
    tenant = Tenant(heart)
    tenant.user("ann", START)
    risk = START / (7 * DAY) + 6.0
    tenant.run("UPDATE profiles SET risk = %(risk)s WHERE tenant_id = %(tenant)s", risk=risk)
    lists, close = tenant.lists()
    ends = (to_datetime(START + SECOND), None, to_datetime(START + 30 * DAY))
    ranges = [UserFilter(since=ALL_TIME["since"], until=until, sort="risk") for until in ends]
    found = [lists.users(wanted, 1).items[0].risk for wanted in ranges]
    close()
    assert found == [64.0, 58.0, 58.0]


def test_a_list_is_of_one_day_unless_it_says_otherwise(heart: Heart) -> None:
    """Without a range a list holds the last 24 hours by the clock, and says so."""
    tenant = Tenant(heart)
    for id, time in (("old", START - 1), ("day", START), ("new", START + DAY)):
        heart.take(login(time, tenant_id=tenant.name, event_id=id))
    lists, close = tenant.lists()
    found = lists.events(EventFilter(), 10)
    close()
    assert ([event.event_id for event in found.items], found.since) == (["new", "day"], to_datetime(START))
