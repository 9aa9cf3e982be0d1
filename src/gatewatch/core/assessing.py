"""What the engine does with one event or one control record. Values in, values out."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from gatewatch.core import attributes, features, history, learning, risk
from gatewatch.core.context import EMPTY, Context
from gatewatch.core.detection import Detector, DoubtDetector, SourceDetector, StoredLogin
from gatewatch.core.events import LoginEvent
from gatewatch.core.learning import NO_CHANGE, Change
from gatewatch.core.policy import Policy
from gatewatch.core.profiles import LATENESS, Profile
from gatewatch.core.records import ControlRecord
from gatewatch.core.signals import Assessment, Finding, Signal, Subject
from gatewatch.core.situation import Features, Situation
from gatewatch.core.sources import Buckets

S = TypeVar("S", Signal, Finding)

#: Per outcome the detectors that look at it, each with the weight of its signals.
Asked = Mapping[str, tuple[tuple[Detector, float], ...]]

_CLEAN = Assessment(score=0, level="none")
_NOT_ASSESSED = Assessment(score=0, level="none", notes=("not_a_login",))


def step(
    asked: Asked,
    profile: Profile | None,
    event: LoginEvent,
    context: Context,
    policy: Policy,
    values: tuple[str, ...] | None,
) -> tuple[Assessment, Change]:
    """See `Engine.step`; `asked` are the policy's detectors."""
    if event.outcome not in ("success", "failure"):
        return _NOT_ASSESSED, NO_CHANGE
    situation = situate(profile, event, context, policy, values)
    signals: list[Signal] = []
    degraded: list[str] = []
    for detector, weight in asked[event.outcome]:
        try:
            signal = detector.assess(situation)
        except Exception:  # noqa: BLE001 - the boundary: a failing detector degrades the assessment, nothing else
            degraded.append(detector.id)
            continue
        if signal is not None:
            signals.append(weighed(signal, weight))
    assessment = _conclude(situation, signals, degraded)
    return assessment, _learn(situation, assessment)


def judge(
    doubts: Sequence[DoubtDetector],
    profile: Profile,
    control: ControlRecord,
    login: StoredLogin | None,
    policy: Policy,
) -> tuple[Assessment | None, Change]:
    """See `Engine.judge`."""
    if control.kind == "erasure":
        return None, Change(op="erase")
    if login is None or not login.event.is_success:
        return None, NO_CHANGE
    change = _judge_trust(profile, control, login)
    if control.kind != "doubt":
        return None, change
    situation = _without_itself(situate(profile, login.event, EMPTY, policy), login)
    finding: Mapping[str, Any] = msgspec.json.decode(control.evidence)
    signals = [signal for one in doubts if (signal := one.doubt(situation, finding)) is not None]
    return _conclude(situation, signals, []), change


def review(
    sources: Sequence[SourceDetector],
    subject: Subject,
    buckets: Buckets,
    explained: frozenset[int],
    policy: Policy,
    failed: set[str] | None,
) -> list[Finding]:
    """See `Engine.review`."""
    found: list[Finding] = []
    for detector in sources:
        settings = getattr(policy, detector.id, None)
        if subject[0] not in detector.kinds or (settings is not None and not settings.enabled):
            continue
        try:
            findings = detector.review(subject, buckets, explained, policy)
        except Exception:
            if failed is None:
                raise
            failed.add(detector.id)
            continue
        if findings:
            weight = 1.0 if settings is None else settings.weight
            found += [weighed(finding, weight) for finding in findings]
    return found


def weighed(found: S, weight: float) -> S:
    """A signal or finding with the weight of its detector's settings."""
    return found if weight == 1.0 else msgspec.structs.replace(found, strength=found.strength * weight)


def situate(
    profile: Profile | None,
    event: LoginEvent,
    context: Context,
    policy: Policy,
    values: tuple[str, ...] | None = None,
) -> Situation:
    """What is known when the event is assessed."""
    state = profile if profile is not None else Profile()
    return Situation(
        event,
        state,
        context,
        features.compute(state, event, policy.probation, values),
        policy,
        attributes.event_ref(event.event_id),
        state.newest - event.time > LATENESS,
    )


def _conclude(situation: Situation, signals: list[Signal], degraded: list[str]) -> Assessment:
    notes = _notes(situation)
    if not signals and not notes and not degraded:
        return _CLEAN
    score, ranked = risk.combine(signals) if signals else (0, ())
    policy = situation.policy
    return Assessment(
        score=score,
        level=risk.level_of(score, policy),
        action=risk.action_of(score, policy),
        signals=ranked,
        notes=notes,
        degraded=tuple(degraded),
    )


def _notes(situation: Situation) -> tuple[str, ...]:
    event = situation.event
    notes: tuple[str, ...] = ()
    if not situation.profile.successes:
        notes = ("first_login",) if situation.success else ("no_history",)
    return (*notes, "no_geo") if event.geo is None else notes


def _learn(situation: Situation, assessment: Assessment) -> Change:
    event = situation.event
    if event.user_key.startswith("@ip:"):
        return NO_CHANGE
    if situation.success:
        return Change(
            op="success",
            time=event.time,
            ref=situation.ref,
            weight=learning.hourly_weight(situation.profile, event.time, event.ip),
            held=_is_doubted(assessment, situation.policy),
            late=situation.late,
            values=situation.features.values,
            login=learning.login_of(event, situation.ref),
            ip=event.ip,
        )
    if not event.is_attack_failure:
        return NO_CHANGE
    return Change(
        op="failure",
        time=event.time,
        late=situation.late,
        ip=event.ip,
        asn=event.asn.number if event.asn is not None else 0,
        country=event.geo.country if event.geo is not None else "",
    )


def _is_doubted(assessment: Assessment, policy: Policy) -> bool:
    """Whether a success is learnt on probation: it is flagged, or was answered with anything but allow."""
    return assessment.score >= policy.flag_score or (
        policy.mode == "enforce" and assessment.action != "allow"
    )


_CLEARING = frozenset({("verdict", "safe"), ("challenge", "passed")})
_REVOKING = frozenset({("verdict", "compromised"), ("challenge", "failed")})


def _judge_trust(profile: Profile, control: ControlRecord, login: StoredLogin) -> Change:
    event = login.event
    ref = attributes.event_ref(event.event_id)
    held = next((h for h in profile.held if h.ref == ref), None)
    said = (control.kind, control.verdict)
    op = "none"
    if said in _CLEARING and held is not None and not (held.revoked and control.kind == "challenge"):
        op = "clear"
    elif said in _REVOKING and not (held is not None and held.revoked):
        op = "revoke"
    elif control.kind == "doubt" and held is None:
        op = "hold"
    if op == "none" or not login.weight:
        return NO_CHANGE
    values = attributes.values_of(event)
    return Change(op=op, time=event.time, ref=ref, weight=login.weight, values=values)


def _without_itself(situation: Situation, login: StoredLogin) -> Situation:
    """The situation as if the login had not taught the profile: it must not vouch for itself."""
    held = next((h for h in situation.profile.held if h.ref == situation.ref), None)
    taught = (
        float(login.weight)
        if held is None
        else history.held_weight(held, login.event.time, situation.policy.probation)
    )
    known = situation.features
    weights = tuple(max(0.0, weight - taught) for weight in known.weights)
    return situation.with_features(Features(known.values, weights, max(0.0, known.total - taught)))
