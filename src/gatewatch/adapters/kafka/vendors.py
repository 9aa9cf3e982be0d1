"""A connector's member of a consumer group on a vendor's brokers (see `connecting_ports.VendorTopics`).

Unlike with our own log, the group's offsets count: there is nothing else that both a vendor's brokers and we know.
They are stored in the client once the log has a message, which commits them every second, on a rebalance, and at the
end; what was appended after the last commit of a process that was killed comes again.
"""

from collections.abc import Collection, Sequence
from contextlib import suppress
from time import monotonic, time
from typing import Literal

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as Fetched

from gatewatch import logs, metrics
from gatewatch.adapters.kafka.connection import DENIED, QUEUE_BACKOFF, Config, Outage, close_in_time
from gatewatch.adapters.kafka.holes import Holes
from gatewatch.adapters.kafka.topics import Topics
from gatewatch.connecting_ports import Message
from gatewatch.ports import Unavailable

#: How long a call waits for a message, and for the brokers to answer a question, in seconds.
WAIT = 0.5
PATIENCE = 5.0
#: How long what was taken may wait for the log until the group gives the partitions to others, in milliseconds; `keep`
#: is called meanwhile, so that this is for a process that hangs.
HANGING = 120_000
#: After how long a silent member is taken for dead by the group, in milliseconds.
SILENT = 10_000
#: KiB that are fetched ahead.
AHEAD_KIB = 16 << 10
#: How often clients look for new partitions, in milliseconds.
METADATA_AGE = 60_000

Place = tuple[str, int]


