"""An attacker with the right password, who knows less or more about the user (Freeman et al. 2016).

The leak guard (DETECTION.md §4): the address is fresh, never a donor's, and the moment follows the law of
legitimate logins, so that an attack is recognised by what it is and not by how it was made.
"""

from collections.abc import Callable, Iterator

from gatewatch.core.events import LoginEvent, UserAgent
from gatewatch.core.times import DAY, HOUR, SECOND
from gatewatch.simulator.agents import agent
from gatewatch.simulator.cities import CITIES
from gatewatch.simulator.network import Network
from gatewatch.simulator.population import User
from gatewatch.simulator.presence import Where, cookie, no_cookie
from gatewatch.simulator.rhythm import Rhythm
from gatewatch.simulator.scenarios.base import Scenario, Scene

_EXPECTED = ("account_takeover", "impossible_travel", "login_risk", "new_country", "new_device")


def takeover_naive(scene: Scene) -> Iterator[LoginEvent]:
    """Knows the password only: another country, a popular browser, somebody's hours."""
    stranger = scene.people(1)[0]
    time = _moment(scene, stranger.rhythm)
    victim = scene.population.pick(scene.rng, time)
    yield from _take(scene, victim, time, _abroad(scene, victim), scene.popular(time))


def takeover_vpn(scene: Scene) -> Iterator[LoginEvent]:
    """Knows the country: a VPN exit or another line there, a popular browser."""
    stranger = scene.people(1)[0]
    time = _moment(scene, stranger.rhythm)
    victim = scene.population.pick(scene.rng, time)
    yield from _take(scene, victim, time, _same_country(scene, victim), scene.popular(time))


def takeover_targeted(scene: Scene) -> Iterator[LoginEvent]:
    """Knows the user: the same provider in the same city, the same browser family, the user's hours."""
    victim = scene.population.pick(scene.rng, scene.start + DAY)
    time = max(_moment(scene, victim.rhythm), scene.population.first_login(victim) + HOUR)
    device = scene.rng.choice((victim.laptop, victim.phone))
    ua = agent(device.client, scene.rng.getrandbits(16), time // DAY)
    yield from _take(scene, victim, time, victim.isp, ua)


def _take(scene: Scene, victim: User, time: int, network: Network, ua: UserAgent) -> Iterator[LoginEvent]:
    """Perhaps a wrong password or two, then in; perhaps back again within the next day."""
    rng = scene.rng
    device = f"d{rng.getrandbits(64):016x}"
    device_id = "" if no_cookie(rng) else cookie(device, rng.getrandbits(16), time // DAY)
    where = Where(network.fresh(rng), ua, device_id)
    if rng.random() < 0.3:
        for _ in range(rng.randint(1, 2)):
            yield scene.emit.failure(time, victim.identity.name, where)
            time += scene.between(5 * SECOND, 40 * SECOND)
    yield scene.emit.success(time, victim.identity, where)
    for _ in range(rng.choice((0, 0, 1, 2))):
        time += scene.between(HOUR, 20 * HOUR)
        yield scene.emit.success(time, victim.identity, where)


def _moment(scene: Scene, rhythm: Rhythm) -> int:
    """A moment of the legitimate law, within the campaign's window."""
    calendar = scene.population.calendar
    whole = calendar.activity(rhythm)
    for _ in range(60):
        time = calendar.time(scene.rng.random() * whole, rhythm)
        if scene.start <= time < scene.end:
            return time
    return scene.between(scene.start, scene.end)


def _abroad(scene: Scene, victim: User) -> Network:
    """Any network outside the user's country: a line, hosting, a VPN exit."""
    rng, net, home = scene.rng, scene.internet, CITIES[victim.home].country
    place = rng.choice([place for place in net.places if place.city.country != home])
    exits = net.countries[place.city.country].vpns
    rented = rng.choice([network for network in (*net.offshore, *net.hosting) if network.geo.country != home])
    return rng.choices((rng.choice(place.isps), rented, rng.choice(exits)), (5, 3, 2))[0]


def _same_country(scene: Scene, victim: User) -> Network:
    rng, country = scene.rng, scene.internet.countries[CITIES[victim.home].country]
    if rng.random() < 0.7:
        return rng.choice(country.vpns)
    return rng.choice(scene.internet.places[rng.choice(country.places)].isps)


def _scenario(id: str, play: Callable[[Scene], Iterator[LoginEvent]]) -> Scenario:
    return Scenario(id, "attack", play, DAY, "open", expected=_EXPECTED, after_success=_EXPECTED)


SCENARIOS = (
    _scenario("takeover_naive", takeover_naive),
    _scenario("takeover_vpn", takeover_vpn),
    _scenario("takeover_targeted", takeover_targeted),
)
