"""Each kind of bad input is a file with a good neighbour on either side, or is made here where it is huge."""

import json
from pathlib import Path
from time import perf_counter

import pytest

from gatewatch.core.events import MAX_TEXT, MAX_USER_AGENT
from gatewatch.core.records import MAX_DEAD_LETTER
from gatewatch.core.times import isoformat
from gatewatch.ingest.contract import Result
from tests.ingesting import NOW, events, ignored, read, rejects

FOLDER = Path(__file__).parents[2] / "data" / "bad_input"


def good(number: int) -> bytes:
    """A neighbour."""
    return (FOLDER / "blank.jsonl").read_bytes().split(b"\n")[number] + b"\n"


def between(line: bytes) -> list[Result]:
    """What becomes of a line between two good neighbours."""
    return read(good(0) + line + b"\n" + good(2))


def neighbours(results: list[Result]) -> list[str]:
    """The ids of the good neighbours that survived."""
    return [r.event.event_id for r in events(results) if r.event.event_id.startswith("good")]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("broken_json", "bad_json"),
        ("wrong_types", "bad_field"),
        ("nul_raw", "bad_json"),
        ("invalid_utf8", "bad_encoding"),
        ("nan", "bad_json"),
        ("infinity", "bad_json"),
        ("number_1e130000", "number_out_of_range"),
        ("number_1e130000_extra", "number_out_of_range"),
        ("bad_address", "bad_address"),
        ("year_10000", "time_out_of_range"),
        ("year_1", "time_out_of_range"),
        ("time_missing", "no_time"),
        ("no_subject", "no_subject"),
        ("not_an_object", "not_an_object"),
        ("ends_mid_line", "bad_json"),
    ],
)
def test_rejected(name: str, reason: str) -> None:
    """A bad record becomes a dead letter with its bytes and its reason, and its neighbours are read."""
    data = (FOLDER / f"{name}.jsonl").read_bytes()
    results = read(data)
    (rejected,) = rejects(results)
    assert rejected.reason == reason
    assert rejected.raw in data
    assert neighbours(results) == ["good-0", "good-2"]


@pytest.mark.parametrize(
    ("name", "name_kept", "ip", "flags"),
    [
        ("nul_escaped", "alice", "203.0.113.7", ()),
        ("lone_surrogate", "alice", "203.0.113.7", ()),
        ("zone_id", "alice", "fe80::1", ()),
        ("address_with_port", "alice", "1.2.3.4", ()),
        ("mapped_address", "alice", "1.2.3.4", ()),
        ("zone_missing", "alice", "203.0.113.7", ("zone_assumed",)),
        ("year_ahead", "alice", "203.0.113.7", ("time_clamped",)),
        ("unknown_fields", "alice", "203.0.113.7", ()),
        ("duplicate_keys", "alice", "203.0.113.7", ()),
    ],
)
def test_accepted(name: str, name_kept: str, ip: str, flags: tuple[str, ...]) -> None:
    """What can be set right is set right, and flagged where the event says something else than its source."""
    results = read((FOLDER / f"{name}.jsonl").read_bytes())
    (odd,) = (r.event for r in events(results) if r.event.event_id == "bad")
    assert (odd.user.name, odd.ip, odd.flags) == (name_kept, ip, flags)
    assert odd.outcome == "success"
    assert neighbours(results) == ["good-0", "good-2"]


def test_year_ahead_is_the_arrival() -> None:
    """An event a year ahead is placed at its arrival."""
    results = read((FOLDER / "year_ahead.jsonl").read_bytes())
    (odd,) = (r for r in events(results) if r.event.event_id == "bad")
    assert isoformat(odd.event.time) == isoformat(NOW)
    assert odd.time_by_arrival


@pytest.mark.parametrize(("name", "digests"), [("same_id_same_body", 1), ("same_id_other_body", 2)])
def test_same_id_twice(name: str, digests: int) -> None:
    """The same id twice is read twice; the digests tell a repeat from a conflict."""
    results = read((FOLDER / f"{name}.jsonl").read_bytes())
    twice = [r.digest for r in events(results) if r.event.event_id == "bad"]
    assert (len(twice), len(set(twice))) == (2, digests)
    assert neighbours(results) == ["good-0", "good-2"]


def test_blank() -> None:
    """A blank line is ignored with a reason."""
    results = read((FOLDER / "blank.jsonl").read_bytes())
    assert [(line.reason, line.number) for line in ignored(results)] == [("blank", 2)]
    assert neighbours(results) == ["good-0", "good-2"]


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":'])
def test_deep_nesting(opening: bytes) -> None:
    """100,000-deep nesting is refused in milliseconds, with its own reason."""
    began = perf_counter()
    results = between(opening * 100_000)
    assert perf_counter() - began < 1
    assert [r.reason for r in rejects(results)] == ["too_deep"]
    assert neighbours(results) == ["good-0", "good-2"]


def test_long_line() -> None:
    """A 50 MB line is one dead letter that keeps 64 KiB, its size and its hash."""
    results = between(b'{"a":"' + b"x" * 50_000_000 + b'"}')
    (rejected,) = rejects(results)
    assert (rejected.reason, len(rejected.raw), rejected.size) == (
        "line_too_long",
        MAX_DEAD_LETTER,
        50_000_008,
    )
    assert len(rejected.sha256) == 64
    assert neighbours(results) == ["good-0", "good-2"]


def test_long_names_and_agents() -> None:
    """A 10 kB user name and a 20 kB user agent are cut and flagged; another such name is another user."""
    base = {"outcome": "success", "time": "2026-11-22T10:00:00Z", "context": {"user_agent": "m" * 20_000}}
    lines = (json.dumps({**base, "user": "n" * 10_000 + last}).encode() for last in "ab")
    results = between(b"\n".join(lines))
    first, second = (r.event for r in events(results) if not r.event.event_id.startswith("good"))
    assert first.flags == second.flags == ("user_truncated", "ua_truncated")
    assert len(first.user.name) == MAX_TEXT
    assert first.ua is not None
    assert len(first.ua.raw) == MAX_USER_AGENT
    assert first.user_key != second.user_key
