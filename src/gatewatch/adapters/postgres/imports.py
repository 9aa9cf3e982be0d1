"""How far the pipeline has come with an import (see `read_ports.ImportStore`)."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from gatewatch.adapters.postgres.statements import load
from gatewatch.adapters.postgres.tenancy import TenantSession
from gatewatch.ports import LOGINS
from gatewatch.read_ports import Landed

_SQL = load("imports.sql")


class PostgresImports:
    """See `read_ports.ImportStore`. `ends` tells where a log ends that lies elsewhere."""

    def __init__(
        self, conninfo: Callable[[], str], tenant: str, ends: Callable[[], dict[int, int]] | None = None
    ) -> None:
        self._session, self._ends = TenantSession(conninfo, tenant), ends

    def log_ends(self) -> dict[int, int]:
        """Where each partition of the log ends now."""
        if self._ends is not None:
            return self._ends()
        return {part: end for part, end in self._rows("log_ends", topic=LOGINS)}  # noqa: C416 - rows are of Any

    def unread(self, ends: Mapping[int, int]) -> int:
        """Records before these ends that are not processed."""
        return self._count("unread", topic=LOGINS, parts=list(ends), ends=list(ends.values()))

    def outbox_ends(self) -> dict[int, int]:
        """Where each partition's outbox ends now."""
        return {part: end for part, end in self._rows("outbox_ends", topic=LOGINS)}  # noqa: C416 - as above

    def unrelayed(self, ends: Mapping[int, int]) -> int:
        """Messages before these ends that are not relayed."""
        return self._count("unrelayed", parts=list(ends), ends=list(ends.values()))

    def now(self) -> datetime:
        """The database's own time."""
        ((now,),) = self._rows("now")
        found: datetime = now
        return found

    def due_reviews(self, since: datetime) -> int:
        """Sources that wait and were not reviewed since."""
        return self._count("due_reviews", since=since)

    def landed(self, origin: str) -> Landed:
        """What became of an import's records."""
        return Landed(*self._rows("landed", origin=origin)[0])

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def _rows(self, name: str, **parameters: Any) -> list[tuple[Any, ...]]:
        return self._session.rows(_SQL[name], parameters)

    def _count(self, name: str, **parameters: Any) -> int:
        ((count,),) = self._rows(name, **parameters)
        return int(count)
