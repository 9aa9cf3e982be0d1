"""`gatewatch simulate` makes up logins; `gatewatch replay` sends recorded ones again with their rhythm."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator
from enum import Enum
from itertools import chain, tee
from pathlib import Path
from time import monotonic, sleep
from typing import IO, Annotated
from uuid import uuid4

import typer

from gatewatch import bootstrap
from gatewatch.bootstrap import LogFile, SystemClock
from gatewatch.cli import stopping
from gatewatch.cli.attendance import Attendance, Log
from gatewatch.cli.errors import UserError
from gatewatch.cli.imports import Source, describe, moment_of
from gatewatch.cli.progress import progress_for
from gatewatch.cli.sending import KeyFile, is_address, sending
from gatewatch.cli.state import State, state_of
from gatewatch.core.records import EventRecord, RejectRecord
from gatewatch.ingest.contract import Arrival
from gatewatch.ingest.registry import ADAPTERS
from gatewatch.services.feeding import Taker, arriving, at_now, feed, shifted, steadily
from gatewatch.services.importing import Importer
from gatewatch.simulator.labels import Simulated
from gatewatch.simulator.network import networks
from gatewatch.simulator.pacing import by_speed
from gatewatch.simulator.scenarios import SCENARIOS
from gatewatch.simulator.wire import label_json, native_json
from gatewatch.simulator.world import DEFAULT_START, World

#: The `--out` that means the log of the running system instead of a file.
LOG = "log"


class Kind(Enum):
    """Whose logins are made up."""

    ENTERPRISE = "enterprise"
    CONSUMER = "consumer"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(simulate)
    app.command()(replay)


def simulate(
    context: typer.Context,
    out: Annotated[str, typer.Option(help="A file, -, `log` (the running system), or the URL of one.")],
    seed: Annotated[int, typer.Option(help="The same seed makes the same world.")] = 1,
    users: Annotated[int, typer.Option(min=1, max=5_000_000)] = 1_000,
    days: Annotated[float, typer.Option(min=0.01, max=3_650)] = 7,
    rate: Annotated[str, typer.Option(help="Events per second, or max.")] = "max",
    labels: Annotated[str, typer.Option(help="A file for the truth about attacks.", show_default=False)] = "",
    kind: Annotated[Kind, typer.Option(help="What kind of organisation.")] = Kind.ENTERPRISE,
    start: Annotated[
        str,
        typer.Option(help="When the world begins (ISO 8601; default: a fixed Monday).", show_default=False),
    ] = "",
    scenarios: Annotated[
        str, typer.Option(help="Attacks and decoys by name, with commas; all, or none.")
    ] = "all",
    geo: Annotated[
        str,
        typer.Option(help="A file for the world's geo database (GATEWATCH_GEO_CITY).", show_default=False),
    ] = "",
    key_file: KeyFile = "",
) -> None:
    """Make up the logins of an organisation, ordinary life and labelled attacks, in the native format."""
    stopping.by_interrupt()
    state = state_of(context)
    begin = moment_of("--start", start) if start else DEFAULT_START
    world = World(
        seed,
        users,
        days,
        begin,
        kind=kind.value,
        scenarios=_scenarios(scenarios),
        tenant_id=state.settings.tenant,
    )
    _check_key_file(key_file, is_address(out))
    events, dues = world.events(), steadily(_rate(rate))
    with contextlib.ExitStack() as stack:
        if labels:
            events = _labelled(events, stack.enter_context(_created(labels)))
        if geo:
            with _plainly(geo):
                bootstrap.build_mmdb(Path(geo), networks())
        if out == LOG or is_address(out):
            if world.calendar.end > SystemClock().now():
                state.say("the world ends in the future: what lies ahead of its arrival is dated back to it")
            address, arrival = "" if out == LOG else out, _arrival(state, "native", "simulate")
            taker = stack.enter_context(_taking(state, arrival, "--out", address, key_file))
            feed(taker, arriving(events, arrival, SystemClock()), dues, monotonic, sleep)
        else:
            _into_file(state, events, dues, stack.enter_context(_created(out)))


def _scenarios(text: str) -> list[str]:
    if text in ("all", "none"):
        return list(SCENARIOS) if text == "all" else []
    wanted = [name.strip() for name in text.split(",") if name.strip()]
    if unknown := [name for name in wanted if name not in SCENARIOS]:
        raise UserError(f"--scenarios: there is no {', '.join(unknown)} (there are {', '.join(SCENARIOS)})")
    return wanted


def _rate(text: str) -> float:
    if text == "max":
        return float("inf")
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not rate > 0:
        raise UserError(f"--rate: {text!r} is no number of events per second, nor max")
    return rate


@contextlib.contextmanager
def _plainly(name: str) -> Iterator[None]:
    """An error of the system about a file as one line."""
    try:
        yield
    except BrokenPipeError:
        raise
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UserError(f"{name}: {why}") from None


@contextlib.contextmanager
def _created(name: str) -> Iterator[IO[bytes]]:
    if name == "-":
        yield sys.stdout.buffer
        return
    with _plainly(name), Path(name).open("wb") as file:
        yield file


def _labelled(events: Iterable[Simulated], file: IO[bytes]) -> Iterator[Simulated]:
    for found in events:
        if found.label is not None:
            file.write(label_json(found.label))
        yield found


def _into_file(state: State, events: Iterable[Simulated], dues: Iterable[float], file: IO[bytes]) -> None:
    begun, count = monotonic(), 0
    for due, found in zip(dues, events, strict=False):
        ahead = begun + due - monotonic()
        if ahead > 0:
            file.flush()
            sleep(ahead)
        file.write(native_json(found.event))
        count += 1
    file.flush()
    state.say(f"{count:,} events")


def _arrival(state: State, source: str, origin: str) -> Arrival:
    return Arrival(
        tenant_id=state.settings.tenant,
        received=SystemClock().now(),
        source=source,
        origin=f"{origin}-{uuid4()}",
    )


def _taking(
    state: State, arrival: Arrival, option: str, address: str, key_file: str
) -> contextlib.AbstractContextManager[Taker]:
    """Who takes the events: the system elsewhere that an address names, else the one on this machine."""
    return sending(state, option, address, key_file) if address else _importing(state, arrival)


def _check_key_file(key_file: str, address: bool) -> None:
    if key_file and not address:
        raise UserError("--key-file is for sending to an address")


@contextlib.contextmanager
def _importing(state: State, arrival: Arrival) -> Iterator[Importer]:
    """Send into the running system, or one that runs for as long; then wait, and say what became of it."""
    with (
        progress_for(state.err) as progress,
        Attendance(state.settings, progress.say, command="simulate") as system,
    ):
        log, store = Log(system), bootstrap.imports(state.settings, lambda: system.conninfo)
        try:
            importer = Importer(log, store, arrival, progress, sleep)
            yield importer
            summary = importer.settle()
        finally:
            log.close()
            store.close()
    for line in describe(summary):
        state.out.print(line, markup=False, highlight=False, soft_wrap=True)


def replay(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="Recorded events; - is standard input.")],
    speed: Annotated[float, typer.Option(min=0.001, help="How many times as fast as they came.")] = 1.0,
    source: Annotated[Source, typer.Option(help="What kind of records they are.")] = Source.NATIVE,
    shift: Annotated[
        bool,
        typer.Option(
            "--shift", help="Let them happen when they are sent, under new ids; else they keep time and id."
        ),
    ] = False,
    to: Annotated[
        str, typer.Option(help="The URL of the system they go to; else the running one.", show_default=False)
    ] = "",
    key_file: KeyFile = "",
) -> None:
    """Send recorded events with their rhythm into the running system, or to one elsewhere.

    Without --shift they are the same events at the same times, only sent slowly: what is stored already stays as it
    is. With --shift they happen again, now: their gaps shrink with the speed.
    """
    stopping.by_interrupt()
    state = state_of(context)
    arrival = _arrival(state, source.value, "replay")
    adapter = ADAPTERS[source.value]
    if to and not is_address(to):
        raise UserError("--to: no address such as https://example.org")
    _check_key_file(key_file, bool(to))
    taking = _taking(state, arrival, "--to", to, key_file)
    with LogFile(file, adapter.framing) as lines, taking as taker:
        read = adapter(lines.identity)
        results = (result for line in lines for result in read.read(line, at_now(arrival, SystemClock())))
        known = (result for result in results if isinstance(result, EventRecord | RejectRecord))
        sent, timed = tee(known)
        dues = by_speed(_times(timed), speed)
        feed(taker, _again(sent, shift), dues, monotonic, sleep)


def _times(records: Iterable[EventRecord | RejectRecord]) -> Iterator[int]:
    """Event times; a record that has none is due with the one before it."""
    last: int | None = None
    waiting = 0
    for record in records:
        if isinstance(record, EventRecord):
            last = record.event.time
            yield from chain([last] * waiting, [last])
            waiting = 0
        elif last is None:
            waiting += 1
        else:
            yield last
    yield from [0] * waiting


def _again(
    records: Iterable[EventRecord | RejectRecord], shift: bool
) -> Iterator[EventRecord | RejectRecord]:
    run, clock = uuid4().hex[:8], SystemClock()
    for record in records:
        yield shifted(record, clock.now(), run) if shift and isinstance(record, EventRecord) else record
