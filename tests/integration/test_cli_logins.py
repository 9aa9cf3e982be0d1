"""Each service with a login of its own: no more rights than it needs, and enough for all it does."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import httpx
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from gatewatch.adapters.postgres.connection import Session
from gatewatch.adapters.postgres.leases import Leases
from gatewatch.ports import LOGINS
from tests.support.commands import Commands, until
from tests.support.http import answers, url_of
from tests.support.servers import DatabaseServer


class Urls(NamedTuple):
    """The owner's connection string, and those of the two logins, in files."""

    owner: str
    worker: Path
    app: Path


@pytest.fixture
def urls(postgres: DatabaseServer, postgres_empty: str, tmp_path: Path) -> Iterator[Urls]:
    """An empty database, and two logins that nobody has made yet."""
    names = [f"{role}_{uuid4().hex[:8]}" for role in ("worker", "app")]
    files = [tmp_path / "worker_url", tmp_path / "app_url"]
    for name, file in zip(names, files, strict=True):
        file.write_text(make_conninfo(postgres_empty, user=name, password=uuid4().hex) + "\n")
    yield Urls(postgres_empty, *files)
    with psycopg.connect(postgres.superuser_conninfo, autocommit=True) as connection:
        for name in names:
            connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(name)))


@pytest.fixture
def owner(urls: Urls, tmp_path: Path) -> Commands:
    """Commands as the owner."""
    return Commands(tmp_path / "owner", GATEWATCH_DATABASE_URL=urls.owner)


def migrated(owner: Commands, urls: Urls) -> str:
    """Migrate and provide the logins; what was said."""
    done = owner.run("migrate", "--login", f"worker={urls.worker}", "--login", f"app={urls.app}")
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_the_whole_system_runs_under_its_logins(owner: Commands, urls: Urls, tmp_path: Path) -> None:
    """A login sent to an API of the app's login is assessed by a detector of the worker's, and seen by the API."""
    migrated(owner, urls)
    key = owner.run("keys", "create", "x", "--scope", "ingest,read").stdout.strip()
    worker = Commands(tmp_path / "worker", GATEWATCH_DATABASE_URL_FILE=str(urls.worker))
    app = Commands(tmp_path / "app", DATABASE_URL_FILE=str(urls.app))
    with worker.running("detector"), worker.running("notifier"), app.running("api") as api:
        url = url_of(api)
        until(lambda: answers(url), "the API")
        with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}) as client:
            login = {"outcome": "success", "user": "ada", "time": datetime.now(UTC).isoformat()}
            assert client.post("/v1/events", json=login).json()["accepted"] == 1
            until(lambda: bool(client.get("/v1/events").json()["items"]), "the login")
        assert api.ends(signal.SIGTERM) == 0


def test_the_apps_login_sees_no_tenant_by_itself(owner: Commands, urls: Urls) -> None:
    """It has no rights on the log's records, which are of all tenants, nor on tables' contents but a tenant's own."""
    migrated(owner, urls)
    with psycopg.connect(urls.app.read_text(), autocommit=True) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT FROM event_log")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SET ROLE gatewatch_worker")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM login_events")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("CREATE TABLE mine ()")


def test_a_stopped_workers_backend_is_ended_by_another(owner: Commands, urls: Urls) -> None:
    """A claim on a row that a stopped process of the same login holds succeeds: its backend may be ended."""
    migrated(owner, urls)
    url = urls.worker.read_text().strip()
    stopped, taking = Session(url), Session(url)
    try:
        assert Leases(stopped, LOGINS, 0.001).claim(0) is not None
        stopped.run("BEGIN")
        stopped.run("UPDATE partitions SET out_seq = out_seq WHERE part = 0")
        assert Leases(taking, LOGINS, 5.0).claim(0) is not None
    finally:
        stopped.close()
        taking.close()


def test_a_password_that_changed_is_provided_again(owner: Commands, urls: Urls) -> None:
    """A second migration with another password in the file changes the login's; no password is shown."""
    first = urls.app.read_text().strip()
    migrated(owner, urls)
    second = make_conninfo(first, password="another")
    urls.app.write_text(second)
    said = migrated(owner, urls)
    assert "another" not in said
    with psycopg.connect(second):
        pass
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(first)


@pytest.mark.parametrize(
    ("role", "content", "said"),
    [
        ("owner", "host=x user=a password=b", "'owner' is none of worker, app"),
        ("app", "host=x user=a", "the connection string in the file has no user or no password"),
        ("app", "no string: secret", "the file holds no connection string"),
        ("app", None, "No such file or directory"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, role: str, content: str | None, said: str) -> None:
    """What is wrong with a login is told before anything is touched, without its content."""
    file = tmp_path / "url"
    if content is not None:
        file.write_text(content)
    done = Commands(tmp_path / "data").run("migrate", "--login", f"{role}={file}")
    assert (done.returncode, done.stderr) == (1, f"gatewatch: --login {role}={file}: {said}\n")


def test_a_database_that_cannot_hold_every_name_is_refused(postgres: DatabaseServer, tmp_path: Path) -> None:
    """A database in another encoding than UTF-8 is named as such, and nothing is made in it."""
    name = f"ascii_{uuid4().hex[:8]}"
    with psycopg.connect(postgres.superuser_conninfo, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'").format(
                sql.Identifier(name)
            )
        )
    try:
        done = Commands(tmp_path, GATEWATCH_DATABASE_URL=postgres.superuser_of(name)).run("migrate")
        assert (done.returncode, done.stderr) == (
            1,
            "gatewatch: the database's encoding is SQL_ASCII; create it with ENCODING 'UTF8'\n",
        )
    finally:
        postgres.drop(name)


def test_the_simulator_lives_and_ends_when_told(owner: Commands, urls: Urls, tmp_path: Path) -> None:
    """The service sends an organisation's logins to an API, beats while it does, and accounts for them at the end."""
    migrated(owner, urls)
    key = tmp_path / "key"
    key.write_text(owner.run("keys", "create", "simulator").stdout)
    app = Commands(tmp_path / "app", DATABASE_URL_FILE=str(urls.app))
    heartbeat = tmp_path / "heartbeat"
    simulator = Commands(
        tmp_path / "simulator", GATEWATCH_KEY_FILE=str(key), GATEWATCH_HEARTBEAT=str(heartbeat)
    )
    with app.running("api", "--serve", "ingest") as api:
        url = url_of(api)
        until(lambda: answers(url), "the API")
        with simulator.running("simulator", "--to", url, "--seed", "18") as process:
            process.says("an organisation begins")
            with psycopg.connect(urls.owner, autocommit=True) as connection:
                until(lambda: _appended(connection) > 1_000, "logins in the log")
            assert heartbeat.read_text() == "working\n"
            assert process.ends(signal.SIGTERM) == 0
            account = json.loads(process.said.splitlines()[-1])["event"]
            assert "0 rejected" in account
            with psycopg.connect(urls.owner) as connection:
                assert account.startswith(f"{_appended(connection):,} events sent")


def _appended(connection: psycopg.Connection[tuple[int]]) -> int:
    ((found,),) = connection.execute("SELECT coalesce(sum(end_offset), 0)::bigint FROM log_heads").fetchall()
    return found
