"""Detectors on Kafka: what is stored in the end is what one thread would have made of it, whatever died meanwhile."""

from __future__ import annotations

import signal
from pathlib import Path
from time import monotonic
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from gatewatch import bootstrap, bootstrap_kafka
from gatewatch import settings as configuration
from gatewatch.adapters.kafka.connection import config
from gatewatch.adapters.kafka.topics import Topics
from gatewatch.adapters.postgres.queries import PostgresQueries
from gatewatch.adapters.postgres.tenancy import TenantSession
from gatewatch.core import records
from gatewatch.core.partitioning import partition_of
from gatewatch.health import WAITING, WORKING
from gatewatch.log_ports import WrongLog
from gatewatch.ports import Unavailable
from scripts.kafka import Broker
from tests.builders import START, daily, failure, login
from tests.integration.heart.rig import record_of
from tests.integration.kafka import oracle
from tests.integration.kafka.rig import OnKafka
from tests.support.commands import Commands, until
from tests.support.servers import DatabaseServer

PART = partition_of("acme:alice", 4)


def _superuser(postgres: DatabaseServer, on: OnKafka) -> str:
    return postgres.superuser_of(str(conninfo_to_dict(on.conninfo)["dbname"]))


def _services(on: OnKafka, folder: Path) -> Commands:
    """Processes of their own, with the same settings."""
    own = configuration.environment(on.settings)
    return Commands(folder, **{name: value for name, value in own.items() if name.startswith("GATEWATCH_")})


def test_two_detectors_give_what_one_thread_would(on_kafka: OnKafka, postgres: DatabaseServer) -> None:
    """A world under attack with repeats, strays and an application's own JSON, read by two detectors: every record is
    stored once, and assessments, profiles, anomalies, sources and the outbox are those of a replay.
    """
    chunks = oracle.world(seed=11, events=600)
    with on_kafka.running(detectors=2):
        oracle.send(on_kafka, chunks)
        oracle.settled(on_kafka)
        owners = on_kafka.rows("SELECT count(DISTINCT owner)::int FROM partitions")
    assert owners == [(2,)]
    assert oracle.violations(on_kafka.conninfo, _superuser(postgres, on_kafka), chunks) == []


def test_detectors_come_and_are_killed(on_kafka: OnKafka, postgres: DatabaseServer, tmp_path: Path) -> None:
    """One detector works, a second joins, the first is killed, the topic grows and a third joins, all while records
    come: nothing is lost and nothing is done twice.
    """
    chunks = oracle.world(seed=12, events=600)
    quarter = len(chunks) // 4
    services = _services(on_kafka, tmp_path)
    with services.running("notifier"), services.running("detector") as first, services.running("detector"):
        oracle.send(on_kafka, chunks[:quarter])
        on_kafka.eventually("SELECT count(*) > 100 FROM login_events", True)
        first.ends(signal.SIGKILL)
        oracle.send(on_kafka, chunks[quarter : 2 * quarter])
        grown = services.run("topics", "grow", "6")
        assert grown.returncode == 0, grown.stderr
        with services.running("detector"):
            oracle.send(on_kafka, chunks[2 * quarter :])
            oracle.settled(on_kafka)
    assert on_kafka.rows("SELECT partitions, generation FROM topics") == [(6, 2)]
    assert oracle.violations(on_kafka.conninfo, _superuser(postgres, on_kafka), chunks) == []


def test_a_database_that_ends_every_connection(on_kafka: OnKafka, postgres: DatabaseServer) -> None:
    """Given a database that ends every connection again and again, detectors drop what they hold, keep their place in
    the group, and go on where the last batch was stored.
    """
    chunks = oracle.world(seed=14, events=300)
    name = str(conninfo_to_dict(on_kafka.conninfo)["dbname"])
    with on_kafka.running(), psycopg.connect(postgres.superuser_conninfo, autocommit=True) as operator:
        for n in range(3):
            oracle.send(on_kafka, chunks[n::3])
            operator.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = %s AND application_name = 'gatewatch_worker' AND pid <> %s",
                (name, on_kafka.session.connection.info.backend_pid),
            )
        oracle.settled(on_kafka)
    assert oracle.violations(on_kafka.conninfo, _superuser(postgres, on_kafka), chunks) == []


