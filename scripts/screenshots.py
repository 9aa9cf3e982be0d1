"""The screenshots of the README: a real demo's overview and one of its anomalies, in light and dark.

python -m scripts.screenshots [--seconds 40] [--out docs/images]
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import monotonic, sleep

from playwright.sync_api import Browser, Page, ViewportSize

from tests.support.browser import chromium

SIZE = ViewportSize(width=1440, height=900)
#: The longest that a demo may take to begin, in seconds.
PATIENCE = 180.0
#: Which anomaly is shown: the newest of these, the first that there is.
DETECTORS = ("impossible_travel", "account_takeover")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a demo in a scratch folder and look at it in a browser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=40.0, help="how long the demo lives before")
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="gatewatch-screenshots-") as name:
        folder = Path(name)
        command = [sys.executable, "-m", "gatewatch", "--data-dir", name, "demo"]
        said = folder / "said"
        with said.open("wb") as output:
            environment = os.environ | {"GATEWATCH_API_PORT": "0"}
            demo = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
        try:
            url = address(said)
            sleep(options.seconds)
            with chromium() as browser:
                for theme in ("light", "dark"):
                    take(
                        browser,
                        url,
                        (folder / "demo" / "admin-password").read_text().strip(),
                        theme,
                        options.out,
                    )
        finally:
            demo.terminate()
            demo.wait(PATIENCE)
    return 0


def address(said: Path) -> str:
    """Where the demo's API listens, once it has said so. Raises `TimeoutError`."""
    deadline = monotonic() + PATIENCE
    while monotonic() < deadline:
        if found := re.search(r"the API is at (\S+);", said.read_text(errors="replace")):
            return found[1]
        sleep(0.2)
    raise TimeoutError(said.read_text(errors="replace"))


def take(browser: Browser, url: str, password: str, theme: str, out: Path) -> None:
    """Log in with a theme and take both pictures."""
    context = browser.new_context(
        base_url=url,
        viewport=SIZE,
        color_scheme="dark" if theme == "dark" else "light",
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto("/login")
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(lambda at: "/login" not in at)
    keep(page, "/?range=7d&upto=newest", out / f"overview-{theme}.png")
    keep(page, f"/anomalies/{anomaly(page)}", out / f"anomaly-{theme}.png")
    context.close()


def anomaly(page: Page) -> str:
    """The id of the anomaly that is shown."""
    for detector in DETECTORS:
        since = "1970-01-01T00:00:00Z"
        answer = page.request.get(
            "/v1/anomalies", params={"since": since, "detector": detector, "severity": "high"}
        )
        if items := answer.json()["items"]:
            return str(items[0]["id"])
    raise LookupError("the demo has found nothing yet: give it more seconds")


def keep(page: Page, path: str, file: Path) -> None:
    """Take a picture of a page once everything on it has come."""
    page.goto(path)
    page.locator(".v-skeleton-loader").first.wait_for(state="detached")
    page.wait_for_timeout(2_000)
    page.screenshot(path=file)
    print(file)


if __name__ == "__main__":
    sys.exit(main())
