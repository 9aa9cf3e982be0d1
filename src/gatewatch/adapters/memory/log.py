"""A log in memory, with its members: what the embedded log and Kafka promise, without either."""

from collections.abc import Callable, Collection, Iterable, Sequence
from time import monotonic
from uuid import uuid4

import msgspec

from gatewatch.core.partitioning import partition_of
from gatewatch.ports import LOGINS, Claim, Fenced, LogRecord


class _Part(msgspec.Struct):
    """A partition: its records, from which offset on they are there, and who may process it."""

    records: list[LogRecord] = []
    begin: int = 0
    epoch: int = 0
    owner: str = ""
    lease_until: float = 0.0
    next_offset: int = 0


class MemoryLog:
    """A topic (see `ports.LogWriter`). `clock` gives seconds; leases last `timeout` of them. For one thread."""

    def __init__(
        self,
        partitions: int,
        timeout: float = 5.0,
        clock: Callable[[], float] = monotonic,
        topic: str = LOGINS,
    ) -> None:
        self.topic, self.generation = topic, 1
        self.timeout, self.clock = timeout, clock
        self.parts = [_Part() for _ in range(partitions)]
        self.members: dict[str, float] = {}
        self.gaps: list[tuple[int, int, int]] = []

    def append(self, records: Sequence[tuple[str, bytes]]) -> None:
        """Append (key, value) pairs, in order per key."""
        for key, value in records:
            self.put(partition_of(key, len(self.parts)), key, value)

    def put(self, part: int, key: str, value: bytes) -> None:
        """Append to a partition of one's choice, as a foreign producer may."""
        found = self.parts[part]
        found.records.append(LogRecord(found.begin + len(found.records), key, value))

    def close(self) -> None:
        """Nothing is held."""

    def lose(self, part: int, before: int) -> None:
        """Forget the records before an offset, as a log's retention does."""
        found = self.parts[part]
        del found.records[: before - found.begin]
        found.begin = before

    def grow(self, partitions: int) -> None:
        """More partitions, a new generation, and every claim ends."""
        self.parts += [_Part() for _ in range(partitions - len(self.parts))]
        self.generation += 1
        for part in self.parts:
            part.epoch, part.owner = part.epoch + 1, ""

    def advance(self, claim: Claim, offset: int) -> Claim:
        """Compare and swap, as a batch's transaction does. Raises `Fenced`."""
        part = self.parts[claim.part]
        if (part.epoch, part.owner, part.next_offset) != (claim.epoch, claim.owner, claim.next_offset):
            raise Fenced(f"partition {claim.part} was taken over")
        part.next_offset = offset
        return msgspec.structs.replace(claim, next_offset=offset)


class MemoryMember:
    """One member (see `log_ports.Membership` and `log_ports.LogSource`)."""

    def __init__(self, log: MemoryLog) -> None:
        self._log, self.member = log, str(uuid4())

    def beat(self) -> None:
        """Say that this member is alive."""
        self._log.members[self.member] = self._log.clock()

    def leave(self) -> None:
        """Say good-bye."""
        self._log.members.pop(self.member, None)

    def share(self) -> int:
        """A fair share."""
        since = self._log.clock() - self._log.timeout
        alive = sum(seen > since for seen in self._log.members.values())
        return -(-len(self._log.parts) // max(1, alive))

    def free(self) -> list[int]:
        """The partitions without an owner that beats, and our own."""
        return [number for number in range(len(self._log.parts)) if self._is_free(number)]

    def _is_free(self, number: int) -> bool:
        part = self._log.parts[number]
        return part.owner in ("", self.member) or part.lease_until < self._log.clock()

    def renew(self, claims: Iterable[Claim]) -> set[int]:
        """Extend the leases of what is still ours."""
        ours = {claim.part for claim in claims if self._holds(claim)}
        for number in ours:
            self._log.parts[number].lease_until = self._log.clock() + self._log.timeout
        return ours

    def _holds(self, claim: Claim) -> bool:
        part = self._log.parts[claim.part]
        return (part.owner, part.epoch) == (self.member, claim.epoch)

    def claim(self, part: int) -> Claim | None:
        """Take a partition; what the log lost before its offset is a gap in the books."""
        if not self._is_free(part):
            return None
        log, found = self._log, self._log.parts[part]
        found.epoch, found.owner = found.epoch + 1, self.member
        found.lease_until = log.clock() + log.timeout
        if found.next_offset < found.begin:
            log.gaps.append((part, found.next_offset, found.begin))
            found.next_offset = found.begin
        return Claim(
            log.topic, part, found.epoch, self.member, found.next_offset, 0, log.generation, len(log.parts)
        )

    def release(self, claims: Iterable[Claim]) -> None:
        """Give partitions back."""
        for claim in claims:
            if self._holds(claim):
                self._log.parts[claim.part].owner = ""

    def backlog(self, claims: Collection[Claim]) -> set[int]:
        """The partitions that have something to read."""
        return {claim.part for claim in claims if self.read(claim, 1)}

    def read(self, claim: Claim, limit: int) -> list[LogRecord]:
        """The next records."""
        part = self._log.parts[claim.part]
        start = max(0, claim.next_offset - part.begin)
        return part.records[start : start + limit]

    def done(self, claim: Claim) -> None:
        """Nothing: records stay until they are lost."""

    def reached(self) -> bool:
        """It is here."""
        return True
