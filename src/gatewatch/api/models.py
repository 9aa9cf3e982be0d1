"""What the routes of queries and triage answer, as pydantic models: the views of the services, field by field."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from gatewatch.health_ports import Ownership
from gatewatch.read_ports import Ranking, Status, TopKind


class Model(BaseModel):
    """Reads from any object with the same attributes."""

    model_config = ConfigDict(from_attributes=True)


Item = TypeVar("Item", bound=Model)
Id = Annotated[str, Field(examples=["3f1c9a0e5b7d4c2a8e6f1b3d5a7c9e0f"])]
Moment = Annotated[datetime, Field(examples=["2026-11-22T10:00:00Z"])]
Score = Annotated[int, Field(ge=0, le=100, examples=[73])]
Detector = Annotated[str, Field(examples=["impossible_travel"])]
Attack = Annotated[list[str], Field(description="ATT&CK techniques.", examples=[["T1078.004"]])]


class Page(Model, Generic[Item]):
    """A page of a list, newest or riskiest first. `next` is the cursor of the next page, null after the last row."""

    items: list[Item]
    next: Annotated[str | None, Field(examples=["lcQMrxum_ModRMmkURYCzwAGS_HbYIAAwAChYQ"])]
    since: Moment
    until: datetime | None


class Event(Model):
    """A login. `why` is its strongest signal in a sentence."""

    event_id: Annotated[str, Field(examples=["0197a3b2-5c6d-7e8f-9a0b-1c2d3e4f5a6b"])]
    time: Moment
    source: Annotated[str, Field(examples=["native"])]
    activity: Annotated[str, Field(examples=["logon"])]
    outcome: Annotated[str, Field(examples=["failure"])]
    reason: Annotated[str, Field(examples=["bad_credentials"])]
    user: Annotated[str, Field(examples=["alice"])]
    ip: Annotated[str, Field(examples=["203.0.113.7"])]
    country: Annotated[str, Field(examples=["NO"])]
    city: Annotated[str, Field(examples=["Oslo"])]
    asn: Annotated[int, Field(examples=[64512])]
    org: str
    client: Annotated[str, Field(examples=["Chrome on Windows"])]
    score: Score
    level: Annotated[str, Field(examples=["high"])]
    detectors: list[Detector]
    why: Annotated[str, Field(examples=["Oslo to Sydney, 15,940 km in 12 minutes"])]
    late: bool


class Anomaly(Model):
    """Something to look at, once: a subject, a detector, a day. `since` counts the hits after it was resolved."""

    id: Id
    detector: Detector
    severity: Annotated[str, Field(examples=["high"])]
    score: Score
    state: Literal["open", "withdrawn"]
    subject_kind: Annotated[str, Field(examples=["user"])]
    subject: Annotated[str, Field(examples=["alice"])]
    sentence: str
    count: Annotated[int, Field(examples=[3])]
    first_seen: Moment
    last_seen: Moment
    event_id: str
    attack: Attack
    evidence: dict[str, Any]
    version: int
    opened_at: Moment
    updated_at: Moment
    status: Status
    revision: int
    changed_at: datetime | None
    changed_by: Annotated[str, Field(examples=["account:7d0c"])]
    since: int


class AnomalyDetail(Anomaly):
    """An anomaly with what to do about it, in order, each one sentence."""

    steps: Annotated[list[str], Field(examples=[["Ask the user whether this was them."]])]


class Reason(Model):
    """One signal: its points of the score, in words, and the values it was judged by."""

    detector: Detector
    code: Annotated[str, Field(examples=["impossible_travel"])]
    points: Annotated[int, Field(examples=[41])]
    strength: float
    kind: Annotated[str, Field(examples=["rule"])]
    attack: Attack
    sentence: str
    evidence: dict[str, Any]


class Later(Model):
    """What was said of the event afterwards. Where it was judged anew, `score` is what the points of `reasons` add up
    to; else it is null.
    """

    id: str
    kind: str
    verdict: str
    finding: str
    sentences: list[str]
    processed_at: Moment
    score: int | None
    reasons: list[Reason]


class GivenReason(Model):
    """A reason as it was answered."""

    code: Annotated[str, Field(examples=["impossible_travel"])]
    kind: Annotated[str, Field(examples=["rule"])]
    contribution: Annotated[int, Field(examples=[41])]
    text: str
    evidence: dict[str, Any]
    attack: Attack


class GivenDecision(Model):
    """What was answered while the login waited, and what was reported of it afterwards ("" for nothing)."""

    decision_id: Annotated[str, Field(examples=["dec_5f0c3e0d8f6a4b1e9c7d2a3b4c5d6e7f"])]
    decided_at: Moment
    action: Annotated[str, Field(examples=["allow"])]
    would_action: Annotated[str, Field(examples=["challenge"])]
    mode: Literal["monitor", "enforce"]
    policy: int
    score: Score
    level: Annotated[str, Field(examples=["high"])]
    reasons: list[GivenReason]
    degraded: list[str]
    login: Annotated[str, Field(examples=["success"])]
    challenge: Annotated[str, Field(examples=["passed"])]


class EventDetail(Model):
    """A login, why it got its score (the points of the reasons add up to it), and all that was known around it."""

    event: Event
    received_at: Moment
    stored_at: Moment
    action: Annotated[str, Field(examples=["challenge"])]
    reasons: list[Reason]
    notes: list[str]
    degraded: list[str]
    context: dict[str, Any]
    policy: Annotated[int, Field(description="The revision of the policy it was judged by.")]
    weight: Annotated[int, Field(description="What it taught the user's profile.")]
    held: Annotated[bool, Field(description="Whether it is on probation.")]
    later: list[Later]
    anomalies: list[Anomaly]
    original: dict[str, Any]
    decision: GivenDecision | None


class UserItem(Model):
    """A user in a list. `risk` is the highest recent score as of the end of the range; it halves in a week."""

    user_key: Annotated[str, Field(examples=["alice"])]
    name: Annotated[str, Field(examples=["Alice"])]
    user_id: Annotated[str, Field(examples=["u1"])]
    last_seen: Moment
    risk: Annotated[float, Field(examples=[61.5])]
    known: bool


class Usual(Model):
    """A value a user logs in with, and its weight."""

    value: Annotated[str, Field(examples=["NO"])]
    weight: Annotated[float, Field(examples=[12.5])]


class HeldLogin(Model):
    """A login that counts little until its probation ends, or not at all where it was revoked. `values` are what it
    would be known by, by attribute.
    """

    time: Moment
    until: Moment
    revoked: bool
    weight: Annotated[float, Field(description="What it counts meanwhile; a usual login counts 1.")]
    values: Annotated[dict[str, str], Field(examples=[{"country": "NG", "ip": "198.51.100.7"}])]


class User(Model):
    """All there is to know of a user: `usual` is the baseline by attribute (`hour` counts from Monday 00:00 UTC),
    `held` what is on probation, `events` and `anomalies` the latest.
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
    anomalies: list[Anomaly]
    events: list[Event]


