"""Vendors' topics on a real broker: what lies there is stored once, whatever happens on the way."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from gatewatch import bootstrap, bootstrap_kafka, metrics
from gatewatch.adapters.postgres.connection import Session
from gatewatch.connecting_ports import Message
from gatewatch.health import WAITING, WORKING
from gatewatch.ingest.messages import Limits
from gatewatch.ports import LogWriter, Unavailable
from gatewatch.services.connecting import Connecting
from gatewatch.settings import Settings, SettingsError
from scripts.kafka import Broker
from tests.integration.kafka.rig import PATIENCE, OnKafka
from tests.integration.kafka.vendor import PARTITIONS, Vendor, ids, logins
from tests.support.commands import Commands, until

DATA = Path(__file__).parents[2] / "data" / "vendors"

#: A command that dies when the second of what its connector took is on the log, and before it is done.
KILLED_WITH_THE_SECOND = """
from gatewatch.cli import main
from tests.faults.matrix import points

points.arm("before a connector is done", 2)
main()
"""


def test_what_vendors_publish_is_stored(vendor: Vendor) -> None:
    """Messages of two vendors, over several partitions, are stored as events under their ids; what cannot be read
    becomes a dead letter with its bytes and a reason, beside events of the same message; the group knows that all of
    it is done.
    """
    hub = json.loads((DATA / "entra.json").read_bytes())
    vendor.put(vendor.hub, [json.dumps(hub).encode(), b"{no json", b"", b"\x00\xff"])
    vendor.put(vendor.sso, (DATA / "keycloak.jsonl").read_bytes().splitlines())
    on = vendor.on
    with on.running(), vendor.connected(2):
        on.eventually("SELECT count(*)::int FROM login_events", 6 + 8)
        on.eventually("SELECT count(*)::int FROM dead_letters", 1 + 2 + 1)
        until(lambda: (vendor.done(vendor.hub), vendor.done(vendor.sso)) == (4, 11), "the group's offsets")
    assert {source for (source,) in on.rows("SELECT DISTINCT source FROM login_events")} == {
        "entra",
        "keycloak",
    }
    letters = {bytes(raw): reason for raw, reason in on.rows("SELECT raw, reason FROM dead_letters")}
    assert letters[b"{no json"] == "bad_json"
    assert {*letters.values()} >= {"no_time", "bad_json"}


def _holds(on: OnKafka, n: int) -> Callable[[], bool]:
    """Whether the log holds so many records."""
    return lambda: sum(on.ends().values()) >= n


def test_it_is_all_there_twice(vendor: Vendor) -> None:
    """A group that begins anew brings everything again, and nothing is stored twice: with ids of the vendor's, and
    where a record has none with those of its place.
    """
    anonymous = [{key: v for key, v in json.loads(one).items() if key != "id"} for one in logins(8, 100)]
    vendor.put(vendor.sso, [*logins(8), *(json.dumps(one).encode() for one in anonymous)])
    on = vendor.on
    with on.running():
        for group, n in (("first", 16), ("second", 32)):
            with vendor.connected(connector_group=on.settings.kafka_prefix + group):
                until(_holds(on, n), "the log")
        on.eventually("SELECT count(*)::int FROM login_events", 16)
        with contextlib.closing(bootstrap.imports(on.settings, lambda: on.conninfo)) as pipeline:
            until(lambda: not pipeline.unread(on.ends()), "the detector")
    assert len(set(on.stored())) == len(on.stored()) == 16


def test_killed_between_append_and_commit(vendor: Vendor, tmp_path: Path) -> None:
    """A connector that is killed once the log has what it took, and before its group knows, brings it again when it
    starts anew; each event is stored once.
    """
    on, n = vendor.on, 2_000
    vendor.put(vendor.sso, logins(n))
    environment = {
        name: value
        for name, value in Commands(tmp_path).environment.items()
        if not name.startswith("GATEWATCH_KAFKA")
    }
    environment |= {
        "DATABASE_URL": on.conninfo,
        "GATEWATCH_KAFKA_BOOTSTRAP": on.settings.kafka_bootstrap,
        "GATEWATCH_KAFKA_PREFIX": on.settings.kafka_prefix,
        "GATEWATCH_CONNECTOR_TOPICS": f"{vendor.sso}=keycloak",
        "GATEWATCH_CONNECTOR_BOOTSTRAP": on.settings.kafka_bootstrap,
        "GATEWATCH_CONNECTOR_GROUP": vendor.group,
    }
    died = subprocess.run(
        [sys.executable, "-c", KILLED_WITH_THE_SECOND, "connector"],
        env=environment,
        stderr=subprocess.DEVNULL,
        timeout=PATIENCE,
    )
    assert died.returncode == -signal.SIGKILL
    appended, done = sum(on.ends().values()), vendor.done(vendor.sso)
    assert done < appended
    with on.running(), vendor.connected():
        on.eventually("SELECT count(*)::int FROM login_events", n)
        until(lambda: vendor.done(vendor.sso) == n, "the group's offsets")
    assert sum(on.ends().values()) >= n + appended - done  # what was not known to be done came again
    assert sorted(on.stored()) == ids(n)


def test_a_rebalance_loses_nothing(vendor: Vendor) -> None:
    """While connectors come and go, under load, every event is stored once."""
    on, n = vendor.on, 8_000
    with on.running(), vendor.connected(1) as first:
        vendor.put(vendor.sso, logins(n // 4))
        with vendor.connected(2):
            vendor.put(vendor.sso, logins(n // 4, n // 4))
            until(lambda: vendor.done(vendor.sso) > n // 4, "three connectors")
            first[0].set()
            vendor.put(vendor.sso, logins(n // 4, n // 2))
            until(lambda: vendor.done(vendor.sso) > n // 2, "two connectors")
            with vendor.connected(1):
                vendor.put(vendor.sso, logins(n // 4, 3 * n // 4))
                until(lambda: vendor.done(vendor.sso) == n, "the group's offsets")
        on.eventually("SELECT count(*)::int FROM login_events", n)
    assert sorted(on.stored()) == ids(n)


def test_onto_the_embedded_log(kafka: str, database: str) -> None:
    """Vendors' topics are read where the log lies in PostgreSQL as well, with the rights of an edge."""
    bootstrap.prepare(database)
    topic = f"vendor-{uuid4().hex[:12]}"
    client: dict[str, Any] = {"bootstrap.servers": kafka, "log_level": 0}
    admin, producer = AdminClient(client), Producer(client)
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result()
    for value in logins(20):
        producer.produce(topic, value)
    assert producer.flush(PATIENCE) == 0
    settings = Settings(
        connector_bootstrap=kafka, connector_topics=f"{topic}=keycloak", connector_group=topic
    )
    parts = bootstrap.connected(settings, database)
    done = 0
    while done < 20:
        done += parts.work.turn()
    parts.topics.close()
    parts.reset()
    admin.delete_topics([topic])[topic].result()
    with contextlib.closing(Session(database)) as session:
        assert session.rows("SELECT count(*)::int FROM event_log") == [(20,)]


