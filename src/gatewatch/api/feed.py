"""One poller for all streams of a process: it reads what was stored for each tenant that somebody listens to, once.

A stream that begins at an earlier position reads by itself until it has come to where its tenant's channel stands, and
from then on gets what the channel gets. Nothing is awaited between that look and the joining, so nothing lies between.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple

from gatewatch import logs, metrics
from gatewatch.api import models
from gatewatch.api.problems import Problem, retry
from gatewatch.api.subscription import Chunk, Subscription
from gatewatch.api.threads import Threads
from gatewatch.core.backoff import backoff
from gatewatch.ports import Unavailable
from gatewatch.read_ports import NotPrepared
from gatewatch.services.stream import Kind, Message, Stream
from gatewatch.stream_ports import Positions

#: How often it is looked whether something was stored, and whether credentials still hold, in seconds.
POLL = 0.25
CHECK = 3.0
#: The longest pause between tries while the database is away.
MOST_BACKOFF = 2.0
#: How soon a client should come again, in milliseconds.
RETRY_MS = 2_000
#: Streams of one API key or account, in this process.
PER_CALLER = 16
#: Streams that read what they missed at the same time.
CATCHING_UP = 2

_AWAY = (Unavailable, NotPrepared, Problem)
_MODELS: dict[Kind, tuple[str, type[models.Model]]] = {
    "events": ("event", models.Event),
    "anomalies": ("anomaly", models.Anomaly),
}


class _Read(NamedTuple):
    """A page as it is sent."""

    chunks: list[Chunk]
    reached: Positions


class _Channel:
    """What a tenant's streams have in common: where they stand, and who listens."""

    def __init__(self, stream: Stream, position: Positions) -> None:
        self.stream, self.position = stream, position
        self.live: set[Subscription] = set()

    @property
    def id(self) -> str:
        """The id of where it stands."""
        return self.stream.id_of(self.position)

    def advance(self, page: _Read) -> None:
        """Give everybody a page and stand behind it."""
        self.position = page.reached
        for subscription in self.live:
            subscription.offer(page.chunks)


