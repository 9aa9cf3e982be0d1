"""People: logging in, staying in, being put out."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
import pytest
from argon2 import PasswordHasher

from gatewatch.services.access import TRIES_FOR_NAME, TRIES_FROM_ADDRESS
from tests.integration.api.conftest import PASSWORD, Api, log_in
from tests.support.http import problem

COOKIE = "gatewatch_session"


def test_a_log_in_gives_a_session(browser: httpx.Client) -> None:
    """Who knows name and password gets a session that says whose it is and what they may."""
    found = browser.get("/v1/session").json()
    assert (found["name"], found["tenant"]) == ("ada", "acme")
    assert found["permissions"] == ["admin", "read", "triage"]
    assert browser.get("/openapi.json").status_code == 200


@pytest.mark.parametrize("name", ["ADA", " ada ", "\uff41da"])
def test_a_name_is_compared_without_case_space_and_form(api: Api, url: str, name: str) -> None:
    """A name is the same in capitals, with space around it, or in another form of its letters."""
    api.account()
    with httpx.Client(base_url=url) as client:
        assert log_in(client, name).status_code == 200


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("ada", "wrong password here"),
        ("nobody", PASSWORD),
        ("ada\0", PASSWORD),
        ("", PASSWORD),
        ("ada", ""),
        ("ada' OR '1'='1", "x"),
        ("ada", PASSWORD + " "),
        ("ada", "\udfff"),
    ],
)
def test_a_wrong_log_in_does_not_say_what_was_wrong(api: Api, url: str, name: str, password: str) -> None:
    """A wrong name and a wrong password get the same answer, and no cookie."""
    api.account()
    body = json.dumps({"name": name, "password": password})
    found = httpx.post(f"{url}/v1/session", content=body, headers={"Content-Type": "application/json"})
    assert problem(found) == {
        "type": "urn:gatewatch:problem:wrong_credentials",
        "code": "wrong_credentials",
        "title": "Name or password is wrong",
        "status": 401,
    }
    assert "set-cookie" not in found.headers


@pytest.mark.parametrize(
    "body",
    [
        b'{"name":"ada"}',
        b'{"name":1,"password":"x"}',
        b'{"name":"\\ud800","password":"x"}',
        b"[]",
    ],
)
def test_a_body_that_is_no_log_in_is_refused(api: Api, url: str, body: bytes) -> None:
    """A body of another shape is the client's mistake."""
    api.account()
    found = httpx.post(f"{url}/v1/session", content=body, headers={"Content-Type": "application/json"})
    assert found.status_code == 422
    problem(found)


def test_the_cookie_is_for_the_server_alone(api: Api) -> None:
    """Scripts do not see the cookie and other sites do not send it; over https it is Secure and bound to the host."""
    api.account()
    for public_url, name, flags in (
        ("", COOKIE, set()),
        ("https://gate.example", f"__Host-{COOKIE}", {"Secure"}),
        ("https://gate.example/gw", f"__Secure-{COOKIE}", {"Secure"}),
    ):
        with api.process(public_url=public_url) as url, httpx.Client(base_url=url) as client:
            pair, *attributes = log_in(client).headers["set-cookie"].split("; ")
        assert pair.startswith(f"{name}=")
        assert {"HttpOnly", "SameSite=strict", f"Path={'/gw' if 'gw' in public_url else '/'}"} <= {
            *attributes
        }
        assert ({*attributes} & {"Secure"}) == flags
        assert not any(attribute.startswith("Domain") for attribute in attributes)


def test_a_token_is_stored_as_a_hash(api: Api, browser: httpx.Client) -> None:
    """Neither token nor password stands anywhere in the database."""
    token = browser.cookies[COOKIE]
    everything = str(api.rows("SELECT * FROM sessions")) + str(api.rows("SELECT * FROM accounts"))
    assert token not in everything
    assert PASSWORD not in everything
    assert "$argon2id$" in everything


def test_a_planted_token_is_never_taken_up(api: Api, url: str) -> None:
    """Whatever cookie a browser brings, a log-in gives it a fresh token; the planted one opens nothing (fixation)."""
    api.account()
    with httpx.Client(base_url=url, cookies={COOKIE: "planted"}) as client:
        found = log_in(client)
        assert found.cookies[COOKIE] != "planted"
    assert httpx.get(f"{url}/v1/session", cookies={COOKIE: "planted"}).status_code == 401


def test_a_log_in_ends_the_session_it_replaces(browser: httpx.Client) -> None:
    """The token is rotated: after another log-in of the same browser the old one is worth nothing."""
    old = browser.cookies[COOKIE]
    assert log_in(browser).status_code == 200
    assert browser.cookies[COOKIE] != old
    assert browser.get("/v1/session").status_code == 200
    browser.cookies.set(COOKIE, old)
    assert httpx.get(f"{browser.base_url}/v1/session", cookies={COOKIE: old}).status_code == 401


