"""Policies, revision by revision (see `read_ports.PolicyStore`)."""

from typing import Any

import msgspec

from gatewatch.adapters.postgres.commits import subject_hash
from gatewatch.adapters.postgres.connection import Row, Session, translated
from gatewatch.adapters.postgres.statements import load
from gatewatch.core import policy as policies
from gatewatch.core.policy import Policy
from gatewatch.ports import LOGINS

_SQL = {name: statement.encode() for name, statement in load("policies.sql").items()}
#: The queue's part that says: a policy changed (see `services.reviews.POLICY`).
POLICY_CHANGED = -2


class PostgresPolicies:
    """One tenant's policies, written under the role of the services."""

    def __init__(self, session: Session, tenant: str) -> None:
        self._session, self._tenant = session, tenant

    def put(self, policy: Policy, by: str) -> Policy:
        """Store the next revision and queue the sources that are alive, in one transaction."""
        with translated(), self._session.connection.transaction():
            self._run("lock")
            self._run("hold_topic", topic=LOGINS)
            self._run("create_tenant")
            ((revision,),) = self._run("next_revision").fetchall()
            stored = msgspec.structs.replace(policy, revision=revision)
            self._run("insert", revision=revision, body=policies.encode(stored).decode(), by=by)
            self._queue(self._run("live_sources").fetchall(), revision)
        return stored

    def _queue(self, found: list[Row], revision: int) -> None:
        kinds, values = [row[0] for row in found], [row[1] for row in found]
        self._run(
            "queue",
            topic=LOGINS,
            part=POLICY_CHANGED,
            revision=revision,
            kinds=kinds,
            values=values,
            hashes=[subject_hash((self._tenant, row[0], row[1])) for row in found],
            los=[row[2] for row in found],
            his=[row[3] for row in found],
        )

    def _run(self, name: str, **parameters: Any) -> Any:
        return self._session.connection.execute(_SQL[name], {"tenant": self._tenant, **parameters})

    def close(self) -> None:
        """Close the connection."""
        self._session.close()
