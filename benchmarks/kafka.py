"""The pipes on Kafka: what is measured there is what is measured on the embedded log, beside a broker of our own."""

import gc
from collections.abc import Iterator, Mapping
from datetime import timedelta
from multiprocessing.synchronize import Barrier

import msgspec
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from benchmarks import pipes
from benchmarks.figures import BenchmarkError
from benchmarks.pipes import BARE_BATCH, START, STUCK, BareCommits
from benchmarks.progress import Progress
from gatewatch import bootstrap, bootstrap_kafka
from gatewatch.adapters.kafka.buffers import record_of
from gatewatch.adapters.kafka.connection import config
from gatewatch.adapters.kafka.group import GROUP, member
from gatewatch.adapters.postgres.book import PostgresBook
from gatewatch.adapters.postgres.connection import Session
from gatewatch.adapters.postgres.leases import Leases
from gatewatch.ports import LOGINS, LogRecord
from gatewatch.settings import Settings

#: Partitions of the log: as many as the embedded one has, so that what lies on each is as long.
PARTITIONS = Settings().log_partitions
#: How long the brokers may take to forget a group, in seconds.
_PATIENCE = 30.0


def tell_ends(settings: Settings, conninfo: str) -> None:
    """Have the database know where the log ends, as a notifier tells it: what is unread is known from the start."""
    session = Session(conninfo)
    PostgresBook(session, LOGINS).ended(bootstrap_kafka.log_ends(settings)())
    session.close()


def bare_rate(conninfo: str, settings: Settings, events: int, progress: Progress) -> float:
    """Events per second of: consume, decode, COPY into the table; in transactions of `BARE_BATCH` of a partition."""
    work = (_bare, (conninfo, msgspec.json.encode(settings)))
    return pipes.measured(conninfo, events, [work], progress)


def full_rate(conninfo: str, settings: Settings, events: int, detectors: int, progress: Progress) -> float:
    """As `pipes.full_rate`, in a consumer group that is new and gone afterwards."""
    found = pipes.full_rate(conninfo, settings, events, detectors, progress)
    group, admin = settings.kafka_prefix + GROUP, AdminClient(config(settings))
    try:
        admin.delete_consumer_groups([group])[group].result(_PATIENCE)
    except (KafkaException, TimeoutError) as error:
        raise BenchmarkError(f"the group cannot be deleted: {error!r}") from None
    return found


# In the process --------------------------------------------------------------------------------------------------


def _bare(start: Barrier, conninfo: str, settings: bytes) -> None:
    given = msgspec.json.decode(settings, type=Settings)
    session, clock = Session(conninfo), bootstrap.SystemClock()
    leases = Leases(session, LOGINS, 600.0, elsewhere=True)
    leases.beat()
    claims = {part: claim for part in leases.free() if (claim := leases.claim(part)) is not None}
    commits = BareCommits(session, timedelta(seconds=600))
    ends = bootstrap_kafka.log_ends(given)()
    consumer = Consumer(config(given) | member("gatewatch-bench", given.batch_size, given.lease_timeout))
    consumer.list_topics(given.kafka_prefix + LOGINS, _PATIENCE)  # connected, as a member of a group is
    gc.collect()
    gc.disable()
    start.wait(START)
    consumer.assign([TopicPartition(given.kafka_prefix + LOGINS, part, 0) for part in claims])
    for part, found in _consumed(consumer, ends):
        claims[part] = commits.store(claims[part], found, clock.now())
    consumer.close()
    leases.leave()


def _consumed(consumer: Consumer, ends: Mapping[int, int]) -> Iterator[tuple[int, list[LogRecord]]]:
    """The records of each partition up to its end, `BARE_BATCH` at a time."""
    left, held = sum(ends.values()), {part: list[LogRecord]() for part in ends}
    while left:
        messages = consumer.consume(min(BARE_BATCH, left), STUCK)
        left -= len(messages)
        if not messages:
            raise BenchmarkError(f"the broker gave nothing for {STUCK:.0f} s with {left} records left")
        for message in messages:
            part = _part(message)
            held[part].append(record_of(message))
            if len(held[part]) == BARE_BATCH or held[part][-1].offset + 1 == ends[part]:
                yield part, held[part]
                held[part] = []


def _part(message: Message) -> int:
    part, error = message.partition(), message.error()
    if part is None or error is not None:
        raise BenchmarkError(f"the broker gave no record: {error}")
    return part
