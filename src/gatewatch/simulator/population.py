"""The people of a world: each is a pure function of (seed, number), so a million users need no memory.

What is fixed about somebody is here; where that somebody is at a given moment is in `presence`.
"""

from bisect import bisect_right
from functools import lru_cache
from math import ceil, exp, log
from random import Random
from typing import Literal, NamedTuple

from msgspec import Struct

from gatewatch.core import events as core
from gatewatch.simulator.agents import choose_client
from gatewatch.simulator.cities import CITIES, WEIGHTS
from gatewatch.simulator.names import email, name_of
from gatewatch.simulator.network import Internet, Network, build_internet
from gatewatch.simulator.rhythm import Calendar, Rhythm
from gatewatch.simulator.seeds import Draws, derive, draws, mix

Kind = Literal["enterprise", "consumer", "throughput"]

#: Logins of a consumer over a world: 40% one, median 2, p90 9, p99 28 (RBA data, DETECTION.md §4).
_LOGINS = ((0.40, 1.0), (0.55, 2.0), (0.90, 9.0), (0.99, 28.0), (1.0, 90.0))


class Device(NamedTuple):
    """A browser on a machine: `client` indexes `agents.CLIENTS`, `variant` its model and update habit."""

    id: str
    client: int
    variant: int


class Office(NamedTuple):
    """An organisation's office: its place and the one or two addresses all its people share."""

    place: int
    egress: tuple[str, str]


class User(Struct, frozen=True):
    """One person. `home` and `office` index places and offices (-1: none); shares are probabilities.

    `logins` is the planned count in a consumer world, `rate` logins per working day in an enterprise (0: not
    used); `first` is when the first one is due, in activity time.
    """

    index: int
    seed: int
    identity: core.User
    home: int
    isp: Network
    lease_days: int
    carrier: Network
    office: int
    office_share: float
    mobile_share: float
    laptop: Device
    phone: Device
    rhythm: Rhythm
    logins: int
    rate: float
    first: float
    typo: float
    travel: float
    vpn: Network | None
    vpn_share: float
    relay_share: float

    @property
    def mfa(self) -> bool:
        """Whether a second factor is asked for."""
        return bool(self.identity.mfa_enrolled)


