"""The page of the account and its API keys."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import HOSTILE, SIZES, Site, Visit
from tests.integration.api.conftest import bearer


@pytest.mark.parametrize(("width", "theme"), SIZES)
def test_the_page(visit: Visit, site: Site, width: int, theme: str) -> None:
    """Keys with hostile names fit and read well on every screen and in every theme."""
    site.api.administer(lambda doing: doing.keys.create(HOSTILE[:100], ["read"], "tests", None))
    visitor = visit(width=width, theme=theme)
    visitor.page.goto("/account")
    expect(visitor.page.get_by_text(HOSTILE[:100]).first).to_be_visible()
    visitor.sound("account")


def test_a_key_lives_and_dies(visit: Visit, site: Site) -> None:
    """A key that is made here works, is shown once, and works no more once it is revoked."""
    visitor = visit()
    visitor.page.goto("/account")
    visitor.page.get_by_role("button", name="New key").click()
    visitor.page.get_by_label("What it is for").fill("portal")
    visitor.page.get_by_label("Read what is stored").check()
    visitor.sound("account-new-key")
    visitor.page.get_by_role("button", name="Create").click()
    shown = visitor.page.get_by_label("the key", exact=True)
    key = shown.inner_text()
    assert httpx.get(f"{site.url}/v1/events", headers=bearer(key)).status_code == 200
    visitor.page.get_by_role("button", name="I have kept it").click()
    expect(shown).to_have_count(0)
    assert key not in visitor.page.content()
    visitor.page.get_by_role("button", name="Revoke the key portal").click()
    visitor.page.get_by_role("button", name="Revoke", exact=True).click()
    expect(visitor.page.get_by_text("Revoked").first).to_be_visible()
    visitor.unhurt()
    assert site.api.rows("SELECT count(*) FROM api_keys WHERE revoked_at IS NOT NULL") == [(1,)]
