"""The embedded server, with real ones: made, entered, stopped, adopted, crashed, shared."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from gatewatch.adapters.postgres.embedded.accounts import Mode, lodge, unprivileged
from gatewatch.adapters.postgres.embedded.processes import PidFile
from gatewatch.adapters.postgres.server import (
    BinariesMissing,
    EmbeddedPostgres,
    PostgresBinaries,
    ServerError,
    StartFailed,
    WrongVersion,
)
from tests.support.servers import ROOT, SMALL, scratch_folder

#: Another process that starts (or adopts) the server, says so, and stops using it when its input ends.
OTHER_PROCESS = """
import sys
from pathlib import Path
from gatewatch.adapters.postgres.server import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]), durable=False, settings={"shared_buffers": "64MB"})
server.start()
print(server.pid, flush=True)
sys.stdin.read()
print(server.stop(), flush=True)
"""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has powers to give up")


@pytest.fixture
def server(scratch: Path) -> Iterator[EmbeddedPostgres]:
    """A server that is not started yet."""
    embedded = EmbeddedPostgres(scratch / "pg", durable=False, settings=SMALL)
    yield embedded
    embedded.stop()


@pytest.fixture(scope="class")
def started() -> Iterator[EmbeddedPostgres]:
    """A running server for tests that only look at it."""
    with (
        scratch_folder() as folder,
        EmbeddedPostgres(folder / "pg", durable=False, settings=SMALL) as embedded,
    ):
        yield embedded


def other_process(folder: Path) -> subprocess.Popen[str]:
    """Start another process that uses the server of a folder."""
    return subprocess.Popen(
        [sys.executable, "-c", OTHER_PROCESS, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )


def first_line(process: subprocess.Popen[str]) -> str:
    """Wait for what a process says first."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def value(conninfo: str, query: str) -> object:
    """Run a query that gives one value."""
    with psycopg.connect(conninfo) as connection:
        row = connection.execute(query.encode()).fetchone()
    return row[0] if row else None


def write(conninfo: str, number: int) -> None:
    """Commit a row that can be looked for later."""
    with psycopg.connect(conninfo) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (number int)")
        connection.execute("INSERT INTO kept VALUES (%s)", [number])


class TestGettingIn:
    def test_the_role_owns_its_database_and_little_else(self, started: EmbeddedPostgres) -> None:
        """The role gatewatch may log in and create roles, owns its database, and is no superuser."""
        with psycopg.connect(started.conninfo) as connection:
            role = connection.execute(
                "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls"
                " FROM pg_roles WHERE rolname = current_user"
            ).fetchone()
            owner = connection.execute(
                "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
            ).fetchone()
        assert role == (False, True, False, False, False)
        assert owner == ("gatewatch",)

    def test_only_the_password_opens(self, started: EmbeddedPostgres) -> None:
        """A wrong password and none at all are refused, for the role and for the superuser."""
        for conninfo in (started.conninfo, started.superuser_conninfo):
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                psycopg.connect(conninfo, password="wrong")
            with pytest.raises(psycopg.OperationalError, match="no password supplied"):
                psycopg.connect(conninfo, password="", passfile=os.devnull)

    def test_passwords_are_kept_as_scram_in_a_file_of_the_owner(self, started: EmbeddedPostgres) -> None:
        """PostgreSQL stores SCRAM verifiers only, and the file with the passwords is 0600."""
        with psycopg.connect(started.superuser_conninfo) as connection:
            stored = connection.execute("SELECT rolpassword FROM pg_authid WHERE rolcanlogin").fetchall()
        assert [text[:14] for (text,) in stored] == ["SCRAM-SHA-256$"] * 2
        assert stat.S_IMODE((started.data_dir / "access.json").stat().st_mode) == 0o600

    def test_settings_for_everyone(self, started: EmbeddedPostgres) -> None:
        """It listens on this machine only, in UTF-8, in the locale C, in UTC."""
        for name, expected in {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "server_encoding": "UTF8",
            "lc_collate": "C",
            "TimeZone": "UTC",
        }.items():
            query = "SELECT datcollate FROM pg_database WHERE datname = current_database()"
            found = value(started.superuser_conninfo, query if name == "lc_collate" else f"SHOW {name}")
            assert found == expected, name

    def test_durable_unless_told_otherwise(self, scratch: Path, started: EmbeddedPostgres) -> None:
        """Only a server for tests does without fsync and full pages; a commit always reaches the system."""
        with EmbeddedPostgres(scratch / "pg", settings=SMALL) as durable:
            for server, expected in ((durable, "on"), (started, "off")):
                assert value(server.conninfo, "SHOW fsync") == expected
                assert value(server.conninfo, "SHOW full_page_writes") == expected
                assert value(server.conninfo, "SHOW synchronous_commit") == "on"

    def test_before_the_first_start(self, server: EmbeddedPostgres) -> None:
        """A server that was never started is not running, has no address, and can be stopped."""
        assert not server.running()
        assert server.stop()
        with pytest.raises(ServerError, match="start it first"):
            _ = server.conninfo


