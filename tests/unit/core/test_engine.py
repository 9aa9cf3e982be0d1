from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from gatewatch.core import learning, profiles
from gatewatch.core.assessing import situate
from gatewatch.core.context import EMPTY
from gatewatch.core.detection import StoredLogin
from gatewatch.core.engine import Engine
from gatewatch.core.events import Outcome
from gatewatch.core.policy import DEFAULT, BruteForce, PasswordSpraying, Policy
from gatewatch.core.profiles import Profile
from gatewatch.core.records import ControlRecord
from gatewatch.core.signals import Finding, Signal, Subject
from gatewatch.core.situation import Situation
from gatewatch.core.sources import Buckets
from gatewatch.core.times import DAY, HOUR, MINUTE
from gatewatch.detectors import SOURCE_DETECTORS, default_engine
from tests.builders import AWAY_IP, START, burst, daily, learn, login
from tests.unit.core.strategies import MIDNIGHT, buckets_of, crowd

ATTACKER = ("ip", "203.0.113.9")


class Failing:
    """A detector with a mistake in it."""

    id = "failing"
    attack: tuple[str, ...] = ()
    outcomes = frozenset({"success"})

    def assess(self, situation: Situation) -> Signal | None:
        """Always raises."""
        raise KeyError(situation.event.event_id)


class Doubting:
    """Shows what the situation says of a login that is doubted."""

    id = "doubting"

    def doubt(self, situation: Situation, finding: Mapping[str, Any]) -> Signal | None:
        """The weight of its address, and of everything."""
        weights = situation.features.weights[profiles.IP], situation.features.total
        return Signal(
            detector=self.id, code=str(finding["detector"]), strength=0.5, evidence={"weights": weights}
        )


@pytest.mark.parametrize("outcome", ["challenge", "unknown"])
def test_what_is_no_login_is_not_assessed(outcome: Outcome) -> None:
    """Events that neither succeed nor fail get a note, no score, and change nothing."""
    event = msgspec.structs.replace(login(START), outcome=outcome)
    assessment, change = default_engine().step(Profile(), event, EMPTY, DEFAULT)
    assert (assessment.score, assessment.notes, change.op) == (0, ("not_a_login",), "none")


def test_detector_that_fails_degrades_and_harms_nothing_else() -> None:
    """A failing detector is named in the assessment, and what the others say stands."""
    engine = Engine((Failing(), *default_engine().detectors))
    profile = learn([*daily(10), *burst(40, START + 11 * DAY)])
    assessment, change = engine.step(profile, login(START + 11 * DAY, ip=AWAY_IP), EMPTY, DEFAULT)
    assert assessment.degraded == ("failing",)
    assert "account_takeover" in {signal.detector for signal in assessment.signals}
    assert change.op == "success"


def test_disabled_detector_is_silent() -> None:
    """A detector that the policy disables is not asked, in steps as in reviews."""
    policy = msgspec.structs.replace(DEFAULT, brute_force=BruteForce(enabled=False))
    profile = learn(burst(40, START))
    event = burst(1, START)[0]
    said = default_engine().step(profile, event, EMPTY, policy)[0].signals
    assert "brute_force" not in {signal.detector for signal in said}
    buckets = buckets_of([(MIDNIGHT + i, 1, False) for i in range(40)])
    assert default_engine().review(ATTACKER, buckets, frozenset(), policy) == []


def test_weights_of_the_policy() -> None:
    """A detector's weight multiplies its strength, in steps as in reviews."""
    halved = msgspec.structs.replace(
        DEFAULT, brute_force=BruteForce(weight=0.5), password_spraying=PasswordSpraying(weight=0.5)
    )
    engine = Engine((), (), (SOURCE_DETECTORS["password_spraying"],))
    buckets = buckets_of(crowd(40, 2))
    (full,), (half,) = (engine.review(ATTACKER, buckets, frozenset(), p) for p in (DEFAULT, halved))
    assert half.strength == full.strength / 2
    event, profile = burst(1, START)[0], learn(burst(40, START))
    strong, weak = (
        next(
            s
            for s in default_engine().step(profile, event, EMPTY, p)[0].signals
            if s.detector == "brute_force"
        )
        for p in (DEFAULT, halved)
    )
    assert weak.strength == strong.strength / 2


