"""The lock files: what is pinned, where it comes from, and that the same versions run everywhere."""

from __future__ import annotations

import json
import re
import tomllib

import pytest

import gatewatch
from tests.support.servers import ROOT


def versions(name: str) -> set[str]:
    """The packages of a lock file, each with its version."""
    return set(re.findall(r"^[\w.-]+==\S+", (ROOT / name).read_text(), re.M))


class TestLockFiles:
    def test_npms_names_no_host(self) -> None:
        """The lock file of the web app's packages names hashes, never a place to fetch them from."""
        packages = json.loads((ROOT / "web" / "package-lock.json").read_text())["packages"]
        assert len(packages) > 100
        assert not [name for name, package in packages.items() if "resolved" in package]
        assert all("integrity" in package for name, package in packages.items() if name)

    @pytest.mark.parametrize("name", sorted(path.name for path in ROOT.glob("requirements*.lock")))
    def test_name_no_host(self, name: str) -> None:
        """A lock file names packages and hashes, never a place to fetch them from."""
        text = (ROOT / name).read_text()
        assert "://" not in text
        assert not re.search(
            r"^\s*-", re.sub(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$", "", text, flags=re.M), re.M
        )

    def test_development_has_the_same_versions(self) -> None:
        """Tests run against the versions that a user gets."""
        run, dev = versions("requirements.lock"), versions("requirements-dev.lock")
        assert run <= dev

    def test_the_image_is_compiled_with_the_same_tools(self) -> None:
        """What compiles the image's core is what compiled and tested it here."""
        tools = versions("requirements-compile.lock")
        assert {tool.partition("==")[0] for tool in tools} >= {"mypy", "setuptools"}
        assert tools <= versions("requirements-dev.lock")

    def test_the_version_is_one(self) -> None:
        """The package says the version that it is installed as."""
        assert (
            tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
            == gatewatch.__version__
        )
