"""A decision sees what the detector will: the same step on the same state, before it is learnt."""

from __future__ import annotations

import random
from collections.abc import Iterator

import psycopg
import pytest
from msgspec.structs import replace
from psycopg import sql
from psycopg.errors import InsufficientPrivilege

from gatewatch.adapters.postgres.decisions import PostgresDecisions
from gatewatch.adapters.postgres.migrations import migrate
from gatewatch.adapters.postgres.outbox import Upkeep
from gatewatch.adapters.postgres.tenancy import TenantPool
from gatewatch.core import decisions, signals
from gatewatch.core.context import Context, decode
from gatewatch.core.events import LoginEvent
from gatewatch.core.signals import Assessment
from gatewatch.core.times import DAY, MINUTE, SECOND
from gatewatch.ingest.decisions import Asked
from gatewatch.ports import Unavailable
from gatewatch.services.decisions import Decided, Decisions, RecentFrequencies, context_of
from tests.builders import AWAY_IP, HOSTING, LAGOS, START, daily, failure, login
from tests.integration.heart.rig import Heart, record_of, unchanged
from tests.support.commands import until

USERS = ("alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi")


@pytest.fixture
def store(database: str) -> Iterator[PostgresDecisions]:
    """Where decisions are kept."""
    pool = TenantPool(lambda: database, 2)
    yield PostgresDecisions(pool)
    pool.close()


def decide(heart: Heart, store: PostgresDecisions, event: LoginEvent) -> Decided:
    """A decision by counts of this moment."""
    recent = RecentFrequencies(store, lambda: 0.0)
    deciding = Decisions(store, heart.engine, unchanged, heart.clock, recent)
    try:
        return deciding.decide(Asked(record_of(event), dry_run=False))
    finally:
        deciding.close()


def assessed(heart: Heart, event: LoginEvent) -> tuple[Assessment, Context]:
    """What the detector stored of an event."""
    ((assessment, context),) = heart.rows(
        "SELECT assessment::text, context FROM login_events WHERE event_id = %(id)s", id=event.event_id
    )
    return signals.decode(assessment), decode(context)


def eventful(seed: int) -> list[LoginEvent]:
    """Twelve days of eight users with everything in it that detectors look for, in its order."""
    chance = random.Random(seed)
    found = [e for user in USERS for e in daily(12, START + chance.randrange(3_600) * SECOND, user=user)]
    attack = START + 12 * DAY
    for n in range(60):
        user, time = chance.choice(USERS), attack + n * 20 * SECOND
        found.append(failure(time, user=user, ip=AWAY_IP, geo=LAGOS, asn=HOSTING, event_id=f"attack-{n}"))
        if chance.random() < 0.25:
            there = chance.random() < 0.6
            place = {"ip": AWAY_IP, "geo": LAGOS, "asn": HOSTING, "device_id": "theirs"} if there else {}
            found.append(login(time + SECOND, user=user, event_id=f"in-{n}", **place))
        if chance.random() < 0.1:
            found.append(
                failure(time + 2 * SECOND, user="nobody", reason_class="unknown_user", event_id=f"no-{n}")
            )
    return sorted(found, key=lambda event: event.time)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_decision_is_what_the_detector_finds(heart: Heart, store: PostgresDecisions, seed: int) -> None:
    """Over twelve days that end in an attack, each decision has the score, the reasons and the verdict that the
    detector stores a moment later, and the context it was made in is the detector's own.
    """
    verdicts, codes = set(), set()
    for event in eventful(seed):
        sources = {"ip": event.ip}
        for partition in heart.owned.values():
            partition.merge_frequencies(heart.store)  # what a detector does every minute
        before = context_of(event, store.known("acme", event.user_key, sources))
        given = decide(heart, store, event).decision
        heart.settle()
        found, context = assessed(heart, event)
        assert (given.score, given.level, given.would_action) == (found.score, found.level, found.action)
        points = [(reason.code, reason.contribution, reason.evidence) for reason in given.reasons]
        told = [(signal.code, signal.contribution, signal.evidence) for signal in found.signals]
        assert points == [*told, *((note, 0, {}) for note in found.notes)]
        assert (before.ip, before.tenant) == (context.ip, context.tenant)
        verdicts.add(given.would_action)
        codes |= {signal.detector for signal in found.signals}
    assert {"allow", "deny"} <= verdicts
    assert {"account_takeover", "impossible_travel", "new_country", "new_device", "login_risk"} <= codes


def test_an_attempt_is_judged_as_the_login_it_becomes(heart: Heart, store: PostgresDecisions) -> None:
    """An attempt and the success in its place get the same verdict."""
    heart.take(*daily(5))
    away = login(START + 4 * DAY + 30 * MINUTE, ip=AWAY_IP, geo=LAGOS, asn=HOSTING, event_id="away")
    attempt = decide(heart, store, replace(away, event_id="attempt", outcome="unknown")).decision
    success = decide(heart, store, away).decision
    assert (attempt.score, attempt.would_action) == (success.score, success.would_action)
    assert attempt.score >= 40