def test_a_broker_that_crashes_and_comes_back(
    broker: Broker, database: str, postgres: DatabaseServer
) -> None:
    """A broker killed under load: detectors and notifier go on by themselves when it is back; all that was
    acknowledged is stored once.
    """
    on = OnKafka(broker.bootstrap, database, kafka_delivery_seconds=30.0)
    chunks = oracle.world(seed=13, events=400)
    half = len(chunks) // 2
    with on.running():
        oracle.send(on, chunks[:half])
        on.eventually("SELECT count(*) > 100 FROM login_events", True)
        broker.kill()
        broker.start()
        oracle.send(on, chunks[half:])
        oracle.settled(on)
    assert oracle.violations(on.conninfo, _superuser(postgres, on), chunks) == []
    on.close()


def test_a_detector_leaves_a_broker_that_hangs(broker: Broker, database: str, tmp_path: Path) -> None:
    """A detector that is told to end while its broker answers nothing, and has not taken note of the last commit, gives
    its partitions back and ends in time.
    """
    on = OnKafka(broker.bootstrap, database)
    with _services(on, tmp_path).running("detector") as detector:
        for n in range(3):  # so that a commit is under way
            on.send(login(START + n, event_id=f"e{n}"))
            on.eventually("SELECT count(*)::int FROM login_events", n + 1)
        broker.send(signal.SIGSTOP)
        try:
            began = monotonic()
            assert detector.ends(signal.SIGTERM) == 0
            assert monotonic() - began < 30
        finally:
            broker.send(signal.SIGCONT)
    assert on.rows("SELECT count(*)::int FROM partitions WHERE owner IS NOT NULL") == [(0,)]
    on.close()


def test_a_detector_says_that_it_waits(broker: Broker, database: str, tmp_path: Path) -> None:
    """While brokers are away a detector's heartbeat says that it waits, though the database is there; when they are
    back it works.
    """
    heartbeat = tmp_path / "heartbeat"
    on = OnKafka(broker.bootstrap, database)
    with on.running(heartbeat=str(heartbeat)):
        until(lambda: heartbeat.exists() and heartbeat.read_text() == WORKING, "that it works")
        broker.stop()
        until(lambda: heartbeat.read_text() == WAITING, "that it waits")
        broker.start()
        until(lambda: heartbeat.read_text() == WORKING, "that it works again")
    on.close()


def test_a_partition_that_does_not_answer(on_kafka: OnKafka) -> None:
    """Where one partition has no leader the places of the others are known all the same, so that these can be claimed;
    where none has, that is said.
    """
    topics = bootstrap_kafka.topics(on_kafka.settings)
    on_kafka.send(*daily(3))
    assert topics.places(on_kafka.topic, [PART, 99]) == {PART: (0, 3)}
    with pytest.raises(Unavailable):
        topics.places(on_kafka.topic, [99])


def test_an_outage_is_not_kept_in_memory() -> None:
    """What a client has to say for as long as brokers are away is not collected where nobody takes it."""
    topics = Topics(config(configuration.Settings(kafka_bootstrap="127.0.0.1:1")), 1.0)
    kept: Any = topics._admin  # noqa: SLF001 - nobody else knows
    with pytest.raises(Unavailable):
        topics.found(["gatewatch.logins"])
    until(lambda: len(kept) > 0, "something to be said")
    until(lambda: len(kept) == 0, "that it is taken", 10)


def test_a_range_that_retention_took_is_told(on_kafka: OnKafka, capsys: pytest.CaptureFixture[str]) -> None:
    """What the broker deleted before it was read is a gap in the books and an error in the log; the rest goes on."""
    on_kafka.send(*daily(6))
    on_kafka.lose(PART, 4)
    with on_kafka.running():
        on_kafka.eventually("SELECT count(*)::int FROM login_events", 2)
    assert on_kafka.rows("SELECT part, from_offset, to_offset FROM log_gaps") == [(PART, 0, 4)]
    assert "a range of the log was lost" in capsys.readouterr().out


