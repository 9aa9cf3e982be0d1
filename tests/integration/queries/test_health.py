"""The pipeline's health as a tenant may know it: who reads, what waits, what came last; and what waits for people."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

import pytest

from gatewatch.adapters.postgres.queries import PostgresQueries
from gatewatch.adapters.postgres.statuses import PostgresStatuses
from gatewatch.adapters.postgres.tenancy import TenantSession
from gatewatch.core.policy import DEFAULT
from gatewatch.core.times import DAY, HOUR, to_datetime
from gatewatch.detectors import DETECTORS, DOUBTS, SOURCE_DETECTORS
from gatewatch.ports import LOGINS
from gatewatch.read_ports import StatusChange
from gatewatch.services.health import COUNTED, HealthQueries
from gatewatch.services.overview import Overview
from tests.builders import START, burst, login
from tests.integration.heart.rig import Heart


class Eyes(NamedTuple):
    """What one tenant sees."""

    health: HealthQueries
    overview: Overview
    session: TenantSession


@pytest.fixture
def eyes(heart: Heart) -> Iterator[Eyes]:
    """The eyes of acme, a day after `START`."""
    yield from _eyes(heart, "acme")


@pytest.fixture
def others(heart: Heart) -> Iterator[Eyes]:
    """The eyes of another tenant."""
    yield from _eyes(heart, "other")


def _eyes(heart: Heart, tenant: str) -> Iterator[Eyes]:
    heart.clock.time = START + DAY
    session = TenantSession(lambda: heart.conninfo, tenant)
    store = PostgresQueries(session)
    yield Eyes(HealthQueries(store, heart.clock), Overview(store, heart.clock), session)
    session.close()


@pytest.mark.postgres15
def test_an_empty_system(eyes: Eyes) -> None:
    """Before anything happened nobody reads, nothing waits, nothing is newest."""
    found = eyes.health.system()
    assert [(p.part, p.unread, p.ownership, p.owner, p.lease_until) for p in found.partitions] == [
        (part, 0, "none", "", None) for part in range(4)
    ]
    assert (found.unread, found.outbox, found.newest) == (0, (0, None), (None, None))


def test_unread_records(heart: Heart, eyes: Eyes) -> None:
    """What was appended and not processed is unread, on its partition, until a detector has processed it."""
    heart.send(*(login(START, user=f"user{n}", event_id=str(n)) for n in range(12)))
    before = eyes.health.system()
    assert before.unread == sum(found.unread for found in before.partitions) == 12
    heart.settle()
    assert eyes.health.system().unread == 0


def test_owners(heart: Heart, eyes: Eyes) -> None:
    """A partition is read while its owner's lease lasts; afterwards it is told that the owner is gone."""
    heart.claim()
    alive = eyes.health.system().partitions
    assert {(found.ownership, found.owner) for found in alive} == {("alive", heart.leases.member)}
    assert all(found.lease_until for found in alive)
    heart.session.run("UPDATE partitions SET lease_until = now() - interval '1 s' WHERE part = 2")
    assert [found.ownership for found in eyes.health.system().partitions] == [
        "alive",
        "alive",
        "expired",
        "alive",
    ]


def test_what_is_newest(heart: Heart, eyes: Eyes, others: Eyes) -> None:
    """The newest event counts by its own time, the newest stored by when that was, and each tenant has its own."""
    heart.take(login(START + HOUR))
    first = eyes.health.system().newest
    heart.take(login(START, event_id="late"))
    second = eyes.health.system().newest
    assert first.event == second.event == to_datetime(START + HOUR)
    assert isinstance(first.stored, datetime)
    assert isinstance(second.stored, datetime)
    assert first.stored < second.stored
    assert others.health.system().newest == (None, None)


