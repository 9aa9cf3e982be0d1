"""The API over a log on Kafka: no false promise, decisions that are durable, what is published."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

import httpx
import pytest

from gatewatch import bootstrap
from gatewatch.access_ports import Permission
from gatewatch.api.app import build
from gatewatch.ports import ANOMALIES, DEAD_LETTERS, Unavailable
from scripts.kafka import Broker
from tests.builders import START, failure
from tests.integration.api.asking import question
from tests.integration.api.conftest import bearer
from tests.integration.kafka.rig import OnKafka
from tests.support.http import problem, served
from tests.support.ocsf import finding_schema

_UNRELAYED = """
SELECT count(*)::int FROM outbox o LEFT JOIN outbox_positions p USING (part) WHERE o.seq > coalesce(p.seq, 0)
"""


@contextmanager
def _client(on: OnKafka, *scopes: Permission) -> Iterator[httpx.Client]:
    """An application with a key, and a process of the API."""
    doing = bootstrap.administration(on.conninfo, "acme")
    key = doing.keys.create("test", scopes, "tests", None)
    doing.close()
    with (
        served(build(on.settings, bootstrap.serving(on.settings, on.conninfo))) as url,
        httpx.Client(base_url=url, headers=bearer(key), timeout=60) as client,
    ):
        yield client


def _event(id: str) -> dict[str, str]:
    return {
        "event_id": id,
        "time": "2026-11-20T08:00:00Z",
        "outcome": "success",
        "user": "alice",
        "ip": "192.0.2.10",
    }


def test_no_false_promise_while_the_broker_is_away(broker: Broker, database: str) -> None:
    """202 means that the broker has it: while that is away events and decisions are 503 with Retry-After, and when it
    is back all goes on; what was acknowledged is stored, and the decision that was not answered is when asked again.
    """
    on = OnKafka(broker.bootstrap, database, kafka_delivery_seconds=1.0)
    with _client(on, "ingest", "decide") as client:
        _until_accepted(client, "/v1/events", _event("before"), 202)
        broker.stop()
        began = monotonic()
        with pytest.raises(Unavailable):
            on.log.append([("acme:alice", b"lost as well")])
        assert monotonic() - began < 10
        for path, body in (("/v1/events", _event("lost")), ("/v1/decisions", question("asked"))):
            found = client.post(path, json=body)
            assert problem(found)["code"] == "unavailable"
            assert int(found.headers["retry-after"]) > 0
        broker.start()
        _until_accepted(client, "/v1/events", _event("after"), 202)
        _until_accepted(client, "/v1/decisions", question("asked"), 200)
    with on.running():
        on.eventually("SELECT count(*)::int FROM login_events", 3)
    assert sorted(on.stored()) == ["after", "asked", "before"]
    assert on.rows("SELECT count(*)::int FROM dead_letters") == [(0,)]
    on.close()


def _until_accepted(client: httpx.Client, path: str, body: dict[str, Any], status: int) -> None:
    for _ in range(60):
        if (found := client.post(path, json=body)).status_code == status:
            return
        assert found.status_code == 503
    raise AssertionError("it was never accepted")


class Refusing:
    """A log that is away until told otherwise, then the real one."""

    def __init__(self, on: OnKafka) -> None:
        self._on, self.away = on, True

    def append(self, records: Any) -> None:
        """Append, or not."""
        if self.away:
            raise Unavailable("away")
        self._on.log.append(records)


def test_a_claimed_decision_is_appended_again(on_kafka: OnKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a decision whose row was claimed and whose append failed, whoever asks again is given the first answer, and
    by then the event is on the log; so are the results that were reported of it.
    """
    log = Refusing(on_kafka)
    monkeypatch.setattr(bootstrap, "appending", lambda *_, **__: _Held(log))
    with _client(on_kafka, "decide") as client:
        assert client.post("/v1/decisions", json=question("one")).status_code == 503
        assert on_kafka.rows("SELECT cardinality(unproven) FROM decisions") == [(1,)]
        log.away = False
        answered = client.post("/v1/decisions", json=question("one"))
        assert answered.status_code == 200
        assert on_kafka.rows("SELECT cardinality(unproven) FROM decisions") == [(0,)]
        assert client.post("/v1/decisions", json=question("one")).content == answered.content
        log.away = True
        told = f"/v1/decisions/{answered.json()['decision_id']}"
        report = {"login": "failure", "reason": "bad_credentials"}
        assert client.patch(told, json=report).status_code == 503
        log.away = False
        assert client.patch(told, json=report).status_code == 200
    with on_kafka.running():
        on_kafka.eventually("SELECT count(*)::int FROM login_events", 2)
    assert on_kafka.rows("SELECT cardinality(unproven) FROM decisions") == [(0,)]
    assert on_kafka.rows("SELECT outcome FROM login_events ORDER BY 1") == [("failure",), ("success",)]


