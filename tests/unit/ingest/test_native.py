import base64
import json
from typing import Any

import msgspec
import pytest

from gatewatch.core.events import App, Asn, Auth, Geo, User, UserAgent
from gatewatch.core.records import EventRecord, RejectRecord, decode, encode
from gatewatch.core.times import DAY, MINUTE, isoformat
from gatewatch.ingest.contract import Ignored, Line, generated_id
from gatewatch.ingest.native import NativeAdapter, read_native
from tests.ingesting import NOW, arrival, event, events, ignored, one, read, reject, rejects

FULL = {
    "event_id": "e1",
    "type": "login",
    "stage": "post_auth",
    "outcome": "failure",
    "reason": "bad_credentials",
    "occurred_at": "2026-11-22T10:00:00Z",
    "user": {
        "id": "u1",
        "name": "Alice",
        "email": "a@example.org",
        "mfa_enrolled": True,
        "groups": ["admin"],
    },
    "context": {"ip": "203.0.113.7", "user_agent": "Mozilla/5.0", "device_id": "d1", "session_id": "s1"},
    "auth": {"method": "password", "factors": ["otp"], "protocol": "oidc"},
    "app": {"id": "portal"},
}
SMALL = {
    "event_id": "e1",
    "outcome": "success",
    "occurred_at": "2026-11-22T10:00:00Z",
    "user": {"name": "alice"},
}


def line(**fields: Any) -> bytes:
    """A small event with other or further fields, as JSON."""
    return json.dumps({**SMALL, **fields}).encode()


def test_full_event() -> None:
    """Every field of the API's request finds its place."""
    record = event(json.dumps(FULL).encode())
    login = record.event
    assert (login.event_id, login.tenant_id, login.source) == ("e1", "acme", "native")
    assert isoformat(login.time) == "2026-11-22T10:00:00Z"
    assert (login.activity, login.outcome, login.reason_class) == ("logon", "failure", "bad_credentials")
    assert login.user == User("u1", "Alice", "a@example.org", True, ("admin",))
    assert (login.ip, login.port, login.ua) == ("203.0.113.7", 0, UserAgent("Mozilla/5.0"))
    assert (login.device_id, login.session_id) == ("d1", "s1")
    assert (login.auth, login.app) == (Auth("password", ("otp",), "oidc"), App("portal"))
    assert (login.flags, login.extra) == ((), {"stage": "post_auth"})
    assert (record.received, record.origin, record.time_by_arrival) == (NOW, "import-1", False)
    assert record.raw == json.dumps(FULL).encode()
    assert record.key == "acme:alice"


def test_normalised_names() -> None:
    """Our own field names are understood, geo, network and client that the source knows among them."""
    login = event(
        line(
            activity="mfa",
            src={"ip": "203.0.113.7:99", "hostname": "h"},
            geo={"country": "no", "lat": 59.9, "lon": 10.7},
            asn={"number": "AS64500", "org": "Example", "kind": "isp"},
            ua={"raw": "M", "browser": "Firefox", "os": "Linux"},
            device_id=7,
        )
    ).event
    assert (login.activity, login.ip, login.port, login.hostname) == ("mfa", "203.0.113.7", 99, "h")
    assert (login.geo, login.asn) == (Geo("NO", lat=59.9, lon=10.7), Asn(64500, "Example", "isp"))
    assert (login.ua, login.device_id) == (UserAgent("M", "Firefox", os="Linux"), "7")


def test_short_forms() -> None:
    """A user, an app, an agent and a network may be given by their name or number alone."""
    login = event(line(user="bob", app="portal", ua="curl/8", asn=64500, ip="203.0.113.7", port=22)).event
    assert (login.user, login.app, login.ua) == (User(name="bob"), App("portal"), UserAgent("curl/8"))
    assert (login.asn, login.ip, login.port) == (Asn(64500), "203.0.113.7", 22)


def test_own_events_come_back() -> None:
    """An exported LoginEvent can be imported again."""
    exported = event(json.dumps(FULL).encode()).event
    again = event(msgspec.json.encode(exported)).event
    assert (again.event_id, again.time, again.user, again.ua) == (
        *(exported.event_id, exported.time, exported.user, exported.ua),
    )
    assert again.extra["tenant_id"] == "acme"


