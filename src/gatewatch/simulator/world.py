"""A world: people, their ordinary logins, and the scenarios that happen to them."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from heapq import heappop, heappush, merge

from gatewatch.core.events import App
from gatewatch.core.times import DAY
from gatewatch.simulator.emit import Emitter
from gatewatch.simulator.labels import Campaign, Simulated
from gatewatch.simulator.population import Kind, Population
from gatewatch.simulator.rhythm import Calendar
from gatewatch.simulator.scenarios import SCENARIOS, Run, Scene, campaign_id
from gatewatch.simulator.seeds import stream
from gatewatch.simulator.traffic import Traffic

#: 2026-09-07T00:00:00Z, a Monday.
DEFAULT_START = 1_788_739_200_000_000

_APP = App("portal", "Portal")

#: A heap of the runs under way: time of the next event, number of the run, that event, the rest.
_Playing = list[tuple[int, int, Simulated, Iterator[Simulated]]]
#: What to play: "all", ids, or ids with numbers of runs.
Scenarios = str | Sequence[str] | Mapping[str, int]


class World:
    """`users` people over `days` days from `start` (µs), with one or more runs of each scenario named.

    The same arguments give the same bytes; adding a scenario changes no other event. Attacks begin after
    `quiet_days` (default: a fifth of the world), so that there is a history to judge by. `failure_rate` is the
    share of legitimate attempts that fail. Memory grows with users (some 0.3 kB each), not with days or events.
    `runs` are the campaigns by start; each can be played alone.
    """

    def __init__(
        self,
        seed: int,
        users: int,
        days: float,
        start: int = DEFAULT_START,
        *,
        kind: Kind = "enterprise",
        scenarios: Scenarios = (),
        failure_rate: float = 0.08,
        tenant_id: str = "default",
        quiet_days: float | None = None,
    ) -> None:
        self.seed = seed
        self.tenant_id = tenant_id
        self.calendar = Calendar(start, days)
        self.population = Population(seed, users, self.calendar, kind, failure_rate)
        quiet = days / 5 if quiet_days is None else quiet_days
        self._opens = start + round(quiet * DAY)
        self.runs = sorted(
            (
                self._run(scenario, number)
                for scenario, count in _counts(scenarios).items()
                for number in range(count)
            ),
            key=lambda run: (run.start, run.id),
        )

    def events(self) -> Iterator[Simulated]:
        """Every event with its label (None: ordinary life), by event time."""
        return merge(self._ordinary(), self._staged(), key=_time)

    def campaigns(self) -> list[Campaign]:
        """What was staged, by first event. Plays the scenarios alone, so it needs no pass over `events`."""
        played = [campaign for run in self.runs if (campaign := run.campaign()) is not None]
        return sorted(played, key=lambda campaign: (campaign.first, campaign.id))

    def _ordinary(self) -> Iterator[Simulated]:
        rng = stream(self.seed, "traffic")
        return map(Simulated, Traffic(self.population, Emitter(self.tenant_id, _APP, rng), rng).events())

    def _staged(self) -> Iterator[Simulated]:
        """The events of all runs by time; a run is played only when its start is reached."""
        playing: _Playing = []
        for number, run in enumerate(self.runs):
            while playing and playing[0][0] < run.start:
                yield _advance(playing)
            _push(playing, number, iter(run.events()))
        while playing:
            yield _advance(playing)

    def _run(self, scenario: str, number: int) -> Run:
        scene = partial(self._scene, scenario, number)
        return Run(campaign_id(self.seed, scenario, number), SCENARIOS[scenario], scene)

    def _scene(self, scenario: str, number: int) -> Scene:
        rng = stream(self.seed, "scenario", scenario, number)
        emit = Emitter(self.tenant_id, _APP, rng)
        window = (self._opens, self.calendar.end)
        return Scene(self.population, rng, emit, window=window, scenario=SCENARIOS[scenario])


def demo_world(
    seed: int = 18, start: int = DEFAULT_START, *, weeks: int = 4, tenant_id: str = "default"
) -> World:
    """An organisation of 1,000 that is attacked six times a day, from its first morning on.

    Some 22,000 events a week, a quarter of them attacks; fed at 200 events per second, a week takes 110 s. The
    default seed begins with a credential stuffing some 260 events in.
    """
    takeovers = dict.fromkeys(("takeover_naive", "takeover_vpn", "takeover_targeted"), 8 * weeks)
    decoys = {id: weeks for id, scenario in SCENARIOS.items() if scenario.kind == "decoy"}
    runs = dict.fromkeys(SCENARIOS, 2 * weeks) | takeovers | decoys
    return World(seed, 1_000, 7 * weeks, start, scenarios=runs, quiet_days=0.25, tenant_id=tenant_id)


def throughput_world(
    seed: int, events: int, start: int = DEFAULT_START, *, tenant_id: str = "default"
) -> World:
    """A week of about `events` events (rather more) for benchmarks: a user per 3.9 events, 15% failures, no attacks."""
    users = max(1, events * 27 // 100)
    return World(seed, users, 7, start, kind="throughput", failure_rate=0.15, tenant_id=tenant_id)


def _push(playing: _Playing, number: int, events: Iterator[Simulated]) -> None:
    first = next(events, None)
    if first is not None:
        heappush(playing, (first.event.time, number, first, events))


def _advance(playing: _Playing) -> Simulated:
    _, number, simulated, events = heappop(playing)
    _push(playing, number, events)
    return simulated


def _time(simulated: Simulated) -> int:
    return simulated.event.time


def _counts(scenarios: Scenarios) -> dict[str, int]:
    if scenarios == "all":
        return dict.fromkeys(SCENARIOS, 1)
    if isinstance(scenarios, str):
        scenarios = [scenarios]
    counts = dict(scenarios) if isinstance(scenarios, Mapping) else dict.fromkeys(scenarios, 1)
    if unknown := counts.keys() - SCENARIOS.keys():
        raise ValueError(f"no such scenario: {', '.join(sorted(unknown))} (there are {', '.join(SCENARIOS)})")
    return counts
