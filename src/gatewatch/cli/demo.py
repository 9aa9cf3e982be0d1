"""`gatewatch demo`: the whole system in a folder of its own, a simulated organisation under attack, the live view."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from time import monotonic
from typing import Annotated
from uuid import uuid4

import msgspec
import typer
from rich.console import Console

from gatewatch import bootstrap
from gatewatch.bootstrap import SystemClock
from gatewatch.cli import stopping
from gatewatch.cli.attendance import Attendance, Log
from gatewatch.cli.errors import UserError
from gatewatch.cli.live import SEVERITIES
from gatewatch.cli.progress import Progress, progress_for
from gatewatch.cli.rendering import columns, grid, severity
from gatewatch.cli.state import State, state_of
from gatewatch.cli.watching import Seconds, Watch, show
from gatewatch.cli.welcome import free_port, welcome
from gatewatch.core.times import DAY, from_datetime
from gatewatch.ingest.contract import Arrival
from gatewatch.read_ports import Totals
from gatewatch.services.feeding import arriving, feed, parted, steadily
from gatewatch.services.importing import Importer
from gatewatch.services.queries import Queries
from gatewatch.settings import Settings
from gatewatch.simulator.network import networks
from gatewatch.simulator.world import demo_world

#: The demo's world ends by now; at 200 events per second that many weeks last three quarters of an hour.
WEEKS = 26
#: What is known of the organisation when the view opens.
HISTORY_DAYS = 4
#: Events per second.
RATE = 200.0


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(
    context: typer.Context,
    seconds: Seconds = None,
    rate: Annotated[float, typer.Option(min=1, max=5_000, help="Events per second.")] = RATE,
    detectors: Annotated[int, typer.Option(min=1, max=16, help="How many detector processes.")] = 1,
) -> None:
    """See it work: an organisation of 1,000 with some days of history, attacked six times a simulated day.

    Everything is made up, lives below the data folder in `demo`, and is begun anew by the next demo.
    """
    stopping.by_interrupt()
    state = _own(state_of(context))
    state.say(f"a demo with made-up people, in {state.settings.data_path}")
    notices = _Notices(state)
    with Attendance(
        state.settings, notices, command="demo", detectors=detectors, fresh=True, api=True
    ) as system:
        welcome(state, system.conninfo, system.url)
        world = _Feeder(state.settings, system, rate)
        with progress_for(state.err) as progress:
            world.warm_up(progress)
        _show(state, system, world, notices, seconds)


class _Notices:
    """What the supervisor says: a line, or, while the view has the screen, a place in it."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.watch: Watch | None = None

    def __call__(self, message: str) -> None:
        if self.watch is None:
            self._state.say(message)
        else:
            self.watch.found.notice = f"{datetime.now(UTC):%H:%M:%S} {message}"


def _own(state: State) -> State:
    """The demo's settings: a folder of its own, an embedded server, the geo database of the simulated internet."""
    folder = state.settings.data_path / "demo"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    geo = folder / "networks.mmdb"
    bootstrap.build_mmdb(geo, networks())
    return state.with_settings(
        database_url="",
        kafka_bootstrap="",
        connector_topics="",
        data_dir=str(folder),
        geo_city=str(geo),
        geo_asn="",
        retention_days=0,
        api_port=_port(state.settings),
    )


def _port(settings: Settings) -> int:
    """The usual port, or any where something of the user's already listens there: a demo must not fail for that."""
    try:
        return free_port(settings.api_host, settings.api_port, patience=0.0)
    except UserError:
        return 0


class _Stopped(Exception):
    """The feeder was told to end."""


