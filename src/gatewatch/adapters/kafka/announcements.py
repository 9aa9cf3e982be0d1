"""Messages for others, as CloudEvents in Kafka's binary mode: attributes are headers, the value is the data."""

from collections.abc import Sequence

from gatewatch.adapters.kafka.buffers import TRACE
from gatewatch.adapters.kafka.log import Header, KafkaLog, Sent
from gatewatch.core.traces import carried
from gatewatch.log_ports import CloudEvent, Shape
from gatewatch.tracing_ports import Span, Tracing


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


class TracedAnnouncements(Announcements):
    """As `Announcements`, with a span of each message, in the trace of the login that it is about where that is known;
    the message carries it on.
    """

    def __init__(self, log: KafkaLog, shape: Shape, tracing: Tracing) -> None:
        super().__init__(log, shape)
        self._tracing = tracing

    def append(self, records: Sequence[tuple[str, bytes]]) -> None:
        """Publish."""
        messages: list[Sent] = []
        spans: list[tuple[Span, CloudEvent]] = []
        for (key, value), event in zip(records, self._shape([value for _, value in records]), strict=True):
            if event is not None:
                span = self._tracing.begin("publish", "producer", carried(value)[1])
                messages.append(_message(key, event, [(TRACE, span.trace.encode())]))
                spans.append((span, event))
        error: Exception | None = None
        try:
            self._log.send(messages)
        except Exception as raised:
            error = raised
            raise
        finally:
            for span, event in spans:
                told = event.attributes
                span.end(
                    error,
                    gatewatch__anomaly=told["subject"],
                    cloudevents__event_id=told["id"],
                    cloudevents__event_type=told["type"],
                )


def _message(key: str, event: CloudEvent, more: Sequence[Header] = ()) -> Sent:
    headers: list[Header] = [(f"ce_{name}", text.encode()) for name, text in event.attributes.items()]
    return Sent(key, event.data, [*headers, ("content-type", b"application/json"), *more])
