"""The load of a scene: records that are sent at a rate, in order, again and again until they are acknowledged."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from threading import Event, Thread

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from gatewatch import bootstrap
from gatewatch.core.partitioning import partition_of
from gatewatch.ports import LOGINS, Unavailable
from gatewatch.settings import Settings
from tests.faults.scenario import Chunk, Item

#: Kinds that only their place tells apart.
PLACED = ("garbage", "anonymous", "poison")
#: How long a record that we place ourselves may take, in seconds.
DELIVERY = 5.0


class Load:
    """Sends chunks in a thread of its own; what it calls acknowledged is what an edge would answer 202 to.

    `rate` is records per second at most. `placed` is where records without an id of their own came to
    lie: (partition, offset, key, value).
    """

    def __init__(self, settings: Settings, conninfo: str, chunks: Sequence[Chunk], rate: float) -> None:
        self._log = bootstrap.appending(settings, conninfo)
        self._stranger = Placer(settings)
        self._chunks, self._rate = chunks, rate
        self._stop, self._pause, self._resting = Event(), Event(), Event()
        self._speed = 1.0
        self.acknowledged = self.refusals = 0
        self.exhausted = False
        self.failure: BaseException | None = None
        self.placed: list[tuple[int, int, str, bytes]] = []
        self._thread = Thread(target=self._run, name="load", daemon=True)

    @property
    def sent(self) -> list[Chunk]:
        """What was acknowledged."""
        return list(self._chunks[: self.acknowledged])

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def faster(self, times: float) -> None:
        """Send so many times as fast as at first."""
        self._speed = times

    def pause(self) -> None:
        """Send no more until told so; returns when nothing is under way."""
        self._pause.set()
        while not self._resting.wait(0.05) and self._thread.is_alive():
            pass  # what is under way is sent until it is acknowledged

    def resume(self) -> None:
        """Go on."""
        self._pause.clear()

    def stop(self, seconds: float) -> None:
        """End; what is under way is sent until it is acknowledged. Raises `AssertionError` where it never is."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(seconds)
        assert not self._thread.is_alive(), "records were never acknowledged"
        self._log.close()
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        try:
            for chunk in self._chunks:
                if not self._may_send(len(chunk)):
                    return
                while not self._send(chunk):
                    self.refusals += 1
                    Event().wait(0.1)  # as a client waits before it comes again
                self.acknowledged += 1
            self.exhausted = True
        except BaseException as error:  # noqa: BLE001 - told by `stop`, in the thread that asks
            self.failure = error
        finally:
            self._resting.set()

    def _may_send(self, records: int) -> bool:
        while self._pause.is_set() and not self._stop.wait(0.02):
            self._resting.set()
        self._resting.clear()
        return not self._stop.wait(records / (self._rate * self._speed))

    def _send(self, chunk: Chunk) -> bool:
        try:
            self._log.append([(i.key, i.value) for i in chunk if i.stray is None and i.kind not in PLACED])
            strays = [i for i in chunk if i.stray is not None or i.kind in PLACED]
            self.placed += self._stranger.place(strays)
        except Unavailable:
            return False
        return True


class Placer:
    """A producer that is not ours: it puts records on partitions of its own choice."""

    def __init__(self, settings: Settings) -> None:
        self._topic, self._partitions = settings.kafka_prefix + LOGINS, settings.kafka_partitions
        self._producer = Producer(
            {
                "bootstrap.servers": settings.kafka_bootstrap,
                "enable.idempotence": True,
                "delivery.timeout.ms": round(DELIVERY * 1000),
                "log_level": 0,
                "error_cb": lambda _: None,
            }
        )

    def place(self, items: Sequence[Item]) -> list[tuple[int, int, str, bytes]]:
        """Send records, durably; those that only their place tells apart, with that. Raises `Unavailable`."""
        errors: list[KafkaError] = []
        found: list[tuple[int, int, str, bytes]] = []

        def report(item: Item, error: KafkaError | None, message: Message) -> None:
            if error is not None:
                errors.append(error)
            elif item.kind in PLACED:
                found.append((message.partition() or 0, message.offset() or 0, item.key, item.value))

        for item in items:
            where, then = astray(item, self._partitions), partial(report, item)
            try:
                self._producer.produce(self._topic, item.value, item.key, partition=where, on_delivery=then)
            except (KafkaException, BufferError) as error:
                raise Unavailable(str(error)) from error
        if self._producer.flush(2 * DELIVERY) or errors:
            raise Unavailable(f"not all records were delivered: {errors[:1]}")
        return found


def astray(item: Item, partitions: int) -> int:
    """The partition that a stray record is put on: `stray` beyond the one its key belongs to."""
    return (partition_of(item.key, partitions) + (item.stray or 0)) % partitions
