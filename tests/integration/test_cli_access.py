"""`gatewatch keys`, `admin` and `api`, as operators use them."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import httpx
import pytest

from tests.support.commands import Commands, until
from tests.support.http import answers
from tests.support.servers import scratch_folder


@pytest.fixture(scope="module")
def commands() -> Iterator[Commands]:
    """Commands over a data folder that was set up."""
    with scratch_folder() as folder:
        found = Commands(folder / "data")
        assert found.run("migrate").returncode == 0
        with found.server:
            yield found


def test_a_key_is_shown_once_and_listed_without_its_secret(commands: Commands) -> None:
    """Standard output has the key and nothing else; the list has its prefix, scopes and end."""
    done = commands.run("keys", "create", "the portal", "--scope", "ingest,read", "--expires", "90d")
    assert done.returncode == 0, done.stderr
    key = done.stdout.strip()
    assert re.fullmatch(r"gwk_[0-9a-f]{12}_[0-9a-f]{64}", key)
    assert key not in done.stderr
    _, prefix, secret = key.split("_")
    found = next(row for row in commands.json("keys", "list") if row["prefix"] == prefix)
    assert (found["name"], found["scopes"]) == ("the portal", ["ingest", "read"])
    assert found["expires_at"]
    listed = commands.run("keys", "list").stdout
    assert prefix in listed
    assert secret not in listed


def test_a_key_is_revoked_by_its_prefix(commands: Commands) -> None:
    """A revoked key is listed as such; one that does not exist is one plain line."""
    prefix = commands.run("keys", "create", "x").stdout.split("_")[1]
    assert commands.run("keys", "revoke", prefix).returncode == 0
    assert next(row for row in commands.json("keys", "list") if row["prefix"] == prefix)["revoked_at"]
    missing = commands.run("keys", "revoke", "000000000000")
    assert (missing.returncode, missing.stderr) == (1, "gatewatch: there is no key 000000000000\n")


def test_a_key_made_elsewhere_is_put_into_force_once(commands: Commands, tmp_path: Path) -> None:
    """Whoever deploys can make the key; said again nothing changes, and one that was revoked stays so."""
    file = tmp_path / "key"
    file.write_text(f"gwk_{'1' * 12}_{'2' * 64}\n")
    words = ("keys", "create", "deployed", "--key-file", str(file))
    done = commands.run(*words)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "the key is in force\n")
    assert commands.run(*words).stderr == "the key is in force already\n"
    assert [row["name"] for row in commands.json("keys", "list")].count("deployed") == 1
    assert commands.run("keys", "revoke", "1" * 12).returncode == 0
    assert commands.run(*words).stderr == f"gatewatch: key {'1' * 12} was revoked\n"
    file.write_text("changeme\n")
    done = commands.run(*words)
    assert (done.returncode, done.stderr) == (
        1,
        "gatewatch: a key is gwk_, 12 hex digits, _, 64 hex digits\n",
    )


def test_the_first_admin_is_made_once(commands: Commands, tmp_path: Path) -> None:
    """Of a tenant that has an account nothing changes; a password that is none is refused, not replaced."""
    file = tmp_path / "password"
    file.write_text("\n")
    words = ("--tenant", "first", "admin", "create", "grace", "--first", "--password-file", str(file))
    refused = commands.run(*words)
    assert (refused.returncode, refused.stderr) == (1, "gatewatch: a password has 12 to 1,024 characters\n")
    file.write_text("long enough for one\n")
    assert commands.run(*words).stderr == "the account grace was made\n"
    again = commands.run(*words)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "first has an account already\n")
    made = commands.run("--tenant", "second", "admin", "create", "grace", "--first")
    assert made.stderr == "the account grace@second was made; its password:\n"
    assert len(made.stdout.strip()) >= 16


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["keys", "create", "x", "--scope", "admin"], "--scope: 'admin' is none of ingest, decide, read"),
        (["keys", "create", "x", "--expires", "soon"], "--expires: 'soon' is no time from now (12h, 90d)"),
        (["admin", "reset-password", "nobody"], "there is no account of that name"),
        (["admin", "create", " "], "a name has 1 to 256 printable characters"),
        (["admin", "create", "x", "--password-file", "/no/such"], "/no/such: No such file or directory"),
        (["api", "--serve", "ingest,mail"], "--serve: 'mail' is none of ingest, decide, query, ui"),
    ],
)
def test_mistakes_are_one_line(commands: Commands, arguments: list[str], said: str) -> None:
    """What an operator gets wrong is told in one line, with exit code 1."""
    done = commands.run(*arguments)
    assert (done.returncode, done.stderr) == (1, f"gatewatch: {said}\n")


def test_an_account_logs_in_and_is_reset(commands: Commands) -> None:
    """A password that was made up is printed once and works; after a reset the new one does; both commands take one
    from standard input.
    """
    first = commands.run("admin", "create", "ada").stdout.strip()
    assert (
        commands.run("admin", "create", "Ada").stderr
        == "gatewatch: there is an account of that name already\n"
    )
    with commands.running("api") as process:
        process.says("the API listens")
        url = json.loads(process.said.splitlines()[0])["url"]
        until(lambda: answers(url), "the API")

        def log_in(password: str) -> int:
            return httpx.post(f"{url}/v1/session", json={"name": "ada", "password": password}).status_code

        assert log_in(first) == 200
        second = commands.run("admin", "reset-password", "ada").stdout.strip()
        assert (log_in(first), log_in(second)) == (401, 200)
        done = commands.run(
            "admin", "reset-password", "ada", "--password-file", "-", stdin=b"from a pipe, long enough\n"
        )
        assert (done.returncode, done.stdout) == (0, "")
        assert log_in("from a pipe, long enough") == 200
        for secret in (first, second, "from a pipe"):
            assert secret not in process.said


def test_the_api_ends_when_told(commands: Commands) -> None:
    """SIGTERM ends the process with exit code 0, and nothing but JSON was said."""
    with commands.running("api", "--serve", "query") as process:
        process.says("the API listens")
        assert process.ends(signal.SIGTERM) == 0
        assert [json.loads(line)["service"] for line in process.said.splitlines()] == ["api"]


def test_a_port_in_use_is_one_line(commands: Commands) -> None:
    """Two processes on one port: the second says so."""
    with commands.running("api") as process:
        process.says("the API listens")
        port = json.loads(process.said.splitlines()[0])["url"].rpartition(":")[2]
        commands.environment["GATEWATCH_API_PORT"] = port
        done = commands.run("api")
        commands.environment["GATEWATCH_API_PORT"] = "0"
    assert done.returncode == 1
    assert (
        done.stderr.splitlines()[-1]
        == f"gatewatch: cannot listen on 127.0.0.1:{port}: Address already in use"
    )


def test_what_was_acknowledged_survives_a_kill(commands: Commands) -> None:
    """While a process of the API is killed at full speed, every event that was answered with 202 lies in the log."""
    key = commands.run("--tenant", "killed", "keys", "create", "x").stdout.strip()
    sent = list[str]()

    def send(url: str, sender: int) -> None:
        with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as client:
            for number in count():
                name = f"u{sender}-{number}"
                body = {"time": "2026-03-02T07:00:00Z", "outcome": "success", "user": name, "event_id": name}
                try:
                    if client.post("/v1/events", json=body).status_code == 202:
                        sent.append(name)
                except httpx.TransportError:
                    return

    with commands.running("api", "--serve", "ingest") as process:
        process.says("the API listens")
        url = json.loads(process.said.splitlines()[0])["url"]
        until(lambda: answers(url), "the API")
        with ThreadPoolExecutor(6) as pool:
            senders = [pool.submit(send, url, sender) for sender in range(6)]
            until(lambda: len(sent) >= 200, "events")
            process.process.kill()
            for sender in senders:
                sender.result()
    keys = {key for (key,) in commands.rows("SELECT key FROM event_log WHERE key LIKE 'killed:%'")}
    assert len(sent) >= 200
    assert {f"killed:{name}" for name in sent} <= keys