class SourceStretch(Model):
    """A stretch of time of one source: events by their own time."""

    start: Moment
    events: Annotated[int, Field(examples=[1200])]
    successes: int
    failures: int


class SourceSeries(Model):
    """A source's activity over time, a row for each stretch of `step` seconds."""

    since: Moment
    until: Moment
    step: Annotated[int, BeforeValidator(lambda step: _seconds(step)), Field(examples=[600])]
    stretches: list[SourceStretch]


class DeadLetter(Model):
    """What could not be processed, and why. `raw` are its bytes (at most 64 KiB of them) in base 64."""

    id: str
    source: Annotated[str, Field(examples=["native"])]
    reason: Annotated[str, Field(examples=["bad_json"])]
    detail: str
    raw: Annotated[str, BeforeValidator(lambda raw: base64.b64encode(raw).decode("ascii"))]
    size: int
    received_at: Moment


class Stretch(SourceStretch):
    """A stretch of time: events by their own time, anomalies by their first hit."""

    signalled: Annotated[int, Field(description="Events with a signal of any detector.")]
    anomalies: int


class Series(Model):
    """Activity over time, a row for each stretch of `step` seconds."""

    since: Moment
    until: Moment
    step: Annotated[int, BeforeValidator(lambda step: _seconds(step)), Field(examples=[600])]
    stretches: list[Stretch]


class TopValue(Model):
    """How often a value came."""

    value: Annotated[str, Field(examples=["203.0.113.7"])]
    events: int
    failures: int
    signalled: int


class Top(Model):
    """The values that came most often in whole hours. Of users only events with a signal are counted, of addresses
    also those that failed.
    """

    kind: TopKind
    by: Ranking
    since: Moment
    until: Moment
    values: list[TopValue]


class Backlog(Model):
    """Open anomalies of a severity and status."""

    severity: Annotated[str, Field(examples=["high"])]
    status: Status
    count: Annotated[int, Field(examples=[4])]


class Waiting(Model):
    """What waits for somebody: open anomalies with their last hit in the range. `complete` is false where there were
    more than the 10,000 that are counted.
    """

    since: Moment
    until: Moment
    anomalies: list[Backlog]
    complete: bool


class PartitionHealth(Model):
    """A partition of the log. `ownership` tells whether a detector reads it: one that beats, one whose lease ran out
    (another takes over within seconds, if there is one), or none.
    """

    part: int
    unread: Annotated[int, Field(description="Records, of all tenants, that no detector has processed.")]
    ownership: Ownership
    owner: Annotated[str, Field(description="The detector's id, empty without one.")]
    lease_until: datetime | None


class OutboxHealth(Model):
    """What was published and not relayed yet. `oldest` is of the tenant's own, among the next thousand of each lane."""

    waiting: int
    oldest: datetime | None


class Newest(Model):
    """The newest event by its own time, and when the newest one was stored."""

    event: datetime | None
    stored: datetime | None


class SystemHealth(Model):
    """The pipeline at a moment. Partitions and `outbox.waiting` are everybody's, the rest the tenant's."""

    at: Moment
    partitions: list[PartitionHealth]
    unread: Annotated[int, Field(description="The sum over partitions.")]
    outbox: OutboxHealth
    newest: Newest
    dead_letters: Annotated[int, Field(description="Those of the last 24 hours; at most 10,000 are counted.")]


class DetectorInForce(Model):
    """A detector as the policy has it; strengths are multiplied by `weight`."""

    name: Detector
    enabled: bool
    weight: float


class DetectorsInForce(Model):
    """Every detector, and the revision of the policy in force (0: the defaults)."""

    policy: int
    detectors: list[DetectorInForce]


class StatusView(Model):
    """What somebody said of an anomaly. `hits` is the anomaly's count at the time; `name` is the account's in a
    history, else empty.
    """

    status: Status
    revision: Annotated[int, Field(examples=[2])]
    hits: int
    changed_at: Moment
    changed_by: Annotated[str, Field(examples=["account:7d0c"])]
    name: Annotated[str, Field(examples=["ada"])]


def _seconds(step: timedelta | int) -> int:
    return round(step.total_seconds()) if isinstance(step, timedelta) else step