def test_a_log_out_ends_the_session_everywhere(browser: httpx.Client) -> None:
    """After a log-out the token is worth nothing, also in a second tab, and the cookie is taken back."""
    token = browser.cookies[COOKIE]
    found = browser.delete("/v1/session")
    assert found.status_code == 204
    assert 'gatewatch_session=""' in found.headers["set-cookie"]
    again = httpx.get(f"{browser.base_url}/v1/session", cookies={COOKIE: token})
    assert problem(again)["code"] == "unauthenticated"


def test_all_sessions_of_an_account_can_be_ended(api: Api, browser: httpx.Client, url: str) -> None:
    """Logging out everywhere ends the sessions of this account, and of no other."""
    api.account("eve", "other")
    with httpx.Client(base_url=url) as second, httpx.Client(base_url=url) as other:
        log_in(second)
        log_in(other, "eve")
        assert browser.delete("/v1/sessions").status_code == 204
        assert second.get("/v1/session").status_code == 401
        assert browser.get("/v1/session").status_code == 401
        assert other.get("/v1/session").status_code == 200


@pytest.mark.parametrize(
    "age", ["seen_at = now() - interval '12 hours 1 second'", "expires_at = now() - interval '1 second'"]
)
def test_a_session_runs_out(api: Api, browser: httpx.Client, age: str) -> None:
    """A session ends twelve hours after its last use, and seven days after it was opened whatever its use."""
    assert api.rows("SELECT expires_at - opened_at FROM sessions")[0][0].days == 7
    api.rows(f"UPDATE sessions SET {age}")
    assert browser.get("/v1/session").status_code == 401


def test_use_keeps_a_session_alive(api: Api, browser: httpx.Client) -> None:
    """A request of a session that was idle for eleven hours starts the twelve anew."""
    api.rows("UPDATE sessions SET seen_at = now() - interval '11 hours'")
    assert browser.get("/v1/session").status_code == 200
    assert api.rows("SELECT now() - seen_at < interval '1 minute' FROM sessions") == [(True,)]


def test_a_disabled_account_is_out_at_once(api: Api, browser: httpx.Client) -> None:
    """An account that was disabled has no session any more and opens none."""
    api.rows("UPDATE accounts SET disabled_at = now()")
    assert browser.get("/v1/session").status_code == 401
    assert log_in(browser).status_code == 401


# Passwords -----------------------------------------------------------------------------------------------------------


def test_a_new_password_ends_all_sessions(api: Api, browser: httpx.Client, url: str) -> None:
    """A changed password ends every session of the account; the old one opens none, the new one does."""
    new = "another long password"
    with httpx.Client(base_url=url, headers={"Origin": url}) as second:
        log_in(second)
        changed = second.post("/v1/account/password", json={"current": PASSWORD, "new": new})
        assert changed.status_code == 204
        assert second.get("/v1/session").status_code == browser.get("/v1/session").status_code == 401
        assert log_in(second).status_code == 401
        assert log_in(second, password=new).status_code == 200
    assert api.rows("SELECT count(*) FROM sessions") == [(1,)]


@pytest.mark.parametrize(
    ("current", "new", "status"), [("not the password", "another long one", 401), (PASSWORD, "short", 422)]
)
def test_a_password_is_not_changed_for_nothing(
    browser: httpx.Client, current: str, new: str, status: int
) -> None:
    """Without the current password, or with one too short, nothing changes and no session ends."""
    found = browser.post("/v1/account/password", json={"current": current, "new": new})
    assert found.status_code == status
    assert new not in found.text
    assert browser.get("/v1/session").status_code == 200


def test_an_operators_reset_ends_all_sessions(api: Api, browser: httpx.Client) -> None:
    """`admin reset-password` puts everybody out who is in under that account."""
    api.administer(lambda doing: doing.reset_password("Ada", "set by an operator"))
    assert browser.get("/v1/session").status_code == 401
    assert log_in(browser, password="set by an operator").status_code == 200


def test_a_hash_of_less_effort_is_made_anew(api: Api, browser: httpx.Client) -> None:
    """A log-in replaces a hash that was made with less effort, and ends no session by that."""
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    api.rows("UPDATE accounts SET password_hash = %s", weak)
    with httpx.Client(base_url=browser.base_url) as second:
        assert log_in(second).status_code == 200
    assert "m=65536" in api.rows("SELECT password_hash FROM accounts")[0][0]
    assert browser.get("/v1/session").status_code == 200


