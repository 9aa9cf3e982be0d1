"""From a log record to what it is, and whether it is here that it belongs."""

import re
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256

import msgspec

from gatewatch.core import records
from gatewatch.core.events import MAX_TEXT, TENANT
from gatewatch.core.keys import prefix_of
from gatewatch.core.partitioning import partition_of
from gatewatch.core.records import MAX_DEAD_LETTER, ControlRecord, EventRecord, Record, RejectRecord
from gatewatch.core.times import DAY, MAX_TIME, MIN_TIME, isoformat
from gatewatch.ports import Claim, LogRecord

#: Reads a foreign producer's JSON: (value, key, deterministic id, received µs) -> record.
ReadForeign = Callable[[bytes, str, str, int], EventRecord | RejectRecord]

#: The reasons that say something is wrong with whoever writes to the log, or with this version.
UNDECODABLE = "undecodable"
REFUSED = "refused"
#: The tenant of a record whose own cannot be told.
UNKNOWN_TENANT = "default"
#: The latest time that is let through: what is looked up around it must be a time as well.
_LATEST = MAX_TIME - 31 * DAY
_is_tenant = lru_cache(maxsize=1_024)(re.compile(TENANT).fullmatch)


def decode(found: LogRecord, claim: Claim, received: int, foreign: ReadForeign) -> Record:
    """The record; what cannot be read becomes a reject with a deterministic id, never an exception."""
    value = found.value
    if value.startswith((b"{", b"[")):
        return foreign(value, found.key, name_of(found, claim), received)
    try:
        record = records.decode(value)
        check(record)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        return undecodable(found, name_of(found, claim), received, str(error))
    return record


def name_of(found: LogRecord, claim: Claim) -> str:
    """What a record without an id of its own is known by."""
    return f"{claim.topic}-{claim.part}-{found.offset}"


def check(record: Record) -> None:
    """Raise `ValueError` where a record holds what no edge lets through and nothing behind can compute with.

    Our own edges never write such a record; one that did would otherwise end every detector that reads it.
    """
    sound = MIN_TIME <= record.received <= _LATEST
    if not _is_tenant(record.tenant_id):  # not even its dead letter could be stored, or be looked at
        raise ValueError("no tenant")
    if "\0" in record.origin or len(record.origin) > MAX_TEXT:
        raise ValueError("no import")
    if isinstance(record, EventRecord):
        event = record.event
        sound = sound and MIN_TIME <= event.time <= _LATEST
        if ":" in event.ip:
            prefix_of(event.ip)
        if event.asn is not None and not 0 <= event.asn.number < 1 << 32:
            raise ValueError("no AS number")
    elif isinstance(record, ControlRecord):
        sound = sound and MIN_TIME <= record.time <= _LATEST and MIN_TIME <= record.event_time <= _LATEST
    elif len(record.raw) > MAX_DEAD_LETTER:
        raise ValueError("too much of a dead letter")
    if not sound:
        raise ValueError("a time out of range")


def refusal(found: LogRecord, record: Record, claim: Claim) -> RejectRecord:
    """The reject that stands for a record which the store refuses by itself."""
    detail = "the store refuses a value of this record"
    return _reject(
        found, name_of(found, claim), record.received, REFUSED, detail, record.origin, record.tenant_id
    )


def tenant_of(key: str) -> str | None:
    """The tenant that a log's key (`tenant:user`) names, `UNKNOWN_TENANT` where it names none; None where what it names
    cannot be one.
    """
    tenant, colon, _ = key.partition(":")
    if not (colon and tenant):
        return UNKNOWN_TENANT
    return tenant if _is_tenant(tenant) else None


def undecodable(found: LogRecord, id: str, received: int, detail: str) -> RejectRecord:
    """The reject that stands for bytes nobody can read."""
    tenant_id = tenant_of(found.key) or UNKNOWN_TENANT
    return _reject(found, id, received, UNDECODABLE, f"not a record: {detail[:200]}", "", tenant_id)


def _reject(
    found: LogRecord, id: str, received: int, reason: str, detail: str, origin: str, tenant_id: str
) -> RejectRecord:
    return RejectRecord(
        id=id,
        tenant_id=tenant_id,
        source="log",
        reason=reason,
        detail=detail,
        raw=found.value[:MAX_DEAD_LETTER],
        size=len(found.value),
        sha256=sha256(found.value).hexdigest(),
        received=received,
        origin=origin,
    )


def lies_elsewhere(key: str, claim: Claim) -> bool:
    """Whether a key maps to another partition than the claim's (a foreign producer, or the topic was grown)."""
    return partition_of(key, claim.partitions) != claim.part


def too_old(record: EventRecord) -> RejectRecord:
    """The reject of an event from before the retention."""
    event = record.event
    return RejectRecord(
        id=f"old-{event.event_id}",
        tenant_id=event.tenant_id,
        source=event.source,
        reason="too_old",
        detail=f"the event is of {isoformat(event.time)}, older than the retention keeps",
        raw=record.raw[:MAX_DEAD_LETTER],
        size=len(record.raw),
        sha256="",
        received=record.received,
        origin=record.origin,
    )
