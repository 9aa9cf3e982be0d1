"""`gatewatch simulator`: a made-up organisation as a service, for demos and for trying out a deployment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count, repeat
from threading import Event
from time import monotonic
from typing import Annotated
from uuid import uuid4

import typer

from gatewatch import logs
from gatewatch.bootstrap import SystemClock
from gatewatch.cli import stopping
from gatewatch.cli.demo import HISTORY_DAYS, RATE, WEEKS, monday_before
from gatewatch.cli.errors import UserError
from gatewatch.cli.sending import KeyFile, describe, endpoint_at
from gatewatch.cli.state import state_of
from gatewatch.core.times import DAY
from gatewatch.health import Heartbeat
from gatewatch.ingest.contract import Arrival
from gatewatch.ports import Unavailable
from gatewatch.services.feeding import arriving, feed, parted, steadily
from gatewatch.services.sending import Rejected, Sender
from gatewatch.simulator.labels import Simulated
from gatewatch.simulator.world import demo_world


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(simulator)


def simulator(
    context: typer.Context,
    to: Annotated[str, typer.Option(help="The URL of the system.")],
    rate: Annotated[float, typer.Option(min=1, max=5_000, help="Events per second.")] = RATE,
    seed: Annotated[
        int | None, typer.Option(help="Whose logins; default: others at each start.", show_default=False)
    ] = None,
    key_file: KeyFile = "",
) -> None:
    """Be an organisation of 1,000 that is attacked six times a simulated day, until told to stop.

    Its first four days are sent at once, the rest at the rate; when its half year is over, another one follows.
    """
    state = state_of(context)
    logs.configure(state.settings.log_level, "simulator")
    stop = stopping.on_signals()
    with endpoint_at(state, "--to", to, key_file) as endpoint:
        life = _Life(Heartbeat(state.settings.heartbeat), stop)
        sender = Sender(endpoint, uuid4().hex, life, life.pause)
        try:
            for number in count(SystemClock().now() // 1_000_000 if seed is None else seed):
                life.live(sender, number, rate, state.settings.tenant)
        except _Stopped:
            pass
        except (Rejected, Unavailable) as error:
            raise UserError(f"{to}: {error}") from None
        finally:
            for line in describe(sender.account):
                logs.get().info(line)


class _Stopped(Exception):
    """The process was told to end."""


class _Life:
    """Sends the lives of organisations, and tells of the system's absences."""

    def __init__(self, heartbeat: Heartbeat, stop: Event) -> None:
        self._heartbeat, self._stop = heartbeat, stop
        self._log = logs.get()

    def live(self, sender: Sender, seed: int, rate: float, tenant: str) -> None:
        """One organisation's half year, ending by now. Raises `_Stopped`, `Rejected`, `Unavailable`."""
        start = monday_before(datetime.now(UTC) - timedelta(weeks=WEEKS))
        history, rest = parted(
            demo_world(seed, start, weeks=WEEKS, tenant_id=tenant).events(), start + HISTORY_DAYS * DAY
        )
        self._log.info("an organisation begins", seed=seed, events_at_once=len(history), rate=rate)
        arrival = Arrival(tenant_id=tenant, received=0, source="native", origin=f"simulator-{seed}")
        for part, dues in ((history, repeat(0.0)), (rest, steadily(rate))):
            feed(
                sender,
                arriving(self._until_stopped(part), arrival, SystemClock()),
                dues,
                monotonic,
                self.pause,
            )

    def _until_stopped(self, events: Iterable[Simulated]) -> Iterator[Simulated]:
        for found in events:
            if self._stop.is_set():
                raise _Stopped
            self._heartbeat.beat()
            yield found

    def pause(self, seconds: float) -> None:
        """Wait. Raises `_Stopped`."""
        if self._stop.wait(seconds):
            raise _Stopped

    def waiting(self, reason: str) -> None:
        """See `services.sending.Watcher`."""
        self._heartbeat.beat(working=False)
        self._log.warning("waiting for the system", reason=reason)

    def resumed(self) -> None:
        """See `services.sending.Watcher`."""
        self._log.info("the system is back")
