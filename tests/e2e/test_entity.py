"""The page of an address, prefix, network or country."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import SIZES, Site, Visit, attacker


@pytest.mark.parametrize(("width", "theme"), SIZES)
def test_an_attacker(visit: Visit, site: Site, width: int, theme: str) -> None:
    """An attacking address shows its activity, whom it tried and what was found, on every screen."""
    visitor = visit(width=width, theme=theme)
    page = visitor.page
    _, address = attacker(site)
    page.goto(f"/entities/ip/{address}?range=7d")
    expect(page.get_by_role("heading", level=1)).to_have_text(address)
    chart = page.get_by_role("img", name="Successes and failures from here")
    expect(chart.locator("canvas").first).to_be_visible()
    expect(page.get_by_label("Findings").get_by_text("Credential stuffing").first).to_be_visible()
    expect(page.get_by_label("Users tried").get_by_role("row").nth(5)).to_be_visible()
    expect(page.get_by_label("Latest logins").get_by_role("listitem").first).to_be_visible()
    chart.hover()
    visitor.sound("entity")


@pytest.mark.parametrize("entity", ["asn/64512", "country/no", "prefix/198.51.100.0%2F24"])
def test_every_kind(visit: Visit, entity: str) -> None:
    """Networks, countries and prefixes have the same page; names on it lead on."""
    visitor = visit()
    page = visitor.page
    page.goto(f"/entities/{entity}?range=7d")
    latest = page.get_by_label("Latest logins")
    expect(latest.get_by_role("listitem").first).to_be_visible()
    visitor.sound(f"entity-{entity.partition('/')[0]}")
    page.get_by_label("Users tried").get_by_role("row").nth(1).get_by_role("link").click()
    page.wait_for_url("**/users/*")
    visitor.unhurt()


def test_its_logins_in_the_list(visit: Visit, site: Site) -> None:
    """The list of events is one click away, with the source as its filter and the same range."""
    visitor = visit()
    _, address = attacker(site)
    visitor.page.goto(f"/entities/ip/{address}?range=7d")
    visitor.page.get_by_role("link", name="In the list of events").click()
    visitor.page.wait_for_url(f"**/events?range=7d&source={address}")
    expect(visitor.page.get_by_role("table")).to_be_visible()
    visitor.unhurt()


def test_a_silent_source(visit: Visit) -> None:
    """An address of which nothing came in the range says so, and a longer range is offered."""
    visitor = visit()
    visitor.page.goto("/entities/ip/203.0.113.99")
    expect(visitor.page.get_by_text("Nothing came from here in this time")).to_be_visible()
    visitor.sound("entity-silent")
    visitor.page.get_by_role("button", name="Look at 90 days").click()
    visitor.page.wait_for_url("**range=90d")


@pytest.mark.parametrize("entity", ["ip/<img src=x onerror=window.__hurt=1>", "asn/none", "planet/mars"])
def test_a_source_that_cannot_be(visit: Visit, entity: str) -> None:
    """What is no source says so in the server's words, and leads on."""
    visitor = visit()
    visitor.page.goto(f"/entities/{entity}")
    expect(visitor.page.get_by_text("There is no such source")).to_be_visible()
    visitor.unhurt()
    visitor.page.get_by_role("link", name="To the events").click()
    expect(visitor.page.get_by_role("heading", name="Events")).to_be_visible()
