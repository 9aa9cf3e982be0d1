"""Messages for others: anomalies, what people say of them, and dead letters, as CloudEvents in binary mode.

An id is the same however often a message is sent, and says what is told: a consumer keeps the highest version of an
anomaly and the highest revision of its status.
"""

from typing import Any, Literal
from urllib.parse import quote

import msgspec

from gatewatch.core import anomalies
from gatewatch.core.records import RejectRecord
from gatewatch.core.times import isoformat
from gatewatch.log_ports import CloudEvent
from gatewatch.ports import Claim

Type = Literal[
    "gatewatch.anomaly.opened",
    "gatewatch.anomaly.updated",
    "gatewatch.anomaly.withdrawn",
    "gatewatch.anomaly.status",
    "gatewatch.login.dead-letter",
]


def of_anomaly(value: bytes) -> CloudEvent:
    """A version of an anomaly: opened, updated, or withdrawn."""
    found = anomalies.decode(value)
    type: Type = "gatewatch.anomaly.opened" if found.version == 1 else "gatewatch.anomaly.updated"
    if found.state == "withdrawn":
        type = "gatewatch.anomaly.withdrawn"
    attributes = _attributes(found.tenant_id, f"{found.id}.{found.version}", type, found.id)
    return CloudEvent(
        attributes | {"time": isoformat(found.last_seen), "anomalyversion": str(found.version)}, value
    )


def of_status(value: bytes) -> CloudEvent:
    """A change of an anomaly's status."""
    found: dict[str, Any] = msgspec.json.decode(value)
    id, revision = found["anomaly"], found["revision"]
    attributes = _attributes(found["tenant_id"], f"{id}.status.{revision}", "gatewatch.anomaly.status", id)
    return CloudEvent(attributes | {"time": found["changed_at"], "statusrevision": str(revision)}, value)


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


def of_dead_letter(value: bytes) -> CloudEvent:
    """A dead letter."""
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
