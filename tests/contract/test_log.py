"""What every log promises: the one in memory, the one in PostgreSQL, and Kafka."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from threading import Event
from time import monotonic

import msgspec
import pytest

from gatewatch.core.partitioning import partition_of
from gatewatch.ports import Claim, Fenced, LogRecord
from tests.contract.logs import PARTITIONS, AnyLog, Embedded, InMemory, Kafka, Member

#: How long a group may take to agree (s).
PATIENCE = 60.0


@pytest.fixture(params=["memory", "embedded", "kafka"])
def log(request: pytest.FixtureRequest) -> Iterator[AnyLog]:
    """Each of the logs, empty."""
    made: AnyLog
    match request.param:
        case "memory":
            made = InMemory()
        case "embedded":
            made = Embedded(request.getfixturevalue("database"))
        case _:
            made = Kafka(request.getfixturevalue("kafka"), request.getfixturevalue("database"))
    with contextlib.closing(made):
        yield made


@pytest.fixture
def members(log: AnyLog) -> Iterator[Callable[[], Owner]]:
    """Makes members; they leave afterwards."""
    made: list[Owner] = []

    def another() -> Owner:
        made.append(Owner(log.member()))
        return made[-1]

    yield another
    for owner in made:
        owner.leave()


class Owner:
    """A member that behaves as a detector does."""

    def __init__(self, member: Member) -> None:
        self.member = member
        self.claims: dict[int, Claim] = {}
        self._there = True

    def turn(self) -> None:
        """Beat, drop what is lost, give back what is more than our share, take what is free."""
        self.member.beat()
        kept = self.member.renew(self.claims.values()) if self.claims else set()
        self.claims = {part: claim for part, claim in self.claims.items() if part in kept}
        share = self.member.share()
        surplus = [self.claims.pop(part) for part in sorted(self.claims)[share:]]
        self.member.release(surplus)
        for part in [part for part in self.member.free() if part not in self.claims]:
            if len(self.claims) < share and (claim := self.member.claim(part)) is not None:
                self.claims[part] = claim

    def leave(self) -> None:
        """Give everything back and go."""
        if self._there:
            self._there = False
            self.member.release(self.claims.values())
            self.member.leave()

    def records(self, part: int, n: int) -> list[LogRecord]:
        """The next `n` records of a partition, as soon as all are at hand."""
        claim = self.claims[part]
        until(lambda: self.member.backlog([claim]) == {part} and len(self.member.read(claim, n)) == n)
        return self.member.read(claim, n)


def until(condition: Callable[[], bool]) -> None:
    """Wait until something is true."""
    deadline, tick = monotonic() + PATIENCE, Event()
    while not condition():
        assert monotonic() < deadline, "it did not come true"
        tick.wait(0.02)


def settle(*owners: Owner, counts: tuple[int, ...]) -> None:
    """Turn the owners until each owns so many partitions."""

    def settled() -> bool:
        for owner in owners:
            owner.turn()
        return tuple(len(owner.claims) for owner in owners) == counts

    until(settled)


def test_records_of_a_key_keep_their_order(log: AnyLog, members: Callable[[], Owner]) -> None:
    """Every record lies on the partition of its key, as Java's clients would put it, in the order it was sent."""
    sent = [(f"acme:user-{i % 60}-é", b"%d" % i) for i in range(600)]
    log.writer.append(sent[:400])
    log.writer.append(sent[400:])
    owner = members()
    settle(owner, counts=(PARTITIONS,))
    for part in range(PARTITIONS):
        here = [record for record in sent if partition_of(record[0], PARTITIONS) == part]
        found = owner.records(part, len(here))
        assert [(record.key, record.value) for record in found] == here
        assert [record.offset for record in found] == list(range(len(here)))


def test_an_empty_append_is_nothing(log: AnyLog) -> None:
    """To append nothing succeeds at once."""
    log.writer.append([])


