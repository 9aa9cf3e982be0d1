"""A made-up internet over reserved address space, so that nobody real is ever named.

Addresses come from the documentation prefixes, 198.18.0.0/15, 240.0.0.0/4 and 2001:db8::/32, AS numbers from the
private range. In every network a part of the hosts is kept for attackers: an attacker can sit in the prefix of
an ordinary customer, but never on an address that a legitimate user has had (the leak guard of the benchmarks).
"""

from collections.abc import Iterator
from random import Random

from msgspec import Struct

from gatewatch.core.events import Asn, Geo
from gatewatch.simulator.cities import CITIES, City

#: Hosts 1-199 of a /24 serve customers, 200-250 are kept for attackers.
_CUSTOMERS = 199
_FRESH_FIRST, _FRESH_COUNT = 200, 51

_FIRST_ASN = 64_512


class Network(Struct, frozen=True):
    """One announced block: where it is, whose it is.

    `pool` is how many addresses its customers share (0: as many as there are); small for CGNAT and VPN exits.
    """

    cidr: str
    geo: Geo
    asn: Asn
    base: int
    subnets: int
    pool: int = 0
    v6: bool = False

    def address(self, number: int, host: int = 0) -> str:
        """A customer's address for a number of any size; `host` is the interface part in IPv6."""
        if self.v6:
            return _v6(self.base + (number & 0x7FFF), host or 1)
        number %= self.pool or self.subnets * _CUSTOMERS
        return _v4(self.base + (number % self.subnets) * 256 + 1 + number // self.subnets)

    def fresh(self, rng: Random) -> str:
        """An address that no legitimate user ever has."""
        if self.v6:
            return _v6(self.base + 0x8000 + rng.getrandbits(15), rng.getrandbits(64) or 1)
        host = _FRESH_FIRST + rng.randrange(_FRESH_COUNT)
        return _v4(self.base + rng.randrange(self.subnets) * 256 + host)


class Place(Struct, frozen=True):
    """What there is in one city: its two providers (IPv4 and IPv6), business lines and a hotel network."""

    city: City
    isps: tuple[Network, Network]
    isps_v6: tuple[Network, Network]
    business: Network
    hotel: Network


class Country(Struct, frozen=True):
    """What there is once per country: carriers, VPN exits and the exits of a privacy relay."""

    code: str
    places: tuple[int, ...]
    carriers: tuple[Network, Network]
    vpns: tuple[Network, Network]
    relay: Network


class Internet(Struct, frozen=True):
    """Everything an address can belong to. `places` is in the order of `CITIES`."""

    places: tuple[Place, ...]
    countries: dict[str, Country]
    hosting: tuple[Network, ...]
    tor: Network
    satellite: Network
    offshore: tuple[Network, ...]

    def all(self) -> Iterator[Network]:
        """Every network once."""
        for place in self.places:
            yield from (*place.isps, *place.isps_v6, place.business, place.hotel)
        for country in self.countries.values():
            yield from (*country.carriers, *country.vpns, country.relay)
        yield from (*self.hosting, self.tor, self.satellite, *self.offshore)


def networks() -> list[tuple[str, Geo, Asn]]:
    """(CIDR, place, owner) of every network: what a geo and ASN database of this internet holds."""
    return [(network.cidr, network.geo, network.asn) for network in build_internet().all()]


def build_internet() -> Internet:
    """The internet of every world; it has no seed, so one database serves all worlds."""
    carve = _Carver()
    places = tuple(_place(carve, city) for city in CITIES)
    codes = dict.fromkeys(city.country for city in CITIES)
    return Internet(
        places=places,
        countries={code: _country(carve, code) for code in codes},
        hosting=tuple(_hosting(carve, number) for number in range(4)),
        tor=carve.fixed(
            "198.51.100.0", _exact(_city("Amsterdam")), carve.asn("Example Tor Exits", "tor"), 60
        ),
        satellite=carve.small(_wide(_city("Chicago")), carve.asn("Example Satellite", "satellite"), 200),
        offshore=tuple(
            _offshore(carve, *where) for where in enumerate(("Kyiv", "Ho Chi Minh City", "Lagos"))
        ),
    )


class _Carver:
    """Hands out blocks in a fixed order: /16 of 240.0.0.0/4, /22 of 198.18.0.0/15, /48 of 2001:db8::/32."""

    def __init__(self) -> None:
        self._large = 240 << 24
        self._small = (198 << 24) + (18 << 16)
        self._v6 = (0x20010DB8 << 32) + 65_536
        self._numbers: dict[str, Asn] = {}

    def asn(self, org: str, kind: str) -> Asn:
        known = self._numbers.get(org)
        if known is None:
            known = self._numbers[org] = Asn(_FIRST_ASN + len(self._numbers), org, kind)
        return known

    def large(self, geo: Geo, asn: Asn, pool: int = 0) -> Network:
        base, self._large = self._large, self._large + 65_536
        return Network(f"{_v4(base)}/16", geo, asn, base, 256, pool)

    def small(self, geo: Geo, asn: Asn, pool: int = 0) -> Network:
        base, self._small = self._small, self._small + 1_024
        return Network(f"{_v4(base)}/22", geo, asn, base, 4, pool)

    def fixed(self, first: str, geo: Geo, asn: Asn, pool: int = 0) -> Network:
        """A documentation prefix, a /24."""
        base = int.from_bytes(bytes(map(int, first.split("."))))
        return Network(f"{first}/24", geo, asn, base, 1, pool)

    def v6(self, geo: Geo, asn: Asn) -> Network:
        base, self._v6 = self._v6, self._v6 + 65_536
        return Network(f"{_v6_prefix(base)}/48", geo, asn, base, 65_536, v6=True)


def _place(carve: _Carver, city: City) -> Place:
    code, geo = city.country, _exact(city)
    one, two = carve.asn(f"Example Broadband {code}", "isp"), carve.asn(f"Example Cable {code}", "isp")
    return Place(
        city=city,
        isps=(carve.large(geo, one), carve.large(geo, two)),
        isps_v6=(carve.v6(geo, one), carve.v6(geo, two)),
        business=carve.large(geo, carve.asn(f"Example Business Lines {code}", "business")),
        hotel=carve.large(geo, carve.asn(f"Example Hospitality {code}", "isp"), 400),
    )


def _country(carve: _Carver, code: str) -> Country:
    places = tuple(index for index, city in enumerate(CITIES) if city.country == code)
    geo, capital = _wide(CITIES[places[0]]), _exact(CITIES[places[0]])
    carriers = [carve.asn(f"Example {name} {code}", "mobile") for name in ("Mobile", "Cellular")]
    vpns = [carve.asn(f"Example VPN {name}", "vpn") for name in ("One", "Two")]
    return Country(
        code=code,
        places=places,
        carriers=(carve.large(geo, carriers[0], 48), carve.large(geo, carriers[1], 32)),
        vpns=(carve.small(capital, vpns[0], 40), carve.small(capital, vpns[1], 24)),
        relay=carve.small(geo, carve.asn("Example Private Relay", "relay"), 120),
    )


def _hosting(carve: _Carver, number: int) -> Network:
    city = _city(("New York", "Amsterdam", "Singapore", "Berlin")[number])
    asn = carve.asn(f"Example Cloud {number + 1}", "hosting")
    if number == 0:
        return carve.fixed("203.0.113.0", _exact(city), asn)
    return carve.small(_exact(city), asn)


def _offshore(carve: _Carver, number: int, name: str) -> Network:
    asn = carve.asn(f"Example Offshore Hosting {number + 1}", "hosting")
    if number == 0:
        return carve.fixed("192.0.2.0", _exact(_city(name)), asn)
    return carve.small(_exact(_city(name)), asn)


def _city(name: str) -> City:
    return next(city for city in CITIES if city.name == name)


def _exact(city: City) -> Geo:
    return Geo(city.country, city.region, city.name, city.lat, city.lon, 20.0)


def _wide(city: City) -> Geo:
    """What databases know of a carrier: the country, and a point with a large radius."""
    return Geo(city.country, "", "", city.lat, city.lon, 300.0)


def _v4(number: int) -> str:
    return f"{number >> 24}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def _v6(prefix: int, host: int) -> str:
    """The canonical text of a /64 and an interface id whose first group is not zero."""
    host |= 0x0200_0000_0000_0001 | 0x0001_0001_0001_0001
    groups = (prefix >> 48, prefix >> 32 & 0xFFFF, prefix >> 16 & 0xFFFF, prefix & 0xFFFF)
    tail = (host >> 48 & 0xFFFF, host >> 32 & 0xFFFF, host >> 16 & 0xFFFF, host & 0xFFFF)
    return ":".join([f"{group:x}" for group in (*groups, *tail)])


def _v6_prefix(prefix: int) -> str:
    return ":".join([f"{prefix >> shift & 0xFFFF:x}" for shift in (48, 32, 16)]) + "::"