@pytest.mark.parametrize("on_probation", [False, True])
def test_doubted_login_does_not_vouch_for_itself(on_probation: bool) -> None:
    """A login that is judged again is judged as if it had taught nothing, whether trusted or held."""
    event = login(START + 20 * DAY, ip=AWAY_IP)
    profile = learn([*daily(10), event])
    alone = situate(learn(daily(10)), event, EMPTY, DEFAULT).features
    engine = Engine((), (Doubting(),))
    control = ControlRecord(
        "c",
        "acme",
        "alice",
        "doubt",
        event.time,
        event.event_id,
        event.time,
        evidence=b'{"detector":"x"}',
    )
    if on_probation:
        learning.apply(profile, engine.judge(profile, control, StoredLogin(event, 1), DEFAULT)[1])
    assessment, _ = engine.judge(profile, control, StoredLogin(event, 1), DEFAULT)
    assert assessment is not None
    assert assessment.signals[0].evidence["weights"] == pytest.approx(
        (alone.weights[profiles.IP], alone.total)
    )


def test_late_events_are_flagged() -> None:
    """An event more than the lateness behind its user's newest is late, whatever it is."""
    profile = learn([login(START + 3 * DAY)])
    assert situate(profile, login(START + 2 * DAY - 1), EMPTY, DEFAULT).late
    assert not situate(profile, login(START + 2 * DAY), EMPTY, DEFAULT).late


def test_notes_say_what_was_missing() -> None:
    """A first login, a user without history and a missing place are noted, never guessed."""
    step = default_engine().step
    first = step(Profile(), msgspec.structs.replace(login(START), geo=None), EMPTY, DEFAULT)[0]
    assert first.notes == ("first_login", "no_geo")
    assert step(Profile(), burst(1, START)[0], EMPTY, DEFAULT)[0].notes == ("no_history",)
    assert step(learn(daily(3)), login(START + 4 * DAY + MINUTE), EMPTY, DEFAULT)[0].notes == ()


def test_flagged_attack_does_not_teach() -> None:
    """An attacker's logins under attack stay on probation; the victim's own are trusted."""
    profile = learn([*daily(10), *burst(100, START + 11 * DAY)])
    engine = default_engine()
    for i in range(3):
        event = login(START + 11 * DAY + i, ip=AWAY_IP, event_id=str(i))
        learning.apply(profile, engine.step(profile, event, EMPTY, DEFAULT)[1])
    assert AWAY_IP not in profile.values[profiles.IP]
    learning.apply(profile, engine.step(profile, login(START + 12 * DAY + HOUR), EMPTY, DEFAULT)[1])
    assert len(profile.held) == 3


class Stumbling:
    """A source detector with a mistake in it."""

    id = "stumbling"
    attack: tuple[str, ...] = ()
    kinds = frozenset({"ip"})

    def review(
        self, subject: Subject, buckets: Buckets, explained: frozenset[int], policy: Policy
    ) -> list[Finding]:
        """Always raises."""
        raise KeyError(subject, len(buckets), len(explained), policy.revision)


def test_failing_source_detector_is_named() -> None:
    """A source detector that fails is named, for its findings are unknown then; the others' findings are all there."""
    engine = Engine((), sources=(Stumbling(), *SOURCE_DETECTORS.values()))
    buckets = buckets_of((MIDNIGHT + i * MINUTE // 10, 1, False) for i in range(20))
    failed: set[str] = set()
    found = engine.review(ATTACKER, buckets, frozenset(), DEFAULT, failed)
    assert failed == {"stumbling"}
    assert found == default_engine().review(ATTACKER, buckets, frozenset(), DEFAULT)
    assert found
    with pytest.raises(KeyError):
        engine.review(ATTACKER, buckets, frozenset(), DEFAULT)
