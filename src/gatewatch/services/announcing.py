"""Messages for others: anomalies, what people say of them, and dead letters, as CloudEvents in binary mode.

An id is the same however often a message is sent. Each message of an anomaly is all of it, with its version and the
revision of its status: a consumer keeps the highest of each.
"""

from collections.abc import Sequence
from typing import Literal
from urllib.parse import quote

import msgspec

from gatewatch import __version__
from gatewatch.core import anomalies, ocsf
from gatewatch.core.anomalies import Anomaly, Status
from gatewatch.core.records import RejectRecord
from gatewatch.core.times import isoformat
from gatewatch.log_ports import CloudEvent, ReadStanding, Standing
from gatewatch.ports import Claim

Type = Literal[
    "gatewatch.anomaly.opened",
    "gatewatch.anomaly.updated",
    "gatewatch.anomaly.withdrawn",
    "gatewatch.anomaly.status",
    "gatewatch.login.dead-letter",
]


def of_anomalies(read: ReadStanding, values: Sequence[bytes]) -> list[CloudEvent | None]:
    """Versions of anomalies: opened, updated, or withdrawn; each with what people said by now."""
    found = [anomalies.decode(value) for value in values]
    standing = read({(one.tenant_id, one.id) for one in found})
    return [_version(one, standing.get((one.tenant_id, one.id))) for one in found]


def _version(found: Anomaly, standing: Standing | None) -> CloudEvent:
    type: Type = "gatewatch.anomaly.opened" if found.version == 1 else "gatewatch.anomaly.updated"
    if found.state == "withdrawn":
        type = "gatewatch.anomaly.withdrawn"
    said = (standing.status, standing.revision) if standing is not None else ("new", 0)
    return _finding(Standing(found, *said), f"{found.id}.{found.version}", type, isoformat(found.last_seen))


class _Change(msgspec.Struct):
    """What the outbox holds of a change of status."""

    tenant_id: str
    anomaly: str
    status: Status
    revision: int
    changed_at: str


_change = msgspec.json.Decoder(_Change).decode


def of_statuses(read: ReadStanding, values: Sequence[bytes]) -> list[CloudEvent | None]:
    """Changes of anomalies' statuses; each with its anomaly as it is by now."""
    found = [_change(value) for value in values]
    standing = read({(one.tenant_id, one.anomaly) for one in found})
    return [_said(one, standing.get((one.tenant_id, one.anomaly))) for one in found]


def _said(change: _Change, standing: Standing | None) -> CloudEvent | None:
    if standing is None:
        return None
    id = f"{change.anomaly}.status.{change.revision}"
    then = Standing(standing.anomaly, change.status, change.revision)
    return _finding(then, id, "gatewatch.anomaly.status", change.changed_at)


def _finding(standing: Standing, id: str, type: Type, time: str) -> CloudEvent:
    """A Detection Finding of OCSF."""
    anomaly, status, revision = standing
    data = msgspec.json.encode(ocsf.detection_finding(anomaly, status, revision, __version__))
    numbers = {"anomalyversion": str(anomaly.version), "statusrevision": str(revision)}
    return CloudEvent(_attributes(anomaly.tenant_id, id, type, anomaly.id) | {"time": time} | numbers, data)


class _DeadLetter(msgspec.Struct):
    """A dead letter as it is published; `raw` is base64."""

    id: str
    tenant_id: str
    source: str
    reason: str
    detail: str
    raw: bytes
    size: int
    sha256: str
    received: str
    topic: str
    partition: int
    offset: int


_dead_letter = msgspec.json.Decoder(_DeadLetter).decode


def dead_letter(record: RejectRecord, claim: Claim, offset: int) -> bytes:
    """What is published of a dead letter."""
    found = msgspec.structs.asdict(record)
    wanted = {name: found[name] for name in _DeadLetter.__struct_fields__ if name in found}
    wanted["received"] = isoformat(record.received)
    return msgspec.json.encode(_DeadLetter(**wanted, topic=claim.topic, partition=claim.part, offset=offset))


def of_dead_letters(values: Sequence[bytes]) -> list[CloudEvent | None]:
    """Dead letters."""
    return [_lost(value) for value in values]


def _lost(value: bytes) -> CloudEvent:
    found = _dead_letter(value)
    attributes = _attributes(found.tenant_id, found.id, "gatewatch.login.dead-letter", found.reason)
    return CloudEvent(attributes | {"time": found.received}, value)


def _attributes(tenant: str, id: str, type: Type, subject: str) -> dict[str, str]:
    return {
        "specversion": "1.0",
        "id": id,
        "source": f"/gatewatch/{quote(tenant, safe='')}",
        "type": type,
        "subject": subject,
    }
