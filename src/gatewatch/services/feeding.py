"""Feeding events into the log with a rhythm: so many per second, or as they once came."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, count
from typing import Protocol

import msgspec

from gatewatch.core.records import EventRecord, RejectRecord
from gatewatch.ingest.contract import Arrival
from gatewatch.ingest.native import read_native
from gatewatch.ports import Clock
from gatewatch.simulator.labels import Simulated
from gatewatch.simulator.wire import native_json

#: Events due within this time (s) travel together.
TOGETHER = 0.05


class Taker(Protocol):
    """Takes records one by one and sends them on together."""

    def add(self, record: EventRecord | RejectRecord) -> None:
        """Take one."""
        ...

    def flush(self) -> None:
        """Send on what was taken."""
        ...


def steadily(rate: float) -> Iterator[float]:
    """When each of endless events is due (s after the first), at `rate` per second."""
    return (number / rate for number in count())


def parted(simulated: Iterator[Simulated], time: int) -> tuple[list[Simulated], Iterator[Simulated]]:
    """What happens before a time (µs), and the rest, of events in order."""
    before: list[Simulated] = []
    for found in simulated:
        if found.event.time >= time:
            return before, chain([found], simulated)
        before.append(found)
    return before, iter(())


def arriving(
    simulated: Iterable[Simulated], arrival: Arrival, clock: Clock
) -> Iterator[EventRecord | RejectRecord]:
    """Simulated events as an application would send them, each arriving when it is asked for."""
    for found in simulated:
        raw = native_json(found.event).rstrip(b"\n")
        yield read_native(raw, at_now(arrival, clock), found.event.event_id)


def at_now(arrival: Arrival, clock: Clock) -> Arrival:
    """The arrival of what arrives now."""
    return msgspec.structs.replace(arrival, received=clock.now())


def shifted(record: EventRecord, time: int, run: str) -> EventRecord:
    """A recorded event that happens again at `time` (µs), under an id of this run."""
    event = msgspec.structs.replace(record.event, time=time, event_id=f"{record.event.event_id}~{run}")
    return msgspec.structs.replace(record, event=event, received=time, time_by_arrival=False)


def feed(
    taker: Taker,
    events: Iterable[EventRecord | RejectRecord],
    dues: Iterable[float],
    clock: Callable[[], float],
    pause: Callable[[float], object],
) -> None:
    """Send each event when it is due (s after the first). `pause` may raise to end it; `clock` is monotonic."""
    start = clock()
    for due, event in zip(dues, events, strict=False):
        ahead = start + due - clock()
        if ahead > TOGETHER:
            taker.flush()
            pause(ahead)
        taker.add(event)
    taker.flush()
