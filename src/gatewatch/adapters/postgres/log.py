"""The embedded log: appends go through one statement each, so that a client that stops holds no lock."""

from collections.abc import Sequence

from gatewatch.adapters.postgres.connection import Session
from gatewatch.core.partitioning import partition_of
from gatewatch.ports import LOGINS, StaleRoute, Unavailable

#: The most records of one append (the function refuses more), and the most bytes.
MAX_RECORDS = 1_000
MAX_BYTES = 8 << 20

_APPEND = "SELECT log_append(%(topic)s, %(generation)s, %(parts)b::integer[], %(keys)b::text[], %(values)b::bytea[])"
_TOPIC = "SELECT partitions, generation FROM topics WHERE topic = %(topic)s"


class PostgresLog:
    """Writes to a topic of the embedded log (see `ports.LogWriter`)."""

    def __init__(self, conninfo: str, topic: str = LOGINS, role: str = "gatewatch_worker") -> None:
        self._session = Session(conninfo, role)
        self._topic = topic
        self._route: tuple[int, int] | None = None

    def append(self, records: Sequence[tuple[str, bytes]]) -> None:
        """Append (key, value) pairs, durably and in order per key. Raises `Unavailable`: then send all again."""
        for chunk in _chunks(records):
            self._append(chunk)

    def _append(self, chunk: Sequence[tuple[str, bytes]]) -> None:
        while True:
            partitions, generation = self._route or self._read_route()
            keys = [key for key, _ in chunk]
            try:
                self._session.rows(
                    _APPEND,
                    {
                        "topic": self._topic,
                        "generation": generation,
                        "parts": [partition_of(key, partitions) for key in keys],
                        "keys": keys,
                        "values": [value for _, value in chunk],
                    },
                )
            except StaleRoute:
                self._route = None
                continue
            return

    def _read_route(self) -> tuple[int, int]:
        found = self._session.rows(_TOPIC, {"topic": self._topic})
        if not found:
            raise Unavailable(f"topic {self._topic} does not exist yet")
        self._route = (found[0][0], found[0][1])
        return self._route

    def close(self) -> None:
        """Close the connection."""
        self._session.close()


def _chunks(records: Sequence[tuple[str, bytes]]) -> list[Sequence[tuple[str, bytes]]]:
    """Split into appends of at most `MAX_RECORDS` and about `MAX_BYTES`."""
    chunks: list[Sequence[tuple[str, bytes]]] = []
    start = size = 0
    for i, (key, value) in enumerate(records):
        weight = len(key) + len(value)
        if i > start and (i - start == MAX_RECORDS or size + weight > MAX_BYTES):
            chunks.append(records[start:i])
            start, size = i, 0
        size += weight
    if start < len(records):
        chunks.append(records[start:])
    return chunks
