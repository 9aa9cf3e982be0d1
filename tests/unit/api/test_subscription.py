"""What waits for one client, and when a sign of life may stand in its place."""

from __future__ import annotations

import asyncio

import pytest

from gatewatch.api import subscription
from gatewatch.api.subscription import Chunk, Subscription


async def holds() -> bool:
    """A credential that is never revoked."""
    return True


def test_what_comes_just_as_the_wait_ends_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is offered in the very turn of the loop in which the wait for it ended is not passed over: the sign of life
    in its stead would say that the client stands behind what it never got.
    """
    monkeypatch.setattr(subscription, "HEARTBEAT", 0)

    async def run() -> list[bytes]:
        client = Subscription("acme", "key:k", "k", frozenset({"events"}), holds)
        taking = asyncio.create_task(client.take())
        await asyncio.sleep(0)  # it waits now, and the end of that is the next thing the loop does
        asyncio.get_running_loop().call_soon(client.offer, [Chunk("events", b"an event")])
        return [await taking, await client.take()]

    assert asyncio.run(run()) == [b"an event", b""]
