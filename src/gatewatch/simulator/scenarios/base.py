"""What a scenario is, and the stage it plays on."""

from collections.abc import Callable, Iterator, Sequence
from math import exp, log
from random import Random
from typing import Literal

from msgspec import Struct

from gatewatch.core.events import LoginEvent, UserAgent
from gatewatch.core.times import DAY, HOUR, MINUTE, SECOND
from gatewatch.simulator.agents import CLIENTS, agent
from gatewatch.simulator.cities import CITIES
from gatewatch.simulator.emit import Emitter
from gatewatch.simulator.labels import Campaign, Label, LabelKind, Simulated
from gatewatch.simulator.names import unknown_name
from gatewatch.simulator.network import Network
from gatewatch.simulator.population import Population, User
from gatewatch.simulator.presence import Presence, Where
from gatewatch.simulator.rhythm import weekday
from gatewatch.simulator.seeds import derive
from gatewatch.simulator.sessions import Sessions

#: When a run may begin: at any moment that leaves it room, at the opening of the world (it then chooses its own
#: moments), on the morning of a working day, or on a Monday morning.
Begin = Literal["any", "open", "morning", "monday"]

_TOOLS = (
    "python-requests/2.32.3",
    "Go-http-client/2.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "HeadlessChrome/131.0.0.0 Safari/537.36",
    "axios/1.7.9",
    "curl/8.11.0",
)
_MORNING = 7 * HOUR + 30 * MINUTE


class Scenario(Struct, frozen=True):
    """One kind of attack or decoy.

    `play` yields its events, in any order, none before `Scene.start`; `length` (µs) is the room a run asks for.
    `expected` is the any-of set of detectors for the campaign, `after_success` the one for logins that worked.
    """

    id: str
    kind: LabelKind
    play: Callable[["Scene"], Iterator[LoginEvent]]
    length: int
    begin: Begin = "any"
    expected: tuple[str, ...] = ()
    after_success: tuple[str, ...] = ()