def test_the_outbox(heart: Heart, eyes: Eyes, others: Eyes) -> None:
    """Messages wait until they are relayed; how many is everybody's, since when only the tenant's own."""
    heart.send(*burst(20, START))
    heart.claim()
    heart.work()
    waiting = eyes.health.system().outbox
    assert waiting.waiting == heart.count("outbox") > 0
    assert waiting.oldest == heart.rows("SELECT min(created_at) FROM outbox")[0][0]
    assert others.health.system().outbox == (waiting.waiting, None)
    while heart.relay.turn():
        pass
    assert eyes.health.system().outbox == (0, None)


def test_the_backlog(heart: Heart, eyes: Eyes, others: Eyes) -> None:
    """Open anomalies count by severity and what people said of them; withdrawn ones and other tenants' do not."""
    heart.take(*burst(40, START + HOUR), *burst(40, START + HOUR, user="bob", tenant_id="other"))
    ids = [id for (id,) in heart.rows("SELECT id FROM anomalies WHERE tenant_id = 'acme' ORDER BY id")]
    assert len(ids) > 1
    PostgresStatuses(eyes.session).change([StatusChange(ids[0], "resolved", 0)], "account:ann")
    found = eyes.overview.backlog()
    assert sum(part.count for part in found.anomalies) == len(ids)
    assert [part.count for part in found.anomalies if part.status == "resolved"] == [1]
    heart.session.run("UPDATE anomalies SET state = 'withdrawn' WHERE id = %(id)s", {"id": ids[0]})
    assert {part.status for part in eyes.overview.backlog().anomalies} == {"new"}
    assert found.complete
    assert sum(part.count for part in others.overview.backlog().anomalies) > 0
    before = eyes.overview.backlog(to_datetime(START - DAY), to_datetime(START))
    assert before.anomalies == []


def test_dead_letters(heart: Heart, eyes: Eyes, others: Eyes) -> None:
    """Dead letters of the last 24 hours are counted, for their tenant."""
    heart.put(0, ("acme:x", b"\xff\x00"), ("acme:x", b"\xff\x01"))
    heart.settle()
    heart.session.run("UPDATE dead_letters SET received_at = %(at)s", {"at": to_datetime(START + HOUR)})
    assert (eyes.health.system().dead_letters, others.health.system().dead_letters) == (2, 0)
    heart.clock.time = START + DAY + 2 * HOUR
    assert eyes.health.system().dead_letters == 0


def test_dead_letters_beyond_counting(heart: Heart, eyes: Eyes) -> None:
    """Of dead letters without end so many are counted."""
    heart.session.run(
        "INSERT INTO dead_letters (tenant_id, id, source, reason, detail, raw, size, sha256, received_at)"
        " SELECT 'acme', n::text, '', 'bad_json', '', '', 0, '', %(at)s FROM generate_series(0, %(n)s) AS n",
        {"n": COUNTED, "at": to_datetime(START + HOUR)},
    )
    assert eyes.health.system().dead_letters == COUNTED


def test_a_backlog_beyond_counting(heart: Heart, eyes: Eyes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a backlog without end so many are counted, and that there are more is told."""
    heart.take(*burst(40, START + HOUR))
    monkeypatch.setattr("gatewatch.services.overview.COUNTED", 1)
    found = eyes.overview.backlog()
    assert (sum(part.count for part in found.anomalies), found.complete) == (1, False)


def test_detectors_in_force(eyes: Eyes) -> None:
    """Every detector of the registry is told with what the policy says of it."""
    found = eyes.health.detectors()
    assert found.policy == DEFAULT.revision
    assert {one.name for one in found.detectors} == {*DETECTORS, *DOUBTS, *SOURCE_DETECTORS}
    assert all(one.enabled and one.weight == 1.0 for one in found.detectors)
    assert [one.name for one in found.detectors] == sorted(one.name for one in found.detectors)


def test_health_names_the_topic_of_logins_only(heart: Heart, eyes: Eyes) -> None:
    """Partitions of other topics are not told."""
    assert len(eyes.health.system().partitions) == len(
        heart.rows("SELECT FROM partitions WHERE topic = %(topic)s", topic=LOGINS)
    )
