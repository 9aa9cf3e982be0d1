"""Pages in a real browser: one server with a made-up organisation and one Chromium for the whole run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from time import time_ns
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser, expect

from gatewatch import bootstrap
from gatewatch.api import ui
from gatewatch.core.events import LoginEvent
from gatewatch.core.records import EventRecord, content_digest
from gatewatch.core.times import DAY, HOUR, MINUTE, SECOND
from gatewatch.settings import read
from gatewatch.simulator.network import networks
from gatewatch.simulator.wire import native_json
from gatewatch.simulator.world import World
from tests.builders import LAGOS, OSLO, login
from tests.conftest import migrated_template
from tests.integration.api.conftest import PASSWORD, Api
from tests.integration.heart.rig import Heart
from tests.support.browser import NoBrowser, Visitor, chromium
from tests.support.servers import DatabaseServer, scratch_folder

expect.set_options(timeout=20_000)

#: What an attacker may put wherever a name goes.
HOSTILE = "<img src=x onerror=window.__hurt=1>{{constructor.constructor('window.__hurt=1')()}}\u202e"
#: Whom a test can look for: home in Oslo, and minutes later in Lagos.
TRAVELLER = "traveller"
#: Windows that pages must fit into.
SIZES = [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")]


class Site(NamedTuple):
    """A server with data: its URL and what stands behind it."""

    url: str
    api: Api
    heart: Heart


@pytest.fixture(scope="package")
def site(postgres: DatabaseServer, templates: dict[str, str]) -> Iterator[Site]:
    """Three days of an organisation of 60 that end now, with attacks, a traveller and somebody with a hostile name."""
    assert ui.load().shell, "the web app is not built: python3 run.py setup"
    if postgres.conninfo not in templates:
        templates[postgres.conninfo] = migrated_template(postgres)
    now = time_ns() // 1000
    with postgres.fresh(templates[postgres.conninfo]) as conninfo, scratch_folder() as folder:
        geo = folder / "networks.mmdb"
        bootstrap.build_mmdb(geo, networks())
        api = Api(conninfo)
        api.account()
        enrich = bootstrap.enrichment(read({"GATEWATCH_GEO_CITY": str(geo)}))
        heart = Heart(conninfo, clock=now, enrich=enrich)
        attacks = ["stuffing", "spraying_fast", "brute_force_single", "takeover_naive"]
        world = World(7, 60, 3, now - 3 * DAY, scenarios=attacks, tenant_id="acme")
        take(heart, *(found.event for found in world.events() if found.event.time < now - 2 * MINUTE))
        take(heart, *odd(now))
        with api.process() as url:
            yield Site(url, api, heart)
        heart.close()


def odd(now: int) -> Iterator[LoginEvent]:
    """What the organisation has no example of."""
    yield login(now - 2 * DAY, user=TRAVELLER, geo=OSLO, tenant_id="acme")
    yield login(now - HOUR, user=TRAVELLER, geo=OSLO, tenant_id="acme", event_id="from-oslo")
    yield login(
        now - 48 * MINUTE,
        user=TRAVELLER,
        geo=LAGOS,
        ip="198.51.100.7",
        tenant_id="acme",
        event_id="from-lagos",
    )
    yield login(now - 2 * MINUTE, user=HOSTILE, geo=LAGOS, ip="198.51.100.8", tenant_id="acme")
    yield login(now - MINUTE, user=HOSTILE, tenant_id="acme", event_id=HOSTILE, device_id=HOSTILE)


def anomaly_of(site: Site, subject: str, detector: str = "impossible_travel") -> str:
    """The id of an anomaly."""
    query = "SELECT id FROM anomalies WHERE subject = %s AND detector = %s ORDER BY last_seen DESC LIMIT 1"
    ((found,),) = site.api.rows(query, subject.casefold(), detector)
    return str(found)


def attacker(site: Site, detector: str = "credential_stuffing") -> tuple[str, str]:
    """The id of a finding on an address, and the address."""
    query = "SELECT id, subject FROM anomalies WHERE subject_kind = 'ip' AND detector = %s ORDER BY score DESC LIMIT 1"
    ((found, address),) = site.api.rows(query, detector)
    return str(found), str(address)


def take(heart: Heart, *events: LoginEvent) -> None:
    """Send events as an application does, and have them assessed."""
    heart.append(*map(_record, events))
    heart.settle()


def _record(event: LoginEvent) -> EventRecord:
    raw = native_json(event)
    return EventRecord(event, raw, content_digest(raw), event.time + SECOND)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One Chromium per run; without one these tests are skipped, in CI they fail."""
    try:
        with chromium() as found:
            yield found
    except NoBrowser as error:
        if os.environ.get("CI", "").lower() in {"1", "true", "yes"}:
            pytest.fail(str(error))
        pytest.skip(str(error))  # a developer without a browser can still run the rest


@pytest.fixture(scope="package")
def logged_in(browser: Browser, site: Site) -> Any:
    """The cookies of ada after she has logged in."""
    visitor = Visitor(browser, site.url, width=1440, theme="light")
    log_in(visitor)
    state = visitor.context.storage_state()
    visitor.context.close()
    return state


def log_in(visitor: Visitor, name: str = "ada", password: str = PASSWORD) -> None:
    """Log in, wherever the log-in page leads."""
    if visitor.page.url == "about:blank":
        visitor.page.goto("/login")
    visitor.page.get_by_label("Name").fill(name)
    visitor.page.get_by_label("Password").fill(password)
    visitor.page.get_by_role("button", name="Log in").click()
    visitor.page.wait_for_url(lambda url: "/login" not in url)


Visit = Callable[..., Visitor]


@pytest.fixture
def stranger(browser: Browser, site: Site) -> Iterator[Visit]:
    """Opens windows of somebody who has not logged in: `stranger(width=390, theme="dark")`."""
    yield from _windows(browser, site, None)


@pytest.fixture
def visit(browser: Browser, site: Site, logged_in: Any) -> Iterator[Visit]:
    """Opens windows of ada, who has logged in: `visit(width=390, theme="dark")`."""
    yield from _windows(browser, site, logged_in)


def _windows(browser: Browser, site: Site, state: Any) -> Iterator[Visit]:
    opened: list[Visitor] = []

    def open_window(width: int = 1440, theme: str = "light") -> Visitor:
        opened.append(Visitor(browser, site.url, width=width, theme=theme, state=state))
        return opened[-1]

    yield open_window
    for visitor in opened:
        visitor.context.close()
