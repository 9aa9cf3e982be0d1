"""The composition root, which wires concrete adapters to the use cases. Nothing happens at import.

What a log on Kafka needs is in `bootstrap_kafka`, which is imported where one is configured, and nowhere else.
"""

from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from time import monotonic, time_ns
from typing import NamedTuple

import msgspec
import psycopg
from psycopg.conninfo import conninfo_to_dict

from gatewatch import bootstrap_tracing, logs
from gatewatch.adapters.enrichment import Enricher
from gatewatch.adapters.files import InputProblem, LogFile
from gatewatch.adapters.geo.build import build_mmdb
from gatewatch.adapters.geo.maxmind import GeoProblem, MaxMind
from gatewatch.adapters.http import BadAddress, HttpEvents
from gatewatch.adapters.passwords import Argon2Passwords
from gatewatch.adapters.postgres.access import PostgresAccess, PostgresAccounts, PostgresKeys
from gatewatch.adapters.postgres.book import PostgresBook
from gatewatch.adapters.postgres.connection import Session, first_line, translated
from gatewatch.adapters.postgres.decisions import PostgresDecisions
from gatewatch.adapters.postgres.decisions_apart import DecisionsApart
from gatewatch.adapters.postgres.imports import PostgresImports
from gatewatch.adapters.postgres.leases import Leases
from gatewatch.adapters.postgres.log import PostgresLog
from gatewatch.adapters.postgres.logins import Login, login, provide
from gatewatch.adapters.postgres.migrations import MigrationError, migrate
from gatewatch.adapters.postgres.outbox import PostgresOutbox, PostgresPipeline, Upkeep
from gatewatch.adapters.postgres.policies import PostgresPolicies
from gatewatch.adapters.postgres.queries import PostgresQueries
from gatewatch.adapters.postgres.server import EmbeddedPostgres, PostgresBinaries, ServerError
from gatewatch.adapters.postgres.statuses import PostgresStatuses
from gatewatch.adapters.postgres.store import PostgresStore
from gatewatch.adapters.postgres.stream import PostgresStream
from gatewatch.adapters.postgres.tenancy import TenantPool, TenantSession
from gatewatch.adapters.useragents import UserAgents
from gatewatch.connecting_ports import VendorTopics
from gatewatch.core.records import EventRecord, RejectRecord
from gatewatch.core.times import DAY
from gatewatch.detectors import extended_engine
from gatewatch.ingest.contract import Arrival, Refused, rejected
from gatewatch.ingest.messages import Limits
from gatewatch.ingest.native import read_native
from gatewatch.log_ports import Log, LogSource, Membership
from gatewatch.ports import DEFAULT_PARTITIONS, LOGINS, Clock, Enrich, LogWriter
from gatewatch.read_ports import NotPrepared, QueryStore, StatusStore
from gatewatch.services.access import Accounts, IssuedKeys, Keys, Sessions
from gatewatch.services.batches import BatchMaker
from gatewatch.services.connecting import Connecting
from gatewatch.services.decisions import Decisions, RecentFrequencies
from gatewatch.services.decoding import UNKNOWN_TENANT, tenant_of
from gatewatch.services.outbox import Relay
from gatewatch.services.reviews import Reviewer
from gatewatch.services.stream import Stream
from gatewatch.services.topics import CannotGrow
from gatewatch.services.tracing import TracedMaker
from gatewatch.settings import Settings, SettingsError
from gatewatch.tracing_ports import Tracing

#: How long PostgreSQL may take over a statement that a login waits for, in seconds: by then nobody waits any more.
DECISION_SECONDS = 5.0


class SystemClock:
    """The machine's clock, in µs."""

    def now(self) -> int:
        """The present."""
        return time_ns() // 1000


#: What this file hands on to the command line beside what it wires itself.
__all__ = [
    "BadAddress",
    "CannotGrow",
    "EmbeddedPostgres",
    "GeoProblem",
    "HttpEvents",
    "InputProblem",
    "LogFile",
    "Login",
    "MigrationError",
    "ServerError",
    "build_mmdb",
    "login",
]


