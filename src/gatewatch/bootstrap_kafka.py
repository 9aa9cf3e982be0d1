"""The part of the composition root that a log on Kafka needs; `bootstrap` imports it where one is configured."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from gatewatch.adapters.kafka.announcements import Announcements, TracedAnnouncements
from gatewatch.adapters.kafka.connection import config
from gatewatch.adapters.kafka.group import GROUP, KafkaGroup
from gatewatch.adapters.kafka.log import KafkaLog
from gatewatch.adapters.kafka.topics import Topics, Verified, declared
from gatewatch.adapters.kafka.vendors import VendorGroup
from gatewatch.adapters.postgres.book import PostgresBook
from gatewatch.adapters.postgres.connection import Session
from gatewatch.ingest.registry import ADAPTERS
from gatewatch.log_ports import Log, Membership, ReadStanding, Shape
from gatewatch.ports import ANOMALIES, DEAD_LETTERS, LOGINS, STATUSES
from gatewatch.services.announcing import of_anomalies, of_dead_letters, of_statuses
from gatewatch.services.topics import TopicKeeping
from gatewatch.settings import PREFIX, Settings, SettingsError
from gatewatch.tracing_ports import Tracing


def topics(settings: Settings) -> Topics:
    """What the brokers are asked and told of topics."""
    return Topics(config(settings))


def log_ends(settings: Settings) -> Callable[[], dict[int, int]]:
    """Tells where each partition of the log ends."""
    return partial(topics(settings).ends, settings.kafka_prefix + LOGINS)


@contextmanager
def topic_keeping(settings: Settings, conninfo: str) -> Iterator[TopicKeeping]:
    """What an operator does with the topics."""
    session = Session(conninfo)
    try:
        yield TopicKeeping(topics(settings), PostgresBook(session, LOGINS), declared(settings))
    finally:
        session.close()


def appending(settings: Settings, conninfo: str, role: str) -> KafkaLog:
    """The log, to append to, as soon as it is known to be the one that the database's detectors read."""
    found = Topics(config(settings), settings.kafka_delivery_seconds)
    known = partial(_known, conninfo, role)
    return _writer(settings, LOGINS, Verified(found, settings.kafka_prefix + LOGINS, known))


def _writer(settings: Settings, topic: str, verify: Callable[[], None] | None = None) -> KafkaLog:
    return KafkaLog(config(settings), settings.kafka_prefix + topic, settings.kafka_delivery_seconds, verify)


def _known(conninfo: str, role: str) -> str:
    session = Session(conninfo, role)
    try:
        return PostgresBook(session, LOGINS).id()
    finally:
        session.close()


def group(settings: Settings, leases: Membership, session: Session, *, traced: bool = False) -> KafkaGroup:
    """A detector's member of the consumer group; `session` is the one of its leases, `traced`: it reads traces."""
    return KafkaGroup(
        config(settings),
        settings.kafka_prefix + GROUP,
        settings.kafka_prefix + LOGINS,
        topics(settings),
        leases,
        PostgresBook(session, LOGINS),
        ahead=settings.batch_size,
        timeout=settings.lease_timeout,
        traced=traced,
    )


def announcements(settings: Settings, read: ReadStanding, tracing: Tracing | None) -> dict[str, Log]:
    """Where anomalies, what people say of them, and dead letters are published; `read` tells how anomalies stand."""
    anomalies, dead = _writer(settings, ANOMALIES), _writer(settings, DEAD_LETTERS)
    return {
        ANOMALIES: _announced(anomalies, partial(of_anomalies, read), tracing),
        STATUSES: Announcements(anomalies, partial(of_statuses, read)),
        DEAD_LETTERS: Announcements(dead, of_dead_letters),
    }


def _announced(log: KafkaLog, shape: Shape, tracing: Tracing | None) -> Announcements:
    return Announcements(log, shape) if tracing is None else TracedAnnouncements(log, shape, tracing)


def vendor_topics(settings: Settings) -> VendorGroup:
    """A connector's member of its consumer group; where no brokers are named for it, on those of the log.

    Raises `SettingsError` as `check_vendor_topics`.
    """
    check_vendor_topics(settings)
    how = config(settings, "connector" if settings.connector_bootstrap else "kafka")
    return VendorGroup(how, settings.connector_group, settings.vendor_topics, settings.connector_from)


def check_vendor_topics(settings: Settings) -> None:
    """Raise `SettingsError` for no topic or no brokers, for a source that there is none of, and for a topic that is
    ours.
    """
    if not settings.vendor_topics:
        raise SettingsError(f"{PREFIX}CONNECTOR_TOPICS names no topic")
    own = not settings.connector_bootstrap
    if own and not settings.kafka_bootstrap:
        raise SettingsError(f"{PREFIX}CONNECTOR_BOOTSTRAP: the topics' brokers are missing")
    # Whatever name the brokers go by: what was read of our own would be appended behind itself, without end.
    ours = {spec.name for spec in declared(settings)} if settings.kafka_bootstrap else set()
    for topic, source in settings.vendor_topics.items():
        if source not in ADAPTERS:
            known = ", ".join(ADAPTERS)
            raise SettingsError(f"{PREFIX}CONNECTOR_TOPICS: there is no source {source!r}: {known}")
        if topic in ours:
            raise SettingsError(f"{PREFIX}CONNECTOR_TOPICS: {topic} is a topic of Gatewatch itself")
