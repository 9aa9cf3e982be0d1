"""Decisions at their limits: bad input, overload, a database that is away, and what is said of them."""

from __future__ import annotations

import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from gatewatch import bootstrap
from gatewatch.api.app import build
from gatewatch.api.decisions import WAITING
from gatewatch.settings import Settings
from tests.integration.api.asking import decided, enforce, events, kept, logged, question
from tests.integration.api.conftest import Api, bearer
from tests.integration.heart.rig import Heart
from tests.support.http import problem, served

BAD_INPUT = Path(__file__).parents[2] / "data" / "bad_input"


def test_poison_is_the_clients_mistake(api: Api, portal: httpx.Client) -> None:
    """Each kind of bad input is refused with a problem that says why, or set right; never an error of ours."""
    files = [path.read_bytes() for path in sorted(BAD_INPUT.iterdir())]
    assert len(files) > 25
    for line in [piece for data in files for piece in (data, *data.split(b"\n"))]:
        for answer in (
            portal.post("/v1/decisions", content=line),
            portal.patch("/v1/decisions/dec_x", content=line),
        ):
            assert answer.status_code == 200 or problem(answer)["code"] in (
                "invalid",
                "not_found",
                "conflict",
            )
    assert kept(api) == len(events(api))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"outcome": "challenge"}, "unknown_outcome"),
        ({"outcome": None}, "missing_field"),
        ({"type": "logout"}, "unknown_type"),
        ({"policy": "strict"}, "bad_field"),
        ({"dry_run": "no"}, "bad_field"),
        ({"occurred_at": None}, "no_time"),
        ({"user": None, "context": None}, "no_subject"),
        ({"context": {"ip": "localhost"}}, "bad_address"),
    ],
)
def test_a_question_that_is_none(api: Api, portal: httpx.Client, change: dict[str, Any], reason: str) -> None:
    """What cannot be decided on is refused with its reason, and nothing is kept."""
    found = problem(portal.post("/v1/decisions", json=question(**change)))
    assert (found["status"], found["reason"]) == (422, reason)
    assert found["detail"]
    assert kept(api) == 0


def test_odd_bodies(api: Api, portal: httpx.Client) -> None:
    """Other types, encodings, sizes and depths are refused before anything is done."""
    body = json.dumps(question()).encode()
    refused = [
        (
            portal.post("/v1/decisions", content=gzip.compress(body), headers={"Content-Encoding": "gzip"}),
            415,
        ),
        (portal.post("/v1/decisions", content=body, headers={"Content-Type": "text/plain"}), 415),
        (portal.post("/v1/decisions", content=b""), 422),
        (portal.post("/v1/decisions", content=b"[" * 50_000), 422),
        (portal.post("/v1/decisions", content=b'{"a":"' + b"x" * 70_000 + b'"}'), 413),
        (portal.post("/v1/decisions", content=body, headers={"Idempotency-Key": "k" * 257}), 422),
        (portal.patch("/v1/decisions/dec_1", json={"login": "success"}), 404),
        (portal.patch("/v1/decisions/%00", json={"login": "success"}), 404),
        (portal.patch("/v1/decisions/dec_1", json={}), 422),
        (portal.get("/v1/decisions"), 405),
    ]
    for answer, status in refused:
        assert problem(answer)["status"] == status
    assert kept(api) == 0


def test_who_may_ask(api: Api, url: str) -> None:
    """A key needs the scope decide; others and none are told so."""
    for key, status in ((api.key("ingest", "read"), 403), ("gwk_none_such", 401)):
        answer = httpx.post(f"{url}/v1/decisions", json=question(), headers=bearer(key))
        assert problem(answer)["status"] == status
    assert kept(api) == 0


def test_logins_that_would_not_be_stored_are_not_decided_on(api: Api) -> None:
    """Where events are kept for a time, one from before it is refused: its decision would outlive nothing."""
    key = api.key("decide")
    with api.process(retention_days="30") as url:
        old = question(occurred_at="2020-01-01T00:00:00Z")
        answer = problem(httpx.post(f"{url}/v1/decisions", json=old, headers=bearer(key)))
    assert (answer["status"], answer["reason"], kept(api)) == (422, "too_old", 0)


def test_no_answer_without_the_database(api: Api) -> None:
    """Where nothing can be made durable the answer is 503 with a time to come again, never a decision."""
    key, away = api.key("decide"), make_conninfo(api.conninfo, host="127.0.0.1", port=1)
    with api.process() as url, api.process(away) as cut:
        assert httpx.post(f"{url}/v1/decisions", json=question(), headers=bearer(key)).status_code == 200
        lost = httpx.post(f"{cut}/v1/decisions", json=question("x"), headers=bearer(key), timeout=60)
        assert problem(lost)["code"] == "unavailable"
        assert int(lost.headers["retry-after"]) > 0