class _Absent:
    """A log that is away until it is there."""

    def __init__(self) -> None:
        self.log: LogWriter | None = None

    def append(self, records: Sequence[tuple[str, bytes]]) -> None:
        """See `ports.LogWriter`."""
        if self.log is None:
            raise Unavailable("away")
        self.log.append(records)


def test_what_was_not_appended_is_not_done(vendor: Vendor) -> None:
    """While the log is away a connector remains a member and takes nothing more; when it leaves, the group knows of
    nothing that would be done, and the next one brings it all.
    """
    vendor.put(vendor.sso, logins(40))
    settings = vendor.settings
    limits = Limits(1 << 20, 1 << 20, 1_000, 64)
    with contextlib.closing(bootstrap_kafka.vendor_topics(settings)) as group:
        work = Connecting(
            group, settings.vendor_topics, _Absent(), bootstrap.SystemClock(), "default", limits
        )
        until(lambda: not _turned(work), "messages that cannot be appended")
        for _ in range(20):
            group.keep()
            assert not _turned(work)
    assert vendor.done(vendor.sso) == 0
    on = vendor.on
    with on.running(), vendor.connected():
        on.eventually("SELECT count(*)::int FROM login_events", 40)


def _turned(work: Connecting) -> bool:
    """Whether a turn went through; without messages it does."""
    try:
        work.turn()
    except Unavailable:
        return False
    return True