@pytest.mark.parametrize(
    ("given_outcome", "outcome"),
    [("attempted", "unknown"), ("SUCCESS", "success"), ("failed", "failure"), ("challenge", "challenge")],
)
def test_outcomes(given_outcome: str, outcome: str) -> None:
    """Outcomes are known by several names; an attempt whose end is not known is "unknown"."""
    assert event(line(outcome=given_outcome)).event.outcome == outcome


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"outcome": "failure"}, "bad_credentials"),
        ({"outcome": "failure", "reason": "User Not Found"}, "unknown_user"),
        ({"outcome": "failure", "reason": "push_denied"}, "mfa_denied"),
        ({"outcome": "failure", "reason": "no idea"}, "other"),
        ({"outcome": "failure", "reason": "x" * 5_000}, "other"),
        ({"outcome": "failure", "reason": "no idea", "reason_class": "locked"}, "locked"),
        ({"outcome": "success"}, None),
        ({"outcome": "success", "reason": "ok"}, None),
        ({"outcome": "unknown"}, None),
    ],
)
def test_reasons(fields: dict[str, str], expected: str | None) -> None:
    """Reasons fall into classes; a failure without any counts as bad credentials."""
    assert event(line(**fields)).event.reason_class == expected


def test_unknown_fields_are_kept() -> None:
    """What has no field here stays in `extra`, nested unknown fields under their object's name."""
    login = event(
        line(colour="red", user={"name": "a", "shoe": 44}, extra={"more": [1]}, policy="default")
    ).event
    assert login.extra == {"colour": "red", "user": {"shoe": 44}, "more": [1], "policy": "default"}


def test_large_extra_is_dropped() -> None:
    """More than 16 kB of unknown fields are not kept, and that is flagged."""
    login = event(line(blob="x" * 20_000)).event
    assert (login.extra, login.flags) == ({}, ("extra_dropped",))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"occurred_at": None}, "no_time"),
        ({"occurred_at": "soon"}, "bad_time"),
        ({"occurred_at": "10000-01-01T00:00:00Z"}, "time_out_of_range"),
        ({"outcome": None}, "missing_field"),
        ({"outcome": "maybe"}, "unknown_outcome"),
        ({"type": "password_reset"}, "unknown_type"),
        ({"user": None}, "no_subject"),
        ({"user": {"name": " ", "email": "a@example.org"}}, "no_subject"),
        ({"user": 17}, "bad_field"),
        ({"user": ["alice"]}, "bad_field"),
        ({"outcome": 1}, "bad_field"),
        ({"context": {"ip": 17}}, "bad_field"),
        ({"port": 70_000, "ip": "203.0.113.7"}, "bad_field"),
        ({"port": "22"}, "bad_field"),
        ({"reason_class": "bored"}, "bad_field"),
        ({"asn": {"number": "x"}}, "bad_field"),
        ({"context": {"ip": "not-an-address"}}, "bad_address"),
    ],
)
def test_rejected(fields: dict[str, Any], reason: str) -> None:
    """An event that cannot be one is rejected with its reason, its bytes and one sentence."""
    rejected = reject(line(**fields))
    assert (rejected.reason, rejected.raw, rejected.size) == (reason, line(**fields), len(line(**fields)))
    assert rejected.detail.endswith(".")
    assert len(rejected.detail) < 400


def test_array_line() -> None:
    """The items of an array are accounted for one by one."""
    results = read(b"[" + line() + b", 17, " + line(outcome="x") + b"," + line(event_id=None) + b"]")
    assert [type(result) for result in results] == [EventRecord, RejectRecord, RejectRecord, EventRecord]
    assert [r.reason for r in rejects(results)] == ["not_an_object", "unknown_outcome"]
    assert one(b"[]") == Ignored("empty_array", 1)
    assert rejects(read(line() + b"\n[1\n"))[0].reason == "bad_json"


def test_document_file() -> None:
    """A pretty-printed array reads as its events, whose ids hang on where they stand."""
    document = json.dumps([{**SMALL, "event_id": None}, {**SMALL, "event_id": None}], indent=2).encode()
    first, second = (record.event.event_id for record in events(read(document)))
    assert first < second
    assert first.split("-")[1] == f"{document.index(b'{'):012x}"


@pytest.mark.parametrize("data", [SMALL, base64.b64encode(json.dumps(SMALL).encode()).decode()])
def test_cloud_event(data: Any) -> None:
    """The event in a CloudEvents envelope is read, its attributes kept."""
    envelope = {"specversion": "1.0", "id": "7", "source": "/idp", "type": "t"}
    login = event(
        json.dumps({**envelope, "data" if isinstance(data, dict) else "data_base64": data}).encode()
    ).event
    assert (login.event_id, login.user.name) == ("e1", "alice")
    assert login.extra["cloudevents"] == envelope


