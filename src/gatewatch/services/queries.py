"""What people ask: anomalies, events, a user, a source, why. The command line and the web app show the same values."""

from __future__ import annotations

from datetime import datetime
from ipaddress import ip_network

import msgspec

from gatewatch.core import wording
from gatewatch.core.anomalies import subject_of
from gatewatch.core.decisions import decision_of
from gatewatch.core.policy import Policy
from gatewatch.read_ports import (
    AnomalyFilter,
    DeadLetterFilter,
    EventFilter,
    Pulse,
    QueryStore,
    StoredDeadLetter,
    StoredEvent,
    Totals,
)
from gatewatch.services.meant import subject_meant, user_meant
from gatewatch.services.source_views import SourceView, source_view
from gatewatch.services.views import (
    AnomalyView,
    DecisionView,
    EventView,
    Explanation,
    Later,
    UserView,
    anomaly_view,
    decision_view,
    event_view,
    reason_view,
    user_view,
)

#: Rows of each list in the page of a user or a source.
RECENT = 20
#: Users tried from a source are counted by so many of its latest events.
LATEST = 10_000
#: Characters of an anomaly's id that may stand for the whole.
LEAST_ID = 6


class Queries:
    """The use cases of looking, on a store that belongs to one tenant."""

    def __init__(self, store: QueryStore) -> None:
        self._store = store

    def anomalies(self, wanted: AnomalyFilter, limit: int) -> list[AnomalyView]:
        """Anomalies, the latest hit first."""
        return [anomaly_view(found) for found in self._store.anomalies(wanted, limit)]

    def events(self, wanted: EventFilter, limit: int) -> list[EventView]:
        """Events, the latest first."""
        return [event_view(found) for found in self._store.events(wanted, limit)]

    def user_meant(self, text: str) -> str:
        """The key of the user that a text means."""
        return user_meant(self._store, text)

    def subject_meant(self, text: str) -> str:
        """The subject of anomalies that a text means."""
        return subject_meant(self._store, text)

    def user(self, name: str) -> UserView | None:
        """A user by name or id; None for one nobody ever tried."""
        key = user_meant(self._store, name)
        stored = self._store.profile(key)
        events = self.events(EventFilter(user=key), RECENT)
        found = self.anomalies(AnomalyFilter(subject_kind="user", subject=key), RECENT)
        if stored is None and not events and not found:
            return None
        return user_view(key, stored, events, found, self._store.policy().probation)

    def source(self, kind: str, value: str) -> SourceView | None:
        """A source: ip, prefix, asn or country; None for one that was never seen."""
        found = self.entity(kind, value, None, None)
        return found if found.windows or found.tried or found.anomalies else None

    def entity(self, kind: str, value: str, since: datetime | None, until: datetime | None) -> SourceView:
        """A source, whatever it did; users tried and successes are those of the range. Raises `ValueError` for one
        that cannot be.
        """
        wanted = msgspec.structs.replace(of_source(kind, value), since=since, until=until)
        buckets = self._store.buckets(kind, value)
        tried = self._store.tried(wanted, RECENT, LATEST)
        found = self.anomalies(AnomalyFilter(subject_kind=kind, subject=value), RECENT)
        succeeded = msgspec.structs.replace(wanted, outcome="success")
        return source_view((kind, value), buckets, tried, found, self.events(succeeded, RECENT))

    def explain(self, event_id: str) -> Explanation | None:
        """Why an event got its score; an anomaly's id stands for the event of its strongest hit."""
        stored = self._store.events(EventFilter(event_id=event_id), 1)
        if not stored and (named := self.anomaly(event_id)) is not None and named.event_id:
            stored = self._store.events(EventFilter(event_id=named.event_id), 1)
        return self._explanation(stored[0]) if stored else None

    def anomaly(self, id: str) -> AnomalyView | None:
        """The anomaly of an id, or of one's beginning where that is `LEAST_ID` long and names one alone."""
        found = self.anomalies(AnomalyFilter(id=id), 2) if len(id) >= LEAST_ID else []
        return found[0] if len(found) == 1 else None

    def _explanation(self, stored: StoredEvent) -> Explanation:
        event, assessment = stored.event, stored.assessment
        kind, subject = subject_of(event)
        opened = AnomalyFilter(subject_kind=kind, subject=subject, event_id=event.event_id)
        return Explanation(
            event=event_view(stored),
            received_at=stored.received_at,
            stored_at=stored.stored_at,
            action=assessment.action,
            reasons=[reason_view(signal) for signal in assessment.signals],
            notes=[wording.note_text(note) for note in assessment.notes],
            degraded=[wording.degraded_text(name) for name in assessment.degraded],
            context=stored.context,
            policy=stored.context.policy,
            weight=stored.weight,
            held=stored.held,
            later=self._later(event.user_key, event.event_id),
            anomalies=self.anomalies(opened, RECENT),
            original=msgspec.to_builtins(event),
            decision=self._decision(event.tenant_id, event.event_id),
        )

    def _decision(self, tenant_id: str, event_id: str) -> DecisionView | None:
        stored = self._store.decision(decision_of(tenant_id, event_id))
        return decision_view(stored) if stored is not None else None

    def _later(self, key: str, event_id: str) -> list[Later]:
        found = [c for c in self._store.controls(key) if c.control.event_id == event_id]
        return [
            Later(
                c.control.id,
                c.control.kind,
                c.control.verdict,
                c.control.finding,
                [wording.reason_text(s) for s in c.assessment.signals] if c.assessment else [],
                c.processed_at,
                c.assessment.score if c.assessment else None,
                [reason_view(s) for s in c.assessment.signals] if c.assessment else [],
            )
            for c in found
        ]

    def dead_letters(self, wanted: DeadLetterFilter, limit: int) -> list[StoredDeadLetter]:
        """What could not be processed, the latest first."""
        return self._store.dead_letters(wanted, limit)

    def policy(self) -> Policy:
        """The policy in force."""
        return self._store.policy()

    def pulse(self) -> Pulse:
        """How the system is doing."""
        return self._store.pulse()

    def totals(self) -> Totals:
        """Counts of everything."""
        return self._store.totals()

    def latency(self, since: datetime) -> float | None:
        """The median of arrival to stored (s) of events received since then."""
        return self._store.latency(since)

    def close(self) -> None:
        """Close the connection."""
        self._store.close()


def of_source(kind: str, value: str) -> EventFilter:
    """The events of a source. Raises `ValueError` for one that cannot be: its message is one plain line."""
    if kind in ("ip", "prefix"):
        return EventFilter(network=str(ip_network(value, strict=False)))
    if kind == "asn":
        return EventFilter(asn=int(value))
    if kind == "country":
        return EventFilter(country=value)
    raise ValueError(f"a source is an ip, a prefix, an asn or a country, not {kind!r}")
