"""Questions and reports as they are read: what belongs to the event, and what is beside it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gatewatch.core.decisions import decision_id
from gatewatch.core.records import EventRecord
from gatewatch.core.times import isoformat
from gatewatch.ingest.contract import Arrival, Refused
from gatewatch.ingest.decisions import Report, login_of, read_decision, read_report
from gatewatch.ingest.native import read_native
from tests.ingesting import NOW

ARRIVAL = Arrival(tenant_id="acme", received=NOW, source="decision")
BASE: dict[str, Any] = {
    "event_id": "e",
    "outcome": "attempted",
    "occurred_at": "2026-03-02T08:00:00Z",
    "user": "alice",
    "ip": "192.0.2.1",
}


def body(**changes: Any) -> bytes:
    """A question."""
    return json.dumps({**BASE, **changes}).encode()


def record(**changes: Any) -> EventRecord:
    """What a question becomes."""
    return read_decision(body(**changes), ARRIVAL, "fallback").record


def test_a_question_is_a_native_event() -> None:
    """The event is the one that the same JSON is elsewhere, whatever is asked beside it."""
    other = read_native(body(), ARRIVAL, "fallback")
    assert isinstance(other, EventRecord)
    for beside in ({}, {"policy": "default"}, {"dry_run": True}, {"policy": None, "dry_run": False}):
        found = record(**beside)
        assert (found.event, found.digest) == (other.event, other.digest)
    assert read_decision(body(dry_run=True), ARRIVAL, "").dry_run
    assert not read_decision(body(), ARRIVAL, "").dry_run


def test_unknown_fields_are_the_events() -> None:
    """What has no field is kept with the event, the words beside it are not."""
    found = record(policy="default", dry_run=False, risk_hint=3, stage="pre_auth")
    assert found.event.extra == {"risk_hint": 3, "stage": "pre_auth"}
    assert record(event_id=None).event.event_id == "fallback"


@pytest.mark.parametrize("byte_mark", [b"", b"\xef\xbb\xbf \n"])
def test_white_space_is_no_content(byte_mark: bytes) -> None:
    """A byte order mark and space around it change nothing."""
    assert read_decision(byte_mark + body() + b"\n", ARRIVAL, "").record.digest == record().digest


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "bad_json"),
        (b"[]", "not_an_object"),
        (b"{" * 100, "too_deep"),
        (b'{"outcome":"success"}', "no_time"),
        (body(outcome="challenge"), "unknown_outcome"),
        (body(type="mfa"), "unknown_type"),
        (body(policy="other"), "bad_field"),
        (body(dry_run=1), "bad_field"),
        (body(occurred_at="yesterday"), "bad_time"),
        (b" " * (1 << 20) + body(), "line_too_long"),
    ],
)
def test_what_is_no_question(text: bytes, reason: str) -> None:
    """What cannot be decided on is refused with the reason codes of events."""
    with pytest.raises(Refused) as refusal:
        read_decision(text, ARRIVAL, "")
    assert refusal.value.reason == reason


def test_a_report_says_something() -> None:
    """Login, challenge or both; unknown fields are ignored, unknown values are not."""
    assert read_report(b'{"login":"failure","reason":"mfa_denied","x":1}') == Report(
        "failure", None, "mfa_denied"
    )
    for text, reason in (
        (b"{}", "missing_field"),
        (b'{"login":null}', "missing_field"),
        (b'{"login":"maybe"}', "bad_field"),
        (b'{"challenge":"open"}', "bad_field"),
        (b"[1]", "bad_field"),
        (b"{", "bad_json"),
    ):
        with pytest.raises(Refused) as refusal:
            read_report(text)
        assert refusal.value.reason == reason


def test_a_result_is_the_login_again_as_it_ended() -> None:
    """Who, from where and with what are the attempt's; outcome, reason, time and id its own."""
    decided = record(context={"user_agent": "x", "device_id": "d"}, zone="?").event
    id = decision_id("acme", "e")
    report = Report("failure", None, "mfa denied", "2026-03-02T08:01:00Z")
    found = login_of(report, b"{}", decided, id, ARRIVAL).event
    assert (found.event_id, found.outcome, found.reason_class) == (f"{id}-login", "failure", "mfa_denied")
    assert (found.user, found.ip, found.device_id, found.ua) == (
        decided.user,
        decided.ip,
        decided.device_id,
        decided.ua,
    )
    assert (isoformat(found.time), found.extra) == ("2026-03-02T08:01:00Z", {"decision_id": id})


def test_a_result_without_a_time_is_of_now() -> None:
    """Where the report names no time it is when it arrived; one ahead of that is clamped; one that is none refused."""
    decided = record(occurred_at="2099-01-01T00:00:00Z").event
    assert decided.flags == ("time_clamped",)
    now = login_of(Report("success"), b"", decided, "dec_1", ARRIVAL)
    assert (now.event.time, now.event.flags, now.event.reason_class) == (NOW, (), None)
    ahead = login_of(Report("success", occurred_at="2099-01-01T00:00:00"), b"", decided, "dec_1", ARRIVAL)
    assert (ahead.event.time, ahead.event.flags) == (NOW, ("zone_assumed", "time_clamped"))
    with pytest.raises(Refused):
        login_of(Report("success", occurred_at="soon"), b"", decided, "dec_1", ARRIVAL)
