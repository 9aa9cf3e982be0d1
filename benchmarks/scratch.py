"""A durable PostgreSQL and a broker of our own in a scratch folder, with a fresh database and a filled log per run."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from benchmarks import kafka, worlds
from benchmarks.figures import BenchmarkError
from benchmarks.progress import Progress
from benchmarks.worlds import World
from gatewatch import bootstrap
from gatewatch.adapters.geo.build import build_mmdb
from gatewatch.adapters.postgres.server import EmbeddedPostgres
from gatewatch.settings import Settings
from gatewatch.simulator.network import networks
from scripts.kafka import Broker, Unavailable

#: The log lies in PostgreSQL.
_EMBEDDED = Settings()


class Scratch:
    """The folder, the server and the broker, made when first asked for and gone at the end."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.folder = Path(tempfile.mkdtemp(prefix="gatewatch-bench-"))
        self.postgres = self.fsync = ""
        self._server: EmbeddedPostgres | None = None
        self._broker: Broker | None = None
        self._filled: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._broker is not None:
            self._broker.stop()
        if self._server is not None:
            cluster = self._server.cluster.resolve()
            self._server.stop()
            shutil.rmtree(cluster, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def geo(self) -> Path:
        """An MMDB file of the simulated internet."""
        path = self.folder / "simulated.mmdb"
        if not path.exists():
            build_mmdb(path, networks())
        return path

    @property
    def brokers(self) -> str:
        """The address of a Kafka broker. Raises `BenchmarkError` where none starts."""
        if self._broker is None:
            self.progress.say("starting Kafka")
            try:
                self._broker = Broker(self.folder / "kafka")
                self._broker.start()
            except Unavailable as error:
                raise BenchmarkError(f"Kafka: {error}") from None
        return self._broker.bootstrap

    def database(self, world: World, events: int, name: str, settings: Settings = _EMBEDDED) -> str:
        """The connection string of a fresh database `name` whose log holds the world's events, all unread."""
        template = f"{world}_{events}_kafka" if settings.kafka_bootstrap else f"{world}_{events}"
        if template not in self._filled:
            self._create(template, "template1")
            conninfo = self._conninfo(template)
            bootstrap.prepare_log(settings, conninfo)
            worlds.fill(bootstrap.appending(settings, conninfo), world, events, self.progress)
            if settings.kafka_bootstrap:
                kafka.tell_ends(settings, conninfo)
            self._filled.add(template)
        self._create(name, template)
        return self._conninfo(name)

    def empty(self, name: str, settings: Settings = _EMBEDDED) -> str:
        """The connection string of a fresh database with nothing in it, whose log is new as well."""
        self._create(name, "template1")
        bootstrap.prepare_log(settings, self._conninfo(name))
        return self._conninfo(name)

    def superuser(self, name: str) -> str:
        """The superuser's connection string of a database, for what no service may do."""
        return make_conninfo(self._started().superuser_conninfo, dbname=name)

    def drop(self, name: str) -> None:
        """Remove a database."""
        self._run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _create(self, name: str, template: str) -> None:
        self.drop(name)
        words = sql.SQL("CREATE DATABASE {} OWNER gatewatch TEMPLATE {}")
        self._run(words.format(sql.Identifier(name), sql.Identifier(template)))
        self._run(sql.SQL("CHECKPOINT"))

    def _run(self, statement: sql.SQL | sql.Composed) -> None:
        with psycopg.connect(self._started().superuser_conninfo, autocommit=True) as connection:
            connection.execute(statement)

    def _conninfo(self, name: str) -> str:
        return make_conninfo(self._started().conninfo, dbname=name)

    def _started(self) -> EmbeddedPostgres:
        if self._server is None:
            self._server = EmbeddedPostgres(self.folder / "postgres", progress=self.progress.say)
            self._server.start()
            with psycopg.connect(self._server.superuser_conninfo, autocommit=True) as connection:
                self.postgres = connection.info.parameter_status("server_version") or ""
                ((self.fsync,),) = connection.execute("SHOW fsync").fetchall()
        return self._server