class TestEndAndRestart:
    def test_data_survives_a_stop(self, server: EmbeddedPostgres) -> None:
        """What was committed is there after stop and start, at the same address."""
        conninfo = server.start()
        write(conninfo, 7)
        assert server.stop()
        assert not server.running()
        assert server.start() == conninfo
        assert value(conninfo, "SELECT number FROM kept") == 7

    def test_data_survives_a_crash(self, server: EmbeddedPostgres) -> None:
        """After an immediate shutdown the next start recovers what was committed, at the same address."""
        conninfo = server.start()
        write(conninfo, 7)
        with psycopg.connect(conninfo) as connection:
            connection.execute("INSERT INTO kept VALUES (8)")
            server.crash()
            assert not server.running()
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
        assert server.start() == conninfo
        assert value(conninfo, "SELECT array_agg(number) FROM kept") == [7]

    def test_the_terminal_is_not_its_business(self, server: EmbeddedPostgres) -> None:
        """The server leads a session of its own, so that Ctrl-C reaches only who started it."""
        server.start()
        assert server.pid
        assert os.getsid(server.pid) == server.pid

    def test_a_cluster_half_made_is_made_anew(self, server: EmbeddedPostgres) -> None:
        """What an interrupted initdb left does not hinder the next start."""
        half = server.data_dir / "cluster.new"
        half.mkdir(parents=True)
        (half / "PG_VERSION").write_text("18\n")
        assert value(server.start(), "SELECT 1") == 1
        assert not half.exists()

    def test_a_setting_it_refuses(self, server: EmbeddedPostgres) -> None:
        """A start that fails says in one line what PostgreSQL said, and leaves nothing running."""
        broken = EmbeddedPostgres(server.data_dir, settings={"shared_buffers": "plenty"})
        with pytest.raises(StartFailed, match='invalid value for parameter "shared_buffers"') as failed:
            broken.start()
        assert "\n" not in str(failed.value)
        assert not broken.running()

    @pytest.mark.parametrize("stranger", ["none", "another program"])
    def test_a_stale_pid_file(self, server: EmbeddedPostgres, stranger: str) -> None:
        """A pid file left by a machine that went down does not hinder, also if its number is in use again."""
        server.start()
        text = (server.cluster / "postmaster.pid").read_text().split("\n", 1)
        server.stop()
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as other:
            if stranger == "none":
                other.kill()
                other.wait()
            (server.cluster / "postmaster.pid").write_text(f"{other.pid}\n{text[1]}")
            assert not server.running()
            assert value(server.start(), "SELECT 1") == 1
            assert server.pid != other.pid


class TestSharing:
    def test_adopted_after_its_launcher_was_killed(self, server: EmbeddedPostgres) -> None:
        """A server whose launcher died by kill -9 lives on, and the next start takes it over."""
        with other_process(server.data_dir) as launcher:
            pid = int(first_line(launcher))
            launcher.kill()
        conninfo = server.start()
        assert server.pid == pid
        assert value(conninfo, "SELECT 1") == 1
        assert server.stop()
        assert not server.running()

    def test_an_orphan_that_lets_nobody_in(self, server: EmbeddedPostgres) -> None:
        """A server whose passwords were lost is stopped and started with new ones, its data intact."""
        write(server.start(), 7)
        orphan = server.pid
        (server.data_dir / "access.json").unlink()
        successor = EmbeddedPostgres(server.data_dir, durable=False, settings=SMALL)
        with successor:
            assert successor.pid != orphan
            assert value(successor.conninfo, "SELECT number FROM kept") == 7

    def test_two_starters_at_once(self, server: EmbeddedPostgres) -> None:
        """Of two processes that start at the same time one starts the server and the other one adopts it."""
        with other_process(server.data_dir) as one, other_process(server.data_dir) as two:
            assert first_line(one) == first_line(two) == str(server.pid)
            for process in (one, two):
                assert process.stdin is not None
                process.stdin.close()
                process.wait()
            assert {first_line(one), first_line(two)} == {"False", "True"}
        assert not server.running()

    def test_the_last_one_turns_off_the_light(self, server: EmbeddedPostgres) -> None:
        """A stop leaves the server running as long as another process uses it."""
        server.start()
        with other_process(server.data_dir) as other:
            assert first_line(other) == str(server.pid)
            assert server.stop() is False
            assert server.running()
            other.communicate()
        assert not server.running()


