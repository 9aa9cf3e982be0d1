"""Where somebody is at a moment, and from which address and device that somebody would log in.

Everything that lasts (a lease, a trip, a day at the office) is a pure function of the user and the time, so the
simulator keeps no state per user and two logins an hour apart agree with each other.
"""

from math import asin, cos, radians, sin, sqrt
from random import Random
from typing import NamedTuple

from gatewatch.core.events import UserAgent
from gatewatch.core.times import DAY, HOUR, MINUTE
from gatewatch.simulator.agents import CLIENTS, agent
from gatewatch.simulator.cities import CITIES, City
from gatewatch.simulator.network import Network
from gatewatch.simulator.population import Device, Population, User
from gatewatch.simulator.rhythm import weekday
from gatewatch.simulator.seeds import draws, mix

_EPOCH_DAYS = 28
_DEVICE_LIFE_DAYS = 900
#: One user in so many sends no device id.
_CLEARS_COOKIES = 8
_CARRIER_LEASE = 90 * MINUTE


class Where(NamedTuple):
    """The source of a login: address, client and the device's own id."""

    ip: str
    ua: UserAgent
    device_id: str


class Trip(NamedTuple):
    """Nobody logs in from `leave` to `arrive` and from `depart` to `back` (µs): those are flights."""

    leave: int
    arrive: int
    depart: int
    back: int
    place: int


class Presence:
    """Answers for one population."""

    def __init__(self, population: Population) -> None:
        self._population = population
        self._places = population.internet.places
        self._countries = population.internet.countries

    def where(self, user: User, time: int, rng: Random) -> Where | None:
        """Where `user` logs in from at `time`; None while on a plane."""
        place = self.place(user, time)
        if place is None:
            return None
        if place != user.home:
            return self._away(user, place, time, rng)
        if self.in_office(user, time):
            device = user.laptop if rng.random() < 0.85 else user.phone
            return self.at_office(user, user.office, device, time)
        if rng.random() < user.mobile_share:
            return self.on_mobile(user, time)
        return self._home(user, time, rng)

    def place(self, user: User, time: int) -> int | None:
        """The index of the city a user is in; None while on a plane."""
        trip = self.trip(user, time // (_EPOCH_DAYS * DAY)) if user.travel else None
        if trip is None or time < trip.leave or time >= trip.back:
            return user.home
        return trip.place if trip.arrive <= time < trip.depart else None

    def trip(self, user: User, epoch: int) -> Trip | None:
        """The trip in a stretch of 28 days, if there is one; it lies wholly inside."""
        d = draws(user.seed, epoch)
        if d[0] >= user.travel:
            return None
        place = int(d[1] * len(CITIES))
        if place == user.home:
            return None
        flight = round((distance_km(CITIES[user.home], CITIES[place]) / 800 + 2.5) * HOUR)
        leave = (epoch * _EPOCH_DAYS + 1) * DAY + round((d[2] * 18 * 24 + 6 + 12 * d[3]) * HOUR)
        depart = leave + flight + round((1 + 5 * d[4]) * DAY)
        return Trip(leave, leave + flight, depart, depart + flight, place)

    def in_office(self, user: User, time: int) -> bool:
        """Whether it is a working hour of a day the user spends in the office."""
        if user.office_share == 0:
            return False
        local = time + round(CITIES[user.home].utc_offset * HOUR)
        hour, day = local % DAY // HOUR, local // DAY
        return (
            7 <= hour < 18 and weekday(local) < 5 and mix(user.seed, day) % 1_000 < user.office_share * 1_000
        )

    def at_office(self, user: User, office: int, device: Device, time: int) -> Where:
        """Behind the office's NAT: the main line, on one day in nine the other."""
        second = mix(office, time // DAY) % 9 == 0
        return self._seen(self._population.offices[office].egress[second], user, device, time)

    def on_mobile(self, user: User, time: int, carrier: Network | None = None) -> Where:
        """On the phone through a carrier's NAT, whose address changes every hour or so."""
        ip = (carrier or user.carrier).address(mix(user.seed, time // _CARRIER_LEASE))
        return self._seen(ip, user, user.phone, time)

    def home_address(self, user: User, time: int) -> str:
        """The address of the line at home; leases end on a day of the user's own."""
        day = time // DAY
        lease = (day + user.index) // user.lease_days
        return user.isp.address(mix(user.seed, lease), mix(user.seed, day, 1))

    def device(self, user: User, device: Device, time: int) -> tuple[UserAgent, str]:
        """What a device shows at a time; it is replaced every two and a half years."""
        day = time // DAY
        id = cookie(device.id, device.variant, day) if user.seed % _CLEARS_COOKIES else ""
        return agent(device.client, device.variant, day), id

    def _away(self, user: User, place: int, time: int, rng: Random) -> Where:
        """On a trip: the hotel's network, or the phone roaming on the carrier at home."""
        if rng.random() < 0.2:
            return self.on_mobile(user, time)
        device = user.laptop if rng.random() < 0.6 else user.phone
        network = self._places[place].hotel
        if user.vpn and rng.random() < 0.5:
            network = user.vpn
        return self._seen(network.address(mix(user.seed, time // DAY)), user, device, time)

    def _home(self, user: User, time: int, rng: Random) -> Where:
        device = user.laptop if rng.random() < 0.6 else user.phone
        if user.vpn and rng.random() < user.vpn_share:
            ip = user.vpn.address(mix(user.seed, time // (6 * HOUR)))
        elif CLIENTS[device.client].apple and rng.random() < user.relay_share:
            country = CITIES[user.home].country
            ip = self._countries[country].relay.address(mix(user.seed, time // DAY))
        else:
            ip = self.home_address(user, time)
        return self._seen(ip, user, device, time)

    def _seen(self, ip: str, user: User, device: Device, time: int) -> Where:
        ua, device_id = self.device(user, device, time)
        return Where(ip, ua, device_id)


def cookie(device: str, variant: int, day: int) -> str:
    """The id an application gives to a device; attackers get theirs in the same way, so that its form says nothing."""
    return f"{device}{(day + variant) // _DEVICE_LIFE_DAYS:x}"


def no_cookie(rng: Random) -> bool:
    """Whether somebody unknown is one of those who send no device id."""
    return rng.randrange(_CLEARS_COOKIES) == 0


def distance_km(a: City, b: City) -> float:
    """Great-circle distance in km (haversine)."""
    lat_a, lat_b = radians(a.lat), radians(b.lat)
    h = sin((lat_b - lat_a) / 2) ** 2
    h += cos(lat_a) * cos(lat_b) * sin(radians(b.lon - a.lon) / 2) ** 2
    return 12_742 * asin(sqrt(h))
