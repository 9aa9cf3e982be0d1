"""What is kept of a log that lies on Kafka (see `log_ports.LogBook`)."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from operator import itemgetter

import msgspec
from psycopg import DatabaseError

from gatewatch.adapters.postgres.connection import Session, first_line
from gatewatch.adapters.postgres.statements import load
from gatewatch.adapters.postgres.tenancy import prepared
from gatewatch.core.times import to_datetime
from gatewatch.log_ports import Head, KnownTopic, WrongLog
from gatewatch.ports import Claim, Fenced

_SQL = load("leases.sql")
#: Later than anything: the database takes it for its own now.
_NOW = datetime.max.replace(tzinfo=UTC)


class PostgresBook:
    """Keeps one topic's places."""

    def __init__(self, session: Session, topic: str) -> None:
        self._session, self._topic = session, topic

    def register(self, partitions: int, id: str) -> int:
        """Know the topic by its id; returns its generation. Raises `WrongLog` where another one is known."""
        wanted = {"topic": self._topic, "partitions": partitions, "kafka": id}
        try:
            with prepared():
                ((generation,),) = self._session.rows(_SQL["register"], wanted)
        except DatabaseError as error:
            if error.sqlstate == "GW005":
                raise WrongLog(first_line(error)) from error
            raise
        return int(generation)

    def id(self) -> str:
        """The id under which the topic is known, "" where it is not, or lies in the database itself."""
        rows = self._session.rows(
            "SELECT kafka_id FROM topics WHERE topic = %(topic)s", {"topic": self._topic}
        )
        return (rows[0][0] or "") if rows else ""

    def known(self) -> KnownTopic | None:
        """The topic with how far it was read. Raises `NotPrepared`."""
        with prepared():
            rows = self._session.rows(_SQL["known"], {"topic": self._topic})
        return (
            KnownTopic(rows[0][0] or "", rows[0][1], rows[0][2], dict(enumerate(rows[0][3])))
            if rows
            else None
        )

    def skip(self, claim: Claim, begin: int) -> Claim:
        """Record a lost range, and go on behind it, in one."""
        wanted = {
            "topic": claim.topic,
            "part": claim.part,
            "epoch": claim.epoch,
            "owner": claim.owner,
            "from": claim.next_offset,
            "to": begin,
        }
        if not self._session.run(_SQL["skip"], wanted):
            raise Fenced(f"partition {claim.part} was taken over")
        return msgspec.structs.replace(claim, next_offset=begin)

    def tell(self, heads: Mapping[int, Head]) -> None:
        """How partitions end."""
        self._tell(
            (part, end, _NOW if read_until is None else to_datetime(read_until))
            for part, (end, read_until) in heads.items()
        )

    def ended(self, ends: Mapping[int, int]) -> None:
        """Where partitions end, told by somebody who does not read them."""
        self._tell((part, end, None) for part, end in ends.items())

    def _tell(self, found: Iterable[tuple[int, int, datetime | None]]) -> None:
        # Whoever tells at the same time locks the rows in this order, too.
        told = sorted(found, key=itemgetter(0))
        if told:
            parts, ends, until = map(list, zip(*told, strict=True))
            wanted = {"topic": self._topic, "parts": parts, "ends": ends, "until": until}
            self._session.rows(_SQL["tell"], wanted)

    def grown(self, partitions: int) -> None:
        """Grow with the topic, once."""
        wanted = {"topic": self._topic, "partitions": partitions}
        known = self._session.rows(_SQL["topic"], wanted)
        if known and known[0][0] < partitions:
            try:
                self._session.rows(_SQL["grow"], wanted)
            except DatabaseError as error:
                if error.sqlstate != "GW003":  # another member was faster
                    raise
