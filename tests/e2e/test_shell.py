"""What surrounds every page: time zone, theme, pages that are not there, an outage, the way out."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Route, expect

from tests.e2e.conftest import SIZES, TRAVELLER, Visit, log_in


def test_the_zone_and_the_theme_are_kept(visit: Visit) -> None:
    """A time zone and a theme that were chosen hold everywhere, and after a reload."""
    visitor = visit()
    page = visitor.page
    page.goto(f"/events?range=7d&user={TRAVELLER}")
    expect(page.get_by_role("table")).to_be_visible()
    page.get_by_role("button", name="Theme and time zone").click()
    page.get_by_role("button", name="Dark").click()
    page.get_by_role("combobox", name="Time zone").fill("Tokyo")
    page.get_by_role("option", name="Asia/Tokyo").click()
    page.reload()
    expect(page.locator(".v-application.v-theme--dark")).to_be_visible()
    expect(page.locator("tbody time").first).to_have_attribute("title", re.compile("Asia/Tokyo"))
    visitor.unhurt()


def test_the_time_range(visit: Visit) -> None:
    """A range that was chosen is in the URL; one of one's own is read in the zone that is shown."""
    visitor = visit()
    page = visitor.page
    page.goto("/events")
    page.get_by_role("button", name="Time range").click()
    page.get_by_text("Last hour").click()
    page.wait_for_url("**/events?range=1h")
    page.get_by_role("button", name="Time range").click()
    page.get_by_label("From").fill("2026-01-01T00:00")
    page.get_by_label("Until").fill("2026-01-02T00:00")
    visitor.picture("time-range")
    page.get_by_role("button", name="Apply").click()
    page.wait_for_url(lambda url: "until=2026-01-02" in url)
    visitor.unhurt()


def test_where_all_events_are_of_the_past(visit: Visit) -> None:
    """What is shown first ends at the newest event; whoever wants the present gets it, and the page stays there."""
    visitor = visit()
    page = visitor.page

    def past(route: Route) -> None:
        route.fulfill(json={"items": [{"time": "2025-05-05T05:05:05.5Z"}], "next": None})

    page.route(re.compile(r"/v1/events\?.*since=1970"), past)
    page.goto("/events")
    expect(page.get_by_role("button", name="Time range: Last 24 hours to the newest event")).to_be_visible()
    page.get_by_role("button", name="Time range").click()
    page.get_by_label("Up to the newest event").click()
    page.wait_for_url("**/events")
    page.keyboard.press("Escape")
    visitor.unhurt()


@pytest.mark.parametrize(("width", "theme"), SIZES[::3])
def test_a_page_that_is_not_there(visit: Visit, width: int, theme: str) -> None:
    """An address that leads nowhere says so, and leads on."""
    visitor = visit(width=width, theme=theme)
    visitor.page.goto("/nowhere/at/all")
    expect(visitor.page.get_by_text("There is no such page")).to_be_visible()
    visitor.sound("missing")
    visitor.page.get_by_role("link", name="To the start page").click()
    visitor.page.wait_for_url(lambda url: "nowhere" not in url)


def test_an_outage(visit: Visit) -> None:
    """While the server is away the page says so, keeps the session, and goes on by itself."""
    visitor = visit()
    page = visitor.page
    page.goto("/events?range=7d")
    expect(page.get_by_role("table")).to_be_visible()

    def away(route: Route) -> None:
        body = '{"type":"urn:gatewatch:problem:unavailable","title":"The database cannot be reached","status":503}'
        route.fulfill(status=503, body=body, content_type="application/problem+json")

    asked = re.compile(r"/(v1/.*|readyz)$|/v1/events\?")
    page.route(asked, away)
    page.get_by_role("button", name="Load again").click()
    expect(page.get_by_text("cannot be reached. You stay logged in")).to_be_visible()
    visitor.picture("outage")
    page.unroute(asked)
    expect(page.get_by_role("table")).to_be_visible()
    expect(page.get_by_text("You stay logged in")).to_have_count(0)
    assert "/login" not in page.url


def test_the_way_out(stranger: Visit) -> None:
    """Log in, look, log out: afterwards the server knows nobody."""
    visitor = stranger(width=390)
    visitor.page.goto("/events")
    log_in(visitor)
    visitor.page.get_by_role("button", name="Account").click()
    visitor.page.get_by_text("Log out").click()
    expect(visitor.page.get_by_label("Password")).to_be_visible()
    assert visitor.page.request.get("/v1/session").status == 401
    visitor.unhurt()
