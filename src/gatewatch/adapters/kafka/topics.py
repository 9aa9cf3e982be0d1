"""The topics that Gatewatch uses: declared once, created, compared and grown; nothing ever shrinks."""

from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future
from threading import Thread
from time import monotonic, sleep
from typing import Any
from weakref import ref

from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
    TopicDescription,
)

from gatewatch.adapters.kafka.connection import MAX_RECORD, Config, as_ours, translated
from gatewatch.core.times import DAY
from gatewatch.log_ports import FoundTopic, TopicSpec
from gatewatch.ports import ANOMALIES, DEAD_LETTERS, LOGINS, Unavailable
from gatewatch.settings import Settings

#: How long the brokers may take over a question, in seconds.
PATIENCE = 15.0
#: How often a topic is looked at, and a client listened to, in seconds.
LOOK_EVERY = 5.0
LISTEN_EVERY = 0.5
#: Copies that must have a record before it counts, where there are three or more.
SAFE_COPIES = 2


def declared(settings: Settings) -> list[TopicSpec]:
    """Every topic as it should be. The log is kept for longer than the worst restore of the database takes, by when
    records came: what a producer says of that would let retention take old logins before they are read.
    """
    replicas = settings.kafka_replicas
    common = {"cleanup.policy": "delete", "max.message.bytes": str(MAX_RECORD)}
    if replicas > SAFE_COPIES:
        common["min.insync.replicas"] = str(SAFE_COPIES)

    def spec(name: str, partitions: int, days: int) -> TopicSpec:
        kept = {"retention.ms": str(days * DAY // 1_000), "message.timestamp.type": "LogAppendTime"}
        return TopicSpec(settings.kafka_prefix + name, partitions, replicas or -1, common | kept)

    return [spec(LOGINS, settings.kafka_partitions, 7), spec(ANOMALIES, 8, 14), spec(DEAD_LETTERS, 1, 14)]


class Topics:
    """What the brokers are asked and told of topics (see `log_ports.Brokers`). All raise `Unavailable`.

    `seconds` is how long they may take over a question.
    """

    def __init__(self, config: Config, seconds: float = PATIENCE) -> None:
        self._seconds = seconds
        with translated():
            self._admin = AdminClient(config)
        Thread(target=_listen, args=(ref(self._admin),), name="kafka-topics", daemon=True).start()

    def found(self, names: Sequence[str]) -> dict[str, FoundTopic]:
        """Those of the topics that exist."""
        asked = self._admin.describe_topics(TopicCollection(list(names)), request_timeout=self._seconds)
        with translated():
            return {name: one for name, future in asked.items() if (one := found_topic(future)) is not None}

    def look(self, name: str) -> "Future[TopicDescription]":
        """What the brokers will have said of a topic, for `found_topic`."""
        return self._admin.describe_topics(TopicCollection([name]), request_timeout=self._seconds)[name]

    def create(self, spec: TopicSpec) -> bool:
        """Create a topic; False where it exists."""
        new = NewTopic(spec.name, spec.partitions, spec.replicas, config=dict(spec.config))
        with translated():
            try:
                self._admin.create_topics([new], request_timeout=self._seconds)[spec.name].result()
            except KafkaException as error:
                if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
                    return False
                raise
        return True

    def grow(self, name: str, partitions: int) -> None:
        """Have more partitions."""
        with translated():
            wanted = [NewPartitions(name, partitions)]
            self._admin.create_partitions(wanted, request_timeout=self._seconds)[name].result()

    def config(self, name: str) -> dict[str, str]:
        """A topic's settings that are not the brokers' defaults, and those that are."""
        resource = ConfigResource(ResourceType.TOPIC, name)
        with translated():
            (future,) = self._admin.describe_configs([resource], request_timeout=self._seconds).values()
            return {key: str(entry.value) for key, entry in future.result().items()}

    def ends(self, name: str) -> dict[int, int]:
        """Where each partition of a topic ends now."""
        with translated():
            metadata = self._admin.list_topics(name, timeout=self._seconds).topics[name]
            if metadata.error is not None:
                raise KafkaException(metadata.error)
        ends = self._offsets(name, metadata.partitions, OffsetSpec.latest())
        with translated():
            return {part: end.result().offset for part, end in ends.items()}

    def places(self, name: str, parts: Collection[int]) -> dict[int, tuple[int, int]]:
        """Where partitions begin and end: asked beside the consumer, whose own questions wait behind its fetches. One
        whose leader is away is left out, unless all are.
        """
        begins = self._offsets(name, parts, OffsetSpec.earliest())
        ends = self._offsets(name, parts, OffsetSpec.latest())
        found: dict[int, tuple[int, int]] = {}
        refusal: KafkaException | None = None
        for part in begins:
            try:
                found[part] = (begins[part].result().offset, ends[part].result().offset)
            except KafkaException as error:
                refusal = error
        if refusal is not None and not found:
            raise as_ours(refusal.args[0]) from refusal
        return found

    def _offsets(self, name: str, parts: Iterable[int], which: OffsetSpec) -> dict[int, "Future[Any]"]:
        wanted: dict[Any, Any] = {TopicPartition(name, part): which for part in parts}
        if not wanted:
            return {}
        with translated():
            asked = self._admin.list_offsets(wanted, request_timeout=self._seconds)
        return {place.partition: future for place, future in asked.items()}


def _listen(client: "ref[AdminClient]") -> None:
    """Take what a client has to say, as long as there is one: of an outage it would keep all of it, without end. What a
    question came to is told to who asked.
    """
    while (found := client()) is not None:
        found.poll(0)
        del found
        sleep(LISTEN_EVERY)


class Looks:
    """Looks at a topic now and then, without waiting for what the brokers say."""

    def __init__(self, topics: Topics, name: str) -> None:
        self._topics, self._name = topics, name
        self._asked: Future[TopicDescription] | None = None
        self._next = 0.0

    def answer(self) -> "Future[TopicDescription] | None":
        """What was said since the last call, if anything was, for `found_topic`; asks again where it is time."""
        asked = self._asked
        if asked is not None:
            if asked.done():
                self._asked = None
                return asked
        elif monotonic() >= self._next:
            self._next = monotonic() + LOOK_EVERY
            self._asked = self._topics.look(self._name)
        return None


class Verified:
    """Sees that a topic is the one that the database knows (`known` tells its id, "" for none): once before anything is
    written to it, from then on beside that. What brokers do not say an append will find out.
    """

    def __init__(self, topics: Topics, name: str, known: Callable[[], str]) -> None:
        self._topics, self._name, self._known = topics, name, known
        self._looks = Looks(topics, name)
        self._id = ""

    def __call__(self) -> None:
        """Raises `Unavailable` where it is another one."""
        if not self._id:
            known = self._known()
            self._compare(self._topics.found([self._name]).get(self._name), known)
            self._id = known
        elif (answer := self._looks.answer()) is not None:
            try:
                found = found_topic(answer)
            except KafkaException:
                return
            known, self._id = self._id, ""
            self._compare(found, known)
            self._id = known

    def _compare(self, found: FoundTopic | None, known: str) -> None:
        if found is None or found.id != known:
            raise Unavailable(
                f"the database does not know Kafka's topic {self._name}: run `gatewatch topics create`"
            )


def found_topic(future: "Future[TopicDescription]") -> FoundTopic | None:
    """What was said of a topic; None where there is none."""
    try:
        topic = future.result()
    except KafkaException as error:
        if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return None
        raise
    replicas = min((len(part.replicas) for part in topic.partitions), default=0)
    return FoundTopic(topic.name, str(topic.topic_id), len(topic.partitions), replicas)
