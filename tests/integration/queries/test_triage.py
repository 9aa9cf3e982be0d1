"""Statuses of anomalies: under a revision, with their history, published in the order of their commits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from gatewatch.adapters.postgres.outbox import PostgresOutbox
from gatewatch.adapters.postgres.queries import PostgresQueries
from gatewatch.adapters.postgres.statuses import PostgresStatuses
from gatewatch.adapters.postgres.tenancy import TenantSession
from gatewatch.core.times import MINUTE
from gatewatch.ports import STATUSES
from gatewatch.read_ports import AnomalyFilter, Status, StatusChange
from gatewatch.services.pages import BadQuery
from gatewatch.services.queries import Queries
from gatewatch.services.triage import StatusConflict, Triage, UnknownAnomaly
from gatewatch.services.views import AnomalyView
from tests.builders import START, burst
from tests.integration.heart.rig import Heart

ANN = "account:ann"
VICTIMS = ["alice", "bob", "carol"]


class Desk:
    """Somebody at work on acme's anomalies."""

    def __init__(self, heart: Heart, tenant: str = "acme", by: str = ANN) -> None:
        self.session = TenantSession(lambda: heart.conninfo, tenant)
        self.triage = Triage(PostgresStatuses(self.session), by)
        self.queries = Queries(PostgresQueries(self.session))

    def anomalies(self, wanted: AnomalyFilter | None = None) -> list[AnomalyView]:
        """What there is to work on."""
        return self.queries.anomalies(wanted or AnomalyFilter(detector="brute_force"), 100)

    def of(self, id: str) -> AnomalyView:
        """One anomaly."""
        found = self.queries.anomaly(id)
        assert found is not None
        return found


@pytest.fixture
def desk(heart: Heart) -> Iterator[Desk]:
    """A desk with an anomaly of each of three victims."""
    for victim in VICTIMS:
        heart.take(*burst(20, START, user=victim, ip=f"192.0.2.{VICTIMS.index(victim) + 1}"))
    desk = Desk(heart)
    assert {a.subject for a in desk.anomalies()} >= {*VICTIMS}
    yield desk
    desk.session.close()


def published(heart: Heart) -> list[tuple[str, str, int]]:
    """(anomaly, status, revision) of the app's lane in its order, whose numbers have no gaps."""
    rows = heart.rows("SELECT seq, topic, value FROM outbox WHERE part = -1 ORDER BY seq")
    assert [seq for seq, _, _ in rows] == list(range(1, len(rows) + 1))
    assert {topic for _, topic, _ in rows} <= {STATUSES}
    told = [json.loads(value) for _, _, value in rows]
    return [(said["anomaly"], said["status"], said["revision"]) for said in told]


def test_an_anomaly_is_new_until_somebody_says_something(desk: Desk) -> None:
    """Without a word an anomaly is new at revision 0, and has no history."""
    found = desk.anomalies()[0]
    assert (found.status, found.revision, found.changed_by, found.since) == ("new", 0, "", 0)
    assert desk.triage.history(found.id) == []


@pytest.mark.postgres15
def test_a_status_has_revision_and_history(heart: Heart, desk: Desk) -> None:
    """Each change raises the revision, is kept with who and when, and is published; undo is another change."""
    id = desk.anomalies()[0].id
    said = [
        desk.triage.change(id, "in_progress", 0),
        desk.triage.change(id, "resolved", 1),
        desk.triage.change(id, "in_progress", 2),
    ]
    assert [(s.status, s.revision, s.changed_by) for s in said] == [
        ("in_progress", 1, ANN),
        ("resolved", 2, ANN),
        ("in_progress", 3, ANN),
    ]
    assert desk.triage.history(id) == said[::-1]
    found = desk.of(id)
    assert (found.status, found.revision, found.changed_at) == ("in_progress", 3, said[2].changed_at)
    assert published(heart) == [(id, "in_progress", 1), (id, "resolved", 2), (id, "in_progress", 3)]


@pytest.mark.parametrize("revision", [0, 2, -1])
def test_a_change_of_another_revision(heart: Heart, desk: Desk, revision: int) -> None:
    """Who expects another revision changes nothing and is told what there is."""
    id = desk.anomalies()[0].id
    desk.triage.change(id, "resolved", 0)
    with pytest.raises(StatusConflict) as conflict:
        desk.triage.change(id, "new", revision)
    assert (conflict.value.said.status, conflict.value.said.revision) == ("resolved", 1)
    assert published(heart) == [(id, "resolved", 1)]


def test_a_first_change_that_expects_more(desk: Desk) -> None:
    """A revision that never was is a conflict with the new anomaly."""
    with pytest.raises(StatusConflict, match="new at revision 0"):
        desk.triage.change(desk.anomalies()[0].id, "resolved", 4)


def test_an_anomaly_that_is_not_there(heart: Heart, desk: Desk) -> None:
    """Neither an unknown anomaly nor another tenant's has a status."""
    id = desk.anomalies()[0].id
    with pytest.raises(UnknownAnomaly):
        desk.triage.change("0" * 32, "resolved", 0)
    other = Desk(heart, "other")
    with pytest.raises(UnknownAnomaly):
        other.triage.change(id, "resolved", 0)
    assert other.triage.history(id) == []
    other.session.close()
    assert heart.count("anomaly_statuses") == 0


