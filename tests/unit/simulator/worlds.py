"""Small worlds that several tests look at, and what is counted in them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby

from gatewatch.core.events import LoginEvent
from gatewatch.simulator import Simulated, World
from gatewatch.simulator.population import Kind

SEED = 20_260_907


def small(
    *scenarios: str,
    seed: int = SEED,
    users: int = 600,
    days: float = 6,
    kind: Kind = "enterprise",
    tenant_id: str = "default",
) -> World:
    """A world with the scenarios named."""
    return World(seed, users, days, kind=kind, scenarios=scenarios, tenant_id=tenant_id)


def everything(seed: int = SEED, users: int = 600, days: float = 6, kind: Kind = "enterprise") -> World:
    """A world in which everything happens once."""
    return World(seed, users, days, kind=kind, scenarios="all")


def played(scenario: str, *, seed: int = SEED, users: int = 600, days: float = 6) -> list[LoginEvent]:
    """The events of one run of a scenario, without the ordinary life around it."""
    (run,) = small(scenario, seed=seed, users=users, days=days).runs
    return [item.event for item in run.events()]


def failures(events: Iterable[LoginEvent]) -> list[LoginEvent]:
    """Those that were refused."""
    return [event for event in events if event.outcome == "failure"]


def windows(events: Sequence[LoginEvent], length: int) -> list[list[LoginEvent]]:
    """The events within `length` µs from each event on."""
    return [
        [later for later in events[n:] if later.time < first.time + length] for n, first in enumerate(events)
    ]


def by_source(events: Iterable[LoginEvent]) -> list[list[LoginEvent]]:
    """The events of each address, by time."""
    ordered = sorted(events, key=lambda event: event.ip)
    return [list(group) for _, group in groupby(ordered, key=lambda event: event.ip)]


def tries_per_user(events: Iterable[LoginEvent]) -> list[int]:
    """How often each name was tried."""
    counts: dict[str, int] = defaultdict(int)
    for event in events:
        counts[event.user.name] += 1
    return list(counts.values())


def unlabelled(items: Iterable[Simulated]) -> list[LoginEvent]:
    """Ordinary life."""
    return [item.event for item in items if item.label is None]
