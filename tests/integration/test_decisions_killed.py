"""Processes and databases that die while decisions are made: what was answered is stored once, and stays the same."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from pathlib import Path
from threading import Event

import httpx
import psycopg

from gatewatch import bootstrap
from gatewatch.adapters.postgres.server import EmbeddedPostgres
from gatewatch.core import records
from gatewatch.core.decisions import decision_id
from gatewatch.core.records import EventRecord
from tests.support.commands import Commands, until
from tests.support.http import url_of
from tests.support.servers import SMALL

ASKING = 8
#: Answers that a process may give before it is killed.
ENOUGH = 60


class Portal:
    """Asks at full speed, from several threads; remembers what it was answered."""

    def __init__(self, key: str) -> None:
        self._headers = {"Authorization": f"Bearer {key}"}
        self._numbers = count()
        self.answered: dict[str, bytes] = {}
        self.over = Event()

    def ask(self, client: httpx.Client, event_id: str) -> bytes:
        """Ask about a login."""
        body = {
            "event_id": event_id,
            "outcome": "success",
            "occurred_at": "2026-11-20T08:00:00Z",
            "user": f"user{len(event_id) % 5}",
            "context": {"ip": "192.0.2.10"},
        }
        return client.post("/v1/decisions", json=body).raise_for_status().content

    def ask_again(self, client: httpx.Client, event_id: str) -> bytes:
        """Ask until there is an answer: 503 promises nothing, and says to come again."""
        found: list[bytes] = []

        def answered() -> bool:
            try:
                found.append(self.ask(client, event_id))
            except httpx.HTTPStatusError as error:
                if error.response.status_code != 503:
                    raise
            return bool(found)

        until(answered, "an answer")
        return found[0]

    def client(self, url: str) -> httpx.Client:
        """A client of a process."""
        return httpx.Client(base_url=url, headers=self._headers, timeout=30)

    def ask_until_it_fails(self, url: str, enough: Event, most: int) -> None:
        """Ask until there is no answer any more, or none that is a decision, or it is over."""
        with self.client(url) as client:
            try:
                while not self.over.is_set():
                    event_id = f"login-{next(self._numbers)}"
                    self.answered[event_id] = self.ask(client, event_id)
                    if len(self.answered) >= most:
                        enough.set()
            except (httpx.TransportError, httpx.HTTPStatusError):
                return


def quiet(conninfo: str) -> bool:
    """Whether no statement of a killed process is at work any more."""
    with psycopg.connect(conninfo) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'gatewatch_app'"
            " AND datname = current_database()"
        ).fetchone()
        return row == (0,)


def portal_of(conninfo: str) -> Portal:
    """An application of a database that is set up for it."""
    bootstrap.prepare(conninfo, 4)
    doing = bootstrap.administration(conninfo, "acme")
    try:
        return Portal(doing.keys.create("test", ["decide"], "tests", None))
    finally:
        doing.close()


def at_full_speed(portal: Portal, url: str, most: int, strike: Callable[[], object]) -> None:
    """Ask from several threads, and strike once there are so many answers."""
    enough = Event()
    with ThreadPoolExecutor(ASKING) as pool:
        asking = [pool.submit(portal.ask_until_it_fails, url, enough, most) for _ in range(ASKING)]
        assert enough.wait(60)
        strike()
        for one in asking:
            one.result(60)


def check(conninfo: str, portal: Portal) -> None:
    """Each decision that was answered is one row and one record of the log, and no other has one without the other."""
    kept, logged = stored(conninfo)
    answered = {decision_id("acme", event_id): answer for event_id, answer in portal.answered.items()}
    assert answered.items() <= kept.items()
    assert set(logged.values()) == {1}
    assert {decision_id("acme", event_id) for event_id in logged} == kept.keys()


def check_again(conninfo: str, portal: Portal, url: str) -> None:
    """Each is answered the same again, and nothing is added by that."""
    before = stored(conninfo)
    with portal.client(url) as client:
        assert {
            event_id: portal.ask_again(client, event_id) for event_id in portal.answered
        } == portal.answered
    assert stored(conninfo) == before


def test_what_was_answered_survives_a_kill(database: str, tmp_path: Path) -> None:
    """Given three processes that are killed at full speed one after the other, then what was answered is stored once,
    and the next process answers the same bytes.
    """
    portal, commands = portal_of(database), Commands(tmp_path, DATABASE_URL=database)
    for round in range(1, 4):
        with commands.running("api", "--serve", "decide") as process:
            url, kill = url_of(process), partial(process.ends, signal.SIGKILL)
            at_full_speed(portal, url, round * ENOUGH, kill)
    until(lambda: quiet(database), "the last statement's end")
    assert len(portal.answered) >= 3 * ENOUGH
    check(database, portal)
    with commands.running("api", "--serve", "decide") as process:
        check_again(database, portal, url_of(process))


def test_what_was_answered_survives_a_crash_of_the_database(scratch: Path, tmp_path: Path) -> None:
    """Given a database that crashes at full speed, then nothing more is answered, what was answered is there when it is
    back, and the same process answers the same bytes by itself.
    """
    with EmbeddedPostgres(scratch / "pg", durable=False, settings=SMALL) as server:
        conninfo = server.conninfo
        portal = portal_of(conninfo)
        with Commands(tmp_path, DATABASE_URL=conninfo).running("api", "--serve", "decide") as process:
            url = url_of(process)
            at_full_speed(portal, url, ENOUGH, server.crash)
            server.start()
            assert server.conninfo == conninfo
            check(conninfo, portal)
            check_again(conninfo, portal, url)


def test_what_was_answered_is_processed_once(database: str, tmp_path: Path) -> None:
    """Given a detector that is killed while decisions are made at full speed, then they are made all the same; each is
    stored once when the next has caught up, and is answered the same again.
    """
    portal, commands = portal_of(database), Commands(tmp_path, DATABASE_URL=database)
    with commands.running("api", "--serve", "decide") as process:
        url = url_of(process)
        with commands.running("detector") as detector:
            until(lambda: "partition claimed" in detector.said, "the detector")

            def strike() -> None:
                detector.ends(signal.SIGKILL)
                before = len(portal.answered)
                until(lambda: len(portal.answered) >= before + ENOUGH, "enough answers afterwards")
                portal.over.set()

            at_full_speed(portal, url, ENOUGH, strike)
        with commands.running("detector"):
            until(lambda: portal.answered.keys() <= set(processed(database)), "all that was answered")
        check(database, portal)
        check_again(database, portal, url)
        assert Counter(processed(database)) == stored(database)[1]


def processed(conninfo: str) -> list[str]:
    """The events that a detector stored."""
    with psycopg.connect(conninfo) as connection:
        connection.execute("SET ROLE gatewatch_worker")
        return [id for (id,) in connection.execute("SELECT event_id FROM login_events")]


def stored(conninfo: str) -> tuple[dict[str, bytes], Counter[str]]:
    """The answers that are kept, by decision, and how often each event lies in the log."""
    with psycopg.connect(conninfo) as connection:
        connection.execute("SET ROLE gatewatch_worker")
        kept = {id: bytes(answer) for id, answer in connection.execute("SELECT id, answer FROM decisions")}
        values = connection.execute("SELECT value FROM event_log").fetchall()
    found = [records.decode(bytes(value)) for (value,) in values]
    return kept, Counter(record.event.event_id for record in found if isinstance(record, EventRecord))
