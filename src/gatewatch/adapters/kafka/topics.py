"""The topics that Gatewatch uses: declared once, created, compared and grown; nothing ever shrinks."""

from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import Future
from typing import Any

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

from gatewatch.adapters.kafka.connection import MAX_RECORD, Config, Outage, translated
from gatewatch.core.times import DAY
from gatewatch.log_ports import FoundTopic, TopicSpec
from gatewatch.ports import ANOMALIES, DEAD_LETTERS, LOGINS
from gatewatch.settings import Settings

#: How long the brokers may take over a question, in seconds.
PATIENCE = 15.0
#: Copies that must have a record before it counts, where there are three or more.
SAFE_COPIES = 2


def declared(settings: Settings) -> list[TopicSpec]:
    """Every topic as it should be. The log is kept for longer than the worst restore of the database takes."""
    replicas = settings.kafka_replicas
    common = {"cleanup.policy": "delete", "max.message.bytes": str(MAX_RECORD)}
    if replicas > SAFE_COPIES:
        common["min.insync.replicas"] = str(SAFE_COPIES)

    def spec(name: str, partitions: int, days: int) -> TopicSpec:
        kept = {"retention.ms": str(days * DAY // 1_000)}
        return TopicSpec(settings.kafka_prefix + name, partitions, replicas or -1, common | kept)

    return [spec(LOGINS, settings.kafka_partitions, 7), spec(ANOMALIES, 8, 14), spec(DEAD_LETTERS, 1, 14)]


class Topics:
    """What the brokers are asked and told of topics (see `log_ports.Brokers`). All raise `Unavailable`."""

    def __init__(self, config: Config) -> None:
        with translated():
            self._admin = AdminClient(config | {"error_cb": Outage("topics")})

    def found(self, names: Sequence[str]) -> dict[str, FoundTopic]:
        """Those of the topics that exist."""
        asked = self._admin.describe_topics(TopicCollection(list(names)), request_timeout=PATIENCE)
        with translated():
            return {name: one for name, future in asked.items() if (one := found_topic(future)) is not None}

    def look(self, name: str) -> "Future[TopicDescription]":
        """What the brokers will have said of a topic, for `found_topic`."""
        return self._admin.describe_topics(TopicCollection([name]), request_timeout=PATIENCE)[name]

    def create(self, spec: TopicSpec) -> bool:
        """Create a topic; False where it exists."""
        new = NewTopic(spec.name, spec.partitions, spec.replicas, config=dict(spec.config))
        with translated():
            try:
                self._admin.create_topics([new], request_timeout=PATIENCE)[spec.name].result()
            except KafkaException as error:
                if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
                    return False
                raise
        return True

    def grow(self, name: str, partitions: int) -> None:
        """Have more partitions."""
        with translated():
            wanted = [NewPartitions(name, partitions)]
            self._admin.create_partitions(wanted, request_timeout=PATIENCE)[name].result()

    def config(self, name: str) -> dict[str, str]:
        """A topic's settings that are not the brokers' defaults, and those that are."""
        resource = ConfigResource(ResourceType.TOPIC, name)
        with translated():
            (future,) = self._admin.describe_configs([resource], request_timeout=PATIENCE).values()
            return {key: str(entry.value) for key, entry in future.result().items()}

    def ends(self, name: str) -> dict[int, int]:
        """Where each partition of a topic ends now."""
        with translated():
            metadata = self._admin.list_topics(name, timeout=PATIENCE).topics[name]
            if metadata.error is not None:
                raise KafkaException(metadata.error)
        return self._offsets(name, metadata.partitions, OffsetSpec.latest())

    def places(self, name: str, parts: Collection[int]) -> dict[int, tuple[int, int]]:
        """Where partitions begin and end: asked beside the consumer, whose own questions wait behind its fetches."""
        begins = self._offsets(name, parts, OffsetSpec.earliest())
        ends = self._offsets(name, parts, OffsetSpec.latest())
        return {part: (begins[part], ends[part]) for part in parts}

    def _offsets(self, name: str, parts: Iterable[int], which: OffsetSpec) -> dict[int, int]:
        wanted: dict[Any, Any] = {TopicPartition(name, part): which for part in parts}
        if not wanted:
            return {}
        with translated():
            asked = self._admin.list_offsets(wanted, request_timeout=PATIENCE)
            return {place.partition: future.result().offset for place, future in asked.items()}


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
