"""What is written for others: native JSON lines, and when to send them."""

import json

import msgspec
import pytest

from gatewatch.core.records import EventRecord
from gatewatch.ingest.contract import Arrival
from gatewatch.ingest.native import read_native
from gatewatch.simulator import native_json
from gatewatch.simulator.pacing import by_rate, by_speed
from tests.unit.simulator.worlds import everything


def test_events_read_back_through_the_native_adapter() -> None:
    """Writing an event and reading it as `native` gives the same event, of every scenario and of ordinary life."""
    for item in everything(users=200, days=3).events():
        arrival = Arrival(tenant_id="default", received=item.event.time, source="native")
        read = read_native(native_json(item.event), arrival, "no id")
        assert isinstance(read, EventRecord)
        assert msgspec.structs.replace(read.event, extra={}) == item.event


def test_the_wire_form_is_one_line_of_the_published_shape() -> None:
    """A line is one JSON object of the names that the HTTP API takes, with nothing empty in it."""
    for item in everything(users=50, days=2).events():
        line = native_json(item.event)
        assert line.endswith(b"\n")
        assert line.count(b"\n") == 1
        record = json.loads(line)
        assert {"event_id", "type", "outcome", "occurred_at", "user", "context"} <= set(record)
        assert set(record["context"]) <= {"ip", "user_agent", "device_id", "session_id"}
        assert record["type"] in {"login", "mfa"}
        assert all(value not in ("", None, {}) for value in record.values())


def test_speed_keeps_the_rhythm() -> None:
    """Offsets are event-time distances divided by the speed, and never fall."""
    assert list(by_speed([10_000_000, 20_000_000, 15_000_000, 40_000_000], 10)) == [0.0, 1.0, 1.0, 3.0]
    assert list(by_speed([], 1)) == []


def test_rate_spaces_events_evenly() -> None:
    """At 4 events per second an event is due every quarter of a second."""
    assert list(by_rate(3, 4)) == [0.0, 0.25, 0.5]


@pytest.mark.parametrize("wrong", [0, -1])
def test_pacing_refuses_what_never_ends(wrong: float) -> None:
    """A speed or a rate of zero or less is an error."""
    with pytest.raises(ValueError, match="above 0"):
        list(by_speed([1], wrong))
    with pytest.raises(ValueError, match="above 0"):
        by_rate(1, wrong)
