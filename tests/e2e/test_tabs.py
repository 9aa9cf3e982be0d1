"""Several tabs of one browser."""

from __future__ import annotations

from time import time_ns

from playwright.sync_api import Page, expect

from gatewatch.core.times import SECOND
from tests.builders import login
from tests.e2e.conftest import Site, Visit, take

_NAME = "tabbed"


def test_tabs_share_one_stream(visit: Visit, site: Site) -> None:
    """Two tabs that look on have one connection; when the one that has it is closed, the other misses nothing."""
    visitor = visit()
    asked: list[Page] = []

    def tab(page: Page) -> Page:
        page.set_default_timeout(20_000)
        page.on("request", lambda request: asked.append(page) if "/v1/stream" in request.url else None)
        page.goto(f"/events?user={_NAME}")
        page.get_by_role("button", name="Live").click()
        expect(page.get_by_role("button", name="Pause")).to_be_visible()
        return page

    first, second = tab(visitor.page), tab(visitor.context.new_page())

    def arrive(name: str, *seen_by: Page) -> None:
        now = time_ns() // 1000 - SECOND
        take(site.heart, login(now, user=_NAME, event_id=f"tabbed-{name}", tenant_id="acme"))
        for page in seen_by:
            expect(page.locator(f'a[href*="tabbed-{name}"]')).to_be_visible()

    arrive("both", first, second)
    assert asked == [first]
    first.close()
    arrive("left", second)
    assert asked == [first, second]
    visitor.unhurt(second)