def test_partitions_move_while_it_waits(vendor: Vendor) -> None:
    """A member that waits for the log takes part in rebalances: it gives partitions away and gets them back, and what
    it took meanwhile is brought in the end.
    """
    vendor.put(vendor.sso, logins(40))
    settings = vendor.settings
    limits, log, on = Limits(1 << 20, 1 << 20, 1_000, 64), _Absent(), vendor.on
    with contextlib.closing(bootstrap_kafka.vendor_topics(settings)) as waiting:
        work = Connecting(waiting, settings.vendor_topics, log, bootstrap.SystemClock(), "default", limits)
        until(lambda: not _turned(work), "messages that cannot be appended")
        # It joins only now: while a member does not poll, a rebalance, and what the others ask, waits for it.
        with contextlib.closing(bootstrap_kafka.vendor_topics(settings)) as other:

            def shares() -> tuple[int, int]:
                waiting.keep()
                other.keep()
                return len(waiting.lag()), len(other.lag())

            until(lambda: shares() == (PARTITIONS, PARTITIONS), "a share for each of them")

        def whole() -> bool:
            waiting.keep()
            return len(waiting.lag()) == 2 * PARTITIONS

        until(whole, "all partitions again")
        log.log = on.log
        until(lambda: _turned(work) and vendor.done(vendor.sso) == 40, "all messages")
    with on.running():
        on.eventually("SELECT count(*)::int FROM login_events", 40)
    assert sorted(on.stored()) == ids(40)


def test_the_vendors_brokers_go_away(on_kafka: OnKafka, broker: Broker, tmp_path: Path) -> None:
    """While they are away a connector says that it waits, though the log is there; when they are back it goes on."""
    heartbeat = tmp_path / "heartbeat"
    vendor = Vendor(on_kafka, broker.bootstrap)
    vendor.put(vendor.sso, logins(20))
    with on_kafka.running(), vendor.connected(heartbeat=str(heartbeat)):
        on_kafka.eventually("SELECT count(*)::int FROM login_events", 20)
        broker.stop()
        until(lambda: heartbeat.read_text() == WAITING, "that it waits")
        broker.start()
        vendor.put(vendor.sso, logins(20, 20))
        on_kafka.eventually("SELECT count(*)::int FROM login_events", 40)
        until(lambda: heartbeat.read_text() == WORKING, "that it works")
    assert sorted(on_kafka.stored()) == ids(40)


def test_health_and_lag(vendor: Vendor, tmp_path: Path) -> None:
    """While it works it says so, quiet topics included, and how far it is behind; while a topic is missing it says
    that it waits, and still reads the others.
    """
    heartbeat = tmp_path / "heartbeat"
    on = vendor.on
    vendor.put(vendor.sso, logins(8))
    missing = f"{vendor.sso}=keycloak, {on.settings.kafka_prefix}nowhere=native"
    with vendor.connected(heartbeat=str(heartbeat), connector_topics=missing):
        until(lambda: vendor.done(vendor.sso) == 8, "the topic that is there")
        until(lambda: heartbeat.exists() and heartbeat.read_text() == WAITING, "that it waits")
    with vendor.connected(heartbeat=str(heartbeat)):
        until(lambda: heartbeat.read_text() == WORKING, "that it works")
        until(lambda: _lag() == [0.0] * 2 * PARTITIONS, "the lag of each partition")