def check(settings: Settings) -> None:
    """Check what only an adapter can: the form of the connection string. Raises `SettingsError`."""
    try:
        conninfo_to_dict(settings.database_url)
    except psycopg.ProgrammingError as error:
        # The parser repeats what it cannot read, and that may be a password.
        raise SettingsError(
            "DATABASE_URL: no connection string such as postgresql://user@host/name"
        ) from error


def grow(conninfo: str, partitions: int) -> int:
    """Give the embedded log more partitions; returns its generation. Raises `CannotGrow`."""
    session = Session(conninfo)
    try:
        if PostgresBook(session, LOGINS).id():
            raise CannotGrow(
                "the log of this database lies on Kafka: GATEWATCH_KAFKA_BOOTSTRAP must say where"
            )
        wanted = {"topic": LOGINS, "n": partitions}
        ((generation,),) = session.rows("SELECT grow_topic(%(topic)s, %(n)s)", wanted)
    except psycopg.DatabaseError as error:
        raise CannotGrow(first_line(error)) from error
    finally:
        session.close()
    return int(generation)


def embedded(settings: Settings, progress: Callable[[str], None]) -> EmbeddedPostgres:
    """The embedded PostgreSQL of a data folder, not yet started."""
    folder = Path(settings.postgres_bin) if settings.postgres_bin else None
    binaries = PostgresBinaries.find(folder) if folder else None
    return EmbeddedPostgres(settings.data_path, binaries, progress=progress)


