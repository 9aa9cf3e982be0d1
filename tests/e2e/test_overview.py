"""The overview."""

from __future__ import annotations

import re
from time import time_ns
from typing import Any

import pytest
from playwright.sync_api import expect

from gatewatch.core.times import SECOND
from tests.builders import login
from tests.e2e.conftest import HOSTILE, SIZES, Site, Visit, take
from tests.support.browser import Visitor

CHARTS = ["Logins:", "Unusual:", "The world"]


def drawn(visitor: Visitor) -> None:
    """Wait until everything on the page has come, charts and map included."""
    for name in CHARTS:
        expect(visitor.page.get_by_role("img", name=name).locator("canvas").first).to_be_visible()
    expect(visitor.page.get_by_text("Loading", exact=True)).to_have_count(0)


@pytest.mark.parametrize(("width", "theme"), SIZES)
def test_the_page(visit: Visit, width: int, theme: str) -> None:
    """The overview fits and reads well on every screen and in every theme, hostile names included."""
    visitor = visit(width=width, theme=theme)
    visitor.page.goto("/?range=7d")
    drawn(visitor)
    visitor.page.get_by_label("Newest").get_by_role("button", name="Logins").click()
    expect(visitor.page.get_by_text(HOSTILE).first).to_be_visible()
    visitor.page.evaluate("scrollTo(0, 0)")
    visitor.sound("overview")
    for name in ("Where from", "Users at risk"):
        visitor.page.get_by_role("heading", name=name).evaluate("one => one.scrollIntoView()")
        visitor.picture(f"overview-{name.split()[0].lower()}")


def test_every_chart_can_be_hovered(visit: Visit) -> None:
    """A pointer that goes over the charts breaks nothing and makes no markup of any name."""
    visitor = visit()
    visitor.page.goto("/?range=7d")
    drawn(visitor)
    for name in CHARTS:
        chart = visitor.page.get_by_role("img", name=name)
        chart.scroll_into_view_if_needed()
        box = chart.bounding_box()
        assert box is not None
        for part in (0.2, 0.45, 0.52, 0.8):
            visitor.page.mouse.move(box["x"] + part * box["width"], box["y"] + 0.35 * box["height"])
        visitor.picture(f"overview-hover-{name.split(':')[0].split()[-1].lower()}")
    visitor.unhurt()


def test_the_brush_narrows_the_range(visit: Visit) -> None:
    """Dragging over the series makes the stretch the range of the URL, and back takes it away."""
    visitor = visit()
    visitor.page.goto("/?range=7d")
    drawn(visitor)
    box = visitor.page.get_by_role("img", name="Logins:").bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    visitor.page.mouse.move(box["x"] + 0.6 * box["width"], middle)
    visitor.page.mouse.down()
    visitor.page.mouse.move(box["x"] + 0.8 * box["width"], middle, steps=4)
    visitor.page.mouse.up()
    visitor.page.wait_for_url("**/?since=*&until=*")
    drawn(visitor)
    visitor.page.go_back()
    visitor.page.wait_for_url("**/?range=7d")
    drawn(visitor)
    visitor.unhurt()


def test_every_number_leads_to_what_it_counts(visit: Visit) -> None:
    """A tile leads to its list, a country to its page, a detector to its logins, in the same range."""
    visitor = visit()
    visitor.page.goto("/?range=7d")
    drawn(visitor)
    numbers = visitor.page.get_by_label("In numbers")
    hrefs = numbers.get_by_role("link").evaluate_all("all => all.map((one) => one.getAttribute('href'))")
    assert hrefs == [
        "/events?range=7d",
        "/events?range=7d&outcome=failure",
        "/events?range=7d&score=1",
        "/anomalies?range=7d",
        "/anomalies?range=7d&status=new&status=in_progress",
    ]
    norway = visitor.page.get_by_role("link", name="Norway")
    expect(norway).to_have_attribute("href", "/entities/country/NO?range=7d")
    travel = visitor.page.get_by_label("Detectors").get_by_role("link", name="Impossible travel")
    expect(travel).to_have_attribute("href", "/events?range=7d&detector=impossible_travel")
    numbers.get_by_role("link", name="Failed").click()
    expect(visitor.page.get_by_role("heading", name="Events")).to_be_visible()
    visitor.unhurt()


def test_it_goes_on_by_itself(visit: Visit, site: Site) -> None:
    """What comes while one looks appears in the feed."""
    visitor = visit()
    visitor.page.goto("/?range=1h")
    visitor.page.get_by_label("Newest").get_by_role("button", name="Logins").click()
    expect(visitor.page.get_by_label("The newest").get_by_role("listitem").first).to_be_visible()
    now = time_ns() // 1000 - SECOND
    take(site.heart, login(now, user="justnow", event_id="justnow", tenant_id="acme"))
    expect(visitor.page.get_by_role("link", name="justnow").first).to_be_visible()
    visitor.unhurt()


def test_a_time_without_logins(visit: Visit) -> None:
    """Where the range holds nothing, the newest login is named, and one click leads to it."""
    visitor = visit()
    visitor.page.goto("/?since=2020-01-01T00:00:00Z&until=2020-01-02T00:00:00Z")
    expect(visitor.page.get_by_text("No logins in this time")).to_be_visible()
    visitor.sound("overview-none")
    visitor.page.get_by_role("button", name="Show the time up to it").click()
    drawn(visitor)
    visitor.unhurt()


def test_before_the_first_login(visit: Visit) -> None:
    """An organisation without any event is told how to send the first, and how to make some up."""
    visitor = visit()
    visitor.page.route(re.compile("/v1/events"), lambda route: route.fulfill(json=_NONE))
    visitor.page.route(re.compile("/v1/overview/series"), lambda route: route.fulfill(json=_QUIET))
    visitor.page.goto("/")
    expect(visitor.page.get_by_text("Send the first login")).to_be_visible()
    expect(visitor.page.get_by_text("gatewatch simulate")).to_be_visible()
    visitor.sound("overview-first")


def test_without_a_geo_file(visit: Visit) -> None:
    """Where no login has a place, the map says how to add a geo file."""
    visitor = visit(width=390)
    nothing = {**_NONE, "kind": "country", "by": "events", "values": []}
    visitor.page.route(re.compile("/v1/overview/top/country"), lambda route: route.fulfill(json=nothing))
    visitor.page.goto("/?range=7d")
    expect(visitor.page.get_by_text("GATEWATCH_GEO_CITY")).to_be_visible()
    visitor.page.get_by_text("GATEWATCH_GEO_CITY").scroll_into_view_if_needed()
    visitor.sound("overview-no-geo")


def test_a_part_that_fails(visit: Visit) -> None:
    """What cannot be loaded says so in its place, can be tried again, and leaves the rest alone."""
    visitor = visit()
    gone = {"type": "urn:gatewatch:problem:bad_request", "title": "That did not work", "status": 400}
    broken = re.compile("/v1/overview/top/asn")
    visitor.page.route(broken, lambda route: route.fulfill(status=400, json=gone))
    visitor.page.goto("/?range=7d")
    drawn(visitor)
    networks = visitor.page.get_by_label("Networks")
    expect(networks.get_by_role("alert")).to_contain_text("That did not work")
    visitor.page.unroute(broken)
    networks.get_by_role("button", name="Try again").click()
    expect(networks.get_by_role("link").first).to_be_visible()
    visitor.unhurt()


_RANGE = {"since": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z"}
_NONE: dict[str, Any] = {**_RANGE, "items": [], "next": None}
_QUIET = {**_RANGE, "step": 86_400, "stretches": []}
