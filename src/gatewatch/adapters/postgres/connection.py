"""A connection that comes back: opened when needed, dropped when broken, with PostgreSQL's errors as the ports' own."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.errors import (
    DataError,
    IntegrityError,
    OperationalError,
    ProgramLimitExceeded,
    QueryCanceled,
    ReadOnlySqlTransaction,
    UniqueViolation,
)

from gatewatch.ports import BadData, StaleRoute, Unavailable
from gatewatch.read_ports import TooCostly

Row = tuple[Any, ...]

#: Look-ups are by key; a plan that reads a whole table for a batch of keys is always a mistake of the estimate. Workers
#: take longer to start than they save, and the cores from whoever else asks.
_SETTINGS = (
    "-c jit=off -c max_parallel_workers_per_gather=0 -c enable_seqscan=off -c enable_bitmapscan=off"
    " -c enable_hashjoin=off -c enable_mergejoin=off -c enable_material=off -c timezone=UTC"
    " -c lock_timeout=5s -c idle_in_transaction_session_timeout=60s"
)
#: How long a statement may take, in seconds, where nothing else is said.
STATEMENT_SECONDS = 60.0
_NEVER = datetime.min.replace(tzinfo=UTC)


@contextmanager
def translated() -> Iterator[None]:
    """PostgreSQL's errors as `Unavailable` (try again; of a time-out `TooCostly`), `BadData`, `StaleRoute`; anything
    else as it is.
    """
    try:
        yield
    except QueryCanceled as error:
        raise TooCostly(first_line(error)) from error
    except ProgramLimitExceeded as error:  # such as a text that no index has room for: it stays so
        raise BadData(kind(error)) from error
    except (OperationalError, psycopg.InterfaceError, UniqueViolation, ReadOnlySqlTransaction) as error:
        raise Unavailable(first_line(error)) from error
    except (DataError, IntegrityError) as error:
        raise BadData(kind(error)) from error
    except psycopg.DatabaseError as error:
        if error.sqlstate == "GW001":
            raise StaleRoute(first_line(error)) from error
        if error.sqlstate == "GW006":  # the log lies elsewhere: what was to be appended is not durable
            raise Unavailable(first_line(error)) from error
        raise


def kind(error: psycopg.Error) -> str:
    """What kind of error it is, without its message: that repeats the value that is refused."""
    name = type(error).__name__
    return f"{name} ({error.sqlstate})" if error.sqlstate else name


def first_line(error: BaseException) -> str:
    """The message without its context."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


class Session:
    """One connection in autocommit mode under a role, reopened when it broke. Not for use by several threads.

    No statement takes longer than `seconds`. A network that swallows packets is noticed within 15 seconds.
    """

    def __init__(
        self, conninfo: str, role: str = "gatewatch_worker", seconds: float = STATEMENT_SECONDS
    ) -> None:
        self._conninfo, self._role = conninfo, role
        self._options = f"{_SETTINGS} -c statement_timeout={round(seconds * 1000)}ms"
        self._connection: psycopg.Connection[Row] | None = None
        self._started = _NEVER

    @property
    def connection(self) -> psycopg.Connection[Row]:
        """The open connection. Raises `Unavailable` where there is none to be had."""
        found = self._connection
        if found is None or found.broken or found.closed:
            with translated():
                found = self._connection = self._open()
        return found

    def _open(self) -> psycopg.Connection[Row]:
        connection = psycopg.connect(
            self._conninfo,
            autocommit=True,
            options=self._options,
            connect_timeout=5,
            application_name=self._role,
            keepalives_idle=5,
            keepalives_interval=2,
            keepalives_count=3,
            tcp_user_timeout=15_000,
        )
        # Asked before the role is taken: it would see nothing of a backend that another role logged in to.
        found = connection.execute("SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()")
        ((self._started,),) = found.fetchall()
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(self._role)))
        return connection

    @property
    def started(self) -> datetime:
        """When the backend of the open connection was started; with its process id, this names it."""
        _ = self.connection
        return self._started

    @property
    def broken(self) -> bool:
        """Whether the connection was lost, or never opened."""
        found = self._connection
        return found is None or found.broken or found.closed

    def rows(self, statement: str, parameters: dict[str, Any] | None = None) -> list[Row]:
        """All rows of a query."""
        with translated(), self.connection.cursor(binary=True) as cursor:
            return cursor.execute(statement.encode(), parameters).fetchall()

    def run(self, statement: str, parameters: dict[str, Any] | None = None) -> int:
        """Run a statement; returns how many rows it touched."""
        with translated(), self.connection.cursor() as cursor:
            return cursor.execute(statement.encode(), parameters).rowcount

    def run_as_login(self, statement: str, parameters: dict[str, Any]) -> list[Row]:
        """Run a query as the login role itself, for what a role without login may not do (ending its own backends)."""
        with translated():
            connection = self.connection
            connection.execute("RESET ROLE")
            try:
                return connection.execute(statement.encode(), parameters).fetchall()
            finally:
                connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(self._role)))

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None
