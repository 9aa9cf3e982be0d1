"""One tenant's view: every statement in a transaction that names the tenant, under a role that sees no other."""

from collections.abc import Callable
from typing import Any

from psycopg.errors import InvalidParameterValue, UndefinedFunction, UndefinedTable

from gatewatch.adapters.postgres.connection import Row, Session, translated
from gatewatch.ports import BadData
from gatewatch.read_ports import NotPrepared

_SET = b"SELECT set_config('gatewatch.tenant', %s, true)"


class TenantSession:
    """A connection of the role `gatewatch_app`; row-level security shows it `tenant` alone.

    `conninfo` is asked for at each opening: an embedded server may come back on another port.
    """

    def __init__(self, conninfo: Callable[[], str], tenant: str) -> None:
        self._conninfo, self._tenant = conninfo, tenant
        self._session: Session | None = None

    def rows(self, statement: str, parameters: dict[str, Any] | None = None) -> list[Row]:
        """All rows of a query. Raises `Unavailable`, and `NotPrepared` where there are no tables yet."""
        try:
            if self._session is None:
                self._session = Session(self._conninfo(), role="gatewatch_app")
            connection = self._session.connection
            with translated(), connection.transaction(), connection.cursor(binary=True) as cursor:
                cursor.execute(_SET, [self._tenant])
                # Not prepared: a plan for any value of twelve filters is a plan for none.
                return cursor.execute(statement.encode(), parameters, prepare=False).fetchall()
        except (UndefinedTable, UndefinedFunction) as error:
            raise NotPrepared from error
        except BadData as error:
            if isinstance(error.__cause__, InvalidParameterValue) and "role" in str(error):
                raise NotPrepared from error
            raise

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        if self._session is not None:
            self._session.close()
            self._session = None
