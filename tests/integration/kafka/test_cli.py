"""The command line on Kafka: the system on one machine, imports, and the topics."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from gatewatch.ports import ANOMALIES, DEAD_LETTERS, LOGINS
from gatewatch.simulator.wire import native_json
from tests.builders import daily
from tests.support.commands import Commands, until


@pytest.fixture
def prefix(kafka: str) -> Iterator[str]:
    """What the names of a test's topics begin with; they are deleted afterwards."""
    found = f"cli-{uuid4().hex[:12]}."
    yield found
    admin = AdminClient({"bootstrap.servers": kafka, "log_level": 0})
    names = [name for name in admin.list_topics(timeout=20).topics if name.startswith(found)]
    for future in admin.delete_topics(names).values() if names else ():
        future.result()


def _commands(folder: Path, kafka: str, prefix: str, **more: str) -> Commands:
    own = {"KAFKA_BOOTSTRAP": kafka, "KAFKA_PREFIX": prefix, "KAFKA_PARTITIONS": "4", **more}
    return Commands(folder, **{f"GATEWATCH_{name}": value for name, value in own.items()})


@pytest.fixture
def operator(kafka: str, prefix: str, database: str, tmp_path: Path) -> Commands:
    """An operator of a migrated database and a broker without topics of ours."""
    return _commands(tmp_path, kafka, prefix, DATABASE_URL=database)


def test_topics_are_created_once(operator: Commands, prefix: str) -> None:
    """`create` makes what is declared and says so, `--dry-run` only says it; a second time there is nothing to do, and
    then `check` is content.
    """
    planned = operator.run("topics", "create", "--dry-run")
    assert planned.returncode == 0, planned.stderr
    assert f"create {prefix}{LOGINS}: 4 partitions" in planned.stdout
    missing = operator.run("topics", "check")
    assert missing.returncode == 1
    assert f"{prefix}{LOGINS} does not exist" in missing.stderr
    done = operator.run("topics", "create")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("create ") == 3
    assert operator.run("topics", "create").stdout == "all topics are there\n"
    assert operator.run("topics", "check").returncode == 0
    found = {topic["name"]: topic for topic in operator.json("topics", "describe")}
    assert set(found) == {prefix + name for name in (LOGINS, ANOMALIES, DEAD_LETTERS)}
    log = found[prefix + LOGINS]
    assert (log["partitions"], log["unread"], log["generation"], log["problems"]) == (4, 0, 1, [])


def test_a_topic_grows_and_never_shrinks(operator: Commands) -> None:
    """`grow` refuses a number that is not greater, explains with `--dry-run` what would happen, and does it."""
    assert operator.run("topics", "create").returncode == 0
    refused = operator.run("topics", "grow", "4")
    assert refused.returncode == 1
    assert "it can only grow" in refused.stderr
    planned = operator.run("topics", "grow", "6", "--dry-run")
    assert "4 partitions become 6" in planned.stdout
    assert "about 67% of all users" in planned.stdout
    assert operator.run("topics", "grow", "6").returncode == 0
    log = operator.json("topics", "describe")[0]
    assert (log["partitions"], log["generation"], log["problems"]) == (6, 2, [])


def test_without_kafka_there_are_no_topics(database: str, tmp_path: Path) -> None:
    """Where no brokers are configured the commands say where the log lies."""
    operator = Commands(tmp_path, GATEWATCH_DATABASE_URL=database)
    done = operator.run("topics", "create")
    assert done.returncode == 1
    assert "the log lies in PostgreSQL" in done.stderr


def test_the_system_runs_on_kafka(kafka: str, prefix: str, scratch: Path) -> None:
    """`up --kafka` makes database and topics and runs everything; an import goes through Kafka and is accounted for."""
    system = _commands(scratch / "data", kafka, prefix)
    lines = b"".join(native_json(event) for event in daily(30))
    unaware = dict(system.environment)
    del system.environment["GATEWATCH_KAFKA_BOOTSTRAP"]
    with system.running("up", "--kafka", kafka) as up:
        up.says("Gatewatch runs")
        refused = system.run("import", "-", "--source", "native", "--no-wait", stdin=lines)
        assert refused.returncode == 1
        assert "lies on Kafka" in refused.stderr
        system.environment = unaware
        (found,) = system.json("import", "-", "--source", "native", stdin=lines)
        assert (found["stored"], found["duplicates"]) == (30, 0)
        (again,) = system.json("import", "-", "--source", "native", stdin=lines)
        assert (again["stored"], again["duplicates"]) == (0, 30)
        assert system.rows("SELECT count(*)::int FROM event_log") == [(0,)]


def test_a_connector_runs_beside(kafka: str, prefix: str, scratch: Path) -> None:
    """Where topics of vendors are named, `up` also runs a connector, and again when it died; each event is stored
    once.
    """
    topic = f"{prefix}vendor"
    admin = AdminClient({"bootstrap.servers": kafka, "log_level": 0})
    admin.create_topics([NewTopic(topic, 2, 1)])[topic].result()
    producer = Producer({"bootstrap.servers": kafka, "log_level": 0})
    events = [native_json(event) for event in daily(30)]

    def publish(some: list[bytes]) -> None:
        for event in some:
            producer.produce(topic, event)
        assert producer.flush(20) == 0

    system = _commands(
        scratch / "data", kafka, prefix, CONNECTOR_TOPICS=f"{topic}=native", KAFKA_BOOTSTRAP=""
    )
    publish(events[:15])
    with system.running("up", "--kafka", kafka) as up:
        up.says("Gatewatch runs")
        until(lambda: _stored(system) == 15, "the first events")
        (connector,) = up.children("gatewatch connector")
        os.kill(connector, signal.SIGKILL)
        publish(events[10:])
        until(lambda: _stored(system) == 30, "the other events")
        up.says("the connector was ended by SIGKILL; it is started again")


def _stored(system: Commands) -> int:
    ((n,),) = system.rows("SELECT count(*)::int FROM login_events")
    return int(n)


def test_a_connector_needs_topics(operator: Commands) -> None:
    """Without topics, or with a source that there is none of, a connector ends with one line that says so."""
    assert operator.run("topics", "create").returncode == 0
    for topics, said in (("", "names no topic"), ("logins=okto", "there is no source 'okto'")):
        operator.environment["GATEWATCH_CONNECTOR_TOPICS"] = topics
        refused = operator.run("connector")
        assert (refused.returncode, refused.stderr.count("\n")) == (1, 1), refused.stderr
        assert said in refused.stderr
