"""The relay: what transactions put into the outbox goes on to its topic, at least once, in order per partition."""

from collections.abc import Mapping
from functools import partial

import msgspec

from gatewatch.outbox_ports import OutboxReader
from gatewatch.ports import LOGINS, LogWriter
from gatewatch.services.appending import append, dead_letter, left_out


class Relay(msgspec.Struct, frozen=True):
    """Relays messages to the sink of their topic; a topic without one stays in the outbox, which is its feed."""

    outbox: OutboxReader
    sinks: Mapping[str, LogWriter]
    limit: int = 500

    def turn(self) -> int:
        """Relay what waits; returns how many messages that were. Positions move on only after the sink has them, so a
        crash in between sends some twice: their ids are the same, and a repeat changes nothing.
        """
        found = self.outbox.unrelayed(self.limit)
        if not found:
            return 0
        for topic, sink in self.sinks.items():
            if records := [(m.message.key, m.message.value) for m in found if m.message.topic == topic]:
                append(sink, records, dead_letter if topic == LOGINS else partial(left_out, topic))
        positions: dict[int, int] = {}
        for item in found:
            positions[item.part] = max(item.seq, positions.get(item.part, 0))
        self.outbox.relayed(positions)
        return len(found)
