"""A client of the stream that reads it as it comes over the wire, and remembers its place as the reference says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, NamedTuple, Self

import httpx


class Block(NamedTuple):
    """One block of a stream: the event's name ("" for one that is none), its data, and the id it carries."""

    event: str
    data: Any
    id: str


class Listener:
    """One connection. Iterating gives its blocks until it ends; `id` is that of the last block."""

    def __init__(self, url: str, key: str = "", id: str = "", **parameters: str) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        headers |= {"Last-Event-ID": id} if id else {}
        self._client = httpx.Client(base_url=url, headers=headers, timeout=30)
        self._parameters, self.id = parameters, id

    def __enter__(self) -> Self:
        self._context = self._client.stream("GET", "/v1/stream", params=self._parameters)
        self.response = self._context.__enter__()
        if self.response.status_code != 200:
            self.response.read()
        self._blocks = self._read()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._context.__exit__(None, None, None)
        self._client.close()

    def __iter__(self) -> Iterator[Block]:
        return self._blocks

    def _read(self) -> Iterator[Block]:
        fields: dict[str, str] = {}
        for line in self.response.iter_lines():
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
                continue
            self.id = fields.get("id", self.id)
            data = json.loads(fields["data"]) if "data" in fields else None
            yield Block(fields.get("event", ""), data, self.id)
            fields = {}

    def next(self, count: int) -> list[Block]:
        """The next blocks that are events."""
        found = []
        while len(found) < count:
            block = next(self._blocks)
            if block.event:
                found.append(block)
        return found


