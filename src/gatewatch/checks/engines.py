"""The suite for whole engines: what holds for every detector together, and for the state of a user."""

from collections.abc import Iterable
from random import Random

from gatewatch.checks.requirements import attempt, require
from gatewatch.checks.samples import START, bare_events, context, generate, many
from gatewatch.core import learning, profiles, signals
from gatewatch.core.context import EMPTY, Context
from gatewatch.core.engine import Engine
from gatewatch.core.events import Asn, Geo, LoginEvent, User, UserAgent
from gatewatch.core.policy import DEFAULT, Policy
from gatewatch.core.profiles import Profile
from gatewatch.core.signals import Assessment
from gatewatch.core.times import SECOND

#: The most bytes a profile may take, whatever its user's events are.
MOST_PROFILE_BYTES = 262_144

Run = list[tuple[bytes, bytes]]


def check_engine(
    engine: Engine,
    *,
    policy: Policy = DEFAULT,
    seed: int = 0,
    count: int = 300,
    entities: int = 100_000,
    hostile: int = 20_000,
) -> None:
    """Purity, replay, missing fields, order, repeats, scores that add up, bounded profiles; no detector degrades.

    `entities` users are assessed once each; one user gets `hostile` events that have nothing in common.
    """
    events = [*bare_events(), *generate(seed, count)]
    first = _run(engine, events, policy, seed)
    _require_same(first, _run(engine, events, policy, seed), "a replay")
    _require_same(
        first, _run(engine, events, policy, seed, restore=True), "a state round trip after every event"
    )
    _check_order(engine, generate(seed, 60, users=1), policy, seed)
    _check_repeats(engine, events, policy)
    for situation in many(entities, policy):
        _assess(engine, Profile(), situation.event, EMPTY, policy)
    _check_size(engine, policy, hostile)


def _run(
    engine: Engine, events: Iterable[LoginEvent], policy: Policy, seed: int, restore: bool = False
) -> Run:
    """The bytes of each assessment and of the profile it left."""
    random, known, seen = Random(seed), dict[str, Profile](), Run()
    for event in events:
        profile = known.setdefault(event.user_key, Profile())
        if restore:
            profile = known[event.user_key] = profiles.decode(profiles.encode(profile))
        assessment = _assess(engine, profile, event, context(random), policy, learn=True)
        seen.append((signals.encode(assessment), profiles.encode(profile)))
    return seen


def _assess(
    engine: Engine, profile: Profile, event: LoginEvent, given: Context, policy: Policy, learn: bool = False
) -> Assessment:
    before = profiles.encode(profile)
    assessment, change = attempt("The engine", "an event", lambda: engine.step(profile, event, given, policy))
    require(profiles.encode(profile) == before, "The engine", "changes a profile while it assesses")
    require(not assessment.degraded, f"Detector {', '.join(assessment.degraded)}", "fails inside the engine")
    require(0 <= assessment.score <= 100, "The engine", f"gives the score {assessment.score}")
    points = sum(signal.contribution for signal in assessment.signals)
    require(points == assessment.score, "The engine", f"explains {points} of {assessment.score} points")
    if learn:
        learning.apply(profile, change)
    return assessment


def _require_same(first: Run, second: Run, when: str) -> None:
    for number, (a, b) in enumerate(zip(first, second, strict=True)):
        require(a[0] == b[0], "The engine", f"assesses event {number} differently in {when}")
        require(a[1] == b[1], "The engine", f"leaves another profile after event {number} in {when}")


def facts(profile: Profile) -> tuple[object, ...]:
    """What is the same in any order of arrival within the lateness."""
    return (
        profile.newest,
        profile.successes,
        profile.first_success,
        profile.logins,
        profile.minutes,
        profile.days,
        profile.hours,
    )


def _check_order(engine: Engine, events: list[LoginEvent], policy: Policy, seed: int) -> None:
    orders = (events, sorted(events, key=lambda e: e.time), events[::-1])
    found = []
    for order in (*orders, Random(seed).sample(events, len(events))):
        profile = Profile()
        for event in order:
            _assess(engine, profile, event, EMPTY, policy, learn=True)
        profiles.encode(profile)
        found.append(facts(profile))
    require(all(f == found[0] for f in found), "The engine", "learns other facts in another order")


def _check_repeats(engine: Engine, events: list[LoginEvent], policy: Policy) -> None:
    """A repeat is dropped before the engine; assessing one (a decision asked again) must be harmless all the same."""
    profile = Profile()
    for event in events:
        once = _assess(engine, profile, event, EMPTY, policy)
        twice = _assess(engine, profile, event, EMPTY, policy)
        require(
            once == twice, "The engine", "assesses a repeated event differently although it learnt nothing"
        )
        _assess(engine, profile, event, EMPTY, policy, learn=True)


def _check_size(engine: Engine, policy: Policy, hostile: int) -> None:
    profile = Profile()
    for i in range(hostile):
        assessed = engine.step(profile, _hostile(i), EMPTY, policy)
        learning.apply(profile, assessed[1])
    size = len(profiles.encode(profile))
    require(size <= MOST_PROFILE_BYTES, "The engine", f"lets a profile grow to {size:,} bytes")


def _hostile(number: int) -> LoginEvent:
    """An event that has nothing in common with any other of its user."""
    return LoginEvent(
        event_id=f"hostile-{number}",
        tenant_id="checks",
        time=START + number * SECOND,
        source="checks",
        outcome="success" if number % 3 else "failure",
        reason_class=None if number % 3 else "bad_credentials",
        user=User(name="victim"),
        ip=f"2001:db8:{number & 0xFFFF:x}:{number >> 16:x}::{number & 0xFFFF:x}",
        geo=Geo(f"C{number}", lat=number % 180 - 90.0, lon=number % 360 - 180.0),
        asn=Asn(number + 1),
        ua=UserAgent(f"agent {number}", f"browser {number}", "1", f"os {number}", "1", f"device {number}"),
        device_id=f"{number:0256d}",
    )
