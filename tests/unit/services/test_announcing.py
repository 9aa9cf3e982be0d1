"""What is published says under its id what it tells."""

import json
from typing import Any

import msgspec

from gatewatch import __version__
from gatewatch.core import anomalies, ocsf
from gatewatch.core.anomalies import Anomaly
from gatewatch.core.records import RejectRecord
from gatewatch.core.times import DAY
from gatewatch.log_ports import CloudEvent, ReadStanding, Standing
from gatewatch.ports import LOGINS, Claim
from gatewatch.services.announcing import dead_letter, of_anomalies, of_dead_letters, of_statuses
from tests.builders import START

_STATUS: dict[str, Any] = {
    "tenant_id": "a/b c",
    "anomaly": "f00",
    "status": "resolved",
    "revision": 3,
    "count": 7,
    "changed_at": "2026-11-20T08:00:00+00:00",
    "changed_by": "ada",
}


def _anomaly(version: int, state: str = "open") -> Anomaly:
    return Anomaly(
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


def _standing(*found: Standing) -> ReadStanding:
    by_id = {(one.anomaly.tenant_id, one.anomaly.id): one for one in found}
    return lambda keys: {key: by_id[key] for key in keys if key in by_id}


def _event(found: list[CloudEvent | None]) -> CloudEvent:
    (event,) = found
    assert event is not None
    return event


def test_versions_of_an_anomaly() -> None:
    """The first version opens, later ones update, a withdrawn one withdraws; the id is the anomaly's and version."""
    versions = [_anomaly(1), _anomaly(2), _anomaly(3, "withdrawn")]
    told = of_anomalies(_standing(), [anomalies.encode(one) for one in versions])
    types = [event.attributes["type"].rpartition(".")[2] for event in told if event is not None]
    assert types == ["opened", "updated", "withdrawn"]
    event = _event(told[1:2])
    assert event.attributes == {
        "specversion": "1.0",
        "id": "f00.2",
        "source": "/gatewatch/acme",
        "type": "gatewatch.anomaly.updated",
        "subject": "f00",
        "time": "2026-03-02T08:00:01Z",
        "anomalyversion": "2",
        "statusrevision": "0",
    }
    assert json.loads(event.data) == ocsf.detection_finding(_anomaly(2), product_version=__version__)


def test_a_version_says_what_people_said() -> None:
    """A version that comes after somebody spoke carries that status, and its own version, not the newest."""
    read = _standing(Standing(_anomaly(5), "in_progress", 1))
    event = _event(of_anomalies(read, [anomalies.encode(_anomaly(4))]))
    assert event.attributes["statusrevision"] == "1"
    assert json.loads(event.data) == ocsf.detection_finding(_anomaly(4), "in_progress", 1, __version__)


def test_a_status() -> None:
    """A change of status names its revision and comes with its whole anomaly; a tenant's name is safe in the source."""
    anomaly = msgspec.structs.replace(_anomaly(5), tenant_id=_STATUS["tenant_id"])
    event = _event(of_statuses(_standing(Standing(anomaly, "new", 4)), [json.dumps(_STATUS).encode()]))
    assert event.attributes["id"] == "f00.status.3"
    assert (event.attributes["statusrevision"], event.attributes["anomalyversion"]) == ("3", "5")
    assert event.attributes["source"] == "/gatewatch/a%2Fb%20c"
    assert json.loads(event.data) == ocsf.detection_finding(anomaly, "resolved", 3, __version__)


def test_a_status_of_what_is_gone() -> None:
    """Nothing is told of an anomaly that was deleted since."""
    assert of_statuses(_standing(), [json.dumps(_STATUS).encode()]) == [None]


def test_a_dead_letter_says_where_it_lay() -> None:
    """A dead letter carries its bytes and its place on the log, under its own id."""
    record = RejectRecord(
        "x-1", "acme", "log", "undecodable", "not a record", b"\xc1", 1, "00", START, "import"
    )
    value = dead_letter(record, Claim(LOGINS, 3, 1, "me", 0, 0, 1, 4), 17)
    found = json.loads(value)
    assert (found["topic"], found["partition"], found["offset"], found["raw"]) == (LOGINS, 3, 17, "wQ==")
    assert "origin" not in found
    event = _event(of_dead_letters([value]))
    assert event.attributes["id"] == "x-1"
    assert event.attributes["time"] == "2026-03-02T08:00:00Z"