def _lag() -> list[float]:
    (family,) = metrics.CONNECTOR_LAG.collector.collect()
    return [sample.value for sample in family.samples]


def test_many_partitions_are_looked_at_together(vendor: Vendor) -> None:
    """To see how far it is behind takes a connector no longer with 64 quiet partitions than with four: it is done
    between messages.
    """
    topic = f"{vendor.on.settings.kafka_prefix}wide"
    vendor.admin.create_topics([NewTopic(topic, 64, 1)])[topic].result()
    vendor.put(topic, logins(8))
    settings = msgspec.structs.replace(vendor.settings, connector_topics=f"{topic}=keycloak")
    group = bootstrap_kafka.vendor_topics(settings)
    try:
        until(lambda: bool(group.take(100, 1 << 20)) and len(group.lag()) == 64, "all partitions")
        began = monotonic()
        assert sum(group.lag().values()) == 8
        assert monotonic() - began < 4  # one after the other they take a tenth of a second and more each
    finally:
        group.close()


def test_what_the_client_skips_is_asked_for_again(vendor: Vendor) -> None:
    """Where the client leaves messages out, as it was seen to do after a broker was killed, they come again; where
    a vendor's transactions take offsets, nothing is missing, and that is found out for all of them at once.
    """
    vendor.put(vendor.sso, logins(40), partition=0)
    vendor.transact(vendor.hub, logins(150))
    group = bootstrap_kafka.vendor_topics(vendor.settings)
    found: dict[str, list[int]] = {vendor.sso: [], vendor.hub: []}

    def take(limit: int) -> list[Message]:
        taken = group.take(limit, 1 << 20)
        for one in taken:
            found[one.topic].append(one.offset)
        return taken

    try:
        until(lambda: bool(take(3) and found[vendor.sso]), "the first messages")
        group._consumer.seek(TopicPartition(vendor.sso, 0, 30))  # noqa: SLF001 - what a client that skips does
        began = monotonic()
        until(lambda: not take(500) and sum(map(len, found.values())) >= 190, "all messages")
        assert monotonic() - began < 15  # each transaction for itself takes a tenth of a second
    finally:
        group.close()
    assert found == {vendor.sso: list(range(40)), vendor.hub: list(range(0, 300, 2))}


def test_the_member_gives_what_lies_there(vendor: Vendor) -> None:
    """Messages come in order per partition, bounded in number and size, and with where they lie."""
    vendor.put(vendor.sso, logins(40))
    group = bootstrap_kafka.vendor_topics(vendor.settings)
    found: list[Message] = []
    try:
        while len(found) < 40:
            taken = group.take(7, 1 << 20)
            assert len(taken) <= 7
            found += taken
        assert sum(group.lag().values()) == 40
        group.done(found)
    finally:
        group.close()
    for part in range(PARTITIONS):
        assert [one.offset for one in found if one.partition == part] == list(range(10))
    assert vendor.done(vendor.sso) == 40


@pytest.mark.parametrize(
    ("topics", "elsewhere", "said"),
    [
        ("", "", "names no topic"),
        ("x=okta2", "", "there is no source 'okta2'"),
        ("gatewatch.logins=native", "", "is a topic of Gatewatch itself"),
        # The same brokers under another name: what was read would be appended behind itself, without end.
        ("gatewatch.logins=native", "localhost:9092", "is a topic of Gatewatch itself"),
    ],
)
def test_topics_that_cannot_be(kafka: str, topics: str, elsewhere: str, said: str) -> None:
    """What cannot be read is said before anything starts."""
    settings = Settings(kafka_bootstrap=kafka, connector_bootstrap=elsewhere, connector_topics=topics)
    with pytest.raises(SettingsError, match=said):
        bootstrap_kafka.vendor_topics(settings)
