"""What is published says under its id what it tells."""

import json

from gatewatch.core import anomalies
from gatewatch.core.anomalies import Anomaly
from gatewatch.core.records import RejectRecord
from gatewatch.core.times import DAY
from gatewatch.ports import LOGINS, Claim
from gatewatch.services.announcing import dead_letter, of_anomaly, of_dead_letter, of_status
from tests.builders import START

_STATUS = {
    "tenant_id": "a/b c",
    "anomaly": "f00",
    "status": "resolved",
    "revision": 3,
    "count": 7,
    "changed_at": "2026-11-20T08:00:00+00:00",
    "changed_by": "ada",
}


def _anomaly(version: int, state: str = "open") -> bytes:
    found = Anomaly(
        id="f00",
        tenant_id="acme",
        subject_kind="user",
        subject="alice",
        detector="brute_force",
        slot=START // DAY * DAY,
        code="brute_force",
        state="withdrawn" if state == "withdrawn" else "open",
        severity="high",
        score=70,
        count=12,
        first_seen=START,
        last_seen=START + 1_000_000,
        version=version,
    )
    return anomalies.encode(found)


def test_versions_of_an_anomaly() -> None:
    """The first version opens, later ones update, a withdrawn one withdraws; the id is the anomaly's and version."""
    types = [
        of_anomaly(value).attributes["type"].rpartition(".")[2]
        for value in (_anomaly(1), _anomaly(2), _anomaly(3, "withdrawn"))
    ]
    assert types == ["opened", "updated", "withdrawn"]
    event = of_anomaly(_anomaly(2))
    assert event.attributes == {
        "specversion": "1.0",
        "id": "f00.2",
        "source": "/gatewatch/acme",
        "type": "gatewatch.anomaly.updated",
        "subject": "f00",
        "time": "2026-03-02T08:00:01Z",
        "anomalyversion": "2",
    }
    assert event.data == _anomaly(2)


def test_a_status() -> None:
    """A change of status names its revision; a tenant's name is safe in the source."""
    event = of_status(json.dumps(_STATUS).encode())
    assert event.attributes["id"] == "f00.status.3"
    assert event.attributes["statusrevision"] == "3"
    assert event.attributes["source"] == "/gatewatch/a%2Fb%20c"


def test_a_dead_letter_says_where_it_lay() -> None:
    """A dead letter carries its bytes and its place on the log, under its own id."""
    record = RejectRecord(
        "x-1", "acme", "log", "undecodable", "not a record", b"\xc1", 1, "00", START, "import"
    )
    value = dead_letter(record, Claim(LOGINS, 3, 1, "me", 0, 0, 1, 4), 17)
    found = json.loads(value)
    assert (found["topic"], found["partition"], found["offset"], found["raw"]) == (LOGINS, 3, 17, "wQ==")
    assert "origin" not in found
    event = of_dead_letter(value)
    assert event.attributes["id"] == "x-1"
    assert event.attributes["time"] == "2026-03-02T08:00:00Z"
