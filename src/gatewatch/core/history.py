"""What a profile says about a moment: how well known a value was, what failed, which logins lie around it."""

from gatewatch.core import counts
from gatewatch.core.profiles import Held, Login, Profile
from gatewatch.core.times import MINUTE


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
