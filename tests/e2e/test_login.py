"""Getting in and out."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import SIZES, Visit, log_in


@pytest.mark.parametrize(("width", "theme"), SIZES)
def test_the_page(stranger: Visit, width: int, theme: str) -> None:
    """Whoever has not logged in is asked to, on every screen and in every theme."""
    visitor = stranger(width=width, theme=theme)
    visitor.page.goto("/events?range=7d")
    expect(visitor.page.get_by_role("heading", name="Log in to Gatewatch")).to_be_visible()
    visitor.sound("login")


def test_the_way_back(stranger: Visit) -> None:
    """After the log-in one is where one wanted to be; a wrong password is told, and nothing is lost."""
    visitor = stranger()
    visitor.page.goto("/events?range=7d&outcome=failure")
    visitor.page.get_by_label("Name").fill("ada")
    visitor.page.get_by_label("Password").fill("not this one")
    visitor.page.get_by_role("button", name="Log in").click()
    expect(visitor.page.get_by_role("alert")).to_contain_text("Name or password is wrong")
    log_in(visitor)
    assert visitor.page.url.endswith("/events?range=7d&outcome=failure")
    visitor.unhurt()


def test_no_way_out(stranger: Visit) -> None:
    """A return path that leads elsewhere is not taken."""
    visitor = stranger()
    for wanted in ("//example.org/", "https://example.org/", "javascript:alert(1)"):
        visitor.page.goto(f"/login?return={wanted}")
        log_in(visitor)
        expect(visitor.page.get_by_role("heading", name="Overview")).to_be_visible()


def test_a_second_tab_that_logs_out(stranger: Visit) -> None:
    """Who logs out in one tab is logged out in the other, which keeps its place for the next log-in."""
    visitor = stranger()
    visitor.page.goto("/events?outcome=failure")
    log_in(visitor)
    other = visitor.context.new_page()
    other.goto("/events")
    other.get_by_role("button", name="Account").click()
    other.get_by_text("Log out").click()
    expect(visitor.page.get_by_label("Password")).to_be_visible()
    assert "return=/events?outcome" in visitor.page.url
    visitor.unhurt()


def test_a_session_that_ends(stranger: Visit) -> None:
    """A session that is over is noticed with the next request, and said."""
    visitor = stranger()
    visitor.page.goto("/events")
    log_in(visitor)
    expect(visitor.page.get_by_role("table")).to_be_visible()
    visitor.context.clear_cookies()
    visitor.page.get_by_role("button", name="Load again").click()
    expect(visitor.page.get_by_text("Your session has ended")).to_be_visible()
    visitor.unhurt()
