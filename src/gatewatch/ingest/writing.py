"""A login event as the native format has it: what another Gatewatch reads as the same event."""

import msgspec

from gatewatch.core.events import LoginEvent
from gatewatch.core.times import isoformat

#: What belongs to the connection or is found out anew on arrival.
_OF_ARRIVAL = ("tenant_id", "source", "flags")


def native_line(event: LoginEvent) -> bytes:
    """One line of JSON, without its end."""
    document = msgspec.to_builtins(event)
    for name in _OF_ARRIVAL:
        document.pop(name, None)
    return msgspec.json.encode(document | {"time": isoformat(event.time)})