def test_counts_of_values_are_those_of_all_partitions(heart: Heart, store: PostgresDecisions) -> None:
    """What a tenant's logins had is counted over all partitions; it is read once and again when it has grown old."""
    heart.take(*(login(START, user=user, event_id=user) for user in USERS))
    now = [0.0]
    recent = RecentFrequencies(store, lambda: now[0])
    assert recent.of("acme").counts() == {}  # none of it is ours
    values = ("192.0.2.10", "", "64512", "NO", "", "Chrome", "Windows", "", "")
    counted = recent.of("acme").of(values)
    assert (counted.total, counted.ip, counted.asn, counted.country) == (8, 8, 8, 8)
    heart.take(login(START + DAY, event_id="more"))
    assert recent.of("acme").of(values).total == 8
    now[0] = 61.0
    until(lambda: recent.of("acme").of(values).total == 9, "the renewed counts")
    assert recent.of("other").of(values).total == 0
    recent.close()


def test_a_view_is_read_again_when_it_has_changed(heart: Heart, store: PostgresDecisions) -> None:
    """What is remembered of a source is what the database says is unchanged: a review later it is read anew."""
    sources = {"ip": AWAY_IP, "asn": "64515"}
    event = login(START + MINUTE, ip=AWAY_IP)
    seen = []
    for n in range(3):
        heart.take(failure(START + n, ip=AWAY_IP, asn=HOSTING, event_id=f"f{n}"))
        first, again = (store.known("acme", "alice", sources) for _ in range(2))
        assert context_of(event, first) == context_of(event, again)
        assert all(first.views[kind] is again.views[kind] for kind in ("ip", "asn", "tenant"))
        seen.append(context_of(event, first).ip.failures_1h)
    assert seen == [1, 2, 3]


def test_nothing_is_decided_on_a_database_without_a_log(postgres_empty: str) -> None:
    """Where the topic is not there yet the answer is to wait."""
    migrate(postgres_empty)
    pool = TenantPool(lambda: postgres_empty, 1)
    with pytest.raises(Unavailable):
        PostgresDecisions(pool).known("acme", "alice", {})
    pool.close()


@pytest.mark.postgres15
def test_decisions_go_with_the_months_they_were_made_in(heart: Heart, store: PostgresDecisions) -> None:
    """Upkeep drops the decisions of months that the retention drops, and keeps the others; without one all stay."""
    for event in daily(3):
        decide(heart, store, event)
    ids = [decisions.decision_id("acme", event.event_id) for event in daily(3)]
    for id, age in zip(ids, (0, 40, 400), strict=True):
        moved = "UPDATE decisions SET decided_at = now() - %(age)s * interval '1 day' WHERE id = %(id)s"
        as_owner(heart, moved, age=age, id=id)
    Upkeep(heart.session, 0)()
    assert heart.count("decisions") == 3
    Upkeep(heart.session, 90)()
    assert {id for (id,) in heart.rows("SELECT id FROM decisions")} == {*ids[:2]}


def as_owner(heart: Heart, statement: str, **values: object) -> None:
    """Change rows as nobody may who serves: row-level security is lifted for it."""
    with psycopg.connect(heart.conninfo) as owner:
        owner.execute("ALTER TABLE decisions NO FORCE ROW LEVEL SECURITY")
        owner.execute(statement.encode(), values)
        owner.execute("ALTER TABLE decisions FORCE ROW LEVEL SECURITY")


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("gatewatch_app", "DELETE FROM decisions"),
        ("gatewatch_app", "UPDATE decisions SET answer = ''"),
        ("gatewatch_app", "UPDATE decisions SET digest = ''"),
        ("gatewatch_app", "SELECT * FROM event_log"),
        ("gatewatch_worker", "UPDATE decisions SET login = 'success'"),
        ("gatewatch_worker", "INSERT INTO decisions (tenant_id, id) VALUES ('acme', 'x')"),
        ("gatewatch_worker", "SELECT decision_keep('acme', 'x', '', '', '', 'gatewatch.logins', 1, 0, 'k')"),
    ],
)
def test_what_was_answered_is_nobodys_to_change(heart: Heart, role: str, statement: str) -> None:
    """The app keeps answers and adds how logins ended, services drop old ones, and nobody does more."""
    with psycopg.connect(heart.conninfo) as connection:
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
        connection.execute("SET gatewatch.tenant = 'acme'")
        with pytest.raises(InsufficientPrivilege):
            connection.execute(statement.encode())


def test_a_tenant_does_not_keep_for_another(heart: Heart, store: PostgresDecisions) -> None:
    """Where a caller speaks for one tenant, row-level security refuses a row of another."""
    decide(heart, store, login(START))
    with psycopg.connect(heart.conninfo) as connection:
        connection.execute("SET ROLE gatewatch_app")
        connection.execute("SET gatewatch.tenant = 'acme'")
        with pytest.raises(InsufficientPrivilege):
            connection.execute(
                "INSERT INTO decisions (tenant_id, id, digest, record, answer) VALUES ('other', 'x', '', '', '')"
            )
