"""How streams live and end: credentials that go, clients that are slow or too many, a database that is away, the end
of the process, and all of it at once.
"""

from __future__ import annotations

import random
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from gatewatch.adapters.postgres.log import PostgresLog
from gatewatch.api import feed, server, subscription
from gatewatch.core.times import DAY
from gatewatch.ports import ANOMALIES
from gatewatch.settings import Settings
from tests.builders import START, login
from tests.faults import scenario
from tests.faults.actors import Config
from tests.faults.processes import Children
from tests.integration.api.conftest import Api, bearer, log_in
from tests.integration.api.streams import Block, Listener, blocks, told
from tests.integration.heart.rig import Heart
from tests.support.commands import until
from tests.support.http import problem
from tests.support.servers import DatabaseServer


@pytest.fixture
def heart(api: Api) -> Iterator[Heart]:
    """What stores, step by step, on the same database."""
    heart = Heart(api.conninfo)
    yield heart
    heart.close()


def cookie_of(url: str) -> str:
    """The cookie of ada, who logs in."""
    with httpx.Client(base_url=url, headers={"Origin": url}) as client:
        assert log_in(client).status_code == 200
        return "; ".join(f"{name}={value}" for name, value in client.cookies.items())


def test_a_stream_ends_with_its_credential(api: Api, url: str, heart: Heart) -> None:
    """Within ten seconds of a key's revocation or end, of a log-out, or of a session's end or idleness, its streams
    end; what is stored then does not reach them, and others go on. Listening alone does not keep a session alive.
    """
    api.account()
    keys = [api.key("read") for _ in range(3)]
    cookies = [cookie_of(url) for _ in range(3)]
    with ExitStack() as stack:
        by_key = [stack.enter_context(Listener(url, key)).begun() for key in keys]
        by_cookie = [stack.enter_context(Listener(url, cookie=cookie)).begun() for cookie in cookies]
        began = time.monotonic()
        api.administer(lambda doing: doing.keys.revoke(keys[0].split("_")[1]))
        api.rows("UPDATE api_keys SET expires_at = now() WHERE prefix = %s", keys[1].split("_")[1])
        httpx.delete(f"{url}/v1/session", headers={"Cookie": cookies[0], "Origin": url})
        sessions = [id for (id,) in api.rows("SELECT session_id FROM sessions ORDER BY opened_at")]
        assert len(sessions) == 2
        api.rows("UPDATE sessions SET expires_at = now() WHERE session_id = %s", sessions[0])
        idle = "UPDATE sessions SET seen_at = now() - interval '12 hours' + interval '1 second' WHERE session_id = %s"
        api.rows(idle, sessions[1])
        for stream in [*by_key[:2], *by_cookie]:
            assert told(stream) == []
        assert time.monotonic() - began < 10
        heart.take(login(START, event_id="later"))
        assert told(by_key[2].next(1)) == ["later"]


def test_a_password_that_is_changed_ends_streams(api: Api, url: str) -> None:
    """The streams of an account end with its sessions."""
    api.account()
    with Listener(url, cookie=cookie_of(url)) as stream:
        stream.begun()
        api.administer(lambda doing: doing.accounts.reset_password("ada", "another long password"))
        assert told(stream) == []


def test_a_slow_client_is_cut_and_comes_again(
    api: Api, heart: Heart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that reads nothing while much is stored is cut off; what it got is whole up to there, and behind its id
    comes the rest, each event once.
    """
    monkeypatch.setattr(subscription, "MOST_WAITING", 20_000)
    monkeypatch.setattr("gatewatch.services.stream.PAGE", 100)
    monkeypatch.setattr(server, "listening", listening_with_small_buffers)
    key, sent = api.key("read"), []
    with api.process() as url, socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        slow.connect(address(url))
        slow.sendall(request(url, key))
        slow.settimeout(60)
        begun = slow.recv(4_096)
        for day in range(8):
            events = [login(START + day * DAY + n, user=f"u{n}", event_id=f"{day}-{n}") for n in range(250)]
            heart.take(*events)
            sent += [event.event_id for event in events]
        found = list(blocks(body_of(begun + rest_of(slow)).splitlines()))
        assert 0 < len(told(found)) < len(sent)
        with Listener(url, key, found[-1].id) as again:
            rest = again.next(len(sent) - len(told(found)))
    assert sorted(told(found) + told(rest)) == sorted(sent)


def test_a_client_that_stalls_is_given_up(api: Api, heart: Heart, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that takes nothing for a while and does not go either loses its connection and its place."""
    monkeypatch.setattr(server, "STALLED", 1)
    key = api.key("read")
    with api.process(stream_clients="1") as url, socket.socket() as stalled:
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        stalled.connect(address(url))
        stalled.sendall(request(url, key))
        stalled.recv(4_096)
        assert httpx.get(f"{url}/v1/stream", headers=bearer(key)).status_code == 503
        for day in range(2):
            heart.take(*(login(START + day * DAY + n, user=f"u{n}") for n in range(300)))
        until(lambda: _free(url, key), "the place", 20)


def _free(url: str, key: str) -> bool:
    with Listener(url, key) as stream:
        return stream.response.status_code == 200


def listening_with_small_buffers(host: str, port: int, listening: Any = server.listening) -> socket.socket:
    """A server's socket whose connections hold little that was not received: on loopback it would be megabytes."""
    found: socket.socket = listening(host, port)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8_192)
    return found


