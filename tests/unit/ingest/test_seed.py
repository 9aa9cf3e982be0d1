import csv
import io
import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gatewatch.core.events import Geo, User, UserAgent
from gatewatch.core.times import isoformat
from gatewatch.ingest.contract import Ignored
from tests.ingesting import arrival, event, events, ignored, read, reject, rejects

SEED = {
    "event_type": "user_login_event",
    "geoip": {
        "country_code": "NO",
        "continent_code": "EU",
        "region_name": "Oslo",
        "region_code": "03",
        "timezone": "Europe/Oslo",
        "latitude": 59.91,
        "longitude": 10.75,
    },
    "client_ip": "203.0.113.7",
    "user_agent": {
        "browser": "Firefox",
        "browser_version": "132.0",
        "os": "Linux",
        "os_version": "",
        "device": "",
    },
    "resource_id": 4711,
    "resource_name": "alice",
    "resource_type": "user",
    "timestamp": "2026-11-22 10:00:00",
    "enterprise_id": 9,
    "success": True,
}


def seed(**fields: Any) -> bytes:
    """A seed event with other or further fields, as JSON."""
    return json.dumps({**SEED, **fields}).encode()


def table(*rows: dict[str, Any], delimiter: str = ",") -> bytes:
    """Seed events as CSV with JSON in two columns."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(SEED), delimiter=delimiter)
    writer.writeheader()
    for row in rows:
        cells = {**SEED, **row}
        writer.writerow(
            {key: json.dumps(cell) if isinstance(cell, dict) else cell for key, cell in cells.items()}
        )
    return out.getvalue().encode()


def test_json() -> None:
    """The original's event is read with the place and the client it brings."""
    login = event(seed(), "seed").event
    assert (login.source, login.outcome, login.reason_class) == ("seed", "success", None)
    assert login.user == User(id="4711", name="alice")
    assert login.geo == Geo("NO", "Oslo", "", 59.91, 10.75)
    assert login.ua == UserAgent("", "Firefox", "132.0", "Linux")
    assert login.ip == "203.0.113.7"
    assert login.extra["organisation"] == 9
    assert login.extra["geoip"] == {"continent_code": "EU", "region_code": "03", "timezone": "Europe/Oslo"}
    assert login.flags == ("zone_assumed",)


def test_zone() -> None:
    """The timestamp is read in the importer's zone."""
    login = event(seed(), "seed", arrival("seed", zone=ZoneInfo("Europe/Oslo"))).event
    assert isoformat(login.time) == "2026-11-22T09:00:00Z"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv(delimiter: str) -> None:
    """CSV gives the same events as JSON; its header is accounted for."""
    results = read(table({}, {"success": False, "resource_name": 'b"ob'}, delimiter=delimiter), "seed")
    assert ignored(results) == [Ignored("header", 1)]
    first, second = (record.event for record in events(results))
    as_json = event(seed(), "seed").event
    assert (first.user, first.geo, first.ua, first.time) == (
        *(as_json.user, as_json.geo, as_json.ua, as_json.time),
    )
    assert (second.user.name, second.outcome, second.reason_class) == ('b"ob', "failure", "bad_credentials")


@pytest.mark.parametrize("text", ["true", "True", "1", True, 1])
def test_success(text: Any) -> None:
    """Success is said in several ways."""
    assert event(seed(success=text), "seed").event.outcome == "success"


def test_plain_agent() -> None:
    """A user agent that is a text is the raw header, to be parsed."""
    assert event(seed(user_agent="Mozilla/5.0"), "seed").event.ua == UserAgent("Mozilla/5.0")


def test_gaps() -> None:
    """Place, client and address may be missing."""
    login = event(seed(geoip=None, user_agent=None, client_ip=None), "seed").event
    assert (login.geo, login.ua, login.ip) == (None, None, "")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"timestamp": None}, "no_time"),
        ({"timestamp": "x"}, "bad_time"),
        ({"success": None}, "missing_field"),
        ({"success": "perhaps"}, "bad_field"),
        ({"event_type": "password_reset"}, "unknown_type"),
        ({"geoip": {"latitude": "north"}}, "bad_field"),
        ({"geoip": 7}, "bad_field"),
        ({"client_ip": "x"}, "bad_address"),
        ({"client_ip": None, "resource_id": None, "resource_name": None}, "no_subject"),
    ],
)
def test_rejected(fields: dict[str, Any], reason: str) -> None:
    """An event that cannot be one is rejected with its reason."""
    assert reject(seed(**fields), "seed").reason == reason


def test_line_break_in_quotes() -> None:
    """A line break inside quotes makes rejects of both halves, and the records around them survive."""
    results = read(table({}, {"resource_name": "a\nb"}, {}), "seed")
    assert len(events(results)) == 2
    assert {r.reason for r in rejects(results)} == {"bad_csv"}
    assert len(results) == 5


@pytest.mark.parametrize(
    "row", [b"a,b", b'"', b"," * 200_000, b"\xff" + b"," * 9, b'"' + b"x" * 200_000 + b'"']
)
def test_bad_rows(row: bytes) -> None:
    """A row that does not fit the header is rejected, and its neighbours survive."""
    results = read(table({}) + row + b"\r\n" + table({}).split(b"\n", 1)[1], "seed")
    assert (len(events(results)), len(rejects(results))) == (2, 1)
    assert rejects(results)[0].reason in ("bad_csv", "bad_encoding")


def test_no_header() -> None:
    """Without a header every line is rejected: nothing is guessed from the order of columns."""
    results = read(table({}, {}).split(b"\n", 1)[1], "seed")
    assert {r.reason for r in rejects(results)} == {"bad_header"}
    assert not events(results)


def test_same_ids_again() -> None:
    """A second reading gives the same ids and digests, and equal records stay two."""
    data = table({}, {}, {})
    again = [[(r.event.event_id, r.digest) for r in events(read(data, "seed"))] for _ in range(2)]
    assert again[0] == again[1]
    assert len({id for id, _ in again[0]}) == 3


def test_array() -> None:
    """An array of seed events is read item by item; a broken or empty one is accounted for."""
    assert len(events(read(b"[" + seed() + b"," + seed() + b"]", "seed"))) == 2
    assert [r.reason for r in ignored(read(seed() + b"\n[]\n\n", "seed"))] == ["empty_array", "blank"]
    assert [r.reason for r in rejects(read(seed() + b"\n[1\n[1]\n", "seed"))] == ["bad_json", "not_an_object"]
