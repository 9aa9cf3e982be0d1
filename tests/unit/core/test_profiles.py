from collections.abc import Mapping
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewatch.checks.engines import facts
from gatewatch.checks.samples import bare_events, context, generate
from gatewatch.core import attributes, history, learning, profiles, signals
from gatewatch.core.context import EMPTY
from gatewatch.core.events import LoginEvent
from gatewatch.core.learning import Change
from gatewatch.core.policy import DEFAULT
from gatewatch.core.profiles import LATENESS, Profile
from gatewatch.core.times import DAY, HOUR, MINUTE, SECOND
from gatewatch.detectors import default_engine
from tests.builders import AWAY_IP, START, burst, daily, failure, learn, login

ENGINE = default_engine()

#: Events of one user within the lateness of each other, few enough to reach no cap.
DAYS = st.lists(
    st.builds(
        lambda i, offset, success, ip: (login if success else failure)(
            START + offset, ip=f"192.0.2.{ip}", event_id=f"e{i}-{offset}"
        ),
        st.integers(0, 10**6),
        st.integers(0, LATENESS),
        st.booleans(),
        st.integers(1, 9),
    ),
    max_size=40,
    unique_by=lambda event: event.event_id,
)


def normal(profile: Profile) -> tuple[object, ...]:
    """The facts of a profile, in canonical order."""
    profiles.encode(profile)
    return facts(profile)


@given(DAYS, st.randoms(use_true_random=False))
def test_facts_in_any_order(events: list[LoginEvent], random: Random) -> None:
    """Any permutation of a user's events within the lateness gives the same facts."""
    ordered = learn(sorted(events, key=lambda event: event.time))
    shuffled = learn(random.sample(events, len(events)))
    assert normal(shuffled)[:6] == normal(ordered)[:6]


@given(DAYS, st.randoms(use_true_random=False))
def test_trust_in_any_order(events: list[LoginEvent], random: Random) -> None:
    """While no cap on weight is reached, what the values weigh is the same in any order too."""
    few = {(e.ip, e.time // HOUR): e for e in events}.values()
    assert profiles.encode(learn(random.sample([*few], len(few)))) == profiles.encode(learn(few))


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_replay_is_byte_identical(seed: int) -> None:
    """The same events with the same contexts give the same assessments and profiles, byte for byte."""

    def run() -> list[bytes]:
        random, known, seen = Random(seed), dict[str, Profile](), list[bytes]()
        for event in (*bare_events(), *generate(seed, 60)):
            profile = known.setdefault(event.user_key, Profile())
            assessment, change = ENGINE.step(profile, event, context(random), DEFAULT)
            learning.apply(profile, change)
            known[event.user_key] = profiles.decode(profiles.encode(profile))
            seen += (signals.encode(assessment), profiles.encode(profile))
        return seen

    assert run() == run()


@given(DAYS)
def test_encoding_is_canonical(events: list[LoginEvent]) -> None:
    """Every mapping is kept in the order of its keys, so that equal profiles give equal bytes."""
    profile = learn(events)
    mappings: list[Mapping[Any, Any]] = [*profile.values, profile.minutes, profile.days, profile.hours]
    mappings += [*profile.minutes.values(), *profile.hours.values()]
    mappings += [day.sources for day in profile.days.values()]
    assert all(list(mapping) == sorted(mapping) for mapping in mappings)
    assert profiles.decode(profiles.encode(profile)) == profile


def test_events_behind_the_lateness_open_no_window() -> None:
    """A failure more than a day behind the newest event counts in no window of the user."""
    profile = learn([login(START + 3 * DAY)])
    before = profiles.encode(profile)
    learn([failure(START)], profile)
    assert profiles.encode(profile) == before


def test_late_success_counts_in_what_is_long_lived() -> None:
    """A success from before the lateness still teaches values and is the first success."""
    profile = learn([login(START + 30 * DAY), login(START, ip=AWAY_IP)])
    assert profile.first_success == START
    assert profile.successes == 2
    assert AWAY_IP in profile.values[profiles.IP]


def test_ring_keeps_the_last_logins_by_event_time() -> None:
    """The ring holds the newest logins by event time, whatever order they arrived in."""
    events = daily(20)
    profile = learn(events[::-1])
    assert [entry.time for entry in profile.logins] == [
        event.time for event in events[-profiles.MAX_LOGINS :]
    ]


def test_neighbours_of_a_late_login() -> None:
    """A late login has a neighbour on either side; itself is none."""
    events = daily(3)
    profile = learn(events)
    before, after = history.neighbours(profile, events[1].time, attributes.event_ref(events[1].event_id))
    assert before is not None
    assert after is not None
    assert (before.time, after.time) == (events[0].time, events[2].time)


@given(st.lists(st.integers(0, 40 * 60), min_size=1, max_size=40), st.integers(0, 40 * 60))
def test_failure_windows_never_miss(offsets: list[int], now: int) -> None:
    """A window counts every true failure in it, and none a whole minute older."""
    profile = learn(failure(START + offset * SECOND, event_id=str(i)) for i, offset in enumerate(offsets))
    found = sum(history.failures_within(profile, START + now * SECOND, 10 * MINUTE).values())
    assert found >= sum(now - 600 <= offset <= now for offset in offsets)
    assert found <= sum(now - 660 <= offset < now + 60 for offset in offsets)


def test_failures_expire() -> None:
    """Failures that no window can reach any more are dropped."""
    profile = learn([*burst(50, START), login(START + 30 * DAY)])
    assert profile.minutes == {}
    assert profile.days == {}


@pytest.mark.parametrize("logins", [1, 3, 50])
def test_weight_per_address_and_hour_is_capped(logins: int) -> None:
    """However many logins of one address in one hour teach at most three."""
    profile = learn(login(START + i * MINUTE, event_id=str(i)) for i in range(logins))
    assert history.weight_at(profile, profiles.IP, "192.0.2.10", START, DEFAULT.probation) == min(3, logins)


def test_addresses_of_an_hour_are_capped() -> None:
    """The seventeenth address of an hour teaches nothing, so that nobody can make a profile grow."""
    profile = learn(login(START + i * SECOND, ip=f"192.0.2.{i}", event_id=str(i)) for i in range(1, 41))
    assert len(profile.hours[START // HOUR]) == profiles.MAX_HOUR_SOURCES
    assert profile.successes == 40


def test_values_are_capped() -> None:
    """An attribute keeps its cap of values; the least recently, then the least often seen make room."""
    others = [login(START + i * DAY, ip=f"198.51.100.{i}") for i in range(100)]
    known = learn([*daily(100), *others]).values[profiles.IP]
    assert len(known) == profiles.MAX_VALUES[profiles.IP]
    assert {"192.0.2.10", others[-1].ip} <= known.keys()
    assert others[0].ip not in known


def test_failures_never_teach() -> None:
    """Failed logins never enter what is normal for a user."""
    profile = learn(burst(100, START))
    assert not any(profile.values)
    assert not profile.has_history


def test_erasure_leaves_nothing() -> None:
    """An erased profile equals one that never was."""
    profile = learn([*daily(10), *burst(20, START + 11 * DAY)])
    learning.apply(profile, Change(op="erase"))
    assert profiles.encode(profile) == profiles.encode(Profile())


def test_events_without_a_user_leave_no_profile() -> None:
    """A record that names no user changes nobody's state."""
    event = msgspec.structs.replace(login(START), user=type(login(START).user)())
    assert ENGINE.step(Profile(), event, EMPTY, DEFAULT)[1].op == "none"
