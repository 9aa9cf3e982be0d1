"""The page of events."""

from __future__ import annotations

from time import time_ns

import pytest
from playwright.sync_api import expect

from gatewatch.core.times import SECOND
from tests.builders import login
from tests.e2e.conftest import HOSTILE, SIZES, TRAVELLER, Site, Visit, take


@pytest.mark.parametrize(("width", "theme"), SIZES)
def test_the_page(visit: Visit, width: int, theme: str) -> None:
    """The list and a login beside it fit and read well on every screen and in every theme, hostile names included."""
    visitor = visit(width=width, theme=theme)
    visitor.page.goto("/events?range=7d")
    expect(visitor.page.get_by_text(HOSTILE).first).to_be_visible()
    visitor.sound("events")
    visitor.page.goto(f"/events?range=7d&user={TRAVELLER}&event=from-lagos")
    panel = visitor.page.get_by_label("The login in detail")
    expect(panel.get_by_role("heading", name="Reasons")).to_be_visible()
    expect(panel.get_by_text("Impossible travel").first).to_be_visible()
    visitor.sound("event")


def test_filters_are_in_the_url(visit: Visit) -> None:
    """A filter goes into the URL, holds in the list, and the browser's own back button takes it away."""
    visitor = visit()
    visitor.page.goto("/events?range=7d")
    visitor.page.get_by_label("User").fill(TRAVELLER)
    visitor.page.get_by_label("User").press("Enter")
    visitor.page.wait_for_url(f"**/events?range=7d&user={TRAVELLER}")
    rows = visitor.page.get_by_role("row")
    expect(rows).to_have_count(4)
    visitor.page.go_back()
    expect(rows).to_have_count(51)
    visitor.unhurt()


def test_a_filter_that_is_wrong(visit: Visit) -> None:
    """What cannot be asked for is told in the server's words, and clearing the filter mends it."""
    visitor = visit()
    visitor.page.goto("/events?source=<script>window.__hurt=1</script>")
    expect(visitor.page.get_by_role("alert")).to_contain_text("that is no")
    visitor.page.get_by_role("button", name="Clear").click()
    expect(visitor.page.get_by_role("table")).to_be_visible()
    visitor.unhurt()


def test_the_next_page(visit: Visit) -> None:
    """The end of the list leads on, and no login comes twice."""
    visitor = visit()
    visitor.page.goto("/events?range=7d")
    visitor.page.get_by_role("button", name="Load more").click()
    rows = visitor.page.get_by_role("row")
    expect(rows).to_have_count(101)
    ids = visitor.page.locator("td:first-child a").evaluate_all("all => all.map((one) => one.href)")
    assert len(set(ids)) == 100
    visitor.unhurt()


def test_the_keyboard(visit: Visit) -> None:
    """The keys j and k move, Enter opens, Escape closes."""
    visitor = visit()
    visitor.page.goto("/events?range=7d")
    expect(visitor.page.get_by_role("table")).to_be_visible()
    for key in ("j", "j", "k", "Enter"):
        visitor.page.keyboard.press(key)
    panel = visitor.page.get_by_label("The login in detail")
    expect(panel.get_by_text(HOSTILE).first).to_be_visible()
    visitor.page.keyboard.press("Escape")
    expect(panel).to_have_count(0)
    visitor.unhurt()


def test_the_live_tail(visit: Visit, site: Site) -> None:
    """What comes while one looks appears by itself; while it is paused it is counted, and waits."""
    visitor = visit()
    visitor.page.goto("/events?user=newcomer")
    expect(visitor.page.get_by_text("No login matches these filters")).to_be_visible()
    visitor.page.get_by_role("button", name="Live").click()

    def arrive(name: str) -> None:
        now = time_ns() // 1000 - SECOND
        take(site.heart, login(now, user="newcomer", event_id=name, tenant_id="acme"))

    arrive("first")
    rows = visitor.page.get_by_role("row")
    expect(rows).to_have_count(2)
    visitor.page.get_by_role("button", name="Pause").click()
    arrive("second")
    fresh = visitor.page.get_by_role("button", name="1 new")
    expect(fresh).to_be_visible()
    expect(rows).to_have_count(2)
    fresh.click()
    expect(rows).to_have_count(3)
    visitor.unhurt()


def test_a_time_without_logins(visit: Visit) -> None:
    """Where the range holds nothing, the newest login is named, and one click leads to it."""
    visitor = visit()
    visitor.page.goto("/events?since=2020-01-01T00:00:00Z&until=2020-01-02T00:00:00Z")
    expect(visitor.page.get_by_text("No logins in this time")).to_be_visible()
    visitor.sound("events-none")
    visitor.page.get_by_role("button", name="Show the time up to it").click()
    expect(visitor.page.get_by_role("table")).to_be_visible()
    visitor.unhurt()
