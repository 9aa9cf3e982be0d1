"""`/v1/decisions` of one API process on one core: how long an answer takes, and what becomes of twice the capacity."""

import gc
import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count, cycle, islice
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Event

import msgspec
import psycopg
from msgspec.structs import replace

from benchmarks import load, worlds
from benchmarks.figures import BenchmarkError, percentile
from benchmarks.load import Answer, Target
from gatewatch import bootstrap, logs
from gatewatch.api import server
from gatewatch.api.app import build
from gatewatch.settings import Settings
from gatewatch.simulator.wire import native_json

TENANT = "default"
#: Decisions per second that a figure is about.
RATE = 200.0
#: Callers that keep one process busy.
CALLERS = 16
#: Requests before anything is measured: connections, prepared statements, caches.
WARM = 400
#: Logins that are asked about in turn, each time under an id of its own.
LOGINS = 4_000
#: How long a process may take to start and to end (s).
_PATIENCE = 60.0

_KEPT = "SELECT count(*) FROM decisions"
_context = multiprocessing.get_context("spawn")


class Measured(msgspec.Struct, frozen=True):
    """One measurement: at the rate, the share that was answered, latencies in ms and CPU time per request in µs;
    decisions per second at full speed; at twice that the share of it that was still answered, and how long those
    answers took.
    """

    answered: float
    p50: float
    p99: float
    cpu_us: float
    capacity: float
    kept_share: float
    overload_p99: float


def measure(conninfo: str, settings: Settings, seconds: float) -> Measured:
    """Start a process on a database, ask it, and end it."""
    with _serving(conninfo, settings) as (pid, port):
        target = Target("127.0.0.1", port, "/v1/decisions", _key(conninfo), _questions())
        _answered(load.at_full_speed(target, CALLERS, WARM / RATE))
        before = _cpu_seconds(pid)
        asked = load.at_rate(target, RATE, seconds)
        cpu = (_cpu_seconds(pid) - before) / len(asked)
        capacity = len(_answered(load.at_full_speed(target, CALLERS, seconds))) / seconds
        flooded = load.at_rate(target, 2 * capacity, seconds)
    _check(conninfo)
    steady, through = _let_through(asked), _let_through(flooded)
    return Measured(
        answered=len(steady) / len(asked),
        p50=percentile(steady, 0.5) * 1e3,
        p99=percentile(steady, 0.99) * 1e3,
        cpu_us=cpu * 1e6,
        capacity=capacity,
        kept_share=len(through) / seconds / capacity,
        overload_p99=percentile(through, 0.99) * 1e3,
    )


def _answered(answers: Sequence[Answer]) -> list[float]:
    """The seconds of answers that must all be decisions."""
    if wrong := [answer.status for answer in answers if answer.status != 200]:
        raise BenchmarkError(f"of {len(answers)} requests {len(wrong)} were not answered: {wrong[0]}")
    return [answer.seconds for answer in answers]


def _let_through(answers: Sequence[Answer]) -> list[float]:
    """The seconds of those that were decided on; the others must have been told to come again."""
    if strange := {answer.status for answer in answers} - {200, 429, 503}:
        raise BenchmarkError(f"some answers were {sorted(strange)}")
    return [answer.seconds for answer in answers if answer.status == 200]


def _questions() -> Iterator[bytes]:
    """Logins of the users that the database knows, without end and without a repeat."""
    logins = (e for e in worlds.events("throughput", 4 * LOGINS) if e.activity == "logon")
    found = [e for e in islice(logins, LOGINS) if e.outcome in ("success", "failure")]
    for number, event in zip(count(), cycle(found), strict=False):
        yield native_json(replace(event, event_id=f"{os.getpid()}-{number}"))


def _key(conninfo: str) -> str:
    doing = bootstrap.administration(conninfo, TENANT)
    try:
        return doing.keys.create("benchmark", ["decide"], "benchmarks", None)
    finally:
        doing.close()


def _check(conninfo: str) -> None:
    with psycopg.connect(conninfo) as connection:
        connection.execute("SET ROLE gatewatch_worker")
        if connection.execute(_KEPT).fetchone() == (0,):
            raise BenchmarkError("no decision was kept")


def _cpu_seconds(pid: int) -> float:
    """What a process has used of processors so far, in all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _serving(conninfo: str, settings: Settings) -> Iterator[tuple[int, int]]:
    """A process of the API; gives its id and its port."""
    here, there = _context.Pipe()
    process = _context.Process(target=_serve, args=(there, conninfo, msgspec.json.encode(settings)))
    process.start()
    try:
        if not here.poll(_PATIENCE):
            raise BenchmarkError("the API did not start; what it said is above")
        yield process.pid or 0, here.recv()
    finally:
        process.terminate()
        process.join(_PATIENCE)
        if process.is_alive():
            process.kill()
            process.join()


def _serve(there: Connection, conninfo: str, settings: bytes) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logs.configure("warning", "bench")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    given = msgspec.json.decode(settings, type=Settings)
    with server.listening("127.0.0.1", 0) as listener:
        app = build(given, bootstrap.serving(given, conninfo), ["decide"])
        gc.freeze()
        there.send(listener.getsockname()[1])
        server.serve(app, listener, Event())
