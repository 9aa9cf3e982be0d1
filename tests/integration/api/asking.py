"""What the tests of decisions ask and look up: alice, who is in Oslo, and a stranger in Lagos."""

from __future__ import annotations

import json
from typing import Any

import httpx

from gatewatch import bootstrap
from gatewatch.core.records import ControlRecord, EventRecord, Record, decode
from gatewatch.services.policies import set_policy
from tests.integration.api.conftest import Api
from tests.integration.heart.rig import Heart

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36"
OSLO = {"country": "NO", "city": "Oslo", "lat": 59.91, "lon": 10.75, "accuracy_km": 20}
LAGOS = {"country": "NG", "city": "Lagos", "lat": 6.52, "lon": 3.38, "accuracy_km": 20}


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