class Population:
    """`users` people of one kind of world, `user(i)` for 0 ≤ i < users; higher numbers are guests, who join late.

    `failure_rate` is the share of legitimate attempts that fail, over everybody; each user has an own rate.
    """

    def __init__(
        self, seed: int, users: int, calendar: Calendar, kind: Kind = "enterprise", failure_rate: float = 0.08
    ) -> None:
        self.users = users
        self.kind = kind
        self.calendar = calendar
        self.internet: Internet = build_internet()
        self._seed = derive(seed, "population")
        self._failures = failure_rate / (1 - failure_rate)
        self._cities = _cumulative(WEIGHTS)
        self.offices = self._offices()
        self.user = lru_cache(maxsize=32_768)(self._user)

    def staff(self, office: int) -> range:
        """The numbers of those who belong to an office (not all of them go there)."""
        return range(office, self.users, len(self.offices))

    def pick(self, rng: Random, before: int) -> User:
        """Somebody with a history: at least three logins planned and the first well before `before` (µs)."""
        user = self.user(rng.randrange(self.users))
        for _ in range(100):
            if (user.rate or user.logins >= 3) and self.first_login(user) < before:
                break
            user = self.user(rng.randrange(self.users))
        return user

    def first_login(self, user: User) -> int:
        """When a user's first login is due (µs)."""
        return self.calendar.time(user.first, user.rhythm)

    def first_due(self, index: int) -> tuple[int, float, int]:
        """(time in µs, activity time, planned logins) of a user's first login, without making the user."""
        d = draws(self._seed, index)
        _, _, home = self._work(index, d)
        rhythm = self._rhythm(d, CITIES[home].utc_offset)
        logins, _, first = self._activity(index, d, rhythm)
        return self.calendar.time(first, rhythm), first, logins

    def _offices(self) -> tuple[Office, ...]:
        """One organisation with up to six offices, or many small employers among the customers of a service."""
        count = min(6, self.users // 250) if self.kind == "enterprise" else self.users // 2_000
        return tuple(self._office(number) for number in range(max(1, count)))

    def _office(self, number: int) -> Office:
        place = self._city(mix(self._seed, number, 1) / 2**64)
        line = self.internet.places[place].business
        return Office(
            place, (line.address(mix(self._seed, number, 2)), line.address(mix(self._seed, number, 3)))
        )

    def _city(self, u: float) -> int:
        return min(bisect_right(self._cities, u), len(CITIES) - 1)

    def _user(self, index: int) -> User:
        d = draws(self._seed, index)
        seed = int(d[0] * 2**32)
        office, office_share, home = self._work(index, d)
        place = self.internet.places[home]
        country = self.internet.countries[place.city.country]
        rhythm = self._rhythm(d, place.city.utc_offset)
        logins, rate, first = self._activity(index, d, rhythm)
        v6 = d[4] > 0.7 and self.kind != "throughput"
        return User(
            index=index,
            seed=seed,
            identity=self._identity(index, d),
            home=home,
            isp=(place.isps_v6 if v6 else place.isps)[d[3] > 0.6],
            lease_days=(1, 7, 30, 120)[int(d[4] * 40) % 4],
            carrier=country.carriers[d[3] > 0.35],
            office=office,
            office_share=office_share,
            mobile_share=0.05 + 0.4 * d[5] ** 2,
            laptop=self._device(seed, mobile=False, u=d[6]),
            phone=self._device(seed, mobile=True, u=d[7]),
            rhythm=rhythm,
            logins=logins,
            rate=rate,
            first=first,
            typo=min(0.9, self._failures * _exponential(d[8], 3.0) / 1.35),
            travel=(0.35 if self.kind == "enterprise" else 0.2) * (d[9] < 0.35),
            vpn=self._vpn(country.code, d) if d[10] < 0.12 else None,
            vpn_share=0.2 + 5 * d[10],
            relay_share=0.5 * (d[11] < 0.06),
        )

    def _work(self, index: int, d: Draws) -> tuple[int, float, int]:
        """(office, share of working days spent there, home city)."""
        office = index % len(self.offices)
        if self.kind == "enterprise":
            place = self.offices[office].place
            if d[1] < 0.2:  # remote, somewhere in the country of the office
                places = self.internet.countries[CITIES[place].country].places
                return office, 0.0, places[int(d[2] * len(places))]
            return office, 0.3 + 0.7 * d[2], place
        if d[1] < 0.15:
            return office, 0.5, self.offices[office].place
        return -1, 0.0, self._city(d[2])

    def _rhythm(self, d: Draws, utc_offset: float) -> Rhythm:
        spread = 0.9 + 0.9 * d[12]
        if self.kind == "enterprise":
            local = 2.0 if d[13] < 0.02 else 11.0 + 3.5 * (d[13] - 0.5)
            return Rhythm(local - utc_offset, spread, 0.02 + 0.3 * d[12] ** 4)
        return Rhythm(12.0 + 9 * d[13] - utc_offset, spread + 0.6, 0.6 + d[12])

    def _activity(self, index: int, d: Draws, rhythm: Rhythm) -> tuple[int, float, float]:
        """(planned logins, rate per working day, activity time of the first)."""
        whole = self.calendar.activity(rhythm)
        if index >= self.users:
            return 1, 0.0, whole
        if self.kind == "enterprise":
            rate = 0.6 + 2.0 * _exponential(d[14], 3.0)
            newcomer = d[15] < 0.05
            return 0, rate, whole * d[15] * 20 if newcomer else d[15] / rate
        logins = planned_logins(d[14])
        if self.kind == "throughput":
            logins = min(logins, 9)
        return logins, 0.0, whole * (1 - (1 - d[15]) ** (1 / logins))

    def _identity(self, index: int, d: Draws) -> core.User:
        name = name_of(index)
        enrolled = d[5] < {"enterprise": 0.6, "consumer": 0.1, "throughput": 0.0}[self.kind]
        groups = ("admin",) if self.kind == "enterprise" and d[11] > 0.97 else ()
        return core.User(f"u{index}", name, email(name), enrolled, groups)

    def _device(self, seed: int, *, mobile: bool, u: float) -> Device:
        bits = mix(seed, 7, mobile)
        return Device(f"d{bits:016x}", choose_client(mobile, u), bits & 0xFFFF)

    def _vpn(self, home: str, d: Draws) -> Network:
        """The favourite exit: mostly in the home country."""
        codes = tuple(self.internet.countries)
        code = home if d[11] < 0.7 else codes[int(d[9] * len(codes))]
        return self.internet.countries[code].vpns[d[5] > 0.4]


def planned_logins(u: float) -> int:
    """The count of logins for a uniform number: 1 up to 40%, log-linear between the published quantiles."""
    low_u, low = 0.0, 1.0
    for high_u, high in _LOGINS:
        if u < high_u:
            return ceil(exp(log(low) + (log(high) - log(low)) * (u - low_u) / (high_u - low_u)))
        low_u, low = high_u, high
    return int(low)


def _exponential(u: float, limit: float) -> float:
    """An exponential with mean 1, cut at `limit`."""
    return min(-log(1 - u), limit)


def _cumulative(weights: tuple[int, ...]) -> tuple[float, ...]:
    total, edges, below = sum(weights), [], 0
    for weight in weights:
        below += weight
        edges.append(below / total)
    return tuple(edges)
