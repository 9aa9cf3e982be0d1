"""The step alone, in µs: assessing an event against a warm world and learning from it, without any store around it."""

from collections.abc import Sequence
from statistics import median
from time import thread_time_ns

import msgspec

from benchmarks import worlds
from benchmarks.replay import Plan
from gatewatch.core import attributes, learning, profiles
from gatewatch.core.assessing import Asked
from gatewatch.core.context import Context
from gatewatch.core.engine import Engine
from gatewatch.core.events import LoginEvent
from gatewatch.core.policy import DEFAULT
from gatewatch.core.profiles import Profile
from gatewatch.detectors import extended_engine
from gatewatch.services.frequencies import TenantFrequencies

#: The detectors that ask a model; without them it is rules and behaviour only.
MODELS = frozenset({"login_risk"})
#: The share of the world that is learnt before anything is measured.
_WARM = 0.6

_Case = tuple[LoginEvent, Context]


class Cost(msgspec.Struct):
    """µs per event of one pass: all events, ordinary successes, failures."""

    all: float
    success: float
    failure: float


def without_models(engine: Engine) -> Engine:
    """The same engine with its rules and behavioural detectors only."""
    return Engine(tuple(d for d in engine.detectors if d.id not in MODELS), engine.doubts, engine.sources)


def passes(events: int, repeats: int) -> tuple[list[Cost], list[Cost]]:
    """Costs with all detectors and without those that ask a model, `repeats` passes of each in turn."""
    cases = _cases(events)
    warm = round(_WARM * len(cases))
    full = extended_engine()
    rules = without_models(full)
    state = _learn(full, cases[:warm])
    found: tuple[list[Cost], list[Cost]] = ([], [])
    for _ in range(repeats):
        for engine, costs in zip((full, rules), found, strict=True):
            costs.append(_pass(engine, _copy(state), cases[warm:]))
    return found


def _cases(events: int) -> list[_Case]:
    plan, tenant, found = Plan(), TenantFrequencies(), []
    for event in map(plan.enrich, worlds.events("throughput", events)):
        values = attributes.values_of(event)
        frequencies = tenant.of(values)
        found.append((event, Context(frequencies=frequencies)))
        if event.is_success:
            tenant.count(values)
    return found


def _learn(engine: Engine, cases: Sequence[_Case]) -> dict[str, bytes]:
    state: dict[str, Profile] = {}
    asked = engine.asked(DEFAULT)
    for event, context in cases:
        _step(engine, asked, state, event, context)
    return {key: profiles.encode(profile) for key, profile in state.items()}


def _copy(state: dict[str, bytes]) -> dict[str, Profile]:
    return {key: profiles.decode(data) for key, data in state.items()}


def _step(
    engine: Engine, asked: Asked, state: dict[str, Profile], event: LoginEvent, context: Context
) -> None:
    profile = state.get(event.user_key)
    _, change = engine.step(profile, event, context, DEFAULT, asked=asked)
    if change.op != "none":
        if profile is None:
            profile = state[event.user_key] = Profile()
        learning.apply(profile, change)


def _pass(engine: Engine, state: dict[str, Profile], cases: Sequence[_Case]) -> Cost:
    """CPU time of this thread alone, so that neighbours count little; what the clock itself takes is taken off."""
    spent, count, clock = {True: 0.0, False: 0.0}, {True: 0, False: 0}, _clock_ns()
    asked = engine.asked(DEFAULT)
    for event, context in cases:
        began = thread_time_ns()
        _step(engine, asked, state, event, context)
        spent[event.is_success] += thread_time_ns() - began - clock
        count[event.is_success] += 1
    whole = sum(spent.values()) / len(cases) / 1000
    return Cost(whole, *(spent[kind] / max(1, count[kind]) / 1000 for kind in (True, False)))


def _clock_ns(rounds: int = 20_000) -> float:
    """What two readings of the clock lie apart with nothing between them."""
    return median(-(thread_time_ns() - thread_time_ns()) for _ in range(rounds))