class VendorGroup:
    """One member; `begin` is where a partition is read from that the group has never read: at its first message, or at
    the first that came after this member was made (a partition that is added later is thus read whole).
    """

    def __init__(
        self, config: Config, group: str, topics: Collection[str], begin: Literal["earliest", "latest"]
    ) -> None:
        self._topics = list(topics)
        self._since = round(time() * 1_000) if begin == "latest" else None
        self._outage = Outage("reading vendors' topics")
        self._failing = False
        self._denied = ""
        self._next_look = 0.0
        self._waiting = False
        self._kept: list[Message] = []
        self._unplaced: set[Place] = set()
        self._next: dict[Place, int] = {}
        self._holes: dict[Place, Holes] = {}
        self._again: set[Place] = set()
        self._log = logs.get()
        self._brokers = Topics(config, PATIENCE)
        self._consumer = Consumer(config | self._own_config(group))
        self._consumer.subscribe(
            self._topics, on_assign=self._given, on_revoke=self._gone, on_lost=self._gone
        )

    def _own_config(self, group: str) -> Config:
        return {
            "group.id": group,
            "partition.assignment.strategy": "cooperative-sticky",
            "enable.auto.commit": True,
            "auto.commit.interval.ms": 1_000,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",  # where to begin is decided by `_place`, and told
            "isolation.level": "read_committed",
            "max.poll.interval.ms": HANGING,
            "session.timeout.ms": SILENT,
            "queued.max.messages.kbytes": AHEAD_KIB,
            "fetch.queue.backoff.ms": QUEUE_BACKOFF,
            "fetch.wait.max.ms": 200,
            "topic.metadata.refresh.interval.ms": METADATA_AGE,
            "error_cb": self._failed,
        }

    # Called by the client, within a call of ours ----------------------------------------------------------------------

    def _given(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        self._denied = ""
        consumer.incremental_assign(places)
        if self._waiting:
            consumer.pause(places)
        if places:
            self._log.info("vendor partitions assigned", parts=_shown(places))

    def _gone(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        del consumer  # takes them back itself, and commits what is done
        for place in places:
            gone = (place.topic, place.partition)
            self._next.pop(gone, None)
            self._holes.pop(gone, None)
            self._unplaced.discard(gone)
            self._again.discard(gone)
        self._log.info("vendor partitions revoked", parts=_shown(places))

    def _failed(self, error: KafkaError) -> None:
        self._failing = True
        self._outage(error)

    # Messages ---------------------------------------------------------------------------------------------------------

    def take(self, limit: int, size: int) -> list[Message]:
        """The next messages (see `VendorTopics`)."""
        if self._waiting:
            self._waiting = False
            self._consumer.resume(self._consumer.assignment())
        found, self._kept = self._kept, []
        taken = 0
        for _ in range(limit - len(found)):
            if taken >= size or (fetched := self._consumer.poll(0 if found or self._again else WAIT)) is None:
                break
            if (message := self._heeded(fetched)) is not None:
                found.append(message)
                taken += len(message.value)
        self._fetch_again()
        self._place()
        if not found:
            self._look()
        return found

    def _heeded(self, fetched: Fetched) -> Message | None:
        """The message; of an error, what follows from it."""
        topic, part, error = fetched.topic() or "", fetched.partition(), fetched.error()
        if error is None:
            self._denied = ""
            offset = fetched.offset()
            assert part is not None
            assert offset is not None  # of a message without an error
            follows = self._follows((topic, part), offset)
            return Message(topic, part, offset, fetched.value() or b"") if follows else None
        if error.code() == KafkaError._AUTO_OFFSET_RESET and part is not None:  # noqa: SLF001 - the library's own name
            self._unplaced.add((topic, part))
            return None
        if error.code() in DENIED:
            self._denied = error.str()
        self._failed(error)
        return None

    def _follows(self, place: Place, offset: int) -> bool:
        """Whether nothing is left out before a message; else its partition is fetched again (see `Holes`). The first
        message of an assignment is believed.
        """
        if (holes := self._holes.get(place)) is None:
            holes = self._holes[place] = Holes(offset)
        if place in self._again:
            holes.pass_over(offset)
            return False
        skipped = (self._next.get(place, offset), offset)
        if holes.doubts(*skipped):
            self._log.debug("offsets are missing; they are fetched again", part=_name(place), skipped=skipped)
            self._again.add(place)
            return False
        self._next[place] = offset + 1
        holes.forget(offset)
        return True

    def _fetch_again(self) -> None:
        places = [TopicPartition(*place, self._next[place]) for place in sorted(self._again)]
        if not places:
            return
        try:
            self._consumer.incremental_unassign(places)
            self._consumer.incremental_assign(places)
        except KafkaException as error:
            self._failed(error.args[0])
        else:
            self._again.clear()

    def keep(self) -> None:
        """Poll, so that the group knows us; partitions are paused."""
        if not self._waiting:
            self._waiting = True
            self._consumer.pause(self._consumer.assignment())
        fetched = self._consumer.poll(0)
        if fetched is not None and (message := self._heeded(fetched)) is not None:
            self._kept.append(message)  # it was on its way already

    def done(self, messages: Sequence[Message]) -> None:
        """Store where to go on from."""
        ends = {(message.topic, message.partition): message.offset + 1 for message in messages}
        for (topic, part), offset in ends.items():
            with suppress(KafkaException):  # it is another member's by now, who will read these again
                self._consumer.store_offsets(offsets=[TopicPartition(topic, part, offset)])

    # Where to begin ---------------------------------------------------------------------------------------------------

    def _place(self) -> None:
        """Begin to read partitions that the group has never read, or whose place the brokers no longer have."""
        for place in sorted(self._unplaced):
            try:
                self._begin_at(TopicPartition(*place))
            except KafkaException as error:
                self._failed(error.args[0])
                return
            self._unplaced.discard(place)

    def _begin_at(self, place: TopicPartition) -> None:
        (known,) = self._consumer.committed([place], timeout=PATIENCE)
        first, end = self._consumer.get_watermark_offsets(place, timeout=PATIENCE)
        if known.offset < 0:
            offset = first if self._since is None else self._first_since(self._since, place, end)
        elif first <= known.offset <= end:
            offset = known.offset
        else:
            offset = first
            metrics.GAPS.add()
            where = _name((place.topic, place.partition))
            self._log.error("a range of a vendor's topic was lost", part=where, gap=(known.offset, first))
        self._next[place.topic, place.partition] = offset
        found = TopicPartition(place.topic, place.partition, offset)
        self._consumer.incremental_unassign([found])
        self._consumer.incremental_assign([found])
        self._consumer.store_offsets(offsets=[found])  # so that "latest" is said once, and not at each start

    def _first_since(self, since: int, place: TopicPartition, end: int) -> int:
        """The offset of the first message from a time on (ms); where there is none yet, the end."""
        asked = TopicPartition(place.topic, place.partition, since)
        (found,) = self._consumer.offsets_for_times([asked], timeout=PATIENCE)
        if found.error is not None:
            raise KafkaException(found.error)
        return found.offset if found.offset >= 0 else end

    # How it goes ------------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """After an error, see whether the brokers answer and have the topics. Raises `Unavailable`."""
        if self._denied:
            raise Unavailable(f"the vendor's brokers: {self._denied}")
        if not self._failing or monotonic() < self._next_look:
            return
        try:
            for topic in self._topics:
                self._ask(topic)
        except KafkaException as error:
            raise Unavailable(f"the vendor's brokers: {error.args[0].str()}") from error
        finally:
            self._next_look = monotonic() + WAIT
        self._failing = False
        self._outage.over()

    def _ask(self, topic: str) -> None:
        found = self._consumer.list_topics(topic, timeout=PATIENCE).topics[topic]
        if found.error is not None:
            raise Unavailable(f"the vendor's brokers: topic {topic}: {found.error.str()}")

    def lag(self) -> dict[Place, int]:
        """What the group has not done of our partitions; nothing while the brokers do not answer."""
        found: dict[Place, int] = {}
        with suppress(KafkaException, Unavailable):
            places = self._consumer.assignment()
            known = self._consumer.committed(places, timeout=PATIENCE) if places else []
            done = {(place.topic, place.partition): place.offset for place in known}
            # Asked for: what a client knows by itself is of its last fetch, and it may be paused.
            for topic in {topic for topic, _ in done}:
                asked = self._brokers.places(topic, [part for name, part in done if name == topic])
                for part, (first, end) in asked.items():
                    found[topic, part] = end - min(end, max(done[topic, part], first))
        return found

    def close(self) -> None:
        """Commit what is done, and leave."""
        close_in_time(self._consumer.close)


def _shown(places: Sequence[TopicPartition]) -> list[str]:
    return sorted(_name((place.topic, place.partition)) for place in places)


def _name(place: Place) -> str:
    return "{}/{}".format(*place)