def test_what_strangers_write(on_kafka: OnKafka) -> None:
    """Records without key or value, with keys that are no text, and on the wrong partition: dead letters with their
    place, or events on their own partition; none of them stops a detector.
    """
    own = record_of(login(START))
    on_kafka.put(
        (PART + 1) % 4,
        (None, b"\xc1"),
        ("acme:x", None),
        ("acme:\0\0", b"\xc1"),
        ("x" * 5_000, b"\xc1"),
        (own.key, records.encode(own)),
    )
    with on_kafka.running():
        on_kafka.eventually("SELECT count(*)::int FROM login_events", 1)
        on_kafka.eventually("SELECT count(*)::int FROM dead_letters", 4)
    assert on_kafka.rows("SELECT part, off FROM login_events") == [(PART, 0)]
    assert on_kafka.rows("SELECT off, reason, tenant_id FROM dead_letters ORDER BY off") == [
        (0, "undecodable", "default"),
        (1, "undecodable", "acme"),
        (2, "undecodable", "acme"),
        (3, "undecodable", "default"),
    ]


def test_a_transaction_leaves_no_gap(on_kafka: OnKafka) -> None:
    """The offsets that a foreign producer's transactions take for themselves are no loss."""
    on_kafka.transact(PART, [("acme:alice", records.encode(record_of(login(START + i)))) for i in range(3)])
    on_kafka.send(login(START + 10_000_000))
    with on_kafka.running():
        on_kafka.eventually("SELECT count(*)::int FROM login_events", 4)
    assert on_kafka.rows("SELECT count(*)::int FROM log_gaps") == [(0,)]


def test_pressure_pauses_and_goes_on(on_kafka: OnKafka) -> None:
    """Given far more than a detector keeps at hand, it reads on as it stores, and misses nothing."""
    on_kafka.send(*(failure(START + i * 1_000_000, event_id=f"e{i}") for i in range(1_500)))
    with on_kafka.running(batch_size=50):
        on_kafka.eventually("SELECT count(*)::int FROM login_events", 1_500)


def test_how_far_it_is_behind_is_known(on_kafka: OnKafka) -> None:
    """Lag, owner and delay are in the database: with a detector nothing is behind, without one the delay grows."""
    behind = f"SELECT clock_timestamp() - read_until < interval '2 s' FROM log_heads WHERE part = {PART}"
    queries = PostgresQueries(TenantSession(lambda: on_kafka.conninfo, "acme"))
    with on_kafka.running():
        on_kafka.send(*daily(5))
        on_kafka.eventually(f"SELECT end_offset::int FROM log_heads WHERE part = {PART}", 5)
        on_kafka.eventually(behind, True)
        pulse = queries.pulse()
        assert (pulse.members, sum(pulse.lag.values())) == (1, 0)
    on_kafka.eventually(behind, False)
    on_kafka.send(*daily(3, user="bob"))
    with on_kafka.running(detectors=0):
        on_kafka.eventually("SELECT sum(end_offset)::int FROM log_heads", 8)
    assert sum(queries.pulse().lag.values()) == 3
    queries.close()


def test_a_topic_made_anew_is_not_read(on_kafka: OnKafka, tmp_path: Path) -> None:
    """Offsets of a topic that was deleted mean nothing in its successor: no detector reads that, and each says why."""
    for future in on_kafka.admin.delete_topics([on_kafka.topic]).values():
        future.result()
    on_kafka.create_log()
    done = _services(on_kafka, tmp_path).run("detector")
    assert done.returncode == 1
    assert "is not the one whose records the database holds" in done.stderr


@pytest.mark.parametrize("where", ["embedded", "kafka"])
def test_no_detector_reads_another_log(
    on_kafka: OnKafka, postgres_empty: str, tmp_path: Path, where: str
) -> None:
    """A detector without Kafka on a database whose log lies there, or the other way round, ends with the reason."""
    services = _services(on_kafka, tmp_path)
    if where == "embedded":
        services.environment["GATEWATCH_KAFKA_BOOTSTRAP"] = ""
    else:
        bootstrap.prepare(postgres_empty, 4)
        services.environment["GATEWATCH_DATABASE_URL"] = postgres_empty
    done = services.run("detector")
    assert done.returncode == 1
    assert "the log of this database lies" in done.stderr


def test_an_embedded_log_that_was_used_is_not_left_behind(kafka: str, database: str) -> None:
    """A database whose own log was written to cannot be moved to Kafka; one whose log is empty can."""
    bootstrap.prepare(database, 4)
    OnKafka(kafka, database).close()
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("UPDATE topics SET kafka_id = NULL")
    log = bootstrap.appending(configuration.Settings(), database)
    log.append([("acme:alice", b"1")])
    log.close()
    with pytest.raises(WrongLog, match="was written to"):
        OnKafka(kafka, database)
