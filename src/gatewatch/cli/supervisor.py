"""The supervisor: PostgreSQL where it is ours, the detectors and the notifier, kept running until told to stop."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from time import monotonic
from typing import IO

import msgspec

from gatewatch import bootstrap
from gatewatch import settings as configuration
from gatewatch.bootstrap import EmbeddedPostgres, ServerError
from gatewatch.cli.children import Child
from gatewatch.cli.errors import UserError
from gatewatch.cli.lock import Standing, SupervisorLock
from gatewatch.cli.welcome import free_port
from gatewatch.ports import Unavailable
from gatewatch.settings import Settings

#: How often the supervisor looks, and how long children may take to finish their batch, in seconds.
TICK = 0.2
FINISH = 15.0
#: Between attempts to start PostgreSQL again, in seconds.
SERVER_BACKOFF = 2.0
#: The file that children write to where the terminal is not theirs is begun anew at this size.
MAX_OUTPUT = 10_000_000

Report = Callable[[str], None]


class AlreadyRunning(UserError):
    """Another process supervises this data folder."""


class Supervisor:
    """Runs the system over `settings.data_path`, or over your own server where `database_url` names one.

    `command` is what others are told that runs here; `quiet` sends the children's output to a file in the data
    folder; `api` adds a process of the HTTP API, `connector` one that reads vendors' topics. Use `start`, then `tick`
    every `TICK` seconds, then `stop`, all in one thread.
    """

    def __init__(
        self,
        settings: Settings,
        report: Report,
        *,
        command: str,
        detectors: int = 1,
        quiet: bool = False,
        api: bool = False,
        connector: bool = False,
    ) -> None:
        self._settings, self._report, self._command, self._quiet = settings, report, command, quiet
        self._lock = SupervisorLock(settings.data_path)
        self.server = None if settings.database_url else bootstrap.embedded(settings, report)
        self._conninfo = settings.database_url
        self.children = [
            *(Child(f"detector {n + 1}", ["detector"]) for n in range(detectors)),
            Child("the notifier", ["notifier"]),
            *([Child("the API", ["api"])] if api else []),
            *([Child("the connector", ["connector"])] if connector else []),
        ]
        self._api, self._port = api, settings.api_port
        self._output: IO[bytes] | None = None
        self._next_server_start = 0.0

    @property
    def conninfo(self) -> str:
        """Where the database is."""
        return self._conninfo

    @property
    def url(self) -> str:
        """Where people reach the API, "" where it is not ours to run."""
        if not self._api:
            return ""
        host = self._settings.api_host
        shown = f"[{host}]" if ":" in host else host
        return self._settings.public_url or f"http://{shown}:{self._port}"

    def start(self, *, fresh: bool = False) -> None:
        """Start everything, over an empty database where it is to be `fresh` (the embedded one only).

        Raises `AlreadyRunning`, `ServerError`, `Unavailable` (your own server is away), `MigrationError`,
        `UserError` (the API's port is taken).
        """
        bootstrap.enrichment(self._settings)  # a geo file that cannot be read is said here, not by each child
        self._take_lock()
        try:
            if self._api:
                self._port = free_port(self._settings.api_host, self._settings.api_port)
            if self.server is not None:
                self._conninfo = self.server.start()
                if fresh:
                    self._conninfo = bootstrap.emptied(self.server)
            self._migrate()
            self._output = _output(self._settings.data_path) if self._quiet else None
            for child in self.children:
                self._start(child)
        except BaseException:
            self.stop()
            raise

    def _take_lock(self) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        if not self._lock.take(Standing(os.getpid(), self._command, now)):
            found = self._lock.holder() or Standing()
            raise AlreadyRunning(
                f"Gatewatch already runs on {self._settings.data_path}"
                f" (gatewatch {found.command}, process {found.pid}, since {found.since})"
            )

    def _migrate(self) -> None:
        applied = bootstrap.prepare_log(self._settings, self._conninfo)
        if applied:
            self._report(f"the database was migrated: {', '.join(applied)}")

    def _start(self, child: Child) -> None:
        ports = {name: self._settings.metrics_port + n for n, name in enumerate(self._names())}
        own = msgspec.structs.replace(
            self._settings,
            database_url=self._conninfo,
            data_dir=str(self._settings.data_path),
            metrics_port=ports[child.name] if self._settings.metrics_port else 0,
            api_port=self._port,
        )
        child.start(configuration.environment(own), self._output)

    def _names(self) -> list[str]:
        return [child.name for child in self.children]

    def run(self, stop: Event) -> None:
        """Keep everything running until `stop` is set."""
        while not stop.wait(TICK):
            self.tick()

    def tick(self) -> None:
        """Look after everything once."""
        self._keep_server()
        for child in self.children:
            if said := child.death():
                self._report(said)
            if child.due:
                self._start(child)

    def _keep_server(self) -> None:
        if self.server is None or self.server.pid is not None or monotonic() < self._next_server_start:
            return
        self._report("PostgreSQL ended; it is started again")
        try:
            conninfo = self.server.start()
        except (ServerError, Unavailable) as error:
            self._next_server_start = monotonic() + SERVER_BACKOFF
            self._report(f"PostgreSQL cannot be started: {error}")
            return
        if conninfo != self._conninfo:
            # Its port was taken meanwhile: whoever knows the old one starts anew.
            self._conninfo = conninfo
            for child in self.children:
                child.tell_to_end()

    def stop(self) -> None:
        """End the children, then PostgreSQL (unless others use it); what was committed is on disk."""
        for child in self.children:
            child.tell_to_end()
        deadline = monotonic() + FINISH
        for child in self.children:
            child.wait(deadline - monotonic())
        if self.server is not None:
            self.server.stop()
        if self._output is not None:
            self._output.close()
            self._output = None
        self._lock.release()


def _output(folder: Path) -> IO[bytes]:
    path = folder / "services.log"
    mode = "wb" if path.exists() and path.stat().st_size > MAX_OUTPUT else "ab"
    return path.open(mode)


__all__ = ["AlreadyRunning", "EmbeddedPostgres", "Supervisor"]
