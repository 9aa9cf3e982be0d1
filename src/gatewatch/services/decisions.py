"""Inline decisions: the detector's own `step` on what is known now, without learning; answered once it is durable."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import RLock

import msgspec

from gatewatch.core import attributes, decisions, subjects
from gatewatch.core.context import NO_FREQUENCIES, QUIET, Context, Frequencies, SourceNumbers
from gatewatch.core.decisions import Decision, Model
from gatewatch.core.engine import Engine
from gatewatch.core.events import LoginEvent
from gatewatch.core.records import ControlRecord, EventRecord, Record, Verdict
from gatewatch.core.shares import as_numbers, numbers_at, numbers_at_end
from gatewatch.core.sources import BUCKET
from gatewatch.decision_ports import DecisionStore, Known
from gatewatch.ingest.contract import Arrival
from gatewatch.ingest.decisions import Asked, Report, login_of
from gatewatch.ports import Clock, Enrich, SourceView, Unavailable
from gatewatch.read_ports import StoredDecision, Told
from gatewatch.services.frequencies import TenantFrequencies
from gatewatch.services.surroundings import strongest

#: From so far behind on (s) a user's state is said to lag.
LAG = 5.0
#: How old the counts of a tenant's values may be (s), how soon after a failure they are asked for again, and the most
#: tenants whose counts are remembered (about 0.6 MB each).
FREQUENCIES_AGE = 60.0
FREQUENCIES_RETRY = 5.0
MOST_TENANTS = 32
#: How often a report is tried again that met another one.
_TRIES = 10


class TooOld(Exception):
    """The login is older than events are kept: it would be decided on and never stored."""


class DecisionConflict(Exception):
    """The event id was decided on with another body."""


class UnknownDecision(Exception):
    """There is no decision of that id."""


class ReportConflict(Exception):
    """Something else was reported already: `told`."""

    def __init__(self, told: Told) -> None:
        super().__init__("something else was reported before")
        self.told = told


class Decided(msgspec.Struct, frozen=True):
    """The answer, byte for byte, and what was decided now; not `first`, the answer is the one that was given before."""

    answer: bytes
    decision: Decision
    first: bool = True


class RecentFrequencies:
    """Tenants' counts of values, at most about a minute old; whoever asks waits only for the first ones."""

    def __init__(
        self, store: DecisionStore, clock: Callable[[], float], age: float = FREQUENCIES_AGE
    ) -> None:
        self._store, self._clock, self._age = store, clock, age
        self._lock = RLock()
        self._found: dict[str, tuple[float, TenantFrequencies]] = {}
        self._renewing = ThreadPoolExecutor(1, "frequencies")

    def of(self, tenant_id: str) -> TenantFrequencies:
        """The counts. Raises `Unavailable` where they were never read and cannot be now."""
        found = self._found.get(tenant_id)
        if found is None:
            with self._lock:
                found = self._found.get(tenant_id) or self._load(tenant_id)
        elif self._clock() >= found[0]:
            # Whoever sees it first has it done; until then the old ones serve.
            with self._lock:
                self._found[tenant_id] = (self._clock() + FREQUENCIES_RETRY, found[1])
            self._renewing.submit(self._renew, tenant_id)
        return found[1]

    def _renew(self, tenant_id: str) -> None:
        try:
            self._load(tenant_id)
        except Unavailable:
            return  # asked for again in a moment

    def _load(self, tenant_id: str) -> tuple[float, TenantFrequencies]:
        counts, chunks = self._store.frequencies(tenant_id)
        read = TenantFrequencies()
        read.merge(-1, counts, chunks)  # no partition is ours: all of them are added up
        with self._lock:
            self._found.pop(tenant_id, None)
            while len(self._found) >= MOST_TENANTS:
                del self._found[next(iter(self._found))]
            found = self._found[tenant_id] = (self._clock() + self._age, read)
        return found

    def close(self) -> None:
        """Let what is under way end."""
        self._renewing.shutdown(cancel_futures=True)