def emptied(server: EmbeddedPostgres) -> str:
    """Drop everything that Gatewatch stored on an embedded server that runs; returns its connection string."""
    with psycopg.connect(server.superuser_conninfo, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS gatewatch WITH (FORCE)")
    with EmbeddedPostgres(server.data_dir) as again:
        return again.conninfo


def prepare(conninfo: str, partitions: int = DEFAULT_PARTITIONS) -> list[str]:
    """Migrate a database and create the log's topic; returns the migrations that ran.

    Raises `Unavailable` where it cannot be reached, `MigrationError` where it refuses.
    """
    applied = _migrated(conninfo)
    session = Session(conninfo)
    session.rows("SELECT create_topic(%(topic)s, %(n)s)", {"topic": LOGINS, "n": partitions})
    session.close()
    return applied


def provide_logins(conninfo: str, logins: Iterable[Login]) -> None:
    """See that these logins are there. Raises `Unavailable`, and `MigrationError` where the database refuses."""
    try:
        with translated():
            provide(conninfo, logins)
    except psycopg.ProgrammingError as error:
        raise MigrationError(first_line(error)) from error


def _migrated(conninfo: str) -> list[str]:
    try:
        with translated():
            return migrate(conninfo)
    except psycopg.ProgrammingError as error:
        raise MigrationError(first_line(error)) from error


def prepare_log(settings: Settings, conninfo: str) -> list[str]:
    """Migrate a database and have the log where the settings want it; returns the migrations that ran.

    Raises as `prepare` does, and `WrongLog` where the database's log is another.
    """
    if not settings.kafka_bootstrap:
        return prepare(conninfo, settings.log_partitions)
    applied = _migrated(conninfo)
    from gatewatch import bootstrap_kafka

    with bootstrap_kafka.topic_keeping(settings, conninfo) as keeping:
        keeping.create()
    return applied


def appending(settings: Settings, conninfo: str, role: str = "gatewatch_worker") -> Log:
    """The log, to append to."""
    if not settings.kafka_bootstrap:
        return PostgresLog(conninfo, role=role)
    from gatewatch import bootstrap_kafka

    return bootstrap_kafka.appending(settings, conninfo, role)


def enrichment(settings: Settings) -> Enrich:
    """The enrichment that the operator's files allow."""
    files = [Path(name) for name in (settings.geo_city, settings.geo_asn) if name]
    report = logs.get().warning
    geo = MaxMind(files, clock=monotonic, report=report) if files else None
    return Enricher(geo, UserAgents()).enrich


def read_foreign(value: bytes, key: str, id: str, received: int) -> EventRecord | RejectRecord:
    """A native event that an application wrote to the log itself; the tenant is the one of the record's key."""
    tenant = tenant_of(key)
    arrival = Arrival(tenant_id=tenant or UNKNOWN_TENANT, received=received, source="native")
    if tenant is None:
        return rejected(
            Refused("bad_field", "What the key names before its colon is no tenant."), id, value, arrival
        )
    return read_native(value, arrival, id)


class Processing(NamedTuple):
    """What a detector works with; `reset` closes its connections, the next use opens others."""

    leases: Membership
    store: PostgresStore
    maker: BatchMaker
    reviewer: Reviewer
    reset: Callable[[], None]
    source: LogSource


def processing(settings: Settings, conninfo: str) -> Processing:
    """Wire a detector to a database: one session looks up, one claims and commits, one reads the log."""
    looking, committing, log = Session(conninfo), Session(conninfo), Session(conninfo)
    clock, engine = SystemClock(), extended_engine()
    store = PostgresStore(looking, clock, timedelta(seconds=settings.lease_timeout), committing, log)

    def reset() -> None:
        for session in (looking, committing, log):
            session.close()

    retention = settings.retention_days * DAY
    elsewhere = bool(settings.kafka_bootstrap)
    leases = Leases(committing, LOGINS, settings.lease_timeout, elsewhere=elsewhere)
    membership: Membership = leases
    source: LogSource = store
    tracing = bootstrap_tracing.tracing("detector") if elsewhere else None
    if elsewhere:
        from gatewatch import bootstrap_kafka

        traced = tracing is not None
        membership = source = bootstrap_kafka.group(settings, leases, committing, traced=traced)
    maker = BatchMaker(store, engine, enrichment(settings), read_foreign, clock, retention, elsewhere)
    return Processing(
        membership,
        store,
        maker if tracing is None else TracedMaker(*msgspec.structs.astuple(maker), tracing=tracing),
        Reviewer(store, engine, clock, round(settings.review_quiet * 1e6)),
        reset,
        source,
    )


class Relaying(NamedTuple):
    """What a notifier works with."""

    relay: Relay
    upkeep: Upkeep
    pipeline: PostgresPipeline
    reset: Callable[[], None]


def relaying(settings: Settings, conninfo: str) -> Relaying:
    """Wire a notifier to a database: where the log is embedded, that is its one sink."""
    session = Session(conninfo)
    outbox = PostgresOutbox(session)
    sinks, ends = {LOGINS: appending(settings, conninfo)}, None
    if settings.kafka_bootstrap:
        from gatewatch import bootstrap_kafka

        tracing = bootstrap_tracing.tracing("notifier")
        sinks |= bootstrap_kafka.announcements(settings, outbox.standing, tracing)
        ends = bootstrap_kafka.log_ends(settings)

    def reset() -> None:
        session.close()
        for sink in sinks.values():
            sink.close()

    relay = Relay(outbox, sinks)
    upkeep = Upkeep(session, settings.retention_days, ends)
    return Relaying(relay, upkeep, PostgresPipeline(session), reset)


class Connected(NamedTuple):
    """What a connector works with."""

    work: Connecting
    topics: VendorTopics
    reset: Callable[[], None]


def connected(settings: Settings, conninfo: str) -> Connected:
    """Wire a connector to its topics and to the log. Raises `SettingsError`."""
    from gatewatch import bootstrap_kafka

    topics = bootstrap_kafka.vendor_topics(settings)
    log = appending(settings, conninfo, role="gatewatch_app")
    limits = Limits(
        settings.body_limit, settings.decompressed_limit, settings.item_limit, settings.depth_limit
    )
    work = Connecting(topics, settings.vendor_topics, log, SystemClock(), settings.tenant, limits)
    return Connected(work, topics, log.close)


def imports(settings: Settings, conninfo: Callable[[], str]) -> PostgresImports:
    """How far the pipeline has come, as the settings' tenant sees it."""
    ends = None
    if settings.kafka_bootstrap:
        from gatewatch import bootstrap_kafka

        ends = bootstrap_kafka.log_ends(settings)
    return PostgresImports(conninfo, settings.tenant, ends)


def queries(conninfo: Callable[[], str], tenant: str) -> PostgresQueries:
    """What one tenant sees."""
    return PostgresQueries(TenantSession(conninfo, tenant))


class Serving(NamedTuple):
    """What an API process works with: whether it can (`ready` raises `Unavailable` or `NotPrepared`), who gets in,
    what a tenant may be asked, what may be said of its anomalies, what is stored for it as it comes, what makes
    decisions (asked for once, by who serves them), and the log.
    """

    ready: Callable[[], None]
    keys: Keys
    sessions: Sessions
    issued: Callable[[str], IssuedKeys]
    queries: Callable[[str], QueryStore]
    statuses: Callable[[str], StatusStore]
    streams: Callable[[str], Stream]
    decisions: Callable[[], Decisions]
    log: LogWriter
    clock: Clock
    close: Callable[[], None]
    tracing: Tracing | None = None


def serving(settings: Settings, conninfo: str) -> Serving:
    """Wire an API process to a database."""
    pool = TenantPool(lambda: conninfo, settings.api_connections, settings.query_seconds)

    def ready() -> None:
        with pool.lent() as session:
            if not session.rows("SELECT FROM topics WHERE topic = %(topic)s", {"topic": LOGINS}):
                raise NotPrepared

    access = PostgresAccess(pool)
    deciding = TenantPool(lambda: conninfo, settings.decide_connections + 1, DECISION_SECONDS)
    log = appending(settings, conninfo, role="gatewatch_app")

    def close() -> None:
        for held in (pool, deciding, log):
            held.close()

    return Serving(
        ready,
        Keys(access, monotonic),
        Sessions(access, Argon2Passwords()),
        lambda tenant: IssuedKeys(PostgresKeys(pool.of(tenant), tenant)),
        lambda tenant: PostgresQueries(pool.of(tenant)),
        lambda tenant: PostgresStatuses(pool.of(tenant)),
        lambda tenant: Stream(PostgresStream(pool.of(tenant)), tenant, settings.stream_catch_up),
        lambda: decision_making(settings, deciding, log),
        log,
        SystemClock(),
        close,
        bootstrap_tracing.tracing("api"),
    )


def decision_making(settings: Settings, pool: TenantPool, log: LogWriter) -> Decisions:
    """Wire decisions; beside those that are made, one connection renews what is counted of tenants."""
    store = DecisionsApart(pool, log) if settings.kafka_bootstrap else PostgresDecisions(pool)
    frequencies = RecentFrequencies(store, monotonic)
    retention = settings.retention_days * DAY
    return Decisions(store, extended_engine(), enrichment(settings), SystemClock(), frequencies, retention)


class Administration(NamedTuple):
    """What an operator does with a tenant's accounts and keys."""

    accounts: Accounts
    keys: IssuedKeys
    close: Callable[[], None]


def administration(conninfo: str, tenant: str) -> Administration:
    """Wire what an operator does to a database."""
    session = Session(conninfo)
    return Administration(
        Accounts(PostgresAccounts(session, tenant), Argon2Passwords()),
        IssuedKeys(PostgresKeys(session, tenant)),
        session.close,
    )


def policies(conninfo: str, tenant: str) -> PostgresPolicies:
    """Where a tenant's policies are kept."""
    return PostgresPolicies(Session(conninfo), tenant)