def test_reading_again_gives_the_same(log: AnyLog, members: Callable[[], Owner]) -> None:
    """What is not stored is read again from the claim's offset, however far was read ahead; what is stored goes."""
    log.writer.append([("acme:alice", b"%d" % i) for i in range(20)])
    part, owner = partition_of("acme:alice", PARTITIONS), members()
    settle(owner, counts=(PARTITIONS,))
    assert [record.offset for record in owner.records(part, 20)] == list(range(20))
    claim = owner.claims[part]
    ahead = _at(claim, 5)
    assert [record.offset for record in owner.member.read(ahead, 3)] == [5, 6, 7]
    assert [record.offset for record in owner.member.read(claim, 4)] == [0, 1, 2, 3]
    claim = owner.claims[part] = log.advance(claim, 4)
    owner.member.done(claim)
    assert [record.offset for record in owner.member.read(claim, 100)] == list(range(4, 20))
    log.writer.append([("acme:alice", b"more")])
    assert [record.value for record in owner.records(part, 17)][-1] == b"more"


def test_what_came_meanwhile_is_taken_in(log: AnyLog, members: Callable[[], Owner]) -> None:
    """Whoever stores one batch after the other finds what has come since, without asking what there is."""
    log.writer.append([("acme:alice", b"1")])
    part, owner = partition_of("acme:alice", PARTITIONS), members()
    settle(owner, counts=(PARTITIONS,))
    owner.records(part, 1)
    claim = owner.claims[part] = log.advance(owner.claims[part], 1)
    log.writer.append([("acme:alice", b"2")])

    def found() -> list[bytes]:
        owner.member.done(claim)
        return [record.value for record in owner.member.read(claim, 10)]

    until(lambda: found() == [b"2"])


def test_nothing_to_read_is_no_backlog(log: AnyLog, members: Callable[[], Owner]) -> None:
    """A partition that was read to its end is not named."""
    log.writer.append([("acme:alice", b"1")])
    part, owner = partition_of("acme:alice", PARTITIONS), members()
    settle(owner, counts=(PARTITIONS,))
    owner.records(part, 1)
    assert owner.member.backlog(owner.claims.values()) == {part}
    assert owner.member.backlog([_at(owner.claims[part], 1)]) == set()


def test_the_next_owner_goes_on_and_fences_the_last(log: AnyLog, members: Callable[[], Owner]) -> None:
    """Who takes over begins where the last batch was stored, under a new epoch; the last owner can store nothing."""
    log.writer.append([("acme:alice", b"%d" % i) for i in range(10)])
    part, first = partition_of("acme:alice", PARTITIONS), members()
    settle(first, counts=(PARTITIONS,))
    old = log.advance(first.claims[part], 6)
    first.leave()
    second = members()
    settle(second, counts=(PARTITIONS,))
    claim = second.claims[part]
    assert (claim.next_offset, claim.epoch) == (6, old.epoch + 1)
    assert [record.offset for record in second.records(part, 4)] == [6, 7, 8, 9]
    with pytest.raises(Fenced):
        log.advance(old, 8)
    log.advance(claim, 8)


def test_members_share_the_partitions(members: Callable[[], Owner]) -> None:
    """A second member is given half; no partition is held twice, and after one left the other has all."""
    first = members()
    settle(first, counts=(PARTITIONS,))
    second = members()
    settle(first, second, counts=(2, 2))
    assert not first.claims.keys() & second.claims.keys()
    first.leave()
    settle(second, counts=(PARTITIONS,))


def test_a_growth_ends_every_claim(log: AnyLog, members: Callable[[], Owner]) -> None:
    """More partitions: every claim ends, and the next ones know the new number and generation."""
    owner = members()
    settle(owner, counts=(PARTITIONS,))
    before = dict(owner.claims)
    log.grow(6)
    settle(owner, counts=(6,))
    assert {(claim.partitions, claim.generation) for claim in owner.claims.values()} == {(6, 2)}
    with pytest.raises(Fenced):
        log.advance(before[0], 0)
    keys = [f"acme:user{i}" for i in range(40)]
    log.writer.append([(key, b"after") for key in keys])
    for part in range(6):
        here = [key for key in keys if partition_of(key, 6) == part]
        assert [record.key for record in owner.records(part, len(here))] == here


def test_behind_a_lost_range_it_goes_on(log: AnyLog, members: Callable[[], Owner]) -> None:
    """What the log lost before it was read does not stop its partition."""
    log.writer.append([("acme:alice", b"%d" % i) for i in range(10)])
    part = partition_of("acme:alice", PARTITIONS)
    log.lose(part, 7)
    owner = members()
    settle(owner, counts=(PARTITIONS,))
    assert [record.offset for record in owner.records(part, 3)] == [7, 8, 9]


def _at(claim: Claim, offset: int) -> Claim:
    return msgspec.structs.replace(claim, next_offset=offset)
