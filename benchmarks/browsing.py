"""The overview in a real Chromium: from the start of the navigation until it shows its data and answers a click."""

from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Browser, Page, StorageState
from playwright.sync_api import Error as BrowserError

from benchmarks import http
from benchmarks.figures import BenchmarkError
from gatewatch import bootstrap
from scripts.web_budgets import first_load_sizes
from tests.support.browser import NoBrowser, chromium

_ROOT = Path(__file__).resolve().parents[1]
_NAME, _PASSWORD = "bench", "a password for benchmarks"
#: How long anything may take before that is an error (ms).
_PATIENCE = 30_000
#: How long the browser is left alone with a window it has opened (ms): for each it loads a hundred files of its own
#: interface, in a process that would take a core from the page.
_OPENING = 2_000
#: Charts of the overview: the series, one per trend, the map.
_DATA = """() => {
  const there = document.querySelector('main figure canvas')
    && [...document.querySelectorAll('main figure')].every((chart) => chart.querySelector('canvas'))
    && !document.querySelector('.v-skeleton-loader');
  return there ? performance.now() : null;
}"""
_ANSWER = "() => document.querySelector('.v-overlay--active .v-list') ? performance.now() : null"


class Seen(NamedTuple):
    """ms from the start of the navigation: to all data, and to the answer to a click that came after it."""

    shown: float
    interactive: float


def first_load_kb() -> float:
    """What the largest page loads first, in kB (gzip). Raises `BenchmarkError` where the app is not built."""
    try:
        return max(first_load_sizes(_ROOT).values())
    except FileNotFoundError:
        raise BenchmarkError("the web app is not built: python3 run.py setup") from None


def overviews(conninfo: str, times: int) -> list[Seen]:
    """Open the overview so many times, each with an empty cache. Raises `BenchmarkError`."""
    _account(conninfo)
    try:
        with http.serving(conninfo) as url, chromium() as browser:
            state = _logged_in(browser, url)
            _overview(browser, url, state)  # the first of a process: its imports, its connections
            return [_overview(browser, url, state) for _ in range(times)]
    except (NoBrowser, BrowserError) as error:
        raise BenchmarkError(f"the overview was not seen: {error}") from None


def _account(conninfo: str) -> None:
    doing = bootstrap.administration(conninfo, "default")
    try:
        doing.accounts.create_account(_NAME, _PASSWORD, ["read"])
    finally:
        doing.close()


def _logged_in(browser: Browser, url: str) -> StorageState:
    """The cookies of a session."""
    context = browser.new_context(base_url=url)
    page = context.new_page()
    page.goto("/login")
    page.get_by_label("Name").fill(_NAME)
    page.get_by_label("Password").fill(_PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(lambda at: "/login" not in at)
    state = context.storage_state()
    context.close()
    return state


def _overview(browser: Browser, url: str, state: StorageState) -> Seen:
    context = browser.new_context(base_url=url, viewport={"width": 1440, "height": 900}, storage_state=state)
    page = context.new_page()
    page.wait_for_timeout(_OPENING)
    page.goto("/", wait_until="commit")
    shown = _moment(page, _DATA)
    page.get_by_role("button", name="Time range").click()
    answered = _moment(page, _ANSWER)
    context.close()
    return Seen(shown, answered)


def _moment(page: Page, condition: str) -> float:
    """When a condition held first, by the page's own clock, looked at in every frame."""
    return float(page.wait_for_function(condition, polling="raf", timeout=_PATIENCE).json_value())
