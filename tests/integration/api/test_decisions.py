"""Inline decisions over a real socket: what is answered is durable, once, and the same for whoever asks again."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
import pytest

from tests.integration.api.asking import decided, enforce, events, from_lagos, kept, logged, question, settled
from tests.integration.api.conftest import Api, bearer
from tests.integration.heart.rig import Heart
from tests.support.http import problem


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
