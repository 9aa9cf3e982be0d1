# ruff: noqa: ARG002, ARG005 - what breaks one clause of a contract has its signature all the same
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any

import pytest

from gatewatch.checks import (
    CheckFailed,
    check_detector,
    check_engine,
    check_model,
    check_source_detector,
)
from gatewatch.core import learning
from gatewatch.core.assessing import Asked
from gatewatch.core.context import Context
from gatewatch.core.detection import Detector, Model, SourceDetector
from gatewatch.core.engine import Engine
from gatewatch.core.events import LoginEvent
from gatewatch.core.learning import Change
from gatewatch.core.policy import Policy
from gatewatch.core.profiles import Profile
from gatewatch.core.signals import Assessment, Signal
from gatewatch.core.situation import Situation
from gatewatch.core.times import DAY, HOUR, MINUTE
from gatewatch.detectors import DETECTORS, SOURCE_DETECTORS, default_engine
from gatewatch.models.freeman import Freeman
from tests.builders import START, burst, daily, failure, login, situation
from tests.unit.core.strategies import buckets_of, crowd


@pytest.mark.parametrize("detector", DETECTORS.values(), ids=DETECTORS)
def test_every_detector_conforms(detector: Detector) -> None:
    """Each registered detector passes the suite that third parties run."""
    check_detector(detector, entities=5_000)


@pytest.mark.parametrize("detector", SOURCE_DETECTORS.values(), ids=SOURCE_DETECTORS)
def test_every_source_detector_conforms(detector: SourceDetector) -> None:
    """Each registered source detector passes its suite."""
    check_source_detector(detector)


def test_every_model_conforms() -> None:
    """The shipped model passes its suite, memory over 100,000 rows included."""
    check_model(Freeman())


def test_engine_conforms() -> None:
    """All detectors together: replay, order, missing fields, and 100,000 users without growth."""
    check_engine(default_engine())


def test_claims_are_checked() -> None:
    """A detector that claims an attack must tell it from what is benign."""
    attacks = [situation(failure(START + HOUR), burst(30, START + HOUR))]
    benign = [situation(login(START + 30 * DAY), daily(30))]
    check_detector(DETECTORS["brute_force"], entities=1, attacks=attacks, benign=benign)
    check_source_detector(
        SOURCE_DETECTORS["credential_stuffing"], attacks=[buckets_of(crowd(60, spread=9 * MINUTE))]
    )
    with pytest.raises(CheckFailed, match="no better than chance"):
        check_detector(DETECTORS["dormant_account"], entities=1, attacks=attacks, benign=benign)
    with pytest.raises(CheckFailed, match="no better than chance"):
        check_source_detector(SOURCE_DETECTORS["credential_stuffing"], attacks=[buckets_of(crowd(5))])


# Each of the following breaks one clause of the contract.


class Sound:
    """A detector that does nothing wrong."""

    id = "sound"
    attack: tuple[str, ...] = ()
    outcomes = frozenset({"success", "failure"})

    def assess(self, situation: Situation) -> Signal | None:
        """A weak signal for successes."""
        return self.signal() if situation.event.is_success else None

    def signal(self, strength: float = 0.1, evidence: Mapping[str, Any] | None = None) -> Signal:
        """Its signal."""
        return Signal(detector=self.id, code=self.id, strength=strength, evidence=dict(evidence or {}))


class Nameless(Sound):
    """Has no id."""

    id = ""


class Blind(Sound):
    """Looks at nothing."""

    outcomes = frozenset[str]()


class Restating(Sound):
    """Tells the next one that the event is late."""

    def assess(self, situation: Situation) -> Signal | None:
        """Changes what all detectors are handed."""
        situation.late = True
        return None


class Teaching(Sound):
    """Learns while it assesses."""

    def assess(self, situation: Situation) -> Signal | None:
        """Counts in the profile."""
        situation.profile.successes += 1
        return None


class Counting(Sound):
    """Remembers how often it was asked."""

    def __init__(self) -> None:
        self._asked = count()

    def assess(self, situation: Situation) -> Signal | None:
        """Says how often."""
        return self.signal(evidence={"asked": next(self._asked)})


class Identity(Sound):
    """Goes by which object it was handed."""

    def __init__(self) -> None:
        self._seen: list[Profile] = []

    def assess(self, situation: Situation) -> Signal | None:
        """Knows the profiles it saw by identity."""
        if any(profile is situation.profile for profile in self._seen):
            return None
        self._seen.append(situation.profile)
        return self.signal()


class Trusting(Sound):
    """Takes for granted what may be missing."""

    def assess(self, situation: Situation) -> Signal | None:
        """Needs a place."""
        assert situation.event.geo is not None
        return None


class Certain(Sound):
    """Is more than certain."""

    def assess(self, situation: Situation) -> Signal | None:
        """Strength two."""
        return self.signal(strength=2.0)


class Undefined(Sound):
    """Divides by nothing."""

    def assess(self, situation: Situation) -> Signal | None:
        """Strength NaN."""
        return self.signal(strength=float("nan"))


class Wordless(Sound):
    """Gives evidence that is no JSON."""

    def assess(self, situation: Situation) -> Signal | None:
        """Evidence of bytes."""
        return self.signal(evidence={"ref": situation.ref})


class Foreign(Sound):
    """Signs with another name."""

    def signal(self, strength: float = 0.1, evidence: Mapping[str, Any] | None = None) -> Signal:
        """Somebody else's signal."""
        return Signal(detector="other", code="other", strength=strength)


