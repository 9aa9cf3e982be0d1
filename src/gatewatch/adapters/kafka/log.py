"""Appends to a topic: what it returned from lies on every in-sync copy."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from gatewatch.adapters.kafka.buffers import TRACE
from gatewatch.adapters.kafka.connection import MAX_RECORD, Config, Outage, as_ours, translated
from gatewatch.ports import Unavailable
from gatewatch.tracing_ports import TracedRecord

#: The most records, and KiB, that wait in the client.
QUEUE_RECORDS = 100_000
QUEUE_KIB = 64 << 10
#: How long a report may come after its time, in seconds.
GRACE = 5.0
#: How long a record waits for others to share its request, in milliseconds.
LINGER = 1
_TICK = 0.1

Header = tuple[str, bytes]


class Sent(NamedTuple):
    """A message as it goes to the brokers."""

    key: str
    value: bytes
    headers: list[Header] | None = None


class KafkaLog:
    """Writes to a topic (see `ports.LogWriter`). Safe for several threads.

    `seconds` is how long an append may take. `verify` is called before each; it raises `Unavailable` where this is not
    the topic that is read.
    """

    def __init__(
        self, config: Config, topic: str, seconds: float, verify: Callable[[], None] | None = None
    ) -> None:
        self._topic, self._seconds, self._verify = topic, seconds, verify
        self._outage = Outage(f"writing {topic}")
        self._config = config | {
            "acks": "all",
            "enable.idempotence": True,
            "compression.type": "zstd",
            "partitioner": "murmur2_random",  # as Java's default, and as `core.partitioning.partition_of`
            "delivery.timeout.ms": round(seconds * 1000),
            "linger.ms": LINGER,
            "message.max.bytes": MAX_RECORD,
            "queue.buffering.max.messages": QUEUE_RECORDS,
            "queue.buffering.max.kbytes": QUEUE_KIB,
            "error_cb": self._outage,
        }
        self._lock = Lock()
        self._client: _Client | None = None

    def append(self, records: Sequence[tuple[str, bytes]]) -> None:
        """Append (key, value) pairs, durably and in order per key. Raises `Unavailable`: then send all again; and
        `BadData` where one of them is too large.
        """
        self.send([Sent(key, value) for key, value in records])

    def append_traced(self, records: Sequence[TracedRecord]) -> None:
        """Append records that carry their trace in a header."""
        self.send(
            [Sent(key, value, [(TRACE, trace.encode())] if trace else None) for key, value, trace in records]
        )

    def send(self, messages: Sequence[Sent]) -> None:
        """Append messages with headers, likewise."""
        client = self._ready()
        delivery = _Delivery(len(messages))
        until = monotonic() + self._seconds
        for message in messages:
            client.enqueue(self._topic, message, delivery, until)
        error = delivery.outcome(until + GRACE)
        if error is not None:
            raise as_ours(error)
        self._outage.over()

    def _ready(self) -> "_Client":
        with self._lock:
            if self._verify is not None:
                self._verify()
            if self._client is not None and self._client.spent:
                spent, self._client = self._client, None
                spent.close()
            if self._client is None:
                with translated():
                    self._client = _Client(self._config, self._outage)
            return self._client

    def close(self) -> None:
        """Close the client; the next append makes another."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()


class _Client:
    """A producer, and the thread that hears its reports. `spent`: it will never append again, another one may."""

    def __init__(self, config: Config, outage: Outage) -> None:
        self._outage, self.spent = outage, False
        self._producer = Producer(config)
        self._closed = Event()
        self._thread = Thread(target=self._listen, name="kafka-reports", daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        try:
            while not self._closed.is_set():
                self._producer.poll(_TICK)
        except KafkaException as error:  # so the client says that it is lost, such as when it may not write
            self._outage(error.args[0])
        finally:
            self.spent = True  # whatever ended it: nobody hears reports any more

    def enqueue(self, topic: str, message: Sent, delivery: "_Delivery", until: float) -> None:
        """Hand a message over, waiting while the queue is full. Raises `Unavailable`, `BadData`."""
        key, value, headers = message
        more: dict[str, Any] = {"headers": headers} if headers else {}
        while True:
            try:
                self._producer.produce(topic, value, key.encode(), on_delivery=delivery.report, **more)
            except BufferError:
                if monotonic() > until:
                    raise Unavailable("Kafka: too much waits to be sent") from None
                self._closed.wait(0.01)
            except KafkaException as error:
                raise as_ours(error.args[0]) from error
            else:
                return

    def close(self) -> None:
        """What still waits is dropped: nobody was promised it."""
        self._closed.set()
        self._thread.join()
        with suppress(KafkaException):  # of one that is spent: there is nothing left to lose
            self._producer.purge()
            self._producer.flush(1.0)


class _Delivery:
    """The reports of one append; they come in the client's one thread."""

    def __init__(self, n: int) -> None:
        self._left = n
        self._error: KafkaError | None = None
        self._done = Event()
        if not n:
            self._done.set()

    def report(self, error: KafkaError | None, message: Message) -> None:
        """One record was delivered, or was not."""
        del message
        self._error = self._error or error
        self._left -= 1
        if not self._left:
            self._done.set()

    def outcome(self, until: float) -> KafkaError | None:
        """What went wrong, if anything did. Raises `Unavailable` where that is not known by then."""
        if not self._done.wait(max(0.0, until - monotonic())):
            raise Unavailable("Kafka: not all reports came")
        return self._error
