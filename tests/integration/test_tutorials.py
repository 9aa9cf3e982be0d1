"""What the README and the tutorial tell people to type does what they say."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support.commands import PATIENCE, Commands, until
from tests.support.servers import ROOT

TUTORIAL = "docs/tutorial/two-minutes.md"


class Shell:
    """A shell beside a running system, in which the documents' commands and address mean this one's."""

    def __init__(self, commands: Commands, url: str) -> None:
        self._environment, self._url = commands.environment, url

    def run(self, script: str) -> str:
        """Run lines as a reader would; returns what they print."""
        gatewatch = f"{shlex.quote(sys.executable)} -m gatewatch"
        lines = f'set -eu\npython3() {{ shift; {gatewatch} "$@"; }}\n{script}'
        done = subprocess.run(
            ["bash", "-c", lines.replace("http://127.0.0.1:8420", self._url)],
            capture_output=True,
            text=True,
            env=self._environment,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """`gatewatch up` with nothing in it."""
    commands = Commands(tmp_path_factory.mktemp("tutorial"))
    with commands.running("up") as up:
        up.says("the API listens")
        found = re.search(r"the API is at (\S+);", up.said)
        assert found is not None, up.said
        yield Shell(commands, found[1])
        up.process.terminate()
        up.process.wait(PATIENCE)


def blocks(document: str, section: str = "") -> list[str]:
    """The indented blocks of a document, or of one section of it."""
    text = (ROOT / document).read_text("utf-8")
    if section:
        _, _, text = text.partition(f"\n## {section}\n")
        text, _, _ = text.partition("\n## ")
    return [
        "\n".join(line[4:] for line in found.splitlines())
        for found in re.findall(r"(?:^    .*\n)+", text, re.M)
    ]


def test_the_readme_sends_an_event(shell: Shell) -> None:
    """The README's lines make a key and send an event that is accepted."""
    (lines,) = blocks("README.md", "Send an event")
    assert shell.run(lines) == '{"accepted":1,"duplicates":0,"rejected":[]}'


def test_the_tutorial_ends_at_a_login_that_cannot_be(shell: Shell) -> None:
    """Its lines, in order: the first event is plain, the second one's score and sentence are as printed there."""
    key, first, look, second, explain, anomaly = blocks(TUTORIAL)
    accepted = '{"accepted":1,"duplicates":0,"rejected":[]}'
    assert shell.run(f"{key}\n{first}") == accepted
    until(lambda: '"score":0' in shell.run(f"{key}\n{look} || true"), "the first event's assessment")
    assert shell.run(f"{key}\n{second}") == accepted
    until(lambda: "impossible_travel" in shell.run(f"{key}\n{anomaly}"), "the anomaly")
    said = re.sub(r"\s+", " ", shell.run(explain))
    for part in ("80", "impossible_travel", "20 minutes after a login from NO, 5,970 km away"):
        assert part in said
        assert part in (ROOT / TUTORIAL).read_text("utf-8")
