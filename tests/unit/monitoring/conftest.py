"""promtool for the tests that need it."""

from __future__ import annotations

import os

import pytest

from tests.support import promtool
from tests.support.promtool import Check
from tests.support.servers import LOCAL


@pytest.fixture(scope="session")
def check() -> Check:
    """Runs promtool and gives what it says; where it cannot be had these tests are skipped, in CI they fail."""
    try:
        return promtool.check(promtool.find(LOCAL / "prometheus"))
    except promtool.Unavailable as error:
        if os.environ.get("CI", "").lower() in {"1", "true", "yes"}:
            pytest.fail(f"promtool: {error}")
        pytest.skip(f"promtool: {error}")  # a developer without it can still run the rest
