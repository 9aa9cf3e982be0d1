"""The stream over HTTP: what is stored comes once and in the form of its list, and the limits of each client hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from gatewatch.core.times import DAY, HOUR, isoformat
from tests.builders import AWAY_IP, LAGOS, START, burst, daily, login
from tests.integration.api.conftest import Api, bearer
from tests.integration.api.streams import Listener
from tests.integration.heart.rig import Heart
from tests.support.http import problem

RANGE = {"since": isoformat(START - DAY), "until": isoformat(START + 40 * DAY)}


@pytest.fixture
def heart(api: Api) -> Iterator[Heart]:
    """What stores, step by step, on the same database."""
    heart = Heart(api.conninfo)
    yield heart
    heart.close()


def test_what_is_stored_comes_as_it_stands_in_its_list(api: Api, url: str, heart: Heart) -> None:
    key = api.key("read")
    with Listener(url, key) as stream:
        heart.take(*daily(10), *burst(20, START + 12 * DAY, ip=AWAY_IP, geo=LAGOS))
        versions = len(heart.announced())
        found = stream.next(30 + versions)
    with httpx.Client(base_url=f"{url}/v1", headers=bearer(key)) as client:
        events = client.get("/events", params=RANGE).json()["items"]
        anomalies = client.get("/anomalies", params=RANGE).json()["items"]
    told = [block.data for block in found if block.event == "event"]
    assert sorted(told, key=str) == sorted(events, key=str)
    latest = {block.data["id"]: block.data for block in found if block.event == "anomaly"}
    assert anomalies
    assert sorted(latest.values(), key=str) == sorted(anomalies, key=str)