# Other sites ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "", "http://127.0.0.1", "http://localhost:1", None]
)
def test_another_site_changes_nothing(browser: httpx.Client, origin: str | None) -> None:
    """A request with a cookie that would change something needs an Origin, and that must be our own."""
    headers = {} if origin is None else {"Origin": origin}
    del browser.headers["Origin"]
    for method, path in (("DELETE", "/v1/session"), ("DELETE", "/v1/sessions")):
        assert problem(browser.request(method, path, headers=headers))["code"] == "cross_site"
    changed = browser.post("/v1/account/password", json={"current": "x", "new": "y" * 12}, headers=headers)
    assert problem(changed)["code"] == "cross_site"
    assert browser.get("/v1/session").status_code == 200


def test_another_site_logs_nobody_in(api: Api, url: str) -> None:
    """A page of another site cannot log a visitor in (as somebody else)."""
    api.account()
    with httpx.Client(base_url=url) as client:
        found = log_in(client, headers={"Origin": "https://evil.example"})
    assert problem(found)["code"] == "cross_site"
    assert "set-cookie" not in found.headers


def test_the_origin_is_that_of_the_public_url(api: Api) -> None:
    """Behind a proxy the browser's origin is the public one; the address behind it is none of ours."""
    api.account()
    with api.process(public_url="https://gate.example/gw") as url, httpx.Client(base_url=url) as client:
        token = log_in(client, headers={"Origin": "https://gate.example"}).cookies[f"__Secure-{COOKIE}"]
        cookie = {"Cookie": f"__Secure-{COOKIE}={token}"}
        assert client.delete("/v1/session", headers={**cookie, "Origin": url}).status_code == 403
        own = {**cookie, "Origin": "https://gate.example"}
        assert client.delete("/v1/session", headers=own).status_code == 204


# Attempts ------------------------------------------------------------------------------------------------------------


def test_parallel_tries_are_limited_over_all_processes(api: Api) -> None:
    """Of twenty tries at once for one user, spread over two processes, ten are looked at and ten told to wait."""
    api.account()
    with api.process() as one, api.process() as other, ThreadPoolExecutor(20) as pool:

        def attempt(n: int) -> httpx.Response:
            body = {"name": "ada", "password": f"wrong password {n}"}
            return httpx.post(f"{(one, other)[n % 2]}/v1/session", json=body, timeout=60)

        found = list(pool.map(attempt, range(20)))
    limited = [answer for answer in found if answer.status_code == 429]
    assert len(limited) == 20 - TRIES_FOR_NAME.burst
    assert all(0 < int(answer.headers["retry-after"]) <= 30 for answer in limited)
    assert {answer.status_code for answer in found} == {401, 429}


def test_nobody_is_locked_out_from_elsewhere(api: Api) -> None:
    """An attacker who is told to wait keeps the owner of the name from nothing: another address may try."""
    api.account()
    with api.process(trusted_proxies="127.0.0.1") as url, httpx.Client(base_url=url, timeout=60) as client:
        attacker = {"X-Forwarded-For": "203.0.113.66"}
        answers = [log_in(client, "ada", "wrong password", headers=attacker) for _ in range(12)]
        assert answers[-1].status_code == 429
        assert log_in(client, headers=attacker).status_code == 429
        assert log_in(client, headers={"X-Forwarded-For": "198.51.100.7"}).status_code == 200


def test_many_names_from_one_address_are_limited(api: Api) -> None:
    """Spraying is limited by address: an IPv6 network of one machine counts as one."""
    spent = f"due + interval '{TRIES_FROM_ADDRESS.burst * TRIES_FROM_ADDRESS.seconds} seconds'"
    with api.process(trusted_proxies="127.0.0.1") as url, httpx.Client(base_url=url) as client:

        def attempt(name: str, address: str) -> int:
            return log_in(client, name, headers={"X-Forwarded-For": address}).status_code

        assert attempt("one", "2001:db8:1:2::1") == 401
        execute(api, f"UPDATE login_attempts SET due = {spent}")
        assert attempt("two", "2001:db8:1:2::2") == 429
        assert attempt("two", "2001:db8:1:3::1") == 401


def test_who_gets_in_need_not_wait_for_slips(api: Api, url: str) -> None:
    """Nine slips and a success leave nine more slips before a wait."""
    api.account()
    with httpx.Client(base_url=url, timeout=60) as client:
        for _ in range(2):
            for _ in range(9):
                assert log_in(client, password="a slip of the key").status_code == 401
            assert log_in(client).status_code == 200


def test_an_attempt_becomes_due_again(api: Api, url: str) -> None:
    """Who waited as long as told may try again."""
    api.account()
    with httpx.Client(base_url=url, timeout=60) as client:
        while log_in(client, password="wrong password").status_code != 429:
            pass
        execute(api, "UPDATE login_attempts SET due = due - interval '30 seconds'")
        assert log_in(client).status_code == 200


def execute(api: Api, statement: str) -> None:
    """Change what no service may touch, as the owner of the tables."""
    with psycopg.connect(api.conninfo, autocommit=True) as connection:
        connection.execute(statement.encode())
