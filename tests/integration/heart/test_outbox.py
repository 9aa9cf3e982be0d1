"""The outbox: numbered without gaps, relayed at least once, and effective once; and the retention of events."""

from collections.abc import Sequence

import pytest

from gatewatch.adapters.postgres.outbox import PostgresOutbox, Upkeep
from gatewatch.core import profiles, records
from gatewatch.core.partitioning import partition_of
from gatewatch.core.times import DAY
from gatewatch.ports import LOGINS, BadData, Unavailable
from gatewatch.services.outbox import Relay
from tests.builders import START, daily, failure, login
from tests.integration.heart.rig import Heart, record_of

PART = partition_of("acme:alice", 4)


class Dying:
    """A sink that has taken the messages when its process dies, before the position is stored."""

    def __init__(self, heart: Heart) -> None:
        self._heart = heart

    def append(self, records: Sequence[tuple[str, bytes]]) -> None:
        """Append, and die."""
        self._heart.log.append(records)
        raise Unavailable("killed")


@pytest.mark.postgres15
def test_a_relay_that_dies_between_append_and_position(heart: Heart) -> None:
    """What was appended and is relayed again has no second effect."""
    strays = [record_of(event) for event in daily(4)]
    heart.put((PART + 1) % 4, *((r.key, records.encode(r)) for r in strays))
    heart.work()
    dying = Relay(PostgresOutbox(heart.session), {LOGINS: Dying(heart)})
    with pytest.raises(Unavailable):
        dying.turn()
    heart.work()
    heart.claim()
    heart.settle()
    assert heart.rows("SELECT sum(end_offset)::int FROM log_heads") == [(4 + 4 + 4,)]
    assert heart.count("login_events") == 4
    assert heart.count("event_conflicts") == 0
    profile = profiles.decode(heart.store.users([("acme", "alice")])["acme", "alice"].profile)
    assert profile.successes == 4


def test_numbers_have_no_gaps(heart: Heart) -> None:
    """Batches and reviews number one partition's messages from 1 on, and the relay passes all of them."""
    for day in range(3):
        heart.take(*(failure(START + day * DAY + i, event_id=f"{day}-{i}") for i in range(15)))
    for part, out_seq in heart.rows("SELECT part, out_seq FROM partitions"):
        seqs = heart.rows("SELECT seq FROM outbox WHERE part = %(part)s ORDER BY seq", part=part)
        assert [seq for (seq,) in seqs] == list(range(1, out_seq + 1))
    assert PostgresOutbox(heart.session).unrelayed(10) == []


def test_a_turn_is_bounded_in_bytes(heart: Heart) -> None:
    """However large what waits is, the relay takes about sixteen megabytes of it at once, of each lane the first ones,
    and all of it in the end.
    """
    heart.session.run("UPDATE partitions SET out_seq = 30")
    heart.session.run(
        "INSERT INTO outbox (part, seq, tenant_id, topic, key, value)"
        " SELECT part, seq, 'acme', 'elsewhere', 'k', convert_to(repeat(md5(seq::text), 32768), 'UTF8')"
        " FROM generate_series(0, 3) AS part, generate_series(1, 30) AS seq"
    )
    outbox = PostgresOutbox(heart.session)
    found = outbox.unrelayed(500)
    assert 15 << 20 <= sum(len(one.message.value) for one in found) <= 17 << 20
    for part in range(4):
        assert [one.seq for one in found if one.part == part] == [1, 2, 3, 4]
    turns = 1
    relay = Relay(outbox, {})
    while relay.turn():
        turns += 1
    assert turns == 9
    assert heart.rows("SELECT part, seq FROM outbox_positions ORDER BY 1") == [(p, 30) for p in range(4)]


