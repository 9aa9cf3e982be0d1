"""The stream as a whole: repeatable, ordered, bounded, and its parts independent of each other."""

import tracemalloc
from itertools import islice, pairwise
from uuid import UUID

import pytest

from gatewatch.core.times import DAY, MINUTE
from gatewatch.simulator import (
    DEFAULT_START,
    SCENARIOS,
    World,
    demo_world,
    flood,
    label_json,
    native_json,
    throughput_world,
)
from gatewatch.simulator.population import Kind
from tests.unit.simulator.worlds import SEED, everything, small, unlabelled


def written(world: World) -> bytes:
    """Everything a world says, as bytes."""
    return b"".join(
        native_json(item.event) + (label_json(item.label) if item.label else b"") for item in world.events()
    )


@pytest.mark.parametrize("kind", ["enterprise", "consumer", "throughput"])
def test_same_seed_gives_the_same_bytes(kind: Kind) -> None:
    """Two worlds made with the same arguments write byte-identical events and labels."""
    assert written(everything(kind=kind, users=300)) == written(everything(kind=kind, users=300))


def test_another_seed_gives_another_world() -> None:
    """Seeds matter: not one event id is shared between two worlds."""
    first, second = ({item.event.event_id for item in everything(seed).events()} for seed in (1, 2))
    assert not first & second


def test_a_world_can_be_read_twice() -> None:
    """Reading the events or the campaigns uses nothing up."""
    world = everything(users=200, days=3)
    before = written(world)
    assert world.campaigns() == world.campaigns()
    assert written(world) == before


@pytest.mark.parametrize("kind", ["enterprise", "consumer"])
def test_events_come_in_event_time_order_inside_the_world(kind: Kind) -> None:
    """No event is earlier than the one before it, before the start or at or after the end."""
    times = [item.event.time for item in everything(kind=kind).events()]
    assert all(earlier <= later for earlier, later in pairwise(times))
    assert times[0] >= DEFAULT_START
    assert times[-1] < DEFAULT_START + 6 * DAY


def test_event_ids_are_unique_uuids_in_time_order() -> None:
    """Ids are version 7 UUIDs that sort as the times do."""
    events = [item.event for item in everything().events()]
    ids = [event.event_id for event in events]
    assert len(set(ids)) == len(ids)
    assert {(UUID(id).version, UUID(id).variant) for id in ids} == {(7, "specified in RFC 4122")}
    assert all(
        earlier.event_id < later.event_id for earlier, later in pairwise(events) if earlier.time < later.time
    )


@pytest.mark.parametrize("added", sorted(SCENARIOS))
def test_a_scenario_added_shifts_no_other_event(added: str) -> None:
    """Ordinary life and another campaign are the same, byte for byte, with and without one more scenario."""
    other = "enumeration" if added != "enumeration" else "stuffing"
    alone, joined = small(other, users=150, days=3), small(added, other, users=150, days=3)
    rest = [item for item in joined.events() if item.label is None or item.label.scenario == other]
    assert rest == list(alone.events())


def test_more_runs_leave_the_first_run_as_it_was() -> None:
    """The n-th campaign of a scenario does not depend on how many there are."""
    one = World(SEED, 300, 4, scenarios={"stuffing": 1}).campaigns()
    three = World(SEED, 300, 4, scenarios={"stuffing": 3}).campaigns()
    assert len(three) == 3
    assert one[0] in three


def test_an_unknown_scenario_is_refused_by_name() -> None:
    """The message names the scenario that does not exist."""
    with pytest.raises(ValueError, match="no such scenario: stufing"):
        World(1, 10, 1, scenarios=["stufing"])


def test_the_first_events_of_a_huge_world_need_little_memory() -> None:
    """Ten thousand events of a world of millions of logins are made without making the rest."""
    tracemalloc.start()
    world = World(1, 2_000, 3_650, scenarios="all")
    assert sum(1 for _ in islice(world.events(), 10_000)) == 10_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16_000_000


def test_memory_does_not_grow_with_time() -> None:
    """A world that has run five times as long needs no more memory, but for a cache of some thousand user agents."""

    def peak_after(events: int) -> int:
        tracemalloc.start()
        for _ in islice(World(1, 100, 3_650).events(), events):
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    assert peak_after(15_000) < peak_after(3_000) + 3_000_000


def test_events_are_as_an_application_sends_them() -> None:
    """Events carry the tenant, a raw user agent and a reason for each failure, but no place and no network."""
    for item in small("stuffing", users=100, days=2, tenant_id="acme").events():
        event = item.event
        assert (event.tenant_id, event.source, event.geo, event.asn) == ("acme", "native", None, None)
        assert event.ua is not None
        assert event.ua.raw
        assert not event.ua.browser
        assert (event.reason_class is not None) == (event.outcome == "failure")
        assert event.reason == (event.reason_class or "")
        assert bool(event.session_id) == event.is_success


def test_the_throughput_world_is_large_in_users_and_fails_often() -> None:
    """There is a user per five events or more, 15% fail, and there are about as many events as were asked for."""
    events = unlabelled(throughput_world(3, 20_000).events())
    failed = sum(event.outcome == "failure" for event in events)
    assert 19_500 <= len(events) <= 23_000
    assert len({event.user_key for event in events}) >= len(events) / 5
    assert failed / len(events) == pytest.approx(0.15, abs=0.015)


def test_the_demo_shows_an_attack_at_once() -> None:
    """Fed at 200 events per second, the demo's first attack in bulk is under way within three seconds."""
    first = [item.label for item in islice(demo_world().events(), 600)]
    bulk = [label for label in first if label and label.expected == ("credential_stuffing",)]
    assert len(bulk) >= 100


def test_the_demo_plays_everything_every_week() -> None:
    """Each scenario is staged once a week or more, and ordinary life stays the larger part."""
    world = demo_world(weeks=1)
    items = list(world.events())
    assert {run.scenario.id for run in world.runs} == set(SCENARIOS)
    assert sum(item.label is None for item in items) > 0.6 * len(items)


def test_a_flood_is_failures_from_everywhere_on_everybody() -> None:
    """A flood keeps its rate, hardly repeats an address or a name, and is the same each time."""
    events = [item.event for item in flood(1, 5_000, DEFAULT_START, rate=500)]
    assert {event.outcome for event in events} == {"failure"}
    assert len({event.ip for event in events}) > 4_900
    assert len({event.user.name for event in events}) > 4_500
    assert events[-1].time - DEFAULT_START == pytest.approx(MINUTE / 6, rel=0.1)
    assert [item.event for item in flood(1, 5_000, DEFAULT_START, rate=500)] == events
