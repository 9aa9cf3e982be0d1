"""What lies on the log comes back as it was."""

import msgspec
import pytest

from gatewatch.core import records
from gatewatch.core.records import ControlRecord, EventRecord, Record, RejectRecord
from tests.builders import START, failure, login

RECORDS: list[Record] = [
    EventRecord(login(START), b'{"a":1}', b"digest", START + 1, True, "import"),
    EventRecord(failure(START), b"", b"digest", START + 1),
    RejectRecord("id", "acme", "native", "bad_json", "It is no JSON.", b"\xff{", 2, "sha", START, "import"),
    ControlRecord(id="c", tenant_id="acme", user_key="alice", kind="verdict", time=START, verdict="safe"),
    ControlRecord(
        id="d",
        tenant_id="acme",
        user_key="alice",
        kind="doubt",
        time=START,
        event_id="e",
        event_time=START,
        finding="f",
        evidence=msgspec.json.encode({"address": "192.0.2.1", "failures": 12}),
    ),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_round_trip(record: Record) -> None:
    """A record is read from the log as it was written."""
    assert records.decode(records.encode(record)) == record
