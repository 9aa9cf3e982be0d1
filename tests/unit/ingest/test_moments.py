from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from gatewatch.core.times import DAY, HOUR, from_datetime, isoformat
from gatewatch.ingest.contract import Refused
from gatewatch.ingest.moments import moment, syslog_moment

TEN = "2026-11-22T10:00:00Z"
TEN_SECONDS = 1_795_341_600


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22T10:00:00Z",
        "2026-11-22t10:00:00z",
        "2026-11-22 10:00:00Z",
        "2026-11-22T11:00:00+01:00",
        "2026-11-22T11:00:00+0100",
        "2026-11-22 11:00:00 +0100",
        "2026-11-22 05:00:00 -05:00",
        "2026-11-22 10:00:00 UTC",
        "2026-11-22 10:00:00 GMT",
        "2026-11-22T11:00:00+01:00[Europe/Paris]",
        "20261122T100000Z",
        "2026-11-22T09:59:60Z",
        "2026-11-22T10:00:00.000000000Z",
        "Sun, 22 Nov 2026 10:00:00 GMT",
        "Sun, 22 Nov 2026 11:00:00 +0100",
        " 2026-11-22T10:00:00Z ",
        str(TEN_SECONDS),
        f"{TEN_SECONDS}.0",
        str(TEN_SECONDS * 1_000),
    ],
)
def test_habits(text: str) -> None:
    """A time is understood in the many ways in which sources write it."""
    assert isoformat(moment(text, UTC).time) == TEN
    assert not moment(text, UTC).zone_assumed


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
def test_numbers(unit: int) -> None:
    """A number counts seconds, milliseconds, microseconds or nanoseconds, by its size."""
    assert isoformat(moment(TEN_SECONDS * unit, UTC).time) == TEN


def test_fractions() -> None:
    """Fractions are kept to the microsecond, in texts and in numbers."""
    assert moment("2026-11-22T10:00:00.123456Z", UTC).time % 1_000_000 == 123_456
    assert moment("2026-11-22T10:00:00,123Z", UTC).time % 1_000_000 == 123_000
    assert moment(TEN_SECONDS + 0.25, UTC).time == TEN_SECONDS * 1_000_000 + 250_000
    assert moment(TEN_SECONDS * 10**6 + 7, UTC).time % 1_000_000 == 7


def test_zone_is_assumed() -> None:
    """A time without a zone is read in the connector's, and that is said."""
    parsed = moment("2026-11-22 10:00:00", ZoneInfo("Europe/Oslo"))
    assert parsed.zone_assumed
    assert isoformat(parsed.time) == "2026-11-22T09:00:00Z"


@pytest.mark.parametrize(
    "value",
    [
        *("0001-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "+10000-01-01T00:00:00Z", "1969-12-31T23:59:59Z"),
        *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "-1000000000"),
        *("9999-12-31T23:59:60Z", "9999-12-31T23:59:60"),
        *(-1, 10**20, 10**30, 1e300, float("inf"), float("-inf")),
    ],
)
def test_out_of_range(value: str | float) -> None:
    """Years before 1970 and after 9999 are refused as out of range."""
    with pytest.raises(Refused) as refusal:
        moment(value, UTC)
    assert refusal.value.reason == "time_out_of_range"


@pytest.mark.parametrize(
    "value",
    [
        *("", "yesterday", "NaN", "Infinity", "1e130000", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z"),
        *(
            "2026-11-22",
            "20261122",
            "10:00:00",
            "9" * 65,
            "2026-11-22T25:00:00Z",
            "\ud800",
            "٢٠٢٦-11-22T10:00:00Z",
        ),
        *(float("nan"), True),
    ],
)
def test_no_time(value: str | float) -> None:
    """What is no moment, a day alone included, is refused as a bad time."""
    with pytest.raises(Refused) as refusal:
        moment(value, UTC)
    assert refusal.value.reason in ("bad_time", "time_out_of_range")
    assert refusal.value.detail.isascii()


def at(text: str) -> int:
    """Microseconds of an ISO time."""
    return from_datetime(datetime.fromisoformat(text))


@pytest.mark.parametrize(
    ("stamp", "received", "expected"),
    [
        ("Mar 27 13:06:56", "2026-11-22T12:00:00Z", "2026-03-27T13:06:56Z"),
        ("Dec 31 23:59:59", "2026-01-01T00:00:10Z", "2025-12-31T23:59:59Z"),
        ("Nov 23 11:59:59", "2026-11-22T12:00:00Z", "2026-11-23T11:59:59Z"),
        ("Nov 23 12:00:01", "2026-11-22T12:00:00Z", "2025-11-23T12:00:01Z"),
        ("Jan  1 00:00:01", "2026-12-31T23:59:59Z", "2027-01-01T00:00:01Z"),
        ("Feb 29 10:00:00", "2026-11-22T12:00:00Z", "2024-02-29T10:00:00Z"),
        ("Feb 29 10:00:00", "2103-11-22T12:00:00Z", "2096-02-29T10:00:00Z"),
        ("Nov  2 10:00:60", "2026-11-22T12:00:00Z", "2026-11-02T10:00:59Z"),
    ],
)
def test_year(stamp: str, received: str, expected: str) -> None:
    """A stamp without a year lies in the latest year in which it is not later than a day after its arrival."""
    assert isoformat(syslog_moment(stamp, at(received), UTC)) == expected


def test_year_over_time() -> None:
    """Whatever the arrival, the resolved time is at most a day after it and at most eight years and a day before."""
    for days in range(0, 4_000, 13):
        received = at("2020-01-01T00:00:00Z") + days * DAY
        for stamp in ("Jan  1 00:00:00", "Feb 29 12:00:00", "Dec 31 23:59:59"):
            time = syslog_moment(stamp, received, UTC)
            assert received - (8 * 366 + 1) * DAY <= time <= received + DAY


def test_stamp_in_a_zone() -> None:
    """A stamp is local time in the connector's zone."""
    received = at("2026-11-22T12:00:00Z")
    utc = syslog_moment("Nov 22 10:00:00", received, UTC)
    assert utc - syslog_moment("Nov 22 10:00:00", received, ZoneInfo("Europe/Oslo")) == HOUR


@pytest.mark.parametrize(
    "stamp", ["Feb 30 10:00:00", "Foo  1 10:00:00", "Mar  1 25:00:00", "Mar  0 10:00:00", "Mar"]
)
def test_bad_stamp(stamp: str) -> None:
    """A stamp that names no day of any year is refused."""
    with pytest.raises(Refused) as refusal:
        syslog_moment(stamp, at("2026-11-22T12:00:00Z"), UTC)
    assert refusal.value.reason == "bad_time"


def test_stamp_before_1970() -> None:
    """A stamp that would lie before 1970 is refused as out of range."""
    with pytest.raises(Refused) as refusal:
        syslog_moment("Mar  1 10:00:00", 0, UTC)
    assert refusal.value.reason == "time_out_of_range"
