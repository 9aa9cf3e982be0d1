"""What is known of one user: facts in any order, trust that can be taken back.

*Facts* (logins by event time, failures in windows) are the same whatever order events came in, within the lateness.
*Trust* (weights of the values a user logs in with) is integer counts only, so that a verdict can subtract what a
login taught. `apply` is the only function that changes a profile; assessing never does.
"""

from bisect import bisect
from typing import Any, TypeVar

import msgspec

from gatewatch.core import counts
from gatewatch.core.attributes import device_of, event_ref
from gatewatch.core.counts import Counts
from gatewatch.core.events import LoginEvent
from gatewatch.core.times import DAY, HOUR, MINUTE

K = TypeVar("K", int, str)
V = TypeVar("V")

VERSION = 1

#: What a profile counts a login by, in this order; a value of "" is unknown and not counted.
ATTRIBUTES = ("ip", "prefix", "asn", "country", "ua", "browser", "os", "device", "hour")
IP, PREFIX, ASN, COUNTRY, UA, BROWSER, OS, DEVICE, HOUR_OF_WEEK = range(len(ATTRIBUTES))
#: The most values kept per attribute; the one least recently and least often seen makes room.
MAX_VALUES = (24, 16, 12, 12, 16, 8, 8, 12, 168)

#: How far behind a user's newest event another may come and still open windows.
LATENESS = DAY
#: The last logins kept, by event time; the failure minutes, failure days and failing addresses a day keeps.
MAX_LOGINS = 8
MAX_MINUTES = 180
MAX_MINUTE_SOURCES = 16
MAX_DAYS = 9
MAX_DAY_SOURCES = 64
#: Logins that are held (on probation or revoked), and the longest probation a policy may ask for.
MAX_HELD = 16
MAX_PROBATION = 30 * DAY
#: How long failures are kept behind the newest event: the longest window (7 days) and the lateness.
FAILURE_HORIZON = 8 * DAY
#: The most weight logins of one user, address and hour may teach.
MAX_HOURLY_WEIGHT = 3
#: The addresses of one hour that may teach; a user who comes from more teaches nothing new by it.
MAX_HOUR_SOURCES = 16
MAX_HOURS = 64

#: Degrees are kept as integers of 1e-4 (about 11 m).
_DEGREE = 10_000