def test_cloud_event_fills_in() -> None:
    """Where the event has no id and no time, the envelope's are taken; its id counts within its source."""
    data = {"outcome": "success", "user": "bob"}
    envelope = {
        "specversion": "1.0",
        "id": "7",
        "source": "/idp",
        "time": "2026-11-22T10:00:00Z",
        "data": data,
    }
    login = event(json.dumps(envelope).encode()).event
    assert (login.event_id, isoformat(login.time)) == ("/idp#7", "2026-11-22T10:00:00Z")


@pytest.mark.parametrize("envelope", [{"data": 1}, {}, {"data_base64": "%%"}, {"data_base64": "MQ=="}])
def test_empty_envelope(envelope: dict[str, Any]) -> None:
    """An envelope without an event is rejected."""
    assert reject(json.dumps({"specversion": "1.0", **envelope}).encode()).reason in (
        "not_an_object",
        "bad_json",
    )


def test_generated_ids() -> None:
    """Without an id an event gets one from the file, its place and its content: the same in each import."""
    data = (line(event_id=None) + b"\n") * 2
    first, second = (record.event.event_id for record in events(read(data)))
    assert (first, second) == tuple(record.event.event_id for record in events(read(data)))
    assert first < second
    file, offset, repeat, content = second.split("-")
    assert (offset, repeat) == (f"{len(data) // 2:012x}", "0000")
    assert (len(file), len(content)) == (8, 8)


def test_clamped() -> None:
    """A time more than five minutes ahead is clamped to the arrival and flagged; five minutes are not."""
    late = event(line(occurred_at=isoformat(NOW + 365 * DAY)))
    assert (late.event.time, late.event.flags, late.time_by_arrival) == (NOW, ("time_clamped",), True)
    fine = event(line(occurred_at=isoformat(NOW + 5 * MINUTE)))
    assert (fine.event.time, fine.event.flags, fine.time_by_arrival) == (NOW + 5 * MINUTE, (), False)


def test_digest_is_taken_before_clamping() -> None:
    """The same event a year ahead has one digest, whenever it arrives."""
    data = line(occurred_at=isoformat(NOW + 365 * DAY))
    assert event(data).digest == event(data, at=arrival(received=NOW + DAY)).digest
    assert event(data).digest != event(line(occurred_at=isoformat(NOW + 366 * DAY))).digest


def test_digest_is_of_what_was_said() -> None:
    """A repeat in another spelling is the same content; another outcome is not."""
    spelt = (
        b'{ "user":{"name":"alice"}, "time":"2026-11-22T11:00:00+01:00","outcome":"success","event_id":"e1"}'
    )
    assert event(spelt).digest == event(line()).digest
    assert event(line(outcome="failure")).digest != event(line()).digest
    assert event(line(a=1, b=2)).digest == event(line(b=2, a=1)).digest
    assert event(line(a=1)).digest != event(line()).digest


def test_foreign_record() -> None:
    """A record of a foreign producer is one event under the id that its place on the log gives, or a reject."""
    record = read_native(line(event_id=None), arrival(), "topic-3-17")
    assert isinstance(record, EventRecord)
    assert record.event.event_id == "topic-3-17"
    for value in (b"", b"[]", b"\x82", b" " * 2_000_000):
        refused = read_native(value, arrival(), "topic-3-18")
        assert isinstance(refused, RejectRecord)
        assert (refused.id, refused.size) == ("topic-3-18", len(value))


def test_records_can_be_logged() -> None:
    """What is read can be encoded for the log and comes back the same, whatever was in its extra."""
    data = line(big=2**80, deep={"a": [{"b": 1.5}]}, nul="a\0", name="é")
    assert decode(encode(event(data))) == event(data)
    assert decode(encode(reject(b"\xff\0"))) == reject(b"\xff\0")


def test_blank_lines_are_ignored() -> None:
    """A blank line is accounted for as such."""
    assert ignored(read(line() + b"\n\n  \n" + line())) == [Ignored("blank", 2), Ignored("blank", 3)]


def test_byte_order_mark() -> None:
    """A byte order mark before the first record is no part of it."""
    assert event(b"\xef\xbb\xbf" + line()).event.event_id == "e1"


def test_long_line_is_one_reject() -> None:
    """A line that is too long is rejected with its full size, once."""
    cut = Line(b"{", 17, 3, 50_000_000, "ab" * 32)
    (rejected,) = NativeAdapter("f" * 16).read(cut, arrival())
    assert isinstance(rejected, RejectRecord)
    assert (rejected.reason, rejected.size, rejected.sha256) == ("line_too_long", 50_000_000, "ab" * 32)
    assert rejected.id == generated_id("f" * 16, 17, 0, b"{")
