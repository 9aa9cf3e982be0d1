"""Statuses over HTTP: permission, revision, many at once, and who said what."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.builders import START, burst
from tests.integration.api.conftest import Api, bearer
from tests.integration.heart.rig import Heart
from tests.support.http import problem


@pytest.fixture
def ids(api: Api) -> list[str]:
    """The ids of the anomalies of three attacked users."""
    heart = Heart(api.conninfo)
    for n, user in enumerate(("alice", "bob", "carol")):
        heart.take(*burst(20, START, user=user, ip=f"192.0.2.{n + 1}"))
    found = [a.id for a in heart.anomalies("brute_force") if a.subject_kind == "user"]
    heart.close()
    assert len(found) == 3
    return found


def change(browser: httpx.Client, id: str, status: str, revision: int) -> httpx.Response:
    """Say something of an anomaly."""
    return browser.patch(f"/v1/anomalies/{id}", json={"status": status, "revision": revision})


def history(browser: httpx.Client, id: str) -> list[tuple[str, int]]:
    """What was said of an anomaly, the latest first."""
    found = browser.get(f"/v1/anomalies/{id}/history").json()
    return [(said["status"], said["revision"]) for said in found]


def test_a_person_resolves_and_undoes(browser: httpx.Client, ids: list[str]) -> None:
    """A status is changed under its revision and undone by another change; the anomaly and its history show who."""
    said = change(browser, ids[0], "resolved", 0).json()
    assert (said["status"], said["revision"]) == ("resolved", 1)
    assert said["changed_by"].startswith("account:")
    assert change(browser, ids[0], "new", 1).json()["revision"] == 2
    assert history(browser, ids[0]) == [("new", 2), ("resolved", 1)]
    assert {said["name"] for said in browser.get(f"/v1/anomalies/{ids[0]}/history").json()} == {"ada"}
    shown = browser.get(f"/v1/anomalies/{ids[0]}").json()
    assert (shown["status"], shown["revision"], shown["changed_by"]) == ("new", 2, said["changed_by"])


def test_another_was_first(browser: httpx.Client, ids: list[str]) -> None:
    """Who expects another revision is told which there is, and changes nothing."""
    change(browser, ids[0], "in_progress", 0)
    refused = problem(change(browser, ids[0], "resolved", 0))
    assert (refused["code"], refused["current"]) == ("conflict", {"status": "in_progress", "revision": 1})
    assert history(browser, ids[0]) == [("in_progress", 1)]


def test_many_at_once(browser: httpx.Client, ids: list[str]) -> None:
    """Each of many changes is told apart: done, too late, or of no anomaly."""
    change(browser, ids[1], "in_progress", 0)
    wanted = [{"id": id, "status": "resolved", "revision": 0} for id in (ids[0], ids[1], "0" * 32)]
    answer = browser.post("/v1/anomalies/statuses", json={"changes": wanted})
    assert answer.status_code == 200
    found = [(r["outcome"], r["said"] and r["said"]["status"]) for r in answer.json()["results"]]
    assert found == [("changed", "resolved"), ("conflict", "in_progress"), ("unknown", None)]


def test_five_hundred_at_once(browser: httpx.Client) -> None:
    """Five hundred changes fit into a request; one more is refused."""
    wanted = [{"id": f"{n:032x}", "status": "in_progress", "revision": 2**31 - 1} for n in range(501)]
    answer = browser.post("/v1/anomalies/statuses", json={"changes": wanted[:500]})
    assert {r["outcome"] for r in answer.json()["results"]} == {"unknown"}
    assert problem(browser.post("/v1/anomalies/statuses", json={"changes": wanted}))["code"] == "invalid"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"status": "done", "revision": 0},
        {"status": "new"},
        {"status": "new", "revision": -1},
        {"status": "new", "revision": False},
        [],
        "x",
    ],
    ids=str,
)
def test_what_is_no_change(browser: httpx.Client, ids: list[str], body: Any) -> None:
    """A body that is no change is a problem that says where."""
    refused = problem(browser.patch(f"/v1/anomalies/{ids[0]}", json=body))
    assert refused["code"] == "invalid"
    assert refused["errors"]


@pytest.mark.parametrize("path", ["", "/history"])
def test_an_anomaly_that_is_not_there(browser: httpx.Client, path: str) -> None:
    """Neither status nor history of an unknown anomaly."""
    method = "GET" if path else "PATCH"
    body = {"status": "new", "revision": 0}
    answer = browser.request(method, f"/v1/anomalies/{'0' * 32}{path}", json=body)
    assert problem(answer)["code"] == "not_found"


def test_a_program_that_reads_changes_nothing(api: Api, url: str, ids: list[str]) -> None:
    """A key may read statuses and not change them."""
    key = bearer(api.key("read"))
    refused = httpx.patch(f"{url}/v1/anomalies/{ids[0]}", json={"status": "new", "revision": 0}, headers=key)
    assert problem(refused)["code"] == "forbidden"
    assert httpx.get(f"{url}/v1/anomalies/{ids[0]}/history", headers=key).json() == []


def test_another_tenants_anomaly(api: Api, url: str, ids: list[str]) -> None:
    """A person of another tenant finds no such anomaly."""
    api.account("eve", "other")
    with httpx.Client(base_url=url, headers={"Origin": url}) as eve:
        eve.post("/v1/session", json={"name": "eve", "password": "a long enough password"})
        assert problem(change(eve, ids[0], "resolved", 0))["code"] == "not_found"
        wanted = {"changes": [{"id": ids[0], "status": "resolved", "revision": 0}]}
        (result,) = eve.post("/v1/anomalies/statuses", json=wanted).json()["results"]
    assert result["outcome"] == "unknown"
