"""Both clients against servers that behave and that do not, over real sockets."""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from time import monotonic
from typing import Any

import msgspec
import pytest

from gatewatch.client import (
    AsyncClient,
    Client,
    Context,
    Decision,
    Failover,
    Login,
    Outcome,
    Refused,
    Strategy,
    Unavailable,
    User,
)

LOGIN = Login("success", User(name="alice"), Context(ip="203.0.113.7"))
DECISION = {
    "decision_id": "dec_1",
    "event_id": "e",
    "action": "deny",
    "would_action": "deny",
    "score": 90,
    "x": 1,
}

Behaviour = Callable[[socket.socket, bytes, Event], None]
#: Does something with a client of one kind: the kind, its URL, what is asked of it, further options.
Ask = Callable[..., Any]


class Server:
    """Takes connections and behaves; remembers the requests."""

    def __init__(self, *behaviours: Behaviour) -> None:
        self._behaviours = list(behaviours)
        self.requests: list[bytes] = []
        self._over = Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            behave = self._behaviours.pop(0) if len(self._behaviours) > 1 else self._behaviours[0]
            self._threads.append(Thread(target=self._serve, args=(connection, behave), daemon=True))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket, behave: Behaviour) -> None:
        with connection:
            request = read(connection)
            self.requests.append(request)
            try:
                behave(connection, request, self._over)
            except OSError:
                return  # the client has gone

    def close(self) -> None:
        """End."""
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)


def read(connection: socket.socket) -> bytes:
    """One request."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65_536)
        if not piece:
            return data
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
    while len(body) < length:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body


def answers(status: int, body: object = DECISION, *more: str) -> Behaviour:
    """Answers and closes."""
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(data)}", "Connection: close", *more, "", ""]

    def behave(connection: socket.socket, request: bytes, over: Event) -> None:
        del request, over
        connection.sendall("\r\n".join(lines).encode() + data)

    return behave


def silent(connection: socket.socket, request: bytes, over: Event) -> None:
    """Says nothing."""
    del connection, request
    over.wait(60)


def drips(connection: socket.socket, request: bytes, over: Event) -> None:
    """Says one byte after the other, for ever."""
    del request
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not over.wait(0.05):
        connection.sendall(b" ")


def hangs_up(connection: socket.socket, request: bytes, over: Event) -> None:
    """Closes without a word."""
    del connection, request, over


@contextmanager
def serving(*behaviours: Behaviour) -> Iterator[Server]:
    """A server for as long as it is looked at."""
    server = Server(*behaviours)
    try:
        yield server
    finally:
        server.close()


def blocking(url: str, method: str, *arguments: Any, failover: Strategy = "raise", **options: Any) -> Any:
    """Ask with the client that blocks."""
    with Client(url, "gwk_key", failover=failover, **options) as client:
        return getattr(client, method)(*arguments)


def awaiting(url: str, method: str, *arguments: Any, failover: Strategy = "raise", **options: Any) -> Any:
    """Ask with the client that awaits."""

    async def work() -> Any:
        async with AsyncClient(url, "gwk_key", failover=failover, **options) as client:
            return await getattr(client, method)(*arguments)

    return asyncio.run(work())


@pytest.fixture(params=[blocking, awaiting])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Both clients."""
    found: Ask = request.param
    return found


def test_a_decision_is_read(ask: Ask) -> None:
    """The answer becomes a decision; what this version does not know is ignored, what is not there has its default."""
    with serving(answers(200)) as server:
        found = ask(server.url, "decide", LOGIN)
    assert found == Decision(
        decision_id="dec_1", event_id="e", action="deny", would_action="deny", score=90, failover=False
    )
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/decisions HTTP/1.1\r\n")
    assert b"bearer gwk_key" in head.lower()
    told = msgspec.json.decode(body)
    assert (told["type"], told["outcome"], told["user"], told["context"]) == (
        "login",
        "success",
        {"name": "alice"},
        {"ip": "203.0.113.7"},
    )
    assert (told["event_id"], told["dry_run"]) == (LOGIN.event_id, False)


def test_each_login_has_an_id_and_a_time_of_its_own(ask: Ask) -> None:
    """Asked about again a login is the same, byte for byte; another is another. A base path stays."""
    other = Login("success", LOGIN.user, LOGIN.context)
    with serving(answers(200)) as server:
        for login in (LOGIN, LOGIN, other):
            ask(f"{server.url}/gatewatch/", "decide", login)
    heads, bodies = zip(*(request.split(b"\r\n\r\n") for request in server.requests), strict=True)
    assert all(head.startswith(b"POST /gatewatch/v1/decisions ") for head in heads)
    assert bodies[0] == bodies[1] != bodies[2]


@pytest.mark.parametrize(
    ("behaviour", "cause"),
    [
        (silent, "timeout"),
        (drips, "timeout"),
        (hangs_up, "unreachable"),
        (answers(503, b"", "Retry-After: 2"), "overloaded"),
        (answers(429), "overloaded"),
        (answers(408), "overloaded"),
        (answers(500, b"<html>"), "server_error"),
        (answers(502), "server_error"),
        (answers(302, b"", "Location: http://127.0.0.1/"), "bad_answer"),
        (answers(200, b"<html>"), "bad_answer"),
        (answers(200, b"\xff"), "bad_answer"),
        (answers(200, b"[" * 100_000), "bad_answer"),
        (answers(200, {**DECISION, "action": "maybe"}), "bad_answer"),
    ],
)
def test_where_there_is_no_decision_the_strategy_decides(ask: Ask, behaviour: Behaviour, cause: str) -> None:
    """Whatever keeps Gatewatch from answering, the login goes on within the time-out, and it is reported once."""
    told: list[Failover] = []
    with serving(behaviour) as server:
        began = monotonic()
        found = ask(server.url, "decide", LOGIN, failover="challenge", timeout=0.5, on_failover=told.append)
        assert monotonic() - began < 3
    assert (found.action, found.failover, found.decision_id) == ("challenge", True, None)
    assert found.degraded == ("decision",)
    assert [(f.login, f.strategy, f.error.cause) for f in told] == [(LOGIN, "challenge", cause)]


