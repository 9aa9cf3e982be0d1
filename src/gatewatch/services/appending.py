"""Appending where a topic may refuse a message: what it refuses harms no other."""

from collections.abc import Callable, Sequence

import msgspec

from gatewatch import logs
from gatewatch.core import records
from gatewatch.core.records import EventRecord
from gatewatch.ingest.contract import Arrival, Refused, rejected
from gatewatch.ports import LOGINS, BadData, LogWriter
from gatewatch.services.decoding import REFUSED

Message = tuple[str, bytes]


def append(log: LogWriter, found: Sequence[Message], instead: Callable[[bytes], Message | None]) -> None:
    """Append (key, value) pairs. Where the topic refuses, they are halved until what it refuses stands alone; `instead`
    tells what takes its place, if anything does. Raises `Unavailable`; then all of it is to be sent again.
    """
    try:
        log.append(found)
    except BadData:
        if len(found) > 1:
            half = len(found) // 2
            append(log, found[:half], instead)
            append(log, found[half:], instead)
        elif (other := instead(found[0][1])) is not None:
            append(log, [other], instead)


def dead_letter(value: bytes) -> Message | None:
    """What takes the place of an event that the log refuses: a dead letter. Of anything else there is nothing left to
    try.
    """
    record = records.decode(value)
    if not isinstance(record, EventRecord):
        left_out(LOGINS, value)
        return None
    arrival = Arrival(
        tenant_id=record.tenant_id, received=record.received, source=record.event.source, origin=record.origin
    )
    refusal = Refused("bad_field", "the log refuses a value of this record")
    found = rejected(refusal, f"refused-{record.event.event_id}", record.raw, arrival)
    return found.key, records.encode(msgspec.structs.replace(found, reason=REFUSED))


def left_out(topic: str, value: bytes) -> None:
    """A message that its topic will never take is told of, and stands in nobody's way."""
    logs.get().error("a message was refused by its topic and is left out", topic=topic, bytes=len(value))
