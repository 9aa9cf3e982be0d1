"""What people see, as values: anomalies, events, a user, the reasons of a score (a source: `source_views`).

Everything here can be encoded as JSON as it stands; times are aware datetimes in UTC.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from gatewatch.core import counts, decisions, history, wording
from gatewatch.core.context import Context
from gatewatch.core.profiles import ATTRIBUTES, Held, Profile
from gatewatch.core.signals import Signal
from gatewatch.core.times import to_datetime
from gatewatch.read_ports import Status, StoredAnomaly, StoredDecision, StoredEvent, StoredProfile
from gatewatch.services.batching import RISK_HALF_LIFE


class AnomalyView(msgspec.Struct, frozen=True):
    """An anomaly as people see it, with its one sentence. `status` and what follows is what people said of it; `since`
    are the hits that came after it was resolved.
    """

    id: str
    detector: str
    severity: str
    score: int
    state: str
    subject_kind: str
    subject: str
    sentence: str
    count: int
    first_seen: datetime
    last_seen: datetime
    event_id: str
    attack: tuple[str, ...]
    evidence: dict[str, Any]
    version: int
    opened_at: datetime
    updated_at: datetime
    status: Status = "new"
    revision: int = 0
    changed_at: datetime | None = None
    changed_by: str = ""
    since: int = 0


class EventView(msgspec.Struct, frozen=True):
    """An event in a list. `why` is the strongest signal's sentence, "" without one."""

    event_id: str
    time: datetime
    source: str
    activity: str
    outcome: str
    reason: str
    user: str
    ip: str
    country: str
    city: str
    asn: int
    org: str
    client: str
    score: int
    level: str
    detectors: list[str]
    why: str
    late: bool


class UserItem(msgspec.Struct, frozen=True):
    """A user in a list. `risk` is decayed to now; `known` says whether the user ever got in."""

    user_key: str
    name: str
    user_id: str
    last_seen: datetime
    risk: float
    known: bool


class Usual(msgspec.Struct, frozen=True):
    """A value a user logs in with and its decayed weight."""

    value: str
    weight: float


class HeldLogin(msgspec.Struct, frozen=True):
    """A login that teaches little until its probation ends, or nothing where it was revoked. `values` are what it would
    be known by, by attribute.
    """

    time: datetime
    until: datetime
    revoked: bool
    weight: float
    values: dict[str, str]


class UserView(msgspec.Struct, frozen=True):
    """What is known of a user. `usual` lists values by attribute, the weightiest first; `risk` is decayed at the
    newest event; `held` are logins on probation or revoked, the latest first. Without a profile (never got in) `known`
    is False.
    """

    user_key: str
    known: bool
    name: str
    user_id: str
    first_success: datetime | None
    last_seen: datetime | None
    successes: int
    risk: float
    usual: dict[str, list[Usual]]
    held: list[HeldLogin]
    anomalies: list[AnomalyView]
    events: list[EventView]


class Reason(msgspec.Struct, frozen=True):
    """One signal: its points of the score, in words, and the values it was judged by."""

    detector: str
    code: str
    points: int
    strength: float
    kind: str
    attack: tuple[str, ...]
    sentence: str
    evidence: dict[str, Any]


class Later(msgspec.Struct, frozen=True):
    """What was said of the event afterwards; where that was judged, its score and the reasons that add up to it."""

    id: str
    kind: str
    verdict: str
    finding: str
    sentences: list[str]
    processed_at: datetime
    score: int | None
    reasons: list[Reason]


class DecisionView(msgspec.Struct, frozen=True):
    """What was answered while a login waited, and what was reported of it afterwards ("" for nothing)."""

    decision_id: str
    decided_at: datetime
    action: str
    would_action: str
    mode: str
    policy: int
    score: int
    level: str
    reasons: tuple[decisions.Reason, ...]
    degraded: tuple[str, ...]
    login: str
    challenge: str


class Explanation(msgspec.Struct, frozen=True):
    """Why an event got its score: the reasons' points add up to it."""

    event: EventView
    received_at: datetime
    stored_at: datetime
    action: str
    reasons: list[Reason]
    notes: list[str]
    degraded: list[str]
    context: Context
    policy: int
    weight: int
    held: bool
    later: list[Later]
    anomalies: list[AnomalyView]
    original: dict[str, Any]
    decision: DecisionView | None = None


