"""Topics are compared with what is declared, and changed only where nothing is lost."""

import msgspec
import pytest

from gatewatch.log_ports import FoundTopic, Head, KnownTopic, TopicSpec
from gatewatch.ports import Claim, Unavailable
from gatewatch.services.topics import CannotGrow, TopicKeeping

LOG = TopicSpec("logins", 8, 3, {"retention.ms": "604800000", "cleanup.policy": "delete"})
OUT = TopicSpec("anomalies", 2, -1, {"retention.ms": "604800000"})


class Brokers:
    """Brokers with some topics."""

    def __init__(self, *topics: FoundTopic, **config: str) -> None:
        self.topics = {topic.name: topic for topic in topics}
        self._config = {"retention.ms": "604800000", "cleanup.policy": "delete", **config}

    def found(self, names: object) -> dict[str, FoundTopic]:
        """Those that exist."""
        del names
        return dict(self.topics)

    def create(self, spec: TopicSpec) -> bool:
        """Create one."""
        self.topics[spec.name] = FoundTopic(
            spec.name, f"id-{spec.name}", spec.partitions, max(1, spec.replicas)
        )
        return True

    def grow(self, name: str, partitions: int) -> None:
        """More partitions."""
        self.topics[name] = self.topics[name]._replace(partitions=partitions)

    def config(self, name: str) -> dict[str, str]:
        """The same for all."""
        del name
        return self._config

    def ends(self, name: str) -> dict[int, int]:
        """Ten records each."""
        return dict.fromkeys(range(self.topics[name].partitions), 10)


class Book:
    """What a database knows."""

    def __init__(self, known: KnownTopic | None = None) -> None:
        self.topic = known

    def id(self) -> str:
        """The id."""
        return self.topic.id if self.topic else ""

    def known(self) -> KnownTopic | None:
        """The topic."""
        return self.topic

    def register(self, partitions: int, id: str) -> int:
        """Know it."""
        self.topic = KnownTopic(id, partitions, 1, {})
        return 1

    def skip(self, claim: Claim, begin: int) -> Claim:
        """Go on behind a gap."""
        return msgspec.structs.replace(claim, next_offset=begin)

    def tell(self, heads: object) -> None:
        """Nobody asks."""
        assert isinstance(heads, dict | Head)

    def grown(self, partitions: int) -> None:
        """Grow."""
        assert self.topic is not None
        self.topic = self.topic._replace(partitions=partitions, generation=self.topic.generation + 1)


def _keeping(*topics: FoundTopic, known: KnownTopic | None = None, **config: str) -> TopicKeeping:
    return TopicKeeping(Brokers(*topics, **config), Book(known), [LOG, OUT])


def test_what_is_missing_is_made() -> None:
    """Created once and made known; a dry run says the same and does nothing; a second time there is nothing to do."""
    keeping = _keeping()
    planned = keeping.create(dry=True)
    assert [line.partition(":")[0] for line in planned] == [
        "create logins",
        "create anomalies",
        "make logins known to the database",
    ]
    assert keeping.brokers.found([]) == {}
    assert keeping.create() == planned
    assert keeping.create() == []
    assert [topic.problems for topic in keeping.describe()] == [[], []]


def test_a_growth_is_told_to_both() -> None:
    """More partitions on the brokers and in the database; fewer, or as many, are refused."""
    keeping = _keeping()
    keeping.create()
    for partitions in (7, 8):
        with pytest.raises(CannotGrow, match="only grow"):
            keeping.grow(partitions)
    assert "about 50% of all users" in keeping.grow(16, dry=True)[1]
    assert keeping.describe()[0].partitions == 8
    keeping.grow(16)
    found = keeping.describe()[0]
    assert (found.partitions, found.generation, found.problems) == (16, 2, [])


def test_a_log_that_is_not_there_cannot_grow() -> None:
    """Where there is no topic yet, the message says how to create it."""
    with pytest.raises(Unavailable, match="topics create"):
        _keeping().grow(16)


def test_what_is_unread_is_told() -> None:
    """Unread is what lies behind the offsets in the database, for the log alone."""
    log = FoundTopic("logins", "id", 8, 3)
    read = dict.fromkeys(range(8), 10) | {0: 4}
    topics = _keeping(log, known=KnownTopic("id", 8, 5, read)).describe()
    assert (topics[0].unread, topics[0].generation) == (6, 5)
    assert (topics[1].exists, topics[1].problems) == (False, ["does not exist"])


@pytest.mark.parametrize(
    ("found", "known", "config", "problem"),
    [
        (FoundTopic("logins", "id", 4, 3), None, {}, "has 4 partitions, not 8"),
        (FoundTopic("logins", "id", 8, 1), None, {}, "has 1 copies, not 3"),
        (
            FoundTopic("logins", "id", 8, 3),
            None,
            {"retention.ms": "1000"},
            "retention.ms is 1000, not 604800000",
        ),
        (FoundTopic("logins", "id", 8, 3), None, {"cleanup.policy": "compact"}, "cleanup.policy is compact"),
        (FoundTopic("logins", "id", 8, 3), None, {}, "the database does not know it"),
        (
            FoundTopic("logins", "id", 8, 3),
            KnownTopic("other", 8, 1, {}),
            {},
            "the database knows another topic",
        ),
        (
            FoundTopic("logins", "id", 12, 3),
            KnownTopic("id", 8, 1, {}),
            {},
            "the database knows 8 partitions",
        ),
    ],
)
def test_what_is_not_as_declared(
    found: FoundTopic, known: KnownTopic | None, config: dict[str, str], problem: str
) -> None:
    """Each difference is named; more partitions, copies kept longer and larger records are none."""
    problems = _keeping(found, known=known, **config).describe()[0].problems
    assert any(problem in one for one in problems)


@pytest.mark.parametrize("retention", ["-1", "9999999999"])
def test_what_is_kept_longer_is_fine(retention: str) -> None:
    """A longer retention, or none, is as declared."""
    found, known = FoundTopic("logins", "id", 64, 3), KnownTopic("id", 64, 1, {})
    assert _keeping(found, known=known, **{"retention.ms": retention}).describe()[0].problems == []
