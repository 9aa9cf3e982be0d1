"""Connecting: messages of vendors' topics become records on the log, at least once.

The group hears that a message is done once the log has all of it, never before. What comes again has the same ids: of
the vendor's own where a record has one, else of where it lies; so it is stored once.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from time import perf_counter

from gatewatch import metrics
from gatewatch.connecting_ports import Message, VendorTopics
from gatewatch.core import records
from gatewatch.core.records import EventRecord, RejectRecord
from gatewatch.ingest.contract import Arrival
from gatewatch.ingest.messages import Limits, place_of, read_message
from gatewatch.ingest.registry import ADAPTERS
from gatewatch.ingest.requests import Reading
from gatewatch.ports import Clock, LogWriter
from gatewatch.services.appending import append, dead_letter

#: Messages, and about how many bytes of them, that are taken at once.
MESSAGES = 500
TAKEN_BYTES = 4 << 20
#: Records, and about how many bytes, that are appended at once.
CHUNK = 1_000
CHUNK_BYTES = 4 << 20

Counted = Counter[tuple[str, metrics.Became]]


class Connecting:
    """Reads messages and appends what they hold, for one tenant. `sources` says what each topic's records are."""

    def __init__(
        self,
        topics: VendorTopics,
        sources: Mapping[str, str],
        log: LogWriter,
        clock: Clock,
        tenant: str,
        limits: Limits,
    ) -> None:
        self._topics, self._sources, self._log = topics, sources, log
        self._clock, self._tenant, self._limits = clock, tenant, limits
        self._taken: list[Message] = []

    def turn(self) -> int:
        """Take what is there, append it, and say that it is done; returns how many messages that were.

        Raises `Unavailable`; the next turn then begins with the same messages.
        """
        if not self._taken:
            self._taken = self._topics.take(MESSAGES, TAKEN_BYTES)
        counted = self._bring(self._taken)
        self._topics.done(self._taken)
        for (source, became), count in counted.items():
            metrics.INGESTED.add(source, became, by=count)
        n, self._taken = len(self._taken), []
        return n

    def _bring(self, messages: Sequence[Message]) -> Counted:
        """Append what the messages hold, in chunks."""
        counted, chunk = Counted(), _Chunk()
        for message in messages:
            source = self._sources[message.topic]
            found = self._read(message, source)
            _count(counted, source, found)
            brought: list[EventRecord | RejectRecord] = [*found.events, *(one for _, one in found.rejects)]
            for record in brought:
                if chunk.add(record):
                    self._append(chunk.taken())
        self._append(chunk.taken())
        return counted

    def _read(self, message: Message, source: str) -> Reading:
        arrival = Arrival(tenant_id=self._tenant, received=self._clock.now(), source=source)
        place = place_of(message.topic, message.partition, message.offset)
        return read_message(message.value, ADAPTERS[source], arrival, place, self._limits)

    def _append(self, found: Sequence[EventRecord | RejectRecord]) -> None:
        """Append records; one that the log refuses becomes a dead letter, and harms no other."""
        if found:
            began = perf_counter()
            append(self._log, [(record.key, records.encode(record)) for record in found], dead_letter)
            metrics.APPEND_SECONDS.observe(perf_counter() - began)


class _Chunk:
    """Records that wait to be appended together."""

    def __init__(self) -> None:
        self._records: list[EventRecord | RejectRecord] = []
        self._size = 0

    def add(self, record: EventRecord | RejectRecord) -> bool:
        """Take one; returns whether these are enough."""
        self._records.append(record)
        self._size += len(record.raw)
        return len(self._records) >= CHUNK or self._size >= CHUNK_BYTES

    def taken(self) -> list[EventRecord | RejectRecord]:
        """What was taken, to begin anew."""
        found, self._records, self._size = self._records, [], 0
        return found


def _count(counted: Counted, source: str, found: Reading) -> None:
    counted[source, "accepted"] += len(found.events)
    counted[source, "duplicate"] += found.duplicates
    counted[source, "ignored"] += found.ignored
    counted[source, "rejected"] += len(found.rejects)
