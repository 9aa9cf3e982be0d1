"""Times as sources write them: ISO 8601 of many habits, epoch numbers, mail dates, syslog stamps."""

from datetime import datetime, timedelta, tzinfo
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import NamedTuple

from gatewatch.core.times import DAY, MAX_TIME, MIN_TIME, SECOND, from_datetime, to_datetime
from gatewatch.ingest.contract import Refused

#: The longest text that can be a time, in characters.
MAX_TIME_TEXT = 64
#: A number below each bound counts seconds, milliseconds, microseconds, nanoseconds since 1970.
_UNITS = ((10**11, SECOND, 1), (10**14, 1_000, 1), (10**17, 1, 1), (10**20, 1, 1_000))
_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: number for number, name in enumerate(_NAMES, 1)}


class Moment(NamedTuple):
    """Event time in µs; `zone_assumed` where the source named no zone."""

    time: int
    zone_assumed: bool = False


def moment(value: str | float, zone: tzinfo) -> Moment:
    """The moment a text or number names. Raises `Refused`: `bad_time` or `time_out_of_range`."""
    if not isinstance(value, str):
        return Moment(_from_number(value))
    if value[4:5] == "-" and 10 < len(value) <= MAX_TIME_TEXT:
        try:
            return _of(datetime.fromisoformat(value), zone)  # nearly always
        except ValueError:
            pass
    return _of_text(value, zone)


def _of(parsed: datetime, zone: tzinfo) -> Moment:
    if parsed.tzinfo is None:
        return Moment(_in_range(parsed.replace(tzinfo=zone)), zone_assumed=True)
    return Moment(_in_range(parsed))


def _of_text(value: str, zone: tzinfo) -> Moment:
    text = value.strip()
    if len(text) > MAX_TIME_TEXT:
        raise _bad_time(text)
    if _is_number(text):
        return Moment(_from_number_text(text))
    return _of(_parse(text), zone)


def _parse(text: str) -> datetime:
    try:
        if len(text) > 10:  # a date alone is a day, not a moment
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    return _parse_odd(text)


def _parse_odd(text: str) -> datetime:
    """The habits `fromisoformat` does not know: "… UTC", "… +0100", a named zone in brackets, leap seconds, mail."""
    year = text.lstrip("+-").partition("-")[0]
    if year.isdecimal() and len(year) in (5, 6):
        raise _out_of_range(text)
    if not text[:4].isdecimal():
        return _mail_date(text)
    plain, leap = _plain(text)
    try:
        if len(plain) > 10:
            return datetime.fromisoformat(plain) + timedelta(seconds=leap)
    except ValueError:
        pass
    except OverflowError:  # the leap second after the last year
        raise _out_of_range(text) from None
    raise _bad_time(text)


def _plain(text: str) -> tuple[str, int]:
    """The text as `fromisoformat` takes it, and how many seconds to add (a leap second is the next minute's first)."""
    plain = text.partition("[")[0].strip()
    for name in (" UTC", " GMT", " Z", "z"):
        if plain.endswith(name):
            plain = plain.removesuffix(name) + "Z"
    plain = plain.replace(" +", "+").replace(" -", "-").replace("t", "T")
    if plain[16:19] == ":60":
        return f"{plain[:16]}:59{plain[19:]}", 1
    return plain, 0


def _mail_date(text: str) -> datetime:
    try:
        return parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        raise _bad_time(text) from None


def _is_number(text: str) -> bool:
    # Compact dates (20261122) have no more than eight digits; seconds have had nine and more since 1973.
    digits = text.removeprefix("-").replace(".", "", 1)
    return digits.isascii() and digits.isdecimal() and len(digits) >= 9


def _from_number_text(text: str) -> int:
    return _from_number(float(text) if "." in text else int(text))


def _from_number(value: float) -> int:
    if isinstance(value, bool) or value != value:
        raise _bad_time(value)
    for bound, factor, divisor in _UNITS:
        if 0 <= value < bound:
            time = value * factor // divisor if isinstance(value, int) else round(value * factor / divisor)
            return _checked(int(time), value)
    raise _out_of_range(value)


def _in_range(parsed: datetime) -> int:
    try:
        time = from_datetime(parsed)
    except OverflowError:
        raise _out_of_range(parsed) from None
    return _checked(time, parsed)


def _checked(time: int, given: object) -> int:
    if not MIN_TIME <= time <= MAX_TIME:
        raise _out_of_range(given)
    return time


def _bad_time(given: object) -> Refused:
    return Refused("bad_time", f"{str(given)[:MAX_TIME_TEXT]!a} is no time.")


def _out_of_range(given: object) -> Refused:
    return Refused(
        "time_out_of_range", f"{str(given)[:MAX_TIME_TEXT]!a} lies outside the years 1970 to 9999."
    )


def syslog_moment(stamp: str, received: int, zone: tzinfo) -> int:
    """The time (µs) of a stamp without year or zone such as `Mar  7 13:06:56`.

    The year is the latest in which the stamp is not later than a day after `received`; 29 February thus falls into
    the nearest leap year. Raises `Refused`: `bad_time`, or `time_out_of_range` before 1970.
    """
    month, day, hour, minute, second = _stamp_fields(stamp)
    latest = received + DAY
    # Whatever the zone, local time is within a day of UTC; nine years always hold a leap year (1896-1904, 2096-2104).
    newest = to_datetime(min(latest + DAY, MAX_TIME)).year
    valid = False
    for year in range(newest, max(newest - 9, 1), -1):
        try:
            time = from_datetime(datetime(year, month, day, hour, minute, second, tzinfo=zone))
        except (ValueError, OverflowError):
            continue
        valid = True
        if time <= latest:
            return _checked(time, stamp)
    raise _out_of_range(stamp) if valid else _bad_time(stamp)


@lru_cache(maxsize=1_024)
def _stamp_fields(stamp: str) -> tuple[int, int, int, int, int]:
    try:
        month, day, clock = stamp.split()
        hour, minute, second = clock.split(":")
        # A leap second is written as :60.
        return _MONTHS[month.lower()], int(day), int(hour), int(minute), min(int(second), 59)
    except (ValueError, KeyError):
        raise _bad_time(stamp) from None
