"""What looks like an attack and is none: every person here is who they say they are."""

from collections.abc import Iterator

from gatewatch.core.events import LoginEvent
from gatewatch.core.times import DAY, HOUR
from gatewatch.simulator.cities import CITIES
from gatewatch.simulator.network import Network
from gatewatch.simulator.population import User
from gatewatch.simulator.presence import Where
from gatewatch.simulator.scenarios.base import Scenario, Scene

_MORNING = 3 * HOUR


def office_nat(scene: Scene) -> Iterator[LoginEvent]:
    """Everybody of one office comes in within two hours, behind one address, with the usual typing errors."""
    for user in _staff(scene)[:350]:
        time = _arrival(scene)
        yield from scene.sessions.attempt(user, _at_desk(scene, user, time), time)


def password_expiry_monday(scene: Scene) -> Iterator[LoginEvent]:
    """The password policy struck: people of one office fail one to three times with the old one, then get in."""
    rng, staff = scene.rng, _staff(scene)
    for user in rng.sample(staff, round(len(staff) * (0.5 + 0.4 * rng.random()))):
        time = _arrival(scene)
        yield from scene.sessions.login(user, _at_desk(scene, user, time), time, rng.randint(1, 3))


def carrier_nat(scene: Scene) -> Iterator[LoginEvent]:
    """Customers of one carrier share two or three addresses for an afternoon."""
    rng = scene.rng
    carrier = _busy_carrier(scene)
    addresses = [carrier.address(rng.getrandbits(32)) for _ in range(rng.randint(2, 3))]
    length = scene.length(3 * HOUR, 6 * HOUR)
    for user in _customers(scene, carrier, scene.log_between(120, 400)):
        time = scene.start + int(rng.random() * length)
        if scene.presence.place(user, time) == user.home:
            where = Where(rng.choice(addresses), *scene.presence.device(user, user.phone, time))
            yield from scene.sessions.attempt(user, where, time)


def product_launch(scene: Scene) -> Iterator[LoginEvent]:
    """A crowd within two hours: new people, and old ones who no longer know their password."""
    rng, people = scene.rng, scene.population
    crowd = max(60, min(people.users // 3, scene.log_between(150, 1_500)))
    first_guest = people.users + rng.getrandbits(20)
    guests = [people.user(first_guest + number) for number in range(crowd // 3)]
    returning = scene.people(crowd - len(guests))
    for user in (*guests, *returning):
        time = scene.start + int(rng.triangular(0, 2 * HOUR, HOUR // 4))
        where = scene.presence.where(user, time, rng)
        if where is not None:
            failures = rng.randint(1, 3) if rng.random() < 0.15 else 0
            yield from scene.sessions.login(user, where, time, failures)


def _staff(scene: Scene) -> list[User]:
    """Those of the scene's office who are in its city on that morning, in no order."""
    people, place = scene.population, scene.population.offices[scene.office].place
    staff = [people.user(index) for index in people.staff(scene.office)]
    here = [user for user in staff if user.office == scene.office and user.home == place]
    here = [user for user in here if scene.presence.place(user, scene.start + HOUR) == place]
    scene.rng.shuffle(here)
    return here


def _arrival(scene: Scene) -> int:
    return scene.start + int(scene.rng.triangular(0, 2.5 * HOUR, 1.1 * HOUR))


def _at_desk(scene: Scene, user: User, time: int) -> Where:
    device = user.laptop if scene.rng.random() < 0.9 else user.phone
    return scene.presence.at_office(user, scene.office, device, time)


def _busy_carrier(scene: Scene) -> Network:
    """The larger carrier of the country of the scene's office."""
    country = CITIES[scene.population.offices[scene.office].place].country
    return scene.internet.countries[country].carriers[1]


def _customers(scene: Scene, carrier: Network, count: int) -> list[User]:
    """Up to `count` different customers of a carrier, among some thousands of people looked at."""
    people = scene.population
    numbers = scene.rng.sample(range(people.users), min(people.users, 6_000))
    found = [user for number in numbers if (user := people.user(number)).carrier.cidr == carrier.cidr]
    return found[:count]


SCENARIOS = (
    Scenario("office_nat", "decoy", office_nat, _MORNING, "morning"),
    Scenario("carrier_nat", "decoy", carrier_nat, DAY // 4),
    Scenario("product_launch", "decoy", product_launch, 3 * HOUR),
    Scenario("password_expiry_monday", "decoy", password_expiry_monday, _MORNING, "monday"),
)
