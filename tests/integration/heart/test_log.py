"""The embedded log: offsets without gaps in the order of commits, whoever appends."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from gatewatch.adapters.postgres.log import PostgresLog
from gatewatch.adapters.postgres.outbox import Upkeep
from gatewatch.core.partitioning import partition_of
from gatewatch.ports import LOGINS, StaleRoute
from tests.builders import START, daily, login
from tests.integration.heart.rig import Heart

_APPEND = "SELECT log_append(%(topic)s, %(generation)s, %(parts)s::integer[], %(keys)s::text[], %(values)s::bytea[])"


def _contents(heart: Heart) -> dict[int, list[tuple[int, str, bytes]]]:
    found: dict[int, list[tuple[int, str, bytes]]] = {}
    for part, off, key, value in heart.rows("SELECT part, off, key, value FROM event_log ORDER BY part, off"):
        found.setdefault(part, []).append((off, key, bytes(value)))
    return found


@pytest.mark.postgres15
def test_appends_keep_their_order_without_gaps(heart: Heart) -> None:
    """Each partition's offsets count from 0, and records of a key lie in the order they were sent."""
    sent = [(f"acme:user{i % 7}", b"%d" % i) for i in range(2_500)]
    heart.log.append(sent)
    contents = _contents(heart)
    assert sum(map(len, contents.values())) == 2_500
    for part, found in contents.items():
        assert [off for off, _, _ in found] == list(range(len(found)))
        assert [(k, v) for _, k, v in found] == [(k, v) for k, v in sent if partition_of(k, 4) == part]


def test_appenders_at_once_leave_no_gap(heart: Heart) -> None:
    """Several producers at once number every partition without a gap, and nothing is lost."""

    def append(producer: int) -> None:
        log = PostgresLog(heart.conninfo)
        for i in range(20):
            log.append([(f"acme:user{j}", b"%d %d %d" % (producer, i, j)) for j in range(10)])
        log.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(append, range(4)))
    contents = _contents(heart)
    for found in contents.values():
        assert [off for off, _, _ in found] == list(range(len(found)))
    assert len({value for found in contents.values() for _, _, value in found}) == 800


def test_an_append_of_an_old_generation_is_told_to_route_again(heart: Heart) -> None:
    """A record routed by an old partition count is refused, not put where nobody looks."""
    heart.log.append([("acme:alice", b"1")])
    heart.rows("SELECT grow_topic(%(topic)s, 6)", topic=LOGINS)
    with pytest.raises(StaleRoute):
        heart.rows(_APPEND, topic=LOGINS, generation=1, parts=[0], keys=["k"], values=[b"v"])


def test_a_producer_routes_again_by_itself(heart: Heart) -> None:
    """After a growth a producer's next append lies on the partition of the new count."""
    keys = [f"acme:user{i}" for i in range(50)]
    heart.log.append([(key, b"before") for key in keys])
    heart.rows("SELECT grow_topic(%(topic)s, 6)", topic=LOGINS)
    heart.log.append([(key, b"after") for key in keys])
    for part, found in _contents(heart).items():
        assert [k for _, k, v in found if v == b"after"] == [k for k in keys if partition_of(k, 6) == part]


def test_an_append_takes_at_most_a_thousand_records(heart: Heart) -> None:
    """Too many records in one statement are refused, since its locks would be held too long."""
    n = 1_001
    wanted = {"topic": LOGINS, "generation": 1, "parts": [0] * n, "keys": ["k"] * n, "values": [b"v"] * n}
    with pytest.raises(psycopg.DatabaseError, match="1 to 1000"):
        heart.session.rows(_APPEND, wanted)


def test_a_topic_cannot_shrink(heart: Heart) -> None:
    """A growth to no more partitions than there are is refused."""
    with pytest.raises(psycopg.DatabaseError, match="only grow"):
        heart.rows("SELECT grow_topic(%(topic)s, 4)", topic=LOGINS)


@pytest.mark.postgres15
def test_consumed_segments_are_dropped(heart: Heart) -> None:
    """A closed segment goes once every partition was read past its end, and reading goes on in the next."""
    heart.send(*daily(5))
    heart.rows("SELECT log_roll(%(topic)s)", topic=LOGINS)
    heart.send(*daily(5, user="bob"))
    assert heart.rows("SELECT log_drop(%(topic)s, '0')", topic=LOGINS) == [(0,)]
    heart.work()
    assert heart.rows("SELECT log_drop(%(topic)s, '0')", topic=LOGINS) == [(1,)]
    assert heart.count("login_events") == 10
    assert {segment for (segment,) in heart.rows("SELECT segment FROM event_log")} == {2}
    heart.take(login(START, user="carol"))
    assert heart.count("login_events") == 11
    assert heart.count("log_gaps") == 0


def test_two_notifiers_do_not_drop_the_same_segment(heart: Heart) -> None:
    """While one drops segments another finds nothing to do, and afterwards they are gone for both."""
    heart.send(*daily(5))
    heart.work()
    heart.rows("SELECT log_roll(%(topic)s)", topic=LOGINS)
    with psycopg.connect(heart.conninfo) as one, psycopg.connect(heart.conninfo, autocommit=True) as other:
        assert one.execute("SELECT log_drop(%s, '0')", (LOGINS,)).fetchone() == (1,)
        assert other.execute("SELECT log_drop(%s, '0')", (LOGINS,)).fetchone() == (0,)
        one.commit()
        assert other.execute("SELECT log_drop(%s, '0')", (LOGINS,)).fetchone() == (0,)
    assert heart.count("event_log") == 0


def test_upkeep_closes_what_is_old(heart: Heart) -> None:
    """The notifier's upkeep closes a segment that is ten minutes old and drops it when it was read."""
    heart.take(*daily(3))
    with psycopg.connect(heart.conninfo, autocommit=True) as owner:
        owner.execute("UPDATE topics SET rolled_at = now() - interval '11 minutes'")
    Upkeep(heart.session, 0)()
    assert heart.count("event_log") == 0
    assert heart.count("login_events") == 3


def test_a_lost_range_is_recorded(heart: Heart) -> None:
    """Records that were taken away before they were read leave a gap in the books, and the rest is processed."""
    events = daily(6)
    heart.send(*events)
    part = partition_of("acme:alice", 4)
    with psycopg.connect(heart.conninfo, autocommit=True) as owner:
        owner.execute("DELETE FROM event_log WHERE off < 2")
    heart.work()
    assert heart.rows("SELECT part, from_offset, to_offset FROM log_gaps") == [(part, 0, 2)]
    assert heart.count("login_events") == 4
