"""A detector's member of the consumer group: which partitions it should have, and their records.

The group says who *should* process a partition, the lease in PostgreSQL says who *does*: a partition that was assigned
is claimed like any other, and whoever had it fences itself out or gives it back with its next beat. So a rebalance asks
for nothing but patience: what is in flight when it comes is stored, and then the partition goes.
"""

from collections.abc import Collection, Iterable
from contextlib import suppress
from threading import Lock

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from gatewatch import logs, metrics
from gatewatch.adapters.kafka.buffers import Buffer, record_of, take, traced_record_of
from gatewatch.adapters.kafka.connection import DENIED, QUEUE_BACKOFF, Config, Outage, close_in_time
from gatewatch.adapters.kafka.topics import Looks, Topics, found_topic
from gatewatch.log_ports import FoundTopic, Head, LogBook, Membership, WrongLog
from gatewatch.ports import Claim, LogRecord, Unavailable

#: The group in which detectors share the log's partitions.
GROUP = "gatewatch-detectors"
#: The most messages taken from the client at once.
AT_ONCE = 20_000
#: Bytes of a process's partitions from which on the fuller ones are paused.
MOST_BYTES = 64 << 20
#: How long after its lease a silent member is taken for dead by the group, in seconds: by then it can be claimed.
AFTER_LEASE = 1.0


def member(group: str, ahead: int, timeout: float) -> Config:
    """What a detector's consumer is made with; `ahead` in records, `timeout` in seconds."""
    return {
        "group.id": group,
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": max(6_000, round((timeout + AFTER_LEASE) * 1_000)),
        "heartbeat.interval.ms": 1_000,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",  # a position that the log no longer has is a loss, and told
        "isolation.level": "read_committed",
        "queued.min.messages": ahead,
        "queued.max.messages.kbytes": MOST_BYTES >> 11,
        "fetch.wait.max.ms": 100,
        "fetch.queue.backoff.ms": QUEUE_BACKOFF,
    }