class Decisions:
    """The use cases. Safe for several threads. `retention` is how long events are kept (µs, 0: for ever)."""

    def __init__(
        self,
        store: DecisionStore,
        engine: Engine,
        enrich: Enrich,
        clock: Clock,
        frequencies: RecentFrequencies,
        retention: int = 0,
    ) -> None:
        self._retention = retention
        self._store, self._engine, self._enrich = store, engine, enrich
        self._clock, self._frequencies = clock, frequencies
        self._model: Model | None = decisions.model_of(engine)

    def decide(self, asked: Asked) -> Decided:
        """Assess a login; unless it is a dry run, claim its id with the answer and append it to the log.

        Raises `TooOld`, `DecisionConflict`, `Unavailable` (nothing is promised then) and `BadData`.
        """
        record = asked.record
        if self._retention and record.event.time < record.received - self._retention:
            raise TooOld
        id = decisions.decision_id(record.event.tenant_id, record.event.event_id)
        decision = self._assess(record, None if asked.dry_run else id)
        answer = decisions.encode(decision)
        if asked.dry_run:
            return Decided(answer, decision)
        kept = self._store.keep(id, record, answer)
        if kept.digest != record.digest:
            raise DecisionConflict
        return Decided(answer, decision) if kept.claimed else Decided(kept.answer, decision, first=False)

    def _assess(self, record: EventRecord, id: str | None) -> Decision:
        event = decisions.as_login(self._enrich(record.event))
        known = self._store.known(event.tenant_id, event.user_key, dict(subjects.subjects_of(event)))
        values = attributes.values_of(event)
        counted = NO_FREQUENCIES
        if event.is_success:
            counted = self._frequencies.of(event.tenant_id).of(values)
        context = context_of(event, known, counted)
        assessment, _ = self._engine.step(known.profile, event, context, known.policy, values)
        return decisions.verdict(
            event,
            assessment,
            known.policy,
            id=id,
            device=decisions.device_of(known.profile, event, values, known.policy),
            degraded=_missing(event, known),
            model=self._model,
            took_ms=max(0, (self._clock.now() - record.received) // 1_000),
        )

    def report(self, id: str, report: Report, body: bytes, arrival: Arrival) -> StoredDecision:
        """Remember how a login or its challenge ended, and send it to the owner of the user's state.

        The same again changes nothing. Raises `UnknownDecision`, `ReportConflict`, `ingest.contract.Refused`,
        `Unavailable` and `BadData`.
        """
        for _ in range(_TRIES):
            found = self._store.find(arrival.tenant_id, id)
            if found is None:
                raise UnknownDecision
            told = _joined(found.told, report)
            if told == found.told:
                return found
            if self._store.tell(found, told, _consequences(found, told, report, body, arrival)):
                return msgspec.structs.replace(found, told=told)
        raise Unavailable("the decision is reported on by too many at once")

    def close(self) -> None:
        """Let what is under way end."""
        self._frequencies.close()


def context_of(event: LoginEvent, known: Known, frequencies: Frequencies = NO_FREQUENCIES) -> Context:
    """The context that the detector would give the event, from the views of its sources."""
    found = known.views
    return Context(
        known.policy.revision,
        _exact(found.get("ip"), event.time),
        _exact(found.get("prefix"), event.time),
        _coarse(found.get("asn"), event.time),
        _coarse(found.get("tenant"), event.time),
        frequencies,
    )


def _exact(view: SourceView | None, time: int) -> SourceNumbers:
    if view is None:
        return QUIET
    finding = strongest(view.findings, time) if view.findings else ""
    return as_numbers(numbers_at([*view.shares.values()], time), finding)


def _coarse(view: SourceView | None, time: int) -> SourceNumbers:
    return (
        as_numbers(numbers_at_end([*view.shares.values()], time // BUCKET), "") if view is not None else QUIET
    )


def _missing(event: LoginEvent, known: Known) -> list[str]:
    found: list[str] = [*known.missing]
    if event.geo is None:
        found.append(decisions.NO_GEO)
    if known.behind > LAG:
        found.append(decisions.STATE_LAG)
    return found


def _joined(told: Told, report: Report) -> Told:
    """What is known after a report. Raises `ReportConflict`."""
    login, challenge = report.login or told.login, report.challenge or told.challenge
    if (told.login and login != told.login) or (told.challenge and challenge != told.challenge):
        raise ReportConflict(told)
    return Told(login, challenge)


def _consequences(
    found: StoredDecision, told: Told, report: Report, body: bytes, arrival: Arrival
) -> list[Record]:
    """What a report appends, in order: a login where its result is news, and the challenge's result on each login."""
    decided = found.record.event
    records: list[Record] = []
    if told.challenge != found.told.challenge:
        records.append(_challenge(found, told, decided.event_id, decided.time, arrival))
    if told.login != found.told.login and told.login != decided.outcome:
        records.append(login_of(report, body, decided, found.id, arrival))
    became = decisions.login_id(found.id)
    if told.challenge and told.login not in ("", decided.outcome):
        # Of the login that came of it as well, behind it; a time of 0 stands for the one it was stored with.
        records.append(_challenge(found, told, became, 0, arrival))
    return records


def _challenge(
    found: StoredDecision, told: Told, event_id: str, event_time: int, arrival: Arrival
) -> ControlRecord:
    decided = found.record.event
    verdict: dict[str, Verdict] = {"passed": "passed", "failed": "failed", "abandoned": "abandoned"}
    return ControlRecord(
        id=decisions.challenge_id(found.id, event_id),
        tenant_id=decided.tenant_id,
        user_key=decided.user_key,
        kind="challenge",
        time=arrival.received,
        event_id=event_id,
        event_time=event_time,
        verdict=verdict[told.challenge],
        received=arrival.received,
    )