def test_many_at_once(heart: Heart, desk: Desk) -> None:
    """Of many changes each is done or not by itself; answers come in the order asked, a second word on one included."""
    first, second, *_ = (a.id for a in desk.anomalies())
    desk.triage.change(second, "in_progress", 0)
    asked = [
        StatusChange(second, "resolved", 0),
        StatusChange("f" * 32, "resolved", 0),
        StatusChange(first, "resolved", 0),
        StatusChange(first, "new", 1),
    ]
    answers = desk.triage.change_all(asked)
    assert [(a.id, a.outcome, a.said.status, a.said.revision) for a in answers] == [
        (second, "conflict", "in_progress", 1),
        ("f" * 32, "unknown", "new", 0),
        (first, "changed", "resolved", 1),
        (first, "changed", "new", 2),
    ]
    assert published(heart) == [(second, "in_progress", 1), (first, "resolved", 1), (first, "new", 2)]


@pytest.mark.parametrize("count", [0, 500, 501])
def test_how_many_at_once(desk: Desk, count: int) -> None:
    """Five hundred changes are taken at once, and no more."""
    asked = [StatusChange(f"{n:032x}", "resolved", 0) for n in range(count)]
    if count > 500:
        with pytest.raises(BadQuery):
            desk.triage.change_all(asked)
    else:
        assert {a.outcome for a in desk.triage.change_all(asked)} <= {"unknown"}


def test_growth_after_resolution(heart: Heart, desk: Desk) -> None:
    """Hits after an anomaly was resolved are told apart until it is resolved again; the status stays as it was."""
    (found,) = desk.anomalies(AnomalyFilter(detector="brute_force", subject_kind="user", subject="alice"))
    desk.triage.change(found.id, "resolved", 0)
    assert desk.of(found.id).since == 0
    heart.take(*burst(6, START + MINUTE, user="alice", ip="192.0.2.1"))
    grown = desk.of(found.id)
    assert grown.since == grown.count - found.count > 0
    assert (grown.status, grown.revision) == ("resolved", 1)
    desk.triage.change(found.id, "resolved", 1)
    assert desk.of(found.id).since == 0


def test_anomalies_by_status(desk: Desk) -> None:
    """The list shows those of the statuses asked for; what nobody spoke of is new."""
    ids = [a.id for a in desk.anomalies()]
    desk.triage.change(ids[0], "resolved", 0)
    desk.triage.change(ids[1], "suppressed", 0)

    def listed(*statuses: Status) -> set[str]:
        wanted = AnomalyFilter(detector="brute_force", statuses=[*statuses])
        return {a.id for a in desk.anomalies(wanted)}

    assert listed("resolved") == {ids[0]}
    assert listed("resolved", "suppressed") == {*ids[:2]}
    assert listed("new") == {*ids[2:]}
    assert listed("in_progress") == set()


def test_two_at_the_same_time(heart: Heart, desk: Desk) -> None:
    """Of twenty people who change the same anomalies at once one wins each revision; nobody waits in a circle, and the
    lane has every change once.
    """
    ids = [a.id for a in desk.anomalies()]
    together = Barrier(20)

    def work(n: int) -> list[str]:
        own = Desk(heart, by=f"account:{n}")
        together.wait()
        order = ids if n % 2 else ids[::-1]
        answers = own.triage.change_all([StatusChange(id, "in_progress", 0) for id in order])
        own.session.close()
        return [a.id for a in answers if a.outcome == "changed"]

    with ThreadPoolExecutor(20) as pool:
        won = [id for found in pool.map(work, range(20)) for id in found]
    assert sorted(won) == sorted(ids)
    assert sorted(published(heart)) == sorted((id, "in_progress", 1) for id in ids)


def test_the_lane_is_relayed(heart: Heart, desk: Desk) -> None:
    """The notifier relays the app's lane beside the partitions', and remembers how far."""
    found = desk.anomalies()[0]
    desk.triage.change(found.id, "resolved", 0)
    waiting = PostgresOutbox(heart.session).unrelayed(10)
    assert [(m.part, m.seq, m.message.tenant_id, m.message.topic) for m in waiting] == [
        (-1, 1, "acme", STATUSES)
    ]
    assert waiting[0].message.key == f"acme:{found.subject_kind}:{found.subject}"
    assert desk.queries.pulse().outbox == 1
    heart.settle()
    assert PostgresOutbox(heart.session).unrelayed(10) == []
    assert desk.queries.pulse().outbox == 0


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("gatewatch_worker", "INSERT INTO anomaly_statuses SELECT"),
        ("gatewatch_worker", "UPDATE anomaly_statuses SET status = 'new'"),
        ("gatewatch_worker", "DELETE FROM anomaly_statuses"),
        ("gatewatch_worker", "SELECT publish_statuses('{}', '{}')"),
        ("gatewatch_app", "DELETE FROM anomaly_statuses"),
        ("gatewatch_app", "UPDATE anomaly_status_history SET changed_by = 'x'"),
        ("gatewatch_app", "DELETE FROM anomaly_status_history"),
        ("gatewatch_app", "INSERT INTO outbox SELECT"),
        ("gatewatch_app", "UPDATE outbox_lanes SET out_seq = 0"),
        ("gatewatch_app", "UPDATE anomalies SET state = 'withdrawn'"),
    ],
)
def test_who_may_write_what(heart: Heart, role: str, statement: str) -> None:
    """Detectors write no status, the app changes no history, and neither numbers the lane by itself."""
    with psycopg.connect(heart.conninfo) as connection:
        connection.execute(f"SET ROLE {role}".encode())
        with pytest.raises(InsufficientPrivilege):
            connection.execute(statement.encode())
