"""How logins ended that were decided on: events, trust, and what is shown of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from gatewatch.core import profiles
from gatewatch.core.records import EventRecord
from tests.integration.api.asking import controls, decided, events, from_lagos, logged, question, settled
from tests.integration.api.conftest import Api, bearer
from tests.integration.heart.rig import Heart
from tests.support.http import problem


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
    assert profiles.decode(heart.store.users([("acme", "alice")])["acme", "alice"].profile).successes == 1


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
    held = profiles.decode(heart.store.users([("acme", "alice")])["acme", "alice"].profile).held
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
    profile = profiles.decode(heart.store.users([("acme", "alice")])["acme", "alice"].profile)
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