def rest_of(connection: socket.socket) -> bytes:
    """All that still comes, up to the end, which must come soon."""
    found, deadline = b"", time.monotonic() + 30
    while data := connection.recv(65_536):
        found += data
        assert time.monotonic() < deadline, "the connection does not end"
    return found


def address(url: str) -> tuple[str, int]:
    """Where a server listens."""
    host, _, port = url.removeprefix("http://").partition(":")
    return host, int(port)


def request(url: str, key: str) -> bytes:
    """A request for the stream, as it goes over the wire."""
    host, more = url.removeprefix("http://"), f"Authorization: Bearer {key}\r\nConnection: close"
    return f"GET /v1/stream HTTP/1.1\r\nHost: {host}\r\n{more}\r\n\r\n".encode()


def body_of(response: bytes) -> str:
    """The body of a chunked response, which must have ended as it should."""
    _, _, rest = response.partition(b"\r\n\r\n")
    found = b""
    while True:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        if not length:
            return found.decode()
        found, rest = found + rest[:length], rest[length + 2 :]


def test_so_many_streams_and_no_more(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """One caller has so many streams, one process has so many; further ones are told to come later, and a place that
    was given back is free.
    """
    monkeypatch.setattr(feed, "PER_CALLER", 2)
    ours, theirs = api.key("read"), api.key("read")
    with api.process(stream_clients="3") as url:
        with Listener(url, ours) as first, Listener(url, ours) as second:
            first.begun(), second.begun()
            refused = httpx.get(f"{url}/v1/stream", headers=bearer(ours))
            assert (problem(refused)["code"], refused.headers["retry-after"]) == ("too_many_requests", "2")
            with Listener(url, theirs) as third:
                third.begun()
                assert problem(httpx.get(f"{url}/v1/stream", headers=bearer(theirs)))["code"] == "overloaded"
        until(lambda: _free(url, ours), "a place")


def test_signs_of_life(url: str, api: Api, heart: Heart, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream with nothing to tell shows that it lives and how far it came; nothing on the way may hold it back."""
    monkeypatch.setattr(subscription, "HEARTBEAT", 0.2)
    with Listener(url, api.key("read")) as stream:
        headers = stream.response.headers
        assert headers["content-type"].startswith("text/event-stream")
        assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-store, no-transform", "no")
        begun = stream.begun().id
        heart.take(*(login(START + n, user=f"u{n}", tenant_id="other") for n in range(20)))
        moved = next(block for block in stream if block.id != begun)
        assert not moved.event


@pytest.fixture
def gate(postgres: DatabaseServer) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A superuser's connection to the server, beside the database."""
    with psycopg.connect(postgres.superuser_conninfo, autocommit=True) as connection:
        yield connection


def test_the_database_goes_and_comes_back(
    database: str,
    url: str,
    api: Api,
    heart: Heart,
    gate: psycopg.Connection[tuple[object, ...]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While the database is away a stream shows that it lives; afterwards it goes on, and nothing is lost."""
    monkeypatch.setattr(subscription, "HEARTBEAT", 0.2)
    name = str(conninfo_to_dict(database)["dbname"])
    allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    key = api.key("read")
    with Listener(url, key) as stream:
        id = stream.begun().id
        heart.take(login(START, event_id="before"))
        assert told(stream.next(1)) == ["before"]
        gate.execute(allow.format(sql.Identifier(name), sql.SQL("false")))
        gate.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        assert [next(iter(stream)).event for _ in range(10)] == [""] * 10
        away = httpx.get(f"{url}/v1/stream", params={"after": id}, headers=bearer(key))
        assert (problem(away)["code"], away.headers["retry-after"]) == ("unavailable", "2")
        gate.execute(allow.format(sql.Identifier(name), sql.SQL("true")))
        heart.close()
        heart.claim()
        heart.take(login(START + 1, event_id="after"))
        assert told([next(block for block in stream if block.event)]) == ["after"]
    with Listener(url, key, id) as again:
        assert sorted(told(again.next(2))) == ["after", "before"]


def test_a_process_that_is_told_to_end_ends_its_streams(api: Api) -> None:
    """Streams do not hold up the end of a process: they end in form, at once."""
    key = api.key("read")
    with ExitStack() as stack:
        with api.process() as url:
            streams = [stack.enter_context(Listener(url, key)).begun() for _ in range(3)]
            began = time.monotonic()
        assert time.monotonic() - began < 3
        assert [told(stream) for stream in streams] == [[], [], []]


#: What goes wrong in the last test.
KILLS, RECONNECTS = 4, 100


class Reader:
    """A client whose connection is torn down again and again; what it was told, in all."""

    def __init__(self, url: str, key: str) -> None:
        self.url, self.key = url, key
        self.id, self.heard, self.connections = "", list[str](), 0

    def read(self, most: int) -> None:
        """One connection: up to `most` blocks, or until nothing more comes; then it is dropped."""
        with Listener(self.url, self.key, self.id) as stream:
            self.connections += 1
            for n, block in enumerate(stream):
                self.take(block)
                if n >= most or (n and not block.event):
                    return

    def take(self, block: Block) -> None:
        """Remember what came and where that was."""
        assert block.event != "reset"
        self.heard += told([block])
        self.id = block.id


def test_what_a_client_was_told_is_what_is_stored(
    api: Api, url: str, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With three detectors that are killed while they work, and a hundred connections torn down, a client was told of
    each stored event and of each version of an anomaly once.
    """
    monkeypatch.setattr(subscription, "HEARTBEAT", 0.1)
    events = [item for chunk in scenario.make(5, 1_500, 3.0) for item in chunk if item.kind == "event"]
    config = Config(api.conninfo, Settings(lease_timeout=1.0, batch_size=40), str(scratch), 0.0, 0.0, 0)
    children = Children(config, {f"detector-{n}": "detector" for n in range(3)} | {"notifier": "notifier"})
    reader = Reader(url, api.key("read", tenant="default"))
    reader.read(1)
    log, rng, kills, next_kill = PostgresLog(api.conninfo), random.Random(5), 0, time.monotonic() + 1.5
    try:
        children.start()
        while events or _unread(api) or reader.connections <= RECONNECTS:
            log.append([(item.key, item.value) for item in events[:15]])
            del events[:15]
            reader.read(rng.randrange(1, 60))
            children.tend()
            due = events and kills < KILLS and time.monotonic() > next_kill
            if due and (running := children.of("detector")):
                next_kill = time.monotonic() + 1.0
                rng.choice(running).kill()
                kills += 1
    finally:
        log.close()
        children.finish()
    assert not children.deaths
    assert kills == KILLS
    patience = time.monotonic() + 60.0
    with Listener(url, reader.key, reader.id) as stream:
        for block in stream:
            reader.take(block)
            told_all = not block.event and sorted(reader.heard) == _stored(api)
            if told_all or time.monotonic() > patience:
                break
    heard, stored = Counter(reader.heard), Counter(_stored(api))
    assert (heard - stored, stored - heard) == (Counter(), Counter())


def _unread(api: Api) -> bool:
    rows = api.rows(
        "SELECT FROM partitions p JOIN log_heads h USING (topic, part) WHERE h.end_offset > p.next_offset"
    )
    return bool(rows)


def _stored(api: Api) -> list[str]:
    events = api.rows("SELECT event_id FROM login_events WHERE tenant_id = 'default'")
    versions = api.rows(
        "SELECT v ->> 'id', v ->> 'version' FROM (SELECT convert_from(value, 'UTF8')::json AS v FROM outbox"
        " WHERE tenant_id = 'default' AND topic = %s) AS o",
        ANOMALIES,
    )
    return sorted([id for (id,) in events] + [f"{id} {version} 0" for id, version in versions])
