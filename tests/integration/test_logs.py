"""Nothing of anybody is in what the services log: not what logs in, from where, with what, nor what was refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing

import httpx
import psycopg
import pytest

from gatewatch import runtime
from tests.builders import START, login
from tests.integration.heart.rig import Heart, record_of
from tests.support.commands import until
from tests.support.services import SERVICES, Services, services

#: What is sent in every place where something can be sent; none of it may come back in a log.
NAME = "Zq7recognizable"
ADDRESS = "203.0.113.77"
PASSWORD = "recognizable horse battery staple"
AGENT = "RecognizableAgent/7.7"


@pytest.fixture
def running(database: str) -> Iterator[Services]:
    """A process of each service."""
    with services(database) as found:
        yield found


def event(**changes: object) -> dict[str, object]:
    """A native event full of what must not be told."""
    context = {"ip": ADDRESS, "user_agent": AGENT}
    user = {"name": NAME, "id": f"{NAME}-id", "email": f"{NAME}@example.org"}
    return {"time": "2026-03-02T08:00:00Z", "user": user, "outcome": "failure", "context": context, **changes}


def test_nothing_of_anybody_is_logged(running: Services, database: str) -> None:
    """Logins, decisions, questions, log-ins to Gatewatch, rubbish and what the database refuses leave no trace."""
    assert running.send("POST", "/v1/events", json=[event() for _ in range(30)]).status_code == 202
    refused(running)
    decisions(running)
    questions(running)
    logins(running)
    on_the_log(database)
    until(lambda: len(dead(database)) >= 3, "the dead letters")
    until(lambda: "a record was refused by the store" in running.processes["detector"].said, "the refusal")
    for service in SERVICES:
        said = running.processes[service].said
        lines = [json.loads(line) for line in said.splitlines()]
        assert lines or service == "notifier"
        assert {line["service"] for line in lines} <= {service}
        for secret in (NAME, ADDRESS, PASSWORD, AGENT, running.key.rpartition("_")[2]):
            assert secret not in said, (service, secret)


def test_a_detector_says_how_its_core_runs(running: Services) -> None:
    """The first that a detector says is whether it is compiled: the reason why two of them differ in speed."""
    until(lambda: "the detector runs" in running.processes["detector"].said, "the detector's first words")
    line = json.loads(running.processes["detector"].said.splitlines()[0])
    assert (line["event"], line["core"]) == ("the detector runs", runtime.core())


def refused(running: Services) -> None:
    """Send what the edge rejects."""
    for body in (f'[{{"user":"{NAME}"', json.dumps([{"user": NAME, "ip": NAME}]), f"{NAME}\n{NAME}", ""):
        headers = {"Content-Type": "application/x-ndjson"}
        for path in ("/v1/events", "/v1/ingest/native", f"/v1/ingest/{NAME}"):
            running.send("POST", path, content=body.encode() or b" ").read()
            httpx.post(f"{running.url}{path}", content=body, headers=headers)


def decisions(running: Services) -> None:
    """Ask for decisions, well and badly, and report on one that is none."""
    asked = {"stage": "pre_auth", **event(outcome="attempted")}
    for body in (asked, asked | {"event_id": NAME}, {"user": NAME}, {"context": {"ip": NAME}}):
        running.send("POST", "/v1/decisions", json=body)
    running.send("PATCH", f"/v1/decisions/{NAME}", json={"login": NAME})


def questions(running: Services) -> None:
    """Ask about somebody, well and badly."""
    for path in (f"/v1/users/{NAME}", f"/v1/entities/ip/{ADDRESS}", f"/v1/entities/{NAME}/x", f"/{NAME}"):
        running.send("GET", path)
    for query in ({"user": NAME, "ip": ADDRESS}, {"cursor": NAME}, {"since": NAME}, {"min_score": NAME}):
        running.send("GET", "/v1/events", params=query)
    httpx.get(f"{running.url}/v1/events", headers={"Authorization": f"Bearer gwk_{NAME}_{PASSWORD}"})
    httpx.get(f"{running.url}/healthz", headers={"Host": f"{NAME}.example.org", "User-Agent": AGENT})


def logins(running: Services) -> None:
    """Try to log in to Gatewatch."""
    for body in ({"name": NAME, "password": PASSWORD}, {"name": NAME}, [NAME, PASSWORD]):
        httpx.post(f"{running.url}/v1/session", json=body, headers={"Origin": running.url})


def on_the_log(database: str) -> None:
    """Write what no edge lets through: bytes that nobody can read, and values that the database refuses."""
    with closing(Heart(database)) as heart:
        bad = record_of(login(START, user=NAME, source=f"{NAME}\0", ip=ADDRESS))
        wrong = record_of(login(START, user=NAME, ip=f"{NAME} {ADDRESS}"))
        heart.append(bad, wrong)
        heart.put(
            0, (f"acme:{NAME}", f'{{"user":"{NAME}"'.encode()), (f"acme:{NAME}", b"\xc1" + NAME.encode())
        )


def dead(database: str) -> list[tuple[object, ...]]:
    """The dead letters."""
    with psycopg.connect(database) as connection:
        connection.execute("SET ROLE gatewatch_worker")
        return connection.execute("SELECT reason FROM dead_letters").fetchall()
