"""Migrations: numbered plain SQL, forward only, run under an advisory lock.

A file is `NNNN_name.pre.sql` (before the new code runs) or `NNNN_name.post.sql` (after the old code is gone). One that
was edited after it ran is refused.
"""

from collections.abc import Iterator
from hashlib import sha256
from importlib import resources
from typing import Literal, NamedTuple

import psycopg

Phase = Literal["pre", "post"]

_LOCK = 0x67617465  # "gate"


class MigrationError(Exception):
    """A migration cannot run; the message says which and why."""


class Migration(NamedTuple):
    """One file: its name, phase, SQL and digest."""

    name: str
    phase: Phase
    sql: str

    @property
    def digest(self) -> str:
        """SHA-256 of the text, in hex."""
        return sha256(self.sql.encode()).hexdigest()


def available() -> list[Migration]:
    """All migrations of this version, in order."""
    return sorted(_read())


def _read() -> Iterator[Migration]:
    for file in resources.files(__name__).iterdir():
        name, _, rest = file.name.partition(".")
        if rest in ("pre.sql", "post.sql"):
            yield Migration(name, "pre" if rest == "pre.sql" else "post", file.read_text("utf-8"))


def migrate(conninfo: str, phase: Phase | None = None, lock_timeout_ms: int = 10_000) -> list[str]:
    """Run what has not run yet (of one phase, or all) and return the names; a second run returns none.

    Raises `MigrationError` where a migration that ran was edited since, or the database is of a newer version or cannot
    hold every name.
    """
    with psycopg.connect(conninfo, autocommit=True) as connection:
        _check_encoding(connection)
        connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations"
            " (name text PRIMARY KEY, digest text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        applied: dict[str, str] = dict(
            connection.execute("SELECT name, digest FROM schema_migrations").fetchall()
        )
        pending = _pending(available(), applied)
        return [_run(connection, m, lock_timeout_ms) for m in pending if phase in (None, m.phase)]


def _check_encoding(connection: psycopg.Connection[tuple[str, str]]) -> None:
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise MigrationError(f"the database's encoding is {encoding}; create it with ENCODING 'UTF8'")


def _pending(migrations: list[Migration], applied: dict[str, str]) -> list[Migration]:
    known = {m.name: m for m in migrations}
    for name, digest in applied.items():
        if name not in known:
            raise MigrationError(f"the database has migration {name}, which this version does not know")
        if known[name].digest != digest:
            raise MigrationError(f"migration {name} was edited after it ran; add a new one instead")
    return [m for m in migrations if m.name not in applied]


def _run(connection: psycopg.Connection[tuple[str, str]], migration: Migration, lock_timeout_ms: int) -> str:
    with connection.transaction():
        connection.execute("SELECT set_config('lock_timeout', %s, true)", (str(lock_timeout_ms),))
        connection.execute(migration.sql.encode())
        connection.execute(
            "INSERT INTO schema_migrations (name, digest) VALUES (%s, %s)", (migration.name, migration.digest)
        )
    return migration.name
