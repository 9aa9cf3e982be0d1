from typing import Any

import msgspec
import pytest

from gatewatch.core import history, learning, profiles
from gatewatch.core.context import EMPTY
from gatewatch.core.detection import StoredLogin
from gatewatch.core.engine import Engine
from gatewatch.core.events import LoginEvent
from gatewatch.core.policy import DEFAULT
from gatewatch.core.profiles import Profile
from gatewatch.core.records import ControlKind, ControlRecord, Verdict
from gatewatch.core.signals import Signal
from gatewatch.core.situation import Situation
from gatewatch.core.times import DAY
from tests.builders import ABROAD, AWAY_IP, LAGOS, SAFARI, START, daily, learn, login


class Abroad:
    """Flags every login from Nigeria."""

    id = "abroad"
    attack: tuple[str, ...] = ()
    outcomes = frozenset({"success"})

    def assess(self, situation: Situation) -> Signal | None:
        """A strong signal."""
        geo = situation.event.geo
        if geo is None or geo.country != "NG":
            return None
        return Signal(detector=self.id, code=self.id, strength=0.8)


ENGINE = Engine((Abroad(),))
THEN = START + 20 * DAY
PROBATION = DEFAULT.probation
STRANGE = login(THEN, ip=AWAY_IP, geo=LAGOS, asn=ABROAD, ua=SAFARI)


def profile_with(*events: LoginEvent) -> Profile:
    """Ten ordinary days, then these events, each assessed and learnt."""
    profile = learn(daily(10))
    for event in events:
        learning.apply(profile, ENGINE.step(profile, event, EMPTY, DEFAULT)[1])
    return profile


def tell(profile: Profile, kind: ControlKind, verdict: Verdict = "", about: LoginEvent = STRANGE) -> Profile:
    """The profile after a control record about a login that taught a weight of one."""
    control = ControlRecord("c", "acme", "alice", kind, THEN, about.event_id, about.time, verdict)
    learning.apply(profile, ENGINE.judge(profile, control, StoredLogin(about, 1), DEFAULT)[1])
    return profile


def weight(profile: Profile, time: int, value: str = AWAY_IP) -> float:
    """What an address weighs for a reader at an event time."""
    return history.weight_at(profile, profiles.IP, value, time, PROBATION)


def trusted(profile: Profile) -> tuple[Any, ...]:
    """Everything that counts as the user's normal."""
    profiles.encode(profile)
    return profile.total, profile.values


def test_flagged_success_enters_on_probation() -> None:
    """A flagged success weighs a tenth until probation has passed by the reader's event time, then in full."""
    profile = profile_with(STRANGE)
    assert trusted(profile) == trusted(profile_with())
    assert weight(profile, THEN) == pytest.approx(0.1)
    assert weight(profile, THEN + PROBATION - 1) == pytest.approx(0.1)
    assert weight(profile, THEN + PROBATION) == pytest.approx(1.0)
    assert weight(profile, THEN) == pytest.approx(0.1), "the reader's time decides, not the last one read"


def test_unflagged_success_is_trusted_at_once() -> None:
    """A success that nothing flagged weighs in full from the start."""
    usual = "192.0.2.10"
    assert weight(profile_with(login(THEN)), THEN, usual) == pytest.approx(
        weight(profile_with(), THEN, usual) + 1
    )


@pytest.mark.parametrize(("kind", "verdict"), [("verdict", "safe"), ("challenge", "passed")])
def test_probation_is_cleared(kind: ControlKind, verdict: Verdict) -> None:
    """A verdict "safe" or a passed challenge makes the login equal to one that was never flagged."""
    cleared = tell(profile_with(STRANGE), kind, verdict)
    unflagged = learn([*daily(10), STRANGE])
    assert profiles.encode(cleared) == profiles.encode(unflagged)


@pytest.mark.parametrize(("kind", "verdict"), [("verdict", "compromised"), ("challenge", "failed")])
@pytest.mark.parametrize("event", [STRANGE, login(THEN), login(THEN, ip="192.0.2.99")])
def test_compromised_takes_back_what_it_taught(
    kind: ControlKind, verdict: Verdict, event: LoginEvent
) -> None:
    """A revoked login leaves the values as if it had never been learnt, flagged or not, shared values or own."""
    profile = tell(profile_with(event), kind, verdict, event)
    assert trusted(profile) == trusted(profile_with())
    assert weight(profile, THEN + 10 * PROBATION, event.ip) == weight(
        profile_with(), THEN + 10 * PROBATION, event.ip
    )


