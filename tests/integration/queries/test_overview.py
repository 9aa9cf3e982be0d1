"""Overviews: the counts that batches keep are those of the stored events, however these came in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest

from gatewatch.adapters.postgres.migrations import available, migrate
from gatewatch.adapters.postgres.outbox import Upkeep
from gatewatch.adapters.postgres.queries import PostgresQueries
from gatewatch.adapters.postgres.tenancy import TenantSession
from gatewatch.core.times import DAY, HOUR, MINUTE, to_datetime
from gatewatch.ports import Fenced
from gatewatch.read_ports import Activity, Ranking, Top, TopKind
from gatewatch.services.overview import Overview, Series
from gatewatch.services.pages import BadQuery
from tests.builders import AWAY_IP, HOME_IP, LAGOS, OSLO, START, burst, failure, login
from tests.integration.heart.rig import Heart
from tests.support.servers import DatabaseServer

#: Three logins as a version of before the counts stored them.
_OLD_EVENTS = """
INSERT INTO login_events (tenant_id, event_id, time, received_at, source, activity, outcome, user_key, ip, asn, country,
    score, level, detectors, late, weight, held, generation, part, off, digest, context, event, assessment, raw)
SELECT 'acme', n::text, '2026-03-02T08:01Z'::timestamptz + n * interval '1 h', now(), '', '',
    (ARRAY['challenge', 'failure', 'success'])[n + 1], 'ann', '192.0.2.10', 0, 'NO', 0, '',
    CASE WHEN n = 2 THEN '{d,d}'::text[] ELSE '{}' END, false, 0, false, 1, 3, n, '', '', '', '{}', ''
FROM generate_series(0, 2) AS n
"""
TEN = timedelta(minutes=10)
NOW = START + DAY


@pytest.fixture
def overview(heart: Heart) -> Iterator[Overview]:
    """The overview of acme, a day after `START`."""
    session = TenantSession(lambda: heart.conninfo, "acme")
    heart.clock.time = NOW
    yield Overview(PostgresQueries(session), heart.clock)
    session.close()


def busy(found: Series) -> list[Activity]:
    """The stretches in which something happened."""
    return [stretch for stretch in found.stretches if stretch != Activity(stretch.start)]


@pytest.mark.postgres15
def test_a_series_counts_events_by_their_time(heart: Heart, overview: Overview) -> None:
    """Events count in the ten minutes of their own time; a late one is added there, a repeat is not."""
    first = [login(START, user="ann"), failure(START + MINUTE, user="bob"), login(START + 10 * MINUTE)]
    heart.take(*first)
    heart.take(failure(START + 2 * MINUTE, user="late"), *first)
    start = to_datetime(START)
    assert busy(overview.series(step=TEN)) == [
        Activity(start, 3, 1, 2, 0, 0),
        Activity(start + TEN, 1, 1, 0, 0, 0),
    ]


def test_a_series_has_every_stretch_of_its_range(heart: Heart, overview: Overview) -> None:
    """A series is widened to whole stretches and has a row for each, also for those in which nothing happened."""
    heart.take(login(START))
    found = overview.series(to_datetime(START + MINUTE), to_datetime(START + 21 * MINUTE), TEN)
    assert [stretch.events for stretch in found.stretches] == [1, 0, 0]
    assert (found.since, found.until) == (to_datetime(START), to_datetime(START + 30 * MINUTE))


@pytest.mark.parametrize(("days", "step"), [(1, TEN), (5, timedelta(hours=1)), (90, timedelta(days=1))])
def test_a_step_that_fits(overview: Overview, days: int, step: timedelta) -> None:
    """Without a step a series takes one that gives a drawable number of stretches."""
    assert overview.series(to_datetime(NOW) - timedelta(days=days)).step == step


@pytest.mark.parametrize(
    ("since", "until", "step"),
    [(START, NOW, timedelta(minutes=7)), (START - 300 * DAY, NOW, TEN), (NOW, START, TEN), (-DAY, NOW, None)],
    ids=["a step that divides nothing", "too many stretches", "upside down", "before all events"],
)
def test_a_series_that_cannot_be(overview: Overview, since: int, until: int, step: timedelta | None) -> None:
    """A range or a step that cannot be answered is refused."""
    with pytest.raises(BadQuery):
        overview.series(to_datetime(since), to_datetime(until), step)


def test_anomalies_count_where_they_began(heart: Heart, overview: Overview) -> None:
    """An anomaly counts once, in the stretch of its first hit; one that was withdrawn does not."""
    heart.take(*burst(40, START + 10 * MINUTE))
    found = busy(overview.series(step=TEN))
    opened = heart.rows("SELECT count(*) FROM anomalies WHERE state = 'open'")[0][0]
    assert sum(stretch.anomalies for stretch in found) == opened > 0
    heart.session.run("UPDATE anomalies SET state = 'withdrawn'")
    assert sum(stretch.anomalies for stretch in overview.series(step=TEN).stretches) == 0


@pytest.mark.postgres15
def test_top_lists(heart: Heart, overview: Overview) -> None:
    """Values are ranked by events, failures or signals; over partitions and hours they add up."""
    heart.take(*(login(START + n * HOUR, user=f"user{n}") for n in range(5)))
    heart.take(*burst(20, START + HOUR, ip=AWAY_IP, geo=LAGOS, user="victim"))

    def top(kind: TopKind, by: Ranking) -> list[Top]:
        return overview.top(kind, by=by).values

    abroad, home = top("country", "events")
    assert (abroad.value, abroad.events, abroad.failures) == ("NG", 20, 20)
    assert home == Top("NO", 5, 0, 0)
    assert top("country", "failures") == [abroad]
    assert [(found.value, found.failures) for found in top("ip", "failures")] == [(AWAY_IP, 20)]
    assert [found.value for found in top("user", "signalled")] == ["victim"]
    (detector, *_) = top("detector", "signalled")
    stored = heart.rows("SELECT count(*) FROM login_events WHERE %(d)s = ANY(detectors)", d=detector.value)
    assert stored == [(detector.signalled,)]


def test_a_quiet_address_is_in_no_list(heart: Heart, overview: Overview) -> None:
    """An address from which nothing failed and nothing stood out has no row of its own."""
    heart.take(*(login(START + n * MINUTE, geo=OSLO) for n in range(5)))
    assert heart.rows("SELECT DISTINCT kind FROM activity_values ORDER BY 1") == [("asn",), ("country",)]
    assert overview.top("ip", by="events").values == []
    heart.take(failure(START + 6 * MINUTE))
    assert overview.top("ip", by="events").values == [Top(HOME_IP, 1, 1, 0)]


def test_a_fenced_batch_counts_nothing(heart: Heart, overview: Overview) -> None:
    """A batch that was fenced leaves no count; whoever took over counts its events once."""
    heart.send(login(START))
    heart.claim()
    (part,) = heart.store.backlog([p.claim for p in heart.owned.values()])
    batch = heart.make(part)
    assert batch is not None
    heart.claim()
    with pytest.raises(Fenced):
        heart.store.commit(batch)
    assert heart.count("activity") == heart.count("activity_values") == 0
    heart.work()
    assert [stretch.events for stretch in busy(overview.series())] == [1]


def test_counts_go_with_their_month(heart: Heart) -> None:
    """A month that is dropped takes its counts along, and no other month's."""
    ((recent,),) = heart.rows("SELECT (extract(epoch FROM now()) * 1000000)::bigint")
    heart.take(login(START - 400 * DAY), login(recent, event_id="recent"))
    Upkeep(heart.session, 30)()
    assert heart.rows("SELECT sum(events)::int FROM activity") == [(1,)]
    assert heart.rows("SELECT DISTINCT events::int FROM activity_values") == [(1,)]


