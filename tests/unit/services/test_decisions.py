"""Decisions against a store in memory: what a caller is told where others were first, and what is remembered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

import pytest

from gatewatch.core.decisions import decision_id
from gatewatch.core.policy import DEFAULT, Policy
from gatewatch.core.records import EventRecord, Record, content_digest
from gatewatch.core.shares import Share
from gatewatch.core.sources import BUCKET, Slice
from gatewatch.core.times import DAY, MINUTE
from gatewatch.decision_ports import Kept, Known
from gatewatch.detectors import default_engine
from gatewatch.ingest.contract import Arrival
from gatewatch.ingest.decisions import Asked, Report
from gatewatch.ports import OpenFinding, SourceView, Unavailable
from gatewatch.read_ports import StoredDecision, Told
from gatewatch.services.decisions import (
    DecisionConflict,
    Decisions,
    RecentFrequencies,
    ReportConflict,
    TooOld,
    UnknownDecision,
    context_of,
)
from tests.builders import START, daily, learn, login
from tests.support.commands import until

ARRIVAL = Arrival(tenant_id="acme", received=START, source="decision")


class Memory:
    """Keeps decisions in a dict; `asked` says how often counts were read, `refused` how often
    they could not be.
    """

    def __init__(self, known: Known | None = None) -> None:
        self.state = known or Known(None, DEFAULT, {}, 0.0)
        self.rows: dict[str, StoredDecision] = {}
        self.log: list[Record] = []
        self.asked = self.refused = 0
        self.failing = False
        self.meddle: Callable[[], None] = lambda: None

    def known(self, tenant_id: str, user_key: str, sources: Mapping[str, str]) -> Known:
        """The state as it was set."""
        del tenant_id, user_key, sources
        return self.state

    def frequencies(
        self, tenant_id: str
    ) -> tuple[Iterable[tuple[int, str, str, int]], Iterable[tuple[int, str, int, bytes]]]:
        """As many logins as it was asked."""
        del tenant_id
        if self.failing:
            self.refused += 1
            raise Unavailable("away")
        self.asked += 1
        return [(0, "total", "", self.asked), (1, "total", "", self.asked)], []

    def keep(self, id: str, record: EventRecord, answer: bytes) -> Kept:
        """Claim and append."""
        row = self.rows.get(id)
        if row is not None:
            return Kept(False, row.record.digest, row.answer)
        self.rows[id] = StoredDecision(id, record, answer, datetime.now(UTC), Told())
        self.log.append(record)
        return Kept(True, record.digest, b"")

    def find(self, tenant_id: str, id: str) -> StoredDecision | None:
        """What is kept; then somebody may meddle."""
        row = self.rows.get(id)
        self.meddle()
        return row if row is not None and row.record.tenant_id == tenant_id else None

    def tell(self, decision: StoredDecision, told: Told, records: Sequence[Record]) -> bool:
        """Remember if nobody meddled."""
        row = self.rows[decision.id]
        if row.told != decision.told:
            return False
        self.rows[decision.id] = StoredDecision(row.id, row.record, row.answer, row.decided_at, told)
        self.log += records
        return True


class Now:
    """The present is when it all starts."""

    def now(self) -> int:
        """The present."""
        return START


def deciding(store: Memory, retention: int = 0) -> Decisions:
    """Decisions on a store."""
    recent = RecentFrequencies(store, lambda: 0.0)
    return Decisions(store, default_engine(), lambda event: event, Now(), recent, retention)


def asked(body: bytes = b"one", *, dry_run: bool = False, time: int = START) -> Asked:
    """A question about alice's login."""
    event = login(time, event_id="e")
    return Asked(EventRecord(event, body, content_digest(body), START), dry_run)


def test_whoever_is_second_gets_the_bytes_of_the_first() -> None:
    """What was answered first is answered again though the state has changed since; another body is a conflict."""
    store = Memory()
    first = deciding(store).decide(asked())
    store.state = Known(learn(daily(5)), Policy(revision=3), {}, 0.0)
    again = deciding(store).decide(asked())
    assert (first.first, again.first, again.answer) == (True, False, first.answer)
    with pytest.raises(DecisionConflict):
        deciding(store).decide(asked(b"two"))
    assert len(store.log) == 1


def test_a_dry_run_is_not_kept() -> None:
    """A dry run asks for the state and keeps nothing, not even its id."""
    store = Memory()
    found = deciding(store).decide(asked(dry_run=True)).decision
    assert (found.decision_id, store.rows, store.log) == (None, {}, [])


