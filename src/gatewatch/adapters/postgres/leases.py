"""Who owns which partition: members that beat share a topic's partitions by leases, and a claim fences the last owner.

All times are the database's own, so that detectors' clocks need not agree.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import uuid4

from psycopg.errors import LockNotAvailable

from gatewatch.adapters.postgres.connection import Session
from gatewatch.adapters.postgres.statements import load
from gatewatch.log_ports import WrongLog
from gatewatch.ports import Claim, Unavailable

_SQL = load("leases.sql")


class Leases:
    """One member's share of a topic (see `log_ports.Membership`).

    `timeout` is how long a member may be silent before others take over (s); `elsewhere`: the records lie on Kafka.
    """

    def __init__(self, session: Session, topic: str, timeout: float, *, elsewhere: bool = False) -> None:
        self._session, self._topic, self._elsewhere = session, topic, elsewhere
        self.member = str(uuid4())
        self._timeout = timedelta(seconds=timeout)

    def beat(self) -> None:
        """Say that this member is alive."""
        self._session.run(_SQL["beat"], {"member": self.member})

    def leave(self) -> None:
        """Say good-bye, so that others need not wait."""
        self._session.run(_SQL["leave"], {"member": self.member})

    def layout(self) -> tuple[int, int, int]:
        """(partitions, generation, this member's fair share)."""
        partitions, generation = self._known()
        ((members,),) = self._session.rows(_SQL["members"], {"timeout": self._timeout})
        return partitions, generation, -(-partitions // max(1, members))

    def share(self) -> int:
        """The fair share of this member. Raises `WrongLog`."""
        return self.layout()[2]

    def _known(self) -> tuple[int, int]:
        """How many partitions the topic has, and at which generation."""
        found = self._session.rows(_SQL["topic"], {"topic": self._topic})
        if not found:
            raise Unavailable(f"the database does not know topic {self._topic} yet")
        partitions, generation, elsewhere = found[0]
        if elsewhere != self._elsewhere:
            raise WrongLog(
                "the log of this database lies on Kafka: GATEWATCH_KAFKA_BOOTSTRAP must say where"
                if elsewhere
                else "the log of this database lies in PostgreSQL: it is not for use with Kafka"
            )
        return partitions, generation

    def free(self) -> list[int]:
        """The partitions without an owner that beats; our own count too, after what we knew of them was dropped."""
        return [part for (part,) in self._session.rows(_SQL["free"], self._whose([]))]

    def renew(self, claims: Iterable[Claim]) -> set[int]:
        """Extend the leases; returns the partitions that are still ours under the same epoch."""
        held = {claim.part: claim.epoch for claim in claims}
        rows = self._session.rows(_SQL["renew"], self._whose(list(held)) | {"lease": self._timeout})
        return {part for part, epoch in rows if held.get(part) == epoch}

    def claim(self, part: int, force: bool = False) -> Claim | None:
        """Take a partition, or None where somebody was faster.

        A row that stays locked for a second belongs to a process that was stopped in mid-batch: its backend is ended,
        for no time-out of PostgreSQL's ends a client that stopped in mid-COPY.
        """
        wanted = {
            "topic": self._topic,
            "part": part,
            "owner": self.member,
            "lease": self._timeout,
            "force": force,
        }
        rows = self._take(wanted)
        if rows is None:
            self._session.run_as_login(_SQL["terminate"], wanted)
            rows = self._take(wanted)
        if not rows:
            return None
        epoch, next_offset, out_seq = rows[0]
        # Read after the claim: a growth that comes later raises the epoch, one that came earlier is seen here.
        partitions, generation = self._known()
        return Claim(self._topic, part, epoch, self.member, next_offset, out_seq, generation, partitions)

    def _take(self, wanted: dict[str, Any]) -> list[tuple[Any, ...]] | None:
        self._session.run("SET lock_timeout = '1s'")
        try:
            return self._session.rows(_SQL["claim"], wanted | {"started": self._session.started})
        except Unavailable as error:
            if isinstance(error.__cause__, LockNotAvailable):
                return None
            raise
        finally:
            if not self._session.broken:
                self._session.run("SET lock_timeout = '5s'")

    def release(self, claims: Iterable[Claim]) -> None:
        """Give partitions back."""
        if parts := [claim.part for claim in claims]:
            self._session.run(_SQL["release"], self._whose(parts))

    def _whose(self, parts: list[int]) -> dict[str, Any]:
        return {"topic": self._topic, "owner": self.member, "parts": parts}
