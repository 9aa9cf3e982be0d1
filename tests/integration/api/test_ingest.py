"""Ingest over a real socket: what is answered with 202 lies in the log, whatever else comes."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from gatewatch import metrics
from gatewatch.core.records import EventRecord, RejectRecord, decode
from tests.integration.api.conftest import Api, bearer
from tests.integration.heart.rig import Heart
from tests.support.http import problem, spoken

JSON = {"Content-Type": "application/json"}


def event(**changes: Any) -> dict[str, Any]:
    """An event as an application sends it."""
    return {
        "time": "2026-03-02T07:00:00Z",
        "outcome": "success",
        "user": "alice",
        "ip": "192.0.2.1",
        **changes,
    }


def stored(api: Api) -> list[EventRecord | RejectRecord]:
    """What lies in the log."""
    found = [decode(bytes(value)) for (value,) in api.rows("SELECT value FROM event_log ORDER BY part, off")]
    return [record for record in found if isinstance(record, EventRecord | RejectRecord)]


def names(api: Api) -> list[str]:
    """Whose events lie in the log."""
    return sorted(record.event.user.name for record in stored(api) if isinstance(record, EventRecord))


@pytest.mark.parametrize(
    ("kind", "body", "count"),
    [
        ("application/json", json.dumps(event()), 1),
        ("application/json", json.dumps([event(), event()]), 2),
        ("application/x-ndjson", "\n".join([json.dumps(event())] * 3), 3),
        (
            "application/cloudevents+json",
            json.dumps({"specversion": "1.0", "id": "1", "source": "/s", "type": "login", "data": event()}),
            1,
        ),
        (
            "application/cloudevents-batch+json",
            json.dumps(
                [
                    {"specversion": "1.0", "id": i, "source": "/s", "type": "login", "data": event()}
                    for i in ("1", "2", "1")
                ]
            ),
            2,
        ),
    ],
    ids=["object", "array", "lines", "cloudevent", "cloudevents"],
)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_every_form_is_durable_when_answered(
    api: Api, app: httpx.Client, kind: str, body: str, count: int, packed: bool
) -> None:
    """An object, an array, lines and CloudEvents, packed or not, lie in the log when 202 is there."""
    content = gzip.compress(body.encode()) if packed else body.encode()
    headers = {"Content-Type": kind, **({"Content-Encoding": "gzip"} if packed else {})}
    found = app.post("/v1/events", content=content, headers=headers)
    assert found.status_code == 202
    duplicates = int("batch" in kind)
    assert found.json() == {"accepted": count, "duplicates": duplicates, "rejected": []}
    assert names(api) == ["alice"] * count
    assert {record.key for record in stored(api)} == {"acme:alice"}


def test_what_was_sent_is_assessed(api: Api, app: httpx.Client) -> None:
    """An event that came over HTTP is stored by a detector like any other, once, however often it was sent."""
    for _ in range(2):
        assert app.post("/v1/events", json=event(event_id="a-1")).status_code == 202
    heart = Heart(api.conninfo)
    heart.work()
    heart.close()
    assert api.rows("SELECT tenant_id, event_id, source FROM login_events") == [("acme", "a-1", "native")]


def test_bad_items_are_told_and_harm_no_other(api: Api, app: httpx.Client) -> None:
    """Each reject has index, type and detail; the others are accepted, and nothing of the bad ones is kept."""
    found = app.post("/v1/events", json=[event(), 5, event(outcome="maybe"), event(user="bob")])
    assert found.status_code == 202
    told = found.json()
    assert told["accepted"] == 2
    assert [(item["index"], item["type"]) for item in told["rejected"]] == [
        (1, "not_an_object"),
        (2, "unknown_outcome"),
    ]
    assert all(item["detail"] for item in told["rejected"])
    assert names(api) == ["alice", "bob"]
    assert len(stored(api)) == 2


def test_a_request_of_bad_items_alone_is_refused(api: Api, app: httpx.Client) -> None:
    """Where every item was rejected the answer is 422 with the list."""
    found = problem(app.post("/v1/events", json=[1, 2]))
    assert found["code"] == "all_rejected"
    assert [item["index"] for item in found["rejected"]] == [0, 1]
    assert (found["accepted"], stored(api)) == (0, [])


def test_an_idempotency_key_makes_a_repeat_harmless(api: Api, app: httpx.Client) -> None:
    """Items without an id get the same one when a request is sent again under its key, and another otherwise."""
    body = [event(), event()]
    for key in ("one", "one", "two"):
        assert app.post("/v1/events", json=body, headers={"Idempotency-Key": key}).status_code == 202
    app.post("/v1/events", json=body)
    ids = [record.event.event_id for record in stored(api) if isinstance(record, EventRecord)]
    assert (len(ids), len({*ids})) == (8, 6)
    assert app.post("/v1/events", json=body, headers={"Idempotency-Key": "k" * 257}).status_code == 422


def test_the_tenant_is_that_of_the_key(api: Api, app: httpx.Client, url: str) -> None:
    """Nothing in a body, a header or the query moves an event to another tenant."""
    body = event(tenant_id="other", tenant="other", enterprise_id="other")
    app.post("/v1/events?tenant=other", json=body, headers={"X-Tenant": "other"})
    httpx.post(f"{url}/v1/events", json=body, headers=bearer(api.key("ingest", tenant="third")))
    assert sorted(record.key for record in stored(api)) == ["acme:alice", "third:alice"]


def test_an_idempotency_key_is_its_tenants(api: Api, app: httpx.Client, url: str) -> None:
    """Two tenants with the same key and body get different ids."""
    own = {"Idempotency-Key": "k"}
    app.post("/v1/events", json=event(), headers=own)
    httpx.post(f"{url}/v1/events", json=event(), headers={**own, **bearer(api.key("ingest", tenant="other"))})
    assert len({record.event.event_id for record in stored(api) if isinstance(record, EventRecord)}) == 2


# Bad input -----------------------------------------------------------------------------------------------------------


def test_a_body_that_is_declared_too_large_is_not_read(app: httpx.Client, url: str) -> None:
    """Fifty megabytes are refused at their announcement."""
    head = f"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: {app.headers['Authorization']}\r\n"
    said = spoken(url, head.encode() + b"Content-Type: application/json\r\nContent-Length: 52428800\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 413 ")


def test_a_body_that_grows_too_large_is_cut_off(app: httpx.Client) -> None:
    """Without an announcement the body is refused when it passes the limit."""

    def chunks() -> Iterator[bytes]:
        for _ in range(10):
            yield b" " * (1 << 20)

    try:
        found = app.post("/v1/events", content=chunks(), headers=JSON)
    except httpx.WriteError:  # the connection was closed while we were still sending
        return
    assert problem(found)["code"] == "body_too_large"


def test_bombs_and_floods_are_refused(api: Api, app: httpx.Client) -> None:
    """A gzip bomb and a hundred thousand items in one array are 413, a body that is no gzip 400; nothing is kept."""
    packed = {**JSON, "Content-Encoding": "gzip"}
    bomb = app.post("/v1/events", content=gzip.compress(b" " * (33 << 20)), headers=packed)
    assert problem(bomb)["code"] == "body_too_large"
    flood = gzip.compress(json.dumps([event()] * 100_000).encode())
    assert problem(app.post("/v1/events", content=flood, headers=packed))["code"] == "too_many_items"
    assert problem(app.post("/v1/events", content=b"{}", headers=packed))["code"] == "bad_encoding"
    assert stored(api) == []


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 422, "invalid"),
        (b"{", 422, "all_rejected"),
        (b"[" * 100_000, 422, "all_rejected"),
        (b'{"a":' * 1_000 + b"1" + b"}" * 1_000, 422, "all_rejected"),
        (b"\x00\xff", 422, "all_rejected"),
        (b'{"time":"2026-03-02","outcome":"success","user":"a"}', 422, "all_rejected"),
    ],
)
def test_bad_json_is_the_clients_mistake(app: httpx.Client, content: bytes, status: int, code: str) -> None:
    """Broken, deep or empty bodies are never a 5xx."""
    found = app.post("/v1/events", content=content, headers=JSON)
    assert (found.status_code, problem(found)["code"]) == (status, code)


def test_an_empty_array_is_nothing(api: Api, app: httpx.Client) -> None:
    """An array without items is accepted, and nothing is appended."""
    assert app.post("/v1/events", json=[]).json() == {"accepted": 0, "duplicates": 0, "rejected": []}
    assert stored(api) == []


def test_a_wrong_content_type_says_what_would_be_right(app: httpx.Client) -> None:
    """MessagePack, which some agents send unasked, and a form are 415 with what is understood."""
    for kind in ("application/msgpack", "application/x-www-form-urlencoded", "multipart/form-data"):
        found = app.post("/v1/events", content=b"x", headers={"Content-Type": kind})
        assert problem(found)["code"] == "unsupported_media_type"
        assert "application/x-ndjson" in found.headers["accept"]


def test_hostile_values_are_stored_as_values(app: httpx.Client) -> None:
    """SQL, script, NUL and half characters in names are taken in like any other, and break nothing."""
    hostile = [
        "'; DROP TABLE login_events; --",
        "<script>alert(1)</script>",
        "a\0b",
        "\ud800",
        "\u202e" * 400,
    ]
    body = json.dumps([event(user=name) for name in hostile])
    found = app.post("/v1/events", content=body, headers=JSON)
    assert found.json()["accepted"] + len(found.json()["rejected"]) == len(hostile)
    assert found.json()["accepted"] >= 4


def test_a_client_that_goes_away_leaves_nothing(api: Api, app: httpx.Client, url: str) -> None:
    """A connection that ends in mid-body stores nothing, and the server goes on."""
    host, _, port = url.removeprefix("http://").partition(":")
    head = f"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: {app.headers['Authorization']}\r\n"
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + b"Content-Length: 1000\r\n\r\n" + json.dumps(event()).encode())
    assert app.post("/v1/events", json=event(user="bob")).status_code == 202
    assert names(api) == ["bob"]


def test_a_slow_body_is_given_up(api: Api) -> None:
    """A body that does not come within its time is 408, and nothing of it is kept."""
    with api.process(send_seconds="0.3") as url:
        head = f"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {api.key('ingest')}\r\n"
        request = head.encode() + b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
        said = spoken(url, request, json.dumps(event()).encode())
    assert said.startswith(b"HTTP/1.1 408 ")
    assert stored(api) == []


# Together ------------------------------------------------------------------------------------------------------------


def test_concurrent_requests_share_appends(api: Api, app: httpx.Client) -> None:
    """Two hundred requests at once are all durable, in fewer appends than requests."""

    def appends() -> tuple[float, float]:
        samples = {s.name: s.value for s in next(iter(metrics.APPEND_REQUESTS.collector.collect())).samples}
        return samples["gatewatch_ingest_append_requests_count"], samples[
            "gatewatch_ingest_append_requests_sum"
        ]

    before = appends()
    with ThreadPoolExecutor(16) as pool:
        sent = list(pool.map(lambda n: app.post("/v1/events", json=event(user=f"u{n}")), range(200)))
    after = appends()
    assert {found.status_code for found in sent} == {202}
    assert sorted(names(api)) == sorted(f"u{n}" for n in range(200))
    assert after[1] - before[1] == 200
    assert after[0] - before[0] < 200


@pytest.mark.parametrize("path", ["/v1/events", "/v1/ingest/native"])
def test_no_false_promise_while_the_database_is_away(api: Api, path: str) -> None:
    """Where nothing can be appended the answer is 503 with Retry-After; when the database is back, all goes on."""
    key = api.key("ingest")
    with api.process() as url, httpx.Client(base_url=url, headers=bearer(key), timeout=60) as client:
        assert client.post(path, json=event(user="before")).status_code == 202
        name = psycopg.conninfo.conninfo_to_dict(api.conninfo)["dbname"]
        with psycopg.connect(make_conninfo(api.conninfo, dbname="postgres"), autocommit=True) as connection:
            allow = f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS '
            connection.execute((allow + "false").encode())
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND usename = user",
                [name],
            )
            try:
                for _ in range(3):
                    found = client.post(path, json=event(user="lost"))
                    assert problem(found)["code"] == "unavailable"
                    assert int(found.headers["retry-after"]) > 0
            finally:
                connection.execute((allow + "true").encode())
        assert client.post(path, json=event(user="after")).status_code == 202
    assert names(api) == ["after", "before"]


# Agents --------------------------------------------------------------------------------------------------------------

LINES = b"""Mar  2 07:00:00 host sshd[1]: Failed password for alice from 192.0.2.10 port 22 ssh2
Mar  2 07:00:01 host cron[1]: job
Mar  2 07:00:02 host sshd[1]: Failed password for from
"""


def test_an_agents_rejects_become_dead_letters(api: Api, app: httpx.Client) -> None:
    """What an agent sends is accounted for line by line; what cannot be read is kept with its bytes."""
    found = app.post("/v1/ingest/sshd", content=LINES, headers={"Content-Type": "text/plain"})
    assert found.status_code == 202
    told = found.json()
    assert (told["accepted"], told["ignored"], told["duplicates"]) == (1, 1, 0)
    assert [(item["index"], item["type"]) for item in told["rejected"]] == [(2, "bad_sshd_line")]
    assert names(api) == ["alice"]
    (letter,) = [record for record in stored(api) if isinstance(record, RejectRecord)]
    assert (letter.tenant_id, letter.source) == ("acme", "sshd")
    assert letter.raw.endswith(b"Failed password for from")


SIGN_IN = {
    "category": "SignInLogs",
    "time": "2026-03-02T07:00:00Z",
    "resultType": "0",
    "properties": {"id": "s-1", "userPrincipalName": "carol@example.org"},
}


def test_every_connector_takes_its_format(api: Api, app: httpx.Client) -> None:
    """Each connector takes what its vendor sends, arrays and envelopes item by item; one that does not exist is 404 and
    says which do.
    """
    record = {
        "timestamp": "2026-03-02 07:00:00",
        "client_ip": "192.0.2.1",
        "success": True,
        "resource_name": "bob",
    }
    assert app.post("/v1/ingest/seed", json=[record]).json()["accepted"] == 1
    assert app.post("/v1/ingest/native", json=[event()]).json()["accepted"] == 1
    hub = {"records": [SIGN_IN, {"category": "AuditLogs"}, {"properties": {}}, SIGN_IN]}
    found = app.post("/v1/ingest/entra", json=hub).json()
    assert (found["accepted"], found["ignored"], found["duplicates"]) == (1, 1, 1)
    assert [(item["index"], item["type"]) for item in found["rejected"]] == [(2, "no_time")]
    keycloak = {
        "type": "LOGIN",
        "time": 1_772_434_800_000,
        "ipAddress": "192.0.2.2",
        "details": {"username": "dora"},
    }
    assert app.post("/v1/ingest/keycloak", json=keycloak).json()["accepted"] == 1
    assert names(api) == ["alice", "bob", "carol@example.org", "dora"]
    missing = problem(app.post("/v1/ingest/okta", json=[]))
    assert (missing["code"], "sshd" in missing["detail"]) == ("not_found", True)


def test_dead_letters_are_capped_per_key(api: Api) -> None:
    """A key that sends nothing but rubbish fills no table: beyond its quota rejects are counted, not kept."""
    with api.process(dead_letters_per_key="3") as url:
        rubbish = b"\n".join(b"%d" % n for n in range(5))
        for key in (api.key("ingest"), api.key("ingest")):
            prefix = key.split("_")[1]
            for _ in range(2):
                headers = {**bearer(key), "Content-Type": "application/x-ndjson"}
                found = httpx.post(f"{url}/v1/ingest/native", content=rubbish, headers=headers)
                assert problem(found)["code"] == "all_rejected"
                assert len(found.json()["rejected"]) == 5
            counted = metrics.INGEST_REJECTS.collector.labels(prefix, "not_an_object")
            assert next(iter(counted.collect())).samples[0].value == 10
    assert len(stored(api)) == 6


def test_what_is_said_of_ingest_is_true(api: Api, url: str) -> None:
    """The document has both routes with what they take and answer, and who may call them."""
    document = httpx.get(f"{url}/openapi.json", headers=bearer(api.key("read"))).json()
    assert document["openapi"].startswith("3.1")
    found = document["paths"]["/v1/events"]["post"]
    assert {"key": []} in found["security"]
    assert {"202", "401", "403", "408", "413", "415", "422", "503"} <= {*found["responses"]}
    assert document["paths"]["/v1/ingest/{connector}"]["post"]["parameters"][0]["schema"]["enum"] == [
        "native",
        "seed",
        "sshd",
        "entra",
        "keycloak",
    ]
    assert "HTTPValidationError" not in json.dumps(document)