class Hoarding(Sound):
    """Keeps every user it saw, without letting it show."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def assess(self, situation: Situation) -> Signal | None:
        """Never answers."""
        self._seen.add(situation.event.user_key)
        return None


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (Nameless, "has no id"),
        (Blind, "looks at no outcome"),
        (Teaching, "changes the profile"),
        (Restating, "changes the situation"),
        (Counting, "answers differently after a state round trip|answers the same situation differently"),
        (Identity, "answers the same situation differently"),
        (Trusting, "fails on an event with missing fields: AssertionError"),
        (Certain, "strength 2.0, outside"),
        (Undefined, "strength nan, outside|answers differently"),
        (Wordless, "not JSON"),
        (Foreign, "signs its signal 'other'"),
        (Hoarding, "it keeps state"),
    ],
)
def test_broken_detectors_are_named(broken: type[Sound], sentence: str) -> None:
    """Each clause fails for a detector that breaks it, in a sentence that names the detector."""
    with pytest.raises(CheckFailed, match=sentence) as failed:
        check_detector(broken(), entities=5_000)
    assert str(failed.value).startswith(f"Detector '{broken.id}' ")
    assert str(failed.value).endswith(".")


def test_sound_detector_passes() -> None:
    """What the broken ones derive from is sound."""
    check_detector(Sound(), entities=5_000)


Scores = Callable[[Sequence[Sequence[float]]], list[float]]


class Broken:
    """The shipped model with something changed. A compiled class cannot be derived from."""

    name: str = Freeman.name
    version: str = Freeman.version
    feature_version: int = Freeman.feature_version
    features: tuple[str, ...] = Freeman.features

    def __init__(self, scores: Scores | None = None, **changes: Any) -> None:
        model = Freeman()
        self.score_many = scores or model.score_many
        self.explain = model.explain
        for name, value in changes.items():
            setattr(self, name, value)


def emptied(rows: Sequence[Sequence[float]]) -> list[float]:
    """Scores that eat their rows."""
    for row in rows:
        assert isinstance(row, list)
        row[0] = 7.0
    return [0.0] * len(rows)


def hoarding() -> Scores:
    """Scores that keep every row."""
    seen: list[object] = []
    model = Freeman()

    def scores(rows: Sequence[Sequence[float]]) -> list[float]:
        seen.extend(rows)
        return model.score_many(rows)

    scores.seen = seen  # type: ignore[attr-defined]  # shown to the test
    return scores


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (Broken(version=""), "has no version"),
        (Broken(feature_version=99), "another feature version"),
        (Broken(features=("shoe_size",)), "do not exist"),
        (Broken(emptied), "changes the rows"),
        (Broken(lambda rows: [0.0]), "scores for"),
        (Broken(lambda rows: [float("inf")] * len(rows)), "not finite"),
        (Broken(lambda rows: [1.0 / len(rows)] * len(rows) if rows else []), "beside other rows"),
        (Broken(lambda rows: [1.0] * max(1, len(rows))), "scores for no rows"),
        (Broken(lambda rows: [1.0] * len(rows)), "no better than chance"),
        (Broken(lambda rows: [1.0 / row[0] for row in rows]), "fails on rows with missing values"),
        (Broken(hoarding()), "keeps state"),
    ],
)
def test_broken_models_are_named(broken: Model, sentence: str) -> None:
    """Each clause fails for a model that breaks it."""
    with pytest.raises(CheckFailed, match=sentence) as failed:
        check_model(broken, entities=5_000)
    assert str(failed.value).startswith("Model 'freeman' ")


class Inside(Engine, frozen=True):
    """An engine whose step is spoiled."""

    spoil: Callable[[Profile, Assessment, Change], tuple[Assessment, Change]] = lambda _, a, c: (a, c)

    def step(
        self,
        profile: Profile | None,
        event: LoginEvent,
        context: Context,
        policy: Policy,
        values: tuple[str, ...] | None = None,
        asked: Asked | None = None,
    ) -> tuple[Assessment, Change]:
        """The step, then the spoiling."""
        assert profile is not None
        return self.spoil(profile, *super().step(profile, event, context, policy, values, asked))


def learn_early(profile: Profile, assessment: Assessment, change: Change) -> tuple[Assessment, Change]:
    """Learns while it assesses."""
    learning.apply(profile, change)
    return assessment, change


def lottery() -> Callable[[Profile, Assessment, Change], tuple[Assessment, Change]]:
    """Every second assessment notes something else."""
    drawn = count()
    return lambda _, a, c: (Assessment(score=0, level="none", notes=(f"{next(drawn) // 7}",)), c)


def by_arrival(profile: Profile, assessment: Assessment, change: Change) -> tuple[Assessment, Change]:
    """The fifth login is learnt at the wrong time."""
    late = change.op == "success" and profile.successes == 5
    return assessment, Change(op="success", time=change.time + HOUR) if late else change


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (Inside((), spoil=learn_early), "changes a profile"),
        (Inside((), spoil=lottery()), "in a replay"),
        (Inside((), spoil=by_arrival), "other facts in another order"),
        (Inside((), spoil=lambda _, a, c: (Assessment(score=7, level="none"), c)), "explains 0 of 7"),
        (Inside((), spoil=lambda _, a, c: (Assessment(score=101, level="none"), c)), "the score 101"),
        (Engine((Trusting(),)), "Detector sound fails inside the engine"),
    ],
)
def test_broken_engines_are_named(broken: Engine, sentence: str) -> None:
    """Each clause fails for an engine that breaks it."""
    with pytest.raises(CheckFailed, match=sentence):
        check_engine(broken, entities=10, hostile=10)


def test_profile_size_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile that may grow without bound is found."""
    monkeypatch.setattr(learning, "MAX_HOUR_SOURCES", 1_000_000)
    with pytest.raises(CheckFailed, match="lets a profile grow"):
        check_engine(Engine(()), entities=10)
