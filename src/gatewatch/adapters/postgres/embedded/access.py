"""How to get in: the port and the passwords, in a file that only its owner reads."""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path

import msgspec
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

#: Below the range that systems hand out for outgoing connections, so that a port is still free after a crash.
PORTS = range(20_000, 32_000)

HOST = "127.0.0.1"
SUPERUSER = "postgres"
ROLE = "gatewatch"
DATABASE = "gatewatch"


class Access(msgspec.Struct, frozen=True):
    """The port of a server, the password of its superuser and that of the role `gatewatch`."""

    port: int
    superuser_password: str
    password: str

    @classmethod
    def fresh(cls) -> Access:
        """Make new passwords."""
        return cls(0, secrets.token_urlsafe(32), secrets.token_urlsafe(32))

    @classmethod
    def load(cls, path: Path) -> Access | None:
        """Read what was kept; None where nothing was, or nothing that can be read."""
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def save(self, path: Path) -> None:
        """Keep it where only the owner can read it, whole or not at all."""
        fresh = path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(msgspec.json.encode(self))
        fresh.replace(path)

    def conninfo(self) -> str:
        """Give the connection string of the role `gatewatch` to its database."""
        return make_conninfo(host=HOST, port=self.port, user=ROLE, password=self.password, dbname=DATABASE)

    def superuser_conninfo(self) -> str:
        """Give the superuser's connection string, to the database `postgres`."""
        return make_conninfo(
            host=HOST, port=self.port, user=SUPERUSER, password=self.superuser_password, dbname="postgres"
        )


def free_port(preferred: int) -> int:
    """Give the preferred port if nobody listens there, else one that is free now."""
    tries = [secrets.choice(PORTS) for _ in range(50)]
    return next((port for port in [preferred, *tries] if port and can_listen(port)), 0)


def can_listen(port: int) -> bool:
    """Tell whether a server could listen on a port of this machine."""
    with socket.socket() as probe:
        # As PostgreSQL does: connections of an earlier server that are still fading away do not hinder.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def answers(conninfo: str) -> bool:
    """Tell whether a server lets us in and answers."""
    try:
        with psycopg.connect(conninfo, connect_timeout=5) as connection:
            connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


def prepare_database(access: Access) -> None:
    """Make the role and its database where they are missing, and give the role its password."""
    login = sql.SQL("{verb} ROLE {role} LOGIN NOSUPERUSER NOCREATEDB CREATEROLE PASSWORD {password}")
    names = {"role": sql.Identifier(ROLE), "database": sql.Identifier(DATABASE)}
    with psycopg.connect(access.superuser_conninfo(), autocommit=True) as connection:
        known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [ROLE]).fetchone()
        verb = sql.SQL("ALTER" if known else "CREATE")
        connection.execute(login.format(verb=verb, password=sql.Literal(access.password), **names))
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            create = sql.SQL("CREATE DATABASE {database} OWNER {role}")
            connection.execute(create.format(**names))
