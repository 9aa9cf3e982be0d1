"""The pipes that are measured work off what the log holds, and say so when they do not."""

from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from confluent_kafka.admin import AdminClient
from msgspec.structs import replace

from benchmarks import asking, deciding, http, latency, millions, pipes, questions
from benchmarks import kafka as pipes_on_kafka
from benchmarks.figures import BenchmarkError
from benchmarks.progress import Progress
from benchmarks.scenarios import Bench, sizes
from benchmarks.scratch import Scratch
from gatewatch.settings import Settings

EVENTS = 300
#: What is asked of the millions.
ASKED = ["events: user (common), a day", "events: asn (rare), a day", "entities: ip (common), a day"]
_AGREE = """
SELECT (SELECT count(*) = count(DISTINCT event_id) FROM login_events),
    (SELECT count(*) FROM login_events) = (SELECT sum(events) FROM activity),
    (SELECT count(*) FROM login_events WHERE country <> '')
        = (SELECT sum(events) FROM activity_values WHERE kind = 'country')
"""


def test_both_pipes_store_every_event_of_the_same_log() -> None:
    """Given a filled log, when the bare pipe and two detectors work off a copy each, then both store all of it; a
    count that does not match is an error.
    """
    progress = Progress()
    with Scratch(progress) as scratch:
        bench = Bench(scratch, progress, quick=True)
        bare = scratch.database("throughput", EVENTS, "bare")
        assert pipes.bare_rate(bare, EVENTS, progress) > 0
        bench.processed = scratch.database("throughput", EVENTS, "full")
        assert pipes.full_rate(bench.processed, bench.settings, EVENTS, 2, progress) > 0
        assert all(found.value > 0 for found in sizes(bench))
        again = scratch.database("throughput", EVENTS, "again")
        with pytest.raises(BenchmarkError, match="of 299 events 300 were stored"):
            pipes.bare_rate(again, EVENTS - 1, progress)


@pytest.fixture
def topics(kafka: str) -> Iterator[Settings]:
    """Settings of a log with names of its own on the run's broker; its topics are gone afterwards."""
    settings = Settings(kafka_bootstrap=kafka, kafka_prefix=f"bench-{uuid4().hex[:12]}.", kafka_partitions=2)
    yield settings
    admin = AdminClient({"bootstrap.servers": kafka})
    names = [name for name in admin.list_topics(timeout=20).topics if name.startswith(settings.kafka_prefix)]
    for future in admin.delete_topics(names).values():
        future.result()


def test_pipes_on_kafka_store_every_event_and_latencies_are_of_all(topics: Settings) -> None:
    """Given a filled topic, when the bare pipe and two detectors of a group work it off, then both store all of it;
    when people travel, then each is seen as a row, and not later as an anomaly.
    """
    progress = Progress()
    with Scratch(progress) as scratch:
        bare = scratch.database("throughput", EVENTS, "bare", topics)
        assert pipes_on_kafka.bare_rate(bare, topics, EVENTS, progress) > 0
        full = scratch.database("throughput", EVENTS, "full", topics)
        assert pipes_on_kafka.full_rate(full, topics, EVENTS, 2, progress) > 0
        settings = replace(topics, geo_city=str(scratch.geo), kafka_prefix=f"{topics.kafka_prefix}2.")
        told = latency.measure(scratch.empty("latency", settings), settings, 3)
    assert len(told.rows) == len(told.anomalies) == 3
    assert min(told.rows + told.anomalies) > 0


def test_decisions_are_measured() -> None:
    """Given a database with a world's log, when decisions are measured, then there are figures of all kinds, and
    latencies are of what was decided on.
    """
    progress = Progress()
    with Scratch(progress) as scratch:
        bench = Bench(scratch, progress, quick=True)
        found = deciding.measure(scratch.database("throughput", EVENTS, "decisions"), bench.settings, 0.5)
    assert 0 < found.answered <= 1
    assert 0 < found.p50 <= found.p99
    assert min(found.cpu_us, found.capacity, found.kept_share, found.overload_p99) > 0


def test_millions_are_whole_and_asked_for() -> None:
    """Given two days that were multiplied, then counts, users and events agree; when its lists are asked for over HTTP,
    then a rare value and a deep page are among them, and a process without time answers with a problem.
    """
    progress = Progress()
    with Scratch(progress) as scratch:
        settings = Bench(scratch, progress, quick=True).settings
        conninfo = millions.fill(scratch, "lists", settings, 600, copies=2)
        superuser = scratch.superuser("lists")
        with psycopg.connect(superuser) as connection:
            assert connection.execute(_AGREE).fetchall() == [(True, True, True)]
        known = questions.known(superuser)
        every = list(questions.questions(known, {"a day": ""}))
        names = {one.name: one for one in every}
        with http.serving(conninfo) as url, asking.client_of(url, http.key_of(conninfo)) as client:
            assert not questions.unasked(client.get("/openapi.json").json(), {one.route for one in every})
            found = [asking.asked_of(client, names[name]) for name in ASKED]
        asking.gives_up(conninfo, http.key_of(conninfo), seconds=0.002)
    robot, rare, entity = found
    assert len(robot.seconds) == asking.AGAIN + asking.FOLLOWING + 1 + 2
    assert len(rare.seconds) < len(robot.seconds)
    assert len(entity.seconds) == asking.OFTEN
    assert asking.families(found) == {"events": max(robot.p95, rare.p95), "entities": entity.p95}