class _Held:
    """What `bootstrap.appending` gives."""

    def __init__(self, log: Refusing) -> None:
        self.append = log.append

    def close(self) -> None:
        """Nothing is held."""


def test_decisions_are_stored_once(on_kafka: OnKafka) -> None:
    """A decision is answered once its event is on the log, which is stored once however often is asked."""
    with _client(on_kafka, "decide") as client:
        first = client.post("/v1/decisions", json=question("one"))
        assert first.status_code == 200
        assert client.post("/v1/decisions", json=question("one")).content == first.content
        assert client.post("/v1/decisions", json=question("one", minute=5)).status_code == 409
    with on_kafka.running():
        on_kafka.eventually("SELECT count(*)::int FROM login_events", 1)


def test_anomalies_and_dead_letters_are_published(on_kafka: OnKafka) -> None:
    """Every version of an anomaly, every change of its status and every dead letter is a CloudEvent on its topic, under
    an id that says what it tells; the newest version is the stored one.
    """
    prefix = on_kafka.settings.kafka_prefix
    with on_kafka.running(), _client(on_kafka, "read", "triage") as client:
        on_kafka.send(*(failure(START + i * 1_000_000, event_id=f"e{i}") for i in range(15)))
        on_kafka.put(0, ("acme:x", b"\xc1 garbage"))
        on_kafka.eventually("SELECT count(*) > 0 FROM anomalies", True)
        on_kafka.eventually("SELECT count(*)::int FROM dead_letters", 1)
        ((id,), *_) = on_kafka.rows("SELECT id FROM anomalies ORDER BY id")
        changed = client.patch(f"/v1/anomalies/{id}", json={"status": "resolved", "revision": 0})
        assert changed.status_code == 200
        on_kafka.eventually(_UNRELAYED, 0)
    ((n,),) = on_kafka.rows("SELECT count(*)::int FROM outbox WHERE topic <> 'gatewatch.logins.dead-letter'")
    told = [(_headers(m), m.key(), m.value()) for m in on_kafka.consumed(prefix + ANOMALIES, n)]
    ids = [headers["ce_id"] for headers, _, _ in told]
    assert len(ids) == len(set(ids))
    assert f"{id}.status.1" in ids
    bodies = [json.loads(value or b"") for _, _, value in told]
    assert not [error.message for body in bodies for error in finding_schema().iter_errors(body)]
    newest: dict[str, int] = {}
    for body in bodies:
        uid, version = body["finding_info"]["uid"], body["unmapped"]["version"]
        newest[uid] = max(version, newest.get(uid, 0))
    assert newest == dict(on_kafka.rows("SELECT id, version::int FROM anomalies"))
    assert {body["status_id"] for body in bodies if body["unmapped"]["status_revision"]} == {4}
    assert {headers["ce_source"] for headers, _, _ in told} == {"/gatewatch/acme"}
    (dead,) = on_kafka.consumed(prefix + DEAD_LETTERS, 1)
    assert json.loads(dead.value() or b"")["reason"] == "undecodable"
    assert _headers(dead)["ce_type"] == "gatewatch.login.dead-letter"


def _headers(message: Any) -> dict[str, str]:
    return {name: value.decode() for name, value in message.headers()}
