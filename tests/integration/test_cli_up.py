"""`gatewatch up`: starts, keeps running what dies, stops without leaving anything behind; data survives all of it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.support.commands import Commands, Process, gone, until
from tests.support.http import answers
from tests.support.servers import ROOT

LOG = ROOT / "tests/data/sshd-auth.log"
FAST = {"GATEWATCH_LEASE_TIMEOUT": "2"}


@pytest.fixture
def commands(scratch: Path) -> Commands:
    """Commands over a folder that holds nothing yet."""
    return Commands(scratch / "data", **FAST)


def stored(commands: Commands) -> int:
    """Events in the database."""
    return int(commands.rows("SELECT count(*) FROM login_events")[0][0])


def started(up: Process) -> list[int]:
    """Its children, once all of them run."""
    up.says("Gatewatch runs")
    until(lambda: "partition claimed" in up.said, "a detector at work")
    assert len(up.children("detector")) == len(up.children("notifier")) == len(up.children(" api ")) == 1
    return up.children()


def test_a_detector_that_dies_is_started_again(commands: Commands) -> None:
    """A detector that is killed is replaced, with a message, and what was under way is assessed."""
    with commands.running("up") as up:
        started(up)
        (detector,) = up.children("detector")
        os.kill(detector, signal.SIGKILL)
        up.says("detector 1 was ended by SIGKILL; it is started again")
        (summary,) = commands.json("import", str(LOG), "--source", "sshd")
        assert summary["stored"] == 1_268
        assert up.children("detector") not in ([], [detector])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_without_leaving_anything_behind(commands: Commands, number: signal.Signals) -> None:
    """Ctrl-C or SIGTERM ends the children, then PostgreSQL, and the exit code is 0."""
    with commands.running("up") as up:
        children = started(up)
        assert len(children) == 4
        assert up.ends(number) == 0
        assert gone(children)
        assert not commands.server.running()
        assert "stopped; the data stays" in up.said


def test_a_second_up_is_told_who_runs_and_data_survives(commands: Commands) -> None:
    """One system per data folder: a second `up` names the first; what was stored is there after the next start."""
    with commands.running("up") as up:
        started(up)
        second = commands.run("up")
        assert second.returncode == 1
        assert f"already runs on {commands.data_dir} (gatewatch up, process {up.process.pid}" in second.stderr
        commands.json("import", str(LOG), "--source", "sshd")
        up.ends(signal.SIGINT)
    with commands.running("up") as up:
        started(up)
        assert stored(commands) == 1_268


def test_children_end_with_a_supervisor_that_is_killed(commands: Commands) -> None:
    """After a kill -9 of the supervisor its children end by themselves, and the next start adopts PostgreSQL."""
    with commands.running("up") as up:
        services = [*started(up)]
        server = commands.server.pid
        assert server is not None
        up.ends(signal.SIGKILL)
        services.remove(server)
        until(lambda: gone(services), "the end of the children")
        assert commands.server.pid == server
    with commands.running("up") as up:
        started(up)
        assert commands.server.pid == server
        assert up.ends(signal.SIGINT) == 0
        assert not commands.server.running()


def test_an_import_waits_while_postgresql_is_away(commands: Commands) -> None:
    """PostgreSQL dies in the middle of an import: it is started again, the import waits, and nothing is lost."""
    lines = LOG.read_bytes().splitlines(keepends=True)
    with commands.running("up") as up:
        started(up)
        with commands.running("import", "-", "--source", "sshd", stdin=subprocess.PIPE) as importing:
            pipe = importing.process.stdin
            assert pipe is not None
            pipe.write(b"".join(lines[:6_500]))
            pipe.flush()
            until(lambda: stored(commands) > 0, "the first events")
            commands.server.crash()
            pipe.write(b"".join(lines[6_500:]))
            pipe.close()
            assert importing.ends() == 0, importing.said
            up.says("PostgreSQL ended; it is started again")
            assert "1,268 logins: 1,268 stored, 0 already known" in importing.said
        assert stored(commands) == 1_268


def test_an_import_takes_over_from_an_up_that_leaves(commands: Commands) -> None:
    """Ctrl-C of `up` during an import: the import runs the system itself until it is done, then all is quiet."""
    lines = LOG.read_bytes().splitlines(keepends=True)
    with commands.running("up") as up:
        started(up)
        with commands.running("import", "-", "--source", "sshd", stdin=subprocess.PIPE) as importing:
            pipe = importing.process.stdin
            assert pipe is not None
            pipe.write(b"".join(lines[:6_500]))
            pipe.flush()
            until(lambda: stored(commands) > 0, "the first events")
            assert up.ends(signal.SIGINT) == 0
            pipe.write(b"".join(lines[6_500:]))
            pipe.close()
            assert importing.ends() == 0, importing.said
            assert "1,268 stored" in importing.said
    assert not commands.server.running()


def test_the_demo_prints_anomalies_and_ends_by_itself(commands: Commands) -> None:
    """Without a terminal the demo prints anomalies with their sentence, then a summary, and leaves nothing running; a
    port that is taken does not keep it from that, nor do brokers that others use.
    """
    commands.environment |= {
        "GATEWATCH_KAFKA_BOOTSTRAP": "kafka.example:9092",
        "GATEWATCH_CONNECTOR_TOPICS": "sign-ins=entra",
    }
    with socket.create_server(("127.0.0.1", 0)) as taken:
        commands.environment["GATEWATCH_API_PORT"] = str(taken.getsockname()[1])
        done = commands.run("demo", "--seconds", "15")
    assert done.returncode == 0, done.stderr
    assert " high " in done.stdout
    assert "credential_stuffing: " in done.stdout
    assert "events in all" in done.stdout
    assert "open anomalies" in done.stdout
    assert "within" in done.stdout
    assert not Commands(commands.data_dir / "demo").server.running()
    found = Commands(commands.data_dir / "demo").json("anomalies", "--severity", "high", "--limit", "3")
    assert {anomaly["severity"] for anomaly in found} <= {"high", "critical"}
    assert len(found) == 3


def test_people_get_in_after_the_first_start(commands: Commands) -> None:
    """The first start makes an account and keeps its password in a file for its owner's eyes; later starts say how to
    reset it, and a process of the API that dies is started again at the same address.
    """
    path = commands.data_dir / "admin-password"
    with commands.running("up") as up:
        started(up)
        url = found[1] if (found := re.search(r"the API is at (\S+);", up.said)) else ""
        until(lambda: answers(url), "the API")
        password = path.read_text().strip()
        assert path.stat().st_mode & 0o777 == 0o600
        assert password not in up.said
        body = {"name": "admin", "password": password}
        assert httpx.post(f"{url}/v1/session", json=body).json()["permissions"] == ["admin", "read", "triage"]
        (api,) = up.children(" api ")
        os.kill(api, signal.SIGKILL)
        up.says("the API was ended by SIGKILL; it is started again")
        until(lambda: answers(url), "the API's return")
        assert up.ends(signal.SIGINT) == 0
    with commands.running("up") as up:
        started(up)
        assert "a forgotten password: gatewatch admin reset-password NAME" in up.said
        assert path.read_text().strip() == password
    assert len(commands.json("keys", "list")) == 0


def test_a_port_that_is_taken_is_one_line(commands: Commands) -> None:
    """Where somebody else listens nothing is started, and the setting is named."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        commands.environment["GATEWATCH_API_PORT"] = str(port)
        done = commands.run("up")
    assert done.returncode == 1
    said = f"gatewatch: cannot listen on 127.0.0.1:{port}: Address already in use (GATEWATCH_API_PORT)"
    assert done.stderr.splitlines()[-1] == said
    assert not commands.server.running()


def test_topics_of_vendors_without_brokers_are_one_line(commands: Commands) -> None:
    """What a connector could never read is said before anything starts."""
    commands.environment["GATEWATCH_CONNECTOR_TOPICS"] = "sign-ins=entra"
    done = commands.run("up")
    assert done.returncode == 1
    assert done.stderr == "gatewatch: GATEWATCH_CONNECTOR_BOOTSTRAP: the topics' brokers are missing\n"
    assert not commands.server.running()
