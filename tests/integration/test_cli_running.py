"""Commands beside a system that runs: importing in every form, feeding, policies, questions, errors."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from tests.support.commands import Commands, until
from tests.support.servers import ROOT, scratch_folder

#: Six hundred lines around the takeover of elastic_user_0.
LINES = b"".join((ROOT / "tests/data/sshd-auth.log").read_bytes().splitlines(keepends=True)[2_700:3_300])
BAD = ROOT / "tests/data/bad_input"


@pytest.fixture(scope="module")
def commands() -> Iterator[Commands]:
    """Commands beside `gatewatch up`."""
    with scratch_folder() as folder:
        found = Commands(folder / "data", GATEWATCH_REVIEW_QUIET="1")
        with found.running("up") as up:
            up.says("Gatewatch runs")
            yield found


@pytest.mark.parametrize("form", ["plain", "gzip", "zstd", "stdin"])
def test_a_log_is_imported_in_every_form(commands: Commands, tmp_path: Path, form: str) -> None:
    """A log gives the same logins plain, as .gz, as .zst, and through standard input."""
    packed = {"gzip": (".gz", gzip.compress(LINES)), "zstd": (".zst", zstandard.compress(LINES))}
    suffix, data = packed.get(form, ("", LINES))
    path = tmp_path / f"auth.log{suffix}"
    path.write_bytes(data)
    name, stdin = ("-", LINES) if form == "stdin" else (str(path), b"")
    (summary,) = commands.json("--tenant", form, "import", name, "--source", "sshd", stdin=stdin)
    assert summary["lines"] == 600
    assert summary["stored"] == summary["events"] > 0
    assert len(commands.json("--tenant", form, "events", "--limit", "1000")) == summary["events"]


def test_bad_lines_become_dead_letters_and_the_rest_is_stored(commands: Commands) -> None:
    """A bad record harms no neighbour: it is a dead letter with its bytes and reason, and the exit code is 0."""
    tenant = ("--tenant", "bad")
    (summary,) = commands.json(*tenant, "import", str(BAD / "broken_json.jsonl"), "--source", "native")
    assert (summary["lines"], summary["stored"], summary["dead_letters"]) == (3, 2, {"bad_json": 1})
    (letter,) = commands.json(*tenant, "dead-letters")
    assert letter["reason"] == "bad_json"
    assert commands.json(*tenant, "dead-letters", "--reason", "no_time") == []


def test_a_file_that_ends_in_mid_line_is_said_to(commands: Commands) -> None:
    """The last piece of a file without a line end is read, and said to be one."""
    path = str(BAD / "ends_mid_line.jsonl")
    done = commands.run("--tenant", "mid", "import", path, "--source", "native")
    assert done.returncode == 0
    assert "ends in mid-line" in done.stdout


def test_an_unreadable_file_does_not_keep_the_others_out(commands: Commands) -> None:
    """A file that cannot be read gives one plain line and a non-zero exit; the others are imported."""
    good = str(BAD / "unknown_fields.jsonl")
    done = commands.run("--tenant", "part", "import", "/no/such/file", good, "--source", "native")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "gatewatch: /no/such/file: No such file or directory."
    assert "Traceback" not in done.stderr
    assert len(commands.json("--tenant", "part", "events")) == 3


def test_one_id_with_two_bodies_is_a_conflict(commands: Commands) -> None:
    """The same id with another body is told apart from a repeat."""
    files = [str(BAD / name) for name in ("same_id_same_body.jsonl", "same_id_other_body.jsonl")]
    for file, expected in zip(files, [(1, 0), (0, 1)], strict=True):
        tenant = Path(file).stem
        (summary,) = commands.json("--tenant", tenant, "import", file, "--source", "native")
        assert (summary["duplicates"], summary["conflicts"]) == expected


def test_a_simulation_goes_into_a_file_with_its_labels(commands: Commands, tmp_path: Path) -> None:
    """The same seed writes the same bytes, each label belongs to an event, and the file can be imported."""
    events, again, labels = (tmp_path / name for name in ("a.jsonl", "b.jsonl", "labels.jsonl"))
    world = ("simulate", "--users", "40", "--days", "1", "--seed", "5")
    assert commands.run(*world, "--out", str(events), "--labels", str(labels)).returncode == 0
    assert commands.run(*world, "--out", str(again)).returncode == 0
    assert events.read_bytes() == again.read_bytes()
    ids = {json.loads(line)["event_id"] for line in events.read_text().splitlines()}
    assert {json.loads(line)["event_id"] for line in labels.read_text().splitlines()} <= ids
    (summary,) = commands.json("--tenant", "simulated", "import", str(events), "--source", "native")
    assert summary["stored"] == len(ids)


def test_a_simulation_goes_into_the_running_system(commands: Commands) -> None:
    """`--out log` feeds the system that runs and ends when all of it is assessed."""
    done = commands.run(
        "--tenant", "fed", "simulate", "--users", "20", "--days", "0.5", "--scenarios", "none", "--out", "log"
    )
    assert done.returncode == 0, done.stderr
    stored = commands.rows("SELECT count(*) FROM login_events WHERE tenant_id = 'fed'")[0][0]
    assert stored > 0
    assert f"{stored:,} stored" in done.stdout


def test_a_replay_repeats_events_or_lets_them_happen_again(commands: Commands, tmp_path: Path) -> None:
    """A replay keeps time and id, so that a second changes nothing; with --shift the events happen again, now."""
    path = tmp_path / "events.jsonl"
    arguments = ("--users", "20", "--days", "0.3", "--scenarios", "none", "--out", str(path))
    assert commands.run("simulate", *arguments).returncode == 0
    count = len(path.read_bytes().splitlines())
    for extra, stored in (([], count), ([], 0), (["--shift"], count)):
        done = commands.run("--tenant", "replayed", "replay", str(path), "--speed", "1000000", *extra)
        assert done.returncode == 0, done.stderr
        assert f": {stored:,} stored" in done.stdout


def test_a_policy_is_checked_stored_and_reviewed_by(commands: Commands, tmp_path: Path) -> None:
    """A policy gets the next revision, every live source is reviewed by it, and a text that is none changes nothing."""
    tenant = ("--tenant", "ruled")
    log = tmp_path / "auth.log"
    log.write_bytes(LINES)
    commands.json(*tenant, "import", str(log), "--source", "sshd")
    assert _severity(commands) == "high"
    wrong, right = tmp_path / "wrong.json", tmp_path / "right.json"
    wrong.write_text('{"open_scroe": 3}')
    right.write_text('{"brute_force": {"failures": 2}}')
    refused = commands.run(*tenant, "policy", "set", str(wrong))
    assert refused.returncode == 1
    assert "open_scroe" in refused.stderr
    assert "revision 1" in commands.run(*tenant, "policy", "set", str(right)).stderr
    shown = json.loads(commands.run(*tenant, "policy", "show").stdout)
    assert (shown["revision"], shown["brute_force"]["failures"]) == (1, 2)
    until(lambda: _severity(commands) == "critical", "the finding as the new policy sees it")


def _severity(commands: Commands) -> str:
    """Of the brute force by the address that the lines hold."""
    (found,) = commands.json("--tenant", "ruled", "anomalies", "--subject", "24.151.103.17")
    return str(found["severity"])


def test_the_log_grows_while_it_runs(commands: Commands) -> None:
    """More partitions change nothing about what is stored, and fewer are refused with a plain line."""
    assert "12 partitions" in commands.run("topics", "grow", "12").stderr
    refused = commands.run("topics", "grow", "4")
    assert refused.returncode == 1
    assert "it can only grow" in refused.stderr
    (summary,) = commands.json("--tenant", "grown", "import", "-", "--source", "sshd", stdin=LINES)
    assert summary["stored"] == summary["events"]


def test_watch_prints_lines_without_a_terminal(commands: Commands) -> None:
    """`watch` shows a running system, and ends by itself when it is told to."""
    commands.json("--tenant", "watched", "import", "-", "--source", "sshd", stdin=LINES)
    done = commands.run("--tenant", "watched", "watch", "--seconds", "6")
    assert done.returncode == 0, done.stderr
    assert "brute_force" in done.stdout
    assert "events," in done.stdout


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["frobnicate"], "frobnicate"),
        (["events", "--limit", "x"], "--limit"),
        (["events", "--since", "yesterday"], "--since"),
        (["events", "--ip", "1.2.3"], "--ip"),
        (["anomalies", "--state", "closed"], "--state"),
        (["explain", "no-such-event"], "no-such-event"),
        (["user", "nobody"], "nobody"),
        (["source", "300.1.1.1"], "300.1.1.1"),
        (["source", "192.0.2.1"], "192.0.2.1"),
        (["import", "/no/such/file", "--source", "native"], "/no/such/file"),
        (["import", "-", "--source", "native", "--zone", "Mars/Base"], "Mars/Base"),
        (["import", "-", "--source", "telnet"], "telnet"),
        (["simulate", "--out", "/no/such/folder/file"], "/no/such/folder/file"),
        (["simulate", "--out", "-", "--rate", "fast"], "--rate"),
        (["simulate", "--out", "-", "--scenarios", "flying"], "flying"),
        (["replay", "/no/such/file"], "/no/such/file"),
        (["policy", "set", "/no/such/file"], "/no/such/file"),
        (["--tenant", "a b", "events"], "--tenant"),
        (["up"], "already runs"),
    ],
)
def test_a_users_mistake_is_one_plain_line(commands: Commands, arguments: list[str], part: str) -> None:
    """What a user gets wrong is one line on standard error that names it, and a non-zero exit."""
    done = commands.run(*arguments)
    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if line.startswith("gatewatch: ")]
    assert len(lines) == 1
    assert part in lines[0]
    assert "Traceback" not in done.stderr


def test_wrong_settings_are_one_plain_line(tmp_path: Path) -> None:
    """A setting that is not what it must be, or a database that is away or none at all, is one plain line."""
    path = tmp_path / "data"
    wrong = [
        ({"GATEWATCH_BATCH_SIZE": "many"}, ["events"], "GATEWATCH_BATCH_SIZE"),
        ({"DATABASE_URL": "nonsense"}, ["events"], "DATABASE_URL"),
        ({"DATABASE_URL": "postgresql://127.0.0.1:1/none"}, ["events"], "cannot be reached"),
        ({"DATABASE_URL": "postgresql://127.0.0.1:1/none"}, ["up", "--no-wait"], "cannot be reached"),
        ({"GATEWATCH_GEO_CITY": "/no/such.mmdb"}, ["up"], "/no/such.mmdb"),
        ({}, ["events"], "there is nothing on"),
        ({}, ["watch"], "nothing runs on"),
    ]
    for environment, arguments, part in wrong:
        done = Commands(path, **environment).run(*arguments)
        assert done.returncode == 1, arguments
        assert part in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr


def test_a_database_that_was_never_migrated_is_said_to_be_so(postgres_empty: str, tmp_path: Path) -> None:
    """A question to a server of your own without tables says how to make them; `migrate` does, once."""
    commands = Commands(tmp_path / "data", DATABASE_URL=postgres_empty)
    done = commands.run("events")
    assert done.returncode == 1
    assert "gatewatch migrate" in done.stderr
    assert "migrated" in commands.run("migrate").stderr
    assert "nothing to migrate" in commands.run("migrate").stderr
    assert commands.json("events") == []


def test_import_works_alone_on_a_server_of_your_own(database: str, tmp_path: Path) -> None:
    """Where no detector works on your server, an import brings its own for as long as it needs."""
    commands = Commands(tmp_path / "data", DATABASE_URL=database)
    (summary,) = commands.json("import", "-", "--source", "sshd", stdin=LINES)
    assert summary["stored"] == summary["events"] > 0
    assert commands.json("import", "-", "--source", "sshd", stdin=LINES)[0]["stored"] == 0
