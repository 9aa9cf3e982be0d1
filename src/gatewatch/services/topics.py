"""The topics on Kafka: made and grown as declared, compared with it, never shrunk.

Each change can be explained instead of made. A growth is told to the brokers first: a record that lies on a partition
which the database does not know yet waits there, while the other way round nobody could write to it.
"""

from collections.abc import Sequence
from math import lcm

import msgspec

from gatewatch.log_ports import Brokers, FoundTopic, KnownTopic, LogBook, TopicSpec
from gatewatch.ports import Unavailable

#: Settings of a topic where more than declared does no harm.
_AT_LEAST = ("retention.ms", "max.message.bytes", "min.insync.replicas")
_DAY_MS = 86_400_000


class CannotGrow(Exception):
    """A topic cannot have that number of partitions; the message says why."""


class DescribedTopic(msgspec.Struct, frozen=True):
    """A topic for people. `unread` and `generation` are the log's alone; `problems` tells what is not as declared."""

    name: str
    exists: bool
    partitions: int
    replicas: int
    records: int
    unread: int | None
    generation: int | None
    problems: list[str]


class TopicKeeping(msgspec.Struct, frozen=True):
    """The use cases; the first of the `declared` topics is the log. All raise `ports.Unavailable`."""

    brokers: Brokers
    book: LogBook
    declared: Sequence[TopicSpec]

    @property
    def log(self) -> str:
        """The log's topic."""
        return self.declared[0].name

    def _found(self) -> dict[str, FoundTopic]:
        return self.brokers.found([spec.name for spec in self.declared])

    def create(self, *, dry: bool = False) -> list[str]:
        """Make what is missing, and make the log known to the database; says what was, or would be, done. What is
        there stays as it is.

        Raises `log_ports.WrongLog` where the database knows another topic.
        """
        found = self._found()
        said = [f"create {_described(spec)}" for spec in self.declared if spec.name not in found]
        if dry:
            return said + self._to_register(found.get(self.log))
        for spec in self.declared:
            if spec.name not in found:
                self.brokers.create(spec)
        log = self._log()
        said += self._to_register(log)
        self.book.register(log.partitions, log.id)
        return said

    def _log(self) -> FoundTopic:
        found = self.brokers.found([self.log]).get(self.log)
        if found is None:
            raise Unavailable(f"Kafka has no topic {self.log}: create it with `gatewatch topics create`")
        return found

    def _to_register(self, log: FoundTopic | None) -> list[str]:
        known = self.book.known()
        if log is not None and known is not None and (known.id, known.partitions) == (log.id, log.partitions):
            return []
        return [f"make {self.log} known to the database"]

    def grow(self, partitions: int, *, dry: bool = False) -> list[str]:
        """Have more partitions of the log; says what was, or would be, done. Raises `CannotGrow`."""
        log = self._log()
        if partitions <= log.partitions:
            raise CannotGrow(f"{self.log} has {log.partitions} partitions; it can only grow")
        if not dry:
            self.brokers.grow(self.log, partitions)
            self.book.grown(partitions)
        moved = 1 - log.partitions / lcm(log.partitions, partitions)
        return [
            f"{self.log}: {log.partitions} partitions become {partitions}",
            f"about {moved:.0%} of all users move to another partition; what lies on their old one is sent on",
            "every claim ends once, so that detectors go on with the new number",
        ]

    def describe(self) -> list[DescribedTopic]:
        """Every declared topic as it is."""
        found, known = self._found(), self.book.known()
        return [self._one(spec, found.get(spec.name), known) for spec in self.declared]

    def _one(self, spec: TopicSpec, found: FoundTopic | None, known: KnownTopic | None) -> DescribedTopic:
        if found is None:
            return DescribedTopic(spec.name, False, 0, 0, 0, None, None, ["does not exist"])
        problems = _differences(spec, found, self.brokers.config(spec.name))
        ends = self.brokers.ends(spec.name)
        unread = generation = None
        if spec.name == self.log:
            problems += _unknown(found, known)
            if known is not None and known.id == found.id:
                unread = sum(max(0, end - known.read.get(part, 0)) for part, end in ends.items())
                generation = known.generation
        size = (found.partitions, found.replicas, sum(ends.values()))
        return DescribedTopic(spec.name, True, *size, unread, generation, problems)


def _described(spec: TopicSpec) -> str:
    copies = "the brokers' number of copies" if spec.replicas < 0 else f"{spec.replicas} copies"
    days = int(spec.config["retention.ms"]) // _DAY_MS
    return f"{spec.name}: {spec.partitions} partitions, {copies}, kept {days} days"


def _differences(spec: TopicSpec, found: FoundTopic, config: dict[str, str]) -> list[str]:
    problems = []
    if found.partitions < spec.partitions:
        problems.append(f"has {found.partitions} partitions, not {spec.partitions}")
    if 0 < spec.replicas != found.replicas:
        problems.append(f"has {found.replicas} copies, not {spec.replicas}")
    for name, wanted in spec.config.items():
        have = config.get(name, "")
        if have != wanted and not (name in _AT_LEAST and _at_least(have, int(wanted))):
            problems.append(f"{name} is {have}, not {wanted}")
    return problems


def _at_least(have: str, wanted: int) -> bool:
    return have == "-1" or (have.isdecimal() and int(have) >= wanted)


def _unknown(found: FoundTopic, known: KnownTopic | None) -> list[str]:
    if known is None:
        return ["the database does not know it: `gatewatch topics create`"]
    if known.id != found.id:
        return ["the database knows another topic: this one was made anew, or lies on another cluster"]
    if known.partitions != found.partitions:
        return [f"the database knows {known.partitions} partitions; detectors tell it within seconds"]
    return []
