"""Streams that share a poller, on what is stored in memory: who is further than the poller, and what fails."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from gatewatch.api import feed as feeds
from gatewatch.api.feed import Feed
from gatewatch.api.problems import Problem
from gatewatch.api.subscription import Subscription
from gatewatch.ports import Unavailable
from gatewatch.services.positions import write
from gatewatch.services.stream import Stream
from gatewatch.stream_ports import Positions, StreamedAnomaly, StreamedEvent, Stretch


class Store:
    """A store with nothing in it but its ends; `failure` is raised instead of an answer."""

    def __init__(self) -> None:
        self.ends = {0: 10, 1: 10}
        self.failure: Exception | None = None

    def heads(self) -> Positions:
        """Where it ends."""
        if self.failure is not None:
            raise self.failure
        return Positions(self.ends, {})

    def floors(self) -> Positions:
        """Everything is kept."""
        return Positions({}, {})

    def events(self, stretches: Sequence[Stretch], each: int) -> list[StreamedEvent]:
        """Other tenants' events, of which none is seen."""
        assert stretches
        assert each
        return []

    def anomalies(self, stretches: Sequence[Stretch], each: int) -> list[StreamedAnomaly]:
        """None."""
        assert stretches
        assert each
        return []

    def waiting(self, stretches: Sequence[Stretch], most: int) -> int:
        """None."""
        assert stretches
        return min(most, 0)


async def holds() -> bool:
    """A credential that is never revoked."""
    return True


def subscribed(feed: Feed) -> Subscription:
    """A place for somebody."""
    return feed.subscribe("acme", "key:k", "k", frozenset({"events", "anomalies"}), holds)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    """The store, looked at often."""
    monkeypatch.setattr(feeds, "POLL", 0.01)
    monkeypatch.setattr("gatewatch.api.subscription.HEARTBEAT", 0.02)
    return Store()


def feed_of(store: Store) -> Feed:
    """The feed of a store."""
    return Feed(lambda tenant: Stream(store, tenant, 10_000), 10)


async def until_id(stream: Any, id: str) -> None:
    """Read until a stream stands there."""
    async with asyncio.timeout(10):
        async for chunk in stream:
            if f"id: {id}\n".encode() in chunk:
                return
    raise AssertionError("the stream ended")


def test_who_was_further_in_another_process_waits(store: Store) -> None:
    """A client that another process told more than this one has read yet never goes back: it joins once this one has
    come as far.
    """

    async def run() -> list[bytes]:
        feed = feed_of(store)
        first = subscribed(feed)
        await until_id(await feed.begin(first, ""), write("acme", {0: 10, 1: 10}, {}))
        store.failure = Unavailable("away")  # this process sees nothing for a while
        await asyncio.sleep(0.05)
        store.ends, further = {0: 20, 1: 15}, {0: 20, 1: 10}
        store.failure = None
        second = subscribed(feed)
        stream = await feed.begin(second, write("acme", further, {}))
        seen = [await anext(stream)]
        await until_id(stream, write("acme", {0: 20, 1: 15}, {}))
        feed.close()
        return seen

    assert asyncio.run(run()) == [feeds.opening(write("acme", {0: 20, 1: 10}, {}))]


def test_nothing_is_passed_on_while_a_credential_cannot_be_checked(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it cannot be found out whether a credential holds, streams stand still."""
    monkeypatch.setattr(feeds, "CHECK", 0.0)

    async def unknown() -> bool:
        raise Unavailable("away")

    async def run() -> bool:
        feed = feed_of(store)
        subscription = feed.subscribe("acme", "key:k", "k", frozenset({"events"}), unknown)
        stream = await feed.begin(subscription, "")
        store.ends = {0: 11}
        chunks = [await anext(stream) for _ in range(10)]
        feed.close()
        return all(write("acme", {0: 10, 1: 10}, {}).encode() in chunk for chunk in chunks)

    assert asyncio.run(run())


def test_a_poller_that_fails_ends_the_streams(store: Store) -> None:
    """A mistake of ours ends the streams instead of leaving them silent, and the next one begins a new poller."""

    async def run() -> list[str]:
        feed, ended = feed_of(store), []
        for _ in range(2):
            subscription = subscribed(feed)
            store.failure = None
            stream = await feed.begin(subscription, "")
            store.failure = KeyError("a mistake")
            async with asyncio.timeout(10):
                async for _ in stream:
                    pass
            feed.leave(subscription)
            ended.append(subscription.ended)
        return ended

    assert asyncio.run(run()) == ["failure", "failure"]


def test_nobody_begins_while_a_process_ends(store: Store) -> None:
    """A process that ends takes no further streams."""

    async def run() -> None:
        feed = feed_of(store)
        feed.close()
        with pytest.raises(Problem) as refused:
            subscribed(feed)
        assert refused.value.code == "overloaded"

    asyncio.run(run())