class Login(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A success in the ring of the last ones: when (µs), which event, from where. `lat`, `lon` in 1e-4 degrees."""

    time: int
    ref: bytes
    ip: str
    lat: int | None
    lon: int | None
    accuracy_km: int
    country: str
    asn: int
    kind: str
    device: str

    @property
    def point(self) -> tuple[float, float] | None:
        """(lat, lon) in degrees, or None where the place is unknown."""
        if self.lat is None or self.lon is None:
            return None
        return self.lat / _DEGREE, self.lon / _DEGREE


class Held(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A login whose weight is withheld: on probation (little weight until `time` + probation), or revoked (none)."""

    ref: bytes
    time: int
    weight: int
    values: tuple[str, ...]
    revoked: bool = False


class FailureDay(msgspec.Struct, array_like=True, gc=False):
    """One UTC day's failures: tries, and per address (the smallest hashes, a bottom-k) [tries, asn, country]."""

    tries: int = 0
    sources: dict[str, tuple[int, int, str]] = msgspec.field(default_factory=dict)


class Profile(msgspec.Struct, array_like=True, gc=False):
    """The state of one user, stored as one versioned MessagePack value of about 1 kB."""

    version: int = VERSION
    newest: int = 0
    successes: int = 0
    first_success: int = 0
    total: Counts = msgspec.field(default_factory=list)
    values: list[dict[str, Counts]] = msgspec.field(default_factory=lambda: [{} for _ in ATTRIBUTES])
    logins: list[Login] = msgspec.field(default_factory=list)
    held: list[Held] = msgspec.field(default_factory=list)
    minutes: dict[int, dict[str, int]] = msgspec.field(default_factory=dict)
    days: dict[int, FailureDay] = msgspec.field(default_factory=dict)
    hours: dict[int, dict[str, int]] = msgspec.field(default_factory=dict)

    @property
    def has_history(self) -> bool:
        """Whether the user ever got in; without, there are failure windows that expire, and no profile."""
        return self.successes > 0


class Change(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an event or a control record does to a profile; made by the engine, carried out by `apply`."""

    op: str  # "none" | "failure" | "success" | "hold" | "clear" | "revoke" | "erase"
    time: int = 0
    ref: bytes = b""
    weight: int = 0
    held: bool = False
    late: bool = False
    values: tuple[str, ...] = ()
    login: Login | None = None
    ip: str = ""
    asn: int = 0
    country: str = ""


NO_CHANGE = Change(op="none")

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Profile)


def encode(profile: Profile) -> bytes:
    """The stored bytes of a profile. Equal profiles give equal bytes: `apply` keeps every mapping in the order of its
    keys.
    """
    return _encoder.encode(profile)


def decode(data: bytes) -> Profile:
    """The profile of its stored bytes."""
    return _decoder.decode(data)


def login_of(event: LoginEvent, ref: bytes) -> Login:
    """The ring entry of a success."""
    geo, asn = event.geo, event.asn
    known = geo is not None and geo.lat is not None and geo.lon is not None
    return Login(
        event.time,
        ref,
        event.ip,
        round(geo.lat * _DEGREE) if known and geo is not None and geo.lat is not None else None,
        round(geo.lon * _DEGREE) if known and geo is not None and geo.lon is not None else None,
        round(geo.accuracy_km) if geo is not None else 0,
        geo.country if geo is not None else "",
        asn.number if asn is not None else 0,
        asn.kind if asn is not None else "",
        device_of(event),
    )


def weight_at(profile: Profile, attribute: int, value: str, time: int, probation: int) -> float:
    """How much trusted history a value has at event time `time`: decayed counts, and held logins as they count then.

    A login on probation weighs a tenth until `probation` µs have passed by the reader's event time, then in full.
    """
    found = profile.values[attribute].get(value)
    weight = counts.read(found, counts.bucket_of(time)) if found else 0.0
    for held in profile.held:
        if held.values[attribute] == value and value:
            weight += held_weight(held, time, probation)
    return weight


def total_at(profile: Profile, time: int, probation: int) -> float:
    """The trusted weight of all logins at event time `time` (the n_u of the models)."""
    weight = counts.read(profile.total, counts.bucket_of(time)) if profile.total else 0.0
    for held in profile.held:
        weight += held_weight(held, time, probation)
    return weight


def held_weight(held: Held, time: int, probation: int) -> float:
    """What a held login weighs at event time `time`."""
    if held.revoked:
        return 0.0
    return float(held.weight) if time >= held.time + probation else 0.1 * held.weight


def failures_within(profile: Profile, time: int, window: int) -> dict[str, int]:
    """Failed tries per address in the `window` µs up to `time`, whole minutes: never one too few at the edges."""
    found: dict[str, int] = {}
    minutes, last = profile.minutes, time // MINUTE
    for minute in range(last - window // MINUTE, last + 1):
        if minute in minutes:
            for ip, tries in minutes[minute].items():
                found[ip] = found.get(ip, 0) + tries
    return found


def neighbours(profile: Profile, time: int, ref: bytes) -> tuple[Login | None, Login | None]:
    """The logins just before and just after an event by event time (a late event has both)."""
    logins = profile.logins
    if logins and logins[-1].time < time:  # by far the most common: the newest login of all
        return logins[-1], None
    before = after = None
    for login in logins:
        if (login.time, login.ref) < (time, ref):
            before = login
        elif login.ref != ref:
            after = login
            break
    return before, after


def hourly_weight(profile: Profile, time: int, ip: str) -> int:
    """How much weight one more login of this address in this hour may teach: 1, or 0 once the cap is reached."""
    taught = profile.hours.get(time // HOUR, {})
    if ip not in taught:
        return 1 if len(taught) < MAX_HOUR_SOURCES else 0
    return 1 if taught[ip] < MAX_HOURLY_WEIGHT else 0


def apply(profile: Profile, change: Change) -> None:
    """Carry out a change, in place. Given the same changes in the same order it gives the same bytes."""
    match change.op:
        case "success":
            _succeed(profile, change)
        case "failure":
            _fail(profile, change)
        case "hold":
            _teach(profile, change, -1)
            _hold(profile, Held(change.ref, change.time, change.weight, change.values))
        case "clear":
            _release(profile, change.ref)
            _teach(profile, change, 1)
        case "revoke":
            if not _release(profile, change.ref):
                _teach(profile, change, -1)
            _hold(
                profile,
                Held(change.ref, change.time, change.weight, change.values, revoked=True),
            )
        case "erase":
            _erase(profile)


def _succeed(profile: Profile, change: Change) -> None:
    profile.successes += 1
    if not profile.first_success or change.time < profile.first_success:
        profile.first_success = change.time
    if change.login is not None:
        _remember(profile, change.login)
    if change.weight:
        _add(_within(profile.hours, change.time // HOUR), change.ip, change.weight)
        if change.held:
            _hold(profile, Held(change.ref, change.time, change.weight, change.values))
        else:
            _teach(profile, change, 1)
    _advance(profile, change)


def _remember(profile: Profile, login: Login) -> None:
    logins = profile.logins
    at = len(logins)
    while at and (logins[at - 1].time, logins[at - 1].ref) > (login.time, login.ref):
        at -= 1
    logins.insert(at, login)
    if len(logins) > MAX_LOGINS:
        del logins[0]


def _teach(profile: Profile, change: Change, sign: int) -> None:
    bucket, amount = counts.bucket_of(change.time), sign * change.weight
    if not amount:
        return
    counts.add(profile.total, bucket, amount)
    for known, value, most in zip(profile.values, change.values, MAX_VALUES, strict=True):
        found = known.get(value)
        if found and found[-2] == bucket and amount > 0:  # by far the most common: a value seen this month
            found[-1] += amount
        elif value:
            _count(known, value, bucket, amount, most)


def _count(values: dict[str, Counts], value: str, bucket: int, amount: int, most: int) -> None:
    found = values.get(value)
    if found is None:
        if amount < 0:
            return
        _put(values, value, [bucket, amount])
        if len(values) > most:
            del values[min(values, key=lambda v: (values[v][-2], counts.total(values[v]), v))]
        return
    counts.add(found, bucket, amount)
    if not found:
        del values[value]


def _hold(profile: Profile, held: Held) -> None:
    """Withhold a login. Where the list is full the oldest goes: into trust only if it was on probation for longer than
    any policy asks, so that nobody ends a probation early by logging in often.
    """
    profile.held.append(held)
    profile.held.sort(key=lambda h: (h.time, h.ref))
    if len(profile.held) > MAX_HELD:
        oldest = profile.held.pop(0)
        if not oldest.revoked and profile.newest - oldest.time >= MAX_PROBATION:
            settled = Change(op="clear", time=oldest.time, weight=oldest.weight, values=oldest.values)
            _teach(profile, settled, 1)


def _release(profile: Profile, ref: bytes) -> bool:
    for i, held in enumerate(profile.held):
        if held.ref == ref:
            del profile.held[i]
            return True
    return False


def _fail(profile: Profile, change: Change) -> None:
    if change.late:
        return
    sources = _within(profile.minutes, change.time // MINUTE)
    known = change.ip in sources or len(sources) < MAX_MINUTE_SOURCES
    _add(sources, change.ip if known else "", 1)
    date = change.time // DAY
    day = profile.days.get(date)
    if day is None:
        day = FailureDay()
        _put(profile.days, date, day)
    day.tries += 1
    _count_source(day.sources, change)
    _advance(profile, change)


def _count_source(sources: dict[str, tuple[int, int, str]], change: Change) -> None:
    known = sources.get(change.ip)
    if known is not None:
        tries, asn, country = known
        sources[change.ip] = (tries + 1, max(asn, change.asn), max(country, change.country))
        return
    _put(sources, change.ip, (1, change.asn, change.country))
    if len(sources) > MAX_DAY_SOURCES:
        del sources[max(sources, key=event_ref)]


def _advance(profile: Profile, change: Change) -> None:
    """Move on to a newer event; what no window of any event within the lateness can reach is dropped."""
    if change.time > profile.newest:
        profile.newest = change.time
    newest = profile.newest
    _drop_before(profile.minutes, (newest - LATENESS - HOUR) // MINUTE, MAX_MINUTES)
    _drop_before(profile.days, (newest - FAILURE_HORIZON) // DAY, MAX_DAYS)
    _drop_before(profile.hours, (newest - LATENESS) // HOUR - 1, MAX_HOURS)


def _drop_before(buckets: dict[int, Any], oldest: int, most: int) -> None:
    if buckets and (len(buckets) > most or next(iter(buckets)) < oldest):
        gone = len(buckets) - most
        for at, bucket in enumerate(list(buckets)):
            if at >= gone and bucket >= oldest:
                break
            del buckets[bucket]


def _erase(profile: Profile) -> None:
    blank = Profile()
    for name in Profile.__struct_fields__:
        setattr(profile, name, getattr(blank, name))


def _within(buckets: dict[int, dict[str, int]], index: int) -> dict[str, int]:
    """The bucket's counts, made where it is the first of it."""
    found = buckets.get(index)
    if found is None:
        found = {}
        _put(buckets, index, found)
    return found


def _add(counted: dict[str, int], key: str, amount: int) -> None:
    if key in counted:
        counted[key] += amount
    else:
        _put(counted, key, amount)


def _put(mapping: dict[K, V], key: K, value: V) -> None:
    """Add a key that the mapping does not have; it stays in the order of its keys."""
    last = next(reversed(mapping), key)
    mapping[key] = value
    if key < last:
        keys = list(mapping)
        for later in keys[bisect(keys, key, 0, len(keys) - 1) : -1]:
            mapping[later] = mapping.pop(later)
