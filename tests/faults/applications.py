"""What applications do over HTTP: post events, and have logins decided on. They come again until they are answered."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import httpx
import msgspec

from tests.faults.apis import Apis, Stopped
from tests.faults.scenario import Chunk, Item

if TYPE_CHECKING:
    from tests.faults.actors import Config

#: Requests that a client has under way at once.
AT_ONCE = 4


class Answer(msgspec.Struct, frozen=True):
    """What a login's decision was answered with, byte for byte."""

    tenant_id: str
    event_id: str
    body: bytes


class Refused(Exception):
    """An answer that a client did not ask for: the process ends with it."""


class Clients:
    """Some threads that ask the API, each on a connection of its own; items are dealt out between them."""

    def __init__(self, folder: Path, keys: dict[str, str], stop: Event) -> None:
        self._folder, self._keys, self._stop = folder, keys, stop
        self._pool = ThreadPoolExecutor(AT_ONCE, "client")
        self._apis = [Apis(folder, stop) for _ in range(AT_ONCE)]

    def deal(self, items: Sequence[Item], work: Callable[[Asking, list[Item]], None]) -> bool:
        """Have all items worked on; whether that was done before everything was told to stop."""
        shares = [(apis, list(items[at::AT_ONCE])) for at, apis in enumerate(self._apis)]
        under_way = [
            self._pool.submit(work, Asking(apis, self._keys), share) for apis, share in shares if share
        ]
        try:
            for one in under_way:
                one.result()
        except Stopped:
            return False
        return True

    def close(self) -> None:
        """Close the connections, none of which may be in use."""
        self._pool.shutdown()
        for apis in self._apis:
            apis.close()


class Asking:
    """Asks with the key of whoever a request is for."""

    def __init__(self, apis: Apis, keys: dict[str, str]) -> None:
        self._apis, self._keys = apis, keys

    def __call__(
        self, tenant: str, method: str, path: str, body: bytes, kind: str = "application/json"
    ) -> httpx.Response:
        """The answer, which is one that nothing is wrong with. Raises `Stopped`, `Refused`."""
        headers = {"Authorization": f"Bearer {self._keys[tenant]}", "Content-Type": kind}
        answer = self._apis.answer(method, path, content=body, headers=headers)
        if not answer.is_success:
            raise Refused(f"{method} {path} of {body!r}: {answer.status_code} {answer.text}")
        return answer


class Application:
    """Posts events, has logins decided on, remembers what it was answered, and reports how they ended."""

    def __init__(self, config: Config, stop: Event) -> None:
        self._clients = Clients(Path(config.folder), config.keys, stop)
        self._file = os.open(answers_of(Path(config.folder)), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def send(self, chunk: Chunk) -> bool:
        """Send a chunk; reports come last, since they may be about a login of the same."""
        work = {"posted": _post, "decided": self._decide, "reported": _report}
        return all(
            self._clients.deal([item for item in chunk if item.kind == kind], do) for kind, do in work.items()
        )

    def _decide(self, ask: Asking, items: list[Item]) -> None:
        for item in items:
            os.write(self._file, msgspec.json.encode(decided(ask, item)) + b"\n")


def _post(ask: Asking, items: list[Item]) -> None:
    for tenant in sorted({item.tenant_id for item in items}):
        values = [item.value for item in items if item.tenant_id == tenant]
        answer = ask(tenant, "POST", "/v1/events", b"".join(values), "application/x-ndjson")
        told = answer.json()
        if answer.status_code != 202 or told["accepted"] + told["duplicates"] != len(values):
            raise Refused(f"{len(values)} events: {answer.status_code} {told}")


def decided(ask: Asking, item: Item) -> Answer:
    """What the question about a login is answered with."""
    body = ask(item.tenant_id, "POST", "/v1/decisions", item.value).content
    return Answer(item.tenant_id, msgspec.json.decode(body)["event_id"], body)


def _report(ask: Asking, items: list[Item]) -> None:
    for item in items:
        ask(item.tenant_id, "PATCH", f"/v1/decisions/{item.about}", item.value)


def answers_of(folder: Path) -> Path:
    """Where an application remembers what it was answered."""
    return folder / "answers"


def answers(folder: Path) -> list[Answer]:
    """What an application was answered, in its order, repeats included."""
    path = answers_of(folder)
    lines = path.read_bytes().splitlines() if path.exists() else []
    return [msgspec.json.decode(line, type=Answer) for line in lines]


class Asker:
    """Asks about logins again, once all is over."""

    def __init__(self, folder: Path, keys: dict[str, str]) -> None:
        self._clients = Clients(folder, keys, Event())
        self._found: list[Answer] = []

    def ask(self, items: Sequence[Item]) -> list[Answer]:
        """What each is answered with now."""
        try:
            self._clients.deal(items, self._decide)
        finally:
            self._clients.close()
        return self._found

    def _decide(self, ask: Asking, items: list[Item]) -> None:
        self._found += [decided(ask, item) for item in items]
