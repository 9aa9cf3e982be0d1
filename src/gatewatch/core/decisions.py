"""What an application is told about a login while it waits, made of an assessment. Pure: values in, values out."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import msgspec

from gatewatch.core import attributes, profiles, risk, wording
from gatewatch.core.engine import Engine
from gatewatch.core.events import LoginEvent
from gatewatch.core.features import compute
from gatewatch.core.policy import Mode, Policy
from gatewatch.core.profiles import Profile
from gatewatch.core.signals import Action, Assessment, Kind, Level, Signal

#: The one policy of a tenant; its name leaves room for others.
POLICY = "default"
#: What a decision can lack beside a detector that failed (whose id is named instead).
STATE_LAG, NO_GEO, NO_VIEWS, NO_PROFILE = "state_lag", "geo", "source_views", "profile"

_PREFIX = "dec_"
_LOGIN = "-login"
_CHALLENGE = "-challenge"
#: Which techniques (ATT&CK) each partial score is about.
_SCORES = {"account_takeover": "T1078", "credential_attack": "T1110"}
_ENROLLED = ("webauthn", "totp")
_NOT_ENROLLED = ("email_code",)


class Reason(msgspec.Struct, frozen=True):
    """Why: a stable code, its points of the score, a sentence, and the values it was judged by.

    What was missing ("first_login", "no_geo") is a reason of no points.
    """

    code: str
    kind: Kind
    contribution: int
    text: str
    evidence: dict[str, Any] = {}
    attack: tuple[str, ...] = ()


class Challenge(msgspec.Struct, frozen=True):
    """Which further factors to ask for, the best first."""

    suggested: tuple[str, ...]


class PolicyUsed(msgspec.Struct, frozen=True):
    """The policy that was in force."""

    id: str
    revision: int
    mode: Mode


class Device(msgspec.Struct, frozen=True):
    """The device and whether the user never used it."""

    id: str
    new: bool


class Model(msgspec.Struct, frozen=True):
    """The model that was asked."""

    name: str
    version: str


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The answer. `action` is what to do; in monitor mode that is allow, and `would_action` is the verdict.

    `decision_id` is None for a dry run. `degraded` names what the assessment had to do without.
    """

    decision_id: str | None
    event_id: str
    action: Action
    would_action: Action
    score: int
    level: Level
    scores: dict[str, int]
    reasons: tuple[Reason, ...]
    challenge: Challenge | None
    policy: PolicyUsed
    device: Device | None
    degraded: tuple[str, ...]
    failover: bool = False
    model: Model | None
    took_ms: int


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Decision).decode


def decision_id(tenant_id: str, event_id: str) -> str:
    """The id of the decision on an event: the same whoever asks, so that one index serves both."""
    said = f"{len(tenant_id)}:{tenant_id}{event_id}".encode()
    return _PREFIX + blake2b(said, digest_size=16).hexdigest()


def login_id(decision: str) -> str:
    """The id of the login that a decision's result becomes."""
    return decision + _LOGIN


def challenge_id(decision: str, event_id: str) -> str:
    """The id of the control record that tells a challenge's result of an event."""
    return decision + _CHALLENGE + (_LOGIN if event_id == login_id(decision) else "")


def decision_of(tenant_id: str, event_id: str) -> str:
    """The id of the decision that an event was about, or came from."""
    if event_id.startswith(_PREFIX) and event_id.endswith(_LOGIN):
        return event_id.removesuffix(_LOGIN)
    return decision_id(tenant_id, event_id)


def as_login(event: LoginEvent) -> LoginEvent:
    """What is assessed: an attempt as the login it would become."""
    return msgspec.structs.replace(event, outcome="success") if event.outcome == "unknown" else event


def model_of(engine: Engine) -> Model | None:
    """The model that an engine asks, if any."""
    for detector in engine.detectors:
        model = getattr(detector, "model", None)
        if model is not None:
            return Model(model.name, model.version)
    return None


def device_of(
    profile: Profile | None, event: LoginEvent, values: tuple[str, ...], policy: Policy
) -> Device | None:
    """The device of a login, and whether it is new to the user."""
    device = attributes.device_of(event)
    if not device:
        return None
    known = compute(profile or Profile(), event, policy.probation, values)
    return Device(device, not known.weights[profiles.DEVICE])


def verdict(
    event: LoginEvent,
    assessment: Assessment,
    policy: Policy,
    *,
    id: str | None,
    device: Device | None,
    degraded: Sequence[str],
    model: Model | None,
    took_ms: int,
) -> Decision:
    """The answer that an assessment leads to; `degraded` is what was missing beside detectors that failed."""
    would = assessment.action
    return Decision(
        decision_id=id,
        event_id=event.event_id,
        action=would if policy.mode == "enforce" else "allow",
        would_action=would,
        score=assessment.score,
        level=assessment.level,
        scores=_scores(assessment.signals),
        reasons=_reasons(assessment),
        challenge=_challenge(event) if would == "challenge" else None,
        policy=PolicyUsed(POLICY, policy.revision, policy.mode),
        device=device,
        degraded=(*assessment.degraded, *degraded),
        model=model,
        took_ms=took_ms,
    )


def _scores(signals: Sequence[Signal]) -> dict[str, int]:
    """The score of what speaks for each kind of attack alone."""
    found: dict[str, int] = {}
    for name, technique in _SCORES.items():
        about = [s for s in signals if any(attack.startswith(technique) for attack in s.attack)]
        found[name] = risk.combine(about)[0] if about else 0
    return found


def _reasons(assessment: Assessment) -> tuple[Reason, ...]:
    signals = [
        Reason(s.code, s.kind, s.contribution, wording.reason_text(s), s.evidence, s.attack)
        for s in assessment.signals
    ]
    return (*signals, *(Reason(note, "rule", 0, wording.note_text(note)) for note in assessment.notes))


def _challenge(event: LoginEvent) -> Challenge:
    return Challenge(_NOT_ENROLLED if event.user.mfa_enrolled is False else _ENROLLED)
