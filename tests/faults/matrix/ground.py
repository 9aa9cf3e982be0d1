"""What scenes stand on: one broker and one PostgreSQL for all of them, each behind a proxy of ours."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from gatewatch.adapters.postgres.embedded.access import Access
from gatewatch.adapters.postgres.embedded.binaries import ENVIRONMENT
from gatewatch.adapters.postgres.migrations import migrate
from gatewatch.adapters.postgres.server import EmbeddedPostgres, PostgresBinaries
from scripts.kafka import Broker, answers
from tests.faults.matrix.proxy import Proxy
from tests.faults.stored import WATCHED
from tests.support.servers import SMALL, DatabaseServer, scratch_folder

Row = tuple[Any, ...]

#: One small file system for the row that fills it (bytes): more than an empty database with the whole schema takes.
DISK = 96 << 20
#: How long brokers cannot be reached, where nothing else is asked for (s).
AWAY = 60.0
_REPLICATION = "host replication all 127.0.0.1/32 scram-sha-256\n"


class NotRun(Exception):
    """A row needs what this machine cannot do; the message says what."""


class Database:
    """A server behind a proxy; the server may change, its clients do not notice."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self.server = server
        self.proxy = Proxy(lambda: self.port)
        self._template = ""

    @property
    def port(self) -> int:
        """Where the server listens."""
        return int(str(conninfo_to_dict(self.server.superuser_conninfo)["port"]))

    def create(self, tablespace: str = "") -> str:
        """A fresh database with the whole schema; its name."""
        known = DatabaseServer(self.server.conninfo, self.server.superuser_conninfo)
        if not self._template:
            template = f"template_{uuid4().hex[:8]}"
            conninfo = known.create(template)
            migrate(conninfo)
            with psycopg.connect(conninfo, autocommit=True) as connection:
                connection.execute(WATCHED.encode())
            self._template = template
        name = f"scene_{uuid4().hex[:8]}"
        known.create(name, self._template)
        if tablespace:
            move = sql.SQL("ALTER DATABASE {} SET TABLESPACE {}")
            self.do(move.format(sql.Identifier(name), sql.Identifier(tablespace)))
        return name

    def drop(self, name: str) -> None:
        """Drop a database."""
        DatabaseServer(self.server.conninfo, self.server.superuser_conninfo).drop(name)

    def conninfo(self, name: str) -> str:
        """How our processes get in: through the proxy."""
        return make_conninfo(self.server.conninfo, dbname=name, port=self.proxy.port)

    def superuser(self, name: str = "postgres") -> str:
        """How we get in: beside the proxy, even where transactions are read-only by default."""
        options = "-c default_transaction_read_only=off"
        return make_conninfo(self.server.superuser_conninfo, dbname=name, options=options)

    def do(self, *statements: str | sql.Composed) -> None:
        """Run statements as the superuser, each in a transaction of its own."""
        self.do_in("postgres", *statements)

    def do_in(self, name: str, *statements: str | sql.Composed) -> None:
        """Likewise, in a database."""
        with psycopg.connect(self.superuser(name), autocommit=True, connect_timeout=5) as connection:
            for one in statements:
                connection.execute(one.encode() if isinstance(one, str) else one)

    def rows(self, name: str, statement: str, parameters: Row = ()) -> list[Row]:
        """Rows as the superuser sees them."""
        with psycopg.connect(self.superuser(name), autocommit=True, connect_timeout=5) as connection:
            return connection.execute(statement.encode(), parameters).fetchall()

    # A copy ---------------------------------------------------------------------------------------------------------

    def replica(self, folder: Path, through: Proxy) -> EmbeddedPostgres:
        """A streaming replica that follows through a proxy; it has started. Raises `NotRun`."""
        hba = self.server.cluster / "pg_hba.conf"
        hba.write_text(hba.read_text() + _REPLICATION)
        self.do("SELECT pg_reload_conf()")
        binaries = PostgresBinaries.find()
        if not (binaries.folder / "pg_basebackup").exists():
            raise NotRun(f"there is no pg_basebackup beside {binaries.folder / 'postgres'}")
        folder.mkdir(parents=True)
        where = ["-h", "127.0.0.1", "-p", str(through.port), "-U", "postgres", "-D", str(folder / "cluster")]
        access = Access.load(self.server.data_dir / "access.json")
        assert access is not None  # it runs
        done = subprocess.run(
            [binaries.path("pg_basebackup"), *where, "-R", "-X", "stream", "-c", "fast"],
            env={**ENVIRONMENT, "PGPASSWORD": access.superuser_password},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise NotRun(f"pg_basebackup failed: {done.stderr.strip()[-300:]}")
        msgspec.structs.replace(access, port=0).save(folder / "access.json")
        copy = EmbeddedPostgres(folder, durable=False, settings=SMALL)
        copy.start()
        return copy


class Ground:
    """The broker, the database, and a folder.

    `away` is how long the broker cannot be reached in that row, `quiet` how long an attacked source must be quiet until
    it is not looked at any more (s): longer than any transaction lives, which a row without stopped processes knows.
    """

    def __init__(self, folder: Path, broker: Broker, broker_proxy: Proxy, database: Database) -> None:
        self.folder, self.broker = folder, broker
        self.broker_proxy, self.database = broker_proxy, database
        self.away, self.quiet = AWAY, 8.0

    @property
    def brokers(self) -> str:
        """Where clients find the broker: at the proxy."""
        return f"127.0.0.1:{self.broker_proxy.port}"

    def mend(self) -> None:
        """Have everything work again, whatever a row that failed left behind."""
        self.broker_proxy.flow()
        self.database.proxy.flow()
        self.database.proxy.commit_delay = 0.0
        if not answers(self.broker_port):
            self.broker.kill()
            self.broker.start()
        self.database.server.start()

    @property
    def broker_port(self) -> int:
        """Where the broker itself listens."""
        return int(self.broker.bootstrap.rpartition(":")[2])


@contextlib.contextmanager
def ground() -> Iterator[Ground]:
    """Run both for as long as they are needed. Raises `scripts.kafka.Unavailable` where there is no Kafka."""
    with scratch_folder() as folder, contextlib.ExitStack() as stack:
        proxy = Proxy(lambda: int(broker.bootstrap.rpartition(":")[2]))
        stack.callback(proxy.close)
        advertised = f"advertised.listeners=PLAINTEXT://127.0.0.1:{proxy.port}\n"
        broker = Broker(folder / "kafka", more=advertised)
        broker.start()
        stack.callback(broker.stop)
        server = EmbeddedPostgres(folder / "pg", durable=False, settings=SMALL)
        database = Database(stack.enter_context(server))
        stack.callback(database.proxy.close)
        yield Ground(folder, broker, proxy, database)


@contextlib.contextmanager
def disk(folder: Path, database: Database) -> Iterator[tuple[str, Path]]:
    """A tablespace on a file system of `DISK` bytes: its name, and the file system. Raises `NotRun`."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=0777", "gatewatch-faults", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except OSError as error:
        raise NotRun(f"no small file system: {error}") from error
    if done.returncode:
        raise NotRun(f"no small file system: {done.stderr.strip()}")
    name = f"small_{uuid4().hex[:8]}"
    try:
        place = folder / "tablespace"
        place.mkdir()
        owner = database.server.cluster.stat()
        os.chown(place, owner.st_uid, owner.st_gid)
        create = sql.SQL("CREATE TABLESPACE {} LOCATION {}")
        database.do(create.format(sql.Identifier(name), sql.Literal(str(place))))
        yield name, folder
        database.do(sql.SQL("DROP TABLESPACE {}").format(sql.Identifier(name)))
    finally:
        subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)