class KafkaGroup:
    """One member (see `log_ports.Membership` and `log_ports.LogSource`).

    Everything but `read` is called by one thread: rebalances happen within these calls. `ahead` is how many records of
    a partition are kept at hand; `timeout` that of the leases, in seconds; `traced`: traces are read, too.
    """

    def __init__(
        self,
        config: Config,
        group: str,
        topic: str,
        topics: Topics,
        leases: Membership,
        book: LogBook,
        *,
        ahead: int,
        timeout: float,
        traced: bool = False,
    ) -> None:
        self._topic, self._topics, self._leases, self._book = topic, topics, leases, book
        self._ahead = ahead
        self._read_message = traced_record_of if traced else record_of
        self._outage = Outage(f"reading {topic}")
        self._assigned: set[int] = set()  # by the group
        self._fetched: set[int] = set()  # those of them that the client fetches
        self._buffers: dict[int, Buffer] = {}
        self._lock = Lock()
        self._uncommitted: dict[int, int] = {}
        self._asked: dict[int, tuple[int, int]] | None = None
        self._looks = Looks(topics, topic)
        self._sure = self._answered = self._denied = False
        self._log = logs.get()
        self._consumer = Consumer(config | member(group, ahead, timeout) | {"error_cb": self._outage})
        self._consumer.subscribe([topic], on_assign=self._given, on_revoke=self._taken, on_lost=self._taken)

    # Rebalances, within a call of the client ------------------------------------------------------------------------

    def _given(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        """What is assigned is not fetched until it is claimed: where to begin is in the database."""
        consumer.incremental_assign([])
        self._denied = False
        self._assigned |= {place.partition for place in places}
        if places:
            self._log.info("partitions assigned", parts=sorted(place.partition for place in places))

    def _taken(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        consumer.incremental_unassign([place for place in places if place.partition in self._fetched])
        for place in places:
            self._assigned.discard(place.partition)
            self._fetched.discard(place.partition)
            self._drop(place.partition)
        self._log.info("partitions revoked", parts=sorted(place.partition for place in places))

    def _at(self, part: int, offset: int) -> TopicPartition:
        return TopicPartition(self._topic, part, offset)

    def _drop(self, part: int) -> None:
        with self._lock:
            self._buffers.pop(part, None)
        self._uncommitted.pop(part, None)

    # Membership -----------------------------------------------------------------------------------------------------

    def beat(self) -> None:
        """Poll, so that the group knows us; tell broker and database how far we are; see whether the topic grew."""
        self._poll()
        self._asked = None
        self._commit()
        self._leases.beat()
        self._book.tell({part: head for part in self._buffers if (head := self._head(part)) is not None})
        self._look_at_topic()

    def _commit(self) -> None:
        """The broker's own offsets, for lag tools: nobody begins there."""
        if self._uncommitted:
            offsets = [self._at(part, offset) for part, offset in self._uncommitted.items()]
            self._uncommitted = {}
            with suppress(KafkaException):
                self._consumer.commit(offsets=offsets, asynchronous=True)

    def _head(self, part: int) -> Head | None:
        """How a partition ends as far as was fetched; None where that is not known yet."""
        buffer = self._buffers[part]
        _, end = self._consumer.get_watermark_offsets(self._at(part, 0), cached=True)
        if end < 0:
            return None
        if end <= buffer.stored:
            return Head(end, None)
        return Head(end, buffer.oldest) if buffer.oldest is not None else None

    def _look_at_topic(self) -> None:
        """See that it is the topic that the database knows, and tell that how many partitions it has."""
        if (answer := self._looks.answer()) is not None:
            self._answered = False
            try:
                found = found_topic(answer)
            except KafkaException as error:
                self._outage(error.args[0])
                return
            if found is not None:
                self._answered = True
                self._check(found)

    def _check(self, found: FoundTopic) -> None:
        if found.id != (known := self._book.id()):
            raise WrongLog(
                f"topic {found.name} is not the one whose records the database holds ({found.id}, not {known}):"
                " it was deleted and made anew, or lies on another cluster"
            )
        self._sure = True
        self._book.grown(found.partitions)

    def leave(self) -> None:
        """Leave the group, so that others are given what we had."""
        self._commit()
        close_in_time(self._consumer.close)
        self._leases.leave()

    def share(self) -> int:
        """As many as the group assigned. Raises `WrongLog`."""
        self._leases.share()
        return len(self._assigned)

    def free(self) -> list[int]:
        """The assigned partitions, once the topic is known to be ours; which can be claimed, the lease decides."""
        return sorted(self._assigned) if self._sure else []

    def renew(self, claims: Iterable[Claim]) -> set[int]:
        """Extend the leases of what is assigned and at hand; what is not any more is given back."""
        held = list(claims)
        ours = {part for part in self._leases.renew(held) if part in self._buffers}
        self._leases.release([claim for claim in held if claim.part not in ours])
        return ours

    def claim(self, part: int) -> Claim | None:
        """Take a partition that is assigned, and have it fetched from where the database says.

        Raises `WrongLog` where the log ends before that.
        """
        place = self._places().get(part)
        claim = self._leases.claim(part) if place is not None else None
        return self._begin(claim, *place) if claim is not None and place is not None else None

    def _places(self) -> dict[int, tuple[int, int]]:
        """Where assigned partitions begin and end, asked for once between two beats; none while brokers are away."""
        if self._asked is None:
            try:
                self._asked = self._topics.places(self._topic, self._assigned)
                if missing := self._assigned - self._asked.keys():
                    self._log.warning("partitions cannot be claimed yet", parts=sorted(missing))
            except Unavailable as error:
                self._log.warning("partitions cannot be claimed yet", reason=str(error))
                self._asked = {}
        return {part: place for part, place in self._asked.items() if part in self._assigned}

    def _begin(self, claim: Claim, begin: int, end: int) -> Claim:
        if claim.next_offset > end:  # whoever had it may have gone on since the end was asked for
            begin, end = self._topics.places(self._topic, [claim.part])[claim.part]
        if claim.next_offset > end:
            raise WrongLog(
                f"partition {claim.part} of {claim.topic} ends at {end}, before {claim.next_offset},"
                " up to where it was processed: records were lost that had been acknowledged"
            )
        if claim.next_offset < begin:
            metrics.GAPS.add()
            gap = (claim.next_offset, begin)
            self._log.error("a range of the log was lost", part=claim.part, gap=gap)
            claim = self._book.skip(claim, begin)
        with self._lock:
            self._buffers[claim.part] = Buffer(claim, self._read_message)
        self._fetch(claim.part, claim.next_offset)
        return claim

    def release(self, claims: Iterable[Claim]) -> None:
        """Give partitions back; while the group leaves them with us nobody processes them."""
        held = list(claims)
        for claim in held:
            if claim.part in self._buffers:
                self._drop(claim.part)
                self._consumer.pause([self._at(claim.part, 0)])
        self._leases.release(held)

    # Records --------------------------------------------------------------------------------------------------------

    def backlog(self, claims: Collection[Claim]) -> set[int]:
        """Take what was fetched; the partitions that have something to read."""
        self._poll()
        found = ((claim, self._buffers.get(claim.part)) for claim in claims)
        return {claim.part for claim, one in found if one is not None and one.reaches(claim.next_offset)}

    def read(self, claim: Claim, limit: int) -> list[LogRecord]:
        """The next records at hand; none of a partition that was revoked, which the next beat gives back."""
        with self._lock:
            buffer = self._buffers.get(claim.part)
            if buffer is None or buffer.epoch != claim.epoch:
                return []
            return buffer.read(claim.next_offset, limit)

    def done(self, claim: Claim) -> None:
        """Forget what is stored; there is room for more, and what is fetched by the next turn fills its batch."""
        with self._lock:
            buffer = self._buffers.get(claim.part)
            if buffer is not None and buffer.epoch == claim.epoch:
                buffer.forget(claim.next_offset)
                self._uncommitted[claim.part] = claim.next_offset
        self._poll()

    def reached(self) -> bool:
        """Whether the brokers have the topic, and let us read it."""
        return self._answered and not self._denied

    def _poll(self) -> None:
        """Take what was fetched, and let the group do its work."""
        skipped: dict[int, tuple[int, int]] = {}
        try:
            messages = self._consumer.consume(AT_ONCE, 0)
            errors = take(messages, self._buffers, skipped)
            if len(errors) < len(messages):
                self._outage.over()
                self._denied = False
            for part, error in errors:
                self._failed(part, error)
            for part in skipped.keys() & self._buffers.keys():
                self._log.debug(
                    "offsets are missing; they are fetched again", part=part, skipped=skipped[part]
                )
                self._fetch(part, self._buffers[part].next_offset)
        except KafkaException as failed:
            raise Unavailable(f"Kafka: {failed.args[0].str()}") from failed
        self._weigh()

    def _fetch(self, part: int, offset: int) -> None:
        """Have the client fetch a partition from an offset on, whatever it was about to do."""
        place = self._at(part, offset)
        if part in self._fetched:
            self._consumer.incremental_unassign([place])
        self._consumer.incremental_assign([place])
        self._consumer.resume([place])
        self._fetched.add(part)
        self._buffers[part].paused = False

    def _failed(self, part: int | None, error: KafkaError) -> None:
        """At a position that the log no longer has, the next claim finds out what was lost; else the client goes on."""
        if error.code() == KafkaError._AUTO_OFFSET_RESET and part is not None:  # noqa: SLF001 - the library's own name
            self._drop(part)
        else:
            self._denied = self._denied or error.code() in DENIED
            self._outage(error)

    def _weigh(self) -> None:
        """Pause partitions that have enough at hand, and resume those that can take more; polling goes on."""
        most = max(1 << 20, MOST_BYTES // max(1, len(self._buffers)))
        for part, buffer in self._buffers.items():
            full = len(buffer) >= 2 * self._ahead or buffer.size >= most
            if full and not buffer.paused:
                self._consumer.pause([self._at(part, 0)])
                buffer.paused = True
            elif buffer.paused and len(buffer) < self._ahead and buffer.size < most // 2:
                self._consumer.resume([self._at(part, 0)])
                buffer.paused = False
