"""The list of anomalies: filters, pages, keys, and many statuses at once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import HOSTILE, SIZES, TRAVELLER, Site, Visit, anomaly_of
from tests.e2e.test_anomaly import say

#: A week of which only the tests below know: 60 anomalies like the traveller's, one an hour.
OLD = "since=2021-01-01T00:00:00Z&until=2021-01-08T00:00:00Z"
MANY = 60


@pytest.fixture(scope="module")
def many(site: Site) -> Iterator[None]:
    """Sixty anomalies, more than a page."""
    site.api.rows(
        """
        INSERT INTO anomalies (tenant_id, id, subject_kind, subject, detector, slot, state, severity, score,
            first_seen, last_seen, version, body)
        SELECT tenant_id, md5('many' || n), subject_kind, subject, detector, at, state, severity, score, at, at,
            version,
            (body::jsonb || jsonb_build_object('id', md5('many' || n), 'first_seen', us, 'last_seen', us))::json
        FROM anomalies, generate_series(1, %s) AS n,
            LATERAL (SELECT '2021-01-01'::timestamptz + n * interval '1 hour' AS at) AS t,
            LATERAL (SELECT extract(epoch FROM at)::bigint * 1000000 AS us) AS u
        WHERE id = %s
        """,
        MANY,
        anomaly_of(site, TRAVELLER),
    )
    yield
    site.api.rows("DELETE FROM anomalies WHERE slot < '2022-01-01'")


def rows(page: Page) -> Locator:
    """The rows of the table."""
    return page.locator("tbody tr")


@pytest.mark.parametrize(("width", "theme"), SIZES)
def test_the_page(visit: Visit, width: int, theme: str) -> None:
    """Anomalies come with sentence, subject and status, hostile names included, on every screen."""
    visitor = visit(width=width, theme=theme)
    visitor.page.goto("/anomalies?range=7d")
    expect(visitor.page.get_by_text("Impossible travel").first).to_be_visible()
    expect(visitor.page.get_by_role("link", name=HOSTILE).first).to_be_visible()
    visitor.page.get_by_label("Select: ").first.check()
    visitor.sound("anomalies")


def test_filters_are_in_the_url(visit: Visit) -> None:
    """Severity, detector and subject narrow the list, stand in the URL, and are cleared together."""
    visitor = visit()
    page = visitor.page
    page.goto("/anomalies?range=7d")
    page.get_by_label("User or source").fill(TRAVELLER.upper())
    page.get_by_label("User or source").press("Enter")
    page.wait_for_url(f"**/anomalies?range=7d&subject={TRAVELLER.upper()}")
    expect(page.get_by_role("link", name=TRAVELLER, exact=True)).to_have_count(1)
    page.get_by_role("button", name="Clear").click()
    page.locator(".v-select", has_text="Severity").click()
    page.get_by_role("option", name="High or more").click()
    page.wait_for_url("**/anomalies?range=7d&severity=high")
    expect(rows(page).first).to_contain_text("High")
    expect(page.locator("tbody").get_by_text("Medium")).to_have_count(0)
    page.locator(".v-select", has_text="Detector").click()
    page.get_by_role("option", name="Credential stuffing").click()
    expect(page.locator("tbody").get_by_text("Brute force")).to_have_count(0)
    expect(rows(page).first).to_contain_text("Credential stuffing")
    visitor.unhurt()


@pytest.mark.usefixtures("many")
def test_the_next_page(visit: Visit) -> None:
    """The end of the list leads on; no anomaly comes twice, and none is left out."""
    visitor = visit()
    page = visitor.page
    page.goto(f"/anomalies?{OLD}&status=all")
    expect(rows(page)).to_have_count(50)
    page.get_by_role("button", name="Load more").click()
    expect(rows(page)).to_have_count(MANY)
    links = rows(page).locator("a[href*='/anomalies/']").evaluate_all("all => all.map((one) => one.href)")
    assert len(set(links)) == MANY
    visitor.unhurt()


@pytest.mark.usefixtures("many")
def test_many_at_once(visit: Visit, site: Site) -> None:
    """What is selected gets a status together; what somebody else changed first is left alone and told; undo undoes."""
    visitor = visit()
    page = visitor.page
    page.goto(f"/anomalies?{OLD}")
    expect(rows(page)).to_have_count(50)
    page.get_by_label("Select all that are shown").check()
    link = page.locator("td a[href*='/anomalies/']").first.get_attribute("href") or ""
    say(visitor, site, link.partition("?")[0].rpartition("/")[2], "suppressed")
    bar = page.get_by_role("toolbar", name="Selected anomalies")
    expect(bar).to_contain_text("50 selected")
    visitor.sound("anomalies-bulk")
    bar.get_by_role("button", name="Resolve").click()
    notice = page.get_by_text("49 changed. 1 left alone: somebody else changed it first.")
    expect(notice).to_be_visible()
    expect(page.locator("tbody").get_by_text("Resolved")).to_have_count(49)
    expect(page.locator("tbody").get_by_text("Suppressed")).to_have_count(1)
    visitor.picture("anomalies-bulk-done")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("49 changed.", exact=True)).to_be_visible()
    expect(page.locator("tbody").get_by_text("New", exact=True)).to_have_count(49)
    visitor.unhurt()


def test_the_keyboard(visit: Visit) -> None:
    """The keys j and k move, x selects, Escape selects none, Enter opens."""
    visitor = visit()
    page = visitor.page
    page.goto("/anomalies?range=7d")
    expect(rows(page).first).to_be_visible()
    for key in ("j", "x", "j", "x", "k"):
        page.keyboard.press(key)
    bar = page.get_by_role("toolbar", name="Selected anomalies")
    expect(bar).to_contain_text("2 selected")
    page.keyboard.press("Escape")
    expect(bar).to_have_count(0)
    first = rows(page).first.locator("a").first.inner_text()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(first)
    visitor.unhurt()


def test_nothing_in_this_time(visit: Visit) -> None:
    """A range without anomalies says so and leads to a longer one; so do filters that nothing matches."""
    visitor = visit()
    page = visitor.page
    page.goto("/anomalies?since=2020-01-01T00:00:00Z&until=2020-01-02T00:00:00Z")
    expect(page.get_by_text("Nothing to do in this time")).to_be_visible()
    visitor.sound("anomalies-none")
    page.get_by_role("button", name="Look at 30 days").click()
    expect(rows(page).first).to_be_visible()
    page.goto("/anomalies?range=7d&subject=nobody")
    page.get_by_role("button", name="Clear filters").click()
    expect(rows(page).first).to_be_visible()
    visitor.unhurt()


def test_an_answer_that_does_not_come(visit: Visit) -> None:
    """A list that cannot be loaded says why, and is loaded with another try."""
    visitor = visit()
    page = visitor.page
    body = '{"type":"urn:gatewatch:problem:internal","title":"Something went wrong","status":400}'
    page.route("**/v1/anomalies?*", lambda route: route.fulfill(status=400, body=body), times=1)
    page.goto("/anomalies?range=7d")
    expect(page.get_by_role("alert")).to_contain_text("Something went wrong")
    visitor.sound("anomalies-error")
    page.get_by_role("button", name="Try again").click()
    expect(rows(page).first).to_be_visible()
