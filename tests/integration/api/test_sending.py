"""`gatewatch simulate --out URL` and `gatewatch replay --to URL` against the real API, as commands."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from gatewatch.ingest.writing import native_line
from tests.builders import START, login
from tests.integration.api.conftest import Api
from tests.integration.heart.rig import Heart
from tests.support.commands import Commands

WORLD = ["--users", "30", "--days", "0.5", "--scenarios", "none", "--start", "2026-03-02"]


@pytest.fixture
def commands(api: Api, tmp_path: Path) -> Commands:
    """Commands with the key of a program that may send."""
    return Commands(tmp_path, GATEWATCH_KEY=api.key("ingest"))


def stored(api: Api) -> list[str]:
    """The ids of what is stored once all is assessed."""
    heart = Heart(api.conninfo)
    heart.settle()
    heart.close()
    return [id for (id,) in api.rows("SELECT event_id FROM login_events ORDER BY event_id")]


def test_a_simulation_goes_over_http(api: Api, url: str, commands: Commands) -> None:
    """A made-up world is sent as it would be written to a file; sending it again adds nothing."""
    wanted = commands.run("simulate", "--out", "-", *WORLD).stdout.splitlines()
    assert len(wanted) > 20
    for _ in range(2):
        done = commands.run("simulate", "--out", url, *WORLD)
        assert done.returncode == 0, done.stderr
        count = f"{len(wanted):,}"
        assert done.stdout == f"{count} events sent: {count} accepted, 0 duplicates, 0 rejected\n"
        assert len(stored(api)) == len(wanted)


def test_a_recording_goes_over_http(api: Api, url: str, commands: Commands, tmp_path: Path) -> None:
    """Lines without an id get the same ones each time; what is no event is told and not sent."""
    plain = b'{"time":"2026-03-02T08:00:0%dZ","outcome":"success","user":"u%d"}\n'
    lines = [plain % (n, n) for n in range(5)] + [native_line(login(START, event_id="own")) + b"\n", b"{\n"]
    file = tmp_path / "recorded.ndjson"
    file.write_bytes(b"".join(lines))
    for _ in range(2):
        done = commands.run("replay", str(file), "--to", f"{url}/v1/events", "--speed", "1000")
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines() == [
            "6 events sent: 6 accepted, 0 duplicates, 0 rejected",
            "1 not sent, since they are no events (bad_json 1)",
        ]
        assert len(found := stored(api)) == 6
        assert "own" in found


def test_a_recording_keeps_its_rhythm_and_happens_again(
    api: Api, url: str, commands: Commands, tmp_path: Path
) -> None:
    """With --shift events happen now, under new ids, as far apart as they were, divided by the speed."""
    file = tmp_path / "recorded.ndjson"
    file.write_bytes(b"".join(native_line(login(START + n * 10_000_000)) + b"\n" for n in range(4)))
    began = time.monotonic()
    for _ in range(2):
        done = commands.run("replay", str(file), "--to", url, "--speed", "20", "--shift")
        assert done.returncode == 0, done.stderr
    assert time.monotonic() - began > 3
    assert len(stored(api)) == 8
    ((first, last),) = api.rows("SELECT min(time), max(time) FROM login_events")
    assert first.year > 2025
    assert (last - first).total_seconds() >= 1.5


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--key-file", "{none}"], "gatewatch: --key-file: No such file or directory\n"),
        (["--key-file", "{empty}"], "gatewatch: --key-file: its first line is empty\n"),
        (["--key-file", "{wrong}"], "gatewatch: {url}: the API key is not valid\n"),
        (["--key-file", "{reader}"], "gatewatch: {url}: the API key may not send events (scope ingest)\n"),
        (["--out", "http://"], "gatewatch: --out: no address such as https://example.org\n"),
        (["--out", "http://127.0.0.1:1"], "gatewatch: no answer from http://127.0.0.1:1/v1/events: "),
        (["--out", "{url}/elsewhere"], "gatewatch: {url}/elsewhere: this is no Gatewatch that takes events"),
        (["--out", "-", "--key-file", "{wrong}"], "gatewatch: --key-file is for sending to an address\n"),
    ],
)
def test_what_cannot_be_sent_ends_with_one_line(
    api: Api, url: str, commands: Commands, tmp_path: Path, arguments: list[str], why: str
) -> None:
    """A key or an address that will not do ends the command with one plain line, exit code 1, and nothing stored."""
    texts = {"empty": "\n", "wrong": "gwk_abc_def\n", "reader": api.key("read") + "\n"}
    names = {name: str(tmp_path / name) for name in (*texts, "none")} | {"url": url}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    given = [one.format(**names) for one in arguments]
    done = commands.run("simulate", *WORLD, *(["--out", url] if "--out" not in given else []), *given)
    assert done.returncode == 1
    last = done.stderr.splitlines(keepends=True)[-1]
    assert last.startswith(why.format(**names)), done.stderr
    assert api.rows("SELECT count(*) FROM event_log") == [(0,)]


def test_without_a_key(url: str, tmp_path: Path) -> None:
    """Where there is no key nothing is sent, and it is told where one is looked for."""
    done = Commands(tmp_path).run("simulate", *WORLD, "--out", url)
    assert (done.returncode, done.stdout) == (1, "")
    assert "GATEWATCH_KEY or --key-file" in done.stderr
