"""Who owns a partition: shares, time-outs, and claims that fence whoever owned it before."""

from collections.abc import Iterator
from datetime import timedelta
from time import monotonic

import psycopg
import pytest

from gatewatch.adapters.postgres.connection import Session
from gatewatch.adapters.postgres.leases import Leases
from gatewatch.adapters.postgres.store import PostgresStore
from gatewatch.core.partitioning import partition_of
from gatewatch.ports import LOGINS, Fenced
from gatewatch.services.partition import Partition
from tests.builders import START, daily
from tests.integration.heart.rig import Heart, SetClock

PART = partition_of("acme:alice", 4)


class Member:
    """Another process's leases and store."""

    def __init__(self, conninfo: str, timeout: float = 5.0) -> None:
        self.session = Session(conninfo)
        self.leases = Leases(self.session, LOGINS, timeout)
        self.store = PostgresStore(self.session, SetClock(START), timedelta(seconds=timeout))


@pytest.fixture
def other(heart: Heart) -> Iterator[Member]:
    """A second member."""
    member = Member(heart.conninfo)
    yield member
    member.session.close()


@pytest.mark.postgres15
def test_members_share_the_partitions(heart: Heart, other: Member) -> None:
    """Alone a member's fair share is everything, with a second one it is half, and all again when that one left."""
    heart.leases.beat()
    assert heart.leases.layout() == (4, 1, 4)
    other.leases.beat()
    assert heart.leases.layout()[2] == 2
    other.leases.leave()
    assert heart.leases.layout()[2] == 4


def test_a_silent_member_counts_no_longer(heart: Heart) -> None:
    """A member that has not beaten for the time-out has no share any more."""
    quick = Leases(heart.session, LOGINS, 0.05)
    other = Leases(heart.session, LOGINS, 0.05)
    other.beat()
    quick.beat()
    until = monotonic() + 5
    while quick.layout()[2] != 4 and monotonic() < until:
        quick.beat()
    assert quick.layout()[2] == 4


def test_a_held_partition_is_not_free(heart: Heart, other: Member) -> None:
    """What one member holds another cannot claim, until it is given back."""
    claim = heart.leases.claim(PART)
    assert claim is not None
    assert PART not in other.leases.free()
    assert other.leases.claim(PART) is None
    heart.leases.release([claim])
    assert other.leases.claim(PART) is not None


def test_a_lease_that_ran_out_is_free(heart: Heart, other: Member) -> None:
    """A partition whose owner did not renew in time can be claimed, and its renewal then says that it is lost."""
    short = Leases(heart.session, LOGINS, 0.01)
    claim = short.claim(PART)
    assert claim is not None
    taken = None
    until = monotonic() + 5
    while taken is None and monotonic() < until:
        taken = other.leases.claim(PART)
    assert taken is not None
    assert taken.epoch == claim.epoch + 1
    assert short.renew([claim]) == set()
    assert other.leases.renew([taken]) == {PART}


def test_a_zombie_cannot_commit(heart: Heart, other: Member) -> None:
    """A batch made under a claim that was taken over stores nothing, and the new owner stores it once."""
    heart.send(*daily(3))
    heart.claim()
    batch = heart.make(PART)
    assert batch is not None
    taken = other.leases.claim(PART, force=True)
    assert taken is not None
    with pytest.raises(Fenced):
        heart.store.commit(batch)
    assert heart.count("login_events") == 0
    heart.owned[PART] = Partition(taken, other.store)
    again = heart.make(PART)
    assert again is not None
    other.store.commit(again)
    assert heart.count("login_events") == 3


def test_a_zombie_cannot_review(heart: Heart, other: Member) -> None:
    """A review under a claim that was taken over is fenced like a batch."""
    heart.claim()
    batch = heart.reviewer.make(heart.owned[PART], [])
    other.leases.claim(PART, force=True)
    with pytest.raises(Fenced):
        heart.store.commit_review(batch)


def test_a_batch_is_stored_once(heart: Heart) -> None:
    """The same batch a second time (its answer was lost) is refused by the offset."""
    heart.send(*daily(3))
    heart.claim()
    batch = heart.make(PART)
    assert batch is not None
    heart.store.commit(batch)
    with pytest.raises(Fenced):
        heart.store.commit(batch)
    assert heart.count("login_events") == 3


@pytest.mark.postgres15
def test_a_claim_ends_a_backend_stopped_in_mid_copy(heart: Heart, other: Member) -> None:
    """An owner that stopped in the middle of its COPY holds the row's lock: after a second its backend is ended."""
    claim = heart.leases.claim(PART)
    assert claim is not None
    with heart.session.connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("UPDATE partitions SET out_seq = out_seq WHERE part = %s", (PART,))
        cursor.execute("CREATE TEMPORARY TABLE half (x integer)")
        with pytest.raises(psycopg.OperationalError), cursor.copy("COPY half FROM STDIN") as copy:  # noqa: PT012 - any row
            copy.write_row((1,))
            began = monotonic()
            taken = other.leases.claim(PART, force=True)
            waited = monotonic() - began
            copy.write_row((2,))
    assert taken is not None
    assert taken.epoch == claim.epoch + 1
    assert 0.9 < waited < 10


def test_a_claim_leaves_one_who_works_alone(heart: Heart, other: Member) -> None:
    """Without force, the backend of an owner whose lease holds is not ended, however long its row is locked."""
    claim = heart.leases.claim(PART)
    assert claim is not None
    with heart.session.connection.transaction():
        heart.session.run("UPDATE partitions SET out_seq = out_seq WHERE part = %(part)s", {"part": PART})
        assert other.leases.claim(PART) is None
    assert heart.leases.renew([claim]) == {PART}
