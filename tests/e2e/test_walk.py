"""One walk through the app as an analyst takes it: on wide and narrow screens, and behind a proxy."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.conftest import SIZES, TRAVELLER, Site, Visit, log_in
from tests.support.browser import Visitor
from tests.support.proxy import proxied, tls_listener
from tests.support.servers import scratch_folder


@pytest.mark.parametrize(("width", "theme"), SIZES)
def test_from_log_in_to_log_out(stranger: Visit, width: int, theme: str) -> None:
    """Log in, find an anomaly, see its user and where it came from, resolve it, take that back, log out."""
    walk(stranger(width=width, theme=theme))


def test_behind_a_proxy_that_speaks_tls(browser: Browser, site: Site) -> None:
    """The same below a base path, where the proxy alone knows the public name; the cookie is for TLS and that path."""
    with scratch_folder() as folder, tls_listener(folder) as (listener, certificate):
        public = f"https://localhost:{listener.getsockname()[1]}/gatewatch"
        with (
            site.api.process(public_url=public, trusted_proxies="127.0.0.1") as upstream,
            proxied(listener, certificate, "/gatewatch", upstream),
        ):
            visitor = Visitor(browser, f"{public}/", width=1440, theme="light", any_certificate=True)
            walk(visitor)
            page = visitor.page
            log_in(visitor)
            (cookie,) = visitor.context.cookies()
            assert (cookie["secure"], cookie["path"]) == (True, "/gatewatch")
            page.goto("events?range=7d")
            page.get_by_role("button", name="Live").click()
            expect(page.get_by_text("Live", exact=True).first).to_be_visible()
            visitor.unhurt()
            visitor.context.close()


def walk(visitor: Visitor) -> None:
    """From log-in to log-out, by addresses relative to the app's own."""
    page = visitor.page
    page.goto("?range=7d")
    log_in(visitor)
    page.get_by_role("link", name="Anomalies", exact=True).first.click()
    expect(page.get_by_role("heading", name="Anomalies")).to_be_visible()
    page.get_by_role("link", name=re.compile(rf"^{TRAVELLER} signed in")).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Lagos")
    anomaly = page.url
    page.get_by_role("link", name=TRAVELLER, exact=True).first.click()
    expect(page.get_by_label("Latest logins").get_by_role("listitem").first).to_be_visible()
    page.get_by_label("Latest logins").get_by_role("link", name="198.51.100.7").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("198.51.100.7")
    expect(page.get_by_label("Users tried")).to_contain_text(TRAVELLER)
    page.goto(anomaly)
    status = page.get_by_role("region", name="Status")
    status.get_by_role("button", name="Resolved", exact=True).click()
    expect(status.get_by_role("button", name="Resolved", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )
    page.get_by_role("button", name="Undo").click()
    expect(status.get_by_role("button", name="New", exact=True)).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Account").click()
    page.get_by_text("Log out").click()
    expect(page.get_by_label("Password")).to_be_visible()
    assert page.request.get("v1/session").status == 401
    visitor.unhurt()
