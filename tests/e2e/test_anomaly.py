"""The page of an anomaly: what happened, why it is odd, what to do, and what people say of it."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import HOSTILE, SIZES, TRAVELLER, Site, Visit, anomaly_of, attacker
from tests.support.browser import Visitor


@pytest.mark.parametrize(("width", "theme"), SIZES)
def test_a_travel(visit: Visit, site: Site, width: int, theme: str) -> None:
    """A travel says why in a sentence, compares both places, and draws them on a map, on every screen."""
    visitor = visit(width=width, theme=theme)
    page = visitor.page
    page.goto(f"/anomalies/{anomaly_of(site, TRAVELLER)}")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Lagos")
    compared = page.get_by_label("Observed and usual")
    expect(compared.get_by_role("row", name="Speed between them")).to_contain_text("at most 900 km/h")
    expect(page.get_by_label("What to do").get_by_role("listitem").first).to_be_visible()
    chart = page.get_by_role("img", name="A map: from Norway to Lagos")
    expect(chart.locator("canvas").first).to_be_visible()
    expect(page.get_by_label("Timeline").get_by_role("listitem").first).to_be_visible()
    visitor.sound("anomaly")
    chart.hover()
    chart.scroll_into_view_if_needed()
    visitor.picture("anomaly-map")
    page.get_by_label("Timeline").scroll_into_view_if_needed()
    visitor.picture("anomaly-timeline")
    visitor.unhurt()


def test_the_score(visit: Visit, site: Site) -> None:
    """The points of the signals add up to the score, and each signal can be hovered."""
    visitor = visit()
    visitor.page.goto(f"/anomalies/{anomaly_of(site, TRAVELLER)}")
    score = visitor.page.get_by_label("Score", exact=True)
    expect(score.get_by_role("listitem").first).to_be_visible()
    *points, whole = score.locator(".points").all_inner_texts()
    assert f"{sum(map(int, points))} of 100" == whole
    for track in score.locator(".track").all():
        track.hover()
    visitor.unhurt()


@pytest.mark.parametrize(("width", "theme"), SIZES[::3])
def test_a_hostile_subject(visit: Visit, site: Site, width: int, theme: str) -> None:
    """Names, ids and devices that are markup are text everywhere on the page."""
    visitor = visit(width=width, theme=theme)
    visitor.page.goto(f"/anomalies/{anomaly_of(site, HOSTILE)}")
    expect(visitor.page.get_by_role("link", name=HOSTILE).first).to_be_visible()
    expect(visitor.page.get_by_label("Timeline").get_by_role("listitem").first).to_be_visible()
    visitor.sound("anomaly-hostile")


@pytest.mark.parametrize(("width", "theme"), SIZES[::3])
def test_a_source(visit: Visit, site: Site, width: int, theme: str) -> None:
    """A finding on an address compares what came from it with what a finding takes, and takes an attack together."""
    visitor = visit(width=width, theme=theme)
    found, address = attacker(site)
    visitor.page.goto(f"/anomalies/{found}")
    expect(visitor.page.get_by_role("link", name=address).first).to_be_visible()
    expect(visitor.page.get_by_role("row", name="Accounts tried")).to_be_visible()
    expect(visitor.page.get_by_label("Timeline").get_by_role("listitem").first).to_be_visible()
    visitor.sound("anomaly-source")
    visitor.page.get_by_label("Timeline").scroll_into_view_if_needed()
    visitor.picture("anomaly-source-timeline")


def test_every_detector(visit: Visit, site: Site) -> None:
    """Whatever found it, an anomaly is compared with something, has a score that adds up, and steps to take."""
    visitor = visit()
    page = visitor.page
    for found, detector, score in site.api.rows(
        "SELECT DISTINCT ON (detector, subject_kind) id, detector, score FROM anomalies WHERE state = 'open'"
    ):
        page.goto(f"/anomalies/{found}")
        expect(page.get_by_role("row").nth(1)).to_be_visible()
        *points, _ = page.get_by_label("Score", exact=True).locator(".points").all_inner_texts()
        assert sum(map(int, points)) == score, detector
        expect(page.get_by_label("What to do").get_by_role("listitem").nth(2)).to_be_visible()
        visitor.picture(f"anomaly-of-{detector}")
    visitor.unhurt()


def test_a_status_and_its_undo(visit: Visit, site: Site) -> None:
    """A status is changed with one click and taken back with another; both are in the history, with who."""
    visitor = visit()
    page = visitor.page
    page.goto(f"/anomalies/{anomaly_of(site, HOSTILE)}")
    status = page.get_by_role("region", name="Status")
    expect(status.get_by_text("Nobody has said anything yet")).to_be_visible()
    status.get_by_role("button", name="Resolved", exact=True).click()
    said = status.get_by_role("list", name="What was said before").get_by_role("listitem")
    expect(said).to_have_count(1)
    expect(said.first).to_contain_text("ada")
    visitor.sound("anomaly-resolved")
    page.get_by_role("button", name="Undo").click()
    expect(said).to_have_count(2)
    expect(said.first).to_contain_text("New")
    expect(status.get_by_role("button", name="New", exact=True)).to_have_attribute("aria-pressed", "true")
    visitor.unhurt()


def test_somebody_else_was_first(visit: Visit, site: Site) -> None:
    """A change that comes too late changes nothing, says what holds now, and can be made all the same."""
    visitor = visit()
    page = visitor.page
    found = anomaly_of(site, TRAVELLER)
    page.goto(f"/anomalies/{found}")
    status = page.get_by_role("region", name="Status")
    expect(status.get_by_role("button", name="Resolved", exact=True)).to_be_enabled()
    say(visitor, site, found, "in_progress")
    status.get_by_role("button", name="Resolved", exact=True).click()
    alert = status.get_by_role("alert")
    expect(alert).to_contain_text("Somebody else set this to In progress")
    expect(status.get_by_role("button", name="In progress", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )
    visitor.sound("anomaly-conflict")
    alert.get_by_role("button", name="all the same").click()
    expect(status.get_by_role("button", name="Resolved", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )
    expect(alert).to_have_count(0)
    say(visitor, site, found, "new")
    visitor.unhurt()


def say(visitor: Visitor, site: Site, id: str, status: str) -> None:
    """Change a status as somebody in another window does."""
    asked = visitor.page.request
    revision = asked.get(f"/v1/anomalies/{id}").json()["revision"]
    body = json.dumps({"status": status, "revision": revision})
    headers = {"Origin": site.url, "Content-Type": "application/json"}
    assert asked.patch(f"/v1/anomalies/{id}", data=body, headers=headers).ok


@pytest.mark.parametrize("id", ["0" * 32, "nonsense"])
def test_an_anomaly_that_is_not_there(visit: Visit, id: str) -> None:
    """An id of no anomaly says so and leads to the list."""
    visitor = visit()
    visitor.page.goto(f"/anomalies/{id}")
    expect(visitor.page.get_by_text("There is no such anomaly")).to_be_visible()
    visitor.sound("anomaly-missing")
    visitor.page.get_by_role("link", name="To the anomalies").click()
    expect(visitor.page.get_by_role("heading", name="Anomalies")).to_be_visible()
