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
from tests.faults import checks, face, findings, scenario
from tests.faults.findings import Expected
from tests.faults.listener import Told
from tests.faults.nemesis import Amounts
from tests.faults.people import Change, Request
from tests.faults.run import Trial, live
from tests.faults.spoils import SPOILT, Spoil
from tests.faults.stored import Stored
from tests.faults.system import System
from tests.faults.witnesses import Witnessed
from tests.support.servers import SMALL, scratch_folder

ENGINE = default_engine()


class Quiet:
    """A run in which nothing went wrong: what was sent, what is stored, what was to be found."""

    def __init__(self, system: System, chunks: list[scenario.Chunk], witnessed: Witnessed) -> None:
        self._superuser, self.witnessed = system.superuser, witnessed
        session = Session(system.conninfo)
        self.sent = checks.sent(chunks)
        store = PostgresStore(session, SystemClock(), timedelta(seconds=5))
        self.whole = self.stored()
        self.expected: Expected = findings.expected(ENGINE, store, self.whole)
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


def _check(name: str, quiet: Quiet, stored: Stored, witnessed: Witnessed | None = None) -> list[str]:
    seen = witnessed or quiet.witnessed
    match name:
        case "acknowledged":
            return checks.acknowledged(quiet.sent, stored)
        case "dead_letters":
            return checks.dead_letters(quiet.sent, stored)
        case "replay":
            return checks.replay(ENGINE, stored)
        case "decisions":
            return face.decisions(quiet.sent, seen, stored)
        case "statuses" | "shown" | "stream":
            told: Callable[[Witnessed, Stored], list[str]] = getattr(face, name)
            return told(seen, stored)
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
    *("outbox", "doubts", "offsets", "decisions", "statuses", "shown", "stream"),
)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_found_where_nothing_is_spoilt(quiet: Quiet, name: str) -> None:
    """A check is silent about a run without faults."""
    assert _check(name, quiet, quiet.whole) == []


def _witness_other_answer(seen: Witnessed) -> Witnessed:
    """A decision was answered otherwise when it was asked again."""
    other = msgspec.structs.replace(seen.again[0], body=seen.again[0].body + b" ")
    return seen._replace(again=[other, *seen.again[1:]])


def _witness_no_answer(seen: Witnessed) -> Witnessed:
    """A login that was asked about, perhaps several times, was never decided on."""
    event_id = seen.answers[0].event_id
    return seen._replace(answers=[answer for answer in seen.answers if answer.event_id != event_id])


def _witness_denied(seen: Witnessed) -> Witnessed:
    """A change was acknowledged under another status than the stored one."""
    request, at = _changed(seen)
    results = [*(request.results or ())]
    said = results[at].said or {}
    other = "new" if said["status"] != "new" else "resolved"
    results[at] = results[at]._replace(said={**said, "status": other})
    return _with(seen, request, request._replace(results=results))


def _witness_refused(seen: Witnessed) -> Witnessed:
    """A change that is stored was said to be refused."""
    request, at = _changed(seen)
    results = [*(request.results or ())]
    conflict = {"status": "new", "revision": request.changes[at].revision}
    results[at] = results[at]._replace(outcome="conflict", said=conflict)
    return _with(seen, request, request._replace(results=results))


def _witness_torn(seen: Witnessed) -> Witnessed:
    """Of a request without an answer one change is stored, and another that nobody stood against is not."""
    request, _ = _changed(seen)
    never = Change(request.changes[0].id, "new", 1_000)
    return _with(seen, request, request._replace(changes=[*request.changes, never], results=None))


def _changed(seen: Witnessed) -> tuple[Request, int]:
    """A request with an acknowledged change, and where that is in it."""
    return next(
        (request, at)
        for request in reversed(seen.requests)
        for at, result in enumerate(request.results or ())
        if result.outcome == "changed"
    )


def _with(seen: Witnessed, request: Request, other: Request) -> Witnessed:
    return seen._replace(requests=[other if one is request else one for one in seen.requests])


def _witness_lost(seen: Witnessed) -> Witnessed:
    return seen._replace(told=seen.told[:-1])


def _witness_repeated(seen: Witnessed) -> Witnessed:
    """A message came again after a reconnect: behind an earlier id."""
    return seen._replace(told=[*seen.told[:1], *seen.told])


def _witness_reset(seen: Witnessed) -> Witnessed:
    return seen._replace(told=[*seen.told, Told("reset", "too_old", 0, 0, seen.told[-1].id)])


def _witness_stayed(seen: Witnessed) -> Witnessed:
    return seen._replace(connections=1)


def _witness_shown(seen: Witnessed) -> Witnessed:
    id, row = next(iter(seen.shown.items()))
    return seen._replace(shown={**seen.shown, id: row._replace(since=row.since + 1)})


WITNESSED: list[tuple[str, Callable[[Witnessed], Witnessed]]] = [
    ("decisions", _witness_other_answer),
    ("decisions", _witness_no_answer),
    ("statuses", _witness_denied),
    ("statuses", _witness_refused),
    ("statuses", _witness_torn),
    ("shown", _witness_shown),
    ("stream", _witness_lost),
    ("stream", _witness_repeated),
    ("stream", _witness_reset),
    ("stream", _witness_stayed),
]


@pytest.mark.parametrize(
    ("name", "spoil"), SPOILT, ids=lambda p: p if isinstance(p, str) else p.__name__.strip("_")
)
def test_what_is_spoilt_is_found(quiet: Quiet, name: str, spoil: Spoil) -> None:
    """A check finds what was spoilt."""
    stored = quiet.stored()
    spoil(stored)
    assert _check(name, quiet, stored) != []


@pytest.mark.parametrize(
    ("name", "spoil"), WITNESSED, ids=lambda p: p if isinstance(p, str) else p.__name__.strip("_")
)
def test_what_was_told_otherwise_is_found(
    quiet: Quiet, name: str, spoil: Callable[[Witnessed], Witnessed]
) -> None:
    """A check finds what somebody was told that is not so."""
    assert _check(name, quiet, quiet.whole, spoil(quiet.witnessed)) != []
