"""The suite for detectors of threats to a user."""

from collections.abc import Iterable

from gatewatch.checks.requirements import attempt, require, require_bounded, require_json, require_strength
from gatewatch.checks.samples import many, situations
from gatewatch.core import profiles
from gatewatch.core.detection import Detector
from gatewatch.core.policy import DEFAULT, Policy
from gatewatch.core.signals import Signal
from gatewatch.core.situation import Situation


def check_detector(
    detector: Detector,
    *,
    policy: Policy = DEFAULT,
    seed: int = 0,
    count: int = 300,
    entities: int = 100_000,
    attacks: Iterable[Situation] = (),
    benign: Iterable[Situation] = (),
) -> None:
    """Purity, determinism, missing fields, round trip, valid signals, bounded memory.

    With `attacks` and `benign` situations it must also tell them apart: more strength on average for attacks.
    """
    name = f"Detector {detector.id!r}"
    require(bool(detector.id), name, "has no id")
    require(
        bool(detector.outcomes) and detector.outcomes <= {"success", "failure"}, name, "looks at no outcome"
    )
    asked = [s for s in situations(seed, count, policy) if s.event.outcome in detector.outcomes]
    frozen = [s.with_profile(profiles.decode(profiles.encode(s.profile))) for s in asked]
    first = [_assess_once(detector, situation, name) for situation in frozen]
    again = [detector.assess(situation) for situation in reversed(frozen)][::-1]
    require(first == again, name, "answers the same situation differently: it keeps state or draws lots")
    require_bounded(
        detector,
        name,
        (detector.assess(s) for s in many(entities, policy) if s.event.outcome in detector.outcomes),
    )
    strong, weak = (_mean_strength(detector, group) for group in (attacks, benign))
    require(
        strong is None or strong > (weak or 0.0), name, "is no better than chance on the attacks it claims"
    )


def _assess_once(detector: Detector, situation: Situation, name: str) -> Signal | None:
    before, given = profiles.encode(situation.profile), _given(situation)
    signal = attempt(name, "an event with missing fields", lambda: detector.assess(situation))
    require(_given(situation) == given, name, "changes the situation it assesses")
    require(profiles.encode(situation.profile) == before, name, "changes the profile it assesses by")
    restored = situation.with_profile(profiles.decode(before))
    require(detector.assess(restored) == signal, name, "answers differently after a state round trip")
    if signal is not None:
        require(signal.detector == detector.id, name, f"signs its signal {signal.detector!r}")
        require_strength(signal.strength, name)
        require_json(signal.evidence, name)
    return signal


def _given(situation: Situation) -> tuple[object, ...]:
    """What a detector is handed beside what cannot be changed: the next one is handed the same."""
    known = situation.features
    fields = (situation.event, situation.profile, situation.context, situation.policy, known)
    values = (situation.ref, situation.late, situation.success, known.values, known.weights, known.total)
    return (*map(id, fields), *values)


def _mean_strength(detector: Detector, group: Iterable[Situation]) -> float | None:
    found = [detector.assess(situation) for situation in group]
    return sum(signal.strength for signal in found if signal) / len(found) if found else None
