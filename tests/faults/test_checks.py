"""Each check of the fault test can fail: in a run without faults it finds what is spoilt, and nothing else."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import msgspec
import pytest

from gatewatch.adapters.postgres.connection import Session
from gatewatch.adapters.postgres.server import EmbeddedPostgres
from gatewatch.adapters.postgres.store import PostgresStore
from gatewatch.bootstrap import SystemClock
from gatewatch.detectors import default_engine
from gatewatch.ports import LOGINS
from tests.faults import checks, findings, scenario
from tests.faults.findings import Expected
from tests.faults.nemesis import Amounts
from tests.faults.run import Trial, live
from tests.faults.stored import DeadLetter, Stored
from tests.faults.system import System
from tests.faults.witnesses import Witnessed
from tests.support.servers import SMALL, scratch_folder

Spoil = Callable[[Stored], None]
ENGINE = default_engine()


class Quiet:
    """A run in which nothing went wrong: what was sent, what is stored, what was to be found."""

    def __init__(self, system: System, chunks: list[scenario.Chunk], witnessed: Witnessed) -> None:
        self._superuser, self.witnessed = system.superuser, witnessed
        session = Session(system.conninfo)
        self.sent = checks.sent(chunks)
        store = PostgresStore(session, SystemClock(), timedelta(seconds=5))
        self.expected: Expected = findings.expected(ENGINE, store, self.stored())
        session.close()

    def stored(self) -> Stored:
        """What is stored, read anew: to be spoilt."""
        return Stored(self._superuser)


@pytest.fixture(scope="module")
def quiet() -> Iterator[Quiet]:
    """One small run for all tests of this file."""
    test = Trial(5, 2.0, 900, 4.0, Amounts(0, 0, 0, 0, 0), bucket_life=600.0, quiet=0.5)
    chunks = scenario.make(test.seed, test.events, test.days)
    with (
        scratch_folder() as folder,
        EmbeddedPostgres(folder / "pg", durable=False, settings=SMALL) as server,
    ):
        scenario.save(chunks, folder / "script")
        system = System(server, folder)
        system.prepare()
        lived = live(test, system, chunks, lambda _: None)
        assert lived.deaths == []
        yield Quiet(system, chunks, lived.witnessed)


def _check(name: str, quiet: Quiet, stored: Stored) -> list[str]:
    match name:
        case "acknowledged":
            return checks.acknowledged(quiet.sent, stored)
        case "dead_letters":
            return checks.dead_letters(quiet.sent, stored)
        case "replay":
            return checks.replay(ENGINE, stored)
        case "findings":
            return findings.findings(quiet.expected, stored)
        case "doubts":
            return findings.doubts(stored)
        case _:
            check: checks.Check = getattr(checks, name)
            return check(stored)


NAMES = (
    *(
        "acknowledged",
        "dead_letters",
        "replay",
        "anomaly_columns",
        "source_state",
        "value_counts",
        "rollups",
        "findings",
    ),
    *("outbox", "doubts", "offsets"),
)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_found_where_nothing_is_spoilt(quiet: Quiet, name: str) -> None:
    """A check is silent about a run without faults."""
    assert _check(name, quiet, quiet.stored()) == []


def _lose_event(stored: Stored) -> None:
    stored.events.pop()


def _repeat_event(stored: Stored) -> None:
    stored.events.append(stored.events[0])


def _other_body(stored: Stored) -> None:
    stored.events[0] = stored.events[0]._replace(digest=b"another")


def _lose_conflict(stored: Stored) -> None:
    stored.conflicts.pop()


def _lose_control(stored: Stored) -> None:
    stored.controls.pop()


def _wrong_tally(stored: Stored) -> None:
    stored.tallies["default"] += 1


def _lose_dead_letter(stored: Stored) -> None:
    stored.dead.pop()


def _bury_twice(stored: Stored) -> None:
    stored.dead.append(DeadLetter("default", f"{LOGINS}-0-0", "refused", 0, 0))


def _other_assessment(stored: Stored) -> None:
    stored.events[0] = stored.events[0]._replace(assessment=stored.events[0].assessment + " ")


def _other_order(stored: Stored) -> None:
    """The first two events of the user with the most change places."""
    users = [row.user_key for row in stored.events]
    user = max(set(users), key=users.count)
    one, two = sorted(
        (i for i, row in enumerate(stored.events) if row.user_key == user),
        key=lambda i: stored.events[i].place,
    )[:2]
    events = stored.events
    events[one], events[two] = (
        events[one]._replace(place=events[two].place),
        events[two]._replace(place=events[one].place),
    )


def _other_profile(stored: Stored) -> None:
    key, row = next(iter(stored.users.items()))
    stored.users[key] = row._replace(state=next(r.state for k, r in stored.users.items() if k != key))


def _other_risk(stored: Stored) -> None:
    key, row = next((k, r) for k, r in stored.users.items() if r.risk > 0)
    stored.users[key] = row._replace(risk=row.risk + 1e-6)


def _lose_profile(stored: Stored) -> None:
    stored.users.popitem()


def _change_anomaly(stored: Stored, of_user: bool) -> None:
    key, row = next((k, r) for k, r in stored.anomalies.items() if bool(r.body.event_id) == of_user)
    stored.anomalies[key] = row._replace(body=msgspec.structs.replace(row.body, count=row.body.count + 1))


def _other_user_anomaly(stored: Stored) -> None:
    _change_anomaly(stored, of_user=True)


def _other_finding(stored: Stored) -> None:
    _change_anomaly(stored, of_user=False)


def _lose_finding(stored: Stored) -> None:
    del stored.anomalies[next(k for k, r in stored.anomalies.items() if not r.body.event_id)]


def _other_columns(stored: Stored) -> None:
    key, row = next(iter(stored.anomalies.items()))
    stored.anomalies[key] = row._replace(columns=(*row.columns[:-1], 0))


def _other_bucket(stored: Stored) -> None:
    next(iter(stored.buckets.values())).failures += 1


def _lose_bucket(stored: Stored) -> None:
    stored.buckets.popitem()


def _other_count(stored: Stored) -> None:
    key = next(iter(stored.counts))
    stored.counts[key] += 1


def _count_twice(stored: Stored) -> None:
    key, row = next(iter(stored.activity.items()))
    stored.activity[key] = (2 * row[0], *row[1:])


def _other_top(stored: Stored) -> None:
    stored.activity_values.popitem()


def _lose_chunk(stored: Stored) -> None:
    stored.sketches.pop()


def _lose_last_message(stored: Stored) -> None:
    stored.outbox.pop()


def _repeat_version(stored: Stored) -> None:
    stored.outbox.append(next(m for m in stored.outbox if m.topic != LOGINS))


def _ahead(stored: Stored) -> None:
    end, read, seq, position = stored.partitions[0]
    stored.partitions[0] = (end, read, seq, position + 1)


def _unread(stored: Stored) -> None:
    end, read, seq, position = stored.partitions[0]
    stored.partitions[0] = (end + 1, read, seq, position)


def _gap(stored: Stored) -> None:
    stored.gaps.append((0, 1, 2))


def _lose_doubt(stored: Stored) -> None:
    stored.doubts.clear()


SPOILT: list[tuple[str, Spoil]] = [
    ("acknowledged", _lose_event),
    ("acknowledged", _repeat_event),
    ("acknowledged", _other_body),
    ("acknowledged", _lose_conflict),
    ("acknowledged", _lose_control),
    ("acknowledged", _wrong_tally),
    ("dead_letters", _lose_dead_letter),
    ("dead_letters", _bury_twice),
    ("replay", _other_assessment),
    ("replay", _other_order),
    ("replay", _other_profile),
    ("replay", _other_risk),
    ("replay", _lose_profile),
    ("replay", _other_user_anomaly),
    ("anomaly_columns", _other_columns),
    ("source_state", _other_bucket),
    ("source_state", _lose_bucket),
    ("value_counts", _other_count),
    ("value_counts", _lose_chunk),
    ("rollups", _lose_event),
    ("rollups", _count_twice),
    ("rollups", _other_top),
    ("findings", _other_finding),
    ("findings", _lose_finding),
    ("outbox", _lose_last_message),
    ("outbox", _repeat_version),
    ("outbox", _ahead),
    ("doubts", _lose_doubt),
    ("offsets", _unread),
    ("offsets", _gap),
]


@pytest.mark.parametrize(
    ("name", "spoil"), SPOILT, ids=lambda p: p if isinstance(p, str) else p.__name__.strip("_")
)
def test_what_is_spoilt_is_found(quiet: Quiet, name: str, spoil: Spoil) -> None:
    """A check finds what was spoilt."""
    stored = quiet.stored()
    spoil(stored)
    assert _check(name, quiet, stored) != []