class Scene:
    """The stage of one campaign: its own randomness, its own events, the people and the network of the world."""

    def __init__(
        self,
        population: Population,
        rng: Random,
        emit: Emitter,
        *,
        window: tuple[int, int],
        scenario: Scenario,
    ) -> None:
        self.rng = rng
        self.emit = emit
        self.population = population
        self.internet = population.internet
        self.presence = Presence(population)
        self.sessions = Sessions(emit, rng)
        self.office = rng.randrange(len(population.offices))
        self.start = self._begin(scenario, *window)
        self.end = window[1]

    def length(self, low: int, high: int) -> int:
        """A length between two (µs), cut to nine tenths of what is left of the world."""
        return min(self.between(low, high), (self.end - self.start) * 9 // 10)

    def between(self, low: int, high: int) -> int:
        """A uniform whole number of microseconds."""
        return low + int(self.rng.random() * (high - low))

    def log_between(self, low: float, high: float) -> int:
        """A log-uniform whole number: sizes of campaigns differ by factors."""
        return round(low * exp(log(high / low) * self.rng.random()))

    def people(self, count: int) -> list[User]:
        """`count` different people, at most half of the population."""
        everybody = self.population
        count = max(1, min(count, everybody.users // 2))
        return [everybody.user(index) for index in self.rng.sample(range(everybody.users), count)]

    def unknown_names(self, count: int) -> list[str]:
        """`count` different names that nobody in the world has."""
        names: dict[str, None] = {}
        while len(names) < count:
            names[unknown_name(self.rng)] = None
        return list(names)

    def hideout(self) -> Network:
        """The network a lone attacker rents: offshore or cloud hosting, sometimes a VPN or Tor."""
        net, rng = self.internet, self.rng
        country = net.countries[rng.choice(tuple(net.countries))]
        rented = rng.choice((*net.offshore, *net.offshore, *net.hosting))
        return rng.choices((rented, country.vpns[0], country.vpns[1], net.tor), (14, 2, 2, 2))[0]

    def proxies(self, count: int) -> list[str]:
        """`count` different addresses: taken-over home lines all over the world, and some hosting."""
        found: dict[str, None] = {}
        while len(found) < count:
            place = self.rng.choice(self.internet.places)
            network = self.rng.choice((*place.isps, *place.isps, *self.internet.hosting))
            found[network.fresh(self.rng)] = None
        return list(found)

    def tool(self) -> UserAgent:
        """The client of a script: half of them pretend to be the most common browser."""
        if self.rng.random() < 0.5:
            return self.popular()
        return UserAgent(raw=self.rng.choice(_TOOLS))

    def popular(self, time: int = 0) -> UserAgent:
        """A browser by share, as current as others are at a time (µs; default: the start)."""
        client = self.rng.choices(range(len(CLIENTS)), [client.share for client in CLIENTS])[0]
        return agent(client, self.rng.getrandbits(16), (time or self.start) // DAY)

    def rented(self) -> Where:
        """The one source of a lone attacker: a rented address and a script."""
        return Where(self.hideout().fresh(self.rng), self.tool(), "")

    def got_in(self, time: int, user: User, where: Where) -> Iterator[LoginEvent]:
        """The attacker has the right password: a session, or a push that the user lets run out."""
        if user.mfa:
            yield self.emit.push(time, user.identity, where, "mfa_timeout")
        else:
            yield self.emit.success(time, user.identity, where)

    def paced(self, count: int, start: int, length: int) -> list[int]:
        """`count` sorted times within `length` µs of `start`, as chance has it."""
        return sorted(start + int(self.rng.random() * length) for _ in range(count))

    def rhythmic(self, count: int, gap: float) -> list[int]:
        """`count` times from the start, `gap` seconds apart give or take a third: a script at work."""
        time, times = self.start, []
        for _ in range(count):
            times.append(time)
            time += int(gap * (0.67 + 0.66 * self.rng.random()) * SECOND)
        return times

    def _begin(self, scenario: Scenario, opens: int, end: int) -> int:
        if scenario.begin == "open":
            return opens
        if scenario.begin == "any":
            return self.between(opens, max(opens, end - scenario.length))
        mornings = self._mornings(opens, end - scenario.length, monday=scenario.begin == "monday")
        return self.rng.choice(mornings) if mornings else opens

    def _mornings(self, opens: int, latest: int, *, monday: bool) -> Sequence[int]:
        """Half past seven, local time of the office: of Mondays or working days, else of any day there is."""
        ahead = round(CITIES[self.population.offices[self.office].place].utc_offset * HOUR)
        first = opens - (opens + ahead) % DAY + _MORNING
        days = [time for time in range(first, latest, DAY) if time >= opens]
        working = [time for time in days if weekday(time + ahead) < 5]
        mondays = [time for time in working if weekday(time + ahead) == 0] if monday else []
        return mondays or working or days


class Run:
    """One campaign: plays when it is asked to, the same each time."""

    def __init__(self, id: str, scenario: Scenario, make_scene: Callable[[], Scene]) -> None:
        self.id = id
        self.scenario = scenario
        self._make_scene = make_scene
        self.start = make_scene().start

    def events(self) -> list[Simulated]:
        """Its labelled events by time; what falls behind the end of the world is dropped."""
        scene = self._make_scene()
        events = [event for event in self.scenario.play(scene) if event.time < scene.end]
        events.sort(key=lambda event: event.time)
        return [Simulated(event, self._label(event)) for event in events]

    def campaign(self) -> Campaign | None:
        """Its summary, None if it has no events (no room in a very short world)."""
        events = [simulated.event for simulated in self.events()]
        if not events:
            return None
        return Campaign(
            id=self.id,
            scenario=self.scenario.id,
            kind=self.scenario.kind,
            first=events[0].time,
            last=events[-1].time,
            events=len(events),
            failures=sum(event.outcome == "failure" for event in events),
            sources=tuple(sorted({event.ip for event in events})),
            targets=tuple(sorted({event.user.name for event in events})),
            successes=tuple(sorted({event.user.name for event in events if event.is_success})),
            expected=self.scenario.expected,
        )

    def _label(self, event: LoginEvent) -> Label:
        scenario = self.scenario
        return Label(
            event_id=event.event_id,
            scenario=scenario.id,
            campaign=self.id,
            kind=scenario.kind,
            user=event.user.name,
            source=event.ip,
            success=event.is_success,
            expected=scenario.after_success if event.is_success else scenario.expected,
        )


def campaign_id(seed: int, scenario: str, number: int) -> str:
    """A readable id that differs between worlds."""
    return f"{scenario}-{number}-{derive(seed, 'campaign', scenario, number) & 0xFFFF:04x}"
