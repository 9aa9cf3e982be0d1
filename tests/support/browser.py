"""A real Chromium, and what every page must hold whatever it shows: nothing complained, executed, or hung over."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from scripts.web_app import BROWSERS
from tests.support.servers import LOCAL, ROOT

#: Where pictures of pages are left, to be looked at.
PICTURES = LOCAL / "pictures"
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"

#: The machine's network may be closed: the browser asks for nothing of its own.
_ARGUMENTS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    *([] if os.geteuid() else ["--no-sandbox"]),
]
_WATCH = """
window.__violations = [];
document.addEventListener('securitypolicyviolation', (event) =>
  window.__violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
"""
_SERIOUS = """async () => {
  const { violations } = await axe.run(document, { resultTypes: ['violations'] });
  return violations.filter((one) => ['serious', 'critical'].includes(one.impact))
    .map((one) => `${one.id}: ${one.nodes.map((node) => node.target + ' ' + node.failureSummary).join(' | ')}`);
}"""
_OVERHANGING = """() => {
  const wide = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= wide) return [];
  return [...document.querySelectorAll('body *')].filter((one) => one.getBoundingClientRect().right > wide + 1)
    .slice(0, 5).map((one) => `${one.tagName} ${one.className}`).concat('the page can be scrolled sideways');
}"""


class NoBrowser(Exception):
    """There is no Chromium on PATH."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """The machine's Chromium, for a whole run. Raises `NoBrowser`."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        raise NoBrowser(f"none of {', '.join(BROWSERS)} is on PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        yield browser
        browser.close()


class Visitor:
    """Somebody with a browser window. `complaints` is all that the browser said against a page."""

    def __init__(
        self,
        browser: Browser,
        url: str,
        *,
        width: int,
        theme: str,
        state: Any = None,
        any_certificate: bool = False,
    ) -> None:
        height = 900 if width > 600 else 844
        self.context = browser.new_context(
            base_url=url,
            viewport={"width": width, "height": height},
            color_scheme="dark" if theme == "dark" else "light",
            reduced_motion="reduce",
            storage_state=state,
            ignore_https_errors=any_certificate,
        )
        self.width, self.theme = width, theme
        self.complaints: list[str] = []
        self.context.add_init_script(_WATCH)
        self.context.on("console", self._said)
        self.context.on("weberror", lambda error: self.complaints.append(f"error: {error.error}"))
        self.page = self.context.new_page()
        self.page.set_default_timeout(20_000)

    def _said(self, message: ConsoleMessage) -> None:
        # The browser reports every refusal of a server as an error; those are the app's to tell.
        refused = message.text.startswith("Failed to load resource: the server responded with a status of 4")
        if message.type in ("error", "warning") and not refused:
            self.complaints.append(f"{message.type}: {message.text}")

    def picture(self, name: str) -> None:
        """Keep what the window shows."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=PICTURES / f"{name}-{self.width}-{self.theme}.png")

    def sound(self, name: str) -> None:
        """The page in the window, as it is now, holds what every page must; a picture of it is kept."""
        self.picture(name)
        self.page.evaluate(AXE.read_text("utf-8"))
        _none(self.page.evaluate(_SERIOUS))
        _none(self.page.evaluate(_OVERHANGING))
        self.unhurt()

    def unhurt(self, page: Page | None = None) -> None:
        """No text of strangers was executed, and the browser has nothing to complain of."""
        looked_at = page or self.page
        assert looked_at.evaluate("window.__hurt") is None
        _none(looked_at.evaluate("window.__violations"))
        _none(self.complaints)


def _none(found: list[str]) -> None:
    assert not found, "\n".join(found)