class Feed:
    """The streams of one process. Everything but the reading happens on the event loop."""

    def __init__(self, streams: Callable[[str], Stream], most: int) -> None:
        self._streams, self._most = streams, most
        self._subscriptions: set[Subscription] = set()
        self._channels: dict[str, _Channel] = {}
        self._polling = Threads(1, 1)
        self._catching_up = Threads(CATCHING_UP, most)
        self._poller: asyncio.Task[None] | None = None
        self._next_check = 0.0
        self._closed = False

    def subscribe(
        self,
        tenant: str,
        subject: str,
        credential: str,
        kinds: frozenset[Kind],
        holds: Callable[[], Awaitable[bool]],
    ) -> Subscription:
        """Take a place, which `leave` gives back. Raises a `Problem` where there is none."""
        if self._closed or len(self._subscriptions) >= self._most:
            raise retry("overloaded")
        if sum((one.tenant, one.subject) == (tenant, subject) for one in self._subscriptions) >= PER_CALLER:
            raise retry("too_many_requests")
        subscription = Subscription(tenant, subject, credential, kinds, holds)
        self._subscriptions.add(subscription)
        metrics.STREAM_CLIENTS.set(len(self._subscriptions))
        if self._poller is None or self._poller.done():
            self._next_check = asyncio.get_running_loop().time() + CHECK
            self._poller = asyncio.create_task(self._poll(), name="stream poller")
        return subscription

    def leave(self, subscription: Subscription) -> None:
        """Give a place back."""
        self._subscriptions.discard(subscription)
        metrics.STREAM_CLIENTS.set(len(self._subscriptions))
        metrics.STREAM_ENDS.add(subscription.ended or "left")
        channel = self._channels.get(subscription.tenant)
        if channel is not None:
            channel.live.discard(subscription)
        if subscription.tenant not in {one.tenant for one in self._subscriptions}:
            self._channels.pop(subscription.tenant, None)

    def close(self) -> None:
        """End all streams, and let nobody begin one."""
        self._closed = True
        self._end_all("shutdown")

    def _end_all(self, why: str) -> None:
        for subscription in self._subscriptions:
            subscription.end(why)

    # One stream ------------------------------------------------------------------------------------------------------

    async def begin(self, subscription: Subscription, id: str) -> AsyncIterator[bytes]:
        """What a stream sends: from behind `id` on, or from now on where that is "" or cannot be done.

        Raises `BadId`, and `Unavailable` where it cannot be found out where to begin.
        """
        stream = self._streams(subscription.tenant)
        since = stream.position_of(id) if id else None
        reset = await self._catching_up.run(stream.reset, since) if since is not None else None
        channel = self._channels.get(subscription.tenant)
        if channel is None:
            heads = await self._catching_up.run(stream.heads)
            channel = self._channels.setdefault(subscription.tenant, _Channel(stream, heads))
        if since is not None and reset is None:
            return self._resumed(subscription, channel, since)
        channel.live.add(subscription)
        return self._sent(subscription, channel, opening(channel.id, reset))

    async def _resumed(
        self, subscription: Subscription, channel: _Channel, since: Positions
    ) -> AsyncIterator[bytes]:
        """Read what was missed, as fast as the client takes it, and join the channel where it stands."""
        yield opening(channel.stream.id_of(since))
        while since != channel.position:
            until = channel.position
            if not until.reaches(since):  # another process was further: wait until ours is
                await asyncio.sleep(POLL)
            else:
                try:
                    page = await self._catching_up.run(_read, channel.stream, since, until)
                except _AWAY:
                    return  # the client comes again
                since = page.reached
                if wanted := subscription.wanted(page.chunks):
                    yield b"".join(wanted)
            if subscription.ended:
                return
        channel.live.add(subscription)
        async for chunk in self._sent(subscription, channel, b""):
            yield chunk

    async def _sent(
        self, subscription: Subscription, channel: _Channel, first: bytes
    ) -> AsyncIterator[bytes]:
        if first:
            yield first
        while True:
            found = await subscription.take()
            if subscription.ended:
                return
            # Where nothing is left to send, the client stands where the channel does.
            yield found or beat(channel.id)

    # All streams -----------------------------------------------------------------------------------------------------

    async def _poll(self) -> None:
        """Look again and again while somebody listens."""
        failures = 0
        try:
            while self._subscriptions:
                try:
                    pause = 0.0 if await self._turn() else POLL
                    failures = 0
                except _AWAY:
                    failures += 1
                    pause = backoff(POLL, failures, MOST_BACKOFF)
                await asyncio.sleep(pause)
        except Exception:  # noqa: BLE001 -- nobody awaits this task: unlogged, streams would stay open and silent
            logs.get().exception("the poller of streams failed")
            self._end_all("failure")

    async def _turn(self) -> bool:
        """Check credentials where that is due, and only then pass on what is new; tells whether there is more."""
        if asyncio.get_running_loop().time() >= self._next_check:
            await self._check()
        channels = list(self._channels.values())
        if not channels:
            return False
        heads = await self._polling.run(channels[0].stream.heads)
        for channel in channels:
            if channel.position != heads:
                channel.advance(await self._polling.run(_read, channel.stream, channel.position, heads))
        return any(channel.position != heads for channel in channels)

    async def _check(self) -> None:
        """End the streams whose credential is gone. Where that cannot be found out nothing is passed on either."""
        by_credential = {one.credential: one for one in self._subscriptions}
        for credential, one in by_credential.items():
            if not await one.holds():
                for other in self._subscriptions:
                    if other.credential == credential:
                        other.end("revoked")
        self._next_check = asyncio.get_running_loop().time() + CHECK


def _read(stream: Stream, since: Positions, until: Positions) -> _Read:
    page = stream.page(since, until)
    return _Read([_chunk(message) for message in page.messages], page.reached)


def _chunk(message: Message) -> Chunk:
    """A message as server-sent events have it, its data in the same form as an item of its list."""
    name, model = _MODELS[message.kind]
    data = model.model_validate(message.view).model_dump_json()
    return Chunk(message.kind, f"id: {message.id}\nevent: {name}\ndata: {data}\n\n".encode())


def opening(id: str, reset: str | None = None) -> bytes:
    """What every stream begins with: how soon to come again (ms), where it stands, and whether it begins anew."""
    told = f'event: reset\ndata: {{"reason":"{reset}"}}\n' if reset else ""
    return f"retry: {RETRY_MS}\nid: {id}\n{told}\n".encode()


def beat(id: str) -> bytes:
    """A sign of life that also says where the stream stands: a block without data is no event."""
    return f": beat\nid: {id}\n\n".encode()
