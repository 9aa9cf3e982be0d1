"""The outbox: numbered without gaps, relayed at least once, and effective once; and the retention of events."""

from collections.abc import Sequence

import pytest

from gatewatch.adapters.postgres.outbox import PostgresOutbox, Upkeep
from gatewatch.core import records
from gatewatch.core.partitioning import partition_of
from gatewatch.core.times import DAY
from gatewatch.ports import LOGINS, Unavailable
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
    profile = heart.store.users([("acme", "alice")])["acme", "alice"].profile
    assert profile.successes == 4


def test_numbers_have_no_gaps(heart: Heart) -> None:
    """Batches and reviews number one partition's messages from 1 on, and the relay passes all of them."""
    for day in range(3):
        heart.take(*(failure(START + day * DAY + i, event_id=f"{day}-{i}") for i in range(15)))
    for part, out_seq in heart.rows("SELECT part, out_seq FROM partitions"):
        seqs = heart.rows("SELECT seq FROM outbox WHERE part = %(part)s ORDER BY seq", part=part)
        assert [seq for (seq,) in seqs] == list(range(1, out_seq + 1))
    assert PostgresOutbox(heart.session).unrelayed(10) == []


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
