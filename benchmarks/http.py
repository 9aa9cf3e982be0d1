"""The HTTP API as its clients see it: requests for events from keep-alive connections, and how soon a stream tells.

The server is a process of its own. Beside it a bare handler appends the same records to the same log, one append per
request: no credential, no reading, no checks, no grouping.
"""

import asyncio
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from multiprocessing.synchronize import Barrier
from threading import Event, Thread
from time import perf_counter, sleep

import httpx
import msgspec
import uvicorn
from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks import pipes, worlds
from benchmarks.figures import BenchmarkError
from benchmarks.pipes import START, Work
from gatewatch import bootstrap
from gatewatch.adapters.postgres.log import PostgresLog
from gatewatch.api import server
from gatewatch.api.app import build
from gatewatch.core import records
from gatewatch.core.records import EventRecord, content_digest
from gatewatch.settings import Settings
from gatewatch.simulator.wire import native_json

_PATH = "/v1/events"
#: How long a stream may take to tell of an event before that is an error (s).
_PATIENCE = 30.0
#: Between events whose way to the stream is measured (s): none waits for another.
_APART = 0.1

_QUIET = Settings(log_level="warning")

Pairs = list[tuple[str, bytes]]


class Load(msgspec.Struct, frozen=True):
    """What one measurement sends: so many requests of so many events over so many connections."""

    requests: int
    events: int
    connections: int


class Answered(msgspec.Struct, frozen=True):
    """How it went: requests per second, and the seconds that each took."""

    rate: float
    seconds: list[float]


@contextmanager
def serving(conninfo: str, *more: Work, bare: bool = False, settings: Settings = _QUIET) -> Iterator[str]:
    """A process that serves the API, or the bare handler, beside others; gives its URL."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    work: Work = (
        (_bare, (conninfo, port)) if bare else (_serve, (conninfo, port, msgspec.json.encode(settings)))
    )
    with pipes.running([work, *more]):
        yield f"http://127.0.0.1:{port}"


def key_of(conninfo: str) -> str:
    """A key for sending and reading."""
    doing = bootstrap.administration(conninfo, "default")
    try:
        return doing.keys.create("bench", ["ingest", "read"], "bench")
    finally:
        doing.close()


def sent(url: str, key: str, load: Load, *, bare: bool = False) -> Answered:
    """Send events and wait for every answer. Raises `BenchmarkError` where one is not 202."""
    bodies = list(_bodies(load, bare))
    return asyncio.run(_sent(url, [_request(url, key, body) for body in bodies], load.connections))


def _bodies(load: Load, bare: bool) -> Iterator[bytes]:
    events = worlds.events("throughput", load.requests * load.events)
    while chunk := list(islice(events, load.events)):
        lines = [native_json(event) for event in chunk]
        if not bare:
            yield b"".join(lines)
            continue
        found = [
            EventRecord(event, line, content_digest(line), event.time)
            for event, line in zip(chunk, lines, strict=True)
        ]
        yield msgspec.msgpack.encode([(record.key, records.encode(record)) for record in found])


def _request(url: str, key: str, body: bytes) -> bytes:
    host = url.removeprefix("http://")
    head = f"POST {_PATH} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n"
    return f"{head}Content-Type: application/x-ndjson\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def _sent(url: str, requests: Sequence[bytes], connections: int) -> Answered:
    host, _, port = url.removeprefix("http://").partition(":")
    waiting, seconds = iter(requests), list[float]()

    async def client() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        for request in waiting:
            began = perf_counter()
            writer.write(request)
            await _accepted(reader)
            seconds.append(perf_counter() - began)
        writer.close()

    began = perf_counter()
    async with asyncio.timeout(pipes.STUCK * 5):
        await asyncio.gather(*(client() for _ in range(connections)))
    return Answered(len(requests) / (perf_counter() - began), seconds)


async def _accepted(reader: asyncio.StreamReader) -> None:
    """Read an answer to its end."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if b" 202 " not in head[:16]:
        raise BenchmarkError(f"a request was answered {head.splitlines()[0].decode()!r}")
    await reader.readexactly(int(head.partition(b"content-length: ")[2].split(b"\r")[0]))


def told(url: str, key: str, count: int) -> list[float]:
    """Seconds from sending each of `count` events to its arrival on a stream, sent one at a time."""
    arrivals: dict[str, float] = {}
    events = {event.event_id: native_json(event) for event in worlds.events("throughput", count)}
    headers, listening = {"Authorization": f"Bearer {key}"}, Event()
    listener = Thread(target=_listen, args=(url, headers, len(events), arrivals, listening), daemon=True)
    listener.start()
    if not listening.wait(_PATIENCE):
        raise BenchmarkError("no stream began")
    departures: dict[str, float] = {}
    with httpx.Client(base_url=url, headers=headers) as client:
        send_apart(client, events, departures)
    listener.join(_PATIENCE)
    if set(arrivals) != set(events):
        raise BenchmarkError(f"of {len(events)} events the stream told {len(arrivals)}")
    return [arrivals[id] - departures[id] for id in events]


def send_apart(client: httpx.Client, events: Mapping[str, bytes], departures: dict[str, float]) -> None:
    """Send events one at a time, and note by id when each left."""
    for id, body in events.items():
        departures[id] = perf_counter()
        send(client, body)
        sleep(_APART)


def send(client: httpx.Client, body: bytes) -> None:
    """Send NDJSON lines. Raises `BenchmarkError` where they are not taken."""
    answer = client.post(_PATH, content=body, headers={"Content-Type": "application/x-ndjson"})
    if answer.status_code != 202:
        raise BenchmarkError(f"an event was answered {answer.status_code}")


def _listen(url: str, headers: dict[str, str], count: int, arrivals: dict[str, float], begun: Event) -> None:
    with httpx.stream("GET", f"{url}/v1/stream?kinds=events", headers=headers, timeout=_PATIENCE) as stream:
        for line in stream.iter_lines():
            begun.set()
            if line.startswith("data: "):
                arrivals[msgspec.json.decode(line[6:])["event_id"]] = perf_counter()
            if len(arrivals) == count:
                return


# In the processes ------------------------------------------------------------------------------------------------


def _serve(start: Barrier, conninfo: str, port: int, given: bytes) -> None:
    settings = msgspec.json.decode(given, type=Settings)
    with server.listening("127.0.0.1", port) as listener:
        app = build(settings, bootstrap.serving(settings, conninfo))
        start.wait(START)
        server.serve(app, listener, Event())


def _bare(start: Barrier, conninfo: str, port: int) -> None:
    log, decode = PostgresLog(conninfo, role="gatewatch_app"), msgspec.msgpack.Decoder(Pairs).decode

    async def append(request: Request) -> Response:
        await to_thread.run_sync(log.append, decode(await request.body()), limiter=one)
        return Response(status_code=202)

    one = CapacityLimiter(1)
    app = Starlette(routes=[Route(_PATH, append, methods=["POST"])])
    with server.listening("127.0.0.1", port) as listener:
        start.wait(START)
        uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False)).run(sockets=[listener])
