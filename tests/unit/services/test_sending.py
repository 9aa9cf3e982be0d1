"""Sending elsewhere: what is sent again, what is halved, what ends it, and that every event is accounted for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence

import pytest

from gatewatch.core.records import RejectRecord
from gatewatch.ports import Unavailable
from gatewatch.sending_ports import Answer
from gatewatch.services import sending
from gatewatch.services.sending import Rejected, Sender
from tests.builders import START, login
from tests.integration.heart.rig import record_of

Answering = Callable[[Sequence[bytes]], Answer | Exception]


def taken(lines: Sequence[bytes]) -> Answer:
    """What a server answers that takes all."""
    receipt = {"accepted": len(lines), "duplicates": 0, "rejected": []}
    return Answer(202, None, json.dumps(receipt).encode())


class Endpoint:
    """A server that answers what a test says, then takes all."""

    def __init__(self, *answers: Answer | Exception | Answering) -> None:
        self._answers: Iterator[Answer | Exception | Answering] = iter(answers)
        self.requests: list[tuple[bytes, str]] = []

    def post(self, body: bytes, key: str) -> Answer:
        """Answer."""
        self.requests.append((body, key))
        answer = next(self._answers, taken)
        found = answer(body.splitlines()) if callable(answer) else answer
        if isinstance(found, Exception):
            raise found
        return found


class Heard:
    """A watcher that remembers what it was told, and the pauses that were made."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.pauses: list[float] = []

    def waiting(self, reason: str) -> None:
        """The server is away."""
        self.said.append(reason)

    def resumed(self) -> None:
        """It is back."""
        self.said.append("back")


def sender(endpoint: Endpoint) -> tuple[Sender, Heard]:
    """A sender to an endpoint."""
    heard = Heard()
    return Sender(endpoint, "run", heard, heard.pauses.append), heard


def fill(to: Sender, count: int) -> None:
    """Send so many events."""
    for n in range(count):
        to.add(record_of(login(START + n)))
    to.flush()


def test_what_cannot_be_taken_now_is_sent_again_as_it_was() -> None:
    """After 429, 503 and lost answers the same bytes go out under the same key, no sooner than the server said."""
    endpoint = Endpoint(
        taken,
        Answer(503, 7.0, b""),
        Unavailable("no answer"),
        Answer(429, None, b""),
        Answer(502, 900.0, b""),
    )
    to, heard = sender(endpoint)
    fill(to, 1)
    fill(to, 3)
    assert len(set(endpoint.requests[1:])) == 1
    assert len(endpoint.requests) == 6
    assert [key for _, key in endpoint.requests[:2]] == ["run-1", "run-2"]
    assert heard.said == ["the server answered 503", "back"]
    assert (heard.pauses[0], heard.pauses[3]) == (7.0, 60.0)
    assert (to.account.sent, to.account.accepted) == (4, 4)


def test_requests_have_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request has at most so many events, and at most so many bytes and one event."""
    endpoint = Endpoint()
    to, _ = sender(endpoint)
    fill(to, 2 * sending.CHUNK + 1)
    assert [body.count(b"\n") for body, _ in endpoint.requests] == [sending.CHUNK, sending.CHUNK, 1]
    monkeypatch.setattr(sending, "CHUNK_BYTES", 1_000)
    fill(to, 20)
    assert all(len(body) < 1_600 for body, _ in endpoint.requests[3:])
    assert to.account.accepted == 2 * sending.CHUNK + 21


def test_what_is_too_large_goes_in_halves() -> None:
    """Where a server takes less at once, a request is halved; one event that does not fit is rejected."""

    def at_most_two(lines: Sequence[bytes]) -> Answer:
        big = len(lines) > 2 or b'"b"' in b"".join(lines)
        return Answer(413, None, b"{}") if big else taken(lines)

    endpoint = Endpoint(*[at_most_two] * 50)
    to, _ = sender(endpoint)
    for n in range(7):
        to.add(record_of(login(START + n, event_id="b" if n == 3 else f"a{n}")))
    to.flush()
    assert (to.account.sent, to.account.accepted, to.account.rejected) == (7, 6, {"too_large": 1})


def test_every_event_is_accounted_for() -> None:
    """What was rejected is told by reason, whether some or all of a request; what is no event is not sent."""
    some = {"accepted": 1, "duplicates": 1, "rejected": [{"index": 2, "type": "bad_time", "detail": ""}]}
    none = {"accepted": 0, "duplicates": 0, "rejected": [{"index": 0, "type": "too_deep", "detail": ""}]}
    answers = [Answer(202, None, json.dumps(some).encode()), Answer(422, None, json.dumps(none).encode())]
    to, _ = sender(Endpoint(*answers))
    fill(to, 3)
    fill(to, 1)
    to.add(RejectRecord("r", "acme", "native", "bad_json", "", b"{", 1, "", START, ""))
    to.flush()
    found = to.account
    assert (found.sent, found.accepted, found.duplicates) == (4, 1, 1)
    assert (found.rejected, found.unreadable) == ({"bad_time": 1, "too_deep": 1}, {"bad_json": 1})


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer(401, None, b""), "not valid"),
        (Answer(403, None, b""), "scope ingest"),
        (Answer(404, None, b"<html>"), "answered 404"),
        (Answer(301, None, b""), "answered 301"),
        (Answer(202, None, b"hello"), "answered 202"),
        (Answer(202, None, b'{"accepted":9,"duplicates":0,"rejected":[]}'), "answered 202"),
        (Answer(422, None, b'{"type":"urn:gatewatch:problem:invalid"}'), "answered 422"),
    ],
)
def test_what_ends_it(answer: Answer, why: str) -> None:
    """A key that is not let in, and a server that is none of ours, end it at once; nothing counts as sent."""
    to, heard = sender(Endpoint(answer))
    with pytest.raises(Rejected, match=why):
        fill(to, 1)
    assert (to.account.sent, heard.pauses) == (0, [])


def test_an_address_that_never_answered() -> None:
    """Who never answered is not waited for: the address may be mistyped."""
    to, heard = sender(Endpoint(Unavailable("no answer")))
    with pytest.raises(Unavailable):
        fill(to, 1)
    assert heard.pauses == []
