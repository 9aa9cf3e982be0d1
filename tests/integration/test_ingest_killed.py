"""An API, a detector and a database that die under ingest: what was acknowledged is stored, each once."""

from __future__ import annotations

import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Event

import httpx
import psycopg
import pytest

from gatewatch import bootstrap
from gatewatch.adapters.postgres.server import EmbeddedPostgres
from tests.support.commands import Commands, until
from tests.support.http import url_of
from tests.support.servers import SMALL

SENDING = 4
#: Events of a request, and how many are acknowledged before something dies and after it has.
TOGETHER = 25
ENOUGH = 1_000


class Sender:
    """An application that sends at full speed, from several threads, and remembers what was acknowledged."""

    def __init__(self, key: str) -> None:
        self._headers = {"Authorization": f"Bearer {key}"}
        self._numbers = count()
        self.sent: set[str] = set()
        self.acknowledged: set[str] = set()

    def send_until(self, stop: Event, url: str) -> None:
        """Send until told to stop; a request that fails is not sent again, and promises nothing."""
        with httpx.Client(base_url=url, headers=self._headers, timeout=30) as client:
            while not stop.is_set():
                ids = [f"event-{next(self._numbers)}" for _ in range(TOGETHER)]
                self.sent.update(ids)
                try:
                    answer = client.post("/v1/events", json=[_event(id) for id in ids])
                except httpx.TransportError:
                    continue
                if answer.status_code == 202:
                    self.acknowledged.update(ids)

    def at_full_speed(self, url: str, strike: Callable[[], object], goes_on: bool) -> None:
        """Send from several threads, strike once enough is acknowledged, and go on until it is again, if it can be."""
        stop, before = Event(), len(self.acknowledged)
        with ThreadPoolExecutor(SENDING) as pool:
            sending = [pool.submit(self.send_until, stop, url) for _ in range(SENDING)]
            try:
                until(lambda: len(self.acknowledged) >= before + ENOUGH, "enough acknowledged events")
                strike()
                after = len(self.acknowledged)
                if goes_on:
                    until(lambda: len(self.acknowledged) >= after + ENOUGH, "enough of them afterwards")
            finally:
                stop.set()
            for one in sending:
                one.result(60)


def _event(id: str) -> dict[str, str]:
    return {
        "event_id": id,
        "time": "2026-11-20T08:00:00Z",
        "outcome": "success",
        "user": f"user{len(id) + ord(id[-1]) % 7}",
        "ip": "192.0.2.10",
    }


@pytest.mark.parametrize("victim", ["api", "detector", "database"])
def test_what_was_acknowledged_is_stored_once(victim: str, scratch: Path, tmp_path: Path) -> None:
    """Given something that dies at full speed, then every acknowledged event is stored once it is back, and nothing
    that was not sent; what was sent without an answer is stored once or not at all.
    """
    with EmbeddedPostgres(scratch / "pg", durable=False, settings=SMALL) as server:
        sender = _sender(server.conninfo)
        commands = Commands(tmp_path, DATABASE_URL=server.conninfo)

        def crash() -> None:
            server.crash()
            server.start()

        with (
            commands.running("detector") as detector,
            commands.running("api", "--serve", "ingest") as api,
        ):
            strikes: dict[str, Callable[[], object]] = {
                "api": lambda: api.ends(signal.SIGKILL),
                "detector": lambda: detector.ends(signal.SIGKILL),
                "database": crash,
            }
            sender.at_full_speed(url_of(api), strikes[victim], goes_on=victim != "api")
        with commands.running("detector"):
            until(lambda: sender.acknowledged <= set(_stored(server.conninfo)), "all that was acknowledged")
        found = _stored(server.conninfo)
    assert len(found) == len(set(found))
    assert set(found) <= sender.sent


def _sender(conninfo: str) -> Sender:
    bootstrap.prepare(conninfo, 4)
    doing = bootstrap.administration(conninfo, "acme")
    try:
        return Sender(doing.keys.create("test", ["ingest"], "tests", None))
    finally:
        doing.close()


def _stored(conninfo: str) -> list[str]:
    with psycopg.connect(conninfo) as connection:
        connection.execute("SET ROLE gatewatch_worker")
        return [id for (id,) in connection.execute("SELECT event_id FROM login_events")]
