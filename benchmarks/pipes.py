"""The processes that are measured: the bare pipe, and detectors as the system runs them.

Each is a process of its own, wires itself, says that it is ready and waits for the start.
"""

import gc
import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Barrier
from threading import BrokenBarrierError, Event
from time import monotonic, sleep
from typing import Any

import msgspec
import psycopg

from benchmarks.figures import BenchmarkError
from benchmarks.progress import Progress
from gatewatch import bootstrap, logs, worker
from gatewatch.adapters.postgres.commits import Commits
from gatewatch.adapters.postgres.connection import Session
from gatewatch.adapters.postgres.leases import Leases
from gatewatch.adapters.postgres.statements import load
from gatewatch.adapters.postgres.store import PostgresStore
from gatewatch.core.context import EMPTY
from gatewatch.core.learning import NO_CHANGE
from gatewatch.core.records import EventRecord
from gatewatch.core.signals import Assessment
from gatewatch.log_ports import Membership
from gatewatch.notifier import Notifier
from gatewatch.ports import LOGINS, Claim, EventRow, LogRecord
from gatewatch.services.batching import event_row
from gatewatch.services.decoding import decode
from gatewatch.settings import Settings

#: Records of one transaction of the bare pipe.
BARE_BATCH = 5_000
#: How long nothing may move before that is an error, and how often we look, in seconds.
STUCK = 60.0
LOOK = 0.02
#: How long processes may take to start, in seconds.
START = 60.0

_LAG = "SELECT coalesce(sum(end_offset - next_offset), 0)::bigint FROM log_heads JOIN partitions USING (topic, part)"
#: What is looked at again later (-1) was reviewed; it is not due yet.
_UNREVIEWED = "SELECT count(*) FROM review_queue WHERE part <> -1"
_STORED = "SELECT (SELECT count(*) FROM login_events), (SELECT count(*) FROM dead_letters)"

_SQL = {name: statement.encode() for name, statement in load("commit.sql").items()}
#: The types of the columns of an event's row.
_TYPES = [
    *["text"] * 2, *["int8"] * 2, *["text"] * 6, "int8", "text", "int2", "text", "text[]", "bool", "int2", "bool",
    "int8", *["bytea"] * 3, "text", "bytea",
]  # fmt: skip

_CLEAN = Assessment(score=0, level="none")
#: What a process runs, after the barrier that it is given first.
Work = tuple[Callable[..., None], tuple[Any, ...]]

_context = multiprocessing.get_context("spawn")


def bare_rate(conninfo: str, events: int, progress: Progress) -> float:
    """Events per second of: read from the log, decode, COPY into the table; in transactions of `BARE_BATCH`."""
    return measured(conninfo, events, [(_bare, (conninfo,))], progress)


def full_rate(conninfo: str, settings: Settings, events: int, detectors: int, progress: Progress) -> float:
    """Events per second of so many detectors, from the start until all is stored and every review is done."""
    work = [detector(conninfo, settings, detectors)] * detectors
    return measured(conninfo, events, work, progress)