def test_a_claim_that_cannot_be_appended_is_no_claim(api: Api, portal: httpx.Client) -> None:
    """Where the log refuses the record the row is not there either: the same login is decided on later."""
    with psycopg.connect(api.conninfo, autocommit=True) as owner:
        owner.execute("ALTER TABLE log_heads ADD CONSTRAINT is_full CHECK (end_offset < 0) NOT VALID")
        assert portal.post("/v1/decisions", json=question()).status_code == 422
        assert (kept(api), logged(api)) == (0, [])
        owner.execute("ALTER TABLE log_heads DROP CONSTRAINT is_full")
    decided(portal, question())
    assert (kept(api), len(events(api))) == (1, 1)


def test_the_log_may_grow_meanwhile(api: Api, portal: httpx.Client, heart: Heart) -> None:
    """A process that knows of four partitions goes on with eight: the claim is made once, on the right one."""
    decided(portal, question())
    bootstrap.grow(api.conninfo, 8)
    decided(portal, question("login-2"))
    heart.owned.clear()
    heart.settle()
    assert heart.count("login_events") == kept(api) == 2


def test_a_change_of_policy_is_seen_at_once(api: Api, portal: httpx.Client) -> None:
    """The policy is that of the moment, by its revision; what is remembered is never older."""
    assert decided(portal, question("a"))["policy"]["revision"] == 0
    for revision in (1, 2):
        enforce(api)
        assert decided(portal, question(f"b{revision}"))["policy"] == {
            "id": "default",
            "revision": revision,
            "mode": "enforce",
        }


def test_too_many_are_sent_away(api: Api) -> None:
    """Given one thread that waits for a lock and more requests than may wait, the rest is told to come again at once;
    those that waited are answered.
    """
    key = api.key("decide")
    with (
        api.process(decide_connections="1") as url,
        psycopg.connect(api.conninfo) as blocker,
        httpx.Client(
            base_url=url, headers=bearer(key), timeout=60, limits=httpx.Limits(max_connections=None)
        ) as client,
        ThreadPoolExecutor(200) as pool,
    ):
        decided(client, question("warm"))
        blocker.execute("LOCK TABLE decisions IN ACCESS EXCLUSIVE MODE")
        asked = [pool.submit(client.post, "/v1/decisions", json=question(f"q{n}")) for n in range(100)]
        while sum(one.done() for one in asked) < 99 - WAITING:
            assert not [one for one in asked if one.done() and one.result().status_code != 503]
        blocker.rollback()
        answers = [one.result() for one in asked]
    told = [answer.status_code for answer in answers]
    assert (told.count(503), told.count(200)) == (99 - WAITING, 1 + WAITING)
    for refused in (answer for answer in answers if answer.status_code == 503):
        assert problem(refused)["code"] == "overloaded"
        assert int(refused.headers["retry-after"]) > 0
        assert refused.headers["cache-control"] == "no-store"
    assert kept(api) == len(events(api)) == 2 + WAITING


def test_a_database_that_hangs_is_not_waited_for(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a statement takes longer than anybody waits it is given up: 503, and nothing is kept."""
    monkeypatch.setattr(bootstrap, "DECISION_SECONDS", 0.3)
    key = bearer(api.key("decide"))
    with api.process() as url, psycopg.connect(api.conninfo) as blocker:
        blocker.execute("LOCK TABLE decisions IN ACCESS EXCLUSIVE MODE")
        answer = httpx.post(f"{url}/v1/decisions", json=question(), headers=key, timeout=60)
        assert problem(answer)["code"] == "overloaded"
        assert int(answer.headers["retry-after"]) > 0
        blocker.rollback()
        assert (kept(api), logged(api)) == (0, [])
        assert httpx.post(f"{url}/v1/decisions", json=question(), headers=key).status_code == 200


def test_what_is_said_of_decisions_is_true(api: Api, url: str) -> None:
    """The document has both routes, with answers of the shape that it says."""
    document = httpx.get(f"{url}/openapi.json", headers=bearer(api.key("read"))).json()
    post = document["paths"]["/v1/decisions"]["post"]
    assert post["security"] == [{"key": []}]
    assert {"200", "401", "403", "409", "413", "415", "422", "503"} <= {*post["responses"]}
    shape = post["responses"]["200"]["content"]["application/json"]["schema"]
    with httpx.Client(base_url=url, headers=bearer(api.key("decide"))) as client:
        answer = decided(client, question())
    assert {*shape["required"]} == {*answer} == {*shape["properties"]}
    example = post["requestBody"]["content"]["application/json"]["example"]
    with httpx.Client(base_url=url, headers=bearer(api.key("decide"))) as client:
        assert decided(client, example)["event_id"] == example["event_id"]


def test_a_process_that_does_not_decide(api: Api) -> None:
    """A process that serves something else has no such route."""
    with served(build(Settings(), bootstrap.serving(Settings(), api.conninfo), ["query"])) as url:
        answer = httpx.post(f"{url}/v1/decisions", json=question(), headers=bearer(api.key("decide")))
    assert problem(answer)["code"] == "not_found"
