"""HTTP requests at a set rate or as fast as they are answered, over connections that stay open.

Written to the socket by hand: a client for people would take longer than the server that is measured.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from itertools import count
from time import perf_counter
from typing import NamedTuple

from benchmarks.figures import BenchmarkError

#: Connections of a run; requests beyond wait for one, and their time counts.
CONNECTIONS = 256
#: How long an answer may take (s).
PATIENCE = 30.0


class Answer(NamedTuple):
    """A status, and the seconds from when the request was due to its answer."""

    status: int
    seconds: float


class Target(NamedTuple):
    """Where requests go, as whom, and their bodies, one after the other."""

    host: str
    port: int
    path: str
    key: str
    bodies: Iterator[bytes]

    def next(self) -> bytes:
        """The next request."""
        body = next(self.bodies)
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: {self.host}\r\nAuthorization: Bearer {self.key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


def at_rate(target: Target, rate: float, seconds: float) -> list[Answer]:
    """Requests that are due so often, whether those before were answered or not."""
    return asyncio.run(_at_rate(target, rate, seconds))


def at_full_speed(target: Target, callers: int, seconds: float) -> list[Answer]:
    """Requests of so many callers, each as soon as its last one was answered."""
    return asyncio.run(_at_full_speed(target, callers, seconds))


class _Connections:
    """Open connections, lent one request at a time, in turn: a server closes those that lie idle for seconds."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._idle: deque[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = deque()
        self._free = asyncio.Semaphore(CONNECTIONS)

    async def ask(self, due: float) -> Answer:
        async with self._free, asyncio.timeout(PATIENCE):
            reader, writer = self._idle.popleft() if self._idle else await self._open()
            writer.write(self._target.next())
            head = await reader.readuntil(b"\r\n\r\n")
            lower = head.lower()
            at = lower.index(b"content-length:") + 15
            await reader.readexactly(int(lower[at : lower.index(b"\r", at)]))
            if b"connection: close" in lower:
                writer.close()
            else:
                self._idle.append((reader, writer))
        return Answer(int(head[9:12]), perf_counter() - due)

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self._target.host, self._target.port)

    def close(self) -> None:
        for _, writer in self._idle:
            writer.close()


async def _at_rate(target: Target, rate: float, seconds: float) -> list[Answer]:
    connections, began = _Connections(target), perf_counter()
    asked: list[asyncio.Task[Answer]] = []
    for number in count():
        due = began + number / rate
        if due > began + seconds:
            break
        if (ahead := due - perf_counter()) > 0:
            await asyncio.sleep(ahead)
        asked.append(asyncio.create_task(connections.ask(due)))
    return await _answers(connections, asked)


async def _at_full_speed(target: Target, callers: int, seconds: float) -> list[Answer]:
    connections, end = _Connections(target), perf_counter() + seconds

    async def caller() -> list[Answer]:
        found = []
        while (now := perf_counter()) < end:
            found.append(await connections.ask(now))
        return found

    rounds = await asyncio.gather(*(caller() for _ in range(callers)))
    connections.close()
    return [answer for found in rounds for answer in found]


async def _answers(connections: _Connections, asked: list[asyncio.Task[Answer]]) -> list[Answer]:
    try:
        return await asyncio.gather(*asked)
    except (OSError, EOFError, TimeoutError) as error:
        raise BenchmarkError(f"a request was not answered: {error!r}") from None
    finally:
        connections.close()
