"""Records of one partition between the broker and their batch."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

from confluent_kafka import KafkaError, Message

from gatewatch.adapters.kafka.holes import Holes
from gatewatch.core.times import MAX_TIME
from gatewatch.ports import Claim, LogRecord

#: What is looked at of a key, in characters: only a foreign producer's is longer, or no text.
MAX_KEY = 512
#: The header that carries a trace (W3C Trace Context).
TRACE = "traceparent"
_offset = attrgetter("offset")


class Buffer:
    """What was fetched for a claim and is not yet stored, in the order of offsets."""

    def __init__(self, claim: Claim, read: Callable[[Message], LogRecord] | None = None) -> None:
        self._read_message = read or record_of
        self.epoch = claim.epoch
        self.stored = claim.next_offset
        self.paused = False
        self.size = 0
        self.holes = Holes(claim.next_offset)
        self._records: list[LogRecord] = []
        self._times: list[int] = []

    def __len__(self) -> int:
        return len(self._records)

    @property
    def next_offset(self) -> int:
        """What should be fetched next."""
        return self._records[-1].offset + 1 if self._records else self.stored

    def put(self, message: Message) -> None:
        """Take what was fetched; what is at hand or stored already is of no use."""
        record = self._read_message(message)
        if record.offset >= self.next_offset:
            self._records.append(record)
            self._times.append(min(max(0, message.timestamp()[1]) * 1_000, MAX_TIME))
            self.size += len(record.value)

    def read(self, offset: int, limit: int) -> list[LogRecord]:
        """The next records from an offset on."""
        start = bisect_left(self._records, offset, key=_offset)
        return self._records[start : start + limit]

    def reaches(self, offset: int) -> bool:
        """Whether there is anything from an offset on."""
        return bool(self._records) and self._records[-1].offset >= offset

    def forget(self, offset: int) -> None:
        """Everything before an offset is stored."""
        self.stored = offset
        n = bisect_left(self._records, offset, key=_offset)
        self.size -= sum(len(record.value) for record in self._records[:n])
        del self._records[:n], self._times[:n]
        self.holes.forget(offset)

    @property
    def oldest(self) -> int | None:
        """When the oldest record that is not stored came (µs), None without any."""
        return self._times[0] if self._times else None


def take(
    messages: Sequence[Message], buffers: dict[int, Buffer], skipped: dict[int, tuple[int, int]]
) -> list[tuple[int | None, KafkaError]]:
    """Keep the records of the partitions that have a buffer; returns the errors among the messages, with the partition
    of each. One that skipped some is put into `skipped`, with from where to where, and the rest of it dropped.
    """
    errors: list[tuple[int | None, KafkaError]] = []
    for message in messages:
        part, offset, error = message.partition(), message.offset(), message.error()
        if error is not None:
            errors.append((part, error))
            continue
        buffer = buffers.get(part) if part is not None else None
        if buffer is None or part is None or offset is None:
            continue
        if part in skipped:
            buffer.holes.pass_over(offset)
        elif buffer.holes.doubts(buffer.next_offset, offset):
            skipped[part] = (buffer.next_offset, offset)
        else:
            buffer.put(message)
    return errors


def record_of(message: Message) -> LogRecord:
    """A message as the log's reader gives it; anybody may have written it, so its key is made a text."""
    offset, key, value = message.offset(), message.key(), message.value()
    assert offset is not None  # of a message without an error
    text = (key or b"").decode("utf-8", "replace").replace("\0", "\ufffd")[:MAX_KEY]
    return LogRecord(offset, text, value or b"")


def traced_record_of(message: Message) -> LogRecord:
    """As `record_of`, with the trace that the message carries."""
    record = record_of(message)
    try:
        headers: Any = message.headers()  # pairs, whatever the library's types say
    except SystemError:  # so the library says that a name is no UTF-8
        return record
    for name, value in headers or ():
        if name == TRACE and isinstance(value, bytes) and len(value) <= MAX_KEY:
            return record._replace(trace=value.decode("ascii", "replace"))
    return record