def measured(conninfo: str, events: int, work: Sequence[Work], progress: Progress) -> float:
    """Events per second from the start of this work until nothing is unread and nothing waits for its review."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("SET ROLE gatewatch_worker")
        with running(work) as processes:
            seconds = _drained(connection, processes, events, progress)
        _check(connection, events)
    return events / seconds


@contextmanager
def running(work: Sequence[Work]) -> Iterator[Sequence[BaseProcess]]:
    """Processes that begin their work together, for as long as they are looked at."""
    start = _context.Barrier(len(work) + 1)
    processes = [_context.Process(target=_child, args=(start, run, args)) for run, args in work]
    for process in processes:
        process.start()
    try:
        _begin(start)
        yield processes
    finally:
        _end(processes)


def detector(conninfo: str, settings: Settings, detectors: int = 1) -> Work:
    """A detector as the system runs it, one of so many."""
    return _detect, (conninfo, msgspec.json.encode(settings), detectors)


def notifier(conninfo: str, settings: Settings) -> Work:
    """A notifier as the system runs it."""
    return _notify, (conninfo, msgspec.json.encode(settings))


def _begin(start: Barrier) -> None:
    try:
        start.wait(START)
    except BrokenBarrierError:
        raise BenchmarkError("a process under measurement did not start; what it said is above") from None


def _drained(
    connection: psycopg.Connection[tuple[int, ...]],
    processes: Sequence[BaseProcess],
    events: int,
    progress: Progress,
) -> float:
    began = moved = monotonic()
    before = (-1, -1)
    while True:
        lag = _count(connection, _LAG)
        left = (lag, 0 if lag else _count(connection, _UNREVIEWED))
        now = monotonic()
        if left == (0, 0):
            return now - began
        if left != before:
            before, moved = left, now
        if now - moved > STUCK:
            raise BenchmarkError(
                f"nothing moved for {STUCK:.0f} s with {left[0]} records and {left[1]} reviews left"
            )
        if any(process.exitcode for process in processes):
            raise BenchmarkError("a process under measurement ended by itself; what it said is above")
        progress.moved("processed", events - left[0], events)
        sleep(LOOK)


def _count(connection: psycopg.Connection[tuple[int, ...]], query: str) -> int:
    row = connection.execute(query.encode()).fetchone()
    return row[0] if row is not None else 0


def _check(connection: psycopg.Connection[tuple[int, ...]], events: int) -> None:
    stored, dead = connection.execute(_STORED.encode()).fetchone() or (0, 0)
    if (stored, dead) != (events, 0):
        raise BenchmarkError(f"of {events} events {stored} were stored, {dead} are dead letters")


def _end(processes: Sequence[BaseProcess]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(STUCK)
        if process.is_alive():
            process.kill()
            process.join()


# In the processes ------------------------------------------------------------------------------------------------


def _child(start: Barrier, run: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logs.configure("warning", "bench")
    run(start, *arguments)


def _detect(start: Barrier, conninfo: str, settings: bytes, detectors: int) -> None:
    given = msgspec.json.decode(settings, type=Settings)
    parts = bootstrap.processing(given, conninfo)
    partitions = given.kafka_partitions if given.kafka_bootstrap else given.log_partitions
    _join(parts.leases, -(-partitions // detectors))
    stop = _stopped()
    start.wait(START)
    worker.Detector(given, parts, stop).run()


def _join(membership: Membership, share: int) -> None:
    """Be a member, with a fair share of what nobody has claimed yet: several begin together."""
    until = monotonic() + START
    membership.beat()
    while membership.share() != share or not membership.free():
        if monotonic() > until:
            raise BenchmarkError(f"a detector's share is {membership.share()} partitions, not {share}")
        sleep(LOOK)
        membership.beat()


def _notify(start: Barrier, conninfo: str, settings: bytes) -> None:
    parts = bootstrap.relaying(msgspec.json.decode(settings, type=Settings), conninfo)
    stop = _stopped()
    start.wait(START)
    Notifier(parts, stop).run()


def _stopped() -> Event:
    stop = Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    return stop


def _bare(start: Barrier, conninfo: str) -> None:
    session, clock = Session(conninfo), bootstrap.SystemClock()
    leases = Leases(session, LOGINS, 600.0)
    store = PostgresStore(session, clock, timedelta(seconds=600))
    leases.beat()
    claims = [claim for part in leases.free() if (claim := leases.claim(part)) is not None]
    gc.collect()
    gc.disable()
    start.wait(START)
    commits = BareCommits(session, timedelta(seconds=600))
    for claim in claims:
        while found := store.read(claim, BARE_BATCH):
            claim = commits.store(claim, found, clock.now())
    leases.leave()


class BareCommits(Commits):
    """The offset and the events in one transaction, nothing else; the driver packs the rows."""

    def store(self, claim: Claim, found: Sequence[LogRecord], now: int) -> Claim:
        """Decode and store; returns where the partition stands then."""
        rows = [_bare_row(item, claim, now) for item in found]
        self._prepare(row.time for row in rows)
        end = found[-1].offset + 1
        with self._session.connection.transaction(), self._session.connection.cursor() as cursor:
            self._swap(cursor, claim, end, 0)
            with cursor.copy(_SQL["copy_events"]) as copy:
                copy.set_types(_TYPES)
                for row in sorted(rows):  # their keys come first
                    copy.write_row(row)
            cursor.execute(_SQL["insert_events"], {"generation": claim.generation, "part": claim.part})
        return msgspec.structs.replace(claim, next_offset=end)


def _bare_row(item: LogRecord, claim: Claim, now: int) -> EventRow:
    record = decode(item, claim, now, bootstrap.read_foreign)
    if not isinstance(record, EventRecord):
        raise BenchmarkError(f"offset {item.offset} holds no event")
    event = record.event
    return event_row(item.offset, record, event, event.user_key, EMPTY, _CLEAN, NO_CHANGE)
