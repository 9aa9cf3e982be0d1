"""What a login or a verdict teaches a profile. `apply` is the only function that changes one; assessing never does."""

from bisect import bisect
from typing import Any, TypeVar

from gatewatch.core import counts
from gatewatch.core.attributes import device_of, event_ref
from gatewatch.core.counts import Counts
from gatewatch.core.events import LoginEvent
from gatewatch.core.profiles import (
    DEGREE,
    FAILURE_HORIZON,
    LATENESS,
    MAX_DAY_SOURCES,
    MAX_DAYS,
    MAX_HELD,
    MAX_HOUR_SOURCES,
    MAX_HOURLY_WEIGHT,
    MAX_HOURS,
    MAX_LOGINS,
    MAX_MINUTE_SOURCES,
    MAX_MINUTES,
    MAX_PROBATION,
    MAX_VALUES,
    FailureDay,
    Held,
    Login,
    Profile,
)
from gatewatch.core.times import DAY, HOUR, MINUTE

K = TypeVar("K", int, str)


class Change:
    """What an event or a control record does to a profile; made by the engine, carried out by `apply`.

    `op` is "none", "failure", "success", "hold", "clear", "revoke" or "erase".
    """

    __slots__ = (
        "asn",
        "country",
        "held",
        "ip",
        "late",
        "login",
        "op",
        "ref",
        "time",
        "values",
        "weight",
    )

    def __init__(
        self,
        *,
        op: str,
        time: int = 0,
        ref: bytes = b"",
        weight: int = 0,
        held: bool = False,
        late: bool = False,
        values: tuple[str, ...] = (),
        login: Login | None = None,
        ip: str = "",
        asn: int = 0,
        country: str = "",
    ) -> None:
        self.op = op
        self.time = time
        self.ref = ref
        self.weight = weight
        self.held = held
        self.late = late
        self.values = values
        self.login = login
        self.ip = ip
        self.asn = asn
        self.country = country


NO_CHANGE = Change(op="none")

V = TypeVar("V")


def login_of(event: LoginEvent, ref: bytes) -> Login:
    """The ring entry of a success."""
    geo, asn = event.geo, event.asn
    known = geo is not None and geo.lat is not None and geo.lon is not None
    return Login(
        event.time,
        ref,
        event.ip,
        round(geo.lat * DEGREE) if known and geo is not None and geo.lat is not None else None,
        round(geo.lon * DEGREE) if known and geo is not None and geo.lon is not None else None,
        round(geo.accuracy_km) if geo is not None else 0,
        geo.country if geo is not None else "",
        asn.number if asn is not None else 0,
        asn.kind if asn is not None else "",
        device_of(event),
    )


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
    values = change.values
    for i, known in enumerate(profile.values):
        value = values[i]
        found = known.get(value)
        if found and found[-2] == bucket and amount > 0:  # by far the most common: a value seen this month
            found[-1] += amount
        elif value:
            _count(known, value, bucket, amount, MAX_VALUES[i])


def _count(values: dict[str, Counts], value: str, bucket: int, amount: int, most: int) -> None:
    found = values.get(value)
    if found is None:
        if amount < 0:
            return
        _put(values, value, [bucket, amount])
        if len(values) > most:
            del values[_least(values)]
        return
    counts.add(found, bucket, amount)
    if not found:
        del values[value]


def _least(values: dict[str, Counts]) -> str:
    return min(values, key=lambda v: (values[v][-2], counts.total(values[v]), v))


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
    if not mapping:  # such as the counts of an hour at its first login
        mapping[key] = value
        return
    last = next(reversed(mapping))
    mapping[key] = value
    if key < last:
        keys = list(mapping)
        for later in keys[bisect(keys, key, 0, len(keys) - 1) : -1]:
            mapping[later] = mapping.pop(later)
