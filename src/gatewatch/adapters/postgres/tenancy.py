"""One tenant's view: every statement in a transaction that names the tenant, under a role that sees no other."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty, LifoQueue
from typing import Any, Protocol

from psycopg.errors import InvalidParameterValue, UndefinedFunction, UndefinedTable

from gatewatch.adapters.postgres.connection import STATEMENT_SECONDS, Row, Session, translated
from gatewatch.ports import BadData, Unavailable
from gatewatch.read_ports import NotPrepared

_SET = b"SELECT set_config('gatewatch.tenant', %s, true)"


#: How long a request waits for a connection while all are lent, in seconds.
PATIENCE = 2.0
APP = "gatewatch_app"


class TenantRows(Protocol):
    """Asks as one tenant."""

    def rows(self, statement: str, parameters: dict[str, Any] | None = None) -> list[Row]:
        """All rows of a query. Raises `Unavailable`, and `NotPrepared` where there are no tables yet."""
        ...

    def close(self) -> None:
        """Give back what is held; the next use takes it anew."""
        ...


class TenantSession:
    """A connection of the role `gatewatch_app`; row-level security shows it `tenant` alone.

    `conninfo` is asked for at each opening: an embedded server may come back on another port.
    """

    def __init__(self, conninfo: Callable[[], str], tenant: str) -> None:
        self._conninfo, self._tenant = conninfo, tenant
        self._session: Session | None = None

    def rows(self, statement: str, parameters: dict[str, Any] | None = None) -> list[Row]:
        """All rows of a query. Raises `Unavailable`, and `NotPrepared` where there are no tables yet."""
        with prepared():
            if self._session is None:
                self._session = Session(self._conninfo(), role=APP)
            return _rows(self._session, self._tenant, statement, parameters)

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        if self._session is not None:
            self._session.close()
            self._session = None


class TenantPool:
    """At most `size` connections of the role `gatewatch_app`, lent to whoever asks as a tenant. For several threads.

    Connections are opened when needed, so that the first request after an outage finds the database again; once one
    was lost, those that lay idle meanwhile are opened anew as well. No statement takes longer than `seconds`.
    """

    def __init__(self, conninfo: Callable[[], str], size: int, seconds: float = STATEMENT_SECONDS) -> None:
        self._conninfo, self._seconds = conninfo, seconds
        self._idle: LifoQueue[tuple[int, Session | None]] = LifoQueue()
        self._age = 0
        for _ in range(size):
            self._idle.put((0, None))

    @contextmanager
    def lent(self) -> Iterator[Session]:
        """A connection for as long as it is needed. Raises `Unavailable`, `NotPrepared`."""
        try:
            age, session = self._idle.get(timeout=PATIENCE)
        except Empty:
            raise Unavailable("all connections are in use") from None
        try:
            if session is None or age != self._age:
                if session is not None:
                    session.close()
                age, session = self._age, Session(self._conninfo(), APP, self._seconds)
            with prepared():
                yield session
        except Unavailable:
            if session is not None and session.broken:
                self._age += 1
            raise
        finally:
            self._idle.put((age, session))

    def of(self, tenant: str) -> "PooledTenant":
        """What asks as one tenant, statement by statement, each on whichever connection is free."""
        return PooledTenant(self, tenant)

    def close(self) -> None:
        """Close the connections that are not lent."""
        held: list[tuple[int, Session | None]] = []
        while not self._idle.empty():
            held.append(self._idle.get_nowait())
        for age, session in held:
            if session is not None:
                session.close()
            self._idle.put((age, None))


class PooledTenant:
    """See `TenantPool.of`."""

    def __init__(self, pool: TenantPool, tenant: str) -> None:
        self._pool, self._tenant = pool, tenant

    def rows(self, statement: str, parameters: dict[str, Any] | None = None) -> list[Row]:
        """All rows of a query. Raises `Unavailable`, and `NotPrepared` where there are no tables yet."""
        with self._pool.lent() as session:
            return _rows(session, self._tenant, statement, parameters)

    def close(self) -> None:
        """Nothing is held between statements."""


def _rows(session: Session, tenant: str, statement: str, parameters: dict[str, Any] | None) -> list[Row]:
    connection = session.connection
    with translated(), connection.transaction(), connection.cursor(binary=True) as cursor:
        cursor.execute(_SET, [tenant])
        # Not prepared: a plan for any value of twelve filters is a plan for none.
        cursor.execute(statement.encode(), parameters, prepare=False)
        return cursor.fetchall() if cursor.description is not None else []


@contextmanager
def prepared() -> Iterator[None]:
    """Missing tables, functions or roles as `NotPrepared`."""
    try:
        yield
    except (UndefinedTable, UndefinedFunction) as error:
        raise NotPrepared from error
    except BadData as error:
        if isinstance(error.__cause__, InvalidParameterValue) and "role" in str(error.__cause__):
            raise NotPrepared from error
        raise
