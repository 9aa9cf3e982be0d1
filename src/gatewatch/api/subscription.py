"""One client's place in the feed: what waits to be sent to it, bounded, and why it ended."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import NamedTuple

from gatewatch.services.stream import Kind

#: Bytes that may wait for a client; one that is slower is cut off and comes again.
MOST_WAITING = 1 << 20
#: After so many seconds without anything else a sign of life is sent.
HEARTBEAT = 15.0


class Chunk(NamedTuple):
    """A message in its final form, the same bytes for all clients of a tenant."""

    kind: Kind
    data: bytes


class Subscription:
    """A client. `holds` asks whether its credential still does; `credential` tells one from another."""

    def __init__(
        self,
        tenant: str,
        subject: str,
        credential: str,
        kinds: frozenset[Kind],
        holds: Callable[[], Awaitable[bool]],
    ) -> None:
        self.tenant, self.subject, self.credential, self.holds = tenant, subject, credential, holds
        self.ended = ""
        self._kinds = kinds
        self._waiting: list[bytes] = []
        self._size = 0
        self._something = asyncio.Event()

    def wanted(self, chunks: Iterable[Chunk]) -> list[bytes]:
        """Those of the kinds that it wants."""
        return [chunk.data for chunk in chunks if chunk.kind in self._kinds]

    def offer(self, chunks: Sequence[Chunk]) -> None:
        """Have a page sent, or end where too much waits for that already: nothing is ever left out. Who took all that
        came before is not slow, however large the page is.
        """
        found = self.wanted(chunks)
        if self.ended or not found:
            return
        size = self._size + sum(map(len, found))
        if self._waiting and size > MOST_WAITING:
            self.end("slow")
            return
        self._waiting, self._size = self._waiting + found, size
        self._something.set()

    def end(self, why: str) -> None:
        """Send nothing more."""
        self.ended = self.ended or why
        self._waiting, self._size = [], 0
        self._something.set()

    async def take(self) -> bytes:
        """All that waits; nothing after a while without anything, and at the end."""
        with suppress(TimeoutError):  # something may have come since the time ran out
            async with asyncio.timeout(HEARTBEAT):
                await self._something.wait()
        self._something.clear()
        taken, self._waiting, self._size = self._waiting, [], 0
        return b"".join(taken)
