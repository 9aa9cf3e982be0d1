"""One bad record never harms its neighbours: it becomes a dead letter, they are stored."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from random import Random
from time import monotonic

import msgspec
import psycopg
import pytest

from gatewatch import bootstrap
from gatewatch.core import profiles, records
from gatewatch.core.events import Asn, LoginEvent
from gatewatch.core.partitioning import partition_of
from gatewatch.core.times import DAY, HOUR, MAX_TIME
from gatewatch.ports import LOGINS
from gatewatch.settings import Settings
from gatewatch.worker import Detector
from tests.builders import START, daily, failure, login
from tests.integration.heart.rig import Heart, record_of

PART = partition_of("acme:alice", 4)


def _eventually(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    until, tick = monotonic() + seconds, threading.Event()
    while not condition():
        assert monotonic() < until, "it did not come true"
        tick.wait(0.02)


@contextlib.contextmanager
def _detector(conninfo: str, **settings: float) -> Iterator[None]:
    """A whole detector beside the test."""
    stop = threading.Event()
    given = msgspec.convert(settings, Settings)
    parts = bootstrap.processing(given, conninfo)
    thread = threading.Thread(target=Detector(given, parts, stop).run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
        parts.reset()
    assert not thread.is_alive()


def _dead(heart: Heart) -> list[tuple[object, ...]]:
    return heart.rows("SELECT reason, part, off, raw FROM dead_letters ORDER BY part, off")


@pytest.mark.postgres15
def test_what_nobody_can_read(heart: Heart) -> None:
    """Bytes that are no record end as a dead letter with the bytes and the place; the rest is stored."""
    first, last = (record_of(event) for event in daily(2))
    garbage = b"\xc1\x00\xff"
    heart.put(PART, (first.key, records.encode(first)), ("acme:x", garbage), (last.key, records.encode(last)))
    heart.settle()
    assert _dead(heart) == [("undecodable", PART, 1, garbage)]
    assert heart.rows("SELECT id, tenant_id FROM dead_letters") == [(f"{LOGINS}-{PART}-1", "acme")]
    assert heart.count("login_events") == 2


def _noise(n: int) -> str:
    """A text that no compression makes shorter."""
    rng = Random(n)
    return "".join(chr(rng.randrange(0x10000, 0x110000)) for _ in range(n))


ABSURD: dict[str, LoginEvent] = {
    "year 33658": login(10**18),
    "the last year there is": login(MAX_TIME),
    "before the epoch": login(-(10**18)),
    "no address": login(START, ip="not an address"),
    "an address with a port": login(START, ip="192.0.2.1:443"),
    "NUL in the id": login(START, event_id="a\x00b"),
    "NUL in the tenant": login(START, tenant_id="a\x00b"),
    "NUL in the name": login(START, user="a\x00b"),
    "NUL in the source": login(START, event_id="nul", source="a\x00b"),
    "a huge AS number": login(START, asn=Asn(2**63, "huge")),
    "an id too long for an index": login(START, event_id=_noise(9_000)),
    "a name too long for an index": login(START, user=_noise(9_000)),
    "a tenant that nobody can have": login(START, tenant_id=_noise(9_000)),
}


@pytest.mark.parametrize("event", ABSURD.values(), ids=ABSURD.keys())
def test_what_can_be_read_and_makes_no_sense(heart: Heart, event: LoginEvent) -> None:
    """A record with values that no edge lets through ends as a dead letter; a detector does not die of it."""
    before, after = daily(2)
    records_ = [record_of(e) for e in (before, event, after)]
    heart.put(PART, *(("acme:alice", records.encode(record)) for record in records_))
    with _detector(heart.conninfo):
        _eventually(lambda: heart.count("dead_letters") == 1 and heart.count("login_events") == 2)


def test_an_origin_that_cannot_be_stored(heart: Heart) -> None:
    """Also what became of an import is stored beside a dead letter: where that cannot be, it is nobody's import."""
    record = msgspec.structs.replace(record_of(login(START)), origin="a\x00b")
    heart.put(PART, ("acme:alice", records.encode(record)))
    with _detector(heart.conninfo):
        _eventually(lambda: heart.count("dead_letters") == 1)