@pytest.mark.parametrize("strategy", ["allow", "challenge", "deny"])
def test_nobody_there(ask: Ask, strategy: Strategy) -> None:
    """Where nothing listens each strategy is followed at once; one that raises says why, and is reported as well."""
    told: list[Failover] = []
    found = ask("http://127.0.0.1:1", "decide", LOGIN, failover=strategy, on_failover=told.append)
    assert (found.action, found.failover) == (strategy, True)
    with pytest.raises(Unavailable, match="unreachable"):
        ask("http://127.0.0.1:1", "decide", LOGIN, failover="raise", on_failover=told.append)
    assert [f.strategy for f in told] == [strategy, "raise"]


def test_failovers_are_logged_unless_something_else_is_said(
    ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    """A failover that nobody listens for is a warning in the log; it names the login by its id and no person."""
    with caplog.at_level(logging.WARNING, "gatewatch.client"):
        ask("http://127.0.0.1:1", "decide", LOGIN, failover="allow")
    assert LOGIN.event_id in caplog.text
    assert "alice" not in caplog.text
    assert "203.0.113.7" not in caplog.text


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (
            401,
            {"type": "urn:gatewatch:problem:unauthenticated", "title": "A key is needed"},
            "unauthenticated",
        ),
        (409, {"type": "urn:gatewatch:problem:conflict", "detail": "another body"}, "conflict"),
        (422, {"type": "urn:gatewatch:problem:invalid", "detail": "no address"}, "invalid"),
        (403, b"<html>", "refused"),
        (404, b"[1]", "refused"),
    ],
)
def test_what_is_wrong_in_itself_is_not_failed_over(ask: Ask, status: int, body: object, code: str) -> None:
    """A request or key that is refused raises, whatever the strategy: nobody gets in by being hard to understand."""
    told: list[Failover] = []
    with serving(answers(status, body)) as server, pytest.raises(Refused) as refused:
        ask(server.url, "decide", LOGIN, failover="allow", on_failover=told.append)
    assert (refused.value.status, refused.value.code, told) == (status, code, [])
    if isinstance(body, dict):
        assert (body.get("detail") or body["title"]) in str(refused.value)


def test_a_lost_connection_is_tried_once_more(ask: Ask) -> None:
    """A connection that a server closed under the request is no failover: the same request goes out once more."""
    with serving(hangs_up, answers(200)) as server:
        assert ask(server.url, "decide", LOGIN).action == "deny"
    assert len(server.requests) == 2
    assert server.requests[0] == server.requests[1]


def test_results_are_reported(ask: Ask) -> None:
    """How a login or a challenge ended goes to the decision's own address."""
    outcome = {"decision_id": "dec_1", "event_id": "e", "login": "failure", "challenge": None}
    decision = msgspec.convert(DECISION, Decision)
    with serving(answers(200, outcome)) as server:
        assert ask(server.url, "report_login", decision, "failure") == Outcome("dec_1", "e", "failure")
        ask(server.url, "report_challenge", decision, "passed")
    heads = [request.partition(b" HTTP")[0] for request in server.requests]
    bodies = [msgspec.json.decode(request.partition(b"\r\n\r\n")[2]) for request in server.requests]
    assert heads == [b"PATCH /v1/decisions/dec_1"] * 2
    assert bodies == [{"login": "failure"}, {"challenge": "passed"}]


def test_nothing_is_reported_of_a_login_that_nobody_decided_on(ask: Ask) -> None:
    """After a failover there is nothing to report on: nobody is asked."""
    decision = Decision(decision_id=None, event_id="e", action="allow", would_action="allow", failover=True)
    assert ask("http://127.0.0.1:1", "report_login", decision, "success") is None
    assert ask("http://127.0.0.1:1", "report_challenge", decision, "passed") is None


def test_events_are_sent(ask: Ask) -> None:
    """Logins go as an array; where that fails it is told, since no strategy can stand in for it."""
    with serving(answers(202, {"accepted": 2, "duplicates": 0, "rejected": []})) as server:
        assert ask(server.url, "send", [LOGIN, LOGIN]).accepted == 2
    assert len(msgspec.json.decode(server.requests[0].partition(b"\r\n\r\n")[2])) == 2
    with pytest.raises(Unavailable):
        ask("http://127.0.0.1:1", "send", [LOGIN], failover="allow")


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_the_strategy_is_chosen(kind: Any) -> None:
    """There is no default strategy, and one that is none is found at the start."""
    with pytest.raises(TypeError, match="failover"):
        kind("http://127.0.0.1:1", "gwk_key")
    with pytest.raises(ValueError, match="allow, challenge, deny or raise"):
        kind("http://127.0.0.1:1", "gwk_key", failover="panic")


def test_it_brings_nothing_of_the_server_along() -> None:
    """Importing the client loads neither the server's packages nor ours but its own."""
    script = "import sys, gatewatch.client; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    ours = {name for name in loaded if name.startswith("gatewatch")}
    assert all(name == "gatewatch" or name.startswith("gatewatch.client") for name in ours)
    assert not {"fastapi", "starlette", "psycopg", "pydantic", "structlog", "uvicorn"} & {*loaded}