class Refusing:
    """A sink that refuses what holds a word, and whoever stands beside it in one append."""

    def __init__(self, heart: Heart, word: bytes) -> None:
        self._heart, self._word = heart, word

    def append(self, records: Sequence[tuple[str, bytes]]) -> None:
        """Append, or refuse all of it."""
        if any(self._word in value and b"reject" not in value for _, value in records):
            raise BadData("too large")
        self._heart.log.append(records)


def test_what_a_topic_refuses_holds_nobody_up(heart: Heart, capsys: pytest.CaptureFixture[str]) -> None:
    """A record that the log refuses to take on its way to the right partition is stored as a dead letter, and those
    around it go on; a message for others that its topic refuses is told, and left out.
    """
    strays = [record_of(event) for event in daily(4)]
    bad = strays[2].event.event_id
    heart.put((PART + 1) % 4, *((r.key, records.encode(r)) for r in strays))
    heart.work()
    heart.session.run("UPDATE partitions SET out_seq = out_seq + 1 WHERE part = 0")
    heart.session.run(
        "INSERT INTO outbox (part, seq, tenant_id, topic, key, value)"
        " SELECT 0, out_seq, 'acme', 'elsewhere', 'k', 'word' FROM partitions WHERE part = 0"
    )
    sinks = {LOGINS: Refusing(heart, bad.encode()), "elsewhere": Refusing(heart, b"word")}
    relay = Relay(PostgresOutbox(heart.session), sinks)
    assert relay.turn() == 5
    assert relay.turn() == 0
    heart.work()
    assert sorted(id for (id,) in heart.rows("SELECT event_id FROM login_events")) == sorted(
        r.event.event_id for r in strays if r.event.event_id != bad
    )
    assert heart.rows("SELECT id, reason FROM dead_letters") == [(f"refused-{bad}", "refused")]
    assert "elsewhere" in capsys.readouterr().out


def test_a_position_never_goes_back(heart: Heart) -> None:
    """A relay that was overtaken does not take a position back."""
    outbox = PostgresOutbox(heart.session)
    outbox.relayed({0: 7})
    outbox.relayed({0: 3, 1: 2})
    assert heart.rows("SELECT part, seq FROM outbox_positions ORDER BY 1") == [(0, 7), (1, 2)]


def test_what_was_relayed_long_ago_is_forgotten(heart: Heart) -> None:
    """Upkeep drops messages a week after they were relayed, and no other."""
    heart.take(*(failure(START + i, event_id=f"e{i}") for i in range(15)))
    kept = heart.count("outbox")
    heart.session.run("UPDATE outbox SET created_at = now() - interval '8 days' WHERE seq = 1", {})
    old = heart.rows("SELECT count(*)::int FROM outbox WHERE seq = 1")[0][0]
    heart.session.run("DELETE FROM outbox_positions WHERE part <> %(part)s", {"part": _one_part(heart)})
    Upkeep(heart.session, 0)()
    assert old >= 1
    assert heart.count("outbox") == kept - 1


def _one_part(heart: Heart) -> int:
    ((part,),) = heart.rows("SELECT min(part) FROM outbox")
    return int(part)


@pytest.mark.postgres15
def test_months_past_the_retention_are_dropped(heart: Heart) -> None:
    """Upkeep drops the months that ended before the retention, and keeps the others."""
    recent = heart.rows("SELECT (extract(epoch FROM now()) * 1000000)::bigint")[0][0]
    heart.take(login(START - 400 * DAY), login(recent, event_id="recent"))
    Upkeep(heart.session, 30)()
    assert heart.rows("SELECT event_id FROM login_events") == [("recent",)]


def test_a_month_that_was_dropped_comes_again(heart: Heart) -> None:
    """An event of a month that was dropped meanwhile is stored at the second attempt, not refused."""
    heart.take(login(START))
    heart.rows("SELECT drop_event_partitions('2027-01-01')")
    heart.send(login(START + DAY))
    with pytest.raises(Unavailable):
        heart.work()
    heart.claim()
    heart.work()
    assert heart.count("login_events") == 1