@pytest.mark.parametrize("tenant", [_noise(500), "a b", "x" * 65], ids=["too long", "a blank", "65 letters"])
def test_a_key_that_names_no_tenant(heart: Heart, tenant: str) -> None:
    """An application's event whose key begins with what no tenant can be called is a dead letter that says so: nobody
    could look at its logins, and no detector stops at it.
    """
    event = {"event_id": _noise(200), "time": "2026-03-02T09:00:00Z", "outcome": "success", "user": "bob"}
    heart.put(PART, (f"{tenant}:bob", json.dumps(event).encode()))
    heart.send(login(START))
    with _detector(heart.conninfo):
        _eventually(lambda: heart.count("dead_letters") == 1 and heart.count("login_events") == 1)
    assert heart.rows("SELECT tenant_id, reason FROM dead_letters") == [("default", "bad_field")]
    assert heart.rows("SELECT tenant_id FROM tenants ORDER BY 1") == [("acme",), ("default",)]


@pytest.mark.postgres15
def test_what_the_store_refuses(heart: Heart) -> None:
    """A value that a constraint refuses is found by halving the batch, and becomes the one dead letter."""
    heart.rows("SELECT create_event_partition('2026-03-01')")
    with psycopg.connect(heart.conninfo, autocommit=True) as owner:
        owner.execute("ALTER TABLE login_events_2026_03 ADD CHECK (source <> 'poison')")
    events = daily(20)
    poison = login(events[7].time + HOUR, source="poison")
    heart.send(*events[:8], poison, *events[8:])
    with _detector(heart.conninfo):
        _eventually(lambda: heart.count("login_events") == 20)
    assert [row[:3] for row in _dead(heart)] == [("refused", PART, 8)]
    ((state,),) = heart.rows("SELECT state FROM profiles")
    assert len(profiles.decode(heart.store.users([("acme", "alice")])["acme", "alice"].profile).logins) == 8
    assert state


def test_the_breaker(heart: Heart) -> None:
    """A partition with nothing but bad messages is stopped instead of buried; the others go on."""
    heart.put(PART, *[("acme:x", b"\xc1%d" % i) for i in range(1_000)])
    heart.put(PART, *[("acme:x", b"\xc1%d" % i) for i in range(1_000, 1_300)])
    other = next(name for name in "bcdefgh" if partition_of(f"acme:{name}", 4) != PART)
    with _detector(heart.conninfo, batch_size=250):
        _eventually(lambda: heart.count("dead_letters") == 1_000)
        heart.send(login(START, user=other))
        _eventually(lambda: heart.count("login_events") == 1)
        _eventually(
            lambda: (
                heart.rows(f"SELECT owner, next_offset FROM partitions WHERE part = {PART}")
                == [(None, 1_000)]
            )
        )


def test_older_than_the_retention(database: str) -> None:
    """Where a retention is set, an older event becomes a dead letter that says so; the limit itself is kept."""
    heart = Heart(database, retention=30 * DAY)
    old, just = login(START - 31 * DAY, event_id="old"), login(START - 29 * DAY, event_id="just")
    received = START
    heart.append(*(msgspec.structs.replace(record_of(e), received=received) for e in (old, just)))
    heart.settle()
    assert heart.rows("SELECT event_id FROM login_events") == [("just",)]
    assert heart.rows("SELECT id, reason FROM dead_letters") == [("old-old", "too_old")]
    heart.close()


def test_a_late_event(heart: Heart) -> None:
    """An event more than a day behind its user's newest is stored and counted for its source, and opens no window."""
    heart.take(login(START + 5 * DAY), failure(START, event_id="late"))
    assert heart.rows("SELECT event_id, late FROM login_events WHERE late") == [("late", True)]
    profile = profiles.decode(heart.store.users([("acme", "alice")])["acme", "alice"].profile)
    assert (profile.minutes, profile.days) == ({}, {})
    assert heart.rows("SELECT count(*)::int FROM source_activity WHERE kind = 'ip'") == [(1,)]
