"""An anomaly is something to look at, once: subject, detector, slot. Further hits update it under a growing version.

Hits merge in any order to the same anomaly; its id does not depend on what came first.
"""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any, Literal

import msgspec

from gatewatch.core import risk
from gatewatch.core.events import LoginEvent
from gatewatch.core.policy import Policy
from gatewatch.core.signals import Assessment, Finding, Level, Signal
from gatewatch.core.times import DAY

#: A slot is a fixed stretch of event time.
SLOT = DAY

#: What people say of an anomaly; where nobody has said anything it is new.
Status = Literal["new", "in_progress", "suppressed", "resolved"]


class Anomaly(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What people look at. Times are µs of event time; `event_id` is the event of the strongest hit ("" for sources)
    and `peak` its time.

    `support`, `lo`, `hi` are the failures and the bucket range of a finding (see `signals.Finding`); `frozen` says
    that it lost a bucket and is neither lowered nor withdrawn any more.
    """

    id: str
    tenant_id: str
    subject_kind: str
    subject: str
    detector: str
    slot: int
    code: str
    state: Literal["open", "withdrawn"] = "open"
    severity: Level
    score: int
    count: int
    first_seen: int
    last_seen: int
    event_id: str = ""
    peak: int = 0
    attack: tuple[str, ...] = ()
    evidence: dict[str, Any] = {}
    support: int = 0
    lo: int = 0
    hi: int = 0
    frozen: bool = False
    version: int = 0


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Anomaly).decode


def anomaly_id(tenant_id: str, subject_kind: str, subject: str, detector: str, slot: int) -> str:
    """32 hex digits, the same for the same subject, detector and slot."""
    text = "\x1f".join((tenant_id, subject_kind, subject, detector, str(slot)))
    return blake2b(text.encode("utf-8"), digest_size=16).hexdigest()


def hits_of(event: LoginEvent, assessment: Assessment, policy: Policy) -> list[Anomaly]:
    """The anomalies one event opens or feeds, each as if it were alone."""
    signals = [s for s in assessment.signals if s.strength >= policy.open_strength]
    if not signals and assessment.signals and assessment.score >= policy.open_score:
        signals = [assessment.signals[0]]
    return [_hit(event, assessment, signal, policy) for signal in signals]


def subject_of(event: LoginEvent) -> tuple[str, str]:
    """Whom an event's anomalies are about: its user, or its address where it names none."""
    key = event.user_key
    return ("ip", event.ip) if key.startswith("@ip:") else ("user", key)


def _hit(event: LoginEvent, assessment: Assessment, signal: Signal, policy: Policy) -> Anomaly:
    slot = event.time // SLOT * SLOT
    kind, subject = subject_of(event)
    return Anomaly(
        id=anomaly_id(event.tenant_id, kind, subject, signal.detector, slot),
        tenant_id=event.tenant_id,
        subject_kind=kind,
        subject=subject,
        detector=signal.detector,
        slot=slot,
        code=signal.code,
        severity=risk.level_of(assessment.score, policy),
        score=assessment.score,
        count=1,
        first_seen=event.time,
        last_seen=event.time,
        event_id=event.event_id,
        peak=event.time,
        attack=signal.attack,
        evidence=signal.evidence,
    )


def merge(anomalies: Iterable[Anomaly]) -> Anomaly:
    """One anomaly of several with one id: counts add up, the strongest (then latest) hit gives the evidence."""
    ranked = sorted(anomalies, key=_rank)
    top = ranked[-1]
    tied = [a for a in ranked if _rank(a) == _rank(top)]
    if len(tied) > 1:  # two judgements of one event: their content decides, not which came first
        top = max(tied, key=lambda a: (a.code, a.severity, _canonical(a.evidence)))
    return msgspec.structs.replace(
        top,
        state="open",
        count=sum(a.count for a in ranked),
        first_seen=min(a.first_seen for a in ranked),
        last_seen=max(a.last_seen for a in ranked),
        version=max(a.version for a in ranked),
    )


def _rank(anomaly: Anomaly) -> tuple[int, int, str]:
    return anomaly.score, anomaly.peak, anomaly.event_id


_canonical = msgspec.json.Encoder(order="sorted").encode


def of_finding(tenant_id: str, finding: Finding, policy: Policy) -> Anomaly:
    """The anomaly a finding of the review stands for."""
    kind, subject = finding.subject
    score = round(100 * finding.strength)
    return Anomaly(
        id=anomaly_id(tenant_id, kind, subject, finding.detector, finding.slot),
        tenant_id=tenant_id,
        subject_kind=kind,
        subject=subject,
        detector=finding.detector,
        slot=finding.slot,
        code=finding.detector,
        severity=risk.level_of(score, policy),
        score=score,
        count=finding.support,
        first_seen=finding.first,
        last_seen=finding.last,
        attack=finding.attack,
        evidence=finding.evidence,
        support=finding.support,
        lo=finding.lo,
        hi=finding.hi,
    )
