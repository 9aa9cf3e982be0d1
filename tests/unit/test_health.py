"""A container's health check sees whether its service works."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from gatewatch.health import STUCK, Heartbeat
from tests.support.servers import ROOT


def asked(service: str, **environment: str) -> tuple[int, str]:
    """What the check of a service says, as a container runs it."""
    done = subprocess.run(
        [sys.executable, "-m", "gatewatch.health", service],
        env={"PYTHONPATH": str(ROOT / "src"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the heartbeat goes."""
    return tmp_path / "heartbeat"


def test_a_service_that_works_is_well(file: Path) -> None:
    """A beat is enough, and says nothing."""
    Heartbeat(str(file)).beat()
    assert asked("detector", GATEWATCH_HEARTBEAT=str(file)) == (0, "")


def test_a_service_that_waits_is_alive_but_not_well(file: Path) -> None:
    """A process whose database is away must not be restarted for it, but does not do its work."""
    heart = Heartbeat(str(file))
    heart.beat()
    heart.beat(working=False)  # at once, although it beat a moment ago
    assert asked("notifier", GATEWATCH_HEARTBEAT=str(file)) == (1, "it waits for the database or the log\n")
    assert asked("notifier-live", GATEWATCH_HEARTBEAT=str(file)) == (0, "")
    heart.beat()
    assert asked("notifier", GATEWATCH_HEARTBEAT=str(file)) == (0, "")


def test_a_service_that_is_stuck_is_not_well(file: Path) -> None:
    """What did not beat for long is neither well nor alive; what never did neither."""
    code, said = asked("detector-live", GATEWATCH_HEARTBEAT=str(file))
    assert (code, said.startswith("no heartbeat: ")) == (1, True)
    Heartbeat(str(file)).beat()
    past = time.time() - STUCK - 5
    os.utime(file, (past, past))
    code, said = asked("detector-live", GATEWATCH_HEARTBEAT=str(file))
    assert (code, said.startswith("the last heartbeat was ")) == (1, True)


def test_a_heartbeat_comes_back(file: Path) -> None:
    """A file that somebody deleted is written again, though nothing else changed."""
    heart = Heartbeat(str(file))
    heart.beat()
    file.unlink()
    heart._next = 0.0  # noqa: SLF001 - a second later
    heart.beat()
    assert file.read_text() == "working\n"


def test_without_a_path_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside containers there is no heartbeat, and a check says what is missing."""
    monkeypatch.chdir(tmp_path)
    Heartbeat("").beat()
    assert not list(tmp_path.iterdir())
    assert asked("detector") == (1, "GATEWATCH_HEARTBEAT names no file\n")


class Api(BaseHTTPRequestHandler):
    """Something that answers as an API does whose database is away."""

    def do_GET(self) -> None:
        """Answer."""
        well = self.path == "/gw/healthz" and self.headers["Host"] == "localhost"
        self.send_response(200 if well else 503)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def test_an_api_is_asked_over_http() -> None:
    """Under its base path, on loopback though it listens everywhere, by a name that it always answers to."""
    with HTTPServer(("127.0.0.1", 0), Api) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        environment = {
            "GATEWATCH_API_HOST": "0.0.0.0",
            "GATEWATCH_API_PORT": str(server.server_port),
            "GATEWATCH_PUBLIC_URL": "https://gate.example/gw",
        }
        assert asked("api-live", **environment) == (0, "")
        assert asked("api", **environment) == (1, "/readyz answers 503\n")
        server.shutdown()
    code, said = asked("api-live", **environment)
    assert (code, said.startswith("the API does not answer: ")) == (1, True)


def test_an_unknown_service_is_wrong_usage() -> None:
    """The usage names the services there are."""
    code, said = asked("mail")
    assert code == 2
    assert "detector" in said
