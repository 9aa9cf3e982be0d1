"""What people say of anomalies: new, in progress, suppressed, resolved, under a revision. Undo is another change."""

from __future__ import annotations

from collections.abc import Sequence

from gatewatch.read_ports import Said, Status, StatusAnswer, StatusChange, StatusStore
from gatewatch.services.pages import BadQuery

#: The most changes at once.
MOST = 500


class UnknownAnomaly(Exception):
    """There is no such anomaly."""


class StatusConflict(Exception):
    """The anomaly is at another revision than expected; `said` is what was said last."""

    def __init__(self, said: Said) -> None:
        super().__init__(f"the anomaly is {said.status} at revision {said.revision}")
        self.said = said


class Triage:
    """The use cases of working on one tenant's anomalies, as somebody: `account:<id>` or `key:<prefix>`."""

    def __init__(self, store: StatusStore, by: str) -> None:
        self._store, self._by = store, by

    def change(self, id: str, status: Status, revision: int) -> Said:
        """Say something of an anomaly that is at this revision. Raises `UnknownAnomaly` and `StatusConflict`."""
        (answer,) = self._store.change([StatusChange(id, status, revision)], self._by)
        if answer.outcome == "unknown":
            raise UnknownAnomaly(id)
        if answer.outcome == "conflict":
            raise StatusConflict(answer.said)
        return answer.said

    def change_all(self, changes: Sequence[StatusChange]) -> list[StatusAnswer]:
        """Change each that can be changed; what became of each is told in its place. Raises `BadQuery` for too many."""
        if len(changes) > MOST:
            raise BadQuery(f"at most {MOST} statuses are changed at once")
        return self._store.change(changes, self._by) if changes else []

    def history(self, id: str) -> list[Said]:
        """What was said of an anomaly, the latest first; nothing for one that is new."""
        return self._store.history(id)
