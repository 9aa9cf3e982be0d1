"""A real api over a real database in which something has happened, so that there is something to answer with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from time import time_ns
from typing import Any, NamedTuple

import httpx

from gatewatch import bootstrap
from gatewatch.core.times import DAY, MINUTE, isoformat
from gatewatch.settings import read
from gatewatch.simulator.network import networks
from gatewatch.simulator.wire import native_json
from gatewatch.simulator.world import World
from tests.builders import burst
from tests.integration.api.conftest import Api, bearer, log_in
from tests.integration.heart.rig import Heart
from tests.support.servers import scratch_folder

TENANT = "acme"
ATTACKS = ["stuffing", "brute_force_single", "takeover_naive"]


class Site(NamedTuple):
    """A server with data: who may call it, the detector on its database, and values that are there, by kind."""

    url: str
    key: str
    session: str
    heart: Heart
    known: dict[str, list[str]]


@contextmanager
def site(conninfo: str) -> Iterator[Site]:
    """Two days of an organisation of 20 that end now, attacks included; a key of all scopes and an admin's session."""
    api, now = Api(conninfo), time_ns() // 1000
    api.account()
    with scratch_folder() as folder:
        geo = folder / "networks.mmdb"
        bootstrap.build_mmdb(geo, networks())
        enrich = bootstrap.enrichment(read({"GATEWATCH_GEO_CITY": str(geo)}))
        # Requests say where they come from (see hooks.before_call).
        with (
            closing(Heart(conninfo, clock=now, enrich=enrich)) as heart,
            api.process(trusted_proxies="127.0.0.1") as url,
        ):
            key = api.key("ingest", "decide", "read", tenant=TENANT)
            _fill(url, key, now)
            heart.settle()
            yield Site(url, key, _session(url), heart, _known(url, key))


def _fill(url: str, key: str, now: int) -> None:
    world = World(7, 20, 2, now - 2 * DAY, scenarios=ATTACKS, tenant_id=TENANT)
    lines = [native_json(found.event) for found in world.events() if found.event.time < now - MINUTE]
    # When a world's attacks come depends on when it begins; the lists' last day has an anomaly all the same.
    lines += [native_json(event) for event in burst(20, now - MINUTE, user="dora", tenant_id=TENANT)]
    with httpx.Client(base_url=url, headers=bearer(key), timeout=60) as client:
        _post(client, "/v1/events", b"".join(lines), "application/x-ndjson")
        _post(client, "/v1/ingest/native", b'{"event_id": "no time"}\n' + lines[0], "application/x-ndjson")
        login: dict[str, Any] = {
            "outcome": "success",
            "user": {"name": "dora"},
            "context": {"ip": "192.0.2.10"},
        }
        assert client.post("/v1/decisions", json={**login, "occurred_at": isoformat(now)}).status_code == 200


def _post(client: httpx.Client, path: str, body: bytes, media_type: str) -> None:
    answer = client.post(path, content=body, headers={"Content-Type": media_type})
    assert answer.status_code == 202, answer.text


def _session(url: str) -> str:
    with httpx.Client(base_url=url, headers={"Origin": url}) as client:
        assert log_in(client).status_code == 200
        return client.cookies["gatewatch_session"]


def _known(url: str, key: str) -> dict[str, list[str]]:
    """A few values of each kind, as the lists tell them."""
    lists = {"user": ("users", "user_key"), "event": ("events", "event_id"), "anomaly": ("anomalies", "id")}
    with httpx.Client(base_url=url, headers=bearer(key), timeout=60) as client:
        return {
            kind: [item[name] for item in client.get(f"/v1/{path}", params={"limit": 5}).json()["items"]]
            for kind, (path, name) in lists.items()
        }
