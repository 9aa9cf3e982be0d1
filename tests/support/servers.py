"""Real PostgreSQL servers for tests, and a fresh migrated database for each test."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from gatewatch.adapters.postgres.server import EmbeddedPostgres, PostgresBinaries

ROOT = Path(__file__).resolve().parents[2]
LOCAL = ROOT / ".local"

#: Small enough that several of them fit beside the tests.
SMALL = {
    "shared_buffers": "64MB",
    "max_connections": "80",
    "max_wal_size": "256MB",
    "autovacuum_naptime": "10s",
}

#: In memory a database is copied in 15 ms; on a virtual disk, with its hundreds of small files, in up to 500 ms.
MEMORY = Path("/dev/shm")
MEMORY_NEEDED = 4 << 30


@dataclass(frozen=True)
class DatabaseServer:
    """A server for tests: how to get in as the role `gatewatch`, and as a superuser."""

    conninfo: str
    superuser_conninfo: str

    def of(self, database: str) -> str:
        """Give the connection string of the role `gatewatch` to a database."""
        return make_conninfo(self.conninfo, dbname=database)

    def superuser_of(self, database: str) -> str:
        """Give the superuser's connection string to a database."""
        return make_conninfo(self.superuser_conninfo, dbname=database)

    def create(self, database: str, template: str = "template1") -> str:
        """Create a database owned by the role `gatewatch`; return the connection string."""
        names = [sql.Identifier(name) for name in (database, self._owner, template)]
        self._do(sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {} STRATEGY FILE_COPY").format(*names))
        return self.of(database)

    def drop(self, database: str) -> None:
        """Drop a database, whoever is connected to it."""
        self._do(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))

    @contextlib.contextmanager
    def fresh(self, template: str = "template1") -> Iterator[str]:
        """Give a database of its own for as long as it is needed."""
        name = f"test_{uuid4().hex[:12]}"
        try:
            yield self.create(name, template)
        finally:
            self.drop(name)

    @property
    def _owner(self) -> str:
        return str(conninfo_to_dict(self.conninfo).get("user") or "postgres")

    def _do(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.superuser_conninfo, autocommit=True) as connection:
            connection.execute(statement)


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """Give a folder that is gone afterwards; also those of runs that were killed go."""
    home = scratch_home()
    for left in home.glob("*-*"):
        if not alive(int(left.name.split("-")[0])):
            clear(left)
    folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=home))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        clear(folder)


def scratch_home() -> Path:
    """Give the place for such folders: in memory where there is plenty, else below .local/."""
    memory = MEMORY / f"gatewatch-tests-{os.geteuid()}"
    try:
        if shutil.disk_usage(MEMORY).free >= MEMORY_NEEDED:
            memory.mkdir(mode=0o711, exist_ok=True)
            if memory.stat().st_uid == os.geteuid():
                return memory
    except OSError:
        pass
    (LOCAL / "tests").mkdir(parents=True, exist_ok=True)
    return LOCAL / "tests"


def clear(folder: Path) -> None:
    """Remove a folder and stop the servers that were started in it."""
    for cluster in folder.glob("**/cluster/PG_VERSION"):
        EmbeddedPostgres(cluster.parent.parent).stop()
    shutil.rmtree(folder, ignore_errors=True)


def alive(pid: int) -> bool:
    """Tell whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextlib.contextmanager
def running(binaries: PostgresBinaries | None = None) -> Iterator[DatabaseServer]:
    """Run a server that forgets everything, for as long as it is needed."""
    with (
        scratch_folder() as folder,
        EmbeddedPostgres(folder / "pg", binaries, durable=False, settings=SMALL) as server,
    ):
        yield DatabaseServer(server.conninfo, server.superuser_conninfo)
