"""An embedded PostgreSQL: a server of our own on this machine, for one data folder, adopted where it already runs.

The folder holds the cluster, the log, a file with port and passwords (0600) and two lock files: one lets a single
process start or stop the server at a time, on the other every process that uses the server has a shared lock, which
the system takes back however that process ends. So whoever leaves last stops the server, and one that was left
behind by a `kill -9` is adopted by the next start.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from gatewatch.adapters.postgres.embedded import access, clusters, processes
from gatewatch.adapters.postgres.embedded.access import Access
from gatewatch.adapters.postgres.embedded.accounts import ROOT_MODES, Lodging, Mode, lodge
from gatewatch.adapters.postgres.embedded.binaries import PostgresBinaries
from gatewatch.adapters.postgres.embedded.errors import (
    BinariesMissing,
    ServerError,
    StartFailed,
    StopFailed,
    WrongVersion,
)
from gatewatch.adapters.postgres.embedded.processes import PidFile, until

__all__ = [
    "BinariesMissing",
    "EmbeddedPostgres",
    "PostgresBinaries",
    "ServerError",
    "StartFailed",
    "StopFailed",
    "WrongVersion",
]

#: A server that replays its log after a crash answers late; one that does nothing for this long is stuck.
START_SECONDS = 300.0
#: A fast shutdown writes everything down; on a slow disk with much in memory that takes a while.
STOP_SECONDS = 120.0
#: An orphan that does not let us in gets this long for each of the two ways to stop it.
ORPHAN_SECONDS = 20.0
STARTS = 5
LOG_LIMIT = 10_000_000

SETTINGS = {
    "listen_addresses": access.HOST,
    "unix_socket_directories": "",
    "max_connections": "250",
    "shared_buffers": "256MB",
    "wal_compression": "on",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    # A statement that failed, its details and its context hold a login's data; our own log says which batch it was.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
# Commits stay synchronous: without fsync they cost next to nothing, and tests that crash the server count on them.
FAST_AND_FORGETFUL = {"fsync": "off", "full_page_writes": "off"}


def quiet(message: str) -> None:
    """Show no progress."""


class EmbeddedPostgres:
    """A PostgreSQL server over `data_dir`, with a database `gatewatch` owned by a role of that name.

    `durable=False` is for tests: a crash of the machine ruins the data, one of the server alone loses nothing.
    `settings` are PostgreSQL's own and go before ours; a server that is adopted keeps those it was started with.
    `progress` is told in a few words whatever takes time. `root_modes` are the ways out of root, the first that
    works is taken.
    """

    def __init__(
        self,
        data_dir: Path,
        binaries: PostgresBinaries | None = None,
        *,
        durable: bool = True,
        settings: Mapping[str, str] | None = None,
        progress: Callable[[str], None] = quiet,
        root_modes: Sequence[Mode] = ROOT_MODES,
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.durable = durable
        self.settings = {**SETTINGS, **({} if durable else FAST_AND_FORGETFUL), **(settings or {})}
        self._binaries = binaries
        self._progress = progress
        self._root_modes = root_modes
        self._access: Access | None = None
        self._in_use: int | None = None

    @property
    def conninfo(self) -> str:
        """The connection string of the role `gatewatch`; it may change with a start, where the port was taken."""
        return self._known_access().conninfo()

    @property
    def superuser_conninfo(self) -> str:
        """The superuser's connection string, to the database `postgres`."""
        return self._known_access().superuser_conninfo()

    @property
    def pid(self) -> int | None:
        """The postmaster's process id; None where no server runs."""
        found = processes.postmaster(self.cluster)
        return found.pid if found else None

    @property
    def cluster(self) -> Path:
        """PostgreSQL's own data folder."""
        return self.data_dir / "cluster"

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.data_dir / "postgres.log"

    def running(self) -> bool:
        """Tell whether a server runs on this folder and takes connections, whoever started it."""
        found = processes.postmaster(self.cluster)
        return found is not None and found.status == "ready"

    def start(self) -> str:
        """Start the server, or adopt the one that runs; return the connection string of the role `gatewatch`.

        Raises `ServerError` where it cannot be had; nothing is left running then that was not before.
        """
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._alone():
            self._hold()
            try:
                if not self._adopt():
                    self._launch()
                if not access.answers(self.conninfo):
                    access.prepare_database(self._known_access())
            except BaseException:
                self._leave()
                raise
        return self.conninfo

    def stop(self) -> bool:
        """Stop using the server, and end it unless another process still uses it; tell whether it has ended.

        It is the fast shutdown: open transactions are rolled back, everything committed is written down.
        """
        if not self.data_dir.exists():
            return True
        with self._alone():
            return self._leave()

    def crash(self) -> None:
        """End the server at once, as a power cut would, whoever uses it; the next start recovers."""
        with self._alone():
            found = processes.postmaster(self.cluster)
            if found:
                self._end(found, signal.SIGQUIT, STOP_SECONDS)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # --- who uses it ---------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Let one process at a time start or stop the server."""
        with (self.data_dir / "start.lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._progress("waiting for another process that is starting or stopping PostgreSQL")
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _hold(self) -> None:
        """Say that we use the server, until we leave or end."""
        if self._in_use is None:
            self._in_use = os.open(
                self.data_dir / "in-use.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
            fcntl.flock(self._in_use, fcntl.LOCK_SH)

    def _leave(self) -> bool:
        """Stop using the server and end it if nobody else does."""
        if self._in_use is not None:
            os.close(self._in_use)
            self._in_use = None
        if self._used_by_others():
            return False
        found = processes.postmaster(self.cluster)
        if found:
            self._end(found, signal.SIGINT, STOP_SECONDS)
        return True

    def _used_by_others(self) -> bool:
        """Tell whether a process holds the shared lock."""
        with (self.data_dir / "in-use.lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False

    # --- the server ----------------------------------------------------------------------------------------

    def _adopt(self) -> bool:
        """Take over a server that runs already; stop one that does not let us in."""
        found = processes.postmaster(self.cluster)
        if found is None:
            return False
        self._progress("found a running PostgreSQL")
        self._await_ready(found.pid)
        found = processes.postmaster(self.cluster)
        if found is None:
            return False
        kept = Access.load(self._access_file)
        self._access = kept and msgspec.structs.replace(kept, port=found.port)
        if self._access and access.answers(self._access.superuser_conninfo()):
            self._access.save(self._access_file)
            return True
        self._progress("it does not let us in: stopping it")
        for number in (signal.SIGINT, signal.SIGQUIT):
            with contextlib.suppress(StopFailed):
                self._end(found, number, ORPHAN_SECONDS)
                return False
        raise StopFailed(
            f"the PostgreSQL left over on {self.cluster} (process {found.pid}) does not end: stop it by hand"
        )

    def _launch(self) -> None:
        """Make the cluster if there is none yet, and start a server on it."""
        binaries = self._binaries or PostgresBinaries.find()
        lodging = lodge(self.data_dir, binaries, self._root_modes)
        self._move_in(lodging)
        cluster = lodging.folder / self.cluster.name
        if not cluster.exists():
            self._progress(f"creating a PostgreSQL {binaries.version} cluster")
            clusters.create(cluster, lodging, durable=self.durable)
        clusters.check_version(cluster, binaries)
        clusters.hand_over(cluster, lodging.account)
        processes.forget_stranger(cluster)
        self._access = Access.load(self._access_file) or self._new_access(cluster, lodging)
        self._progress(f"starting PostgreSQL {binaries.version}")
        self._start_on_a_free_port(cluster, lodging)

    def _move_in(self, lodging: Lodging) -> None:
        """Leave a link where the cluster was asked for, when its account can only reach another place."""
        if lodging.folder != self.data_dir and not self.cluster.is_symlink():
            if self.cluster.exists():
                raise ServerError(
                    f"user `nobody` cannot reach the data in {self.cluster}: move it, or do not run as root"
                )
            self.cluster.symlink_to(lodging.folder / self.cluster.name)

    def _new_access(self, cluster: Path, lodging: Lodging) -> Access:
        """Make passwords, for a new cluster or one whose passwords were lost; kept only once they are set."""
        fresh = Access.fresh()
        clusters.set_superuser_password(cluster, lodging, fresh)
        fresh.save(self._access_file)
        return fresh

    def _start_on_a_free_port(self, cluster: Path, lodging: Lodging) -> None:
        """Start the server on its last port, so that clients find it again after a crash, or on another one."""
        self._turn_over_log()
        preferred, said = self._known_access().port, ""
        for attempt in range(STARTS):
            port = access.free_port(preferred if attempt == 0 else 0)
            said_before = self.log.stat().st_size if self.log.exists() else 0
            options = [f"--{name}={value}" for name, value in self.settings.items()]
            place = ["-D", str(cluster), "-p", str(port)]
            command = lodging.account.command(lodging.binaries.path("postgres"), *place, *options)
            if self._await_ready(processes.spawn(command, self.log)):
                self._remember_port(port)
                return
            said = self.log.read_bytes()[said_before:].decode(errors="replace")
            if not passing(said):
                break
        raise StartFailed(f"PostgreSQL did not start: {clusters.last_words(said)} (all of it in {self.log})")

    def _remember_port(self, port: int) -> None:
        """Keep the port for the next start, and for who adopts this server."""
        self._access = msgspec.structs.replace(self._known_access(), port=port)
        self._access.save(self._access_file)

    def _await_ready(self, pid: int) -> bool:
        """Wait until the server takes connections; False if it ended, `StartFailed` if it does neither."""
        alive = True

        def settled() -> bool:
            nonlocal alive
            alive = processes.reap(pid) is None and processes.alive(pid)
            return not alive or self._status_of(pid) == "ready"

        if not until(settled, 3.0):
            self._progress("PostgreSQL is still starting (after a crash it first replays its log)")
            if not until(settled, START_SECONDS):
                raise StartFailed(f"PostgreSQL (process {pid}) has not become ready: see {self.log}")
        return alive

    def _status_of(self, pid: int) -> str:
        found = PidFile.read(self.cluster)
        return found.status if found and found.pid == pid else ""

    def _end(self, found: PidFile, number: signal.Signals, seconds: float) -> None:
        """Send a server a signal that ends it and wait until it has."""
        processes.send(found.pid, number)
        if not until(lambda: processes.standing(found.pid, self.cluster) != "ours", seconds):
            raise StopFailed(
                f"PostgreSQL (process {found.pid}) did not end within {seconds:.0f} s: see {self.log}"
            )

    def _turn_over_log(self) -> None:
        """Keep the log of one earlier time when it has grown long."""
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT:
            self.log.replace(self.log.with_suffix(".log.1"))

    def _known_access(self) -> Access:
        if self._access is None:
            self._access = Access.load(self._access_file)
        if self._access is None:
            raise ServerError(f"there is no PostgreSQL in {self.data_dir} yet: start it first")
        return self._access

    @property
    def _access_file(self) -> Path:
        return self.data_dir / "access.json"


def passing(said: str) -> bool:
    """Tell whether a start failed for a reason that goes by.

    Another program may have taken the port since we looked, and backends that outlived a killed postmaster need a
    moment to notice.
    """
    return "Address already in use" in said or "pre-existing shared memory block" in said