class _Feeder:
    """The made-up organisation: its history at once, then its life at a rate."""

    def __init__(self, settings: Settings, system: Attendance, rate: float) -> None:
        self._settings, self._system, self._rate = settings, system, rate
        self._clock = SystemClock()
        self._start = monday_before(datetime.now(UTC) - timedelta(weeks=WEEKS))
        world = demo_world(start=self._start, weeks=WEEKS, tenant_id=settings.tenant)
        self._history, self._events = parted(world.events(), self._start + HISTORY_DAYS * DAY)
        self._arrival = Arrival(
            tenant_id=settings.tenant, received=0, source="native", origin=f"demo-{uuid4()}"
        )
        self._stop = Event()
        self._thread = Thread(target=self._live, daemon=True)

    def warm_up(self, progress: Progress) -> None:
        """Import the history and wait until it is assessed."""
        log, store = (
            Log(self._system),
            bootstrap.imports(self._settings, lambda: self._system.conninfo),
        )
        importer = Importer(log, store, self._arrival, progress, self._pause)
        progress.say(f"the organisation's first {HISTORY_DAYS} days are imported and assessed …")
        begun = monotonic()
        for record in arriving(self._history, self._arrival, self._clock):
            importer.add(record)
        importer.flush()
        summary = importer.settle()
        took = monotonic() - begun
        progress.say(f"{summary.stored:,} logins in {took:.1f} s ({summary.stored / took:,.0f}/s)")
        log.close()
        store.close()

    def start(self) -> None:
        """Begin the life after the history."""
        self._thread.start()

    def alive(self) -> bool:
        """Whether there is more to come."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """End it."""
        self._stop.set()
        self._thread.join()

    def _live(self) -> None:
        log, store = (
            Log(self._system),
            bootstrap.imports(self._settings, lambda: self._system.conninfo),
        )
        arrival = msgspec.structs.replace(self._arrival, origin="")
        importer = Importer(log, store, arrival, _Silent(), self._pause)
        events = arriving(self._events, arrival, self._clock)
        try:
            feed(importer, events, steadily(self._rate), monotonic, self._pause)
        except _Stopped:
            pass
        finally:
            log.close()

    def _pause(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise _Stopped


class _Silent:
    """The view itself says when the database is away."""

    def waiting(self, reason: str) -> None:
        """See `services.importing.Watcher`."""

    def resumed(self) -> None:
        """See `services.importing.Watcher`."""

    def assessing(self, left: int, of: int) -> None:
        """See `services.importing.Watcher`."""


def monday_before(moment: datetime) -> int:
    """The last Monday's first moment at or before a time (µs)."""
    day = (moment - timedelta(days=moment.weekday())).date()
    return from_datetime(datetime(day.year, day.month, day.day, tzinfo=UTC))


def _show(state: State, system: Attendance, world: _Feeder, notices: _Notices, seconds: float | None) -> None:
    asked = Queries(bootstrap.queries(lambda: system.conninfo, state.settings.tenant))
    watch = Watch(asked, "demo")
    notices.watch = watch if state.out.is_terminal else None
    begun, since = monotonic(), datetime.now(UTC)
    before = watch.count()
    world.start()
    try:
        show(state.out, watch, Event(), seconds, world.alive)
    except KeyboardInterrupt:
        pass
    finally:
        notices.watch = None
        world.stop()
    took = monotonic() - begun
    try:
        _sum_up(state.out, before, watch.count(), took, asked.latency(since))
        state.say(
            f"look closer: gatewatch --data-dir {state.settings.data_dir} anomalies (events, user, source, explain)"
        )
    finally:
        asked.close()


def _sum_up(out: Console, before: Totals, after: Totals, took: float, latency: float | None) -> None:
    """The closing lines: how much, how fast, and what was found."""
    fed = after.events - before.events
    out.print(f"{after.events:,} events in all, {fed:,} of them live in {took:.0f} s ({fed / took:,.0f}/s)")
    if latency is not None:
        out.print(f"half of them were assessed and stored within {1000 * latency:,.0f} ms of arriving")
    table = grid("open anomalies", *((severity(level), {"justify": "right"}) for level in SEVERITIES))
    rows = [
        [detector, *(f"{by.get(level, 0):,}" for level in SEVERITIES)]
        for detector, by in sorted(after.anomalies.items())
    ]
    columns(out, rows, table)
