"""The page of the system's health."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import SIZES, Site, Visit

PARTITIONS = re.compile(r"^All \d+ partitions$")
HOSTILE_RECORD = b'{"user":"<img src=x onerror=window.__hurt=1>'


@pytest.fixture(scope="module")
def letters(site: Site) -> Iterator[None]:
    """More dead letters than a page holds, hostile ones, and a pipeline that is read."""
    site.heart.put(0, *[("acme:x", HOSTILE_RECORD + b"\xff" * n) for n in range(22)])
    site.heart.settle()
    site.heart.session.run("UPDATE partitions SET lease_until = now() + interval '1 hour'")
    yield
    site.heart.session.run("UPDATE partitions SET lease_until = '-infinity'")


@pytest.mark.usefixtures("letters")
@pytest.mark.parametrize(("width", "theme"), SIZES)
def test_the_page(visit: Visit, width: int, theme: str) -> None:
    """Health fits and reads well on every screen and in every theme, and a hostile record stays text."""
    visitor = visit(width=width, theme=theme)
    visitor.page.goto("/health")
    expect(visitor.page.get_by_text("All is well")).to_be_visible()
    expect(visitor.page.get_by_role("link", name="Impossible travel")).to_be_visible()
    letter = visitor.page.get_by_role("button", name="Bad JSON").first
    expect(letter).to_be_visible()
    visitor.sound("health")
    visitor.page.get_by_role("button", name=PARTITIONS).click()
    visitor.sound("health-partitions")
    letter.click()
    record = visitor.page.get_by_label("the record as it came", exact=True)
    expect(record).to_contain_text("<img src=x onerror")
    record.scroll_into_view_if_needed()
    visitor.sound("health-letters")


@pytest.mark.usefixtures("letters")
def test_the_next_page_of_dead_letters(visit: Visit) -> None:
    """Dead letters come by pages, each once."""
    visitor = visit()
    visitor.page.goto("/health")
    letters = visitor.page.get_by_role("button", name="Bad JSON")
    expect(letters).to_have_count(20)
    visitor.page.get_by_role("button", name="Load more").click()
    expect(letters).to_have_count(22)
    visitor.unhurt()


@pytest.mark.usefixtures("letters")
def test_a_detector_that_is_gone(visit: Visit, site: Site) -> None:
    """Where an owner does not beat, the page says so in words, and names what nobody reads before all else."""
    visitor = visit()
    visitor.page.goto("/health")
    expect(visitor.page.get_by_text("All is well")).to_be_visible()
    site.heart.session.run("UPDATE partitions SET lease_until = now() - interval '1 s' WHERE part = 1")
    visitor.page.get_by_role("button", name="Load again").click()
    expect(visitor.page.get_by_text("A detector is missing")).to_be_visible()
    gone = re.compile(rf"^{site.heart.leases.member[:8]} Gone 1 1 0$")
    expect(visitor.page.get_by_role("row").nth(1)).to_have_accessible_name(gone)
    visitor.picture("health-gone")
    site.heart.session.run("UPDATE partitions SET lease_until = now() + interval '1 hour'")
    visitor.unhurt()


@pytest.mark.usefixtures("letters")
def test_lag_and_owners(visit: Visit, site: Site) -> None:
    """Each partition shows how many records wait in it and which detector owns it; all together stand above."""
    owner = site.heart.leases.member
    for _ in range(2):  # an append takes a thousand
        site.heart.put(1, *[("acme:x", HOSTILE_RECORD)] * 617)
    visitor = visit()
    visitor.page.goto("/health")
    lag = visitor.page.get_by_role(
        "img", name=re.compile(r"^Unread records by partition: .*most at 1 \(1,234\)")
    )
    expect(lag).to_be_visible()
    visitor.page.get_by_role("button", name=PARTITIONS).click()
    row = visitor.page.get_by_role("row", name=f"1 {owner[:8]} Read 1,234")
    expect(row.get_by_title(owner)).to_have_text(owner[:8])
    facts = visitor.page.get_by_role("definition")
    expect(facts.nth(0)).to_have_text("1,234")
    expect(facts.nth(1)).to_have_text("1")
    site.heart.settle()
    visitor.page.get_by_role("button", name="Load again").click()
    expect(visitor.page.get_by_role("row", name=f"1 {owner[:8]} Read 0")).to_be_visible()
    visitor.unhurt()


def test_no_dead_letters(visit: Visit) -> None:
    """A time in which everything could be read says so."""
    visitor = visit()
    visitor.page.goto("/health?since=2020-01-01T00:00:00Z&until=2020-01-02T00:00:00Z")
    expect(visitor.page.get_by_text("No dead letters in this time")).to_be_visible()
    visitor.unhurt()
