"""`gatewatch watch`: the live view of a running system; lines where there is no terminal."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Event
from time import monotonic
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from gatewatch import bootstrap
from gatewatch.cli import stopping
from gatewatch.cli.attendance import current, database
from gatewatch.cli.live import Snapshot, view
from gatewatch.cli.rendering import COLOURS, shown
from gatewatch.cli.state import state_of
from gatewatch.ports import Unavailable
from gatewatch.read_ports import AnomalyFilter, EventFilter, Totals
from gatewatch.services.queries import Queries
from gatewatch.services.views import AnomalyView

#: Seconds between looks, the seconds that a rate is taken over, and how many rates are kept.
LOOK = 0.5
RATE_OVER = 1.0
RATES = 120
#: Counting everything may take this share of the time.
COUNTING_SHARE = 0.1
LEAST_COUNTING = 1.0
#: Anomalies and events that are looked at; the view shows what fits.
LATEST = 100
STANDS_OUT = 40
SHOWN = ["medium", "high", "critical"]
#: Anomalies of the past that are told first.
FIRST = 10
#: Seconds between lines that say how it goes, where there is no terminal.
LINE_EVERY = 5.0

Seconds = Annotated[
    float | None, typer.Option(min=0.1, help="End by itself after so many seconds.", show_default=False)
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(watch)


def watch(context: typer.Context, seconds: Seconds = None) -> None:
    """Watch a running system: its flow, its latest anomalies with their reason."""
    state = state_of(context)
    settings = state.settings
    database(settings)
    stop = stopping.on_signals()
    asked = Queries(bootstrap.queries(lambda: current(settings), settings.tenant))
    try:
        show(state.out, Watch(asked, settings.tenant), stop, seconds)
    finally:
        asked.close()


class Watch:
    """Looks at a system again and again. `title` names what is watched."""

    def __init__(self, asked: Queries, title: str) -> None:
        self._asked = asked
        self.found = Snapshot(title, datetime.now(UTC))
        self._rates: deque[float] = deque(maxlen=RATES)
        self._mark: tuple[float, int] | None = None
        self._next_count = 0.0

    def look(self) -> Snapshot:
        """What there is to see now; where the database is away, what was seen last."""
        self.found.now = datetime.now(UTC)
        try:
            self._ask()
            self.found.away = ""
        except Unavailable as error:
            self.found.away = str(error) or "it does not answer"
            self._mark = None
            self._asked.close()
        return self.found

    def _ask(self) -> None:
        found, asked = self.found, self._asked
        found.pulse = asked.pulse()
        self._measure(found.pulse.processed)
        found.anomalies = asked.anomalies(AnomalyFilter(state="open", severities=SHOWN), LATEST)
        found.events = asked.events(EventFilter(min_score=STANDS_OUT), LATEST)
        if monotonic() >= self._next_count:
            self.count()

    def count(self) -> Totals:
        """Count everything, at once; the next time is put off by how long that took."""
        begun = monotonic()
        totals = self.found.totals = self._asked.totals()
        took = monotonic() - begun
        self._next_count = monotonic() + max(LEAST_COUNTING, took / COUNTING_SHARE)
        return totals

    def _measure(self, processed: int) -> None:
        now = monotonic()
        if self._mark is None or now - self._mark[0] >= RATE_OVER:
            if self._mark is not None:
                self._rates.append(max(0, processed - self._mark[1]) / (now - self._mark[0]))
                self.found.rates = list(self._rates)
            self._mark = (now, processed)


def show(
    out: Console, watch: Watch, stop: Event, seconds: float | None, alive: Callable[[], bool] = lambda: True
) -> None:
    """Show a system until stopped, until `seconds` have passed, or until what feeds it is no longer `alive`."""
    until = monotonic() + seconds if seconds is not None else float("inf")

    def goes_on() -> bool:
        return not stop.is_set() and monotonic() < until and alive()

    if out.is_terminal:
        _on_screen(out, watch, stop, goes_on)
    else:
        _in_lines(out, watch, stop, goes_on)


def _on_screen(out: Console, watch: Watch, stop: Event, goes_on: Callable[[], bool]) -> None:
    with Live(
        console=out, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
    ) as live:
        while goes_on():
            live.update(view(watch.look(), out.width, out.height), refresh=True)
            stop.wait(LOOK)


def _in_lines(out: Console, watch: Watch, stop: Event, goes_on: Callable[[], bool]) -> None:
    lines = Lines(out)
    next_status = monotonic() + LINE_EVERY
    while goes_on():
        found = watch.look()
        lines.tell(found)
        if monotonic() >= next_status:
            lines.status(found)
            next_status = monotonic() + LINE_EVERY
        stop.wait(LOOK)
    lines.tell(watch.look())


class Lines:
    """Anomalies as lines: one when it opens, one more when it becomes more severe."""

    def __init__(self, out: Console) -> None:
        self._out = out
        self._told: dict[str, int] = {}
        self._away = ""

    def tell(self, found: Snapshot) -> None:
        """Print what is new, the oldest first."""
        if found.away and not self._away:
            self._out.print(f"waiting for PostgreSQL: {shown(found.away)}", markup=False, highlight=False)
        self._away = found.away
        if not self._told:
            # What was there before is told by its latest few.
            self._told = {a.id: _rank(a.severity) for a in found.anomalies[FIRST:]}
        for anomaly in reversed(found.anomalies):
            if self._told.get(anomaly.id, -1) < _rank(anomaly.severity):
                self._told[anomaly.id] = _rank(anomaly.severity)
                self._out.print(_line(anomaly), soft_wrap=True)
        if len(self._told) > 100 * LATEST:
            self._told = {a.id: _rank(a.severity) for a in found.anomalies}

    def status(self, found: Snapshot) -> None:
        """Print how it goes."""
        if found.pulse is None or found.totals is None:
            return
        rate = found.rates[-1] if found.rates else 0
        self._out.print(
            f"{found.now:%H:%M:%S}  {found.totals.events:,} events, {rate:,.0f}/s,"
            f" lag {sum(found.pulse.lag.values()):,}, {found.pulse.members} detectors",
            markup=False,
            highlight=False,
        )


def _rank(level: str) -> int:
    return list(COLOURS)[::-1].index(level) if level in COLOURS else 0


def _line(found: AnomalyView) -> Text:
    line = Text(f"{found.last_seen:%Y-%m-%d %H:%M:%S}  ")
    line.append(f"{found.severity:<8}", style=COLOURS.get(found.severity, ""))
    return line.append(f"  {found.detector}: {shown(found.sentence, 400)}")
