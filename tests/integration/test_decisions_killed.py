"""kill -9 while decisions are made: what was answered is stored once, and answered the same again."""

from __future__ import annotations

import re
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Event

import httpx
import psycopg

from gatewatch import bootstrap
from gatewatch.core import records
from gatewatch.core.decisions import decision_id
from gatewatch.core.records import EventRecord
from tests.support.commands import Commands, Process, until

ASKING = 8
#: Answers that a process may give before it is killed.
ENOUGH = 60


class Portal:
    """Asks at full speed, from several threads; remembers what it was answered."""

    def __init__(self, key: str) -> None:
        self._headers = {"Authorization": f"Bearer {key}"}
        self._numbers = count()
        self.answered: dict[str, bytes] = {}

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

    def client(self, url: str) -> httpx.Client:
        """A client of a process."""
        return httpx.Client(base_url=url, headers=self._headers, timeout=30)

    def ask_until_it_dies(self, url: str, enough: Event, most: int) -> None:
        """Ask until the process does not answer any more."""
        with self.client(url) as client:
            try:
                while True:
                    event_id = f"login-{next(self._numbers)}"
                    self.answered[event_id] = self.ask(client, event_id)
                    if len(self.answered) >= most:
                        enough.set()
            except httpx.TransportError:
                return


def url_of(process: Process) -> str:
    """Where a process listens."""
    process.says("the API listens")
    found = re.search(r"http://[\w.:]+", process.said)
    assert found is not None
    return found[0]


def quiet(conninfo: str) -> bool:
    """Whether no statement of a killed process is at work any more."""
    with psycopg.connect(conninfo) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'gatewatch_app'"
            " AND datname = current_database()"
        ).fetchone()
        return row == (0,)


def test_what_was_answered_survives_a_kill(database: str, tmp_path: Path) -> None:
    """Given three processes that are killed at full speed one after the other, then each decision that was answered is
    one row and one record of the log, no other has one without the other, and the next process answers the same bytes.
    """
    bootstrap.prepare(database, 4)
    doing = bootstrap.administration(database, "acme")
    portal = Portal(doing.keys.create("test", ["decide"], "tests", None))
    doing.close()
    commands = Commands(tmp_path, DATABASE_URL=database)
    for round in range(1, 4):
        with commands.running("api", "--serve", "decide") as process, ThreadPoolExecutor(ASKING) as pool:
            url, enough = url_of(process), Event()
            asking = [
                pool.submit(portal.ask_until_it_dies, url, enough, round * ENOUGH) for _ in range(ASKING)
            ]
            assert enough.wait(60)
            process.ends(signal.SIGKILL)
            for one in asking:
                one.result(60)
    until(lambda: quiet(database), "the last statement's end")
    assert len(portal.answered) >= 3 * ENOUGH
    kept, logged = stored(database)
    assert {
        decision_id("acme", event_id): answer for event_id, answer in portal.answered.items()
    }.items() <= kept.items()
    assert set(logged.values()) == {1}
    assert {decision_id("acme", event_id) for event_id in logged} == kept.keys()
    with commands.running("api", "--serve", "decide") as process, portal.client(url_of(process)) as client:
        again = {event_id: portal.ask(client, event_id) for event_id in portal.answered}
    assert again == portal.answered
    assert stored(database) == (kept, logged)


def stored(conninfo: str) -> tuple[dict[str, bytes], Counter[str]]:
    """The answers that are kept, by decision, and how often each event lies in the log."""
    with psycopg.connect(conninfo) as connection:
        connection.execute("SET ROLE gatewatch_worker")
        kept = {id: bytes(answer) for id, answer in connection.execute("SELECT id, answer FROM decisions")}
        values = connection.execute("SELECT value FROM event_log").fetchall()
    found = [records.decode(bytes(value)) for (value,) in values]
    return kept, Counter(record.event.event_id for record in found if isinstance(record, EventRecord))