def anomaly_view(stored: StoredAnomaly) -> AnomalyView:
    """An anomaly with its sentence."""
    found, said = stored.anomaly, stored.said
    return AnomalyView(
        id=found.id,
        detector=found.detector,
        severity=found.severity,
        score=found.score,
        state=found.state,
        subject_kind=found.subject_kind,
        subject=found.subject,
        sentence=wording.of_anomaly(found),
        count=found.count,
        first_seen=to_datetime(found.first_seen),
        last_seen=to_datetime(found.last_seen),
        event_id=found.event_id,
        attack=found.attack,
        evidence=found.evidence,
        version=found.version,
        opened_at=stored.opened_at,
        updated_at=stored.updated_at,
        status=said.status if said else "new",
        revision=said.revision if said else 0,
        changed_at=said.changed_at if said else None,
        changed_by=said.changed_by if said else "",
        since=max(0, found.count - said.hits) if said and said.status == "resolved" else 0,
    )


def event_view(stored: StoredEvent) -> EventView:
    """An event as it stands in a list."""
    event, assessment = stored.event, stored.assessment
    geo, asn, ua = event.geo, event.asn, event.ua
    return EventView(
        event_id=event.event_id,
        time=to_datetime(event.time),
        source=event.source,
        activity=event.activity,
        outcome=event.outcome,
        reason=event.reason_class or event.reason,
        user=event.user.name or event.user.id,
        ip=event.ip,
        country=geo.country if geo else "",
        city=geo.city if geo else "",
        asn=asn.number if asn else 0,
        org=asn.org if asn else "",
        client=" on ".join(part for part in (ua.browser, ua.os) if part) if ua else "",
        score=assessment.score,
        level=assessment.level,
        detectors=[signal.detector for signal in assessment.signals],
        why=wording.reason_text(assessment.signals[0]) if assessment.signals else "",
        late=stored.late,
    )


def reason_view(signal: Signal) -> Reason:
    """A signal in words."""
    return Reason(
        signal.detector,
        signal.code,
        signal.contribution,
        signal.strength,
        signal.kind,
        signal.attack,
        wording.reason_text(signal),
        signal.evidence,
    )


def decision_view(stored: StoredDecision) -> DecisionView:
    """A decision as it was answered."""
    given = decisions.decode(stored.answer)
    return DecisionView(
        stored.id,
        stored.decided_at,
        given.action,
        given.would_action,
        given.policy.mode,
        given.policy.revision,
        given.score,
        given.level,
        given.reasons,
        given.degraded,
        *stored.told,
    )


def user_view(
    key: str,
    stored: StoredProfile | None,
    events: list[EventView],
    found: list[AnomalyView],
    probation: int,
) -> UserView:
    """The page of a user; `probation` is the policy's (µs)."""
    profile = stored.profile if stored is not None else Profile()
    return UserView(
        user_key=key,
        known=profile.has_history,
        name=stored.name if stored is not None else (events[0].user if events else key),
        user_id=stored.user_id if stored is not None else "",
        first_success=to_datetime(profile.first_success) if profile.first_success else None,
        last_seen=stored.last_seen if stored is not None else (events[0].time if events else None),
        successes=profile.successes,
        risk=risk_at(stored.risk, profile.newest) if stored is not None else 0.0,
        usual=usual_of(profile),
        held=[held_login(held, probation) for held in reversed(profile.held)],
        anomalies=found,
        events=events,
    )


def held_login(held: Held, probation: int) -> HeldLogin:
    """A login on probation; `weight` is what it counts meanwhile."""
    return HeldLogin(
        to_datetime(held.time),
        to_datetime(held.time + probation),
        held.revoked,
        history.held_weight(held, held.time, probation),
        {name: value for name, value in zip(ATTRIBUTES, held.values, strict=True) if value},
    )


def user_item(stored: StoredProfile, at: int) -> UserItem:
    """A user as it stands in a list, with the risk at a time."""
    return UserItem(
        user_key=stored.user_key,
        name=stored.name,
        user_id=stored.user_id,
        last_seen=stored.last_seen,
        risk=risk_at(stored.risk, at),
        known=stored.profile.has_history,
    )


def risk_at(key: float, time: int) -> float:
    """The decayed risk at a time of the sort key that is stored (see `services.batches.see`)."""
    if key == float("-inf"):
        return 0.0
    return float(round(2.0 ** min(key - time / RISK_HALF_LIFE, 7.0), 1))


def usual_of(profile: Profile) -> dict[str, list[Usual]]:
    """What a user logs in with, as it weighs at the newest event."""
    now = counts.bucket_of(profile.newest)
    found: dict[str, list[Usual]] = {}
    for name, values in zip(ATTRIBUTES, profile.values, strict=True):
        weighed = [Usual(value, round(counts.read(held, now), 2)) for value, held in values.items()]
        found[name] = sorted(weighed, key=lambda usual: (-usual.weight, usual.value))
    return found