def test_older_than_events_are_kept() -> None:
    """A login from before the retention is refused before anything is claimed."""
    store = Memory()
    with pytest.raises(TooOld):
        deciding(store, DAY).decide(asked(time=START - DAY - 1))
    assert store.rows == {}
    assert deciding(store, DAY).decide(asked(time=START - DAY)).first


@pytest.mark.parametrize(("behind", "named"), [(0.0, ()), (5.0, ()), (5.1, ("state_lag",))])
def test_a_state_that_lags(behind: float, named: tuple[str, ...]) -> None:
    """More than five seconds behind is told."""
    store = Memory(Known(None, DEFAULT, {}, behind))
    assert deciding(store).decide(asked()).decision.degraded == named


def test_a_report_that_meets_another_is_tried_again() -> None:
    """What others report at the same moment is seen and agreed with, or is a conflict; what never ends is not waited
    for.
    """
    store = Memory()
    deciding(store).decide(asked())
    id = decision_id("acme", "e")
    row = store.rows[id]

    def once() -> None:
        store.rows[id] = StoredDecision(row.id, row.record, row.answer, row.decided_at, Told("", "passed"))
        store.meddle = lambda: None

    store.meddle = once
    assert deciding(store).report(id, Report("success"), b"", ARRIVAL).told == Told("success", "passed")
    with pytest.raises(ReportConflict) as error:
        deciding(store).report(id, Report(None, "failed"), b"", ARRIVAL)
    assert error.value.told == Told("success", "passed")
    with pytest.raises(UnknownDecision):
        deciding(store).report("dec_x", Report("success"), b"", ARRIVAL)


def test_reports_that_never_settle() -> None:
    """Where each try meets another report the caller is told to come again."""
    store = Memory()
    deciding(store).decide(asked())
    id, turns = decision_id("acme", "e"), iter(range(100))
    row = store.rows[id]

    def always() -> None:
        challenge = ("passed", "")[next(turns) % 2]
        store.rows[id] = StoredDecision(row.id, row.record, row.answer, row.decided_at, Told("", challenge))

    store.meddle = always
    with pytest.raises(Unavailable):
        deciding(store).report(id, Report("failure"), b"", ARRIVAL)
    assert len(store.log) == 1


def test_counts_are_renewed_behind_those_who_ask() -> None:
    """The first to ask waits for the counts; others get what is there while it is renewed, also where that fails."""
    store, now = Memory(), [0.0]
    recent = RecentFrequencies(store, lambda: now[0])

    def total() -> int:
        return recent.of("acme").of(("",) * 9).total

    assert [total(), total(), store.asked] == [2, 2, 1]
    now[0], store.failing = 60.0, True
    assert total() == 2
    until(lambda: store.refused == 1, "the renewal that fails")
    store.failing = False
    assert (total(), store.asked) == (2, 1)  # not asked again at once
    now[0] = 65.0
    assert total() in (2, 4)
    until(lambda: total() == 4, "the renewed counts")
    assert (store.asked, store.refused) == (2, 1)
    recent.close()


def test_counts_that_were_never_read() -> None:
    """Without any counts there is no decision on a success."""
    store = Memory()
    store.failing = True
    with pytest.raises(Unavailable):
        deciding(store).decide(asked())
    assert store.rows == {}


def test_a_context_is_of_the_events_own_time() -> None:
    """Address and prefix are exact to the minute and name the finding of that time; the tenant is as of its bucket."""
    bucket = START // BUCKET
    share = Share({bucket: Slice(4, (1, 1, 1, 1, 0, 0, 0, 0, 0, 0), 2, 0)})
    finding = OpenFinding("f", "password_spraying", 0, 0, START, START + MINUTE)
    view = SourceView({0: share, 3: share}, (finding,))
    event = login(START + MINUTE)
    views = {"ip": view, "tenant": view}
    found = context_of(event, Known(None, Policy(revision=2), views, 0.0))
    assert (found.policy, found.ip.failures_10m, found.ip.finding) == (2, 4, "password_spraying")
    assert (found.tenant.failures_10m, found.tenant.finding) == (8, "")
    assert found.prefix.failures_1d == found.asn.failures_1d == 0
    later = context_of(login(START + 3 * MINUTE), Known(None, DEFAULT, views, 0.0))
    assert (later.ip.failures_10m, later.ip.finding) == (8, "")
