"""Logins for the services: each a user of PostgreSQL of its own, with no more rights than its role has.

Whoever migrates owns the tables and may do anything with them; the services need not.
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple, cast, get_args

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

Role = Literal["worker", "app"]


class Login(NamedTuple):
    """A user with its password, and whether it is for detectors and notifiers (`worker`) or for the API (`app`)."""

    role: Role
    name: str
    password: str


def login(role: str, url: str) -> Login:
    """The login of a connection string. Raises `ValueError` with one line that does not hold the password."""
    if role not in get_args(Role):
        raise ValueError(f"{role!r} is none of {', '.join(get_args(Role))}")
    try:
        found = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise ValueError("the file holds no connection string") from None
    name, password = str(found.get("user") or ""), str(found.get("password") or "")
    if not name or not password:
        raise ValueError("the connection string in the file has no user or no password")
    return Login(cast(Role, role), name, password)


def provide(conninfo: str, logins: Iterable[Login]) -> None:
    """See that each login is there, has its password and its role. The server never sees a password, only its hash."""
    with psycopg.connect(conninfo) as connection:
        for wanted in logins:
            _provide(connection, wanted)


def _provide(connection: psycopg.Connection[tuple[object, ...]], wanted: Login) -> None:
    name, role = sql.Identifier(wanted.name), sql.Identifier(f"gatewatch_{wanted.role}")
    hashed = connection.pgconn.encrypt_password(
        wanted.password.encode(), wanted.name.encode(), b"scram-sha-256"
    ).decode()
    found = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (wanted.name,)).fetchall()
    verb = sql.SQL("ALTER" if found else "CREATE")
    connection.execute(sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(verb, name, sql.Literal(hashed)))
    connection.execute(sql.SQL("GRANT {} TO {}").format(role, name))
