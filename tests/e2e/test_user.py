"""The list of users and the page of one."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import HOSTILE, SIZES, TRAVELLER, Site, Visit
from tests.support.commands import until


def usual_user(site: Site) -> str:
    """A user with some history."""
    query = (
        "SELECT user_key FROM login_events WHERE outcome = 'success' AND user_key !~ '[^a-z.]'"
        " GROUP BY user_key ORDER BY count(*) DESC LIMIT 1"
    )
    ((found,),) = site.api.rows(query)
    return str(found)


@pytest.mark.parametrize(("width", "theme"), SIZES)
def test_the_list(visit: Visit, width: int, theme: str) -> None:
    """Users come by risk, hostile names included, on every screen."""
    visitor = visit(width=width, theme=theme)
    visitor.page.goto("/users?range=7d")
    expect(visitor.page.get_by_text(HOSTILE.casefold()).first).to_be_visible()
    risks = [int(text.split()[-1]) for text in visitor.page.locator(".number").all_inner_texts()]
    assert len(risks) > 10
    assert risks == sorted(risks, reverse=True)
    visitor.sound("users")


def test_order_and_search(visit: Visit) -> None:
    """The order is in the URL; a name that is typed leads to its user; j and Enter lead to the one marked."""
    visitor = visit()
    page = visitor.page
    page.goto("/users?range=7d")
    page.get_by_role("button", name="Last seen").click()
    page.wait_for_url("**/users?range=7d&sort=last_seen")
    users = page.get_by_label("Users", exact=True)
    expect(users.get_by_role("listitem").first).to_be_visible()

    def seen() -> list[str]:
        found: list[str] = users.locator("time").evaluate_all("all => all.map((one) => one.dateTime)")
        return found

    until(
        lambda: len(seen()) > 1 and seen() == sorted(seen(), reverse=True), "the order by when they were seen"
    )
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/users/*")
    page.go_back()
    page.get_by_label("Name or id").fill(TRAVELLER.upper())
    page.get_by_label("Name or id").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text(TRAVELLER)
    visitor.unhurt()


def test_nobody_in_this_time(visit: Visit) -> None:
    """A range in which nobody was seen says so, and leads to a longer one."""
    visitor = visit()
    visitor.page.goto("/users?since=2020-01-01T00:00:00Z&until=2020-01-02T00:00:00Z")
    expect(visitor.page.get_by_text("Nobody was seen in this time")).to_be_visible()
    visitor.sound("users-none")
    visitor.page.get_by_role("button", name="Look at 90 days").click()
    expect(visitor.page.get_by_role("link", name=TRAVELLER).first).to_be_visible()


@pytest.mark.parametrize(("width", "theme"), SIZES)
def test_the_page(visit: Visit, site: Site, width: int, theme: str) -> None:
    """A user's page names what is usual, when and where, in the zone that is shown, on every screen."""
    visitor = visit(width=width, theme=theme)
    page = visitor.page
    page.goto(f"/users/{usual_user(site)}")
    expect(page.get_by_label("Latest logins").get_by_role("listitem").first).to_be_visible()
    expect(page.get_by_role("img", name="A map of the countries").locator("canvas").first).to_be_visible()
    visitor.sound("user")
    page.get_by_role("img", name="A map of the countries").hover()
    page.get_by_label("Usual for this user").scroll_into_view_if_needed()
    visitor.picture("user-usual")
    visitor.unhurt()


def test_the_hours(visit: Visit, site: Site) -> None:
    """The heat map tells each hour under the mouse and under the arrows, and follows the time zone."""
    visitor = visit()
    page = visitor.page
    page.goto(f"/users/{usual_user(site)}")
    hours = page.get_by_label("Usual hours")
    told = hours.get_by_role("status")
    expect(told).to_contain_text("Most usual")
    hours.get_by_role("row", name="Tuesday").locator("td").nth(9).hover()
    expect(told).to_contain_text("Tuesday 09:00")
    page.mouse.move(0, 0)
    hours.get_by_role("group").focus()
    usual = told.inner_text()
    page.keyboard.press("ArrowRight")
    expect(told).not_to_have_text(usual)
    page.get_by_role("button", name="Theme and time zone").click()
    page.get_by_role("combobox", name="Time zone").fill("Tokyo")
    page.get_by_role("option", name="Asia/Tokyo").click()
    expect(hours).to_contain_text("in Asia/Tokyo")
    visitor.unhurt()


@pytest.mark.parametrize(("width", "theme"), SIZES[::3])
def test_a_hostile_name(visit: Visit, width: int, theme: str) -> None:
    """A user whose name is markup has a page as any other, and what is on probation is on it."""
    visitor = visit(width=width, theme=theme)
    visitor.page.goto("/users?range=7d")
    visitor.page.get_by_role("link", name=HOSTILE.casefold()).click()
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
    expect(visitor.page.get_by_label("On probation")).to_contain_text(HOSTILE)
    visitor.sound("user-hostile")
    visitor.page.get_by_label("On probation").get_by_role("link").first.click()
    expect(visitor.page.get_by_role("heading", name="Events")).to_be_visible()
    expect(visitor.page.get_by_text(HOSTILE).first).to_be_visible()
    visitor.unhurt()


def test_an_unknown_user(visit: Visit) -> None:
    """A user nobody ever tried says so and leads to the list."""
    visitor = visit()
    visitor.page.goto("/users/nobody%2Fat%20all")
    expect(visitor.page.get_by_text("Unknown user")).to_be_visible()
    expect(visitor.page.get_by_text("nobody/at all")).to_be_visible()
    visitor.sound("user-unknown")
    visitor.page.get_by_role("link", name="To the users").click()
    expect(visitor.page.get_by_role("heading", name="Users")).to_be_visible()