@pytest.mark.parametrize("verdict", ["safe", "compromised", "dismissed"])
def test_repeats_change_nothing(verdict: Verdict) -> None:
    """A verdict that is repeated changes nothing."""
    once = profiles.encode(tell(profile_with(STRANGE), "verdict", verdict))
    assert profiles.encode(tell(profiles.decode(once), "verdict", verdict)) == once


def test_people_may_change_their_minds() -> None:
    """Compromised, safe, compromised again: the last word holds, exactly."""
    profile = tell(profile_with(STRANGE), "verdict", "compromised")
    revoked = profiles.encode(profile)
    tell(profile, "verdict", "safe")
    assert profiles.encode(profile) == profiles.encode(learn([*daily(10), STRANGE]))
    tell(profile, "verdict", "compromised")
    assert profiles.encode(profile) == revoked


def test_passed_challenge_does_not_overrule_a_verdict() -> None:
    """Once people said "compromised", a passed challenge does not bring the login back."""
    profile = tell(profile_with(STRANGE), "verdict", "compromised")
    before = profiles.encode(profile)
    assert profiles.encode(tell(profile, "challenge", "passed")) == before


def test_doubt_puts_a_trusted_login_on_probation() -> None:
    """A finding on the source takes a login out of trust until it is cleared or probation is over; once."""
    event = login(THEN, ip="192.0.2.99")
    profile = tell(profile_with(event), "doubt", about=event)
    assert trusted(profile) == trusted(profile_with())
    assert weight(profile, THEN, event.ip) == pytest.approx(0.1)
    before = profiles.encode(profile)
    assert profiles.encode(tell(profile, "doubt", about=event)) == before
    tell(profile, "verdict", "safe", event)
    assert profiles.encode(profile) == profiles.encode(profile_with(event))


def test_unweighed_login_changes_nothing() -> None:
    """A login that taught nothing (its hour was full) has nothing to take back."""
    profile = profile_with(STRANGE)
    control = ControlRecord("c", "acme", "alice", "verdict", THEN, STRANGE.event_id, THEN, "compromised")
    assert ENGINE.judge(profile, control, StoredLogin(STRANGE, 0), DEFAULT)[1].op == "none"
    assert ENGINE.judge(profile, control, None, DEFAULT)[1].op == "none"


def held_too_many(apart: int) -> list[LoginEvent]:
    """One more strange login than a profile can hold, `apart` µs from each other."""
    count = profiles.MAX_HELD + 1
    return [login(THEN + i * apart, ip=f"198.51.100.{i}", geo=LAGOS) for i in range(count)]


def test_full_probation_list_settles_the_oldest() -> None:
    """Where too many logins are held, one older than any probation is trusted, and its verdict still counts."""
    events = held_too_many(2 * DAY)
    profile = profile_with(*events)
    assert len(profile.held) == profiles.MAX_HELD
    assert events[0].ip in profile.values[profiles.IP]
    tell(profile, "verdict", "compromised", events[0])
    assert events[0].ip not in profile.values[profiles.IP]


def test_many_flagged_logins_do_not_end_a_probation() -> None:
    """An attacker who logs in often does not push his first login out of probation and into trust."""
    events = held_too_many(DAY // 2)
    profile = profile_with(*events)
    assert events[0].ip not in profile.values[profiles.IP]


def test_erasure() -> None:
    """An erasure empties the profile."""
    assert profiles.encode(tell(profile_with(STRANGE), "erasure")) == profiles.encode(Profile())


@pytest.mark.parametrize(("mode", "held"), [("enforce", True), ("monitor", False)])
def test_an_answer_that_was_no_allow_is_doubted(mode: str, held: bool) -> None:
    """Where decisions are enforced a login that was denied is on probation, however high a score it takes to flag."""
    policy = msgspec.structs.replace(DEFAULT, mode=mode, flag_score=100, deny_score=80)
    _, change = ENGINE.step(learn(daily(10)), STRANGE, EMPTY, policy)
    assert change.held is held
