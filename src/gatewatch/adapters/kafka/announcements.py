"""Messages for others, as CloudEvents in Kafka's binary mode: attributes are headers, the value is the data."""

from collections.abc import Sequence

from gatewatch.adapters.kafka.log import Header, KafkaLog, Sent
from gatewatch.log_ports import CloudEvent, Shape


class Announcements:
    """A sink of the outbox (see `log_ports.Log`)."""

    def __init__(self, log: KafkaLog, shape: Shape) -> None:
        self._log, self._shape = log, shape

    def append(self, records: Sequence[tuple[str, bytes]]) -> None:
        """Publish (key, value) pairs, durably and in order per key."""
        events = self._shape([value for _, value in records])
        found = zip(records, events, strict=True)
        self._log.send([_message(key, event) for (key, _), event in found if event is not None])

    def close(self) -> None:
        """Close the client; the next message makes another."""
        self._log.close()


def _message(key: str, event: CloudEvent) -> Sent:
    headers: list[Header] = [(f"ce_{name}", text.encode()) for name, text in event.attributes.items()]
    return Sent(key, event.data, [*headers, ("content-type", b"application/json")])