class TestVersions:
    def test_data_of_another_major_version(self, server: EmbeddedPostgres) -> None:
        """Data of another major version is left alone, and the message names both versions and the way out."""
        server.start()
        server.stop()
        (server.cluster / "PG_VERSION").write_text("14\n")
        with pytest.raises(WrongVersion, match=r"written by PostgreSQL 14, .* are PostgreSQL 18.*pg_upgrade"):
            server.start()

    def test_postgresql_15(self, scratch: Path, binaries15: PostgresBinaries) -> None:
        """The oldest version supported starts from the programs that are named."""
        with EmbeddedPostgres(scratch / "pg", binaries15, durable=False, settings=SMALL) as server:
            assert str(value(server.conninfo, "SHOW server_version")).startswith("15.")

    def test_a_folder_without_programs(self, tmp_path: Path) -> None:
        """A folder that was named is used or refused; nothing else is taken in its place."""
        with pytest.raises(BinariesMissing, match=str(tmp_path)):
            PostgresBinaries.find(tmp_path)

    def test_programs_that_are_too_old(self, tmp_path: Path) -> None:
        """PostgreSQL 14 is refused."""
        for name in ("initdb", "postgres"):
            (tmp_path / name).write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 14.9'\n")
            (tmp_path / name).chmod(0o755)
        with pytest.raises(BinariesMissing, match="15 or newer"):
            PostgresBinaries.find(tmp_path)


@as_root
class TestAsRoot:
    @pytest.mark.parametrize("mode", ["userns", "nobody"])
    def test_root_gives_up_its_powers(self, scratch: Path, mode: Mode) -> None:
        """Root's server runs without any capability, by each of the two ways this system allows."""
        server = EmbeddedPostgres(scratch / "pg", durable=False, settings=SMALL, root_modes=[mode])
        if not unprivileged(mode).reaches(Path("/"), []):
            with pytest.raises(ServerError, match="refuses to run as root"):
                server.start()
            return
        with server:
            assert value(server.conninfo, "SELECT 1") == 1
            status = Path(f"/proc/{server.pid}/status").read_text()
        assert "CapEff:\t0000000000000000" in status

    def test_what_nobody_cannot_reach_is_put_elsewhere(self, scratch: Path) -> None:
        """Where `nobody` can reach neither folder nor programs, it gets a place and a copy that it can."""
        closed = scratch / "closed"
        closed.mkdir(mode=0o700)
        hidden = PostgresBinaries.find().copied_to(closed)
        lodging = lodge(closed / "pg", hidden, ["nobody"], elsewhere=scratch / "open")
        assert lodging.folder.parent == scratch / "open"
        assert lodging.binaries.folder.is_relative_to(scratch / "open")
        programs = [lodging.binaries.path("initdb"), lodging.binaries.path("postgres")]
        assert lodging.account.reaches(lodging.folder, programs)
        assert PostgresBinaries.find(lodging.binaries.folder).version == hidden.version

    def test_a_cluster_changes_its_account(self, scratch: Path) -> None:
        """A cluster that `nobody` ran is run in a user namespace, and the other way round."""
        modes: tuple[Mode, ...] = ("nobody", "userns", "nobody")
        possible = [mode for mode in modes if unprivileged(mode).reaches(Path("/"), [])]
        for times, mode in enumerate(possible, start=1):
            folder = scratch / "pg"
            with EmbeddedPostgres(folder, durable=False, settings=SMALL, root_modes=[mode]) as server:
                write(server.conninfo, times)
                assert value(server.conninfo, "SELECT count(*) FROM kept") == times


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("12\n/data\n", PidFile(12, 0, "starting")),
        ("-12\n/data\n17000\n20001\n", PidFile(12, 20001, "starting")),
        ("12\n/data\n17000\n20001\n\n127.0.0.1\n  1 2\nready   \n", PidFile(12, 20001, "ready")),
        ("rubbish", None),
    ],
)
def test_pid_file(tmp_path: Path, text: str, expected: PidFile | None) -> None:
    """A pid file is read as far as it was written, and one that was not is none."""
    (tmp_path / "postmaster.pid").write_text(text)
    assert PidFile.read(tmp_path) == expected


def test_no_pid_file(tmp_path: Path) -> None:
    """A folder without a pid file has no server."""
    assert PidFile.read(tmp_path) is None
