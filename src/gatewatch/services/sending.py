"""Sending events to the HTTP API of a Gatewatch elsewhere; every event is accounted for.

A request whose answer was lost, or that was told to come again, is sent again as it was. The events carry their ids, so
what lies in the log twice is stored once.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from gatewatch.core.backoff import backoff
from gatewatch.core.records import EventRecord, RejectRecord
from gatewatch.ingest.writing import native_line
from gatewatch.ports import Unavailable
from gatewatch.sending_ports import Answer, EventsEndpoint

#: Events, and about how many bytes, of a request.
CHUNK = 500
CHUNK_BYTES = 2 << 20
#: The longest pause between tries where the server names none, and of those it names (s).
MOST_BACKOFF = 5.0
MOST_PAUSE = 60.0
#: What a server says that can do it later: too slow, too many requests, a gateway without its server, away.
_LATER = frozenset({408, 425, 429, 502, 503, 504})
_TOO_LARGE = 413


class Rejected(Exception):
    """The server takes nothing from us, now or later; the message is one plain line."""


class Watcher(Protocol):
    """Who is told how it goes."""

    def waiting(self, reason: str) -> None:
        """The server cannot take anything just now; called once per absence."""
        ...

    def resumed(self) -> None:
        """The server is back."""
        ...


class Sent(msgspec.Struct):
    """What became of the events: `sent` = `accepted` + `duplicates` + all `rejected`. `unreadable` were never sent."""

    sent: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: Counter[str] = msgspec.field(default_factory=Counter)
    unreadable: Counter[str] = msgspec.field(default_factory=Counter)


class _Reject(msgspec.Struct):
    type: str


class _Receipt(msgspec.Struct):
    accepted: int
    duplicates: int
    rejected: list[_Reject]


class Sender:
    """Takes records one by one and sends them in requests. `run` names this run in idempotency keys."""

    def __init__(
        self, endpoint: EventsEndpoint, run: str, watcher: Watcher, pause: Callable[[float], None]
    ) -> None:
        self._endpoint, self._run, self._watcher, self._pause = endpoint, run, watcher, pause
        self._chunk: list[bytes] = []
        self._size = self._requests = 0
        self._reached = False
        self.account = Sent()

    def add(self, record: EventRecord | RejectRecord) -> None:
        """Take one record; `flush` sends it."""
        if isinstance(record, RejectRecord):
            self.account.unreadable[record.reason] += 1
            return
        line = native_line(record.event)
        self._chunk.append(line)
        self._size += len(line) + 1
        if len(self._chunk) >= CHUNK or self._size >= CHUNK_BYTES:
            self.flush()

    def flush(self) -> None:
        """Send what was taken and not yet sent. Raises `Rejected`, and `Unavailable` where nobody ever answered."""
        chunk, self._chunk, self._size = self._chunk, [], 0
        if chunk:
            self._send(chunk)

    def _send(self, lines: Sequence[bytes]) -> None:
        """Send lines in one request, or in halves where the server takes no more."""
        self._requests += 1
        answer = self._answered(b"\n".join(lines) + b"\n", f"{self._run}-{self._requests}")
        if answer.status == _TOO_LARGE and len(lines) > 1:
            half = len(lines) // 2
            self._send(lines[:half])
            self._send(lines[half:])
            return
        receipt = _receipt(answer, len(lines))
        self.account.sent += len(lines)
        self.account.accepted += receipt.accepted
        self.account.duplicates += receipt.duplicates
        self.account.rejected.update(reject.type for reject in receipt.rejected)

    def _answered(self, body: bytes, key: str) -> Answer:
        """The first answer that is one."""
        failures = 0
        while True:
            answer, reason = self._attempt(body, key)
            if answer is not None and answer.status not in _LATER:
                if failures:
                    self._watcher.resumed()
                return answer
            failures += 1
            if failures == 1:
                self._watcher.waiting(reason)
            named = answer.retry_after if answer is not None else None
            self._pause(backoff(0.1, failures, MOST_BACKOFF) if named is None else min(named, MOST_PAUSE))

    def _attempt(self, body: bytes, key: str) -> tuple[Answer | None, str]:
        try:
            answer = self._endpoint.post(body, key)
        except Unavailable as error:
            if not self._reached:
                raise  # a mistyped address is no outage
            return None, str(error)
        self._reached = True
        return answer, f"the server answered {answer.status}"


def _receipt(answer: Answer, count: int) -> _Receipt:
    """What the server did with `count` events. Raises `Rejected` where that is not what it said."""
    if answer.status in (401, 403):
        what = {401: "the API key is not valid", 403: "the API key may not send events (scope ingest)"}
        raise Rejected(what[answer.status])
    if answer.status == _TOO_LARGE:
        return _Receipt(0, 0, [_Reject("too_large")])
    if answer.status in (202, 422):
        try:
            found = msgspec.json.decode(answer.body, type=_Receipt)
        except msgspec.DecodeError:
            pass
        else:
            if found.accepted + found.duplicates + len(found.rejected) == count:
                return found
    raise Rejected(f"this is no Gatewatch that takes events: it answered {answer.status}")
