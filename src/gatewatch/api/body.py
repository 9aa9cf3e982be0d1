"""Request bodies from strangers: bounded in bytes and in time, whoever reads them."""

import asyncio
from typing import NamedTuple

from starlette.types import Message, Receive, Scope

from gatewatch.api.problems import Problem

#: The most bytes of a body where a route says nothing else.
USUAL = 64 << 10


class Bounds(NamedTuple):
    """The most bytes of a body as sent, and how long it may take to arrive (s)."""

    size: int
    seconds: float


def bounded(scope: Scope, receive: Receive, bounds: Bounds) -> Receive:
    """`receive` that raises a `Problem` once the body is too large or too slow. Raises it at once for a length that
    says so.
    """
    if _declared(scope) > bounds.size:
        raise _too_large(bounds)
    return _Bounded(receive, bounds)


class _Bounded:
    def __init__(self, receive: Receive, bounds: Bounds) -> None:
        self._receive, self._bounds = receive, bounds
        self._size, self._ended = 0, False
        self._deadline: float | None = None

    async def __call__(self) -> Message:
        if self._ended:
            return await self._receive()
        message = await self._in_time()
        self._ended = not message.get("more_body", False)
        self._size += len(message.get("body", b""))
        if self._size > self._bounds.size:
            raise _too_large(self._bounds)
        return message

    async def _in_time(self) -> Message:
        # The clock starts with the first look at the body.
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().time() + self._bounds.seconds
        try:
            async with asyncio.timeout_at(self._deadline):
                return await self._receive()
        except TimeoutError:
            raise Problem(
                "too_slow", f"A body may take {self._bounds.seconds:g} s.", headers={"Connection": "close"}
            ) from None


def _declared(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value[:20]) if value.isdigit() else 0
    return 0


def _too_large(bounds: Bounds) -> Problem:
    return Problem("body_too_large", f"{bounds.size:,} bytes are allowed.", headers={"Connection": "close"})
