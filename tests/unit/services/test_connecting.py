"""Bringing vendors' topics to the log: done once the log has it, never before."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from gatewatch import metrics
from gatewatch.connecting_ports import Message
from gatewatch.core import records
from gatewatch.core.records import EventRecord, RejectRecord
from gatewatch.ingest.messages import Limits
from gatewatch.ports import BadData, Unavailable
from gatewatch.services.connecting import CHUNK, Connecting
from tests.ingesting import NOW

LIMITS = Limits(1 << 20, 1 << 20, 10_000, 64)
SOURCES = {"plain": "native", "sso": "keycloak"}


class Topics:
    """A vendor's topics in memory: what is not done is given again."""

    def __init__(self, *messages: Message) -> None:
        self.waiting, self.finished = [*messages], list[Message]()
        self.takes = 0

    def take(self, limit: int, size: int) -> list[Message]:
        """What is not done."""
        del size
        self.takes += 1
        return self.waiting[:limit]

    def done(self, messages: Sequence[Message]) -> None:
        """These are."""
        self.finished += messages
        self.waiting = [message for message in self.waiting if message not in messages]

    def keep(self) -> None:
        """Nobody asks."""

    def lag(self) -> dict[tuple[str, int], int]:
        """What is left."""
        return {("plain", 0): len(self.waiting)}

    def close(self) -> None:
        """Nothing is open."""


class Log:
    """A log in memory that may be away, or refuse what holds a word."""

    def __init__(self, *, away: int = 0, refused: bytes = b"") -> None:
        self.away, self.refused = away, refused
        self.appended: list[tuple[str, bytes]] = []
        self.sizes: list[int] = []

    def append(self, found: Sequence[tuple[str, bytes]]) -> None:
        """See `ports.LogWriter`."""
        if self.away:
            self.away -= 1
            raise Unavailable("away")
        if self.refused and any(self.refused in value and b"reject" not in value for _, value in found):
            raise BadData("refused")
        self.appended += found
        self.sizes.append(len(found))

    @property
    def records(self) -> list[EventRecord | RejectRecord]:
        """What lies on it."""
        decoded = [records.decode(value) for _, value in self.appended]
        return [one for one in decoded if isinstance(one, EventRecord | RejectRecord)]


class Clock:
    """A clock that stands still."""

    def now(self) -> int:
        """The time of the tests."""
        return NOW


def native(offset: int, user: str = "alice", topic: str = "plain") -> Message:
    """A message that holds one native event."""
    event = {"time": "2026-11-22T10:00:00Z", "outcome": "success", "user": user, "event_id": f"e-{offset}"}
    return Message(topic, 0, offset, json.dumps(event).encode())


def connecting(topics: Topics, log: Log) -> Connecting:
    """A connector for the tenant `acme`."""
    return Connecting(topics, SOURCES, log, Clock(), "acme", LIMITS)


def test_each_topic_has_its_source() -> None:
    """A message is read as what its topic holds, and its events are the tenant's."""
    login = {"id": "1", "time": NOW // 1000, "type": "LOGIN", "details": {"username": "bob"}}
    topics = Topics(native(0), Message("sso", 4, 9, json.dumps(login).encode()))
    log = Log()
    assert connecting(topics, log).turn() == 2
    found = [record for record in log.records if isinstance(record, EventRecord)]
    assert [(r.event.source, r.event.event_id, r.tenant_id) for r in found] == [
        ("native", "e-0", "acme"),
        ("keycloak", "keycloak-1", "acme"),
    ]
    assert [key for key, _ in log.appended] == ["acme:alice", "acme:bob"]


def test_nothing_is_done_before_the_log_has_it() -> None:
    """While the log is away nothing is done and nothing new is taken; then the same messages are brought."""
    topics, log = Topics(native(0), native(1)), Log(away=2)
    work = connecting(topics, log)
    for _ in range(2):
        with pytest.raises(Unavailable):
            work.turn()
        assert topics.finished == []
    assert work.turn() == 2
    assert topics.takes == 1
    assert len(log.records) == len(topics.finished) == 2


def test_what_cannot_be_read_becomes_a_dead_letter() -> None:
    """A message that cannot be read is a record for the dead letters, and it is done as well."""
    topics, log = Topics(native(0), Message("plain", 0, 1, b"{no json"), native(2)), Log()
    connecting(topics, log).turn()
    kinds = [type(record) for record in log.records]
    assert kinds == [EventRecord, RejectRecord, EventRecord]
    (letter,) = [record for record in log.records if isinstance(record, RejectRecord)]
    assert (letter.reason, letter.raw, letter.tenant_id) == ("bad_json", b"{no json", "acme")
    assert len(topics.finished) == 3


def test_what_the_log_refuses_harms_no_other() -> None:
    """An event that the log refuses becomes a dead letter; those around it are appended."""
    topics = Topics(*(native(n, "mallory" if n == 37 else "alice") for n in range(60)))
    log = Log(refused=b"mallory")
    connecting(topics, log).turn()
    letters = [record for record in log.records if isinstance(record, RejectRecord)]
    assert [(letter.id, letter.reason) for letter in letters] == [("refused-e-37", "refused")]
    assert len(log.records) == 60
    assert len(topics.finished) == 60


def test_appends_are_bounded() -> None:
    """A message that holds thousands of events is appended in several parts, and done when all are there."""
    event = json.loads(native(0).value)
    many = [event | {"event_id": str(n)} for n in range(2 * CHUNK + 5)]
    topics, log = Topics(Message("plain", 0, 0, json.dumps(many).encode())), Log()
    connecting(topics, log).turn()
    assert log.sizes == [CHUNK, CHUNK, 5]
    assert topics.finished


def test_records_are_counted_once() -> None:
    """What became of records is counted by their source, once, however often the log was away."""

    def counted() -> float:
        series = metrics.INGESTED.collector.labels("native", "accepted")
        return float(series._value.get())  # noqa: SLF001 - the library offers no other way

    before = counted()
    work = connecting(Topics(native(0), native(1)), Log(away=1))
    with pytest.raises(Unavailable):
        work.turn()
    assert counted() == before
    work.turn()
    assert counted() == before + 2


def test_nothing_to_do() -> None:
    """Without messages nothing is appended."""
    log = Log()
    assert connecting(Topics(), log).turn() == 0
    assert log.sizes == []
