"""A client of the stream that reads it as it comes over the wire, and remembers its place as the reference says."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, NamedTuple, Self

import httpx


class Block(NamedTuple):
    """One block of a stream: the event's name ("" for one that is none), its data, and the id it carries."""

    event: str
    data: Any
    id: str


def blocks(lines: Iterable[str], id: str = "") -> Iterator[Block]:
    """The blocks of a stream; the last is given only when it is whole."""
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
            continue
        id = fields.get("id", id)
        yield Block(fields.get("event", ""), json.loads(fields.get("data", "null")), id)
        fields = {}


class Listener:
    """One connection. Iterating gives its blocks until it ends; `id` is that of the last block."""

    def __init__(
        self, url: str, key: str = "", id: str = "", cookie: str = "", timeout: float = 30, **parameters: str
    ) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {"Cookie": cookie}
        headers |= {"Last-Event-ID": id} if id else {}
        # Without certificates: reading them takes longer than all else that a connection does.
        self._client = httpx.Client(base_url=url, headers=headers, timeout=timeout, verify=False)
        self._context = self._client.stream("GET", "/v1/stream", params=parameters)
        self.id = id

    def __enter__(self) -> Self:
        self.response = self._context.__enter__()
        if self.response.status_code != 200:
            self.response.read()
        self._blocks = blocks(self.response.iter_lines(), self.id)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._context.__exit__(None, None, None)
        self._client.close()

    def __iter__(self) -> Iterator[Block]:
        for block in self._blocks:
            self.id = block.id
            yield block

    def begun(self) -> Self:
        """Wait for the first block, which says where the stream begins."""
        next(iter(self))
        return self

    def next(self, count: int) -> list[Block]:
        """The next blocks that are events. Signs of life in their stead mean that they do not come."""
        found: list[Block] = []
        silence = 0
        for block in self:
            silence = 0 if block.event else silence + 1
            assert silence < 3, f"{len(found)} of {count} came: {told(found)}"
            if block.event:
                found.append(block)
            if len(found) == count:
                break
        return found


def told(found: Iterable[Block]) -> list[str]:
    """What blocks tell of: the ids of events, anomalies with their version and revision, the reasons of resets."""
    return [_name(block) for block in found if block.event]


def _name(block: Block) -> str:
    data = block.data
    match block.event:
        case "event":
            return str(data["event_id"])
        case "anomaly":
            return f"{data['id']} {data['version']} {data['revision']}"
        case _:
            return str(data["reason"])
