"""The seeded worlds that scenarios are measured on, as log records and as lines of a file."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Literal

from benchmarks.progress import Progress
from gatewatch.core import records
from gatewatch.core.events import LoginEvent
from gatewatch.core.records import EventRecord, content_digest
from gatewatch.log_ports import Log
from gatewatch.simulator.flood import flood
from gatewatch.simulator.wire import native_json
from gatewatch.simulator.world import DEFAULT_START, throughput_world

SEED = 7
World = Literal["throughput", "flood"]
#: Records handed to the log at once.
_CHUNK = 5_000


def events(world: World, count: int) -> Iterator[LoginEvent]:
    """The first `count` events of a world made for about as many."""
    source = (
        throughput_world(SEED, count).events() if world == "throughput" else flood(SEED, count, DEFAULT_START)
    )
    return islice((simulated.event for simulated in source), count)


def fill(log: Log, world: World, count: int, progress: Progress) -> None:
    """Put the events of a world onto the log."""
    put(log, events(world, count), count, progress, f"filling the log ({world})")


def put(log: Log, found: Iterable[LoginEvent], about: int, progress: Progress, what: str) -> int:
    """Put events onto the log, as a native sender's, and close it; returns how many there were."""
    chunk, number = [], 0
    for number, event in enumerate(found, 1):
        raw = native_json(event)
        record = EventRecord(event, raw, content_digest(raw), event.time)
        chunk.append((record.key, records.encode(record)))
        if len(chunk) == _CHUNK:
            log.append(chunk)
            chunk = []
            progress.moved(what, number, about)
    log.append(chunk)
    log.close()
    return number


def write(path: Path, count: int, progress: Progress) -> None:
    """Write the events of the throughput world as native JSON lines."""
    with path.open("wb") as file:
        for number, event in enumerate(events("throughput", count), 1):
            file.write(native_json(event))
            if number % _CHUNK == 0:
                progress.moved("writing the file", number, count)
