"""Inline decisions over a real socket: what is answered is durable, once, and the same for whoever asks again."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from gatewatch import bootstrap
from gatewatch.api.decisions import WAITING
from gatewatch.core.records import ControlRecord, EventRecord, Record, decode
from gatewatch.services.policies import set_policy
from tests.integration.api.conftest import Api, bearer
from tests.integration.heart.rig import Heart
from tests.support.http import problem

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36"
OSLO = {"country": "NO", "city": "Oslo", "lat": 59.91, "lon": 10.75, "accuracy_km": 20}
LAGOS = {"country": "NG", "city": "Lagos", "lat": 6.52, "lon": 3.38, "accuracy_km": 20}
BAD_INPUT = Path(__file__).parents[2] / "data" / "bad_input"


def question(event_id: str = "login-1", minute: int = 0, **changes: Any) -> dict[str, Any]:
    """What an application asks about alice, who is in Oslo on the morning of 20 November 2026."""
    return {
        "event_id": event_id,
        "type": "login",
        "outcome": "success",
        "occurred_at": f"2026-11-20T08:{minute:02}:00Z",
        "user": {"id": "u1", "name": "alice"},
        "context": {"ip": "192.0.2.10", "user_agent": CHROME, "device_id": "laptop"},
        "geo": OSLO,
        "asn": {"number": 64512, "kind": "isp"},
        **changes,
    }


def from_lagos(event_id: str = "lagos", minute: int = 20, **changes: Any) -> dict[str, Any]:
    """The same, from Lagos with another device."""
    context = {"ip": "198.51.100.77", "user_agent": "curl/8.0", "device_id": "other"}
    there: dict[str, Any] = {"context": context, "geo": LAGOS, "asn": {"number": 64513, "kind": "hosting"}}
    return question(event_id, minute, **{**there, **changes})


@pytest.fixture
def portal(api: Api, url: str) -> Iterator[httpx.Client]:
    """An application with a key that may ask for decisions and look."""
    headers = bearer(api.key("decide", "read"))
    with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
        yield client


@pytest.fixture
def heart(api: Api) -> Iterator[Heart]:
    """A detector on the same database."""
    heart = Heart(api.conninfo)
    yield heart
    heart.close()


def logged(api: Api) -> list[Record]:
    """What lies in the log, in order per user."""
    return [decode(bytes(value)) for (value,) in api.rows("SELECT value FROM event_log ORDER BY part, off")]


def events(api: Api) -> list[tuple[str, str]]:
    """(id, outcome) of the events in the log."""
    return [(r.event.event_id, r.event.outcome) for r in logged(api) if isinstance(r, EventRecord)]


def controls(api: Api) -> list[tuple[str, str]]:
    """(event, verdict) of the control records in the log."""
    return [(r.event_id, r.verdict) for r in logged(api) if isinstance(r, ControlRecord)]


def kept(api: Api) -> int:
    """How many decisions are kept."""
    ((n,),) = api.rows("SELECT count(*) FROM decisions")
    return int(n)


def decided(client: httpx.Client, body: dict[str, Any]) -> dict[str, Any]:
    """The decision on a login."""
    answer = client.post("/v1/decisions", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def enforce(api: Api, **changes: Any) -> None:
    """Have the verdicts in force."""
    store = bootstrap.policies(api.conninfo, "acme")
    set_policy(store, json.dumps({"mode": "enforce", **changes}).encode(), "tests")
    store.close()


def settled(portal: httpx.Client, heart: Heart) -> None:
    """Four mornings in Oslo that a detector has learnt."""
    for day in range(4):
        body = question(f"usual-{day}", occurred_at=f"2026-11-{16 + day}T08:00:00Z")
        decided(portal, body)
        heart.settle()
    decided(portal, question("today"))
    heart.settle()


# What is answered ----------------------------------------------------------------------------------------------


@pytest.mark.postgres15
def test_a_first_login_is_allowed_and_says_what_is_not_known(api: Api, portal: httpx.Client) -> None:
    """Without history the answer is allow, with that as its reason; the login lies in the log."""
    found = decided(portal, question())
    assert (found["action"], found["would_action"], found["score"], found["level"]) == (
        "allow",
        "allow",
        0,
        "none",
    )
    assert [(r["code"], r["contribution"]) for r in found["reasons"]] == [("first_login", 0)]
    assert found["device"] == {"id": "laptop", "new": True}
    assert found["policy"] == {"id": "default", "revision": 0, "mode": "monitor"}
    assert (found["degraded"], found["failover"], found["challenge"]) == ([], False, None)
    assert found["model"]["name"] == "freeman"
    assert events(api) == [("login-1", "success")]


@pytest.mark.parametrize("mode", ["monitor", "enforce"])
def test_the_mode_decides_what_the_verdict_does(
    api: Api, portal: httpx.Client, heart: Heart, mode: str
) -> None:
    """Given mornings in Oslo, a login from Lagos twenty minutes later is told apart: in monitor mode it is allowed and
    the verdict told, in enforce mode the verdict is the answer; the reasons' points add up to the score.
    """
    if mode == "enforce":
        enforce(api)
    settled(portal, heart)
    usual = decided(portal, question("usual", 10))
    assert (usual["action"], usual["device"]["new"]) == ("allow", False)
    found = decided(portal, from_lagos())
    assert found["would_action"] in ("challenge", "deny")
    assert found["action"] == ("allow" if mode == "monitor" else found["would_action"])
    assert "impossible_travel" in {reason["code"] for reason in found["reasons"]}
    assert sum(reason["contribution"] for reason in found["reasons"]) == found["score"]
    assert found["scores"]["account_takeover"] >= found["scores"]["credential_attack"] == 0
    assert found["policy"]["mode"] == mode


def test_a_challenge_suggests_factors(api: Api, portal: httpx.Client, heart: Heart) -> None:
    """Where the verdict is a challenge, factors are suggested that the user has."""
    enforce(api, deny_score=100)
    settled(portal, heart)
    found = decided(portal, from_lagos())
    assert (found["action"], found["challenge"]["suggested"]) == ("challenge", ["webauthn", "totp"])
    poor = {"id": "u1", "name": "alice", "mfa_enrolled": False}
    assert decided(portal, from_lagos("lagos-2", user=poor))["challenge"]["suggested"] == ["email_code"]


def test_a_dry_run_leaves_no_trace(api: Api, portal: httpx.Client) -> None:
    """A dry run is answered, stores nothing, and takes no id: the real login may have it."""
    found = decided(portal, question(dry_run=True))
    assert (found["decision_id"], found["event_id"]) == (None, "login-1")
    assert (kept(api), logged(api)) == (0, [])
    assert decided(portal, question(outcome="failure"))["decision_id"] is not None


def test_an_attempt_is_judged_and_counts_nowhere(api: Api, portal: httpx.Client, heart: Heart) -> None:
    """An attempt is assessed as the login it would become; it is stored as unknown, teaches nothing and counts
    nothing.
    """
    settled(portal, heart)
    before = api.rows("SELECT state FROM profiles")
    found = decided(portal, from_lagos(outcome="attempted", stage="pre_auth"))
    assert found["score"] >= 50
    heart.settle()
    assert api.rows("SELECT outcome, score FROM login_events WHERE event_id = 'lagos'") == [("unknown", 0)]
    assert api.rows("SELECT state FROM profiles") == before
    assert api.rows("SELECT count(*) FROM source_activity") == [(0,)]


def test_what_is_missing_is_named(api: Api, portal: httpx.Client, heart: Heart) -> None:
    """No place is `geo`, an unread log of more than five seconds `state_lag`, failures without their review
    `source_views`; the verdict comes all the same.
    """
    body = question(geo=None)
    assert decided(portal, body)["degraded"] == ["geo"]
    api.rows("SELECT log_roll('gatewatch.logins')")  # the record lies in a closed segment
    with psycopg.connect(api.conninfo, autocommit=True) as owner:
        owner.execute("UPDATE event_log SET appended_at = now() - interval '6 seconds'")
    assert decided(portal, question("login-2"))["degraded"] == ["state_lag"]
    assert decided(portal, question("b", user="bob"))["degraded"] == []  # another partition
    heart.send()
    heart.work()
    failures = [question(f"f{n}", outcome="failure", reason="bad_credentials") for n in range(3)]
    for failure in failures:
        decided(portal, failure)
    heart.work()
    assert decided(portal, question("login-3"))["degraded"] == []  # a moment is no reason
    with psycopg.connect(api.conninfo, autocommit=True) as owner:
        owner.execute("UPDATE review_queue SET queued_at = now() - interval '6 seconds'")
    assert decided(portal, question("login-4"))["degraded"] == ["source_views"]
    heart.settle()
    assert decided(portal, question("login-5"))["degraded"] == []


def test_a_profile_of_another_version_is_missing(api: Api, portal: httpx.Client, heart: Heart) -> None:
    """A profile that cannot be read is named; the answer does not wait for an upgrade to end."""
    settled(portal, heart)
    api.rows("UPDATE profiles SET state = '\\xc1'")
    assert decided(portal, question("later", 30))["degraded"] == ["profile"]


# Once, and the same again -----------------------------------------------------------------------------------------


@pytest.mark.postgres15
def test_twenty_at_once_are_one_decision(api: Api) -> None:
    """Twenty tries of one login at two processes at once get the same bytes; it is stored and appended once."""
    key = api.key("decide")
    with api.process() as one, api.process() as other, ThreadPoolExecutor(20) as pool:

        def ask(n: int) -> httpx.Response:
            where = (one, other)[n % 2]
            return httpx.post(f"{where}/v1/decisions", json=question(), headers=bearer(key), timeout=60)

        answers = list(pool.map(ask, range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert (kept(api), events(api)) == (1, [("login-1", "success")])


def test_twenty_logins_of_one_user_at_once(api: Api, portal: httpx.Client, heart: Heart) -> None:
    """Twenty logins of one user at once are twenty decisions and twenty events, none lost, none twice."""
    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(lambda n: decided(portal, question(f"login-{n}")), range(20)))
    assert len({decision["decision_id"] for decision in found}) == kept(api) == 20
    heart.settle()
    assert heart.count("login_events") == 20
    assert heart.rows("SELECT count(*) FROM event_conflicts") == [(0,)]


def test_the_same_id_with_another_body(api: Api, portal: httpx.Client) -> None:
    """The same login in other words is the same; another under its id is a conflict and changes nothing."""
    first = portal.post("/v1/decisions", json=question())
    spelt = json.dumps(question(dry_run=False, policy="default"), indent=2).encode()
    again = portal.post("/v1/decisions", content=spelt)
    assert again.content == first.content
    other = portal.post("/v1/decisions", json=question(outcome="failure"))
    assert problem(other)["code"] == "conflict"
    assert (kept(api), events(api)) == (1, [("login-1", "success")])


def test_ids_are_the_tenants_own(api: Api, url: str, portal: httpx.Client) -> None:
    """Another tenant's login of the same id is another decision, and nobody reports on a stranger's."""
    ours = decided(portal, question())
    with httpx.Client(base_url=url, headers=bearer(api.key("decide", tenant="other"))) as stranger:
        theirs = decided(stranger, question(outcome="failure"))
        assert theirs["decision_id"] != ours["decision_id"]
        foreign = stranger.patch(f"/v1/decisions/{ours['decision_id']}", json={"login": "success"})
        assert problem(foreign)["code"] == "not_found"
    with psycopg.connect(api.conninfo) as app:
        app.execute("SET ROLE gatewatch_app")
        app.execute("SET gatewatch.tenant = 'acme'")
        assert app.execute("SELECT tenant_id FROM decisions").fetchall() == [("acme",)]


def test_a_login_without_an_id(api: Api, portal: httpx.Client) -> None:
    """Without an id a login gets one: of the Idempotency-Key the same again, else another each time."""
    body = {name: value for name, value in question().items() if name != "event_id"}
    keyed = [portal.post("/v1/decisions", json=body, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert keyed[0].content == keyed[1].content
    loose = {decided(portal, body)["event_id"] for _ in range(2)}
    assert len(loose) == 2
    assert kept(api) == 3


# How it ended --------------------------------------------------------------------------------------------------------


def test_a_login_result_becomes_an_event(api: Api, portal: httpx.Client, heart: Heart) -> None:
    """Of an attempt that succeeded a login is stored under an id of its own, once, and shows what was decided."""
    given = decided(portal, question(outcome="attempted"))
    where = f"/v1/decisions/{given['decision_id']}"
    told = portal.patch(where, json={"login": "success", "occurred_at": "2026-11-20T08:01:30Z"})
    assert told.json() == {
        "decision_id": given["decision_id"],
        "event_id": "login-1",
        "login": "success",
        "challenge": None,
    }
    assert portal.patch(where, json={"login": "success"}).content == told.content
    assert problem(portal.patch(where, json={"login": "failure"}))["current"]["login"] == "success"
    became = f"{given['decision_id']}-login"
    assert events(api) == [("login-1", "unknown"), (became, "success")]
    heart.settle()
    shown = portal.get(f"/v1/events/{became}").json()
    assert shown["event"]["time"] == "2026-11-20T08:01:30Z"
    assert shown["decision"]["decision_id"] == given["decision_id"]
    assert heart.store.users([("acme", "alice")])["acme", "alice"].profile.successes == 1


def test_a_result_that_is_no_news_is_no_second_event(api: Api, portal: httpx.Client) -> None:
    """A success that is reported as one is remembered; the login was told already and counts once."""
    given = decided(portal, question())
    assert portal.patch(f"/v1/decisions/{given['decision_id']}", json={"login": "success"}).status_code == 200
    assert events(api) == [("login-1", "success")]


def test_a_failure_has_a_reason(api: Api, portal: httpx.Client) -> None:
    """A login that ended otherwise than it began is an event, with the reason that is told."""
    given = decided(portal, question())
    told = {"login": "failure", "reason": "mfa_denied", "challenge": "failed"}
    assert portal.patch(f"/v1/decisions/{given['decision_id']}", json=told).status_code == 200
    became = f"{given['decision_id']}-login"
    assert events(api) == [("login-1", "success"), (became, "failure")]
    (failed,) = [r.event for r in logged(api) if isinstance(r, EventRecord) and r.event.outcome == "failure"]
    assert failed.reason_class == "mfa_denied"
    assert controls(api) == [("login-1", "failed"), (became, "failed")]


@pytest.mark.parametrize(("result", "revoked"), [("passed", None), ("failed", True), ("abandoned", False)])
def test_a_challenge_decides_on_trust(
    api: Api, portal: httpx.Client, heart: Heart, result: str, revoked: bool | None
) -> None:
    """A login on probation is trusted once its challenge was passed, and revoked where it failed."""
    settled(portal, heart)
    given = decided(portal, from_lagos())
    heart.settle()
    where = f"/v1/decisions/{given['decision_id']}"
    told = [portal.patch(where, json={"challenge": result}) for _ in range(2)]
    assert {(answer.status_code, answer.content) for answer in told} == {(200, told[0].content)}
    assert problem(portal.patch(where, json={"challenge": "passed" if result != "passed" else "failed"}))
    assert controls(api) == [("lagos", result)]
    heart.settle()
    held = heart.store.users([("acme", "alice")])["acme", "alice"].profile.held
    assert [one.revoked for one in held] == ([] if revoked is None else [revoked])


@pytest.mark.parametrize("together", [True, False])
def test_a_passed_challenge_vouches_for_the_login_that_came_of_it(
    api: Api, portal: httpx.Client, heart: Heart, together: bool
) -> None:
    """Given an attempt, a challenge that is passed before the login succeeds clears that login, told at once or not."""
    settled(portal, heart)
    given = decided(portal, from_lagos(outcome="attempted"))
    reports = [{"challenge": "passed"}, {"login": "success", "occurred_at": "2026-11-20T08:21:00Z"}]
    for report in [reports[0] | reports[1]] if together else reports:
        assert portal.patch(f"/v1/decisions/{given['decision_id']}", json=report).status_code == 200
    assert controls(api) == [("lagos", "passed"), (f"{given['decision_id']}-login", "passed")]
    heart.settle()
    profile = heart.store.users([("acme", "alice")])["acme", "alice"].profile
    assert (profile.successes, profile.held) == (6, [])


def test_reports_at_once(api: Api, portal: httpx.Client) -> None:
    """Of many reports at once those that agree are 200, those that contradict what came first 409; one is appended."""
    given = decided(portal, question(outcome="attempted"))
    results = ["success", "failure"] * 10

    def tell(result: str) -> tuple[str, int]:
        answer = portal.patch(f"/v1/decisions/{given['decision_id']}", json={"login": result})
        return result, answer.status_code

    with ThreadPoolExecutor(20) as pool:
        told = list(pool.map(tell, results))
    (won,) = {result for result, status in told if status == 200}
    assert all(status == (200 if result == won else 409) for result, status in told)
    assert events(api) == [("login-1", "unknown"), (f"{given['decision_id']}-login", won)]


def test_an_event_shows_what_was_answered(portal: httpx.Client, heart: Heart) -> None:
    """Beside the later assessment stand the answer that was given and what was reported."""
    settled(portal, heart)
    given = decided(portal, from_lagos())
    portal.patch(f"/v1/decisions/{given['decision_id']}", json={"challenge": "passed"})
    heart.settle()
    shown = portal.get("/v1/events/lagos").json()
    assert shown["decision"]["score"] == given["score"]
    assert shown["event"]["score"] >= 50
    assert shown["decision"]["reasons"] == given["reasons"]
    said = {
        name: shown["decision"][name] for name in ("action", "would_action", "mode", "login", "challenge")
    }
    assert said == {
        "action": "allow",
        "would_action": given["would_action"],
        "mode": "monitor",
        "login": "",
        "challenge": "passed",
    }
    assert portal.get("/v1/events/today").json()["decision"]["challenge"] == ""


def test_an_event_that_nobody_asked_about(api: Api, url: str, portal: httpx.Client, heart: Heart) -> None:
    """An event that was only sent has no decision."""
    sent = httpx.post(f"{url}/v1/events", json=question(), headers=bearer(api.key("ingest")))
    assert sent.status_code == 202
    heart.settle()
    assert portal.get("/v1/events/login-1").json()["decision"] is None


# Limits and bad input ------------------------------------------------------------------------------------------------


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
    from gatewatch.api.app import build
    from gatewatch.settings import Settings
    from tests.support.http import served

    with served(build(Settings(), bootstrap.serving(Settings(), api.conninfo), ["query"])) as url:
        answer = httpx.post(f"{url}/v1/decisions", json=question(), headers=bearer(api.key("decide")))
    assert problem(answer)["code"] == "not_found"
