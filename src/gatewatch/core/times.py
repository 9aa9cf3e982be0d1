"""Event time: microseconds since 1970-01-01T00:00:00Z, as an int. The core knows no other clock."""

from datetime import UTC, datetime, timedelta
from typing import Final

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

#: The years an event may lie in; what is outside is refused as `time_out_of_range`.
MIN_TIME: Final = 0
MAX_TIME: Final = 253_402_300_800 * SECOND - 1

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def from_datetime(moment: datetime) -> int:
    """Microseconds since the epoch, exactly (no float in between). `moment` must have a zone."""
    return (moment - _EPOCH) // _MICROSECOND


def to_datetime(time: int) -> datetime:
    """The aware UTC datetime of an event time."""
    return _EPOCH + timedelta(microseconds=time)


def isoformat(time: int) -> str:
    """`2026-11-22T10:00:00Z`; microseconds only where there are any."""
    return to_datetime(time).isoformat().replace("+00:00", "Z")
