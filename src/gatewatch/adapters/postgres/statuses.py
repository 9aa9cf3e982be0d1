"""What people say of anomalies (see `read_ports.StatusStore`)."""

from collections.abc import Sequence

from gatewatch.adapters.postgres.statements import load
from gatewatch.adapters.postgres.tenancy import TenantRows
from gatewatch.read_ports import Said, StatusAnswer, StatusChange

_SQL = load("statuses.sql")


class PostgresStatuses:
    """One tenant's, written under the role of the app."""

    def __init__(self, session: TenantRows) -> None:
        self._session = session

    def change(self, changes: Sequence[StatusChange], by: str) -> list[StatusAnswer]:
        """Change statuses in one statement, all that can be."""
        rows = self._session.rows(
            _SQL["change"],
            {
                "ids": [change.id for change in changes],
                "statuses": [change.status for change in changes],
                "revisions": [change.revision for change in changes],
                "by": by,
            },
        )
        return [StatusAnswer(c.id, row[0], Said(*row[1:])) for c, row in zip(changes, rows, strict=True)]

    def history(self, id: str) -> list[Said]:
        """What was said of an anomaly, the latest first."""
        return [Said(*row) for row in self._session.rows(_SQL["history"], {"id": id})]
