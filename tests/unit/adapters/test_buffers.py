"""What was fetched from Kafka and is not yet stored leaves nothing out."""

from __future__ import annotations

from typing import Any

from confluent_kafka import KafkaError, Message

from gatewatch.adapters.kafka.buffers import Buffer, take, traced_record_of
from gatewatch.core.times import to_datetime
from gatewatch.ports import Claim

CLAIM = Claim("gatewatch.logins", 0, 1, "somebody", 10, 0, 1, 4)


def fetched(offset: int, partition: int = 0) -> Message:
    """A message as the client gives it."""
    return Message(
        topic="gatewatch.logins", partition=partition, offset=offset, key=b"k", value=b"v", timestamp=(1, 1)
    )


def offsets(buffer: Buffer) -> list[int]:
    """What is at hand."""
    return [record.offset for record in buffer.read(0, 100)]


def test_what_comes_in_order_is_not_doubted() -> None:
    """Each record follows on the last one, the first on what was claimed."""
    buffer = Buffer(CLAIM)
    for offset in (10, 11, 12):
        assert not buffer.holes.doubts(buffer.next_offset, offset)
        buffer.put(fetched(offset))
    assert (offsets(buffer), buffer.next_offset) == ([10, 11, 12], 13)


def test_what_skips_records_is_doubted_once() -> None:
    """It is fetched again; what is missing the second time as well is not there, and the next hole is doubted anew."""
    buffer = Buffer(CLAIM)
    buffer.put(fetched(10))
    assert buffer.holes.doubts(buffer.next_offset, 13)
    assert not buffer.holes.doubts(buffer.next_offset, 13)
    buffer.put(fetched(13))
    assert buffer.holes.doubts(buffer.next_offset, 15)
    assert not buffer.holes.doubts(buffer.next_offset, 14)


def test_messages_are_sorted_into_their_partitions() -> None:
    """What skipped records is named with where, and the rest of its partition left for the next time; errors come back
    with their partitions, and what belongs to nobody here is let go.
    """
    ours, other = Buffer(CLAIM), Buffer(CLAIM)
    failed = Message(topic="gatewatch.logins", partition=7, error=KafkaError(KafkaError.REQUEST_TIMED_OUT))
    skipped: dict[int, tuple[int, int]] = {}
    messages = [fetched(10), fetched(12), failed, fetched(10, 3), fetched(13), fetched(10, 5), fetched(11, 3)]
    errors = take(messages, {0: ours, 3: other}, skipped)
    assert (offsets(ours), offsets(other), skipped) == ([10], [10, 11], {0: (11, 12)})
    assert [(part, error.code()) for part, error in errors] == [(7, KafkaError.REQUEST_TIMED_OUT)]


def test_many_holes_are_doubted_together() -> None:
    """What lies behind a hole comes again with it: the holes in that were seen once, and those alone are believed."""
    buffer = Buffer(CLAIM)
    assert buffer.holes.doubts(buffer.next_offset, 11)
    for offset in (13, 15, 16):
        buffer.holes.pass_over(offset)
    for offset in (11, 13, 15, 16):
        assert not buffer.holes.doubts(buffer.next_offset, offset)
        buffer.put(fetched(offset))
    assert offsets(buffer) == [11, 13, 15, 16]
    assert buffer.holes.doubts(buffer.next_offset, 18)


def test_a_larger_hole_is_another_one() -> None:
    """Where more is missing the second time, that is not believed either."""
    buffer = Buffer(CLAIM)
    assert buffer.holes.doubts(buffer.next_offset, 12)
    assert buffer.holes.doubts(buffer.next_offset, 13)
    assert not buffer.holes.doubts(buffer.next_offset, 13)


def test_records_that_were_skipped_and_come_again_are_all_kept_once() -> None:
    """Fetched again, the partition is whole and in order, and what was at hand is there once."""
    buffer = Buffer(CLAIM)
    buffer.put(fetched(10))
    assert buffer.holes.doubts(buffer.next_offset, 13)
    for offset in (10, 11, 12, 13):
        assert not buffer.holes.doubts(buffer.next_offset, offset)
        buffer.put(fetched(offset))
    assert offsets(buffer) == [10, 11, 12, 13]


def test_a_hole_before_the_first_record_is_doubted_too() -> None:
    """Also what was stored ends somewhere: the next one must follow on that."""
    buffer = Buffer(CLAIM)
    assert buffer.holes.doubts(buffer.next_offset, 11)
    buffer.put(fetched(10))
    buffer.forget(11)
    assert buffer.holes.doubts(buffer.next_offset, 12)


def test_traces_are_read_where_they_are_asked_for() -> None:
    """A record has the trace of its message's header; one without, or with something that is none, has none."""
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    def message(offset: int, *headers: tuple[str, bytes | None]) -> Message:
        found = fetched(offset)
        found.set_headers([*headers])
        return found

    messages = [
        message(10, ("other", b"x"), ("traceparent", trace.encode())),
        message(11, ("traceparent", None)),
        message(12, ("traceparent", b"x" * 5_000)),
        message(13, ("traceparent", b"\xff")),
        fetched(14),
    ]
    asked, unasked = Buffer(CLAIM, traced_record_of), Buffer(CLAIM)
    for one in messages:
        asked.put(one)
        unasked.put(one)
    assert [record.trace for record in asked.read(0, 9)] == [trace, "", "", "\ufffd", ""]
    assert [record.trace for record in unasked.read(0, 9)] == [""] * 5


class Unreadable(Message):
    """A message with a header whose name is no UTF-8, which Python cannot write; so the library speaks of it."""

    def headers(self) -> Any:
        """Fail as it does."""
        raise SystemError("returned a result with an exception set")


def test_headers_that_cannot_be_read() -> None:
    """A record whose headers have names that are no text has no trace, and is read as any other."""
    buffer = Buffer(CLAIM, traced_record_of)
    buffer.put(Unreadable(topic="gatewatch.logins", partition=0, offset=10, value=b"v", timestamp=(1, 1)))
    assert [record.trace for record in buffer.read(0, 9)] == [""]


def test_the_time_of_a_record_can_be_told() -> None:
    """A producer's time that no calendar has, or none, is one that the database can be told all the same."""
    for said in (-1, 1 << 62):
        buffer = Buffer(CLAIM)
        buffer.put(Message(topic="gatewatch.logins", partition=0, offset=10, value=b"v", timestamp=(1, said)))
        assert buffer.oldest is not None
        assert to_datetime(buffer.oldest) >= to_datetime(0)
