"""An event is stored once, whatever comes twice, under which body, and when."""

from collections.abc import Iterator

import msgspec
import pytest

from gatewatch.core import profiles, records
from gatewatch.core.events import LoginEvent
from gatewatch.core.partitioning import partition_of
from gatewatch.core.records import ControlRecord
from gatewatch.core.times import DAY, HOUR
from gatewatch.ports import LOGINS
from tests.builders import START, daily, failure, login
from tests.integration.heart.rig import Heart, record_of

PART = partition_of("acme:alice", 4)


def _state(heart: Heart) -> list[tuple[object, ...]]:
    return heart.rows("SELECT user_key, state FROM profiles ORDER BY 1")


@pytest.mark.postgres15
def test_a_repeat_changes_nothing(heart: Heart) -> None:
    """The same events a second and a third time, in other batches and in the same one, leave everything as it is."""
    events = [*daily(5), *(failure(START + i) for i in range(3))]
    heart.send(*events, *events, origin="file")
    heart.settle()
    before = _state(heart)
    heart.send(*events, origin="file")
    heart.settle()
    assert heart.count("login_events") == 8
    assert _state(heart) == before
    assert heart.count("event_conflicts") == 0
    assert heart.rows("SELECT events::int, duplicates::int FROM import_results") == [(8, 16)]


def test_the_same_id_with_another_body_is_a_conflict(heart: Heart) -> None:
    """The first body stays; the other is kept as a conflict, once."""
    event = login(START)
    other = msgspec.structs.replace(event, port=22)
    heart.take(event)
    before = _state(heart)
    heart.take(other, other)
    assert heart.count("login_events") == 1
    assert heart.rows("SELECT event_id, raw FROM event_conflicts") == [(event.event_id, repr(other).encode())]
    assert _state(heart) == before


def test_an_id_of_two_users_is_stored_once(heart: Heart) -> None:
    """Two users' events under one id lie on two partitions; made at the same time, only one of them is stored."""
    other = next(name for name in "bcdefgh" if partition_of(f"acme:{name}", 4) != PART)
    mine, theirs = login(START, event_id="one"), login(START, user=other, event_id="one")
    heart.send(mine, theirs)
    heart.claim()
    batches = [b for part in heart.owned if (b := heart.make(part)) is not None]
    assert len(batches) == 2
    heart.commit(batches[0])
    with pytest.raises(Exception, match="duplicate key"):
        heart.commit(batches[1])
    heart.claim()
    heart.work()
    assert heart.count("login_events") == 1
    assert heart.count("event_conflicts") == 1


@pytest.mark.parametrize("months", [1, 14])
def test_a_time_by_arrival_is_looked_up_everywhere(heart: Heart, months: int) -> None:
    """A line whose year was resolved by its arrival is a repeat in whatever month it is read again."""
    event = login(START, event_id="line")
    heart.append(record_of(event, by_arrival=True))
    heart.work()
    later = msgspec.structs.replace(event, time=START + months * 31 * DAY)
    heart.clock.time = later.time
    again = msgspec.structs.replace(record_of(event, by_arrival=True), event=later)
    heart.append(again)
    heart.work()
    assert heart.count("login_events") == 1
    assert heart.count("event_conflicts") == 0


def test_the_same_id_in_a_far_month_is_another_event(heart: Heart) -> None:
    """Beyond its own month and the lateness around arrival an id may be used again."""
    event = login(START, event_id="reused")
    heart.take(event)
    heart.clock.time = START + 200 * DAY
    heart.take(msgspec.structs.replace(event, time=START + 90 * DAY))
    assert heart.count("login_events") == 2


def test_the_lateness_around_arrival_is_looked_up(heart: Heart) -> None:
    """An event whose other body lies in the month of arrival is a conflict, not another event."""
    heart.clock.time = START
    heart.take(login(START, event_id="near"))
    heart.take(login(START - 40 * DAY, event_id="near"))
    assert heart.count("login_events") == 1
    assert heart.count("event_conflicts") == 1


def _strays() -> Iterator[LoginEvent]:
    for i in range(4):
        yield login(START + i * HOUR, event_id=f"stray{i}")


@pytest.mark.postgres15
def test_a_stray_is_sent_on_under_its_own_id(heart: Heart) -> None:
    """Records on a wrong partition are processed by their owner, once, although they come a second time rightly."""
    wrong = (PART + 1) % 4
    for event in _strays():
        record = record_of(event)
        heart.put(wrong, (record.key, records.encode(record)))
    heart.settle()
    heart.take(*_strays())
    assert heart.rows("SELECT part, count(*)::int FROM login_events GROUP BY 1") == [(PART, 4)]
    assert heart.count("event_conflicts") == 0


def test_what_a_foreign_producer_wrote_keeps_its_place_as_id(heart: Heart) -> None:
    """Native JSON without an id gets one from where it lay, and keeps it when it is sent on."""
    wrong = (PART + 1) % 4
    body = b'{"occurred_at":"2026-03-02T08:00:00Z","outcome":"success","user":"alice","ip":"192.0.2.10"}'
    heart.put(wrong, ("acme:alice", body))
    heart.settle()
    assert heart.rows("SELECT event_id, part FROM login_events") == [(f"{LOGINS}-{wrong}-0", PART)]


def test_a_growth_sends_on_what_lies_on_old_partitions(heart: Heart) -> None:
    """After a growth every claim is fenced, what was appended before is sent on, and users are processed in order."""
    names = [f"user{i}" for i in range(20)]
    heart.send(*(login(START + i, user=name) for i, name in enumerate(names)))
    heart.claim()
    stale = heart.make(partition_of("acme:user0", 4))
    assert stale is not None
    heart.rows("SELECT grow_topic(%(topic)s, 7)", topic=LOGINS)
    with pytest.raises(Exception, match="taken over"):
        heart.commit(stale)
    heart.claim()
    heart.settle()
    found = heart.rows("SELECT user_key, part, generation FROM login_events")
    assert sorted(found) == sorted((name, partition_of(f"acme:{name}", 7), 2) for name in names)


def _verdict(event: LoginEvent, verdict: str, id: str = "v") -> ControlRecord:
    return ControlRecord(
        id=id,
        tenant_id="acme",
        user_key="alice",
        kind="verdict",
        time=event.time,
        event_id=event.event_id,
        event_time=event.time,
        verdict=verdict,  # type: ignore[arg-type]  # one of the verdicts
    )


def test_a_control_record_counts_once(heart: Heart) -> None:
    """A verdict takes back what a login taught, and repeats of it change nothing."""
    event = login(START)
    heart.take(event)
    taught = _state(heart)
    heart.append(_verdict(event, "compromised"), _verdict(event, "compromised"))
    heart.work()
    revoked = _state(heart)
    heart.append(_verdict(event, "compromised"))
    heart.work()
    assert revoked != taught
    assert _state(heart) == revoked
    assert heart.rows("SELECT id, known FROM control_records") == [("v", True)]


def test_a_verdict_means_the_login_of_its_time(heart: Heart) -> None:
    """Where an id was used again in a far month, a verdict is about the login whose time it names."""
    old = login(START, event_id="reused", ip="192.0.2.50")
    heart.take(old)
    heart.clock.time = START + 200 * DAY
    new = msgspec.structs.replace(old, time=START + 90 * DAY, ip="198.51.100.9")
    heart.take(new)
    heart.append(_verdict(old, "compromised", "about-old"))
    heart.work()
    (held,) = profiles.decode(heart.store.users([("acme", "alice")])["acme", "alice"].profile).held
    assert (held.time, held.values[0]) == (old.time, old.ip)