def test_what_was_stored_before_the_migration_is_counted(postgres: DatabaseServer) -> None:
    """Events of before are counted by the migration as batches count those that come later."""
    with postgres.fresh() as conninfo:
        before = [m for m in available() if m.name < "0003"]
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute(
                "CREATE TABLE schema_migrations"
                " (name text PRIMARY KEY, digest text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
            )
            for old in before:
                connection.execute(old.sql.encode())
                connection.execute("INSERT INTO schema_migrations VALUES (%s, %s)", (old.name, old.digest))
            connection.execute("SELECT create_event_partition('2026-03-01')")
            connection.execute("SET ROLE gatewatch_worker")
            connection.execute(_OLD_EVENTS)
        migrate(conninfo)
        with psycopg.connect(conninfo) as connection:
            connection.execute("SET ROLE gatewatch_worker")
            series = "SELECT part, sum(events)::int, sum(failures)::int, sum(signalled)::int FROM activity GROUP BY 1"
            sums = "sum(events)::int, sum(others)::int"
            tops = f"SELECT kind, value, {sums} FROM activity_values GROUP BY 1, 2 ORDER BY 1"
            assert connection.execute(series).fetchall() == [(3, 3, 1, 1)]
            found = connection.execute(tops.encode()).fetchall()
            prefixes = connection.execute("SELECT DISTINCT prefix::text FROM login_events").fetchall()
        assert found == [
            ("country", "NO", 3, 1),
            ("detector", "d", 1, 0),
            ("ip", "192.0.2.10", 2, 0),
            ("user", "ann", 1, 0),
        ]
        assert prefixes == [("192.0.2.0/24",)]
