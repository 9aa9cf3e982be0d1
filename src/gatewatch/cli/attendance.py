"""Finding the system that runs, or having it run for as long as a command needs it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from threading import Event, Thread
from types import TracebackType
from typing import Self

from gatewatch import bootstrap
from gatewatch.bootstrap import EmbeddedPostgres, MigrationError, ServerError
from gatewatch.cli.errors import UserError
from gatewatch.cli.supervisor import TICK, AlreadyRunning, Report, Supervisor
from gatewatch.log_ports import Log as AppendTo
from gatewatch.ports import Unavailable
from gatewatch.read_ports import NotPrepared
from gatewatch.settings import Settings

#: How often a command that found the system running looks whether it still does, in seconds.
LOOK = 1.0


def _quiet(message: str) -> None:
    del message


def database(settings: Settings) -> str:
    """The connection string of the system that runs here. Raises `UserError` where none does."""
    if settings.database_url:
        return settings.database_url
    if not bootstrap.embedded(settings, _quiet).running():
        raise UserError(f"nothing runs on {settings.data_path}: start it with `gatewatch up`")
    return current(settings)


def current(settings: Settings) -> str:
    """The connection string as it is now, running or not: an embedded server may come back on another port."""
    return settings.database_url or bootstrap.embedded(settings, _quiet).conninfo


@contextlib.contextmanager
def reachable(settings: Settings) -> Iterator[str]:
    """The connection string for a look at the data: where PostgreSQL does not run it is started for that long."""
    if settings.database_url:
        yield settings.database_url
        return
    server = bootstrap.embedded(settings, _quiet)
    if not server.cluster.exists():
        raise UserError(
            f"there is nothing on {settings.data_path} yet:"
            " begin with `gatewatch demo`, `gatewatch up` or `gatewatch import`"
        )
    with server:
        yield server.conninfo


class Attendance:
    """The system, running: found, or started and looked after by this process until it leaves.

    Whoever supervised may leave before we are done (Ctrl-C, the end of its own work): then we take over. `fresh`
    wants the system for itself, with an empty database; `api` wants the HTTP API as well.
    """

    def __init__(
        self,
        settings: Settings,
        report: Report,
        *,
        command: str,
        detectors: int = 1,
        fresh: bool = False,
        api: bool = False,
    ) -> None:
        self.settings, self._report = settings, report
        self._command, self._detectors, self._fresh, self._api = command, detectors, fresh, api
        self._supervisor: Supervisor | None = None
        self._server: EmbeddedPostgres | None = None
        self._stop = Event()
        self._thread = Thread(target=self._attend, daemon=True)

    @property
    def conninfo(self) -> str:
        """Where the database is now: an embedded one may come back on another port."""
        return current(self.settings)

    @property
    def url(self) -> str:
        """Where people reach the API, "" where this process does not run it."""
        return self._supervisor.url if self._supervisor is not None else ""

    def __enter__(self) -> Self:
        self._take_over()
        if self._supervisor is None and not self.settings.database_url:
            # We use it as well: whoever started it does not stop it under us.
            self._server = bootstrap.embedded(self.settings, _quiet)
            self._server.start()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        if self._supervisor is not None:
            self._supervisor.stop()
        if self._server is not None:
            self._server.stop()

    def _take_over(self) -> None:
        if self._attended_elsewhere():
            return
        supervisor = Supervisor(
            self.settings,
            self._report,
            command=self._command,
            detectors=self._detectors,
            quiet=True,
            api=self._api,
        )
        try:
            supervisor.start(fresh=self._fresh)
        except AlreadyRunning:
            if self._fresh:
                raise
            return
        self._supervisor = supervisor

    def _attended_elsewhere(self) -> bool:
        """Whether detectors on other machines work on your own server."""
        if not self.settings.database_url:
            return False
        with contextlib.suppress(NotPrepared):
            queries = bootstrap.queries(lambda: self.settings.database_url, self.settings.tenant)
            try:
                return queries.pulse().members > 0
            finally:
                queries.close()
        return False

    def _attend(self) -> None:
        while not self._stop.wait(TICK if self._supervisor is not None else LOOK):
            if self._supervisor is not None:
                self._supervisor.tick()
                continue
            with contextlib.suppress(ServerError, Unavailable, MigrationError):
                self._take_over()


class Log:
    """The log of the system that runs, wherever it is at the moment (see `ports.LogWriter`)."""

    def __init__(self, attendance: Attendance) -> None:
        self._attendance = attendance
        self._log: AppendTo | None = None

    def append(self, records: Sequence[tuple[str, bytes]]) -> None:
        """Append; where that fails, the next attempt finds the database anew."""
        if self._log is None:
            self._log = bootstrap.appending(self._attendance.settings, self._attendance.conninfo)
        try:
            self._log.append(records)
        except Unavailable:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        if self._log is not None:
            self._log.close()
            self._log = None
